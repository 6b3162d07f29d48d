/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Paths: one in two VIBs, and those that are not for everybody. */
#include "esx/path_rules.h"
#include "esx/rules_private.h"
#include "esx/word_list.h"

#include <string.h>

#define PATHS_SHOWN 20 /* of one pair of VIBs */

enum file_space { SPACE_PLAIN, SPACE_OVERLAY, SPACE_LOCKER };

struct pair {
    const struct vib *first;
    const struct vib *second;
    GPtrArray *paths; /* of const char *, borrowed */
};

guint
rules_file_space(const struct vib *vib)
{
    if (vib->type == VIB_LOCKER)
        return SPACE_LOCKER; /* a partition of its own */
    return vib->overlay ? SPACE_OVERLAY : SPACE_PLAIN;
}

const char *
rules_file_path(const char *path)
{
    return *path == '/' ? path + 1 : path;
}

static guint
hash_pair(gconstpointer data)
{
    const struct pair *pair = data;
    return g_direct_hash(pair->first) * 31 + g_direct_hash(pair->second);
}

static gboolean
equal_pair(gconstpointer a, gconstpointer b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    return x->first == y->first && x->second == y->second;
}

static void
free_pair(gpointer data)
{
    struct pair *pair = data;
    g_ptr_array_unref(pair->paths);
    g_free(pair);
}

static void
add_collision(GHashTable *pairs, const struct vib *first, const struct vib *second,
              const char *path)
{
    struct pair key = {first, second, NULL};
    struct pair *pair = g_hash_table_lookup(pairs, &key);
    if (pair == NULL) {
        pair = g_new0(struct pair, 1);
        *pair = (struct pair){first, second, g_ptr_array_new()};
        g_hash_table_add(pairs, pair);
    }
    g_ptr_array_add(pair->paths, (gpointer)path);
}

/* The first VIB with a path owns it; every later one collides with the first.  Two versions of one
 * VIB share their paths: that they are two is said elsewhere. */
static void
collect_files(struct rules_state *state, GHashTable *pairs, const struct vib *vib)
{
    GHashTable *owners = state->files[rules_file_space(vib)];
    for (guint i = 0; i < vib->files->len; i++) {
        const char *path = rules_file_path(vib->files->pdata[i]);
        const struct vib *owner = g_hash_table_lookup(owners, path);
        if (owner == NULL)
            g_hash_table_insert(owners, (gpointer)path, (gpointer)vib);
        else if (strcmp(owner->name, vib->name) != 0)
            add_collision(pairs, owner, vib, path);
    }
}

static int
compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
compare_pairs(gconstpointer a, gconstpointer b)
{
    const struct pair *x = *(struct pair *const *)a;
    const struct pair *y = *(struct pair *const *)b;
    int order = strcmp(x->first->id, y->first->id);
    return order != 0 ? order : strcmp(x->second->id, y->second->id);
}

static void
report_pair(struct rules_state *state, const struct pair *pair)
{
    g_ptr_array_sort(pair->paths, compare_paths);
    g_autofree char *paths = word_list_format(pair->paths, PATHS_SHOWN, "and");
    const char *kind = pair->first->overlay ? "overlay " : "";
    struct problem *problem = rules_report(state, RULE_FILES, RULE_ERROR, pair->first,
                                           pair->second->id, "%sVIBs %s and %s both have %s", kind,
                                           pair->first->id, pair->second->id, paths);
    rules_remedy_pair(state, problem, pair->first, pair->second);
}

static void
check_paths(struct rules_state *state, const struct vib *vib)
{
    if (vib->type != VIB_BOOTBANK)
        return;
    enum acceptance level = MAX(vib->acceptance, ACCEPTANCE_COMMUNITY);
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    for (guint i = 0; i < vib->files->len; i++) {
        const char *path = rules_file_path(vib->files->pdata[i]);
        if (!path_rules_allow(path, level))
            g_ptr_array_add(paths, (gpointer)path);
    }
    if (paths->len == 0)
        return;
    g_ptr_array_sort(paths, compare_paths);
    g_autofree char *list = word_list_format(paths, PATHS_SHOWN, "and");
    rules_report(state, RULE_PATHS, RULE_WARNING, vib, paths->pdata[0],
                 "VIB %s has files where %s VIBs are to have none: %s", vib->id,
                 acceptance_title(level), list);
}

void
rules_files_check(struct rules_state *state)
{
    g_autoptr(GHashTable) pairs = g_hash_table_new_full(hash_pair, equal_pair, free_pair, NULL);
    for (guint i = 0; i < state->vibs->len; i++)
        collect_files(state, pairs, state->vibs->pdata[i]);

    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    GHashTableIter iter;
    gpointer pair;
    g_hash_table_iter_init(&iter, pairs);
    while (g_hash_table_iter_next(&iter, &pair, NULL))
        g_ptr_array_add(sorted, pair);
    g_ptr_array_sort(sorted, compare_pairs);
    for (guint i = 0; i < sorted->len && !rules_full(state); i++)
        report_pair(state, sorted->pdata[i]);
    for (guint i = 0; i < state->vibs->len && !rules_full(state); i++)
        check_paths(state, state->vibs->pdata[i]);
}
