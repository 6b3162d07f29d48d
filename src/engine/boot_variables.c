/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/boot_variables.h"

#include "base/little_endian.h"

#include <string.h>

/* The volume's header, then that of the store, then variables back to back, each at a multiple of
 * 4, in space that is all ones. */
#define VOLUME_SIGNATURE_AT 40u
#define VOLUME_HEADER_LENGTH_AT 48u
#define VOLUME_HEADER_MAX 4096u
#define STORE_HEADER 28u
#define STORE_SIZE_AT 16u
#define STORE_FORMAT_AT 20u
#define FORMATTED 0x5a
#define HEALTHY 0xfe

#define VARIABLE_HEADER 60u
#define START 0x55aa
#define ADDED 0x3f
#define ATTRIBUTES 7u /* kept, for boot services and for the system */
#define NAME_SIZE_AT 36u
#define DATA_SIZE_AT 40u
#define VENDOR_AT 44u

#define LOAD_ACTIVE 1u

/* GUIDs as they lie there. */
static const guint8 authenticated[16] = {0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                         0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92};
static const guint8 global[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                  0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};

/* In the order in which they are tried. */
static const char *const loaders[] = {
    "\\EFI\\Microsoft\\Boot\\bootmgfw.efi",
    "\\EFI\\debian\\shimx64.efi",
    "\\EFI\\debian\\grubx64.efi",
    "\\EFI\\ubuntu\\shimx64.efi",
    "\\EFI\\ubuntu\\grubx64.efi",
    "\\EFI\\redhat\\shimx64.efi",
    "\\EFI\\centos\\shimx64.efi",
    "\\EFI\\rocky\\shimx64.efi",
    "\\EFI\\almalinux\\shimx64.efi",
    "\\EFI\\fedora\\shimx64.efi",
    "\\EFI\\opensuse\\shim.efi",
    "\\EFI\\opensuse\\grubx64.efi",
    "\\EFI\\sles\\shim.efi",
    "\\EFI\\systemd\\systemd-bootx64.efi",
};

/* ---- Writing --------------------------------------------------------------------------------- */

static void
put16(GByteArray *bytes, guint16 value)
{
    guint8 data[2];
    little_endian_put16(data, value);
    g_byte_array_append(bytes, data, sizeof data);
}

static void
put32(GByteArray *bytes, guint32 value)
{
    guint8 data[4];
    little_endian_put32(data, value);
    g_byte_array_append(bytes, data, sizeof data);
}

/* ASCII, with the zero at its end. */
static void
put_text(GByteArray *bytes, const char *text)
{
    for (gsize i = 0; i <= strlen(text); i++)
        put16(bytes, (guint8)text[i]);
}

static void
put_variable(GByteArray *bytes, const char *name, const GByteArray *data)
{
    static const guint8 zeros[VARIABLE_HEADER], ones[4] = {0xff, 0xff, 0xff, 0xff};
    guint8 header[VARIABLE_HEADER];
    memcpy(header, zeros, sizeof header);
    little_endian_put16(header, START);
    header[2] = ADDED;
    little_endian_put32(header + 4, ATTRIBUTES);
    little_endian_put32(header + NAME_SIZE_AT, (guint32)(2 * strlen(name) + 2));
    little_endian_put32(header + DATA_SIZE_AT, data->len);
    memcpy(header + VENDOR_AT, global, sizeof global);
    g_byte_array_append(bytes, header, sizeof header);
    put_text(bytes, name);
    g_byte_array_append(bytes, data->data, data->len);
    g_byte_array_append(bytes, ones, (4 - bytes->len % 4) % 4);
}

/* A load option whose path is a file alone: the firmware looks for it on every disk. */
static void
put_loader(GByteArray *bytes, guint number, const char *path)
{
    g_autofree char *name = g_strdup_printf("Boot%04X", number);
    g_autoptr(GByteArray) option = g_byte_array_new();
    guint16 node = (guint16)(4 + 2 * strlen(path) + 2);
    put32(option, LOAD_ACTIVE);
    put16(option, node + 4);
    put_text(option, path);
    put16(option, 0x0404); /* media, file */
    put16(option, node);
    put_text(option, path);
    put16(option, 0xff7f); /* the end */
    put16(option, 4);
    put_variable(bytes, name, option);
}

static GByteArray *
make_variables(void)
{
    GByteArray *bytes = g_byte_array_new();
    g_autoptr(GByteArray) order = g_byte_array_new();
    for (guint i = 0; i < G_N_ELEMENTS(loaders); i++) {
        put_loader(bytes, i, loaders[i]);
        put16(order, (guint16)i);
    }
    put_variable(bytes, "BootOrder", order);
    return bytes;
}

/* ---- The place for it ------------------------------------------------------------------------ */

/* Where the variables begin and the store ends. */
static gboolean
find_store(const guint8 *image, gsize length, gsize *ret_begin, gsize *ret_end)
{
    if (length < VOLUME_HEADER_MAX + STORE_HEADER ||
        memcmp(image + VOLUME_SIGNATURE_AT, "_FVH", 4) != 0)
        return FALSE;
    gsize at = little_endian_get16(image + VOLUME_HEADER_LENGTH_AT);
    if (at > VOLUME_HEADER_MAX || at % 4 != 0)
        return FALSE;
    const guint8 *store = image + at;
    gsize size = little_endian_get32(store + STORE_SIZE_AT);
    if (memcmp(store, authenticated, sizeof authenticated) != 0 ||
        store[STORE_FORMAT_AT] != FORMATTED || store[STORE_FORMAT_AT + 1] != HEALTHY ||
        size < STORE_HEADER || size > length - at)
        return FALSE;
    *ret_begin = at + STORE_HEADER;
    *ret_end = at + size;
    return TRUE;
}

static gboolean
is_boot_entry(const guint8 *name, gsize size)
{
    static const guint8 boot[] = {'B', 0, 'o', 0, 'o', 0, 't', 0};
    return size >= sizeof boot && memcmp(name, boot, sizeof boot) == 0;
}

/* Behind the last variable; 0 when something there is not as it should be, or is a boot entry. */
static gsize
find_free(const guint8 *image, gsize begin, gsize end)
{
    gsize at = begin;
    while (end - at >= VARIABLE_HEADER && little_endian_get16(image + at) == START) {
        gsize name = little_endian_get32(image + at + NAME_SIZE_AT);
        gsize data = little_endian_get32(image + at + DATA_SIZE_AT);
        gsize room = end - at - VARIABLE_HEADER;
        if (name > room || data > room - name || is_boot_entry(image + at + VARIABLE_HEADER, name))
            return 0;
        at = MIN(end, at + ((VARIABLE_HEADER + name + data + 3) & ~(gsize)3));
    }
    return at;
}

gboolean
boot_variables_add_loaders(guint8 *image, gsize length)
{
    gsize begin, end;
    if (!find_store(image, length, &begin, &end))
        return FALSE;
    g_autoptr(GByteArray) added = make_variables();
    gsize at = find_free(image, begin, end);
    if (at == 0 || end - at < added->len)
        return FALSE;
    for (gsize i = at; i < at + added->len; i++)
        if (image[i] != 0xff)
            return FALSE;
    memcpy(image + at, added->data, added->len);
    return TRUE;
}
