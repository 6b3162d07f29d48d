/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SCSI device.  The input: tasks one after the other, each a byte that says who sends it (bit
 * 0) and to which LUN (bits 1 and 2), a CDB of 16 bytes, the length of its data (16 bits, little
 * endian) and that data, of which is handed over what the task wants.
 *
 * LUN 0 can be written, LUN 1 cannot and stays as it is, LUN 2 is huge and cannot either; there is
 * no LUN 3. */
#include "disk/disk_open.h"
#include "fuzz.h"
#include "target/scsi.h"

#include <string.h>

#define SIZE ((guint64)512 << 10)
#define HEAD 19
#define TASKS_MAX 64

static struct disk *
marked_disk(guint64 size, const char *label)
{
    struct disk *disk = disk_memory_new(size, label);
    g_assert_true(disk_write(disk, 0, "marked", 6, NULL));
    g_assert_true(disk_write(disk, size - 6, "marked", 6, NULL));
    return disk;
}

static void
check_mark(struct disk *disk)
{
    char marks[12];
    g_assert_true(disk_read(disk, 0, marks, 6, NULL));
    g_assert_true(disk_read(disk, disk_size(disk) - 6, marks + 6, 6, NULL));
    g_assert_cmpmem(marks, 12, "markedmarked", 12);
    struct disk_extent extent;
    g_assert_true(disk_extent(disk, 65536, disk_size(disk) - 131072, &extent, NULL));
    g_assert_cmpint(extent.kind, ==, DISK_ZERO);
    g_assert_cmpuint(extent.length, ==, disk_size(disk) - 131072);
}

static void
add(struct scsi_device *device, struct disk *disk, guint number, guint block_size)
{
    struct scsi_unit_options options = {
        .disk = disk,
        .number = number,
        .identity = disk_label(disk),
        .block_size = block_size,
        .read_only = number > 0,
    };
    g_assert_true(scsi_device_add(device, &options, NULL));
}

static void
check_task(const struct scsi_task *task)
{
    switch (task->status) {
    case SCSI_GOOD:
        g_assert_cmpuint(task->in_length, <=, SCSI_TRANSFER_MAX);
        g_assert_cmpuint(task->in_length, <=, task->in->room);
        g_assert_cmpuint(task->sense_length, ==, 0);
        return;
    case SCSI_CHECK_CONDITION:
        g_assert_cmpuint(task->sense_length, >=, 8);
        g_assert_cmpuint(task->sense_length, <=, SCSI_SENSE_MAX);
        g_assert_cmpuint(task->sense[7] + 8u, ==, task->sense_length);
        break;
    case SCSI_RESERVATION_CONFLICT:
        g_assert_cmpuint(task->sense_length, ==, 0);
        break;
    default:
        g_assert_not_reached();
    }
    g_assert_cmpuint(task->in_length, ==, 0);
}

/* The power on is told to each of them first. */
static void
settle(struct scsi_nexus *nexus, struct scsi_buffer *in)
{
    for (guint8 lun = 0; lun < 3; lun++) {
        struct scsi_task task = {.lun = {0, lun}, .in = in};
        scsi_execute(nexus, &task);
        check_task(&task);
        g_assert_cmphex(task.sense[12], ==, 0x29);
    }
}

static gboolean
run_one(struct scsi_nexus **nexuses, struct scsi_buffer *in, const uint8_t **data, size_t *size)
{
    if (*size < HEAD)
        return FALSE;
    const uint8_t *head = *data;
    size_t length = MIN(head[17] | (size_t)head[18] << 8, *size - HEAD);
    struct scsi_task task = {.in = in};
    struct scsi_nexus *nexus = nexuses[head[0] & 1];
    task.lun[1] = head[0] >> 1 & 3;
    memcpy(task.cdb, head + 1, SCSI_CDB_MAX);
    gsize wants = scsi_task_wants(nexus, &task);
    g_assert_cmpuint(wants, <=, SCSI_TRANSFER_MAX);
    task.out_length = MIN(wants, length);
    /* Exactly as long, so that the sanitizer sees what lies behind it. */
    g_autofree guint8 *out = g_memdup2(head + HEAD, task.out_length);
    task.out = out;
    scsi_task_prefetch(nexus, &task);
    scsi_execute(nexus, &task);
    check_task(&task);
    *data += HEAD + length;
    *size -= HEAD + length;
    return TRUE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_ptr(disk) written = disk_memory_new(SIZE, "written");
    auto_ptr(disk) kept = marked_disk(SIZE, "kept");
    auto_ptr(disk) huge = marked_disk((guint64)5 << 40, "huge");
    auto_ptr(scsi_device) device = scsi_device_new();
    add(device, written, 0, 512);
    add(device, kept, 1, 4096);
    add(device, huge, 2, 512);
    struct scsi_nexus *nexuses[] = {
        scsi_nexus_join(device, "iqn.2001-04.com.example:a,i,0x00", "iqn.x,t,0x0001"),
        scsi_nexus_join(device, "iqn.2001-04.com.example:b,i,0x00", "iqn.x,t,0x0001"),
    };
    struct scsi_buffer in = {0};
    settle(nexuses[0], &in);
    settle(nexuses[1], &in);
    for (guint i = 0; i < TASKS_MAX && run_one(nexuses, &in, &data, &size); i++)
        ;
    check_mark(kept);
    check_mark(huge);
    g_assert_cmpuint(in.room, <=, SCSI_TRANSFER_MAX);
    scsi_buffer_clear(&in);
    scsi_nexus_leave(nexuses[0]);
    scsi_nexus_leave(nexuses[1]);
    return 0;
}
