/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands with data, either way, as it may and as it may not come. */
#include "iscsi_initiator.h"

#define LONG_BLOCKS 512u /* 256 KiB */

/* Sense of the transport: ASC and ASCQ. */
#define UNEXPECTED 0x0c0c
#define TOO_LITTLE 0x0c0d
#define CRC 0x4705

static const char *const digests[] = {"", "HeaderDigest=CRC32C", "DataDigest=CRC32C",
                                      "HeaderDigest=CRC32C\nDataDigest=CRC32C"};

/* Data-In PDUs up to the status; returns the bytes. */
static GByteArray *
take_data(struct initiator *initiator, guint *ret_pdus)
{
    GByteArray *all = g_byte_array_new();
    guint n = 0;
    gboolean last = FALSE;
    while (!last) {
        initiator_expect(initiator, ISCSI_DATA_IN);
        const guint8 *bhs = initiator->bhs;
        g_assert_cmpuint(big_endian_get32(bhs + ISCSI_AT_TAG), ==, initiator->tag);
        g_assert_cmpuint(big_endian_get32(bhs + ISCSI_AT_DATA_SN), ==, n++);
        g_assert_cmpuint(big_endian_get32(bhs + ISCSI_AT_BUFFER_OFFSET), ==, all->len);
        g_byte_array_append(all, initiator->data->data, initiator->data->len);
        last = (bhs[ISCSI_AT_FLAGS] & ISCSI_STATUS) != 0;
    }
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS] & ISCSI_FINAL, ==, ISCSI_FINAL);
    *ret_pdus = n;
    return all;
}

static void
test_reads(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(digests); i++) {
        static const guint16 counts[] = {1, 2, 7, 8, 100, 512, 1000, 4096};
        auto_ptr(target) target = target_new();
        target_start(target);
        g_autofree guint8 *bytes = g_malloc(4096 * BLOCK);
        fill(bytes, 4096 * BLOCK, 5);
        g_assert_true(disk_write(target->disks[0], 10 * BLOCK, bytes, 4096 * BLOCK, NULL));
        g_autofree char *keys =
            g_strconcat("MaxRecvDataSegmentLength=65536", i > 0 ? "\n" : "", digests[i], NULL);
        auto_ptr(initiator) initiator = initiator_new(target, keys);
        initiator_settle(initiator);
        for (gsize k = 0; k < G_N_ELEMENTS(counts); k++) {
            guint8 bhs[ISCSI_BHS] = {0};
            guint pdus = 0, length = counts[k] * BLOCK;
            initiator_command(initiator, bhs, FALSE, 10, counts[k]);
            g_assert_true(initiator_send(initiator, bhs, NULL, 0));
            g_autoptr(GByteArray) data = take_data(initiator, &pdus);
            g_assert_cmpmem(data->data, data->len, bytes, length);
            g_assert_cmpuint(pdus, ==, (length + 65535) / 65536);
        }
    }
}

/* The F bit ends a burst, and PDUs are no longer than the initiator says, odd as that is. */
static void
test_read_bursts(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator =
        initiator_new(target, "MaxRecvDataSegmentLength=1001\nMaxBurstLength=2500");
    initiator_settle(initiator);
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_command(initiator, bhs, FALSE, 0, 10);
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    static const guint lengths[] = {1001, 1001, 498, 1001, 1001, 498, 120};
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        initiator_expect(initiator, ISCSI_DATA_IN);
        g_assert_cmpuint(initiator->data->len, ==, lengths[i]);
        gboolean final = i == 2 || i == 5 || i == 6;
        g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==,
                        (final ? ISCSI_FINAL : 0) | (i == 6 ? ISCSI_STATUS : 0));
    }
}

