/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store_key.h"

#include "base/error.h"
#include "base/random.h"
#include "store/kdf.h"
#include "store/store_key_private.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

struct store_key {
    guint8 secret[STORE_KEY_SIZE];
    guint8 id_key[STORE_KEY_SIZE];
    guint8 data_key[STORE_KEY_SIZE];
    guint64 chunker_seed;
};

static void
derive(const struct store_key *key, const char *info, void *out, gsize length)
{
    kdf_hkdf(key->secret, sizeof key->secret, NULL, 0, info, strlen(info), out, length);
}

struct store_key *
store_key_new(const guint8 secret[STORE_KEY_SIZE])
{
    struct store_key *key = g_new0(struct store_key, 1);
    memcpy(key->secret, secret, STORE_KEY_SIZE);
    derive(key, "slipway id", key->id_key, sizeof key->id_key);
    derive(key, "slipway data", key->data_key, sizeof key->data_key);
    derive(key, "slipway chunker", &key->chunker_seed, sizeof key->chunker_seed);
    key->chunker_seed = GUINT64_FROM_LE(key->chunker_seed);
    return key;
}

struct store_key *
store_key_generate(GError **error)
{
    guint8 secret[STORE_KEY_SIZE];
    if (!random_fill(secret, sizeof secret, error))
        return NULL;
    struct store_key *key = store_key_new(secret);
    OPENSSL_cleanse(secret, sizeof secret);
    return key;
}

void
store_key_free(struct store_key *key)
{
    if (key == NULL)
        return;
    OPENSSL_cleanse(key, sizeof *key);
    g_free(key);
}

const guint8 *
store_key_secret(const struct store_key *key)
{
    return key->secret;
}

const guint8 *
store_key_id_key(const struct store_key *key)
{
    return key != NULL ? key->id_key : NULL;
}

const guint8 *
store_key_data_key(const struct store_key *key)
{
    return key->data_key;
}

guint64
store_key_chunker_seed(const struct store_key *key)
{
    return key != NULL ? key->chunker_seed : 0;
}
