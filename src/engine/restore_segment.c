/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/restore_private.h"

#include "base/error.h"
#include "engine/leaf_compare.h"

/* Besides those of enum leaf_block: cannot be read, and is to be left out. */
#define BLOCK_DAMAGED 3

G_STATIC_ASSERT(LEAF_DATA < BLOCK_DAMAGED);

void
restore_tools_init(struct restore_tools *tools, const struct restore_job *job)
{
    tools->job = job;
    segment_tools_init(&tools->segment_tools, job->store, job->locator);
    tools->segment = segment_new();
    tools->source = chunk_reader_map_source(tools->segment_tools.reader);
    tools->cursor = map_cursor_new(&job->map, &tools->source);
    if (job->options->older != NULL)
        tools->older = map_cursor_new(job->options->older, &tools->source);
    tools->wanted = g_new(struct chunk_wanted, CHUNK_SEGMENT_BLOCKS);
    tools->damage = g_ptr_array_new_with_free_func((GDestroyNotify)verify_damage_free);
}

void
restore_tools_clear(struct restore_tools *tools)
{
    g_ptr_array_unref(tools->damage);
    g_free(tools->wanted);
    map_cursor_free(tools->older);
    map_cursor_free(tools->cursor);
    segment_free(tools->segment);
    segment_tools_clear(&tools->segment_tools);
}

/* Beyond the end of the older disk anything may be. */
gboolean
restore_job_knows(const struct restore_job *job, guint64 segment)
{
    const struct map *older = job->options->older;
    return older != NULL &&
           (older->size >= job->map.size || (segment + 1) * CHUNK_SEGMENT <= older->size);
}

