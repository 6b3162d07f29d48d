/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http.h: fetching files over HTTP and HTTPS as people's networks really are.
 *
 * A client is a set of connection settings over libcurl; it may be used from
 * several threads at once.  Redirects are followed (10 at most, only http and
 * https, never from https down to http); transient failures (connection refused
 * or lost, timeouts, 408, 429, 500, 502, 503, 504) are retried with exponential
 * back-off that honours Retry-After (up to 60 s); an interrupted download goes on
 * where it stopped (Range with If-Range), also in a later run.  Attempts are
 * counted anew whenever one brought 1 MiB or more.
 *
 * The client's credentials go to the origins (scheme, host and port) of
 * `auth_urls` and to no other, neither after a redirect nor because a document
 * names a URL elsewhere; those in a URL go to that URL's origin only.
 *
 * Errors: SLIPWAY_ERROR_NOT_FOUND (404, 410), SLIPWAY_ERROR_DENIED (401, 403,
 * 407; the message says which of server and proxy refuses and what to give),
 * SLIPWAY_ERROR_NETWORK (no such host, refused, TLS, time-out, other statuses; names the
 * remedy: --cacert for an unknown authority, --proxy ...), SLIPWAY_ERROR_CORRUPT (wrong
 * size or checksum), SLIPWAY_ERROR_LIMIT, SLIPWAY_ERROR_IO, SLIPWAY_ERROR_CANCELLED.  URLs
 * in messages are redacted (url.h). */
#pragma once

#include "base/auto_ptr.h"
#include "base/progress.h"

#include <glib.h>

struct http_options {
    const char *proxy;          /* URL of the proxy (http, https, socks4, socks4a, socks5, socks5h);
                                 * "" for none whatever the environment says; NULL: the
                                 * environment when the client is made (http_proxy in lower case
                                 * only; https_proxy and all_proxy in either), as curl reads it */
    const char *proxy_user;     /* NULL: from the proxy's URL, if any */
    const char *proxy_password; /* any of Basic, Digest, NTLM as the proxy asks */
    const char *no_proxy;       /* comma-separated hosts, domains, CIDRs; NULL: NO_PROXY */
    const char *ca_file;        /* PEM file that is trusted besides the system's */
    gboolean insecure;          /* do not check certificates; warned about loudly by the caller */
    const char *user;           /* server credentials; NULL: from the URL or ~/.netrc */
    const char *password;
    unsigned connect_timeout_s; /* 0: 30 */
    unsigned stall_timeout_s;   /* give up a transfer that brings nothing for so long (it takes
                                 * libcurl some 5 s more to be sure of that); 0: 60 */
    unsigned retries;           /* attempts after the first; HTTP_RETRIES_DEFAULT: 4 */
    unsigned backoff_ms;        /* first pause, doubled each time; 0: 500 */
    const char *bearer_token;   /* sent as Authorization: Bearer instead of `user`; NULL */
    /* Ends with NULL: whose origins `user` or `bearer_token` are for.  NULL: the origin of the
     * first URL that this client fetches. */
    const char *const *auth_urls;
};

#define HTTP_RETRIES_DEFAULT G_MAXUINT

/* Longest file that is fetched, and so the largest part file, when a request
 * states neither a size nor a limit. */
#define HTTP_SIZE_MAX (G_GUINT64_CONSTANT(16) << 30)

struct http_client;

/* Copies `options` (NULL: defaults) and registers what is secret in it.
 * Fails with SLIPWAY_ERROR_NOT_FOUND when ca_file is not there, SLIPWAY_ERROR_USAGE
 * for a proxy URL that cannot be. */
struct http_client *http_client_new(const struct http_options *options, GError **error);
void http_client_free(struct http_client *client);
AUTO_PTR_DEFINE(http_client, http_client_free)

/* One file to fetch. */
struct http_request {
    const char *url;
    const char *path;   /* where to; written durably; the directory must exist */
    guint64 size;       /* expected bytes, 0 unknown */
    const char *sha256; /* expected lower-case hex, NULL unknown */
    guint64 limit;      /* refuse more than this many bytes; 0: `size`, else HTTP_SIZE_MAX */
    /* For conditional requests: what http_response said last time, or NULL. */
    const char *etag;
    const char *last_modified;
    gboolean no_page; /* an HTML page cannot be what is wanted, and is SLIPWAY_ERROR_NETWORK */
};

struct http_response {
    gboolean not_modified; /* 304: `path` was not touched */
    guint64 size;
    char *etag;          /* NULL when the server sent none */
    char *last_modified; /* as sent */
    char *content_type;
    char *sha256;        /* of the body, lower-case hex; NULL when not modified */
    char *effective_url; /* after redirects: relative references resolve against it; keeps the
                          * credentials of the URL, so never show it but through url_redact() */
};

/* Free what is inside and zero it. */
void http_response_clear(struct http_response *response);

/* Fetch one file.  Partial data is kept as `PATH.part` (with `PATH.part.etag`)
 * for resuming, never under `path` itself; a later call with a request for the
 * same path resumes it if the server still has the same file (partial_file.h).
 * Bodies are stored as sent, without undoing a Content-Encoding; none is asked
 * for.  `progress` gets advance() for each byte of the file once, those of an
 * earlier run included, no begin/end.  `response` may be NULL; otherwise it is
 * zeroed by the caller and set on success only.  Whoever else fetches to the same
 * path at that time, in any process, is waited for (SLIPWAY_ERROR_BUSY after ten
 * minutes). */
gboolean http_fetch(struct http_client *client, const struct http_request *request,
                    struct http_response *response, struct progress *progress, GError **error);

/* Fetch `n` files, `parallel` at a time (0: 4; 1 makes no thread), one progress step for
 * all.  Stops at the first failure after the transfers under way have ended, and reports that
 * failure; what was complete is kept. */
gboolean http_fetch_all(struct http_client *client, const struct http_request *requests, gsize n,
                        unsigned parallel, struct progress *progress, GError **error);

/* The same, but a file that is wrong by itself (SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_CORRUPT,
 * SLIPWAY_ERROR_LIMIT) does not keep the others from being fetched: its error goes to errors[i],
 * which the caller has set to NULL.  FALSE for any other failure, with errors[] as far as they
 * came. */
gboolean http_fetch_each(struct http_client *client, const struct http_request *requests, gsize n,
                         unsigned parallel, struct progress *progress, GError **errors,
                         GError **error);
