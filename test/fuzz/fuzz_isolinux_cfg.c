/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new title in isolinux.cfg.  The input: the old title, a newline, the new one, a newline, the
 * file.
 *
 * Lines stay lines; without the old title nothing changes, nor with the same title. */
#include "esx/isolinux_cfg.h"
#include "fuzz.h"

#include <string.h>

static gsize
count_lines(GBytes *text)
{
    gsize length, lines = 0;
    const char *data = g_bytes_get_data(text, &length);
    for (gsize i = 0; i < length; i++)
        lines += data[i] == '\n';
    return lines;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *old_title = fuzz_take_text(&data, &size, '\n');
    g_autofree char *new_title = fuzz_take_text(&data, &size, '\n');
    g_autoptr(GBytes) text = g_bytes_new_static(data, size);
    g_autoptr(GBytes) changed = isolinux_cfg_retitle(text, old_title, new_title);
    g_assert_cmpuint(count_lines(changed), ==, count_lines(text));
    g_assert_cmpuint(g_bytes_get_size(changed), <=,
                     size + (count_lines(text) + 1) * strlen(new_title));
    if (*old_title == '\0' || size == 0 || memmem(data, size, old_title, strlen(old_title)) == NULL)
        g_assert_true(g_bytes_equal(changed, text));

    g_autofree char *clean = g_strdup(old_title);
    for (char *c = clean; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    g_autoptr(GBytes) same = isolinux_cfg_retitle(text, clean, clean);
    g_assert_true(g_bytes_equal(same, text));

    g_autoptr(GBytes) made = isolinux_cfg_format(new_title);
    g_autoptr(GBytes) plain = isolinux_cfg_format("");
    g_assert_cmpuint(count_lines(made), ==, count_lines(plain));
    return 0;
}
