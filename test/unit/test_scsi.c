/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a unit says of itself, what it refuses, and what is told to whom. */
#include "scsi_fixture.h"

/* ---- Units ----------------------------------------------------------------------------------- */

static void
test_add(void)
{
    auto_ptr(rig) rig = rig_new(512);
    auto_ptr(disk) odd = disk_memory_new(5000, "odd");
    struct {
        struct scsi_unit_options options;
        const char *words;
    } rows[] = {
        {{rig->disk, 0, "x", NULL, 512, FALSE}, "LUN 0 is there already; choose another"},
        {{rig->disk, 256, "x", NULL, 512, FALSE}, "LUN 256: the highest is 255"},
        {{rig->disk, 1, "x", NULL, 520, FALSE},
         "LUN 1: blocks of 520 bytes are not possible; use 512 or 4096"},
        {{odd, 1, "x", NULL, 512, FALSE},
         "LUN 1: disk odd has 5000 bytes, which is no whole number of blocks of 512 bytes"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(scsi_device_add(rig->device, &rows[i].options, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
        g_assert_cmpstr(error->message, ==, rows[i].words);
    }
}

static void
test_luns(void)
{
    auto_ptr(rig) rig = rig_new(512);
    rig->second = disk_memory_new(RIG_SIZE, "second");
    rig_add(rig, rig->second, 7, FALSE);
    /* Who was there is told, once. */
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x00), 0x063f0e);
    ASSERT_GOOD(SEND(rig, rig->a, 0x00));
    ASSERT_GOOD(SEND(rig, rig->a, 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    g_assert_cmpuint(rig_number(rig, 0, 4), ==, 16);
    g_assert_cmpuint(rig->task.in_length, ==, 24);
    g_assert_cmphex(rig_number(rig, 8, 8), ==, 0);
    g_assert_cmphex(rig_number(rig, 16, 8), ==, 0x0007000000000000);
    ASSERT_GOOD(SEND(rig, rig->b, 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    ASSERT_GOOD(SEND(rig, rig->b, 0x00));                            /* it knows */
    ASSERT_GOOD(SEND(rig, rig->a, 0xa0, 0, 1, 0, 0, 0, 0, 0, 1, 0)); /* well known ones */
    g_assert_cmpuint(rig_number(rig, 0, 4), ==, 0);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0xa0, 0, 3, 0, 0, 0, 0, 0, 1, 0), SENSE_CDB);

    static const struct {
        guint8 lun[8];
        gboolean there;
    } rows[] = {
        {{0}, TRUE},           {{0, 7}, TRUE},           {{0x40, 7}, TRUE},  {{0, 1}, FALSE},
        {{0x41, 7}, FALSE},    {{1, 7}, FALSE},          {{0x80, 7}, FALSE}, {{0xc1, 1}, FALSE},
        {{0, 7, 0, 1}, FALSE}, {{0, 7, 0, 0, 1}, FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(scsi_unit_exists(rig->a, rows[i].lun), ==, rows[i].there);

    rig->lun = 5;
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x00), SENSE_NO_UNIT);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0xfe), SENSE_NO_UNIT);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), SENSE_NO_UNIT);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 0, 0, 0, 255));
    g_assert_cmphex(rig->in.data[0], ==, 0x7f);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x12, 1, 0x83, 0, 255), SENSE_NO_UNIT);
    ASSERT_GOOD(SEND(rig, rig->a, 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    ASSERT_GOOD(SEND(rig, rig->a, 0x03, 0, 0, 0, 18));
    g_assert_cmphex(rig_number(rig, 2, 1), ==, 5);
    g_assert_cmphex(rig_number(rig, 12, 2), ==, 0x2500);
}

/* ---- Who it is ------------------------------------------------------------------------------- */

static void
test_inquiry(void)
{
    auto_ptr(rig) rig = rig_new(512);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 0, 0, 1, 0));
    g_assert_cmpuint(rig->task.in_length, ==, 96);
    g_assert_cmpuint(rig_number(rig, 4, 1), ==, 91);
    g_assert_cmpmem(rig->in.data + 8, 28, "SLIPWAY Test            1.0 ", 28);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 0, 0, 0, 5)); /* as Linux begins */
    g_assert_cmpuint(rig->task.in_length, ==, 5);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 0, 0, 0, 0));
    g_assert_cmpuint(rig->task.in_length, ==, 0);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x12, 0, 0x80, 0, 96), SENSE_CDB);
    g_assert_cmpmem(rig->task.sense + 15, 3, "\xc0\x00\x02", 3); /* byte 2 of the CDB */
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x12, 2, 0, 0, 96), SENSE_CDB);
    g_assert_cmpmem(rig->task.sense + 15, 3, "\xc9\x00\x01", 3); /* bit 1 of byte 1 */
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x12, 1, 0xc7, 0, 96), SENSE_CDB);
    /* A control byte that asks for what there is not. */
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x12, 0, 0, 0, 96, 4), SENSE_CDB);
}

