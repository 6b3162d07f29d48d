/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pack_fixture.h"
#include "scratch_directory.h"

#include <openssl/evp.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- Names ----------------------------------------------------------------------------------- */

static void
test_name(void)
{
    struct pack_name name, back;
    for (guint i = 0; i < sizeof name.bytes; i++)
        name.bytes[i] = (guint8)(0x1f + i);
    char object[PACK_OBJECT_TEXT];
    pack_name_object(&name, "packs", object);
    g_assert_cmpstr(object, ==,
                    "packs/1f/1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e");
    g_assert_true(repo_name_valid(object));
    g_assert_true(pack_name_parse(object, &back));
    g_assert_true(pack_name_equal(&name, &back));
    g_assert_cmpuint(pack_name_hash(&name), ==, pack_name_hash(&back));
    pack_name_object(&name, "parity", object);
    g_assert_true(pack_name_parse(object, &back));

    static const char *const wrong[] = {
        "",
        "packs",
        "packs/1f",
        "packs/1f/",
        "/1f/1f",
        "packs/2f/1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e",
        "packs/1f/1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3",
        "packs/1f/1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e0",
        "packs/1F/1F202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e",
        "packs/1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e",
    };
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
        g_assert_false(pack_name_parse(wrong[i], &back));
}

/* ---- Round trips ----------------------------------------------------------------------------- */

static void
round_trip(struct repo *repo, gboolean encrypted, unsigned parity, guint32 unit)
{
    auto_ptr(store_key) key = encrypted ? fixture_key() : NULL;
    auto_fixture fixture;
    fixture_init(&fixture, unit, unit);
    struct pack_name name;
    g_autoptr(GError) error = NULL;
    fixture_write(&fixture, repo, key, parity, &name, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(fixture_count(repo, "packs"), ==, 1);
    g_assert_cmpuint(fixture_count(repo, "parity"), ==, parity > 0);
    fixture_read(&fixture, repo, &name, key, &error);
    g_assert_no_error(error);
}

static void
test_round_trip(void)
{
    static const guint32 units[] = {64, 4096, 65536};
    for (guint i = 0; i < 4 * G_N_ELEMENTS(units); i++) {
        auto_ptr(repo) memory = repo_memory_new();
        round_trip(memory, i & 1, i & 2 ? 30 : 0, units[i / 4]);
        auto_scratch scratch = scratch_new();
        g_autoptr(GError) error = NULL;
        auto_ptr(repo) directory = repo_directory_open(scratch.path, FALSE, &error);
        g_assert_no_error(error);
        round_trip(directory, i & 1, i & 2 ? 30 : 0, units[i / 4]);
    }
}

static void
append_number(GByteArray *bytes, guint64 value, guint length)
{
    for (guint i = 0; i < length; i++) {
        guint8 byte = (guint8)(value >> (8 * i));
        g_byte_array_append(bytes, &byte, 1);
    }
}

/* Byte by byte as the format's page says. */
static void
test_layout(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    struct pack_options options = {.owner = FIXTURE_OWNER};
    g_autoptr(GError) error = NULL;
    struct pack_writer *writer = pack_writer_new(repo, PACK_NODES, &options, &error);
    g_assert_no_error(error);
    struct chunk_id ids[4];
    for (guint i = 0; i < 4; i++)
        memset(&ids[i], (int)(i + 1), sizeof ids[i]);
    const guint32 lengths[] = {3, 4}, lone = 9;
    struct pack_group first = {CODEC_NONE, 7, (const guint8 *)"abcdefg", 7, {{0}}, 2, ids, lengths};
    struct pack_group second = {CODEC_ZSTD_DELTA, 9,    (const guint8 *)"xyz", 3, ids[3], 1,
                                ids + 2,          &lone};
    g_assert_true(pack_writer_add(writer, &first, &error));
    g_assert_true(pack_writer_add(writer, &second, &error));
    g_assert_cmpuint(pack_writer_size(writer), ==, 32 + 10);
    struct pack_name name;
    g_assert_true(pack_writer_finish(writer, &name, &error));

    g_autoptr(GByteArray) header = g_byte_array_new(), table = g_byte_array_new();
    g_byte_array_append(header, (const guint8 *)"SLIPPACK\1\0\2\0\0\0\0\0", 16);
    append_number(header, 0, 8);
    append_number(header, 0, 8);
    for (guint i = 0; i < 2; i++) {
        append_number(table, i == 0 ? 7 : 3, 4);
        append_number(table, i == 0 ? 7 : 9, 4);
        append_number(table, i == 0 ? 0 : 2, 4);
        append_number(table, i == 0 ? 0 : 3, 4);
        append_number(table, i == 0 ? XXH3_64bits("abcdefg", 7) : XXH3_64bits("xyz", 3), 8);
    }
    for (guint i = 0; i < 3; i++) {
        g_byte_array_append(table, ids[i].bytes, 32);
        append_number(table, i == 1 ? 3 : 0, 4);
        append_number(table, i == 0 ? 3 : i == 1 ? 4 : 9, 4);
    }
    g_byte_array_append(table, ids[3].bytes, 32);
    g_autoptr(GByteArray) named = g_byte_array_new();
    g_byte_array_append(named, header->data, header->len);
    g_byte_array_append(named, table->data, table->len);
    guint8 digest[32];
    EVP_Digest(named->data, named->len, digest, NULL, EVP_sha256(), NULL);
    g_assert_cmpmem(digest, 32, name.bytes, 32);

    g_byte_array_append(header, (const guint8 *)"abcdefgxyz", 10);
    g_byte_array_append(header, table->data, table->len);
    g_byte_array_append(header, (const guint8 *)"SLIPPEND", 8);
    append_number(header, 42, 8);
    append_number(header, table->len, 4);
    append_number(header, 2, 4);
    append_number(header, 3, 4);
    append_number(header, 1, 4);
    g_byte_array_append(header, digest, 32);
    g_autoptr(GBytes) bytes = fixture_bytes(repo, &name);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), header->data,
                    header->len);
}

