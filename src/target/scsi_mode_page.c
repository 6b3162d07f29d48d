/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pages, one row each; what can be changed is a bit of enum scsi_mode_bit in a byte of a page.
 */
#include "target/scsi_mode.h"

#include <string.h>

static const struct row {
    guint8 bytes[SCSI_MODE_PAGE_MAX]; /* without what can be changed; [1] is the length behind it */
} rows[] = {
    {{0x01, 10}},                                     /* read-write error recovery */
    {{0x02, 14}},                                     /* disconnect-reconnect */
    {{0x08, 18}},                                     /* caching */
    {{0x0a, 10, 0x02, 0x10, 0, 0, 0, 0, 0xff, 0xff}}, /* control: GLTSD, unrestricted reordering */
    {{0x1c, 10, 0x08}},                               /* informational exceptions: DEXCPT */
};

static const struct {
    guint8 page, byte, mask;
    enum scsi_mode_bit bit;
} bits[] = {
    {0x08, 2, 0x04, SCSI_MODE_WRITE_CACHE},
    {0x0a, 2, 0x04, SCSI_MODE_DESCRIPTOR_SENSE},
    {0x0a, 4, 0x08, SCSI_MODE_WRITE_PROTECT},
};

guint
scsi_mode_default(const struct scsi_unit *unit)
{
    return unit->read_only ? 0 : SCSI_MODE_WRITE_CACHE;
}

/* A unit that is read-only for good has no write cache, and is not asked to be protected. */
static gboolean
can_change(const struct scsi_unit *unit, enum scsi_mode_bit bit)
{
    return bit == SCSI_MODE_DESCRIPTOR_SENSE || !unit->read_only;
}

static const struct row *
find(guint page)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].bytes[0] == page)
            return &rows[i];
    }
    return NULL;
}

guint
scsi_mode_page_at(guint i)
{
    return i < G_N_ELEMENTS(rows) ? rows[i].bytes[0] : 0;
}

guint
scsi_mode_page_write(const struct scsi_unit *unit, guint page, enum scsi_mode_values which,
                     guint mode, guint8 *to)
{
    const struct row *row = find(page);
    if (row == NULL)
        return 0;
    guint length = 2u + row->bytes[1];
    memcpy(to, row->bytes, length);
    if (which == SCSI_MODE_CHANGEABLE)
        memset(to + 2, 0, length - 2);
    if (which == SCSI_MODE_DEFAULT)
        mode = scsi_mode_default(unit);
    for (gsize i = 0; i < G_N_ELEMENTS(bits); i++) {
        if (bits[i].page != page)
            continue;
        gboolean set = which == SCSI_MODE_CHANGEABLE ? can_change(unit, bits[i].bit)
                                                     : (mode & bits[i].bit) != 0;
        if (set)
            to[bits[i].byte] |= bits[i].mask;
    }
    return length;
}

gboolean
scsi_mode_page_read(const struct scsi_unit *unit, const guint8 *page, guint length, guint *mode,
                    guint *ret_byte)
{
    guint8 current[SCSI_MODE_PAGE_MAX], changeable[SCSI_MODE_PAGE_MAX];
    guint code = page[0] & 0x3f;
    guint expected = scsi_mode_page_write(unit, code, SCSI_MODE_CURRENT, *mode, current);
    *ret_byte = 0;
    if (expected == 0 || (page[0] & 0x40))
        return FALSE;
    *ret_byte = 1;
    if (length < expected || page[1] != current[1])
        return FALSE;
    scsi_mode_page_write(unit, code, SCSI_MODE_CHANGEABLE, *mode, changeable);
    for (*ret_byte = 2; *ret_byte < expected; ++*ret_byte) {
        if ((page[*ret_byte] ^ current[*ret_byte]) & ~changeable[*ret_byte])
            return FALSE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bits); i++) {
        if (bits[i].page == code)
            *mode = (page[bits[i].byte] & bits[i].mask) ? *mode | bits[i].bit
                                                        : *mode & ~(guint)bits[i].bit;
    }
    return TRUE;
}
