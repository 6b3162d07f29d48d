/* SPDX-License-Identifier: GPL-3.0-or-later */
/* big_endian.h: numbers as they lie in SCSI commands, iSCSI and NBD. */
#pragma once

#include <glib.h>
#include <string.h>

static inline guint16
big_endian_get16(const guint8 *from)
{
    guint16 value;
    memcpy(&value, from, sizeof value);
    return GUINT16_FROM_BE(value);
}

static inline guint32
big_endian_get24(const guint8 *from)
{
    return (guint32)from[0] << 16 | (guint32)from[1] << 8 | from[2];
}

static inline guint32
big_endian_get32(const guint8 *from)
{
    guint32 value;
    memcpy(&value, from, sizeof value);
    return GUINT32_FROM_BE(value);
}

static inline guint64
big_endian_get64(const guint8 *from)
{
    guint64 value;
    memcpy(&value, from, sizeof value);
    return GUINT64_FROM_BE(value);
}

/* The low 16 bits. */
static inline void
big_endian_put16(guint8 *to, guint value)
{
    guint16 low = GUINT16_TO_BE((guint16)value);
    memcpy(to, &low, sizeof low);
}

/* The low 24 bits. */
static inline void
big_endian_put24(guint8 *to, guint32 value)
{
    to[0] = (guint8)(value >> 16);
    to[1] = (guint8)(value >> 8);
    to[2] = (guint8)value;
}

static inline void
big_endian_put32(guint8 *to, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(to, &value, sizeof value);
}

static inline void
big_endian_put64(guint8 *to, guint64 value)
{
    value = GUINT64_TO_BE(value);
    memcpy(to, &value, sizeof value);
}
