/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What to do about a broken rule: packages of the connected depots that would mend it, or why
 * none can. */
#include "esx/rules_private.h"
#include "esx/word_list.h"

#include <stdio.h>
#include <string.h>

#define CANDIDATES_SHOWN 3
#define CANDIDATES_TRIED 50 /* newest first; what is older than that many helps nobody */

#define VMKLINUX_PREFIX "com.vmware.driverAPI-9."
#define VMKLINUX_END "7.0"

/* The release that brought each version of the driver interface of native drivers. */
static const struct {
    int minor; /* of vmkapi_2_minor_0_0 */
    const char *release;
} vmkapis[] = {
    {0, "5.0"}, {1, "5.1"}, {2, "5.5"}, {3, "6.0"}, {4, "6.5"}, {5, "6.7"}, {6, "7.0"},
};

/* A package that stands for another of its name, so that one does not count. */
static gboolean
stays_beside(const struct vib *other, const struct vib *candidate)
{
    return strcmp(other->name, candidate->name) != 0;
}

static gboolean
excludes(const GArray *relations, const struct vib *vib, gboolean own_name_only)
{
    for (guint i = 0; i < relations->len; i++) {
        const struct relation *relation = &g_array_index(relations, struct relation, i);
        if (own_name_only ? relation_matches_vib(relation, vib) : vib_provides(vib, relation))
            return TRUE;
    }
    return FALSE;
}

static gboolean
agrees_with_vibs(const struct rules_state *state, const struct vib *candidate)
{
    for (guint i = 0; i < state->vibs->len; i++) {
        const struct vib *vib = state->vibs->pdata[i];
        if (!stays_beside(vib, candidate))
            continue;
        if (excludes(vib->conflicts, candidate, FALSE) ||
            excludes(vib->replaces, candidate, TRUE) || excludes(candidate->conflicts, vib, FALSE))
            return FALSE;
    }
    return TRUE;
}

static gboolean
has_free_files(const struct rules_state *state, const struct vib *candidate)
{
    GHashTable *owners = state->files[rules_file_space(candidate)];
    for (guint i = 0; i < candidate->files->len; i++) {
        const struct vib *owner =
            g_hash_table_lookup(owners, rules_file_path(candidate->files->pdata[i]));
        if (owner != NULL && stays_beside(owner, candidate))
            return FALSE;
    }
    return TRUE;
}

