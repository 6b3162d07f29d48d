/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/chunk.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* Fetching an algorithm takes longer than hashing a small chunk, so it happens once a hasher. */
struct chunk_hasher {
    EVP_MD *md;
    EVP_MD_CTX *plain;
    EVP_MAC_CTX *keyed; /* in an encrypted store */
};

char *
chunk_id_format(const struct chunk_id *id, char ret[CHUNK_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    for (guint i = 0; i < CHUNK_ID_SIZE; i++) {
        ret[2 * i] = digits[id->bytes[i] >> 4];
        ret[2 * i + 1] = digits[id->bytes[i] & 15];
    }
    ret[CHUNK_ID_TEXT - 1] = '\0';
    return ret;
}

/* Lower case only: a name has one spelling. */
static int
digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

gboolean
chunk_id_parse(const char *text, struct chunk_id *ret)
{
    struct chunk_id id;
    if (strnlen(text, CHUNK_ID_TEXT) != CHUNK_ID_TEXT - 1)
        return FALSE;
    for (guint i = 0; i < CHUNK_ID_SIZE; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return FALSE;
        id.bytes[i] = (guint8)(high << 4 | low);
    }
    *ret = id;
    return TRUE;
}

guint
chunk_id_hash(gconstpointer id)
{
    return (guint)chunk_id_fingerprint(id);
}

gboolean
chunk_id_equal_func(gconstpointer left, gconstpointer right)
{
    return chunk_id_equal(left, right);
}

static EVP_MAC_CTX *
new_keyed(const guint8 *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    if (context == NULL || EVP_MAC_init(context, key, CHUNK_ID_SIZE, parameters) != 1)
        g_error("OpenSSL cannot compute HMAC-SHA-256");
    return context;
}

struct chunk_hasher *
chunk_hasher_new(const guint8 *key)
{
    struct chunk_hasher *hasher = g_new0(struct chunk_hasher, 1);
    if (key != NULL) {
        hasher->keyed = new_keyed(key);
        return hasher;
    }
    hasher->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->plain = EVP_MD_CTX_new();
    if (hasher->md == NULL || hasher->plain == NULL)
        g_error("OpenSSL cannot compute SHA-256");
    return hasher;
}

/* None of these calls can fail once the contexts exist; if one did, going on would name a chunk
 * wrongly. */
static gboolean
hash_plain(struct chunk_hasher *hasher, const void *data, gsize length, struct chunk_id *ret)
{
    return EVP_DigestInit_ex2(hasher->plain, hasher->md, NULL) == 1 &&
           EVP_DigestUpdate(hasher->plain, data, length) == 1 &&
           EVP_DigestFinal_ex(hasher->plain, ret->bytes, NULL) == 1;
}

/* Without a key the context starts again with the one it has. */
static gboolean
hash_keyed(struct chunk_hasher *hasher, const void *data, gsize length, struct chunk_id *ret)
{
    gsize written;
    return EVP_MAC_init(hasher->keyed, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(hasher->keyed, data, length) == 1 &&
           EVP_MAC_final(hasher->keyed, ret->bytes, &written, sizeof ret->bytes) == 1;
}

void
chunk_hasher_run(struct chunk_hasher *hasher, const void *data, gsize length, struct chunk_id *ret)
{
    gboolean ok = hasher->keyed != NULL ? hash_keyed(hasher, data, length, ret)
                                        : hash_plain(hasher, data, length, ret);
    if (!ok)
        g_error("OpenSSL failed to hash a chunk");
}

void
chunk_hasher_free(struct chunk_hasher *hasher)
{
    if (hasher == NULL)
        return;
    EVP_MAC_CTX_free(hasher->keyed);
    EVP_MD_CTX_free(hasher->plain);
    EVP_MD_free(hasher->md);
    g_free(hasher);
}
