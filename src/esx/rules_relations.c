/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What VIBs say of each other: depends, conflicts, replaces. */
#include "esx/rules_private.h"

#include <string.h>

/* How a bound reads after "but". */
static const char *const bound_words[] = {
    [VERSION_ANY] = "%s",
    [VERSION_LESS] = "older than %s",
    [VERSION_LESS_EQUAL] = "%s or older",
    [VERSION_EQUAL] = "exactly %s",
    [VERSION_GREATER_EQUAL] = "%s or newer",
    [VERSION_GREATER] = "newer than %s",
};

static const GPtrArray *
find_providers(const struct rules_state *state, const char *name)
{
    return g_hash_table_lookup(state->providers, name);
}

static gboolean
is_fulfilled(const struct rules_state *state, const struct relation *wish)
{
    const GPtrArray *list = find_providers(state, wish->name);
    for (guint i = 0; list != NULL && i < list->len; i++)
        if (vib_provides(list->pdata[i], wish))
            return TRUE;
    return FALSE;
}

/* The open wishes of `vib` for the name of depends[first]; none when an earlier wish was for the
 * same name, since that one spoke for all of them. */
static GPtrArray *
collect_open(const struct rules_state *state, const struct vib *vib, guint first)
{
    GPtrArray *open = g_ptr_array_new();
    const char *name = g_array_index(vib->depends, struct relation, first).name;
    for (guint i = 0; i < vib->depends->len; i++) {
        struct relation *wish = &g_array_index(vib->depends, struct relation, i);
        if (strcmp(wish->name, name) != 0 || is_fulfilled(state, wish))
            continue;
        if (i < first) {
            g_ptr_array_set_size(open, 0);
            return open;
        }
        g_ptr_array_add(open, wish);
    }
    return open;
}

static char *
wishes_text(const GPtrArray *wishes)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < wishes->len; i++) {
        g_autofree char *wish = relation_text(wishes->pdata[i]);
        g_string_append_printf(text, "%s%s", i > 0 ? " and " : "", wish);
    }
    return g_string_free(text, FALSE);
}

static char *
needed_text(const GPtrArray *wishes)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < wishes->len; i++) {
        const struct relation *wish = wishes->pdata[i];
        const char *words = bound_words[wish->relation];
        const char *place = strstr(words, "%s");
        g_string_append_printf(text, "%s%.*s%s%s", i > 0 ? " and " : "", (int)(place - words),
                               words, wish->version != NULL ? wish->version : "",
                               place + strlen("%s"));
    }
    return g_string_free(text, FALSE);
}

/* "esx-base 6.7.0-0.0.8169922", "esx-version 6.7.0 (of VIB ...)": what `vib` has under `name`. */
static char *
provided_text(const struct vib *vib, const char *name)
{
    if (strcmp(vib->name, name) == 0)
        return g_strdup_printf("%s %s", name, vib->version);
    for (guint i = 0; i < vib->provides->len; i++) {
        const struct relation *provide = &g_array_index(vib->provides, struct relation, i);
        if (strcmp(provide->name, name) == 0 && provide->version != NULL)
            return g_strdup_printf("%s %s (of VIB %s)", name, provide->version, vib->id);
    }
    return g_strdup_printf("%s without a version (of VIB %s)", name, vib->id);
}

static void
check_depend(struct rules_state *state, const struct vib *vib, guint index)
{
    const struct relation *wish = &g_array_index(vib->depends, struct relation, index);
    if (is_fulfilled(state, wish))
        return;
    g_autoptr(GPtrArray) open = collect_open(state, vib, index);
    if (open->len == 0)
        return;

    g_autofree char *text = wishes_text(open);
    const GPtrArray *others = find_providers(state, wish->name);
    struct problem *problem;
    if (others != NULL) {
        g_autofree char *provided = provided_text(others->pdata[0], wish->name);
        g_autofree char *needed = needed_text(open);
        problem = rules_report(state, RULE_DEPENDS, RULE_ERROR, vib, text,
                               "VIB %s requires %s: %s is in the profile, but %s is needed",
                               vib->id, text, provided, needed);
    } else {
        problem =
            rules_report(state, RULE_DEPENDS, RULE_ERROR, vib, text,
                         "VIB %s requires %s, which no VIB of the profile provides", vib->id, text);
    }
    rules_remedy_wishes(state, problem, vib, open);
}

