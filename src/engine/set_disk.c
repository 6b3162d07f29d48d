/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/set_disk.h"

#include "base/error.h"
#include "disk/disk_driver.h"
#include "engine/set_extent.h"
#include "store/chunk_reader.h"

/* What one call needs for itself. */
struct context {
    struct chunk_reader *reader;
    struct map_source source;
    struct map_cursor *cursor;
};

struct backed_up {
    struct disk base;
    struct store *store;
    struct locator *locator;
    struct locator *own_locator; /* NULL when it is borrowed */
    struct map map;
    struct set_leaves *leaves;
    GMutex lock;       /* of the list */
    GPtrArray *unused; /* of struct context * that no call has */
};

/* ---- Contexts -------------------------------------------------------------------------------- */

/* The one that was given back last has the warmest frames. */
static struct context *
take(struct backed_up *self)
{
    g_mutex_lock(&self->lock);
    guint n = self->unused->len;
    struct context *context = n > 0 ? g_ptr_array_steal_index(self->unused, n - 1) : NULL;
    g_mutex_unlock(&self->lock);
    if (context != NULL)
        return context;
    context = g_new0(struct context, 1);
    context->reader = chunk_reader_new(self->store, self->locator);
    context->source = chunk_reader_map_source(context->reader);
    context->cursor = map_cursor_new(&self->map, &context->source);
    return context;
}

static void
give_back(struct backed_up *self, struct context *context)
{
    g_mutex_lock(&self->lock);
    g_ptr_array_add(self->unused, context);
    g_mutex_unlock(&self->lock);
}

static void
free_context(gpointer data)
{
    struct context *context = data;
    map_cursor_free(context->cursor);
    chunk_reader_free(context->reader);
    g_free(context);
}

/* Whoever reads a disk wants to know where; that something is not in the store is damage to them.
 */
static gboolean
locate_error(struct backed_up *self, guint64 offset, GError *local, GError **error)
{
    if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        local->code = SLIPWAY_ERROR_CORRUPT;
    g_propagate_prefixed_error(error, local, "%s, offset %" G_GUINT64_FORMAT ": ", self->base.label,
                               offset);
    return FALSE;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* `length` bytes at `from` in the segment of `leaf`.  *ret_at is where it got to. */
static gboolean
read_segment(struct context *context, const struct set_leaf *leaf, guint from, guint length,
             guint8 *out, guint *ret_at, GError **error)
{
    guint at = from, end = from + length;
    for (guint i = set_leaf_find(leaf, from / CHUNK_BLOCK); at < end; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        guint first = i < leaf->n ? entry->block * CHUNK_BLOCK : end;
        *ret_at = at;
        if (first > at) {
            guint zeros = MIN(first, end) - at;
            memset(out + (at - from), 0, zeros);
            at += zeros;
        }
        if (at == end)
            break;
        guint32 whole = entry->blocks * CHUNK_BLOCK;
        const guint8 *bytes = chunk_reader_peek(context->reader, &entry->id, whole, error);
        if (bytes == NULL)
            return FALSE;
        guint n = MIN(end, first + whole) - at;
        memcpy(out + (at - from), bytes + (at - first), n);
        at += n;
    }
    return TRUE;
}

static gboolean
read_range(struct backed_up *self, struct context *context, guint64 offset, guint8 *out,
           gsize length, GError **error)
{
    while (length > 0) {
        GError *local = NULL;
        guint from = (guint)(offset % CHUNK_SEGMENT), at = from;
        guint n = (guint)MIN(length, CHUNK_SEGMENT - from);
        auto_ptr(set_leaf) leaf =
            set_leaves_get(self->leaves, context->cursor, offset / CHUNK_SEGMENT, &local);
        if (leaf == NULL || !read_segment(context, leaf, from, n, out, &at, &local))
            return locate_error(self, offset + (at - from), local, error);
        offset += n;
        out += n;
        length -= n;
    }
    return TRUE;
}

static gboolean
read_disk(struct disk *disk, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct backed_up *self = (struct backed_up *)disk;
    struct context *context = take(self);
    gboolean ok = read_range(self, context, offset, buffer, length, error);
    give_back(self, context);
    return ok;
}

/* ---- Extents --------------------------------------------------------------------------------- */

static gboolean
extent_of_disk(struct disk *disk, guint64 offset, guint64 length, struct disk_extent *ret,
               GError **error)
{
    struct backed_up *self = (struct backed_up *)disk;
    GError *local = NULL;
    struct context *context = take(self);
    gboolean ok = set_extent_find(self->leaves, context->cursor, self->base.size, offset, length,
                                  ret, &local);
    give_back(self, context);
    return ok || locate_error(self, offset, local, error);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void
close_disk(struct disk *disk)
{
    struct backed_up *self = (struct backed_up *)disk;
    g_ptr_array_unref(self->unused);
    set_leaves_free(self->leaves);
    locator_free(self->own_locator);
    g_mutex_clear(&self->lock);
    g_free(self);
}

static const struct disk_class set_disk_class = {
    .name = "set",
    .read = read_disk,
    .extent = extent_of_disk,
    .close = close_disk,
};

struct disk *
set_disk_open(struct store *store, struct locator *locator, const struct set *set, const char *name,
              GError **error)
{
    const struct set_disk *found = set_need_disk(set, name, error);
    if (found == NULL)
        return NULL;
    struct locator *own = NULL;
    if (locator == NULL && (locator = own = locator_new(store, error)) == NULL)
        return NULL;
    char id[SET_ID_TEXT];
    g_autofree char *label =
        g_strdup_printf("set %s of %s, disk %s", set_id_format(&set->id, id), set->name, name);
    struct backed_up *self = g_new0(struct backed_up, 1);
    disk_init(&self->base, &set_disk_class, found->map.size, DISK_CAN_EXTENTS, label);
    self->store = store;
    self->locator = locator;
    self->own_locator = own;
    self->map = found->map;
    self->leaves = set_leaves_new();
    self->unused = g_ptr_array_new_with_free_func(free_context);
    g_mutex_init(&self->lock);
    return &self->base;
}
