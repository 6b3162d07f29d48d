/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/selection.h"

#include "base/error.h"
#include "hyper/wildcard.h"

#include <string.h>

#define NEAR_MAX 5u
#define PATHS_MAX 10u /* in a message */

enum match {
    MATCH_NONE,
    MATCH_FOLDER,  /* it lies in a folder of that path */
    MATCH_PATTERN, /* among others */
    MATCH_ITSELF,  /* it alone, or what has the same name */
};

/* "/DC0/vm/app01"; "/app01" where there are no folders. */
static char *
path_of(const struct machine *machine)
{
    const char *folder = machine->folder != NULL ? machine->folder : "";
    gsize length = strlen(folder);
    while (length > 0 && folder[length - 1] == '/')
        length--;
    return g_strdup_printf("%.*s/%s", (int)length, folder, machine->name);
}

static gboolean
means_all(const char *path)
{
    return path == NULL || path[strspn(path, "/")] == '\0';
}

/* One name, without a folder. */
static gboolean
is_bare(const char *path)
{
    return strchr(path + strspn(path, "/"), '/') == NULL;
}

/* A machine's path, name or id. */
static gboolean
match_machine(const char *pattern, const struct machine *machine)
{
    if (g_str_has_suffix(pattern, "/"))
        return FALSE;
    g_autofree char *path = path_of(machine);
    if (wildcard_match_path(pattern, path))
        return TRUE;
    const char *name = pattern + strspn(pattern, "/");
    return is_bare(pattern) &&
           (wildcard_match(name, machine->name) ||
            (machine->id != NULL && g_ascii_strcasecmp(name, machine->id) == 0));
}

static enum match
match_path(const char *pattern, const struct machine *machine)
{
    if (means_all(pattern))
        return MATCH_PATTERN;
    if (match_machine(pattern, machine))
        return wildcard_is(pattern) ? MATCH_PATTERN : MATCH_ITSELF;
    if (machine->folder != NULL && wildcard_match_below(pattern, machine->folder))
        return MATCH_FOLDER;
    return MATCH_NONE;
}

/* Without a slash it is the name of any folder on the way. */
static gboolean
match_folder(const char *pattern, const char *folder)
{
    if (strchr(pattern, '/') != NULL)
        return wildcard_match_below(pattern, folder);
    g_auto(GStrv) names = g_strsplit(folder, "/", -1);
    for (char **name = names; *name != NULL; name++)
        if (**name != '\0' && wildcard_match(pattern, *name))
            return TRUE;
    return FALSE;
}

static gboolean
match_pool(const char *pattern, const char *pool)
{
    return wildcard_match_below(pattern, pool);
}

/* "category/tag", or the tag alone. */
static gboolean
match_tag(const char *pattern, const char *tag)
{
    const char *slash = strchr(tag, '/');
    return wildcard_match_path(pattern, tag) ||
           (slash != NULL && wildcard_match(pattern, slash + 1));
}

/* TRUE when there is no list, or one of it matches. */
static gboolean
match_any(const char *const *patterns, const char *text,
          gboolean (*match)(const char *pattern, const char *text))
{
    if (patterns == NULL)
        return TRUE;
    for (; text != NULL && *patterns != NULL; patterns++)
        if (match(*patterns, text))
            return TRUE;
    return FALSE;
}

static gboolean
match_tags(const char *const *patterns, const GPtrArray *tags)
{
    for (guint i = 0; patterns != NULL && i < tags->len; i++)
        if (match_any(patterns, g_ptr_array_index(tags, i), match_tag))
            return TRUE;
    return patterns == NULL;
}

static gboolean
is_excluded(const struct selection *selection, const struct machine *machine)
{
    for (const char *const *pattern = selection->exclude; pattern != NULL && *pattern != NULL;
         pattern++)
        if (match_machine(*pattern, machine) ||
            (g_str_has_suffix(*pattern, "/") && machine->folder != NULL &&
             wildcard_match_below(*pattern, machine->folder)))
            return TRUE;
    return FALSE;
}

static gboolean
match_lists(const struct selection *selection, const struct machine *machine)
{
    return match_any(selection->names, machine->name, wildcard_match) &&
           match_tags(selection->tags, machine->tags) &&
           match_any(selection->hosts, machine->host, wildcard_match) &&
           match_any(selection->clusters, machine->cluster, wildcard_match) &&
           match_any(selection->pools, machine->pool, match_pool) &&
           match_any(selection->folders, machine->folder, match_folder);
}

static enum selection_verdict
judge(const struct selection *selection, const struct machine *machine, enum match match)
{
    if (match == MATCH_NONE || !match_lists(selection, machine))
        return SELECTION_OTHER;
    if (is_excluded(selection, machine))
        return SELECTION_EXCLUDED;
    if (match == MATCH_ITSELF)
        return SELECTION_TAKEN;
    if (machine->template)
        return selection->templates ? SELECTION_TAKEN : SELECTION_TEMPLATE;
    if (machine->power == MACHINE_OFF && !selection->off)
        return SELECTION_OFF;
    if (machine->power == MACHINE_SUSPENDED && !selection->suspended)
        return SELECTION_SUSPENDED;
    return SELECTION_TAKEN;
}

