/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "repo/repo_driver.h"

#include <string.h>

struct memory_object {
    GBytes *bytes;
    gint64 written;
};

struct memory {
    struct repo base;
    GMutex lock;            /* over both */
    GHashTable *objects;    /* name to struct memory_object * */
    GHashTable *unfinished; /* set of struct unfinished * */
};

/* What a writer has that has no name.  Outlives a writer that left. */
struct unfinished {
    char *owner;
    gboolean live;    /* its writer frees it */
    gboolean removed; /* by memory_unfinished_remove(), below its writer */
};

struct memory_writer {
    struct repo_writer base;
    struct unfinished *unfinished;
    GByteArray *bytes;
};

static void
free_object(gpointer data)
{
    struct memory_object *object = data;
    g_bytes_unref(object->bytes);
    g_free(object);
}

static void
free_unfinished(struct unfinished *unfinished)
{
    g_free(unfinished->owner);
    g_free(unfinished);
}

/* With the lock held. */
static gboolean
keep(struct memory *memory, const char *name, GBytes *bytes, gboolean replace, GError **error)
{
    if (!replace && g_hash_table_contains(memory->objects, name))
        return repo_error_exists(&memory->base, name, error);
    struct memory_object *object = g_new(struct memory_object, 1);
    object->bytes = g_bytes_ref(bytes);
    object->written = g_get_real_time() / G_USEC_PER_SEC;
    g_hash_table_replace(memory->objects, g_strdup(name), object);
    return TRUE;
}

static GBytes *
find(struct memory *memory, const char *name, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&memory->lock);
    struct memory_object *object = g_hash_table_lookup(memory->objects, name);
    if (object != NULL)
        return g_bytes_ref(object->bytes);
    repo_error_missing(&memory->base, name, error);
    return NULL;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static gboolean
put(struct repo *self, const char *name, const void *data, gsize length, gboolean replace,
    GError **error)
{
    struct memory *memory = (struct memory *)self;
    g_autoptr(GBytes) bytes = g_bytes_new(data, length);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&memory->lock);
    return keep(memory, name, bytes, replace, error);
}

static gboolean
append(struct repo_writer *self, const void *data, gsize length, GError **error)
{
    struct memory_writer *writer = (struct memory_writer *)self;
    if (length > G_MAXUINT - writer->bytes->len)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: an object in memory may have 4 GiB",
                         self->repo->label);
    g_byte_array_append(writer->bytes, data, (guint)length);
    return TRUE;
}

/* With the lock held, but for `leave`, whose unfinished stays in the set. */
static void
forget(struct memory_writer *writer)
{
    struct memory *memory = (struct memory *)writer->base.repo;
    g_hash_table_remove(memory->unfinished, writer->unfinished);
    free_unfinished(writer->unfinished);
}

static void
free_writer(struct memory_writer *writer)
{
    g_byte_array_unref(writer->bytes);
    g_free(writer);
}

static gboolean
commit(struct repo_writer *self, const char *name, GError **error)
{
    struct memory_writer *writer = (struct memory_writer *)self;
    struct memory *memory = (struct memory *)self->repo;
    g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(g_steal_pointer(&writer->bytes));
    g_mutex_lock(&memory->lock);
    gboolean ok;
    if (writer->unfinished->removed)
        ok = repo_error_taken(&memory->base, name, error);
    else
        ok = keep(memory, name, bytes, FALSE, error);
    forget(writer);
    g_mutex_unlock(&memory->lock);
    g_free(writer);
    return ok;
}

static void
abandon(struct repo_writer *self)
{
    struct memory_writer *writer = (struct memory_writer *)self;
    struct memory *memory = (struct memory *)self->repo;
    g_mutex_lock(&memory->lock);
    forget(writer);
    g_mutex_unlock(&memory->lock);
    free_writer(writer);
}

static void
leave(struct repo_writer *self)
{
    struct memory_writer *writer = (struct memory_writer *)self;
    struct memory *memory = (struct memory *)self->repo;
    g_mutex_lock(&memory->lock);
    writer->unfinished->live = FALSE;
    if (writer->unfinished->removed)
        forget(writer);
    g_mutex_unlock(&memory->lock);
    free_writer(writer);
}

static const struct repo_writer_class memory_writer_class = {
    .append = append,
    .commit = commit,
    .abandon = abandon,
    .leave = leave,
};

