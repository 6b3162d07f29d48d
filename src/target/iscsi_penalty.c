/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_penalty.h"

#include <arpa/inet.h>
#include <string.h>

struct entry {
    guint failures;
    gint64 last;
};

struct iscsi_penalty {
    GMutex lock;
    GHashTable *entries; /* of struct entry, by the address */
};

struct iscsi_penalty *
iscsi_penalty_new(void)
{
    struct iscsi_penalty *penalty = g_new0(struct iscsi_penalty, 1);
    g_mutex_init(&penalty->lock);
    penalty->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return penalty;
}

void
iscsi_penalty_free(struct iscsi_penalty *penalty)
{
    if (penalty == NULL)
        return;
    g_hash_table_unref(penalty->entries);
    g_mutex_clear(&penalty->lock);
    g_free(penalty);
}

/* A client has as many addresses of its IPv6 network as it likes. */
static char *
key_of(const char *address)
{
    guint8 bytes[16];
    char text[INET6_ADDRSTRLEN] = "";
    g_autofree char *number = g_strndup(address, strcspn(address, "%"));
    if (inet_pton(AF_INET6, number, bytes) != 1)
        return g_strdup(address);
    memset(bytes + 8, 0, 8);
    inet_ntop(AF_INET6, bytes, text, sizeof text);
    return g_strdup(text);
}

static gboolean
is_over(const struct entry *entry, gint64 now)
{
    return now - entry->last >= ISCSI_PENALTY_FORGET_S * G_TIME_SPAN_SECOND;
}

static gboolean
remove_over(gpointer key G_GNUC_UNUSED, gpointer value, gpointer now)
{
    return is_over(value, *(const gint64 *)now);
}

static void
remove_oldest(GHashTable *entries)
{
    GHashTableIter iter;
    gpointer key = NULL, value = NULL, oldest = NULL;
    gint64 last = G_MAXINT64;
    g_hash_table_iter_init(&iter, entries);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const struct entry *entry = value;
        if (entry->last < last) {
            last = entry->last;
            oldest = key;
        }
    }
    if (oldest != NULL)
        g_hash_table_remove(entries, oldest);
}

void
iscsi_penalty_add(struct iscsi_penalty *penalty, const char *address, gint64 now)
{
    char *key = key_of(address);
    g_mutex_lock(&penalty->lock);
    g_hash_table_foreach_remove(penalty->entries, remove_over, &now);
    struct entry *entry = g_hash_table_lookup(penalty->entries, key);
    if (entry == NULL) {
        if (g_hash_table_size(penalty->entries) >= ISCSI_PENALTY_ADDRESSES)
            remove_oldest(penalty->entries);
        entry = g_new0(struct entry, 1);
        g_hash_table_insert(penalty->entries, g_steal_pointer(&key), entry);
    }
    entry->failures = MIN(entry->failures, G_MAXUINT - 1) + 1;
    entry->last = now;
    g_mutex_unlock(&penalty->lock);
    g_free(key);
}

guint
iscsi_penalty_wait(struct iscsi_penalty *penalty, const char *address, gint64 now)
{
    g_autofree char *key = key_of(address);
    gint64 left = 0;
    g_mutex_lock(&penalty->lock);
    const struct entry *entry = g_hash_table_lookup(penalty->entries, key);
    if (entry != NULL && !is_over(entry, now) && entry->failures >= ISCSI_PENALTY_FREE) {
        guint doubled = MIN(entry->failures - ISCSI_PENALTY_FREE, 16);
        gint64 seconds = MIN((gint64)1 << doubled, ISCSI_PENALTY_MAX_S);
        left = entry->last + seconds * G_TIME_SPAN_SECOND - now;
    }
    g_mutex_unlock(&penalty->lock);
    return left <= 0 ? 0 : (guint)((left + G_TIME_SPAN_SECOND - 1) / G_TIME_SPAN_SECOND);
}
