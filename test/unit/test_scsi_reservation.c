/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reservations between two initiators, of both ways. */
#include "scsi_fixture.h"

#include "disk/disk_driver.h"

#define KEY_A 0x1111222233334444u
#define KEY_B 0xaaaabbbbccccddddu

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, IGNORE };
enum { KEYS, RESERVATION, CAPABILITIES, STATUS };

static const guint types[] = {1, 3, 5, 6, 7, 8};

static gboolean
is_all(guint type)
{
    return type >= 7;
}

static gboolean
excludes_reading(guint type)
{
    return type == 3 || type == 6 || type == 8;
}

static enum scsi_status
persist_flags(struct rig *rig, struct scsi_nexus *nexus, guint action, guint type, guint64 key,
              guint64 action_key, guint8 flags)
{
    guint8 list[24] = {0};
    rig_put(list, key, 8);
    rig_put(list + 8, action_key, 8);
    list[20] = flags;
    return SEND_OUT(rig, nexus, list, sizeof list, 0x5f, (guint8)action, (guint8)type, 0, 0, 0, 0,
                    0, 24);
}

static enum scsi_status
persist(struct rig *rig, struct scsi_nexus *nexus, guint action, guint type, guint64 key,
        guint64 action_key)
{
    return persist_flags(rig, nexus, action, type, key, action_key, 0);
}

static void
persist_in(struct rig *rig, guint action)
{
    ASSERT_GOOD(SEND(rig, rig->a, 0x5e, (guint8)action, 0, 0, 0, 0, 0, 0x40, 0));
}

static guint
count_keys(struct rig *rig)
{
    persist_in(rig, KEYS);
    g_assert_cmpuint(rig_number(rig, 4, 4) + 8, ==, rig->task.in_length);
    return (guint)rig_number(rig, 4, 4) / 8;
}

static guint
generation(struct rig *rig)
{
    persist_in(rig, KEYS);
    return (guint)rig_number(rig, 0, 4);
}

/* Type 0: there is none. */
static void
assert_reserved(struct rig *rig, guint type, guint64 key)
{
    persist_in(rig, RESERVATION);
    g_assert_cmpuint(rig_number(rig, 4, 4), ==, type != 0 ? 16 : 0);
    if (type == 0)
        return;
    g_assert_cmphex(rig_number(rig, 8, 8), ==, is_all(type) ? 0 : key);
    g_assert_cmphex(rig_number(rig, 21, 1), ==, type);
}

