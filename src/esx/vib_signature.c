/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_signature.h"

#include "base/error.h"
#include "esx/certificate_chain.h"
#include "esx/trust_store.h"
#include "esx/vib_file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <string.h>

/* A digest is computed over the whole descriptor once for each of these. */
#define DIGESTS_MAX 8
#define READ_BUFFER 16384

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PKCS7, PKCS7_free)

struct checking {
    const struct trust_store *store;
    GBytes *descriptor;
    const char *label;
    enum acceptance claimed;
    struct signature_result *result;
};

void
signature_result_clear(struct signature_result *result)
{
    g_clear_pointer(&result->signer, g_free);
    g_clear_pointer(&result->anchor, g_free);
    *result = (struct signature_result){0};
}

static gboolean
needs_trust(const struct checking *checking)
{
    return checking->claimed > ACCEPTANCE_COMMUNITY;
}

static gboolean
check_unsigned(const struct checking *checking, GError **error)
{
    if (!needs_trust(checking))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_SIGNATURE,
                     "%s: no trusted signer: it claims to be %s but is not signed; get it again "
                     "from its vendor",
                     checking->label, acceptance_title(checking->claimed));
}

static int
no_password(char *buffer G_GNUC_UNUSED, int size G_GNUC_UNUSED, int writing G_GNUC_UNUSED,
            void *data G_GNUC_UNUSED)
{
    return -1; /* never ask at the terminal */
}

static PKCS7 *
decode(const char *data, gsize length)
{
    if (length > 0 && (unsigned char)data[0] == 0x30) {
        const unsigned char *der = (const unsigned char *)data;
        PKCS7 *pkcs7 = d2i_PKCS7(NULL, &der, (long)length);
        if (pkcs7 != NULL && der == (const unsigned char *)data + length)
            return pkcs7;
        PKCS7_free(pkcs7);
        return NULL;
    }
    g_autoptr(BIO) bio = BIO_new_mem_buf(data, (int)length);
    return PEM_read_bio_PKCS7(bio, NULL, no_password, NULL);
}

static gboolean
is_signed_data(PKCS7 *pkcs7)
{
    return PKCS7_type_is_signed(pkcs7) && pkcs7->d.sign != NULL &&
           pkcs7->d.sign->contents != NULL && PKCS7_type_is_data(pkcs7->d.sign->contents) &&
           sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(pkcs7)) > 0;
}

static PKCS7 *
read_pkcs7(const struct checking *checking, GBytes *signature, GError **error)
{
    gsize length;
    const char *data = g_bytes_get_data(signature, &length);
    if (length > VIB_SIGNATURE_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "%s: its signature is larger than %u bytes",
                          checking->label, VIB_SIGNATURE_MAX);
    g_autoptr(PKCS7) pkcs7 = decode(data, length);
    if (pkcs7 == NULL || !is_signed_data(pkcs7))
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: its sig.pkcs7 is no PKCS#7 signature; get the package again",
                          checking->label);
    if (sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(pkcs7)) > VIB_SIGNATURE_SIGNERS_MAX ||
        sk_X509_num(pkcs7->d.sign->cert) > VIB_SIGNATURE_CERTIFICATES_MAX ||
        sk_X509_ALGOR_num(pkcs7->d.sign->md_algs) > DIGESTS_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT,
                          "%s: its signature has more than %d signers, %d digests or %d "
                          "certificates",
                          checking->label, VIB_SIGNATURE_SIGNERS_MAX, DIGESTS_MAX,
                          VIB_SIGNATURE_CERTIFICATES_MAX);
    return g_steal_pointer(&pkcs7);
}

/* A signature may carry what it signs; then that must be the descriptor beside it. */
static gboolean
check_content(const struct checking *checking, PKCS7 *pkcs7, GError **error)
{
    if (PKCS7_get_detached(pkcs7))
        return TRUE;
    const ASN1_OCTET_STRING *content = pkcs7->d.sign->contents->d.data;
    gsize length;
    const void *data = g_bytes_get_data(checking->descriptor, &length);
    if ((gsize)ASN1_STRING_length(content) == length &&
        (length == 0 || memcmp(ASN1_STRING_get0_data(content), data, length) == 0))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_SIGNATURE,
                     "%s: the text inside its signature is not its descriptor; get the package "
                     "again",
                     checking->label);
}

