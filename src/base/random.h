/* SPDX-License-Identifier: GPL-3.0-or-later */
/* random.h: random bytes of the operating system, good for keys and secrets.  Any thread. */
#pragma once

#include <glib.h>

/* Fill `buffer`.  SLIPWAY_ERROR_FAILED when the kernel gives none. */
gboolean random_fill(void *buffer, gsize length, GError **error);
