/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tar_fixture.h: tar archives of every dialect, made byte by byte, for unit tests. */
#pragma once

#include "esx/gzip_writer.h"

#include <stdio.h>
#include <string.h>

#define TAR_USTAR                                                                                  \
    "ustar\0"                                                                                      \
    "00"
#define TAR_GNU "ustar  \0"
#define TAR_VISOR "visor  \0"
#define TAR_V7 "\0\0\0\0\0\0\0\0"

struct tar_fixture_member {
    const char *name;
    char type; /* NUL: '0' */
    const char *target;
    const char *data;     /* of a file: its content */
    guint64 size;         /* when it is not that of `data` */
    const char *magic;    /* NULL: ustar */
    const char *prefix;   /* NULL: none */
    guint32 offset;       /* of visor */
    const char *raw_size; /* this text as the size */
};

static inline void
tar_fixture_seal(guint8 *header)
{
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += header[i];
    g_snprintf((char *)header + 148, 8, "%06o", sum);
}

/* Append a header; the data is not appended. */
static inline void
tar_fixture_header(GByteArray *out, const struct tar_fixture_member *member)
{
    guint8 header[512] = {0};
    guint64 size =
        member->size != 0 ? member->size : (member->data != NULL ? strlen(member->data) : 0);
    strncpy((char *)header, member->name, 100);
    memcpy(header + 100, "0000755", 8);
    memcpy(header + 108,
           "0000000\0"
           "0000000",
           16);
    g_snprintf((char *)header + 124, 12, "%011" G_GINT64_MODIFIER "o", size);
    if (member->raw_size != NULL)
        memcpy(header + 124, member->raw_size, 12);
    memcpy(header + 136, "13576573423", 12);
    header[156] = (guint8)(member->type != '\0' ? member->type : '0');
    if (member->target != NULL)
        strncpy((char *)header + 157, member->target, 100);
    memcpy(header + 257, member->magic != NULL ? member->magic : TAR_USTAR, 8);
    if (member->prefix != NULL)
        strncpy((char *)header + 345, member->prefix, 151);
    for (int i = 0; i < 4 && member->offset != 0; i++)
        header[496 + i] = (guint8)(member->offset >> (8 * i));
    tar_fixture_seal(header);
    g_byte_array_append(out, header, sizeof header);
}

/* Append zeros up to a multiple of `unit`. */
static inline void
tar_fixture_pad(GByteArray *out, guint unit)
{
    static const guint8 zero = 0;
    while (out->len % unit != 0)
        g_byte_array_append(out, &zero, 1);
}

static inline void
tar_fixture_data(GByteArray *out, const char *data)
{
    g_byte_array_append(out, (const guint8 *)data, (guint)strlen(data));
}

/* A header with its data right behind, as plain tar has it. */
static inline void
tar_fixture_member(GByteArray *out, const struct tar_fixture_member *member)
{
    tar_fixture_header(out, member);
    if (member->data != NULL && member->offset == 0)
        tar_fixture_data(out, member->data);
    tar_fixture_pad(out, 512);
}

static inline void
tar_fixture_end(GByteArray *out)
{
    guint8 zeros[1024] = {0};
    g_byte_array_append(out, zeros, sizeof zeros);
}

static inline gboolean
tar_fixture_sink(void *user_data, const void *data, gsize length, GError **error G_GNUC_UNUSED)
{
    g_byte_array_append(user_data, data, (guint)length);
    return TRUE;
}

/* What is in `plain`, gzipped; frees `plain`. */
static inline GBytes *
tar_fixture_gzip(GByteArray *plain)
{
    GByteArray *packed = g_byte_array_new();
    auto_ptr(gzip_writer) writer = gzip_writer_new(tar_fixture_sink, packed);
    g_assert_true(gzip_writer_write(writer, plain->data, plain->len, NULL));
    g_assert_true(gzip_writer_finish(writer, NULL));
    g_byte_array_unref(plain);
    return g_byte_array_free_to_bytes(packed);
}
