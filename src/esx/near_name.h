/* SPDX-License-Identifier: GPL-3.0-or-later */
/* near_name.h: what a user may have meant by a name that is not there. */
#pragma once

#include <glib.h>

/* "; did you mean 'esx-base' or 'esx-ui'?" with at most three of `names` (of char *, none NULL)
 * that come near `wanted`; "" when none does.  Free with g_free(). */
char *near_name_hint(const char *wanted, const GPtrArray *names);
