/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_range.h: which blocks of a unit are in work, so that COMPARE AND WRITE and its like are one
 * step to everybody else, and two writes to one block come one after the other.
 *
 * A range waits only for those before it that it cannot stand beside; so nobody waits for ever, and
 * whatever does not overlap runs at once. */
#pragma once

#include <glib.h>

enum scsi_range_use {
    SCSI_RANGE_READ,
    SCSI_RANGE_WRITE, /* beside readers: what they see of it is undefined, as SBC allows */
    SCSI_RANGE_ALONE, /* beside nobody */
};

struct scsi_range {
    guint64 first, end;
    enum scsi_range_use use;
    struct scsi_range *before, *after;
};

struct scsi_ranges {
    GMutex lock;
    GCond left;
    guint waiting;
    struct scsi_range *oldest, *newest;
};

void scsi_ranges_init(struct scsi_ranges *ranges);
void scsi_ranges_clear(struct scsi_ranges *ranges);

/* Take `range`, whose first three fields are set and which stays where it is until it is given
 * back.  No thread may take a second one. */
void scsi_ranges_take(struct scsi_ranges *ranges, struct scsi_range *range);
void scsi_ranges_give(struct scsi_ranges *ranges, struct scsi_range *range);
