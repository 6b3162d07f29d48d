/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/scsi_blocks.h"

#include "base/error.h"
#include "target/scsi_command.h"
#include "target/scsi_sense.h"

struct scsi_blocks
scsi_blocks_of(const guint8 *cdb)
{
    switch (scsi_command_length(cdb[0])) {
    case 6: /* 21 bits, and 0 is 256 */
        return (struct scsi_blocks){big_endian_get24(cdb + 1) & 0x1fffff,
                                    cdb[4] != 0 ? cdb[4] : 256};
    case 10:
        return (struct scsi_blocks){big_endian_get32(cdb + 2), big_endian_get16(cdb + 7)};
    case 12:
        return (struct scsi_blocks){big_endian_get32(cdb + 2), big_endian_get32(cdb + 6)};
    default:
        return (struct scsi_blocks){big_endian_get64(cdb + 2), big_endian_get32(cdb + 10)};
    }
}

/* Also of no blocks the first one has to be there. */
gboolean
scsi_blocks_check(struct scsi_call *call, const struct scsi_blocks *blocks)
{
    guint64 there = call->unit->blocks;
    if (blocks->first < there && blocks->count <= there - blocks->first)
        return TRUE;
    return scsi_sense_set(call, SCSI_SENSE_LBA_RANGE);
}

static guint
length_byte(guint cdb_length)
{
    return cdb_length == 6 ? 4 : cdb_length == 10 ? 7 : cdb_length == 12 ? 6 : 10;
}

gboolean
scsi_blocks_parse(struct scsi_call *call, guint64 max, struct scsi_blocks *ret)
{
    guint length = scsi_command_length(call->cdb[0]);
    *ret = scsi_blocks_of(call->cdb);
    if (length != 6 && (call->cdb[1] & 0xe0) != 0)
        return scsi_sense_set_field(call, 1, 7);
    if (!scsi_blocks_check(call, ret))
        return FALSE;
    if (ret->count > max / call->unit->block_size)
        return scsi_sense_set_field(call, length_byte(length), -1);
    return TRUE;
}

gboolean
scsi_blocks_take(struct scsi_call *call, const struct scsi_blocks *blocks, enum scsi_range_use use,
                 struct scsi_range *range)
{
    enum scsi_access access = use == SCSI_RANGE_READ ? SCSI_ACCESS_READ : SCSI_ACCESS_WRITE;
    range->first = blocks->first;
    range->end = blocks->first + blocks->count;
    range->use = use;
    scsi_ranges_take(&call->unit->ranges, range);
    if (scsi_reservation_allows(call->unit, call->nexus, access))
        return TRUE;
    scsi_ranges_give(&call->unit->ranges, range);
    return scsi_sense_status(call, SCSI_RESERVATION_CONFLICT);
}

void
scsi_blocks_give(struct scsi_call *call, struct scsi_range *range)
{
    scsi_ranges_give(&call->unit->ranges, range);
}

/* ---- On the disk ----------------------------------------------------------------------------- */

static void
count(guint64 *counter, guint64 bytes)
{
    __atomic_fetch_add(counter, bytes, __ATOMIC_RELAXED);
}

/* Reading failed somewhere: which block is it?  Only where asking again is cheap and says the same;
 * what was not damaged after all is then read. */
static gboolean
read_stepwise(struct scsi_call *call, const struct scsi_blocks *blocks, guint8 *to,
              guint64 *ret_bad, GError **error)
{
    guint block_size = call->unit->block_size;
    guint64 at = blocks->first * block_size, end = at + blocks->count * block_size;
    while (at < end) {
        gsize n = MIN(DISK_BLOCK - at % DISK_BLOCK, end - at);
        if (!disk_read(call->unit->disk, at, to, n, error)) {
            *ret_bad = at / block_size;
            return FALSE;
        }
        at += n;
        to += n;
    }
    return TRUE;
}

gboolean
scsi_blocks_read(struct scsi_call *call, const struct scsi_blocks *blocks, guint8 *to)
{
    struct scsi_unit *unit = call->unit;
    gsize length = blocks->count * unit->block_size;
    g_autoptr(GError) error = NULL;
    gboolean ok = disk_read(unit->disk, blocks->first * unit->block_size, to, length, &error);
    guint64 bad = blocks->first;
    if (!ok && (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
                g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO))) {
        g_clear_error(&error);
        ok = read_stepwise(call, blocks, to, &bad, &error);
    }
    if (!ok)
        return scsi_sense_set_medium(call, FALSE, bad, error);
    count(&unit->read_bytes, length);
    return TRUE;
}

gboolean
scsi_blocks_write(struct scsi_call *call, const struct scsi_blocks *blocks, const guint8 *from)
{
    struct scsi_unit *unit = call->unit;
    gsize length = blocks->count * unit->block_size;
    g_autoptr(GError) error = NULL;
    if (!disk_write(unit->disk, blocks->first * unit->block_size, from, length, &error))
        return scsi_sense_set_medium(call, TRUE, blocks->first, error);
    count(&unit->written_bytes, length);
    return TRUE;
}

gboolean
scsi_blocks_zero(struct scsi_call *call, const struct scsi_blocks *blocks)
{
    struct scsi_unit *unit = call->unit;
    g_autoptr(GError) error = NULL;
    if (!disk_zero(unit->disk, blocks->first * unit->block_size, blocks->count * unit->block_size,
                   &error))
        return scsi_sense_set_medium(call, TRUE, blocks->first, error);
    return TRUE;
}

/* Write protected by a mode page only: what was written before still has to last. */
gboolean
scsi_blocks_flush(struct scsi_call *call)
{
    g_autoptr(GError) error = NULL;
    if (call->unit->read_only || disk_flush(call->unit->disk, &error))
        return TRUE;
    return scsi_sense_set_medium(call, TRUE, 0, error);
}

gboolean
scsi_blocks_settle(struct scsi_call *call)
{
    gboolean has_fua = scsi_command_length(call->cdb[0]) != 6;
    if (scsi_unit_has_mode(call->unit, SCSI_MODE_WRITE_CACHE) &&
        !(has_fua && (call->cdb[1] & 0x08)))
        return TRUE;
    return scsi_blocks_flush(call);
}
