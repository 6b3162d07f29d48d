/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/seal.h"

#include "base/error.h"
#include "base/little_endian.h"
#include "base/random.h"

#include <openssl/sha.h>
#include <string.h>

#define MAGIC "SLIPSEAL"
#define VERSION 1u
#define HEADER_SIZE 48u
#define DIGEST_SIZE 32u
#define KIND_AT 8u
#define VERSION_AT 12u
#define ENCRYPTED_AT 14u
#define LENGTH_AT 16u
#define SALT_AT 32u

static const struct {
    char code[5];
    gboolean open; /* never encrypted */
    const char *what;
} kinds[SEAL_N] = {
    [SEAL_CONFIG] = {"CONF", TRUE, "the description of a store"},
    [SEAL_KEY] = {"KEY ", TRUE, "a key slot"},
    [SEAL_SET] = {"SET ", FALSE, "a backup set"},
    [SEAL_FLAGS] = {"FLAG", FALSE, "the flags of a backup set"},
    [SEAL_LEASE] = {"LEAS", FALSE, "a lease"},
    [SEAL_DOOMED] = {"DOOM", FALSE, "a list of packs to remove"},
    [SEAL_LOST] = {"LOST", FALSE, "a list of lost chunks"},
    [SEAL_RULE] = {"RULE", FALSE, "the rule of a machine"},
    [SEAL_SCREEN] = {"SCRN", FALSE, "the picture of a screen"},
};

/* A parser of JSON takes many times the memory of its text; this bounds how often, and how deep it
 * recurses, before it sees any of it.  It ends at a zero byte at the latest, and so does this: what
 * follows is no JSON. */
