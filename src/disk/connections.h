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
 * A server that says nothing while an answer is due (disk_nbd_options.silence_s) has failed for
 * good: no other connection is tried, as each would be waited for as long.
 *
 * All functions but connections_close() may be called from any thread. */
#pragma once

#include "base/auto_ptr.h"
#include "disk/disk_open.h"

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
 * SLIPWAY_ERROR_NETWORK, or SLIPWAY_ERROR_CANCELLED.  `replace`: lost connections may be replaced.
 * `options` is copied. */
struct connections *connections_open(const char *uri, gboolean replace,
                                     const struct disk_nbd_options *options, GError **error);

/* The same over `n` sockets that are connected to a server already, all of which this takes over,
 * also when it fails.  None is ever replaced, and its answers are waited for without an end. */
struct connections *connections_adopt(const char *label, const int *sockets, guint n,
                                      GError **error);

const struct connections_offer *connections_offer(const struct connections *connections);
/* What the disk is called, and what to do about a server that fails, for messages. */
const char *connections_label(const struct connections *connections);
const char *connections_remedy(const struct connections *connections);

/* A connection for the caller alone, or NULL with SLIPWAY_ERROR_NETWORK, or, where the server is
 * waited for, SLIPWAY_ERROR_CANCELLED.  Waits while all of them are in use. */
struct nbd_handle *connections_take(struct connections *connections, GError **error);

enum connections_end {
    CONNECTIONS_DONE,
    CONNECTIONS_REFUSED,   /* the server says so, or the request could not be */
    CONNECTIONS_LOST,      /* ... with the connection */
    CONNECTIONS_SILENT,    /* its patience has ended */
    CONNECTIONS_CANCELLED, /* the user's has, while the server said nothing */
};
struct connections_answer {
    enum connections_end end;
    int number;  /* errno value, of CONNECTIONS_REFUSED and CONNECTIONS_LOST */
    char *words; /* why; NULL: that is not said.  Free with g_free(). */
};
/* Wait for the answer to request `cookie` (of a nbd_aio_*() over `handle`, without a completion;
 * -1: it failed; 0: nothing was asked), and give back what connections_take() returned.  Nobody
 * looks at the request's buffer any more when this returns. */
void connections_give(struct connections *connections, struct nbd_handle *handle, int64_t cookie,
                      struct connections_answer *ret);

/* Say good-bye to the server.  All connections must have been given back.  NULL is fine. */
void connections_close(struct connections *connections);
AUTO_PTR_DEFINE(connections, connections_close)
