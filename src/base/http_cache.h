/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_cache.h: documents fetched before, revalidated when asked for again.
 *
 * A directory with two files per URL, named by the SHA-256 of the URL: the body
 * and a small JSON note (ETag, Last-Modified, size, SHA-256 of the body, time).
 * No URL that was asked for is ever stored, so no token is; where a redirect led
 * is noted only when url_redact() has nothing to hide in it.  Several processes
 * and threads may share it. */
#pragma once

#include "base/http.h"

struct http_cache;

/* Use (and create, mode 0700) `directory`.  `client` is borrowed; NULL, or `offline`,
 * means: answer from the cache or fail.  Fails with SLIPWAY_ERROR_IO. */
struct http_cache *http_cache_new(const char *directory, struct http_client *client,
                                  gboolean offline, GError **error);
void http_cache_free(struct http_cache *cache);
AUTO_PTR_DEFINE(http_cache, http_cache_free)

struct http_cache_entry {
    char *path;          /* the body, in the cache directory */
    char *effective_url; /* where it came from after redirects; from the cache: the redirect
                          * target if the note has it, otherwise the URL asked for */
    char *content_type;  /* NULL when the server sent none */
    gboolean fresh;      /* fetched or revalidated just now */
};

/* Free what is inside and zero it. */
void http_cache_entry_clear(struct http_cache_entry *entry);

/* Get the document at `url`, at most `limit` bytes (0: HTTP_SIZE_MAX): revalidated with
 * the server when there is a copy, fetched when there is none.  A damaged copy (its SHA-256 differs
 * from the note's) is thrown away and fetched again.  When the server cannot be reached but a copy
 * is there, the copy is given with fresh=FALSE and a warning through `progress`.  Offline
 * without a copy: SLIPWAY_ERROR_NETWORK, naming --offline; with a damaged one:
 * SLIPWAY_ERROR_CORRUPT.  Otherwise fails as http_fetch() does. */
gboolean http_cache_get(struct http_cache *cache, const char *url, guint64 limit,
                        struct http_cache_entry *ret_entry, struct progress *progress,
                        GError **error);

/* The copy of the document at `url` if there is a sound one: *ret_here says so.  Asks no server.
 * Cannot fail at present. */
gboolean http_cache_peek(struct http_cache *cache, const char *url, gboolean *ret_here,
                         struct http_cache_entry *ret_entry, GError **error);
