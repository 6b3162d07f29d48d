/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listener.h: sockets that wait for clients, and a thread for each client that comes.
 *
 * A connection is accepted when its address may connect and there is room.  When there is none, the
 * place is taken from a connection that has not got through its login yet (listener_establish()),
 * the oldest one of the address that has most of them: so whoever opens connections and says
 * nothing keeps nobody out, and never disturbs those who are at work.
 *
 * Functions may be called from any thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>
#include <sys/types.h>

#define LISTENER_CONNECTIONS 64u       /* when nobody says how many */
#define LISTENER_CONNECTIONS_MAX 4096u /* more are a mistake */

struct listener;

/* A client; everything belongs to the listener, and lasts until serve() returns. */
struct listener_connection {
    int fd; /* blocking; TCP sends at once and asks a silent peer whether it lives */
    const char
        *peer; /* for messages: "192.0.2.7:51234", "[2001:db8::7]:51234", "unix:1234" (pid) */
    const char *address; /* the same without the port; "unix" */
    const char *local;   /* what it has connected to: "192.0.2.1:3260", "unix:PATH" */
    struct listener *listener;
};

/* On a thread of the connection's own; it is closed when this returns. */
typedef void (*listener_serve_func)(struct listener_connection *connection, gpointer data);
/* A client that was not let in or lost its place to another one, and why, for a log: "192.0.2.7:1:
 * its address may not connect".  NULL: nobody is told. */
typedef void (*listener_refuse_func)(const char *words, gpointer data);

struct listener_options {
    /* Ended by NULL: "192.0.2.1", "192.0.2.1:3260", "[2001:db8::1]", "[::]:3260" (IPv6 alone), "*"
     * and "*:3260" (any address, IPv6 too where there is one); with `local` also "unix:PATH".  Port
     * 0: any free one. */
    const char *const *listen;
    guint16 port; /* of addresses without one */
    gboolean local;
    /* Who may connect, ended by NULL: "192.0.2.7", "192.0.2.0/24", "2001:db8::/32"; NULL: anybody.
     * Of no concern to a local socket, which is its owner's alone (mode 0600). */
    const char *const *addresses;
    guint connections; /* at most at once; 0: LISTENER_CONNECTIONS */
    listener_serve_func serve;
    listener_refuse_func refuse;
    gpointer data; /* of both */
};

/* Listens when it returns; `options` is copied.  SLIPWAY_ERROR_USAGE: an address that is none
 * (names are not looked up), or no address at all; SLIPWAY_ERROR_BUSY: it is in use;
 * SLIPWAY_ERROR_NETWORK: not one of this machine; SLIPWAY_ERROR_IO: a path.  A local socket that
 * nobody listens on any more is replaced. */
struct listener *listener_start(const struct listener_options *options, GError **error);

/* The addresses as they are, with the ports that were chosen: "192.0.2.1:3260", "[::]:3260",
 * "*:3260", "unix:PATH"; ended by NULL; the listener's. */
const char *const *listener_addresses(const struct listener *listener);

/* The login is done: the connection keeps its place until it ends. */
void listener_establish(struct listener_connection *connection);
/* Connections at this moment: all, or those that are established. */
guint listener_count(struct listener *listener, gboolean established);

/* Take no more clients, and remove local sockets; those that are there stay.  Also by
 * listener_stop(). */
void listener_close(struct listener *listener);
/* The same, shut all connections down (reading them then ends, writing fails), wait until their
 * threads have returned, and free.  Never call it from serve().  NULL is fine. */
void listener_stop(struct listener *listener);
AUTO_PTR_DEFINE(listener, listener_stop)

/* ---- The parts, for whoever checks words of the user beforehand -------------------------------
 */

/* SLIPWAY_ERROR_USAGE when listener_start() would say so of this address. */
gboolean listener_check_address(const char *text, gboolean local, GError **error);
/* The same of one of `addresses`. */
gboolean listener_check_range(const char *text, GError **error);
/* Is `address` ("192.0.2.7", "2001:db8::7") in one of the ranges?  NULL: any is. */
gboolean listener_allows(const char *const *ranges, const char *address);
