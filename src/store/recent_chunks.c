/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/recent_chunks.h"

#define ROOM_FIRST 4096u

struct recent_entry {
    guint64 fingerprint;
    guint32 pack; /* number in `packs`, plus 1; 0: free */
    guint32 slot;
};

/* Open addressing with steps of one. */
struct recent_chunks {
    GArray *packs; /* of struct pack_name */
    struct recent_entry *entries;
    guint room; /* a power of two */
    guint n;
};

struct recent_chunks *
recent_chunks_new(void)
{
    struct recent_chunks *recent = g_new0(struct recent_chunks, 1);
    recent->packs = g_array_new(FALSE, FALSE, sizeof(struct pack_name));
    recent->room = ROOM_FIRST;
    recent->entries = g_new0(struct recent_entry, recent->room);
    return recent;
}

void
recent_chunks_free(struct recent_chunks *recent)
{
    g_array_unref(recent->packs);
    g_free(recent->entries);
    g_free(recent);
}

static void
insert(struct recent_entry *entries, guint room, const struct recent_entry *entry)
{
    guint place = (guint)(entry->fingerprint & (room - 1));
    while (entries[place].pack != 0)
        place = (place + 1) & (room - 1);
    entries[place] = *entry;
}

static void
grow(struct recent_chunks *recent)
{
    guint room = recent->room * 2;
    struct recent_entry *entries = g_new0(struct recent_entry, room);
    for (guint i = 0; i < recent->room; i++) {
        if (recent->entries[i].pack != 0)
            insert(entries, room, &recent->entries[i]);
    }
    g_free(recent->entries);
    recent->entries = entries;
    recent->room = room;
}

void
recent_chunks_add(struct recent_chunks *recent, const struct pack_name *pack, guint n_slots,
                  const struct pack_slot *slots)
{
    g_array_append_val(recent->packs, *pack);
    for (guint i = 0; i < n_slots; i++) {
        if (2 * (recent->n + 1) > recent->room)
            grow(recent);
        struct recent_entry entry = {chunk_id_fingerprint(&slots[i].id), recent->packs->len, i};
        insert(recent->entries, recent->room, &entry);
        recent->n++;
    }
}

gboolean
recent_chunks_search(struct recent_chunks *recent, guint64 fingerprint, chunk_index_func function,
                     gpointer data)
{
    for (guint place = (guint)(fingerprint & (recent->room - 1)); recent->entries[place].pack != 0;
         place = (place + 1) & (recent->room - 1)) {
        const struct recent_entry *entry = &recent->entries[place];
        if (entry->fingerprint != fingerprint)
            continue;
        struct chunk_candidate candidate = {
            g_array_index(recent->packs, struct pack_name, entry->pack - 1), entry->slot};
        if (function(&candidate, data))
            return TRUE;
    }
    return FALSE;
}

guint
recent_chunks_count(const struct recent_chunks *recent)
{
    return recent->n;
}

void
recent_chunks_clear(struct recent_chunks *recent)
{
    g_array_set_size(recent->packs, 0);
    g_free(recent->entries);
    recent->room = ROOM_FIRST;
    recent->entries = g_new0(struct recent_entry, recent->room);
    recent->n = 0;
}
