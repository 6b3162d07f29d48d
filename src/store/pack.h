/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack.h: the files that hold chunks (doc/format/store.md, "Packs").
 *
 * A pack is complete from the moment it has its name and never changes after, so a reader needs no
 * lock: a struct pack_table is immutable and may be used from any thread.  A pack_writer belongs to
 * one thread at a time. */
#pragma once

#include "repo/repo.h"
#include "store/chunk.h"
#include "store/codec.h"
#include "store/store_key.h"

#define PACK_TARGET (64u << 20)    /* stored bytes after which a writer closes a pack */
#define PACK_CHUNKS_MAX 32768u     /* and chunks: a slot fits 16 bits */
#define PACK_SIZE_MAX (256u << 20) /* of any pack that is read */
#define PACK_GROUP_MAX (4u << 20)  /* plain bytes of a group that is read; writers keep to less */
#define PACK_TABLE_MAX (8u << 20)

enum pack_kind { PACK_DATA = 1, PACK_NODES = 2 };

/* SHA-256 of the header and the table; its hex digits name the object packs/XX/XX.... */
struct pack_name {
    guint8 bytes[32];
};
#define PACK_OBJECT_TEXT 80u
/* "packs/1f/1f..."; "parity/1f/1f..." */
char *pack_name_object(const struct pack_name *name, const char *folder,
                       char ret[PACK_OBJECT_TEXT]);
/* The reverse, of an object's name; FALSE when it is none. */
gboolean pack_name_parse(const char *object, struct pack_name *ret);
guint pack_name_hash(gconstpointer name);
gboolean pack_name_equal(gconstpointer left, gconstpointer right);

/* A frame: chunks that were compressed together. */
struct pack_group {
    enum codec_kind codec;
    guint32 plain_length; /* of all its chunks together */
    const guint8 *stored; /* compressed, not yet encrypted */
    guint32 stored_length;
    struct chunk_id base; /* of CODEC_ZSTD_DELTA: the chunk whose bytes are the prefix */
    guint n_chunks;       /* 1 for CODEC_ZSTD_DELTA */
    const struct chunk_id *ids;
    const guint32 *lengths; /* bytes of each; they lie one after the other */
};

/* ---- Writing --------------------------------------------------------------------------------- */

struct pack_writer;

struct pack_options {
    const struct store_key *key; /* NULL: not encrypted */
    const char *owner;           /* of the unfinished object: 32 hex digits */
    unsigned parity;             /* redundancy in tenths of a per cent; 0 none */
    guint8 level;                /* what struct pack_table says of it */
    guint8 generation;
    /* Give it a name of its own: one that is there already, of the same chunks, may be doomed or
     * damaged, and would then not be as good. */
    gboolean unique;
};

/* Borrows the repo and the key. */
struct pack_writer *pack_writer_new(struct repo *repo, enum pack_kind kind,
                                    const struct pack_options *options, GError **error);
/* Append a group; its chunks get the next slots.  Nothing of it is kept by reference.
 * SLIPWAY_ERROR_LIMIT: the pack has PACK_TARGET bytes already, these chunks would be more than
 * PACK_CHUNKS_MAX, or the group is larger than PACK_GROUP_MAX; SLIPWAY_ERROR_FAILED: its numbers do
 * not fit each other; what repo.h says: the writer is of no more use then. */
gboolean pack_writer_add(struct pack_writer *writer, const struct pack_group *group,
                         GError **error);
/* Stored bytes and chunks so far.  The caller closes it at PACK_TARGET or PACK_CHUNKS_MAX. */
guint64 pack_writer_size(const struct pack_writer *writer);
guint pack_writer_chunks(const struct pack_writer *writer);
/* Write table and footer, make it durable under its name (and its parity object before it).  A pack
 * of that name that is there already is as good.  SLIPWAY_ERROR_FAILED: it has no chunk.  Frees the
 * writer in either case. */
