/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack_fixture.h: a small pack with a frame of each codec, and what must come out of it. */
#pragma once

#include "base/error.h"
#include "store/pack.h"

#define FIXTURE_OWNER "00112233445566778899aabbccddeeff"
#define FIXTURE_FRAMES 4u
#define FIXTURE_SLOTS 7u
#define FIXTURE_DELTA 3u /* number of the frame whose base is slot 0 */

struct fixture {
    guint32 unit; /* bytes of the smallest chunk */
    guint8 *plain[FIXTURE_FRAMES];
    guint32 plain_length[FIXTURE_FRAMES];
    struct chunk_id ids[FIXTURE_SLOTS];
    guint32 lengths[FIXTURE_SLOTS];
};

static const guint fixture_first[FIXTURE_FRAMES + 1] = {0, 3, 4, 6, 7};
static const enum codec_kind fixture_codecs[FIXTURE_FRAMES] = {CODEC_ZSTD, CODEC_NONE, CODEC_LZ4,
                                                               CODEC_ZSTD_DELTA};

static inline guint64
fixture_random(guint64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline void
fixture_init(struct fixture *fixture, guint32 unit, guint64 seed)
{
    fixture->unit = unit;
    for (guint s = 0; s < FIXTURE_SLOTS; s++) {
        fixture->lengths[s] = s == FIXTURE_SLOTS - 1 ? unit : unit * (1 + s % 2);
        for (guint i = 0; i < CHUNK_ID_SIZE; i++)
            fixture->ids[s].bytes[i] = (guint8)fixture_random(&seed);
    }
    for (guint f = 0; f < FIXTURE_FRAMES; f++) {
        guint32 length = 0;
        for (guint s = fixture_first[f]; s < fixture_first[f + 1]; s++)
            length += fixture->lengths[s];
        fixture->plain_length[f] = length;
        fixture->plain[f] = g_malloc(length);
        guint8 mask = fixture_codecs[f] == CODEC_NONE ? 255 : 1;
        for (guint32 i = 0; i < length; i++)
            fixture->plain[f][i] = (guint8)fixture_random(&seed) & mask;
    }
    /* Random bytes that only the base explains. */
    guint8 *base = fixture->plain[0];
    for (guint32 i = 0; i < unit; i++)
        base[i] = (guint8)fixture_random(&seed);
    memcpy(fixture->plain[FIXTURE_DELTA], base, unit);
    fixture->plain[FIXTURE_DELTA][unit / 2] ^= 1;
}

static inline void
fixture_clear(struct fixture *fixture)
{
    for (guint f = 0; f < FIXTURE_FRAMES; f++)
        g_free(fixture->plain[f]);
}
#define auto_fixture __attribute__((cleanup(fixture_clear))) struct fixture

/* Add frame `f`; FALSE with an error. */
static inline gboolean
fixture_add(const struct fixture *fixture, struct pack_writer *writer, guint f, GError **error)
{
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *stored = g_malloc(codec_bound(fixture->plain_length[f]));
    struct pack_group group = {
        .codec = fixture_codecs[f],
        .plain_length = fixture->plain_length[f],
        .stored = stored,
        .n_chunks = fixture_first[f + 1] - fixture_first[f],
        .ids = fixture->ids + fixture_first[f],
        .lengths = fixture->lengths + fixture_first[f],
    };
    gboolean delta = f == FIXTURE_DELTA;
    if (delta)
        group.base = fixture->ids[0];
    if (group.codec == CODEC_NONE) {
        group.stored = fixture->plain[f];
        group.stored_length = group.plain_length;
    } else {
        group.stored_length = (guint32)codec_encode(
            codec, group.codec, group.codec == CODEC_LZ4 ? 0 : 3, fixture->plain[f],
            group.plain_length, delta ? fixture->plain[0] : NULL, delta ? fixture->unit : 0,
            stored);
        g_assert_cmpuint(group.stored_length, >, 0);
    }
    return pack_writer_add(writer, &group, error);
}

static inline gboolean
fixture_write(const struct fixture *fixture, struct repo *repo, const struct store_key *key,
              unsigned parity, struct pack_name *ret, GError **error)
{
    struct pack_options options = {.key = key, .owner = FIXTURE_OWNER, .parity = parity};
    auto_ptr(pack_writer) writer = pack_writer_new(repo, PACK_DATA, &options, error);
    if (writer == NULL)
        return FALSE;
    for (guint f = 0; f < FIXTURE_FRAMES; f++)
        if (!fixture_add(fixture, writer, f, error))
            return FALSE;
    g_assert_cmpuint(pack_writer_chunks(writer), ==, FIXTURE_SLOTS);
    return pack_writer_finish(g_steal_pointer(&writer), ret, error);
}

/* Read everything.  FALSE with an error; wrong bytes without one end the test. */
static inline gboolean
fixture_read(const struct fixture *fixture, struct repo *repo, const struct pack_name *name,
             const struct store_key *key, GError **error)
{
    auto_ptr(pack_table) table = pack_table_load(repo, name, key, error);
    if (table == NULL)
        return FALSE;
    g_assert_true(pack_name_equal(&table->name, name));
    g_assert_cmpint(table->kind, ==, PACK_DATA);
    g_assert_cmpint(table->encrypted, ==, key != NULL);
    g_assert_cmpuint(table->n_frames, ==, FIXTURE_FRAMES);
    g_assert_cmpuint(table->n_slots, ==, FIXTURE_SLOTS);
    auto_ptr(codec) codec = codec_new();
    for (guint f = 0; f < FIXTURE_FRAMES; f++) {
        const struct pack_frame *frame = &table->frames[f];
        g_assert_cmpuint(frame->plain_length, ==, fixture->plain_length[f]);
        g_assert_cmpuint(frame->codec, ==, fixture_codecs[f]);
        guint32 at = 0;
        for (guint s = fixture_first[f]; s < fixture_first[f + 1]; s++) {
            g_assert_true(chunk_id_equal(&table->slots[s].id, &fixture->ids[s]));
            g_assert_cmpuint(table->slots[s].length, ==, fixture->lengths[s]);
            g_assert_cmpuint(table->slots[s].offset, ==, at);
            g_assert_cmpuint(pack_table_frame_of(table, s), ==, f);
            at += fixture->lengths[s];
        }
        gboolean delta = f == FIXTURE_DELTA;
        if (delta)
            g_assert_true(chunk_id_equal(&frame->base, &fixture->ids[0]));
        g_autofree guint8 *stored = g_malloc(frame->stored_length);
        g_autofree guint8 *out = g_malloc(frame->plain_length);
        if (!pack_read_frame(repo, table, f, key, codec, delta ? fixture->plain[0] : NULL,
                             delta ? fixture->unit : 0, stored, out, error))
            return FALSE;
        g_assert_cmpmem(out, frame->plain_length, fixture->plain[f], fixture->plain_length[f]);
    }
    return TRUE;
}

static inline guint
fixture_count(struct repo *repo, const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = repo_list(repo, folder, &error);
    g_assert_no_error(error);
    return entries->len;
}

static inline struct store_key *
fixture_key(void)
{
    guint8 secret[STORE_KEY_SIZE];
    for (guint i = 0; i < sizeof secret; i++)
        secret[i] = (guint8)(i * 7);
    return store_key_new(secret);
}

static inline GBytes *
fixture_bytes(struct repo *repo, const struct pack_name *name)
{
    char object[PACK_OBJECT_TEXT];
    g_autoptr(GError) error = NULL;
    GBytes *bytes =
        repo_read_all(repo, pack_name_object(name, "packs", object), PACK_SIZE_MAX, &error);
    g_assert_no_error(error);
    return bytes;
}
