/* SPDX-License-Identifier: GPL-3.0-or-later */
/* connections.h: the connections to one export of an NBD server.
 *
 * A libnbd handle does one request at a time.  Where the server says that several connections see
 * the same disk (multi-conn), up to CONNECTIONS_MAX are used, made when there is more to do than
 * the others can; elsewhere there is one, and callers wait for each other.
 *
 * A connection that is lost is replaced when the disk is only read.  A written disk is lost with
 * it: the server may have lost what it had not made durable, and a flush over a new connection
 * would succeed all the same.
 *
 * All functions but connections_close() may be called from any thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>
#include <libnbd.h>

#define CONNECTIONS_MAX 4u

struct connections;

/* What the server offers. */
struct connections_offer {
    guint64 size;
    guint alignment;     /* of offsets and lengths, a power of two */
    guint32 request_max; /* bytes in one read or write, a multiple of `alignment` */
    gboolean read_only;
    gboolean multi;
    gboolean extents; /* base:allocation */
    gboolean zero;
    gboolean flush;
};

/* Connect to the server at `uri`.  SLIPWAY_ERROR_USAGE for a URI that is none, otherwise
 * SLIPWAY_ERROR_NETWORK.  `replace`: lost connections may be replaced. */
struct connections *connections_open(const char *uri, gboolean replace, GError **error);

/* The same over `n` sockets that are connected to a server already, all of which this takes over,
 * also when it fails.  None is ever replaced. */
struct connections *connections_adopt(const char *label, const int *sockets, guint n,
                                      GError **error);

const struct connections_offer *connections_offer(const struct connections *connections);

/* A connection for the caller alone, or NULL with SLIPWAY_ERROR_NETWORK.  Waits while all of them
 * are in use. */
struct nbd_handle *connections_take(struct connections *connections, GError **error);

/* Give back what connections_take() returned.  TRUE unless the connection is lost. */
gboolean connections_give(struct connections *connections, struct nbd_handle *handle);

/* Say good-bye to the server.  All connections must have been given back.  NULL is fine. */
void connections_close(struct connections *connections);
AUTO_PTR_DEFINE(connections, connections_close)
