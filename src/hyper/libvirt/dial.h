/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dial.h: connecting to a daemon of libvirt, with an end.
 *
 * libvirt waits without one for a daemon that takes a connection and says nothing, and cannot be
 * told to stop.  So that is done in a thread of its own, which is left to itself when nobody waits
 * for it any longer. */
#pragma once

#include "hyper/hypervisor.h"

#include <libvirt/libvirt.h>

struct dial;

/* Begin; `options` is copied. */
struct dial *dial_new(const char *uri, const struct hypervisor_options *options);
/* Wait until g_get_monotonic_time() is `end` (0: without an end), or, if `cancellable`, the user
 * cancels.  NULL with SLIPWAY_ERROR_NETWORK: it has not answered yet, and may be waited for again;
 * or, when dial_ended(), with what it answered; or SLIPWAY_ERROR_CANCELLED.  virConnectClose() what
 * is returned, once; nothing but dial_free() may follow. */
virConnectPtr dial_wait(struct dial *dial, gint64 end, gboolean cancellable, GError **error);
gboolean dial_ended(struct dial *dial);
/* NULL is fine. */
void dial_free(struct dial *dial);
