/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packs that parity could not heal.  All that is whole in them moves, also what no set needs: a
 * writer may rely on it.  Then they go the way of packs that prune removes, but with nothing left
 * in them that any set could need there is nothing to mark again.  What an I/O error hides may be
 * read another day, or from a copy of the medium: such a pack stays. */
#include "base/cancel.h"
#include "base/error.h"
#include "store/regroup.h"
#include "store/repairer_private.h"
#include "store/store_sets.h"

#define GROUP_SIZE (128u << 10)

struct broken {
    struct pack_name name;
    gboolean doomed; /* on a list already */
    gboolean stays;  /* not all of it could be read */
    guint64 saved;   /* chunks */
};

struct salvage {
    struct repair *repair;
    const struct checker_report *found;
    GHashTable *packs; /* struct pack_name * of the value to struct broken * */
    GHashTable *saved; /* set of struct chunk_id *: moved in this run */
    struct locator *locator;
    struct chunk_reader *reader;
    struct index_writer *index;
    gboolean deltas; /* the turn of frames that need a base, which has to be found first */
    struct codec *codec;
    struct chunk_hasher *hasher;
    guint8 *stored, *plain;
};

/* ---- Which packs ----------------------------------------------------------------------------- */

static struct broken *
add_broken(struct salvage *salvage, const struct pack_name *name)
{
    struct broken *broken = g_hash_table_lookup(salvage->packs, name);
    if (broken == NULL) {
        broken = g_new0(struct broken, 1);
        broken->name = *name;
        g_hash_table_insert(salvage->packs, &broken->name, broken);
    }
    return broken;
}

/* Those on lists of a run before that did not come to its end, too. */
static gboolean
add_doomed(struct salvage *salvage, GError **error)
{
    g_autoptr(GPtrArray) lists = doomed_list(salvage->repair->store, error);
    for (guint i = 0; lists != NULL && i < lists->len; i++) {
        const struct doomed *list = lists->pdata[i];
        GHashTableIter iter;
        gpointer name;
        g_hash_table_iter_init(&iter, list->packs);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
            char object[PACK_OBJECT_TEXT];
            guint64 size;
            gboolean whole = TRUE;
            if (!cancel_check(error))
                return FALSE;
            if (!repo_size(store_repo(salvage->repair->store),
                           pack_name_object(name, "packs", object), &size, NULL))
                continue;
            if (!repairer_is_whole(salvage->repair, name, NULL, &whole, error))
                return FALSE;
            if (!whole)
                add_broken(salvage, name)->doomed = TRUE;
        }
    }
    return lists != NULL;
}

static gboolean
find_broken(struct salvage *salvage, GError **error)
{
    for (guint i = 0; i < salvage->found->damage->len; i++) {
        const struct checker_damage *damage = salvage->found->damage->pdata[i];
        struct pack_name name;
        guint64 size;
        if ((damage->kind == CHECKER_PACK || damage->kind == CHECKER_CHUNK) &&
            damage->object != NULL && pack_name_parse(damage->object, &name) &&
            repo_size(store_repo(salvage->repair->store), damage->object, &size, NULL))
            add_broken(salvage, &name);
    }
    return add_doomed(salvage, error);
}

/* ---- Frames ---------------------------------------------------------------------------------- */

/* The base of a delta, or nothing for another frame; FALSE when it cannot be had. */
static gboolean
get_base(struct salvage *salvage, const struct pack_frame *frame, GBytes **ret,
         const void **ret_data, gsize *ret_length)
{
    if (frame->codec != CODEC_ZSTD_DELTA)
        return TRUE;
    if ((*ret = chunk_reader_bytes(salvage->reader, &frame->base, NULL)) != NULL)
        *ret_data = g_bytes_get_data(*ret, ret_length);
    return *ret != NULL;
}

static gboolean
is_good_at(struct salvage *salvage, const struct location *location)
{
    const struct pack_table *table = location->table;
    const struct pack_slot *slot = &table->slots[location->slot];
    guint number = pack_table_frame_of(table, location->slot);
    const struct pack_frame *frame = &table->frames[number];
    struct store *store = salvage->repair->store;
    g_autoptr(GBytes) base = NULL;
    const void *prefix = NULL;
    gsize prefix_length = 0;
    struct chunk_id found;
    g_autofree guint8 *stored = g_malloc(frame->stored_length);
    g_autofree guint8 *plain = g_malloc(frame->plain_length);
    if (!get_base(salvage, frame, &base, &prefix, &prefix_length) ||
        !pack_read_frame(store_repo(store), table, number, store_key_of(store), salvage->codec,
                         prefix, prefix_length, stored, plain, NULL))
        return FALSE;
    chunk_hasher_run(salvage->hasher, plain + slot->offset, slot->length, &found);
    return chunk_id_equal(&found, &slot->id);
}

