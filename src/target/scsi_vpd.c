/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Vital product data. */
#include "target/scsi_copy.h"
#include "target/scsi_inquiry.h"
#include "target/scsi_sense.h"

#include <string.h>

/* A page is written here first: the longest is that of the designators, with names of 255 bytes. */
struct page {
    guint8 bytes[1024];
    guint length; /* behind the head of 4 bytes */
};

static guint8 *
take(struct page *page, guint length)
{
    guint8 *at = page->bytes + 4 + page->length;
    g_assert(4 + page->length + length <= sizeof page->bytes);
    page->length += length;
    return at;
}

static void write_supported(const struct scsi_call *call, struct page *page);

static void
write_serial(const struct scsi_call *call, struct page *page)
{
    memcpy(take(page, 32), call->unit->serial, 32);
}

/* ---- 83h: designators ------------------------------------------------------------------------ */

enum { BINARY = 1, ASCII = 2, UTF8 = 3 };
enum { UNIT = 0, PORT = 1, DEVICE = 2 };
enum { T10 = 1, NAA = 3, RELATIVE_PORT = 4, PORT_GROUP = 5, NAME = 8 };

static guint8 *
designator(struct page *page, guint code_set, guint association, guint type, guint length)
{
    guint8 *at = take(page, 4 + length);
    /* What belongs to a port or device names its protocol: iSCSI. */
    at[0] = (guint8)((association != UNIT ? 5 << 4 : 0) | code_set);
    at[1] = (guint8)((association != UNIT ? 0x80 : 0) | association << 4 | type);
    at[3] = (guint8)length;
    return at + 4;
}

/* A SCSI name string, ended by one to four NULs so that it is a multiple of four bytes long. */
static void
write_name(struct page *page, guint association, const char *name, gsize length)
{
    gsize padded = (length + 4) & ~(gsize)3;
    if (padded > 252)
        return;
    memcpy(designator(page, UTF8, association, NAME, (guint)padded), name, length);
}

static void
write_designators(const struct scsi_call *call, struct page *page)
{
    const struct scsi_unit *unit = call->unit;
    const char *port = call->nexus->target_port;
    const char *tag = g_strrstr(port, ",t,");
    memcpy(designator(page, BINARY, UNIT, NAA, 8), unit->naa, 8);
    guint8 *t10 = designator(page, ASCII, UNIT, T10, 8 + 32);
    memcpy(t10, SCSI_VENDOR, 8);
    memcpy(t10 + 8, unit->serial, 32);
    big_endian_put32(designator(page, BINARY, PORT, RELATIVE_PORT, 4), 1);
    big_endian_put32(designator(page, BINARY, PORT, PORT_GROUP, 4), 1);
    write_name(page, PORT, port, strlen(port));
    write_name(page, DEVICE, port, tag != NULL ? (gsize)(tag - port) : strlen(port));
}

/* ---- Others ---------------------------------------------------------------------------------- */

static void
write_extended(const struct scsi_call *call, struct page *page)
{
    guint8 *to = take(page, 60) - 4;          /* offsets as in SPC-4 */
    to[5] = 0x01;                             /* SIMPSUP */
    to[6] = call->unit->read_only ? 0 : 0x01; /* V_SUP: a volatile cache */
    to[7] = 0x01;                             /* LUICLR */
}

static void
write_limits(const struct scsi_call *call, struct page *page)
{
    guint block_size = call->unit->block_size;
    guint8 *to = take(page, 60) - 4; /* offsets as in SBC-3 */
    to[4] = 0x01;                    /* WSNZ */
    to[5] = SCSI_COMPARE_BLOCKS_MAX;
    big_endian_put16(to + 6, DISK_BLOCK / block_size);
    big_endian_put32(to + 8, SCSI_TRANSFER_MAX / block_size);
    big_endian_put32(to + 12, (1u << 20) / block_size);        /* optimal */
    big_endian_put32(to + 16, SCSI_TRANSFER_MAX / block_size); /* to prefetch */
    big_endian_put64(to + 36, SCSI_WRITE_SAME_MAX / block_size);
    if (!call->unit->thin)
        return;
    big_endian_put32(to + 20, SCSI_UNMAP_BLOCKS_MAX);
    big_endian_put32(to + 24, SCSI_UNMAP_DESCRIPTORS_MAX);
    big_endian_put32(to + 28, DISK_BLOCK / block_size);
    big_endian_put32(to + 32, 0x80000000); /* UGAVALID, aligned at 0 */
}

