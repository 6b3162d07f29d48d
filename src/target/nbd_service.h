/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_service.h: what all connections of an NBD server share.  It does not change once made, and
 * may be used from any thread. */
#pragma once

#include "target/nbd_server.h"

#include <openssl/ssl.h>

struct nbd_service {
    struct nbd_export *exports; /* names and descriptions are ours */
    guint n_exports;
    SSL_CTX *tls; /* NULL: none; else clients must use it */
    guint handshake_seconds;
    nbd_log_func log;
    gpointer log_data;
};

/* Fails as nbd_server_start() for exports and certificates. */
struct nbd_service *nbd_service_new(const struct nbd_options *options, GError **error);
void nbd_service_free(struct nbd_service *service);
AUTO_PTR_DEFINE(nbd_service, nbd_service_free)

/* NULL when there is none of that name. */
const struct nbd_export *nbd_service_find(const struct nbd_service *service, const char *name);

/* "PEER: words" to the log. */
void nbd_service_log(const struct nbd_service *service, const char *peer, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