static void
test_twice(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_fixture fixture;
    fixture_init(&fixture, 4096, 5);
    struct pack_name names[4];
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < 2; i++) {
        fixture_write(&fixture, repo, NULL, 20, &names[i], &error);
        g_assert_no_error(error);
    }
    g_assert_true(pack_name_equal(&names[0], &names[1]));
    g_assert_cmpuint(fixture_count(repo, "packs"), ==, 1);
    g_assert_cmpuint(fixture_count(repo, "parity"), ==, 1);
    fixture_read(&fixture, repo, &names[0], NULL, &error);
    g_assert_no_error(error);

    auto_ptr(store_key) key = fixture_key();
    for (guint i = 2; i < 4; i++) {
        fixture_write(&fixture, repo, key, 0, &names[i], &error);
        g_assert_no_error(error);
    }
    g_assert_false(pack_name_equal(&names[2], &names[3]));
    g_assert_cmpuint(fixture_count(repo, "packs"), ==, 3);
}

/* A pack of its own is another one although the chunks are the same; what is said of it is kept. */
static void
test_unique(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_fixture fixture;
    fixture_init(&fixture, 4096, 14);
    struct pack_options options = {
        .owner = FIXTURE_OWNER, .level = 19, .generation = 255, .unique = TRUE};
    struct pack_name names[2];
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < 2; i++) {
        struct pack_writer *writer = pack_writer_new(repo, PACK_DATA, &options, &error);
        g_assert_no_error(error);
        for (guint f = 0; f < FIXTURE_FRAMES; f++)
            g_assert_true(fixture_add(&fixture, writer, f, &error));
        pack_writer_finish(writer, &names[i], &error);
        g_assert_no_error(error);
        fixture_read(&fixture, repo, &names[i], NULL, &error);
        g_assert_no_error(error);
        auto_ptr(pack_table) table = pack_table_load(repo, &names[i], NULL, &error);
        g_assert_cmpuint(table->level, ==, 19);
        g_assert_cmpuint(table->generation, ==, 255);
        g_assert_false(table->encrypted);
    }
    g_assert_false(pack_name_equal(&names[0], &names[1]));
    g_assert_cmpuint(fixture_count(repo, "packs"), ==, 2);
}

