/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_format.h: the text of hosts.json (doc/format/hosts.md).  Pure. */
#pragma once

#include "hyper/host_list.h"

#define HOST_FORMAT_MAX (4u << 20) /* bytes of the file */
#define HOST_TEXT_MAX 8192u        /* bytes of a text in it */

/* Append the hosts (struct host *) of a text, without the path of a password file that is ours.
 * SLIPWAY_ERROR_CORRUPT names what is wrong; SLIPWAY_ERROR_LIMIT; SLIPWAY_ERROR_UNSUPPORTED: of a
 * newer program. */
gboolean host_format_parse(const char *text, gsize length, GPtrArray *hosts, GError **error);
/* What host_format_parse() reads; free with g_free(). */
char *host_format_print(const GPtrArray *hosts, GError **error);
/* SLIPWAY_ERROR_USAGE for a name or a URI that cannot be, and what else could not be written. */
gboolean host_format_check(const struct host *host, GError **error);
