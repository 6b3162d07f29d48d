/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Space that is given back, units that cannot be written, and disks that fail. */
#include "scsi_fixture.h"

#include "disk/disk_driver.h"

struct form {
    guint8 write;
    guint cdb_length;
};

/* ---- WRITE SAME, UNMAP, GET LBA STATUS ------------------------------------------------------- */

static void
test_write_same(void)
{
    static const struct form rows[] = {{0x41, 10}, {0x93, 16}};
    auto_ptr(rig) rig = rig_new(512);
    gsize n = 5000;
    g_autofree guint8 *expected = g_malloc(n * 512);
    guint8 block[512], cdb[16];
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        rig_fill(block, 512, (guint)i + 30);
        for (gsize k = 0; k < n; k++)
            memcpy(expected + k * 512, block, 512);
        ASSERT_GOOD(rig_send_form(rig, rows[i].write, rows[i].cdb_length, 3, n, block, 512));
        rig_assert_disk(rig->disk, 3 * 512, expected, n * 512);
        rig_assert_disk(rig->disk, (3 + n) * 512, (guint8[512]){0}, 512);
        /* UNMAP with a pattern that is no zeros: what is read back is the pattern. */
        rig_fill(block, 512, (guint)i + 40);
        rig_cdb(cdb, rows[i].write, rows[i].cdb_length, 7, 100);
        cdb[1] = 0x08;
        ASSERT_GOOD(rig_send(rig, rig->a, block, 512, cdb, 16));
        rig_assert_disk(rig->disk, 106 * 512, block, 512);
        memset(block, 0, 512);
        ASSERT_GOOD(rig_send(rig, rig->a, block, 512, cdb, 16));
        memset(expected, 0, 100 * 512);
        rig_assert_disk(rig->disk, 7 * 512, expected, 100 * 512);
        /* 0 blocks, an anchor, and what is obsolete. */
        ASSERT_SENSE(rig, rig_send_form(rig, rows[i].write, rows[i].cdb_length, 3, 0, block, 512),
                     SENSE_CDB);
        static const guint8 bits[] = {0x10, 0x18, 0x02, 0x04};
        for (gsize k = 0; k < G_N_ELEMENTS(bits); k++) {
            cdb[1] = bits[k];
            ASSERT_SENSE(rig, rig_send(rig, rig->a, block, 512, cdb, 16), SENSE_CDB);
        }
    }
    rig_cdb(cdb, 0x93, 16, 3, 1000); /* no data at all */
    cdb[1] = 0x01;
    ASSERT_GOOD(rig_send(rig, rig->a, NULL, 0, cdb, 16));
    memset(expected, 0, 1000 * 512);
    rig_assert_disk(rig->disk, 3 * 512, expected, 1000 * 512);
    struct scsi_task task = {.in = &rig->in, .offered = 512}; /* but some is offered */
    memcpy(task.cdb, cdb, 16);
    scsi_execute(rig->a, &task);
    rig->task = task;
    ASSERT_SENSE(rig, task.status, 0x050e03);
    rig_cdb(cdb, 0x41, 10, 3, 1);
    cdb[1] = 0x01;
    ASSERT_SENSE(rig, rig_send(rig, rig->a, block, 512, cdb, 16), SENSE_CDB);
    /* More than the limits page allows. */
    auto_ptr(rig) huge = rig_over(disk_memory_new((guint64)5 << 40, "huge"), 512, FALSE);
    ASSERT_GOOD(rig_send_form(huge, 0x93, 16, (guint64)1 << 33, (16 << 20) / 512, block, 512));
    ASSERT_SENSE(huge, rig_send_form(huge, 0x93, 16, 0, (16 << 20) / 512 + 1, block, 512),
                 SENSE_CDB);
}

/* A list of UNMAP over `n` descriptors. */
static gsize
make_unmap(guint8 *list, const guint64 (*ranges)[2], guint n)
{
    gsize length = 8 + 16 * (gsize)n;
    memset(list, 0, length);
    rig_put(list, length - 2, 2);
    rig_put(list + 2, 16 * n, 2);
    for (guint i = 0; i < n; i++) {
        rig_put(list + 8 + 16 * i, ranges[i][0], 8);
        rig_put(list + 16 + 16 * i, ranges[i][1], 4);
    }
    return length;
}

