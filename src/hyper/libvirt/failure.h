/* SPDX-License-Identifier: GPL-3.0-or-later */
/* failure.h: libvirt's last error of this thread as one of ours.
 *
 * Every call of libvirt forgets the last error, also one that only gives a name: so nothing is
 * called between the failure and these, not among their arguments either. */
#pragma once

#include <glib.h>

/* Set `error` with the formatted text, which says what was tried, and libvirt's words behind it;
 * the code is that which libvirt's own code means.  Returns FALSE. */
gboolean failure_set(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The same for functions that return a pointer: returns NULL. */
gpointer failure_null(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* libvirt's words alone, in one line; never NULL.  Free with g_free(). */
char *failure_words(void);

/* Whether the last error says that what was asked about is not there. */
gboolean failure_is_missing(void);
/* Whether it says that the guest agent has not answered: what it was asked, it may do yet. */
gboolean failure_is_silence(void);
/* Whether it says that checkpoints or bitmaps cannot be used: those that are there are broken, or
 * new ones cannot be made. */
gboolean failure_is_tracking(void);

/* Have libvirt print nothing.  May be called again. */
void failure_silence(void);
