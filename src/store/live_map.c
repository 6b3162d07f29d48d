/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/live_map.h"

#include "base/error.h"

/* Chunks that were marked lately: sets of one machine have most of theirs in common, and looking
 * one up costs more than all the rest.  A power of two. */
#define RECENT (128u << 10)

struct live_map {
    struct chunk_id *recent; /* RECENT places, each for the ids whose fingerprint falls on it */
    struct locator *locator;
    GHashTable *packs; /* struct pack_name * of the value to struct live_pack * */
    GHashTable *lost;  /* borrowed; NULL: none */
};

static void
free_pack(gpointer data)
{
    struct live_pack *pack = data;
    g_free(pack->live);
    g_free(pack->expanded);
    g_free(pack->visited);
    g_free(pack->moved);
    g_free(pack);
}

struct live_map *
live_map_new(struct locator *locator)
{
    struct live_map *map = g_new0(struct live_map, 1);
    map->locator = locator;
    map->recent = g_new0(struct chunk_id, RECENT);
    map->packs = g_hash_table_new_full(pack_name_hash, pack_name_equal, NULL, free_pack);
    return map;
}

void
live_map_free(struct live_map *map)
{
    if (map == NULL)
        return;
    g_hash_table_unref(map->packs);
    g_free(map->recent);
    g_free(map);
}

void
live_map_give_up(struct live_map *map, GHashTable *lost)
{
    map->lost = lost;
}

struct live_pack *
live_map_find(struct live_map *map, const struct pack_name *name)
{
    return g_hash_table_lookup(map->packs, name);
}

struct live_pack *
live_map_pack(struct live_map *map, const struct pack_name *name)
{
    struct live_pack *pack = live_map_find(map, name);
    if (pack == NULL) {
        pack = g_new0(struct live_pack, 1);
        pack->name = *name;
        g_hash_table_insert(map->packs, &pack->name, pack);
    }
    return pack;
}

void
live_map_remove(struct live_map *map, const struct pack_name *name)
{
    memset(map->recent, 0, RECENT * sizeof *map->recent);
    g_hash_table_remove(map->packs, name);
}

static gint
compare_names(gconstpointer left, gconstpointer right)
{
    const struct live_pack *a = *(struct live_pack *const *)left,
                           *b = *(struct live_pack *const *)right;
    return memcmp(&a->name, &b->name, sizeof a->name);
}

GPtrArray *
live_map_packs(struct live_map *map)
{
    GPtrArray *packs = g_ptr_array_new();
    GHashTableIter iter;
    gpointer pack;
    g_hash_table_iter_init(&iter, map->packs);
    while (g_hash_table_iter_next(&iter, NULL, &pack))
        g_ptr_array_add(packs, pack);
    g_ptr_array_sort(packs, compare_names);
    return packs;
}

static void
take_table(struct live_pack *pack, const struct pack_table *table)
{
    if (pack->live != NULL)
        return;
    gsize bytes = (table->n_slots + 7) / 8;
    pack->present = TRUE;
    pack->size = table->size;
    pack->kind = table->kind;
    pack->level = table->level;
    pack->generation = table->generation;
    pack->n_slots = table->n_slots;
    pack->frame_bytes = table->table_offset - table->frames[0].offset;
    pack->live = g_malloc0(bytes);
    pack->expanded = g_malloc0(bytes);
    pack->visited = g_malloc0(bytes);
    pack->moved = g_malloc0(bytes);
}

void
live_map_forget(struct live_map *map, struct live_pack *pack)
{
    memset(map->recent, 0, RECENT * sizeof *map->recent);
    gsize bytes = (pack->n_slots + 7) / 8;
    guint8 *const bits[] = {pack->live, pack->expanded, pack->visited, pack->moved};
    for (guint i = 0; pack->live != NULL && i < G_N_ELEMENTS(bits); i++)
        memset(bits[i], 0, bytes);
    pack->n_live = 0;
    pack->live_bytes = 0;
}

gboolean
live_map_load(struct live_map *map, struct live_pack *pack, GError **error)
{
    if (pack->live != NULL)
        return TRUE;
    g_autoptr(GError) local = NULL;
    auto_ptr(pack_table) table = locator_table(map->locator, &pack->name, &local);
    if (table == NULL) {
        pack->unreadable = g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
                           g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED) ||
                           g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    take_table(pack, table);
    return TRUE;
}

/* ---- Copies ---------------------------------------------------------------------------------- */

static gboolean
collect(const struct chunk_candidate *candidate, gpointer data)
{
    g_array_append_vals(data, candidate, 1);
    return FALSE;
}

static gboolean
find_whole(struct live_map *map, const struct chunk_id *id)
{
    struct location location;
    gboolean found = live_map_choose(map, id, TRUE, &location, NULL) == LIVE_FOUND;
    location_clear(&location);
    return found;
}

