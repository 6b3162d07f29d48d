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
/* What was asked for has been heard: for whoever takes it as a sign to do something else, such as
 * to finish.  (A second signal ends the program in any case.) */
void cancel_heard(void);

/* FALSE with SLIPWAY_ERROR_CANCELLED once cancel_request() was called. */
gboolean cancel_check(GError **error);
