/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store_writer.h"

#include "base/error.h"
#include "store/object_parity.h"
#include "store/pack_list.h"
#include "store/recent_chunks.h"

#include <string.h>

/* Chunks after which an index object is put in the middle of a run: bounds what `recent` takes. */
#define RECENT_MAX ((1u << 19) - PACK_CHUNKS_MAX)
/* Bytes of nodes that are compressed together. */
#define NODE_GROUP (64u << 10)
#define NODE_GROUP_CHUNKS 1024u
/* Index objects after which the small ones are merged, and what small means. */
#define OBJECTS_MAX 8u
#define SMALL_ENTRIES 65536u

/* A pack that is being filled. */
struct filling {
    enum pack_kind kind;
    struct pack_writer *pack;
    GArray *slots; /* of struct pack_slot: what is in it */
};

struct store_writer {
    struct store *store;
    struct lease *lease;
    struct locator *locator;
    GHashTable *doomed; /* set of struct pack_name * */
    GHashTable *lost;   /* set of struct chunk_id * */

    struct filling data, nodes;

    /* Nodes that wait to be compressed together. */
    struct codec *codec;
    struct chunk_hasher *hasher;
    GByteArray *group;
    GArray *group_ids;     /* of struct chunk_id */
    GArray *group_lengths; /* of guint32 */

    GMutex lock;         /* of what follows */
    GHashTable *pending; /* set of struct chunk_id *: claimed, in no finished pack */
    struct recent_chunks *recent;
    struct index_writer *index;
    struct store_writer_stats stats;
};

/* ---- Begin and end --------------------------------------------------------------------------- */

static void
free_writer(struct store_writer *writer)
{
    pack_writer_abandon(writer->data.pack);
    pack_writer_abandon(writer->nodes.pack);
    g_array_unref(writer->data.slots);
    g_array_unref(writer->nodes.slots);
    codec_free(writer->codec);
    chunk_hasher_free(writer->hasher);
    g_byte_array_unref(writer->group);
    g_array_unref(writer->group_ids);
    g_array_unref(writer->group_lengths);
    g_hash_table_unref(writer->pending);
    recent_chunks_free(writer->recent);
    index_writer_abandon(writer->index);
    locator_free(writer->locator);
    g_clear_pointer(&writer->doomed, g_hash_table_unref);
    g_clear_pointer(&writer->lost, g_hash_table_unref);
    lease_release(writer->lease);
    g_mutex_clear(&writer->lock);
    g_free(writer);
}

static GHashTable *
load_doomed(struct store *store, GError **error)
{
    g_autoptr(GPtrArray) lists = doomed_list(store, error);
    if (lists == NULL)
        return NULL;
    GHashTable *packs = g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    for (guint i = 0; i < lists->len; i++) {
        const struct doomed *doomed = lists->pdata[i];
        GHashTableIter iter;
        gpointer name;
        g_hash_table_iter_init(&iter, doomed->packs);
        while (g_hash_table_iter_next(&iter, &name, NULL))
            g_hash_table_add(packs, g_memdup2(name, sizeof(struct pack_name)));
    }
    return packs;
}

static struct store_writer *
new_writer(struct store *store)
{
    struct store_writer *writer = g_new0(struct store_writer, 1);
    writer->store = store;
    writer->data.kind = PACK_DATA;
    writer->nodes.kind = PACK_NODES;
    writer->data.slots = g_array_new(FALSE, FALSE, sizeof(struct pack_slot));
    writer->nodes.slots = g_array_new(FALSE, FALSE, sizeof(struct pack_slot));
    writer->codec = codec_new();
    writer->hasher = chunk_hasher_new(store_key_id_key(store_key_of(store)));
    writer->group = g_byte_array_new();
    writer->group_ids = g_array_new(FALSE, FALSE, sizeof(struct chunk_id));
    writer->group_lengths = g_array_new(FALSE, FALSE, sizeof(guint32));
    writer->pending = g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL);
    writer->recent = recent_chunks_new();
    g_mutex_init(&writer->lock);
    return writer;
}

/* The order matters: the lease before the doomed lists, these before the index (see the format
 * page, "Writers, prune and leases"). */
struct store_writer *
store_writer_begin(struct store *store, GError **error)
{
    struct store_writer *writer = new_writer(store);
    if ((writer->lease = lease_take(store, LEASE_WRITER, error)) != NULL &&
        lease_clean(store, NULL, FALSE, writer->lease, NULL, error) &&
        (writer->doomed = load_doomed(store, error)) != NULL &&
        (writer->lost = lost_list(store, error)) != NULL &&
        (writer->locator = locator_new(store, error)) != NULL) {
        writer->index = index_writer_new(lease_id(writer->lease));
        return writer;
    }
    free_writer(writer);
    return NULL;
}

