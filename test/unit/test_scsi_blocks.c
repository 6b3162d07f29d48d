/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading and writing: what is on the disk afterwards, held against the disk itself. */
#include "scsi_fixture.h"

#include "disk/disk_driver.h"

/* ---- Every form of READ and WRITE ------------------------------------------------------------ */

struct form {
    guint8 read, write;
    guint cdb_length;
};

static const struct form forms[] = {
    {0x08, 0x0a, 6}, {0x28, 0x2a, 10}, {0xa8, 0xaa, 12}, {0x88, 0x8a, 16}};

static void
test_read_write(void)
{
    static const guint block_sizes[] = {512, 4096};
    static const guint counts[] = {1, 2, 17, 255};
    g_autofree guint8 *data = g_malloc(255 * 4096);
    for (gsize s = 0; s < G_N_ELEMENTS(block_sizes); s++) {
        guint size = block_sizes[s];
        auto_ptr(rig) rig = rig_new(size);
        for (gsize f = 0; f < G_N_ELEMENTS(forms); f++) {
            for (gsize c = 0; c < G_N_ELEMENTS(counts); c++) {
                guint lba = (guint)(f * 700 + c * 3);
                gsize length = (gsize)counts[c] * size;
                rig_fill(data, length, (guint)(f * 4 + c));
                ASSERT_GOOD(rig_send_form(rig, forms[f].write, forms[f].cdb_length, lba, counts[c],
                                          data, length));
                rig_assert_disk(rig->disk, (guint64)lba * size, data, length);
                ASSERT_GOOD(rig_send_form(rig, forms[f].read, forms[f].cdb_length, lba, counts[c],
                                          NULL, 0));
                g_assert_cmpmem(rig->in.data, rig->task.in_length, data, length);
            }
        }
        g_autoptr(GArray) status = scsi_device_status(rig->device);
        const struct scsi_unit_status *row = &g_array_index(status, struct scsi_unit_status, 0);
        g_assert_cmpuint(row->read_bytes, ==, 4u * (1 + 2 + 17 + 255) * size);
        g_assert_cmpuint(row->written_bytes, ==, row->read_bytes);
        g_assert_cmpuint(row->failures, ==, 0);
    }
}

/* Six bytes: 0 is 256 blocks; the others: nothing. */
static void
test_zero_blocks(void)
{
    auto_ptr(rig) rig = rig_new(512);
    ASSERT_GOOD(rig_send_form(rig, 0x08, 6, 0, 0, NULL, 0));
    g_assert_cmpuint(rig->task.in_length, ==, 256 * 512);
    for (gsize f = 1; f < G_N_ELEMENTS(forms); f++) {
        ASSERT_GOOD(rig_send_form(rig, forms[f].read, forms[f].cdb_length, 5, 0, NULL, 0));
        g_assert_cmpuint(rig->task.in_length, ==, 0);
        ASSERT_GOOD(rig_send_form(rig, forms[f].write, forms[f].cdb_length, 5, 0, NULL, 0));
    }
}

/* Ranges that end behind the unit, or wrap. */
static void
test_range(void)
{
    static const guint8 opcodes[] = {0x28, 0x2a, 0x2e, 0x2f, 0x34, 0x35, 0x41, 0x88, 0x89, 0x8a,
                                     0x8b, 0x8e, 0x8f, 0x90, 0x91, 0x93, 0xa8, 0xaa, 0xae, 0xaf};
    auto_ptr(rig) rig = rig_new(512);
    guint64 end = RIG_SIZE / 512;
    g_autofree guint8 *out = g_malloc0(SCSI_TRANSFER_MAX);
    for (gsize i = 0; i < G_N_ELEMENTS(opcodes); i++) {
        guint length = opcodes[i] < 0x60 ? 10 : opcodes[i] < 0xa0 ? 16 : 12;
        guint64 wraps = length == 16 ? G_MAXUINT64 : G_MAXUINT32;
        const guint64 rows[][2] = {{end, 0}, {end, 1}, {end - 1, 2}, {wraps, 1}, {wraps - 1, 3}};
        for (gsize k = 0; k < G_N_ELEMENTS(rows); k++) {
            if (opcodes[i] == 0x89) { /* has its count elsewhere */
                guint8 cdb[16];
                rig_cdb(cdb, 0x89, 16, rows[k][0], 0);
                cdb[13] = (guint8)rows[k][1];
                ASSERT_SENSE(rig, rig_send(rig, rig->a, out, 4096, cdb, 16), SENSE_LBA);
                continue;
            }
            ASSERT_SENSE(rig,
                         rig_send_form(rig, opcodes[i], length, rows[k][0], rows[k][1], out, 4096),
                         SENSE_LBA);
        }
    }
    ASSERT_SENSE(rig, rig_send_form(rig, 0x08, 6, 0x1fffff, 1, NULL, 0), SENSE_LBA);
}

