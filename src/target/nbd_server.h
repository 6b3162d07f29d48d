/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_server.h: an NBD server (the NBD project's doc/proto.md) for any disks.
 *
 * Fixed newstyle handshake, TLS (STARTTLS, certificates), structured replies, several connections
 * to an export (NBD_FLAG_CAN_MULTI_CONN), base:allocation, and for an export that knows what
 * changed against an older state of its disk the context "slipway:changed" (flag 1: changed).
 * nbdkit was the alternative: its plugins cannot offer a context of their own.  doc/nbd.md tells
 * the rest.
 *
 * A connection does up to 8 requests at once, and answers them as they are ready.  It takes 40 MiB
 * of memory at most, whatever the client does, and gives them back when it is idle.
 *
 * Functions may be called from any thread. */
#pragma once

#include "disk/disk.h"

/* The most that a request may read or write; what all clients may rely on. */
#define NBD_SERVER_REQUEST_MAX (32u << 20)

/* The run of equal kind at `offset`: *ret_changed, and *ret_length, 1 to `length`. */
typedef gboolean (*nbd_changed_func)(gpointer data, guint64 offset, guint64 length,
                                     gboolean *ret_changed, guint64 *ret_length, GError **error);

struct nbd_export {
    const char *name;         /* "" is the default one; at most 4096 bytes */
    const char *description;  /* NULL */
    struct disk *disk;        /* borrowed: must outlive the server */
    gboolean read_only;       /* also when the disk cannot be written */
    nbd_changed_func changed; /* NULL: nothing is known; called from several threads at once */
    gpointer changed_data;
};

/* Who opens and closes what, failures of disks and of the protocol: one line without its end, with
 * the peer's address in front.  Called on any thread. */
typedef void (*nbd_log_func)(const char *line, gpointer data);

struct nbd_options {
    const struct nbd_export *exports;
    guint n_exports;
    const char *const *listen; /* as in iscsi_server.h (port 10809); "unix:PATH" as well */
    /* TLS: a directory with ca-cert.pem, server-cert.pem and server-key.pem, as QEMU and nbdkit
     * have it; NULL: none.  With it, clients must use it. */
    const char *tls_directory;
    gboolean tls_verify_peer;     /* clients must have a certificate of that CA */
    const char *const *addresses; /* who may connect, as in iscsi_server.h; NULL: anybody */
    guint connections;            /* at most at once; 0: 64 */
    guint handshake_seconds;      /* a client must have chosen its export by then; 0: 60 */
    nbd_log_func log;
    gpointer log_data;
};

struct nbd_server;

/* Everything in `options` is copied but for the disks.  Listens when it returns.
 * SLIPWAY_ERROR_USAGE: no export, two of one name, a text that is none, an address that is none;
 * SLIPWAY_ERROR_BUSY, SLIPWAY_ERROR_NETWORK, SLIPWAY_ERROR_IO as listener_start();
 * SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_CORRUPT for certificates. */
struct nbd_server *nbd_server_start(const struct nbd_options *options, GError **error);
/* Requests that are under way are answered, for some seconds at most; then all are hung up.  NULL
 * is fine. */
void nbd_server_stop(struct nbd_server *server);
AUTO_PTR_DEFINE(nbd_server, nbd_server_stop)

/* "ADDRESS:PORT" or "unix:PATH", ended by NULL; the server's. */
const char *const *nbd_server_addresses(struct nbd_server *server);
/* Clients that have an export open at this moment. */
guint nbd_server_connections(struct nbd_server *server);
