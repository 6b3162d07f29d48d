/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the index of a large store costs: see README.md. */
#include "measure.h"
#include "store/index.h"
#include "store/recent_chunks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* As a backup does it: packs of 64 MiB, and an object for each million of chunks. */
#define CHUNK_LENGTH (64u << 10)
#define PACK_SLOTS 1024u
#define OBJECT_PACKS 1024u
#define OWNER "0123456789abcdef0123456789abcdef"

static char *work = NULL;
static gint n_chunks = 25 << 20, n_lookups = 1000000, rounds = 3;

static const GOptionEntry entries[] = {
    {"chunks", 'c', 0, G_OPTION_ARG_INT, &n_chunks, "chunks (26214400: those of 1 TiB)", "N"},
    {"lookups", 'l', 0, G_OPTION_ARG_INT, &n_lookups, "searches a round (1000000)", "N"},
    {"rounds", 'r', 0, G_OPTION_ARG_INT, &rounds, "rounds (3)", "N"},
    {"work", 'w', 0, G_OPTION_ARG_FILENAME, &work, "where the index is made", "DIR"},
    {NULL}};

/* ---- Synthetic chunks ------------------------------------------------------------------------ */

/* Ids are uniformly distributed: what SplitMix64 makes of their numbers. */
static guint64
mix(guint64 value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static void
fill_id(guint64 number, guint8 *ret, gsize size)
{
    for (gsize at = 0; at < size; at += sizeof(guint64)) {
        guint64 value = GUINT64_TO_LE(mix(number * 4 + at / sizeof value));
        memcpy(ret + at, &value, sizeof value);
    }
}

static void
fill_pack(guint64 number, struct pack_name *ret_name, struct pack_slot slots[PACK_SLOTS])
{
    fill_id(~number, ret_name->bytes, sizeof ret_name->bytes);
    for (guint i = 0; i < PACK_SLOTS; i++) {
        fill_id(number * PACK_SLOTS + i, slots[i].id.bytes, sizeof slots[i].id.bytes);
        slots[i].offset = 0;
        slots[i].length = CHUNK_LENGTH;
    }
}

/* ---- Steps, each a process of its own -------------------------------------------------------- */

struct step {
    struct repo *repo;
    guint64 packs;
};

/* Each begins with the same memory. */
static pid_t
begin_child(void (*function)(const struct step *), const struct step *step)
{
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        measure_fail("cannot fork");
    if (child == 0) {
        function(step);
        fflush(stdout);
        _exit(0);
    }
    return child;
}

static void
run_child(void (*function)(const struct step *), const struct step *step)
{
    int status;
    pid_t child = begin_child(function, step);
    if (waitpid(child, &status, 0) != child || status != 0)
        measure_fail("a process failed");
}

static void
build_objects(const struct step *step)
{
    struct pack_slot slots[PACK_SLOTS];
    struct pack_name name;
    GError *error = NULL;
    for (guint64 pack = 0; pack < step->packs;) {
        struct index_writer *writer = index_writer_new(OWNER);
        for (guint i = 0; i < OBJECT_PACKS && pack < step->packs; i++, pack++) {
            fill_pack(pack, &name, slots);
            index_writer_add(writer, &name, PACK_SLOTS, slots);
        }
        index_writer_finish(writer, step->repo, &error);
        measure_must(error);
    }
}

static void
merge_objects(const struct step *step)
{
    GError *error = NULL;
    auto_ptr(chunk_index) index = chunk_index_open(step->repo, &error);
    measure_must(error);
    struct index_writer *writer = index_writer_new(OWNER);
    index_writer_merge(writer, index, G_MAXUINT64, NULL);
    index_writer_finish(writer, step->repo, &error);
    measure_must(error);
}

/* What a process has in memory, in bytes; 0 when it has ended. */
static guint64
field_of(GPid pid, const char *field)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", pid), *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    const char *at = strstr(text, field);
    return at != NULL ? g_ascii_strtoull(at + strlen(field), NULL, 10) * 1024 : 0;
}

/* Run it in a child and print what it took.  The pages of mapped files are given back when memory
 * is short, so what counts is the rest; nobody but who looks now and then tells its peak. */
static void
run_step(const char *name, void (*function)(const struct step *), const struct step *step)
{
    guint64 begin = measure_now(), resident = 0, anonymous = 0;
    int status;
    pid_t child = begin_child(function, step);
    while (waitpid(child, &status, WNOHANG) == 0) {
        resident = MAX(resident, field_of(child, "VmHWM:"));
        anonymous = MAX(anonymous, field_of(child, "RssAnon:"));
        g_usleep(2000);
    }
    if (status != 0)
        measure_fail("%s failed", name);
    double chunks = (double)(step->packs * PACK_SLOTS);
    printf("| %s | %.2f | %.1f | %.1f | %.2f |\n", name, (double)(measure_now() - begin) / 1e9,
           (double)resident / 0x1p20, (double)anonymous / 0x1p20, (double)anonymous / chunks);
}

/* ---- Searching ------------------------------------------------------------------------------- */

struct search {
    const struct pack_name *pack;
    guint slot;
};

static gboolean
is_wanted(const struct chunk_candidate *candidate, gpointer data)
{
    const struct search *search = data;
    return candidate->slot == search->slot && pack_name_equal(&candidate->pack, search->pack);
}