static enum scsi_status
read_block(struct rig *rig, struct scsi_nexus *nexus)
{
    return SEND(rig, nexus, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
}

static enum scsi_status
write_block(struct rig *rig, struct scsi_nexus *nexus)
{
    static const guint8 out[512] = {7};
    return SEND_OUT(rig, nexus, out, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
}

static void
register_both(struct rig *rig)
{
    ASSERT_GOOD(persist(rig, rig->a, REGISTER, 0, 0, KEY_A));
    ASSERT_GOOD(persist(rig, rig->b, REGISTER, 0, 0, KEY_B));
}

/* ---- RESERVE(6) ------------------------------------------------------------------------------ */

static void
test_reserve(void)
{
    static const guint8 opcodes[] = {0x16, 0x56};
    for (gsize i = 0; i < G_N_ELEMENTS(opcodes); i++) {
        guint8 reserve = opcodes[i], release = opcodes[i] + 1;
        auto_ptr(rig) rig = rig_new(512);
        ASSERT_GOOD(SEND(rig, rig->a, reserve));
        ASSERT_GOOD(SEND(rig, rig->a, reserve));
        ASSERT_CONFLICT(SEND(rig, rig->b, reserve));
        ASSERT_CONFLICT(SEND(rig, rig->b, 0x00));
        ASSERT_CONFLICT(SEND(rig, rig->b, 0x1a, 0, 0x3f, 0, 255));
        ASSERT_CONFLICT(read_block(rig, rig->b));
        ASSERT_CONFLICT(write_block(rig, rig->b));
        ASSERT_CONFLICT(persist(rig, rig->b, REGISTER, 0, 0, KEY_B));
        ASSERT_CONFLICT(persist(rig, rig->a, REGISTER, 0, 0, KEY_A));
        ASSERT_GOOD(SEND(rig, rig->b, 0x12, 0, 0, 0, 96));
        ASSERT_GOOD(SEND(rig, rig->b, 0x03, 0, 0, 0, 18));
        ASSERT_GOOD(SEND(rig, rig->b, 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
        ASSERT_GOOD(SEND(rig, rig->b, release)); /* does nothing, and that is good */
        ASSERT_CONFLICT(read_block(rig, rig->b));
        ASSERT_GOOD(write_block(rig, rig->a));
        ASSERT_GOOD(SEND(rig, rig->a, release));
        ASSERT_GOOD(write_block(rig, rig->b));
        /* Ends with a reset, and with whoever made it. */
        ASSERT_GOOD(SEND(rig, rig->a, reserve));
        g_assert_true(scsi_unit_reset(rig->b, (const guint8[8]){0}));
        rig_settle(rig, rig->b);
        ASSERT_GOOD(write_block(rig, rig->b));
        rig_settle(rig, rig->a);
        ASSERT_GOOD(SEND(rig, rig->a, reserve));
        scsi_nexus_leave(rig->a);
        rig->a = NULL;
        ASSERT_GOOD(write_block(rig, rig->b));
        ASSERT_SENSE(rig, SEND(rig, rig->b, reserve, 0x01), SENSE_CDB); /* an extent */
        ASSERT_SENSE(rig, SEND(rig, rig->b, reserve, 0x10), SENSE_CDB); /* a third party */
        /* Not beside registrations. */
        ASSERT_GOOD(persist(rig, rig->b, REGISTER, 0, 0, KEY_B));
        ASSERT_CONFLICT(SEND(rig, rig->b, reserve));
        ASSERT_CONFLICT(SEND(rig, rig->b, release));
    }
}

/* ---- Registering ----------------------------------------------------------------------------- */

static void
test_register(void)
{
    auto_ptr(rig) rig = rig_new(512);
    ASSERT_GOOD(persist(rig, rig->a, REGISTER, 0, 0, 0)); /* nothing from nothing */
    ASSERT_CONFLICT(persist(rig, rig->a, REGISTER, 0, 5, KEY_A));
    g_assert_cmpuint(generation(rig), ==, 0);
    register_both(rig);
    g_assert_cmpuint(generation(rig), ==, 2);
    g_assert_cmpuint(count_keys(rig), ==, 2);
    g_assert_cmphex(rig_number(rig, 8, 8), ==, KEY_A);
    g_assert_cmphex(rig_number(rig, 16, 8), ==, KEY_B);
    ASSERT_CONFLICT(persist(rig, rig->a, REGISTER, 0, KEY_B, 77));
    ASSERT_GOOD(persist(rig, rig->a, REGISTER, 0, KEY_A, 77));
    ASSERT_GOOD(persist(rig, rig->a, IGNORE, 0, 12345, KEY_A));
    g_assert_cmpuint(count_keys(rig), ==, 2);
    g_assert_cmphex(rig_number(rig, 8, 8), ==, KEY_A);
    ASSERT_GOOD(persist(rig, rig->b, IGNORE, 0, 0, 0));
    g_assert_cmpuint(count_keys(rig), ==, 1);
    /* Kept by the name of the port, over a nexus that ends. */
    scsi_nexus_leave(rig->a);
    rig->a = rig_join(rig, "a");
    rig_settle(rig, rig->a);
    ASSERT_GOOD(persist(rig, rig->a, REGISTER, 0, KEY_A, 0));
    g_assert_cmpuint(count_keys(rig), ==, 0);
    /* What is not offered, and lists that are none. */
    static const guint8 flags[] = {0x01, 0x04, 0x08, 0x0d};
    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
        ASSERT_SENSE(rig, persist_flags(rig, rig->a, REGISTER, 0, 0, KEY_A, flags[i]),
                     SENSE_PARAMETER);
        ASSERT_SENSE(rig, persist_flags(rig, rig->a, IGNORE, 0, 0, KEY_A, flags[i]),
                     SENSE_PARAMETER);
    }
    static const guint8 list[24];
    ASSERT_SENSE(rig, SEND_OUT(rig, rig->a, list, 23, 0x5f, 0, 0, 0, 0, 0, 0, 0, 23),
                 SENSE_LIST_LENGTH);
    ASSERT_SENSE(rig, SEND_OUT(rig, rig->a, list, 20, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24),
                 SENSE_LIST_LENGTH);
    for (guint action = 7; action < 32; action++)
        ASSERT_SENSE(rig, persist(rig, rig->a, action, 1, 0, 0), SENSE_CDB);
    for (guint action = 4; action < 32; action++)
        ASSERT_SENSE(rig, SEND(rig, rig->a, 0x5e, (guint8)action, 0, 0, 0, 0, 0, 1, 0), SENSE_CDB);
    persist_in(rig, CAPABILITIES);
    g_assert_cmphex(rig_number(rig, 0, 8), ==, 0x00080080ea010000);
}

static void
test_full_status(void)
{
    auto_ptr(rig) rig = rig_new(512);
    register_both(rig);
    ASSERT_GOOD(persist(rig, rig->b, RESERVE, 3, KEY_B, 0));
    persist_in(rig, STATUS);
    gsize at = 8, n = 0;
    for (; at < rig->task.in_length; n++) {
        gboolean holds = n == 1;
        g_assert_cmphex(rig_number(rig, at, 8), ==, holds ? KEY_B : KEY_A);
        g_assert_cmphex(rig_number(rig, at + 12, 2), ==, holds ? 0x0103 : 0);
        gsize length = rig_number(rig, at + 20, 4);
        g_assert_cmphex(rig_number(rig, at + 24, 1), ==, 0x45);
        g_assert_cmpuint(rig_number(rig, at + 26, 2), ==, length - 4);
        g_assert_cmpstr((const char *)rig->in.data + at + 28, ==,
                        holds ? "iqn.2001-04.com.example:b,i,0x00023d000001"
                              : "iqn.2001-04.com.example:a,i,0x00023d000001");
        at += 24 + length;
    }
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpuint(rig_number(rig, 4, 4) + 8, ==, at);
}

/* ---- Reserving ------------------------------------------------------------------------------- */

/* Who gets through: `registered` says whether b is one. */
static void
assert_access(struct rig *rig, guint type, gboolean registered)
{
    gboolean all = registered && type >= 5;
    ASSERT_GOOD(read_block(rig, rig->a));
    ASSERT_GOOD(write_block(rig, rig->a));
    if (all || !excludes_reading(type))
        ASSERT_GOOD(read_block(rig, rig->b));
    else
        ASSERT_CONFLICT(read_block(rig, rig->b));
    if (all)
        ASSERT_GOOD(write_block(rig, rig->b));
    else
        ASSERT_CONFLICT(write_block(rig, rig->b));
    ASSERT_GOOD(SEND(rig, rig->b, 0x00));
    ASSERT_GOOD(SEND(rig, rig->b, 0x12, 0, 0, 0, 96));
    ASSERT_GOOD(SEND(rig, rig->b, 0x25));
    ASSERT_GOOD(SEND(rig, rig->b, 0x5e, 0, 0, 0, 0, 0, 0, 1, 0));
}

static void
test_types(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        guint type = types[i];
        auto_ptr(rig) rig = rig_new(512);
        ASSERT_CONFLICT(persist(rig, rig->a, RESERVE, type, KEY_A, 0)); /* is not registered */
        ASSERT_GOOD(persist(rig, rig->a, REGISTER, 0, 0, KEY_A));
        ASSERT_CONFLICT(persist(rig, rig->a, RESERVE, type, KEY_B, 0));
        ASSERT_GOOD(persist(rig, rig->a, RESERVE, type, KEY_A, 0));
        assert_reserved(rig, type, KEY_A);
        ASSERT_GOOD(persist(rig, rig->a, RESERVE, type, KEY_A, 0)); /* the same again */
        ASSERT_CONFLICT(persist(rig, rig->a, RESERVE, types[(i + 1) % 6], KEY_A, 0));
        assert_access(rig, type, FALSE);
        ASSERT_GOOD(persist(rig, rig->b, REGISTER, 0, 0, KEY_B));
        assert_access(rig, type, TRUE);
        enum scsi_status status = persist(rig, rig->b, RESERVE, type, KEY_B, 0);
        if (is_all(type))
            ASSERT_GOOD(status);
        else
            ASSERT_CONFLICT(status);
        /* RELEASE: by one that does not hold it nothing, of another type an error. */
        if (!is_all(type)) {
            ASSERT_GOOD(persist(rig, rig->b, RELEASE, type, KEY_B, 0));
            assert_reserved(rig, type, KEY_A);
        }
        ASSERT_SENSE(rig, persist(rig, rig->a, RELEASE, types[(i + 1) % 6], KEY_A, 0), 0x052604);
        ASSERT_CONFLICT(persist(rig, rig->a, RELEASE, type, KEY_B, 0));
        ASSERT_GOOD(persist(rig, rig->a, RELEASE, type, KEY_A, 0));
        assert_reserved(rig, 0, 0);
        ASSERT_GOOD(SEND(rig, rig->a, 0x00));
        if (type >= 5)
            ASSERT_SENSE(rig, SEND(rig, rig->b, 0x00), 0x062a04);
        ASSERT_GOOD(write_block(rig, rig->b));
        ASSERT_GOOD(persist(rig, rig->a, RELEASE, type, KEY_A, 0)); /* there is none */
    }
    auto_ptr(rig) rig = rig_new(512);
    register_both(rig);
    static const guint8 wrong[] = {0, 2, 4, 9, 15, 0x11, 0xf3};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
        ASSERT_SENSE(rig, persist(rig, rig->a, RESERVE, wrong[i], KEY_A, 0), SENSE_CDB);
}

/* The holder unregisters, or goes for good. */
static void
test_ownership(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        guint type = types[i];
        auto_ptr(rig) rig = rig_new(512);
        register_both(rig);
        ASSERT_GOOD(persist(rig, rig->a, RESERVE, type, KEY_A, 0));
        ASSERT_GOOD(persist(rig, rig->a, REGISTER, 0, KEY_A, 0));
        assert_reserved(rig, is_all(type) ? type : 0, 0);
        if (type == 5 || type == 6)
            ASSERT_SENSE(rig, SEND(rig, rig->b, 0x00), 0x062a04);
        ASSERT_GOOD(write_block(rig, rig->b));
        if (is_all(type))
            ASSERT_CONFLICT(write_block(rig, rig->a));
        ASSERT_GOOD(persist(rig, rig->b, REGISTER, 0, KEY_B, 0)); /* the last one */
        assert_reserved(rig, 0, 0);
        ASSERT_GOOD(write_block(rig, rig->a));
    }
    /* A reservation outlives its nexus, and holds for the next one of the port. */
    auto_ptr(rig) rig = rig_new(512);
    register_both(rig);
    ASSERT_GOOD(persist(rig, rig->b, RESERVE, 3, KEY_B, 0));
    scsi_nexus_leave(rig->b);
    ASSERT_CONFLICT(write_block(rig, rig->a));
    g_assert_true(scsi_unit_reset(rig->a, (const guint8[8]){0}));
    rig_settle(rig, rig->a);
    ASSERT_CONFLICT(write_block(rig, rig->a));
    rig->b = rig_join(rig, "b");
    rig_settle(rig, rig->b);
    ASSERT_GOOD(write_block(rig, rig->b));
}

static void
test_clear(void)
{
    auto_ptr(rig) rig = rig_new(512);
    register_both(rig);
    ASSERT_GOOD(persist(rig, rig->b, RESERVE, 1, KEY_B, 0));
    ASSERT_CONFLICT(persist(rig, rig->a, CLEAR, 0, KEY_B, 0));
    ASSERT_GOOD(persist(rig, rig->a, CLEAR, 0, KEY_A, 0));
    g_assert_cmpuint(count_keys(rig), ==, 0);
    g_assert_cmpuint(generation(rig), ==, 3);
    assert_reserved(rig, 0, 0);
    ASSERT_SENSE(rig, SEND(rig, rig->b, 0x00), 0x062a03);
    ASSERT_GOOD(SEND(rig, rig->a, 0x00));
}

/* ---- Preempting ------------------------------------------------------------------------------ */

static void
test_preempt(void)
{
    for (gsize i = 0; i < 2 * G_N_ELEMENTS(types); i++) {
        guint type = types[i / 2], action = i % 2 ? PREEMPT : PREEMPT_AND_ABORT;
        auto_ptr(rig) rig = rig_new(512);
        register_both(rig);
        ASSERT_GOOD(persist(rig, rig->b, RESERVE, type, KEY_B, 0));
        ASSERT_CONFLICT(persist(rig, rig->a, action, 3, KEY_A, 5)); /* nobody has it */
        ASSERT_CONFLICT(persist(rig, rig->a, action, 3, KEY_B, KEY_B));
        guint64 key = is_all(type) ? 0 : KEY_B; /* takes the reservation */
        ASSERT_GOOD(persist(rig, rig->a, action, 3, KEY_A, key));
        assert_reserved(rig, 3, KEY_A);
        g_assert_cmpuint(count_keys(rig), ==, 1);
        g_assert_cmpuint(generation(rig), ==, 3);
        ASSERT_SENSE(rig, SEND(rig, rig->b, 0x00), 0x062a05);
        ASSERT_CONFLICT(write_block(rig, rig->b));
        ASSERT_GOOD(write_block(rig, rig->a));
    }
    /* Only a registration is taken away. */
    auto_ptr(rig) rig = rig_new(512);
    register_both(rig);
    ASSERT_SENSE(rig, persist(rig, rig->a, PREEMPT, 1, KEY_A, 0), SENSE_PARAMETER);
    ASSERT_GOOD(persist(rig, rig->a, RESERVE, 5, KEY_A, 0));
    ASSERT_GOOD(persist(rig, rig->a, PREEMPT, 1, KEY_A, KEY_B));
    assert_reserved(rig, 5, KEY_A);
    g_assert_cmpuint(count_keys(rig), ==, 1);
    /* Oneself: another type. */
    ASSERT_GOOD(persist(rig, rig->a, PREEMPT, 6, KEY_A, KEY_A));
    assert_reserved(rig, 6, KEY_A);
    /* A third one that keeps its registration is told that the type is another. */
    auto_ptr(rig) three = rig_new(512);
    register_both(three);
    struct scsi_nexus *c = rig_join(three, "c");
    rig_settle(three, c);
    ASSERT_GOOD(persist(three, c, REGISTER, 0, 0, 99));
    ASSERT_GOOD(persist(three, three->b, RESERVE, 5, KEY_B, 0));
    ASSERT_GOOD(persist(three, three->a, PREEMPT, 6, KEY_A, KEY_B));
    ASSERT_SENSE(three, SEND(three, c, 0x00), 0x062a04);
    ASSERT_SENSE(three, SEND(three, three->b, 0x00), 0x062a05);
    ASSERT_GOOD(SEND(three, three->a, 0x00));
    scsi_nexus_leave(c);
}

/* ---- What runs when it is preempted ---------------------------------------------------------- */

/* A disk whose writes wait until they are let go. */
struct slow {
    struct disk base;
    GMutex lock;
    GCond changed;
    gboolean begun, go;
    guint ended; /* writes */
};

static gboolean
write_slowly(struct disk *self, guint64 offset G_GNUC_UNUSED, const void *data G_GNUC_UNUSED,
             gsize length G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    struct slow *slow = (struct slow *)self;
    g_mutex_lock(&slow->lock);
    slow->begun = TRUE;
    g_cond_broadcast(&slow->changed);
    while (!slow->go)
        g_cond_wait(&slow->changed, &slow->lock);
    slow->ended++;
    g_mutex_unlock(&slow->lock);
    return TRUE;
}

static void
close_slow(struct disk *self)
{
    struct slow *slow = (struct slow *)self;
    g_mutex_clear(&slow->lock);
    g_cond_clear(&slow->changed);
    g_free(slow);
}

static const struct disk_class slow_class = {
    .name = "slow",
    .write = write_slowly,
    .close = close_slow,
};

static gpointer
write_as_b(gpointer data)
{
    struct rig *rig = data;
    static const guint8 out[512];
    struct scsi_buffer in = {0};
    struct scsi_task task = {.in = &in, .out = out, .out_length = 512};
    memcpy(task.cdb, (guint8[]){0x2a, 0, 0, 0, 0, 0, 0, 0, 1}, 9);
    scsi_execute(rig->b, &task);
    scsi_buffer_clear(&in);
    return GUINT_TO_POINTER(task.status);
}

static gpointer
let_go_later(gpointer data)
{
    struct slow *slow = data;
    g_usleep(50000);
    g_mutex_lock(&slow->lock);
    g_assert_cmpuint(slow->ended, ==, 0);
    slow->go = TRUE;
    g_cond_broadcast(&slow->changed);
    g_mutex_unlock(&slow->lock);
    return NULL;
}

/* PREEMPT AND ABORT ends when what the other one has begun has ended: after it nothing is written.
 */
static void
test_abort(void)
{
    struct slow *slow = g_new0(struct slow, 1);
    g_mutex_init(&slow->lock);
    g_cond_init(&slow->changed);
    disk_init(&slow->base, &slow_class, RIG_SIZE, DISK_CAN_WRITE, "slow");
    auto_ptr(rig) rig = rig_over(&slow->base, 512, FALSE);
    register_both(rig);
    ASSERT_GOOD(persist(rig, rig->b, RESERVE, 3, KEY_B, 0));
    GThread *writer = g_thread_new("writer", write_as_b, rig);
    g_mutex_lock(&slow->lock);
    while (!slow->begun)
        g_cond_wait(&slow->changed, &slow->lock);
    g_mutex_unlock(&slow->lock);
    /* One more waits behind it, which came through while b still held the reservation. */
    GThread *second = g_thread_new("second", write_as_b, rig);
    g_usleep(50000);
    GThread *later = g_thread_new("later", let_go_later, slow);
    ASSERT_GOOD(persist(rig, rig->a, PREEMPT_AND_ABORT, 3, KEY_A, KEY_B));
    g_mutex_lock(&slow->lock);
    g_assert_cmpuint(slow->ended, ==, 1);
    g_mutex_unlock(&slow->lock);
    g_assert_cmpuint(GPOINTER_TO_UINT(g_thread_join(writer)), ==, SCSI_GOOD);
    g_assert_cmpuint(GPOINTER_TO_UINT(g_thread_join(second)), !=, SCSI_GOOD);
    g_thread_join(later);
    rig_settle(rig, rig->b);
    ASSERT_CONFLICT(write_block(rig, rig->b));
    g_assert_cmpuint(slow->ended, ==, 1);
}

static void
test_many(void)
{
    auto_ptr(rig) rig = rig_new(512);
    for (guint i = 0; i < 1024; i++) {
        g_autofree char *name = g_strdup_printf("host-%u", i);
        struct scsi_nexus *nexus = rig_join(rig, name);
        rig_settle(rig, nexus);
        ASSERT_GOOD(persist(rig, nexus, REGISTER, 0, 0, i + 1));
        scsi_nexus_leave(nexus);
    }
    ASSERT_SENSE(rig, persist(rig, rig->a, REGISTER, 0, 0, KEY_A), 0x055504);
    g_assert_cmpuint(count_keys(rig), ==, 1024);
    /* Cut where the initiator has no more room; the length says how much there is. */
    ASSERT_GOOD(SEND(rig, rig->a, 0x5e, STATUS, 0, 0, 0, 0, 0, 0, 20));
    g_assert_cmpuint(rig->task.in_length, ==, 20);
    g_assert_cmpuint(rig_number(rig, 4, 4), >, 1024 * 48);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scsi-reservation/reserve", test_reserve);
    g_test_add_func("/scsi-reservation/register", test_register);
    g_test_add_func("/scsi-reservation/full-status", test_full_status);
    g_test_add_func("/scsi-reservation/types", test_types);
    g_test_add_func("/scsi-reservation/ownership", test_ownership);
    g_test_add_func("/scsi-reservation/clear", test_clear);
    g_test_add_func("/scsi-reservation/preempt", test_preempt);
    g_test_add_func("/scsi-reservation/abort", test_abort);
    g_test_add_func("/scsi-reservation/many", test_many);
    return g_test_run();
}
