/* SPDX-License-Identifier: GPL-3.0-or-later */
/* export.h: what the verbs of `slipway export` share. */
#pragma once

#include "cli/session.h"
#include "engine/export.h"
#include "engine/export_record.h"

/* Where `export start` wants to be told that its process serves: the number of a descriptor. */
#define EXPORT_READY_VARIABLE "SLIPWAY_EXPORT_READY"
#define EXPORT_STOP_SECONDS 600

/* Of `start` and `serve`. */
#define EXPORT_OPERANDS                                                                            \
    {"SET", TRUE, FALSE, COMPLETE_SETS, NULL},                                                     \
    {                                                                                              \
        "DISK", TRUE, TRUE, COMPLETE_NONE, NULL                                                    \
    }
#define EXPORT_OPTIONS                                                                             \
    OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE, OPTION_ISCSI,     \
        OPTION_NBD, OPTION_FUSE, OPTION_EXPORT_READ_ONLY, OPTION_LISTEN, OPTION_ADVERTISE,         \
        OPTION_ALLOW, OPTION_ISCSI_NAME, OPTION_INITIATOR, OPTION_CHAP_USER,                       \
        OPTION_CHAP_SECRET_FILE, OPTION_MUTUAL, OPTION_MUTUAL_USER, OPTION_MUTUAL_SECRET_FILE,     \
        OPTION_NO_CHAP, OPTION_BLOCK_SIZE, OPTION_NBD_LISTEN, OPTION_TLS, OPTION_TLS_VERIFY,       \
        OPTION_EXPORT_SINCE, OPTION_ALLOW_OTHER, OPTION_SCRATCH, OPTION_WRITE_LIMIT,               \
        OPTION_KEEP_WRITES, OPTION_COMMIT, OPTION_CACHE, OPTION_WORKERS, OPTION_ATTACH

/* ---- Options (export_options.c) -------------------------------------------------------------- */

/* Secrets of CHAP that are in use; `made`: by us, to be shown once. */
struct export_secret {
    char *user, *secret; /* NULL: none */
    gboolean made;
};

struct export_wishes {
    struct export_options options;
    struct iscsi_options iscsi;
    struct nbd_options nbd;
    struct iscsi_account account; /* what iscsi.accounts refers to */
    struct export_secret incoming, outgoing;
    char *socket;         /* for `local` */
    const char *local[2]; /* where NBD listens when nothing is said */
    char **devices;       /* that were attached here; NULL: none */
};

/* What the options of this run say, and generated secrets where none are given. */
gboolean export_wishes_read(struct session *session, struct export_wishes *ret, GError **error);
void export_wishes_clear(struct export_wishes *wishes);

/* ---- The end (export_serve.c) -----------------------------------------------------------------
 */

/* After export_stop(): what was written and is kept is durable, and with `commit`, which is that of
 * the export's options, a set is made of it. */
gboolean export_settle(struct session *session, struct export *export, const char *commit,
                       GError **error);

/* ---- What is told (export_print.c) ----------------------------------------------------------- */

/* A line on standard error with the time, for export_options.log. */
void export_log(const char *line, gpointer data);

/* The document of the record, and with --json of the command: without secrets. */
json_t *export_print_json(const char *id, const struct export_view *view);
/* How to use it, for people.  Secrets that were made are in it, this once. */
void export_print_start(struct ui *ui, const char *id, const struct export_view *view,
                        const struct export_wishes *wishes);
/* TRUE for an address that means all of this computer's. */
gboolean export_print_is_wildcard(const char *address);
/* "app01 2026-11-26 09:00": out of a record's document; free with g_free(). */
char *export_print_what(const json_t *document);
