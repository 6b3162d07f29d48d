/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wildcard.h: names with * (any characters) and ? (one character), which mean nothing else: a
 * bracket is a bracket.  Texts are UTF-8.  Pure. */
#pragma once

#include <glib.h>

/* TRUE when there is one in the text. */
gboolean wildcard_is(const char *pattern);
gboolean wildcard_match(const char *pattern, const char *text);

/* Paths, name by name, so that a * stays within a name; slashes at the ends do not count. */
gboolean wildcard_match_path(const char *pattern, const char *path);
/* `path` is what the pattern says, or lies below it. */
gboolean wildcard_match_below(const char *pattern, const char *path);
