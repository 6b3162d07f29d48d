/* SPDX-License-Identifier: GPL-3.0-or-later */
/* REPORT SUPPORTED OPERATION CODES, out of the table of commands, and REPORT SUPPORTED TASK
 * MANAGEMENT FUNCTIONS. */
#include "target/scsi_command.h"
#include "target/scsi_report.h"
#include "target/scsi_sense.h"

#include <string.h>

#define TIMEOUTS 12u /* bytes of a timeouts descriptor */

static void
write_timeouts(const struct scsi_command *command, guint8 *to)
{
    big_endian_put16(to, TIMEOUTS - 2);
    big_endian_put32(to + 4, command->timeout);      /* nominal */
    big_endian_put32(to + 8, 2u * command->timeout); /* recommended */
}

/* ---- All of them ----------------------------------------------------------------------------- */

static gboolean
report_all(struct scsi_call *call, gboolean timeouts)
{
    guint each = 8 + (timeouts ? TIMEOUTS : 0), n = 0;
    const struct scsi_command *command;
    for (guint i = 0; (command = scsi_command_at(i)) != NULL; i++)
        n += scsi_command_is_for(command, call->unit);
    guint8 *reply = scsi_call_reply(call, 4 + each * n), *to = reply + 4;
    if (reply == NULL)
        return FALSE;
    big_endian_put32(reply, each * n);
    for (guint i = 0; (command = scsi_command_at(i)) != NULL; i++) {
        if (!scsi_command_is_for(command, call->unit))
            continue;
        to[0] = command->opcode;
        big_endian_put16(to + 2, command->action >= 0 ? (guint)command->action : 0);
        to[5] = (guint8)((timeouts ? 0x02 : 0) | (command->action >= 0 ? 0x01 : 0));
        big_endian_put16(to + 6, scsi_command_length(command->opcode));
        if (timeouts)
            write_timeouts(command, to + 8);
        to += each;
    }
    return TRUE;
}

/* ---- One of them ----------------------------------------------------------------------------- */

enum options { ALL, OPCODE, OPCODE_AND_ACTION, EITHER };

/* Whether the way it is asked for fits the opcode: one with service actions needs one. */
static gboolean
check_action(struct scsi_call *call, enum options options, gboolean has_actions)
{
    if (options == OPCODE && has_actions)
        return scsi_sense_set_field(call, 2, 2);
    if (options == OPCODE_AND_ACTION && !has_actions)
        return scsi_sense_set_field(call, 2, 2);
    return TRUE;
}

static gboolean
report_one(struct scsi_call *call, enum options options, gboolean timeouts)
{
    guint action = big_endian_get16(call->cdb + 4);
    gboolean opcode;
    const struct scsi_command *command = scsi_command_find(call->cdb[3], action, &opcode);
    gboolean has_actions = opcode && (command == NULL || command->action >= 0);
    if (opcode && !check_action(call, options, has_actions))
        return FALSE;
    /* Without actions, one that is asked for has to be 0 (SPC-4, table 281). */
    if (options == EITHER && !has_actions && action != 0)
        command = NULL;
    if (command == NULL || !scsi_command_is_for(command, call->unit)) {
        guint8 *none = scsi_call_reply(call, 4);
        if (none == NULL)
            return FALSE;
        none[1] = 0x01; /* not supported */
        return TRUE;
    }
    guint length = scsi_command_length(command->opcode);
    guint8 *reply = scsi_call_reply(call, 4 + length + (timeouts ? TIMEOUTS : 0));
    if (reply == NULL)
        return FALSE;
    reply[1] = (guint8)((timeouts ? 0x80 : 0) | 0x03); /* as a standard has it */
    big_endian_put16(reply + 2, length);
    memcpy(reply + 4, command->usage, length);
    if (timeouts)
        write_timeouts(command, reply + 4 + length);
    return TRUE;
}

gboolean
scsi_report_opcodes(struct scsi_call *call)
{
    enum options options = call->cdb[2] & 0x07;
    gboolean timeouts = call->cdb[2] & 0x80;
    if (options > EITHER)
        return scsi_sense_set_field(call, 2, 2);
    if (!(options == ALL ? report_all(call, timeouts) : report_one(call, options, timeouts)))
        return FALSE;
    return scsi_call_cut(call, big_endian_get32(call->cdb + 6));
}

gboolean
scsi_report_functions(struct scsi_call *call)
{
    gboolean extended = call->cdb[2] & 0x80; /* REPD */
    guint8 *reply = scsi_call_reply(call, extended ? 16 : 4);
    if (reply == NULL)
        return FALSE;
    /* ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, TARGET RESET */
    reply[0] = 0x80 | 0x40 | 0x10 | 0x08 | 0x02;
    if (extended)
        reply[3] = 12;
    return scsi_call_cut(call, big_endian_get32(call->cdb + 6));
}