static struct repo_writer *
create(struct repo *self, const char *owner, GError **error G_GNUC_UNUSED)
{
    struct memory *memory = (struct memory *)self;
    struct memory_writer *writer = g_new0(struct memory_writer, 1);
    repo_writer_init(&writer->base, &memory_writer_class, self);
    writer->bytes = g_byte_array_new();
    writer->unfinished = g_new0(struct unfinished, 1);
    writer->unfinished->owner = g_strdup(owner);
    writer->unfinished->live = TRUE;
    g_mutex_lock(&memory->lock);
    g_hash_table_add(memory->unfinished, writer->unfinished);
    g_mutex_unlock(&memory->lock);
    return &writer->base;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static gboolean
read_range(struct repo *self, const char *name, guint64 offset, void *buffer, gsize length,
           GError **error)
{
    g_autoptr(GBytes) bytes = find((struct memory *)self, name, error);
    if (bytes == NULL)
        return FALSE;
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    if (offset > size || length > size - offset)
        return repo_error_short(self, name, offset, length, error);
    memcpy(buffer, data + offset, length);
    return TRUE;
}

static GBytes *
read_all(struct repo *self, const char *name, gsize limit, GError **error)
{
    g_autoptr(GBytes) bytes = find((struct memory *)self, name, error);
    if (bytes == NULL)
        return NULL;
    if (g_bytes_get_size(bytes) > limit) {
        repo_error_limit(self, name, g_bytes_get_size(bytes), limit, error);
        return NULL;
    }
    return g_steal_pointer(&bytes);
}

static gboolean
size_of(struct repo *self, const char *name, guint64 *ret_size, GError **error)
{
    g_autoptr(GBytes) bytes = find((struct memory *)self, name, error);
    if (bytes == NULL)
        return FALSE;
    *ret_size = g_bytes_get_size(bytes);
    return TRUE;
}

/* ---- What there is --------------------------------------------------------------------------- */

static gboolean
list(struct repo *self, const char *folder, GPtrArray *entries, GError **error G_GNUC_UNUSED)
{
    struct memory *memory = (struct memory *)self;
    g_autofree char *prefix = *folder == '\0' ? g_strdup("") : g_strconcat(folder, "/", NULL);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&memory->lock);
    GHashTableIter iter;
    gpointer name, value;
    g_hash_table_iter_init(&iter, memory->objects);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const struct memory_object *object = value;
        if (g_str_has_prefix(name, prefix))
            g_ptr_array_add(entries,
                            repo_entry_new(name, g_bytes_get_size(object->bytes), object->written));
    }
    return TRUE;
}

static gboolean
remove_object(struct repo *self, const char *name, GError **error G_GNUC_UNUSED)
{
    struct memory *memory = (struct memory *)self;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&memory->lock);
    g_hash_table_remove(memory->objects, name);
    return TRUE;
}

static gboolean
unfinished(struct repo *self, GPtrArray *owners, GError **error G_GNUC_UNUSED)
{
    struct memory *memory = (struct memory *)self;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&memory->lock);
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, memory->unfinished);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const struct unfinished *one = key;
        if (!one->removed)
            g_ptr_array_add(owners, g_strdup(one->owner));
    }
    return TRUE;
}

static gboolean
unfinished_remove(struct repo *self, const char *owner, GError **error G_GNUC_UNUSED)
{
    struct memory *memory = (struct memory *)self;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&memory->lock);
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, memory->unfinished);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        struct unfinished *one = key;
        if (!g_str_equal(one->owner, owner))
            continue;
        one->removed = TRUE;
        if (one->live)
            continue;
        g_hash_table_iter_remove(&iter);
        free_unfinished(one);
    }
    return TRUE;
}

static void
close_memory(struct repo *self)
{
    struct memory *memory = (struct memory *)self;
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, memory->unfinished);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        free_unfinished(key);
    g_hash_table_unref(memory->unfinished);
    g_hash_table_unref(memory->objects);
    g_mutex_clear(&memory->lock);
    g_free(memory);
}

static const struct repo_class memory_class = {
    .name = "memory",
    .put = put,
    .create = create,
    .read = read_range,
    .read_all = read_all,
    .size = size_of,
    .list = list,
    .remove = remove_object,
    .unfinished = unfinished,
    .unfinished_remove = unfinished_remove,
    .close = close_memory,
};

struct repo *
repo_memory_new(void)
{
    struct memory *memory = g_new0(struct memory, 1);
    repo_init(&memory->base, &memory_class, REPO_LISTS_AT_ONCE, "memory");
    g_mutex_init(&memory->lock);
    memory->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_object);
    memory->unfinished = g_hash_table_new(g_direct_hash, g_direct_equal);
    return &memory->base;
}