/* Nanoseconds a search.  Misses are ids beyond those that are there. */
static double
search(struct chunk_index *index, guint64 packs, gboolean hit, GRand *random)
{
    guint64 time = 0, n = packs * PACK_SLOTS;
    for (gint i = 0; i < n_lookups; i++) {
        guint64 number = (guint64)(g_rand_double(random) * (double)n) + (hit ? 0 : n);
        struct pack_name pack;
        struct chunk_id id;
        fill_id(~(number / PACK_SLOTS), pack.bytes, sizeof pack.bytes);
        fill_id(number, id.bytes, sizeof id.bytes);
        struct search wanted = {&pack, (guint)(number % PACK_SLOTS)};
        guint64 begin = measure_now();
        gboolean found = chunk_index_search(index, chunk_id_fingerprint(&id), is_wanted, &wanted);
        time += measure_now() - begin;
        if (found != hit)
            measure_fail("chunk %" G_GUINT64_FORMAT " was %sfound", number, found ? "" : "not ");
    }
    return (double)time / n_lookups;
}

static void
measure_search(const struct step *step)
{
    GError *error = NULL;
    struct measure_memory before, opened, searched;
    struct chunk_index_stats stats;
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    measure_memory(&before);
    guint64 begin = measure_now();
    struct chunk_index *index = chunk_index_open(step->repo, &error);
    guint64 opening = measure_now() - begin;
    measure_must(error);
    measure_memory(&opened);
    double hit = search(index, step->packs, TRUE, random);
    measure_memory(&searched);
    double miss = search(index, step->packs, FALSE, random);
    chunk_index_stats(index, &stats);
    double chunks = (double)stats.entries;
    printf("| %u | %.3f | %.2f | %.2f | %.2f | %.3f | %.2f | %.2f |\n", stats.objects,
           (double)opening / 1e6, (double)stats.bytes / chunks,
           (double)(opened.resident - before.resident) / chunks,
           (double)(searched.resident - before.resident) / chunks,
           (double)(searched.anonymous - before.anonymous) / chunks, 1e3 / hit, 1e3 / miss);
    chunk_index_free(index);
}

/* ---- Recent chunks --------------------------------------------------------------------------- */

/* `packs` of the step are added. */
static void
measure_recent(const struct step *step)
{
    struct measure_memory before, after;
    struct pack_slot slots[PACK_SLOTS];
    struct pack_name name;
    measure_memory(&before);
    struct recent_chunks *recent = recent_chunks_new();
    for (guint64 pack = 0; pack < step->packs; pack++) {
        fill_pack(pack, &name, slots);
        recent_chunks_add(recent, &name, PACK_SLOTS, slots);
    }
    measure_memory(&after);
    guint n = recent_chunks_count(recent);
    printf("| %u | %.1f | %.2f |\n", n, (double)(after.anonymous - before.anonymous) / 0x1p20,
           (double)(after.anonymous - before.anonymous) / n);
    recent_chunks_free(recent);
}

/* Room is doubled when half of it is used: the most and the least that there can be, and what is
 * there a little above a million chunks. */
static void
run_recent(void)
{
    static const guint64 packs[] = {513, 1024, 1025};
    printf("\n| recent chunks | MiB | private bytes a chunk |\n|---|---|---|\n");
    for (guint i = 0; i < G_N_ELEMENTS(packs); i++) {
        struct step step = {NULL, packs[i]};
        run_child(measure_recent, &step);
    }
}

/* ---- The program ----------------------------------------------------------------------------- */

static void
print_making_head(void)
{
    printf("\n| making the index | s | peak MiB | of it private | private bytes a chunk |\n"
           "|---|---|---|---|---|\n");
}

static void
run_searches(const struct step *step)
{
    printf("\n| index objects | open ms | bytes a chunk: mapped | resident when open | after the "
           "searches | of it private | million hits/s | million misses/s |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (gint i = 0; i < rounds; i++)
        run_child(measure_search, step);
}

int
main(int argc, char **argv)
{
    GError *error = NULL;
    measure_options(argc, argv, entries,
                    "The index of a store of 1 TiB: memory and speed.  About 30 s, 600 MB of disk "
                    "and of memory; asserts only that searches find what is there.");
    if (n_chunks < (gint)PACK_SLOTS || n_lookups < 1 || rounds < 1)
        measure_fail("numbers begin with 1, those of chunks with %u", PACK_SLOTS);
    g_autofree char *directory = measure_directory_new(work != NULL ? work : "out/bench-index");
    struct step step = {repo_directory_open(directory, TRUE, &error),
                        (guint64)n_chunks / PACK_SLOTS};
    measure_must(error);
    measure_print_machine();
    printf(", %" G_GUINT64_FORMAT " chunks in %" G_GUINT64_FORMAT " packs, %d searches of each "
           "kind, %d rounds\n",
           step.packs * PACK_SLOTS, step.packs, n_lookups, rounds);
    print_making_head();
    run_step("an object for each million chunks", build_objects, &step);
    run_searches(&step);
    print_making_head();
    run_step("these merged into one", merge_objects, &step);
    run_searches(&step);
    run_recent();
    repo_close(step.repo);
    measure_directory_remove(directory);
    return 0;
}