struct locator *
store_writer_locator(struct store_writer *writer)
{
    return writer->locator;
}

/* ---- What is there --------------------------------------------------------------------------- */

/* What is in a doomed pack may be read (an older set that has it will save it), but a new set must
 * not rely on it. */
static gboolean
is_doomed(const struct store_writer *writer, const struct location *location)
{
    return g_hash_table_contains(writer->doomed, &location->table->name);
}

gboolean
store_writer_may_base(struct store_writer *writer, const struct chunk_id *id)
{
    struct location location;
    gboolean ok = FALSE;
    if (g_hash_table_contains(writer->lost, id))
        return FALSE;
    for (guint nth = 0; !ok && locator_find(writer->locator, id, nth, &location, NULL); nth++) {
        ok = !location_is_delta(&location, NULL) && !is_doomed(writer, &location);
        location_clear(&location);
    }
    return ok;
}

/* A delta whose base is gone or doomed is no use: nothing but a set's map keeps a base alive. */
static gboolean
is_whole(struct store_writer *writer, struct location *location)
{
    struct chunk_id base;
    gboolean doomed = is_doomed(writer, location);
    gboolean delta = location_is_delta(location, &base);
    location_clear(location);
    return !doomed && (!delta || store_writer_may_base(writer, &base));
}

static gboolean
is_stored(struct store_writer *writer, const struct chunk_id *id)
{
    struct location location;
    if (g_hash_table_contains(writer->lost, id))
        return FALSE;
    for (guint nth = 0; locator_find(writer->locator, id, nth, &location, NULL); nth++) {
        if (is_whole(writer, &location))
            return TRUE;
    }
    return FALSE;
}

struct recent_search {
    struct locator *locator;
    const struct chunk_id *id;
};

static gboolean
check_recent(const struct chunk_candidate *candidate, gpointer data)
{
    const struct recent_search *search = data;
    struct location location;
    gboolean ok = locator_check(search->locator, candidate, search->id, &location, NULL);
    location_clear(&location);
    return ok;
}

static gboolean
is_new_here(struct store_writer *writer, const struct chunk_id *id)
{
    struct recent_search search = {writer->locator, id};
    return g_hash_table_contains(writer->pending, id) ||
           recent_chunks_search(writer->recent, chunk_id_fingerprint(id), check_recent, &search);
}

gboolean
store_writer_known(struct store_writer *writer, const struct chunk_id *id)
{
    g_mutex_lock(&writer->lock);
    gboolean here = is_new_here(writer, id);
    g_mutex_unlock(&writer->lock);
    return here || is_stored(writer, id);
}

gboolean
store_writer_lost(struct store_writer *writer, const struct chunk_id *id)
{
    return g_hash_table_contains(writer->lost, id);
}

gboolean
store_writer_has_lost(struct store_writer *writer)
{
    return g_hash_table_size(writer->lost) > 0;
}

gboolean
store_writer_claim(struct store_writer *writer, const struct chunk_id *id)
{
    if (is_stored(writer, id))
        return FALSE;
    g_mutex_lock(&writer->lock);
    gboolean first = !is_new_here(writer, id);
    if (first)
        g_hash_table_add(writer->pending, g_memdup2(id, sizeof *id));
    g_mutex_unlock(&writer->lock);
    return first;
}

/* ---- Packs ----------------------------------------------------------------------------------- */

/* Put the index of what was finished so far. */
static gboolean
flush_index(struct store_writer *writer, gboolean last, GError **error)
{
    struct chunk_index *index = locator_index(writer->locator);
    struct chunk_index_stats stats;
    chunk_index_stats(index, &stats);
    if (last && stats.objects >= OBJECTS_MAX)
        index_writer_merge(writer->index, index, MAX(SMALL_ENTRIES, stats.entries / OBJECTS_MAX),
                           NULL);
    writer->stats.stored += 16 * (guint64)recent_chunks_count(writer->recent);
    struct index_writer *finished = g_steal_pointer(&writer->index);
    writer->index = index_writer_new(lease_id(writer->lease));
    if (!index_writer_finish(finished, store_repo(writer->store), error))
        return FALSE;
    recent_chunks_clear(writer->recent);
    return last || chunk_index_refresh(index, error);
}

static gboolean
finish_pack(struct store_writer *writer, struct filling *filling, GError **error)
{
    struct pack_name name;
    if (filling->pack == NULL)
        return TRUE;
    guint64 size = pack_writer_size(filling->pack);
    if (!pack_writer_finish(g_steal_pointer(&filling->pack), &name, error))
        return FALSE;
    const struct pack_slot *slots = (const struct pack_slot *)filling->slots->data;
    g_mutex_lock(&writer->lock);
    index_writer_add(writer->index, &name, filling->slots->len, slots);
    recent_chunks_add(writer->recent, &name, filling->slots->len, slots);
    for (guint i = 0; i < filling->slots->len; i++)
        g_hash_table_remove(writer->pending, &slots[i].id);
    writer->stats.packs++;
    writer->stats.stored += size;
    gboolean ok =
        recent_chunks_count(writer->recent) < RECENT_MAX || flush_index(writer, FALSE, error);
    g_mutex_unlock(&writer->lock);
    g_array_set_size(filling->slots, 0);
    return ok;
}

