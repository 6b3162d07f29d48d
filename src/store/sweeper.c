/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/sweeper.h"

#include "base/cancel.h"
#include "base/error.h"
#include "store/sweeper_private.h"

/* Room that is left when packs are written anew. */
#define SPARE_BYTES (64u << 20)

void
sweeper_report_clear(struct sweeper_report *report)
{
    g_clear_pointer(&report->notes, g_ptr_array_unref);
}

void
sweeper_note(struct sweep *sweep, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_ptr_array_add(sweep->report->notes, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* ---- Begin and end --------------------------------------------------------------------------- */

static void
clear_sweep(struct sweep *sweep)
{
    live_map_free(sweep->map);
    chunk_reader_free(sweep->reader);
    locator_free(sweep->locator);
    g_clear_pointer(&sweep->writers, g_hash_table_unref);
    g_clear_pointer(&sweep->doomed, g_ptr_array_unref);
    g_clear_pointer(&sweep->lost, g_hash_table_unref);
    g_clear_pointer(&sweep->marked, g_hash_table_unref);
    g_clear_pointer(&sweep->gone, g_hash_table_unref);
    lease_release(sweep->lease);
}

/* One's own lease first: of two that begin at once at least one sees the other. */
static gboolean
begin(struct sweep *sweep, GError **error)
{
    const char *cache = sweep->options->cache_directory;
    sweep->writers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    sweep->marked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    sweep->gone = g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    if (!sweep->options->dry_run) {
        sweep->lease = lease_take(sweep->store, LEASE_PRUNE, error);
        if (sweep->lease == NULL ||
            !lease_clean(sweep->store, cache, FALSE, sweep->lease, NULL, error))
            return FALSE;
    }
    return sweeper_look(sweep, error) &&
           (sweep->doomed = doomed_list(sweep->store, error)) != NULL &&
           (sweep->lost = lost_list(sweep->store, error)) != NULL;
}

/* ---- What is there --------------------------------------------------------------------------- */

static void
note_doomed(struct sweep *sweep)
{
    for (guint i = 0; i < sweep->doomed->len; i++) {
        const struct doomed *list = sweep->doomed->pdata[i];
        GHashTableIter iter;
        gpointer name;
        g_hash_table_iter_init(&iter, list->packs);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
            struct live_pack *pack = live_map_find(sweep->map, name);
            if (pack != NULL)
                pack->doomed = TRUE;
        }
    }
}

static void
list_packs(struct sweep *sweep, GPtrArray *objects)
{
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        struct pack_name name;
        if (!pack_name_parse(entry->name, &name))
            continue;
        struct live_pack *pack = live_map_pack(sweep->map, &name);
        pack->present = TRUE;
        pack->size = entry->size;
        sweep->report->packs++;
        sweep->report->bytes += entry->size;
    }
}

