/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks that were written are in the scratch file, at their own places; the states say which.
 *
 * Readers take no lock but that of the states: a block's state says that it is data only after its
 * bytes are in the file, and a block that is punched is data that reads as zeros until its state
 * says so.  Whoever changes blocks has them for itself, so that of two that write different parts
 * of one block neither loses what the other wrote. */
#include "disk/overlay.h"

#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/overlay_table.h"
#include "disk/range_lock.h"

#include <string.h>

#define BLOCK DISK_BLOCK

struct overlay {
    struct disk base;
    struct disk *below;
    struct overlay_file *file;
    guint64 data_offset; /* of the disk's first byte in the file */
    struct overlay_states *states;
    struct overlay_table *table; /* NULL: the file has no name */
    struct range_lock writing;   /* of blocks */
    GMutex flushing;             /* one at a time */
    GMutex lock;                 /* of what follows */
    guint64 used;                /* blocks that are data, or will be */
    guint64 limit, limit_bytes;  /* of them; as it was given */
};

/* Blocks that a range touches. */
struct blocks {
    guint64 first, end;
};

static struct blocks
touched(guint64 offset, guint64 length)
{
    return (struct blocks){offset / BLOCK, (offset + length - 1) / BLOCK + 1};
}

/* Where block `number` begins on the disk: its end, for the one behind the last. */
static guint64
start_of(const struct overlay *self, guint64 number)
{
    return MIN(number * BLOCK, self->base.size);
}

/* A run of blocks of one state, as far as it lies in a range of bytes. */
struct run {
    enum block_state state;
    guint64 offset, length;
};

static struct run
first_run(struct overlay *self, guint64 offset, guint64 length)
{
    struct blocks blocks = touched(offset, length);
    guint64 n;
    struct run run = {.offset = offset};
    run.state = overlay_states_run(self->states, blocks.first, blocks.end - blocks.first, &n);
    run.length = MIN(length, start_of(self, blocks.first + n) - offset);
    return run;
}

/* The scratch file says what is wrong with it, but not which disk that is. */
static gboolean
name_disk(struct overlay *self, guint64 offset, GError **error)
{
    g_prefix_error(error, "disk %s, offset %" G_GUINT64_FORMAT ": ", self->base.label, offset);
    return FALSE;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static gboolean
read_run(struct overlay *self, const struct run *run, guint8 *to, GError **error)
{
    switch (run->state) {
    case BLOCK_DATA:
        return overlay_file_read(self->file, self->data_offset + run->offset, to,
                                 (gsize)run->length, error) ||
               name_disk(self, run->offset, error);
    case BLOCK_ZERO:
        memset(to, 0, run->length);
        return TRUE;
    case BLOCK_BASE:
    default:
        return disk_read(self->below, run->offset, to, run->length, error);
    }
}

static gboolean
read_overlay(struct disk *disk, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct overlay *self = (struct overlay *)disk;
    guint8 *to = buffer;
    while (length > 0) {
        struct run run = first_run(self, offset, length);
        if (!read_run(self, &run, to, error))
            return FALSE;
        to += run.length;
        offset += run.length;
        length -= run.length;
    }
    return TRUE;
}

static gboolean
extent_of_overlay(struct disk *disk, guint64 offset, guint64 length, struct disk_extent *ret,
                  GError **error)
{
    struct overlay *self = (struct overlay *)disk;
    struct run run = first_run(self, offset, length);
    if (run.state == BLOCK_BASE)
        return disk_extent(self->below, run.offset, run.length, ret, error);
    *ret = (struct disk_extent){run.offset, run.length,
                                run.state == BLOCK_DATA ? DISK_DATA : DISK_ZERO};
    return TRUE;
}

static void
prefetch_overlay(struct disk *disk, guint64 offset, guint64 length)
{
    struct overlay *self = (struct overlay *)disk;
    while (length > 0) {
        struct run run = first_run(self, offset, length);
        if (run.state == BLOCK_BASE)
            disk_prefetch(self->below, run.offset, run.length);
        offset += run.length;
        length -= run.length;
    }
}

/* ---- Space ----------------------------------------------------------------------------------- */

/* That the states of these blocks can be kept. */
static gboolean
reserve_table(struct overlay *self, struct blocks blocks, GError **error)
{
    return self->table == NULL ||
           overlay_table_reserve(self->table, blocks.first, blocks.end - blocks.first, error) ||
           name_disk(self, blocks.first * BLOCK, error);
}

static gboolean
take_space(struct overlay *self, guint64 blocks, GError **error)
{
    g_mutex_lock(&self->lock);
    gboolean fits =
        self->limit_bytes == 0 || (self->used <= self->limit && blocks <= self->limit - self->used);
    if (fits)
        self->used += blocks;
    g_mutex_unlock(&self->lock);
    if (fits)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_LIMIT,
                     "disk %s: %s has reached its limit of %" G_GUINT64_FORMAT
                     " bytes; allow it more",
                     self->base.label, overlay_file_label(self->file), self->limit_bytes);
}

