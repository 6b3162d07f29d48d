/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_leftovers.h: what a run puts into a QEMU while it works, and how it goes again.
 *
 * A run has a mark (hyper/mark.h), and writes it down as an object of QEMU before anything else:
 *
 *   object MARK          the run; _nbd: the NBD server is its; _quiet: it has frozen the guest
 *   exports, jobs, bitmaps that are only its: MARK_SOMETHING
 *   nodes                slipway-HASH-SOMETHING: their names have at most 31 bytes
 *   sets of descriptors  with the mark as their note
 *
 * So whoever knows the mark finds all of it, however the run ended.  Nothing of this asks
 * cancel_check(). */
#pragma once

#include "hyper/qemu/qemu_session.h"

/* MARK_SUFFIX, of an object, export, job or bitmap.  g_free() it. */
char *qemu_leftovers_name(const char *mark, const char *suffix, guint number);
/* Of a node. */
char *qemu_leftovers_node(const char *mark, const char *kind, guint number);

/* Take everything of `mark` out of QEMU, as far as it is there; TRUE too when QEMU has ended, and
 * all with it.  `agent`: the guest agent's socket, to thaw a guest that was left frozen; may be
 * NULL.  FALSE: what is left. */
gboolean qemu_leftovers_remove(struct qemu_session *session, const char *mark, const char *agent,
                               GError **error);

/* The same for every run of this computer that is gone, and their directories in `scratch`.
 * Appends sentences to `words`. */
gboolean qemu_leftovers_clean(struct qemu_session *session, const char *scratch, const char *agent,
                              GPtrArray *words, GError **error);

/* A run of this computer that works on this QEMU just now; NULL: there is none.  g_free() it. */
char *qemu_leftovers_find_alive(struct qemu_session *session);

/* The directory of a run in `scratch`, only for us; with SOCKET in it. */
#define QEMU_LEFTOVERS_SOCKET "nbd"
char *qemu_leftovers_directory(const char *scratch, const char *mark);
gboolean qemu_leftovers_remove_directory(const char *path, GError **error);