/* SHA-1 can be made to collide, so a signature over it says nothing any more. */
static gboolean
check_digests(const struct checking *checking, PKCS7 *pkcs7, GError **error)
{
    static const int strong[] = {NID_sha256, NID_sha384, NID_sha512};
    STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(pkcs7);
    for (int i = 0; i < sk_PKCS7_SIGNER_INFO_num(infos); i++) {
        X509_ALGOR *algorithm = sk_PKCS7_SIGNER_INFO_value(infos, i)->digest_alg;
        int nid = OBJ_obj2nid(algorithm->algorithm);
        gboolean good = FALSE;
        for (gsize k = 0; k < G_N_ELEMENTS(strong); k++)
            good = good || nid == strong[k];
        if (!good)
            return error_set(error, SLIPWAY_ERROR_SIGNATURE,
                             "%s: it is signed with the digest %s, which is too weak to be trusted "
                             "(sha-256 or better is needed); ask its vendor for a new signature",
                             checking->label, nid == NID_undef ? "(unknown)" : OBJ_nid2ln(nid));
    }
    return TRUE;
}

/* Why it failed: the first, innermost reason of OpenSSL's queue, which is empty
 * afterwards. */
static int
failure_reason(void)
{
    unsigned long code;
    int reason = 0;
    while ((code = ERR_get_error()) != 0)
        if (reason == 0 && ERR_GET_LIB(code) == ERR_LIB_PKCS7)
            reason = ERR_GET_REASON(code);
    return reason;
}

static gboolean
refuse_signature(const struct checking *checking, GError **error)
{
    static const struct {
        int reason;
        const char *text;
    } words[] = {
        {PKCS7_R_DIGEST_FAILURE, "the descriptor was changed after it was signed"},
        {PKCS7_R_SIGNATURE_FAILURE,
         "the descriptor was changed after it was signed, or the signature is damaged"},
        {PKCS7_R_SIGNER_CERTIFICATE_NOT_FOUND,
         "no trusted signer: the signer's certificate is not in the signature"},
    };
    int reason = failure_reason();
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (words[i].reason == reason)
            return error_set(error, SLIPWAY_ERROR_SIGNATURE, "%s: %s; get the package again",
                             checking->label, words[i].text);
    return error_set(error, SLIPWAY_ERROR_SIGNATURE,
                     "%s: its signature cannot be checked, it is damaged; get the package again",
                     checking->label);
}

/* Push the descriptor through the digests of `chain`, then hold each signature against them. */
static gboolean
verify_signers(PKCS7 *pkcs7, STACK_OF(X509) * signers, BIO *chain)
{
    char buffer[READ_BUFFER];
    int got;
    do
        got = BIO_read(chain, buffer, sizeof buffer);
    while (got > 0);
    STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(pkcs7);
    for (int i = 0; i < sk_PKCS7_SIGNER_INFO_num(infos); i++)
        if (PKCS7_signatureVerify(chain, pkcs7, sk_PKCS7_SIGNER_INFO_value(infos, i),
                                  sk_X509_value(signers, i)) != 1)
            return FALSE;
    return got == 0;
}

/* That every signer signed exactly these bytes; not yet who they are.  Not PKCS7_verify(), which
 * loses memory when the digests of a damaged signature cannot be set up. */
