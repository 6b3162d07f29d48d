/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"

#include "base/error.h"

/* Atomic and lock-free: set by signal handlers and by threads. */
static int requested;

void
cancel_request(void)
{
    __atomic_store_n(&requested, 1, __ATOMIC_RELAXED);
}

gboolean
cancel_requested(void)
{
    return __atomic_load_n(&requested, __ATOMIC_RELAXED) != 0;
}

gboolean
cancel_check(GError **error)
{
    if (cancel_requested())
        return error_set(error, SLIPWAY_ERROR_CANCELLED, "stopped on request");
    return TRUE;
}

void
cancel_heard(void)
{
    __atomic_store_n(&requested, 0, __ATOMIC_RELAXED);
}
