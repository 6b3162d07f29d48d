/* SPDX-License-Identifier: GPL-3.0-or-later */
/* READ, VERIFY and PRE-FETCH. */
#include "target/scsi_blocks.h"
#include "target/scsi_command.h"
#include "target/scsi_sense.h"

#include <string.h>

/* Of a VERIFY, at a time. */
#define STEP (1u << 20)

#define FUA 0x08

gboolean
scsi_read(struct scsi_call *call)
{
    struct scsi_blocks blocks;
    struct scsi_range range;
    if (!scsi_blocks_parse(call, SCSI_TRANSFER_MAX, &blocks))
        return FALSE;
    gsize length = blocks.count * call->unit->block_size;
    guint8 *to = scsi_call_room(call, length);
    if (to == NULL || !scsi_blocks_take(call, &blocks, SCSI_RANGE_READ, &range))
        return FALSE;
    /* What is read has to be on the medium, so whatever is only in a cache goes there first. */
    gboolean fua = scsi_command_length(call->cdb[0]) != 6 && (call->cdb[1] & FUA);
    gboolean ok = (!fua || scsi_blocks_flush(call)) && scsi_blocks_read(call, &blocks, to);
    scsi_blocks_give(call, &range);
    call->task->in_length = ok ? length : 0;
    return ok;
}

/* ---- VERIFY ---------------------------------------------------------------------------------- */

/* Compare what was read with the initiator's data, or with one block of it again and again. */
static gboolean
compare(struct scsi_call *call, const guint8 *read, gsize length, gsize at, gboolean one_block)
{
    const guint8 *out = call->task->out;
    guint block_size = call->unit->block_size;
    for (gsize i = 0; i < length; i += block_size) {
        const guint8 *wanted = one_block ? out : out + at + i;
        if (memcmp(read + i, wanted, block_size) == 0)
            continue;
        gsize k = 0;
        while (read[i + k] == wanted[k])
            k++;
        return scsi_sense_set_information(call, SCSI_SENSE_MISCOMPARE, one_block ? k : at + i + k);
    }
    return TRUE;
}

static gboolean
verify_steps(struct scsi_call *call, struct scsi_blocks blocks, guint bytchk, guint8 *room)
{
    guint block_size = call->unit->block_size;
    for (gsize at = 0; blocks.count > 0;) {
        struct scsi_blocks step = {blocks.first, MIN(blocks.count, STEP / block_size)};
        gsize length = step.count * block_size;
        if (!scsi_blocks_read(call, &step, room))
            return FALSE;
        if (bytchk != 0 && !compare(call, room, length, at, bytchk == 3))
            return FALSE;
        at += length;
        blocks.first += step.count;
        blocks.count -= step.count;
    }
    return TRUE;
}

gboolean
scsi_verify(struct scsi_call *call)
{
    struct scsi_blocks blocks;
    struct scsi_range range;
    guint block_size = call->unit->block_size;
    guint bytchk = call->cdb[1] >> 1 & 3;
    if (bytchk == 2)
        return scsi_sense_set_field(call, 1, 2);
    if (!scsi_blocks_parse(call, bytchk == 1 ? SCSI_TRANSFER_MAX : SCSI_VERIFY_MAX, &blocks))
        return FALSE;
    if (bytchk == 1)
        blocks.count = MIN(blocks.count, call->task->out_length / block_size);
    if (bytchk == 3 && blocks.count > 0 && call->task->out_length < block_size)
        return scsi_sense_set(call, SCSI_SENSE_WRONG_LENGTH);
    guint8 *room = scsi_call_room(call, MIN(blocks.count * block_size, STEP));
    if (room == NULL || !scsi_blocks_take(call, &blocks, SCSI_RANGE_READ, &range))
        return FALSE;
    gboolean ok = verify_steps(call, blocks, bytchk, room);
    scsi_blocks_give(call, &range);
    return ok;
}

/* ---- PRE-FETCH ------------------------------------------------------------------------------- */

/* 0 blocks: up to the end.  A hint of terabytes is taken as far as a cache may have room for. */
gboolean
scsi_prefetch(struct scsi_call *call)
{
    struct scsi_blocks blocks = scsi_blocks_of(call->cdb);
    if (!scsi_blocks_check(call, &blocks))
        return FALSE;
    if (blocks.count == 0)
        blocks.count = call->unit->blocks - blocks.first;
    guint block_size = call->unit->block_size;
    disk_prefetch(call->unit->disk, blocks.first * block_size,
                  MIN(blocks.count * block_size, SCSI_TRANSFER_MAX));
    return TRUE;
}

void
scsi_task_prefetch(struct scsi_nexus *nexus, const struct scsi_task *task)
{
    struct scsi_unit *unit = scsi_device_find(nexus->device, task->lun);
    gboolean dummy;
    const struct scsi_command *command =
        scsi_command_find(task->cdb[0], task->cdb[1] & 0x1f, &dummy);
    if (unit == NULL || command == NULL ||
        (command->run != scsi_read && command->run != scsi_verify))
        return;
    struct scsi_blocks blocks = scsi_blocks_of(task->cdb);
    if (blocks.first >= unit->blocks)
        return;
    disk_prefetch(unit->disk, blocks.first * unit->block_size,
                  MIN(blocks.count * unit->block_size, SCSI_TRANSFER_MAX));
}
