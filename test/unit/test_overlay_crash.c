/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Power fails under an overlay with a named scratch file.
 *
 * Every change of the file is recorded, together with what the disk was told.  Then the file is
 * made as it may be when power fails before any of them: all that came before the last fdatasync()
 * that had returned, and of what came after any choice of sectors.  It must open, and each sector
 * must be as it was at the last flush that succeeded, or as it was written since. */
#include "base/error.h"
#include "disk/disk_open.h"
#include "disk/overlay.h"
#include "scratch_directory.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECTOR 512u
#define SIZE (130u * 1024 * 1024 + 3 * SECTOR) /* three pages of the table */
#define AREA (32u * 1024)
#define AREAS 4u
#define AREA_SECTORS (AREA / SECTOR)

/* Where the disk is used: two at its ends, one over the border of two pages of the table. */
static const guint64 areas[AREAS] = {0, 16128 * 4096 - AREA / 2, 90u << 20, SIZE - AREA};

/* ---- What is recorded ------------------------------------------------------------------------ */

enum kind { WRITE, PUNCH, LENGTH, SYNC, TOLD, FLUSHED };

struct event {
    enum kind kind;
    guint64 offset, length; /* of the file; TOLD: of the disk */
    guint8 *data;
};

static GPtrArray *events; /* NULL: nothing is recorded */

static void
free_event(gpointer data)
{
    struct event *event = data;
    g_free(event->data);
    g_free(event);
}

static void
record(enum kind kind, guint64 offset, guint64 length, const void *data)
{
    if (events == NULL)
        return;
    struct event *event = g_new0(struct event, 1);
    *event = (struct event){kind, offset, length, NULL};
    if (data != NULL)
        event->data = g_memdup2(data, (gsize)length);
    g_ptr_array_add(events, event);
}

ssize_t
pwrite(int fd, const void *data, size_t length, off_t offset)
{
    ssize_t n = syscall(SYS_pwrite64, fd, data, length, offset);
    g_assert_true(events == NULL || (offset % SECTOR == 0 && length % SECTOR == 0));
    record(WRITE, (guint64)offset, length, data);
    return n;
}

int
fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (mode & FALLOC_FL_PUNCH_HOLE)
        record(PUNCH, (guint64)offset, (guint64)length, NULL);
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int
ftruncate(int fd, off_t length)
{
    record(LENGTH, 0, (guint64)length, NULL);
    return (int)syscall(SYS_ftruncate, fd, length);
}

/* Durable is what was written before it was called. */
int
fdatasync(int fd)
{
    (void)fd;
    record(SYNC, 0, 0, NULL);
    return 0;
}

/* Of the directory: the file's name is not what is looked at here. */
int
fsync(int fd)
{
    (void)fd;
    return 0;
}

/* ---- The file after a loss of power ---------------------------------------------------------- */

