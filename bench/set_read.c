/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A disk of a set as an export reads it: through the cache, and without.  See README.md. */
#include "disk/disk_open.h"
#include "engine/set_cache.h"
#include "measure.h"
#include "store/store_sets.h"

#include <stdio.h>
#include <string.h>

#define BLOCK DISK_BLOCK
#define PIECE (1u << 20)
#define DEPTH 32u
/* No chunk that a read touched is touched again by one that is so far away. */
#define APART (CHUNK_MAX / BLOCK)

static char *store_path = NULL, *set_name = NULL, *disk_name = NULL;
static gint rounds = 3, reads = 2000, workers = 2, cache_mib = 64, sequential_mib = 1024;

static const GOptionEntry entries[] = {
    {"store", 's', 0, G_OPTION_ARG_FILENAME, &store_path, "a store that is not encrypted", "DIR"},
    {"set", 'S', 0, G_OPTION_ARG_STRING, &set_name, "one of its sets", "SET"},
    {"disk", 'd', 0, G_OPTION_ARG_STRING, &disk_name, "and a disk of that", "NAME"},
    {"reads", 'n', 0, G_OPTION_ARG_INT, &reads, "random reads a round (2000)", "N"},
    {"sequential", 'q', 0, G_OPTION_ARG_INT, &sequential_mib, "MiB read in order (1024)", "N"},
    {"rounds", 'r', 0, G_OPTION_ARG_INT, &rounds, "rounds (3)", "N"},
    {"threads", 't', 0, G_OPTION_ARG_INT, &workers, "threads that read ahead (2)", "N"},
    {"cache", 'c', 0, G_OPTION_ARG_INT, &cache_mib, "MiB of the cache (64)", "N"},
    {NULL}};

/* ---- Disks ----------------------------------------------------------------------------------- */

struct subject {
    struct store *store;
    struct set_entry *entry;
    GArray *blocks; /* of guint64: all that are data */
    GRand *random;
};

/* One that nothing was read of yet. */
struct opened {
    struct set_cache *cache; /* NULL: without one */
    struct disk *disk;
};

static struct opened
open_disk(const struct subject *subject, gboolean cached)
{
    GError *error = NULL;
    struct opened opened = {0};
    struct set_cache_options options = {.bytes = (guint64)cache_mib << 20,
                                        .threads = (guint)workers};
    if (cached) {
        opened.cache = set_cache_new(subject->store, NULL, &options, &error);
        measure_must(error);
        opened.disk = set_cache_open(opened.cache, subject->entry->set, disk_name, &error);
    } else {
        opened.disk = set_disk_open(subject->store, NULL, subject->entry->set, disk_name, &error);
    }
    measure_must(error);
    return opened;
}

static void
close_disk(struct opened *opened)
{
    disk_close(opened->disk);
    set_cache_free(opened->cache);
}

static void
read_disk(struct disk *disk, guint64 offset, void *buffer, gsize length)
{
    GError *error = NULL;
    disk_read(disk, offset, buffer, length, &error);
    measure_must(error);
}

static void
find_data(struct subject *subject)
{
    GError *error = NULL;
    struct opened opened = open_disk(subject, FALSE);
    struct disk_extent extent;
    subject->blocks = g_array_new(FALSE, FALSE, sizeof(guint64));
    for (guint64 at = 0; at < disk_size(opened.disk); at += extent.length) {
        disk_extent(opened.disk, at, G_MAXUINT64, &extent, &error);
        measure_must(error);
        for (guint64 i = 0; extent.kind == DISK_DATA && i < extent.length / BLOCK; i++) {
            guint64 block = at / BLOCK + i;
            g_array_append_val(subject->blocks, block);
        }
    }
    if (subject->blocks->len == 0)
        measure_fail("%s has no data", disk_label(opened.disk));
    close_disk(&opened);
}

/* ---- In order -------------------------------------------------------------------------------- */

/* Bytes of data a microsecond: zeros, which cost nearly nothing, do not count. */
static double
read_in_order(const struct subject *subject, gboolean cached)
{
    struct opened opened = open_disk(subject, cached);
    g_autofree guint8 *buffer = g_malloc(PIECE);
    guint64 wanted = (guint64)sequential_mib << 20, at = 0;
    guint n = 0;
    guint64 begin = measure_now();
    while (at < disk_size(opened.disk) && (guint64)n * BLOCK < wanted) {
        gsize length = (gsize)MIN(PIECE, disk_size(opened.disk) - at);
        read_disk(opened.disk, at, buffer, length);
        at += length;
        while (n < subject->blocks->len && g_array_index(subject->blocks, guint64, n) * BLOCK < at)
            n++;
    }
    guint64 time = measure_now() - begin;
    close_disk(&opened);
    return (double)n * BLOCK * 1000 / (double)time;
}

/* ---- Here and there -------------------------------------------------------------------------- */

/* Offsets of which no two have a chunk in common. */
static GArray *
places(const struct subject *subject)
{
    GArray *offsets = g_array_new(FALSE, FALSE, sizeof(guint64));
    guint64 last = g_array_index(subject->blocks, guint64, subject->blocks->len - 1);
    g_autofree guint8 *touched = g_malloc0(last + 1);
    for (guint try = 0; try < 50u * (guint)reads && offsets->len < (guint)reads; try++) {
        guint n = (guint)(g_rand_double(subject->random) * subject->blocks->len);
        guint64 block = g_array_index(subject->blocks, guint64, n);
        if (touched[block])
            continue;
        guint64 first = block > APART ? block - APART : 0;
        memset(touched + first, 1, MIN(block + APART, last + 1) - first);
        guint64 offset = block * BLOCK;
        g_array_append_val(offsets, offset);
    }
    return offsets;
}