static void
give_space(struct overlay *self, guint64 blocks)
{
    g_mutex_lock(&self->lock);
    self->used -= blocks;
    g_mutex_unlock(&self->lock);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A write to blocks that are the caller's alone.  The parts of a first or last block that are not
 * written come from what is there, when that block is not data yet. */
struct write {
    guint64 offset, end;
    const guint8 *data;
    struct blocks blocks;
    guint8 first[BLOCK], last[BLOCK]; /* whole blocks, where `data` has but a part ... */
    gboolean has_first, has_last;     /* ... and they are used */
};

/* Block `number` with what is written of it. */
static gboolean
fill_block(struct overlay *self, const struct write *write, guint64 number, guint8 *ret,
           GError **error)
{
    guint64 start = start_of(self, number), end = start_of(self, number + 1);
    guint64 from = MAX(start, write->offset), to = MIN(end, write->end);
    if (!read_overlay(&self->base, start, ret, (gsize)(end - start), error))
        return FALSE;
    memcpy(ret + (from - start), write->data + (from - write->offset), (gsize)(to - from));
    return TRUE;
}

static gboolean
is_new(struct overlay *self, guint64 block)
{
    guint64 n;
    return overlay_states_run(self->states, block, 1, &n) != BLOCK_DATA;
}

static gboolean
fill_parts(struct overlay *self, struct write *write, GError **error)
{
    guint64 first = write->blocks.first, last = write->blocks.end - 1;
    gboolean part_of_last = write->end != start_of(self, last + 1);
    gboolean part_of_first =
        write->offset != start_of(self, first) || (first == last && part_of_last);
    write->has_first = part_of_first && is_new(self, first);
    write->has_last = last != first && part_of_last && is_new(self, last);
    return (!write->has_first || fill_block(self, write, first, write->first, error)) &&
           (!write->has_last || fill_block(self, write, last, write->last, error));
}

static gboolean
put(struct overlay *self, guint64 offset, guint64 end, const guint8 *data, GError **error)
{
    return offset >= end ||
           overlay_file_write(self->file, self->data_offset + offset, data, (gsize)(end - offset),
                              error) ||
           name_disk(self, offset, error);
}

/* Blocks that were not data before, wholly. */
static gboolean
put_new(struct overlay *self, const struct write *write, guint64 first, guint64 end, GError **error)
{
    guint64 from = start_of(self, first), to = start_of(self, end);
    if (write->has_first && first == write->blocks.first) {
        guint64 next = start_of(self, first + 1);
        if (!put(self, from, next, write->first, error))
            return FALSE;
        from = next;
    }
    if (write->has_last && end == write->blocks.end) {
        guint64 start = start_of(self, end - 1);
        if (!put(self, start, to, write->last, error))
            return FALSE;
        to = start;
    }
    return from >= to || put(self, from, to, write->data + (from - write->offset), error);
}

/* The runs of blocks that are data already, or that are not. */
static gboolean
put_runs(struct overlay *self, const struct write *write, gboolean new, GError **error)
{
    guint64 n;
    for (guint64 at = write->blocks.first; at < write->blocks.end; at += n) {
        guint64 left = write->blocks.end - at;
        gboolean is_data = overlay_states_run(self->states, at, left, &n) == BLOCK_DATA;
        if (is_data == new)
            continue;
        guint64 from = MAX(start_of(self, at), write->offset);
        guint64 to = MIN(start_of(self, at + n), write->end);
        if (new ? !put_new(self, write, at, at + n, error)
                : !put(self, from, to, write->data + (from - write->offset), error))
            return FALSE;
    }
    return TRUE;
}

/* Give back what a write took that has failed. */
static void
punch_new(struct overlay *self, const struct write *write)
{
    guint64 n;
    for (guint64 at = write->blocks.first; at < write->blocks.end; at += n) {
        guint64 left = write->blocks.end - at;
        if (overlay_states_run(self->states, at, left, &n) != BLOCK_DATA)
            overlay_file_punch(self->file, self->data_offset + at * BLOCK, n * BLOCK);
    }
}

/* What needs space comes first: when there is none, nothing was changed. */
static gboolean
write_new(struct overlay *self, struct write *write, guint64 n_new, GError **error)
{
    if (!reserve_table(self, write->blocks, error) || !take_space(self, n_new, error))
        return FALSE;
    if (fill_parts(self, write, error) && put_runs(self, write, TRUE, error))
        return TRUE;
    punch_new(self, write);
    give_space(self, n_new);
    return FALSE;
}

/* `blocks` of the range are the caller's. */
static gboolean
write_blocks(struct overlay *self, guint64 offset, const guint8 *data, guint64 length,
             GError **error)
{
    struct write write = {.offset = offset, .end = offset + length, .data = data};
    write.blocks = touched(offset, length);
    guint64 n = write.blocks.end - write.blocks.first;
    guint64 n_new = n - overlay_states_count(self->states, write.blocks.first, n, BLOCK_DATA);
    if (n_new > 0 && !write_new(self, &write, n_new, error))
        return FALSE;
    if (n_new < n && !put_runs(self, &write, FALSE, error)) {
        if (n_new > 0)
            punch_new(self, &write);
        give_space(self, n_new);
        return FALSE;
    }
    if (n_new > 0)
        overlay_states_set(self->states, write.blocks.first, n, BLOCK_DATA);
    return TRUE;
}

static gboolean
write_overlay(struct disk *disk, guint64 offset, const void *data, gsize length, GError **error)
{
    struct overlay *self = (struct overlay *)disk;
    struct blocks blocks = touched(offset, length);
    struct range_lock_range range;
    range_lock_take(&self->writing, &range, blocks.first, blocks.end);
    gboolean ok = write_blocks(self, offset, data, length, error);
    range_lock_give(&self->writing, &range);
    return ok;
}

/* ---- Zeros ----------------------------------------------------------------------------------- */

static const guint8 zeros[64 * BLOCK];

/* Where the file system has no holes they are written, and stay data. */
static gboolean
write_zeros(struct overlay *self, guint64 first, guint64 end, GError **error)
{
    for (guint64 at = start_of(self, first), to = start_of(self, end); at < to;) {
        guint64 next = MIN(to, at + sizeof zeros);
        if (!put(self, at, next, zeros, error))
            return FALSE;
        at = next;
    }
    return TRUE;
}

/* Whole blocks, which are the caller's. */
static gboolean
zero_blocks(struct overlay *self, guint64 first, guint64 end, GError **error)
{
    guint64 n;
    if (!reserve_table(self, (struct blocks){first, end}, error))
        return FALSE;
    for (guint64 at = first; at < end; at += n) {
        gboolean data = overlay_states_run(self->states, at, end - at, &n) == BLOCK_DATA;
        if (data && !overlay_file_punch(self->file, self->data_offset + at * BLOCK, n * BLOCK)) {
            if (!write_zeros(self, at, at + n, error))
                return FALSE;
            continue;
        }
        overlay_states_set(self->states, at, n, BLOCK_ZERO);
        if (data)
            give_space(self, n);
    }
    return TRUE;
}

/* A part of one block. */
static gboolean
zero_part(struct overlay *self, guint64 offset, guint64 length, GError **error)
{
    guint64 n;
    if (length == 0 || overlay_states_run(self->states, offset / BLOCK, 1, &n) == BLOCK_ZERO)
        return TRUE;
    return write_blocks(self, offset, zeros, length, error);
}

static gboolean
zero_range(struct overlay *self, guint64 offset, guint64 length, GError **error)
{
    guint64 end = offset + length, first = (offset + BLOCK - 1) / BLOCK;
    guint64 last = end == self->base.size ? touched(offset, length).end : end / BLOCK;
    if (last < first) /* within one block */
        return zero_part(self, offset, length, error);
    guint64 whole = start_of(self, first), behind = start_of(self, last);
    return zero_part(self, offset, whole - offset, error) &&
           zero_part(self, behind, end - behind, error) &&
           (first == last || zero_blocks(self, first, last, error));
}

static gboolean
zero_overlay(struct disk *disk, guint64 offset, guint64 length, GError **error)
{
    struct overlay *self = (struct overlay *)disk;
    struct blocks blocks = touched(offset, length);
    struct range_lock_range range;
    range_lock_take(&self->writing, &range, blocks.first, blocks.end);
    gboolean ok = zero_range(self, offset, length, error);
    range_lock_give(&self->writing, &range);
    return ok;
}

/* ---- The rest -------------------------------------------------------------------------------- */

/* What has no name is gone with the process anyway. */
static gboolean
flush_overlay(struct disk *disk, GError **error)
{
    struct overlay *self = (struct overlay *)disk;
    if (self->table == NULL)
        return TRUE;
    g_mutex_lock(&self->flushing);
    gboolean ok = overlay_table_keep(self->table, self->states, error);
    g_mutex_unlock(&self->flushing);
    if (!ok)
        g_prefix_error(error, "disk %s: ", self->base.label);
    return ok;
}

static void
close_overlay(struct disk *disk)
{
    struct overlay *self = (struct overlay *)disk;
    disk_close(self->below);
    overlay_table_free(self->table);
    overlay_states_free(self->states);
    overlay_file_close(self->file);
    range_lock_clear(&self->writing);
    g_mutex_clear(&self->flushing);
    g_mutex_clear(&self->lock);
    g_free(self);
}

static const struct disk_class overlay_class = {
    .name = "overlay",
    .read = read_overlay,
    .write = write_overlay,
    .zero = zero_overlay,
    .flush = flush_overlay,
    .extent = extent_of_overlay,
    .prefetch = prefetch_overlay,
    .close = close_overlay,
};

/* ---- Opening --------------------------------------------------------------------------------- */

static gboolean
open_named(struct overlay *self, const struct overlay_options *options, GError **error)
{
    self->data_offset = overlay_table_data_offset(self->base.size);
    self->file = overlay_file_open(options->path, error);
    if (self->file != NULL)
        self->table =
            overlay_table_open(self->file, self->base.size, options->identity, self->states, error);
    return self->table != NULL;
}

static gboolean
open_unnamed(struct overlay *self, const struct overlay_options *options, GError **error)
{
    guint64 length = touched(0, MAX(self->base.size, 1)).end * BLOCK;
    self->file = overlay_file_new(options->directory, length, error);
    return self->file != NULL;
}

struct disk *
disk_overlay_open(struct disk *base, const struct overlay_options *options, GError **error)
{
    struct overlay *self = g_new0(struct overlay, 1);
    guint64 size = disk_size(base), n_blocks = size / BLOCK + (size % BLOCK != 0);
    disk_init(&self->base, &overlay_class, size, DISK_CAN_WRITE | DISK_CAN_EXTENTS | DISK_CAN_PUNCH,
              disk_label(base));
    auto_ptr(disk) disk = &self->base;
    self->below = base;
    self->states = overlay_states_new(n_blocks);
    range_lock_init(&self->writing);
    g_mutex_init(&self->flushing);
    g_mutex_init(&self->lock);
    self->limit = options->limit / BLOCK;
    self->limit_bytes = options->limit;
    if (!(options->path != NULL ? open_named(self, options, error)
                                : open_unnamed(self, options, error)))
        return NULL;
    self->used = overlay_states_count(self->states, 0, n_blocks, BLOCK_DATA);
    return g_steal_pointer(&disk);
}

void
disk_overlay_usage(struct disk *overlay, guint64 *ret_used, guint64 *ret_limit)
{
    struct overlay *self = (struct overlay *)overlay;
    g_mutex_lock(&self->lock);
    *ret_used = self->used * BLOCK;
    g_mutex_unlock(&self->lock);
    *ret_limit = self->limit_bytes;
}

gboolean
disk_overlay_changed(struct disk *overlay, guint64 offset, guint64 length, guint64 *ret_length)
{
    struct overlay *self = (struct overlay *)overlay;
    guint64 end = MIN(length, self->base.size - offset) + offset, at = offset;
    struct run run = first_run(self, at, end - at);
    gboolean changed = run.state != BLOCK_BASE;
    do {
        at += run.length;
        if (at < end)
            run = first_run(self, at, end - at);
    } while (at < end && (run.state != BLOCK_BASE) == changed);
    *ret_length = at - offset;
    return changed;
}
