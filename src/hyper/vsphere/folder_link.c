/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/folder_link.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/secret.h"
#include "hyper/vsphere/vim_patience.h"

#include <string.h>

/* Of a pause between tries, to look around. */
#define PAUSE_STEP_MS 50u
/* What counts as progress. */
#define PROGRESS (64u << 10)
/* Sessions that are made anew without progress. */
#define RENEWALS 2u
/* Of a body that is of no use: read, so that the connection stays good. */
#define IGNORED_MAX (64u << 10)
#define CURL_BUFFER (512L << 10)

struct folder_link {
    struct vim *vim;
    CURL *curl;
    char *url, *what;
    const int *ends;
    guint tries, renewals; /* since there was progress */
};

enum want { WANT_RANGE, WANT_ALL, WANT_STORE };

/* One request and its answer. */
struct exchange {
    struct folder_link *link;
    enum want want;
    /* WANT_RANGE: */
    guint64 offset;
    guint8 *to;
    gsize length;
    /* WANT_ALL: */
    GByteArray *all;
    gsize limit;
    /* WANT_STORE: */
    const guint8 *from;
    gsize sent;

    gsize got; /* bytes of use */
    gsize ignored;
    long status;
    gboolean has_range;
    guint64 range_first, range_last, range_total; /* total 0: not told */
    GError *error;                                /* what ends the exchange and will not pass */
};

/* ---- Answers --------------------------------------------------------------------------------- */

/* "bytes 0-99/1000", "bytes 0-99" with a slash and a star. */
static void
parse_content_range(struct exchange *exchange, const char *text)
{
    guint64 numbers[3] = {0};
    const char *at = text;
    if (g_ascii_strncasecmp(at, "bytes", 5) != 0)
        return;
    at += 5;
    for (guint i = 0; i < 3; i++) {
        while (*at == ' ')
            at++;
        if (i == 2 && *at == '*')
            break;
        char *end = NULL;
        if (!g_ascii_isdigit(*at))
            return;
        numbers[i] = g_ascii_strtoull(at, &end, 10);
        if (i < 2 && *end != "-/"[i])
            return;
        at = end + (i < 2);
    }
    exchange->range_first = numbers[0];
    exchange->range_last = numbers[1];
    exchange->range_total = numbers[2];
    exchange->has_range = TRUE;
}

static size_t
take_header(char *data, size_t size, size_t n, void *user)
{
    struct exchange *exchange = user;
    gsize length = size * n;
    static const char name[] = "content-range:";
    /* A new answer: behind a proxy's, or "100 Continue". */
    if (length > 5 && strncmp(data, "HTTP/", 5) == 0)
        exchange->has_range = FALSE;
    if (length > sizeof name && g_ascii_strncasecmp(data, name, sizeof name - 1) == 0) {
        g_autofree char *text = g_strndup(data + sizeof name - 1, length - sizeof name + 1);
        parse_content_range(exchange, g_strstrip(text));
    }
    return length;
}

static gboolean
judge_range(struct exchange *exchange)
{
    const struct folder_link *link = exchange->link;
    if (exchange->status == 200)
        return error_set(
            &exchange->error, SLIPWAY_ERROR_UNSUPPORTED,
            "%s: the server sends the whole file when it is asked for a part; if there "
            "is a proxy in between, go around it",
            link->what);
    if (!exchange->has_range || exchange->range_first != exchange->offset ||
        exchange->range_last < exchange->range_first ||
        exchange->range_last - exchange->range_first >= exchange->length)
        return error_set(&exchange->error, SLIPWAY_ERROR_NETWORK,
                         "%s: asked for %" G_GSIZE_FORMAT " bytes at offset %" G_GUINT64_FORMAT
                         ", and the server sends others",
                         link->what, exchange->length, exchange->offset);
    return TRUE;
}

static gboolean
take_range(struct exchange *exchange, const char *data, gsize length)
{
    if (exchange->got == 0 && !judge_range(exchange))
        return FALSE;
    if (length > exchange->length - exchange->got)
        return error_set(&exchange->error, SLIPWAY_ERROR_NETWORK,
                         "%s: the server sends more than it was asked for at offset "
                         "%" G_GUINT64_FORMAT,
                         exchange->link->what, exchange->offset);
    memcpy(exchange->to + exchange->got, data, length);
    exchange->got += length;
    return TRUE;
}

static gboolean
take_all(struct exchange *exchange, const char *data, gsize length)
{
    if (length > exchange->limit - exchange->all->len)
        return error_set(&exchange->error, SLIPWAY_ERROR_LIMIT,
                         "%s: has more than %" G_GSIZE_FORMAT " bytes", exchange->link->what,
                         exchange->limit);
    g_byte_array_append(exchange->all, (const guint8 *)data, (guint)length);
    exchange->got += length;
    return TRUE;
}

