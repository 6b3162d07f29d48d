/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/import_post.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/url.h"
#include "hyper/vsphere/stream_vmdk.h"
#include "hyper/vsphere/vim_patience.h"

#include <string.h>

/* A disk that is sent anew is sent from its start. */
#define RETRIES_MAX 3u
#define PAUSE_STEP_MS 50u
/* How long a server may take nothing, or think about what it got. */
#define STALL_S 600
#define REPLY_MAX (64u << 10)
#define CURL_BUFFER (512L << 10)

struct transfer {
    const struct import_post *post;
    CURL *curl;
    struct stream_vmdk *stream;
    guint64 *told; /* of the disk, to progress, by all attempts */
    gint64 active; /* when the server took something last, or what it gets was ready */
    guint64 position;
    gsize reply;
    gboolean stalled;
    GError *error; /* of the source, or of whoever is told */
};

/* ---- URLs ------------------------------------------------------------------------------------ */

static char *
replace_star(struct vim *vim, const char *text)
{
    const char *star = strstr(text, "://*");
    if (star == NULL)
        return g_strdup(text);
    /* The session's port too: there may be a tunnel to it. */
    const char *rest = star + 4;
    if (*rest == ':')
        rest += strcspn(rest, "/");
    return *rest == '/' || *rest == '\0' ? g_strconcat(vim_url(vim), rest, NULL) : g_strdup(text);
}

char *
import_post_url(struct vim *vim, const char *text, gboolean *ret_own, GError **error)
{
    g_autofree char *full = replace_star(vim, text);
    g_autofree char *url = url_resolve(NULL, full, error);
    if (url == NULL) {
        g_prefix_error(error, "%s: the lease gives a URL that is none: ", vim_url(vim));
        return NULL;
    }
    g_autofree char *origin = url_origin(url);
    g_autofree char *own = url_origin(vim_url(vim));
    if (g_str_has_prefix(own, "https:") && !g_str_has_prefix(origin, "https:"))
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: the server wants disks to be sent to %s, without encryption",
                          vim_url(vim), origin);
    *ret_own = strcmp(origin, own) == 0;
    return g_steal_pointer(&url);
}

/* ---- What curl asks for ---------------------------------------------------------------------- */

static void
tell_position(struct transfer *transfer)
{
    const struct import_post *post = transfer->post;
    transfer->position = stream_vmdk_position(transfer->stream);
    if (transfer->position > *transfer->told) {
        progress_advance(post->progress, transfer->position - *transfer->told);
        *transfer->told = transfer->position;
    }
}

static size_t
give_bytes(char *buffer, size_t size, size_t n, void *user)
{
    struct transfer *transfer = user;
    gsize length = 0;
    if (!stream_vmdk_read(transfer->stream, buffer, size * n, &length, &transfer->error))
        return CURL_READFUNC_ABORT;
    tell_position(transfer);
    transfer->active = g_get_monotonic_time();
    return length;
}

static size_t
take_reply(char *data G_GNUC_UNUSED, size_t size, size_t n, void *user)
{
    struct transfer *transfer = user;
    transfer->reply += size * n;
    transfer->active = g_get_monotonic_time();
    return transfer->reply <= REPLY_MAX ? size * n : 0;
}

static int
look_around(void *user, curl_off_t a G_GNUC_UNUSED, curl_off_t b G_GNUC_UNUSED,
            curl_off_t c G_GNUC_UNUSED, curl_off_t d G_GNUC_UNUSED)
{
    struct transfer *transfer = user;
    const struct import_post *post = transfer->post;
    if (transfer->error != NULL || !cancel_check(&transfer->error) ||
        !post->tell(post->user, transfer->position, &transfer->error))
        return 1;
    transfer->stalled = g_get_monotonic_time() - transfer->active > STALL_S * G_USEC_PER_SEC;
    return transfer->stalled;
}

/* ---- A transfer ------------------------------------------------------------------------------ */

static void
set_up(struct transfer *transfer, guint64 length, struct curl_slist *headers)
{
    CURL *curl = transfer->curl;
    curl_easy_setopt(curl, CURLOPT_URL, transfer->post->url);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     length != 0 ? (curl_off_t)length : (curl_off_t)-1);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, CURL_BUFFER);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_bytes);
    curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_reply);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_around);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    /* Waiting for a slow source is no stall of the server's. */
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 0L);
}