static gboolean
fits(const guint8 *text, gsize length)
{
    guint depth = 0, values = 1;
    gboolean inside = FALSE;
    for (gsize i = 0; i < length && text[i] != '\0'; i++) {
        if (inside && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            inside = !inside;
        else if (inside)
            continue;
        else if (text[i] == ',' && ++values > SEAL_VALUES_MAX)
            return FALSE;
        else if (text[i] == '[' || text[i] == '{') {
            if (++depth > SEAL_DEPTH_MAX || ++values > SEAL_VALUES_MAX)
                return FALSE;
        } else if ((text[i] == ']' || text[i] == '}') && depth > 0)
            depth--;
    }
    return TRUE;
}

static void
put_header(guint8 *header, enum seal_kind kind, gboolean encrypted, gsize length)
{
    memset(header, 0, HEADER_SIZE);
    memcpy(header, MAGIC, strlen(MAGIC));
    memcpy(header + KIND_AT, kinds[kind].code, 4);
    little_endian_put16(header + VERSION_AT, VERSION);
    header[ENCRYPTED_AT] = encrypted ? 1 : 0;
    little_endian_put64(header + LENGTH_AT, length);
}

GBytes *
seal_close(enum seal_kind kind, const struct store_key *key, const void *payload, gsize length,
           GError **error)
{
    gboolean encrypted = key != NULL && !kinds[kind].open;
    if (length > SEAL_PAYLOAD_MAX || !fits(payload, length))
        return error_null(error, SLIPWAY_ERROR_LIMIT,
                          "%s has %" G_GSIZE_FORMAT " bytes; it may have %u, %u values, and be "
                          "nested %u deep",
                          kinds[kind].what, length, SEAL_PAYLOAD_MAX, SEAL_VALUES_MAX,
                          SEAL_DEPTH_MAX);
    gsize stored = length + (encrypted ? STORE_TAG_SIZE : 0);
    gsize size = HEADER_SIZE + stored + DIGEST_SIZE;
    g_autofree guint8 *object = g_malloc(size);
    put_header(object, kind, encrypted, length);
    if (encrypted) {
        if (!random_fill(object + SALT_AT, STORE_SALT_SIZE, error))
            return NULL;
        auto_ptr(store_cipher) cipher = store_cipher_new(key, kinds[kind].code, object + SALT_AT);
        store_cipher_seal(cipher, 0, object, HEADER_SIZE, payload, length, object + HEADER_SIZE);
    } else if (length > 0)
        memcpy(object + HEADER_SIZE, payload, length);
    SHA256(object, size - DIGEST_SIZE, object + size - DIGEST_SIZE);
    return g_bytes_new_take(g_steal_pointer(&object), size);
}

gboolean
seal_check(const char *label, GBytes *object, GError **error)
{
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(object, &size);
    guint8 digest[DIGEST_SIZE];
    if (size < HEADER_SIZE + DIGEST_SIZE || memcmp(data, MAGIC, strlen(MAGIC)) != 0)
        return error_set(
            error, SLIPWAY_ERROR_CORRUPT,
            "%s is damaged: it does not begin like an object of a store, or is cut off", label);
    SHA256(data, size - DIGEST_SIZE, digest);
    if (memcmp(digest, data + size - DIGEST_SIZE, DIGEST_SIZE) != 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s is damaged: its bytes do not have the digest at their end", label);
    return TRUE;
}

/* With its digest right a header is as somebody wrote it, so all that is left is what they meant.
 */
static gboolean
check_header(enum seal_kind kind, const char *label, const guint8 *header, gsize size,
             GError **error)
{
    static const guint8 no_salt[STORE_SALT_SIZE];
    if (little_endian_get16(header + VERSION_AT) > VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s has format version %u, this slipway reads up to %u; use a newer "
                         "slipway",
                         label, little_endian_get16(header + VERSION_AT), VERSION);
    if (memcmp(header + KIND_AT, kinds[kind].code, 4) != 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s is something else than %s", label,
                         kinds[kind].what);
    guint8 encrypted = header[ENCRYPTED_AT];
    guint8 expected[HEADER_SIZE];
    gsize around = HEADER_SIZE + DIGEST_SIZE + (encrypted ? STORE_TAG_SIZE : 0);
    put_header(expected, kind, encrypted, size - around);
    if (size < around || size - around > SEAL_PAYLOAD_MAX || (encrypted && kinds[kind].open) ||
        memcmp(header, expected, SALT_AT) != 0 ||
        (!encrypted && memcmp(header + SALT_AT, no_salt, STORE_SALT_SIZE) != 0))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s has a header that no slipway wrote",
                         label);
    return TRUE;
}

static GBytes *
decrypt(enum seal_kind kind, const struct store_key *key, const char *label, const guint8 *data,
        gsize stored, GError **error)
{
    gsize length = stored - STORE_TAG_SIZE;
    g_autofree guint8 *plain = g_malloc(length + 1); /* never NULL, which GBytes has for nothing */
    auto_ptr(store_cipher) cipher = store_cipher_new(key, kinds[kind].code, data + SALT_AT);
    if (!store_cipher_open(cipher, 0, data, HEADER_SIZE, data + HEADER_SIZE, stored, plain, NULL))
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s is not encrypted with the key of this store: it was put there by "
                          "somebody else, or changed on purpose",
                          label);
    return g_bytes_new_take(g_steal_pointer(&plain), length);
}

GBytes *
seal_open(enum seal_kind kind, const struct store_key *key, const char *label, GBytes *object,
          GError **error)
{
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(object, &size);
    if (!seal_check(label, object, error) || !check_header(kind, label, data, size, error))
        return NULL;
    gboolean encrypted = data[ENCRYPTED_AT] != 0;
    if (encrypted && key == NULL)
        return error_null(error, SLIPWAY_ERROR_DENIED, "%s is encrypted; give the key of its store",
                          label);
    /* Whoever has no key must not pass off an object of their own for one of an encrypted store. */
    if (!encrypted && key != NULL && !kinds[kind].open)
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s is not encrypted, but its store is: somebody else put it there",
                          label);
    gsize stored = size - HEADER_SIZE - DIGEST_SIZE;
    g_autoptr(GBytes) payload = encrypted ? decrypt(kind, key, label, data, stored, error)
                                          : g_bytes_new_from_bytes(object, HEADER_SIZE, stored);
    if (payload != NULL && !fits(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload)))
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s is nested more than %u deep, or has more than %u values", label,
                          SEAL_DEPTH_MAX, SEAL_VALUES_MAX);
    return g_steal_pointer(&payload);
}
