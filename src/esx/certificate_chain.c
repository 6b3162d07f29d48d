/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/certificate_chain.h"

#include "base/error.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define SUBJECT_SHOWN_MAX 256
/* 80 bits is what RSA with 1024 bits is rated at; less can be factored at home. */
#define KEY_SECURITY_BITS_MIN 80

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE_CTX, X509_STORE_CTX_free)

static char *
name_text(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~(unsigned long)XN_FLAG_SPC_EQ);
    char *data = NULL;
    long length = BIO_get_mem_data(bio, &data);
    char *text = g_strndup(data, (gsize)CLAMP(length, 0, SUBJECT_SHOWN_MAX));
    BIO_free(bio);
    return text;
}

char *
certificate_subject(X509 *certificate)
{
    return name_text(X509_get_subject_name(certificate));
}

static gboolean
entries_contain(X509 *certificate, int nid, const char *word)
{
    const X509_NAME *name = X509_get_subject_name(certificate);
    int index = -1;
    while ((index = X509_NAME_get_index_by_NID(name, nid, index)) >= 0) {
        unsigned char *text = NULL;
        int length =
            ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
        if (length < 0)
            continue;
        g_autofree char *copy = g_strndup((const char *)text, (gsize)length);
        g_autofree char *lower = g_ascii_strdown(copy, -1);
        OPENSSL_free(text);
        if (g_strstr_len(lower, -1, word) != NULL)
            return TRUE;
    }
    return FALSE;
}

static gboolean
says(X509 *certificate, const char *word)
{
    return entries_contain(certificate, NID_commonName, word) ||
           entries_contain(certificate, NID_organizationalUnitName, word);
}

/* What separates accepted from partner below the vendor's root is not documented.  The certificate
 * nearest to the signer that says either word decides; when none does, both are good. */
static enum acceptance
level_below(STACK_OF(X509) * chain, int anchor_index, enum acceptance level)
{
    for (int i = 0; i < anchor_index; i++) {
        X509 *certificate = sk_X509_value(chain, i);
        if (says(certificate, "accept"))
            return MIN(level, ACCEPTANCE_ACCEPTED);
        if (says(certificate, "partner"))
            return MIN(level, ACCEPTANCE_PARTNER);
    }
    return level;
}

/* The signatures inside certificates: the vendor's authority dates from 2008, so SHA-1 must pass
 * there (it issues nothing that an attacker could choose), MD5 and older must not. */
static gboolean
certificate_is_weak(X509 *certificate, gboolean is_anchor)
{
    static const int broken[] = {NID_md2, NID_md4, NID_md5, NID_mdc2};
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (key == NULL || EVP_PKEY_get_security_bits(key) < KEY_SECURITY_BITS_MIN)
        return TRUE;
    int digest = NID_undef;
    if (is_anchor || X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) != 1)
        return !is_anchor;
    for (gsize i = 0; i < G_N_ELEMENTS(broken); i++)
        if (digest == broken[i])
            return TRUE;
    return FALSE;
}

/* The best anchor on a chain whose every link was verified.  Not only its last certificate: a
 * file of the user may trust one in the middle. */
static enum acceptance
best_anchor(const struct trust_store *store, STACK_OF(X509) * chain, char **ret_anchor,
            GError **error)
{
    enum acceptance best = ACCEPTANCE_NONE;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *certificate = sk_X509_value(chain, i);
        const struct trust_anchor *anchor = trust_store_find(store, certificate);
        if (certificate_is_weak(certificate, anchor != NULL)) {
            g_autofree char *subject = certificate_subject(certificate);
            error_set(error, SLIPWAY_ERROR_SIGNATURE,
                      "the certificate %s has a key or digest that is too weak to be trusted",
                      subject);
            return best;
        }
        if (anchor == NULL)
            continue;
        enum acceptance level =
            anchor->level_by_chain ? level_below(chain, i, anchor->level) : anchor->level;
        if (level <= best)
            continue;
        best = level;
        g_free(*ret_anchor);
        *ret_anchor = certificate_subject(certificate);
    }
    if (best == ACCEPTANCE_NONE)
        error_set(error, SLIPWAY_ERROR_SIGNATURE, "no certificate of its chain is trusted");
    return best;
}