static gboolean
check_bytes(const struct checking *checking, PKCS7 *pkcs7, STACK_OF(X509) * signers, GError **error)
{
    gsize length;
    const void *data = g_bytes_get_data(checking->descriptor, &length);
    if (length > VIB_DESCRIPTOR_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: its descriptor is larger than %u bytes",
                         checking->label, VIB_DESCRIPTOR_MAX);
    g_autoptr(BIO) bio = BIO_new_mem_buf(length > 0 ? data : "", (int)length);
    BIO *chain = PKCS7_dataInit(pkcs7, bio);
    if (chain == NULL)
        return refuse_signature(checking, error);
    g_steal_pointer(&bio); /* the last link of the chain now */
    gboolean ok = verify_signers(pkcs7, signers, chain);
    BIO_free_all(chain);
    return ok || refuse_signature(checking, error);
}

/* The best level that any signer is good for; *ret_error says why there is none. */
static void
judge_signers(const struct checking *checking, PKCS7 *pkcs7, STACK_OF(X509) * signers,
              GError **ret_error)
{
    struct signature_result *result = checking->result;
    for (int i = 0; i < sk_X509_num(signers); i++) {
        X509 *signer = sk_X509_value(signers, i);
        g_autofree char *anchor = NULL;
        enum acceptance level =
            certificate_chain_level(checking->store, signer, pkcs7->d.sign->cert, &anchor,
                                    result->level == ACCEPTANCE_NONE ? ret_error : NULL);
        if (i > 0 && level <= result->level)
            continue;
        g_free(result->signer);
        result->signer = certificate_subject(signer);
        g_free(result->anchor);
        result->anchor = g_steal_pointer(&anchor);
        result->level = level;
    }
    if (result->level != ACCEPTANCE_NONE)
        g_clear_error(ret_error);
}

static gboolean
check_level(const struct checking *checking, GError *reason, GError **error)
{
    const struct signature_result *result = checking->result;
    if (!needs_trust(checking) || result->level >= checking->claimed)
        return TRUE;
    if (result->level == ACCEPTANCE_NONE)
        return error_set(error, SLIPWAY_ERROR_SIGNATURE, "%s: no trusted signer: %s",
                         checking->label, reason->message);
    return error_set(error, SLIPWAY_ERROR_SIGNATURE,
                     "%s: no trusted signer for %s: %s is only good for %s", checking->label,
                     acceptance_title(checking->claimed), result->signer,
                     acceptance_title(result->level));
}

static gboolean
check_signers(const struct checking *checking, PKCS7 *pkcs7, STACK_OF(X509) * anchors,
              GError **error)
{
    STACK_OF(X509) *signers = PKCS7_get0_signers(pkcs7, anchors, 0); /* in the order of the infos */
    if (signers == NULL)
        return refuse_signature(checking, error);
    g_autoptr(GError) reason = NULL;
    gboolean ok = check_bytes(checking, pkcs7, signers, error);
    if (ok)
        judge_signers(checking, pkcs7, signers, &reason);
    sk_X509_free(signers);
    return ok && check_level(checking, reason, error);
}

static gboolean
check_signed(const struct checking *checking, GBytes *signature, GError **error)
{
    g_autoptr(PKCS7) pkcs7 = read_pkcs7(checking, signature, error);
    if (pkcs7 == NULL || !check_content(checking, pkcs7, error))
        return FALSE;
    if (needs_trust(checking) && !check_digests(checking, pkcs7, error))
        return FALSE;
    STACK_OF(X509) *anchors = trust_store_certificates(checking->store, NULL);
    gboolean ok = check_signers(checking, pkcs7, anchors, error);
    sk_X509_pop_free(anchors, X509_free);
    return ok;
}

gboolean
vib_signature_check(const struct trust_store *store, GBytes *descriptor, GBytes *signature,
                    enum acceptance claimed, const char *label, struct signature_result *ret_result,
                    GError **error)
{
    struct signature_result result = {0};
    struct checking checking = {store, descriptor, label, claimed, &result};
    result.is_signed = signature != NULL && g_bytes_get_size(signature) > 0;
    ERR_clear_error();
    gboolean ok = result.is_signed ? check_signed(&checking, signature, error)
                                   : check_unsigned(&checking, error);
    ERR_clear_error();
    if (ret_result != NULL)
        *ret_result = result;
    else
        signature_result_clear(&result);
    return ok;
}
