/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/gcm.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

/* OpenSSL counts in int. */
#define LENGTH_MAX (1u << 30)

struct gcm {
    guint8 key[GCM_KEY_SIZE];
    /* One for each direction, made when first needed; the key schedule is kept between messages. */
    EVP_CIPHER_CTX *encrypt, *decrypt;
};

/* Looking an algorithm up takes longer than encrypting a small message, so it is done once. */
static EVP_CIPHER *
cipher(void)
{
    static gsize fetched = 0;
    if (g_once_init_enter(&fetched)) {
        EVP_CIPHER *found = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
        if (found == NULL)
            g_error("libcrypto has no AES-256-GCM");
        g_once_init_leave(&fetched, (gsize)found);
    }
    return (EVP_CIPHER *)fetched;
}

/* Each of these calls fails only without memory. */
static void
must(int result)
{
    if (result != 1)
        g_error("libcrypto cannot compute AES-256-GCM");
}

struct gcm *
gcm_new(const guint8 key[GCM_KEY_SIZE])
{
    struct gcm *gcm = g_new0(struct gcm, 1);
    memcpy(gcm->key, key, GCM_KEY_SIZE);
    return gcm;
}

void
gcm_free(struct gcm *gcm)
{
    if (gcm == NULL)
        return;
    EVP_CIPHER_CTX_free(gcm->encrypt);
    EVP_CIPHER_CTX_free(gcm->decrypt);
    OPENSSL_cleanse(gcm, sizeof *gcm);
    g_free(gcm);
}

static void
begin(struct gcm *gcm, EVP_CIPHER_CTX **context, int encrypt, const guint8 *nonce)
{
    gboolean first = *context == NULL;
    if (first && (*context = EVP_CIPHER_CTX_new()) == NULL)
        must(0);
    must(EVP_CipherInit_ex2(*context, first ? cipher() : NULL, first ? gcm->key : NULL, nonce,
                            encrypt, NULL));
}

static void
update(EVP_CIPHER_CTX *context, guint8 *out, const void *data, gsize length)
{
    int written = 0;
    g_assert(length <= LENGTH_MAX);
    if (length > 0)
        must(EVP_CipherUpdate(context, out, &written, data, (int)length));
}

void
gcm_seal(struct gcm *gcm, const guint8 nonce[GCM_NONCE_SIZE], const void *aad, gsize aad_length,
         const void *plain, gsize length, guint8 *out)
{
    int written = 0;
    begin(gcm, &gcm->encrypt, 1, nonce);
    update(gcm->encrypt, NULL, aad, aad_length);
    update(gcm->encrypt, out, plain, length);
    must(EVP_CipherFinal_ex(gcm->encrypt, out + length, &written));
    must(EVP_CIPHER_CTX_ctrl(gcm->encrypt, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_SIZE, out + length));
}

gboolean
gcm_open(struct gcm *gcm, const guint8 nonce[GCM_NONCE_SIZE], const void *aad, gsize aad_length,
         const void *sealed, gsize length, guint8 *out)
{
    if (length < GCM_TAG_SIZE)
        return FALSE;
    gsize plain_length = length - GCM_TAG_SIZE;
    guint8 tag[GCM_TAG_SIZE], nothing[GCM_TAG_SIZE];
    int written = 0;
    memcpy(tag, (const guint8 *)sealed + plain_length, sizeof tag);
    begin(gcm, &gcm->decrypt, 0, nonce);
    update(gcm->decrypt, NULL, aad, aad_length);
    update(gcm->decrypt, out, sealed, plain_length);
    must(EVP_CIPHER_CTX_ctrl(gcm->decrypt, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_SIZE, tag));
    if (EVP_CipherFinal_ex(gcm->decrypt, nothing, &written) == 1)
        return TRUE;
    /* What was decrypted is somebody else's words. */
    if (plain_length > 0)
        OPENSSL_cleanse(out, plain_length);
    return FALSE;
}
