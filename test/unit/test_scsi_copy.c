/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EXTENDED COPY between two units of different block sizes, and what it refuses. */
#include "scsi_fixture.h"

#define HEAD 16
#define TARGET 32
#define SEGMENT 28

struct list {
    guint8 bytes[2048];
    gsize targets, segments;
};

/* The designator of LUN `lun`, as page 83h says it. */
static void
add_target(struct rig *rig, struct list *list, guint lun)
{
    guint8 *to = list->bytes + HEAD + TARGET * list->targets++;
    rig->lun = lun;
    ASSERT_GOOD(SEND(rig, rig->a, 0x12, 1, 0x83, 4, 0));
    rig->lun = 0;
    to[0] = 0xe4;
    memcpy(to + 4, rig->in.data + 4, 12);
}

static void
add_segment(struct list *list, guint from, guint to, guint blocks, guint64 source, guint64 target)
{
    guint8 *at = list->bytes + HEAD + TARGET * list->targets + SEGMENT * list->segments++;
    at[0] = 0x02;
    rig_put(at + 2, SEGMENT - 4, 2);
    rig_put(at + 4, from, 2);
    rig_put(at + 6, to, 2);
    rig_put(at + 10, blocks, 2);
    rig_put(at + 12, source, 8);
    rig_put(at + 20, target, 8);
}

static enum scsi_status
send_length(struct rig *rig, struct list *list, gsize length)
{
    list->bytes[0] = 7;
    rig_put(list->bytes + 2, TARGET * list->targets, 2);
    rig_put(list->bytes + 8, SEGMENT * list->segments, 4);
    return SEND_OUT(rig, rig->a, list->bytes, length, 0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                    (guint8)(length >> 8), (guint8)length);
}

static enum scsi_status
send(struct rig *rig, struct list *list)
{
    return send_length(rig, list, HEAD + TARGET * list->targets + SEGMENT * list->segments);
}

static enum scsi_status
ask_status(struct rig *rig, guint8 identifier)
{
    return SEND(rig, rig->a, 0x84, 0, identifier, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64);
}

static struct rig *
rig_pair(gboolean read_only)
{
    struct rig *rig = rig_new(512);
    rig->second = disk_memory_new(RIG_SIZE, "second");
    rig->block_size = 4096;
    rig_add(rig, rig->second, 1, read_only);
    rig->block_size = 512;
    rig_settle(rig, rig->a);
    rig_settle(rig, rig->b);
    rig->lun = 1;
    rig_settle(rig, rig->a);
    rig_settle(rig, rig->b);
    rig->lun = 0;
    return rig;
}

static void
fill(struct rig *rig, gsize length)
{
    g_autofree guint8 *data = g_malloc(length);
    for (gsize i = 0; i < length; i++)
        data[i] = (guint8)(i / 7 + i / 4096 + 3);
    g_assert_true(disk_write(rig->disk, 0, data, length, NULL));
}

static void
assert_same(struct disk *left, guint64 left_at, struct disk *right, guint64 right_at, gsize length)
{
    g_autofree guint8 *a = g_malloc(length), *b = g_malloc(length);
    g_assert_true(disk_read(left, left_at, a, length, NULL));
    g_assert_true(disk_read(right, right_at, b, length, NULL));
    g_assert_cmpmem(a, length, b, length);
}

static void
test_copy(void)
{
    auto_ptr(rig) rig = rig_pair(FALSE);
    struct list list = {0};
    fill(rig, 3 << 20);
    g_assert_true(disk_write(rig->second, 7 << 20, "not zero", 8, NULL));
    add_target(rig, &list, 0);
    add_target(rig, &list, 1);
    add_segment(&list, 0, 1, 4096, 8, 3);                   /* 2 MiB */
    add_segment(&list, 0, 1, 8, 8 << 11, (7 << 20) / 4096); /* zeros */
    add_segment(&list, 0, 0, 16, 0, 20000);                 /* within a unit */
    ASSERT_SENSE(rig, ask_status(rig, 7), SENSE_CDB);
    ASSERT_GOOD(send(rig, &list));
    assert_same(rig->disk, 4096, rig->second, 3 * 4096, 2 << 20);
    assert_same(rig->disk, 8 << 20, rig->second, 7 << 20, 4096);
    assert_same(rig->disk, 0, rig->disk, 20000 * 512, 16 * 512);
    ASSERT_SENSE(rig, ask_status(rig, 8), SENSE_CDB);
    ASSERT_GOOD(ask_status(rig, 7));
    g_assert_cmphex(rig_number(rig, 0, 8), ==, 0x0000000801000300);
    g_assert_cmpuint(rig_number(rig, 8, 4), ==, (2 << 20) + 4096 + 8192);
    ASSERT_SENSE(rig, ask_status(rig, 7), SENSE_CDB); /* told once */
}

