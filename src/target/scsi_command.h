/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_command.h: the commands, one row each, from which everything about them comes: what runs,
 * what others' reservations mean to it, and what REPORT SUPPORTED OPERATION CODES says. */
#pragma once

#include "target/scsi_private.h"
#include "target/scsi_reservation.h"

enum scsi_command_flag {
    SCSI_WITHOUT_UNIT = 1 << 0,      /* answers also where there is no unit */
    SCSI_WITHOUT_ATTENTION = 1 << 1, /* a unit attention stays for the next command */
    SCSI_WRITES = 1 << 2,            /* refused by a unit that is write protected */
    SCSI_NEEDS_THIN = 1 << 3,        /* there only on units that are thin */
};

struct scsi_command {
    guint8 opcode;
    gint16 action; /* service action; -1: there is none */
    guint8 flags;
    guint8 access;  /* enum scsi_access */
    guint8 timeout; /* seconds that it may take, as told to initiators */
    gboolean (*run)(struct scsi_call *call);
    /* Bytes from the initiator; NULL: none. */
    gsize (*wants)(const struct scsi_call *call);
    /* Bits of the CDB that are looked at, as far as the command has bytes; the first is the opcode.
     */
    guint8 usage[SCSI_CDB_MAX];
};

/* NULL: there is none.  *ret_opcode says if there is another one of the same opcode. */
const struct scsi_command *scsi_command_find(guint8 opcode, guint action, gboolean *ret_opcode);
/* The row number `i`; NULL behind the last one. */
const struct scsi_command *scsi_command_at(guint i);
/* Does the unit have it?  NULL: no unit, which has what needs none. */
gboolean scsi_command_is_for(const struct scsi_command *command, const struct scsi_unit *unit);

/* The length of a CDB, by the group that its opcode belongs to. */
guint scsi_command_length(guint8 opcode);
