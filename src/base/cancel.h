/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cancel.h: stopping long work in good order.
 *
 * A signal handler asks; every loop that can take long checks, and fails with
 * SLIPWAY_ERROR_CANCELLED, so that the ordinary clean-up of a failure runs and
 * nothing half-written stays behind.  All functions may be called from any
 * thread; cancel_request() also from a signal handler. */
#pragma once

#include <glib.h>

void cancel_request(void);
gboolean cancel_requested(void);

/* FALSE with SLIPWAY_ERROR_CANCELLED once cancel_request() was called. */
gboolean cancel_check(GError **error);
