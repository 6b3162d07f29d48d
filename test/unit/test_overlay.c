/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "overlay_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- A full file system ---------------------------------------------------------------------- */

static gint64 space = -1; /* writes beyond the first so many bytes fail; negative: none do */
static gboolean no_holes; /* the file system cannot punch */

ssize_t
pwrite(int fd, const void *data, size_t length, off_t offset)
{
    if (space >= 0 && (gint64)length > space) {
        errno = ENOSPC;
        if (space == 0)
            return -1;
        length = (size_t)space;
    }
    if (space >= 0)
        space -= (gint64)length;
    return syscall(SYS_pwrite64, fd, data, length, offset);
}

int
fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (no_holes) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void
test_parts(void)
{
    auto_ptr(disk) disk = overlay_unnamed(SIZE, 0);
    auto_ptr(disk) base = overlay_base(SIZE);
    g_autofree guint8 *expected = overlay_read(base);
    g_assert_cmpuint(disk_size(disk), ==, SIZE);
    g_assert_cmpstr(disk_label(disk), ==, "base");
    overlay_expect(disk, expected);
    g_assert_cmpuint(overlay_used(disk), ==, 0);
    /* In one block, over a border of blocks, the last block, a part of it. */
    static const struct {
        guint64 offset;
        gsize length;
        guint blocks;
    } parts[] = {
        {10, 20, 1},         {15, 40, 1},         {2 * BLOCK - 1, 2, 3}, {4 * BLOCK, BLOCK, 4},
        {SIZE - 600, 20, 5}, {SIZE - 1, 1, 5},    {SIZE - 700, 700, 5},  {MIB - 1, BLOCK + 2, 8},
        {0, 9 * BLOCK, 13},  {5, 30 * BLOCK, 35}, {SIZE - 701, 701, 36},
    };
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        overlay_write(disk, parts[i].offset, (guint8)(i + 1), parts[i].length);
        memset(expected + parts[i].offset, (int)i + 1, parts[i].length);
        overlay_expect(disk, expected);
        g_assert_cmpuint(overlay_used(disk), ==, parts[i].blocks * BLOCK);
    }
    g_assert_true(disk_flush(disk, NULL));
}

static void
test_base_stays(void)
{
    g_autoptr(GError) error = NULL;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "base");
    auto_ptr(disk) made = disk_create(path, DISK_FORMAT_RAW, SIZE, &error);
    overlay_write(made, 0, 7, SIZE);
    g_autofree guint8 *before = overlay_read(made);
    /* A base that cannot be written at all. */
    struct overlay_options options = {.limit = 0};
    auto_ptr(disk) disk = disk_overlay_open(disk_file_open(path, FALSE, NULL), &options, &error);
    g_assert_no_error(error);
    overlay_write(disk, 100, 9, 100000);
    g_assert_true(disk_zero(disk, 200000, 300000, &error));
    g_assert_true(disk_flush(disk, &error));
    overlay_expect(made, before);
}

/* Base: data in the first MiB, nothing in the second, data in the third. */
static void
test_extents(void)
{
    auto_ptr(disk) disk = overlay_unnamed(SIZE, 0);
    overlay_expect_changed(disk, 0, SIZE, FALSE);
    overlay_expect_extent(disk, 0, MIB, DISK_DATA);
    overlay_expect_extent(disk, MIB, MIB, DISK_ZERO);
    overlay_write(disk, MIB + 5 * BLOCK + 1, 1, 1);
    overlay_expect_extent(disk, MIB, 5 * BLOCK, DISK_ZERO);
    overlay_expect_extent(disk, MIB + 5 * BLOCK + 10, BLOCK - 10, DISK_DATA);
    overlay_expect_extent(disk, MIB + 6 * BLOCK, MIB - 6 * BLOCK, DISK_ZERO);
    g_assert_true(disk_zero(disk, 8 * BLOCK, 2 * BLOCK, NULL));
    overlay_write(disk, 10 * BLOCK, 1, BLOCK);
    overlay_expect_extent(disk, 0, 8 * BLOCK, DISK_DATA);
    overlay_expect_extent(disk, 8 * BLOCK, 2 * BLOCK, DISK_ZERO);
    overlay_expect_changed(disk, 0, 8 * BLOCK, FALSE);
    overlay_expect_changed(disk, 8 * BLOCK + 1, 3 * BLOCK - 1, TRUE);
    overlay_expect_changed(disk, SIZE - 1, 1, FALSE);
    g_assert_true(disk_zero(disk, 0, SIZE, NULL));
    overlay_expect_extent(disk, 0, SIZE, DISK_ZERO);
    overlay_expect_changed(disk, 0, SIZE, TRUE);
    g_assert_cmpuint(overlay_used(disk), ==, 0);
}

