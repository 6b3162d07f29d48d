/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packs that are not as they were written. */
#include "pack_fixture.h"
#include "store/parity.h"

#include <openssl/evp.h>

static void
put_bytes(struct repo *repo, const struct pack_name *name, const guint8 *data, gsize length)
{
    char object[PACK_OBJECT_TEXT];
    g_autoptr(GError) error = NULL;
    repo_replace(repo, pack_name_object(name, "packs", object), data, length, &error);
    g_assert_no_error(error);
}

static void
expect_damage(const struct fixture *fixture, struct repo *repo, const struct pack_name *name,
              const struct store_key *key)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(fixture_read(fixture, repo, name, key, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

static void
test_damage(gconstpointer encrypted)
{
    auto_ptr(store_key) key = encrypted != NULL ? fixture_key() : NULL;
    auto_ptr(repo) repo = repo_memory_new();
    auto_fixture fixture;
    fixture_init(&fixture, 64, 8);
    struct pack_name name;
    g_autoptr(GError) error = NULL;
    g_assert_true(fixture_write(&fixture, repo, key, 0, &name, &error));
    g_autoptr(GBytes) bytes = fixture_bytes(repo, &name);
    gsize length;
    g_autofree guint8 *data = g_malloc(g_bytes_get_size(bytes) + 1);
    memcpy(data, g_bytes_get_data(bytes, &length), g_bytes_get_size(bytes));
    static const guint8 flips[] = {1, 0x80, 0xff};
    for (gsize i = 0; i < 3 * length; i++) {
        data[i / 3] ^= flips[i % 3];
        put_bytes(repo, &name, data, length);
        expect_damage(&fixture, repo, &name, key);
        data[i / 3] ^= flips[i % 3];
    }
    for (gsize cut = 0; cut < length; cut++) {
        put_bytes(repo, &name, data, cut);
        expect_damage(&fixture, repo, &name, key);
        put_bytes(repo, &name, data + cut + 1, length - cut - 1);
        expect_damage(&fixture, repo, &name, key);
    }
    data[length] = 0;
    put_bytes(repo, &name, data, length + 1);
    expect_damage(&fixture, repo, &name, key);
    put_bytes(repo, &name, data, length);
    fixture_read(&fixture, repo, &name, key, &error);
    g_assert_no_error(error);
    /* Another pack under this name. */
    name.bytes[31] ^= 1;
    put_bytes(repo, &name, data, length);
    expect_damage(&fixture, repo, &name, key);
    name.bytes[30] ^= 1;
    g_assert_null(pack_table_load(repo, &name, key, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

/* Set `length` bytes at `at` to `value` and give the pack the name that fits. */
static void
expect_hostile(const struct fixture *fixture, GBytes *bytes, gsize at, guint64 value, guint length,
               enum slipway_error code)
{
    gsize size;
    g_autofree guint8 *data =
        g_memdup2(g_bytes_get_data(bytes, NULL), size = g_bytes_get_size(bytes));
    for (guint i = 0; i < length; i++)
        data[at + i] = (guint8)(value >> (8 * i));
    guint64 table;
    memcpy(&table, data + size - 56, sizeof table);
    table = MIN(GUINT64_FROM_LE(table), size - 64);
    g_autoptr(GByteArray) named = g_byte_array_new();
    g_byte_array_append(named, data, 32);
    g_byte_array_append(named, data + table, (guint)(size - 64 - table));
    struct pack_name name;
    EVP_Digest(named->data, named->len, name.bytes, NULL, EVP_sha256(), NULL);
    memcpy(data + size - 32, name.bytes, 32);
    auto_ptr(repo) repo = repo_memory_new();
    put_bytes(repo, &name, data, size);
    g_autoptr(GError) error = NULL;
    g_assert_false(fixture_read(fixture, repo, &name, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
}

/* Where a change is counted from. */
enum place { HEADER, TABLE, CHUNKS, FOOTER };

static const struct {
    enum place place;
    gsize at;
    guint64 value;
    guint length;
} changes[] = {
    {HEADER, 0, 'X', 1},
    {HEADER, 8, 0, 2},
    {HEADER, 10, 0, 1},
    {HEADER, 10, 3, 1},
    {HEADER, 11, 2, 1},
    {HEADER, 14, 1, 1},
    {HEADER, 15, 1, 1},
    {TABLE, 0, 0, 4},
    {TABLE, 0, 1, 4},
    {TABLE, 0, G_MAXUINT32, 4},
    {TABLE, 4, 0, 4},
    {TABLE, 4, G_MAXUINT32, 4},
    {TABLE, 4, PACK_GROUP_MAX + 1, 4},
    {TABLE, 8, 1, 4},
    {TABLE, 24 + 8, 0, 4},
    {TABLE, 24 + 8, 5, 4},
    {TABLE, 72 + 8, 7, 4},
    {TABLE, 72 + 8, G_MAXUINT32, 4},
    {TABLE, 12, 4, 1},
    {TABLE, 12, 3, 1},
    {TABLE, 12, 0, 1},
    {TABLE, 72 + 12, 1, 1},
    {TABLE, 13, 1, 1},
    {CHUNKS, 32, 1, 4},
    {CHUNKS, 36, 0, 4},
    {CHUNKS, 36, 63, 4},
    {CHUNKS, 36, CHUNK_MAX, 4},
    {CHUNKS, 36, G_MAXUINT32, 4},
    {CHUNKS, 40 + 32, 0, 4},
    {CHUNKS, 80 + 36, 65, 4},
    {FOOTER, 8, 31, 8},
    {FOOTER, 8, G_MAXUINT64, 8},
    {FOOTER, 8, 42, 8},
    {FOOTER, 16, 0, 4},
    {FOOTER, 16, G_MAXUINT32, 4},
    {FOOTER, 20, 0, 4},
    {FOOTER, 20, 3, 4},
    {FOOTER, 24, 6, 4},
    {FOOTER, 24, PACK_CHUNKS_MAX + 1, 4},
    {FOOTER, 28, 0, 4},
    {FOOTER, 28, 2, 4},
    {FOOTER, 28, G_MAXUINT32, 4},
};

/* Whoever can make digests fit cannot make numbers fit. */
static void
test_hostile(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_fixture fixture;
    fixture_init(&fixture, 64, 9);
    struct pack_name name;
    g_autoptr(GError) error = NULL;
    g_assert_true(fixture_write(&fixture, repo, NULL, 0, &name, &error));
    g_autoptr(GBytes) bytes = fixture_bytes(repo, &name);
    gsize size = g_bytes_get_size(bytes);
    gsize table = size - 64 - 32 - FIXTURE_SLOTS * 40 - FIXTURE_FRAMES * 24;
    gsize chunks = table + FIXTURE_FRAMES * 24;
    const gsize places[] = {[HEADER] = 0, [TABLE] = table, [CHUNKS] = chunks, [FOOTER] = size - 64};
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++)
        expect_hostile(&fixture, bytes, places[changes[i].place] + changes[i].at, changes[i].value,
                       changes[i].length, SLIPWAY_ERROR_CORRUPT);
    expect_hostile(&fixture, bytes, 8, 2, 2, SLIPWAY_ERROR_UNSUPPORTED);
    expect_hostile(&fixture, bytes, 11, 1, 1, SLIPWAY_ERROR_DENIED);
}

static void
test_healed(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_ptr(store_key) key = fixture_key();
    auto_fixture fixture;
    fixture_init(&fixture, 65536, 10);
    struct pack_name name;
    g_autoptr(GError) error = NULL;
    g_assert_true(fixture_write(&fixture, repo, key, 50, &name, &error));
    g_autoptr(GBytes) bytes = fixture_bytes(repo, &name);
    gsize length = g_bytes_get_size(bytes);
    g_autofree guint8 *data = g_memdup2(g_bytes_get_data(bytes, NULL), length);
    data[length - 1] ^= 1;
    put_bytes(repo, &name, data, length);
    expect_damage(&fixture, repo, &name, key);

    char object[PACK_OBJECT_TEXT], parity[PACK_OBJECT_TEXT];
    pack_name_object(&name, "packs", object);
    pack_name_object(&name, "parity", parity);
    struct parity_report report = {0};
    g_autoptr(GBytes) healed = NULL;
    parity_check(repo, object, parity, &report, &healed, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(report.damaged, ==, 1);
    g_assert_true(healed != NULL && g_bytes_equal(healed, bytes));
    parity_report_clear(&report);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/pack-damage/bytes", NULL, test_damage);
    g_test_add_data_func("/pack-damage/bytes-encrypted", "", test_damage);
    g_test_add_func("/pack-damage/hostile", test_hostile);
    g_test_add_func("/pack-damage/healed", test_healed);
    return g_test_run();
}
