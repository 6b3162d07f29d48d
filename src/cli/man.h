/* SPDX-License-Identifier: GPL-3.0-or-later */
/* man.h: manual pages in mdoc(7), derived from the tables. */
#pragma once

#include "cli/command.h"

/* slipway-NOUN.1, or slipway.1 for NULL.  Free with g_free(). */
char *man_page(const struct noun *noun);
