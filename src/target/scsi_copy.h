/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_copy.h: EXTENDED COPY (LID1) from blocks to blocks of units of this device, as ESXi clones
 * disks with it, and RECEIVE COPY RESULTS. */
#pragma once

#include "target/scsi_private.h"

#define SCSI_COPY_TARGETS_MAX 4u
#define SCSI_COPY_SEGMENTS_MAX 16u
#define SCSI_COPY_BYTES_MAX (64u << 20) /* of a segment */

/* The one kind of target descriptor (identification) and of segment (block to block). */
#define SCSI_COPY_TARGET_TYPE 0xe4
#define SCSI_COPY_TARGET 32u
#define SCSI_COPY_SEGMENT_TYPE 0x02
#define SCSI_COPY_SEGMENT 28u
#define SCSI_COPY_LIST_MAX                                                                         \
    (SCSI_COPY_TARGETS_MAX * SCSI_COPY_TARGET + SCSI_COPY_SEGMENTS_MAX * SCSI_COPY_SEGMENT)

gboolean scsi_extended_copy(struct scsi_call *call);
gboolean scsi_copy_status(struct scsi_call *call);
gboolean scsi_copy_parameters(struct scsi_call *call);
