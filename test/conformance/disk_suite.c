/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk_suite.h"

#include "base/error.h"

#include <string.h>

#define MIB (1024u * 1024)

/* Sizes that all formats can have, and no multiple of a page, a cluster or a MiB. */
#define SMALL (3 * MIB + 5 * 512)
#define LARGE (48 * MIB + 512)

struct fixture {
    const struct disk_suite *suite;
    struct scratch scratch;
    struct disk *disk;
};

static gboolean
set_up(struct fixture *fixture, const struct disk_suite *suite, guint64 size)
{
    fixture->suite = suite;
    fixture->scratch = scratch_new();
    fixture->disk = suite->create(suite, &fixture->scratch, size);
    return fixture->disk != NULL;
}

static void
tear_down(struct fixture *fixture)
{
    disk_close(fixture->disk);
    if (fixture->suite->end != NULL)
        fixture->suite->end(fixture->suite, &fixture->scratch);
    scratch_clear(&fixture->scratch);
}

#define auto_fixture __attribute__((cleanup(tear_down))) struct fixture

/* Close the disk and open it again; FALSE for one that does not last. */
static gboolean
reopen(struct fixture *fixture, gboolean writable)
{
    const struct disk_suite *suite = fixture->suite;
    if (suite->open == NULL)
        return FALSE;
    disk_close(g_steal_pointer(&fixture->disk));
    fixture->disk = suite->open(suite, &fixture->scratch, writable);
    g_assert_nonnull(fixture->disk);
    return TRUE;
}

static guint8 *
random_bytes(GRand *rand, gsize length)
{
    guint8 *bytes = g_malloc(length);
    for (gsize i = 0; i < length; i++)
        bytes[i] = (guint8)(g_rand_int(rand) >> 8);
    return bytes;
}

