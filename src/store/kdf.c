/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/kdf.h"

#include "base/error.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#define N_MAX (1u << 20)
#define R_MAX 16u
#define P_MAX 4u
/* n * r * p of 1 GiB, in units of scrypt's 128 bytes. */
#define WORK_MAX (1u << 23)
/* What OpenSSL wants above 128 * n * r bytes. */
#define MEMORY_SLACK (1u << 20)

/* OpenSSL's parameters are not const, and NULL is no octet string of its. */
static OSSL_PARAM
octets(const char *name, const void *data, gsize length)
{
    return OSSL_PARAM_construct_octet_string(name, length > 0 ? (void *)data : (void *)"", length);
}

static gboolean
derive(const char *algorithm, const OSSL_PARAM *params, guint8 *out, gsize length)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, algorithm, NULL);
    EVP_KDF_CTX *context = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    gboolean ok = context != NULL && EVP_KDF_derive(context, out, length, params) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return ok;
}

/* It fails only without memory or with a crippled libcrypto; there is no going on then. */
void
kdf_hkdf(const void *secret, gsize secret_length, const void *salt, gsize salt_length,
         const void *info, gsize info_length, guint8 *out, gsize length)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[5], *next = params;
    *next++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    *next++ = octets(OSSL_KDF_PARAM_KEY, secret, secret_length);
    *next++ = octets(OSSL_KDF_PARAM_INFO, info, info_length);
    if (salt_length > 0)
        *next++ = octets(OSSL_KDF_PARAM_SALT, salt, salt_length);
    *next = OSSL_PARAM_construct_end();
    if (!derive("HKDF", params, out, length))
        g_error("libcrypto cannot compute HKDF-SHA256");
}

gboolean
kdf_cost_valid(const struct kdf_cost *cost)
{
    return cost->n >= 2 && cost->n <= N_MAX && (cost->n & (cost->n - 1)) == 0 && cost->r >= 1 &&
           cost->r <= R_MAX && cost->p >= 1 && cost->p <= P_MAX &&
           cost->n * cost->r * cost->p <= WORK_MAX;
}

gboolean
kdf_scrypt(const void *secret, gsize secret_length, const void *salt, gsize salt_length,
           const struct kdf_cost *cost, guint8 *out, gsize length, GError **error)
{
    uint64_t n = cost->n;
    uint32_t r = cost->r, p = cost->p;
    uint64_t memory = 128 * (n + p) * r + MEMORY_SLACK;
    OSSL_PARAM params[] = {
        octets(OSSL_KDF_PARAM_PASSWORD, secret, secret_length),
        octets(OSSL_KDF_PARAM_SALT, salt, salt_length),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
        OSSL_PARAM_construct_end(),
    };
    if (!derive("SCRYPT", params, out, length))
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "cannot make a key of the passphrase: it takes %" G_GUINT64_FORMAT
                         " MiB of memory",
                         (guint64)memory >> 20);
    return TRUE;
}
