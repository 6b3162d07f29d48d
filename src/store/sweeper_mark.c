/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "store/map_survey.h"
#include "store/sweeper_private.h"

/* Notes of missing chunks that are worth reading one by one. */
#define MISSING_NOTES 10u

struct marking {
    struct sweep *sweep;
    const struct set *set;
    const struct set_disk *disk;
};

static gboolean
is_lost(struct sweep *sweep, const struct chunk_id *id)
{
    return g_hash_table_contains(sweep->lost, id);
}

/* What lies below a node that cannot be read is unknown and may come back when it is healed.  What
 * `repair` gave up does not. */
static gboolean
tell_broken(gpointer data, const struct chunk_id *id, guint64 offset G_GNUC_UNUSED,
            guint64 length G_GNUC_UNUSED, const GError *why, GError **error)
{
    const struct marking *marking = data;
    char set[SET_ID_TEXT], node[CHUNK_ID_TEXT];
    if (is_lost(marking->sweep, id))
        return TRUE;
    if (!g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) &&
        !g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_error_copy(why));
        return FALSE;
    }
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "set %s of %s: a part of the map of %s cannot be read (%s: %s); nothing is "
                     "removed while nobody knows what it needs: run `slipway store repair`",
                     set_id_format(&marking->set->id, set), marking->set->name, marking->disk->name,
                     chunk_id_format(id, node), why->message);
}

static gboolean
mark_node(gpointer data, const struct chunk_id *id, guint64 offset, guint64 length,
          gboolean *ret_skip, GError **error)
{
    const struct marking *marking = data;
    struct live_pack *pack;
    guint slot;
    g_autoptr(GError) trouble = NULL;
    if (!cancel_check(error))
        return FALSE;
    if (live_map_mark(marking->sweep->map, id, &pack, &slot, &trouble) == LIVE_FOUND) {
        *ret_skip = live_bit(pack->expanded, slot);
        live_bit_set(pack->expanded, slot);
        return TRUE;
    }
    *ret_skip = TRUE;
    if (trouble == NULL)
        error_set(&trouble, SLIPWAY_ERROR_NOT_FOUND, "no pack has it");
    return tell_broken(data, id, offset, length, trouble, error);
}

static gboolean
mark_leaf(gpointer data, guint64 segment, const struct map_leaf *leaf, GError **error)
{
    const struct marking *marking = data;
    struct sweep *sweep = marking->sweep;
    for (guint i = 0; i < leaf->n; i++) {
        const struct chunk_id *id = &leaf->entries[i].id;
        g_autoptr(GError) trouble = NULL;
        if (live_map_mark(sweep->map, id, NULL, NULL, &trouble) == LIVE_FOUND || is_lost(sweep, id))
            continue;
        /* A network that fails is no damage. */
        if (trouble != NULL && !g_error_matches(trouble, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) &&
            !g_error_matches(trouble, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&trouble));
            return FALSE;
        }
        char set[SET_ID_TEXT], text[CHUNK_ID_TEXT];
        if (sweep->report->missing_chunks++ < MISSING_NOTES)
            sweeper_note(sweep,
                         "set %s of %s: %s at %" G_GUINT64_FORMAT
                         ": chunk %s is missing; `slipway store repair` sees to it",
                         set_id_format(&marking->set->id, set), marking->set->name,
                         marking->disk->name,
                         segment * CHUNK_SEGMENT + (guint64)leaf->entries[i].block * CHUNK_BLOCK,
                         chunk_id_format(id, text));
    }
    return TRUE;
}

gboolean
sweeper_mark_set(struct sweep *sweep, const struct set *set, GError **error)
{
    struct map_source source = chunk_reader_map_source(sweep->reader);
    for (guint i = 0; i < set->disks->len; i++) {
        struct marking marking = {sweep, set, set->disks->pdata[i]};
        struct map_survey survey = {mark_node, mark_leaf, tell_broken, &marking};
        if (!map_survey_run(&marking.disk->map, &source, &survey, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
sweeper_mark_sets(struct sweep *sweep, GHashTable *ids, GError **error)
{
    struct progress *progress = sweep->options->progress;
    progress_begin(progress, g_hash_table_size(ids), PROGRESS_ITEMS, "reading maps of sets");
    GHashTableIter iter;
    gpointer text;
    gboolean ok = TRUE;
    g_hash_table_iter_init(&iter, ids);
    while (ok && g_hash_table_iter_next(&iter, &text, NULL)) {
        struct set_id id;
        g_autoptr(GError) local = NULL;
        progress_advance(progress, 1);
        if (g_hash_table_contains(sweep->marked, text) || !set_id_parse(text, &id))
            continue;
        struct set_entry *entry = store_sets_read(sweep->store, &id, &local);
        if (entry != NULL) {
            ok = sweeper_mark_set(sweep, entry->set, error);
            set_entry_free(entry);
            g_hash_table_add(sweep->marked, g_strdup(text));
            sweep->report->sets++;
        } else if (!g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
            /* Not found: deleted since it was listed. */
            g_propagate_prefixed_error(error, g_steal_pointer(&local),
                                       "nothing is removed while a set cannot be read: ");
            ok = FALSE;
        }
    }
    progress_end(progress, ok);
    return ok;
}
