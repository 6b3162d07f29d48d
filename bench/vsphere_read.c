/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a disk over a datastore's /folder as a backup does: segments of 4 MiB, by a few threads.
 * bench/vsphere starts it, and a server. */
#include "hyper/vsphere/folder.h"
#include "measure.h"

#include <stdlib.h>

#define SEGMENT (4u << 20)
#define THREADS_MAX 64

static int threads = 3;
static char *url, *path, *thumbprint;
static gint64 size;

static const GOptionEntry entries[] = {
    {"url", 0, 0, G_OPTION_ARG_STRING, &url, "The server", "URL"},
    {"path", 0, 0, G_OPTION_ARG_STRING, &path, "The file with the disk's bytes", "PATH"},
    {"size", 0, 0, G_OPTION_ARG_INT64, &size, "Its bytes", "N"},
    {"threads", 0, 0, G_OPTION_ARG_INT, &threads, "Readers (3)", "N"},
    {"thumbprint", 0, 0, G_OPTION_ARG_STRING, &thumbprint, "Of the certificate", "HEX"},
    {NULL}};

struct reading {
    struct disk *disk;
    gint next; /* atomic: segment */
};

static gpointer
read_segments(gpointer data)
{
    struct reading *reading = data;
    guint64 end = disk_size(reading->disk);
    g_autofree guint8 *buffer = g_malloc(SEGMENT);
    GError *error = NULL;
    for (;;) {
        guint64 at = (guint64)g_atomic_int_add(&reading->next, 1) * SEGMENT;
        if (at >= end)
            return NULL;
        disk_read(reading->disk, at, buffer, MIN(SEGMENT, end - at), &error);
        measure_must(error);
    }
}

int
main(int argc, char **argv)
{
    measure_options(argc, argv, entries, "Read a disk over HTTP, and forget it");
    if (url == NULL || path == NULL || size <= 0 || threads < 1 || threads > THREADS_MAX)
        measure_fail("--url, --path and --size are needed, and 1 to %d threads", THREADS_MAX);
    static const struct http_options network = {.proxy = "", .retries = HTTP_RETRIES_DEFAULT};
    const struct vim_options options = {
        .user = "bench", .password = "bench", .network = &network, .thumbprint = thumbprint};
    GError *error = NULL;
    auto_ptr(vim) vim = vim_open(url, &options, &error);
    measure_must(error);
    const struct folder_disk_options wanted = {
        .place = {NULL, (char *)"bench", path}, .size = (guint64)size, .label = path};
    struct reading reading = {.disk = folder_disk_open(vim, &wanted, &error)};
    measure_must(error);
    GThread *readers[THREADS_MAX];
    for (int i = 0; i < threads; i++)
        readers[i] = g_thread_new("reader", read_segments, &reading);
    for (int i = 0; i < threads; i++)
        g_thread_join(readers[i]);
    disk_close(reading.disk);
    return EXIT_SUCCESS;
}
