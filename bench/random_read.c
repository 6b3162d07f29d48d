/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long a read of 4 KiB takes at a random place of a backed-up disk: see README.md. */
#include "disk/disk_open.h"
#include "engine/backup.h"
#include "engine/set_disk.h"
#include "measure.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK DISK_BLOCK
/* No chunk that a read touched is touched again by one that is so far away. */
#define APART (CHUNK_MAX / BLOCK)

static char *work = NULL, *image = NULL;
static gint rounds = 5, reads = 1000, size_mib = 1024;

static const GOptionEntry entries[] = {
    {"image", 'i', 0, G_OPTION_ARG_FILENAME, &image, "raw image to back up (default: made)",
     "FILE"},
    {"size", 's', 0, G_OPTION_ARG_INT, &size_mib, "MiB of the image that is made (1024)", "N"},
    {"reads", 'n', 0, G_OPTION_ARG_INT, &reads, "reads a round (1000)", "N"},
    {"rounds", 'r', 0, G_OPTION_ARG_INT, &rounds, "rounds (5)", "N"},
    {"work", 'w', 0, G_OPTION_ARG_FILENAME, &work, "where the store is made", "DIR"},
    {NULL}};

/* Nanoseconds of each read. */
enum kind { RAW, COLD, AGAIN, SAME, KINDS };
static const char *const kind_names[KINDS] = {
    [RAW] = "raw image, pread",
    [COLD] = "backed-up disk, chunk not read before",
    [AGAIN] = "backed-up disk, the same places again",
    [SAME] = "backed-up disk, the same block at once again",
};

struct measuring {
    int fd; /* of the image */
    GRand *random;
    GArray *times[KINDS]; /* of guint64 */
    GArray *opening;      /* of guint64: opening the disk and one read */
};

/* ---- The disk -------------------------------------------------------------------------------- */

/* Half of each block is random, the rest is text-like: it is compressed to about a half. */
static void
make_image(const char *path)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        measure_fail("cannot write %s", path);
    guint8 block[BLOCK];
    for (gint64 i = 0; i < (gint64)size_mib * 256; i++) {
        for (guint at = 0; at < BLOCK; at += 4) {
            guint32 value = at < BLOCK / 2 ? g_rand_int(random) : 0x20657361u + (at & 0x1f);
            memcpy(block + at, &value, sizeof value);
        }
        if (fwrite(block, BLOCK, 1, file) != 1)
            measure_fail("cannot write %s", path);
    }
    if (fclose(file) != 0)
        measure_fail("cannot write %s", path);
}

static void
back_up(struct store *store, struct backup_report *report)
{
    GError *error = NULL;
    auto_ptr(disk) disk = disk_open_read(image, DISK_FORMAT_RAW, &error);
    measure_must(error);
    struct backup_source source = {.disk = disk, .name = "disk0"};
    struct backup_options options = {
        .name = "random_read",
        .sources = &source,
        .n_sources = 1,
        .codec = store_config(store)->codec,
        .level = store_config(store)->level,
    };
    backup_run(store, &options, report, &error);
    measure_must(error);
}

/* All of the store and of the image into the page cache. */
static void
warm(struct repo *repo, int fd)
{
    GError *error = NULL;
    const gsize piece = 1u << 20;
    g_autofree guint8 *buffer = g_malloc(piece);
    g_autoptr(GPtrArray) objects = repo_list(repo, "", &error);
    measure_must(error);
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        for (guint64 at = 0; at < entry->size; at += piece) {
            repo_read(repo, entry->name, at, buffer, MIN(piece, entry->size - at), &error);
            measure_must(error);
        }
    }
    for (off_t at = 0; pread(fd, buffer, piece, at) > 0; at += (off_t)piece)
        continue;
}

/* ---- Places ---------------------------------------------------------------------------------- */

struct places {
    GArray *extents;  /* of struct disk_extent: data */
    guint64 blocks;   /* in them */
    guint8 *touched;  /* of each block of the disk: a chunk there may have been read */
    guint64 n_blocks; /* of the disk */
};

static void
find_data(struct disk *disk, struct places *ret)
{
    GError *error = NULL;
    struct disk_extent extent;
    ret->extents = g_array_new(FALSE, FALSE, sizeof extent);
    ret->blocks = 0;
    ret->n_blocks = disk_size(disk) / BLOCK;
    ret->touched = g_malloc0(ret->n_blocks);
    guint64 end = ret->n_blocks * BLOCK;
    for (guint64 at = 0; at < end; at += extent.length) {
        disk_extent(disk, at, end - at, &extent, &error);
        measure_must(error);
        if (extent.kind != DISK_DATA)
            continue;
        g_array_append_val(ret->extents, extent);
        ret->blocks += extent.length / BLOCK;
    }
    if (ret->blocks == 0)
        measure_fail("%s has no data", disk_label(disk));
}

static void
clear_places(struct places *places)
{
    g_array_unref(places->extents);
    g_free(places->touched);
}

/* Number of the n-th block of data. */
static guint64
nth_block(const struct places *places, guint64 n)
{
    for (guint i = 0; i < places->extents->len; i++) {
        const struct disk_extent *extent = &g_array_index(places->extents, struct disk_extent, i);
        if (n < extent->length / BLOCK)
            return extent->offset / BLOCK + n;
        n -= extent->length / BLOCK;
    }
    g_assert_not_reached();
}

