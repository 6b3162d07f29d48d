/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_private.h: what the files of the HTTP client share; for them alone.
 *
 * http_client.c holds the settings, http_handle.c gives them to libcurl, http_exchange.c makes one
 * request and takes its answer, http_failure.c puts failures into words, http_redirect.c says where
 * to go next, http_fetch.c joins requests into one file (resuming, retries),
 * http_fetch_all.c does several. */
#pragma once

#include "base/http.h"

#include <curl/curl.h>

#define HTTP_UNKNOWN G_MAXUINT64

/* A server is asked first; libcurl then takes the best of these that it offers. */
#define HTTP_AUTH_KINDS (CURLAUTH_BASIC | CURLAUTH_DIGEST | CURLAUTH_NTLM)

/* Longest ETag or Last-Modified that is kept, and most bytes of headers. */
#define HTTP_VALIDATOR_MAX 512
#define HTTP_HEADERS_MAX (256 << 10)

struct http_proxy {
    char *url; /* without credentials; "" for none */
    char *user;
    char *password;
};

struct http_client {
    struct http_proxy proxy_http; /* for http:// URLs */
    struct http_proxy proxy_https;
    char *no_proxy;
    char *ca; /* PEM text: the system's authorities and ca_file; NULL: the default */
    gboolean insecure;
    char *user;
    char *password;
    char *bearer_token;
    unsigned connect_timeout_s;
    unsigned stall_timeout_s;
    unsigned retries;
    unsigned backoff_ms;

    GMutex lock;
    gboolean bound;     /* `origins` is settled */
    GPtrArray *origins; /* where the credentials may go */
    GQueue idle;        /* of CURL *, each with its open connections */
};

/* The proxy for `url`; its own url is "" when none is used.  (NO_PROXY is libcurl's.) */
const struct http_proxy *http_client_proxy(const struct http_client *client, const char *url);

/* Whether the client's credentials may go to `url`; the first URL asked about is
 * theirs when no other was named. */
gboolean http_client_entrusts(struct http_client *client, const char *url);

/* Borrow a handle, reset but for its open connections, and give it back.  A thread
 * that fetches several files one after the other gets the same one again. */
CURL *http_client_take(struct http_client *client);
void http_client_put(struct http_client *client, CURL *curl);

/* One request and its answer. */
struct http_exchange {
    /* What to ask. */
    struct http_client *client;
    const char *url;
    gboolean entrusted; /* send the client's credentials */
    guint64 offset;     /* ask for the bytes from here on, 0: for all */
    const char *if_range;
    const char *if_none_match;
    const char *if_modified_since;

    /* `begin` is called once, before the first byte of a 200 or 206 answer and also when
     * it has none; `receive` for each piece.  FALSE ends the exchange. */
    gboolean (*begin)(gpointer user, const struct http_exchange *exchange);
    gboolean (*receive)(gpointer user, const void *data, gsize length);
    gpointer user;

    /* What became of it. */
    CURLcode code;
    char words[CURL_ERROR_SIZE]; /* libcurl's, not redacted */
    long status;                 /* 0: no answer */
    long connect_status;         /* the proxy's answer to CONNECT, 0: none */
    long proxy_error;            /* CURLproxycode */
    long verify_result;          /* X509_V_*, of server or proxy */
    guint64 retry_after_s;
    guint64 length;      /* of the body that is announced; HTTP_UNKNOWN */
    guint64 range_start; /* Content-Range; HTTP_UNKNOWN */
    guint64 range_total; /* HTTP_UNKNOWN */
    char *etag;
    char *last_modified;
    char *content_type;
    char *location;
    gboolean begun;
    gboolean refused; /* begin or receive returned FALSE */
    gboolean cut;     /* the rest of an answer without use was not read */
    gsize headers_length;
    gsize ignored_length;
};

/* Run it.  Never fails as such: see `code` and `status`. */
void http_exchange_run(struct http_exchange *exchange);
void http_exchange_clear(struct http_exchange *exchange);

/* TRUE when libcurl has nothing to complain about. */
gboolean http_exchange_answered(const struct http_exchange *exchange);

/* Put the failure of `exchange` into words.  Returns FALSE. */
gboolean http_failure_set(const struct http_exchange *exchange, GError **error);

/* Whether the same request may succeed a little later. */
gboolean http_failure_transient(const struct http_exchange *exchange);

/* Whether the answer sends us elsewhere, and where: a URL in good form, with the
 * credentials of the exchange's URL if the origin is the same.  Fails with
 * SLIPWAY_ERROR_NETWORK for what is no http(s) URL or less safe than before. */
gboolean http_redirect_asked(const struct http_exchange *exchange);
char *http_redirect_target(const struct http_exchange *exchange, GError **error);
