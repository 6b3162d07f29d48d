/* SPDX-License-Identifier: GPL-3.0-or-later */
/* help.h: help texts, derived from the tables. */
#pragma once

#include "cli/command.h"

/* Help for a verb, for a noun (`verb` NULL), or for the program (both NULL), in lines of at most
 * `width` columns.  Free with g_free(). */
char *help_text(const struct noun *noun, const struct verb *verb, gsize width);
