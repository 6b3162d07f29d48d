/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What parity makes of an object counts only when the object's own digests say that it is right:
 * parity may be older than an object that was replaced, or damaged itself. */
#include "base/cancel.h"
#include "base/error.h"
#include "store/object_parity.h"
#include "store/pack_format.h"
#include "store/parity.h"
#include "store/repairer_private.h"
#include "store/seal.h"

#define OBJECT_MAX (SEAL_PAYLOAD_MAX + SEAL_OVERHEAD)
#define PIECE (1u << 20)

static gboolean
is_gone(const GError *why)
{
    return g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

static void
tell_healed(struct repair *repair, const char *name, guint64 blocks)
{
    repair->report->healed++;
    repair->report->healed_blocks += blocks;
    repairer_act(repair, "heal %s with its parity, %" G_GUINT64_FORMAT " blocks", name, blocks);
    repairer_mend(repair, name);
}

/* TRUE in *ret when `parity` is there and fits the object, which is good. */
static gboolean
has_parity(struct repair *repair, const char *name, const char *parity, gboolean *ret,
           GError **error)
{
    struct parity_report report;
    g_autoptr(GError) local = NULL;
    *ret = FALSE;
    if (!parity_check(store_repo(repair->store), name, parity, &report, NULL, &local)) {
        if (repairer_is_damage(local))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    *ret = report.damaged == 0 && report.parity_damaged == 0;
    parity_report_clear(&report);
    return TRUE;
}

static void
tell_parity(struct repair *repair, const char *name, const char *parity)
{
    repairer_act(repair, "make the parity of %s", name);
    repairer_mend(repair, parity);
}

/* ---- Small objects --------------------------------------------------------------------------- */

static gboolean
make_object_parity(struct repair *repair, const char *name, GBytes *object, GError **error)
{
    gboolean there;
    g_autofree char *parity = object_parity_name(name);
    if (store_config(repair->store)->parity == 0)
        return TRUE;
    if (!has_parity(repair, name, parity, &there, error))
        return FALSE;
    if (there)
        return TRUE;
    tell_parity(repair, name, parity);
    gsize length;
    const void *data = g_bytes_get_data(object, &length);
    return repair->lease == NULL ||
           object_parity_put(store_repo(repair->store), name, data, length, error);
}

static gboolean
replace_object(struct repair *repair, const char *name, GBytes *object, guint64 blocks,
               GError **error)
{
    gsize length;
    const void *data = g_bytes_get_data(object, &length);
    tell_healed(repair, name, blocks);
    return repair->lease == NULL ||
           (lease_check(repair->lease, error) &&
            repo_replace(store_repo(repair->store), name, data, length, error));
}

static gboolean
heal_object(struct repair *repair, const char *name, GError **error)
{
    struct repo *repo = store_repo(repair->store);
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) object = repo_read_all(repo, name, OBJECT_MAX, &local);
    if (object != NULL && seal_check(name, object, NULL))
        return make_object_parity(repair, name, object, error);
    if (object == NULL && !repairer_is_damage(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    guint64 blocks = 0;
    g_autoptr(GBytes) healed = object_parity_heal(repo, name, &blocks);
    if (healed != NULL)
        return replace_object(repair, name, healed, blocks, error) &&
               (repair->lease == NULL || make_object_parity(repair, name, healed, error));
    if (!g_str_equal(name, "config"))
        return TRUE;
    /* What it says is known, or the store would not be open. */
    repairer_act(repair, "write config again");
    repairer_mend(repair, name);
    return repair->lease == NULL ||
           store_set_config(repair->store, store_config(repair->store), error);
}

static gboolean
heal_objects(struct repair *repair, GError **error)
{
    static const char *const folders[] = {"keys", "sets", "flags", "screens", "rules"};
    if (!heal_object(repair, "config", error))
        return FALSE;
    for (guint f = 0; f < G_N_ELEMENTS(folders); f++) {
        g_autoptr(GPtrArray) objects = repo_list(store_repo(repair->store), folders[f], error);
        if (objects == NULL)
            return FALSE;
        for (guint i = 0; i < objects->len; i++) {
            const struct repo_entry *entry = objects->pdata[i];
            if (!cancel_check(error) || !heal_object(repair, entry->name, error))
                return FALSE;
        }
    }
    return TRUE;
}

/* ---- Packs ----------------------------------------------------------------------------------- */

/* `data` NULL: read from the repo. */
static gboolean
check_frames(struct repair *repair, const struct pack_table *table, const guint8 *data,
             GError **error)
{
    struct repo *repo = store_repo(repair->store);
    char object[PACK_OBJECT_TEXT];
    guint32 longest = 0;
    for (guint i = 0; i < table->n_frames; i++)
        longest = MAX(longest, table->frames[i].stored_length);
    g_autofree guint8 *stored = g_malloc(longest);
    pack_name_object(&table->name, "packs", object);
    for (guint i = 0; i < table->n_frames; i++) {
        const struct pack_frame *frame = &table->frames[i];
        guint32 length;
        if (data != NULL)
            memcpy(stored, data + frame->offset, frame->stored_length);
        else if (!repo_read(repo, object, frame->offset, stored, frame->stored_length, error))
            return FALSE;
        if (!cancel_check(error) ||
            !pack_open_frame(repo, table, i, store_key_of(repair->store), stored, &length, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
repairer_is_whole(struct repair *repair, const struct pack_name *name, GBytes *bytes, gboolean *ret,
                  GError **error)
{
    const struct store_key *key = store_key_of(repair->store);
    g_autoptr(GError) local = NULL;
    auto_ptr(pack_table) table = NULL;
    gsize length = 0;
    const guint8 *data = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;
    if (data == NULL)
        table = pack_table_load(store_repo(repair->store), name, key, &local);
    else if (length >= 32)
        table = pack_table_parse(name, key, data, length, 0, data, &local);
    *ret = table != NULL && check_frames(repair, table, data, &local);
    if (*ret || local == NULL || repairer_is_damage(local))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

static gboolean
encode_parity(struct repair *repair, const char *object, const char *parity_name, GError **error)
{
    struct repo *repo = store_repo(repair->store);
    guint64 size;
    if (!repo_size(repo, object, &size, error))
        return FALSE;
    /* As the writer of the pack did: the same bytes come out. */
    auto_ptr(parity_encoder) encoder =
        parity_encoder_new(MAX(size, PACK_WRITTEN_MAX), store_config(repair->store)->parity);
    g_autofree guint8 *piece = g_malloc(PIECE);
    for (guint64 at = 0; at < size; at += PIECE) {
        gsize length = (gsize)MIN(size - at, PIECE);
        if (!cancel_check(error) || !repo_read(repo, object, at, piece, length, error))
            return FALSE;
        parity_encoder_append(encoder, piece, length);
    }
    g_autoptr(GBytes) parity = parity_encoder_finish(encoder);
    gsize length;
    const void *data = g_bytes_get_data(parity, &length);
    return lease_check(repair->lease, error) &&
           repo_replace(repo, parity_name, data, length, error);
}

/* A writer's packs are bigger than any parity could be only when they are damaged. */
static gboolean
make_parity(struct repair *repair, const struct pack_name *name, GError **error)
{
    char object[PACK_OBJECT_TEXT], parity[PACK_OBJECT_TEXT];
    gboolean whole;
    g_autoptr(GError) local = NULL;
    pack_name_object(name, "packs", object);
    pack_name_object(name, "parity", parity);
    if (store_config(repair->store)->parity == 0)
        return TRUE;
    if (!repairer_is_whole(repair, name, NULL, &whole, error))
        return FALSE;
    if (!whole)
        return TRUE;
    tell_parity(repair, object, parity);
    if (repair->lease == NULL || encode_parity(repair, object, parity, &local))
        return TRUE;
    if (is_gone(local)) /* removed since it was listed */
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

static gboolean
replace_pack(struct repair *repair, const struct pack_name *name, GBytes *healed, guint64 blocks,
             GError **error)
{
    char object[PACK_OBJECT_TEXT];
    gsize length;
    const void *data = g_bytes_get_data(healed, &length);
    tell_healed(repair, pack_name_object(name, "packs", object), blocks);
    return repair->lease == NULL ||
           (lease_check(repair->lease, error) &&
            repo_replace(store_repo(repair->store), object, data, length, error));
}

/* When parity finds damage where the pack's own checksums find none, or makes something that is not
 * the pack, it is the parity that is wrong. */
static gboolean
heal_pack(struct repair *repair, const struct pack_name *name, GError **error)
{
    char object[PACK_OBJECT_TEXT], parity[PACK_OBJECT_TEXT];
    struct parity_report report;
    g_autoptr(GBytes) healed = NULL;
    g_autoptr(GError) local = NULL;
    gboolean right = FALSE;
    pack_name_object(name, "packs", object);
    pack_name_object(name, "parity", parity);
    if (!parity_check(store_repo(repair->store), object, parity, &report, &healed, &local)) {
        if (repairer_is_damage(local))
            return make_parity(repair, name, error);
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    guint64 damaged = report.damaged, parity_damaged = report.parity_damaged;
    parity_report_clear(&report);
    if (healed != NULL && !repairer_is_whole(repair, name, healed, &right, error))
        return FALSE;
    if (right && !replace_pack(repair, name, healed, damaged, error))
        return FALSE;
    if ((right && parity_damaged == 0) || (damaged == 0 && parity_damaged == 0))
        return TRUE;
    g_clear_pointer(&healed, g_bytes_unref);
    return make_parity(repair, name, error);
}

static gboolean
heal_packs(struct repair *repair, GPtrArray *objects, GError **error)
{
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        struct pack_name name;
        if (!cancel_check(error) ||
            (pack_name_parse(entry->name, &name) && !heal_pack(repair, &name, error)))
            return FALSE;
        progress_advance(repair->options->progress, entry->size);
    }
    return TRUE;
}

gboolean
repairer_heal(struct repair *repair, GError **error)
{
    struct repo *repo = store_repo(repair->store);
    if (!heal_objects(repair, error))
        return FALSE;
    g_autoptr(GPtrArray) parity = repo_list(repo, "parity", error);
    g_autoptr(GPtrArray) packs = parity != NULL ? repo_list(repo, "packs", error) : NULL;
    if (packs == NULL)
        return FALSE;
    if (parity->len == 0 && store_config(repair->store)->parity == 0)
        return TRUE;
    guint64 total = 0;
    for (guint i = 0; i < packs->len; i++)
        total += ((struct repo_entry *)packs->pdata[i])->size;
    progress_begin(repair->options->progress, total, PROGRESS_BYTES,
                   "holding %u packs against their parity", packs->len);
    gboolean ok = heal_packs(repair, packs, error);
    progress_end(repair->options->progress, ok);
    return ok;
}
