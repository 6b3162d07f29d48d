/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A disk in memory: a tree of the pages that were written.  A tree and not a hash, so that the next
 * extent of a huge empty disk is found without asking for each page. */
#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/disk_open.h"

#include <errno.h>
#include <string.h>

#define PAGE_LENGTH (64u * 1024)

struct page {
    guint64 number;
    guint8 bytes[PAGE_LENGTH];
};

struct memory {
    struct disk base;
    GRWLock lock; /* over the tree and all pages */
    GTree *pages; /* of struct page by &page->number */
};

/* A range within one page. */
struct slice {
    guint64 page;
    gsize start;
    gsize length;
};

static struct slice
first_slice(guint64 offset, guint64 length)
{
    gsize start = offset % PAGE_LENGTH;
    return (struct slice){offset / PAGE_LENGTH, start, MIN(length, PAGE_LENGTH - start)};
}

static int
compare_numbers(gconstpointer a, gconstpointer b, gpointer data G_GNUC_UNUSED)
{
    guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;
    return (x > y) - (x < y);
}

static gboolean
read_pages(struct disk *self, guint64 offset, void *buffer, gsize length,
           GError **error G_GNUC_UNUSED)
{
    struct memory *memory = (struct memory *)self;
    guint8 *to = buffer;
    g_rw_lock_reader_lock(&memory->lock);
    while (length > 0) {
        struct slice slice = first_slice(offset, length);
        const struct page *page = g_tree_lookup(memory->pages, &slice.page);
        if (page != NULL)
            memcpy(to, page->bytes + slice.start, slice.length);
        else
            memset(to, 0, slice.length);
        to += slice.length;
        offset += slice.length;
        length -= slice.length;
    }
    g_rw_lock_reader_unlock(&memory->lock);
    return TRUE;
}

static struct page *
find_or_add(struct memory *memory, guint64 number)
{
    struct page *page = g_tree_lookup(memory->pages, &number);
    if (page != NULL)
        return page;
    page = g_try_malloc0(sizeof *page);
    if (page == NULL)
        return NULL;
    page->number = number;
    g_tree_insert(memory->pages, &page->number, page);
    return page;
}

static gboolean
write_pages(struct disk *self, guint64 offset, const void *data, gsize length, GError **error)
{
    struct memory *memory = (struct memory *)self;
    const guint8 *from = data;
    gboolean ok = TRUE;
    g_rw_lock_writer_lock(&memory->lock);
    while (ok && length > 0) {
        struct slice slice = first_slice(offset, length);
        struct page *page = find_or_add(memory, slice.page);
        if (page == NULL) {
            ok =
                error_set_errno(error, ENOMEM, "disk %s: cannot write at offset %" G_GUINT64_FORMAT,
                                self->label, offset);
            break;
        }
        memcpy(page->bytes + slice.start, from, slice.length);
        from += slice.length;
        offset += slice.length;
        length -= slice.length;
    }
    g_rw_lock_writer_unlock(&memory->lock);
    return ok;
}

/* The first page from `number` on, or NULL. */
static GTreeNode *
next_page(struct memory *memory, guint64 number)
{
    return g_tree_lower_bound(memory->pages, &number);
}

static gboolean
zero_pages(struct disk *self, guint64 offset, guint64 length, GError **error G_GNUC_UNUSED)
{
    struct memory *memory = (struct memory *)self;
    guint64 end = offset + length;
    g_rw_lock_writer_lock(&memory->lock);
    GTreeNode *node = next_page(memory, offset / PAGE_LENGTH);
    while (node != NULL) {
        struct page *page = g_tree_node_value(node);
        guint64 begin = page->number * PAGE_LENGTH;
        if (begin >= end)
            break;
        guint64 from = MAX(offset, begin);
        guint64 to = MIN(end, MIN(begin + PAGE_LENGTH, self->size));
        guint64 number = page->number;
        if (from == begin && (to == begin + PAGE_LENGTH || to == self->size))
            g_tree_remove(memory->pages, &number);
        else
            memset(page->bytes + (from - begin), 0, to - from);
        node = next_page(memory, number + 1);
    }
    g_rw_lock_writer_unlock(&memory->lock);
    return TRUE;
}

static gboolean
flush_nothing(struct disk *self G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

static gboolean
find_extent(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error G_GNUC_UNUSED)
{
    struct memory *memory = (struct memory *)self;
    guint64 end = offset + length, number = offset / PAGE_LENGTH;
    g_rw_lock_reader_lock(&memory->lock);
    GTreeNode *node = next_page(memory, number);
    const struct page *page = node != NULL ? g_tree_node_value(node) : NULL;
    guint64 until = end;
    gboolean data = page != NULL && page->number == number;
    if (!data && page != NULL)
        until = page->number * PAGE_LENGTH;
    while (data && page != NULL && page->number == number && number * PAGE_LENGTH < end) {
        until = ++number * PAGE_LENGTH;
        node = g_tree_node_next(node);
        page = node != NULL ? g_tree_node_value(node) : NULL;
    }
    g_rw_lock_reader_unlock(&memory->lock);
    *ret = (struct disk_extent){offset, MIN(until, end) - offset, data ? DISK_DATA : DISK_ZERO};
    return TRUE;
}

static void
close_memory(struct disk *self)
{
    struct memory *memory = (struct memory *)self;
    g_tree_unref(memory->pages);
    g_rw_lock_clear(&memory->lock);
    g_free(memory);
}

static const struct disk_class memory_class = {
    .name = "memory",
    .read = read_pages,
    .write = write_pages,
    .zero = zero_pages,
    .flush = flush_nothing,
    .extent = find_extent,
    .close = close_memory,
};

struct disk *
disk_memory_new(guint64 size, const char *label)
{
    struct memory *memory = g_new0(struct memory, 1);
    disk_init(&memory->base, &memory_class, size,
              DISK_CAN_WRITE | DISK_CAN_EXTENTS | DISK_CAN_PUNCH, label);
    g_rw_lock_init(&memory->lock);
    memory->pages = g_tree_new_full(compare_numbers, NULL, NULL, g_free);
    return &memory->base;
}
