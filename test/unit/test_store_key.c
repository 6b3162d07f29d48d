/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/random.h"
#include "store/gcm.h"
#include "store/kdf.h"
#include "store/store_key.h"

#include <string.h>

static GBytes *
hex(const char *text)
{
    gsize length = strlen(text) / 2;
    guint8 *bytes = g_malloc(length + 1);
    for (gsize i = 0; i < length; i++)
        bytes[i] = (guint8)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                            g_ascii_xdigit_value(text[2 * i + 1]));
    return g_bytes_new_take(bytes, length);
}

static const guint8 *
data_of(GBytes *bytes)
{
    return g_bytes_get_data(bytes, NULL);
}

static void
assert_hex(const guint8 *data, gsize length, const char *text)
{
    g_autoptr(GBytes) expected = hex(text);
    g_assert_cmpmem(data, length, data_of(expected), g_bytes_get_size(expected));
}

/* ---- Primitives, against what their papers say ------------------------------------------------
 */

/* RFC 5869, A.1 to A.3. */
static void
test_hkdf(void)
{
    static const struct {
        const char *secret, *salt, *info, *out;
    } rows[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
         "f0f1f2f3f4f5f6f7f8f9",
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
         "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
         "404142434445464748494a4b4c4d4e4f",
         "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
         "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
         "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
         "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
         "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
         "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
         "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
         "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
         "cc30c58179ec3e87c14c01d5c1f3434f1d87"},
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GBytes) secret = hex(rows[i].secret);
        g_autoptr(GBytes) salt = hex(rows[i].salt);
        g_autoptr(GBytes) info = hex(rows[i].info);
        guint8 out[128];
        gsize length = strlen(rows[i].out) / 2;
        kdf_hkdf(data_of(secret), g_bytes_get_size(secret), data_of(salt), g_bytes_get_size(salt),
                 data_of(info), g_bytes_get_size(info), out, length);
        assert_hex(out, length, rows[i].out);
    }
}