static enum scsi_status
send_unmap(struct rig *rig, const guint8 *list, gsize length)
{
    return SEND_OUT(rig, rig->a, list, length, 0x42, 0, 0, 0, 0, 0, 0, (guint8)(length >> 8),
                    (guint8)length);
}

static void
test_unmap(void)
{
    auto_ptr(rig) rig = rig_new(512);
    g_autofree guint8 *data = g_malloc(1 << 20);
    guint8 list[8 + 16 * 300];
    guint64 end = RIG_SIZE / 512;
    rig_fill(data, 1 << 20, 5);
    g_assert_true(disk_write(rig->disk, 0, data, 1 << 20, NULL));
    gsize length =
        make_unmap(list, (const guint64[][2]){{2, 3}, {1000, 0}, {100, 64}, {end, 0}}, 4);
    ASSERT_GOOD(send_unmap(rig, list, length));
    memset(data + 2 * 512, 0, 3 * 512);
    memset(data + 100 * 512, 0, 64 * 512);
    rig_assert_disk(rig->disk, 0, data, 1 << 20);
    /* A bad one: nothing is done of the good ones. */
    length = make_unmap(list, (const guint64[][2]){{300, 3}, {end - 1, 2}}, 2);
    ASSERT_SENSE(rig, send_unmap(rig, list, length), SENSE_LBA);
    length = make_unmap(list, (const guint64[][2]){{300, 3}, {G_MAXUINT64, 2}}, 2);
    ASSERT_SENSE(rig, send_unmap(rig, list, length), SENSE_LBA);
    rig_assert_disk(rig->disk, 0, data, 1 << 20);
    ASSERT_SENSE(rig, send_unmap(rig, list, 7), SENSE_LIST_LENGTH);
    ASSERT_GOOD(send_unmap(rig, list, 0));
    ASSERT_GOOD(send_unmap(rig, list, 8)); /* says more descriptors than it has */
    ASSERT_SENSE(rig, SEND_OUT(rig, rig->a, list, 8, 0x42, 1, 0, 0, 0, 0, 0, 0, 8), SENSE_CDB);
    guint64 many[300][2];
    for (guint i = 0; i < 300; i++) {
        many[i][0] = i;
        many[i][1] = 1;
    }
    length = make_unmap(list, many, 256);
    ASSERT_GOOD(send_unmap(rig, list, length));
    length = make_unmap(list, many, 257);
    ASSERT_SENSE(rig, send_unmap(rig, list, length), SENSE_PARAMETER);
    auto_ptr(rig) huge = rig_over(disk_memory_new((guint64)5 << 40, "huge"), 512, FALSE);
    length = make_unmap(list, (const guint64[][2]){{0, 1 << 19}, {1 << 30, 1 << 19}}, 2);
    ASSERT_GOOD(send_unmap(huge, list, length));
    length = make_unmap(list, (const guint64[][2]){{0, 1 << 19}, {1 << 30, (1 << 19) + 1}}, 2);
    ASSERT_SENSE(huge, send_unmap(huge, list, length), SENSE_PARAMETER);
}

static void
test_lba_status(void)
{
    auto_ptr(rig) rig = rig_new(512);
    /* A disk in memory has pages of 64 KiB: 128 blocks. */
    g_assert_true(disk_write(rig->disk, 2 * 65536 + 5, "x", 1, NULL));
    g_assert_true(disk_write(rig->disk, 3 * 65536 + 5, "x", 1, NULL));
    static const struct {
        guint first, count, status;
    } rows[] = {{10, 246, 1}, {256, 256, 0}, {512, RIG_SIZE / 512 - 512, 1}};
    ASSERT_GOOD(SEND(rig, rig->a, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 0));
    g_assert_cmpuint(rig_number(rig, 0, 4), ==, 4 + 16 * 3);
    g_assert_cmpuint(rig->task.in_length, ==, 8 + 16 * 3);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpuint(rig_number(rig, 8 + 16 * i, 8), ==, rows[i].first);
        g_assert_cmpuint(rig_number(rig, 16 + 16 * i, 4), ==, rows[i].count);
        g_assert_cmpuint(rig_number(rig, 20 + 16 * i, 1), ==, rows[i].status);
    }
    ASSERT_GOOD(SEND(rig, rig->a, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 1, 44, 0, 0, 0, 24));
    g_assert_cmpuint(rig->task.in_length, ==, 24);
    g_assert_cmpuint(rig_number(rig, 16, 4), ==, 212);
    ASSERT_SENSE(rig, SEND(rig, rig->a, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 24),
                 SENSE_LBA);
    /* A descriptor has 32 bits for its length. */
    auto_ptr(rig) huge = rig_over(disk_memory_new((guint64)5 << 40, "huge"), 512, FALSE);
    ASSERT_GOOD(SEND(huge, huge->a, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 24));
    g_assert_cmphex(rig_number(huge, 16, 4), ==, 0xffffffff);
}

