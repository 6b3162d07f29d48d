/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "base/url.h"
#include "hyper/vsphere/vim_private.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#define SHA1_HEX 40u
#define SHA256_HEX 64u
/* Some calls think for minutes before the first byte of their answer (QueryChangedDiskAreas). */
#define STALL_S 300u
#define DATA_STALL_S 60u

/* ---- Certificates ---------------------------------------------------------------------------- */

/* The certificate that was looked at last by this thread, which is the one that asks next why a
 * transfer failed: curl gives no other way to hand it on that a handle could own. */
static _Thread_local struct {
    char sha256[3 * SHA256_HEX / 2]; /* "" when there was none */
    gboolean pinned;                 /* another one was wanted */
} seen;

const char *
vim_thumbprint_normal(const char *text, GError **error)
{
    g_autoptr(GString) hex = g_string_new(NULL);
    for (const char *c = text; *c != '\0' && hex->len <= SHA256_HEX; c++)
        if (g_ascii_isxdigit(*c))
            g_string_append_c(hex, g_ascii_tolower(*c));
        else if (*c != ':' && !g_ascii_isspace(*c))
            break;
    gsize plain = 0;
    for (const char *c = text; *c != '\0'; c++)
        plain += *c != ':' && !g_ascii_isspace(*c);
    if (plain != hex->len || (hex->len != SHA1_HEX && hex->len != SHA256_HEX))
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "\"%.100s\" is no thumbprint: give the SHA-256 (64 digits) or SHA-1 (40) "
                          "of the server's certificate in hexadecimal",
                          text);
    return g_intern_string(hex->str);
}

static void
digest_hex_of_certificate(const X509 *certificate, const EVP_MD *kind, const char *between,
                          GString *ret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (X509_digest(certificate, kind, digest, &length) != 1)
        return;
    for (unsigned i = 0; i < length; i++)
        g_string_append_printf(ret, "%s%02x", i > 0 ? between : "", digest[i]);
}

static gboolean
matches(const X509 *certificate, const char *thumbprint)
{
    g_autoptr(GString) hex = g_string_new(NULL);
    const EVP_MD *kind = strlen(thumbprint) == SHA1_HEX ? EVP_sha1() : EVP_sha256();
    digest_hex_of_certificate(certificate, kind, "", hex);
    return strcmp(hex->str, thumbprint) == 0;
}

/* OpenSSL asks this instead of verifying. */
static int
verify(X509_STORE_CTX *store, void *user)
{
    const char *thumbprint = user;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    g_autoptr(GString) hex = g_string_new(NULL);
    if (certificate != NULL)
        digest_hex_of_certificate(certificate, EVP_sha256(), ":", hex);
    g_strlcpy(seen.sha256, hex->str, sizeof(seen.sha256));
    seen.pinned = thumbprint != NULL;
    if (thumbprint == NULL)
        return X509_verify_cert(store);
    gboolean ok = certificate != NULL && matches(certificate, thumbprint);
    X509_STORE_CTX_set_error(store, ok ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return ok;
}

/* A pinned certificate needs no authority, and vouches for servers that know nothing newer than
 * TLS 1.0 (ESXi 5.0 and 5.1); with others, TLS itself sees to it that nobody in between makes them
 * speak that. */
static CURLcode
set_context(CURL *curl G_GNUC_UNUSED, void *context, void *user)
{
    SSL_CTX_set_cert_verify_callback(context, verify, user);
    if (user != NULL) {
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    }
    return CURLE_OK;
}

/* ---- Handles --------------------------------------------------------------------------------- */

static void
set_handle(struct vim *vim, CURL *curl, const char *thumbprint)
{
    http_handle_set(curl, vim->http, vim->https);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, set_context);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, thumbprint);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, vim);
    if (thumbprint == NULL)
        return;
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_0);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    /* Reading all authorities takes 30 ms of CPU for each handle. */
    curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
}

CURL *
vim_curl(struct vim *vim, const char *thumbprint)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        g_error("libcurl cannot make a handle");
    const char *normal = vim->thumbprint;
    if (thumbprint != NULL && *thumbprint != '\0')
        normal = vim_thumbprint_normal(thumbprint, NULL);
    set_handle(vim, curl, normal != NULL ? normal : vim->thumbprint);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)vim->data_stall_s);
    return curl;
}

