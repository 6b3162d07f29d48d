/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_agent.h: the guest agent, by its own socket: brings the guest's file systems to rest.
 *
 * Each call is a connection of its own.  What the agent says comes from the guest, and is trusted
 * with nothing. */
#pragma once

#include <glib.h>

/* Freeze all file systems; waits for at most `minutes` (0: a default).  SLIPWAY_ERROR_FAILED: it
 * does not answer, or refuses (its words).  *ret_doubt then: it was silent, also when it was told
 * to thaw, and may have frozen them, or do so yet; else nothing is frozen. */
gboolean qemu_agent_freeze(const char *path, guint minutes, gboolean *ret_doubt, GError **error);
/* Thaw them.  Fine when nothing is frozen.  Tries more than once. */
gboolean qemu_agent_thaw(const char *path, GError **error);
