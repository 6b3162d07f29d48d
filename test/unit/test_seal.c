/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "store/seal.h"

#include <openssl/sha.h>
#include <string.h>

#define TEXT "{\"words\":[1,2]}"

static GBytes *
seal(enum seal_kind kind, const struct store_key *key, const char *text)
{
    g_autoptr(GError) error = NULL;
    GBytes *object = seal_close(kind, key, text, strlen(text), &error);
    g_assert_no_error(error);
    return object;
}

/* Opens as `text`, or fails with `code`. */
static void
expect(enum seal_kind kind, const struct store_key *key, GBytes *object, const char *text, int code)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) payload = seal_open(kind, key, "store: sets/1", object, &error);
    if (text == NULL) {
        g_assert_null(payload);
        g_assert_error(error, SLIPWAY_ERROR, code);
        g_assert_nonnull(strstr(error->message, "store: sets/1"));
        return;
    }
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload), text, strlen(text));
}

/* Change bytes and mend the digest, as somebody does who knows the format but no key. */
static GBytes *
forge(GBytes *object, gsize at, guint8 value)
{
    gsize size = g_bytes_get_size(object);
    guint8 *data = g_memdup2(g_bytes_get_data(object, NULL), size);
    data[at] = value;
    SHA256(data, size - 32, data + size - 32);
    return g_bytes_new_take(data, size);
}

static void
test_round_trip(void)
{
    auto_ptr(store_key) key = store_key_generate(NULL);
    for (enum seal_kind kind = 0; kind < SEAL_N; kind++) {
        for (guint encrypted = 0; encrypted < 2; encrypted++) {
            const struct store_key *with = encrypted ? key : NULL;
            g_autoptr(GBytes) object = seal(kind, with, TEXT);
            g_autoptr(GBytes) empty = seal(kind, with, "");
            expect(kind, with, object, TEXT, 0);
            expect(kind, with, empty, "", 0);
            g_assert_true(seal_check("x", object, NULL));
            g_assert_cmpuint(g_bytes_get_size(object), <=, strlen(TEXT) + SEAL_OVERHEAD);
            gboolean visible = memmem(g_bytes_get_data(object, NULL), g_bytes_get_size(object),
                                      "words", 5) != NULL;
            g_assert_cmpint(visible, ==, !encrypted || kind == SEAL_CONFIG || kind == SEAL_KEY);
        }
    }
}

/* Byte by byte what the page says. */
static void
test_format(void)
{
    g_autoptr(GBytes) object = seal(SEAL_SET, NULL, "{}");
    static const guint8 expected[50] = "SLIPSEALSET \1\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0{";
    guint8 digest[32];
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(object, &size);
    g_assert_cmpuint(size, ==, 48 + 2 + 32);
    g_assert_cmpmem(data, 49, expected, 49);
    SHA256(data, 50, digest);
    g_assert_cmpmem(data + 50, 32, digest, 32);
}

static void
test_every_byte(void)
{
    auto_ptr(store_key) key = store_key_generate(NULL);
    for (guint encrypted = 0; encrypted < 2; encrypted++) {
        const struct store_key *with = encrypted ? key : NULL;
        g_autoptr(GBytes) object = seal(SEAL_SET, with, TEXT);
        gsize size = g_bytes_get_size(object);
        for (gsize i = 0; i < size; i++) {
            guint8 *data = g_memdup2(g_bytes_get_data(object, NULL), size);
            data[i] ^= (guint8)(1u << i % 8);
            g_autoptr(GBytes) damaged = g_bytes_new_take(data, size);
            g_autoptr(GBytes) cut = g_bytes_new_from_bytes(object, 0, i);
            expect(SEAL_SET, with, damaged, NULL, SLIPWAY_ERROR_CORRUPT);
            expect(SEAL_SET, with, cut, NULL, SLIPWAY_ERROR_CORRUPT);
            g_assert_false(seal_check("x", damaged, NULL));
        }
    }
}

/* With the digest mended it takes the key to tell, and the key tells. */
static void
test_forged(void)
{
    auto_ptr(store_key) key = store_key_generate(NULL);
    g_autoptr(GBytes) object = seal(SEAL_SET, key, TEXT);
    gsize size = g_bytes_get_size(object);
    const guint8 *data = g_bytes_get_data(object, NULL);
    for (gsize i = 0; i + 32 < size; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) forged = forge(object, i, data[i] ^ 1);
        g_autoptr(GBytes) payload = seal_open(SEAL_SET, key, "x", forged, &error);
        g_assert_null(payload);
        int code = i == 13 ? SLIPWAY_ERROR_UNSUPPORTED : SLIPWAY_ERROR_CORRUPT; /* version 257 */
        g_assert_error(error, SLIPWAY_ERROR, code);
    }
}