static CURL *
take_handle(struct vim *vim)
{
    g_mutex_lock(&vim->lock);
    CURL *curl = g_queue_pop_head(&vim->idle);
    g_mutex_unlock(&vim->lock);
    if (curl == NULL)
        curl = curl_easy_init();
    if (curl == NULL)
        g_error("libcurl cannot make a handle");
    set_handle(vim, curl, vim->thumbprint);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)vim->stall_s);
    return curl;
}

static void
give_handle(struct vim *vim, CURL *curl)
{
    curl_easy_reset(curl); /* keeps connections */
    g_mutex_lock(&vim->lock);
    g_queue_push_head(&vim->idle, curl);
    g_mutex_unlock(&vim->lock);
}

gboolean
vim_http_init(struct vim *vim, const struct vim_options *options, GError **error)
{
    struct http_options network = {.retries = HTTP_RETRIES_DEFAULT};
    if (options->network != NULL)
        network = *options->network;
    network.user = network.password = network.bearer_token = NULL;
    network.auth_urls = NULL;
    vim->stall_s = network.stall_timeout_s != 0 ? network.stall_timeout_s : STALL_S;
    vim->data_stall_s = network.stall_timeout_s != 0 ? network.stall_timeout_s : DATA_STALL_S;
    vim->http = http_client_new(&network, error);
    if (vim->http == NULL)
        return FALSE;
    if (options->thumbprint != NULL && *options->thumbprint != '\0') {
        vim->thumbprint = vim_thumbprint_normal(options->thumbprint, error);
        return vim->thumbprint != NULL;
    }
    return TRUE;
}

void
vim_http_clear(struct vim *vim)
{
    g_queue_clear_full(&vim->idle, curl_easy_cleanup);
    http_client_free(vim->http);
}

/* ---- One request ----------------------------------------------------------------------------- */

static gsize
take_body(char *data, gsize size, gsize count, void *user)
{
    struct vim_reply *reply = user;
    gsize length = size * count;
    if (length > VIM_REPLY_MAX - reply->body->len) {
        reply->large = TRUE;
        return 0;
    }
    g_byte_array_append(reply->body, (const guint8 *)data, (guint)length);
    return length;
}

/* The cookie goes back as it came: real servers put its value in quotes, in which a semicolon would
 * be part of it. */
static char *
read_cookie(const char *line)
{
    gboolean quoted = FALSE;
    gsize length = 0;
    for (; line[length] != '\0' && (quoted || line[length] != ';'); length++) {
        if (line[length] == '"')
            quoted = !quoted;
        if (g_ascii_iscntrl(line[length]) || length >= VIM_COOKIE_MAX)
            return NULL;
    }
    return g_strchomp(g_strndup(line, length));
}

static gsize
take_header(char *data, gsize size, gsize count, void *user)
{
    struct vim_reply *reply = user;
    gsize length = size * count;
    g_autofree char *line = g_strchomp(g_strndup(data, length));
    if (g_ascii_strncasecmp(line, "Set-Cookie:", strlen("Set-Cookie:")) != 0)
        return length;
    const char *value = line + strlen("Set-Cookie:");
    while (g_ascii_isspace(*value))
        value++;
    if (g_str_has_prefix(value, VIM_COOKIE "=")) {
        secret_free(reply->cookie);
        reply->cookie = read_cookie(value);
    }
    return length;
}

static int
look_for_stop(void *user, curl_off_t a G_GNUC_UNUSED, curl_off_t b G_GNUC_UNUSED,
              curl_off_t c G_GNUC_UNUSED, curl_off_t d G_GNUC_UNUSED)
{
    const gint *stop = user;
    return stop != NULL && g_atomic_int_get(stop) != 0;
}

static struct curl_slist *
set_headers(CURL *curl, const struct vim_post *post)
{
    g_autofree char *action = g_strdup_printf("SOAPAction: \"%s\"", post->action);
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: text/xml; charset=utf-8");
    list = curl_slist_append(list, action);
    list = curl_slist_append(list, "Expect:");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    return list;
}

