/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_server.h: an iSCSI target (RFC 7143) in front of a SCSI device.
 *
 * Discovery and normal sessions with several connections each, ErrorRecoveryLevel 0, digests, CHAP
 * one-way and mutual.  A connection has a thread of its own, which does its tasks in their order;
 * what waits behind a task is read ahead meanwhile.  doc/iscsi.md tells what is negotiated and how
 * far, and what each initiator needs.
 *
 * Functions may be called from any thread. */
#pragma once

#include "target/scsi.h"

/* An account of CHAP.  Secrets are taken as bytes; 12 to 255 of them (RFC 7143 demands 96 bits when
 * there is no IPsec; Windows takes 12 to 16). */
#define ISCSI_SECRET_MIN 12u
#define ISCSI_SECRET_MAX 255u
struct iscsi_account {
    const char *user;
    const char *secret;
};

enum iscsi_digest_use { ISCSI_DIGEST_ALLOWED, ISCSI_DIGEST_REQUIRED, ISCSI_DIGEST_OFF };

/* Where failed logins, sessions that begin and end, and errors of the protocol go: one line without
 * its end, with the peer's address in it and never a secret.  Called on any thread. */
typedef void (*iscsi_log_func)(const char *line, gpointer data);

struct iscsi_options {
    const char *name;           /* of the target: iqn., eui. or naa., at most 223 bytes */
    const char *alias;          /* for people; NULL */
    struct scsi_device *device; /* borrowed: must outlive the server */
    /* Addresses to listen on, ended by NULL: "192.0.2.1", "192.0.2.1:3260", "[::]:3260", "*".  Port
     * 0: any free one. */
    const char *const *listen;
    /* What SendTargets says, ended by NULL: "192.0.2.1:3260".  NULL: the address that the peer has
     * connected to, which it can reach. */
    const char *const *advertise;
    /* Who may log in: users of CHAP; none: no authentication is asked for. */
    const struct iscsi_account *accounts;
    guint n_accounts;
    /* How the target proves itself to an initiator that asks for it (mutual CHAP); user NULL: it
     * cannot, and such an initiator is refused. */
    struct iscsi_account own;
    gboolean mutual_only; /* an initiator that does not ask for it is refused */
    /* Who may connect; NULL: anybody.  Names may have * and ?, addresses a prefix length. */
    const char *const *initiators;
    const char *const *addresses;
    enum iscsi_digest_use header_digest, data_digest;
    guint connections;   /* at most at once; 0: 64 */
    guint login_seconds; /* a login that takes longer is ended; 0: 15 */
    guint idle_seconds;  /* an initiator that is silent for so long is asked; 0: 30 */
    iscsi_log_func log;
    gpointer log_data;
};

struct iscsi_server;

/* SLIPWAY_ERROR_USAGE when iscsi_server_start() would say so of this name. */
gboolean iscsi_check_name(const char *name, GError **error);

/* Everything in `options` is copied but for the device.  Listens when it returns.
 * SLIPWAY_ERROR_USAGE: a name, an address or a secret that is none, two secrets that are equal
 * (RFC 7143, 9.2.1: a target must not have the secret of an initiator); SLIPWAY_ERROR_BUSY: the
 * address is in use; SLIPWAY_ERROR_NETWORK: it is not one of this machine. */
struct iscsi_server *iscsi_server_start(const struct iscsi_options *options, GError **error);
/* Ask initiators to log out (asynchronous message), wait a moment, close all. */
void iscsi_server_stop(struct iscsi_server *server);
AUTO_PTR_DEFINE(iscsi_server, iscsi_server_stop)

/* The addresses that it listens on, "ADDRESS:PORT", ended by NULL; the server's. */
const char *const *iscsi_server_addresses(struct iscsi_server *server);

struct iscsi_session {
    char *initiator;  /* its name */
    char *address;    /* of its first connection */
    char *user;       /* of CHAP; NULL */
    gboolean mutual;  /* it had us prove ourselves */
    const char *hash; /* of CHAP: "MD5", "SHA1", "SHA256", "SHA3-256"; NULL */
    gboolean header_digest, data_digest;
    guint connections;
    gint64 since; /* seconds since 1970 */
};
/* Normal sessions at this moment, of struct iscsi_session *, with its own free function. */
GPtrArray *iscsi_server_sessions(struct iscsi_server *server);

/* A secret of `length` characters (letters and digits, as every initiator takes them), by
 * getrandom(2); to be freed with secret_free(). */
char *iscsi_make_secret(guint length);
