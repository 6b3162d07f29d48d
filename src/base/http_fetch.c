/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/http_private.h"
#include "base/partial_file.h"
#include "base/url.h"

#include <string.h>

#define REDIRECTS_MAX 10
#define RESTARTS_MAX 3
#define RETRY_AFTER_MAX_S 60
#define BACKOFF_MAX_MS 30000
#define SLEEP_STEP_MS 100

/* An attempt that brought this much was no failure: attempts are counted anew. */
#define GAIN (G_GUINT64_CONSTANT(1) << 20)

/* What an attempt came to. */
enum outcome {
    OUTCOME_DONE,
    OUTCOME_AGAIN,  /* may go better later; an error is set */
    OUTCOME_AFRESH, /* what there is cannot be continued */
    OUTCOME_FAILED, /* an error is set */
};

struct fetch {
    struct http_client *client;
    const struct http_request *request;
    struct progress *progress;
    char *url; /* asked for, in good form */
    struct partial_file *part;
    struct digest *digest; /* of what is in `part` */
    guint64 bound;         /* most bytes */
    guint64 reported;      /* bytes that `progress` knows of */
    gboolean resumed;      /* `part` is from more than one answer */
    gboolean afresh;
    char *shown;           /* URL of the answer, for messages */
    guint64 retry_after_s; /* what the last answer asks for */
    GError *error;         /* why an answer was refused */
};

void
http_response_clear(struct http_response *response)
{
    g_free(response->etag);
    g_free(response->last_modified);
    g_free(response->content_type);
    g_free(response->sha256);
    g_free(response->effective_url);
    *response = (struct http_response){0};
}

static void
report(struct fetch *fetch)
{
    guint64 length = partial_file_length(fetch->part);
    if (length > fetch->reported) {
        progress_advance(fetch->progress, length - fetch->reported);
        fetch->reported = length;
    }
}

static gboolean
restart(struct fetch *fetch, const struct partial_version *version, GError **error)
{
    digest_free(fetch->digest);
    fetch->digest = digest_new(DIGEST_SHA256);
    fetch->resumed = FALSE;
    return partial_file_restart(fetch->part, version, error);
}

static const char *
page_hint(const struct http_exchange *exchange)
{
    const char *type = exchange->content_type;
    gboolean page = type != NULL && g_ascii_strncasecmp(type, "text/html", 9) == 0;
    return page ? "; it is an HTML page, perhaps the log-in or error page of a server or proxy"
                : "";
}

static gboolean
check_total(struct fetch *fetch, const struct http_exchange *exchange, guint64 total)
{
    guint64 size = fetch->request->size;
    if (total == HTTP_UNKNOWN)
        return TRUE;
    if (size != 0 && total != size)
        return error_set(&fetch->error, SLIPWAY_ERROR_CORRUPT,
                         "%s: has %" G_GUINT64_FORMAT " bytes, not the %" G_GUINT64_FORMAT
                         " that are expected%s",
                         fetch->shown, total, size, page_hint(exchange));
    if (total > fetch->bound)
        return error_set(&fetch->error, SLIPWAY_ERROR_LIMIT,
                         "%s: has %" G_GUINT64_FORMAT " bytes, more than the %" G_GUINT64_FORMAT
                         " that are allowed%s",
                         fetch->shown, total, fetch->bound, page_hint(exchange));
    return TRUE;
}

static gboolean
starts(struct fetch *fetch, const struct http_exchange *exchange)
{
    struct partial_version version = {exchange->etag, exchange->last_modified,
                                      exchange->length != HTTP_UNKNOWN ? exchange->length : 0};
    return check_total(fetch, exchange, exchange->length) &&
           restart(fetch, &version, &fetch->error);
}

static gboolean
same_version(const struct http_exchange *exchange, const struct partial_version *version)
{
    if (version->etag != NULL && exchange->etag != NULL)
        return strcmp(version->etag, exchange->etag) == 0;
    if (version->last_modified != NULL && exchange->last_modified != NULL)
        return strcmp(version->last_modified, exchange->last_modified) == 0;
    return TRUE;
}

