/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Overlays with a named scratch file: opened again, and refused. */
#include "overlay_fixture.h"

#include <fcntl.h>
#include <unistd.h>

static void
do_something(struct disk *disk, GRand *rand, guint8 *model, guint64 at, gsize size)
{
    g_autoptr(GError) error = NULL;
    gsize offset = (gsize)g_rand_int_range(rand, 0, (gint32)size);
    gsize most = g_rand_boolean(rand) ? 3000 : 100000;
    most = MIN(most, size - offset);
    gsize length = (gsize)g_rand_int_range(rand, 1, (gint32)most + 1);
    if (g_rand_int_range(rand, 0, 3) == 0) {
        offset -= offset % BLOCK;
        length = MIN((length / BLOCK + 1) * BLOCK, size - offset);
    }
    g_autofree guint8 *bytes = g_malloc(length);
    switch (g_rand_int_range(rand, 0, 5)) {
    case 0:
    case 1:
        for (gsize i = 0; i < length; i++)
            bytes[i] = (guint8)g_rand_int(rand);
        disk_write(disk, at + offset, bytes, length, &error);
        memcpy(model + offset, bytes, length);
        break;
    case 2:
        disk_zero(disk, at + offset, length, &error);
        memset(model + offset, 0, length);
        break;
    default:
        disk_read(disk, at + offset, bytes, length, &error);
        g_assert_cmpint(memcmp(bytes, model + offset, length), ==, 0);
        break;
    }
    g_assert_no_error(error);
}

/* Thousands of random calls against plain memory, over the border of two pages of the table and to
 * the end of the disk, closed and opened again in between. */
static void
test_random(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "scratch");
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    gsize size = 2 * MIB + 1234;
    guint64 at = BORDER - MIB, end = at + size;
    g_autofree guint8 *model = g_malloc0(size), *bytes = g_malloc(size);
    for (guint round = 0; round < 12; round++) {
        auto_ptr(disk) disk = overlay_named(path, end);
        g_assert_true(disk_read(disk, at, bytes, size, NULL));
        g_assert_cmpint(memcmp(bytes, model, size), ==, 0);
        guint64 changed = overlay_used(disk);
        for (guint i = 0; i < 800; i++) {
            do_something(disk, rand, model, at, size);
            if (i % 100 == 50)
                g_assert_true(disk_flush(disk, NULL));
        }
        g_assert_true(round == 0 ? changed == 0 : changed > 0);
        g_assert_true(disk_flush(disk, NULL));
    }
}

/* As it is read back it is counted. */
static void
test_reopened(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "scratch");
    struct disk *disk = overlay_named(path, BORDER + 10 * BLOCK);
    overlay_write(disk, BORDER - BLOCK, 1, 3 * BLOCK);
    g_assert_true(disk_zero(disk, 0, 100 * BLOCK, NULL));
    g_assert_true(disk_flush(disk, NULL));
    /* Lost, for nobody has flushed it; but what was there stays. */
    overlay_write(disk, BORDER + 5 * BLOCK, 7, BLOCK);
    disk_close(disk);
    disk = overlay_named(path, BORDER + 10 * BLOCK);
    g_assert_cmpuint(overlay_used(disk), ==, 3 * BLOCK);
    overlay_expect_changed(disk, 0, 100 * BLOCK, TRUE);
    overlay_expect_changed(disk, 100 * BLOCK, BORDER - 101 * BLOCK, FALSE);
    overlay_expect_changed(disk, BORDER - BLOCK, 3 * BLOCK, TRUE);
    overlay_expect_changed(disk, BORDER + 2 * BLOCK, 8 * BLOCK, FALSE);
    disk_close(disk);
    struct stat status;
    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);
}

/* A disk of 1 TiB costs what is written to it; also when all of it is zeroed. */
static void
test_huge(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "scratch");
    guint64 size = (guint64)1 << 40;
    struct disk *disk = overlay_named(path, size);
    g_assert_cmpuint(overlay_allocated(path), <=, 4 * BLOCK);
    overlay_write(disk, size / 2, 1, BLOCK);
    g_assert_true(disk_flush(disk, NULL));
    g_assert_cmpuint(overlay_allocated(path), <=, 8 * BLOCK);
    overlay_expect_changed(disk, 0, size / 2, FALSE);
    disk_close(disk);
    disk = overlay_named(path, size);
    overlay_expect_changed(disk, 0, size / 2, FALSE);
    g_assert_true(disk_zero(disk, 1, size - 1, NULL));
    overlay_expect_changed(disk, 0, size, TRUE);
    g_assert_true(disk_flush(disk, NULL));
    disk_close(disk);
    disk = overlay_named(path, size);
    overlay_expect_changed(disk, 0, size, TRUE);
    overlay_expect_extent(disk, BLOCK, size - BLOCK, DISK_ZERO);
    g_assert_cmpuint(overlay_used(disk), ==, BLOCK);
    disk_close(disk);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void
