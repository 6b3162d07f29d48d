/* SPDX-License-Identifier: GPL-3.0-or-later */
/* replay.c: one fuzz target over its corpus, with any compiler and without libFuzzer.
 *
 *     replay_NAME NAME DIRECTORY
 *
 * Every file of the directory as it is; then files cut off at many places, then with single bytes
 * changed, the same ones in each run, as far as BUDGET_US goes.  An input that makes the target
 * abort is written to NAME.crash in the current directory. */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUDGET_US (1500 * G_TIME_SPAN_MILLISECOND)
#define CUTS_MAX 512       /* of one file; up to this size at every byte */
#define CHANGES_TOTAL 4000 /* of all files */
#define SEED 2463534242u

int LLVMFuzzerInitialize(int *argc, char ***argv);
/* AddressSanitizer ends the process in its own way. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

struct sample {
    char *name;
    GBytes *bytes;
};

/* What runs at the moment, for whoever has to report it. */
static struct {
    char *crash_path;
    char words[512];
    const uint8_t *data;
    size_t size;
} current;

/* Only what may be done in a signal handler. */
static void
save_current(void)
{
    if (current.data == NULL)
        return;
    const char head[] = "\nthe input was ";
    ssize_t done = write(STDERR_FILENO, head, sizeof head - 1);
    done = write(STDERR_FILENO, current.words, strlen(current.words));
    done = write(STDERR_FILENO, "\n", 1);
    int fd = open(current.crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0)
        done = write(fd, current.data, current.size);
    (void)done;
    close(fd);
}

static const int signals[] = {SIGABRT, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction before[G_N_ELEMENTS(signals)];

/* With the old handlers back, returning makes it happen again for them. */
static void
on_crash(int number)
{
    save_current();
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        sigaction(signals[i], &before[i], NULL);
    if (number == SIGABRT || number == SIGTRAP)
        raise(number);
}

static void
watch_crashes(const char *name)
{
    current.crash_path = g_strconcat(name, ".crash", NULL);
    struct sigaction action = {.sa_handler = on_crash};
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        sigaction(signals[i], &action, &before[i]);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(save_current);
}

/* A copy of exactly this size, so that a read beyond it is seen. */
static void
run(const char *words, const void *data, gsize size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    g_assert_nonnull(copy);
    if (size > 0)
        memcpy(copy, data, size);
    g_strlcpy(current.words, words, sizeof current.words);
    current.data = copy;
    current.size = size;
    LLVMFuzzerTestOneInput(copy, size);
    current.data = NULL;
    free(copy);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct sample *const *)a)->name, (*(struct sample *const *)b)->name);
}

static void
free_sample(gpointer data)
{
    struct sample *sample = data;
    g_free(sample->name);
    g_bytes_unref(sample->bytes);
    g_free(sample);
}

static GPtrArray *
read_corpus(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) directory = g_dir_open(path, 0, &error);
    g_assert_no_error(error);
    GPtrArray *samples = g_ptr_array_new_with_free_func(free_sample);
    for (const char *name; (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        char *data;
        gsize size;
        g_file_get_contents(file, &data, &size, &error);
        g_assert_no_error(error);
        struct sample *sample = g_new0(struct sample, 1);
        sample->name = g_strdup(name);
        sample->bytes = g_bytes_new_take(data, size);
        g_ptr_array_add(samples, sample);
    }
    g_ptr_array_sort(samples, compare_names);
    return samples;
}

static guint
run_cuts(const struct sample *sample, gint64 deadline)
{
    gsize size;
    const guint8 *data = g_bytes_get_data(sample->bytes, &size);
    guint runs = 0;
    gsize step = size / CUTS_MAX + 1;
    for (gsize length = 0; length < size && g_get_monotonic_time() < deadline; length += step) {
        g_autofree char *words =
            g_strdup_printf("%s, its first %" G_GSIZE_FORMAT " bytes", sample->name, length);
        run(words, data, length);
        runs++;
    }
    return runs;
}

static guint32
next_random(guint32 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static guint
run_changes(const struct sample *sample, guint count, guint32 *random, gint64 deadline)
{
    static const guint8 telling[] = {0, 0xff, 0x80, '<', '>', '"', '/', '\n', '0', '9', '-', '.'};
    gsize size;
    const guint8 *data = g_bytes_get_data(sample->bytes, &size);
    guint runs = 0;
    for (; runs < count && size > 0 && g_get_monotonic_time() < deadline; runs++) {
        g_autofree guint8 *copy = g_memdup2(data, size);
        gsize at = next_random(random) % size;
        guint32 kind = next_random(random);
        if (kind % 2 == 0)
            copy[at] ^= (guint8)(1u << kind / 2 % 8);
        else
            copy[at] = telling[kind / 2 % sizeof telling];
        g_autofree char *words = g_strdup_printf("%s with byte %" G_GSIZE_FORMAT " made 0x%02x",
                                                 sample->name, at, copy[at]);
        run(words, copy, size);
    }
    return runs;
}

static void
run_all(GPtrArray *samples, const char *name)
{
    for (guint i = 0; i < samples->len; i++) {
        const struct sample *sample = samples->pdata[i];
        gsize size;
        const void *data = g_bytes_get_data(sample->bytes, &size);
        run(sample->name, data, size);
    }
    /* Half of the time each, so that many files do not keep changes from being tried. */
    gint64 now = g_get_monotonic_time();
    guint cuts = 0, changes = 0;
    guint32 random = SEED;
    for (guint i = 0; i < samples->len; i++)
        cuts += run_cuts(samples->pdata[i], now + BUDGET_US / 2);
    for (guint i = 0; i < samples->len; i++)
        changes += run_changes(samples->pdata[i], CHANGES_TOTAL / samples->len + 1, &random,
                               now + BUDGET_US);
    g_print("%s: %u files, %u cuts, %u changes\n", name, samples->len, cuts, changes);
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        g_printerr("usage: %s NAME DIRECTORY\n", argv[0]);
        return 2;
    }
    LLVMFuzzerInitialize(&argc, &argv);
    g_autoptr(GPtrArray) samples = read_corpus(argv[2]);
    if (samples->len == 0) {
        g_printerr("%s: there is no corpus in %s\n", argv[1], argv[2]);
        return 1;
    }
    watch_crashes(argv[1]);
    run_all(samples, argv[1]);
    g_free(current.crash_path);
    return 0;
}
