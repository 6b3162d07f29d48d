/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/text.h"

#include <string.h>

static gsize
char_width(gunichar c)
{
    if (g_unichar_iszerowidth(c))
        return 0;
    return g_unichar_iswide(c) ? 2 : 1;
}

gsize
text_width(const char *text)
{
    gsize width = 0;
    for (; *text != '\0'; text = g_utf8_next_char(text))
        width += char_width(g_utf8_get_char(text));
    return width;
}

char *
text_fit(const char *text, gsize width)
{
    GString *out = g_string_new(NULL);
    gboolean cut = text_width(text) > width;
    gsize room = cut && width > 0 ? width - 1 : width;
    gsize used = 0;
    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);
        if (used + char_width(c) > room)
            break;
        used += char_width(c);
        g_string_append_unichar(out, c);
    }
    if (cut && used < width) {
        g_string_append_c(out, '~');
        used++;
    }
    for (; used < width; used++)
        g_string_append_c(out, ' ');
    return g_string_free(out, FALSE);
}

static void
new_line(GString *out, gsize indent)
{
    g_string_append_c(out, '\n');
    for (gsize i = 0; i < indent; i++)
        g_string_append_c(out, ' ');
}

static void
wrap_paragraph(GString *out, const char *text, gsize indent, gsize width)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \n", -1);
    gsize column = indent;
    for (char **word = words; *word != NULL; word++) {
        gsize length = text_width(*word);
        if (length == 0)
            continue;
        if (column > indent && column + 1 + length > width) {
            new_line(out, indent);
            column = indent;
        }
        if (column > indent) {
            g_string_append_c(out, ' ');
            column++;
        }
        g_string_append(out, *word);
        column += length;
    }
}

void
text_wrap(GString *out, const char *text, gsize indent, gsize width)
{
    g_auto(GStrv) paragraphs = g_strsplit(text, "\n\n", -1);
    for (char **paragraph = paragraphs; *paragraph != NULL; paragraph++) {
        if (paragraph != paragraphs) {
            g_string_append_c(out, '\n');
            new_line(out, indent);
        }
        wrap_paragraph(out, *paragraph, indent, width);
    }
    g_string_append_c(out, '\n');
}

char *
text_clean(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);
    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(out, c != '\n' && c != '\t' && g_unichar_iscntrl(c) ? '?' : c);
    }
    return g_string_free(out, FALSE);
}

char *
text_bytes(guint64 bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000)
        return g_strdup_printf("%u B", (unsigned)bytes);
    double value = (double)bytes;
    gsize unit = 0;
    /* 999.95 would be shown as 1000.0 */
    while (value >= 999.95 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1000;
        unit++;
    }
    return g_strdup_printf("%.1f %s", value, units[unit]);
}

char *
text_duration(guint64 seconds)
{
    unsigned hours = (unsigned)(seconds / 3600);
    unsigned minutes = (unsigned)(seconds / 60 % 60), rest = (unsigned)(seconds % 60);
    if (hours > 0)
        return g_strdup_printf("%u:%02u:%02u", hours, minutes, rest);
    return g_strdup_printf("%u:%02u", minutes, rest);
}

char *
text_date(gint64 time)
{
    g_autoptr(GDateTime) date = time != 0 ? g_date_time_new_from_unix_utc(time) : NULL;
    return date != NULL ? g_date_time_format(date, "%Y-%m-%d") : g_strdup("-");
}

char *
text_iso_date(const char *text)
{
    if (text == NULL || strlen(text) < 10 || text[4] != '-' || text[7] != '-')
        return g_strdup("-");
    return g_strndup(text, 10);
}

char *
text_count(guint64 number, const char *one, const char *many)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT " %s", number, number == 1 ? one : many);
}
