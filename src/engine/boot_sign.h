/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_sign.h: signs that a guest lives: a text on its serial port, an answer of its agent, or a
 * screen that is drawn and stays as it is.
 *
 * Fed with what comes; all of it comes from the guest, and what is kept of it is bounded.  One
 * thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define BOOT_SIGN_SERIAL_MAX 65536u /* of what came last is searched */
#define BOOT_SIGN_AGENT_MAX 4096u   /* of a line of the agent */
#define BOOT_SIGN_WORDS_MAX 120u
#define BOOT_SIGN_TEXT_DEFAULT "login: |(?m)^SAC>"

enum boot_sign_kind {
    BOOT_SIGN_NONE,
    BOOT_SIGN_SERIAL,
    BOOT_SIGN_AGENT,
    BOOT_SIGN_SCREEN,
};
/* "serial", "agent", "screen"; NULL for none. */
const char *boot_sign_name(enum boot_sign_kind kind);

struct boot_sign;

/* `text` is a regular expression (PCRE); NULL: BOOT_SIGN_TEXT_DEFAULT.  `settle_ms`: how long a
 * screen must stay the same; 0: screens are no sign.  SLIPWAY_ERROR_USAGE. */
struct boot_sign *boot_sign_new(const char *text, guint settle_ms, GError **error);
void boot_sign_free(struct boot_sign *sign);
AUTO_PTR_DEFINE(boot_sign, boot_sign_free)

void boot_sign_take_serial(struct boot_sign *sign, const void *data, gsize length);
void boot_sign_take_agent(struct boot_sign *sign, const void *data, gsize length);
/* A dump (boot_screen.h) taken at a time, in milliseconds.  One that is none counts as a screen
 * that changed.  Kept until the next. */
void boot_sign_take_screen(struct boot_sign *sign, GBytes *dump, gint64 now_ms);

/* The first sign there was, and, unless it was none, words for it in *ret_words (may be NULL;
 * g_free()). */
enum boot_sign_kind boot_sign_found(const struct boot_sign *sign, char **ret_words);
/* When there was none, what was seen instead: "nothing on the serial port; the screen is blank". */
char *boot_sign_lack(const struct boot_sign *sign);
