/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack_format.h: where things lie in a pack (doc/format/store.md, "Packs"), for those who read or
 * write one. */
#pragma once

#include "store/pack.h"

#define PACK_MAGIC "SLIPPACK"
#define PACK_END_MAGIC "SLIPPEND"
#define PACK_MAGIC_SIZE 8u
#define PACK_VERSION 1u
#define PACK_CIPHER_KIND "PACK"

#define PACK_HEADER_SIZE 32u
#define PACK_HEADER_VERSION 8u
#define PACK_HEADER_KIND 10u
#define PACK_HEADER_ENCRYPTED 11u
#define PACK_HEADER_LEVEL 12u
#define PACK_HEADER_GENERATION 13u
#define PACK_HEADER_ZERO 14u
#define PACK_HEADER_SALT 16u

#define PACK_FOOTER_SIZE 64u
#define PACK_FOOTER_TABLE_OFFSET 8u
#define PACK_FOOTER_TABLE_LENGTH 16u
#define PACK_FOOTER_FRAMES 20u
#define PACK_FOOTER_CHUNKS 24u
#define PACK_FOOTER_DELTAS 28u
#define PACK_FOOTER_DIGEST 32u

#define PACK_FRAME_ROW 24u
#define PACK_CHUNK_ROW 40u
#define PACK_BASE_ROW CHUNK_ID_SIZE

/* Bytes of a pack that a writer makes, for which its parity is laid out: before the last group it
 * had less than PACK_TARGET, and table rows are 96 bytes a chunk at most. */
#define PACK_WRITTEN_MAX                                                                           \
    ((guint64)PACK_TARGET + PACK_GROUP_MAX + PACK_TABLE_MAX + PACK_FOOTER_SIZE + STORE_TAG_SIZE)

/* The table's part number in an encrypted pack; frames have 0, 1, ... */
#define PACK_TABLE_PART (G_GUINT64_CONSTANT(1) << 32)

/* The name of the pack with this header and table as stored. */
void pack_name_compute(const guint8 header[PACK_HEADER_SIZE], const void *table, gsize length,
                       struct pack_name *ret);
