/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "store/object_parity.h"
#include "store/sweeper_private.h"

/* Asked one by one, as a list may be older than what it is held against. */
static gboolean
is_missing(struct sweep *sweep, const char *object, gboolean *ret, GError **error)
{
    guint64 size;
    g_autoptr(GError) local = NULL;
    *ret = !repo_size(store_repo(sweep->store), object, &size, &local);
    if (!*ret || g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* The object that `name` belongs to; NULL: none that is known. */
static char *
owner_of(const char *name)
{
    struct pack_name pack;
    char object[PACK_OBJECT_TEXT], *owner;
    if (g_str_has_prefix(name, "flags/") || g_str_has_prefix(name, "screens/"))
        return g_strconcat("sets/", strchr(name, '/') + 1, NULL);
    if (object_parity_parse(name, &owner))
        return owner;
    if (g_str_has_prefix(name, "parity/") && pack_name_parse(name, &pack))
        return g_strdup(pack_name_object(&pack, "packs", object));
    return NULL;
}

static gboolean
remove_orphans(struct sweep *sweep, GPtrArray *objects, GHashTable *there, GError **error)
{
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        g_autofree char *owner = owner_of(entry->name);
        gboolean missing = FALSE;
        if (owner == NULL || g_hash_table_contains(there, owner))
            continue;
        if (!cancel_check(error) || !is_missing(sweep, owner, &missing, error) ||
            (missing && !repo_remove(store_repo(sweep->store), entry->name, error)))
            return FALSE;
    }
    return TRUE;
}

/* Parity is put before its object: it may be that of a writer. */
gboolean
sweeper_leftovers(struct sweep *sweep, GError **error)
{
    struct repo *repo = store_repo(sweep->store);
    g_autoptr(GPtrArray) flags = repo_list(repo, "flags", error);
    g_autoptr(GPtrArray) screens = flags != NULL ? repo_list(repo, "screens", error) : NULL;
    g_autoptr(GPtrArray) parity = screens != NULL ? repo_list(repo, "parity", error) : NULL;
    if (parity == NULL || !sweeper_look(sweep, error))
        return FALSE;
    g_autoptr(GHashTable) there = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) sets = repo_list(repo, "sets", error);
    g_autoptr(GPtrArray) packs = sets != NULL ? repo_list(repo, "packs", error) : NULL;
    if (packs == NULL)
        return FALSE;
    for (guint i = 0; i < sets->len; i++)
        g_hash_table_add(there, ((struct repo_entry *)sets->pdata[i])->name);
    for (guint i = 0; i < packs->len; i++)
        g_hash_table_add(there, ((struct repo_entry *)packs->pdata[i])->name);
    return remove_orphans(sweep, flags, there, error) &&
           remove_orphans(sweep, screens, there, error) &&
           (g_hash_table_size(sweep->writers) > 0 || remove_orphans(sweep, parity, there, error));
}