static void
expect_bytes(struct disk *disk, guint64 offset, const guint8 *expected, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *bytes = g_malloc(length);
    memset(bytes, 0xa5, length);
    gboolean ok = disk_read(disk, offset, bytes, length, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint(memcmp(bytes, expected, length), ==, 0);
}

static gboolean
all_zeros(const guint8 *bytes, gsize length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* The extents of [from, end) follow each other without a gap, and what is said to be zero is.
 * Returns how many bytes are data. */
static guint64
walk(struct disk *disk, guint64 from, guint64 end, const guint8 *expected)
{
    guint64 data = 0;
    while (from < end) {
        g_autoptr(GError) error = NULL;
        struct disk_extent extent;
        gboolean ok = disk_extent(disk, from, end - from, &extent, &error);
        g_assert_no_error(error);
        g_assert_true(ok);
        g_assert_cmpuint(extent.offset, ==, from);
        g_assert_cmpuint(extent.length, >=, 1);
        g_assert_cmpuint(extent.length, <=, end - from);
        if (extent.kind == DISK_DATA)
            data += extent.length;
        else
            g_assert_true(expected == NULL || all_zeros(expected + from, extent.length));
        from += extent.length;
    }
    return data;
}

static void
test_new(gconstpointer suite)
{
    auto_fixture fixture = {0};
    if (!set_up(&fixture, suite, SMALL))
        return;
    struct disk *disk = fixture.disk;
    g_assert_cmpuint(disk_size(disk), ==, SMALL);
    g_assert_cmpstr(disk_label(disk), !=, "");
    g_assert_true(disk_capabilities(disk) & DISK_CAN_WRITE);
    g_autofree guint8 *zeros = g_malloc0(SMALL);
    expect_bytes(disk, 0, zeros, SMALL);
    walk(disk, 0, SMALL, zeros);
    disk_prefetch(disk, 0, SMALL);
    disk_prefetch(disk, SMALL, 1);
    disk_prefetch(disk, 1, G_MAXUINT64);
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_flush(disk, &error));
    g_assert_no_error(error);
}

static void
test_ranges(gconstpointer suite)
{
    static const struct {
        guint64 offset, length;
    } outside[] = {
        {SMALL, 1},       {SMALL - 1, 2},       {0, SMALL + 1},
        {G_MAXUINT64, 1}, {G_MAXUINT64 - 1, 2}, {SMALL + 1, 0},
    };
    auto_fixture fixture = {0};
    if (!set_up(&fixture, suite, SMALL))
        return;
    g_autofree guint8 *bytes = g_malloc0(SMALL + 1);
    for (gsize i = 0; i < G_N_ELEMENTS(outside); i++) {
        g_autoptr(GError) read = NULL, write = NULL, zero = NULL;
        guint64 offset = outside[i].offset, length = outside[i].length;
        g_assert_false(disk_read(fixture.disk, offset, bytes, length, &read));
        g_assert_error(read, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
        g_assert_nonnull(strstr(read->message, disk_label(fixture.disk)));
        g_assert_false(disk_write(fixture.disk, offset, bytes, length, &write));
        g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
        g_assert_false(disk_zero(fixture.disk, offset, length, &zero));
        g_assert_error(zero, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    }
    g_autoptr(GError) error = NULL, behind = NULL;
    struct disk_extent extent;
    g_assert_true(disk_read(fixture.disk, SMALL, bytes, 0, &error));
    g_assert_true(disk_write(fixture.disk, SMALL, bytes, 0, &error));
    g_assert_true(disk_zero(fixture.disk, SMALL, 0, &error));
    g_assert_false(disk_extent(fixture.disk, SMALL, 1, &extent, &behind));
    g_assert_error(behind, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_true(disk_extent(fixture.disk, SMALL - 1, G_MAXUINT64, &extent, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(extent.length, ==, 1);
}

/* One random call, done to the disk and to `model`. */
static void
do_something(struct disk *disk, GRand *rand, guint8 *model)
{
    g_autoptr(GError) error = NULL;
    guint64 offset = (guint64)g_rand_int_range(rand, 0, SMALL);
    gsize most = g_rand_boolean(rand) ? 5000 : 700 * 1024;
    most = MIN(most, SMALL - offset);
    gsize length = (gsize)g_rand_int_range(rand, 1, (gint32)most + 1);
    if (g_rand_int_range(rand, 0, 4) == 0) {
        offset -= offset % DISK_BLOCK;
        length = MIN((length / DISK_BLOCK + 1) * DISK_BLOCK, SMALL - offset);
    }
    switch (g_rand_int_range(rand, 0, 5)) {
    case 0:
    case 1: {
        g_autofree guint8 *bytes = random_bytes(rand, length);
        g_assert_true(disk_write(disk, offset, bytes, length, &error));
        memcpy(model + offset, bytes, length);
        break;
    }
    case 2:
        g_assert_true(disk_zero(disk, offset, length, &error));
        memset(model + offset, 0, length);
        break;
    case 3:
        expect_bytes(disk, offset, model + offset, length);
        break;
    default:
        walk(disk, offset, offset + length, model);
        break;
    }
    g_assert_no_error(error);
}

static void
test_random(gconstpointer suite)
{
    auto_fixture fixture = {0};
    if (!set_up(&fixture, suite, SMALL))
        return;
    g_autoptr(GRand) rand = g_rand_new_with_seed(20240701);
    g_autofree guint8 *model = g_malloc0(SMALL);
    g_autoptr(GError) error = NULL;
    for (guint round = 0; round < 3; round++) {
        for (guint i = 0; i < 80; i++)
            do_something(fixture.disk, rand, model);
        expect_bytes(fixture.disk, 0, model, SMALL);
        walk(fixture.disk, 0, SMALL, model);
        g_assert_true(disk_flush(fixture.disk, &error));
        g_assert_no_error(error);
        if (reopen(&fixture, round < 2)) {
            g_assert_cmpuint(disk_size(fixture.disk), ==, SMALL);
            expect_bytes(fixture.disk, 0, model, SMALL);
            walk(fixture.disk, 0, SMALL, model);
        }
    }
}

/* What was written is never called a hole; and most of an empty disk is, where holes are known. */
static void
test_extents(gconstpointer suite)
{
    auto_fixture fixture = {0};
    if (!set_up(&fixture, suite, LARGE))
        return;
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *model = g_malloc0(LARGE);
    for (guint64 offset = 8 * MIB - 100; offset < 20 * MIB; offset += 4 * MIB + 1) {
        g_autofree guint8 *bytes = random_bytes(rand, 200);
        memcpy(model + offset, bytes, 200);
        g_assert_true(disk_write(fixture.disk, offset, bytes, 200, &error));
    }
    g_assert_true(disk_flush(fixture.disk, &error));
    for (guint round = 0; round < 2; round++) {
        guint64 data = walk(fixture.disk, 0, LARGE, model);
        g_assert_cmpuint(data, >=, 600);
        if (disk_capabilities(fixture.disk) & DISK_CAN_EXTENTS && !fixture.suite->dense)
            g_assert_cmpuint(data, <, LARGE / 2);
        else
            g_assert_cmpuint(data, ==, LARGE);
        for (guint64 from = 8 * MIB - 150; from < 8 * MIB + 150; from += 7)
            walk(fixture.disk, from, from + 13, model);
        if (!reopen(&fixture, FALSE))
            return;
    }
}

/* More than fits into one request of any protocol. */
static void
test_large(gconstpointer suite)
{
    auto_fixture fixture = {0};
    if (!set_up(&fixture, suite, LARGE))
        return;
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    g_autoptr(GError) error = NULL;
    gsize length = 40 * MIB + 3;
    g_autofree guint8 *bytes = random_bytes(rand, length);
    g_assert_true(disk_write(fixture.disk, 4099, bytes, length, &error));
    expect_bytes(fixture.disk, 4099, bytes, length);
    g_assert_true(disk_zero(fixture.disk, 5000, length - 5000, &error));
    g_assert_no_error(error);
    memset(bytes + (5000 - 4099), 0, length - 5000);
    expect_bytes(fixture.disk, 4099, bytes, length);
    g_assert_true(disk_flush(fixture.disk, &error));
    g_assert_no_error(error);
    if (reopen(&fixture, FALSE))
        expect_bytes(fixture.disk, 4099, bytes, length);
}

#define WORKERS 6u
#define PIECE 100u /* neighbours share blocks, whatever a block is */

struct worker {
    struct disk *disk;
    guint number;
};

static guint64
piece_offset(guint number, guint round)
{
    return ((guint64)round * WORKERS + number) * PIECE;
}

static gpointer
work(gpointer data)
{
    struct worker *worker = data;
    guint8 bytes[PIECE];
    for (guint round = 0; round < 100; round++) {
        g_autoptr(GError) error = NULL;
        guint64 offset = piece_offset(worker->number, round);
        memset(bytes, (int)(worker->number * 40 + round % 40 + 1), sizeof bytes);
        g_assert_true(disk_write(worker->disk, offset, bytes, sizeof bytes, &error));
        g_assert_no_error(error);
        expect_bytes(worker->disk, offset, bytes, sizeof bytes);
        if (round % 10 == worker->number)
            g_assert_true(disk_flush(worker->disk, &error));
        walk(worker->disk, offset, offset + sizeof bytes, NULL);
    }
    return NULL;
}

static void
test_threads(gconstpointer suite)
{
    auto_fixture fixture = {0};
    if (!set_up(&fixture, suite, SMALL))
        return;
    struct worker workers[WORKERS];
    GThread *threads[WORKERS];
    for (guint i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){fixture.disk, i};
        threads[i] = g_thread_new("worker", work, &workers[i]);
    }
    for (guint i = 0; i < WORKERS; i++)
        g_thread_join(threads[i]);
    guint8 bytes[PIECE];
    for (guint i = 0; i < WORKERS; i++) {
        for (guint round = 0; round < 100; round++) {
            memset(bytes, (int)(i * 40 + round % 40 + 1), sizeof bytes);
            expect_bytes(fixture.disk, piece_offset(i, round), bytes, sizeof bytes);
        }
    }
}

static void
test_read_only(gconstpointer suite)
{
    auto_fixture fixture = {0};
    if (!set_up(&fixture, suite, SMALL))
        return;
    g_autoptr(GError) error = NULL, write = NULL, zero = NULL, flush = NULL;
    g_assert_true(disk_write(fixture.disk, 1, "kept", 4, &error));
    g_assert_true(disk_flush(fixture.disk, &error));
    g_assert_no_error(error);
    if (!reopen(&fixture, FALSE))
        return;
    g_assert_false(disk_capabilities(fixture.disk) & DISK_CAN_WRITE);
    g_assert_false(disk_write(fixture.disk, 1, "lost", 4, &write));
    g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
    g_assert_false(disk_zero(fixture.disk, 1, 4, &zero));
    g_assert_error(zero, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
    g_assert_false(disk_flush(fixture.disk, &flush));
    g_assert_error(flush, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
    expect_bytes(fixture.disk, 1, (const guint8 *)"kept", 4);
}

void
disk_suite_add(const struct disk_suite *suite)
{
    static const struct {
        const char *name;
        GTestDataFunc run;
    } tests[] = {
        {"new", test_new},
        {"ranges", test_ranges},
        {"random", test_random},
        {"extents", test_extents},
        {"large", test_large},
        {"threads", test_threads},
        {"read-only", test_read_only},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/disk/%s/%s", suite->name, tests[i].name);
        g_test_add_data_func(path, suite, tests[i].run);
    }
}
