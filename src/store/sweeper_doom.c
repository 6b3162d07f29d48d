/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The order of everything here is that of the format page, "Writers, prune and leases": after a
 * stop at any point the next run finds either nothing or a list with which it goes on. */
#include "base/cancel.h"
#include "base/error.h"
#include "store/sweeper_private.h"

#define LIST_PACKS_MAX 50000u /* in one object */
#define WAIT_STEP (G_USEC_PER_SEC / 10)

gboolean
sweeper_wait(struct sweep *sweep, const char *what, GError **error)
{
    if (sweep->grace == 0)
        return TRUE;
    gint64 until = g_get_monotonic_time() + sweep->grace * G_USEC_PER_SEC;
    progress_begin(sweep->options->progress, (guint64)sweep->grace, PROGRESS_ITEMS,
                   "waiting %" G_GINT64_FORMAT " seconds until %s", sweep->grace, what);
    gboolean ok = TRUE;
    gint64 told = 0, start = g_get_monotonic_time();
    while (ok && g_get_monotonic_time() < until) {
        g_usleep(WAIT_STEP);
        ok = cancel_check(error);
        gint64 passed = (g_get_monotonic_time() - start) / G_USEC_PER_SEC;
        progress_advance(sweep->options->progress, (guint64)(passed - told));
        told = passed;
    }
    progress_end(sweep->options->progress, ok);
    return ok;
}

gboolean
sweeper_look(struct sweep *sweep, GError **error)
{
    g_autoptr(GPtrArray) leases = lease_list(sweep->store, sweep->options->cache_directory, error);
    if (leases == NULL)
        return FALSE;
    g_hash_table_remove_all(sweep->writers);
    for (guint i = 0; i < leases->len; i++) {
        const struct lease_info *info = leases->pdata[i];
        if (info->dead || (sweep->lease != NULL && g_str_equal(info->id, lease_id(sweep->lease))))
            continue;
        if (info->kind == LEASE_WRITER)
            g_hash_table_add(sweep->writers, g_strdup(info->id));
        else if (sweep->lease != NULL)
            return error_set(error, SLIPWAY_ERROR_BUSY,
                             "a prune or repair of %s by process %" G_GINT64_FORMAT
                             " on %s is running; try again when it is done",
                             store_label(sweep->store), info->pid,
                             info->host != NULL ? info->host : "another host");
    }
    sweep->report->writers = g_hash_table_size(sweep->writers);
    return TRUE;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static gboolean
note_writers(struct sweep *sweep, struct doomed *list, GError **error)
{
    GHashTableIter iter;
    gpointer id;
    list->leases = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_iter_init(&iter, sweep->writers);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_ptr_array_add(list->leases, g_strdup(id));
    /* Without a writer this run goes on at once; the next one would only look again. */
    return list->leases->len == 0 || doomed_put(sweep->store, list, error);
}

gboolean
sweeper_settle(struct sweep *sweep, GPtrArray *lists, GError **error)
{
    gboolean open = FALSE;
    for (guint i = 0; i < lists->len; i++)
        open = open || ((struct doomed *)lists->pdata[i])->leases == NULL;
    if (!open)
        return TRUE;
    if (!sweeper_wait(sweep, "every writer can see what is to be removed", error) ||
        !sweeper_look(sweep, error))
        return FALSE;
    for (guint i = 0; i < lists->len; i++) {
        struct doomed *list = lists->pdata[i];
        if (list->leases == NULL && !note_writers(sweep, list, error))
            return FALSE;
    }
    return TRUE;
}

GPtrArray *
sweeper_ready(struct sweep *sweep, GPtrArray *lists)
{
    GPtrArray *ready = g_ptr_array_new();
    for (guint i = 0; i < lists->len; i++) {
        struct doomed *list = lists->pdata[i];
        gboolean active = list->leases == NULL;
        for (guint l = 0; !active && l < list->leases->len; l++)
            active = g_hash_table_contains(sweep->writers, list->leases->pdata[l]);
        if (!active)
            g_ptr_array_add(ready, list);
    }
    return ready;
}

static struct doomed *
make_list(struct sweep *sweep)
{
    struct doomed *list = doomed_new();
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, sweep->marked);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_hash_table_add(list->sets, g_strdup(id));
    return list;
}

GPtrArray *
sweeper_doom(struct sweep *sweep, GPtrArray *packs, GError **error)
{
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func((GDestroyNotify)doomed_free);
    for (guint at = 0; at < packs->len; at += LIST_PACKS_MAX) {
        struct doomed *list = make_list(sweep);
        g_ptr_array_add(lists, list);
        for (guint i = at; i < packs->len && i - at < LIST_PACKS_MAX; i++) {
            struct live_pack *pack = packs->pdata[i];
            doomed_add_pack(list, &pack->name);
            pack->doomed = TRUE;
        }
        if (!lease_check(sweep->lease, error) || !doomed_put(sweep->store, list, error))
            return NULL;
    }
    return g_steal_pointer(&lists);
}

/* ---- Removing -------------------------------------------------------------------------------- */

/* Everything that is needed must still be there: if not, another prune ran at the same time, and
 * what this one marked may be what that one removed. */
