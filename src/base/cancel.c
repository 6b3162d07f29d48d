/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"

#include "base/error.h"

#include <signal.h>

static volatile sig_atomic_t requested;

void
cancel_request(void)
{
    requested = 1;
}

gboolean
cancel_requested(void)
{
    return requested != 0;
}

gboolean
cancel_check(GError **error)
{
    if (requested)
        return error_set(error, SLIPWAY_ERROR_CANCELLED, "stopped on request");
    return TRUE;
}

void
cancel_heard(void)
{
    requested = 0;
}