/* Zeros of whole blocks take no space and give it back; parts of blocks that are zero stay so. */
static void
test_zeros(void)
{
    auto_ptr(disk) disk = overlay_unnamed(SIZE, 0);
    g_autofree guint8 *expected = overlay_read(disk);
    static const struct {
        guint64 offset, length;
        guint blocks;
    } ranges[] = {
        {0, 4 * BLOCK, 16},
        {BLOCK + 1, 5, 16},
        {20 * BLOCK + 5, 10, 17},
        {4 * BLOCK, 8 * BLOCK, 9},
        {13 * BLOCK - 1, BLOCK + 2, 9 - 1},
        {SIZE - 10, 10, 9},
        {SIZE - 700, 700, 8},
        {SIZE - 701, 701, 9},
        {20 * BLOCK, BLOCK, 8},
    };
    overlay_write(disk, 0, 3, 20 * BLOCK);
    memset(expected, 3, 20 * BLOCK);
    for (guint i = 0; i < G_N_ELEMENTS(ranges); i++) {
        g_assert_true(disk_zero(disk, ranges[i].offset, ranges[i].length, NULL));
        memset(expected + ranges[i].offset, 0, ranges[i].length);
        overlay_expect(disk, expected);
        g_assert_cmpuint(overlay_used(disk) / BLOCK, ==, ranges[i].blocks);
    }
    /* What lies in the file of a block that was punched must not come back. */
    overlay_write(disk, BLOCK + 100, 9, 10);
    memset(expected + BLOCK + 100, 9, 10);
    overlay_expect(disk, expected);
}

static void
expect_full(struct disk *disk, guint64 offset, gsize length, const char *words)
{
    g_autoptr(GError) error = NULL;
    guint64 before = overlay_used(disk);
    g_autofree guint8 *expected = overlay_read(disk), *bytes = g_malloc(length);
    memset(bytes, 0xee, length);
    g_assert_false(disk_write(disk, offset, bytes, length, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, words));
    g_assert_nonnull(strstr(error->message, "disk base"));
    overlay_expect(disk, expected);
    g_assert_cmpuint(overlay_used(disk), ==, before);
}

static void
test_limit(void)
{
    guint64 bytes, limit;
    auto_ptr(disk) disk = overlay_unnamed(SIZE, 10 * BLOCK + 5);
    disk_overlay_usage(disk, &bytes, &limit);
    g_assert_cmpuint(bytes, ==, 0);
    g_assert_cmpuint(limit, ==, 10 * BLOCK + 5);
    overlay_write(disk, 0, 1, 9 * BLOCK);
    expect_full(disk, 8 * BLOCK, 3 * BLOCK, "its limit of 40965 bytes");
    expect_full(disk, 30 * BLOCK - 1, 2, "its limit");
    overlay_write(disk, 30 * BLOCK, 2, 1);
    overlay_write(disk, 5, 2, 9 * BLOCK - 5);
    g_autoptr(GError) error = NULL;
    g_assert_false(disk_zero(disk, 50 * BLOCK + 1, 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_assert_true(disk_zero(disk, 60 * BLOCK, 20 * BLOCK, NULL));
    g_assert_true(disk_zero(disk, BLOCK, 2 * BLOCK, NULL));
    overlay_write(disk, 8 * BLOCK, 4, 3 * BLOCK);
    expect_full(disk, 12 * BLOCK, 1, "its limit");
}

/* The file system is full, in the middle of a write that lies on old and new blocks. */
static void
test_no_space(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "scratch");
    auto_ptr(disk) disk = overlay_named(path, SIZE);
    overlay_write(disk, 4 * BLOCK, 1, 4 * BLOCK);
    guint64 before = overlay_allocated(path);
    for (gint64 left = 0; left < 8 * (gint64)BLOCK; left += 1500) {
        space = left;
        expect_full(disk, 5, 12 * BLOCK, "cannot grow");
        g_assert_cmpuint(overlay_allocated(path), <=, before + BLOCK);
    }
    space = -1;
    overlay_write(disk, 5, 9, 12 * BLOCK);
    g_assert_true(disk_flush(disk, NULL));
}

static void
test_no_holes(void)
{
    no_holes = TRUE;
    auto_ptr(disk) disk = overlay_unnamed(SIZE, 20 * BLOCK);
    g_autofree guint8 *expected = overlay_read(disk);
    overlay_write(disk, 0, 5, 10 * BLOCK);
    memset(expected, 5, 10 * BLOCK);
    g_assert_true(disk_zero(disk, 10, 100 * BLOCK, NULL));
    memset(expected + 10, 0, 100 * BLOCK);
    overlay_expect(disk, expected);
    /* It holds the space still, and says so. */
    g_assert_cmpuint(overlay_used(disk), ==, 11 * BLOCK);
    no_holes = FALSE;
}

/* ---- Threads --------------------------------------------------------------------------------- */

#define WORKERS 6u
#define PIECE 300u

struct worker {
    struct disk *disk;
    guint number;
};

/* Pieces of six threads lie in turn, so that most blocks belong to all of them; every eighth row
 * of pieces is zeroed again, and some rows are written whole over what the others have. */
static gpointer
work(gpointer data)
{
    struct worker *worker = data;
    guint8 bytes[PIECE], found[PIECE];
    for (guint round = 0; round < 400; round++) {
        guint64 offset = ((guint64)round * WORKERS + worker->number) * PIECE;
        memset(bytes, (int)(worker->number * 40 + round % 40 + 1), sizeof bytes);
        g_assert_true(disk_write(worker->disk, offset, bytes, sizeof bytes, NULL));
        if (round % 8 == worker->number) {
            g_assert_true(disk_zero(worker->disk, offset, sizeof bytes, NULL));
            memset(bytes, 0, sizeof bytes);
        }
        g_assert_true(disk_read(worker->disk, offset, found, sizeof found, NULL));
        g_assert_cmpmem(found, sizeof found, bytes, sizeof bytes);
        if (round % 50 == worker->number)
            g_assert_true(disk_flush(worker->disk, NULL));
        guint64 length;
        disk_overlay_changed(worker->disk, offset, SIZE, &length);
    }
    return NULL;
}

static void
run_threads(struct disk *disk)
{
    struct worker workers[WORKERS];
    GThread *threads[WORKERS];
    for (guint i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){disk, i};
        threads[i] = g_thread_new("worker", work, &workers[i]);
    }
    for (guint i = 0; i < WORKERS; i++)
        g_thread_join(threads[i]);
}

