/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/chap.h"

#include "base/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

/* The strongest first. */
static const struct row {
    enum chap_hash hash;
    const char *number, *name, *openssl;
    gsize size;
} rows[] = {
    {CHAP_SHA3_256, "8", "SHA3-256", "SHA3-256", 32},
    {CHAP_SHA256, "7", "SHA256", "SHA256", 32},
    {CHAP_SHA1, "6", "SHA1", "SHA1", 20},
    {CHAP_MD5, "5", "MD5", "MD5", 16},
};

static const struct row *
row_of(enum chap_hash hash)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].hash == hash)
            return &rows[i];
    }
    g_assert_not_reached();
}

enum chap_hash
chap_choose(const char *list)
{
    g_auto(GStrv) offered = g_strsplit(list, ",", 32);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (g_strv_contains((const char *const *)offered, rows[i].number))
            return rows[i].hash;
    }
    return CHAP_NONE;
}

const char *
chap_hash_name(enum chap_hash hash)
{
    return row_of(hash)->name;
}

gsize
chap_hash_size(enum chap_hash hash)
{
    return row_of(hash)->size;
}

/* Without random bytes nobody may log in, and nothing else is left to do. */
static void
fill_random(void *to, gsize length)
{
    if (!random_fill(to, length, NULL))
        g_error("the kernel gives no random bytes");
}

void
chap_challenge_make(struct chap_challenge *challenge)
{
    fill_random(&challenge->identifier, 1);
    challenge->length = CHAP_CHALLENGE_SIZE;
    fill_random(challenge->bytes, CHAP_CHALLENGE_SIZE);
}

gboolean
chap_challenge_equal(const struct chap_challenge *a, const struct chap_challenge *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* These calls fail without memory, or without the algorithm: a policy that forbids MD5. */
static gboolean
compute(const struct row *row, const struct chap_challenge *challenge, const char *secret,
        guint8 *ret)
{
    EVP_MD *hash = EVP_MD_fetch(NULL, row->openssl, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    gboolean ok = hash != NULL && context != NULL && EVP_DigestInit_ex(context, hash, NULL) == 1 &&
                  EVP_DigestUpdate(context, &challenge->identifier, 1) == 1 &&
                  EVP_DigestUpdate(context, secret, strlen(secret)) == 1 &&
                  EVP_DigestUpdate(context, challenge->bytes, challenge->length) == 1 &&
                  EVP_DigestFinal_ex(context, ret, NULL) == 1;
    EVP_MD_CTX_free(context);
    EVP_MD_free(hash);
    return ok;
}

void
chap_answer(enum chap_hash hash, const struct chap_challenge *challenge, const char *secret,
            guint8 ret[CHAP_HASH_MAX])
{
    memset(ret, 0, CHAP_HASH_MAX);
    /* Without the algorithm: nothing that anybody could make use of. */
    if (!compute(row_of(hash), challenge, secret, ret))
        fill_random(ret, CHAP_HASH_MAX);
}

gboolean
chap_check(enum chap_hash hash, const struct chap_challenge *challenge, const char *secret,
           const void *answer, gsize length)
{
    const struct row *row = row_of(hash);
    guint8 right[CHAP_HASH_MAX];
    gboolean ok = compute(row, challenge, secret != NULL ? secret : "nobody's secret", right);
    ok = ok && length == row->size && CRYPTO_memcmp(right, answer, row->size) == 0;
    OPENSSL_cleanse(right, sizeof right);
    return ok && secret != NULL;
}

char *
chap_make_secret(guint length)
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    const guint n = sizeof letters - 1;
    char *secret = g_malloc(length + 1);
    for (guint i = 0; i < length;) {
        guint8 byte = 0;
        fill_random(&byte, 1);
        /* The rest would make some letters likelier. */
        if (byte < 256 / n * n)
            secret[i++] = letters[byte % n];
    }
    secret[length] = '\0';
    return secret;
}