gboolean
restore_job_fail(const struct restore_job *job, guint64 offset, guint64 length, GError *why,
                 GError **error)
{
    if (g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        why->code = SLIPWAY_ERROR_CORRUPT;
    g_propagate_prefixed_error(error, why,
                               "%s: %" G_GUINT64_FORMAT " bytes at offset %" G_GUINT64_FORMAT
                               " cannot be restored: ",
                               job->label, length, offset);
    return FALSE;
}

/* Blocks of the segment, cut at the disk's end. */
static guint64
bytes_of(const struct restore_job *job, guint64 offset, guint blocks)
{
    return MIN((guint64)blocks * CHUNK_BLOCK, job->map.size - offset);
}

/* `blocks` blocks from `first` on cannot be read: noted, or an error.  Takes over `why`. */
static gboolean
note_damage(struct restore_tools *tools, guint64 segment, guint first, guint blocks, GError *why,
            GError **error)
{
    const struct restore_job *job = tools->job;
    guint64 offset = segment * CHUNK_SEGMENT + (guint64)first * CHUNK_BLOCK;
    guint64 length = bytes_of(job, offset, blocks);
    if (!job->options->skip_damaged || !verify_is_damage(why))
        return restore_job_fail(job, offset, length, why, error);
    struct verify_damage *damage = g_new0(struct verify_damage, 1);
    damage->disk = g_strdup(job->name);
    damage->offset = offset;
    damage->length = length;
    damage->words = g_strdup(why->message);
    g_ptr_array_add(tools->damage, damage);
    tools->counts.damaged += length;
    g_error_free(why);
    return TRUE;
}

/* What is on the target now, in *ret; NULL when nobody knows. */
static gboolean
find_old(struct restore_tools *tools, guint64 number, const struct map_leaf **ret, GError **error)
{
    const struct restore_job *job = tools->job;
    *ret = NULL;
    if (job->options->compare) {
        segment_begin(tools->segment, number, job->map.size, NULL);
        if (!segment_read(tools->segment, job->target, error) ||
            !segment_plan(tools->segment, &tools->segment_tools, error))
            return FALSE;
        *ret = &tools->segment->leaf;
    } else if (tools->older != NULL && restore_job_knows(job, number)) {
        g_autoptr(GError) local = NULL;
        if (map_cursor_leaf(tools->older, number, &tools->old, &local))
            *ret = &tools->old;
        else if (!verify_is_damage(local)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    return TRUE;
}

/* Chunks that are to be written, to their places in the segment's buffer. */
static gboolean
fetch(struct restore_tools *tools, guint64 number, GError **error)
{
    guint n = 0;
    gboolean ok = TRUE;
    for (guint i = 0; i < tools->leaf.n; i++) {
        const struct map_entry *entry = &tools->leaf.entries[i];
        if (tools->blocks[entry->block] != LEAF_DATA)
            continue;
        tools->wanted[n++] =
            (struct chunk_wanted){.id = &entry->id,
                                  .out = tools->segment->data + entry->block * CHUNK_BLOCK,
                                  .length = entry->blocks * CHUNK_BLOCK};
        tools->counts.read += entry->blocks * CHUNK_BLOCK;
    }
    if (chunk_reader_get_all(tools->segment_tools.reader, tools->wanted, n))
        return TRUE;
    for (guint i = 0; i < n; i++) {
        GError *why = tools->wanted[i].error;
        guint first = (guint)(tools->wanted[i].out - tools->segment->data) / CHUNK_BLOCK;
        guint blocks = tools->wanted[i].length / CHUNK_BLOCK;
        if (why == NULL)
            continue;
        tools->counts.read -= tools->wanted[i].length;
        if (ok)
            ok = note_damage(tools, number, first, blocks, why, error);
        else
            g_error_free(why);
        memset(tools->blocks + first, BLOCK_DAMAGED, blocks);
    }
    return ok;
}

static gboolean
write_out(struct restore_tools *tools, guint64 number, GError **error)
{
    const struct restore_job *job = tools->job;
    guint64 base = number * CHUNK_SEGMENT, left = job->map.size - base;
    guint end = (guint)((MIN(left, CHUNK_SEGMENT) + CHUNK_BLOCK - 1) / CHUNK_BLOCK);
    for (guint first = 0, next; first < end; first = next) {
        next = leaf_compare_run(tools->blocks, first, end);
        guint64 offset = base + (guint64)first * CHUNK_BLOCK;
        gsize length = (gsize)bytes_of(job, offset, next - first);
        switch (tools->blocks[first]) {
        case LEAF_DATA:
            if (!disk_write(job->target, offset, tools->segment->data + first * CHUNK_BLOCK, length,
                            error))
                return FALSE;
            tools->counts.written += length;
            break;
        case LEAF_ZERO:
            if (!disk_zero(job->target, offset, length, error))
                return FALSE;
            tools->counts.zeroed += length;
            break;
        case LEAF_SAME:
            tools->counts.skipped += length;
            break;
        }
    }
    return TRUE;
}

gboolean
restore_segment(struct restore_tools *tools, guint64 number, GError **error)
{
    const struct map_leaf *old;
    GError *local = NULL;
    if (!map_cursor_leaf(tools->cursor, number, &tools->leaf, &local))
        return note_damage(tools, number, 0, CHUNK_SEGMENT_BLOCKS, local, error);
    if (!find_old(tools, number, &old, error))
        return FALSE;
    leaf_compare(old, &tools->leaf, tools->blocks);
    for (guint i = 0; old == NULL && tools->job->target_is_zero && i < CHUNK_SEGMENT_BLOCKS; i++) {
        if (tools->blocks[i] == LEAF_ZERO)
            tools->blocks[i] = LEAF_SAME;
    }
    return fetch(tools, number, error) && write_out(tools, number, error);
}

gboolean
restore_zeros(struct restore_tools *tools, guint64 first, guint64 n, GError **error)
{
    const struct restore_job *job = tools->job;
    guint64 offset = first * CHUNK_SEGMENT, length = n * CHUNK_SEGMENT;
    length = MIN(length, job->map.size - offset);
    if (job->target_is_zero) {
        tools->counts.skipped += length;
        return TRUE;
    }
    tools->counts.zeroed += length;
    return disk_zero(job->target, offset, length, error);
}