/* An index object is put after the packs that it names: one that is not there now is gone. */
static void
note_indexed(const struct pack_name *name, gpointer data)
{
    struct sweep *sweep = data;
    struct live_pack *pack = live_map_find(sweep->map, name);
    char object[PACK_OBJECT_TEXT];
    guint64 size;
    g_autoptr(GError) local = NULL;
    if (pack != NULL)
        pack->indexed = TRUE;
    else if (!repo_size(store_repo(sweep->store), pack_name_object(name, "packs", object), &size,
                        &local) &&
             g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        g_hash_table_add(sweep->gone, g_memdup2(name, sizeof *name));
}

/* Packs of writers that died before they put an index, and those of an index object that is
 * damaged: listed, they are like any other. */
static gboolean
adopt(struct sweep *sweep, GError **error)
{
    g_autoptr(GPtrArray) packs = live_map_packs(sweep->map);
    auto_ptr(index_writer) index = index_writer_new(lease_id(sweep->lease));
    guint n = 0;
    for (guint i = 0; i < packs->len; i++) {
        struct live_pack *pack = packs->pdata[i];
        g_autoptr(GError) local = NULL;
        if (pack->indexed)
            continue;
        auto_ptr(pack_table) table = locator_table(sweep->locator, &pack->name, &local);
        if (table != NULL) {
            index_writer_add(index, &pack->name, table->n_slots, table->slots);
            pack->indexed = TRUE;
            n++;
        } else if (!sweeper_forgive(sweep, pack, g_steal_pointer(&local), error)) {
            return FALSE;
        }
    }
    return n == 0 ||
           (index_writer_finish(g_steal_pointer(&index), store_repo(sweep->store), error) &&
            chunk_index_refresh(locator_index(sweep->locator), error));
}

/* The order matters: sets, then packs, then the index, each of which is put before the one before
 * it here.  Writers were looked for before that. */
static gboolean
survey(struct sweep *sweep, GHashTable **ret_sets, GPtrArray **ret_packs, GError **error)
{
    struct repo *repo = store_repo(sweep->store);
    if ((*ret_sets = store_sets_ids(sweep->store, error)) == NULL ||
        (*ret_packs = repo_list(repo, "packs", error)) == NULL ||
        (sweep->locator = locator_new(sweep->store, error)) == NULL)
        return FALSE;
    sweep->map = live_map_new(sweep->locator);
    live_map_give_up(sweep->map, sweep->lost);
    sweep->reader = chunk_reader_new(sweep->store, sweep->locator);
    list_packs(sweep, *ret_packs);
    note_doomed(sweep);
    chunk_index_packs(locator_index(sweep->locator), note_indexed, sweep);
    return sweep->lease == NULL || g_hash_table_size(sweep->writers) > 0 || adopt(sweep, error);
}

static void
count_live(struct sweep *sweep)
{
    g_autoptr(GPtrArray) packs = live_map_packs(sweep->map);
    for (guint i = 0; i < packs->len; i++) {
        const struct live_pack *pack = packs->pdata[i];
        sweep->report->live_bytes += pack->live_bytes;
        if (pack->kind == PACK_NODES)
            sweep->report->nodes += pack->n_live;
        else
            sweep->report->chunks += pack->n_live;
    }
}

/* ---- What is to be done ---------------------------------------------------------------------- */

static gboolean
is_worth_moving(struct sweep *sweep, const struct live_pack *pack)
{
    if (sweep->options->optimize && pack->level < sweep->options->level)
        return TRUE;
    guint64 dead = pack->frame_bytes - MIN(pack->live_bytes, pack->frame_bytes);
    return pack->n_live < pack->n_slots &&
           dead * 100 > (guint64)sweep->options->threshold * pack->frame_bytes;
}

/* `dead`: packs that nothing needs; `move`: those whose rest is written anew. */
static gboolean
choose(struct sweep *sweep, GPtrArray *dead, GPtrArray *move, GError **error)
{
    g_autoptr(GPtrArray) packs = live_map_packs(sweep->map);
    guint unlisted = 0;
    for (guint i = 0; i < packs->len; i++) {
        struct live_pack *pack = packs->pdata[i];
        g_autoptr(GError) local = NULL;
        if (!pack->present || pack->doomed || pack->unreadable)
            continue;
        if (!pack->indexed) {
            unlisted++;
        } else if (pack->n_live > 0) {
            if (is_worth_moving(sweep, pack))
                g_ptr_array_add(move, pack);
        } else if (live_map_load(sweep->map, pack, &local)) {
            g_ptr_array_add(dead, pack);
            sweep->report->dead_packs++;
            sweep->report->dead_bytes += pack->size;
        } else if (!g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) &&
                   !sweeper_forgive(sweep, pack, g_steal_pointer(&local), error)) {
            return FALSE;
        }
    }
    if (unlisted > 0)
        sweeper_note(sweep,
                     "%u packs are in no index; they may be those of writers that are "
                     "active, and stay",
                     unlisted);
    return TRUE;
}

static guint64
live_bytes_of(GPtrArray *packs)
{
    guint64 total = 0;
    for (guint i = 0; i < packs->len; i++)
        total += ((struct live_pack *)packs->pdata[i])->live_bytes;
    return total;
}

static guint64
room(struct sweep *sweep)
{
    guint64 free_space = repo_free_space(store_repo(sweep->store));
    return free_space - MIN(free_space, SPARE_BYTES);
}

static gint
compare_live(gconstpointer left, gconstpointer right)
{
    const struct live_pack *a = *(struct live_pack *const *)left,
                           *b = *(struct live_pack *const *)right;
    return a->live_bytes < b->live_bytes ? -1 : a->live_bytes > b->live_bytes;
}

/* Leave out packs for whose rest there is no room; those that give most for it come first. */
static void
fit(struct sweep *sweep, GPtrArray *move)
{
    guint64 left = room(sweep), total = live_bytes_of(move);
    if (total <= left)
        return;
    guint n = 0;
    g_ptr_array_sort(move, compare_live);
    while (n < move->len && ((struct live_pack *)move->pdata[n])->live_bytes <= left) {
        left -= ((struct live_pack *)move->pdata[n])->live_bytes;
        n++;
    }
    sweeper_note(sweep, "there is no room to write %u of %u packs anew; prune again when there is",
                 move->len - n, move->len);
    g_ptr_array_set_size(move, (gint)n);
}

/* ---- Doing it -------------------------------------------------------------------------------- */

static void
count_waiting(struct sweep *sweep, GPtrArray *lists)
{
    for (guint i = 0; i < lists->len; i++) {
        const struct doomed *list = lists->pdata[i];
        GHashTableIter iter;
        gpointer name;
        g_hash_table_iter_init(&iter, list->packs);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
            const struct live_pack *pack = live_map_find(sweep->map, name);
            if (pack == NULL || !pack->present)
                continue;
            sweep->report->waiting_packs++;
            sweep->report->waiting_bytes += pack->size;
        }
    }
}

