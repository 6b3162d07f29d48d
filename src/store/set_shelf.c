/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/set_shelf.h"

struct set_shelf {
    GMutex lock;
    GHashTable *sets; /* of struct set *, by their ids as text */
};

struct set_shelf *
set_shelf_new(void)
{
    struct set_shelf *shelf = g_new0(struct set_shelf, 1);
    g_mutex_init(&shelf->lock);
    shelf->sets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)set_free);
    return shelf;
}

void
set_shelf_free(struct set_shelf *shelf)
{
    if (shelf == NULL)
        return;
    g_hash_table_unref(shelf->sets);
    g_mutex_clear(&shelf->lock);
    g_free(shelf);
}

struct set *
set_shelf_get(struct set_shelf *shelf, const struct set_id *id)
{
    char text[SET_ID_TEXT];
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&shelf->lock);
    struct set *set = g_hash_table_lookup(shelf->sets, set_id_format(id, text));
    return set != NULL ? set_ref(set) : NULL;
}

void
set_shelf_put(struct set_shelf *shelf, struct set *set)
{
    char text[SET_ID_TEXT];
    g_clear_pointer(&set->config, g_free);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&shelf->lock);
    g_hash_table_replace(shelf->sets, g_strdup(set_id_format(&set->id, text)), set_ref(set));
}

static gboolean
is_not_among(gpointer key, gpointer value G_GNUC_UNUSED, gpointer ids)
{
    return !g_hash_table_contains(ids, key);
}

void
set_shelf_keep(struct set_shelf *shelf, GHashTable *ids)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&shelf->lock);
    g_hash_table_foreach_remove(shelf->sets, is_not_among, ids);
}
