/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_fixture.h: a device of one or two units over disks in memory, two initiators, and CDBs. */
#pragma once

#include "base/error.h"
#include "disk/disk_open.h"
#include "target/scsi.h"

#include <string.h>

#define RIG_SIZE ((guint64)16 << 20)

struct rig {
    struct disk *disk, *second;
    struct scsi_device *device;
    struct scsi_nexus *a, *b;
    struct scsi_buffer in;
    struct scsi_task task; /* the last one */
    guint block_size;
    guint lun; /* for the next task */
};

static inline void
rig_add(struct rig *rig, struct disk *disk, guint number, gboolean read_only)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *identity = g_strdup_printf("identity %u", number);
    struct scsi_unit_options options = {
        .disk = disk,
        .number = number,
        .identity = identity,
        .product = "Test",
        .block_size = rig->block_size,
        .read_only = read_only,
    };
    scsi_device_add(rig->device, &options, &error);
    g_assert_no_error(error);
}

/* Send a CDB; `bytes` is cut or filled up with zeros. */
static inline enum scsi_status
rig_send(struct rig *rig, struct scsi_nexus *nexus, const void *out, gsize out_length,
         const guint8 *bytes, gsize n)
{
    rig->task = (struct scsi_task){.out = out, .out_length = out_length, .in = &rig->in};
    rig->task.lun[1] = (guint8)rig->lun;
    memcpy(rig->task.cdb, bytes, MIN(n, SCSI_CDB_MAX));
    scsi_execute(nexus, &rig->task);
    if (rig->task.status != SCSI_CHECK_CONDITION)
        g_assert_cmpuint(rig->task.sense_length, ==, 0);
    if (rig->task.status != SCSI_GOOD)
        g_assert_cmpuint(rig->task.in_length, ==, 0);
    return rig->task.status;
}

#define SEND_OUT(rig, nexus, out, length, ...)                                                     \
    rig_send(rig, nexus, out, length, (const guint8[]){__VA_ARGS__},                               \
             sizeof((const guint8[]){__VA_ARGS__}))
#define SEND(rig, nexus, ...) SEND_OUT(rig, nexus, NULL, 0, __VA_ARGS__)

/* 0xKKAAQQ of the last task; its sense must be there. */
static inline guint
rig_sense(const struct rig *rig)
{
    const guint8 *sense = rig->task.sense;
    g_assert_cmpuint(rig->task.status, ==, SCSI_CHECK_CONDITION);
    g_assert_cmpuint(rig->task.sense_length, >=, 8);
    if (sense[0] == 0x72)
        return (guint)sense[1] << 16 | (guint)sense[2] << 8 | sense[3];
    g_assert_cmpuint(sense[0] & 0x7f, ==, 0x70);
    g_assert_cmpuint(rig->task.sense_length, ==, 18);
    return (guint)(sense[2] & 0x0f) << 16 | (guint)sense[12] << 8 | sense[13];
}

/* The information field of fixed sense, which must be valid. */
static inline guint
rig_information(const struct rig *rig)
{
    const guint8 *sense = rig->task.sense;
    g_assert_cmphex(sense[0], ==, 0xf0);
    return (guint)sense[3] << 24 | (guint)sense[4] << 16 | (guint)sense[5] << 8 | sense[6];
}

#define ASSERT_GOOD(status) g_assert_cmphex(status, ==, SCSI_GOOD)
#define ASSERT_CONFLICT(status) g_assert_cmphex(status, ==, SCSI_RESERVATION_CONFLICT)
#define ASSERT_SENSE(rig, status, sense)                                                           \
    do {                                                                                           \
        g_assert_cmphex(status, ==, SCSI_CHECK_CONDITION);                                         \
        g_assert_cmphex(rig_sense(rig), ==, sense);                                                \
    } while (0)

#define SENSE_LIST_LENGTH 0x051a00
#define SENSE_OPCODE 0x052000
#define SENSE_LBA 0x052100
#define SENSE_CDB 0x052400
#define SENSE_NO_UNIT 0x052500
#define SENSE_PARAMETER 0x052600
#define SENSE_PROTECTED 0x072700