static void
close_full(struct disk *self)
{
    g_free(self);
}

/* A disk of which every 1000 bytes are of another kind up to 40000, and zeros from there on. */
static gboolean
find_fine(struct disk *self G_GNUC_UNUSED, guint64 offset, guint64 length, struct disk_extent *ret,
          GError **error G_GNUC_UNUSED)
{
    gboolean fine = offset < 40000;
    guint64 until = fine ? (offset / 1000 + 1) * 1000 : RIG_SIZE;
    *ret = (struct disk_extent){offset, MIN(length, until - offset),
                                fine && offset / 1000 % 2 == 0 ? DISK_DATA : DISK_ZERO};
    return TRUE;
}

static const struct disk_class fine_class = {
    .name = "fine",
    .extent = find_fine,
    .close = close_full,
};

/* Extents of another grain than blocks: a block is mapped when any of it is. */
static void
test_fine_extents(void)
{
    static const guint sizes[] = {512, 4096};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        guint size = sizes[i];
        struct disk *disk = g_new0(struct disk, 1);
        disk_init(disk, &fine_class, RIG_SIZE, DISK_CAN_EXTENTS, "fine");
        auto_ptr(rig) rig = rig_over(disk, size, FALSE);
        ASSERT_GOOD(SEND(rig, rig->a, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0));
        guint64 at = 0, end = RIG_SIZE / size;
        gsize n = (rig_number(rig, 0, 4) - 4) / 16;
        for (gsize k = 0; k < n; k++) {
            guint64 count = rig_number(rig, 16 + 16 * k, 4);
            gboolean mapped = rig_number(rig, 20 + 16 * k, 1) == 0;
            g_assert_cmpuint(rig_number(rig, 8 + 16 * k, 8), ==, at);
            g_assert_cmpuint(count, >, 0);
            for (guint64 block = at; block < MIN(at + count, 45000 / size); block++) {
                guint64 first = block * size, last = first + size - 1;
                gboolean zero =
                    first >= 40000 || (first / 1000 % 2 == 1 && last / 1000 == first / 1000);
                g_assert_cmpint(mapped, ==, !zero);
            }
            at += count;
        }
        g_assert_cmpuint(at, ==, n == 64 ? at : end);
    }
}

/* ---- Read-only ------------------------------------------------------------------------------- */

