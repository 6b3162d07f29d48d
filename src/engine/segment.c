/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/segment.h"

#include "engine/segment_private.h"

struct segment *
segment_new(void)
{
    struct segment *segment = g_new0(struct segment, 1);
    segment->data = g_aligned_alloc(CHUNK_SEGMENT, 1, CHUNK_BLOCK);
    segment->groups = g_array_new(FALSE, FALSE, sizeof(struct segment_group));
    segment->out = g_byte_array_new();
    return segment;
}

void
segment_free(struct segment *segment)
{
    if (segment == NULL)
        return;
    g_aligned_free(segment->data);
    g_array_unref(segment->groups);
    g_byte_array_unref(segment->out);
    g_free(segment);
}

void
segment_tools_init(struct segment_tools *tools, struct store *store, struct locator *locator)
{
    *tools = (struct segment_tools){
        .reader = chunk_reader_new(store, locator),
        .hasher = chunk_hasher_new(store_key_id_key(store_key_of(store))),
        .codec = codec_new(),
        .scratch = g_malloc(codec_bound(CHUNK_MAX)),
        .seed = store_key_chunker_seed(store_key_of(store)),
    };
}

void
segment_tools_clear(struct segment_tools *tools)
{
    chunk_reader_free(tools->reader);
    chunk_hasher_free(tools->hasher);
    codec_free(tools->codec);
    g_free(tools->scratch);
}

void
segment_begin(struct segment *segment, guint64 number, guint64 size, const struct map_leaf *old)
{
    guint64 left = size - number * CHUNK_SEGMENT;
    segment->number = number;
    segment->length = (guint32)((MIN(left, CHUNK_SEGMENT) + CHUNK_BLOCK - 1) & ~(CHUNK_BLOCK - 1));
    segment->zero = FALSE;
    segment->has_old = old != NULL;
    segment->old.n = 0;
    if (old != NULL) {
        segment->old.n = old->n;
        memcpy(segment->old.entries, old->entries, old->n * sizeof old->entries[0]);
    }
    segment->leaf.n = 0;
    g_array_set_size(segment->groups, 0);
    g_byte_array_set_size(segment->out, 0);
    segment->stats = (struct segment_stats){0};
}

/* Read bytes of the segment; what is behind the end of the disk is zero. */
static gboolean
read_range(struct segment *segment, struct disk *disk, guint32 offset, guint32 length,
           GError **error)
{
    guint64 base = segment->number * CHUNK_SEGMENT, size = disk_size(disk);
    guint32 inside = (guint32)MIN(length, size - (base + offset));
    segment->stats.read += inside;
    memset(segment->data + offset + inside, 0, length - inside);
    return disk_read(disk, base + offset, segment->data + offset, inside, error);
}

gboolean
segment_read(struct segment *segment, struct disk *disk, GError **error)
{
    guint64 base = segment->number * CHUNK_SEGMENT, size = disk_size(disk);
    guint64 end = MIN(base + segment->length, size);
    segment->zero = TRUE;
    for (guint64 at = base; at < end;) {
        struct disk_extent extent;
        if (!disk_extent(disk, at, end - at, &extent, error))
            return FALSE;
        guint32 offset = (guint32)(at - base);
        guint32 length =
            (guint32)(at + extent.length == end ? segment->length - offset : extent.length);
        at += extent.length;
        /* Nothing looks at the bytes of a segment that is a single hole. */
        if (extent.kind == DISK_ZERO && length == segment->length)
            break;
        segment->zero = FALSE;
        if (extent.kind == DISK_ZERO)
            memset(segment->data + offset, 0, length);
        else if (!read_range(segment, disk, offset, length, error))
            return FALSE;
    }
    memset(segment->loaded, 1, sizeof segment->loaded);
    memset(segment->dirty, 1, sizeof segment->dirty);
    return TRUE;
}

static void
mark_blocks(guint8 *marks, guint first, guint n)
{
    memset(marks + first, 1, n);
}

static void
mark_lost(struct segment *segment, struct store_writer *writer)
{
    for (guint i = 0; store_writer_has_lost(writer) && i < segment->old.n; i++) {
        const struct map_entry *entry = &segment->old.entries[i];
        if (store_writer_lost(writer, &entry->id))
            mark_blocks(segment->dirty, entry->block, entry->blocks);
    }
}