static size_t
take_body(char *data, size_t size, size_t n, void *user)
{
    struct exchange *exchange = user;
    gsize length = size * n;
    if (exchange->status == 0)
        curl_easy_getinfo(exchange->link->curl, CURLINFO_RESPONSE_CODE, &exchange->status);
    gboolean useful = exchange->status / 100 == 2 && exchange->want != WANT_STORE;
    if (!useful) {
        exchange->ignored += length;
        return exchange->ignored <= IGNORED_MAX ? length : 0;
    }
    gboolean ok = exchange->want == WANT_RANGE ? take_range(exchange, data, length)
                                               : take_all(exchange, data, length);
    return ok ? length : 0;
}

static gboolean
is_over(const struct folder_link *link)
{
    return cancel_requested() || (link->ends != NULL && g_atomic_int_get(link->ends) != 0);
}

static int
look_around(void *user, curl_off_t a G_GNUC_UNUSED, curl_off_t b G_GNUC_UNUSED,
            curl_off_t c G_GNUC_UNUSED, curl_off_t d G_GNUC_UNUSED)
{
    return is_over(user);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static size_t
give_body(char *buffer, size_t size, size_t n, void *user)
{
    struct exchange *exchange = user;
    gsize length = MIN(size * n, exchange->length - exchange->sent);
    memcpy(buffer, exchange->from + exchange->sent, length);
    exchange->sent += length;
    return length;
}

static int
rewind_body(void *user, curl_off_t offset, int origin)
{
    struct exchange *exchange = user;
    if (origin != SEEK_SET || offset < 0 || (guint64)offset > exchange->length)
        return CURL_SEEKFUNC_CANTSEEK;
    exchange->sent = (gsize)offset;
    return CURL_SEEKFUNC_OK;
}

static void
set_store(CURL *curl, struct exchange *exchange)
{
    gboolean store = exchange->want == WANT_STORE;
    curl_easy_setopt(curl, CURLOPT_UPLOAD, (long)store);
    if (!store) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_body);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)exchange->length);
}

/* *ret_number: of the cookie that it went with. */
static CURLcode
perform(struct exchange *exchange, guint *ret_number)
{
    CURL *curl = exchange->link->curl;
    char *cookie = vim_cookie(exchange->link->vim, ret_number);
    char range[64];
    g_snprintf(range, sizeof range, "%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, exchange->offset,
               exchange->offset + exchange->length - 1);
    set_store(curl, exchange);
    curl_easy_setopt(curl, CURLOPT_RANGE, exchange->want == WANT_RANGE ? range : NULL);
    curl_easy_setopt(curl, CURLOPT_COOKIE, cookie);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    exchange->status = 0;
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange->status);
    curl_easy_setopt(curl, CURLOPT_COOKIE, NULL);
    secret_free(cookie);
    return code;
}

/* ---- Failures -------------------------------------------------------------------------------- */

static gboolean
is_passing_status(long status)
{
    return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

static gboolean
is_passing_code(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
        return FALSE;
    default:
        return TRUE;
    }
}

static gboolean
fail_over(GError **error)
{
    if (!cancel_check(error))
        return FALSE;
    return error_set(error, SLIPWAY_ERROR_CANCELLED, "not needed any more");
}

static gboolean
fail_status(const struct exchange *exchange, GError **error)
{
    const char *what = exchange->link->what;
    switch (exchange->status) {
    case 401:
        return error_set(error, SLIPWAY_ERROR_DENIED,
                         "%s: the server does not accept the session, also when it is a new one "
                         "(401); check that the account may use datastores",
                         what);
    case 403:
        return error_set(error, SLIPWAY_ERROR_DENIED,
                         "%s: not permitted (403); the account needs the privileges to browse the "
                         "datastore and for low-level file operations on it",
                         what);
    case 404:
    case 410:
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: no such file (%ld)", what,
                         exchange->status);
    case 416:
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: ends before offset %" G_GUINT64_FORMAT " (416)", what,
                         exchange->offset);
    default:
        return error_set(error, SLIPWAY_ERROR_NETWORK, "%s: the server answers with status %ld",
                         what, exchange->status);
    }
}

static gboolean
rest(const struct folder_link *link, guint64 milliseconds, GError **error)
{
    for (guint64 done = 0; done < milliseconds; done += PAUSE_STEP_MS) {
        if (is_over(link))
            return fail_over(error);
        g_usleep(PAUSE_STEP_MS * 1000ul);
    }
    return TRUE;
}

/* TRUE: try it again, after a pause. */
static gboolean
try_again(struct folder_link *link, GError *cause, GError **error)
{
    if (link->tries >= vim_patience_retries(link->vim)) {
        g_propagate_prefixed_error(error, cause, "after %u attempts: ", link->tries + 1);
        return FALSE;
    }
    g_error_free(cause);
    return rest(link, vim_patience_pause_ms(link->vim, ++link->tries), error);
}

static gboolean
renew(struct exchange *exchange, guint number, GError **error)
{
    if (exchange->link->renewals++ >= RENEWALS)
        return fail_status(exchange, error);
    g_autoptr(GError) cause = NULL;
    if (vim_renew(exchange->link->vim, number, &cause))
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&cause), "%s: ", exchange->link->what);
    return FALSE;
}

