/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/vmdk_layout.h"

#include "base/little_endian.h"

#define VERSION 3u
#define FLAGS 0x30001u
#define DESCRIPTOR_SECTOR 1u
#define DESCRIPTOR_SECTORS 20u
#define FIRST_MARKER 128u
#define DEFLATE 1u
#define HEADS 255u
#define SECTORS 63u
#define CYLINDERS_MAX 65535u

static void
append_zeros(GByteArray *out, gsize length)
{
    guint at = out->len;
    g_byte_array_set_size(out, at + (guint)length);
    memset(out->data + at, 0, length);
}

void
vmdk_layout_pad(GByteArray *out)
{
    append_zeros(out, (VMDK_LAYOUT_SECTOR - out->len % VMDK_LAYOUT_SECTOR) % VMDK_LAYOUT_SECTOR);
}

guint64
vmdk_layout_sectors(guint64 bytes)
{
    return bytes / VMDK_LAYOUT_SECTOR + (bytes % VMDK_LAYOUT_SECTOR != 0);
}

guint64
vmdk_layout_capacity(guint64 size)
{
    guint64 sectors = vmdk_layout_sectors(size);
    return sectors + sectors % 2;
}

void
vmdk_layout_put_header(GByteArray *out, guint64 size, guint64 directory_sector)
{
    guint8 header[VMDK_LAYOUT_SECTOR] = "KDMV";
    little_endian_put32(header + 4, VERSION);
    little_endian_put32(header + 8, FLAGS);
    little_endian_put64(header + 12, vmdk_layout_capacity(size));
    little_endian_put64(header + 20, VMDK_LAYOUT_GRAIN / VMDK_LAYOUT_SECTOR);
    little_endian_put64(header + 28, DESCRIPTOR_SECTOR);
    little_endian_put64(header + 36, DESCRIPTOR_SECTORS);
    little_endian_put32(header + 44, VMDK_LAYOUT_TABLE);
    little_endian_put64(header + 56, directory_sector);
    little_endian_put64(header + 64, FIRST_MARKER);
    memcpy(header + 73, "\n \r\n", 4);
    little_endian_put16(header + 77, DEFLATE);
    g_byte_array_append(out, header, sizeof header);
}

static char *
format_descriptor(guint64 size)
{
    guint64 sectors = vmdk_layout_capacity(size);
    guint64 cylinders = CLAMP(sectors / (HEADS * SECTORS), 1, CYLINDERS_MAX);
    return g_strdup_printf("# Disk DescriptorFile\n"
                           "version=1\n"
                           "CID=fffffffe\n"
                           "parentCID=ffffffff\n"
                           "createType=\"streamOptimized\"\n"
                           "\n"
                           "# Extent description\n"
                           "RW %" G_GUINT64_FORMAT " SPARSE \"disk.vmdk\"\n"
                           "\n"
                           "# The Disk Data Base\n"
                           "#DDB\n"
                           "\n"
                           "ddb.virtualHWVersion = \"4\"\n"
                           "ddb.geometry.cylinders = \"%" G_GUINT64_FORMAT "\"\n"
                           "ddb.geometry.heads = \"%u\"\n"
                           "ddb.geometry.sectors = \"%u\"\n"
                           "ddb.adapterType = \"lsilogic\"\n",
                           sectors, cylinders, HEADS, SECTORS);
}

void
vmdk_layout_put_start(GByteArray *out, guint64 size)
{
    vmdk_layout_put_header(out, size, VMDK_LAYOUT_DIRECTORY_UNKNOWN);
    g_autofree char *descriptor = format_descriptor(size);
    g_byte_array_append(out, (const guint8 *)descriptor, (guint)strlen(descriptor));
    append_zeros(out, FIRST_MARKER * VMDK_LAYOUT_SECTOR - out->len);
}

void
vmdk_layout_put_marker(GByteArray *out, enum vmdk_layout_marker marker, guint64 sectors)
{
    guint8 bytes[VMDK_LAYOUT_SECTOR] = {0};
    little_endian_put64(bytes, sectors);
    little_endian_put32(bytes + 12, marker);
    g_byte_array_append(out, bytes, sizeof bytes);
}

void
vmdk_layout_put_entries(GByteArray *out, const guint32 *entries, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        guint8 entry[4];
        little_endian_put32(entry, entries[i]);
        g_byte_array_append(out, entry, sizeof entry);
    }
    vmdk_layout_pad(out);
}
