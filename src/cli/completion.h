/* SPDX-License-Identifier: GPL-3.0-or-later */
/* completion.h: what a shell offers, derived from the tables. */
#pragma once

#include <glib.h>

/* A script for bash 4 or later.  Free with g_free(). */
char *completion_bash(void);
