/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MODE SENSE and MODE SELECT, of 6 and 10 bytes. */
#include "target/scsi_mode.h"

#include "target/scsi_attention.h"
#include "target/scsi_blocks.h"
#include "target/scsi_command.h"

#include <string.h>

#define ALL_PAGES 0x3f
#define ALL_SUBPAGES 0xff

/* What the two forms of the commands differ in. */
struct form {
    guint head;       /* bytes before the block descriptor */
    guint descriptor; /* bytes of it; 0: it is not wanted */
    gsize allocation;
};

static gboolean
is_long(const struct scsi_call *call)
{
    return scsi_command_length(call->cdb[0]) == 10;
}

/* ---- MODE SENSE ------------------------------------------------------------------------------ */

static struct form
form_of_sense(const struct scsi_call *call)
{
    gboolean disabled = call->cdb[1] & 0x08; /* DBD */
    if (!is_long(call))
        return (struct form){4, disabled ? 0 : 8, call->cdb[4]};
    gboolean wide = call->cdb[1] & 0x10; /* LLBAA */
    return (struct form){8, disabled ? 0 : wide ? 16 : 8, big_endian_get16(call->cdb + 7)};
}

static guint
write_descriptor(const struct scsi_unit *unit, guint length, guint8 *to)
{
    if (length == 16) {
        big_endian_put64(to, unit->blocks);
        big_endian_put32(to + 12, unit->block_size);
    } else if (length == 8) {
        big_endian_put32(to, (guint32)MIN(unit->blocks, G_MAXUINT32));
        big_endian_put32(to + 4, unit->block_size); /* 24 bits */
    }
    return length;
}

static void
write_head(const struct scsi_call *call, const struct form *form, guint length, guint8 *to)
{
    /* WP, DPOFUA */
    guint8 device = (guint8)((scsi_unit_protected(call->unit) ? 0x80 : 0) | 0x10);
    if (form->head == 4) {
        to[0] = (guint8)(length - 1);
        to[2] = device;
        to[3] = (guint8)form->descriptor;
    } else {
        big_endian_put16(to, length - 2);
        to[3] = device;
        to[4] = form->descriptor == 16 ? 1 : 0; /* LONGLBA */
        big_endian_put16(to + 6, form->descriptor);
    }
}

static gboolean
check_page(struct scsi_call *call)
{
    guint page = call->cdb[2] & 0x3f, subpage = call->cdb[3];
    if (call->cdb[2] >> 6 == 3)
        return scsi_sense_set(call, SCSI_SENSE_NO_SAVING);
    if (subpage != 0 && !(page == ALL_PAGES && subpage == ALL_SUBPAGES))
        return scsi_sense_set_field(call, 3, -1);
    guint8 dummy[SCSI_MODE_PAGE_MAX];
    if (page != ALL_PAGES &&
        scsi_mode_page_write(call->unit, page, SCSI_MODE_CURRENT, 0, dummy) == 0)
        return scsi_sense_set_field(call, 2, 5);
    return TRUE;
}

gboolean
scsi_mode_sense(struct scsi_call *call)
{
    struct scsi_unit *unit = call->unit;
    struct form form = form_of_sense(call);
    guint page = call->cdb[2] & 0x3f;
    enum scsi_mode_values which = call->cdb[2] >> 6;
    if (!check_page(call))
        return FALSE;
    guint8 bytes[8 + 16 + 16 * SCSI_MODE_PAGE_MAX] = {0};
    guint mode = (guint)g_atomic_int_get(&unit->mode), length = form.head;
    length += write_descriptor(unit, form.descriptor, bytes + length);
    for (guint i = 0; scsi_mode_page_at(i) != 0; i++) {
        if (page == ALL_PAGES || page == scsi_mode_page_at(i))
            length += scsi_mode_page_write(unit, scsi_mode_page_at(i), which, mode, bytes + length);
    }
    write_head(call, &form, length, bytes);
    guint8 *reply = scsi_call_reply(call, length);
    if (reply == NULL)
        return FALSE;
    memcpy(reply, bytes, length);
    return scsi_call_cut(call, form.allocation);
}

