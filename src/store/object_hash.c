/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/object_hash.h"

#include <openssl/evp.h>
#include <string.h>

struct object_hash {
    EVP_MD_CTX *context;
};

struct object_hash *
object_hash_new(void)
{
    struct object_hash *hash = g_new0(struct object_hash, 1);
    hash->context = EVP_MD_CTX_new();
    if (hash->context == NULL || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1)
        g_error("OpenSSL cannot compute SHA-256");
    return hash;
}

void
object_hash_update(struct object_hash *hash, const void *data, gsize length)
{
    EVP_DigestUpdate(hash->context, data, length);
}

void
object_hash_finish(struct object_hash *hash, guint8 ret[OBJECT_HASH_SIZE])
{
    EVP_DigestFinal_ex(hash->context, ret, NULL);
}

void
object_hash_free(struct object_hash *hash)
{
    if (hash == NULL)
        return;
    EVP_MD_CTX_free(hash->context);
    g_free(hash);
}

char *
object_hash_format(const guint8 bytes[OBJECT_HASH_SIZE], char ret[OBJECT_HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    for (guint i = 0; i < OBJECT_HASH_SIZE; i++) {
        ret[2 * i] = digits[bytes[i] >> 4];
        ret[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret[2 * OBJECT_HASH_SIZE] = '\0';
    return ret;
}

gboolean
object_hash_parse(const char *text, guint8 ret[OBJECT_HASH_SIZE])
{
    if (strspn(text, "0123456789abcdef") != 2 * OBJECT_HASH_SIZE ||
        text[2 * OBJECT_HASH_SIZE] != '\0')
        return FALSE;
    for (guint i = 0; i < OBJECT_HASH_SIZE; i++)
        ret[i] = (guint8)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                          g_ascii_xdigit_value(text[2 * i + 1]));
    return TRUE;
}