/* Some servers ignore If-Range but not Range, so the answer itself must fit. */
static gboolean
continues(struct fetch *fetch, const struct http_exchange *exchange)
{
    const struct partial_version *version = partial_file_version(fetch->part);
    guint64 total = exchange->range_total, size = fetch->request->size;
    if (exchange->offset == 0)
        return error_set(&fetch->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the server sends a part of the file where all was asked for",
                         fetch->shown);
    fetch->afresh = exchange->range_start != exchange->offset || !same_version(exchange, version) ||
                    (total != HTTP_UNKNOWN && version->total != 0 && total != version->total) ||
                    (total != HTTP_UNKNOWN && size != 0 && total != size);
    fetch->resumed = TRUE;
    return !fetch->afresh && check_total(fetch, exchange, total);
}

static gboolean
on_begin(gpointer user, const struct http_exchange *exchange)
{
    struct fetch *fetch = user;
    return exchange->status == 206 ? continues(fetch, exchange) : starts(fetch, exchange);
}

/* A guess by the first bytes: servers give types at random, pages begin alike. */
static gboolean
is_page(const char *data, gsize length)
{
    static const char *const starts_of_pages[] = {"<!doctype html", "<html"};
    while (length > 0 && g_ascii_isspace(*data)) {
        data++;
        length--;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(starts_of_pages); i++) {
        gsize expected = strlen(starts_of_pages[i]);
        if (length >= expected && g_ascii_strncasecmp(data, starts_of_pages[i], expected) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
on_receive(gpointer user, const void *data, gsize length)
{
    struct fetch *fetch = user;
    guint64 size = fetch->request->size;
    if (fetch->request->no_page && partial_file_length(fetch->part) == 0 && is_page(data, length))
        return error_set(&fetch->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the answer is an HTML page, perhaps the log-in, block or error page "
                         "of a server or proxy; see in a browser what it says",
                         fetch->shown);
    if (size != 0 && length > size - partial_file_length(fetch->part))
        return error_set(&fetch->error, SLIPWAY_ERROR_CORRUPT,
                         "%s: is longer than the %" G_GUINT64_FORMAT " bytes that are expected",
                         fetch->shown, size);
    if (!partial_file_write(fetch->part, data, length, &fetch->error)) {
        if (g_error_matches(fetch->error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT))
            g_prefix_error(&fetch->error, "%s: ", fetch->shown);
        return FALSE;
    }
    digest_update(fetch->digest, data, length);
    report(fetch);
    return TRUE;
}

/* A weak ETag does not vouch for each byte. */
static const char *
range_validator(const struct partial_version *version)
{
    if (version->etag != NULL && !g_str_has_prefix(version->etag, "W/"))
        return version->etag;
    return version->last_modified;
}

static gboolean
can_resume(const struct fetch *fetch)
{
    const struct http_request *request = fetch->request;
    const struct partial_version *version = partial_file_version(fetch->part);
    guint64 length = partial_file_length(fetch->part);
    return length > 0 && (request->size == 0 || length < request->size) &&
           (version->total == 0 || length < version->total) &&
           (request->sha256 != NULL || range_validator(version) != NULL);
}

static gboolean
ask(struct fetch *fetch, struct http_exchange *exchange, const char *url, GError **error)
{
    if (!can_resume(fetch) && partial_file_length(fetch->part) > 0 && !restart(fetch, NULL, error))
        return FALSE;
    g_free(fetch->shown);
    fetch->shown = url_redact(url);
    *exchange = (struct http_exchange){
        .client = fetch->client,
        .url = url,
        .entrusted = http_client_entrusts(fetch->client, url),
        .offset = partial_file_length(fetch->part),
        .if_range = range_validator(partial_file_version(fetch->part)),
        .if_none_match = fetch->request->etag,
        .if_modified_since = fetch->request->last_modified,
        .begin = on_begin,
        .receive = on_receive,
        .user = fetch,
    };
    http_exchange_run(exchange);
    fetch->retry_after_s = exchange->retry_after_s;
    return TRUE;
}

static void
answer(struct http_exchange *exchange, struct http_response *response)
{
    if (response == NULL)
        return;
    response->not_modified = exchange->status == 304;
    response->etag = g_steal_pointer(&exchange->etag);
    response->last_modified = g_steal_pointer(&exchange->last_modified);
    response->content_type = g_steal_pointer(&exchange->content_type);
    response->effective_url = g_strdup(exchange->url);
}

static gboolean
check_length(const struct fetch *fetch, const struct http_exchange *exchange, GError **error)
{
    guint64 length = partial_file_length(fetch->part);
    guint64 total = fetch->request->size;
    if (total == 0)
        total = partial_file_version(fetch->part)->total;
    if (total == 0 || length == total)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: ends after %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes%s",
                     fetch->shown, length, total, page_hint(exchange));
}

static enum outcome
check_sha256(const struct fetch *fetch, const struct http_exchange *exchange, const char *sha256,
             GError **error)
{
    const char *expected = fetch->request->sha256;
    if (expected == NULL || strcmp(expected, sha256) == 0)
        return OUTCOME_DONE;
    if (fetch->resumed)
        return OUTCOME_AFRESH;
    error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: has the SHA-256 %s, not the %s that is expected%s",
              fetch->shown, sha256, expected, page_hint(exchange));
    return OUTCOME_FAILED;
}

/* All has come: is it what it should be? */
static enum outcome
finish(struct fetch *fetch, struct http_exchange *exchange, struct http_response *response,
       GError **error)
{
    if (!check_length(fetch, exchange, error))
        return OUTCOME_AGAIN;
    g_autofree char *sha256 = digest_hex(fetch->digest);
    enum outcome outcome = check_sha256(fetch, exchange, sha256, error);
    if (outcome != OUTCOME_DONE)
        return outcome;
    guint64 length = partial_file_length(fetch->part);
    if (!partial_file_commit(g_steal_pointer(&fetch->part), error))
        return OUTCOME_FAILED;
    answer(exchange, response);
    if (response != NULL) {
        response->size = length;
        response->sha256 = g_steal_pointer(&sha256);
    }
    return OUTCOME_DONE;
}

static enum outcome
conclude(struct fetch *fetch, struct http_exchange *exchange, struct http_response *response,
         GError **error)
{
    gboolean conditional = fetch->request->etag != NULL || fetch->request->last_modified != NULL;
    if (fetch->error != NULL) {
        g_propagate_error(error, g_steal_pointer(&fetch->error));
        return OUTCOME_FAILED;
    }
    if (!cancel_check(error))
        return OUTCOME_FAILED;
    if (fetch->afresh || (exchange->status == 416 && exchange->offset > 0))
        return OUTCOME_AFRESH;
    if (http_exchange_answered(exchange) && exchange->status == 304 && conditional) {
        partial_file_discard(g_steal_pointer(&fetch->part));
        answer(exchange, response);
        return OUTCOME_DONE;
    }
    if (exchange->code == CURLE_OK && (exchange->status == 200 || exchange->status == 206))
        return finish(fetch, exchange, response, error);
    http_failure_set(exchange, error);
    return http_failure_transient(exchange) ? OUTCOME_AGAIN : OUTCOME_FAILED;
}

static enum outcome
attempt(struct fetch *fetch, struct http_response *response, GError **error)
{
    g_autofree char *url = g_strdup(fetch->url);
    for (int i = 0; i <= REDIRECTS_MAX; i++) {
        struct http_exchange exchange;
        if (!ask(fetch, &exchange, url, error))
            return OUTCOME_FAILED;
        if (!http_redirect_asked(&exchange)) {
            enum outcome outcome = conclude(fetch, &exchange, response, error);
            http_exchange_clear(&exchange);
            return outcome;
        }
        char *target = http_redirect_target(&exchange, error);
        http_exchange_clear(&exchange);
        if (target == NULL)
            return OUTCOME_FAILED;
        g_free(url);
        url = target;
    }
    error_set(error, SLIPWAY_ERROR_NETWORK, "%s: more than %d redirects", fetch->shown,
              REDIRECTS_MAX);
    return OUTCOME_FAILED;
}

/* Doubled each time, with up to a quarter more so that several do not come at once. */
static gboolean
back_off(struct fetch *fetch, unsigned failures, const GError *cause, GError **error)
{
    guint64 pause = (guint64)fetch->client->backoff_ms << MIN(failures, 16);
    pause = MIN(pause, BACKOFF_MAX_MS);
    pause += (guint64)(g_random_double() * (double)pause / 4);
    pause = MAX(pause, 1000 * MIN(fetch->retry_after_s, RETRY_AFTER_MAX_S));
    progress_info(fetch->progress, "%s; trying again in %.1f s", cause->message,
                  (double)pause / 1000);

    gint64 until = g_get_monotonic_time() + (gint64)pause * 1000;
    for (gint64 left; (left = until - g_get_monotonic_time()) > 0;) {
        if (!cancel_check(error))
            return FALSE;
        g_usleep((gulong)MIN(left, SLEEP_STEP_MS * 1000));
    }
    return TRUE;
}

static gboolean
begin_afresh(struct fetch *fetch, unsigned restarts, GError **error)
{
    fetch->afresh = FALSE;
    if (restarts > RESTARTS_MAX)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "%s: keeps changing while it is fetched; try again later", fetch->shown);
    progress_info(fetch->progress, "%s: what was fetched before does not fit; starting over",
                  fetch->shown);
    return restart(fetch, NULL, error);
}

