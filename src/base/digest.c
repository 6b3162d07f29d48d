/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/digest.h"

#include <openssl/evp.h>
#include <string.h>

struct digest {
    EVP_MD_CTX *context;
};

static const struct {
    const char *name;
    const EVP_MD *(*md)(void);
} kinds[DIGEST_N] = {
    [DIGEST_SHA256] = {"sha-256", EVP_sha256},
    [DIGEST_SHA1] = {"sha-1", EVP_sha1},
    [DIGEST_SHA512] = {"sha-512", EVP_sha512},
    [DIGEST_MD5] = {"md5", EVP_md5},
};

struct digest *
digest_new(enum digest_kind kind)
{
    struct digest *digest = g_new0(struct digest, 1);
    digest->context = EVP_MD_CTX_new();
    if (digest->context == NULL || EVP_DigestInit_ex(digest->context, kinds[kind].md(), NULL) != 1)
        g_error("OpenSSL cannot compute %s", kinds[kind].name);
    return digest;
}

void
digest_update(struct digest *digest, const void *data, gsize length)
{
    EVP_DigestUpdate(digest->context, data, length);
}

char *
digest_hex(struct digest *digest)
{
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_DigestFinal_ex(digest->context, value, &length);
    GString *hex = g_string_sized_new(2 * length);
    for (unsigned i = 0; i < length; i++)
        g_string_append_printf(hex, "%02x", value[i]);
    return g_string_free(hex, FALSE);
}

void
digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->context);
    g_free(digest);
}

gboolean
digest_kind_parse(const char *name, enum digest_kind *ret_kind)
{
    g_autofree char *plain = g_ascii_strdown(name, -1);
    for (int kind = 0; kind < DIGEST_N; kind++) {
        g_auto(GStrv) parts = g_strsplit(kinds[kind].name, "-", 2);
        g_autofree char *joined = g_strjoinv("", parts);
        if (strcmp(plain, kinds[kind].name) == 0 || strcmp(plain, joined) == 0) {
            *ret_kind = (enum digest_kind)kind;
            return TRUE;
        }
    }
    return FALSE;
}

const char *
digest_kind_name(enum digest_kind kind)
{
    return kinds[kind].name;
}

char *
digest_hex_of(enum digest_kind kind, const void *data, gsize length)
{
    auto_ptr(digest) digest = digest_new(kind);
    digest_update(digest, data, length);
    return digest_hex(digest);
}