/* Every page that is listed is there, says its number and its length. */
static void
test_pages(void)
{
    auto_ptr(rig) rig = rig_new(512);
    guint8 pages[32];
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0, 0, 255));
    gsize n = rig_number(rig, 2, 2);
    g_assert_cmpuint(rig->task.in_length, ==, 4 + n);
    memcpy(pages, rig->in.data + 4, n);
    for (gsize i = 0; i < n; i++) {
        g_assert_true(i == 0 || pages[i] > pages[i - 1]);
        ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, pages[i], 4, 0));
        g_assert_cmphex(rig_number(rig, 0, 2), ==, pages[i]);
        g_assert_cmpuint(rig_number(rig, 2, 2) + 4, ==, rig->task.in_length);
        ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, pages[i], 0, 4));
        g_assert_cmpuint(rig->task.in_length, ==, 4);
    }
}

/* The designators are well formed, and a disk keeps its name over devices, but not over identities.
 */
static void
test_designators(void)
{
    auto_ptr(rig) rig = rig_new(512);
    auto_ptr(rig) again = rig_new(4096);
    rig->second = disk_memory_new(RIG_SIZE, "second");
    rig_add(rig, rig->second, 1, FALSE);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0x83, 4, 0));
    gsize end = 4 + rig_number(rig, 2, 2), names = 0, n = 0;
    for (gsize at = 4; at < end; n++) {
        gsize length = rig_number(rig, at + 3, 1);
        guint type = (guint)rig_number(rig, at + 1, 1) & 0x0f;
        g_assert_cmpuint(at + 4 + length, <=, end);
        if (type == 8) { /* a name is text, with NULs behind it only */
            names++;
            g_assert_cmpuint(length % 4, ==, 0);
            g_assert_cmpuint(rig->in.data[at + 4 + length - 1], ==, 0);
            g_assert_true(g_str_has_prefix((const char *)rig->in.data + at + 4, "iqn.2001"));
        }
        at += 4 + length;
    }
    g_assert_cmpuint(names, ==, 2);
    g_assert_cmpuint(n, ==, 6);
    guint64 naa = rig_number(rig, 8, 8);
    g_assert_cmphex(naa >> 60, ==, 3);
    ASSERT_GOOD(SEND(again, again->a, 0x12, 1, 0x83, 4, 0));
    g_assert_cmphex(rig_number(again, 8, 8), ==, naa);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0x80, 4, 0));
    g_autofree char *serial = g_strndup((const char *)rig->in.data + 4, 32);
    rig->lun = 1;
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0x83, 4, 0));
    g_assert_cmphex(rig_number(rig, 8, 8), !=, naa);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0x80, 4, 0));
    g_assert_cmpint(strncmp((const char *)rig->in.data + 4, serial, 32), !=, 0);
}