/* esx-base of another release would mend nothing: it brings another ESXi. */
static gboolean
is_other_release(const struct rules_state *state, const struct vib *candidate)
{
    for (guint i = 0; i < candidate->provides->len; i++) {
        const struct relation *provide = &g_array_index(candidate->provides, struct relation, i);
        if (strcmp(provide->name, "esx-version") == 0 &&
            rules_compare_release(state, provide->version) != 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_contained(const struct rules_state *state, const struct vib *candidate)
{
    const GPtrArray *list = g_hash_table_lookup(state->providers, candidate->name);
    for (guint i = 0; list != NULL && i < list->len; i++)
        if (strcmp(((struct vib *)list->pdata[i])->id, candidate->id) == 0)
            return TRUE;
    return FALSE;
}

static gboolean
fits(const struct rules_state *state, const struct vib *candidate)
{
    return vib_for_product(candidate, RULES_PRODUCT) && !is_contained(state, candidate) &&
           candidate->acceptance >= state->input->acceptance &&
           !is_other_release(state, candidate) && agrees_with_vibs(state, candidate) &&
           has_free_files(state, candidate);
}

/* TRUE when everything that `candidate` depends on would be there with it in the image. */
static gboolean
is_complete(const struct rules_state *state, const struct vib *candidate)
{
    for (guint i = 0; i < candidate->depends->len; i++) {
        const struct relation *wish = &g_array_index(candidate->depends, struct relation, i);
        gboolean found = vib_provides(candidate, wish);
        const GPtrArray *list = g_hash_table_lookup(state->providers, wish->name);
        for (guint j = 0; !found && list != NULL && j < list->len; j++)
            found = stays_beside(list->pdata[j], candidate) && vib_provides(list->pdata[j], wish);
        if (!found)
            return FALSE;
    }
    return TRUE;
}

/* Those of `packages` that fit: the complete ones, or when there is none, and `incomplete`
 * allows it, those that want something themselves. */
static GPtrArray *
choose(const struct rules_state *state, const GPtrArray *packages, gboolean incomplete)
{
    GPtrArray *complete = g_ptr_array_new();
    GPtrArray *others = g_ptr_array_new();
    for (guint i = 0; i < packages->len && i < CANDIDATES_TRIED; i++) {
        struct package *package = packages->pdata[i];
        if (fits(state, package->vib))
            g_ptr_array_add(is_complete(state, package->vib) ? complete : others, package);
    }
    gboolean take_others = complete->len == 0 && incomplete;
    g_ptr_array_unref(take_others ? complete : others);
    return take_others ? others : complete;
}

static char *
packages_text(const GPtrArray *packages)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < packages->len; i++) {
        const struct package *package = packages->pdata[i];
        const char *title = package->depot != NULL ? package->depot->title : NULL;
        if (title != NULL)
            g_ptr_array_add(words, g_strdup_printf("%s (depot %s)", package->vib->id, title));
        else
            g_ptr_array_add(words, g_strdup(package->vib->id));
    }
    return word_list_format(words, CANDIDATES_SHOWN, "or");
}

/* Note `packages` as candidates; the text that lists them. */
static char *
propose(struct problem *problem, const GPtrArray *packages)
{
    for (guint i = 0; i < packages->len; i++)
        g_ptr_array_add(problem->candidates,
                        g_strdup(((struct package *)packages->pdata[i])->vib->id));
    return packages_text(packages);
}

static gboolean
has_depots(const struct rules_state *state)
{
    return state->input->depots != NULL && depot_set_depots(state->input->depots)->len > 0;
}

/* Packages that fulfil all of `wishes`, newest first. */
static GPtrArray *
find_providers(const struct rules_state *state, const GPtrArray *wishes, const struct vib *vib)
{
    g_autoptr(GPtrArray) packages =
        depot_set_providers(state->input->depots, wishes->pdata[0], RULES_PRODUCT);
    const char *name = ((struct relation *)wishes->pdata[0])->name;
    GPtrArray *found = g_ptr_array_new();
    for (guint i = 0; i < packages->len; i++) {
        const struct package *package = packages->pdata[i];
        gboolean all = TRUE;
        /* The fulfilled wishes for this name must stay fulfilled: "vsan >= 1" and "vsan << 2". */
        for (guint j = 0; j < vib->depends->len && all; j++) {
            const struct relation *wish = &g_array_index(vib->depends, struct relation, j);
            all = strcmp(wish->name, name) != 0 || vib_provides(package->vib, wish);
        }
        if (all)
            g_ptr_array_add(found, packages->pdata[i]);
    }
    return found;
}

/* Other versions of `vib` that need nothing that is not there; "" or "; VIB ... fits". */
static char *
alternatives_text(struct rules_state *state, struct problem *problem, const struct vib *vib)
{
    if (!has_depots(state))
        return g_strdup("");
    g_autoptr(GPtrArray) packages = depot_set_by_name(state->input->depots, vib->name);
    g_autoptr(GPtrArray) fitting = choose(state, packages, FALSE);
    if (fitting->len == 0)
        return g_strdup("");
    g_autofree char *text = propose(problem, fitting);
    return g_strdup_printf("; what fits is %s", text);
}

static gboolean
is_vmklinux(const struct vib *vib)
{
    for (guint i = 0; i < vib->depends->len; i++)
        if (g_str_has_prefix(g_array_index(vib->depends, struct relation, i).name, VMKLINUX_PREFIX))
            return TRUE;
    return FALSE;
}

/* The number of vmkapi_2_NUMBER_0_0, or -1. */
static int
parse_vmkapi(const char *name)
{
    int minor;
    int end = 0;
    if (sscanf(name, "vmkapi_2_%3d_0_0%n", &minor, &end) != 1 || end == 0 || name[end] != '\0')
        return -1;
    return minor;
}

/* The release of ESXi that a driver with this wish was made for, when it is another than the
 * image's: "6.0"; "" when it is newer than we know; NULL when nothing of the kind can be said. */
static const char *
find_foreign_release(const struct rules_state *state, const struct relation *wish)
{
    int minor = parse_vmkapi(wish->name);
    if (minor < 0 || state->release == NULL)
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(vmkapis); i++)
        if (vmkapis[i].minor == minor)
            return rules_compare_release(state, vmkapis[i].release) != 0 ? vmkapis[i].release
                                                                         : NULL;
    int newest = -1;
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, state->providers);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        newest = MAX(newest, parse_vmkapi(name));
    /* With none at all it is the base system that is missing; the driver may be all right. */
    return newest < 0 || newest > minor ? NULL : "";
}

