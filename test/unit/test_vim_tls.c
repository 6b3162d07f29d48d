/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whom a session trusts. */
#include "base/error.h"
#include "hyper/vsphere/vim.h"
#include "scratch_directory.h"
#include "vim_peer.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>

struct fixture {
    struct scratch scratch;
    struct vim_peer *peer;
    char *ca_file;
    char *sha256, *sha1; /* with colons, in capitals */
};

static char *
fingerprint(const X509 *certificate, const EVP_MD *kind)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    g_assert_cmpint(X509_digest(certificate, kind, digest, &length), ==, 1);
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < length; i++)
        g_string_append_printf(text, "%s%02X", i > 0 ? ":" : "", digest[i]);
    return g_string_free(text, FALSE);
}

/* Signed by its own key, as hosts have them. */
static X509 *
make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"esx", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, name);
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate, key, EVP_sha256());
    return certificate;
}

static void
set_up(struct fixture *fixture, gconstpointer name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, name != NULL ? name : "IP:127.0.0.1");
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(tls, certificate);
    SSL_CTX_use_PrivateKey(tls, key);
    fixture->scratch = scratch_new();
    fixture->ca_file = scratch_path(&fixture->scratch, "ca.pem");
    fixture->sha256 = fingerprint(certificate, EVP_sha256());
    fixture->sha1 = fingerprint(certificate, EVP_sha1());
    FILE *file = fopen(fixture->ca_file, "w");
    g_assert_cmpint(PEM_write_X509(file, certificate), ==, 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    fixture->peer = vim_peer_new_tls(tls);
}

static void
tear_down(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_assert_cmpuint(vim_peer_sessions(fixture->peer), ==, 0);
    vim_peer_free(fixture->peer);
    scratch_clear(&fixture->scratch);
    g_free(fixture->ca_file);
    g_free(fixture->sha256);
    g_free(fixture->sha1);
}

static gboolean
try_open(struct fixture *fixture, const char *ca_file, gboolean insecure, const char *thumbprint,
         GError **error)
{
    const struct http_options network = {
        .retries = 1, .backoff_ms = 1, .proxy = "", .ca_file = ca_file, .insecure = insecure};
    const struct vim_options options = {
        .user = "root", .password = "s3cret", .network = &network, .thumbprint = thumbprint};
    struct vim *vim = vim_open(fixture->peer->url, &options, error);
    if (vim == NULL)
        return FALSE;
    vim_close(vim);
    return TRUE;
}

/* The password is not sent to whom nobody knows. */
static void
check_refused(struct fixture *fixture, const char *ca_file, const char *thumbprint,
              const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(try_open(fixture, ca_file, FALSE, thumbprint, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_autofree char *shown = g_ascii_strdown(fixture->sha256, -1);
    if (strstr(error->message, words) == NULL || strstr(error->message, shown) == NULL)
        g_error("\"%s\" or %s is not in \"%s\"", words, shown, error->message);
    g_assert_nonnull(strstr(error->message, "--thumbprint"));
    g_assert_cmpuint(vim_peer_count(fixture->peer, "Login"), ==, 0);
    g_assert_cmpuint(vim_peer_count(fixture->peer, "RetrieveServiceContent"), ==, 0);
}

static void
test_unknown(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    check_refused(fixture, NULL, NULL, "is not trusted");
}

static void
test_insecure(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(try_open(fixture, NULL, TRUE, NULL, &error));
    g_assert_no_error(error);
}

static void
test_authority(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(try_open(fixture, fixture->ca_file, FALSE, NULL, &error));
    g_assert_no_error(error);
}

static void
test_other_name(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    check_refused(fixture, fixture->ca_file, NULL, "another host name");
}

/* Then nothing else counts: neither its name nor who signed it. */
static void
test_pinned(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autofree char *small = g_ascii_strdown(fixture->sha256, -1);
    g_auto(GStrv) parts = g_strsplit(small, ":", -1);
    g_autofree char *bare = g_strjoinv("", parts);
    const char *const forms[] = {fixture->sha256, fixture->sha1, small, bare};
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_true(try_open(fixture, NULL, FALSE, forms[i], &error));
        g_assert_no_error(error);
    }
}

static void
test_pinned_another(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    char *const both[] = {fixture->sha256, fixture->sha1};
    for (gsize i = 0; i < G_N_ELEMENTS(both); i++) {
        g_autofree char *other = g_strdup(both[i]);
        other[0] = other[0] == 'A' ? 'B' : 'A';
        check_refused(fixture, NULL, other, "another certificate");
        /* A pin is not softened by whom else one trusts. */
        check_refused(fixture, fixture->ca_file, other, "another certificate");
    }
}

static void
test_no_thumbprint(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    static const char *const bad[] = {"zz", "AB:CD", "sha256:00", "0"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(try_open(fixture, NULL, FALSE, bad[i], &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    }
    g_autofree char *longer = g_strconcat(fixture->sha256, "00", NULL);
    g_autoptr(GError) error = NULL;
    g_assert_false(try_open(fixture, NULL, FALSE, longer, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

/* Handles for files follow the session's rule, or that of another host. */
static void
test_handles(struct fixture *fixture, gconstpointer unused G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    const struct http_options network = {.retries = 1, .backoff_ms = 1, .proxy = ""};
    const struct vim_options options = {
        .user = "root", .password = "s3cret", .network = &network, .thumbprint = fixture->sha256};
    struct vim *vim = vim_open(fixture->peer->url, &options, &error);
    g_assert_no_error(error);
    g_autofree char *other = g_strdup(fixture->sha1);
    other[0] = other[0] == 'A' ? 'B' : 'A';
    const struct {
        const char *thumbprint;
        gboolean good;
    } rows[] = {{NULL, TRUE}, {"", TRUE}, {fixture->sha1, TRUE}, {other, FALSE}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        CURL *curl = vim_curl(vim, rows[i].thumbprint);
        g_autofree char *url = g_strconcat(vim_url(vim), "/folder/x", NULL);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        CURLcode code = curl_easy_perform(curl);
        g_assert_false(vim_curl_failure(curl, code, "reading x", &error));
        if (rows[i].good)
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND); /* 404 */
        else
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
        g_assert_true(g_str_has_prefix(error->message, "reading x: "));
        g_clear_error(&error);
        curl_easy_cleanup(curl);
    }
    vim_close(vim);
}

#define ADD(name, san, function) g_test_add(name, struct fixture, san, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN); /* of the peer: who refuses a certificate hangs up */
    ADD("/vim/tls/unknown", NULL, test_unknown);
    ADD("/vim/tls/insecure", NULL, test_insecure);
    ADD("/vim/tls/authority", NULL, test_authority);
    ADD("/vim/tls/other_name", "IP:192.0.2.1", test_other_name);
    ADD("/vim/tls/pinned", NULL, test_pinned);
    ADD("/vim/tls/pinned_other_name", "IP:192.0.2.1", test_pinned);
    ADD("/vim/tls/pinned_another", NULL, test_pinned_another);
    ADD("/vim/tls/no_thumbprint", NULL, test_no_thumbprint);
    ADD("/vim/tls/handles", NULL, test_handles);
    return g_test_run();
}