/* Many commands at once, and all answers in their order. */
static void
test_many_reads(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(digests); i += 3) {
        auto_ptr(target) target = target_new();
        target_start(target);
        g_autofree guint8 *bytes = g_malloc(1 << 20);
        fill(bytes, 1 << 20, 9);
        g_assert_true(disk_write(target->disks[0], 0, bytes, 1 << 20, NULL));
        auto_ptr(initiator) initiator = initiator_new(target, digests[i]);
        initiator_settle(initiator);
        for (guint round = 0; round < 20; round++) {
            g_autoptr(GByteArray) all = g_byte_array_new();
            guint32 first = initiator->tag + 1;
            for (guint k = 0; k < 100; k++) {
                guint8 bhs[ISCSI_BHS] = {0};
                initiator_command(initiator, bhs, FALSE, k * 16, (guint16)(1 + k % 16));
                initiator_append(initiator, all, bhs, NULL, 0);
            }
            g_assert_true(initiator_write(initiator, all->data, all->len));
            for (guint k = 0; k < 100; k++) {
                guint pdus = 0;
                initiator->tag = first + k;
                g_autoptr(GByteArray) data = take_data(initiator, &pdus);
                g_assert_cmpmem(data->data, data->len, bytes + k * 16 * BLOCK,
                                (1 + k % 16) * BLOCK);
            }
        }
    }
}

static void
test_residuals(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    initiator_settle(initiator);
    static const struct {
        guint32 expected;
        guint8 flags;
        guint32 residual, length;
    } rows[] = {{512, 0, 0, 512},
                {10000, ISCSI_UNDERFLOW, 10000 - 512, 512},
                {200, ISCSI_OVERFLOW, 312, 200},
                {0, ISCSI_OVERFLOW, 512, 0}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint8 bhs[ISCSI_BHS] = {0};
        initiator_command(initiator, bhs, FALSE, 0, 1);
        big_endian_put32(bhs + ISCSI_AT_EXPECTED, rows[i].expected);
        g_assert_true(initiator_send(initiator, bhs, NULL, 0));
        initiator_expect(initiator, rows[i].length > 0 ? ISCSI_DATA_IN : ISCSI_RESPONSE);
        g_assert_cmpuint(initiator->data->len, ==, rows[i].length);
        g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS] & 0x06, ==, rows[i].flags);
        g_assert_cmpuint(big_endian_get32(initiator->bhs + ISCSI_AT_RESIDUAL), ==,
                         rows[i].residual);
    }
}

/* ---- Writes ---------------------------------------------------------------------------------- */

/* Answer an R2T, or an unsolicited part, in pieces. */
static void
send_part(struct initiator *initiator, const guint8 *bytes, guint32 target_tag, guint32 offset,
          guint32 length, guint32 piece)
{
    guint32 data_sn = 0;
    for (guint32 at = 0; at < length;) {
        guint8 bhs[ISCSI_BHS] = {0};
        guint32 n = MIN(piece, length - at);
        initiator_data_out(bhs, initiator->tag, target_tag, data_sn++, offset + at,
                           at + n == length);
        g_assert_true(initiator_send(initiator, bhs, bytes + offset + at, n));
        at += n;
    }
}

/* Give all that is asked for, up to the response. */
static guint
serve_r2ts(struct initiator *initiator, const guint8 *bytes, guint32 piece, guint32 *ret_asked)
{
    guint32 n = 0;
    *ret_asked = 0;
    for (;;) {
        g_assert_true(initiator_receive(initiator));
        const guint8 *bhs = initiator->bhs;
        if (ISCSI_OPCODE(bhs) == ISCSI_RESPONSE)
            return bhs[ISCSI_AT_SCSI_STATUS];
        g_assert_cmphex(ISCSI_OPCODE(bhs), ==, ISCSI_R2T);
        g_assert_cmpuint(big_endian_get32(bhs + ISCSI_AT_DATA_SN), ==, n++);
        guint32 length = big_endian_get32(bhs + ISCSI_AT_R2T_LENGTH);
        *ret_asked += length;
        send_part(initiator, bytes, big_endian_get32(bhs + ISCSI_AT_TARGET_TAG),
                  big_endian_get32(bhs + ISCSI_AT_BUFFER_OFFSET), length, piece);
    }
}

/* One write: `immediate` bytes with the command, then unsolicited ones when that goes, then what is
 * asked for. */
