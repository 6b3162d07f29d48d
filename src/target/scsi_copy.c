/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/scsi_copy.h"

#include "target/scsi_blocks.h"
#include "target/scsi_reservation.h"
#include "target/scsi_sense.h"

#include <string.h>

#define HEAD 16u
#define STEP (1u << 20) /* bytes that are copied at a time */

struct copy {
    struct scsi_call *call;
    const guint8 *list;
    guint targets, segments;                        /* how many there are */
    struct scsi_unit *units[SCSI_COPY_TARGETS_MAX]; /* NULL: none of ours */
    guint done;                                     /* segments */
    guint64 bytes;
};

static guint
segments_at(const struct copy *copy)
{
    return HEAD + copy->targets * SCSI_COPY_TARGET;
}

/* ---- Reading the list ------------------------------------------------------------------------ */

static gboolean
check_lengths(struct copy *copy)
{
    struct scsi_call *call = copy->call;
    gsize length = MIN(big_endian_get32(call->cdb + 10), call->task->out_length);
    if (length < HEAD)
        return scsi_sense_set(call, SCSI_SENSE_LIST_LENGTH);
    guint64 targets = big_endian_get16(copy->list + 2), segments = big_endian_get32(copy->list + 8);
    if (big_endian_get32(copy->list + 12) != 0)
        return scsi_sense_set(call, SCSI_SENSE_INLINE_DATA);
    if (targets + segments > SCSI_COPY_LIST_MAX || targets + segments > length - HEAD)
        return scsi_sense_set(call, SCSI_SENSE_LIST_LENGTH);
    if (targets > SCSI_COPY_TARGETS_MAX * SCSI_COPY_TARGET)
        return scsi_sense_set(call, SCSI_SENSE_TOO_MANY_TARGETS);
    if (segments > SCSI_COPY_SEGMENTS_MAX * SCSI_COPY_SEGMENT)
        return scsi_sense_set(call, SCSI_SENSE_TOO_MANY_SEGMENTS);
    if (targets % SCSI_COPY_TARGET != 0)
        return scsi_sense_set_parameter(call, SCSI_SENSE_INVALID_PARAMETER, 2);
    copy->targets = (guint)targets / SCSI_COPY_TARGET;
    return TRUE;
}

/* The unit that a designator of page 83h names. */
static struct scsi_unit *
find_unit(struct scsi_device *device, const guint8 *descriptor)
{
    guint type = descriptor[5] & 0x0f, association = descriptor[5] >> 4 & 3;
    if (type != 3 || association != 0 || descriptor[7] != 8)
        return NULL;
    for (guint i = 0; i < SCSI_LUNS_MAX; i++) {
        struct scsi_unit *unit = g_atomic_pointer_get(&device->units[i]);
        if (unit != NULL && memcmp(unit->naa, descriptor + 8, 8) == 0)
            return unit;
    }
    return NULL;
}

static gboolean
find_targets(struct copy *copy)
{
    for (guint i = 0; i < copy->targets; i++) {
        guint at = HEAD + i * SCSI_COPY_TARGET;
        const guint8 *descriptor = copy->list + at;
        if (descriptor[0] != SCSI_COPY_TARGET_TYPE)
            return scsi_sense_set_parameter(copy->call, SCSI_SENSE_UNKNOWN_TARGET_TYPE, at);
        /* The rest of that byte, LU ID TYPE and the kind of device, says nothing that the
         * designator does not (SPC-4). */
        if (descriptor[1] & 0x20) /* NUL */
            return scsi_sense_set(copy->call, SCSI_SENSE_COPY_UNREACHABLE);
        copy->units[i] = find_unit(copy->call->nexus->device, descriptor);
    }
    return TRUE;
}

/* Those of other kinds have other lengths, so the first one that is none of ours ends it. */
static gboolean
check_segments(struct copy *copy)
{
    guint at = segments_at(copy), end = at + big_endian_get32(copy->list + 8);
    for (; at < end; at += SCSI_COPY_SEGMENT) {
        if (copy->list[at] != SCSI_COPY_SEGMENT_TYPE)
            return scsi_sense_set_parameter(copy->call, SCSI_SENSE_UNKNOWN_SEGMENT_TYPE, at);
        if (end - at < SCSI_COPY_SEGMENT)
            return scsi_sense_set(copy->call, SCSI_SENSE_LIST_LENGTH);
        if (big_endian_get16(copy->list + at + 2) != SCSI_COPY_SEGMENT - 4)
            return scsi_sense_set_parameter(copy->call, SCSI_SENSE_INVALID_PARAMETER, at + 2);
        copy->segments++;
    }
    return TRUE;
}