/* RFC 7914, 12. */
static void
test_scrypt(void)
{
    static const struct {
        const char *secret, *salt;
        struct kdf_cost cost;
        const char *out;
    } rows[] = {
        {"",
         "",
         {16, 1, 1},
         "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
         "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
        {"password",
         "NaCl",
         {1024, 8, 16},
         "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
         "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
        {"pleaseletmein",
         "SodiumChloride",
         {16384, 8, 1},
         "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
         "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
        {"pleaseletmein",
         "SodiumChloride",
         {1048576, 8, 1},
         "2101cb9b6a511aaeaddbbe09cf70f881ec568d574a2ffd4dabe5ee9820adaa47"
         "8e56fd8f4ba5d09ffa1c6d927c40f4c337304049e8a952fbcbf45c6fa77a41a4"},
    };
    /* The last one takes 1 GiB and seconds. */
    gsize n = G_N_ELEMENTS(rows) - (g_test_thorough() ? 0 : 1);
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        guint8 out[64];
        g_assert_true(kdf_scrypt(rows[i].secret, strlen(rows[i].secret), rows[i].salt,
                                 strlen(rows[i].salt), &rows[i].cost, out, sizeof out, &error));
        g_assert_no_error(error);
        assert_hex(out, sizeof out, rows[i].out);
    }
}

static void
test_cost(void)
{
    static const struct {
        struct kdf_cost cost;
        gboolean valid;
    } rows[] = {
        {{65536, 8, 1}, TRUE},     {{1048576, 8, 1}, TRUE},      {{2, 1, 1}, TRUE},
        {{65536, 16, 4}, TRUE},    {{0, 8, 1}, FALSE},           {{1, 8, 1}, FALSE},
        {{65537, 8, 1}, FALSE},    {{65536, 0, 1}, FALSE},       {{65536, 8, 0}, FALSE},
        {{65536, 17, 1}, FALSE},   {{65536, 8, 5}, FALSE},       {{2097152, 1, 1}, FALSE},
        {{1048576, 16, 1}, FALSE}, {{G_MAXUINT64, 8, 1}, FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(kdf_cost_valid(&rows[i].cost), ==, rows[i].valid);
}

/* The 256 bit test cases 13 to 16 of McGrew and Viega's paper, which NIST took over. */
static void
test_gcm(void)
{
    static const struct {
        const char *key, *nonce, *aad, *plain, *sealed;
    } rows[] = {
        {"0000000000000000000000000000000000000000000000000000000000000000",
         "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
        {"0000000000000000000000000000000000000000000000000000000000000000",
         "000000000000000000000000", "", "00000000000000000000000000000000",
         "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
        {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
         "cafebabefacedbaddecaf888", "",
         "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
         "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
         "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
         "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
         "b094dac5d93471bdec1a502270e3cc6c"},
        {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
         "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
         "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
         "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
         "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
         "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
         "76fc6ece0f4e1768cddf8853bb2d551b"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GBytes) key = hex(rows[i].key);
        g_autoptr(GBytes) nonce = hex(rows[i].nonce);
        g_autoptr(GBytes) aad = hex(rows[i].aad);
        g_autoptr(GBytes) plain = hex(rows[i].plain);
        gsize length = g_bytes_get_size(plain), aad_length = g_bytes_get_size(aad);
        guint8 sealed[128], opened[128];
        auto_ptr(gcm) gcm = gcm_new(data_of(key));
        /* Twice: the second time with what the first one left behind. */
        for (guint round = 0; round < 2; round++) {
            gcm_seal(gcm, data_of(nonce), data_of(aad), aad_length, data_of(plain), length, sealed);
            assert_hex(sealed, length + GCM_TAG_SIZE, rows[i].sealed);
            g_assert_true(gcm_open(gcm, data_of(nonce), data_of(aad), aad_length, sealed,
                                   length + GCM_TAG_SIZE, opened));
            g_assert_cmpmem(opened, length, data_of(plain), length);
        }
    }
}

/* ---- The key and its ciphers ------------------------------------------------------------------
 */

static const guint8 secret[STORE_KEY_SIZE] = "0123456789abcdef0123456789abcde";
static const guint8 salt[STORE_SALT_SIZE] = "salt salt salt!";

static void
test_derived(void)
{
    guint8 id_key[32], seed[8];
    auto_ptr(store_key) key = store_key_new(secret);
    g_assert_cmpmem(store_key_secret(key), STORE_KEY_SIZE, secret, sizeof secret);
    kdf_hkdf(secret, sizeof secret, NULL, 0, "slipway id", 10, id_key, sizeof id_key);
    g_assert_cmpmem(store_key_id_key(key), sizeof id_key, id_key, sizeof id_key);
    kdf_hkdf(secret, sizeof secret, NULL, 0, "slipway chunker", 15, seed, sizeof seed);
    guint64 number = 0;
    for (guint i = 8; i-- > 0;)
        number = number << 8 | seed[i];
    g_assert_cmpuint(store_key_chunker_seed(key), ==, number);
    g_assert_null(store_key_id_key(NULL));
    g_assert_cmpuint(store_key_chunker_seed(NULL), ==, 0);
}

static void
test_generate(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store_key) one = store_key_generate(&error);
    auto_ptr(store_key) two = store_key_generate(&error);
    g_assert_no_error(error);
    g_assert_true(memcmp(store_key_secret(one), store_key_secret(two), STORE_KEY_SIZE) != 0);
    guint8 bytes[1000] = {0};
    g_assert_true(random_fill(bytes, sizeof bytes, &error));
    g_assert_true(memcmp(bytes, bytes + 500, 500) != 0);
}

/* The page's derivation, step by step with the primitives. */
static void
test_cipher_format(void)
{
    auto_ptr(store_key) key = store_key_new(secret);
    auto_ptr(store_cipher) cipher = store_cipher_new(key, "PACK", salt);
    guint8 sealed[5 + STORE_TAG_SIZE], expected[5 + STORE_TAG_SIZE], data_key[32], object_key[32];
    const guint8 nonce[GCM_NONCE_SIZE] = {0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01};
    store_cipher_seal(cipher, 0x0102030405060708, "aad", 3, "plain", 5, sealed);

    kdf_hkdf(secret, sizeof secret, NULL, 0, "slipway data", 12, data_key, 32);
    kdf_hkdf(data_key, 32, salt, sizeof salt, "slipway object PACK", 19, object_key, 32);
    auto_ptr(gcm) gcm = gcm_new(object_key);
    gcm_seal(gcm, nonce, "aad", 3, "plain", 5, expected);
    g_assert_cmpmem(sealed, sizeof sealed, expected, sizeof expected);
}

static gboolean
opens(struct store_cipher *cipher, guint64 number, const char *aad, const guint8 *sealed,
      gsize length)
{
    g_autoptr(GError) error = NULL;
    guint8 out[64];
    memset(out, 1, sizeof out);
    if (store_cipher_open(cipher, number, aad, strlen(aad), sealed, length, out, &error))
        return TRUE;
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    for (gsize i = 0; i + STORE_TAG_SIZE < length; i++)
        g_assert_cmpuint(out[i], ==, 0); /* nothing that was not authenticated gets out */
    return FALSE;
}

static void
test_cipher_damage(void)
{
    auto_ptr(store_key) key = store_key_new(secret);
    auto_ptr(store_key) other_key = store_key_generate(NULL);
    auto_ptr(store_cipher) cipher = store_cipher_new(key, "SET ", salt);
    auto_ptr(store_cipher) other_kind = store_cipher_new(key, "PACK", salt);
    auto_ptr(store_cipher) other = store_cipher_new(other_key, "SET ", salt);
    guint8 sealed[20 + STORE_TAG_SIZE];
    store_cipher_seal(cipher, 7, "aad", 3, "twenty bytes of text", 20, sealed);
    g_assert_true(opens(cipher, 7, "aad", sealed, sizeof sealed));
    g_assert_false(opens(cipher, 8, "aad", sealed, sizeof sealed));
    g_assert_false(opens(cipher, 7, "aae", sealed, sizeof sealed));
    g_assert_false(opens(other_kind, 7, "aad", sealed, sizeof sealed));
    g_assert_false(opens(other, 7, "aad", sealed, sizeof sealed));
    for (gsize length = 0; length < sizeof sealed; length++)
        g_assert_false(opens(cipher, 7, "aad", sealed, length));
    for (gsize i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 0x10;
        g_assert_false(opens(cipher, 7, "aad", sealed, sizeof sealed));
        sealed[i] ^= 0x10;
    }
    g_assert_true(opens(cipher, 7, "aad", sealed, sizeof sealed));
}

static void
test_cipher_nothing(void)
{
    auto_ptr(store_key) key = store_key_new(secret);
    auto_ptr(store_cipher) cipher = store_cipher_new(key, "SET ", salt);
    guint8 sealed[STORE_TAG_SIZE];
    store_cipher_seal(cipher, 0, NULL, 0, NULL, 0, sealed);
    g_assert_true(opens(cipher, 0, "", sealed, sizeof sealed));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kdf/hkdf", test_hkdf);
    g_test_add_func("/kdf/scrypt", test_scrypt);
    g_test_add_func("/kdf/cost", test_cost);
    g_test_add_func("/gcm/vectors", test_gcm);
    g_test_add_func("/store-key/derived", test_derived);
    g_test_add_func("/store-key/generate", test_generate);
    g_test_add_func("/store-cipher/format", test_cipher_format);
    g_test_add_func("/store-cipher/damage", test_cipher_damage);
    g_test_add_func("/store-cipher/nothing", test_cipher_nothing);
    return g_test_run();
}