static void
test_keys(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_ptr(store_key) key = fixture_key();
    g_autoptr(GError) error = NULL;
    auto_ptr(store_key) other = store_key_generate(&error);
    g_assert_no_error(error);
    auto_fixture fixture;
    fixture_init(&fixture, 4096, 6);
    struct pack_name name;
    g_assert_true(fixture_write(&fixture, repo, key, 0, &name, &error));

    g_assert_null(pack_table_load(repo, &name, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_clear_error(&error);
    g_assert_null(pack_table_load(repo, &name, other, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_clear_error(&error);

    auto_ptr(pack_table) table = pack_table_load(repo, &name, key, &error);
    g_assert_no_error(error);
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *stored = g_malloc(table->frames[0].stored_length);
    g_autofree guint8 *out = g_malloc(table->frames[0].plain_length);
    g_assert_false(pack_read_frame(repo, table, 0, NULL, codec, NULL, 0, stored, out, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_clear_error(&error);
    g_assert_false(pack_read_frame(repo, table, 0, other, codec, NULL, 0, stored, out, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    char object[PACK_OBJECT_TEXT];
    pack_name_object(&name, "packs", object);
    g_assert_nonnull(strstr(error->message, object));
    g_assert_nonnull(strstr(error->message, "frame 0"));

    /* Neither the plain bytes nor the ids are to be seen. */
    g_autoptr(GBytes) bytes = fixture_bytes(repo, &name);
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    g_assert_null(memmem(data, length, fixture.plain[1], 64));
    g_assert_null(memmem(data, length, fixture.ids[0].bytes, 16));
}

/* A delta is nothing without its base. */
static void
test_delta(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_fixture fixture;
    fixture_init(&fixture, 4096, 7);
    struct pack_name name;
    g_autoptr(GError) error = NULL;
    g_assert_true(fixture_write(&fixture, repo, NULL, 0, &name, &error));
    auto_ptr(pack_table) table = pack_table_load(repo, &name, NULL, &error);
    g_assert_no_error(error);
    const struct pack_frame *frame = &table->frames[FIXTURE_DELTA];
    g_assert_cmpuint(frame->stored_length, <, frame->plain_length / 10);
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *stored = g_malloc(frame->stored_length);
    g_autofree guint8 *out = g_malloc(frame->plain_length);
    g_autofree guint8 *zeros = g_malloc0(fixture.unit);
    gboolean ok = pack_read_frame(repo, table, FIXTURE_DELTA, NULL, codec, zeros, fixture.unit,
                                  stored, out, &error);
    /* A wrong base may decode to wrong bytes, which the chunk's id tells; never to the right ones.
     */
    g_assert_true(!ok || memcmp(out, fixture.plain[FIXTURE_DELTA], fixture.unit) != 0);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

#define FULL_GROUP (PACK_GROUP_MAX / CHUNK_MAX)

static void
test_full(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    struct pack_options options = {.owner = FIXTURE_OWNER, .parity = 30};
    g_autoptr(GError) error = NULL;
    struct pack_writer *writer = pack_writer_new(repo, PACK_DATA, &options, &error);
    g_assert_no_error(error);
    g_autofree guint8 *data = g_malloc0(PACK_GROUP_MAX);
    struct chunk_id ids[FULL_GROUP] = {{{1}}, {{2}}, {{3}}};
    guint32 lengths[FULL_GROUP];
    for (guint i = 0; i < FULL_GROUP; i++)
        lengths[i] = CHUNK_MAX;
    struct pack_group group = {CODEC_NONE, PACK_GROUP_MAX, data, PACK_GROUP_MAX,
                               {{0}},      FULL_GROUP,     ids,  lengths};
    guint groups = 0;
    while (pack_writer_size(writer) < PACK_TARGET) {
        data[0] = (guint8)groups++;
        g_assert_true(pack_writer_add(writer, &group, &error));
    }
    g_assert_false(pack_writer_add(writer, &group, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);
    struct pack_name name;
    pack_writer_finish(writer, &name, &error);
    g_assert_no_error(error);
    auto_ptr(pack_table) table = pack_table_load(repo, &name, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(table->n_frames, ==, groups);
    g_autofree guint8 *stored = g_malloc(PACK_GROUP_MAX), *out = g_malloc(PACK_GROUP_MAX);
    auto_ptr(codec) codec = codec_new();
    pack_read_frame(repo, table, groups - 1, NULL, codec, NULL, 0, stored, out, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(out, PACK_GROUP_MAX, data, PACK_GROUP_MAX);
}

/* As many chunks as fit: the table takes a second read. */
static void
test_many(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_ptr(store_key) key = fixture_key();
    struct pack_options options = {.owner = FIXTURE_OWNER, .key = key};
    g_autoptr(GError) error = NULL;
    struct pack_writer *writer = pack_writer_new(repo, PACK_DATA, &options, &error);
    g_assert_no_error(error);
    struct chunk_id id = {{0}};
    guint32 one = 1;
    struct pack_group group = {CODEC_NONE, 1, (const guint8 *)"x", 1, {{0}}, 1, &id, &one};
    for (guint i = 0; i < PACK_CHUNKS_MAX; i++) {
        memcpy(id.bytes, &i, sizeof i);
        g_assert_true(pack_writer_add(writer, &group, &error));
    }
    g_assert_false(pack_writer_add(writer, &group, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);
    struct pack_name name;
    pack_writer_finish(writer, &name, &error);
    g_assert_no_error(error);
    auto_ptr(pack_table) table = pack_table_load(repo, &name, key, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(table->n_frames, ==, PACK_CHUNKS_MAX);
    g_assert_cmpuint(pack_table_memory(table), <, PACK_CHUNKS_MAX * 120u);
    for (guint i = 0; i < PACK_CHUNKS_MAX; i++) {
        memcpy(id.bytes, &i, sizeof i);
        g_assert_true(chunk_id_equal(&table->slots[i].id, &id));
        g_assert_cmpuint(pack_table_frame_of(table, i), ==, i);
    }
}

static void
test_refused(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    struct pack_options options = {.owner = FIXTURE_OWNER};
    g_autoptr(GError) error = NULL;
    auto_ptr(pack_writer) writer = pack_writer_new(repo, PACK_DATA, &options, &error);
    struct chunk_id ids[2] = {{{1}}, {{2}}};
    const guint32 lengths[] = {3, 4}, none[] = {0, 7}, large[] = {CHUNK_MAX + 1, 0};
    const guint8 *data = (const guint8 *)"abcdefgh";
    const struct pack_group wrong[] = {
        {CODEC_NONE, 8, data, 8, {{0}}, 2, ids, lengths},
        {CODEC_NONE, 7, data, 6, {{0}}, 2, ids, lengths},
        {CODEC_ZSTD, 7, data, 7, {{0}}, 2, ids, lengths},
        {CODEC_LZ4, 7, data, 0, {{0}}, 2, ids, lengths},
        {CODEC_NONE, 0, data, 0, {{0}}, 0, ids, lengths},
        {CODEC_NONE, 7, data, 7, {{0}}, 2, ids, none},
        {CODEC_ZSTD, CHUNK_MAX + 1, data, 7, {{0}}, 1, ids, large},
        {CODEC_ZSTD_DELTA, 7, data, 6, {{3}}, 2, ids, lengths},
        {CODEC_ZSTD_DELTA, 3, data, 2, {{1}}, 1, ids, lengths},
        {4, 7, data, 6, {{0}}, 2, ids, lengths},
    };
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_false(pack_writer_add(writer, &wrong[i], &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
        g_clear_error(&error);
    }
    struct pack_group group = {CODEC_NONE, PACK_GROUP_MAX + 1, data, 7, {{0}}, 2, ids, lengths};
    g_assert_false(pack_writer_add(writer, &group, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);

    struct pack_name name;
    g_assert_false(pack_writer_finish(g_steal_pointer(&writer), &name, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_cmpuint(fixture_count(repo, ""), ==, 0);
}

/* ---- A repo that fails ----------------------------------------------------------------------- */

static void
test_failing_write(gconstpointer once)
{
    unsigned operations =
        1u << REPO_OP_PUT | 1u << REPO_OP_REPLACE | 1u << REPO_OP_APPEND | 1u << REPO_OP_COMMIT;
    auto_fixture fixture;
    fixture_init(&fixture, 4096, 11);
    gboolean ok = FALSE;
    for (unsigned at = 1; !ok; at++) {
        auto_scratch scratch = scratch_new();
        struct repo_fault plan = {.operations = operations, .at = at, .once = once != NULL};
        g_autoptr(GError) error = NULL;
        auto_ptr(repo) below = repo_directory_open(scratch.path, FALSE, &error);
        auto_ptr(repo) repo =
            repo_fault_new(repo_directory_open(scratch.path, FALSE, &error), &plan);
        struct pack_name name;
        ok = fixture_write(&fixture, repo, NULL, 20, &name, &error);
        g_assert_cmpint(ok, ==, error == NULL);
        g_assert_cmpuint(fixture_count(below, "packs"), ==, ok);
        if (!ok)
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        else
            g_assert_cmpuint(at, ==, repo_fault_count(repo) + 1);
    }
}

static void
test_failing_read(void)
{
    auto_fixture fixture;
    fixture_init(&fixture, 4096, 12);
    gboolean ok = FALSE;
    for (unsigned at = 1; !ok; at++) {
        struct repo_fault plan = {.operations = 1u << REPO_OP_READ, .at = at, .once = TRUE};
        auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
        struct pack_name name;
        g_autoptr(GError) error = NULL;
        g_assert_true(fixture_write(&fixture, repo, NULL, 0, &name, &error));
        ok = fixture_read(&fixture, repo, &name, NULL, &error);
        if (!ok)
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        else
            g_assert_cmpuint(at, >, FIXTURE_FRAMES);
    }
}

/* After a write failed nothing more is written. */
static void
test_failed_writer(void)
{
    auto_fixture fixture;
    fixture_init(&fixture, 4096, 13);
    struct repo_fault plan = {.operations = 1u << REPO_OP_APPEND, .at = 2, .once = TRUE};
    auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
    struct pack_options options = {.owner = FIXTURE_OWNER};
    g_autoptr(GError) error = NULL;
    struct pack_writer *writer = pack_writer_new(repo, PACK_DATA, &options, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 2; i++) {
        g_assert_false(fixture_add(&fixture, writer, 0, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        g_clear_error(&error);
    }
    struct pack_name name;
    g_assert_false(pack_writer_finish(writer, &name, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_cmpuint(fixture_count(repo, "packs"), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pack/name", test_name);
    g_test_add_func("/pack/round-trip", test_round_trip);
    g_test_add_func("/pack/layout", test_layout);
    g_test_add_func("/pack/twice", test_twice);
    g_test_add_func("/pack/unique", test_unique);
    g_test_add_func("/pack/keys", test_keys);
    g_test_add_func("/pack/delta", test_delta);
    g_test_add_func("/pack/full", test_full);
    g_test_add_func("/pack/many", test_many);
    g_test_add_func("/pack/refused", test_refused);
    g_test_add_data_func("/pack/failing-write", NULL, test_failing_write);
    g_test_add_data_func("/pack/failing-write-once", "", test_failing_write);
    g_test_add_func("/pack/failing-read", test_failing_read);
    g_test_add_func("/pack/failed-writer", test_failed_writer);
    return g_test_run();
}
