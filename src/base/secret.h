/* SPDX-License-Identifier: GPL-3.0-or-later */
/* secret.h: passwords and tokens that must never be seen.
 *
 * Secrets come from files or the environment, never from argv of another
 * process that we start.  Every text that leaves the program (message, log,
 * --json, cache name) goes through secret_redact().  Thread-safe. */
#pragma once

#include <glib.h>

/* Longest secret that is read from a file. */
#define SECRET_MAX 4096

/* Remember `secret` so that secret_redact() hides it, and its percent-encoded
 * form.  Secrets shorter than 4 bytes are not remembered (they would eat
 * ordinary text). */
void secret_register(const char *secret);

/* Overwrite and forget every registered secret: between two inputs that have nothing to do with
 * each other, as in tests. */
void secret_forget_all(void);

/* `text` with every registered secret replaced by `***`.  Free with g_free(). */
char *secret_redact(const char *text);

/* Read a secret from a file (the first line, without its newline) and register
 * it; "-" reads one line from standard input.  Fails with SLIPWAY_ERROR_NOT_FOUND,
 * SLIPWAY_ERROR_IO, SLIPWAY_ERROR_LIMIT, or SLIPWAY_ERROR_USAGE when it is empty
 * or holds a NUL byte.  Free with secret_free().
 * Warns through nobody: a file readable by others is the caller's to judge. */
char *secret_read_file(const char *path, GError **error);

/* Overwrite with zeros, then g_free().  NULL is fine. */
void secret_free(char *secret);
