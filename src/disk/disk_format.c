/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names and the magic bytes of image formats. */
#include "base/error.h"
#include "disk/disk_open.h"
#include "disk/disk_private.h"

#include <string.h>

static const struct {
    const char *name;   /* as qemu-img calls it */
    const char *ending; /* of a file name */
} formats[DISK_FORMAT_N] = {
    [DISK_FORMAT_AUTO] = {"auto", NULL},       [DISK_FORMAT_RAW] = {"raw", ".raw"},
    [DISK_FORMAT_QCOW2] = {"qcow2", ".qcow2"}, [DISK_FORMAT_VMDK] = {"vmdk", ".vmdk"},
    [DISK_FORMAT_VHDX] = {"vhdx", ".vhdx"},    [DISK_FORMAT_VPC] = {"vpc", ".vhd"},
    [DISK_FORMAT_VDI] = {"vdi", ".vdi"},
};

/* VHD and VDI have their numbers where they have; all are within the first HEAD bytes. */
#define HEAD 512u
static const struct {
    enum disk_format format;
    gsize offset;
    const char *bytes;
    gsize length;
} magics[] = {
    {DISK_FORMAT_QCOW2, 0, "QFI\xfb", 4},
    {DISK_FORMAT_VMDK, 0, "KDMV", 4},
    {DISK_FORMAT_VMDK, 0, "# Disk DescriptorFile", 21},
    {DISK_FORMAT_VHDX, 0, "vhdxfile", 8},
    {DISK_FORMAT_VPC, 0, "conectix", 8},
    {DISK_FORMAT_VDI, 64, "\x7f\x10\xda\xbe", 4},
};

gboolean
disk_format_parse(const char *name, enum disk_format *ret)
{
    if (strcmp(name, "vhd") == 0)
        name = formats[DISK_FORMAT_VPC].name;
    for (enum disk_format format = 0; format < DISK_FORMAT_N; format++) {
        if (strcmp(name, formats[format].name) == 0) {
            *ret = format;
            return TRUE;
        }
    }
    return FALSE;
}

const char *
disk_format_name(enum disk_format format)
{
    return formats[format].name;
}

enum disk_format
disk_format_of_name(const char *path)
{
    g_autofree char *small = g_ascii_strdown(path, -1);
    for (enum disk_format format = 0; format < DISK_FORMAT_N; format++) {
        if (formats[format].ending != NULL && g_str_has_suffix(small, formats[format].ending))
            return format;
    }
    return DISK_FORMAT_RAW;
}

static enum disk_format
recognize(const guint8 *head, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(magics); i++) {
        if (length >= magics[i].offset + magics[i].length &&
            memcmp(head + magics[i].offset, magics[i].bytes, magics[i].length) == 0)
            return magics[i].format;
    }
    return DISK_FORMAT_RAW;
}

enum disk_format
disk_format_probe(const char *path, GError **error)
{
    auto_ptr(disk) file = disk_file_open(path, FALSE, error);
    if (file == NULL)
        return DISK_FORMAT_N;
    if (disk_is_device(path))
        return DISK_FORMAT_RAW;
    guint8 head[HEAD];
    gsize length = MIN(HEAD, disk_size(file));
    if (!disk_read(file, 0, head, length, error))
        return DISK_FORMAT_N;
    enum disk_format format = recognize(head, length);
    if (format != DISK_FORMAT_RAW || length < HEAD)
        return format;
    /* A fixed VHD is the raw disk with a footer. */
    if (!disk_read(file, disk_size(file) - HEAD, head, HEAD, error))
        return DISK_FORMAT_N;
    return memcmp(head, "conectix", 8) == 0 ? DISK_FORMAT_VPC : DISK_FORMAT_RAW;
}
