/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/index_generation.h"

#include "base/error.h"

/* How often a list is read again when an object of it is gone, and the first pause before that.
 * It is when somebody replaced it at this moment, or when the list was a stale one. */
#define TRIES 8u
#define PAUSE (5 * G_TIME_SPAN_MILLISECOND)

static struct index_generation *
make_generation(void)
{
    struct index_generation *generation = g_new0(struct index_generation, 1);
    g_atomic_ref_count_init(&generation->references);
    generation->tables = g_ptr_array_new();
    /* Digests are hashed and compared as names of packs are. */
    generation->replaced = g_hash_table_new(pack_name_hash, pack_name_equal);
    generation->known = g_hash_table_new_full(pack_name_hash, pack_name_equal, NULL,
                                              (GDestroyNotify)index_table_unref);
    return generation;
}

struct index_generation *
index_generation_ref(struct index_generation *generation)
{
    g_atomic_ref_count_inc(&generation->references);
    return generation;
}

void
index_generation_unref(struct index_generation *generation)
{
    if (generation == NULL || !g_atomic_ref_count_dec(&generation->references))
        return;
    g_ptr_array_unref(generation->tables);
    g_hash_table_unref(generation->replaced);
    g_hash_table_unref(generation->known);
    g_free(generation);
}

/* A table of this object; with *ret_damaged instead when it cannot be one. */
static struct index_table *
open_table(struct repo *repo, const char *object, const guint8 *digest, gboolean *ret_damaged,
           GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = repo_view(repo, object, INDEX_OBJECT_MAX, &local);
    struct index_table *table = NULL;
    if (bytes != NULL)
        table = index_table_new(digest, bytes, &local);
    *ret_damaged = table == NULL &&
                   (bytes != NULL || g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
                    g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT));
    if (table == NULL && !*ret_damaged)
        g_propagate_error(error, g_steal_pointer(&local));
    return table;
}

static gboolean
add_object(struct index_generation *generation, struct repo *repo, const char *object,
           struct index_generation *old, GError **error)
{
    struct pack_name digest;
    if (!index_object_parse(object, digest.bytes))
        return TRUE;
    struct index_table *table = old == NULL ? NULL : g_hash_table_lookup(old->known, &digest);
    if (table != NULL)
        index_table_ref(table);
    else {
        gboolean damaged;
        table = open_table(repo, object, digest.bytes, &damaged, error);
        if (table == NULL) {
            generation->damaged += damaged ? 1 : 0;
            return damaged;
        }
    }
    g_ptr_array_add(generation->tables, table);
    g_hash_table_insert(generation->known, table->digest, table);
    return TRUE;
}

/* Move what another one replaces out of `tables`. */
static void
sort_out(struct index_generation *generation)
{
    GPtrArray *tables = generation->tables;
    for (guint i = 0; i < tables->len; i++) {
        const struct index_table *table = tables->pdata[i];
        for (guint r = 0; r < table->header.n_replaced; r++) {
            const guint8 *row = table->replaced + (gsize)r * INDEX_NAME_ROW;
            struct index_table *other = g_hash_table_lookup(generation->known, row);
            if (other != NULL && other != table)
                g_hash_table_add(generation->replaced, other->digest);
        }
    }
    guint kept = 0;
    for (guint i = 0; i < tables->len; i++) {
        struct index_table *table = tables->pdata[i];
        if (!g_hash_table_contains(generation->replaced, table->digest))
            tables->pdata[kept++] = table;
    }
    g_ptr_array_set_size(tables, (int)kept);
}

static struct index_generation *
try_load(struct repo *repo, struct index_generation *old, gboolean *ret_vanished, GError **error)
{
    *ret_vanished = FALSE;
    g_autoptr(GPtrArray) entries = repo_list(repo, INDEX_FOLDER, error);
    if (entries == NULL)
        return NULL;
    if (entries->len > INDEX_OBJECTS_MAX)
        return error_null(
            error, SLIPWAY_ERROR_LIMIT,
            "%s: there are %u index objects, more than %u; slipway store repair makes "
            "one of them",
            repo_label(repo), entries->len, INDEX_OBJECTS_MAX);
    auto_ptr(index_generation) generation = make_generation();
    for (guint i = 0; i < entries->len; i++) {
        const struct repo_entry *entry = entries->pdata[i];
        g_autoptr(GError) local = NULL;
        if (add_object(generation, repo, entry->name, old, &local))
            continue;
        *ret_vanished = g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    sort_out(generation);
    return g_steal_pointer(&generation);
}

struct index_generation *
index_generation_load(struct repo *repo, struct index_generation *old, GError **error)
{
    for (guint try = 1;; try++) {
        gboolean vanished;
        g_autoptr(GError) local = NULL;
        struct index_generation *generation = try_load(repo, old, &vanished, &local);
        if (generation != NULL)
            return generation;
        if (!vanished || try == TRIES) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        g_usleep((gulong)PAUSE << (try - 1));
    }
}

GHashTable *
index_generation_packs(const struct index_generation *generation)
{
    GHashTable *packs = g_hash_table_new(pack_name_hash, pack_name_equal);
    for (guint i = 0; i < generation->tables->len; i++) {
        const struct index_table *table = generation->tables->pdata[i];
        for (guint p = 0; p < table->header.n_packs; p++)
            g_hash_table_add(packs, (gpointer)(table->packs + (gsize)p * INDEX_NAME_ROW));
    }
    return packs;
}
