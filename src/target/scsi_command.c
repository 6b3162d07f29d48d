/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/scsi_command.h"

#include "target/scsi_blocks.h"
#include "target/scsi_copy.h"
#include "target/scsi_inquiry.h"
#include "target/scsi_mode.h"
#include "target/scsi_report.h"

/* ---- How much the initiator sends ------------------------------------------------------------ */

static gsize
bounded(const struct scsi_call *call, guint64 blocks)
{
    if (blocks > SCSI_TRANSFER_MAX / call->unit->block_size)
        return 0;
    return blocks * call->unit->block_size;
}

/* Of blocks that are not all there: nothing, as it will be refused. */
static gsize
wants_blocks(const struct scsi_call *call)
{
    struct scsi_blocks blocks = scsi_blocks_of(call->cdb);
    if (blocks.first >= call->unit->blocks || blocks.count > call->unit->blocks - blocks.first)
        return 0;
    return bounded(call, blocks.count);
}

/* As BYTCHK says: nothing, all of it, or one block for all. */
static gsize
wants_verify(const struct scsi_call *call)
{
    guint bytchk = call->cdb[1] >> 1 & 3;
    if (bytchk == 1)
        return wants_blocks(call);
    return bytchk == 3 && scsi_blocks_of(call->cdb).count > 0 ? bounded(call, 1) : 0;
}

static gsize
wants_compare(const struct scsi_call *call)
{
    return bounded(call, 2 * (guint64)call->cdb[13]);
}

static gsize
wants_pattern(const struct scsi_call *call)
{
    gboolean none = scsi_command_length(call->cdb[0]) == 16 && (call->cdb[1] & 1); /* NDOB */
    return none ? 0 : bounded(call, 1);
}

static gsize
wants_byte4(const struct scsi_call *call)
{
    return call->cdb[4];
}

static gsize
wants_bytes7(const struct scsi_call *call)
{
    return big_endian_get16(call->cdb + 7);
}

static gsize
wants_bytes5(const struct scsi_call *call)
{
    guint32 length = big_endian_get32(call->cdb + 5);
    return length <= SCSI_PARAMETERS_MAX ? length : 0;
}

static gsize
wants_bytes10(const struct scsi_call *call)
{
    guint32 length = big_endian_get32(call->cdb + 10);
    return length <= SCSI_PARAMETERS_MAX ? length : 0;
}

/* ---- The rows -------------------------------------------------------------------------------- */

#define ANY (SCSI_WITHOUT_UNIT | SCSI_WITHOUT_ATTENTION)
#define THIN_WRITES (SCSI_WRITES | SCSI_NEEDS_THIN)
#define FREE SCSI_ACCESS_FREE
#define PASS SCSI_ACCESS_PASS
#define READ SCSI_ACCESS_READ
#define WRITE SCSI_ACCESS_WRITE

#define CONTROL 0x04 /* NACA is looked at, to refuse it */
#define X2 0xff, 0xff
#define X4 X2, X2
#define X8 X4, X4