static void
test_capacity(void)
{
    static const guint sizes[] = {512, 4096};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        auto_ptr(rig) rig = rig_new(sizes[i]);
        ASSERT_GOOD(SEND(rig, rig->a, 0x25));
        g_assert_cmpuint(rig_number(rig, 0, 4), ==, RIG_SIZE / sizes[i] - 1);
        g_assert_cmpuint(rig_number(rig, 4, 4), ==, sizes[i]);
        ASSERT_GOOD(SEND(rig, rig->a, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32));
        g_assert_cmpuint(rig_number(rig, 0, 8), ==, RIG_SIZE / sizes[i] - 1);
        g_assert_cmpuint(rig_number(rig, 8, 4), ==, sizes[i]);
        g_assert_cmphex(rig_number(rig, 14, 1), ==, 0xc0);
        /* What the limits say is what holds. */
        ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0xb0, 0, 64));
        g_assert_cmpuint(rig_number(rig, 8, 4), ==, SCSI_TRANSFER_MAX / sizes[i]);
        guint max = SCSI_TRANSFER_MAX / sizes[i];
        ASSERT_GOOD(SEND(rig, rig->a, 0xa8, 0, 0, 0, 0, 0, 0, (guint8)(max >> 16),
                         (guint8)(max >> 8), (guint8)max));
        g_assert_cmpuint(rig->task.in_length, ==, SCSI_TRANSFER_MAX);
        max++;
        ASSERT_SENSE(rig,
                     SEND(rig, rig->a, 0xa8, 0, 0, 0, 0, 0, 0, (guint8)(max >> 16),
                          (guint8)(max >> 8), (guint8)max),
                     SENSE_CDB);
    }
    /* More than READ CAPACITY(10) can say. */
    auto_ptr(rig) huge = rig_over(disk_memory_new((guint64)5 << 40, "huge"), 512, FALSE);
    ASSERT_GOOD(SEND(huge, huge->a, 0x25));
    g_assert_cmphex(rig_number(huge, 0, 4), ==, 0xffffffff);
    ASSERT_GOOD(SEND(huge, huge->a, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12));
    g_assert_cmpuint(huge->task.in_length, ==, 12);
    g_assert_cmpuint(rig_number(huge, 0, 8), ==, ((guint64)5 << 40) / 512 - 1);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* What is reported is there, and what is not is not, for every opcode. */
static void
test_opcodes(void)
{
    auto_ptr(rig) rig = rig_new(512);
    ASSERT_GOOD(SEND(rig, rig->a, 0xa3, 0x0c, 0x80, 0, 0, 0, 0, 1, 0, 0));
    gsize length = rig_number(rig, 0, 4);
    g_assert_cmpuint(rig->task.in_length, ==, 4 + length);
    g_assert_cmpuint(length % 20, ==, 0);
    g_autofree guint8 *rows = g_memdup2(rig->in.data + 4, length);
    gboolean there[256] = {FALSE};
    for (const guint8 *row = rows; row < rows + length; row += 20) {
        there[row[0]] = TRUE;
        g_assert_cmphex(row[5] & 0x02, ==, 0x02);
        ASSERT_GOOD(SEND(rig, rig->a, 0xa3, 0x0c, 0x03, row[0], row[2], row[3], 0, 0, 1, 0));
        g_assert_cmphex(rig_number(rig, 1, 1), ==, 3);
        g_assert_cmpuint(rig_number(rig, 2, 2), ==, row[7]);
        g_assert_cmpuint(rig->task.in_length, ==, 4u + row[7]);
        g_assert_cmphex(rig_number(rig, 4, 1), ==, row[0]);
        g_assert_cmphex(rig_number(rig, 3 + row[7], 1), ==, 0x04); /* the control byte */
        guint8 options = row[5] & 1 ? 0x01 : 0x02;                 /* the way that does not fit */
        ASSERT_SENSE(rig,
                     SEND(rig, rig->a, 0xa3, 0x0c, options, row[0], row[2], row[3], 0, 0, 1, 0),
                     SENSE_CDB);
    }
    for (guint opcode = 0; opcode < 256; opcode++) {
        if (there[opcode])
            continue;
        ASSERT_SENSE(rig, SEND(rig, rig->a, (guint8)opcode), SENSE_OPCODE);
        ASSERT_GOOD(SEND(rig, rig->a, 0xa3, 0x0c, 0x01, (guint8)opcode, 0, 0, 0, 0, 1, 0));
        g_assert_cmphex(rig_number(rig, 0, 4), ==, 0x00010000);
    }
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x9e, 0x1f), SENSE_CDB); /* a service action */
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0xa3, 0x0c, 0x04, 0, 0, 0, 0, 0, 1, 0), SENSE_CDB);
    ASSERT_GOOD(SEND(rig, rig->a, 0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 16));
    g_assert_cmpuint(rig->task.in_length, ==, 16);
}