static struct curl_slist *
new_headers(guint64 length)
{
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/x-vnd.vmware-streamVmdk");
    /* Not all such servers answer "100 Continue". */
    headers = curl_slist_append(headers, "Expect:");
    return length != 0 ? headers : curl_slist_append(headers, "Transfer-Encoding: chunked");
}

static gboolean
fail_status(const struct import_post *post, long status, GError **error)
{
    enum slipway_error code =
        status == 401 || status == 403 ? SLIPWAY_ERROR_DENIED : SLIPWAY_ERROR_NETWORK;
    return error_set(error, code, "%s: the server answers with status %ld", post->what, status);
}

struct outcome {
    long status; /* 0: no answer */
    gboolean passing;
};

static gboolean
judge(struct transfer *transfer, CURLcode code, struct outcome *ret, GError **error)
{
    const struct import_post *post = transfer->post;
    if (transfer->error != NULL) {
        ret->passing = FALSE;
        g_propagate_error(error, g_steal_pointer(&transfer->error));
        return FALSE;
    }
    ret->passing = ret->status == 0 || ret->status == 408 || ret->status == 429 ||
                   (ret->status >= 500 && ret->status != 501);
    if (transfer->stalled)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "%s: the server has taken nothing for %d minutes", post->what,
                         STALL_S / 60);
    /* A server that refuses may close the connection while it is still sent to. */
    if (code != CURLE_OK && ret->status / 100 < 3) {
        ret->passing = code != CURLE_PEER_FAILED_VERIFICATION;
        return vim_curl_failure(transfer->curl, code, post->what, error);
    }
    if (ret->status / 100 != 2)
        return fail_status(post, ret->status, error);
    return TRUE;
}

/* `length` 0: not known, the body is sent in chunks. */
static gboolean
send_once(const struct import_post *post, guint64 length, guint64 *told, struct outcome *ret,
          GError **error)
{
    struct transfer transfer = {.post = post, .told = told};
    *ret = (struct outcome){0};
    auto_ptr(stream_vmdk) stream = stream_vmdk_new(post->source, 0, 0, error);
    if (stream == NULL)
        return FALSE;
    struct curl_slist *headers = new_headers(length);
    guint number = 0;
    char *cookie = post->cookie ? vim_cookie(post->vim, &number) : NULL;
    transfer.stream = stream;
    transfer.active = g_get_monotonic_time();
    transfer.curl = vim_curl(post->vim, post->thumbprint);
    set_up(&transfer, length, headers);
    curl_easy_setopt(transfer.curl, CURLOPT_COOKIE, cookie);
    CURLcode code = curl_easy_perform(transfer.curl);
    curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &ret->status);
    gboolean ok = judge(&transfer, code, ret, error);
    curl_easy_cleanup(transfer.curl);
    curl_slist_free_all(headers);
    secret_free(cookie);
    return ok;
}

/* What the stream will be: it is the same each time. */
static gboolean
count_bytes(const struct import_post *post, guint64 *ret, GError **error)
{
    auto_ptr(stream_vmdk) stream = stream_vmdk_new(post->source, 0, 0, error);
    g_autofree guint8 *buffer = g_malloc(1 << 20);
    gsize length = 1;
    *ret = 0;
    while (stream != NULL && length > 0) {
        if (!stream_vmdk_read(stream, buffer, 1 << 20, &length, error) ||
            !post->tell(post->user, 0, error))
            return FALSE;
        *ret += length;
    }
    return stream != NULL;
}

static gboolean
rest(const struct import_post *post, guint64 milliseconds, GError **error)
{
    for (guint64 done = 0; done < milliseconds; done += PAUSE_STEP_MS) {
        if (!cancel_check(error) || !post->tell(post->user, 0, error))
            return FALSE;
        g_usleep(PAUSE_STEP_MS * 1000ul);
    }
    return TRUE;
}

gboolean
import_post_run(const struct import_post *post, GError **error)
{
    guint64 length = 0, told = 0;
    guint retries = MIN(vim_patience_retries(post->vim), RETRIES_MAX);
    for (guint tries = 0;;) {
        g_autoptr(GError) cause = NULL;
        struct outcome outcome;
        if (send_once(post, length, &told, &outcome, &cause))
            return TRUE;
        gboolean wants_length = length == 0 && (outcome.status == 411 || outcome.status == 501);
        if (!wants_length && (!outcome.passing || tries >= retries)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
        if (wants_length ? !count_bytes(post, &length, error)
                         : !rest(post, vim_patience_pause_ms(post->vim, ++tries), error))
            return FALSE;
    }
}