/* Protection information is not there to be checked. */
static void
test_protect(void)
{
    static const guint8 opcodes[] = {0x28, 0x2a, 0x2e, 0x2f, 0x41, 0x88, 0x89, 0x8a,
                                     0x8b, 0x8e, 0x8f, 0x93, 0xa8, 0xaa, 0xae, 0xaf};
    auto_ptr(rig) rig = rig_new(512);
    static const guint8 out[1024];
    for (gsize i = 0; i < G_N_ELEMENTS(opcodes); i++) {
        for (guint protect = 1; protect < 8; protect++) {
            guint8 cdb[16] = {opcodes[i], (guint8)(protect << 5)};
            ASSERT_SENSE(rig, rig_send(rig, rig->a, out, sizeof out, cdb, 16), SENSE_CDB);
            g_assert_cmpmem(rig->task.sense + 15, 3, "\xcf\x00\x01", 3);
        }
    }
}

/* What scsi_task_wants() says, and what is done with less. */
static void
test_short_data(void)
{
    auto_ptr(rig) rig = rig_new(512);
    g_autofree guint8 *data = g_malloc(4096);
    rig_fill(data, 4096, 3);
    static const struct {
        guint8 cdb[16];
        gsize wants;
    } rows[] = {
        {{0x28, 0, 0, 0, 0, 0, 0, 0, 8}, 0},
        {{0x2a, 0, 0, 0, 0, 0, 0, 0, 8}, 4096},
        {{0x0a, 0, 0, 0, 0}, 256 * 512},
        {{0x2a, 0, 0xff, 0, 0, 0, 0, 0, 8}, 0},       /* not there */
        {{0xaa, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x01}, 0}, /* too much */
        {{0xaa, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x00}, SCSI_TRANSFER_MAX},
        {{0x2f, 0x00, 0, 0, 0, 0, 0, 0, 8}, 0},
        {{0x2f, 0x02, 0, 0, 0, 0, 0, 0, 8}, 4096},
        {{0x2f, 0x06, 0, 0, 0, 0, 0, 0, 8}, 512},
        {{0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3}, 3072},
        {{0x41, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 512},
        {{0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0},
        {{0x42, 0, 0, 0, 0, 0, 0, 0x12, 0x34}, 0x1234},
        {{0x15, 0x10, 0, 0, 12}, 12},
        {{0x55, 0x10, 0, 0, 0, 0, 0, 1, 0}, 256},
        {{0x5f, 0, 0, 0, 0, 0, 0, 0, 24}, 24},
        {{0x5f, 0, 0, 0, 0, 0xff, 0, 0, 24}, 0},
        {{0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 76}, 76},
        {{0x12, 0, 0, 0, 255}, 0},
        {{0xfe}, 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct scsi_task task = {.in = &rig->in};
        memcpy(task.cdb, rows[i].cdb, 16);
        g_assert_cmpuint(scsi_task_wants(rig->a, &task), ==, rows[i].wants);
        task.lun[1] = 9;
        g_assert_cmpuint(scsi_task_wants(rig->a, &task), ==, 0);
    }
    /* 8 blocks are to be written, 5 and a bit come: 5 are. */
    ASSERT_GOOD(rig_send_form(rig, 0x2a, 10, 100, 8, data, 5 * 512 + 100));
    rig_assert_disk(rig->disk, 100 * 512, data, 5 * 512);
    rig_assert_disk(rig->disk, 105 * 512, (guint8[3 * 512]){0}, 3 * 512);
    /* By halves these would be something else. */
    ASSERT_SENSE(rig,
                 SEND_OUT(rig, rig->a, data, 1023, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
                 0x050e03);
    ASSERT_SENSE(rig, rig_send_form(rig, 0x41, 10, 0, 4, data, 511), 0x050e03);
}

/* ---- VERIFY ---------------------------------------------------------------------------------- */

static void
test_verify(void)
{
    static const struct form verifies[] = {{0x2f, 0, 10}, {0xaf, 0, 12}, {0x8f, 0, 16}};
    auto_ptr(rig) rig = rig_new(512);
    gsize length = 5000 * 512;
    g_autofree guint8 *data = g_malloc(length);
    rig_fill(data, length, 1);
    g_assert_true(disk_write(rig->disk, 512, data, length, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(verifies); i++) {
        guint8 cdb[16];
        rig_cdb(cdb, verifies[i].read, verifies[i].cdb_length, 1, 5000);
        ASSERT_GOOD(rig_send(rig, rig->a, NULL, 0, cdb, 16));
        cdb[1] = 0x02;
        ASSERT_GOOD(rig_send(rig, rig->a, data, length, cdb, 16));
        data[4321 * 512 + 77] ^= 1;
        ASSERT_SENSE(rig, rig_send(rig, rig->a, data, length, cdb, 16), 0x0e1d00);
        g_assert_cmphex(rig->task.sense[0], ==, 0xf0); /* the information is valid: where */
        g_assert_cmpuint(rig_information(rig), ==, 4321 * 512 + 77);
        data[4321 * 512 + 77] ^= 1;
        cdb[1] = 0x04;
        ASSERT_SENSE(rig, rig_send(rig, rig->a, data, length, cdb, 16), SENSE_CDB);
        cdb[1] = 0x06; /* one block against all */
        ASSERT_SENSE(rig, rig_send(rig, rig->a, data, 512, cdb, 16), 0x0e1d00);
        rig_cdb(cdb, verifies[i].read, verifies[i].cdb_length, 6000, 4000);
        cdb[1] = 0x06;
        ASSERT_GOOD(rig_send(rig, rig->a, (guint8[512]){0}, 512, cdb, 16));
        ASSERT_SENSE(rig, rig_send(rig, rig->a, (guint8[512]){0}, 511, cdb, 16), 0x050e03);
    }
}

static void
test_write_verify(void)
{
    static const struct form rows[] = {{0, 0x2e, 10}, {0, 0xae, 12}, {0, 0x8e, 16}};
    auto_ptr(rig) rig = rig_new(512);
    guint8 data[2048], cdb[16];
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint bytchk = 0; bytchk < 4; bytchk++) {
            rig_fill(data, sizeof data, (guint)i * 4 + bytchk);
            rig_cdb(cdb, rows[i].write, rows[i].cdb_length, 40 + 10 * i, 4);
            cdb[1] = (guint8)(bytchk << 1);
            enum scsi_status status = rig_send(rig, rig->a, data, sizeof data, cdb, 16);
            if (bytchk > 1)
                ASSERT_SENSE(rig, status, SENSE_CDB);
            else
                rig_assert_disk(rig->disk, (40 + 10 * i) * 512, data, sizeof data);
        }
    }
}

/* ---- One step -------------------------------------------------------------------------------- */

static void
test_orwrite(void)
{
    auto_ptr(rig) rig = rig_new(512);
    guint8 before[1024], data[1024], after[1024];
    rig_fill(before, sizeof before, 1);
    rig_fill(data, sizeof data, 2);
    for (gsize i = 0; i < sizeof after; i++)
        after[i] = before[i] | data[i];
    g_assert_true(disk_write(rig->disk, 512, before, sizeof before, NULL));
    ASSERT_GOOD(rig_send_form(rig, 0x8b, 16, 1, 2, data, sizeof data));
    rig_assert_disk(rig->disk, 512, after, sizeof after);
}

static enum scsi_status
compare_write(struct rig *rig, struct scsi_nexus *nexus, guint lba, guint n, const guint8 *out)
{
    return SEND_OUT(rig, nexus, out, (gsize)2 * n * rig->block_size, 0x89, 0, 0, 0, 0, 0, 0, 0,
                    (guint8)(lba >> 8), (guint8)lba, 0, 0, 0, (guint8)n);
}

static void
test_compare_write(void)
{
    auto_ptr(rig) rig = rig_new(512);
    g_autofree guint8 *out = g_malloc0(2 * 255 * 512);
    rig_fill(out + 255 * 512, 255 * 512, 9);
    ASSERT_GOOD(compare_write(rig, rig->a, 3, 255, out));
    rig_assert_disk(rig->disk, 3 * 512, out + 255 * 512, 255 * 512);
    ASSERT_SENSE(rig, compare_write(rig, rig->a, 3, 255, out), 0x0e1d00);
    memcpy(out, out + 255 * 512, 1024);
    out[700] ^= 4; /* the second block differs there */
    rig_fill(out + 1024, 1024, 77);
    ASSERT_SENSE(rig, compare_write(rig, rig->a, 3, 2, out), 0x0e1d00);
    g_assert_cmpuint(rig_information(rig), ==, 700);
    out[700] ^= 4;
    ASSERT_GOOD(compare_write(rig, rig->a, 3, 2, out));
    rig_assert_disk(rig->disk, 3 * 512, out + 1024, 1024);
    ASSERT_GOOD(compare_write(rig, rig->a, 3, 0, out));
    /* An initiator that has more blocks than the CDB can say: 256 of them are 0 there. */
    struct scsi_task task = {.in = &rig->in, .offered = 2 * 256 * 512};
    task.cdb[0] = 0x89;
    scsi_execute(rig->a, &task);
    rig->task = task;
    ASSERT_SENSE(rig, task.status, SENSE_CDB);
    g_assert_cmpmem(task.sense + 15, 3, "\xc0\x00\x0d", 3);
}

/* A disk that gives others the time to come between a read and what follows it. */
struct pausing {
    struct disk base;
    struct disk *below;
};

static gboolean
read_and_pause(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct pausing *pausing = (struct pausing *)self;
    gboolean ok = disk_read(pausing->below, offset, buffer, length, error);
    g_usleep(30);
    return ok;
}

static gboolean
write_below(struct disk *self, guint64 offset, const void *data, gsize length, GError **error)
{
    return disk_write(((struct pausing *)self)->below, offset, data, length, error);
}

static void
close_pausing(struct disk *self)
{
    disk_close(((struct pausing *)self)->below);
    g_free(self);
}

static const struct disk_class pausing_class = {
    .name = "pausing",
    .read = read_and_pause,
    .write = write_below,
    .close = close_pausing,
};

static struct disk *
pausing_new(void)
{
    struct pausing *pausing = g_new0(struct pausing, 1);
    disk_init(&pausing->base, &pausing_class, RIG_SIZE, DISK_CAN_WRITE, "pausing");
    pausing->below = disk_memory_new(RIG_SIZE, "memory");
    return &pausing->base;
}

/* Several hosts count in one block by COMPARE AND WRITE: no count is lost. */
#define COUNTERS 4
#define COUNTS 200

struct counter {
    struct scsi_device *device;
    guint number;
};

static gpointer
count_up(gpointer data)
{
    struct counter *counter = data;
    g_autofree char *port = g_strdup_printf("iqn.2001-04.com.example:%u,i,0x1", counter->number);
    struct scsi_nexus *nexus = scsi_nexus_join(counter->device, port, "iqn.x,t,0x0001");
    struct scsi_buffer in = {0};
    for (guint done = 0; done < COUNTS;) {
        guint8 both[1024];
        struct scsi_task task = {.in = &in};
        memcpy(task.cdb, (guint8[]){0x28, 0, 0, 0, 0, 6, 0, 0, 1}, 9);
        scsi_execute(nexus, &task);
        if (task.status != SCSI_GOOD) /* the first one is told of the power on */
            continue;
        memcpy(both, in.data, 512);
        memcpy(both + 512, in.data, 512);
        guint64 *value = (guint64 *)(gpointer)(both + 512);
        for (guint i = 0; i < 512 / 8; i++)
            value[i]++;
        task = (struct scsi_task){.in = &in, .out = both, .out_length = sizeof both};
        memcpy(task.cdb, (guint8[]){0x89, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1}, 14);
        scsi_execute(nexus, &task);
        done += task.status == SCSI_GOOD;
    }
    scsi_buffer_clear(&in);
    scsi_nexus_leave(nexus);
    return NULL;
}

static void
test_counting(void)
{
    auto_ptr(rig) rig = rig_over(pausing_new(), 512, FALSE);
    struct counter counters[COUNTERS];
    GThread *threads[COUNTERS];
    for (guint i = 0; i < COUNTERS; i++) {
        counters[i] = (struct counter){rig->device, i};
        threads[i] = g_thread_new("counter", count_up, &counters[i]);
    }
    for (guint i = 0; i < COUNTERS; i++)
        g_thread_join(threads[i]);
    guint64 values[64];
    g_assert_true(disk_read(rig->disk, 6 * 512, values, sizeof values, NULL));
    for (guint i = 0; i < 64; i++)
        g_assert_cmpuint(values[i], ==, COUNTERS * COUNTS);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scsi-blocks/read-write", test_read_write);
    g_test_add_func("/scsi-blocks/zero-blocks", test_zero_blocks);
    g_test_add_func("/scsi-blocks/range", test_range);
    g_test_add_func("/scsi-blocks/protect", test_protect);
    g_test_add_func("/scsi-blocks/short-data", test_short_data);
    g_test_add_func("/scsi-blocks/verify", test_verify);
    g_test_add_func("/scsi-blocks/write-verify", test_write_verify);
    g_test_add_func("/scsi-blocks/orwrite", test_orwrite);
    g_test_add_func("/scsi-blocks/compare-write", test_compare_write);
    g_test_add_func("/scsi-blocks/counting", test_counting);
    return g_test_run();
}
