/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/rules.h"

#include "base/error.h"
#include "esx/rules_private.h"

#include <stdarg.h>
#include <string.h>

#define TOLD_MAX 25u /* problems that one error message tells */

/* `rank` is the order in a report: what causes other problems stands first. */
static const struct {
    const char *name;
    int rank;
} rules[] = {
    [RULE_DEPENDS] = {"depends", 3},
    [RULE_CONFLICTS] = {"conflicts", 4},
    [RULE_OBSOLETE] = {"obsolete", 5},
    [RULE_ACCEPTANCE] = {"acceptance", 6},
    [RULE_FILES] = {"files", 7},
    [RULE_PATHS] = {"paths", 9},
    [RULE_BOOT] = {"boot", 1},
    [RULE_ESX_VERSION] = {"esx-version", 2},
    [RULE_PLATFORM] = {"platform", 8},
    [RULE_CHECKSUMS] = {"checksums", 10},
    [RULE_OVERLAY] = {"overlay", 11},
    [RULE_MISSING] = {"missing", 0},
    [RULE_SIGNATURE] = {"signature", 12},
};

const char *
rule_severity_name(enum rule_severity severity)
{
    static const char *const names[] = {"note", "warning", "error"};
    return names[severity];
}

const char *
rule_name(enum rule rule)
{
    return rules[rule].name;
}

void
problem_free(struct problem *problem)
{
    if (problem == NULL)
        return;
    g_free(problem->vib_id);
    g_free(problem->subject);
    g_free(problem->message);
    g_free(problem->remedy);
    g_ptr_array_unref(problem->candidates);
    g_free(problem);
}

struct problem *
rules_report(struct rules_state *state, enum rule rule, enum rule_severity severity,
             const struct vib *vib, const char *subject, const char *format, ...)
{
    struct problem *problem = g_new0(struct problem, 1);
    problem->rule = rule;
    problem->severity = severity;
    problem->vib_id = g_strdup(vib != NULL ? vib->id : NULL);
    problem->subject = g_strdup(subject);
    problem->candidates = g_ptr_array_new_with_free_func(g_free);
    va_list args;
    va_start(args, format);
    problem->message = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(state->problems, problem);
    return problem;
}

gboolean
rules_full(const struct rules_state *state)
{
    return state->problems->len >= RULES_PROBLEMS_MAX;
}

char *
rules_release_text(const struct rules_state *state)
{
    if (state->release == NULL)
        return g_strdup("this image");
    const char *dash = strchr(state->release, '-');
    gsize length = dash != NULL ? (gsize)(dash - state->release) : strlen(state->release);
    return g_strdup_printf("ESXi %.*s", (int)length, state->release);
}

/* "6.7" of "6.7.0-0.0.8169922". */
static char *
cut_to_minor(const char *version)
{
    g_auto(GStrv) fields = g_strsplit_set(version, ".-", 3);
    if (fields[0] == NULL || fields[1] == NULL)
        return g_strdup_printf("%s.0", version);
    return g_strdup_printf("%s.%s", fields[0], fields[1]);
}

int
rules_compare_release(const struct rules_state *state, const char *version)
{
    if (state->release == NULL || version == NULL)
        return 0;
    g_autofree char *ours = cut_to_minor(state->release);
    g_autofree char *theirs = cut_to_minor(version);
    return version_compare(theirs, ours);
}

static int
compare_vibs(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct vib *const *)a)->id, (*(struct vib *const *)b)->id);
}

/* All of them by id, each once. */
static GPtrArray *
sort_vibs(const GPtrArray *vibs)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    for (guint i = 0; i < vibs->len; i++)
        g_ptr_array_add(sorted, vibs->pdata[i]);
    g_ptr_array_sort(sorted, compare_vibs);

    GPtrArray *unique = g_ptr_array_new();
    for (guint i = 0; i < sorted->len; i++)
        if (i == 0 || compare_vibs(&sorted->pdata[i - 1], &sorted->pdata[i]) != 0)
            g_ptr_array_add(unique, sorted->pdata[i]);
    return unique;
}

static const char *
find_release(const GPtrArray *vibs, gboolean of_product)
{
    for (guint i = 0; i < vibs->len; i++) {
        const struct vib *vib = vibs->pdata[i];
        if (of_product && !vib_for_product(vib, RULES_PRODUCT))
            continue;
        for (guint j = 0; j < vib->provides->len; j++) {
            const struct relation *provide = &g_array_index(vib->provides, struct relation, j);
            if (strcmp(provide->name, "esx-version") == 0 && provide->version != NULL)
                return provide->version;
        }
    }
    return NULL;
}

static void
find_generation(struct rules_state *state, const GPtrArray *vibs)
{
    state->release = find_release(vibs, TRUE);
    if (state->release == NULL)
        state->release = find_release(vibs, FALSE);
    if (state->release != NULL)
        state->generation = generation_of_version(state->release);
}