static void
test_read_only(void)
{
    static const guint8 writes[] = {0x0a, 0x2a, 0x2e, 0x41, 0x42, 0x89,
                                    0x8a, 0x8b, 0x8e, 0x93, 0xaa, 0xae};
    static const guint8 others[] = {0x00, 0x08, 0x25, 0x28, 0x2f, 0x34, 0x35,
                                    0x88, 0x8f, 0x90, 0x91, 0xa8, 0xaf};
    static const guint8 out[4096];
    auto_ptr(rig) rig = rig_over(disk_memory_new(RIG_SIZE, "memory"), 512, TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(writes); i++) {
        for (guint bit = 0; bit < 4; bit++) { /* also with UNMAP, NDOB, FUA */
            guint8 cdb[16] = {writes[i], (guint8)(bit == 0 ? 0 : 4 << bit | 1)};
            struct scsi_task task = {.in = &rig->in};
            memcpy(task.cdb, cdb, 16);
            g_assert_cmpuint(scsi_task_wants(rig->a, &task), ==, 0);
            ASSERT_SENSE(rig, rig_send(rig, rig->a, out, sizeof out, cdb, 16), SENSE_PROTECTED);
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        ASSERT_GOOD(rig_send(rig, rig->a, NULL, 0, (guint8[16]){others[i]}, 16));
    ASSERT_GOOD(SEND(rig, rig->a, 0x1a, 0, 0x3f, 0, 255));
    g_assert_cmphex(rig_number(rig, 2, 1), ==, 0x90); /* WP */
    /* A disk that cannot be written is a unit that cannot. */
    ASSERT_GOOD(SEND(rig, rig->a, 0x28, 0x08, 0, 0, 0, 0, 0, 0, 1)); /* FUA */
}

/* ---- A disk that fails ----------------------------------------------------------------------- */

static void
hear(const char *words, gpointer data)
{
    g_ptr_array_add(data, g_strdup(words));
}

static void
test_bad_block(void)
{
    const struct disk_fault fault = {.offset = 100 * 4096 + 700, .length = 1, .reads = 1};
    auto_ptr(rig) rig =
        rig_over(disk_fault_new(disk_memory_new(RIG_SIZE, "memory"), &fault, 1), 4096, FALSE);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    scsi_device_set_log(rig->device, hear, words);
    static const guint8 opcodes[] = {0x28, 0x2f};
    for (gsize i = 0; i < G_N_ELEMENTS(opcodes); i++) {
        ASSERT_GOOD(rig_send_form(rig, opcodes[i], 10, 0, 100, NULL, 0));
        ASSERT_SENSE(rig, rig_send_form(rig, opcodes[i], 10, 90, 20, NULL, 0), 0x031100);
        g_assert_cmphex(rig->task.sense[0], ==, 0xf0);
        g_assert_cmpuint(rig_information(rig), ==, 100);
        ASSERT_GOOD(rig_send_form(rig, opcodes[i], 10, 101, 100, NULL, 0));
    }
    g_assert_cmpuint(words->len, ==, 2);
    g_assert_true(g_str_has_prefix(words->pdata[0], "LUN 0: disk memory: cannot read at offset "));
    /* Again and again: all are counted, few are told. */
    for (guint i = 2; i < 50; i++)
        ASSERT_SENSE(rig, rig_send_form(rig, 0x28, 10, 100, 1, NULL, 0), 0x031100);
    g_assert_cmpuint(words->len, ==, 20);
    g_autoptr(GArray) status = scsi_device_status(rig->device);
    g_assert_cmpuint(g_array_index(status, struct scsi_unit_status, 0).failures, ==, 50);
}

/* A read that fails once is read again. */
static void
test_flaky(void)
{
    const struct disk_fault fault = {.reads = 1, .once = TRUE};
    auto_ptr(rig) rig =
        rig_over(disk_fault_new(disk_memory_new(RIG_SIZE, "memory"), &fault, 1), 512, FALSE);
    ASSERT_GOOD(rig_send_form(rig, 0x28, 10, 0, 100, NULL, 0));
    g_assert_cmpuint(rig->task.in_length, ==, 51200);
}

static void
test_failed_writes(void)
{
    static const guint8 out[4096] = {1};
    const struct disk_fault full = {.writes = 1};
    auto_ptr(rig) rig =
        rig_over(disk_fault_new(disk_memory_new(RIG_SIZE, "memory"), &full, 1), 512, FALSE);
    ASSERT_SENSE(rig, rig_send_form(rig, 0x2a, 10, 3, 1, out, 512), 0x030c00);
    ASSERT_SENSE(rig, rig_send_form(rig, 0x41, 10, 3, 1, out, 512), 0x030c00);
    /* Flushes: SYNCHRONIZE CACHE, FUA, and no write cache. */
    const struct disk_fault flush = {.others = 1};
    auto_ptr(rig) second =
        rig_over(disk_fault_new(disk_memory_new(RIG_SIZE, "memory"), &flush, 1), 512, FALSE);
    ASSERT_GOOD(rig_send_form(second, 0x2a, 10, 3, 1, out, 512));
    guint8 cdb[16];
    rig_cdb(cdb, 0x2a, 10, 3, 1);
    cdb[1] = 0x08;
    ASSERT_SENSE(second, rig_send(second, second->a, out, 512, cdb, 16), 0x030c00);
    ASSERT_SENSE(second, rig_send_form(second, 0x35, 10, 0, 0, NULL, 0), 0x030c00);
    ASSERT_SENSE(second, rig_send_form(second, 0x91, 16, 0, 0, NULL, 0), 0x030c00);
}

/* Without WCE each write is flushed. */
static void
test_write_through(void)
{
    static const guint8 out[4096] = {1};
    static const guint8 list[24] = {0, 0, 0, 0, 0x08, 0x12};
    const struct disk_fault flush = {.others = 2};
    auto_ptr(rig) rig =
        rig_over(disk_fault_new(disk_memory_new(RIG_SIZE, "memory"), &flush, 1), 512, FALSE);
    ASSERT_GOOD(SEND_OUT(rig, rig->a, list, sizeof list, 0x15, 0x10, 0, 0, sizeof list));
    ASSERT_SENSE(rig, rig_send_form(rig, 0x2a, 10, 3, 1, out, 512), 0x030c00);
}

/* A disk that is full, as an overlay says it. */
static gboolean
refuse_write(struct disk *self G_GNUC_UNUSED, guint64 offset G_GNUC_UNUSED,
             const void *data G_GNUC_UNUSED, gsize length G_GNUC_UNUSED, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_LIMIT, "disk full: its limit is reached");
}

static gboolean
read_damaged(struct disk *self G_GNUC_UNUSED, guint64 offset G_GNUC_UNUSED,
             void *buffer G_GNUC_UNUSED, gsize length G_GNUC_UNUSED, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "disk full: a chunk is damaged");
}

