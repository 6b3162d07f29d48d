/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/word_list.h"

char *
word_list_format(const GPtrArray *words, guint most, const char *last)
{
    GString *text = g_string_new(NULL);
    guint shown = MIN(words->len, most);
    for (guint i = 0; i < shown; i++) {
        if (i > 0 && i + 1 == words->len)
            g_string_append_printf(text, " %s ", last);
        else if (i > 0)
            g_string_append(text, ", ");
        g_string_append(text, words->pdata[i]);
    }
    if (words->len > shown)
        g_string_append_printf(text, " and %u more", words->len - shown);
    return g_string_free(text, FALSE);
}