static void
index_name(GHashTable *providers, char *name, const struct vib *vib)
{
    GPtrArray *list = g_hash_table_lookup(providers, name);
    if (list == NULL) {
        list = g_ptr_array_new();
        g_hash_table_insert(providers, name, list);
    }
    if (list->len == 0 || list->pdata[list->len - 1] != vib)
        g_ptr_array_add(list, (gpointer)vib);
}

static void
index_providers(struct rules_state *state)
{
    for (guint i = 0; i < state->vibs->len; i++) {
        const struct vib *vib = state->vibs->pdata[i];
        index_name(state->providers, vib->name, vib);
        for (guint j = 0; j < vib->provides->len; j++)
            index_name(state->providers, g_array_index(vib->provides, struct relation, j).name,
                       vib);
    }
}

/* From 8.0 on an image carries VIBs for the processor of a DPU beside those of the host: what is
 * not for the host is taken out of the list, so that nothing is held against it. */
static void
choose_visible(struct rules_state *state, const GPtrArray *vibs)
{
    gboolean per_platform = state->generation == NULL || state->generation->per_platform;
    for (guint i = 0; i < vibs->len; i++) {
        struct vib *vib = vibs->pdata[i];
        gboolean visible = !per_platform || vib_for_product(vib, RULES_PRODUCT);
        g_ptr_array_add(visible ? state->vibs : state->hidden, vib);
    }
}

static int
compare_problems(gconstpointer a, gconstpointer b)
{
    const struct problem *x = *(struct problem *const *)a;
    const struct problem *y = *(struct problem *const *)b;
    if (x->severity != y->severity)
        return (int)y->severity - (int)x->severity;
    if (x->rule != y->rule)
        return rules[x->rule].rank - rules[y->rule].rank;
    int order = g_strcmp0(x->vib_id, y->vib_id);
    if (order == 0)
        order = g_strcmp0(x->subject, y->subject);
    return order != 0 ? order : strcmp(x->message, y->message);
}

/* Two constraints of one VIB may say the same. */
static void
sort_problems(GPtrArray *problems)
{
    g_ptr_array_sort(problems, compare_problems);
    guint kept = 0;
    for (guint i = 0; i < problems->len; i++) {
        if (kept > 0 && compare_problems(&problems->pdata[kept - 1], &problems->pdata[i]) == 0) {
            problem_free(problems->pdata[i]);
            continue;
        }
        problems->pdata[kept++] = problems->pdata[i];
    }
    /* What stands behind the kept ones has moved or is freed. */
    g_ptr_array_set_free_func(problems, NULL);
    g_ptr_array_set_size(problems, (gint)kept);
    g_ptr_array_set_free_func(problems, (GDestroyNotify)problem_free);
}

static void
clear_state(struct rules_state *state)
{
    g_ptr_array_unref(state->vibs);
    g_ptr_array_unref(state->hidden);
    g_hash_table_unref(state->providers);
    for (gsize i = 0; i < G_N_ELEMENTS(state->files); i++)
        g_hash_table_unref(state->files[i]);
}

GPtrArray *
rules_check(const struct rules_input *input)
{
    struct rules_state state = {
        .input = input,
        .vibs = g_ptr_array_new(),
        .hidden = g_ptr_array_new(),
        .providers =
            g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref),
        .problems = g_ptr_array_new_with_free_func((GDestroyNotify)problem_free),
    };
    for (gsize i = 0; i < G_N_ELEMENTS(state.files); i++)
        state.files[i] = g_hash_table_new(g_str_hash, g_str_equal);

    g_autoptr(GPtrArray) all = sort_vibs(input->vibs);
    find_generation(&state, all);
    choose_visible(&state, all);
    index_providers(&state);
    /* Files first: remedies look whether a candidate's files are free. */
    rules_files_check(&state);
    rules_relations_check(&state);
    rules_vibs_check(&state);
    rules_image_check(&state);
    sort_problems(state.problems);
    clear_state(&state);
    return state.problems;
}

gboolean
problems_have_errors(GPtrArray *problems)
{
    for (guint i = 0; i < problems->len; i++)
        if (((struct problem *)problems->pdata[i])->severity == RULE_ERROR)
            return TRUE;
    return FALSE;
}

gboolean
problems_to_error(GPtrArray *problems, const char *profile_name, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    guint errors = 0;
    guint signatures = 0;
    for (guint i = 0; i < problems->len; i++) {
        const struct problem *problem = problems->pdata[i];
        if (problem->severity != RULE_ERROR)
            continue;
        errors++;
        signatures += problem->rule == RULE_SIGNATURE;
        if (errors > TOLD_MAX)
            continue;
        g_string_append_printf(text, "\n  %s", problem->message);
        if (problem->remedy != NULL)
            g_string_append_printf(text, "; %s", problem->remedy);
    }
    if (errors == 0)
        return TRUE;
    if (errors > TOLD_MAX)
        g_string_append_printf(text, "\n  and %u more", errors - TOLD_MAX);
    enum slipway_error code = signatures == errors ? SLIPWAY_ERROR_SIGNATURE : SLIPWAY_ERROR_RULES;
    return error_set(error, code, "image profile '%s' has %u problem%s:%s", profile_name, errors,
                     errors == 1 ? "" : "s", text->str);
}
