/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chunks that lie side by side on a disk compress well together, and are read together: so the maps
 * give the order, those of the newest sets first.  What only serves as a base comes last. */
#include "base/cancel.h"
#include "base/error.h"
#include "store/map_survey.h"
#include "store/sweeper_private.h"

struct optimize {
    struct frame_source *source;
    struct sweep *sweep;
    GHashTable *packs; /* set of struct live_pack *: to be moved */
    struct pack_stream *data_stream, *node_stream;
    struct regroup *data, *nodes;
    guint8 *plain; /* CHUNK_MAX bytes */
};

/* Whether this copy is one of those that move, and has not done so. */
static gboolean
is_due(const struct optimize *optimize, struct live_pack *pack, guint slot)
{
    return pack != NULL && pack->live != NULL && g_hash_table_contains(optimize->packs, pack) &&
           live_bit(pack->live, slot) && !live_bit(pack->moved, slot);
}

static gboolean
add_plain(struct optimize *optimize, struct live_pack *pack, guint slot, struct regroup *regroup,
          const struct chunk_id *id, guint32 length, GError **error)
{
    GError *local = NULL;
    if (!chunk_reader_get(optimize->sweep->reader, id, optimize->plain, length, &local))
        return sweeper_forgive(optimize->sweep, pack, local, error);
    live_bit_set(pack->moved, slot);
    return regroup_add(regroup, id, optimize->plain, length, error);
}

static gboolean
add_delta(struct optimize *optimize, struct live_pack *pack, const struct location *location,
          GError **error)
{
    GError *local = NULL;
    guint frame = pack_table_frame_of(location->table, location->slot);
    live_bit_set(pack->moved, location->slot);
    if (sweeper_copy_frame(optimize->source, location->table, frame, optimize->data_stream, &local))
        return TRUE;
    if (optimize->source->reading)
        return sweeper_forgive(optimize->sweep, pack, local, error);
    g_propagate_error(error, local);
    return FALSE;
}

static gboolean
add_location(struct optimize *optimize, struct live_pack *pack, const struct location *location,
             GError **error)
{
    const struct pack_slot *slot = &location->table->slots[location->slot];
    const struct pack_frame *frame =
        &location->table->frames[pack_table_frame_of(location->table, location->slot)];
    progress_advance(optimize->sweep->options->progress,
                     (guint64)frame->stored_length * slot->length / frame->plain_length);
    if (location_is_delta(location, NULL))
        return add_delta(optimize, pack, location, error);
    return add_plain(optimize, pack, location->slot,
                     pack->kind == PACK_NODES ? optimize->nodes : optimize->data, &slot->id,
                     slot->length, error);
}

static gboolean
visit(struct optimize *optimize, const struct chunk_id *id, gboolean *ret_seen, GError **error)
{
    struct location location;
    *ret_seen = TRUE;
    if (live_map_choose(optimize->sweep->map, id, FALSE, &location, NULL) != LIVE_FOUND)
        return TRUE;
    struct live_pack *pack = live_map_find(optimize->sweep->map, &location.table->name);
    gboolean ok = TRUE;
    if (pack != NULL && pack->visited != NULL) {
        *ret_seen = live_bit(pack->visited, location.slot);
        live_bit_set(pack->visited, location.slot);
        if (is_due(optimize, pack, location.slot))
            ok = add_location(optimize, pack, &location, error);
    }
    location_clear(&location);
    return ok;
}

static gboolean
visit_node(gpointer data, const struct chunk_id *id, guint64 offset G_GNUC_UNUSED,
           guint64 length G_GNUC_UNUSED, gboolean *ret_skip, GError **error)
{
    return cancel_check(error) && visit(data, id, ret_skip, error);
}

static gboolean
visit_leaf(gpointer data, guint64 segment G_GNUC_UNUSED, const struct map_leaf *leaf,
           GError **error)
{
    gboolean seen;
    for (guint i = 0; i < leaf->n; i++) {
        if (!visit(data, &leaf->entries[i].id, &seen, error))
            return FALSE;
    }
    return TRUE;
}

