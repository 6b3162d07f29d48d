/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo/open_objects.h"

#include <unistd.h>

struct open_object {
    gatomicrefcount references;
    int fd;
    guint64 used; /* under the lock of the table */
};

struct open_objects {
    GMutex lock;
    GHashTable *table; /* name to struct open_object *, which it has a reference to */
    guint n_max;
    guint64 clock;
    guint64 generation;
};

void
open_objects_release(struct open_object *object)
{
    if (!g_atomic_ref_count_dec(&object->references))
        return;
    close(object->fd);
    g_free(object);
}

static void
release(gpointer object)
{
    open_objects_release(object);
}

struct open_objects *
open_objects_new(guint n_max)
{
    struct open_objects *objects = g_new0(struct open_objects, 1);
    g_mutex_init(&objects->lock);
    objects->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, release);
    objects->n_max = n_max;
    return objects;
}

void
open_objects_free(struct open_objects *objects)
{
    g_hash_table_unref(objects->table);
    g_mutex_clear(&objects->lock);
    g_free(objects);
}

struct open_object *
open_objects_find(struct open_objects *objects, const char *name)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&objects->lock);
    struct open_object *object = g_hash_table_lookup(objects->table, name);
    if (object == NULL)
        return NULL;
    object->used = ++objects->clock;
    g_atomic_ref_count_inc(&object->references);
    return object;
}

guint64
open_objects_generation(struct open_objects *objects)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&objects->lock);
    return objects->generation;
}

/* The table is small: looking at all of it costs less than keeping it in order. */
static void
remove_oldest(struct open_objects *objects)
{
    GHashTableIter iter;
    gpointer name, value, oldest = NULL;
    guint64 used = G_MAXUINT64;
    g_hash_table_iter_init(&iter, objects->table);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const struct open_object *object = value;
        if (object->used < used) {
            used = object->used;
            oldest = name;
        }
    }
    g_hash_table_remove(objects->table, oldest);
}

struct open_object *
open_objects_add(struct open_objects *objects, const char *name, int fd, gboolean keep,
                 guint64 generation)
{
    struct open_object *object = g_new0(struct open_object, 1);
    g_atomic_ref_count_init(&object->references);
    object->fd = fd;
    if (!keep)
        return object;

    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&objects->lock);
    if (objects->generation != generation)
        return object; /* it may be what `name` was before that */
    if (g_hash_table_size(objects->table) >= objects->n_max &&
        !g_hash_table_contains(objects->table, name))
        remove_oldest(objects);
    object->used = ++objects->clock;
    g_atomic_ref_count_inc(&object->references);
    g_hash_table_replace(objects->table, g_strdup(name), object);
    return object;
}

void
open_objects_drop(struct open_objects *objects, const char *name)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&objects->lock);
    objects->generation++;
    g_hash_table_remove(objects->table, name);
}

int
open_objects_fd(const struct open_object *object)
{
    return object->fd;
}
