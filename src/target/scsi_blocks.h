/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_blocks.h: the blocks that a command is about, and what is done with them on the disk. */
#pragma once

#include "target/scsi_private.h"

struct scsi_blocks {
    guint64 first, count;
};

/* What the CDB says, by its length; not checked. */
struct scsi_blocks scsi_blocks_of(const guint8 *cdb);
/* Are they on the unit?  LBA OUT OF RANGE. */
gboolean scsi_blocks_check(struct scsi_call *call, const struct scsi_blocks *blocks);
/* Of a READ, WRITE or VERIFY: no protection information, on the unit, at most `max` bytes. */
gboolean scsi_blocks_parse(struct scsi_call *call, guint64 max, struct scsi_blocks *ret);

/* Take the range, and give it back.  Whoever got through a reservation before somebody else made it
 * is stopped here, so that what PREEMPT AND ABORT says is over is over: FALSE, nothing taken. */
gboolean scsi_blocks_take(struct scsi_call *call, const struct scsi_blocks *blocks,
                          enum scsi_range_use use, struct scsi_range *range);
void scsi_blocks_give(struct scsi_call *call, struct scsi_range *range);

/* On the disk; FALSE with the sense set. */
gboolean scsi_blocks_read(struct scsi_call *call, const struct scsi_blocks *blocks, guint8 *to);
gboolean scsi_blocks_write(struct scsi_call *call, const struct scsi_blocks *blocks,
                           const guint8 *from);
gboolean scsi_blocks_zero(struct scsi_call *call, const struct scsi_blocks *blocks);
gboolean scsi_blocks_flush(struct scsi_call *call);
/* Behind a write: flushes when FUA of the CDB asks for it, or there is no write cache. */
gboolean scsi_blocks_settle(struct scsi_call *call);

/* ---- Commands -------------------------------------------------------------------------------- */

gboolean scsi_read(struct scsi_call *call);
gboolean scsi_verify(struct scsi_call *call);
gboolean scsi_prefetch(struct scsi_call *call);
gboolean scsi_write(struct scsi_call *call);
gboolean scsi_write_verify(struct scsi_call *call);
gboolean scsi_orwrite(struct scsi_call *call);
gboolean scsi_compare_write(struct scsi_call *call);
gboolean scsi_synchronize(struct scsi_call *call);
gboolean scsi_write_same(struct scsi_call *call);
gboolean scsi_unmap(struct scsi_call *call);
gboolean scsi_read_capacity10(struct scsi_call *call);
gboolean scsi_read_capacity16(struct scsi_call *call);
gboolean scsi_lba_status(struct scsi_call *call);
gboolean scsi_read_defects(struct scsi_call *call);