static void
write_once(struct target *target, struct initiator *initiator, guint16 blocks, guint32 immediate,
           guint32 unsolicited, guint32 piece, guint seed)
{
    guint32 length = blocks * BLOCK, asked = 0;
    g_autofree guint8 *bytes = g_malloc(length);
    guint8 bhs[ISCSI_BHS] = {0};
    fill(bytes, length, seed);
    initiator_command(initiator, bhs, TRUE, seed, blocks);
    if (unsolicited > 0)
        bhs[ISCSI_AT_FLAGS] &= (guint8)~ISCSI_FINAL;
    g_assert_true(initiator_send(initiator, bhs, bytes, immediate));
    if (unsolicited > 0)
        send_part(initiator, bytes, ISCSI_NO_TAG, immediate, unsolicited, piece);
    g_assert_cmpuint(serve_r2ts(initiator, bytes, piece, &asked), ==, SCSI_GOOD);
    g_assert_cmpuint(asked, ==, length - immediate - unsolicited);
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, ISCSI_FINAL);
    target_assert_filled(target, seed * BLOCK, length, seed);
}

static void
test_writes(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(digests); i++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        g_autofree char *keys = g_strconcat(
            "InitialR2T=No\nFirstBurstLength=65536\nMaxBurstLength=100000\nMaxOutstandingR2T=3",
            i > 0 ? "\n" : "", digests[i], NULL);
        auto_ptr(initiator) initiator = initiator_new(target, keys);
        initiator_settle(initiator);
        write_once(target, initiator, 1, BLOCK, 0, 0, 1);
        write_once(target, initiator, 8, 8 * BLOCK, 0, 0, 2);
        write_once(target, initiator, 8, 3, 0, 1001, 3);
        write_once(target, initiator, 8, 0, 0, 4096, 4);
        write_once(target, initiator, 8, 0, 4096, 4096, 5);
        write_once(target, initiator, 8, 0, 4096, 1000, 6);
        write_once(target, initiator, 8, 1000, 3096, 500, 7);
        write_once(target, initiator, LONG_BLOCKS, 0, 65536, 8192, 8);
        write_once(target, initiator, LONG_BLOCKS, 65536, 0, 262144, 9);
        write_once(target, initiator, LONG_BLOCKS, 777, 64759, 65536, 10);
        write_once(target, initiator, 2000, 0, 0, 99999, 11);
        write_once(target, initiator, 16384, 0, 0, 262144, 12);
        write_once(target, initiator, LONG_BLOCKS, 0, 1, 65536, 13); /* less than it might */
    }
}

/* With ImmediateData No and InitialR2T Yes nothing comes that is not asked for. */
static void
test_all_solicited(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator =
        initiator_new(target, "ImmediateData=No\nInitialR2T=Yes\nMaxBurstLength=512");
    initiator_settle(initiator);
    write_once(target, initiator, 20, 0, 0, 512, 1);
    for (guint i = 0; i < 2; i++) {
        guint8 bhs[ISCSI_BHS] = {0}, bytes[BLOCK] = {1};
        initiator_command(initiator, bhs, TRUE, 100, 1);
        if (i == 1)
            bhs[ISCSI_AT_FLAGS] &= (guint8)~ISCSI_FINAL;
        g_assert_true(initiator_send(initiator, bhs, bytes, i == 0 ? BLOCK : 0));
        if (i == 1)
            send_part(initiator, bytes, ISCSI_NO_TAG, 0, BLOCK, BLOCK);
        g_assert_cmpuint(initiator_status(initiator), ==, SCSI_CHECK_CONDITION);
        g_assert_cmphex(initiator_sense(initiator), ==, UNEXPECTED);
        initiator_ping(initiator);
    }
    g_autofree guint8 *there = g_malloc(BLOCK);
    g_assert_true(disk_read(target->disks[0], 100 * BLOCK, there, BLOCK, NULL));
    g_assert_cmpuint(there[0], ==, 0);
}

