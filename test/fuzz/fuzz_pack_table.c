/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pack: its table, then every frame.
 *
 * Checksums and digests are made to fit first, so that numbers and frames are what is tried.  What
 * is loaded fills the object without a gap, and no frame gives other bytes than it says. */
#include "base/error.h"
#include "fuzz.h"
#include "store/pack_format.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* An encrypted pack with this salt is one of the key below. */
#define KEY_BYTE 7

static guint64
get_number(const guint8 *from, guint length)
{
    guint64 value = 0;
    for (guint i = 0; i < length; i++)
        value |= (guint64)from[i] << (8 * i);
    return value;
}

static void
mend_checksums(guint8 *data, guint64 table, guint64 length, guint64 frames)
{
    guint64 offset = PACK_HEADER_SIZE;
    for (guint64 i = 0; i < frames && (i + 1) * PACK_FRAME_ROW <= length; i++) {
        guint8 *row = data + table + i * PACK_FRAME_ROW;
        guint64 stored = get_number(row, 4);
        if (stored > table - offset)
            return;
        guint64 checksum = GUINT64_TO_LE(XXH3_64bits(data + offset, stored));
        memcpy(row + 16, &checksum, 8);
        offset += stored;
    }
}

/* Give it the name that its table has. */
static void
mend(guint8 *data, gsize size, struct pack_name *ret)
{
    memset(ret, 0, sizeof *ret);
    if (size < PACK_HEADER_SIZE + PACK_FOOTER_SIZE)
        return;
    guint8 *footer = data + size - PACK_FOOTER_SIZE;
    guint64 table = get_number(footer + PACK_FOOTER_TABLE_OFFSET, 8);
    guint64 end = size - PACK_FOOTER_SIZE;
    if (table < PACK_HEADER_SIZE || table > end)
        return;
    mend_checksums(data, table, end - table, get_number(footer + PACK_FOOTER_FRAMES, 4));
    pack_name_compute(data, data + table, end - table, ret);
    memcpy(footer + PACK_FOOTER_DIGEST, ret->bytes, sizeof ret->bytes);
}

static void
check_table(const struct pack_table *table, gsize size)
{
    g_assert_cmpuint(table->size, ==, size);
    g_assert_cmpuint(table->n_frames, >, 0);
    g_assert_cmpuint(table->n_slots, <=, PACK_CHUNKS_MAX);
    guint64 offset = PACK_HEADER_SIZE;
    guint32 slot = 0;
    for (guint i = 0; i < table->n_frames; i++) {
        const struct pack_frame *frame = &table->frames[i];
        g_assert_cmpuint(frame->offset, ==, offset);
        g_assert_cmpuint(frame->first_slot, ==, slot);
        g_assert_cmpuint(frame->plain_length, <=, PACK_GROUP_MAX);
        guint32 plain = 0;
        for (guint s = 0; s < frame->n_slots; s++, slot++) {
            g_assert_cmpuint(pack_table_frame_of(table, slot), ==, i);
            g_assert_cmpuint(table->slots[slot].offset, ==, plain);
            g_assert_cmpuint(table->slots[slot].length, <=, CHUNK_MAX);
            plain += table->slots[slot].length;
        }
        g_assert_cmpuint(plain, ==, frame->plain_length);
        offset += frame->stored_length;
    }
    g_assert_cmpuint(slot, ==, table->n_slots);
    g_assert_cmpuint(offset, ==, table->table_offset);
}

static void
read_frames(struct repo *repo, const struct pack_table *table, const struct store_key *key)
{
    static const char prefix[] = "the plain bytes of another chunk";
    auto_ptr(codec) codec = codec_new();
    for (guint i = 0; i < table->n_frames; i++) {
        const struct pack_frame *frame = &table->frames[i];
        gboolean delta = frame->codec == CODEC_ZSTD_DELTA;
        /* Exactly as long as they must be: a sanitizer sees one byte more. */
        g_autofree guint8 *stored = g_malloc(frame->stored_length);
        g_autofree guint8 *out = g_malloc(frame->plain_length);
        g_autoptr(GError) error = NULL;
        gboolean ok = pack_read_frame(repo, table, i, key, codec, delta ? prefix : NULL,
                                      delta ? sizeof prefix : 0, stored, out, &error);
        fuzz_check(ok, error);
        g_assert_true(ok || g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    guint8 secret[STORE_KEY_SIZE];
    memset(secret, KEY_BYTE, sizeof secret);
    auto_ptr(store_key) key = store_key_new(secret);
    g_autofree guint8 *copy = g_memdup2(data, size);
    struct pack_name name;
    mend(copy, size, &name);
    auto_ptr(repo) repo = repo_memory_new();
    char object[PACK_OBJECT_TEXT];
    pack_name_object(&name, "packs", object);
    g_autoptr(GError) error = NULL;
    g_assert_true(repo_put(repo, object, copy, size, &error));

    auto_ptr(pack_table) table = pack_table_load(repo, &name, key, &error);
    fuzz_check_pointer(table, error);
    if (table == NULL)
        return 0;
    check_table(table, size);
    read_frames(repo, table, key);

    /* The shortest tail that will do gives the same; one byte less is refused. */
    gsize offset = (gsize)table->table_offset;
    auto_ptr(pack_table) again =
        pack_table_parse(&name, key, copy + offset, size - offset, offset, copy, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(again->slots, again->n_slots * sizeof *again->slots, table->slots,
                    table->n_slots * sizeof *table->slots);
    g_assert_null(
        pack_table_parse(&name, key, copy + offset + 1, size - offset - 1, offset + 1, copy, NULL));
    return 0;
}
