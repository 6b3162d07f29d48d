/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/http_handle.h"

#include "base/http_private.h"

#include <string.h>

#ifndef SLIPWAY_VERSION
#define SLIPWAY_VERSION "unknown"
#endif

#define PAUSE_MAX_US (60 * G_TIME_SPAN_SECOND)

static CURLcode
set_trust(CURL *curl, const struct http_client *client)
{
    long check = client->insecure ? 0L : 1L;
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, check);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2 * check);
    curl_easy_setopt(curl, CURLOPT_PROXY_SSL_VERIFYPEER, check);
    curl_easy_setopt(curl, CURLOPT_PROXY_SSL_VERIFYHOST, 2 * check);
    if (client->ca == NULL)
        return CURLE_OK;
    struct curl_blob blob = {client->ca, strlen(client->ca), CURL_BLOB_NOCOPY};
    curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO_BLOB, &blob);
    return curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
}

static void
set_proxy(CURL *curl, const struct http_client *client, const struct http_proxy *proxy)
{
    /* "" also keeps libcurl from looking at the environment. */
    curl_easy_setopt(curl, CURLOPT_PROXY, proxy->url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, client->no_proxy);
    if (proxy->user == NULL)
        return;
    curl_easy_setopt(curl, CURLOPT_PROXYUSERNAME, proxy->user);
    curl_easy_setopt(curl, CURLOPT_PROXYPASSWORD, proxy->password != NULL ? proxy->password : "");
    curl_easy_setopt(curl, CURLOPT_PROXYAUTH, (long)HTTP_AUTH_KINDS);
}

CURLcode
http_handle_set(CURL *curl, struct http_client *client, gboolean https)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 128L << 10);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)client->connect_timeout_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)client->stall_timeout_s);
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set_proxy(curl, client, https ? &client->proxy_https : &client->proxy_http);
    return set_trust(curl, client);
}

/* What curl knows of a transfer that it has just ended. */
static struct http_exchange
look(CURL *curl, CURLcode code, const char *words, struct http_client *client)
{
    struct http_exchange exchange = {.client = client, .code = code, .entrusted = TRUE};
    char *url = NULL;
    long proxy_verify = 0;
    curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url);
    exchange.url = url != NULL ? url : "";
    if (words != NULL)
        g_strlcpy(exchange.words, words, sizeof(exchange.words));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange.status);
    curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &exchange.connect_status);
    curl_easy_getinfo(curl, CURLINFO_PROXY_ERROR, &exchange.proxy_error);
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &exchange.verify_result);
    curl_easy_getinfo(curl, CURLINFO_PROXY_SSL_VERIFYRESULT, &proxy_verify);
    if (exchange.verify_result == 0)
        exchange.verify_result = proxy_verify;
    return exchange;
}

gboolean
http_handle_failure(CURL *curl, CURLcode code, const char *words, struct http_client *client,
                    GError **error)
{
    struct http_exchange exchange = look(curl, code, words, client);
    return http_failure_set(&exchange, error);
}

gboolean
http_handle_transient(CURL *curl, CURLcode code, const char *words)
{
    struct http_exchange exchange = look(curl, code, words, NULL);
    return http_failure_transient(&exchange);
}

guint
http_handle_retries(const struct http_client *client)
{
    return client->retries;
}

guint64
http_handle_pause_us(const struct http_client *client, guint n)
{
    guint64 pause = (guint64)client->backoff_ms * 1000;
    for (guint i = 1; i < n && pause < PAUSE_MAX_US; i++)
        pause *= 2;
    return MIN(pause, (guint64)PAUSE_MAX_US);
}