/* What is wrong with Data-Out fails the task, nothing is written, and the session goes on. */
static void
test_bad_data_out(void)
{
    static const struct {
        const char *what;
        guint32 data_sn, offset, length;
        gboolean final;
        guint16 sense;
    } rows[] = {
        {"a DataSN that is not its turn", 1, 0, 4096, TRUE, CRC},
        {"DataSN -1", 0xffffffff, 0, 4096, TRUE, CRC},
        {"another offset", 0, 512, 3584, TRUE, CRC},
        {"beyond the end", 0, 0, 8192, TRUE, CRC},
        {"an offset beyond all", 0, 0xfffffff0, 4096, TRUE, CRC},
        {"too little", 0, 0, 512, TRUE, TOO_LITTLE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        auto_ptr(initiator) initiator = initiator_new(target, "ImmediateData=Yes");
        initiator_settle(initiator);
        guint8 bhs[ISCSI_BHS] = {0}, bytes[8192] = {1};
        initiator_command(initiator, bhs, TRUE, 0, 8);
        g_assert_true(initiator_send(initiator, bhs, NULL, 0));
        initiator_expect(initiator, ISCSI_R2T);
        guint8 out[ISCSI_BHS] = {0};
        initiator_data_out(out, initiator->tag,
                           big_endian_get32(initiator->bhs + ISCSI_AT_TARGET_TAG), rows[i].data_sn,
                           rows[i].offset, rows[i].final);
        g_assert_true(initiator_send(initiator, out, bytes, rows[i].length));
        g_assert_cmpuint(initiator_status(initiator), ==, SCSI_CHECK_CONDITION);
        g_assert_cmphex(initiator_sense(initiator), ==, rows[i].sense);
        g_assert_true(disk_read(target->disks[0], 0, bytes, sizeof bytes, NULL));
        g_assert_cmpuint(bytes[0], ==, 0);
        write_once(target, initiator, 8, 0, 0, 4096, 3);
    }
}

/* Data-Out that belongs to nothing is dropped. */
static void
test_stray_data_out(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    initiator_settle(initiator);
    guint8 bytes[3000] = {1};
    for (guint i = 0; i < 4; i++) {
        guint8 bhs[ISCSI_BHS] = {0};
        initiator_data_out(bhs, i, i % 2 ? 77 : ISCSI_NO_TAG, i, 0, TRUE);
        g_assert_true(initiator_send(initiator, bhs, bytes, i * 999));
        initiator_ping(initiator);
    }
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_command(initiator, bhs, TRUE, 0, 4);
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator_expect(initiator, ISCSI_R2T);
    guint32 right = big_endian_get32(initiator->bhs + ISCSI_AT_TARGET_TAG);
    guint8 out[ISCSI_BHS] = {0};
    initiator_data_out(out, initiator->tag, right + 1, 0, 0, TRUE);
    g_assert_true(initiator_send(initiator, out, bytes, 2048));
    initiator_data_out(out, initiator->tag, ISCSI_NO_TAG, 0, 0, TRUE);
    g_assert_true(initiator_send(initiator, out, bytes, 2048));
    initiator_data_out(out, initiator->tag, right, 0, 0, TRUE);
    g_assert_true(initiator_send(initiator, out, bytes, 2048));
    g_assert_cmpuint(initiator_status(initiator), ==, SCSI_GOOD);
}

/* Damage on the way is seen by the data digest, wherever the data comes. */
static void
test_damaged_data(void)
{
    for (guint i = 0; i < 3; i++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        auto_ptr(initiator) initiator =
            initiator_new(target, "DataDigest=CRC32C\nHeaderDigest=CRC32C");
        initiator_settle(initiator);
        g_autoptr(GByteArray) sent = g_byte_array_new();
        guint8 bhs[ISCSI_BHS] = {0}, bytes[4096] = {1};
        initiator_command(initiator, bhs, TRUE, 0, 8);
        if (i == 0) {
            initiator_append(initiator, sent, bhs, bytes, sizeof bytes);
        } else {
            g_assert_true(initiator_send(initiator, bhs, NULL, 0));
            initiator_expect(initiator, ISCSI_R2T);
            guint8 out[ISCSI_BHS] = {0};
            initiator_data_out(out, initiator->tag,
                               big_endian_get32(initiator->bhs + ISCSI_AT_TARGET_TAG), 0, 0, TRUE);
            initiator_append(initiator, sent, out, bytes, sizeof bytes);
        }
        sent->data[i == 2 ? sent->len - 1 : ISCSI_BHS + ISCSI_DIGEST + 100] ^= 0x10;
        g_assert_true(initiator_write(initiator, sent->data, sent->len));
        g_assert_cmpuint(initiator_status(initiator), ==, SCSI_CHECK_CONDITION);
        g_assert_cmphex(initiator_sense(initiator), ==, CRC);
        g_assert_true(disk_read(target->disks[0], 0, bytes, sizeof bytes, NULL));
        g_assert_cmpuint(bytes[0], ==, 0);
        write_once(target, initiator, 8, 4096, 0, 0, 3);
    }
}

/* A request but a command is rejected, a damaged header ends all. */
static void
test_damaged_requests(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "DataDigest=CRC32C\nHeaderDigest=CRC32C");
    g_autoptr(GByteArray) sent = g_byte_array_new();
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_request(initiator, bhs, ISCSI_NOP_OUT);
    initiator_append(initiator, sent, bhs, "ping", 4);
    sent->data[ISCSI_BHS + ISCSI_DIGEST] ^= 1;
    g_assert_true(initiator_write(initiator, sent->data, sent->len));
    initiator_expect(initiator, ISCSI_REJECT);
    g_assert_cmphex(initiator->bhs[ISCSI_AT_RESPONSE], ==, 0x02);
    g_assert_cmpmem(initiator->data->data, initiator->data->len, sent->data, ISCSI_BHS);
    initiator_ping(initiator);
    sent->data[ISCSI_BHS - 1] ^= 1;
    g_assert_true(initiator_write(initiator, sent->data, sent->len));
    initiator_expect_end(initiator);
    target_assert_logged(target, "a header was damaged");
    target_await_sessions(target, 0);
}

