/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "store/repairer_private.h"
#include "store/seal.h"

#define OBJECT_MAX (SEAL_PAYLOAD_MAX + SEAL_OVERHEAD)

/* An object whose digest is wrong.  FALSE when nobody can tell. */
static gboolean
is_damaged(struct repair *repair, enum seal_kind kind, const char *name, gboolean *ret,
           GError **error)
{
    g_autoptr(GError) local = NULL;
    *ret = FALSE;
    g_autoptr(GBytes) object = repo_read_all(store_repo(repair->store), name, OBJECT_MAX, &local);
    if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE;
    g_autoptr(GBytes) payload =
        object != NULL ? seal_open(kind, store_key_of(repair->store), name, object, &local) : NULL;
    if (payload != NULL)
        return TRUE;
    *ret = g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    if (*ret)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* With a damaged list no backup begins.  Packs are removed only by who can read a list, and no
 * prune runs now: without it they are packs like others. */
gboolean
repairer_doomed(struct repair *repair, GError **error)
{
    struct repo *repo = store_repo(repair->store);
    g_autoptr(GPtrArray) objects = repo_list(repo, "doomed", error);
    if (objects == NULL)
        return FALSE;
    for (guint i = 0; i < objects->len; i++) {
        const char *name = ((struct repo_entry *)objects->pdata[i])->name;
        gboolean damaged;
        if (!is_damaged(repair, SEAL_DOOMED, name, &damaged, error))
            return FALSE;
        if (!damaged)
            continue;
        repairer_act(repair, "remove %s, a damaged list of packs to remove", name);
        repairer_mend(repair, name);
        if (repair->lease != NULL && !repo_remove(repo, name, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- Lost chunks ----------------------------------------------------------------------------- */

/* What is on the list; with *ret_damaged, that no one can read. */
static GHashTable *
read_lost(struct repair *repair, gboolean *ret_damaged, GError **error)
{
    g_autoptr(GError) local = NULL;
    GHashTable *lost = lost_list(repair->store, &local);
    *ret_damaged = lost == NULL && g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    if (*ret_damaged)
        return g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL);
    if (lost == NULL)
        g_propagate_error(error, g_steal_pointer(&local));
    return lost;
}

static void
mend_lists(struct repair *repair, GPtrArray *objects)
{
    for (guint i = 0; i < objects->len; i++)
        repairer_mend(repair, ((struct repo_entry *)objects->pdata[i])->name);
}

static guint
count_missing(GHashTable *chunks, GHashTable *other)
{
    GHashTableIter iter;
    gpointer id;
    guint n = 0;
    g_hash_table_iter_init(&iter, chunks);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        n += !g_hash_table_contains(other, id);
    return n;
}

/* Those of the last check whose list could not be read are mended by a new one. */
static void
drop_lists(struct checker_report *found)
{
    for (guint i = found->damage->len; i-- > 0;) {
        const struct checker_damage *damage = found->damage->pdata[i];
        if (damage->object != NULL && g_str_has_prefix(damage->object, "lost/"))
            g_ptr_array_remove_index(found->damage, i);
    }
}

gboolean
repairer_lost(struct repair *repair, struct checker_report *found, GError **error)
{
    gboolean damaged;
    g_autoptr(GPtrArray) objects = repo_list(store_repo(repair->store), "lost", error);
    g_autoptr(GHashTable) before = objects != NULL ? read_lost(repair, &damaged, error) : NULL;
    if (before == NULL)
        return FALSE;
    guint fresh = count_missing(found->chunks_damaged, before);
    guint again = count_missing(before, found->chunks_damaged);
    repair->report->chunks_lost = g_hash_table_size(found->chunks_damaged);
    repair->report->chunks_found = again;
    if (fresh == 0 && again == 0 && !damaged)
        return TRUE;
    if (found->io_errors > 0) {
        repairer_act(repair, "give nothing up for lost, as reading fails: copy the store to "
                             "another medium and repair that");
        return TRUE;
    }
    repairer_act(repair, "list %u lost chunks, %u of them new; %u that were lost are there again",
                 g_hash_table_size(found->chunks_damaged), fresh, again);
    mend_lists(repair, objects);
    if (repair->lease == NULL)
        return TRUE;
    drop_lists(found);
    return lease_check(repair->lease, error) &&
           lost_replace(repair->store, found->chunks_damaged, error);
}