static void
test_forged_open(void)
{
    g_autoptr(GBytes) object = seal(SEAL_SET, NULL, TEXT);
    for (gsize i = 0; i < 48; i++) {
        g_autoptr(GBytes) forged = forge(object, i, 0xff);
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) payload = seal_open(SEAL_SET, NULL, "x", forged, &error);
        g_assert_null(payload);
        g_assert_nonnull(error);
    }
    g_autoptr(GBytes) newer = forge(object, 12, 2);
    expect(SEAL_SET, NULL, newer, NULL, SLIPWAY_ERROR_UNSUPPORTED);
    g_autoptr(GBytes) config = seal(SEAL_CONFIG, NULL, TEXT);
    g_autoptr(GBytes) encrypted = forge(config, 14, 1);
    expect(SEAL_CONFIG, NULL, encrypted, NULL, SLIPWAY_ERROR_CORRUPT);
}

static void
test_keys(void)
{
    auto_ptr(store_key) key = store_key_generate(NULL);
    auto_ptr(store_key) other = store_key_generate(NULL);
    g_autoptr(GBytes) object = seal(SEAL_LEASE, key, TEXT);
    g_autoptr(GBytes) plain = seal(SEAL_LEASE, NULL, TEXT);
    expect(SEAL_LEASE, NULL, object, NULL, SLIPWAY_ERROR_DENIED);
    expect(SEAL_LEASE, other, object, NULL, SLIPWAY_ERROR_CORRUPT);
    expect(SEAL_SET, key, object, NULL, SLIPWAY_ERROR_CORRUPT);
    /* An object without encryption is no object of an encrypted store. */
    expect(SEAL_LEASE, key, plain, NULL, SLIPWAY_ERROR_CORRUPT);
    /* The same payload never gives the same bytes. */
    g_autoptr(GBytes) again = seal(SEAL_LEASE, key, TEXT);
    g_assert_false(g_bytes_equal(object, again));
}

static void
expect_limit(const char *text, gsize length, gboolean fits)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) object = seal_close(SEAL_LOST, NULL, text, length, &error);
    g_assert_cmpint(object != NULL, ==, fits);
    if (!fits)
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
}

static void
test_limits(void)
{
    g_autofree char *long_text = g_strnfill(SEAL_PAYLOAD_MAX + 1, ' ');
    expect_limit(long_text, SEAL_PAYLOAD_MAX, TRUE);
    expect_limit(long_text, SEAL_PAYLOAD_MAX + 1, FALSE);
    expect_limit("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", 32, TRUE);
    expect_limit("[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]", 34, FALSE);
    expect_limit("\"[[[[[[[[[[[[[[[[[[\\\"[[[[[[\"", 28, TRUE); /* only text */
    expect_limit("[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]", 53, TRUE);
    memset(long_text, ',', SEAL_VALUES_MAX + 1);
    expect_limit(long_text, SEAL_VALUES_MAX - 1, TRUE);
    expect_limit(long_text, SEAL_VALUES_MAX + 1, FALSE);
}

/* Somebody else may have written an object beyond the limits. */
static void
test_limits_read(void)
{
    char text[] = "                                ";
    g_autoptr(GBytes) object = seal(SEAL_LOST, NULL, text);
    for (gsize i = 0; i < 20; i++) {
        GBytes *next = forge(object, 48 + i, '[');
        g_bytes_unref(object);
        object = next;
        text[i] = '[';
        expect(SEAL_LOST, NULL, object, i < 16 ? text : NULL, SLIPWAY_ERROR_CORRUPT);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/seal/round-trip", test_round_trip);
    g_test_add_func("/seal/format", test_format);
    g_test_add_func("/seal/every-byte", test_every_byte);
    g_test_add_func("/seal/forged", test_forged);
    g_test_add_func("/seal/forged-open", test_forged_open);
    g_test_add_func("/seal/keys", test_keys);
    g_test_add_func("/seal/limits", test_limits);
    g_test_add_func("/seal/limits-read", test_limits_read);
    return g_test_run();
}
