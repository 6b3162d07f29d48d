/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recovery_key.h: 32 secret bytes as a text to print, keep in a safe, and type one day
 * (doc/format/store.md, "Encryption").  Pure; any thread. */
#pragma once

#include <glib.h>

#define RECOVERY_KEY_SIZE 32u

/* Eight groups of seven characters of [A-Z2-7], with a checksum.  Free with secret_free(). */
char *recovery_key_format(const guint8 bytes[RECOVERY_KEY_SIZE]);

/* The bytes of a text that a person typed: blanks, dashes and lower case do not matter, 0, 1 and 8
 * are taken for O, I and B.  SLIPWAY_ERROR_USAGE, without any part of it in the message, when it
 * has not 56 characters of the alphabet or they do not fit together. */
gboolean recovery_key_parse(const char *text, gsize length, guint8 ret[RECOVERY_KEY_SIZE],
                            GError **error);