/* Is there another copy that can be read? */
static gboolean
is_elsewhere(struct salvage *salvage, const struct chunk_id *id)
{
    struct location location;
    gboolean good = g_hash_table_contains(salvage->saved, id);
    for (guint nth = 0; !good && locator_find(salvage->locator, id, nth, &location, NULL); nth++) {
        good = !g_hash_table_contains(salvage->packs, &location.table->name) &&
               is_good_at(salvage, &location);
        location_clear(&location);
    }
    return good;
}

/* The plain bytes, if anything comes out.  *ret_length is 0 when the stored bytes are not those
 * that were written; what comes out of these may be right in part. */
static gboolean
decode(struct salvage *salvage, const struct pack_table *table, guint number, guint32 *ret_length)
{
    const struct pack_frame *frame = &table->frames[number];
    struct store *store = salvage->repair->store;
    g_autoptr(GBytes) base = NULL;
    const void *prefix = NULL;
    gsize prefix_length = 0;
    if (!get_base(salvage, frame, &base, &prefix, &prefix_length))
        return FALSE;
    guint32 length;
    gboolean intact = pack_open_frame(store_repo(store), table, number, store_key_of(store),
                                      salvage->stored, &length, NULL);
    if (!intact && table->encrypted)
        return FALSE;
    *ret_length = intact ? length : 0;
    return codec_decode(salvage->codec, frame->codec, salvage->stored,
                        intact ? length : frame->stored_length, prefix, prefix_length,
                        salvage->plain, frame->plain_length, NULL);
}

/* The ids of what is really there; FALSE for those that are not what anybody looks for. */
static guint
name_chunks(struct salvage *salvage, const struct pack_table *table, const struct pack_frame *frame,
            struct chunk_id *ids, gboolean *good, guint *ret_new)
{
    guint n = 0;
    *ret_new = 0;
    for (guint i = 0; i < frame->n_slots; i++) {
        const struct pack_slot *slot = &table->slots[frame->first_slot + i];
        chunk_hasher_run(salvage->hasher, salvage->plain + slot->offset, slot->length, &ids[i]);
        good[i] = chunk_id_equal(&ids[i], &slot->id) ||
                  g_hash_table_contains(salvage->found->chunks_damaged, &ids[i]);
        n += good[i];
        if (good[i] && is_elsewhere(salvage, &ids[i]))
            good[i] = FALSE;
        *ret_new += good[i];
    }
    return n;
}

static void
note_saved(struct salvage *salvage, const struct chunk_id *id)
{
    if (g_hash_table_add(salvage->saved, g_memdup2(id, sizeof *id)))
        salvage->repair->report->chunks_saved++;
}

struct output {
    struct pack_stream *stream;
    struct regroup *regroup;
};

/* A frame that is whole, as it is; a delta stays one. */
static gboolean
copy_frame(struct salvage *salvage, const struct pack_table *table, const struct pack_frame *frame,
           const struct chunk_id *ids, guint32 length, struct output *output, GError **error)
{
    g_autofree guint32 *lengths = g_new(guint32, frame->n_slots);
    for (guint i = 0; i < frame->n_slots; i++) {
        lengths[i] = table->slots[frame->first_slot + i].length;
        note_saved(salvage, &ids[i]);
    }
    struct pack_group group = {.codec = frame->codec,
                               .plain_length = frame->plain_length,
                               .stored = salvage->stored,
                               .stored_length = length,
                               .base = frame->base,
                               .n_chunks = frame->n_slots,
                               .ids = ids,
                               .lengths = lengths};
    return pack_stream_add(output->stream, &group, error);
}

static gboolean
save_frame(struct salvage *salvage, const struct pack_table *table, guint number,
           struct output *output, GError **error)
{
    const struct pack_frame *frame = &table->frames[number];
    g_autofree struct chunk_id *ids = g_new(struct chunk_id, frame->n_slots);
    g_autofree gboolean *good = g_new(gboolean, frame->n_slots);
    guint32 length = 0;
    guint fresh;
    if (!decode(salvage, table, number, &length))
        return TRUE;
    guint whole = name_chunks(salvage, table, frame, ids, good, &fresh);
    if (whole == frame->n_slots && fresh > 0 && length > 0)
        return copy_frame(salvage, table, frame, ids, length, output, error);
    for (guint i = 0; i < frame->n_slots; i++) {
        const struct pack_slot *slot = &table->slots[frame->first_slot + i];
        if (!good[i])
            continue;
        if (!regroup_add(output->regroup, &ids[i], salvage->plain + slot->offset, slot->length,
                         error))
            return FALSE;
        note_saved(salvage, &ids[i]);
    }
    return TRUE;
}

/* ---- Packs ----------------------------------------------------------------------------------- */

