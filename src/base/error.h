/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error.h: the one error domain of the program, and the exit code of each error.
 *
 * Every function that can fail takes a GError ** last and says in its header
 * which of these codes it sets.  The message is written for a person: it names
 * the file, VIB, depot or host, says what is wrong, and what to do about it;
 * lower case, no full stop.  Context is put in front on the way up with
 * g_prefix_error().  Nothing below src/cli prints. */
#pragma once

#include <glib.h>

#define SLIPWAY_ERROR (slipway_error_quark())

/* One row per code in error.c; the exit codes are part of the interface
 * (doc/exit-codes.md) and never change their meaning. */
enum slipway_error {
    SLIPWAY_ERROR_FAILED,      /* anything that has no code of its own */
    SLIPWAY_ERROR_USAGE,       /* the call itself is wrong */
    SLIPWAY_ERROR_NOT_FOUND,   /* a file, depot, profile or package that is not there */
    SLIPWAY_ERROR_CORRUPT,     /* input that is damaged, malformed or hostile */
    SLIPWAY_ERROR_LIMIT,       /* input beyond a stated limit */
    SLIPWAY_ERROR_SIGNATURE,   /* a signature that is missing, wrong or not trusted */
    SLIPWAY_ERROR_RULES,       /* an image profile that breaks a rule */
    SLIPWAY_ERROR_NETWORK,     /* a server that does not answer, or answers wrongly */
    SLIPWAY_ERROR_DENIED,      /* 401, 403, 407: credentials or permission */
    SLIPWAY_ERROR_IO,          /* the local disk: full, read-only, permission, I/O error */
    SLIPWAY_ERROR_EXISTS,      /* would overwrite something; --overwrite does */
    SLIPWAY_ERROR_READ_ONLY,   /* the thing refuses changes (read-only profile) */
    SLIPWAY_ERROR_UNSUPPORTED, /* a format or feature that is known but not handled */
    SLIPWAY_ERROR_BUSY,        /* another process holds the lock */
    SLIPWAY_ERROR_CANCELLED,   /* stopped by the user */
    SLIPWAY_ERROR_N
};

GQuark slipway_error_quark(void);

/* Set `error` (which may be NULL) and return FALSE, so that a failing function
 * is one line: return error_set(error, SLIPWAY_ERROR_CORRUPT, "…"). */
gboolean error_set(GError **error, enum slipway_error code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The same for functions that return a pointer: returns NULL. */
gpointer error_null(GError **error, enum slipway_error code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Set `error` from errno value `number`: SLIPWAY_ERROR_NOT_FOUND for ENOENT and
 * ENOTDIR, SLIPWAY_ERROR_EXISTS for EEXIST, otherwise SLIPWAY_ERROR_IO, with the
 * system's words after the formatted text and, for a full disk or a missing
 * permission, the remedy.  Returns FALSE. */
gboolean error_set_errno(GError **error, int number, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The exit code of the program for `error`; 0 for NULL, 1 for a foreign domain. */
int error_exit_code(const GError *error);

/* Row `code` of the table: its stable exit code, its short name ("corrupt") for
 * --json, and what it means in one line.  For help, manual pages and doc/. */
int error_code_exit(enum slipway_error code);
const char *error_code_name(enum slipway_error code);
const char *error_code_meaning(enum slipway_error code);