/* ---- A segment ------------------------------------------------------------------------------- */

struct segment {
    struct scsi_call from, to; /* the task, seen from either unit */
    struct scsi_blocks source, target;
    guint64 bytes;
};

static gboolean
find_side(struct copy *copy, guint index, struct scsi_call *ret)
{
    *ret = *copy->call;
    ret->unit = index < copy->targets ? copy->units[index] : NULL;
    return ret->unit != NULL || scsi_sense_set(copy->call, SCSI_SENSE_COPY_UNREACHABLE);
}

static gboolean
is_inside(const struct scsi_unit *unit, const struct scsi_blocks *blocks)
{
    return blocks->first <= unit->blocks && blocks->count <= unit->blocks - blocks->first;
}

static gboolean
parse_segment(struct copy *copy, const guint8 *at, struct segment *ret)
{
    if (!find_side(copy, big_endian_get16(at + 4), &ret->from) ||
        !find_side(copy, big_endian_get16(at + 6), &ret->to))
        return FALSE;
    guint from_size = ret->from.unit->block_size, to_size = ret->to.unit->block_size;
    gboolean counts_target = at[1] & 0x02; /* DC */
    ret->bytes = (guint64)big_endian_get16(at + 10) * (counts_target ? to_size : from_size);
    ret->source = (struct scsi_blocks){big_endian_get64(at + 12), ret->bytes / from_size};
    ret->target = (struct scsi_blocks){big_endian_get64(at + 20), ret->bytes / to_size};
    if (ret->bytes > SCSI_COPY_BYTES_MAX)
        return scsi_sense_set_parameter(copy->call, SCSI_SENSE_INVALID_PARAMETER,
                                        (guint)(at - copy->list) + 10);
    if (ret->bytes % from_size != 0 || ret->bytes % to_size != 0 ||
        !is_inside(ret->from.unit, &ret->source) || !is_inside(ret->to.unit, &ret->target))
        return scsi_sense_set(copy->call, SCSI_SENSE_COPY_ABORTED);
    return TRUE;
}

static gboolean
is_zero(struct scsi_unit *unit, const struct scsi_blocks *blocks)
{
    struct disk_extent extent;
    guint64 length = blocks->count * unit->block_size;
    return disk_extent(unit->disk, blocks->first * unit->block_size, length, &extent, NULL) &&
           extent.kind == DISK_ZERO && extent.length == length;
}

static gboolean
read_step(struct scsi_call *call, const struct scsi_blocks *blocks, guint8 *room,
          gboolean *ret_zero)
{
    struct scsi_range range;
    if (!scsi_blocks_take(call, blocks, SCSI_RANGE_READ, &range))
        return FALSE;
    *ret_zero = is_zero(call->unit, blocks);
    gboolean ok = *ret_zero || scsi_blocks_read(call, blocks, room);
    scsi_blocks_give(call, &range);
    return ok;
}

static gboolean
write_step(struct scsi_call *call, const struct scsi_blocks *blocks, const guint8 *room,
           gboolean zero)
{
    struct scsi_range range;
    if (!scsi_blocks_take(call, blocks, SCSI_RANGE_WRITE, &range))
        return FALSE;
    gboolean ok = zero ? scsi_blocks_zero(call, blocks) : scsi_blocks_write(call, blocks, room);
    scsi_blocks_give(call, &range);
    return ok;
}

