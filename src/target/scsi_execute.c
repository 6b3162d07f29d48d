/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What comes before a command's own function, and the data that goes back. */
#include "target/scsi_attention.h"
#include "target/scsi_command.h"

#include <stdlib.h>
#include <string.h>

#define NACA 0x04

/* ---- Data ------------------------------------------------------------------------------------ */

void
scsi_buffer_clear(struct scsi_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct scsi_buffer){0};
}

guint8 *
scsi_call_room(struct scsi_call *call, gsize length)
{
    struct scsi_buffer *buffer = call->task->in;
    if (buffer->data != NULL && buffer->room >= length)
        return buffer->data;
    scsi_buffer_clear(buffer);
    gsize room = (MAX(length, 1) + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK;
    buffer->data = aligned_alloc(DISK_BLOCK, room);
    if (buffer->data == NULL) {
        scsi_sense_status(call, SCSI_BUSY);
        return NULL;
    }
    buffer->room = room;
    return buffer->data;
}

guint8 *
scsi_call_reply(struct scsi_call *call, gsize length)
{
    guint8 *reply = scsi_call_room(call, length);
    if (reply == NULL)
        return NULL;
    memset(reply, 0, length);
    call->task->in_length = length;
    return reply;
}

gboolean
scsi_call_cut(struct scsi_call *call, gsize allocation)
{
    call->task->in_length = MIN(call->task->in_length, allocation);
    return TRUE;
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static struct scsi_call
begin(struct scsi_nexus *nexus, struct scsi_task *task)
{
    return (struct scsi_call){
        .nexus = nexus,
        .unit = scsi_device_find(nexus->device, task->lun),
        .task = task,
        .cdb = task->cdb,
    };
}

gsize
scsi_task_wants(struct scsi_nexus *nexus, const struct scsi_task *task)
{
    const struct scsi_call call = {
        .nexus = nexus,
        .unit = scsi_device_find(nexus->device, task->lun),
        .cdb = task->cdb,
    };
    gboolean opcode;
    const struct scsi_command *command =
        scsi_command_find(task->cdb[0], task->cdb[1] & 0x1f, &opcode);
    if (command == NULL || command->wants == NULL || call.unit == NULL ||
        !scsi_command_is_for(command, call.unit))
        return 0;
    /* Not so of a mode page's protection: that may be gone when the task is executed, which would
     * then write nothing and call it good. */
    if ((command->flags & SCSI_WRITES) && call.unit->read_only)
        return 0;
    return command->wants(&call);
}

/* The order is that of SAM-5, 5.3.3: a unit that is not there, a unit attention, then what the
 * command says; a reservation before anything is looked at that it protects. */
static gboolean
check(struct scsi_call *call, const struct scsi_command *command, gboolean opcode)
{
    gboolean any = command != NULL && (command->flags & SCSI_WITHOUT_UNIT);
    if (call->unit == NULL && !any)
        return scsi_sense_set(call, SCSI_SENSE_NO_UNIT);
    if (command == NULL || !(command->flags & SCSI_WITHOUT_ATTENTION)) {
        enum scsi_sense attention = scsi_attention_take(call->nexus, call->unit);
        if (attention != SCSI_SENSE_NONE)
            return scsi_sense_set(call, attention);
    }
    if (command == NULL && opcode)
        return scsi_sense_set_field(call, 1, 4);
    if (command == NULL || !(any || scsi_command_is_for(command, call->unit)))
        return scsi_sense_set(call, SCSI_SENSE_INVALID_OPCODE);
    guint control = scsi_command_length(call->cdb[0]) - 1;
    if (call->cdb[control] & NACA)
        return scsi_sense_set_field(call, control, 2);
    if (call->unit != NULL && !scsi_reservation_allows(call->unit, call->nexus, command->access))
        return scsi_sense_status(call, SCSI_RESERVATION_CONFLICT);
    if ((command->flags & SCSI_WRITES) && scsi_unit_protected(call->unit))
        return scsi_sense_set(call, SCSI_SENSE_WRITE_PROTECTED);
    return TRUE;
}

void
scsi_execute(struct scsi_nexus *nexus, struct scsi_task *task)
{
    struct scsi_call call = begin(nexus, task);
    gboolean opcode;
    const struct scsi_command *command =
        scsi_command_find(task->cdb[0], task->cdb[1] & 0x1f, &opcode);
    task->status = SCSI_GOOD;
    task->in_length = 0;
    task->sense_length = 0;
    if (!check(&call, command, opcode) || !command->run(&call))
        task->in_length = 0;
}