/* TRUE when all is there (*ret_done) or the rest is to be asked for. */
static gboolean
judge(struct exchange *exchange, CURLcode code, guint number, gboolean *ret_done, GError **error)
{
    struct folder_link *link = exchange->link;
    GError *cause = NULL;
    /* Only a range goes on from where it was. */
    if (exchange->want == WANT_RANGE && exchange->got >= PROGRESS)
        link->tries = link->renewals = 0;
    if (exchange->error != NULL) {
        g_propagate_error(error, g_steal_pointer(&exchange->error));
        return FALSE;
    }
    if (is_over(link) && code != CURLE_OK)
        return fail_over(error);
    /* The end of a body that is of no use is not waited for. */
    if (code != CURLE_OK && exchange->ignored <= IGNORED_MAX) {
        vim_curl_failure(link->curl, code, link->what, &cause);
        if (is_passing_code(code))
            return try_again(link, cause, error);
        g_propagate_error(error, cause);
        return FALSE;
    }
    if (exchange->status == 401)
        return renew(exchange, number, error);
    if (exchange->status / 100 != 2) {
        fail_status(exchange, &cause);
        if (is_passing_status(exchange->status))
            return try_again(link, cause, error);
        g_propagate_error(error, cause);
        return FALSE;
    }
    *ret_done = exchange->want != WANT_RANGE || exchange->got == exchange->length;
    if (*ret_done) {
        link->tries = link->renewals = 0;
        return TRUE;
    }
    error_set(&cause, SLIPWAY_ERROR_NETWORK,
              "%s: %" G_GSIZE_FORMAT " bytes at offset %" G_GUINT64_FORMAT
              " were asked for, and %" G_GSIZE_FORMAT " came",
              link->what, exchange->length, exchange->offset, exchange->got);
    return try_again(link, cause, error);
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct folder_link *
folder_link_new(struct vim *vim, const char *url, const char *what, const int *ends)
{
    struct folder_link *link = g_new0(struct folder_link, 1);
    link->vim = vim;
    link->url = g_strdup(url);
    link->what = g_strdup(what);
    link->ends = ends;
    link->curl = vim_curl(vim, NULL);
    curl_easy_setopt(link->curl, CURLOPT_URL, link->url);
    curl_easy_setopt(link->curl, CURLOPT_PATH_AS_IS, 1L);
    /* One connection for each thread is the point; the newer protocol would join them. */
    curl_easy_setopt(link->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(link->curl, CURLOPT_BUFFERSIZE, CURL_BUFFER);
    curl_easy_setopt(link->curl, CURLOPT_UPLOAD_BUFFERSIZE, CURL_BUFFER);
    curl_easy_setopt(link->curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(link->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(link->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(link->curl, CURLOPT_XFERINFOFUNCTION, look_around);
    curl_easy_setopt(link->curl, CURLOPT_XFERINFODATA, link);
    return link;
}

void
folder_link_free(struct folder_link *link)
{
    if (link == NULL)
        return;
    curl_easy_cleanup(link->curl);
    g_free(link->url);
    g_free(link->what);
    g_free(link);
}

gboolean
folder_link_read(struct folder_link *link, guint64 offset, void *buffer, gsize length,
                 guint64 *ret_total, GError **error)
{
    struct exchange exchange = {
        .link = link, .want = WANT_RANGE, .offset = offset, .to = buffer, .length = length};
    gboolean done = FALSE, ok = TRUE;
    link->tries = link->renewals = 0;
    while (ok && !done) {
        guint number = 0;
        CURLcode code = perform(&exchange, &number);
        ok = judge(&exchange, code, number, &done, error);
        /* What came is good whatever happened then. */
        exchange.offset += exchange.got;
        exchange.to += exchange.got;
        exchange.length -= exchange.got;
        exchange.got = exchange.ignored = 0;
        if (ok && exchange.length == 0)
            done = TRUE;
    }
    if (ret_total != NULL)
        *ret_total = exchange.range_total;
    return ok;
}

GBytes *
folder_link_get(struct folder_link *link, gsize limit, GError **error)
{
    struct exchange exchange = {.link = link, .want = WANT_ALL, .limit = limit};
    gboolean done = FALSE, ok = TRUE;
    link->tries = link->renewals = 0;
    exchange.all = g_byte_array_new();
    while (ok && !done) {
        guint number = 0;
        g_byte_array_set_size(exchange.all, 0);
        exchange.got = exchange.ignored = 0;
        CURLcode code = perform(&exchange, &number);
        ok = judge(&exchange, code, number, &done, error);
    }
    if (ok)
        return g_byte_array_free_to_bytes(exchange.all);
    g_byte_array_unref(exchange.all);
    return NULL;
}

gboolean
folder_link_put(struct folder_link *link, GBytes *bytes, GError **error)
{
    struct exchange exchange = {.link = link, .want = WANT_STORE};
    gboolean done = FALSE, ok = TRUE;
    link->tries = link->renewals = 0;
    exchange.from = g_bytes_get_data(bytes, &exchange.length);
    while (ok && !done) {
        guint number = 0;
        exchange.sent = exchange.ignored = 0;
        CURLcode code = perform(&exchange, &number);
        ok = judge(&exchange, code, number, &done, error);
    }
    return ok;
}