static void
test_small(void)
{
    auto_ptr(rig) rig = rig_new(512);
    ASSERT_GOOD(SEND(rig, rig->a, 0x4d, 0, 0x40, 0, 0, 0, 0, 0, 255));
    g_assert_cmpuint(rig->task.in_length, ==, 4 + 3);
    ASSERT_GOOD(SEND(rig, rig->a, 0x4d, 0, 0x4d, 0, 0, 0, 0, 0, 255));
    ASSERT_GOOD(SEND(rig, rig->a, 0x4d, 0, 0x6f, 0, 0, 0, 0, 0, 255));
    g_assert_cmpuint(rig->task.in_length, ==, 4 + 8);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x4d, 0, 0x42, 0, 0, 0, 0, 0, 255), SENSE_CDB);
    ASSERT_GOOD(SEND(rig, rig->a, 0x1b, 0, 0, 0, 1));
    ASSERT_GOOD(SEND(rig, rig->a, 0x1b, 0, 0, 0, 0));
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x1b, 0, 0, 0, 2), SENSE_CDB); /* no medium to eject */
    ASSERT_GOOD(SEND(rig, rig->a, 0x1d, 0x04));
    ASSERT_GOOD(SEND(rig, rig->a, 0x37, 0, 0x0d, 0, 0, 0, 0, 0, 4));
    g_assert_cmphex(rig_number(rig, 0, 4), ==, 0x000d0000);
    ASSERT_GOOD(SEND(rig, rig->a, 0xb7, 0x08, 0, 0, 0, 0, 0, 0, 0, 8));
    g_assert_cmpuint(rig->task.in_length, ==, 8);
}

/* ---- Mode parameters ------------------------------------------------------------------------- */

/* MODE SELECT(6) of the control page with these bytes 2 and 4. */
static enum scsi_status
select_control(struct rig *rig, guint8 byte2, guint8 byte4)
{
    const guint8 list[] = {0, 0, 0, 0, 0x0a, 0x0a, byte2, 0x10, byte4, 0, 0, 0, 0xff, 0xff, 0, 0};
    return SEND_OUT(rig, rig->a, list, sizeof list, 0x15, 0x10, 0, 0, sizeof list);
}

static void
test_mode_sense(void)
{
    auto_ptr(rig) rig = rig_new(512);
    ASSERT_GOOD(SEND(rig, rig->a, 0x1a, 0, 0x3f, 0, 255));
    gsize all = rig->task.in_length;
    g_assert_cmpuint(rig_number(rig, 0, 1), ==, all - 1);
    g_assert_cmphex(rig_number(rig, 2, 2), ==, 0x1008); /* DPOFUA; a block descriptor */
    g_assert_cmpuint(rig_number(rig, 4, 8), ==, (RIG_SIZE / 512) << 32 | 512);
    ASSERT_GOOD(SEND(rig, rig->a, 0x5a, 0x18, 0x3f, 0xff, 0, 0, 0, 1, 0)); /* DBD, LLBAA */
    g_assert_cmpuint(rig->task.in_length, ==, all - 12 + 8);
    ASSERT_GOOD(SEND(rig, rig->a, 0x5a, 0x10, 0x3f, 0, 0, 0, 0, 1, 0));
    g_assert_cmpuint(rig->task.in_length, ==, all - 12 + 24);
    g_assert_cmpuint(rig_number(rig, 8, 8), ==, RIG_SIZE / 512);
    ASSERT_GOOD(SEND(rig, rig->a, 0x1a, 0x08, 0x08, 0, 255));
    g_assert_cmphex(rig_number(rig, 4, 3), ==, 0x081204);                  /* WCE */
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x1a, 0, 0xc8, 0, 255), 0x053900); /* saved values */
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x1a, 0, 0x05, 0, 255), SENSE_CDB);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x1a, 0, 0x08, 1, 255), SENSE_CDB);
}