/* A block of which no chunk was read; FALSE when there is hardly one left. */
static gboolean
next_place(struct places *places, GRand *random, guint64 *ret)
{
    for (guint try = 0; try < 1000; try++) {
        guint64 n = (guint64)(g_rand_double(random) * (double)places->blocks);
        guint64 block = nth_block(places, MIN(n, places->blocks - 1));
        if (places->touched[block])
            continue;
        guint64 first = block > APART ? block - APART : 0;
        memset(places->touched + first, 1, MIN(block + APART, places->n_blocks) - first);
        *ret = block * BLOCK;
        return TRUE;
    }
    return FALSE;
}

/* ---- Reads ----------------------------------------------------------------------------------- */

static void
read_raw(struct measuring *self, guint64 offset, guint8 *buffer)
{
    guint64 begin = measure_now();
    ssize_t n = pread(self->fd, buffer, BLOCK, (off_t)offset);
    guint64 time = measure_now() - begin;
    if (n != BLOCK)
        measure_fail("cannot read %s", image);
    g_array_append_val(self->times[RAW], time);
}

static void
read_backed_up(struct disk *disk, guint64 offset, const guint8 *expected, GArray *times)
{
    GError *error = NULL;
    guint8 buffer[BLOCK];
    guint64 begin = measure_now();
    disk_read(disk, offset, buffer, BLOCK, &error);
    guint64 time = measure_now() - begin;
    measure_must(error);
    if (memcmp(buffer, expected, BLOCK) != 0)
        measure_fail("%s differs from the image at %" G_GUINT64_FORMAT, disk_label(disk), offset);
    g_array_append_val(times, time);
}

/* One round begins with a disk that was opened anew. */
static void
run_round(struct measuring *self, struct store *store, const struct set *set)
{
    GError *error = NULL;
    guint8 expected[BLOCK];
    guint64 offset = 0, begin = measure_now();
    auto_ptr(disk) disk = set_disk_open(store, NULL, set, "disk0", &error);
    guint64 opening = measure_now() - begin;
    measure_must(error);
    g_array_append_val(self->opening, opening);
    struct places places;
    /* Asking for the extents reads the map: it must not be in this disk's memory yet. */
    auto_ptr(disk) other = set_disk_open(store, NULL, set, "disk0", &error);
    measure_must(error);
    find_data(other, &places);
    g_autoptr(GArray) offsets = g_array_new(FALSE, FALSE, sizeof offset);
    for (gint i = 0; i < reads && next_place(&places, self->random, &offset); i++) {
        g_array_append_val(offsets, offset);
        read_raw(self, offset, expected);
        read_backed_up(disk, offset, expected, self->times[COLD]);
    }
    for (guint i = 0; i < offsets->len; i++) {
        offset = g_array_index(offsets, guint64, i);
        read_raw(self, offset, expected);
        read_backed_up(disk, offset, expected, self->times[AGAIN]);
        read_backed_up(disk, offset, expected, self->times[SAME]);
    }
    clear_places(&places);
}

static void
print_results(struct measuring *self, const struct set *set, const struct store *store)
{
    const struct set_disk *disk = set->disks->pdata[0];
    printf("%u reads of 4 KiB in %d rounds, page cache warm; %.0f MB of data in %" G_GUINT64_FORMAT
           " chunks, zstd:%d; opening the disk: %.2f ms\n\n",
           self->times[COLD]->len, rounds, (double)disk->data / 1e6, disk->chunks,
           store_config(store)->level, (double)measure_percentile(self->opening, 0.5) / 1e6);
    printf("| microseconds | median | p90 | p99 |\n|---|---|---|---|\n");
    for (guint i = 0; i < KINDS; i++)
        printf("| %s | %.1f | %.1f | %.1f |\n", kind_names[i],
               (double)measure_percentile(self->times[i], 0.5) / 1e3,
               (double)measure_percentile(self->times[i], 0.9) / 1e3,
               (double)measure_percentile(self->times[i], 0.99) / 1e3);
}

/* ---- The program ----------------------------------------------------------------------------- */

int
main(int argc, char **argv)
{
    GError *error = NULL;
    measure_options(argc, argv, entries,
                    "Random reads of 4 KiB from a backed-up disk, against the raw image.  About "
                    "20 s with the image that is made; asserts only that the bytes are right.");
    if (reads < 1 || rounds < 1 || size_mib < 1)
        measure_fail("numbers begin with 1");
    g_autofree char *directory =
        measure_directory_new(work != NULL ? work : "out/bench-random-read");
    if (image == NULL) {
        image = g_build_filename(directory, "image", NULL);
        make_image(image);
    }
    g_autofree char *path = g_build_filename(directory, "store", NULL);
    struct repo *repo = repo_directory_open(path, TRUE, &error);
    measure_must(error);
    struct store_config config = {.codec = CODEC_ZSTD, .level = STORE_LEVEL_DEFAULT};
    auto_ptr(store) store = store_init(repo, &config, NULL, &error);
    measure_must(error);
    struct backup_report report;
    measure_print_machine();
    printf(", ");
    fflush(stdout);
    back_up(store, &report);

    struct measuring self = {.fd = open(image, O_RDONLY | O_CLOEXEC),
                             .random = g_rand_new_with_seed(2)};
    self.opening = g_array_new(FALSE, FALSE, sizeof(guint64));
    for (guint i = 0; i < KINDS; i++)
        self.times[i] = g_array_new(FALSE, FALSE, sizeof(guint64));
    warm(store_repo(store), self.fd);
    for (gint i = 0; i < rounds; i++)
        run_round(&self, store, report.set);
    print_results(&self, report.set, store);
    backup_report_clear(&report);
    measure_directory_remove(directory);
    return 0;
}
