/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WRITE, WRITE AND VERIFY, ORWRITE, COMPARE AND WRITE and SYNCHRONIZE CACHE. */
#include "target/scsi_blocks.h"
#include "target/scsi_sense.h"

#include <string.h>

/* What of it the initiator sent; whole blocks. */
static gboolean
parse(struct scsi_call *call, struct scsi_blocks *ret)
{
    if (!scsi_blocks_parse(call, SCSI_TRANSFER_MAX, ret))
        return FALSE;
    ret->count = MIN(ret->count, call->task->out_length / call->unit->block_size);
    return TRUE;
}

gboolean
scsi_write(struct scsi_call *call)
{
    struct scsi_blocks blocks;
    struct scsi_range range;
    if (!parse(call, &blocks) || !scsi_blocks_take(call, &blocks, SCSI_RANGE_WRITE, &range))
        return FALSE;
    gboolean ok = scsi_blocks_write(call, &blocks, call->task->out) && scsi_blocks_settle(call);
    scsi_blocks_give(call, &range);
    return ok;
}

/* Where `left` and `right` differ; `length` when they do not. */
static gsize
first_difference(const guint8 *left, const guint8 *right, gsize length)
{
    if (length == 0 || memcmp(left, right, length) == 0)
        return length;
    gsize at = 0;
    while (left[at] == right[at])
        at++;
    return at;
}

/* It is read back also when nothing is to be compared: a block that cannot be read is what is
 * looked for. */
gboolean
scsi_write_verify(struct scsi_call *call)
{
    struct scsi_blocks blocks;
    struct scsi_range range;
    guint bytchk = call->cdb[1] >> 1 & 3;
    if (bytchk > 1)
        return scsi_sense_set_field(call, 1, 2);
    if (!parse(call, &blocks))
        return FALSE;
    gsize length = blocks.count * call->unit->block_size;
    guint8 *room = scsi_call_room(call, length);
    if (room == NULL || !scsi_blocks_take(call, &blocks, SCSI_RANGE_WRITE, &range))
        return FALSE;
    gboolean ok = scsi_blocks_write(call, &blocks, call->task->out) && scsi_blocks_flush(call) &&
                  scsi_blocks_read(call, &blocks, room);
    scsi_blocks_give(call, &range);
    gsize at = ok && bytchk == 1 ? first_difference(room, call->task->out, length) : length;
    if (at < length)
        return scsi_sense_set_information(call, SCSI_SENSE_MISCOMPARE, at);
    return ok;
}

/* ---- Read, change, write, as one step -------------------------------------------------------- */

gboolean
scsi_orwrite(struct scsi_call *call)
{
    struct scsi_blocks blocks;
    struct scsi_range range;
    if (!parse(call, &blocks))
        return FALSE;
    gsize length = blocks.count * call->unit->block_size;
    guint8 *room = scsi_call_room(call, length);
    if (room == NULL || !scsi_blocks_take(call, &blocks, SCSI_RANGE_ALONE, &range))
        return FALSE;
    gboolean ok = scsi_blocks_read(call, &blocks, room);
    for (gsize i = 0; ok && i < length; i++)
        room[i] |= call->task->out[i];
    ok = ok && scsi_blocks_write(call, &blocks, room) && scsi_blocks_settle(call);
    scsi_blocks_give(call, &range);
    return ok;
}

static gboolean
compare_and_write(struct scsi_call *call, const struct scsi_blocks *blocks, guint8 *room)
{
    gsize length = blocks->count * call->unit->block_size;
    const guint8 *expected = call->task->out;
    if (!scsi_blocks_read(call, blocks, room))
        return FALSE;
    gsize at = first_difference(room, expected, length);
    if (at < length)
        return scsi_sense_set_information(call, SCSI_SENSE_MISCOMPARE, at);
    return scsi_blocks_write(call, blocks, expected + length) && scsi_blocks_settle(call);
}

gboolean
scsi_compare_write(struct scsi_call *call)
{
    struct scsi_blocks blocks = {big_endian_get64(call->cdb + 2), call->cdb[13]};
    struct scsi_range range;
    if ((call->cdb[1] & 0xe0) != 0)
        return scsi_sense_set_field(call, 1, 7);
    if (!scsi_blocks_check(call, &blocks))
        return FALSE;
    gsize length = blocks.count * call->unit->block_size;
    if (MAX(call->task->offered, call->task->out_length) > 2 * length)
        return scsi_sense_set_field(call, 13, -1);
    if (call->task->out_length < 2 * length)
        return scsi_sense_set(call, SCSI_SENSE_WRONG_LENGTH);
    if (length == 0)
        return TRUE;
    guint8 *room = scsi_call_room(call, length);
    if (room == NULL || !scsi_blocks_take(call, &blocks, SCSI_RANGE_ALONE, &range))
        return FALSE;
    gboolean ok = compare_and_write(call, &blocks, room);
    scsi_blocks_give(call, &range);
    return ok;
}

/* 0 blocks: up to the end.  All that was written is made durable, whatever the range. */
gboolean
scsi_synchronize(struct scsi_call *call)
{
    struct scsi_blocks blocks = scsi_blocks_of(call->cdb);
    return scsi_blocks_check(call, &blocks) && scsi_blocks_flush(call);
}
