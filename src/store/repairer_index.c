/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "store/index.h"
#include "store/repairer_private.h"

/* Chunks in an object that is made again: bounds the memory. */
#define ENTRIES_MAX (2u << 20)

struct listing {
    struct repair *repair;
    struct index_writer *index;
    guint64 entries;
    guint packs;
};

static gboolean
flush(struct listing *listing, gboolean more, GError **error)
{
    struct repair *repair = listing->repair;
    struct index_writer *index = g_steal_pointer(&listing->index);
    listing->entries = 0;
    if (repair->lease == NULL)
        return TRUE;
    if (more)
        listing->index = index_writer_new(lease_id(repair->lease));
    if (index == NULL)
        return TRUE;
    if (lease_check(repair->lease, error))
        return index_writer_finish(index, store_repo(repair->store), error);
    index_writer_abandon(index);
    return FALSE;
}

/* A pack that cannot be read is not in the index: what is in it is found nowhere. */
static gboolean
list_pack(struct listing *listing, const struct pack_name *name, GError **error)
{
    struct repair *repair = listing->repair;
    g_autoptr(GError) local = NULL;
    auto_ptr(pack_table) table =
        pack_table_load(store_repo(repair->store), name, store_key_of(repair->store), &local);
    if (table == NULL && repairer_is_damage(local))
        return TRUE;
    if (table == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    listing->packs++;
    if (listing->index == NULL)
        return TRUE;
    index_writer_add(listing->index, name, table->n_slots, table->slots);
    listing->entries += table->n_slots;
    return listing->entries < ENTRIES_MAX || flush(listing, TRUE, error);
}

/* All of these packs (names of objects) but those in `listed` (a set of struct pack_name *). */
static gboolean
list_packs(struct listing *listing, GPtrArray *objects, GHashTable *listed, GError **error)
{
    struct progress *progress = listing->repair->options->progress;
    gboolean ok = flush(listing, TRUE, error);
    progress_begin(progress, objects->len, PROGRESS_ITEMS, "looking for packs to list");
    for (guint i = 0; ok && i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        struct pack_name name;
        ok = cancel_check(error) &&
             (!pack_name_parse(entry->name, &name) || g_hash_table_contains(listed, &name) ||
              list_pack(listing, &name, error));
        progress_advance(progress, 1);
    }
    ok = ok && flush(listing, FALSE, error);
    if (listing->index != NULL)
        index_writer_abandon(g_steal_pointer(&listing->index));
    progress_end(progress, ok);
    return ok;
}

static void
note_listed(const struct pack_name *name, gpointer data)
{
    g_hash_table_add(data, g_memdup2(name, sizeof *name));
}

/* Index objects that are damaged. */
static GPtrArray *
find_damaged(struct repair *repair, GPtrArray *objects, GError **error)
{
    g_autoptr(GPtrArray) damaged = g_ptr_array_new();
    for (guint i = 0; i < objects->len; i++) {
        struct repo_entry *entry = objects->pdata[i];
        g_autoptr(GError) local = NULL;
        if (!cancel_check(error))
            return NULL;
        if (chunk_index_verify(store_repo(repair->store), entry->name, &local) ||
            g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
            continue;
        if (!repairer_is_damage(local) ||
            g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        g_ptr_array_add(damaged, entry->name);
    }
    return g_steal_pointer(&damaged);
}

/* What a damaged object lists, or says that it replaces, may be wrong: none of them counts, so all
 * packs are listed anew, and then all that were there are removed. */
static gboolean
make_again(struct repair *repair, GPtrArray *objects, GPtrArray *damaged, GPtrArray *packs,
           GError **error)
{
    struct listing listing = {.repair = repair};
    g_autoptr(GHashTable) none = g_hash_table_new(pack_name_hash, pack_name_equal);
    for (guint i = 0; i < damaged->len; i++) {
        repairer_act(repair, "make what %s listed again", (const char *)damaged->pdata[i]);
        repairer_mend(repair, damaged->pdata[i]);
    }
    repair->report->index_objects = damaged->len;
    if (!list_packs(&listing, packs, none, error))
        return FALSE;
    for (guint i = 0; repair->lease != NULL && i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        if (!repo_remove(store_repo(repair->store), entry->name, error))
            return FALSE;
    }
    return TRUE;
}

/* Packs that no object lists, unless a writer may be about to. */
static gboolean
list_others(struct repair *repair, GPtrArray *packs, GError **error)
{
    struct listing listing = {.repair = repair};
    g_autoptr(GHashTable) listed =
        g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    auto_ptr(chunk_index) index = chunk_index_open(store_repo(repair->store), error);
    if (index == NULL)
        return FALSE;
    chunk_index_packs(index, note_listed, listed);
    if (!repairer_look(repair, error))
        return FALSE;
    if (repair->writers > 0 && g_hash_table_size(listed) > 0)
        return TRUE;
    if (!list_packs(&listing, packs, listed, error))
        return FALSE;
    repair->report->packs_listed = listing.packs;
    if (listing.packs > 0)
        repairer_act(repair, "list %u packs in the index", listing.packs);
    return TRUE;
}

gboolean
repairer_index(struct repair *repair, GError **error)
{
    struct repo *repo = store_repo(repair->store);
    /* An object is put after the packs that it lists: what it lists, the list of packs has. */
    g_autoptr(GPtrArray) objects = repo_list(repo, "index", error);
    g_autoptr(GPtrArray) packs = objects != NULL ? repo_list(repo, "packs", error) : NULL;
    g_autoptr(GPtrArray) damaged = packs != NULL ? find_damaged(repair, objects, error) : NULL;
    if (damaged == NULL)
        return FALSE;
    return damaged->len > 0 || objects->len > INDEX_OBJECTS_MAX
               ? make_again(repair, objects, damaged, packs, error)
               : list_others(repair, packs, error);
}

gboolean
repairer_unlist(struct repair *repair, GHashTable *packs, GError **error)
{
    auto_ptr(chunk_index) index = chunk_index_open(store_repo(repair->store), error);
    if (index == NULL)
        return FALSE;
    auto_ptr(index_writer) writer = index_writer_new(lease_id(repair->lease));
    index_writer_merge(writer, index, G_MAXUINT64, packs);
    return index_writer_finish(g_steal_pointer(&writer), store_repo(repair->store), error);
}
