/* SPDX-License-Identifier: GPL-3.0-or-later */
/* text.h: words and numbers as people read them.  Pure functions; free results with g_free(). */
#pragma once

#include <glib.h>

/* Columns that `text` takes on a terminal. */
gsize text_width(const char *text);

/* `text` filled up with blanks, or cut with a tilde at its end, to exactly `width` columns. */
char *text_fit(const char *text, gsize width);

/* Append `text` broken into lines of at most `width` columns, each after `indent` blanks but the
 * first, which is taken to begin there already.  Paragraphs stay apart.  Ends with a newline. */
void text_wrap(GString *out, const char *text, gsize indent, gsize width);

/* `text` as valid UTF-8, with every control character but newline and tab replaced by `?`: what
 * came from a server cannot move the cursor. */
char *text_clean(const char *text);

/* "0 B", "12.3 MB": powers of 1000. */
char *text_bytes(guint64 bytes);
/* "0:07", "1:02:03" */
char *text_duration(guint64 seconds);
/* "2024-03-01" of seconds since 1970 in UTC; "-" for 0. */
char *text_date(gint64 time);
/* "2024-03-01" of an ISO 8601 text; "-" for NULL or what is none. */
char *text_iso_date(const char *text);
/* "1 VIB", "3 VIBs" */
char *text_count(guint64 number, const char *one, const char *many);
