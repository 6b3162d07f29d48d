/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_sense.h: how a task ends that does not end with GOOD.  The setters return FALSE. */
#pragma once

#include "target/scsi_private.h"

/* Key, additional sense code and its qualifier: 0xKKAAQQ. */
enum scsi_sense {
    SCSI_SENSE_NONE = 0x000000,
    SCSI_SENSE_UNRECOVERED_READ = 0x031100,
    SCSI_SENSE_WRITE_ERROR = 0x030c00,
    SCSI_SENSE_WRONG_LENGTH = 0x050e03, /* invalid field in command information unit */
    SCSI_SENSE_LIST_LENGTH = 0x051a00,
    SCSI_SENSE_INVALID_OPCODE = 0x052000,
    SCSI_SENSE_LBA_RANGE = 0x052100,
    SCSI_SENSE_INVALID_CDB_FIELD = 0x052400,
    SCSI_SENSE_NO_UNIT = 0x052500,
    SCSI_SENSE_INVALID_PARAMETER = 0x052600,
    SCSI_SENSE_INVALID_RELEASE = 0x052604,
    SCSI_SENSE_TOO_MANY_TARGETS = 0x052606,
    SCSI_SENSE_UNKNOWN_TARGET_TYPE = 0x052607,
    SCSI_SENSE_TOO_MANY_SEGMENTS = 0x052608,
    SCSI_SENSE_UNKNOWN_SEGMENT_TYPE = 0x052609,
    SCSI_SENSE_INLINE_DATA = 0x05260b,
    SCSI_SENSE_NO_SAVING = 0x053900,
    SCSI_SENSE_REGISTRATIONS_FULL = 0x055504,
    SCSI_SENSE_POWER_ON = 0x062900,
    SCSI_SENSE_RESET = 0x062903,
    SCSI_SENSE_MODE_CHANGED = 0x062a01,
    SCSI_SENSE_RESERVATIONS_PREEMPTED = 0x062a03,
    SCSI_SENSE_RESERVATIONS_RELEASED = 0x062a04,
    SCSI_SENSE_REGISTRATIONS_PREEMPTED = 0x062a05,
    SCSI_SENSE_LUNS_CHANGED = 0x063f0e,
    SCSI_SENSE_WRITE_PROTECTED = 0x072700,
    SCSI_SENSE_NO_SPACE = 0x072707,
    SCSI_SENSE_COPY_ABORTED = 0x0a0000,
    SCSI_SENSE_COPY_UNREACHABLE = 0x0a0804,
    SCSI_SENSE_MISCOMPARE = 0x0e1d00,
};

gboolean scsi_sense_status(struct scsi_call *call, enum scsi_status status);
gboolean scsi_sense_set(struct scsi_call *call, enum scsi_sense sense);
/* With the information field: a block, or a place in the data that was compared. */
gboolean scsi_sense_set_information(struct scsi_call *call, enum scsi_sense sense,
                                    guint64 information);
/* INVALID FIELD IN CDB with a pointer to what is wrong; `bit` -1: the field begins at the byte. */
gboolean scsi_sense_set_field(struct scsi_call *call, guint byte, int bit);
/* The same of a parameter list. */
gboolean scsi_sense_set_parameter(struct scsi_call *call, enum scsi_sense sense, guint byte);

/* A disk that failed: `block` is the first of the task, or the bad one where that is known. */
gboolean scsi_sense_set_medium(struct scsi_call *call, gboolean writing, guint64 block,
                               const GError *error);

/* The bytes of a sense without more to say, for REQUEST SENSE; at most SCSI_SENSE_MAX. */
guint scsi_sense_format(enum scsi_sense sense, gboolean descriptor, guint8 *ret);