static gboolean
copy_segment(struct copy *copy, struct segment *segment, guint8 *room)
{
    guint from_size = segment->from.unit->block_size, to_size = segment->to.unit->block_size;
    if (scsi_unit_protected(segment->to.unit))
        return scsi_sense_set(copy->call, SCSI_SENSE_WRITE_PROTECTED);
    for (guint64 left = segment->bytes; left > 0;) {
        gsize n = (gsize)MIN(left, STEP);
        gboolean zero;
        segment->source.count = n / from_size;
        segment->target.count = n / to_size;
        if (!read_step(&segment->from, &segment->source, room, &zero) ||
            !write_step(&segment->to, &segment->target, room, zero))
            return FALSE;
        segment->source.first += segment->source.count;
        segment->target.first += segment->target.count;
        copy->bytes += n;
        left -= n;
    }
    return scsi_unit_has_mode(segment->to.unit, SCSI_MODE_WRITE_CACHE) ||
           scsi_blocks_flush(&segment->to);
}

/* ---- The commands ---------------------------------------------------------------------------- */

static gboolean
copy_all(struct copy *copy)
{
    guint8 *room = scsi_call_room(copy->call, STEP);
    if (room == NULL)
        return FALSE;
    for (; copy->done < copy->segments; copy->done++) {
        struct segment segment;
        const guint8 *at = copy->list + segments_at(copy) + copy->done * SCSI_COPY_SEGMENT;
        if (!parse_segment(copy, at, &segment) || !copy_segment(copy, &segment, room))
            return FALSE;
    }
    return TRUE;
}

static void
remember(const struct copy *copy, gboolean ok)
{
    struct scsi_nexus *nexus = copy->call->nexus;
    if ((copy->list[1] >> 3 & 3) == 3) /* its identifier is not used */
        return;
    g_mutex_lock(&nexus->device->lock);
    nexus->copy = (struct scsi_copy_end){
        .known = TRUE,
        .failed = !ok,
        .unit = copy->call->unit->number,
        .list = copy->list[0],
        .segments = copy->done,
        .bytes = copy->bytes,
    };
    g_mutex_unlock(&nexus->device->lock);
}

gboolean
scsi_extended_copy(struct scsi_call *call)
{
    struct copy copy = {.call = call, .list = call->task->out};
    if (big_endian_get32(call->cdb + 10) == 0)
        return TRUE;
    if (!check_lengths(&copy) || !find_targets(&copy) || !check_segments(&copy))
        return FALSE;
    gboolean ok = copy_all(&copy);
    remember(&copy, ok);
    return ok;
}

/* Copies end with their command; so there is only the last one to tell of, and that once. */
gboolean
scsi_copy_status(struct scsi_call *call)
{
    struct scsi_nexus *nexus = call->nexus;
    g_mutex_lock(&nexus->device->lock);
    struct scsi_copy_end end = nexus->copy;
    gboolean known = end.known && end.unit == call->unit->number && end.list == call->cdb[2];
    if (known)
        nexus->copy.known = FALSE;
    g_mutex_unlock(&nexus->device->lock);
    if (!known)
        return scsi_sense_set_field(call, 2, -1);
    guint8 *reply = scsi_call_reply(call, 12);
    if (reply == NULL)
        return FALSE;
    big_endian_put32(reply, 8);
    reply[4] = end.failed ? 0x02 : 0x01;
    big_endian_put16(reply + 5, end.segments);
    big_endian_put32(reply + 8, (guint32)end.bytes); /* at most 1 GiB; its unit (0) is bytes */
    return scsi_call_cut(call, big_endian_get32(call->cdb + 10));
}

gboolean
scsi_copy_parameters(struct scsi_call *call)
{
    guint8 *reply = scsi_call_reply(call, 46);
    if (reply == NULL)
        return FALSE;
    big_endian_put32(reply, 46 - 4);
    big_endian_put16(reply + 8, SCSI_COPY_TARGETS_MAX);
    big_endian_put16(reply + 10, SCSI_COPY_SEGMENTS_MAX);
    big_endian_put32(reply + 12, SCSI_COPY_LIST_MAX);
    big_endian_put32(reply + 16, SCSI_COPY_BYTES_MAX);
    big_endian_put16(reply + 34, 1); /* copies at once */
    reply[36] = 1;
    reply[37] = 9; /* granularity of a segment: 512 bytes */
    reply[43] = 2;
    reply[44] = SCSI_COPY_SEGMENT_TYPE;
    reply[45] = SCSI_COPY_TARGET_TYPE;
    return scsi_call_cut(call, big_endian_get32(call->cdb + 10));
}
