/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vmdk_layout.h: the fixed parts of a streamOptimized VMDK (doc/format/vmdk-stream.md).  Pure. */
#pragma once

#include <glib.h>

#define VMDK_LAYOUT_SECTOR 512u
#define VMDK_LAYOUT_GRAIN 65536u
#define VMDK_LAYOUT_TABLE 512u /* entries of a grain table */
/* Bytes of disk behind one grain table. */
#define VMDK_LAYOUT_TABLE_SPAN (VMDK_LAYOUT_TABLE * VMDK_LAYOUT_GRAIN)
/* In front of the data of a grain. */
#define VMDK_LAYOUT_GRAIN_MARKER 12u
#define VMDK_LAYOUT_DIRECTORY_UNKNOWN G_MAXUINT64

enum vmdk_layout_marker {
    VMDK_LAYOUT_END = 0,
    VMDK_LAYOUT_GRAIN_TABLE = 1,
    VMDK_LAYOUT_GRAIN_DIRECTORY = 2,
    VMDK_LAYOUT_FOOTER = 3,
};

/* Everything before the first marker, appended to `out`, for a disk of `size` bytes. */
void vmdk_layout_put_start(GByteArray *out, guint64 size);
/* The header, or as footer: one sector. */
void vmdk_layout_put_header(GByteArray *out, guint64 size, guint64 directory_sector);
/* `sectors`: of what follows it. */
void vmdk_layout_put_marker(GByteArray *out, enum vmdk_layout_marker marker, guint64 sectors);
/* A table of `n` entries, filled up with zeros to whole sectors. */
void vmdk_layout_put_entries(GByteArray *out, const guint32 *entries, gsize n);
/* Append zeros up to a whole sector. */
void vmdk_layout_pad(GByteArray *out);
/* Sectors of `bytes`, rounded up. */
guint64 vmdk_layout_sectors(guint64 bytes);
/* Sectors of a disk of `size` bytes, in whole KiB, as servers count them. */
guint64 vmdk_layout_capacity(guint64 size);
