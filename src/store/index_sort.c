/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/index_sort.h"

#define INSERTION_MAX 32u
#define KEY_BYTES 14u /* of fingerprint, pack, slot */
#define BUCKETS 256u

static inline guint
key_byte(const struct index_entry *entry, guint depth)
{
    if (depth < 8)
        return entry->fingerprint >> (56 - 8 * depth) & 255;
    if (depth < 12)
        return entry->pack >> (24 - 8 * (depth - 8)) & 255;
    return entry->slot >> (8 - 8 * (depth - 12)) & 255;
}

static inline gboolean
is_before(const struct index_entry *left, const struct index_entry *right)
{
    if (left->fingerprint != right->fingerprint)
        return left->fingerprint < right->fingerprint;
    if (left->pack != right->pack)
        return left->pack < right->pack;
    return left->slot < right->slot;
}

static void
insert_sort(struct index_entry *entries, gsize n)
{
    for (gsize i = 1; i < n; i++) {
        struct index_entry entry = entries[i];
        gsize at = i;
        for (; at > 0 && is_before(&entry, &entries[at - 1]); at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

/* Radix sort by one byte after the other from the most significant on, swapping each entry right
 * to its bucket. */
static void
sort_from(struct index_entry *entries, gsize n, guint depth)
{
    if (n <= INSERTION_MAX) {
        insert_sort(entries, n);
        return;
    }
    gsize next[BUCKETS] = {0}, end[BUCKETS];
    for (gsize i = 0; i < n; i++)
        next[key_byte(&entries[i], depth)]++;
    gsize sum = 0;
    for (guint b = 0; b < BUCKETS; b++) {
        gsize count = next[b];
        next[b] = sum;
        sum += count;
        end[b] = sum;
    }
    for (guint b = 0; b < BUCKETS; b++) {
        while (next[b] < end[b]) {
            struct index_entry entry = entries[next[b]];
            guint home = key_byte(&entry, depth);
            gsize place = next[home]++;
            if (home == b)
                continue;
            entries[next[b]] = entries[place];
            entries[place] = entry;
        }
    }
    if (depth + 1 == KEY_BYTES)
        return;
    for (guint b = 0; b < BUCKETS; b++) {
        gsize begin = b == 0 ? 0 : end[b - 1];
        sort_from(entries + begin, end[b] - begin, depth + 1);
    }
}

void
index_sort(struct index_entry *entries, gsize n)
{
    sort_from(entries, n, 0);
}
