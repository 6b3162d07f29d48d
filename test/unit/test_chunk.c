/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/chunk.h"

static void
assert_id(const struct chunk_id *id, const char *expected)
{
    char text[CHUNK_ID_TEXT];
    g_assert_cmpstr(chunk_id_format(id, text), ==, expected);
}

/* FIPS 180-2, and the same hasher used again. */
static void
test_plain(void)
{
    auto_ptr(chunk_hasher) hasher = chunk_hasher_new(NULL);
    struct chunk_id id;
    for (guint i = 0; i < 3; i++) {
        chunk_hasher_run(hasher, "abc", 3, &id);
        assert_id(&id, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        chunk_hasher_run(hasher, "", 0, &id);
        assert_id(&id, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
    g_autofree char *million = g_strnfill(1000000, 'a');
    chunk_hasher_run(hasher, million, 1000000, &id);
    assert_id(&id, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231, test cases 1 and 2: a key is filled with zeros to the block, so theirs of 20 and 4
 * bytes are keys of 32 too. */
static void
test_keyed(void)
{
    guint8 key[32] = {0};
    memset(key, 0x0b, 20);
    auto_ptr(chunk_hasher) hasher = chunk_hasher_new(key);
    struct chunk_id id;
    for (guint i = 0; i < 3; i++) {
        chunk_hasher_run(hasher, "Hi There", 8, &id);
        assert_id(&id, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        chunk_hasher_run(hasher, "something else", 14, &id);
    }
    guint8 other_key[32] = "Jefe";
    auto_ptr(chunk_hasher) other = chunk_hasher_new(other_key);
    memset(other_key, 0, sizeof other_key);
    chunk_hasher_run(other, "what do ya want for nothing?", 28, &id);
    assert_id(&id, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void
test_text(void)
{
    const char *good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    struct chunk_id id, before;
    g_assert_true(chunk_id_parse(good, &id));
    assert_id(&id, good);
    g_assert_cmphex(chunk_id_fingerprint(&id), ==, 0xeacf018fbf1678ba);
    static const char *const bad[] = {
        "",
        "ba7816bf",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015add",
        "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
        " a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };
    before = id;
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(chunk_id_parse(bad[i], &id));
    g_assert_true(chunk_id_equal(&id, &before));
}

static void
test_table(void)
{
    auto_ptr(chunk_hasher) hasher = chunk_hasher_new(NULL);
    g_autoptr(GHashTable) table =
        g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL);
    for (guint i = 0; i < 1000; i++) {
        struct chunk_id id;
        chunk_hasher_run(hasher, &i, sizeof i, &id);
        g_hash_table_insert(table, g_memdup2(&id, sizeof id), GUINT_TO_POINTER(i));
    }
    g_assert_cmpuint(g_hash_table_size(table), ==, 1000);
    for (guint i = 0; i < 1000; i++) {
        struct chunk_id id;
        chunk_hasher_run(hasher, &i, sizeof i, &id);
        g_assert_cmpuint(GPOINTER_TO_UINT(g_hash_table_lookup(table, &id)), ==, i);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chunk/plain", test_plain);
    g_test_add_func("/chunk/keyed", test_keyed);
    g_test_add_func("/chunk/text", test_text);
    g_test_add_func("/chunk/table", test_table);
    return g_test_run();
}