static void
read_places(struct disk *disk, GArray *offsets, guint n, GArray *times)
{
    guint8 buffer[BLOCK];
    for (guint i = 0; i < n; i++) {
        guint64 begin = measure_now();
        read_disk(disk, g_array_index(offsets, guint64, i), buffer, BLOCK);
        guint64 time = measure_now() - begin;
        g_array_append_val(times, time);
    }
}

/* As a server does with a queue: what waits is said in advance.  Microseconds a read. */
static double
read_queue(const struct subject *subject, GArray *offsets, gboolean tell)
{
    struct opened opened = open_disk(subject, TRUE);
    guint8 buffer[BLOCK];
    guint64 begin = measure_now();
    for (guint i = 0, told = 0; i < offsets->len; i++) {
        for (; tell && told < offsets->len && told < i + DEPTH; told++)
            disk_prefetch(opened.disk, g_array_index(offsets, guint64, told), BLOCK);
        read_disk(opened.disk, g_array_index(offsets, guint64, i), buffer, BLOCK);
    }
    double time = (double)(measure_now() - begin) / 1000 / offsets->len;
    close_disk(&opened);
    return time;
}

/* The cache must not change what is read. */
static void
check_places(const struct subject *subject, struct disk *disk, GArray *offsets, guint n)
{
    struct opened plain = open_disk(subject, FALSE);
    guint8 one[BLOCK], two[BLOCK];
    for (guint i = 0; i < n; i++) {
        guint64 offset = g_array_index(offsets, guint64, i);
        read_disk(disk, offset, one, BLOCK);
        read_disk(plain.disk, offset, two, BLOCK);
        if (memcmp(one, two, BLOCK) != 0)
            measure_fail("%s differs at %" G_GUINT64_FORMAT, disk_label(disk), offset);
    }
    close_disk(&plain);
}

struct times {
    GArray *plain, *cold, *warm;
};

static void
read_at_random(const struct subject *subject, GArray *offsets, struct times *times)
{
    struct opened plain = open_disk(subject, FALSE), cached = open_disk(subject, TRUE);
    read_places(plain.disk, offsets, offsets->len, times->plain);
    read_places(cached.disk, offsets, offsets->len, times->cold);
    close_disk(&plain);
    /* As many as stay in any cache. */
    guint few = MIN(offsets->len, (8u << 20) / CHUNK_MAX);
    g_autoptr(GArray) once = g_array_new(FALSE, FALSE, sizeof(guint64));
    read_places(cached.disk, offsets, few, once);
    for (guint i = 0; i < 20; i++)
        read_places(cached.disk, offsets, few, times->warm);
    check_places(subject, cached.disk, offsets, few);
    close_disk(&cached);
}

/* ---- The program ----------------------------------------------------------------------------- */

static void
print_times(const char *what, GArray *times)
{
    printf("| %s | %.1f | %.1f | %.1f |\n", what, (double)measure_percentile(times, 0.5) / 1e3,
           (double)measure_percentile(times, 0.9) / 1e3,
           (double)measure_percentile(times, 0.99) / 1e3);
}

static void
measure(const struct subject *subject)
{
    struct times times = {g_array_new(FALSE, FALSE, sizeof(guint64)),
                          g_array_new(FALSE, FALSE, sizeof(guint64)),
                          g_array_new(FALSE, FALSE, sizeof(guint64))};
    printf(
        "\n| round | in order, without cache, MB/s | in order, MB/s | cold 4 KiB, us a read | the "
        "same, a queue of %u told | \n|---|---|---|---|---|\n",
        DEPTH);
    for (gint i = 0; i < rounds; i++) {
        g_autoptr(GArray) offsets = places(subject);
        double plain = read_in_order(subject, FALSE), cached = read_in_order(subject, TRUE);
        double alone = read_queue(subject, offsets, FALSE);
        double queue = read_queue(subject, offsets, TRUE);
        read_at_random(subject, offsets, &times);
        printf("| %d | %.0f | %.0f | %.0f | %.0f |\n", i + 1, plain, cached, alone, queue);
    }
    printf("\n| 4 KiB, microseconds | median | p90 | p99 |\n|---|---|---|---|\n");
    print_times("cold, without cache", times.plain);
    print_times("cold", times.cold);
    print_times("again", times.warm);
    g_array_unref(times.plain);
    g_array_unref(times.cold);
    g_array_unref(times.warm);
}

int
main(int argc, char **argv)
{
    GError *error = NULL;
    measure_options(argc, argv, entries,
                    "Reads of a backed-up disk through the cache of an export, against a plain "
                    "disk of the set.  Asserts only that both have the same bytes.");
    if (store_path == NULL || set_name == NULL || disk_name == NULL)
        measure_fail("name a store, a set and a disk; --help tells how");
    if (rounds < 1 || reads < 1 || sequential_mib < 1 || workers < 1 || cache_mib < 1)
        measure_fail("numbers begin with 1");
    struct repo *repo = repo_directory_open(store_path, FALSE, &error);
    measure_must(error);
    auto_ptr(store) store = store_open(repo, NULL, &error);
    measure_must(error);
    struct subject subject = {.store = store, .random = g_rand_new_with_seed(2)};
    subject.entry = store_sets_find(store, set_name, &error);
    measure_must(error);
    measure_print_machine();
    printf(", cache: %d MiB, threads: %d\n", cache_mib, workers);
    find_data(&subject);
    read_in_order(&subject, FALSE); /* the store into the page cache */
    measure(&subject);
    g_array_unref(subject.blocks);
    g_rand_free(subject.random);
    set_entry_free(subject.entry);
    return 0;
}
