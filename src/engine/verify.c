/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The maps are walked first, which finds out what is to be read where; then the packs are read; and
 * only when something was damaged the maps are walked once more, to say which places that hits. */
#include "engine/verify.h"

#include "base/cancel.h"
#include "base/error.h"
#include "engine/leaf_compare.h"
#include "engine/verify_private.h"

/* Packs that prune moves while they are read are looked for again this often. */
#define ROUNDS_MAX 4

void
verify_damage_free(struct verify_damage *damage)
{
    if (damage == NULL)
        return;
    g_free(damage->disk);
    g_free(damage->words);
    g_free(damage);
}

void
verify_report_clear(struct verify_report *report)
{
    g_clear_pointer(&report->damage, g_ptr_array_unref);
    report->chunks = report->bytes = 0;
}

gboolean
verify_is_damage(const GError *error)
{
    return g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
           g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) ||
           g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

gboolean
verify_add_damaged(struct verify *verify, const struct chunk_id *id, GError *why, GError **error)
{
    if (!verify_is_damage(why)) {
        g_propagate_error(error, why);
        return FALSE;
    }
    g_mutex_lock(&verify->lock);
    if (verify->unreadable == NULL && g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_IO))
        verify->unreadable = g_error_copy(why);
    gboolean wordy = g_hash_table_size(verify->damaged) < VERIFY_WORDS_MAX;
    if (!g_hash_table_contains(verify->damaged, id))
        g_hash_table_insert(verify->damaged, g_memdup2(id, sizeof *id),
                            g_strdup(wordy ? why->message : "one of very many damaged chunks"));
    g_mutex_unlock(&verify->lock);
    g_error_free(why);
    return TRUE;
}

/* ---- What is to be read ---------------------------------------------------------------------- */

/* Not where the index says, or not there at all: tried at once, with all that a reader tries. */
static gboolean
try_now(struct verify *verify, const struct map_entry *entry, GError **error)
{
    GError *local = NULL;
    gsize length = (gsize)entry->blocks * CHUNK_BLOCK;
    if (chunk_reader_peek(verify->reader, &entry->id, length, &local) == NULL)
        return verify_add_damaged(verify, &entry->id, local, error);
    verify->chunks++;
    verify->bytes += length;
    return TRUE;
}

static gboolean
was_read(const struct verify *verify, const struct location *location)
{
    const struct pack_need *need =
        verify->before != NULL ? chunk_needs_find(verify->before, &location->table->name) : NULL;
    return need != NULL && pack_need_has(need, location->slot);
}

static gboolean
collect_entry(struct verify *verify, const struct map_entry *entry, GError **error)
{
    struct location location;
    if (g_hash_table_contains(verify->damaged, &entry->id))
        return TRUE;
    if (!locator_find(verify->locator, &entry->id, 0, &location, NULL))
        return try_now(verify, entry, error);
    gboolean fits = location.table->slots[location.slot].length == entry->blocks * CHUNK_BLOCK;
    if (fits && !was_read(verify, &location))
        chunk_needs_add(verify->needs, &location);
    location_clear(&location);
    return fits || try_now(verify, entry, error);
}

static gboolean
collect_leaf(gpointer data, guint64 segment G_GNUC_UNUSED, const struct map_leaf *leaf,
             GError **error)
{
    for (guint i = 0; i < leaf->n; i++) {
        if (!collect_entry(data, &leaf->entries[i], error))
            return FALSE;
    }
    return cancel_check(error);
}

static gboolean
collect_difference(gpointer data, guint64 segment G_GNUC_UNUSED, const struct map_leaf *old,
                   const struct map_leaf *leaf, GError **error)
{
    guint8 blocks[CHUNK_SEGMENT_BLOCKS];
    leaf_compare(old, leaf, blocks);
    for (guint i = 0; i < leaf->n; i++) {
        if (blocks[leaf->entries[i].block] == LEAF_DATA &&
            !collect_entry(data, &leaf->entries[i], error))
            return FALSE;
    }
    return cancel_check(error);
}