/* A driver for another ESXi cannot be helped by any package: say so before anything is sought. */
static gboolean
explain_foreign(struct rules_state *state, struct problem *problem, const struct vib *vib,
                const struct relation *wish)
{
    g_autofree char *ours = rules_release_text(state);
    if (state->release != NULL && is_vmklinux(vib) &&
        rules_compare_release(state, VMKLINUX_END) <= 0 &&
        (g_str_has_prefix(wish->name, VMKLINUX_PREFIX) || parse_vmkapi(wish->name) >= 0)) {
        g_autofree char *text = alternatives_text(state, problem, vib);
        problem->remedy = g_strdup_printf("it is a vmklinux driver, and those ended with ESXi 6.7; "
                                          "the image is %s and needs a native driver%s",
                                          ours, text);
        return TRUE;
    }
    const char *release = find_foreign_release(state, wish);
    if (release == NULL)
        return FALSE;
    g_autofree char *theirs = *release != '\0' ? g_strdup_printf("belongs to ESXi %s", release)
                                               : g_strdup("belongs to a newer ESXi");
    g_autofree char *text = alternatives_text(state, problem, vib);
    problem->remedy = g_strdup_printf("the driver is for another release of ESXi: %s %s, and the "
                                      "image is %s%s",
                                      wish->name, theirs, ours, text);
    return TRUE;
}

/* The name of ESXi itself: no package can give it another release. */
static gboolean
explain_release(struct rules_state *state, struct problem *problem, const struct vib *vib,
                const struct relation *wish)
{
    if (strcmp(wish->name, "esx-version") != 0 || state->release == NULL ||
        rules_compare_release(state, wish->version) == 0)
        return FALSE;
    g_autofree char *ours = rules_release_text(state);
    g_autofree char *text = alternatives_text(state, problem, vib);
    problem->remedy = g_strdup_printf(
        "the VIB is for another release of ESXi, and the image is %s%s", ours, text);
    return TRUE;
}

void
rules_remedy_wishes(struct rules_state *state, struct problem *problem, const struct vib *vib,
                    const GPtrArray *wishes)
{
    const struct relation *wish = wishes->pdata[0];
    if (explain_foreign(state, problem, vib, wish) || explain_release(state, problem, vib, wish))
        return;
    if (!has_depots(state)) {
        problem->remedy = g_strdup("no depot is connected; connect the one that has it");
        return;
    }
    g_autoptr(GPtrArray) packages = find_providers(state, wishes, vib);
    g_autoptr(GPtrArray) chosen = choose(state, packages, TRUE);
    if (chosen->len > 0) {
        g_autofree char *text = propose(problem, chosen);
        problem->remedy = g_strdup_printf("add %s", text);
    } else if (packages->len > 0) {
        g_autofree char *text = packages_text(packages);
        problem->remedy = g_strdup_printf("%s would provide it, but not fit this image", text);
    } else {
        problem->remedy = g_strdup_printf("no connected depot has it; connect the depot that does, "
                                          "or remove %s",
                                          vib->id);
    }
}

void
rules_remedy_pair(struct rules_state *state, struct problem *problem, const struct vib *a,
                  const struct vib *b)
{
    g_autoptr(GPtrArray) fitting = g_ptr_array_new();
    const struct vib *vibs[] = {a, b};
    for (gsize i = 0; i < G_N_ELEMENTS(vibs) && has_depots(state); i++) {
        g_autoptr(GPtrArray) packages = depot_set_by_name(state->input->depots, vibs[i]->name);
        g_autoptr(GPtrArray) chosen = choose(state, packages, FALSE);
        g_ptr_array_extend(fitting, chosen, NULL, NULL);
    }
    if (fitting->len == 0) {
        problem->remedy = g_strdup("remove one of them");
        return;
    }
    g_autofree char *text = propose(problem, fitting);
    problem->remedy = g_strdup_printf("remove one of them, or add %s in its place", text);
}

void
rules_remedy_name(struct rules_state *state, struct problem *problem, const char *name,
                  const char *lead, const char *otherwise)
{
    if (has_depots(state)) {
        g_autoptr(GPtrArray) packages = depot_set_by_name(state->input->depots, name);
        g_autoptr(GPtrArray) chosen = choose(state, packages, TRUE);
        if (chosen->len > 0) {
            g_autofree char *text = propose(problem, chosen);
            problem->remedy = g_strdup_printf("%s %s", lead, text);
            return;
        }
    }
    problem->remedy = g_strdup(otherwise);
}
