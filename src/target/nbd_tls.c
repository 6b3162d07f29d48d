/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_tls.h"

#include "base/error.h"

#include <errno.h>
#include <openssl/err.h>
#include <unistd.h>

/* The first of OpenSSL's words about what went wrong; nothing stays for the next one. */
static const char *
words(void)
{
    unsigned long number = ERR_get_error();
    ERR_clear_error();
    const char *reason = number != 0 ? ERR_reason_error_string(number) : NULL;
    return reason != NULL ? reason : "no reason given";
}

static gboolean
refuse(const char *path, const char *what, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "TLS: %s is not %s: %s; make it anew (doc/nbd.md)", path, what, words());
}

/* Said here, as OpenSSL's words for it name its own functions. */
static gboolean
check_readable(const char *path, GError **error)
{
    if (access(path, R_OK) == 0)
        return TRUE;
    return error_set_errno(error, errno, "TLS: cannot read %s", path);
}

static gboolean
load_identity(SSL_CTX *context, const char *directory, GError **error)
{
    g_autofree char *certificate = g_build_filename(directory, "server-cert.pem", NULL);
    g_autofree char *key = g_build_filename(directory, "server-key.pem", NULL);
    if (!check_readable(certificate, error) || !check_readable(key, error))
        return FALSE;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return refuse(certificate, "a certificate", error);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return refuse(key, "the private key of server-cert.pem", error);
    if (SSL_CTX_check_private_key(context) != 1)
        return refuse(key, "the private key of server-cert.pem", error);
    return TRUE;
}

/* Revoked certificates: a list that is there is used, as by QEMU and nbdkit. */
static gboolean
load_revoked(X509_STORE *store, const char *directory, GError **error)
{
    g_autofree char *path = g_build_filename(directory, "ca-crl.pem", NULL);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return TRUE;
    if (!check_readable(path, error))
        return FALSE;
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (lookup == NULL || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) < 1)
        return refuse(path, "a list of revoked certificates", error);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return TRUE;
}

static gboolean
load_authority(SSL_CTX *context, const char *directory, gboolean verify_peer, GError **error)
{
    g_autofree char *path = g_build_filename(directory, "ca-cert.pem", NULL);
    if (!check_readable(path, error))
        return FALSE;
    if (SSL_CTX_load_verify_file(context, path) != 1)
        return refuse(path, "a certificate", error);
    if (!verify_peer)
        return TRUE;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (names == NULL)
        return refuse(path, "a certificate", error);
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return load_revoked(SSL_CTX_get_cert_store(context), directory, error);
}

SSL_CTX *
nbd_tls_load(const char *directory, gboolean verify_peer, GError **error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL)
        return error_null(error, SLIPWAY_ERROR_FAILED, "TLS: %s", words());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* Sessions are not resumed: a client whose certificate was revoked shall not come back. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* An unfinished write may go on from another place, and an idle connection keeps no buffers. */
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    if (load_identity(context, directory, error) &&
        load_authority(context, directory, verify_peer, error))
        return context;
    SSL_CTX_free(context);
    return NULL;
}
