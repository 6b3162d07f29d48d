/* SPDX-License-Identifier: GPL-3.0-or-later */
/* READ CAPACITY, GET LBA STATUS and READ DEFECT DATA. */
#include "target/scsi_blocks.h"
#include "target/scsi_command.h"
#include "target/scsi_sense.h"

gboolean
scsi_read_capacity10(struct scsi_call *call)
{
    guint8 *reply = scsi_call_reply(call, 8);
    if (reply == NULL)
        return FALSE;
    big_endian_put32(reply, (guint32)MIN(call->unit->blocks - 1, G_MAXUINT32));
    big_endian_put32(reply + 4, call->unit->block_size);
    return TRUE;
}

/* One logical block a physical one, as the disks of virtual machines have it; that larger writes
 * are better is in the block limits page. */
gboolean
scsi_read_capacity16(struct scsi_call *call)
{
    guint8 *reply = scsi_call_reply(call, 32);
    if (reply == NULL)
        return FALSE;
    big_endian_put64(reply, call->unit->blocks - 1);
    big_endian_put32(reply + 8, call->unit->block_size);
    if (call->unit->thin)
        reply[14] = 0x80 | 0x40; /* LBPME, LBPRZ */
    return scsi_call_cut(call, big_endian_get32(call->cdb + 10));
}

/* ---- GET LBA STATUS -------------------------------------------------------------------------- */

#define DESCRIPTORS_MAX 64u
/* Extents of the disk that one task looks at, however finely it is cut. */
#define EXTENTS_MAX 1024u

enum status { MAPPED = 0, DEALLOCATED = 1 };

struct run {
    struct scsi_blocks blocks;
    enum status status;
};

/* The run at `first`, as far as the disk knows without being asked again: a block that is not
 * wholly known to be zeros is mapped. */
static gboolean
find_run(struct scsi_call *call, guint64 first, guint64 count, struct run *ret)
{
    struct scsi_unit *unit = call->unit;
    guint block_size = unit->block_size;
    struct disk_extent extent;
    g_autoptr(GError) error = NULL;
    if (!disk_extent(unit->disk, first * block_size, count * block_size, &extent, &error))
        return scsi_sense_set_medium(call, FALSE, first, error);
    guint64 whole = extent.length / block_size;
    gboolean zero = extent.kind == DISK_ZERO && whole > 0;
    if (!zero)
        whole = (extent.length + block_size - 1) / block_size;
    *ret = (struct run){{first, whole}, zero ? DEALLOCATED : MAPPED};
    return TRUE;
}

/* Runs of different status one after the other, from the one at `first` on. */
static gboolean
find_runs(struct scsi_call *call, guint64 first, struct run *runs, guint max, guint *ret_n)
{
    guint64 end = MIN(call->unit->blocks, first + G_MAXUINT32);
    guint n = 0;
    for (guint asked = 0; first < end && asked < EXTENTS_MAX; asked++) {
        struct run run;
        if (!find_run(call, first, end - first, &run))
            return FALSE;
        if (n > 0 && runs[n - 1].status == run.status)
            runs[n - 1].blocks.count += run.blocks.count;
        else if (n == max)
            break;
        else
            runs[n++] = run;
        first += run.blocks.count;
    }
    *ret_n = n;
    return TRUE;
}

gboolean
scsi_lba_status(struct scsi_call *call)
{
    struct run runs[DESCRIPTORS_MAX];
    guint64 first = big_endian_get64(call->cdb + 2);
    gsize allocation = big_endian_get32(call->cdb + 10);
    guint n, max = (guint)CLAMP(allocation / 16, 1, DESCRIPTORS_MAX);
    if (!scsi_blocks_check(call, &(struct scsi_blocks){first, 0}) ||
        !find_runs(call, first, runs, max, &n))
        return FALSE;
    guint8 *reply = scsi_call_reply(call, 8 + 16 * n);
    if (reply == NULL)
        return FALSE;
    big_endian_put32(reply, 4 + 16 * n);
    for (guint i = 0; i < n; i++) {
        guint8 *at = reply + 8 + 16 * i;
        big_endian_put64(at, runs[i].blocks.first);
        big_endian_put32(at + 8, (guint32)runs[i].blocks.count);
        at[12] = (guint8)runs[i].status;
    }
    return scsi_call_cut(call, allocation);
}

/* ---- READ DEFECT DATA ------------------------------------------------------------------------ */

/* There are none: whichever list is asked for is empty. */
gboolean
scsi_read_defects(struct scsi_call *call)
{
    gboolean ten = scsi_command_length(call->cdb[0]) == 10;
    guint8 *reply = scsi_call_reply(call, ten ? 4 : 8);
    if (reply == NULL)
        return FALSE;
    reply[1] = call->cdb[ten ? 2 : 1] & 0x1f;
    return scsi_call_cut(call,
                         ten ? big_endian_get16(call->cdb + 7) : big_endian_get32(call->cdb + 6));
}
