/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/http_private.h"
#include "base/secret.h"
#include "base/url.h"

#include <openssl/x509_vfy.h>
#include <string.h>

/* What a message is made of, all of it fit to be shown. */
struct scene {
    const struct http_exchange *exchange;
    const char *url;
    const char *proxy; /* "the proxy URL" */
    const char *words; /* libcurl's */
    GError **error;
};

static gboolean
fail_proxy_user(const struct scene *scene, const char *number)
{
    const struct http_exchange *exchange = scene->exchange;
    if (http_client_proxy(exchange->client, exchange->url)->user == NULL)
        return error_set(scene->error, SLIPWAY_ERROR_DENIED,
                         "%s: %s wants credentials%s; give --proxy-user USER and "
                         "--proxy-password-file FILE",
                         scene->url, scene->proxy, number);
    return error_set(scene->error, SLIPWAY_ERROR_DENIED,
                     "%s: %s does not accept the user name and password it was given%s; check "
                     "--proxy-user and --proxy-password-file",
                     scene->url, scene->proxy, number);
}

static gboolean
fail_connect_status(const struct scene *scene)
{
    long status = scene->exchange->connect_status;
    if (status == 407)
        return fail_proxy_user(scene, " (407)");
    if (status == 401 || status == 403)
        return error_set(scene->error, SLIPWAY_ERROR_DENIED,
                         "%s: %s refuses to connect to this host (%ld); ask for it to be allowed, "
                         "or give another --proxy",
                         scene->url, scene->proxy, status);
    return error_set(scene->error, SLIPWAY_ERROR_NETWORK,
                     "%s: %s cannot connect to this host (%ld); check the name, or give another "
                     "--proxy",
                     scene->url, scene->proxy, status);
}

static gboolean
fail_certificate(const struct scene *scene)
{
    switch (scene->exchange->verify_result) {
    /* The chain was good or not yet judged when the name was found wrong. */
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED:
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return error_set(scene->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the certificate is for another host (%s); use the name that it is "
                         "for, or give the right certificate with --cacert FILE",
                         scene->url, scene->words);
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return error_set(scene->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the certificate is not valid at this time (%s); check the clock of "
                         "this machine and the certificate, or give another one that is trusted "
                         "with --cacert FILE",
                         scene->url, scene->words);
    default:
        return error_set(scene->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the certificate is not trusted (%s); if it is your organisation's "
                         "own, give the certificate of its authority with --cacert FILE",
                         scene->url, scene->words);
    }
}

static gboolean
fail_socks(const struct scene *scene)
{
    switch (scene->exchange->proxy_error) {
    case CURLPX_USER_REJECTED:
    case CURLPX_NO_AUTH:
    case CURLPX_IDENTD_DIFFER:
        return fail_proxy_user(scene, "");
    case CURLPX_REPLY_NOT_ALLOWED:
        return error_set(scene->error, SLIPWAY_ERROR_DENIED,
                         "%s: %s refuses to connect to this host (%s)", scene->url, scene->proxy,
                         scene->words);
    default:
        return error_set(scene->error, SLIPWAY_ERROR_NETWORK, "%s: %s failed (%s); check --proxy",
                         scene->url, scene->proxy, scene->words);
    }
}

static gboolean
fail_code(const struct scene *scene)
{
    const char *form = NULL;
    switch (scene->exchange->code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return fail_certificate(scene);
    case CURLE_PROXY:
        return fail_socks(scene);
    case CURLE_COULDNT_RESOLVE_PROXY:
        return error_set(scene->error, SLIPWAY_ERROR_NETWORK,
                         "%s: no address for %s (%s); check --proxy", scene->url, scene->proxy,
                         scene->words);
    case CURLE_COULDNT_RESOLVE_HOST:
        form = "no address for this host; check the name, or give --proxy if the network needs one";
        break;
    case CURLE_COULDNT_CONNECT:
        form = "cannot connect; check host and port, or give --proxy if the network needs one";
        break;
    case CURLE_OPERATION_TIMEDOUT:
        form = "nothing came for too long; try again later, or check the network and --proxy";
        break;
    case CURLE_SSL_CONNECT_ERROR:
        form = "TLS failed; check that the server speaks https at this port";
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        form = "no http or https URL";
        break;
    default:
        form = "the transfer failed";
    }
    return error_set(scene->error, SLIPWAY_ERROR_NETWORK, "%s: %s (%s)", scene->url, form,
                     scene->words);
}

