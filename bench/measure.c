/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "measure.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
measure_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s: %s\n", g_get_prgname(), words);
    exit(1);
}

void
measure_must(GError *error)
{
    if (error != NULL)
        measure_fail("%s", error->message);
}

guint64
measure_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (guint64)time.tv_sec * 1000000000 + (guint64)time.tv_nsec;
}

void
measure_print_machine(void)
{
    double load = 0;
    if (getloadavg(&load, 1) < 1)
        load = 0;
    printf("processors: %u, load before: %.1f", g_get_num_processors(), load);
}

static gint
compare(gconstpointer left, gconstpointer right)
{
    const guint64 a = *(const guint64 *)left, b = *(const guint64 *)right;
    return (a > b) - (a < b);
}

guint64
measure_percentile(GArray *values, double share)
{
    g_assert(values->len > 0);
    g_array_sort(values, compare);
    guint place = (guint)(share * values->len);
    return g_array_index(values, guint64, MIN(place, values->len - 1));
}

void
measure_memory(struct measure_memory *ret)
{
    GError *error = NULL;
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/smaps_rollup", &text, NULL, &error))
        measure_must(error);
    const char *resident = strstr(text, "\nRss:"), *anonymous = strstr(text, "\nAnonymous:");
    if (resident == NULL || anonymous == NULL)
        measure_fail("smaps_rollup has no Rss or Anonymous");
    ret->resident = g_ascii_strtoull(resident + strlen("\nRss:"), NULL, 10) * 1024;
    ret->anonymous = g_ascii_strtoull(anonymous + strlen("\nAnonymous:"), NULL, 10) * 1024;
}

void
measure_options(int argc, char **argv, const GOptionEntry *entries, const char *summary)
{
    GError *error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_parse(context, &argc, &argv, &error);
    measure_must(error);
    if (argc > 1)
        measure_fail("%s: this is no option; see --help", argv[1]);
}

char *
measure_directory_new(const char *work)
{
    char *path = g_build_filename(work, "run-XXXXXX", NULL);
    if (g_mkdir_with_parents(work, 0755) != 0 || g_mkdtemp(path) == NULL)
        measure_fail("cannot make a directory in %s: %s", work, g_strerror(errno));
    return path;
}

static int
remove_one(const char *path, const struct stat *status G_GNUC_UNUSED, int kind G_GNUC_UNUSED,
           struct FTW *place G_GNUC_UNUSED)
{
    return remove(path);
}

void
measure_directory_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fprintf(stderr, "cannot remove %s: %s\n", path, g_strerror(errno));
}