static void
punch(int fd, guint64 offset, guint64 length)
{
    syscall(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

/* One of a hundred is not durable, none, or some. */
static gboolean
survives(GRand *rand, guint share)
{
    return (guint)g_rand_int_range(rand, 0, 100) < share;
}

static void
redo(int fd, const struct event *event, GRand *rand, guint share)
{
    guint piece = event->kind == WRITE ? SECTOR : 4096;
    if (event->kind == LENGTH)
        g_assert_cmpint(ftruncate(fd, (off_t)event->length), ==, 0);
    for (guint64 at = 0; at < event->length && event->kind <= PUNCH; at += piece) {
        if (!survives(rand, share))
            continue;
        if (event->kind == WRITE)
            syscall(SYS_pwrite64, fd, event->data + at, SECTOR, event->offset + at);
        else
            punch(fd, event->offset + at, piece);
    }
}

/* Before event `end`. */
static void
make_file(const char *path, guint end, GRand *rand, guint share)
{
    unlink(path); /* some file systems write a file that is cut to nothing at once */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    guint durable = end;
    while (durable > 0 && ((struct event *)events->pdata[durable - 1])->kind != SYNC)
        durable--;
    GPtrArray *recorded = g_steal_pointer(&events);
    for (guint i = 0; i < end; i++)
        redo(fd, recorded->pdata[i], rand, i < durable ? 100 : share);
    /* Blocks of a file whose length was lost are not there. */
    if (durable == 0 && !survives(rand, share))
        g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    events = recorded;
    close(fd);
}

/* ---- What each sector may be ----------------------------------------------------------------- */

/* Bytes of the sectors of all areas; of each the versions since the last flush. */
struct model {
    GPtrArray *versions[AREAS][AREA_SECTORS]; /* of guint8 * */
};

static void
add_version(struct model *model, guint area, guint sector, const guint8 *bytes)
{
    g_ptr_array_add(model->versions[area][sector], g_memdup2(bytes, SECTOR));
}

static void
base_bytes(guint64 offset, guint8 *ret)
{
    for (guint i = 0; i < SECTOR; i++)
        ret[i] = (guint8)(offset / SECTOR * 31 + i * 7 + 1);
}

static void
model_init(struct model *model)
{
    guint8 bytes[SECTOR];
    for (guint a = 0; a < AREAS; a++) {
        for (guint s = 0; s < AREA_SECTORS; s++) {
            model->versions[a][s] = g_ptr_array_new_with_free_func(g_free);
            base_bytes(areas[a] + s * SECTOR, bytes);
            add_version(model, a, s, bytes);
        }
    }
}

static void
model_clear(struct model *model)
{
    for (guint a = 0; a < AREAS; a++) {
        for (guint s = 0; s < AREA_SECTORS; s++)
            g_ptr_array_unref(model->versions[a][s]);
    }
}

/* Only the newest versions are left. */
static void
model_flush(struct model *model)
{
    for (guint a = 0; a < AREAS; a++) {
        for (guint s = 0; s < AREA_SECTORS; s++) {
            GPtrArray *versions = model->versions[a][s];
            if (versions->len > 1)
                g_ptr_array_remove_range(versions, 0, versions->len - 1);
        }
    }
}

static void
model_tell(struct model *model, const struct event *event)
{
    for (guint a = 0; a < AREAS; a++) {
        if (event->offset < areas[a] || event->offset >= areas[a] + AREA)
            continue;
        for (guint64 at = 0; at < event->length; at += SECTOR)
            add_version(model, a, (guint)((event->offset - areas[a] + at) / SECTOR),
                        event->data + at);
    }
}

static void
model_make(struct model *model, guint end)
{
    model_init(model);
    for (guint i = 0; i < end; i++) {
        const struct event *event = events->pdata[i];
        if (event->kind == TOLD)
            model_tell(model, event);
        else if (event->kind == FLUSHED)
            model_flush(model);
    }
}

static void
model_expect(struct model *model, struct disk *disk)
{
    g_autofree guint8 *bytes = g_malloc(AREA);
    for (guint a = 0; a < AREAS; a++) {
        g_autoptr(GError) error = NULL;
        g_assert_true(disk_read(disk, areas[a], bytes, AREA, &error));
        g_assert_no_error(error);
        for (guint s = 0; s < AREA_SECTORS; s++) {
            GPtrArray *versions = model->versions[a][s];
            guint found = 0;
            while (found < versions->len &&
                   memcmp(versions->pdata[found], bytes + s * SECTOR, SECTOR) != 0)
                found++;
            g_assert_cmpuint(found, <, versions->len);
        }
    }
}

/* ---- The disk -------------------------------------------------------------------------------- */

static struct disk *
open_overlay(const char *path)
{
    g_autoptr(GError) error = NULL;
    struct disk *base = disk_memory_new(SIZE, "base");
    guint8 bytes[SECTOR];
    for (guint a = 0; a < AREAS; a++) {
        for (guint64 at = areas[a]; at < areas[a] + AREA; at += SECTOR) {
            base_bytes(at, bytes);
            g_assert_true(disk_write(base, at, bytes, SECTOR, NULL));
        }
    }
    struct overlay_options options = {.path = path, .identity = "a disk"};
    struct disk *disk = disk_overlay_open(base, &options, &error);
    g_assert_no_error(error);
    return disk;
}

static void
change(struct disk *disk, GRand *rand)
{
    static guint8 bytes[AREA];
    g_autoptr(GError) error = NULL;
    guint64 area = areas[g_rand_int_range(rand, 0, AREAS)];
    guint first = (guint)g_rand_int_range(rand, 0, AREA_SECTORS);
    guint n = (guint)g_rand_int_range(rand, 1, g_rand_boolean(rand) ? 3 : 40);
    n = MIN(n, AREA_SECTORS - first);
    gboolean zero = g_rand_int_range(rand, 0, 3) == 0;
    for (guint i = 0; i < n * SECTOR; i++)
        bytes[i] = zero ? 0 : (guint8)g_rand_int(rand);
    record(TOLD, area + first * SECTOR, n * SECTOR, bytes);
    if (zero)
        disk_zero(disk, area + first * SECTOR, n * SECTOR, &error);
    else
        disk_write(disk, area + first * SECTOR, bytes, n * SECTOR, &error);
    g_assert_no_error(error);
}

static void
flush(struct disk *disk)
{
    g_autoptr(GError) error = NULL;
    disk_flush(disk, &error);
    g_assert_no_error(error);
    record(FLUSHED, 0, 0, NULL);
}

static void
read_areas(struct disk *disk, guint8 bytes[AREAS][AREA])
{
    for (guint a = 0; a < AREAS; a++)
        g_assert_true(disk_read(disk, areas[a], bytes[a], AREA, NULL));
}

/* What opened goes on as any other: also what an unfinished flush left is no harm to the next. */
static void
go_on(const char *path, GRand *rand)
{
    static guint8 before[AREAS][AREA], after[AREAS][AREA];
    for (guint round = 0; round < 2; round++) {
        auto_ptr(disk) disk = open_overlay(path);
        if (round > 0) {
            read_areas(disk, after);
            g_assert_cmpmem(before, sizeof before, after, sizeof after);
        }
        for (guint i = 0; i < 2; i++)
            change(disk, rand);
        g_assert_true(disk_flush(disk, NULL));
        read_areas(disk, before);
    }
    auto_ptr(disk) disk = open_overlay(path);
    read_areas(disk, after);
    g_assert_cmpmem(before, sizeof before, after, sizeof after);
}

static void
lose_power(const char *path, guint end, guint seed)
{
    static const guint shares[] = {0, 100, 50, 95, 5};
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    make_file(path, end, rand, shares[seed % G_N_ELEMENTS(shares)]);
    struct model model;
    model_make(&model, end);
    GPtrArray *recorded = g_steal_pointer(&events);
    struct disk *disk = open_overlay(path);
    model_expect(&model, disk);
    disk_close(disk);
    go_on(path, rand);
    events = recorded;
    model_clear(&model);
}

static void
run_story(guint seed)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "scratch");
    g_autofree char *crashed = scratch_path(&scratch, "crashed");
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    events = g_ptr_array_new_with_free_func(free_event);
    for (guint opened = 0; opened < 2; opened++) {
        auto_ptr(disk) disk = open_overlay(path);
        for (guint i = 0; i < 24; i++) {
            change(disk, rand);
            if (i == 23 || g_rand_int_range(rand, 0, 5) == 0)
                flush(disk);
        }
    }
    for (guint end = 0; end <= events->len; end++)
        lose_power(crashed, end, seed * 10000 + end);
    g_test_message("%u events", events->len);
    g_clear_pointer(&events, g_ptr_array_unref);
}

static void
test_power_loss(void)
{
    for (guint seed = 1; seed <= 6; seed++)
        run_story(seed);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/overlay-crash/power-loss", test_power_loss);
    return g_test_run();
}
