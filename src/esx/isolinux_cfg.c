/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/isolinux_cfg.h"

#include <string.h>

static char *
one_line(const char *title)
{
    char *clean = g_strdup(title);
    for (char *c = clean; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return clean;
}

GBytes *
isolinux_cfg_format(const char *title)
{
    g_autofree char *clean = one_line(title);
    char *text = g_strdup_printf("DEFAULT menu.c32\n"
                                 "MENU TITLE %s Boot Menu\n"
                                 "NOHALT 1\n"
                                 "PROMPT 0\n"
                                 "TIMEOUT 80\n"
                                 "LABEL install\n"
                                 "  KERNEL mboot.c32\n"
                                 "  APPEND -c boot.cfg\n"
                                 "  MENU LABEL %s ^Installer\n"
                                 "LABEL hddboot\n"
                                 "  LOCALBOOT 0x80\n"
                                 "  MENU LABEL ^Boot from local disk\n",
                                 clean, clean);
    return g_bytes_new_take(text, strlen(text));
}

static gboolean
is_menu_line(const char *line, gsize length)
{
    while (length > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        length--;
    }
    return length > 4 && g_ascii_strncasecmp(line, "menu", 4) == 0 &&
           (line[4] == ' ' || line[4] == '\t');
}

static void
append_replaced(GByteArray *out, const char *line, gsize length, const char *old_title,
                const char *new_title)
{
    gsize old_length = strlen(old_title);
    const char *at = memmem(line, length, old_title, old_length);
    if (at == NULL || !is_menu_line(line, length)) {
        g_byte_array_append(out, (const guint8 *)line, (guint)length);
        return;
    }
    gsize before = (gsize)(at - line);
    g_byte_array_append(out, (const guint8 *)line, (guint)before);
    g_byte_array_append(out, (const guint8 *)new_title, (guint)strlen(new_title));
    g_byte_array_append(out, (const guint8 *)at + old_length,
                        (guint)(length - before - old_length));
}

GBytes *
isolinux_cfg_retitle(GBytes *text, const char *old_title, const char *new_title)
{
    gsize length = 0;
    const char *data = g_bytes_get_data(text, &length);
    if (*old_title == '\0' || length == 0)
        return g_bytes_ref(text);
    g_autofree char *clean = one_line(new_title);
    GByteArray *out = g_byte_array_new();
    for (const char *stop = data + length; data < stop;) {
        const char *newline = memchr(data, '\n', (gsize)(stop - data));
        const char *next = newline != NULL ? newline + 1 : stop;
        append_replaced(out, data, (gsize)(next - data), old_title, clean);
        data = next;
    }
    return g_byte_array_free_to_bytes(out);
}
