/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/wildcard.h"

#include <string.h>

gboolean
wildcard_is(const char *pattern)
{
    return strpbrk(pattern, "*?") != NULL;
}

gboolean
wildcard_match(const char *pattern, const char *text)
{
    return g_pattern_match_simple(pattern, text);
}

/* The next name of a path, g_free() it; NULL at its end. */
static char *
take_name(const char **path)
{
    const char *begin = *path + strspn(*path, "/");
    *path = begin + strcspn(begin, "/");
    return begin < *path ? g_strndup(begin, (gsize)(*path - begin)) : NULL;
}

static gboolean
match_names(const char *pattern, const char *path, gboolean below)
{
    for (;;) {
        g_autofree char *wanted = take_name(&pattern);
        if (wanted == NULL && below)
            return TRUE;
        g_autofree char *name = take_name(&path);
        if (wanted == NULL || name == NULL)
            return wanted == NULL && name == NULL;
        if (!wildcard_match(wanted, name))
            return FALSE;
    }
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
