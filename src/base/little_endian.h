/* SPDX-License-Identifier: GPL-3.0-or-later */
/* little_endian.h: numbers as they lie in packs and index objects. */
#pragma once

#include <glib.h>
#include <string.h>

static inline guint16
little_endian_get16(const guint8 *from)
{
    guint16 value;
    memcpy(&value, from, sizeof value);
    return GUINT16_FROM_LE(value);
}

static inline guint32
little_endian_get32(const guint8 *from)
{
    guint32 value;
    memcpy(&value, from, sizeof value);
    return GUINT32_FROM_LE(value);
}

static inline guint64
little_endian_get64(const guint8 *from)
{
    guint64 value;
    memcpy(&value, from, sizeof value);
    return GUINT64_FROM_LE(value);
}

static inline void
little_endian_put16(guint8 *to, guint16 value)
{
    value = GUINT16_TO_LE(value);
    memcpy(to, &value, sizeof value);
}

static inline void
little_endian_put32(guint8 *to, guint32 value)
{
    value = GUINT32_TO_LE(value);
    memcpy(to, &value, sizeof value);
}

static inline void
little_endian_put64(guint8 *to, guint64 value)
{
    value = GUINT64_TO_LE(value);
    memcpy(to, &value, sizeof value);
}

/* TRUE when all of it is 0: room that a later version may fill. */
static inline gboolean
little_endian_is_zero(const guint8 *from, gsize length)
{
    guint8 all = 0;
    for (gsize i = 0; i < length; i++)
        all |= from[i];
    return all == 0;
}