static void
expect_pieces(struct disk *disk)
{
    g_autofree guint8 *bytes = overlay_read(disk);
    for (guint i = 0; i < WORKERS; i++) {
        for (guint round = 0; round < 400; round++) {
            guint8 value = round % 8 == i ? 0 : (guint8)(i * 40 + round % 40 + 1);
            for (guint k = 0; k < PIECE; k++)
                g_assert_cmpuint(bytes[(round * WORKERS + i) * PIECE + k], ==, value);
        }
    }
}

static void
test_threads(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "scratch");
    auto_ptr(disk) unnamed = overlay_unnamed(SIZE, 0);
    run_threads(unnamed);
    expect_pieces(unnamed);
    struct disk *named = overlay_named(path, SIZE);
    run_threads(named);
    g_assert_true(disk_flush(named, NULL));
    disk_close(named);
    named = overlay_named(path, SIZE);
    expect_pieces(named);
    disk_close(named);
}

/* A part and the whole of one block at the same time: whichever is last, no byte is older. */
static gpointer
write_whole(gpointer data)
{
    guint8 bytes[BLOCK];
    memset(bytes, 2, sizeof bytes);
    g_assert_true(disk_write(data, 0, bytes, sizeof bytes, NULL));
    return NULL;
}

static void
test_part_and_whole(void)
{
    for (guint i = 0; i < 300; i++) {
        auto_ptr(disk) disk = overlay_unnamed(SIZE, 0);
        guint8 part[100], found[BLOCK];
        memset(part, 3, sizeof part);
        GThread *thread = g_thread_new("whole", write_whole, disk);
        g_assert_true(disk_write(disk, 1000, part, sizeof part, NULL));
        g_thread_join(thread);
        g_assert_true(disk_read(disk, 0, found, sizeof found, NULL));
        for (guint k = 0; k < BLOCK; k++)
            g_assert_true(found[k] == 2 || (found[k] == 3 && k >= 1000 && k < 1100));
        g_assert_cmpuint(overlay_used(disk), ==, BLOCK);
    }
}

/* A base that cannot be read at a place: its error, and nothing changed. */
static void
test_base_fails(void)
{
    g_autoptr(GError) error = NULL, part = NULL;
    struct disk_fault fault = {.offset = 3 * BLOCK, .length = 1, .reads = 1};
    struct overlay_options options = {.limit = 0};
    auto_ptr(disk) disk =
        disk_overlay_open(disk_fault_new(overlay_base(SIZE), &fault, 1), &options, &error);
    guint8 bytes[BLOCK] = {0};
    g_assert_false(disk_read(disk, 3 * BLOCK, bytes, 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_false(disk_write(disk, 3 * BLOCK + 5, "x", 1, &part));
    g_assert_error(part, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_cmpuint(overlay_used(disk), ==, 0);
    overlay_expect_changed(disk, 0, SIZE, FALSE);
    overlay_write(disk, 3 * BLOCK, 1, BLOCK); /* a whole block needs none of it */
    g_assert_true(disk_read(disk, 3 * BLOCK, bytes, BLOCK, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/overlay/parts", test_parts);
    g_test_add_func("/overlay/base-stays", test_base_stays);
    g_test_add_func("/overlay/extents", test_extents);
    g_test_add_func("/overlay/zeros", test_zeros);
    g_test_add_func("/overlay/limit", test_limit);
    g_test_add_func("/overlay/no-space", test_no_space);
    g_test_add_func("/overlay/no-holes", test_no_holes);
    g_test_add_func("/overlay/threads", test_threads);
    g_test_add_func("/overlay/part-and-whole", test_part_and_whole);
    g_test_add_func("/overlay/base-fails", test_base_fails);
    return g_test_run();
}
