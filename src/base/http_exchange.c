/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/http_handle.h"
#include "base/http_private.h"
#include "base/url.h"

#include <string.h>

/* What is read of an answer that is not wanted, so that its connection can be used
 * again; when it is longer, the connection is closed. */
#define IGNORED_MAX (64 << 10)

static void
clear_answer(struct http_exchange *exchange)
{
    exchange->status = 0;
    exchange->length = exchange->range_start = exchange->range_total = HTTP_UNKNOWN;
    g_clear_pointer(&exchange->etag, g_free);
    g_clear_pointer(&exchange->last_modified, g_free);
    g_clear_pointer(&exchange->content_type, g_free);
    g_clear_pointer(&exchange->location, g_free);
}

void
http_exchange_clear(struct http_exchange *exchange)
{
    clear_answer(exchange);
}

gboolean
http_exchange_answered(const struct http_exchange *exchange)
{
    return exchange->status != 0 && (exchange->code == CURLE_OK || exchange->cut);
}

/* "bytes 100-199/200", "bytes 100-199/STAR" */
static void
parse_range(struct http_exchange *exchange, const char *value)
{
    char *end = NULL;
    if (g_ascii_strncasecmp(value, "bytes ", 6) != 0 || !g_ascii_isdigit(value[6]))
        return;
    exchange->range_start = g_ascii_strtoull(value + 6, &end, 10);
    const char *slash = strchr(end, '/');
    if (slash != NULL && g_ascii_isdigit(slash[1]))
        exchange->range_total = g_ascii_strtoull(slash + 1, NULL, 10);
}

static void
keep(char **field, const char *value, gsize limit)
{
    g_clear_pointer(field, g_free);
    gsize length = strlen(value);
    for (gsize i = 0; i < length; i++)
        if (g_ascii_iscntrl(value[i]))
            return;
    if (length > 0 && length <= limit)
        *field = g_strdup(value);
}

static void
take_header(struct http_exchange *exchange, const char *name, const char *value)
{
    if (g_ascii_strcasecmp(name, "etag") == 0)
        keep(&exchange->etag, value, HTTP_VALIDATOR_MAX);
    else if (g_ascii_strcasecmp(name, "last-modified") == 0)
        keep(&exchange->last_modified, value, HTTP_VALIDATOR_MAX);
    else if (g_ascii_strcasecmp(name, "content-type") == 0)
        keep(&exchange->content_type, value, HTTP_VALIDATOR_MAX);
    else if (g_ascii_strcasecmp(name, "location") == 0)
        keep(&exchange->location, value, URL_MAX);
    else if (g_ascii_strcasecmp(name, "content-range") == 0)
        parse_range(exchange, value);
}

/* Several answers may come in a row (100, 401 while negotiating): each status line
 * begins anew. */
static gsize
on_header(char *data, gsize size, gsize count, void *user)
{
    struct http_exchange *exchange = user;
    gsize length = size * count;
    exchange->headers_length += length;
    if (exchange->headers_length > HTTP_HEADERS_MAX)
        return 0;
    if (exchange->begun)
        return length; /* trailers */

    g_autofree char *line = g_strndup(data, length);
    g_strchomp(line);
    char *colon = strchr(line, ':');
    if (g_str_has_prefix(line, "HTTP/")) {
        clear_answer(exchange);
        const char *space = strchr(line, ' ');
        exchange->status = space != NULL ? (long)g_ascii_strtoull(space + 1, NULL, 10) : 0;
    } else if (colon != NULL) {
        *colon = '\0';
        take_header(exchange, line, g_strchug(colon + 1));
    }
    return length;
}

static gboolean
begin(struct http_exchange *exchange, CURL *curl)
{
    if (exchange->begun)
        return TRUE;
    exchange->begun = TRUE;
    curl_off_t length = -1;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    exchange->length = length >= 0 ? (guint64)length : HTTP_UNKNOWN;
    return exchange->begin(exchange->user, exchange);
}

static gboolean
is_wanted(const struct http_exchange *exchange)
{
    return exchange->status == 200 || exchange->status == 206;
}

struct sink {
    struct http_exchange *exchange;
    CURL *curl;
};

static gsize
on_body(char *data, gsize size, gsize count, void *user)
{
    struct sink *sink = user;
    struct http_exchange *exchange = sink->exchange;
    gsize length = size * count;
    if (!is_wanted(exchange)) {
        exchange->ignored_length += length;
        exchange->cut = exchange->ignored_length > IGNORED_MAX;
        return exchange->cut ? 0 : length;
    }
    if (begin(exchange, sink->curl) && exchange->receive(exchange->user, data, length))
        return length;
    exchange->refused = TRUE;
    return 0;
}