struct rank {
    gboolean doomed, delta;
    guint generation;
    const struct pack_name *name;
};

static struct rank
rank_of(struct live_map *map, const struct location *location)
{
    const struct live_pack *pack = live_map_find(map, &location->table->name);
    return (struct rank){
        .doomed = pack != NULL && pack->doomed,
        .delta = location_is_delta(location, NULL),
        .generation = location->table->generation,
        .name = &location->table->name,
    };
}

static gboolean
is_better(const struct rank *left, const struct rank *right)
{
    if (left->doomed != right->doomed)
        return right->doomed;
    if (left->delta != right->delta)
        return right->delta;
    if (left->generation != right->generation)
        return left->generation > right->generation;
    return memcmp(left->name, right->name, sizeof *left->name) < 0;
}

static void
take_better(struct live_map *map, struct location *best, struct location *location)
{
    struct rank here = rank_of(map, location);
    struct rank there = best->table != NULL ? rank_of(map, best) : here;
    if (best->table == NULL || is_better(&here, &there)) {
        location_clear(best);
        *best = *location;
        *location = (struct location){0};
    }
}

enum live_found
live_map_choose(struct live_map *map, const struct chunk_id *id, gboolean whole,
                struct location *ret, GError **ret_trouble)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(struct chunk_candidate));
    gboolean any = FALSE;
    *ret = (struct location){0};
    chunk_index_search(locator_index(map->locator), chunk_id_fingerprint(id), collect, candidates);
    for (guint i = 0; i < candidates->len; i++) {
        struct location location;
        struct chunk_id base;
        if (!locator_check(map->locator, &g_array_index(candidates, struct chunk_candidate, i), id,
                           &location, ret_trouble))
            continue;
        gboolean delta = location_is_delta(&location, &base);
        any = any || !(whole && delta);
        if (!delta || (!whole && find_whole(map, &base)))
            take_better(map, ret, &location);
        location_clear(&location);
    }
    return ret->table != NULL ? LIVE_FOUND : any ? LIVE_BROKEN : LIVE_MISSING;
}

/* ---- Marking --------------------------------------------------------------------------------- */

/* Bytes in the pack that are this chunk's: of a frame with others its share of the plain bytes. */
static guint64
stored_share(const struct pack_table *table, guint slot)
{
    const struct pack_frame *frame = &table->frames[pack_table_frame_of(table, slot)];
    return (guint64)frame->stored_length * table->slots[slot].length / frame->plain_length;
}

static struct live_pack *
mark_location(struct live_map *map, const struct location *location)
{
    struct live_pack *pack = live_map_pack(map, &location->table->name);
    take_table(pack, location->table);
    if (pack->doomed && map->lost != NULL &&
        g_hash_table_contains(map->lost, &location->table->slots[location->slot].id))
        return pack;
    if (!live_bit(pack->live, location->slot)) {
        live_bit_set(pack->live, location->slot);
        pack->n_live++;
        pack->live_bytes += stored_share(location->table, location->slot);
    }
    return pack;
}

/* What is there of a chunk that cannot be read is kept: its base may come back. */
static void
mark_all(struct live_map *map, const struct chunk_id *id)
{
    struct location location;
    for (guint nth = 0; locator_find(map->locator, id, nth, &location, NULL); nth++) {
        mark_location(map, &location);
        location_clear(&location);
    }
}

/* An empty place has an id of zeros, which whoever makes up a map may ask for. */
static gboolean
recent_is(const struct chunk_id *recent, const struct chunk_id *id)
{
    return chunk_id_equal(recent, id) && chunk_id_fingerprint(id) != 0;
}

enum live_found
live_map_mark(struct live_map *map, const struct chunk_id *id, struct live_pack **ret,
              guint *ret_slot, GError **ret_trouble)
{
    struct location location;
    struct chunk_id *recent = &map->recent[chunk_id_fingerprint(id) % RECENT];
    if (ret == NULL && recent_is(recent, id))
        return LIVE_FOUND;
    enum live_found found = live_map_choose(map, id, FALSE, &location, ret_trouble);
    if (found == LIVE_BROKEN)
        mark_all(map, id);
    if (found != LIVE_FOUND)
        return found;
    struct live_pack *pack = mark_location(map, &location);
    struct chunk_id base;
    if (location_is_delta(&location, &base)) {
        struct location base_location;
        if (live_map_choose(map, &base, TRUE, &base_location, NULL) == LIVE_FOUND)
            mark_location(map, &base_location);
        location_clear(&base_location);
    }
    *recent = *id;
    if (ret != NULL) {
        *ret = pack;
        *ret_slot = location.slot;
    }
    location_clear(&location);
    return found;
}
