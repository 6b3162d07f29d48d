/* SPDX-License-Identifier: GPL-3.0-or-later */
/* event_loop.h: the thread that libvirt needs to notice that a host is gone.
 *
 * Without it a call waits for an answer for ever.  There is one for all connections; it runs from
 * the first hold to the last release.  Any thread. */
#pragma once

#include <glib.h>

gboolean event_loop_hold(GError **error);
void event_loop_release(void);
