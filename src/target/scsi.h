/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi.h: a SCSI target device: logical units over disks, as initiators of Linux, Windows, ESXi,
 * macOS and FreeBSD use them (SPC-4, SBC-3; doc/scsi.md lists the commands).
 *
 * It knows no transport: whoever has one joins a nexus for each initiator port that logged in, and
 * hands over one task after the other.  Everything may be called from any thread; tasks of one
 * device run at once on as many threads as bring them, and see each other's reservations, unit
 * attentions and writes as the standard has it.  A task runs on the thread that brings it and ends
 * when scsi_execute() returns. */
#pragma once

#include "disk/disk.h"

#define SCSI_CDB_MAX 16u
#define SCSI_SENSE_MAX 96u
#define SCSI_LUNS_MAX 256u
/* The largest transfer of a task, told to initiators in the block limits page. */
#define SCSI_TRANSFER_MAX (8u << 20)

enum scsi_status {
    SCSI_GOOD = 0x00,
    SCSI_CHECK_CONDITION = 0x02,
    SCSI_BUSY = 0x08,
    SCSI_RESERVATION_CONFLICT = 0x18,
    SCSI_TASK_SET_FULL = 0x28,
    SCSI_TASK_ABORTED = 0x40,
};

struct scsi_unit_options {
    struct disk *disk; /* borrowed: must outlive the device */
    guint number;      /* the LUN, below SCSI_LUNS_MAX */
    /* Who the disk is, for good: the same text gives the same serial number and the same
     * designators (NAA 3 and T10), so that an initiator knows a disk again.  Any length. */
    const char *identity;
    const char *product; /* at most 16 characters of ASCII; NULL: "Disk" */
    guint block_size;    /* 512 or 4096 */
    gboolean read_only;  /* write protected; also when the disk cannot be written */
};

struct scsi_device;

struct scsi_device *scsi_device_new(void);
/* No task may be running, and no nexus joined. */
void scsi_device_free(struct scsi_device *device);
AUTO_PTR_DEFINE(scsi_device, scsi_device_free)

/* SLIPWAY_ERROR_USAGE: the number is taken or too high, or the size is no multiple of a block (the
 * rest of the disk would be out of reach). */
gboolean scsi_device_add(struct scsi_device *device, const struct scsi_unit_options *options,
                         GError **error);

/* ---- Nexuses --------------------------------------------------------------------------------- */

/* The relation of one initiator port to the device: unit attentions and reservations belong to it.
 * Persistent reservations are kept by the port's name, over a nexus that ends. */
struct scsi_nexus;

/* `port`: the initiator port's name as SPC-4 has it for the transport (for iSCSI
 * "iqn.1993-08.org.debian:01:abc,i,0x00023d000001"), at most 255 bytes; `target_port` the same of
 * the target ("iqn...,t,0x0001").  A second nexus of the same port is one of its own, unless
 * the first was left before. */
struct scsi_nexus *scsi_nexus_join(struct scsi_device *device, const char *port,
                                   const char *target_port);
/* The initiator is gone: its RESERVE(6) reservations end, its persistent ones stay. */
void scsi_nexus_leave(struct scsi_nexus *nexus);

/* ---- Tasks ----------------------------------------------------------------------------------- */

/* Bytes that grow when a task needs it, aligned to 4096.  Whoever has one keeps it for many tasks;
 * all zeros is an empty one. */
struct scsi_buffer {
    guint8 *data;
    gsize room;
};
void scsi_buffer_clear(struct scsi_buffer *buffer);

struct scsi_task {
    /* What the caller fills in. */
    guint8 lun[8]; /* as SAM has it on the wire */
    guint8 cdb[SCSI_CDB_MAX];
    const guint8 *out; /* data of the initiator, `out_length` bytes */
    gsize out_length;
    /* What the initiator said it would send, also where it is more than the task wants (0: not
     * known).  A command that cannot be done by halves is refused when it is not what it wants. */
    gsize offered;
    struct scsi_buffer *in; /* where data for the initiator goes */

    /* What scsi_execute() does. */
    enum scsi_status status;
    gsize in_length; /* bytes in `in`; before any cut to what the initiator expects */
    guint sense_length;
    guint8 sense[SCSI_SENSE_MAX]; /* fixed format, unless the descriptor format is asked for */
};

/* How many bytes of data from the initiator the task takes, 0 for one that reads or is not valid
 * (scsi_execute() then says why).  At most SCSI_TRANSFER_MAX. */
gsize scsi_task_wants(struct scsi_nexus *nexus, const struct scsi_task *task);

/* Say that a task will be executed soon: what it reads is read ahead (disk_prefetch()). */
void scsi_task_prefetch(struct scsi_nexus *nexus, const struct scsi_task *task);

/* Do it.  When `out_length` is less than scsi_task_wants() the task does what whole blocks of it
 * allow, or is refused where a command cannot be done by halves.  A failure of the disk becomes a
 * check condition: damage (SLIPWAY_ERROR_CORRUPT) and everything else in reading MEDIUM ERROR with
 * the block in the information field, an overlay that is full (SLIPWAY_ERROR_LIMIT) DATA PROTECT,
 * SPACE ALLOCATION FAILED. */
void scsi_execute(struct scsi_nexus *nexus, struct scsi_task *task);

/* ---- Task management ------------------------------------------------------------------------- */

/* LOGICAL UNIT RESET: FALSE when there is no such LUN.  RESERVE(6) reservations end, mode
 * parameters are the default ones again, and all nexuses get a unit attention, this one too.  Tasks
 * that run go on to their end, and their caller drops what they say. */
gboolean scsi_unit_reset(struct scsi_nexus *nexus, const guint8 lun[8]);
/* TARGET WARM or COLD RESET: the same for all of them. */
void scsi_device_reset(struct scsi_nexus *nexus);
/* Is there such a logical unit? */
gboolean scsi_unit_exists(struct scsi_nexus *nexus, const guint8 lun[8]);

/* ---- What is told ---------------------------------------------------------------------------- */

struct scsi_unit_status {
    guint number;
    guint64 read_bytes, written_bytes; /* since it was added */
    guint64 failures;                  /* check conditions that the disk caused */
};
/* Of all units, of struct scsi_unit_status, by number. */
GArray *scsi_device_status(struct scsi_device *device);

/* What happens to the medium, for a log: "LUN 0: set ... offset ...: ...".  Called on the thread
 * of the task, with nothing locked, at most 20 times a minute for each unit.  To be set before
 * anything is joined. */
typedef void (*scsi_log_func)(const char *words, gpointer data);
void scsi_device_set_log(struct scsi_device *device, scsi_log_func log, gpointer data);
