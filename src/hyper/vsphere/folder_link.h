/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_link.h: a connection to one file of a datastore; for the folder_*.c alone.
 *
 * What fails for a passing reason (a lost connection, a short body, 408, 429, 5xx) is tried again
 * from where it was, a bounded number of times without progress and with pauses that grow; a
 * session that has expired (401) is made anew.  Ends with SLIPWAY_ERROR_CANCELLED when cancel.h
 * says so, also in a pause.  A link belongs to one thread at a time. */
#pragma once

#include "base/auto_ptr.h"
#include "hyper/vsphere/vim.h"

struct folder_link;

/* `what` is for messages: disk and file.  `ends` (may be NULL) is atomic: once it is not 0, every
 * call fails soon. */
struct folder_link *folder_link_new(struct vim *vim, const char *url, const char *what,
                                    const int *ends);
void folder_link_free(struct folder_link *link);
AUTO_PTR_DEFINE(folder_link, folder_link_free)

/* The bytes [offset, offset + length).  SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_DENIED,
 * SLIPWAY_ERROR_CORRUPT (the file ends before), SLIPWAY_ERROR_UNSUPPORTED (a server that knows no
 * ranges), SLIPWAY_ERROR_NETWORK.  *ret_total (may be NULL) is the file's length, 0 when the server
 * does not tell. */
gboolean folder_link_read(struct folder_link *link, guint64 offset, void *buffer, gsize length,
                          guint64 *ret_total, GError **error);
/* All of it; SLIPWAY_ERROR_LIMIT beyond `limit`. */
GBytes *folder_link_get(struct folder_link *link, gsize limit, GError **error);
gboolean folder_link_put(struct folder_link *link, GBytes *bytes, GError **error);