/* Same chunks, same pack: while some packs are doomed or damaged, one that is there already could
 * be one of these. */
static gboolean
needs_own_names(const struct store_writer *writer)
{
    return g_hash_table_size(writer->doomed) > 0 || g_hash_table_size(writer->lost) > 0;
}

static gboolean
add_group(struct store_writer *writer, struct filling *filling, const struct pack_group *group,
          GError **error)
{
    if (filling->pack != NULL && (pack_writer_size(filling->pack) >= PACK_TARGET ||
                                  filling->slots->len + group->n_chunks > PACK_CHUNKS_MAX)) {
        if (!finish_pack(writer, filling, error))
            return FALSE;
    }
    if (filling->pack == NULL) {
        struct pack_options options = {.key = store_key_of(writer->store),
                                       .owner = lease_id(writer->lease),
                                       .parity = store_config(writer->store)->parity,
                                       .unique = needs_own_names(writer)};
        filling->pack = pack_writer_new(store_repo(writer->store), filling->kind, &options, error);
        if (filling->pack == NULL)
            return FALSE;
    }
    if (!pack_writer_add(filling->pack, group, error))
        return FALSE;
    guint32 offset = 0;
    for (guint i = 0; i < group->n_chunks; i++) {
        struct pack_slot slot = {group->ids[i], offset, group->lengths[i]};
        g_array_append_val(filling->slots, slot);
        offset += group->lengths[i];
    }
    return TRUE;
}

gboolean
store_writer_add(struct store_writer *writer, const struct pack_group *group, GError **error)
{
    if (!add_group(writer, &writer->data, group, error))
        return FALSE;
    g_mutex_lock(&writer->lock);
    writer->stats.chunks += group->n_chunks;
    writer->stats.deltas += group->codec == CODEC_ZSTD_DELTA;
    g_mutex_unlock(&writer->lock);
    return TRUE;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static gboolean
flush_nodes(struct store_writer *writer, GError **error)
{
    if (writer->group_ids->len == 0)
        return TRUE;
    g_autofree guint8 *out = g_malloc(codec_bound(writer->group->len));
    gsize length = codec_encode(writer->codec, CODEC_ZSTD, STORE_LEVEL_DEFAULT, writer->group->data,
                                writer->group->len, NULL, 0, out);
    struct pack_group group = {
        .codec = length > 0 ? CODEC_ZSTD : CODEC_NONE,
        .plain_length = writer->group->len,
        .stored = length > 0 ? out : writer->group->data,
        .stored_length = (guint32)(length > 0 ? length : writer->group->len),
        .n_chunks = writer->group_ids->len,
        .ids = (const struct chunk_id *)writer->group_ids->data,
        .lengths = (const guint32 *)writer->group_lengths->data,
    };
    gboolean ok = add_group(writer, &writer->nodes, &group, error);
    writer->stats.nodes += group.n_chunks;
    g_byte_array_set_size(writer->group, 0);
    g_array_set_size(writer->group_ids, 0);
    g_array_set_size(writer->group_lengths, 0);
    return ok;
}

static gboolean
keep_node(gpointer data, const guint8 *bytes, gsize length, struct chunk_id *ret_id, GError **error)
{
    struct store_writer *writer = data;
    guint32 short_length = (guint32)length;
    chunk_hasher_run(writer->hasher, bytes, length, ret_id);
    if (!store_writer_claim(writer, ret_id))
        return TRUE;
    if (writer->group->len + length > NODE_GROUP && !flush_nodes(writer, error))
        return FALSE;
    g_byte_array_append(writer->group, bytes, (guint)length);
    g_array_append_val(writer->group_ids, *ret_id);
    g_array_append_val(writer->group_lengths, short_length);
    return writer->group_ids->len < NODE_GROUP_CHUNKS || flush_nodes(writer, error);
}

struct map_sink
store_writer_map_sink(struct store_writer *writer)
{
    return (struct map_sink){keep_node, writer};
}

void
store_writer_stats(const struct store_writer *writer, struct store_writer_stats *ret)
{
    *ret = writer->stats;
}

/* ---- Commit ---------------------------------------------------------------------------------- */

struct presence {
    struct store_writer *writer;
    GHashTable *seen; /* of nodes */
};

static gboolean
need_chunk(struct presence *presence, const struct chunk_id *id, GError **error)
{
    char text[CHUNK_ID_TEXT];
    return is_stored(presence->writer, id) ||
           error_set(
               error, SLIPWAY_ERROR_BUSY,
               "chunk %s was removed while this backup stood still for too long; run it again",
               chunk_id_format(id, text));
}

static gboolean
need_node(gpointer data, const struct chunk_id *id, guint level G_GNUC_UNUSED, gboolean *ret_skip,
          GError **error)
{
    struct presence *presence = data;
    *ret_skip = g_hash_table_contains(presence->seen, id);
    if (*ret_skip)
        return TRUE;
    g_hash_table_add(presence->seen, g_memdup2(id, sizeof *id));
    return need_chunk(presence, id, error);
}

static gboolean
need_leaf(gpointer data, guint64 segment G_GNUC_UNUSED, const struct map_leaf *leaf, GError **error)
{
    for (guint i = 0; i < leaf->n; i++) {
        if (!need_chunk(data, &leaf->entries[i].id, error))
            return FALSE;
    }
    return TRUE;
}

/* Is all of the set there?  Asked only when somebody took this writer for dead. */
static gboolean
check_presence(struct store_writer *writer, const struct set *set, GError **error)
{
    g_clear_pointer(&writer->doomed, g_hash_table_unref);
    locator_free(g_steal_pointer(&writer->locator));
    writer->doomed = load_doomed(writer->store, error);
    if (writer->doomed == NULL || (writer->locator = locator_new(writer->store, error)) == NULL)
        return FALSE;
    auto_ptr(chunk_reader) reader = chunk_reader_new(writer->store, writer->locator);
    struct presence presence = {
        writer, g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL)};
    struct map_visitor visitor = {need_node, need_leaf, &presence};
    struct map_source source = chunk_reader_map_source(reader);
    gboolean ok = TRUE;
    for (guint i = 0; ok && i < set->disks->len; i++) {
        const struct set_disk *disk = set->disks->pdata[i];
        ok = disk->map.empty || map_walk(&disk->map, &source, &visitor, error);
    }
    g_hash_table_unref(presence.seen);
    return ok;
}

