/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_private.h: what the parts of the SCSI layer know of each other.
 *
 * A task is a `struct scsi_call` while it runs.  A command's function returns TRUE for GOOD;
 * whatever else it ends with, it sets by a function of scsi_sense.h, which return FALSE.
 *
 * Locks, in this order: a unit's reservation, the device.  Ranges are held while the disk works,
 * and neither of the two is asked for meanwhile but to look at a reservation. */
#pragma once

#include "base/big_endian.h"
#include "target/scsi.h"
#include "target/scsi_range.h"

/* ---- Limits that initiators are told of ------------------------------------------------------ */

#define SCSI_UNMAP_BLOCKS_MAX (1u << 20)
#define SCSI_UNMAP_DESCRIPTORS_MAX 256u
#define SCSI_WRITE_SAME_MAX (16u << 20) /* bytes */
#define SCSI_VERIFY_MAX (256u << 20)    /* bytes, of a VERIFY that compares nothing */
#define SCSI_COMPARE_BLOCKS_MAX 255u    /* of COMPARE AND WRITE: its field has no room for more */
#define SCSI_PARAMETERS_MAX 65535u      /* bytes of a parameter list */
#define SCSI_REGISTRATIONS_MAX 1024u    /* of a unit */

#define SCSI_LOG_LINES 20u

/* ---- Things ---------------------------------------------------------------------------------- */

/* Bits of a nexus's unit attentions for one unit; the lowest is reported first (scsi_attention.c
 * has their sense). */
enum scsi_attention {
    SCSI_ATTENTION_POWER_ON = 1 << 0,
    SCSI_ATTENTION_RESET = 1 << 1,
    SCSI_ATTENTION_LUNS_CHANGED = 1 << 2,
    SCSI_ATTENTION_MODE_CHANGED = 1 << 3,
    SCSI_ATTENTION_RESERVATIONS_PREEMPTED = 1 << 4,
    SCSI_ATTENTION_RESERVATIONS_RELEASED = 1 << 5,
    SCSI_ATTENTION_REGISTRATIONS_PREEMPTED = 1 << 6,
};

struct scsi_registration {
    char *port, *target_port; /* the nexus, which need not be there now */
    guint64 key;
};

/* Who may do what (scsi_reservation.h).  While `in_use` is 0 everybody may do everything, and no
 * lock is needed to know it. */
struct scsi_reservation {
    int in_use; /* atomic */
    GMutex lock;
    const struct scsi_nexus *reserved_by; /* by RESERVE(6) or (10); NULL: nobody */
    guint32 generation;
    GPtrArray *registrations; /* of struct scsi_registration */
    guint type;               /* of the persistent reservation; 0: none */
    struct scsi_registration
        *holder; /* one of them; NULL when all of them hold it, or there is none */
};

/* Mode parameters that can be changed: atomic, bits of: */
enum scsi_mode_bit {
    SCSI_MODE_WRITE_CACHE = 1 << 0,      /* WCE */
    SCSI_MODE_DESCRIPTOR_SENSE = 1 << 1, /* D_SENSE */
    SCSI_MODE_WRITE_PROTECT = 1 << 2,    /* SWP */
};

struct scsi_unit {
    struct scsi_device *device;
    struct disk *disk; /* borrowed */
    guint number;
    guint block_size;
    guint64 blocks;
    gboolean read_only; /* for good; SWP is a mode bit */
    gboolean thin;      /* what was not written, or unmapped, is known to be */
    char product[17];
    char serial[33];
    guint8 naa[8];
    int mode; /* atomic */
    struct scsi_ranges ranges;
    struct scsi_reservation reservation;
    guint64 read_bytes, written_bytes, failures; /* atomic */
    GMutex log_lock;                             /* over ... */
    gint64 log_since;                            /* when the minute of the log began, and ... */
    guint log_lines;                             /* ... how many lines it has had */
};

struct scsi_device {
    struct scsi_unit *units[SCSI_LUNS_MAX]; /* atomic; one that is there stays */
    GMutex lock;                            /* over adding units, and nexuses */
    GPtrArray *nexuses;                     /* of struct scsi_nexus, borrowed */
    scsi_log_func log;
    gpointer log_data;
};

/* How the last EXTENDED COPY ended, until RECEIVE COPY RESULTS has asked (scsi_copy.h). */
struct scsi_copy_end {
    gboolean known;
    gboolean failed;
    guint unit;
    guint8 list;    /* its identifier */
    guint segments; /* done */
    guint64 bytes;  /* written */
};

struct scsi_nexus {
    struct scsi_device *device;
    char *port, *target_port;
    guint attentions[SCSI_LUNS_MAX]; /* atomic; bits of enum scsi_attention */
    struct scsi_copy_end copy;       /* under the lock of the device */
};

struct scsi_call {
    struct scsi_nexus *nexus;
    struct scsi_unit *unit; /* NULL: there is none of that number */
    struct scsi_task *task;
    const guint8 *cdb; /* of the task */
};

/* ---- The device ------------------------------------------------------------------------------ */

/* The unit that eight bytes of a LUN mean, or NULL. */
struct scsi_unit *scsi_device_find(struct scsi_device *device, const guint8 lun[8]);
/* Tell the log, behind "LUN N: "; at most SCSI_LOG_LINES a minute, so that an initiator that asks
 * for a damaged block again and again does not fill it. */
void scsi_device_log(struct scsi_unit *unit, const char *words);
gboolean scsi_unit_protected(struct scsi_unit *unit);
gboolean scsi_unit_has_mode(struct scsi_unit *unit, enum scsi_mode_bit bit);

/* ---- Data of a call -------------------------------------------------------------------------- */

/* `length` bytes of zeros for data to the initiator, which is all of it then; NULL, with BUSY set,
 * when there is no memory. */
guint8 *scsi_call_reply(struct scsi_call *call, gsize length);
/* Room alone; what is in it is not defined. */
guint8 *scsi_call_room(struct scsi_call *call, gsize length);
/* Cut the data to the allocation length of the CDB; returns TRUE. */
gboolean scsi_call_cut(struct scsi_call *call, gsize allocation);
