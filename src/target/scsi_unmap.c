/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WRITE SAME and UNMAP. */
#include "target/scsi_blocks.h"
#include "target/scsi_command.h"
#include "target/scsi_sense.h"

#include <string.h>

#define STEP (1u << 20) /* bytes of a pattern that are written at a time */

/* ---- WRITE SAME ------------------------------------------------------------------------------ */

enum { NDOB = 0x01, LBDATA = 0x02, PBDATA = 0x04, UNMAP_BIT = 0x08, ANCHOR = 0x10 };

static gboolean
check_write_same(struct scsi_call *call)
{
    guint bits = call->cdb[1];
    gboolean has_ndob = scsi_command_length(call->cdb[0]) == 16;
    if (bits & ANCHOR) /* ANC_SUP is 0 */
        return scsi_sense_set_field(call, 1, 4);
    if ((bits & UNMAP_BIT) && !call->unit->thin)
        return scsi_sense_set_field(call, 1, 3);
    if (bits & PBDATA)
        return scsi_sense_set_field(call, 1, 2);
    if (bits & LBDATA)
        return scsi_sense_set_field(call, 1, 1);
    if ((bits & NDOB) && !has_ndob)
        return scsi_sense_set_field(call, 1, 0);
    return TRUE;
}

static gboolean
is_zero(const guint8 *data, gsize length)
{
    return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

static gboolean
write_pattern(struct scsi_call *call, struct scsi_blocks blocks)
{
    guint block_size = call->unit->block_size;
    guint64 at_once = MIN(blocks.count, STEP / block_size);
    guint8 *room = scsi_call_room(call, at_once * block_size);
    if (room == NULL)
        return FALSE;
    for (guint64 i = 0; i < at_once; i++)
        memcpy(room + i * block_size, call->task->out, block_size);
    while (blocks.count > 0) {
        struct scsi_blocks step = {blocks.first, MIN(blocks.count, at_once)};
        if (!scsi_blocks_write(call, &step, room))
            return FALSE;
        blocks.first += step.count;
        blocks.count -= step.count;
    }
    return TRUE;
}

/* Zeros take no space, whether UNMAP was asked for or not; a pattern that is none is written also
 * when it was, since what is unmapped reads as zeros (LBPRZ). */
static gboolean
write_same(struct scsi_call *call, const struct scsi_blocks *blocks)
{
    struct scsi_range range;
    gboolean zeros = (call->cdb[1] & NDOB) || is_zero(call->task->out, call->unit->block_size);
    if (!scsi_blocks_take(call, blocks, SCSI_RANGE_WRITE, &range))
        return FALSE;
    gboolean ok = zeros ? scsi_blocks_zero(call, blocks) : write_pattern(call, *blocks);
    ok = ok && (scsi_unit_has_mode(call->unit, SCSI_MODE_WRITE_CACHE) || scsi_blocks_flush(call));
    scsi_blocks_give(call, &range);
    return ok;
}

gboolean
scsi_write_same(struct scsi_call *call)
{
    struct scsi_blocks blocks;
    if (!check_write_same(call) || !scsi_blocks_parse(call, SCSI_WRITE_SAME_MAX, &blocks))
        return FALSE;
    if (blocks.count == 0) /* WSNZ */
        return scsi_sense_set_field(call, scsi_command_length(call->cdb[0]) == 16 ? 10 : 7, -1);
    gsize wanted = call->cdb[1] & NDOB ? 0 : call->unit->block_size;
    if (call->task->out_length < wanted || call->task->offered > wanted)
        return scsi_sense_set(call, SCSI_SENSE_WRONG_LENGTH);
    return write_same(call, &blocks);
}

/* ---- UNMAP ----------------------------------------------------------------------------------- */

#define HEAD 8u
#define DESCRIPTOR 16u

static struct scsi_blocks
descriptor_at(const guint8 *list, guint i)
{
    const guint8 *at = list + HEAD + i * DESCRIPTOR;
    return (struct scsi_blocks){big_endian_get64(at), big_endian_get32(at + 8)};
}

/* All of it is looked at before anything is done. */
static gboolean
check_descriptors(struct scsi_call *call, guint n)
{
    guint64 sum = 0;
    if (n > SCSI_UNMAP_DESCRIPTORS_MAX)
        return scsi_sense_set_parameter(call, SCSI_SENSE_INVALID_PARAMETER, 2);
    for (guint i = 0; i < n; i++) {
        struct scsi_blocks blocks = descriptor_at(call->task->out, i);
        if (blocks.count > 0 && !scsi_blocks_check(call, &blocks))
            return FALSE;
        sum += blocks.count;
        if (sum > SCSI_UNMAP_BLOCKS_MAX)
            return scsi_sense_set_parameter(call, SCSI_SENSE_INVALID_PARAMETER,
                                            HEAD + i * DESCRIPTOR + 8);
    }
    return TRUE;
}

static gboolean
unmap_one(struct scsi_call *call, const struct scsi_blocks *blocks)
{
    struct scsi_range range;
    if (!scsi_blocks_take(call, blocks, SCSI_RANGE_WRITE, &range))
        return FALSE;
    gboolean ok = scsi_blocks_zero(call, blocks);
    scsi_blocks_give(call, &range);
    return ok;
}

gboolean
scsi_unmap(struct scsi_call *call)
{
    const guint8 *list = call->task->out;
    gsize length = MIN(call->task->out_length, big_endian_get16(call->cdb + 7));
    if (call->cdb[1] & 1) /* ANCHOR */
        return scsi_sense_set_field(call, 1, 0);
    if (big_endian_get16(call->cdb + 7) == 0)
        return TRUE;
    if (length < HEAD)
        return scsi_sense_set(call, SCSI_SENSE_LIST_LENGTH);
    guint n = (guint)MIN(big_endian_get16(list + 2), length - HEAD) / DESCRIPTOR;
    if (!check_descriptors(call, n))
        return FALSE;
    for (guint i = 0; i < n; i++) {
        struct scsi_blocks blocks = descriptor_at(list, i);
        if (blocks.count > 0 && !unmap_one(call, &blocks))
            return FALSE;
    }
    return scsi_unit_has_mode(call->unit, SCSI_MODE_WRITE_CACHE) || scsi_blocks_flush(call);
}
