/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Freezes a machine and reads its disks as a backup does, in turn with `nbdcopy` of the very same
 * exports to nowhere.  bench/libvirt starts it, and a libvirt. */
#include "hyper/hypervisor.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT (4u << 20)
#define THREADS_MAX 64

static int threads = 3, rounds = 3;
static char *uri, *machine_name;

static const GOptionEntry entries[] = {
    {"uri", 0, 0, G_OPTION_ARG_STRING, &uri, "The hypervisor", "URI"},
    {"machine", 0, 0, G_OPTION_ARG_STRING, &machine_name, "The machine's name", "NAME"},
    {"threads", 0, 0, G_OPTION_ARG_INT, &threads, "Readers (3)", "N"},
    {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "Rounds (3)", "N"},
    {NULL}};

struct reading {
    struct disk *disk;
    gint next;    /* atomic: segment */
    gint64 bytes; /* atomic: that were no hole */
};

/* One segment: what the extents say is data. */
static void
read_segment(struct reading *reading, guint64 at, guint64 end, guint8 *buffer)
{
    GError *error = NULL;
    while (at < end) {
        struct disk_extent extent;
        disk_extent(reading->disk, at, end - at, &extent, &error);
        measure_must(error);
        if (extent.kind == DISK_DATA) {
            disk_read(reading->disk, at, buffer, extent.length, &error);
            measure_must(error);
            __atomic_fetch_add(&reading->bytes, (gint64)extent.length, __ATOMIC_RELAXED);
        }
        at += extent.length;
    }
}

static gpointer
read_segments(gpointer data)
{
    struct reading *reading = data;
    guint64 size = disk_size(reading->disk);
    g_autofree guint8 *buffer = g_malloc(SEGMENT);
    for (;;) {
        guint64 at = (guint64)g_atomic_int_add(&reading->next, 1) * SEGMENT;
        if (at >= size)
            return NULL;
        read_segment(reading, at, MIN(at + SEGMENT, size), buffer);
    }
}

static double
read_disk(struct disk *disk, gint64 *ret_bytes)
{
    struct reading reading = {.disk = disk};
    GThread *readers[THREADS_MAX];
    guint64 begin = measure_now();
    for (int i = 0; i < threads; i++)
        readers[i] = g_thread_new("reader", read_segments, &reading);
    for (int i = 0; i < threads; i++)
        g_thread_join(readers[i]);
    *ret_bytes = reading.bytes;
    return (double)(measure_now() - begin) / 1e9;
}

static double
copy_disk(const char *label)
{
    const char *const command[] = {"nbdcopy", label, "null:", NULL};
    GError *error = NULL;
    gint status;
    guint64 begin = measure_now();
    g_spawn_sync(NULL, (gchar **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                 &status, &error);
    measure_must(error);
    if (status != 0)
        measure_fail("nbdcopy %s null: ended with status %d", label, status);
    return (double)(measure_now() - begin) / 1e9;
}

static struct machine *
find_machine(struct hypervisor *hypervisor)
{
    GError *error = NULL;
    g_autoptr(GPtrArray) list = hypervisor_list(hypervisor, &error);
    measure_must(error);
    for (guint i = 0; i < list->len; i++) {
        const struct machine *machine = list->pdata[i];
        if (g_strcmp0(machine->name, machine_name) == 0)
            return machine_copy(machine);
    }
    measure_fail("there is no machine called %s", machine_name);
}

static void
measure(const struct frozen_disk *disk)
{
    g_autoptr(GArray) ratios = g_array_new(FALSE, FALSE, sizeof(double));
    for (int i = 0; i < rounds; i++) {
        gint64 bytes;
        double copied = copy_disk(disk_label(disk->disk)), own = read_disk(disk->disk, &bytes);
        double ratio = copied / own;
        g_array_append_val(ratios, ratio);
        printf("| %s | %.0f | %.0f | %.0f | %.2f |\n", disk->name, (double)bytes / 1e6,
               (double)bytes / 1e6 / own, (double)bytes / 1e6 / copied, ratio);
    }
}

int
main(int argc, char **argv)
{
    measure_options(argc, argv, entries, "Read a frozen machine's disks, in turn with nbdcopy");
    if (uri == NULL || machine_name == NULL || threads < 1 || threads > THREADS_MAX)
        measure_fail("--uri and --machine are needed, and 1 to %d threads", THREADS_MAX);
    GError *error = NULL;
    struct hypervisor_options options = {0};
    auto_ptr(hypervisor) hypervisor = hypervisor_open(uri, &options, &error);
    measure_must(error);
    auto_ptr(machine) machine = find_machine(hypervisor);
    GArray *wanted = g_array_new(FALSE, TRUE, sizeof(struct freeze_disk));
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];
        struct freeze_disk one = {.name = disk->name};
        if (disk->skip == NULL)
            g_array_append_val(wanted, one);
    }
    struct freeze_options freeze = {.quiesce = FREEZE_NEVER,
                                    .disks = (const struct freeze_disk *)wanted->data,
                                    .n_disks = wanted->len,
                                    .chain = "bench"};
    auto_ptr(frozen) frozen = hypervisor_freeze(hypervisor, machine, &freeze, &error);
    measure_must(error);
    printf(
        "| disk | MB | slipway, MB/s | nbdcopy to null:, MB/s | ratio |\n|---|---|---|---|---|\n");
    for (guint i = 0; i < frozen_n_disks(frozen); i++)
        measure(frozen_get_disk(frozen, i));
    frozen_thaw(frozen, &error);
    measure_must(error);
    g_array_unref(wanted);
    return EXIT_SUCCESS;
}