static void
set_transfer(CURL *curl, const struct vim_post *post, struct vim_reply *reply)
{
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reply->words);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post->body->str);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body->len);
    curl_easy_setopt(curl, CURLOPT_COOKIE, post->cookie);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_for_stop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, post->stop);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)post->seconds);
    /* When a connection that was used before turns out to be closed, libcurl sends the request once
     * more by itself: it cannot know whether the server has done it. */
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, post->once ? 1L : 0L);
}

static gboolean
is_soap(const struct vim_reply *reply)
{
    return reply->code == CURLE_OK &&
           (reply->status == 200 || (reply->status == 500 && reply->body->len > 0));
}

static void
judge(struct vim *vim, CURL *curl, struct vim_reply *reply)
{
    curl_off_t sent_at = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &sent_at);
    reply->sent = sent_at > 0 || reply->status != 0;
    if (is_soap(reply))
        return;
    reply->transient = !reply->large && http_handle_transient(curl, reply->code, reply->words);
    if (reply->large)
        error_set(&reply->failure, SLIPWAY_ERROR_LIMIT,
                  "%s: the server sends an answer of more than %u bytes", vim->label,
                  VIM_REPLY_MAX);
    else if (reply->code == CURLE_OK && reply->status == 503)
        error_set(&reply->failure, SLIPWAY_ERROR_NETWORK,
                  "%s: the server is starting, or has too many sessions open (503); try again "
                  "later, and look for programs that do not log out",
                  vim->label);
    else
        vim_curl_failure(curl, reply->code, NULL, &reply->failure);
}

void
vim_post(struct vim *vim, const struct vim_post *post, struct vim_reply *ret)
{
    CURL *curl = take_handle(vim);
    g_autofree char *url = g_strconcat(vim->url, VIM_ENDPOINT, NULL);
    *ret = (struct vim_reply){.body = g_byte_array_new()};
    set_transfer(curl, post, ret);
    struct curl_slist *headers = set_headers(curl, post);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    ret->code = curl_easy_perform(curl);
    judge(vim, curl, ret);
    give_handle(vim, curl);
    curl_slist_free_all(headers);
}

void
vim_reply_clear(struct vim_reply *reply)
{
    g_clear_pointer(&reply->body, g_byte_array_unref);
    secret_free(reply->cookie);
    reply->cookie = NULL;
    g_clear_error(&reply->failure);
}

/* ---- What went wrong ------------------------------------------------------------------------- */

/* A chain may have been good, or not judged yet, when the name was found wrong. */
static const char *
why_not(long result)
{
    switch (result) {
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED:
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "it is for another host name";
    default:
        return X509_verify_cert_error_string(result);
    }
}

static gboolean
fail_certificate(CURL *curl, long result, GError **error)
{
    char *url = NULL;
    curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url);
    g_autofree char *origin = url_origin(url != NULL ? url : "");
    const char *server = origin != NULL ? origin : "the server";
    if (seen.pinned)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "%s: the server has another certificate than the one that was pinned: its "
                         "SHA-256 thumbprint is %s; if the certificate was replaced on purpose, "
                         "give this one with --thumbprint, otherwise somebody may be in between",
                         server, seen.sha256);
    return error_set(error, SLIPWAY_ERROR_NETWORK,
                     "%s: the server's certificate is not trusted (%s); compare its SHA-256 "
                     "thumbprint %s with what the server itself shows, then give it with "
                     "--thumbprint, or give the certificate of its authority with --cacert FILE",
                     server, why_not(result), seen.sha256);
}

gboolean
vim_curl_failure(CURL *curl, CURLcode code, const char *what, GError **error)
{
    struct vim *vim = NULL;
    long result = 0;
    curl_easy_getinfo(curl, CURLINFO_PRIVATE, &vim);
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &result);
    if (code == CURLE_PEER_FAILED_VERIFICATION && *seen.sha256 != '\0')
        fail_certificate(curl, result, error);
    else if (code == CURLE_SSL_CONNECT_ERROR && vim->thumbprint == NULL)
        error_set(error, SLIPWAY_ERROR_NETWORK,
                  "%s: TLS failed; check that the server speaks https at this port; an ESXi before "
                  "5.5 speaks TLS 1.0 only, which is done with a pinned certificate: give its "
                  "thumbprint with --thumbprint",
                  vim->label);
    else
        http_handle_failure(curl, code, NULL, vim->http, error);
    if (what != NULL)
        g_prefix_error(error, "%s: ", what);
    return FALSE;
}