static const struct scsi_command rows[] = {
    /* opcode, action, flags, access, seconds, function, bytes from the initiator, usage */
    {0x00, -1, 0, PASS, 5, scsi_test_unit_ready, NULL, {0x00, 0, 0, 0, 0, CONTROL}},
    {0x03, -1, ANY, FREE, 5, scsi_request_sense, NULL, {0x03, 0x01, 0, 0, 0xff, CONTROL}},
    {0x08, -1, 0, READ, 60, scsi_read, NULL, {0x08, 0x1f, X2, 0xff, CONTROL}},
    {0x0a, -1, SCSI_WRITES, WRITE, 60, scsi_write, wants_blocks, {0x0a, 0x1f, X2, 0xff, CONTROL}},
    {0x12, -1, ANY, FREE, 5, scsi_inquiry, NULL, {0x12, 0x03, 0xff, X2, CONTROL}},
    {0x15, -1, 0, WRITE, 30, scsi_mode_select, wants_byte4, {0x15, 0x11, 0, 0, 0xff, CONTROL}},
    {0x16, -1, 0, FREE, 5, scsi_reserve, NULL, {0x16, 0x11, 0, 0, 0, CONTROL}},
    {0x17, -1, 0, FREE, 5, scsi_release, NULL, {0x17, 0x11, 0, 0, 0, CONTROL}},
    {0x1a, -1, 0, READ, 5, scsi_mode_sense, NULL, {0x1a, 0x08, X2, 0xff, CONTROL}},
    {0x1b, -1, 0, PASS, 60, scsi_start_stop, NULL, {0x1b, 0, 0, 0, 0xf7, CONTROL}},
    {0x1d, -1, 0, WRITE, 5, scsi_send_diagnostic, NULL, {0x1d, 0xe0, 0, X2, CONTROL}},
    {0x25, -1, 0, PASS, 5, scsi_read_capacity10, NULL, {0x25, 0, 0, 0, 0, 0, 0, 0, 0, CONTROL}},
    {0x28, -1, 0, READ, 60, scsi_read, NULL, {0x28, 0xf8, X4, 0, X2, CONTROL}},
    {0x2a, -1, SCSI_WRITES, WRITE, 60, scsi_write, wants_blocks, {0x2a, 0xf8, X4, 0, X2, CONTROL}},
    {0x2e,
     -1,
     SCSI_WRITES,
     WRITE,
     60,
     scsi_write_verify,
     wants_blocks,
     {0x2e, 0xf6, X4, 0, X2, CONTROL}},
    {0x2f, -1, 0, READ, 120, scsi_verify, wants_verify, {0x2f, 0xf6, X4, 0, X2, CONTROL}},
    {0x34, -1, 0, READ, 5, scsi_prefetch, NULL, {0x34, 0, X4, 0, X2, CONTROL}},
    {0x35, -1, 0, WRITE, 120, scsi_synchronize, NULL, {0x35, 0, X4, 0, X2, CONTROL}},
    {0x37, -1, 0, READ, 5, scsi_read_defects, NULL, {0x37, 0, 0x1f, 0, 0, 0, 0, X2, CONTROL}},
    {0x41,
     -1,
     SCSI_WRITES,
     WRITE,
     120,
     scsi_write_same,
     wants_pattern,
     {0x41, 0xff, X4, 0, X2, CONTROL}},
    {0x42,
     -1,
     THIN_WRITES,
     WRITE,
     120,
     scsi_unmap,
     wants_bytes7,
     {0x42, 0x01, 0, 0, 0, 0, 0, X2, CONTROL}},
    {0x4d, -1, 0, PASS, 5, scsi_log_sense, NULL, {0x4d, 0x01, 0x3f, 0xff, 0, X2, X2, CONTROL}},
    {0x55,
     -1,
     0,
     WRITE,
     30,
     scsi_mode_select,
     wants_bytes7,
     {0x55, 0x11, 0, 0, 0, 0, 0, X2, CONTROL}},
    {0x56, -1, 0, FREE, 5, scsi_reserve, NULL, {0x56, 0x11, 0, 0, 0, 0, 0, 0, 0, CONTROL}},
    {0x57, -1, 0, FREE, 5, scsi_release, NULL, {0x57, 0x11, 0, 0, 0, 0, 0, 0, 0, CONTROL}},
    {0x5a, -1, 0, READ, 5, scsi_mode_sense, NULL, {0x5a, 0x18, X2, 0, 0, 0, X2, CONTROL}},
    {0x5e, 0, 0, PASS, 5, scsi_persist_in, NULL, {0x5e, 0, 0, 0, 0, 0, 0, X2, CONTROL}},
    {0x5e, 1, 0, PASS, 5, scsi_persist_in, NULL, {0x5e, 1, 0, 0, 0, 0, 0, X2, CONTROL}},
    {0x5e, 2, 0, PASS, 5, scsi_persist_in, NULL, {0x5e, 2, 0, 0, 0, 0, 0, X2, CONTROL}},
    {0x5e, 3, 0, PASS, 5, scsi_persist_in, NULL, {0x5e, 3, 0, 0, 0, 0, 0, X2, CONTROL}},
    {0x5f, 0, 0, PASS, 5, scsi_persist_out, wants_bytes5, {0x5f, 0, 0, 0, 0, X4, CONTROL}},
    {0x5f, 1, 0, PASS, 5, scsi_persist_out, wants_bytes5, {0x5f, 1, 0xff, 0, 0, X4, CONTROL}},
    {0x5f, 2, 0, PASS, 5, scsi_persist_out, wants_bytes5, {0x5f, 2, 0xff, 0, 0, X4, CONTROL}},
    {0x5f, 3, 0, PASS, 5, scsi_persist_out, wants_bytes5, {0x5f, 3, 0, 0, 0, X4, CONTROL}},
    {0x5f, 4, 0, PASS, 5, scsi_persist_out, wants_bytes5, {0x5f, 4, 0xff, 0, 0, X4, CONTROL}},
    {0x5f, 5, 0, PASS, 60, scsi_persist_out, wants_bytes5, {0x5f, 5, 0xff, 0, 0, X4, CONTROL}},
    {0x5f, 6, 0, PASS, 5, scsi_persist_out, wants_bytes5, {0x5f, 6, 0, 0, 0, X4, CONTROL}},
    {0x83,
     0,
     0,
     WRITE,
     120,
     scsi_extended_copy,
     wants_bytes10,
     {0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, X4, 0, CONTROL}},
    {0x84,
     0,
     0,
     WRITE,
     5,
     scsi_copy_status,
     NULL,
     {0x84, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, X4, 0, CONTROL}},
    {0x84,
     3,
     0,
     WRITE,
     5,
     scsi_copy_parameters,
     NULL,
     {0x84, 3, 0, 0, 0, 0, 0, 0, 0, 0, X4, 0, CONTROL}},
    {0x88, -1, 0, READ, 60, scsi_read, NULL, {0x88, 0xf8, X8, X4, 0, CONTROL}},
    {0x89,
     -1,
     SCSI_WRITES,
     WRITE,
     60,
     scsi_compare_write,
     wants_compare,
     {0x89, 0xf8, X8, 0, 0, 0, 0xff, 0, CONTROL}},
    {0x8a, -1, SCSI_WRITES, WRITE, 60, scsi_write, wants_blocks, {0x8a, 0xf8, X8, X4, 0, CONTROL}},
    {0x8b,
     -1,
     SCSI_WRITES,
     WRITE,
     60,
     scsi_orwrite,
     wants_blocks,
     {0x8b, 0xf8, X8, X4, 0, CONTROL}},
    {0x8e,
     -1,
     SCSI_WRITES,
     WRITE,
     60,
     scsi_write_verify,
     wants_blocks,
     {0x8e, 0xf6, X8, X4, 0, CONTROL}},
    {0x8f, -1, 0, READ, 120, scsi_verify, wants_verify, {0x8f, 0xf6, X8, X4, 0, CONTROL}},
    {0x90, -1, 0, READ, 5, scsi_prefetch, NULL, {0x90, 0, X8, X4, 0, CONTROL}},
    {0x91, -1, 0, WRITE, 120, scsi_synchronize, NULL, {0x91, 0, X8, X4, 0, CONTROL}},
    {0x93,
     -1,
     SCSI_WRITES,
     WRITE,
     120,
     scsi_write_same,
     wants_pattern,
     {0x93, 0xff, X8, X4, 0, CONTROL}},
    {0x9e,
     0x10,
     0,
     PASS,
     5,
     scsi_read_capacity16,
     NULL,
     {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, X4, 0, CONTROL}},
    {0x9e, 0x12, 0, READ, 30, scsi_lba_status, NULL, {0x9e, 0x12, X8, X4, 0, CONTROL}},
    {0xa0, -1, ANY, FREE, 5, scsi_report_luns, NULL, {0xa0, 0, 0xff, 0, 0, 0, X4, 0, CONTROL}},
    {0xa3,
     0x0c,
     0,
     PASS,
     5,
     scsi_report_opcodes,
     NULL,
     {0xa3, 0x0c, 0x87, 0xff, X2, X4, 0, CONTROL}},
    {0xa3,
     0x0d,
     0,
     PASS,
     5,
     scsi_report_functions,
     NULL,
     {0xa3, 0x0d, 0x80, 0, 0, 0, X4, 0, CONTROL}},
    {0xa8, -1, 0, READ, 60, scsi_read, NULL, {0xa8, 0xf8, X4, X4, 0, CONTROL}},
    {0xaa, -1, SCSI_WRITES, WRITE, 60, scsi_write, wants_blocks, {0xaa, 0xf8, X4, X4, 0, CONTROL}},
    {0xae,
     -1,
     SCSI_WRITES,
     WRITE,
     60,
     scsi_write_verify,
     wants_blocks,
     {0xae, 0xf6, X4, X4, 0, CONTROL}},
    {0xaf, -1, 0, READ, 120, scsi_verify, wants_verify, {0xaf, 0xf6, X4, X4, 0, CONTROL}},
    {0xb7, -1, 0, READ, 5, scsi_read_defects, NULL, {0xb7, 0x1f, 0, 0, 0, 0, X4, 0, CONTROL}},
};

const struct scsi_command *
scsi_command_at(guint i)
{
    return i < G_N_ELEMENTS(rows) ? &rows[i] : NULL;
}

/* Sixty rows: the table is short enough to be walked for each task. */
const struct scsi_command *
scsi_command_find(guint8 opcode, guint action, gboolean *ret_opcode)
{
    *ret_opcode = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].opcode != opcode)
            continue;
        *ret_opcode = TRUE;
        if (rows[i].action < 0 || (guint)rows[i].action == action)
            return &rows[i];
    }
    return NULL;
}

gboolean
scsi_command_is_for(const struct scsi_command *command, const struct scsi_unit *unit)
{
    if (unit == NULL)
        return (command->flags & SCSI_WITHOUT_UNIT) != 0;
    return unit->thin || !(command->flags & SCSI_NEEDS_THIN);
}

guint
scsi_command_length(guint8 opcode)
{
    static const guint8 lengths[] = {6, 10, 10, 16, 16, 12, 16, 16};
    return lengths[opcode >> 5];
}