static const struct disk_class full_class = {
    .name = "full",
    .read = read_damaged,
    .write = refuse_write,
    .close = close_full,
};

static void
test_full(void)
{
    static const guint8 out[512] = {1};
    struct disk *disk = g_new0(struct disk, 1);
    disk_init(disk, &full_class, RIG_SIZE, DISK_CAN_WRITE, "full");
    auto_ptr(rig) rig = rig_over(disk, 512, FALSE);
    ASSERT_SENSE(rig, rig_send_form(rig, 0x2a, 10, 3, 1, out, 512), 0x072707);
    ASSERT_SENSE(rig, rig_send_form(rig, 0x28, 10, 3, 1, NULL, 0), 0x031100);
    /* Nor does it know extents: it is not thin, and says so everywhere. */
    ASSERT_SENSE(rig, rig_send_form(rig, 0x42, 10, 0, 0, NULL, 0), SENSE_OPCODE);
    ASSERT_GOOD(SEND(rig, rig->a, 0xa3, 0x0c, 0x01, 0x42, 0, 0, 0, 0, 1, 0));
    g_assert_cmphex(rig_number(rig, 1, 1), ==, 1);
    guint8 cdb[16] = {0x41, 0x08, 0, 0, 0, 0, 0, 0, 1};
    ASSERT_SENSE(rig, rig_send(rig, rig->a, out, 512, cdb, 16), SENSE_CDB);
    ASSERT_GOOD(SEND(rig, rig->a, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32));
    g_assert_cmphex(rig_number(rig, 14, 1), ==, 0);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0xb2, 0, 64));
    g_assert_cmphex(rig_number(rig, 5, 2), ==, 0);
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0xb0, 0, 64));
    g_assert_cmphex(rig_number(rig, 20, 8), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scsi-medium/write-same", test_write_same);
    g_test_add_func("/scsi-medium/unmap", test_unmap);
    g_test_add_func("/scsi-medium/lba-status", test_lba_status);
    g_test_add_func("/scsi-medium/fine-extents", test_fine_extents);
    g_test_add_func("/scsi-medium/read-only", test_read_only);
    g_test_add_func("/scsi-medium/bad-block", test_bad_block);
    g_test_add_func("/scsi-medium/flaky", test_flaky);
    g_test_add_func("/scsi-medium/failed-writes", test_failed_writes);
    g_test_add_func("/scsi-medium/write-through", test_write_through);
    g_test_add_func("/scsi-medium/full", test_full);
    return g_test_run();
}