static gboolean
run(struct fetch *fetch, struct http_response *response, GError **error)
{
    unsigned failures = 0, restarts = 0;
    for (;;) {
        g_autoptr(GError) cause = NULL;
        guint64 before = fetch->reported;
        enum outcome outcome = attempt(fetch, response, &cause);
        if (fetch->reported - before >= GAIN)
            failures = 0;
        if (outcome == OUTCOME_DONE)
            return TRUE;
        if (outcome == OUTCOME_FAILED ||
            (outcome == OUTCOME_AGAIN && failures >= fetch->client->retries)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
        if (outcome == OUTCOME_AFRESH && !begin_afresh(fetch, ++restarts, error))
            return FALSE;
        if (outcome == OUTCOME_AGAIN && !back_off(fetch, failures++, cause, error))
            return FALSE;
    }
}

/* What the bytes are from: their checksum, or the URL without its query, where
 * tokens change from run to run. */
static char *
source_of(const struct http_request *request, const char *url)
{
    if (request->sha256 != NULL)
        return g_strconcat("sha256:", request->sha256, NULL);
    g_autofree char *hash = digest_hex_of(DIGEST_SHA256, url, strcspn(url, "?"));
    return g_strconcat("url:", hash, NULL);
}

static gboolean
open_part(struct fetch *fetch, GError **error)
{
    const struct http_request *request = fetch->request;
    if (request->limit != 0 && request->size > request->limit)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: has %" G_GUINT64_FORMAT " bytes, more than the %" G_GUINT64_FORMAT
                         " that are allowed",
                         fetch->shown, request->size, request->limit);
    fetch->bound = request->size != 0 ? request->size : request->limit;
    if (fetch->bound == 0)
        fetch->bound = HTTP_SIZE_MAX;
    g_autofree char *source = source_of(request, fetch->url);
    fetch->part = partial_file_open(request->path, source, fetch->bound, error);
    if (fetch->part == NULL)
        return FALSE;
    fetch->digest = digest_new(DIGEST_SHA256);
    fetch->resumed = partial_file_length(fetch->part) > 0;
    if (!can_resume(fetch))
        return TRUE;
    if (!partial_file_hash(fetch->part, fetch->digest, error))
        return FALSE;
    report(fetch);
    return TRUE;
}

/* What is wrong as such is of no use to a later run. */
static void
put_away(struct partial_file *part, const GError *error)
{
    if (part != NULL && error != NULL &&
        (error->code == SLIPWAY_ERROR_CORRUPT || error->code == SLIPWAY_ERROR_LIMIT ||
         error->code == SLIPWAY_ERROR_NOT_FOUND))
        partial_file_discard(part);
    else
        partial_file_close(part);
}

gboolean
http_fetch(struct http_client *client, const struct http_request *request,
           struct http_response *response, struct progress *progress, GError **error)
{
    struct fetch fetch = {.client = client, .request = request, .progress = progress};
    g_autoptr(GError) failure = NULL;
    url_register_secrets(request->url);
    fetch.shown = url_redact(request->url);
    fetch.url = url_resolve(NULL, request->url, &failure);
    gboolean ok = fetch.url != NULL && cancel_check(&failure) && open_part(&fetch, &failure) &&
                  run(&fetch, response, &failure);
    put_away(fetch.part, failure);
    digest_free(fetch.digest);
    g_free(fetch.shown);
    g_free(fetch.url);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&failure));
    return ok;
}