static void
test_mode_select(void)
{
    auto_ptr(rig) rig = rig_new(512);
    static const guint8 block[512] = {1};
    /* Nothing changes: nobody is told. */
    ASSERT_GOOD(select_control(rig, 0x02, 0));
    ASSERT_GOOD(SEND(rig, rig->b, 0x00));
    /* Protected by software, which the others are told of. */
    ASSERT_GOOD(select_control(rig, 0x02, 0x08));
    ASSERT_GOOD(SEND(rig, rig->a, 0x00));
    ASSERT_SENSE(rig, SEND(rig, rig->b, 0x00), 0x062a01);
    ASSERT_SENSE(rig, SEND_OUT(rig, rig->b, block, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1),
                 SENSE_PROTECTED);
    ASSERT_GOOD(SEND(rig, rig->a, 0x1a, 0x08, 0x0a, 0, 255));
    g_assert_cmphex(rig_number(rig, 2, 1), ==, 0x90);
    g_assert_cmphex(rig_number(rig, 8, 1), ==, 0x08);
    ASSERT_GOOD(SEND(rig, rig->a, 0x1a, 0x08, 0x8a, 0, 255)); /* the default */
    g_assert_cmphex(rig_number(rig, 8, 1), ==, 0);
    /* Sense in descriptors. */
    ASSERT_GOOD(select_control(rig, 0x06, 0));
    ASSERT_SENSE(rig, SEND(rig, rig->b, 0x00), 0x062a01);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x28, 0xff, 0, 0, 0, 0, 0, 0, 1), SENSE_CDB);
    g_assert_cmpuint(rig->task.sense_length, ==, 16);
    g_assert_cmpmem(rig->task.sense + 8, 8, "\x02\x06\x00\x00\xcf\x00\x01\x00", 8);
    /* What cannot be changed. */
    ASSERT_SENSE(rig, select_control(rig, 0x00, 0), SENSE_PARAMETER);
    ASSERT_SENSE(rig, select_control(rig, 0x06, 1), SENSE_PARAMETER);
    ASSERT_GOOD(select_control(rig, 0x02, 0));
    /* A reset puts all back. */
    ASSERT_GOOD(select_control(rig, 0x02, 0x08));
    g_assert_true(scsi_unit_reset(rig->a, (const guint8[8]){0}));
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x00), 0x062903);
    ASSERT_SENSE(rig, SEND(rig, rig->b, 0x00), 0x062903);
    ASSERT_GOOD(SEND_OUT(rig, rig->a, block, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1));
}