const char *
selection_verdict_words(enum selection_verdict verdict)
{
    switch (verdict) {
    case SELECTION_TAKEN:
    case SELECTION_OTHER:
        return NULL;
    case SELECTION_EXCLUDED:
        return "excluded";
    case SELECTION_OFF:
        return "powered off";
    case SELECTION_SUSPENDED:
        return "suspended";
    case SELECTION_TEMPLATE:
        return "a template";
    }
    return NULL;
}

enum selection_verdict
selection_judge(const struct selection *selection, const struct machine *machine)
{
    return judge(selection, machine, match_path(selection->path, machine));
}

/* ---- Of a whole inventory -------------------------------------------------------------------- */

/* Names that hold what was asked for, or are part of it, in any case. */
static gboolean
comes_near(const char *wanted, const char *name)
{
    g_autofree char *a = g_utf8_strdown(wanted, -1), *b = g_utf8_strdown(name, -1);
    return *a != '\0' && *b != '\0' && (strstr(b, a) != NULL || strstr(a, b) != NULL);
}

/* "; there is /DC0/vm/app01", or "". */
static char *
find_near(const char *path, const GPtrArray *list)
{
    g_autofree char *trimmed = g_strdup(path);
    while (g_str_has_suffix(trimmed, "/"))
        trimmed[strlen(trimmed) - 1] = '\0';
    const char *slash = strrchr(trimmed, '/'), *wanted = slash != NULL ? slash + 1 : trimmed;
    GString *near = g_string_new(NULL);
    for (guint i = 0, n = 0; i < list->len && n < NEAR_MAX; i++) {
        const struct machine *machine = g_ptr_array_index(list, i);
        if (!comes_near(wanted, machine->name))
            continue;
        g_autofree char *its_path = path_of(machine);
        g_string_append_printf(near, "%s%s", n++ > 0 ? ", " : "; there is ", its_path);
    }
    return g_string_free(near, FALSE);
}

static gpointer
refuse_nothing(const struct selection *selection, enum match strength, const GPtrArray *list,
               GError **error)
{
    if (list->len == 0)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "there are no machines");
    if (strength != MATCH_NONE)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                          "there is no machine that matches all of what was asked for, of %u",
                          list->len);
    g_autofree char *near = find_near(selection->path, list);
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                      "there is no machine and no folder %s, of %u machines%s", selection->path,
                      list->len, near);
}

/* A bare name that several machines have is no choice. */
static gboolean
check_single(const struct selection *selection, const GPtrArray *meant, GError **error)
{
    if (meant->len < 2)
        return TRUE;
    GString *paths = g_string_new(NULL);
    for (guint i = 0; i < MIN(meant->len, PATHS_MAX); i++) {
        g_autofree char *path = path_of(g_ptr_array_index(meant, i));
        g_string_append_printf(paths, "%s%s", i > 0 ? ", " : "", path);
    }
    error_set(error, SLIPWAY_ERROR_USAGE, "%u machines are called %s: %s%s; name one by its path",
              meant->len, selection->path + strspn(selection->path, "/"), paths->str,
              meant->len > PATHS_MAX ? ", ..." : "");
    g_string_free(paths, TRUE);
    return FALSE;
}

/* How the path is to be taken: what it is of any machine itself comes before folders; and the
 * machine at exactly that path before others of that name. */
static enum match
strongest(const struct selection *selection, const GPtrArray *list, const struct machine **ret_one)
{
    enum match best = MATCH_NONE;
    *ret_one = NULL;
    for (guint i = 0; i < list->len; i++) {
        const struct machine *machine = g_ptr_array_index(list, i);
        enum match match = match_path(selection->path, machine);
        best = MAX(best, match);
        if (match != MATCH_ITSELF || *selection->path != '/')
            continue;
        g_autofree char *path = path_of(machine);
        if (strcmp(path, selection->path) == 0)
            *ret_one = machine;
    }
    return best;
}

static void
say_left(GPtrArray *left, const struct machine *machine, enum selection_verdict verdict)
{
    const char *words = selection_verdict_words(verdict);
    if (words == NULL || verdict == SELECTION_EXCLUDED)
        return;
    g_autofree char *path = path_of(machine);
    g_ptr_array_add(left, g_strdup_printf("machine %s is left out: it is %s", path, words));
}

GPtrArray *
selection_take(const struct selection *selection, GPtrArray *list, GPtrArray **ret_left,
               GError **error)
{
    g_autoptr(GPtrArray) taken = g_ptr_array_new(), itself = g_ptr_array_new();
    g_autoptr(GPtrArray) left = g_ptr_array_new_with_free_func(g_free);
    const struct machine *one;
    enum match strength = strongest(selection, list, &one);
    guint meant = 0;
    for (guint i = 0; i < list->len; i++) {
        struct machine *machine = g_ptr_array_index(list, i);
        enum match match = match_path(selection->path, machine);
        if (match != strength || (one != NULL && machine != one))
            continue;
        enum selection_verdict verdict = judge(selection, machine, match);
        meant += verdict != SELECTION_OTHER;
        if (verdict == SELECTION_TAKEN)
            g_ptr_array_add(taken, machine);
        if (verdict == SELECTION_TAKEN && match == MATCH_ITSELF)
            g_ptr_array_add(itself, machine);
        say_left(left, machine, verdict);
    }
    if (meant == 0)
        return refuse_nothing(selection, strength, list, error);
    if (!check_single(selection, itself, error))
        return NULL;
    if (ret_left != NULL)
        *ret_left = g_steal_pointer(&left);
    return g_steal_pointer(&taken);
}