/* Take the unit attentions of a nexus away. */
static inline void
rig_settle(struct rig *rig, struct scsi_nexus *nexus)
{
    for (guint i = 0; i < 10 && SEND(rig, nexus, 0x00) != SCSI_GOOD; i++)
        g_assert_cmphex(rig_sense(rig) >> 16, ==, 0x06);
    ASSERT_GOOD(rig->task.status);
}

static inline struct scsi_nexus *
rig_join(struct rig *rig, const char *name)
{
    g_autofree char *port = g_strdup_printf("iqn.2001-04.com.example:%s,i,0x00023d000001", name);
    struct scsi_nexus *nexus =
        scsi_nexus_join(rig->device, port, "iqn.2001-04.com.example:target,t,0x0001");
    return nexus;
}

/* Over `disk`, which it then owns. */
static inline struct rig *
rig_over(struct disk *disk, guint block_size, gboolean read_only)
{
    struct rig *rig = g_new0(struct rig, 1);
    rig->block_size = block_size;
    rig->disk = disk;
    rig->device = scsi_device_new();
    rig_add(rig, disk, 0, read_only);
    rig->a = rig_join(rig, "a");
    rig->b = rig_join(rig, "b");
    rig_settle(rig, rig->a);
    rig_settle(rig, rig->b);
    return rig;
}

static inline struct rig *
rig_new(guint block_size)
{
    return rig_over(disk_memory_new(RIG_SIZE, "memory"), block_size, FALSE);
}

static inline void
rig_free(struct rig *rig)
{
    if (rig->a != NULL)
        scsi_nexus_leave(rig->a);
    if (rig->b != NULL)
        scsi_nexus_leave(rig->b);
    scsi_device_free(rig->device);
    disk_close(rig->disk);
    disk_close(rig->second);
    scsi_buffer_clear(&rig->in);
    g_free(rig);
}
AUTO_PTR_DEFINE(rig, rig_free)

/* Bytes of the last task's data as a number. */
static inline guint64
rig_number(const struct rig *rig, gsize at, gsize length)
{
    guint64 value = 0;
    g_assert_cmpuint(at + length, <=, rig->task.in_length);
    for (gsize i = 0; i < length; i++)
        value = value << 8 | rig->in.data[at + i];
    return value;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

static inline void
rig_fill(guint8 *to, gsize length, guint seed)
{
    for (gsize i = 0; i < length; i++)
        to[i] = (guint8)(i * 7 + i / 251 + seed * 13 + 1);
}

static inline void
rig_assert_disk(struct disk *disk, guint64 offset, const void *expected, gsize length)
{
    g_autofree guint8 *bytes = g_malloc(length);
    g_assert_true(disk_read(disk, offset, bytes, length, NULL));
    g_assert_cmpmem(bytes, length, expected, length);
}

/* A number of `length` bytes, big endian. */
static inline void
rig_put(guint8 *to, guint64 value, guint length)
{
    while (length-- > 0) {
        to[length] = (guint8)value;
        value >>= 8;
    }
}

static inline void
rig_cdb(guint8 cdb[16], guint8 opcode, guint length, guint64 lba, guint64 count)
{
    memset(cdb, 0, 16);
    if (length == 6) {
        rig_put(cdb + 1, lba, 3);
        cdb[4] = (guint8)count;
    } else if (length == 10) {
        rig_put(cdb + 2, lba, 4);
        rig_put(cdb + 7, count, 2);
    } else if (length == 12) {
        rig_put(cdb + 2, lba, 4);
        rig_put(cdb + 6, count, 4);
    } else {
        rig_put(cdb + 2, lba, 8);
        rig_put(cdb + 10, count, 4);
    }
    cdb[0] = opcode;
}

static inline enum scsi_status
rig_send_form(struct rig *rig, guint8 opcode, guint length, guint64 lba, guint64 count,
              const void *out, gsize out_length)
{
    guint8 cdb[16];
    rig_cdb(cdb, opcode, length, lba, count);
    return rig_send(rig, rig->a, out, out_length, cdb, length);
}