/* What an older set has is taken over without a look.  While it is listed, prune saves what it
 * needs of packs that were doomed before this writer came; when it went meanwhile, nobody has. */
static gboolean
check_parent(struct store_writer *writer, const struct set *set, GError **error)
{
    char text[SET_ID_TEXT];
    guint64 size;
    if (!set->has_parent || g_hash_table_size(writer->doomed) == 0)
        return TRUE;
    g_autofree char *name = g_strdup_printf("sets/%s", set_id_format(&set->parent, text));
    g_autoptr(GError) local = NULL;
    if (repo_size(store_repo(writer->store), name, &size, &local))
        return TRUE;
    if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "set %s, which this backup followed, was deleted meanwhile; run it again",
                         text);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

static gboolean
put_set(struct store_writer *writer, struct set *set, GError **error)
{
    char text[SET_ID_TEXT];
    g_autofree char *name = g_strdup_printf("sets/%s", set_id_format(&set->id, text));
    g_autoptr(GBytes) object = set_seal(set, store_key_of(writer->store), error);
    if (object == NULL)
        return FALSE;
    struct repo *repo = store_repo(writer->store);
    gsize length;
    const void *data = g_bytes_get_data(object, &length);
    if ((store_config(writer->store)->parity > 0 &&
         !object_parity_put(repo, name, data, length, error)) ||
        !lease_check(writer->lease, error) || !repo_put(repo, name, data, length, error))
        return FALSE;
    g_autoptr(GError) local = NULL;
    if (lease_check(writer->lease, &local) && check_parent(writer, set, &local))
        return TRUE;
    if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY) &&
        check_presence(writer, set, error))
        return TRUE;
    g_clear_error(error);
    repo_remove(repo, name, NULL);
    object_parity_remove(repo, name, NULL);
    return error_set(error, SLIPWAY_ERROR_BUSY, "%s", local->message);
}

gboolean
store_writer_commit(struct store_writer *writer, struct set *set, GError **error)
{
    gboolean ok = finish_pack(writer, &writer->data, error) && flush_nodes(writer, error) &&
                  finish_pack(writer, &writer->nodes, error) && flush_index(writer, TRUE, error);
    if (ok) {
        set->stats.stored = writer->stats.stored;
        set->stats.new_chunks = writer->stats.chunks;
        set->stats.delta_chunks = writer->stats.deltas;
        ok = put_set(writer, set, error);
    }
    free_writer(writer);
    return ok;
}

void
store_writer_abandon(struct store_writer *writer)
{
    if (writer == NULL)
        return;
    index_writer_finish(g_steal_pointer(&writer->index), store_repo(writer->store), NULL);
    free_writer(writer);
}
