/* SPDX-License-Identifier: GPL-3.0-or-later */
/* url.h: taking URLs apart, joining them, and showing them without their secrets. */
#pragma once

#include <glib.h>

/* TRUE when `text` begins with http:// or https:// (any case). */
gboolean url_is_http(const char *text);

/* Longest URL that is accepted, in bytes. */
#define URL_MAX 8192

/* Resolve `reference` (absolute or relative, RFC 3986 section 5) against the
 * document at `base` (NULL: only an absolute one will do).  A relative reference
 * resolves against the directory of `base`; one with `..` does not climb above the
 * host.  Spaces and the like are percent-encoded, a fragment is dropped.  Fails with
 * SLIPWAY_ERROR_CORRUPT on something that is no http(s) URL, has a host that is neither
 * a plain name nor an address, holds control characters or is longer than URL_MAX bytes. */
char *url_resolve(const char *base, const char *reference, GError **error);

/* The origin of an http(s) URL, `scheme://host:port` in lower case and with the
 * port always there, so that two can be compared; NULL for anything else. */
char *url_origin(const char *url);

/* `url` as it may be shown: the password of `user:password@` and every value of
 * a query as `***`, and any path segment that looks like a token: 20 or more
 * characters of [A-Za-z0-9_~=-] with both letters and digits, 12 of these in a row,
 * and no dot (`lsuv2-lsiv2-drivers-plugin` is a name), or the first path segment of
 * a dl.broadcom.com URL.  A user name that looks like a token
 * and a fragment are hidden too.  Also runs secret_redact(). */
char *url_redact(const char *url);

/* Register as secrets (secret.h) what url_redact() would hide in `url`, except
 * values of a query that are ordinary words by the look of them (under 20 bytes,
 * and a name without `token`, `key`, `sig`, ...): `?version=8.0.3` must not blank
 * out that version in every other text. */
void url_register_secrets(const char *url);

/* The last path segment, percent-decoded and made safe for use as a file name
 * ([A-Za-z0-9._+-], at most 100 bytes, no leading dot); "download" when there is
 * none or url_redact() would hide it. */
char *url_basename(const char *url);