static void
test_mode_lists(void)
{
    auto_ptr(rig) rig = rig_new(512);
    static const struct {
        guint8 cdb1, length, list[32];
        guint sense;
    } rows[] = {
        {0x11, 4, {0}, SENSE_CDB},
        {0x00, 4, {0}, SENSE_CDB},
        {0x10, 0, {0}, 0},
        {0x10, 3, {0}, SENSE_LIST_LENGTH},
        {0x10, 4, {0}, 0},
        {0x10, 4, {0, 0, 0, 8}, SENSE_LIST_LENGTH},
        {0x10, 12, {0, 0, 0, 7}, SENSE_PARAMETER},
        {0x10, 12, {0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0}, 0},
        {0x10, 12, {0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 4, 0}, SENSE_PARAMETER},
        {0x10, 12, {0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 2, 0}, SENSE_PARAMETER},
        {0x10, 5, {0, 0, 0, 0, 0x0a}, SENSE_LIST_LENGTH},
        {0x10, 15, {0, 0, 0, 0, 0x0a, 0x0a}, SENSE_LIST_LENGTH},
        {0x10, 6, {0, 0, 0, 0, 0x0a, 0}, SENSE_PARAMETER},
        {0x10, 6, {0, 0, 0, 0, 0x05, 0}, SENSE_PARAMETER},
        {0x10,
         8,
         {0, 0, 0, 0, 0x4a, 1, 0, 0},
         SENSE_LIST_LENGTH - SENSE_LIST_LENGTH + SENSE_PARAMETER},
        /* A write cache that is switched off, and a page behind it that is wrong: nothing holds. */
        {0x10,
         26,
         {0, 0, 0, 0, 0x08, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0},
         SENSE_PARAMETER},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        enum scsi_status status = SEND_OUT(rig, rig->a, rows[i].list, rows[i].length, 0x15,
                                           rows[i].cdb1, 0, 0, rows[i].length);
        if (rows[i].sense == 0)
            ASSERT_GOOD(status);
        else
            ASSERT_SENSE(rig, status, rows[i].sense);
    }
    ASSERT_GOOD(SEND(rig, rig->a, 0x1a, 0x08, 0x08, 0, 255));
    g_assert_cmphex(rig_number(rig, 6, 1), ==, 0x04);
    /* A transport that brings less than the CDB says. */
    ASSERT_SENSE(rig, SEND_OUT(rig, rig->a, "", 0, 0x15, 0x10, 0, 0, 16), SENSE_LIST_LENGTH);
}

/* ---- Unit attentions ------------------------------------------------------------------------- */

static void
test_attentions(void)
{
    auto_ptr(rig) rig = rig_new(512);
    struct scsi_nexus *c = rig_join(rig, "c");
    ASSERT_GOOD(SEND(rig, c, 0x12, 0, 0, 0, 96)); /* does not take it */
    ASSERT_GOOD(SEND(rig, c, 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    ASSERT_SENSE(rig, SEND(rig, c, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0x062900);
    ASSERT_GOOD(SEND(rig, c, 0x28, 0, 0, 0, 0, 0, 0, 0, 1));
    scsi_nexus_leave(c);
    c = rig_join(rig, "c");
    ASSERT_GOOD(SEND(rig, c, 0x03, 1, 0, 0, 255)); /* takes it, in descriptor format */
    g_assert_cmphex(rig_number(rig, 0, 4), ==, 0x72062900);
    ASSERT_GOOD(SEND(rig, c, 0x03, 0, 0, 0, 255));
    g_assert_cmphex(rig_number(rig, 2, 1), ==, 0);
    ASSERT_GOOD(SEND(rig, c, 0x00));
    scsi_device_reset(c);
    ASSERT_SENSE(rig, SEND(rig, c, 0x00), 0x062903);
    ASSERT_GOOD(SEND(rig, c, 0x00));
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x00), 0x062903);
    ASSERT_SENSE(rig, SEND(rig, rig->b, 0x00), 0x062903);
    g_assert_false(scsi_unit_reset(c, (const guint8[8]){0, 1}));
    scsi_nexus_leave(c);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scsi/add", test_add);
    g_test_add_func("/scsi/luns", test_luns);
    g_test_add_func("/scsi/inquiry", test_inquiry);
    g_test_add_func("/scsi/pages", test_pages);
    g_test_add_func("/scsi/designators", test_designators);
    g_test_add_func("/scsi/capacity", test_capacity);
    g_test_add_func("/scsi/opcodes", test_opcodes);
    g_test_add_func("/scsi/small", test_small);
    g_test_add_func("/scsi/mode-sense", test_mode_sense);
    g_test_add_func("/scsi/mode-select", test_mode_select);
    g_test_add_func("/scsi/mode-lists", test_mode_lists);
    g_test_add_func("/scsi/attentions", test_attentions);
    return g_test_run();
}