static gboolean
save_frames(struct salvage *salvage, struct broken *broken, const struct pack_table *table,
            struct output *output, GError **error)
{
    struct repo *repo = store_repo(salvage->repair->store);
    char object[PACK_OBJECT_TEXT];
    pack_name_object(&table->name, "packs", object);
    for (guint i = 0; i < table->n_frames; i++) {
        const struct pack_frame *frame = &table->frames[i];
        g_autoptr(GError) local = NULL;
        if ((frame->codec == CODEC_ZSTD_DELTA) != salvage->deltas)
            continue;
        if (!cancel_check(error))
            return FALSE;
        if (repo_read(repo, object, frame->offset, salvage->stored, frame->stored_length, &local)) {
            if (!save_frame(salvage, table, i, output, error))
                return FALSE;
        } else if (repairer_is_damage(local)) {
            broken->stays = TRUE;
        } else {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    return regroup_flush(output->regroup, error) && pack_stream_finish(output->stream, error);
}

static gboolean
save_pack(struct salvage *salvage, struct broken *broken, const struct pack_table *table,
          GError **error)
{
    struct repair *repair = salvage->repair;
    const struct store_config *config = store_config(repair->store);
    struct pack_stream_options options = {
        .kind = table->kind,
        .owner = lease_id(repair->lease),
        .level = table->level,
        .generation = table->generation < G_MAXUINT8 ? table->generation + 1 : G_MAXUINT8,
    };
    struct regroup_options groups = {.codec = config->codec,
                                     .level = config->level,
                                     .group_size = GROUP_SIZE,
                                     .threads = repair->options->threads};
    if (table->kind == PACK_NODES)
        groups.codec = CODEC_ZSTD, groups.level = STORE_LEVEL_DEFAULT;
    auto_ptr(pack_stream) stream = pack_stream_new(repair->store, &options, salvage->index);
    auto_ptr(regroup) regroup = regroup_new(stream, &groups);
    struct output output = {stream, regroup};
    return save_frames(salvage, broken, table, &output, error);
}

static gboolean
save_broken(struct salvage *salvage, struct broken *broken, GError **error)
{
    guint64 before = salvage->repair->report->chunks_saved;
    g_autoptr(GError) local = NULL;
    auto_ptr(pack_table) table = repairer_table(salvage->repair, &broken->name, &local);
    if (table == NULL && !repairer_is_damage(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    /* What a newer version wrote is not damaged, and what cannot be read today may be tomorrow. */
    if (table == NULL && !g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT))
        broken->stays = TRUE;
    if (table != NULL && !save_pack(salvage, broken, table, error))
        return FALSE;
    broken->saved += salvage->repair->report->chunks_saved - before;
    return TRUE;
}

static void
tell_saved(struct salvage *salvage)
{
    struct repair *repair = salvage->repair;
    GHashTableIter iter;
    gpointer item;
    g_hash_table_iter_init(&iter, salvage->packs);
    while (g_hash_table_iter_next(&iter, NULL, &item)) {
        const struct broken *broken = item;
        char object[PACK_OBJECT_TEXT];
        pack_name_object(&broken->name, "packs", object);
        if (broken->stays) {
            repairer_act(repair,
                         "leave %s, which cannot be read in full (%" G_GUINT64_FORMAT
                         " chunks of it are saved): copy the store to another medium",
                         object, broken->saved);
            continue;
        }
        repair->report->packs_salvaged++;
        repairer_mend(repair, object);
        if (repair->lease == NULL)
            repairer_act(repair, "save what is whole of %s, and remove it", object);
        else
            repairer_act(repair, "save %" G_GUINT64_FORMAT " chunks of %s, and remove it",
                         broken->saved, object);
    }
}

/* ---- Removing -------------------------------------------------------------------------------- */

static struct doomed *
make_list(struct salvage *salvage, GError **error)
{
    auto_ptr(doomed) list = doomed_new();
    g_autoptr(GHashTable) sets = store_sets_ids(salvage->repair->store, error);
    if (sets == NULL)
        return NULL;
    GHashTableIter iter;
    gpointer item;
    g_hash_table_iter_init(&iter, sets);
    while (g_hash_table_iter_next(&iter, &item, NULL))
        g_hash_table_add(list->sets, g_strdup(item));
    g_hash_table_iter_init(&iter, salvage->packs);
    while (g_hash_table_iter_next(&iter, NULL, &item)) {
        const struct broken *broken = item;
        if (!broken->doomed && !broken->stays)
            doomed_add_pack(list, &broken->name);
    }
    return g_steal_pointer(&list);
}

static gboolean
remove_packs(struct salvage *salvage, GError **error)
{
    struct repo *repo = store_repo(salvage->repair->store);
    g_autoptr(GHashTable) gone = g_hash_table_new(pack_name_hash, pack_name_equal);
    GHashTableIter iter;
    gpointer item;
    g_hash_table_iter_init(&iter, salvage->packs);
    while (g_hash_table_iter_next(&iter, NULL, &item)) {
        struct broken *broken = item;
        char object[PACK_OBJECT_TEXT];
        if (broken->stays)
            continue;
        if (!lease_check(salvage->repair->lease, error) ||
            !repo_remove(repo, pack_name_object(&broken->name, "packs", object), error) ||
            !repo_remove(repo, pack_name_object(&broken->name, "parity", object), error))
            return FALSE;
        g_hash_table_add(gone, &broken->name);
    }
    return g_hash_table_size(gone) == 0 || repairer_unlist(salvage->repair, gone, error);
}

/* As prune does it: a list first, then a look who may rely on what it names. */
static gboolean
dispose(struct salvage *salvage, GError **error)
{
    struct repair *repair = salvage->repair;
    auto_ptr(doomed) list = make_list(salvage, error);
    if (list == NULL)
        return FALSE;
    gboolean any = g_hash_table_size(list->packs) > 0;
    if (any && (!lease_check(repair->lease, error) || !doomed_put(repair->store, list, error)))
        return FALSE;
    if (!repairer_look(repair, error))
        return FALSE;
    gboolean at_once = (repo_capabilities(store_repo(repair->store)) & REPO_LISTS_AT_ONCE) != 0;
    if (repair->writers > 0 || !at_once) {
        repairer_act(repair,
                     "packs that were to be removed wait for %s: the next repair or prune "
                     "removes them",
                     repair->writers > 0 ? "backups that are running"
                                         : "other computers to see it");
        return TRUE;
    }
    return remove_packs(salvage, error) && (!any || doomed_remove(repair->store, list, error));
}

/* ---- All of it ------------------------------------------------------------------------------- */

static void
clear(struct salvage *salvage)
{
    chunk_reader_free(salvage->reader);
    locator_free(salvage->locator);
    if (salvage->index != NULL)
        index_writer_abandon(salvage->index);
    codec_free(salvage->codec);
    chunk_hasher_free(salvage->hasher);
    g_free(salvage->stored);
    g_free(salvage->plain);
    g_hash_table_unref(salvage->saved);
    g_hash_table_unref(salvage->packs);
}

static gboolean
begin(struct salvage *salvage, GError **error)
{
    struct store *store = salvage->repair->store;
    if ((salvage->locator = locator_new(store, error)) == NULL)
        return FALSE;
    salvage->reader = chunk_reader_new(store, salvage->locator);
    salvage->codec = codec_new();
    salvage->hasher = chunk_hasher_new(store_key_id_key(store_key_of(store)));
    salvage->stored = g_malloc(PACK_GROUP_MAX + STORE_TAG_SIZE);
    salvage->plain = g_malloc(PACK_GROUP_MAX);
    return TRUE;
}

/* One turn over all packs; what was saved is found afterwards. */
static gboolean
save_turn(struct salvage *salvage, GError **error)
{
    GHashTableIter iter;
    gpointer broken;
    struct repair *repair = salvage->repair;
    gboolean ok = TRUE;
    salvage->index = index_writer_new(lease_id(repair->lease));
    progress_begin(repair->options->progress, g_hash_table_size(salvage->packs), PROGRESS_ITEMS,
                   "saving what is whole of damaged packs");
    g_hash_table_iter_init(&iter, salvage->packs);
    while (ok && g_hash_table_iter_next(&iter, NULL, &broken)) {
        ok = save_broken(salvage, broken, error);
        progress_advance(repair->options->progress, 1);
    }
    progress_end(repair->options->progress, ok);
    return ok && lease_check(repair->lease, error) &&
           index_writer_finish(g_steal_pointer(&salvage->index), store_repo(repair->store),
                               error) &&
           chunk_index_refresh(locator_index(salvage->locator), error);
}

static gboolean
save_all(struct salvage *salvage, GError **error)
{
    if (salvage->repair->lease != NULL) {
        if (!begin(salvage, error) || !save_turn(salvage, error))
            return FALSE;
        salvage->deltas = TRUE;
        if (!save_turn(salvage, error))
            return FALSE;
    }
    tell_saved(salvage);
    return salvage->repair->lease == NULL || dispose(salvage, error);
}

gboolean
repairer_salvage(struct repair *repair, const struct checker_report *found, GError **error)
{
    struct salvage salvage = {.repair = repair, .found = found};
    salvage.packs = g_hash_table_new_full(pack_name_hash, pack_name_equal, NULL, g_free);
    salvage.saved = g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL);
    gboolean ok = find_broken(&salvage, error) &&
                  (g_hash_table_size(salvage.packs) == 0 || save_all(&salvage, error));
    clear(&salvage);
    return ok;
}
