/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/wildcard.h"

#include <string.h>

gboolean
wildcard_is(const char *pattern)
{
    return strpbrk(pattern, "*?") != NULL;
}

/* The end of the character that begins at `text` (< end). */
static const char *
next_character(const char *text, const char *end)
{
    const char *next = text + 1;
    while (next < end && ((guchar)*next & 0xc0) == 0x80)
        next++;
    return next;
}

/* After a mismatch only the last star needs to take more: what an earlier one took more, the last
 * one could take as well. */
static gboolean
match_range(const char *pattern, const char *pattern_end, const char *text, const char *text_end)
{
    const char *star = NULL, *resume = NULL;
    while (text < text_end) {
        if (pattern < pattern_end && *pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (pattern < pattern_end && *pattern == '?') {
            pattern++;
            text = next_character(text, text_end);
        } else if (pattern < pattern_end && *pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            resume = next_character(resume, text_end);
            text = resume;
        } else {
            return FALSE;
        }
    }
    while (pattern < pattern_end && *pattern == '*')
        pattern++;
    return pattern == pattern_end;
}

gboolean
wildcard_match(const char *pattern, const char *text)
{
    return match_range(pattern, pattern + strlen(pattern), text, text + strlen(text));
}

/* The next name of a path; FALSE at its end. */
static gboolean
take_name(const char **path, const char **ret_begin, const char **ret_end)
{
    *ret_begin = *path + strspn(*path, "/");
    *ret_end = *ret_begin + strcspn(*ret_begin, "/");
    *path = *ret_end;
    return *ret_begin < *ret_end;
}

static gboolean
match_names(const char *pattern, const char *path, gboolean below)
{
    const char *wanted, *wanted_end, *name, *name_end;
    while (take_name(&pattern, &wanted, &wanted_end))
        if (!take_name(&path, &name, &name_end) || !match_range(wanted, wanted_end, name, name_end))
            return FALSE;
    return below || !take_name(&path, &name, &name_end);
}

gboolean
wildcard_match_path(const char *pattern, const char *path)
{
    return match_names(pattern, path, FALSE);
}

gboolean
wildcard_match_below(const char *pattern, const char *path)
{
    return match_names(pattern, path, TRUE);
}
