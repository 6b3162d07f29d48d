/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/boot_screen.h"

#include "base/error.h"

#include <string.h>

#define PIXEL 3u
#define COLOURS_MAX 64u
#define CHANGES 500u /* one pixel in so many may differ */

/* A number and the one white space behind it; FALSE at anything else. */
static gboolean
take_number(const guint8 *data, gsize length, gsize *at, guint *ret)
{
    guint digits = 0;
    for (*ret = 0; *at < length && g_ascii_isdigit(data[*at]) && digits < 6; (*at)++, digits++)
        *ret = *ret * 10 + (guint)(data[*at] - '0');
    return digits > 0 && *at < length && g_ascii_isspace(data[(*at)++]);
}

gboolean
boot_screen_parse(GBytes *dump, struct boot_screen *ret, GError **error)
{
    gsize length = 0, at = 3;
    const guint8 *data = g_bytes_get_data(dump, &length);
    guint most = 0;
    *ret = (struct boot_screen){0};
    if (length < at || memcmp(data, "P6", 2) != 0 || !g_ascii_isspace(data[2]) ||
        !take_number(data, length, &at, &ret->width) ||
        !take_number(data, length, &at, &ret->height) || !take_number(data, length, &at, &most) ||
        most != 255 || ret->width == 0 || ret->height == 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "the screen's dump is no PPM image");
    if (ret->width > BOOT_SCREEN_SIDE_MAX || ret->height > BOOT_SCREEN_SIDE_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "the screen has %u x %u pixels; at most %u are looked at", ret->width,
                         ret->height, BOOT_SCREEN_SIDE_MAX);
    if (length - at != (gsize)ret->width * ret->height * PIXEL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "the screen's dump is cut off");
    ret->pixels = data + at;
    return TRUE;
}

guint
boot_screen_colours(const struct boot_screen *screen, guint most)
{
    guint32 seen[COLOURS_MAX], last = G_MAXUINT32;
    guint n = 0;
    gsize pixels = (gsize)screen->width * screen->height;
    most = MIN(most, COLOURS_MAX);
    for (gsize i = 0; i < pixels && n < most; i++) {
        const guint8 *pixel = screen->pixels + i * PIXEL;
        guint32 colour = (guint32)pixel[0] << 16 | (guint32)pixel[1] << 8 | pixel[2];
        guint k = 0;
        if (colour == last)
            continue;
        last = colour;
        while (k < n && seen[k] != colour)
            k++;
        if (k == n)
            seen[n++] = colour;
    }
    return n;
}

gboolean
boot_screen_same(const struct boot_screen *left, const struct boot_screen *right)
{
    if (left->width != right->width || left->height != right->height)
        return FALSE;
    gsize pixels = (gsize)left->width * left->height, changed = 0;
    gsize row = (gsize)left->width * PIXEL;
    for (gsize y = 0; y < left->height; y++) {
        const guint8 *a = left->pixels + y * row, *b = right->pixels + y * row;
        if (memcmp(a, b, row) == 0)
            continue;
        for (gsize x = 0; x < row; x += PIXEL)
            changed += memcmp(a + x, b + x, PIXEL) != 0;
        if (changed > pixels / CHANGES)
            return FALSE;
    }
    return TRUE;
}