static gboolean
fail_unauthorised(const struct scene *scene)
{
    const struct http_exchange *exchange = scene->exchange;
    const struct http_client *client = exchange->client;
    gboolean given = client->user != NULL || client->bearer_token != NULL;
    if (given && !exchange->entrusted)
        return error_set(scene->error, SLIPWAY_ERROR_DENIED,
                         "%s: the server wants credentials (401); those that were given are for "
                         "another host and were not sent to this one; give its own in ~/.netrc",
                         scene->url);
    if (given || memchr(scene->url, '@', strcspn(scene->url, "?#")) != NULL)
        return error_set(scene->error, SLIPWAY_ERROR_DENIED,
                         "%s: the server does not accept the credentials it was given (401); check "
                         "--user and --password-file, or those in the URL",
                         scene->url);
    return error_set(scene->error, SLIPWAY_ERROR_DENIED,
                     "%s: the server wants credentials (401); give --user USER and --password-file "
                     "FILE, or put them into ~/.netrc",
                     scene->url);
}

static gboolean
fail_status(const struct scene *scene)
{
    long status = scene->exchange->status;
    switch (status) {
    case 401:
        return fail_unauthorised(scene);
    case 403:
        return error_set(scene->error, SLIPWAY_ERROR_DENIED,
                         "%s: the server refuses (403); check the credentials or the download "
                         "token, and that they are for this file",
                         scene->url);
    case 407:
        return fail_proxy_user(scene, " (407)");
    case 404:
    case 410:
        return error_set(scene->error, SLIPWAY_ERROR_NOT_FOUND,
                         "%s: the server has no such file (%ld); check the URL", scene->url,
                         status);
    case 429:
        return error_set(scene->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the server is asked too often (429); try again later", scene->url);
    default:
        return error_set(scene->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the server answers with status %ld%s", scene->url, status,
                         status >= 500 ? "; try again later" : "");
    }
}

static gboolean
fail(const struct scene *scene)
{
    const struct http_exchange *exchange = scene->exchange;
    if (exchange->code != CURLE_OK && !exchange->cut && exchange->connect_status >= 300)
        return fail_connect_status(scene);
    if (exchange->headers_length > HTTP_HEADERS_MAX)
        return error_set(scene->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the server sends more than %d bytes of headers", scene->url,
                         HTTP_HEADERS_MAX);
    if (!http_exchange_answered(exchange))
        return fail_code(scene);
    return fail_status(scene);
}

gboolean
http_failure_set(const struct http_exchange *exchange, GError **error)
{
    const struct http_proxy *proxy = http_client_proxy(exchange->client, exchange->url);
    const char *words =
        *exchange->words != '\0' ? exchange->words : curl_easy_strerror(exchange->code);
    g_autofree char *url = url_redact(exchange->url);
    g_autofree char *proxy_url = url_redact(proxy->url);
    g_autofree char *proxy_shown = g_strconcat("the proxy ", proxy_url, NULL);
    g_autofree char *words_shown = secret_redact(words);
    struct scene scene = {exchange, url, *proxy->url != '\0' ? proxy_shown : "a proxy", words_shown,
                          error};
    return fail(&scene);
}

/* A handshake that was cut off, unlike one that both sides could not agree on. */
static gboolean
lost_in_handshake(const char *words)
{
    return strstr(words, "SYSCALL") != NULL || strstr(words, "unexpected eof") != NULL;
}

static gboolean
transient_status(long status)
{
    switch (status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return TRUE;
    default:
        return FALSE;
    }
}

static gboolean
transient_socks(long code)
{
    switch (code) {
    case CURLPX_CLOSED:
    case CURLPX_RECV_ADDRESS:
    case CURLPX_RECV_AUTH:
    case CURLPX_RECV_CONNECT:
    case CURLPX_RECV_REQACK:
    case CURLPX_REPLY_CONNECTION_REFUSED:
    case CURLPX_REPLY_GENERAL_SERVER_FAILURE:
    case CURLPX_REPLY_HOST_UNREACHABLE:
    case CURLPX_REPLY_NETWORK_UNREACHABLE:
    case CURLPX_REPLY_TTL_EXPIRED:
    case CURLPX_SEND_AUTH:
    case CURLPX_SEND_CONNECT:
    case CURLPX_SEND_REQUEST:
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean
http_failure_transient(const struct http_exchange *exchange)
{
    if (exchange->headers_length > HTTP_HEADERS_MAX)
        return FALSE;
    if (http_exchange_answered(exchange))
        return transient_status(exchange->status);
    if (exchange->connect_status >= 300)
        return transient_status(exchange->connect_status);
    switch (exchange->code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return TRUE;
    case CURLE_SSL_CONNECT_ERROR:
        return lost_in_handshake(exchange->words);
    case CURLE_PROXY:
        return transient_socks(exchange->proxy_error);
    default:
        return FALSE;
    }
}