/* TRUE when `other` excludes `vib` too and has reported the pair before. */
static gboolean
was_reported(const struct vib *vib, const struct vib *other)
{
    if (strcmp(other->id, vib->id) > 0)
        return FALSE;
    for (guint i = 0; i < other->conflicts->len; i++)
        if (vib_provides(vib, &g_array_index(other->conflicts, struct relation, i)))
            return TRUE;
    return FALSE;
}

static void
check_conflict(struct rules_state *state, const struct vib *vib, guint index, GHashTable *seen)
{
    const struct relation *relation = &g_array_index(vib->conflicts, struct relation, index);
    const GPtrArray *others = find_providers(state, relation->name);
    for (guint i = 0; others != NULL && i < others->len && !rules_full(state); i++) {
        const struct vib *other = others->pdata[i];
        if (other == vib || !vib_provides(other, relation) || was_reported(vib, other) ||
            !g_hash_table_add(seen, (gpointer)other))
            continue;
        g_autofree char *text = relation_text(relation);
        struct problem *problem =
            rules_report(state, RULE_CONFLICTS, RULE_ERROR, vib, other->id,
                         "VIBs %s and %s exclude each other: the first conflicts with %s", vib->id,
                         other->id, text);
        rules_remedy_pair(state, problem, vib, other);
    }
}

static void
report_obsolete(struct rules_state *state, const struct vib *vib, const struct vib *by,
                const char *how)
{
    struct problem *problem = rules_report(state, RULE_OBSOLETE, RULE_ERROR, vib, by->id,
                                           "VIB %s is obsolete: VIB %s %s", vib->id, by->id, how);
    problem->remedy = g_strdup_printf("remove %s", vib->id);
}

static void
check_replace(struct rules_state *state, const struct vib *vib, guint index)
{
    const struct relation *relation = &g_array_index(vib->replaces, struct relation, index);
    const GPtrArray *others = find_providers(state, relation->name);
    for (guint i = 0; others != NULL && i < others->len && !rules_full(state); i++) {
        const struct vib *other = others->pdata[i];
        /* Of one name the newer replaces the older in any case: check_name(). */
        if (strcmp(other->name, vib->name) != 0 && relation_matches_vib(relation, other))
            report_obsolete(state, other, vib, "replaces it");
    }
}

/* The newest VIB called `name`, the first by id among equals. */
static const struct vib *
find_newest(const struct rules_state *state, const char *name)
{
    const struct vib *newest = NULL;
    const GPtrArray *list = find_providers(state, name);
    for (guint i = 0; i < list->len; i++) {
        const struct vib *vib = list->pdata[i];
        if (strcmp(vib->name, name) == 0 &&
            (newest == NULL || version_compare(vib->version, newest->version) > 0))
            newest = vib;
    }
    return newest;
}

static void
check_name(struct rules_state *state, const struct vib *vib)
{
    const struct vib *newest = find_newest(state, vib->name);
    if (newest == vib)
        return;
    gboolean older = version_compare(vib->version, newest->version) < 0;
    report_obsolete(state, vib, newest,
                    older ? "has the same name and is newer" : "has the same name and version");
}

void
rules_relations_check(struct rules_state *state)
{
    for (guint i = 0; i < state->vibs->len && !rules_full(state); i++) {
        const struct vib *vib = state->vibs->pdata[i];
        g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
        check_name(state, vib);
        for (guint j = 0; j < vib->depends->len && !rules_full(state); j++)
            check_depend(state, vib, j);
        for (guint j = 0; j < vib->conflicts->len && !rules_full(state); j++)
            check_conflict(state, vib, j, seen);
        for (guint j = 0; j < vib->replaces->len && !rules_full(state); j++)
            check_replace(state, vib, j);
    }
}