/* Neither a rotation rate nor a form factor is known of a disk that was backed up; it seeks like
 * one that does not rotate. */
static void
write_characteristics(const struct scsi_call *call G_GNUC_UNUSED, struct page *page)
{
    big_endian_put16(take(page, 60), 1);
}

static void
write_provisioning(const struct scsi_call *call, struct page *page)
{
    guint8 *to = take(page, 4) - 4;
    if (!call->unit->thin)
        return;
    to[5] = 0x80 | 0x40 | 0x20 | 0x04; /* LBPU, LBPWS, LBPWS10, LBPRZ */
    to[6] = 2;                         /* thin */
}

/* 8Fh: EXTENDED COPY, in four descriptors of two bytes of type and two of length. */
static void
write_third_party(const struct scsi_call *call G_GNUC_UNUSED, struct page *page)
{
    static const guint8 commands[] = {0x00, 0x01, 0x00, 0x08, 7,    0x83,
                                      1,    0x00, 0x84, 2,    0x00, 0x03};
    static const guint8 descriptors[] = {
        0x00, 0x08, 0x00, 0x04, 2, SCSI_COPY_TARGET_TYPE, SCSI_COPY_SEGMENT_TYPE, 0};
    memcpy(take(page, sizeof commands), commands, sizeof commands);
    guint8 *to = take(page, 32); /* limits of the parameters */
    big_endian_put16(to, 0x0004);
    big_endian_put16(to + 2, 28);
    big_endian_put16(to + 8, SCSI_COPY_TARGETS_MAX);
    big_endian_put16(to + 10, SCSI_COPY_SEGMENTS_MAX);
    big_endian_put32(to + 12, SCSI_COPY_LIST_MAX);
    memcpy(take(page, sizeof descriptors), descriptors, sizeof descriptors);
    to = take(page, 36); /* general operation */
    big_endian_put16(to, 0x8001);
    big_endian_put16(to + 2, 32);
    big_endian_put32(to + 4, 1);
    big_endian_put32(to + 8, 1);
    big_endian_put32(to + 12, SCSI_COPY_BYTES_MAX);
    to[16] = 9; /* granularity of a segment: 512 bytes */
}

static const struct row {
    guint8 page;
    void (*write)(const struct scsi_call *call, struct page *page);
} rows[] = {
    {0x00, write_supported},       {0x80, write_serial},       {0x83, write_designators},
    {0x86, write_extended},        {0x8f, write_third_party},  {0xb0, write_limits},
    {0xb1, write_characteristics}, {0xb2, write_provisioning},
};

static void
write_supported(const struct scsi_call *call G_GNUC_UNUSED, struct page *page)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        *take(page, 1) = rows[i].page;
}

static gboolean
reply_page(struct scsi_call *call, const struct row *row)
{
    struct page page = {0};
    row->write(call, &page);
    page.bytes[1] = row->page;
    big_endian_put16(page.bytes + 2, page.length);
    guint8 *reply = scsi_call_reply(call, 4 + page.length);
    if (reply == NULL)
        return FALSE;
    memcpy(reply, page.bytes, 4 + page.length);
    return scsi_call_cut(call, big_endian_get16(call->cdb + 3));
}

gboolean
scsi_vpd(struct scsi_call *call, guint page)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].page == page)
            return reply_page(call, &rows[i]);
    }
    return scsi_sense_set_field(call, 2, -1);
}