/* Many large writes at once: what they may hold is bounded, and all come to their end. */
static void
test_many_writes(void)
{
    enum { N = 24, BLOCKS = 2048 }; /* 24 MiB, more than is asked for at once */
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator =
        initiator_new(target, "MaxBurstLength=1048576\nMaxOutstandingR2T=2");
    initiator_settle(initiator);
    g_autofree guint8 *bytes = g_malloc(BLOCKS * BLOCK);
    guint32 first = initiator->tag + 1;
    for (guint i = 0; i < N; i++) {
        guint8 bhs[ISCSI_BHS] = {0};
        initiator_command(initiator, bhs, TRUE, i * BLOCKS, BLOCKS);
        g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    }
    guint responses = 0, asked = 0, most = 0;
    GQueue waiting = G_QUEUE_INIT;
    while (responses < N) {
        g_assert_true(initiator_receive(initiator));
        if (ISCSI_OPCODE(initiator->bhs) == ISCSI_RESPONSE) {
            g_assert_cmpuint(initiator->bhs[ISCSI_AT_SCSI_STATUS], ==, SCSI_GOOD);
            responses++;
            asked--;
        } else {
            g_assert_cmphex(ISCSI_OPCODE(initiator->bhs), ==, ISCSI_R2T);
            asked++;
            most = MAX(most, asked);
            g_queue_push_tail(&waiting, g_memdup2(initiator->bhs, ISCSI_BHS));
        }
        /* Give nothing until all that may be asked for was. */
        if (responses == 0 && asked < 16)
            continue;
        g_autofree guint8 *r2t = g_queue_pop_head(&waiting);
        if (r2t == NULL)
            continue;
        initiator->tag = big_endian_get32(r2t + ISCSI_AT_TAG);
        fill(bytes, BLOCKS * BLOCK, initiator->tag - first);
        send_part(initiator, bytes, big_endian_get32(r2t + ISCSI_AT_TARGET_TAG), 0, BLOCKS * BLOCK,
                  262144);
    }
    g_assert_cmpuint(most, ==, 16);
    for (guint i = 0; i < N; i++)
        target_assert_filled(target, (guint64)i * BLOCKS * BLOCK, BLOCKS * BLOCK, i);
}

