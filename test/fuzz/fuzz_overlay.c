/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A scratch file that somebody else has written.  The input is an overlay's file, in short: a byte
 * of flags, then changes of a good file, each an offset (4 bytes), a length (2) and the bytes.  The
 * flags say whether its digests are mended, and whether it is cut off.  What opens reads to its
 * end, holds no more than the disk, and is the same after it was written, flushed and opened again.
 */
#include "base/error.h"
#include "disk/disk_open.h"
#include "disk/overlay.h"
#include "fuzz.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

#define PART 4096u
#define PAGES 2u
#define SIZE ((guint64)16128 * PART + 9 * PART + 100)
#define HEAD (2 * PART + PAGES * 2 * PART) /* headers and table */
#define IDENTITY "fuzz"

enum flag { MEND = 1, MEND_SUM = 2, CUT = 4 };

static struct disk *
open_overlay(const char *path, GError **error)
{
    struct overlay_options options = {.path = path, .identity = IDENTITY};
    struct disk *base = disk_memory_new(SIZE, "base");
    g_assert_true(disk_write(base, 3 * PART, "base", 4, NULL));
    return disk_overlay_open(base, &options, error);
}

/* One with data, zeros and base in both pages, and both slots of each in use. */
static void
make_good(const char *path, guint8 head[HEAD])
{
    g_autoptr(GError) error = NULL;
    auto_ptr(disk) disk = open_overlay(path, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 3; i++) {
        g_assert_true(disk_write(disk, i * PART + 5, "data", 4, NULL));
        g_assert_true(disk_write(disk, SIZE - 1 - i * PART, "x", 1, NULL));
        g_assert_true(disk_zero(disk, (20 + i) * PART, PART, NULL));
        g_assert_true(disk_flush(disk, NULL));
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(pread(fd, head, HEAD, 0), ==, HEAD);
    close(fd);
}

static void
seal(guint8 *part)
{
    SHA256(part, PART - 32, part + PART - 32);
}

static guint64
get64(const guint8 *from)
{
    guint64 value;
    memcpy(&value, from, sizeof value);
    return GUINT64_FROM_LE(value);
}

/* What the first header must say of the pages for them to be believed. */
static void
mend_sum(guint8 head[HEAD])
{
    guint64 n = 0;
    memset(head + 48, 0, 16);
    for (guint64 page = 0; page < PAGES; page++) {
        const guint8 *found = NULL;
        for (guint slot = 0; slot < 2; slot++) {
            const guint8 *part = head + (2 + slot * PAGES + page) * PART;
            if (memcmp(part, "SLIPOVPG", 8) == 0 && get64(part + 8) == page &&
                get64(part + 16) > 0 && get64(part + 16) <= get64(head + 16) &&
                (found == NULL || get64(part + 16) > get64(found + 16)))
                found = part;
        }
        for (guint i = 0; found != NULL && i < 16; i++)
            head[48 + i] ^= found[PART - 32 + i];
        n += found != NULL;
    }
    n = GUINT64_TO_LE(n);
    memcpy(head + 32, &n, sizeof n);
}

static void
change(guint8 head[HEAD], const uint8_t *data, size_t size, guint flags)
{
    while (size >= 6) {
        guint32 at = (guint32)data[0] | (guint32)data[1] << 8 | (guint32)data[2] << 16;
        gsize length = data[4] | (gsize)data[5] << 8;
        data += 6;
        size -= 6;
        length = MIN(length, size);
        at %= HEAD;
        memcpy(head + at, data, MIN(length, HEAD - at));
        data += length;
        size -= length;
    }
    for (guint i = 2; i < HEAD / PART && flags & MEND; i++)
        seal(head + i * PART);
    if (flags & MEND_SUM)
        mend_sum(head);
    if (flags & MEND) {
        seal(head);
        seal(head + PART);
    }
}

static void
put_file(const char *path, const guint8 head[HEAD], guint64 length)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, head, MIN(HEAD, length), 0), ==, (gssize)MIN(HEAD, length));
    g_assert_cmpint(ftruncate(fd, (off_t)length), ==, 0);
    close(fd);
}

/* Reads what there is, in extents. */
static guint64
read_all(struct disk *disk)
{
    static guint8 bytes[256 * PART];
    guint64 data = 0, changed;
    for (guint64 at = 0; at < SIZE;) {
        g_autoptr(GError) error = NULL;
        struct disk_extent extent;
        g_assert_true(disk_extent(disk, at, sizeof bytes, &extent, &error));
        g_assert_true(extent.kind == DISK_ZERO ||
                      disk_read(disk, at, bytes, (gsize)extent.length, &error));
        g_assert_no_error(error);
        disk_overlay_changed(disk, at, extent.length, &changed);
        g_assert_cmpuint(changed, >=, 1);
        g_assert_cmpuint(changed, <=, extent.length);
        if (extent.kind == DISK_DATA)
            data += extent.length;
        at += extent.length;
    }
    return data;
}

static void
use(const char *path)
{
    g_autoptr(GError) error = NULL;
    guint64 used, limit, again;
    struct disk *disk = open_overlay(path, &error);
    fuzz_check_pointer(disk, error);
    if (disk == NULL)
        return;
    read_all(disk);
    g_assert_true(disk_write(disk, 7 * PART + 1, "new", 3, &error));
    g_assert_true(disk_zero(disk, 8 * PART, PART, &error));
    /* There is a last generation, which nobody comes to. */
    if (!disk_flush(disk, &error)) {
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
        disk_close(disk);
        return;
    }
    guint64 data = read_all(disk);
    disk_overlay_usage(disk, &used, &limit);
    g_assert_cmpuint(used, <=, SIZE + PART);
    disk_close(disk);
    disk = open_overlay(path, &error);
    g_assert_no_error(error);
    char bytes[4] = "";
    g_assert_true(disk_read(disk, 7 * PART + 1, bytes, 3, &error));
    g_assert_cmpstr(bytes, ==, "new");
    g_assert_cmpuint(read_all(disk), ==, data);
    disk_overlay_usage(disk, &again, &limit);
    g_assert_cmpuint(used, ==, again);
    disk_close(disk);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static guint8 good[HEAD];
    static gboolean made;
    g_autofree char *path = g_build_filename(fuzz_directory(), "scratch", NULL);
    if (!made)
        make_good(path, good);
    made = TRUE;
    guint flags = size > 0 ? data[0] : 0;
    guint8 *head = g_memdup2(good, HEAD);
    if (size > 0)
        change(head, data + 1, size - 1, flags);
    guint64 length = HEAD + SIZE / PART * PART + PART;
    put_file(path, head, flags & CUT ? length / (1 + flags / 8) - 1 : length);
    use(path);
    g_free(head);
    return 0;
}
