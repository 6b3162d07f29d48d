/* SPDX-License-Identifier: GPL-3.0-or-later */
/* word_list.h: a list of names as a person would write it. */
#pragma once

#include <glib.h>

/* "a", "a and b", "a, b and c"; more than `most`: the first `most`, then "and 4 more".  `last` is
 * the word before the last one, "and" or "or".  `words` are char *.  Free with g_free(). */
char *word_list_format(const GPtrArray *words, guint most, const char *last);
