/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_tls.h: certificates of the NBD server, from a directory as QEMU and nbdkit have it. */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

/* ca-cert.pem, server-cert.pem and server-key.pem of the directory, and ca-crl.pem when there is
 * one; TLS 1.2 and newer.  With `verify_peer` a client must have a certificate of that CA which is
 * valid and not revoked.  SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_CORRUPT (no PEM, another key),
 * SLIPWAY_ERROR_IO.  Free with SSL_CTX_free(). */
SSL_CTX *nbd_tls_load(const char *directory, gboolean verify_peer, GError **error);
