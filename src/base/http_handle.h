/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_handle.h: handles of libcurl with the settings of a client, for those who do more over HTTP
 * than fetch files: calls, ranges, uploads.
 *
 * A handle belongs to one thread at a time. */
#pragma once

#include "base/http.h"

#include <curl/curl.h>

/* Give `curl` the time limits, the proxy for https (or http) URLs, the trust in certificates and
 * the name of the program; no URL, and no credentials but the proxy's.  `client` must live as long
 * as the handle. */
CURLcode http_handle_set(CURL *curl, struct http_client *client, gboolean https);

/* After curl_easy_perform() gave `code`, or an HTTP status of 400 or more: set `error` as http.h
 * says.  `words` (of CURLOPT_ERRORBUFFER) may be NULL.  Returns FALSE. */
gboolean http_handle_failure(CURL *curl, CURLcode code, const char *words,
                             struct http_client *client, GError **error);
/* Whether the same request may succeed a little later. */
gboolean http_handle_transient(CURL *curl, CURLcode code, const char *words);
/* How often to try after the first time, and how long to wait before try `n` (from 1). */
guint http_handle_retries(const struct http_client *client);
guint64 http_handle_pause_us(const struct http_client *client, guint n);