/* Writes that wait for their data close the window, one by one. */
static void
test_window(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    initiator_settle(initiator);
    initiator_ping(initiator);
    guint32 max = initiator->max_cmd_sn;
    g_assert_cmpuint(max, ==, initiator->cmd_sn + 127);
    for (guint i = 0; i < 128; i++) {
        guint8 bhs[ISCSI_BHS] = {0};
        initiator_command(initiator, bhs, TRUE, 0, 1);
        g_assert_true(initiator_send(initiator, bhs, NULL, 0));
        initiator_expect(initiator, ISCSI_R2T);
        g_assert_cmpuint(initiator->max_cmd_sn, ==, max);
    }
    /* What goes beyond it is not heard. */
    guint8 bhs[ISCSI_BHS] = {0}, bytes[BLOCK] = {0};
    initiator_command(initiator, bhs, FALSE, 0, 1);
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator->cmd_sn--;
    initiator->tag--;
    send_part(initiator, bytes, big_endian_get32(initiator->bhs + ISCSI_AT_TARGET_TAG), 0, BLOCK,
              BLOCK);
    g_assert_cmpuint(initiator_status(initiator), ==, SCSI_GOOD);
    g_assert_cmpuint(initiator->max_cmd_sn, ==, max + 1);
    initiator_ping(initiator);
}

/* Immediate commands have no turn, and no end of them would be held otherwise. */
static void
test_immediate_flood(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    initiator_settle(initiator);
    for (guint i = 0; i < 300; i++) {
        guint8 bhs[ISCSI_BHS] = {0};
        initiator_command(initiator, bhs, TRUE, 0, 1);
        bhs[0] |= ISCSI_IMMEDIATE;
        initiator->cmd_sn--;
        g_assert_true(initiator_send(initiator, bhs, NULL, 0));
        initiator_expect(initiator, i < 128 ? ISCSI_R2T : ISCSI_REJECT);
        g_assert_cmpuint(initiator->max_cmd_sn, ==, initiator->cmd_sn + 126 - MIN(i, 127));
        if (i >= 128)
            g_assert_cmphex(initiator->bhs[ISCSI_AT_RESPONSE], ==, 0x06);
    }
}

/* Bytes one by one, and all kinds of cuts: the same answers. */
static void
test_cuts(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator =
        initiator_new(target, "HeaderDigest=CRC32C\nDataDigest=CRC32C\nInitialR2T=No");
    initiator_settle(initiator);
    for (guint step = 1; step < 2000; step = step * 3 + 1) {
        g_autoptr(GByteArray) sent = g_byte_array_new();
        guint8 bytes[4096], bhs[ISCSI_BHS] = {0}, out[ISCSI_BHS] = {0};
        fill(bytes, sizeof bytes, step);
        initiator_command(initiator, bhs, TRUE, 0, 8);
        bhs[ISCSI_AT_FLAGS] &= (guint8)~ISCSI_FINAL;
        initiator_append(initiator, sent, bhs, bytes, 1001);
        initiator_data_out(out, initiator->tag, ISCSI_NO_TAG, 0, 1001, FALSE);
        initiator_append(initiator, sent, out, bytes + 1001, 1999);
        initiator_data_out(out, initiator->tag, ISCSI_NO_TAG, 1, 3000, TRUE);
        initiator_append(initiator, sent, out, bytes + 3000, 1096);
        for (guint at = 0; at < sent->len; at += step) {
            g_assert_true(initiator_write(initiator, sent->data + at, MIN(step, sent->len - at)));
            if (at % 500 < step)
                g_usleep(200);
        }
        g_assert_cmpuint(initiator_status(initiator), ==, SCSI_GOOD);
        target_assert_filled(target, 0, sizeof bytes, step);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iscsi-data/reads", test_reads);
    g_test_add_func("/iscsi-data/read-bursts", test_read_bursts);
    g_test_add_func("/iscsi-data/many-reads", test_many_reads);
    g_test_add_func("/iscsi-data/residuals", test_residuals);
    g_test_add_func("/iscsi-data/writes", test_writes);
    g_test_add_func("/iscsi-data/all-solicited", test_all_solicited);
    g_test_add_func("/iscsi-data/bad-data-out", test_bad_data_out);
    g_test_add_func("/iscsi-data/stray-data-out", test_stray_data_out);
    g_test_add_func("/iscsi-data/damaged-data", test_damaged_data);
    g_test_add_func("/iscsi-data/damaged-requests", test_damaged_requests);
    g_test_add_func("/iscsi-data/many-writes", test_many_writes);
    g_test_add_func("/iscsi-data/window", test_window);
    g_test_add_func("/iscsi-data/immediate-flood", test_immediate_flood);
    g_test_add_func("/iscsi-data/cuts", test_cuts);
    return g_test_run();
}