static gboolean
check_needed(struct sweep *sweep, GError **error)
{
    if (!lease_check(sweep->lease, error) || !sweeper_look(sweep, error))
        return FALSE;
    g_autoptr(GPtrArray) objects = repo_list(store_repo(sweep->store), "packs", error);
    if (objects == NULL)
        return FALSE;
    g_autoptr(GHashTable) there =
        g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        struct pack_name name;
        if (pack_name_parse(entry->name, &name))
            g_hash_table_add(there, g_memdup2(&name, sizeof name));
    }
    g_autoptr(GPtrArray) packs = live_map_packs(sweep->map);
    for (guint i = 0; i < packs->len; i++) {
        const struct live_pack *pack = packs->pdata[i];
        char object[PACK_OBJECT_TEXT];
        if (pack->n_live > 0 && !g_hash_table_contains(there, &pack->name))
            return error_set(
                error, SLIPWAY_ERROR_BUSY,
                "%s: %s, which sets need, went away while this prune ran; run it again",
                store_label(sweep->store), pack_name_object(&pack->name, "packs", object));
    }
    return TRUE;
}

/* Packs that are on any list but these. */
static gboolean
is_listed_elsewhere(struct sweep *sweep, GPtrArray *lists, const struct pack_name *name)
{
    for (guint i = 0; i < sweep->doomed->len; i++) {
        struct doomed *list = sweep->doomed->pdata[i];
        if (!g_ptr_array_find(lists, list, NULL) && g_hash_table_contains(list->packs, name))
            return TRUE;
    }
    return FALSE;
}

/* Whether the pack may go.  What cannot be read may be healed. */
static gboolean
may_go(struct sweep *sweep, struct live_pack *pack, gboolean *ret_fatal, GError **error)
{
    g_autoptr(GError) local = NULL;
    char object[PACK_OBJECT_TEXT];
    *ret_fatal = FALSE;
    if (pack->n_live > 0) {
        sweep->report->saved_packs++;
        return FALSE;
    }
    if (live_map_load(sweep->map, pack, &local) ||
        g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE; /* not there: the run before removed it */
    if (!pack->unreadable) {
        g_propagate_error(error, g_steal_pointer(&local));
        *ret_fatal = TRUE;
        return FALSE;
    }
    sweeper_note(sweep, "%s stays, as it cannot be read: %s",
                 pack_name_object(&pack->name, "packs", object), local->message);
    return FALSE;
}

static gboolean
remove_pack(struct sweep *sweep, struct live_pack *pack, GError **error)
{
    char object[PACK_OBJECT_TEXT];
    struct repo *repo = store_repo(sweep->store);
    locator_forget(sweep->locator, &pack->name);
    if (!repo_remove(repo, pack_name_object(&pack->name, "packs", object), error) ||
        !repo_remove(repo, pack_name_object(&pack->name, "parity", object), error))
        return FALSE;
    sweep->report->removed_packs += pack->size > 0;
    sweep->report->removed_bytes += pack->size;
    return TRUE;
}

static gboolean
remove_packs(struct sweep *sweep, GPtrArray *lists, struct doomed *list, GHashTable *removed,
             GError **error)
{
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, list->packs);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (g_hash_table_contains(removed, name) || is_listed_elsewhere(sweep, lists, name))
            continue;
        gboolean fatal;
        struct live_pack *pack = live_map_pack(sweep->map, name);
        pack->doomed = FALSE;
        if (!may_go(sweep, pack, &fatal, error)) {
            if (fatal)
                return FALSE;
            continue;
        }
        if (!cancel_check(error) || !remove_pack(sweep, pack, error))
            return FALSE;
        g_hash_table_add(removed, g_memdup2(name, sizeof(struct pack_name)));
        live_map_remove(sweep->map, name);
        progress_advance(sweep->options->progress, 1);
    }
    return TRUE;
}

static gboolean
drop_from_index(struct sweep *sweep, GHashTable *removed, GError **error)
{
    struct chunk_index *index = locator_index(sweep->locator);
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, sweep->gone);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_hash_table_add(removed, g_memdup2(name, sizeof(struct pack_name)));
    if (g_hash_table_size(removed) == 0)
        return TRUE;
    if (!chunk_index_refresh(index, error))
        return FALSE;
    auto_ptr(index_writer) writer = index_writer_new(lease_id(sweep->lease));
    index_writer_merge(writer, index, G_MAXUINT64, removed);
    if (!index_writer_finish(g_steal_pointer(&writer), store_repo(sweep->store), error))
        return FALSE;
    g_hash_table_remove_all(sweep->gone);
    return chunk_index_refresh(index, error);
}

gboolean
sweeper_remove(struct sweep *sweep, GPtrArray *lists, GError **error)
{
    g_autoptr(GHashTable) removed =
        g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    guint64 total = 0;
    if (lists->len == 0 && g_hash_table_size(sweep->gone) == 0)
        return TRUE;
    if (!check_needed(sweep, error))
        return FALSE;
    for (guint i = 0; i < lists->len; i++)
        total += g_hash_table_size(((struct doomed *)lists->pdata[i])->packs);
    progress_begin(sweep->options->progress, total, PROGRESS_ITEMS, "removing packs");
    gboolean ok = TRUE;
    for (guint i = 0; ok && i < lists->len; i++)
        ok = remove_packs(sweep, lists, lists->pdata[i], removed, error);
    ok = ok && drop_from_index(sweep, removed, error);
    for (guint i = 0; ok && i < lists->len; i++)
        ok = doomed_remove(sweep->store, lists->pdata[i], error);
    progress_end(sweep->options->progress, ok);
    return ok;
}