static void
test_limits(void)
{
    auto_ptr(rig) rig = rig_pair(FALSE);
    ASSERT_GOOD(SEND(rig, rig->a, 0x84, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    g_assert_cmpuint(rig_number(rig, 0, 4) + 4, ==, rig->task.in_length);
    gsize targets = rig_number(rig, 8, 2), segments = rig_number(rig, 10, 2);
    gsize max = rig_number(rig, 12, 4);
    g_assert_cmpuint(max, ==, targets * TARGET + segments * SEGMENT);
    for (guint which = 0; which < 3; which++) {
        struct list list = {0};
        for (gsize i = 0; i < (which == 0 ? targets + 1 : 1); i++)
            add_target(rig, &list, 0);
        for (gsize i = 0; i < (which == 1 ? segments + 1 : which == 2 ? segments : 1); i++)
            add_segment(&list, 0, 0, 8, 0, 100);
        enum scsi_status status = send(rig, &list);
        if (which == 2)
            ASSERT_GOOD(status);
        else
            ASSERT_SENSE(rig, status, which == 0 ? 0x052606 : 0x052608);
    }
    struct list list = {0};
    add_target(rig, &list, 0);
    add_segment(&list, 0, 0, 8, 0, 100);
    for (gsize length = 1; length < HEAD + TARGET + SEGMENT; length++)
        ASSERT_SENSE(rig, send_length(rig, &list, length), SENSE_LIST_LENGTH);
    ASSERT_GOOD(send_length(rig, &list, 0));
    rig_put(list.bytes + 12, 1, 4);
    ASSERT_SENSE(rig, send(rig, &list), 0x05260b);
}

static void
test_refused(void)
{
    static const struct {
        guint at;
        guint8 value;
        guint sense;
    } rows[] = {
        {HEAD, 0xe0, 0x052607},          /* a target of another kind */
        {HEAD + 1, 0x20, 0x0a0804},      /* NUL */
        {HEAD + 8, 0xff, 0x0a0804},      /* a designator of nobody */
        {HEAD + 5, 0x01, 0x0a0804},      /* of a type that names no unit */
        {HEAD + TARGET, 0x00, 0x052609}, /* a segment of another kind */
        {HEAD + TARGET + 3, 20, SENSE_PARAMETER},
        {HEAD + TARGET + 5, 1, 0x0a0804}, /* an index of no target */
        {HEAD + TARGET + 7, 1, 0x0a0804},
        {HEAD + TARGET + 12, 1, 0x0a0000}, /* blocks that are not there */
        {HEAD + TARGET + 20, 0xff, 0x0a0000},
    };
    auto_ptr(rig) rig = rig_pair(FALSE);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct list list = {0};
        add_target(rig, &list, 0);
        add_segment(&list, 0, 0, 8, 0, 100);
        ASSERT_GOOD(send(rig, &list));
        list.bytes[rows[i].at] = rows[i].value;
        ASSERT_SENSE(rig, send(rig, &list), rows[i].sense);
    }
    /* A segment that is shorter than any of ours, of another kind and of our own. */
    struct list cut = {0};
    add_target(rig, &cut, 0);
    add_segment(&cut, 0, 0, 8, 0, 100);
    rig_put(cut.bytes + 2, TARGET, 2);
    rig_put(cut.bytes + 8, 20, 4);
    for (guint8 type = 2; type < 4; type++) {
        cut.bytes[HEAD + TARGET] = type;
        enum scsi_status status = SEND_OUT(rig, rig->a, cut.bytes, HEAD + TARGET + 20, 0x83, 0, 0,
                                           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, HEAD + TARGET + 20);
        ASSERT_SENSE(rig, status, type == 2 ? SENSE_LIST_LENGTH : 0x052609);
    }
    /* Half a block of the larger size, and more than a segment may have. */
    struct list list = {0};
    add_target(rig, &list, 0);
    add_target(rig, &list, 1);
    add_segment(&list, 0, 1, 9, 0, 0);
    ASSERT_SENSE(rig, send(rig, &list), 0x0a0000);
    list.segments = 0;
    add_segment(&list, 1, 1, 0xffff, 0, 0);
    ASSERT_SENSE(rig, send(rig, &list), SENSE_PARAMETER);
    ASSERT_GOOD(ask_status(rig, 7)); /* has failed */
    g_assert_cmphex(rig_number(rig, 4, 1), ==, 2);
}

static void
test_protected(void)
{
    auto_ptr(rig) rig = rig_pair(TRUE);
    struct list list = {0};
    add_target(rig, &list, 0);
    add_target(rig, &list, 1);
    add_segment(&list, 0, 1, 8, 0, 0);
    ASSERT_SENSE(rig, send(rig, &list), SENSE_PROTECTED);
    list.segments = 0;
    add_segment(&list, 1, 0, 1, 0, 0); /* from there is fine */
    ASSERT_GOOD(send(rig, &list));
}

/* Another's reservation of the unit that is written to, which the command was not sent to. */
static void
test_reserved(void)
{
    auto_ptr(rig) rig = rig_pair(FALSE);
    struct list list = {0};
    add_target(rig, &list, 0);
    add_target(rig, &list, 1);
    add_segment(&list, 0, 1, 8, 0, 0);
    rig->lun = 1;
    ASSERT_GOOD(SEND(rig, rig->b, 0x16));
    rig->lun = 0;
    ASSERT_CONFLICT(send(rig, &list));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scsi-copy/copy", test_copy);
    g_test_add_func("/scsi-copy/limits", test_limits);
    g_test_add_func("/scsi-copy/refused", test_refused);
    g_test_add_func("/scsi-copy/protected", test_protected);
    g_test_add_func("/scsi-copy/reserved", test_reserved);
    return g_test_run();
}
