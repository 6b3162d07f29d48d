/* SPDX-License-Identifier: GPL-3.0-or-later */
/* segment.h: one segment of a disk on its way into a store.
 *
 * Steps, in this order: segment_begin(), segment_read() or segment_read_changed(), segment_plan(),
 * segment_decide() (in the order of the disk), segment_encode(), segment_store() (in the order of
 * the disk).  A segment belongs to one thread at a time; the steps of different segments may run at
 * the same time but for the two that say otherwise. */
#pragma once

#include "disk/disk.h"
#include "disk/extent_list.h"
#include "store/store_writer.h"

/* Plain bytes of consecutive new chunks that are compressed together. */
#define SEGMENT_GROUP_MAX (128u << 10)

enum segment_mark {
    SEGMENT_KEPT,  /* as in the old map, at the same place */
    SEGMENT_DATA,  /* read and named; not decided yet */
    SEGMENT_KNOWN, /* somewhere in the store */
    SEGMENT_NEW,   /* to be stored */
};

struct segment_group {
    enum codec_kind codec;
    guint first, n;       /* entries of the leaf, n consecutive new ones */
    gsize offset, length; /* in `out` */
    struct chunk_id base;
};

struct segment_stats {
    guint64 read;    /* from the source */
    guint64 data;    /* not zero */
    guint64 changed; /* in chunks that are not kept */
    guint64 unique;  /* in new chunks */
    guint64 chunks;
    guint64 old_data; /* in the old leaf */
    guint64 old_chunks;
};

struct segment {
    guint64 number;
    guint32 length; /* bytes, whole blocks; the disk may end before */
    gboolean zero;  /* known to be all zeros without reading */
    guint8 *data;   /* CHUNK_SEGMENT bytes, aligned to CHUNK_BLOCK */
    gboolean has_old;
    struct map_leaf old; /* n is 0 without one */
    struct map_leaf leaf;
    guint8 marks[CHUNK_SEGMENT_BLOCKS];  /* of the leaf's entries: enum segment_mark */
    guint8 loaded[CHUNK_SEGMENT_BLOCKS]; /* blocks whose bytes are in `data` */
    guint8 dirty[CHUNK_SEGMENT_BLOCKS];  /* blocks that may differ from the old ones */
    GArray *groups;                      /* of struct segment_group */
    GByteArray *out;                     /* their stored bytes */
    struct segment_stats stats;
};

/* What a thread needs for segment_read_changed(), segment_plan() and segment_encode(). */
struct segment_tools {
    struct chunk_reader *reader;
    struct chunk_hasher *hasher;
    struct codec *codec;
    guint8 *scratch;
    guint64 seed;
    enum codec_kind kind; /* of new data */
    int level;
    struct store_writer *writer; /* knows which chunks may be the base of a delta; NULL: none may */
};
/* `kind`, `level` and `writer` are the caller's to set. */
void segment_tools_init(struct segment_tools *tools, struct store *store, struct locator *locator);
void segment_tools_clear(struct segment_tools *tools);

struct segment *segment_new(void);
void segment_free(struct segment *segment);

/* Begin with segment `number` of a disk of `size` bytes. `old` NULL: there is no older map. */
void segment_begin(struct segment *segment, guint64 number, guint64 size,
                   const struct map_leaf *old);

/* Read all of it but what the disk says is zero. */
gboolean segment_read(struct segment *segment, struct disk *disk, GError **error);
/* Read only the blocks that `changed` touches; the rest is as in the old leaf.  Blocks of chunks
 * that the store has lost are read too. */
gboolean segment_read_changed(struct segment *segment, struct disk *disk,
                              const struct extent_list *changed, struct store_writer *writer,
                              GError **error);

/* Find and name the chunks.  After segment_read_changed() the result is the same as after
 * segment_read(), without fetching more of the old chunks than the new cuts need. */
gboolean segment_plan(struct segment *segment, struct segment_tools *tools, GError **error);

/* Which chunks are new?  In the order of the disk. */
void segment_decide(struct segment *segment, struct store_writer *writer);

/* Compress the new ones: alone or in groups, or as a delta against what was at their place. */
gboolean segment_encode(struct segment *segment, struct segment_tools *tools, GError **error);

/* Give them to the pack.  In the order of the disk. */
gboolean segment_store(struct segment *segment, struct store_writer *writer, GError **error);