/* Called at least once a second, also while nothing arrives. */
static int
on_progress(void *user G_GNUC_UNUSED, curl_off_t a G_GNUC_UNUSED, curl_off_t b G_GNUC_UNUSED,
            curl_off_t c G_GNUC_UNUSED, curl_off_t d G_GNUC_UNUSED)
{
    return cancel_requested();
}

static void
set_transfer(CURL *curl, struct http_exchange *exchange, struct sink *sink)
{
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->words);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
}

static void
set_user(CURL *curl, const char *user, const char *password)
{
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)HTTP_AUTH_KINDS);
    curl_easy_setopt(curl, CURLOPT_USERNAME, user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password != NULL ? password : "");
}

/* The client's own credentials, those in the URL, or ~/.netrc, in this order. */
static void
set_credentials(CURL *curl, const struct http_exchange *exchange, CURLU *url)
{
    const struct http_client *client = exchange->client;
    char *user = NULL, *password = NULL;
    curl_url_get(url, CURLUPART_USER, &user, CURLU_URLDECODE);
    curl_url_get(url, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
    if (exchange->entrusted && client->bearer_token != NULL) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, client->bearer_token);
    } else if (exchange->entrusted && client->user != NULL) {
        set_user(curl, client->user, client->password);
    } else if (user != NULL) {
        set_user(curl, user, password);
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)HTTP_AUTH_KINDS);
        curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    }
    curl_free(user);
    curl_free(password);
}

/* libcurl is given the URL without its credentials. */
static CURLcode
set_url(CURL *curl, const struct http_exchange *exchange)
{
    char *plain = NULL;
    CURLU *url = curl_url();
    CURLcode code = CURLE_URL_MALFORMAT;
    if (curl_url_set(url, CURLUPART_URL, exchange->url, 0) == CURLUE_OK) {
        set_credentials(curl, exchange, url);
        curl_url_set(url, CURLUPART_USER, NULL, 0);
        curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
        if (curl_url_get(url, CURLUPART_URL, &plain, 0) == CURLUE_OK)
            code = curl_easy_setopt(curl, CURLOPT_URL, plain);
    }
    curl_free(plain);
    curl_url_cleanup(url);
    return code;
}

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
    if (value == NULL)
        return list;
    g_autofree char *line = g_strdup_printf("%s: %s", name, value);
    return curl_slist_append(list, line);
}

/* Sizes, ranges and checksums are of the file as it is: no Content-Encoding. */
static struct curl_slist *
set_headers(CURL *curl, const struct http_exchange *exchange)
{
    struct curl_slist *list = add_header(NULL, "Accept-Encoding", "identity");
    list = add_header(list, "If-None-Match", exchange->if_none_match);
    list = add_header(list, "If-Modified-Since", exchange->if_modified_since);
    if (exchange->offset > 0) {
        g_autofree char *range = g_strdup_printf("%" G_GUINT64_FORMAT "-", exchange->offset);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
        list = add_header(list, "If-Range", exchange->if_range);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    return list;
}

static void
note_outcome(struct http_exchange *exchange, CURL *curl)
{
    long proxy_verify = 0;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &exchange->connect_status);
    curl_easy_getinfo(curl, CURLINFO_PROXY_ERROR, &exchange->proxy_error);
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &exchange->verify_result);
    curl_easy_getinfo(curl, CURLINFO_PROXY_SSL_VERIFYRESULT, &proxy_verify);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
    if (exchange->verify_result == 0)
        exchange->verify_result = proxy_verify;
    exchange->retry_after_s = retry_after > 0 ? (guint64)retry_after : 0;
}

void
http_exchange_run(struct http_exchange *exchange)
{
    CURL *curl = http_client_take(exchange->client);
    struct sink sink = {exchange, curl};
    clear_answer(exchange);
    set_transfer(curl, exchange, &sink);
    struct curl_slist *headers = set_headers(curl, exchange);
    gboolean https = g_ascii_strncasecmp(exchange->url, "https:", 6) == 0;
    exchange->code = http_handle_set(curl, exchange->client, https);
    if (exchange->code == CURLE_OK)
        exchange->code = set_url(curl, exchange);
    if (exchange->code == CURLE_OK)
        exchange->code = curl_easy_perform(curl);
    note_outcome(exchange, curl);
    if (exchange->code == CURLE_OK && is_wanted(exchange))
        exchange->refused = !begin(exchange, curl);
    http_client_put(exchange->client, curl);
    curl_slist_free_all(headers);
}