gboolean pack_writer_finish(struct pack_writer *writer, struct pack_name *ret_name, GError **error);
void pack_writer_abandon(struct pack_writer *writer);
AUTO_PTR_DEFINE(pack_writer, pack_writer_abandon)

/* ---- Reading --------------------------------------------------------------------------------- */

struct pack_slot {
    struct chunk_id id;
    guint32 offset; /* in its group's plain bytes */
    guint32 length;
};

struct pack_frame {
    guint64 offset;        /* in the pack */
    guint32 stored_length; /* bytes in the pack, with the tag of an encrypted one */
    guint32 plain_length;
    guint32 first_slot;
    guint32 n_slots;
    enum codec_kind codec;
    guint64 checksum; /* XXH3-64 of the stored bytes */
    struct chunk_id base;
};

/* The table of contents of one pack. */
struct pack_table {
    gatomicrefcount references;
    struct pack_name name;
    enum pack_kind kind;
    gboolean encrypted;
    guint8 level;      /* of the compression for which it was optimised; 0: it was not */
    guint8 generation; /* how often what is in it was moved; 255: that often or more */
    guint8 salt[STORE_SALT_SIZE];
    guint64 size;         /* of the whole object */
    guint64 table_offset; /* where the frames end */
    guint n_frames;
    struct pack_frame *frames;
    guint n_slots;
    struct pack_slot *slots;
};

/* Read the footer and the table of an object.  SLIPWAY_ERROR_NOT_FOUND; SLIPWAY_ERROR_CORRUPT when
 * anything of it is not as it was written (digest, limits, numbers that do not fit each other);
 * SLIPWAY_ERROR_UNSUPPORTED for a newer version; SLIPWAY_ERROR_DENIED: encrypted and no key. */
struct pack_table *pack_table_load(struct repo *repo, const struct pack_name *name,
                                   const struct store_key *key, GError **error);
/* The same from bytes in memory that end with the pack's end and hold at least the table:
 * `tail_offset` is where they begin in the object.  For fuzzers and repair. */
struct pack_table *pack_table_parse(const struct pack_name *name, const struct store_key *key,
                                    const guint8 *tail, gsize length, guint64 tail_offset,
                                    const guint8 header[32], GError **error);
struct pack_table *pack_table_ref(struct pack_table *table);
void pack_table_unref(struct pack_table *table);
AUTO_PTR_DEFINE(pack_table, pack_table_unref)

/* Number of the frame that holds `slot`. */
guint pack_table_frame_of(const struct pack_table *table, guint slot);
/* Bytes of RAM it takes. */
gsize pack_table_memory(const struct pack_table *table);

/* Read frame `number` and decompress it into `out` (its plain_length bytes).  `stored` is scratch
 * of at least the frame's stored_length bytes.  `prefix` is the plain base of a delta.  Checks the
 * frame's checksum (and tag) but not the chunks' ids.  SLIPWAY_ERROR_CORRUPT names pack and frame.
 */
gboolean pack_read_frame(struct repo *repo, const struct pack_table *table, guint number,
                         const struct store_key *key, struct codec *codec, const void *prefix,
                         gsize prefix_length, guint8 *stored, guint8 *out, GError **error);

/* The same when the stored bytes are in memory already; they are of no use afterwards.  `repo` is
 * for messages. */
gboolean pack_decode_frame(struct repo *repo, const struct pack_table *table, guint number,
                           const struct store_key *key, struct codec *codec, const void *prefix,
                           gsize prefix_length, guint8 *stored, guint8 *out, GError **error);
/* Only check the stored bytes that are in memory, and decrypt them in place: *ret_length bytes
 * remain, as they were compressed.  For whoever copies frames. */
gboolean pack_open_frame(struct repo *repo, const struct pack_table *table, guint number,
                         const struct store_key *key, guint8 *stored, guint32 *ret_length,
                         GError **error);
