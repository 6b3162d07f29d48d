/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/tar_header.h"

#include <string.h>

/* Where the fields are, in bytes. */
enum {
    NAME = 0,
    NAME_LENGTH = 100,
    MODE = 100,
    MODE_LENGTH = 8,
    SIZE = 124,
    SIZE_LENGTH = 12,
    MTIME = 136,
    MTIME_LENGTH = 12,
    CHECKSUM = 148,
    CHECKSUM_LENGTH = 8,
    TYPE = 156,
    TARGET = 157,
    TARGET_LENGTH = 100,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_LENGTH = 155,
    VISOR_PREFIX_LENGTH = 151, /* the offset begins inside of what ustar has as its prefix */
    VISOR_OFFSET = 496,
};

gboolean
tar_header_is_end(const guint8 block[TAR_BLOCK])
{
    for (gsize i = 0; i < TAR_BLOCK; i++)
        if (block[i] != 0)
            return FALSE;
    return TRUE;
}

/* GNU's base 256 for numbers that octal has no room for: the top bit is set, the rest is a
 * big-endian number.  Negative ones (times before 1970) are of no use here. */
static gboolean
parse_binary(const guint8 *field, gsize length, guint64 *ret_value)
{
    if (field[0] != 0x80)
        return FALSE;
    guint64 value = 0;
    for (gsize i = 1; i < length; i++) {
        if (value >> 55 != 0)
            return FALSE;
        value = value << 8 | field[i];
    }
    *ret_value = value;
    return TRUE;
}

/* Octal digits with blanks before, ended by a blank, a NUL or the field's end; empty is 0. */
static gboolean
parse_number(const guint8 *field, gsize length, guint64 *ret_value)
{
    if ((field[0] & 0x80) != 0)
        return parse_binary(field, length, ret_value);
    gsize i = 0;
    while (i < length && field[i] == ' ')
        i++;
    guint64 value = 0; /* 12 octal digits always fit */
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (guint64)(field[i] - '0');
    if (i < length && field[i] != ' ' && field[i] != '\0')
        return FALSE;
    *ret_value = value;
    return TRUE;
}

/* The sum of all bytes with the checksum's own as blanks; old programs summed signed bytes. */
static gboolean
checksum_holds(const guint8 *block)
{
    guint64 stated;
    if (!parse_number(block + CHECKSUM, CHECKSUM_LENGTH, &stated))
        return FALSE;
    gint64 plain = 0, with_sign = 0;
    for (gsize i = 0; i < TAR_BLOCK; i++) {
        guint8 byte = i >= CHECKSUM && i < CHECKSUM + CHECKSUM_LENGTH ? ' ' : block[i];
        plain += byte;
        with_sign += (gint8)byte;
    }
    return (gint64)stated == plain || (gint64)stated == with_sign;
}

static guint32
read_u32(const guint8 *bytes)
{
    return (guint32)bytes[0] | (guint32)bytes[1] << 8 | (guint32)bytes[2] << 16 |
           (guint32)bytes[3] << 24;
}

static void
copy_name(const guint8 *block, gsize prefix_length, char ret_name[TAR_NAME])
{
    int prefix = (int)strnlen((const char *)block + PREFIX, prefix_length);
    g_snprintf(ret_name, TAR_NAME, "%.*s%s%.*s", prefix, (const char *)block + PREFIX,
               prefix > 0 ? "/" : "", (int)NAME_LENGTH, (const char *)block + NAME);
}

gboolean
tar_header_parse(const guint8 block[TAR_BLOCK], struct tar_header *ret_header)
{
    guint64 mode, mtime;
    struct tar_header header = {0};
    if (!checksum_holds(block) || !parse_number(block + MODE, MODE_LENGTH, &mode) ||
        !parse_number(block + SIZE, SIZE_LENGTH, &header.size))
        return FALSE;
    if (!parse_number(block + MTIME, MTIME_LENGTH, &mtime) || mtime > G_MAXINT64)
        mtime = 0;
    header.mode = (unsigned)(mode & 07777);
    header.mtime = (gint64)mtime;
    header.type = block[TYPE] == '\0' ? '0' : (char)block[TYPE];
    header.visor = memcmp(block + MAGIC, "visor  ", 7) == 0;
    if (header.visor)
        header.data_offset = read_u32(block + VISOR_OFFSET);

    /* Old GNU (`ustar` and a blank) keeps other things where the prefix would be, v7 nothing. */
    gsize prefix_length = 0;
    if (header.visor)
        prefix_length = VISOR_PREFIX_LENGTH;
    else if (memcmp(block + MAGIC, "ustar", 6) == 0)
        prefix_length = PREFIX_LENGTH;
    copy_name(block, prefix_length, header.name);
    memcpy(header.target, block + TARGET, TARGET_LENGTH);
    *ret_header = header;
    return TRUE;
}