/* Doom these packs, and remove them in the same run when nobody was writing. */
static gboolean
dispose(struct sweep *sweep, GPtrArray *packs, GError **error)
{
    if (packs->len == 0)
        return TRUE;
    g_autoptr(GPtrArray) lists = sweeper_doom(sweep, packs, error);
    if (lists == NULL || !sweeper_settle(sweep, lists, error))
        return FALSE;
    g_autoptr(GPtrArray) ready = sweeper_ready(sweep, lists);
    if (ready->len < lists->len) {
        count_waiting(sweep, lists);
        return TRUE;
    }
    /* A writer that has just ended may have put its set where it is not seen yet. */
    if (!sweeper_wait(sweep, "every finished backup can be seen", error))
        return FALSE;
    g_autoptr(GHashTable) sets = store_sets_ids(sweep->store, error);
    return sets != NULL && chunk_index_refresh(locator_index(sweep->locator), error) &&
           sweeper_mark_sets(sweep, sets, error) && sweeper_remove(sweep, lists, error);
}

static gboolean
clean(struct sweep *sweep, GPtrArray *dead, GPtrArray *move, GError **error)
{
    g_autoptr(GPtrArray) done = NULL;
    if (live_bytes_of(move) > room(sweep)) {
        if (!dispose(sweep, dead, error))
            return FALSE;
        g_ptr_array_set_size(dead, 0);
    }
    fit(sweep, move);
    gboolean ok = sweeper_move(sweep, move, &done, error);
    if (ok) {
        g_ptr_array_extend(dead, done, NULL, NULL);
        /* What was needed of them is elsewhere now. */
        for (guint i = 0; i < done->len; i++)
            live_map_forget(sweep->map, done->pdata[i]);
        ok = dispose(sweep, dead, error);
    }
    g_clear_pointer(&done, g_ptr_array_unref);
    return ok;
}

static void
predict(struct sweep *sweep, GPtrArray *move)
{
    count_waiting(sweep, sweep->doomed);
    for (guint i = 0; i < move->len; i++) {
        sweep->report->moved_packs++;
        sweep->report->moved_bytes += ((struct live_pack *)move->pdata[i])->size;
    }
}

static gboolean
finish_older(struct sweep *sweep, GPtrArray *ready, GError **error)
{
    if (!sweeper_remove(sweep, ready, error))
        return FALSE;
    for (guint i = 0; i < ready->len; i++)
        g_ptr_array_remove(sweep->doomed, ready->pdata[i]);
    g_ptr_array_set_size(ready, 0);
    count_waiting(sweep, sweep->doomed);
    return TRUE;
}

static gboolean
run(struct sweep *sweep, GError **error)
{
    g_autoptr(GHashTable) sets = NULL;
    g_autoptr(GPtrArray) packs = NULL, ready = NULL;
    g_autoptr(GPtrArray) dead = g_ptr_array_new(), move = g_ptr_array_new();
    if (!begin(sweep, error))
        return FALSE;
    if (sweep->lease != NULL && !sweeper_settle(sweep, sweep->doomed, error))
        return FALSE;
    ready = sweeper_ready(sweep, sweep->doomed);
    if (sweep->lease != NULL && ready->len > 0 &&
        !sweeper_wait(sweep, "every finished backup can be seen", error))
        return FALSE;
    if (!survey(sweep, &sets, &packs, error) || !sweeper_mark_sets(sweep, sets, error))
        return FALSE;
    count_live(sweep);
    if (sweep->lease != NULL && !finish_older(sweep, ready, error))
        return FALSE;
    if (!choose(sweep, dead, move, error))
        return FALSE;
    if (sweep->lease == NULL) {
        predict(sweep, move);
        return TRUE;
    }
    return clean(sweep, dead, move, error) && sweeper_leftovers(sweep, error);
}

gboolean
sweeper_run(struct store *store, const struct sweeper_options *given, struct sweeper_report *report,
            GError **error)
{
    struct sweeper_options options = *given;
    if (options.level <= 0)
        options.level = SWEEPER_LEVEL_DEFAULT;
    options.level = MIN(options.level, 19);
    if (options.threshold < 0)
        options.threshold = options.optimize ? 0 : SWEEPER_THRESHOLD_DEFAULT;
    struct sweep sweep = {.store = store, .options = &options, .report = report};
    if (options.grace_seconds >= 0)
        sweep.grace = options.grace_seconds;
    else if ((repo_capabilities(store_repo(store)) & REPO_LISTS_AT_ONCE) == 0)
        sweep.grace = REPO_LIST_GRACE;
    *report = (struct sweeper_report){.notes = g_ptr_array_new_with_free_func(g_free)};
    gboolean ok = run(&sweep, error);
    clear_sweep(&sweep);
    return ok;
}