static gboolean
note_broken(gpointer data, guint64 segment G_GNUC_UNUSED, guint64 n_segments G_GNUC_UNUSED,
            const GError *why, GError **error)
{
    struct verify *verify = data;
    if (!verify_is_damage(why)) {
        g_propagate_error(error, g_error_copy(why));
        return FALSE;
    }
    if (verify->unreadable == NULL && g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_IO))
        verify->unreadable = g_error_copy(why);
    verify->nodes_damaged = TRUE;
    return TRUE;
}

/* A map that cannot be compared because a node is damaged is read in full. */
static gboolean
collect_disk(struct verify *verify, const struct set_disk *disk, GError **error)
{
    struct map_source source = chunk_reader_map_source(verify->reader);
    struct map_visitor visitor = {.leaf = collect_leaf, .broken = note_broken, .data = verify};
    const struct set *since = verify->options->since;
    const struct set_disk *old = since != NULL ? set_find_disk(since, disk->name) : NULL;
    g_autoptr(GError) local = NULL;
    if (old != NULL) {
        if (map_diff(&old->map, &disk->map, &source, collect_difference, verify, &local))
            return TRUE;
        if (!verify_is_damage(local)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    return map_walk(&disk->map, &source, &visitor, error);
}

/* ---- What is hit by the damage --------------------------------------------------------------- */

struct hits {
    struct verify *verify;
    const struct set_disk *disk;
    GPtrArray *damage;
};

static void
add_hit(struct hits *hits, guint64 offset, guint64 length, const char *words)
{
    struct verify_damage *last =
        hits->damage->len > 0 ? hits->damage->pdata[hits->damage->len - 1] : NULL;
    length = MIN(length, hits->disk->map.size - offset);
    if (last != NULL && g_str_equal(last->disk, hits->disk->name) &&
        last->offset + last->length == offset) {
        last->length += length;
        return;
    }
    struct verify_damage *damage = g_new0(struct verify_damage, 1);
    damage->disk = g_strdup(hits->disk->name);
    damage->offset = offset;
    damage->length = length;
    damage->words = g_strdup(words);
    g_ptr_array_add(hits->damage, damage);
}

static gboolean
hit_leaf(gpointer data, guint64 segment, const struct map_leaf *leaf, GError **error)
{
    struct hits *hits = data;
    for (guint i = 0; i < leaf->n; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        const char *words = g_hash_table_lookup(hits->verify->damaged, &entry->id);
        if (words != NULL)
            add_hit(hits, segment * CHUNK_SEGMENT + (guint64)entry->block * CHUNK_BLOCK,
                    (guint64)entry->blocks * CHUNK_BLOCK, words);
    }
    return cancel_check(error);
}

static gboolean
hit_broken(gpointer data, guint64 segment, guint64 n_segments, const GError *why, GError **error)
{
    struct hits *hits = data;
    if (!note_broken(hits->verify, segment, n_segments, why, error))
        return FALSE;
    add_hit(hits, segment * CHUNK_SEGMENT, n_segments * CHUNK_SEGMENT, why->message);
    return TRUE;
}

static gboolean
find_hits(struct verify *verify, const struct set *set, GPtrArray *damage, GError **error)
{
    struct map_source source = chunk_reader_map_source(verify->reader);
    for (guint i = 0; i < set->disks->len; i++) {
        const struct set_disk *disk = set->disks->pdata[i];
        struct hits hits = {verify, disk, damage};
        struct map_visitor visitor = {.leaf = hit_leaf, .broken = hit_broken, .data = &hits};
        if (!map_walk(&disk->map, &source, &visitor, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static gboolean
is_any_failed(const struct chunk_needs *needs)
{
    GHashTableIter iter;
    gpointer need;
    g_hash_table_iter_init(&iter, needs->packs);
    while (g_hash_table_iter_next(&iter, NULL, &need)) {
        if (((const struct pack_need *)need)->failed)
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_failed(gpointer name G_GNUC_UNUSED, gpointer need, gpointer data G_GNUC_UNUSED)
{
    return ((const struct pack_need *)need)->failed;
}

/* Once, or again for what lay in packs that were gone when their turn came. */
static gboolean
run_rounds(struct verify *verify, const struct set *set, GError **error)
{
    for (guint round = 0; round < ROUNDS_MAX; round++) {
        for (guint i = 0; i < set->disks->len; i++) {
            if (!collect_disk(verify, set->disks->pdata[i], error))
                return FALSE;
        }
        progress_begin(verify->options->progress, verify->needs->bytes, PROGRESS_BYTES,
                       "reading back %s", set->name);
        gboolean ok = verify_read(verify, error);
        progress_end(verify->options->progress, ok);
        if (!ok || !is_any_failed(verify->needs))
            return ok;
        g_hash_table_foreach_remove(verify->needs->packs, is_failed, NULL);
        chunk_needs_free(verify->before);
        verify->before = verify->needs;
        verify->needs = chunk_needs_new();
        if (!chunk_index_refresh(locator_index(verify->locator), error))
            return FALSE;
    }
    return error_set(error, SLIPWAY_ERROR_BUSY,
                     "%s: packs go away faster than they can be read; try again when no prune runs",
                     store_label(verify->store));
}

static gboolean
run(struct verify *verify, const struct set *set, struct verify_report *report, GError **error)
{
    if (!run_rounds(verify, set, error))
        return FALSE;
    report->chunks = verify->chunks;
    report->bytes = verify->bytes;
    if (verify->chunks == 0 && verify->unreadable != NULL) {
        g_propagate_error(error, g_steal_pointer(&verify->unreadable));
        return FALSE;
    }
    return (g_hash_table_size(verify->damaged) == 0 && !verify->nodes_damaged) ||
           find_hits(verify, set, report->damage, error);
}

gboolean
verify_set(struct store *store, const struct set *set, const struct verify_options *options,
           struct verify_report *report, GError **error)
{
    *report = (struct verify_report){
        .damage = g_ptr_array_new_with_free_func((GDestroyNotify)verify_damage_free)};
    auto_ptr(locator) locator = locator_new(store, error);
    if (locator == NULL)
        return FALSE;
    struct verify verify = {.store = store, .locator = locator, .options = options};
    verify.reader = chunk_reader_new(store, locator);
    verify.needs = chunk_needs_new();
    verify.damaged = g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, g_free);
    g_mutex_init(&verify.lock);
    gboolean ok = run(&verify, set, report, error);
    g_mutex_clear(&verify.lock);
    g_hash_table_unref(verify.damaged);
    g_clear_error(&verify.unreadable);
    chunk_needs_free(verify.before);
    chunk_needs_free(verify.needs);
    chunk_reader_free(verify.reader);
    if (!ok) {
        char id[SET_ID_TEXT];
        g_prefix_error(error, "set %s of %s: ", set_id_format(&set->id, id), set->name);
    }
    return ok;
}

static char *
describe(const struct verify_report *report)
{
    if (report->damage->len == 0)
        return NULL;
    const struct verify_damage *first = report->damage->pdata[0];
    return g_strdup_printf("%u damaged range%s, the first on disk %s at %" G_GUINT64_FORMAT ": %s",
                           report->damage->len, report->damage->len == 1 ? "" : "s", first->disk,
                           first->offset, first->words);
}

gboolean
verify_and_note(struct store *store, const struct set_entry *entry,
                const struct verify_options *options, struct verify_report *report, GError **error)
{
    if (!verify_set(store, entry->set, options, report, error))
        return FALSE;
    if (options->since != NULL && report->damage->len == 0)
        return TRUE;
    /* What the caller knows of the flags may be old; a set that was removed gets none. */
    struct set_entry *now = store_sets_read(store, &entry->set->id, error);
    if (now == NULL)
        return FALSE;
    g_free(now->flags.verified_words);
    now->flags.verified = g_get_real_time() / G_USEC_PER_SEC;
    now->flags.verified_good = report->damage->len == 0;
    now->flags.verified_words = describe(report);
    gboolean ok = store_sets_put_flags(store, &entry->set->id, &now->flags, error);
    set_entry_free(now);
    return ok;
}
