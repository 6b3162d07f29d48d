/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_screen.h: what is on the screen of a guest, as QEMU dumps it (PPM, "P6", 8 bits a colour).
 *
 * Pure; any thread. */
#pragma once

#include <glib.h>

/* Of a side, in pixels: more than any monitor has; a dump has at most 3 times the square of it. */
#define BOOT_SCREEN_SIDE_MAX 8192u
#define BOOT_SCREEN_BYTES_MAX (96u << 20)
/* More than any text mode can show. */
#define BOOT_SCREEN_COLOURS_MANY 17u

struct boot_screen {
    guint width, height;
    const guint8 *pixels; /* 3 bytes each, within the dump */
};

/* SLIPWAY_ERROR_CORRUPT: not such a dump; SLIPWAY_ERROR_LIMIT: too large.  `dump` must outlive
 * *ret. */
gboolean boot_screen_parse(GBytes *dump, struct boot_screen *ret, GError **error);

/* How many colours it has, counting no further than `most` (at most 64). */
guint boot_screen_colours(const struct boot_screen *screen, guint most);

/* Whether two dumps show the same, but for what a blinking cursor or a clock changes: one pixel in
 * 500. */
gboolean boot_screen_same(const struct boot_screen *left, const struct boot_screen *right);