/* Marking has judged it. */
static gboolean
pass_over(gpointer data G_GNUC_UNUSED, const struct chunk_id *id G_GNUC_UNUSED,
          guint64 offset G_GNUC_UNUSED, guint64 length G_GNUC_UNUSED,
          const GError *why G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

static gboolean
walk_sets(struct optimize *optimize, GError **error)
{
    g_autoptr(GPtrArray) sets = store_sets_list(optimize->sweep->store, NULL, error);
    struct map_source source = chunk_reader_map_source(optimize->sweep->reader);
    struct map_survey survey = {visit_node, visit_leaf, pass_over, optimize};
    if (sets == NULL)
        return FALSE;
    for (guint i = sets->len; i-- > 0;) {
        const struct set *set = ((struct set_entry *)sets->pdata[i])->set;
        for (guint d = 0; d < set->disks->len; d++) {
            const struct set_disk *disk = set->disks->pdata[d];
            if (!map_survey_run(&disk->map, &source, &survey, error))
                return FALSE;
        }
    }
    return TRUE;
}

/* What no map has: bases of deltas, and what belongs to sets that were deleted meanwhile. */
static gboolean
add_rest(struct optimize *optimize, struct live_pack *pack, GError **error)
{
    GError *local = NULL;
    auto_ptr(pack_table) table = locator_table(optimize->sweep->locator, &pack->name, &local);
    if (table == NULL)
        return sweeper_forgive(optimize->sweep, pack, local, error);
    for (guint slot = 0; slot < table->n_slots; slot++) {
        struct location location = {table, slot};
        if (is_due(optimize, pack, slot) && !add_location(optimize, pack, &location, error))
            return FALSE;
    }
    return cancel_check(error);
}

static gboolean
finish(struct optimize *optimize, struct regroup *regroup, struct pack_stream *stream,
       GError **error)
{
    if (!regroup_flush(regroup, error) || !pack_stream_finish(stream, error))
        return FALSE;
    optimize->sweep->report->written_packs += pack_stream_packs(stream);
    optimize->sweep->report->written_bytes += pack_stream_bytes(stream);
    return TRUE;
}

static gboolean
run(struct optimize *optimize, GPtrArray *packs, GError **error)
{
    if (!walk_sets(optimize, error))
        return FALSE;
    for (guint i = 0; i < packs->len; i++) {
        if (!add_rest(optimize, packs->pdata[i], error))
            return FALSE;
    }
    return finish(optimize, optimize->data, optimize->data_stream, error) &&
           finish(optimize, optimize->nodes, optimize->node_stream, error);
}

gboolean
sweeper_optimize(struct frame_source *source, GPtrArray *packs, struct index_writer *index,
                 guint8 generation, GError **error)
{
    struct sweep *sweep = source->sweep;
    if (packs->len == 0)
        return TRUE;
    guint8 level = (guint8)sweep->options->level;
    struct pack_stream_options data = {PACK_DATA, lease_id(sweep->lease), level, generation};
    struct pack_stream_options nodes = {PACK_NODES, lease_id(sweep->lease), level, generation};
    struct regroup_options regroup = {CODEC_ZSTD, level, SWEEPER_GROUP_OPTIMIZED,
                                      sweep->options->threads};
    struct optimize optimize = {
        .source = source,
        .sweep = sweep,
        .packs = g_hash_table_new(g_direct_hash, g_direct_equal),
        .data_stream = pack_stream_new(sweep->store, &data, index),
        .node_stream = pack_stream_new(sweep->store, &nodes, index),
        .plain = g_malloc(CHUNK_MAX),
    };
    optimize.data = regroup_new(optimize.data_stream, &regroup);
    optimize.nodes = regroup_new(optimize.node_stream, &regroup);
    for (guint i = 0; i < packs->len; i++)
        g_hash_table_add(optimize.packs, packs->pdata[i]);
    gboolean ok = run(&optimize, packs, error);
    regroup_free(optimize.data);
    regroup_free(optimize.nodes);
    pack_stream_free(optimize.data_stream);
    pack_stream_free(optimize.node_stream);
    g_hash_table_unref(optimize.packs);
    g_free(optimize.plain);
    return ok;
}