/* ---- MODE SELECT ----------------------------------------------------------------------------- */

/* Size and blocks of a disk cannot be changed, so the descriptor must say what is. */
static gboolean
check_descriptor(struct scsi_call *call, guint at, guint length)
{
    const guint8 *descriptor = call->task->out + at;
    if (length == 0)
        return TRUE;
    guint64 blocks = length == 16 ? big_endian_get64(descriptor) : big_endian_get32(descriptor);
    guint size =
        length == 16 ? big_endian_get32(descriptor + 12) : big_endian_get24(descriptor + 5);
    guint64 most = length == 16 ? G_MAXUINT64 : G_MAXUINT32;
    if (blocks != 0 && blocks != most && blocks != call->unit->blocks)
        return scsi_sense_set_parameter(call, SCSI_SENSE_INVALID_PARAMETER, at);
    if (size != call->unit->block_size)
        return scsi_sense_set_parameter(call, SCSI_SENSE_INVALID_PARAMETER,
                                        at + (length == 16 ? 12 : 5));
    return TRUE;
}

/* The list up to its pages. */
static gboolean
check_head(struct scsi_call *call, gsize length, gsize *ret_pages)
{
    const guint8 *list = call->task->out;
    gboolean wide = is_long(call);
    guint head = wide ? 8 : 4;
    if (length < head)
        return scsi_sense_set(call, SCSI_SENSE_LIST_LENGTH);
    guint descriptor = wide ? big_endian_get16(list + 6) : list[3];
    guint whole = wide && (list[4] & 1) ? 16 : 8;
    if (descriptor != 0 && descriptor != whole)
        return scsi_sense_set_parameter(call, SCSI_SENSE_INVALID_PARAMETER, wide ? 6 : 3);
    if (length - head < descriptor)
        return scsi_sense_set(call, SCSI_SENSE_LIST_LENGTH);
    *ret_pages = head + descriptor;
    return check_descriptor(call, head, descriptor);
}

/* All pages are looked at before any of it holds. */
static gboolean
read_pages(struct scsi_call *call, gsize at, gsize length, guint *mode)
{
    const guint8 *list = call->task->out;
    while (at < length) {
        guint byte;
        if (length - at < 2 || length - at - 2 < list[at + 1])
            return scsi_sense_set(call, SCSI_SENSE_LIST_LENGTH);
        if (!scsi_mode_page_read(call->unit, list + at, 2u + list[at + 1], mode, &byte))
            return scsi_sense_set_parameter(call, SCSI_SENSE_INVALID_PARAMETER, (guint)at + byte);
        at += 2u + list[at + 1];
    }
    return TRUE;
}

static gboolean
check_select(struct scsi_call *call)
{
    if (call->cdb[1] & 0x01) /* SP */
        return scsi_sense_set_field(call, 1, 0);
    if (!(call->cdb[1] & 0x10)) /* PF */
        return scsi_sense_set_field(call, 1, 4);
    return TRUE;
}

gboolean
scsi_mode_select(struct scsi_call *call)
{
    struct scsi_unit *unit = call->unit;
    gsize wanted = is_long(call) ? big_endian_get16(call->cdb + 7) : call->cdb[4];
    gsize length = MIN(wanted, call->task->out_length), pages = 0;
    guint before, mode;
    if (!check_select(call))
        return FALSE;
    if (wanted == 0)
        return TRUE;
    if (!check_head(call, length, &pages))
        return FALSE;
    do { /* until nobody else has changed something meanwhile */
        before = mode = (guint)g_atomic_int_get(&unit->mode);
        if (!read_pages(call, pages, length, &mode))
            return FALSE;
    } while (!g_atomic_int_compare_and_exchange(&unit->mode, (int)before, (int)mode));
    if (mode == before)
        return TRUE;
    scsi_attention_raise_others(unit, call->nexus, SCSI_ATTENTION_MODE_CHANGED);
    gboolean cache_off = (before & ~mode) & SCSI_MODE_WRITE_CACHE;
    return !cache_off || scsi_blocks_flush(call);
}