static X509_STORE *
new_x509_store(const struct trust_store *store, STACK_OF(X509) * embedded)
{
    X509_STORE *x509_store = X509_STORE_new();
    STACK_OF(X509) *anchors = trust_store_certificates(store, embedded);
    for (int i = 0; i < sk_X509_num(anchors); i++)
        X509_STORE_add_cert(x509_store, sk_X509_value(anchors, i));
    sk_X509_pop_free(anchors, X509_free);
    return x509_store;
}

/* Dates are ignored: the signer of all releases up to 2019 has expired and its packages are still
 * installed.  An anchor need not be self-signed. */
static gboolean
prepare(X509_STORE_CTX *context, X509_STORE *x509_store, X509 *signer, STACK_OF(X509) * embedded)
{
    if (X509_STORE_CTX_init(context, x509_store, signer, embedded) != 1)
        return FALSE;
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_depth(param, CERTIFICATE_CHAIN_MAX);
    return X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY) == 1;
}

static gboolean
is_vendor_root(const X509_NAME *name)
{
    char common_name[sizeof TRUST_VENDOR_ROOT_CN + 1] = "";
    int length =
        X509_NAME_get_text_by_NID(name, NID_commonName, common_name, (int)sizeof common_name);
    return length > 0 && g_str_equal(common_name, TRUST_VENDOR_ROOT_CN);
}

/* The authority is not here: say which, and how to give it. */
static void
explain_missing(X509 *signer, X509 *top, GError **error)
{
    g_autofree char *subject = certificate_subject(signer);
    const X509_NAME *issuer_name = X509_get_issuer_name(top);
    g_autofree char *issuer = name_text(issuer_name);
    if (X509_NAME_cmp(X509_get_subject_name(top), issuer_name) == 0)
        error_set(error, SLIPWAY_ERROR_SIGNATURE,
                  "signed by %s, which is not known; if you trust it, give the certificate %s with "
                  "--trust FILE",
                  subject, issuer);
    else if (is_vendor_root(issuer_name))
        error_set(error, SLIPWAY_ERROR_SIGNATURE,
                  "signed by %s, and the certificate of its authority %s is not in the signature, "
                  "so it cannot be verified; give that certificate with --trust FILE",
                  subject, issuer);
    else
        error_set(error, SLIPWAY_ERROR_SIGNATURE,
                  "signed by %s, whose authority %s is not known; if you trust it, give its "
                  "certificate with --trust FILE",
                  subject, issuer);
}

static void
explain(X509_STORE_CTX *context, X509 *signer, GError **error)
{
    static const int missing[] = {
        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,       X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,     X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED,
    };
    int code = X509_STORE_CTX_get_error(context);
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    int length = chain != NULL ? sk_X509_num(chain) : 0;
    X509 *top = length > 0 ? sk_X509_value(chain, length - 1) : signer;
    for (gsize i = 0; i < G_N_ELEMENTS(missing); i++)
        if (code == missing[i])
            return explain_missing(signer, top, error);
    g_autofree char *subject = certificate_subject(signer);
    error_set(error, SLIPWAY_ERROR_SIGNATURE,
              "signed by %s, whose chain of certificates is bad: %s", subject,
              X509_verify_cert_error_string(code));
}

enum acceptance
certificate_chain_level(const struct trust_store *store, X509 *signer, STACK_OF(X509) * embedded,
                        char **ret_anchor, GError **error)
{
    g_autoptr(X509_STORE) x509_store = new_x509_store(store, embedded);
    g_autoptr(X509_STORE_CTX) context = X509_STORE_CTX_new();
    if (!prepare(context, x509_store, signer, embedded)) {
        error_set(error, SLIPWAY_ERROR_SIGNATURE, "its chain of certificates cannot be checked");
        return ACCEPTANCE_NONE;
    }
    if (X509_verify_cert(context) == 1)
        return best_anchor(store, X509_STORE_CTX_get0_chain(context), ret_anchor, error);
    explain(context, signer, error);
    return ACCEPTANCE_NONE;
}