gboolean
segment_read_changed(struct segment *segment, struct disk *disk, const struct extent_list *changed,
                     struct store_writer *writer, GError **error)
{
    guint64 base = segment->number * CHUNK_SEGMENT, end = base + segment->length;
    guint blocks = segment->length / CHUNK_BLOCK;
    struct extent extent;
    guint hint = 0;
    memset(segment->loaded, 0, sizeof segment->loaded);
    memset(segment->dirty, 0, sizeof segment->dirty);
    for (guint64 at = base; extent_list_next(changed, at, &hint, &extent) && extent.offset < end;
         at = extent.offset + extent.length) {
        guint64 stop = MIN(extent.offset + extent.length, end);
        guint first = (guint)((extent.offset - base) / CHUNK_BLOCK);
        guint last = (guint)((stop - base + CHUNK_BLOCK - 1) / CHUNK_BLOCK);
        mark_blocks(segment->dirty, first, last - first);
    }
    mark_lost(segment, writer);
    for (guint i = 0; i < blocks;) {
        guint n = 0;
        while (i + n < blocks && segment->dirty[i + n])
            n++;
        if (n > 0 && !read_range(segment, disk, i * CHUNK_BLOCK, n * CHUNK_BLOCK, error))
            return FALSE;
        mark_blocks(segment->loaded, i, n);
        i += MAX(n, 1);
    }
    return TRUE;
}

/* The old chunk at the same place with the same name: nothing happened here. */
static gboolean
is_kept(const struct segment *segment, const struct map_entry *entry)
{
    guint at = segment_find_old(segment, entry->block);
    const struct map_entry *old = &segment->old.entries[at];
    return at < segment->old.n && old->block == entry->block && old->blocks == entry->blocks &&
           chunk_id_equal(&old->id, &entry->id);
}

void
segment_decide(struct segment *segment, struct store_writer *writer)
{
    for (guint i = 0; i < segment->old.n; i++)
        segment->stats.old_data += (guint64)segment->old.entries[i].blocks * CHUNK_BLOCK;
    segment->stats.old_chunks = segment->old.n;
    for (guint i = 0; i < segment->leaf.n; i++) {
        const struct map_entry *entry = &segment->leaf.entries[i];
        guint64 length = (guint64)entry->blocks * CHUNK_BLOCK;
        segment->stats.data += length;
        segment->stats.chunks++;
        if (segment->marks[i] != SEGMENT_DATA)
            continue;
        gboolean lost = store_writer_lost(writer, &entry->id);
        if (!lost && is_kept(segment, entry)) {
            segment->marks[i] = SEGMENT_KEPT;
            continue;
        }
        segment->marks[i] = store_writer_claim(writer, &entry->id) ? SEGMENT_NEW : SEGMENT_KNOWN;
        segment->stats.changed += length;
        if (segment->marks[i] == SEGMENT_NEW)
            segment->stats.unique += length;
    }
}

gboolean
segment_store(struct segment *segment, struct store_writer *writer, GError **error)
{
    struct chunk_id ids[CHUNK_SEGMENT_BLOCKS];
    guint32 lengths[CHUNK_SEGMENT_BLOCKS];
    for (guint i = 0; i < segment->groups->len; i++) {
        const struct segment_group *group =
            &g_array_index(segment->groups, struct segment_group, i);
        guint32 plain = 0;
        for (guint k = 0; k < group->n; k++) {
            const struct map_entry *entry = &segment->leaf.entries[group->first + k];
            ids[k] = entry->id;
            lengths[k] = entry->blocks * CHUNK_BLOCK;
            plain += lengths[k];
        }
        struct pack_group packed = {
            .codec = group->codec,
            .plain_length = plain,
            .stored = segment->out->data + group->offset,
            .stored_length = (guint32)group->length,
            .base = group->base,
            .n_chunks = group->n,
            .ids = ids,
            .lengths = lengths,
        };
        if (!store_writer_add(writer, &packed, error))
            return FALSE;
    }
    return TRUE;
}
