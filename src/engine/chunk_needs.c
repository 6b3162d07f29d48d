/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chunk_needs.h"

struct chunk_needs *
chunk_needs_new(void)
{
    struct chunk_needs *needs = g_new0(struct chunk_needs, 1);
    needs->packs = g_hash_table_new_full(pack_name_hash, pack_name_equal, NULL, g_free);
    return needs;
}

void
chunk_needs_free(struct chunk_needs *needs)
{
    if (needs == NULL)
        return;
    g_hash_table_unref(needs->packs);
    g_free(needs);
}

gboolean
chunk_needs_add(struct chunk_needs *needs, const struct location *location)
{
    const struct pack_table *table = location->table;
    struct pack_need *need = g_hash_table_lookup(needs->packs, &table->name);
    if (need == NULL) {
        need = g_malloc0(sizeof *need + (table->n_slots + 7) / 8);
        need->pack = table->name;
        need->n_slots = table->n_slots;
        g_hash_table_insert(needs->packs, &need->pack, need);
    }
    guint8 *byte = &need->bits[location->slot / 8];
    guint8 bit = (guint8)(1u << (location->slot % 8));
    if (*byte & bit)
        return FALSE;
    *byte |= bit;
    needs->chunks++;
    needs->bytes += table->slots[location->slot].length;
    return TRUE;
}

const struct pack_need *
chunk_needs_find(const struct chunk_needs *needs, const struct pack_name *pack)
{
    return g_hash_table_lookup(needs->packs, pack);
}

static gint
compare(gconstpointer left, gconstpointer right)
{
    const struct pack_need *a = *(struct pack_need *const *)left;
    const struct pack_need *b = *(struct pack_need *const *)right;
    return memcmp(&a->pack, &b->pack, sizeof a->pack);
}

GPtrArray *
chunk_needs_packs(const struct chunk_needs *needs)
{
    GPtrArray *packs = g_ptr_array_new();
    GHashTableIter iter;
    gpointer need;
    g_hash_table_iter_init(&iter, needs->packs);
    while (g_hash_table_iter_next(&iter, NULL, &need))
        g_ptr_array_add(packs, need);
    g_ptr_array_sort(packs, compare);
    return packs;
}