flip(const char *path, guint64 offset)
{
    guint8 byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pread(fd, &byte, 1, (off_t)offset), ==, 1);
    byte ^= 0x10;
    g_assert_cmpint(pwrite(fd, &byte, 1, (off_t)offset), ==, 1);
    close(fd);
}

static void
test_refused(void)
{
    static const char identity[] = "set 1, disk root";
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "scratch");
    g_autofree char *other = scratch_path(&scratch, "other");
    g_autofree char *fifo = scratch_path(&scratch, "fifo");
    g_autofree char *nowhere = scratch_path(&scratch, "no/where");
    struct disk *disk = overlay_named(path, SIZE);
    overlay_expect_refused(path, SIZE, identity, SLIPWAY_ERROR_BUSY, "in use");
    overlay_write(disk, 5, 1, 5);
    g_assert_true(disk_flush(disk, NULL));
    disk_close(disk);
    overlay_expect_refused(path, SIZE, "set 2, disk root", SLIPWAY_ERROR_USAGE, "set 1, disk root");
    overlay_expect_refused(path, SIZE, NULL, SLIPWAY_ERROR_USAGE, "for another disk");
    overlay_expect_refused(path, SIZE + 1, identity, SLIPWAY_ERROR_USAGE,
                           "for a disk of 5243580 bytes");
    overlay_expect_refused(path, 70 * MIB, identity, SLIPWAY_ERROR_USAGE, "for a disk of");
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    overlay_expect_refused(fifo, SIZE, identity, SLIPWAY_ERROR_USAGE, "is no file");
    overlay_expect_refused(nowhere, SIZE, identity, SLIPWAY_ERROR_NOT_FOUND, "cannot open");
    g_autofree char *precious = g_strnfill(20000, 'x');
    scratch_put(&scratch, "other", precious);
    overlay_expect_refused(other, SIZE, identity, SLIPWAY_ERROR_CORRUPT, "no header");
    g_autoptr(GBytes) kept = scratch_get(&scratch, "other");
    g_assert_cmpmem(g_bytes_get_data(kept, NULL), g_bytes_get_size(kept), precious, 20000);
    g_autofree char *lengthy = g_strnfill(4001, 'i');
    g_autofree char *new = scratch_path(&scratch, "new");
    overlay_expect_refused(new, SIZE, lengthy, SLIPWAY_ERROR_USAGE, "more than 4000");
    disk_close(overlay_named(path, SIZE));
}

/* Each part of the file but the data is checked. */
static void
test_damage(void)
{
    static const char identity[] = "set 1, disk root";
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "scratch");
    guint64 size = BORDER + 10 * BLOCK, slots = 2 * BLOCK;
    struct disk *disk = overlay_named(path, size);
    for (guint i = 0; i < 3; i++) {
        overlay_write(disk, i * BLOCK, 1, 1);
        g_assert_true(disk_flush(disk, NULL));
    }
    overlay_write(disk, size - 1, 1, 1);
    g_assert_true(disk_flush(disk, NULL));
    disk_close(disk);
    /* Page 0 was written in generations 2, 3 and 4: into slots 0, 1 and 0; page 1 in 5: slot 0. */
    static const guint offsets[] = {0, 9, 17, 40, 500, 4095};
    for (guint i = 0; i < G_N_ELEMENTS(offsets); i++) {
        flip(path, slots + offsets[i]);
        overlay_expect_refused(path, size, identity, SLIPWAY_ERROR_CORRUPT,
                               "a page of its table is lost");
        flip(path, slots + offsets[i]);
        flip(path, slots + BLOCK + offsets[i]);
        overlay_expect_refused(path, size, identity, SLIPWAY_ERROR_CORRUPT,
                               "a page of its table is lost");
        flip(path, slots + BLOCK + offsets[i]);
        flip(path, slots + 2 * BLOCK + offsets[i]); /* of no use any more */
        disk_close(overlay_named(path, size));
        flip(path, slots + 2 * BLOCK + offsets[i]);
        flip(path, offsets[i]); /* there is a second one */
        disk_close(overlay_named(path, size));
        flip(path, BLOCK + offsets[i]);
        overlay_expect_refused(path, size, identity, SLIPWAY_ERROR_CORRUPT, "no header");
        flip(path, offsets[i]);
        disk_close(overlay_named(path, size));
        flip(path, BLOCK + offsets[i]);
    }
    disk = overlay_named(path, size);
    g_assert_cmpuint(overlay_used(disk), ==, 4 * BLOCK);
    disk_close(disk);
    struct stat status;
    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmpint(truncate(path, status.st_size - 1), ==, 0);
    overlay_expect_refused(path, size, identity, SLIPWAY_ERROR_CORRUPT, "it was cut off");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/overlay-file/random", test_random);
    g_test_add_func("/overlay-file/reopened", test_reopened);
    g_test_add_func("/overlay-file/huge", test_huge);
    g_test_add_func("/overlay-file/refused", test_refused);
    g_test_add_func("/overlay-file/damage", test_damage);
    return g_test_run();
}
