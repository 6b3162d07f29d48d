/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store_key.h"

#include "base/error.h"
#include "store/gcm.h"
#include "store/kdf.h"
#include "store/store_key_private.h"

#include <openssl/crypto.h>
#include <string.h>

#define INFO "slipway object "
#define KIND_SIZE 4u

G_STATIC_ASSERT(STORE_KEY_SIZE == GCM_KEY_SIZE && STORE_TAG_SIZE == GCM_TAG_SIZE);

struct store_cipher {
    struct gcm *gcm;
};

struct store_cipher *
store_cipher_new(const struct store_key *key, const char kind[4],
                 const guint8 salt[STORE_SALT_SIZE])
{
    guint8 info[sizeof INFO - 1 + KIND_SIZE], object_key[GCM_KEY_SIZE];
    memcpy(info, INFO, sizeof INFO - 1);
    memcpy(info + sizeof INFO - 1, kind, KIND_SIZE);
    kdf_hkdf(store_key_data_key(key), STORE_KEY_SIZE, salt, STORE_SALT_SIZE, info, sizeof info,
             object_key, sizeof object_key);
    struct store_cipher *cipher = g_new0(struct store_cipher, 1);
    cipher->gcm = gcm_new(object_key);
    OPENSSL_cleanse(object_key, sizeof object_key);
    return cipher;
}

void
store_cipher_free(struct store_cipher *cipher)
{
    if (cipher == NULL)
        return;
    gcm_free(cipher->gcm);
    g_free(cipher);
}

static void
make_nonce(guint64 number, guint8 nonce[GCM_NONCE_SIZE])
{
    guint64 little = GUINT64_TO_LE(number);
    memset(nonce, 0, GCM_NONCE_SIZE);
    memcpy(nonce, &little, sizeof little);
}

void
store_cipher_seal(struct store_cipher *cipher, guint64 number, const void *aad, gsize aad_length,
                  const void *plain, gsize length, guint8 *out)
{
    guint8 nonce[GCM_NONCE_SIZE];
    make_nonce(number, nonce);
    gcm_seal(cipher->gcm, nonce, aad, aad_length, plain, length, out);
}

gboolean
store_cipher_open(struct store_cipher *cipher, guint64 number, const void *aad, gsize aad_length,
                  const void *sealed, gsize length, guint8 *out, GError **error)
{
    guint8 nonce[GCM_NONCE_SIZE];
    make_nonce(number, nonce);
    if (!gcm_open(cipher->gcm, nonce, aad, aad_length, sealed, length, out))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "part %" G_GUINT64_FORMAT " was changed, or encrypted with another key",
                         number);
    return TRUE;
}
