/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What it costs to know the sets of a store with many, as each machine of a run must: see
 * README.md.
 */
#include "measure.h"
#include "repo/repo_driver.h"
#include "store/store_sets.h"

#include <stdio.h>
#include <string.h>

static char *work = NULL;
static gint n_sets = 3000, config_kib = 64, n_machines = 100, rounds = 3;

static const GOptionEntry entries[] = {
    {"sets", 's', 0, G_OPTION_ARG_INT, &n_sets, "sets (3000)", "N"},
    {"machines", 'm', 0, G_OPTION_ARG_INT, &n_machines, "machines that they are of (100)", "N"},
    {"config", 'c', 0, G_OPTION_ARG_INT, &config_kib, "KiB of a machine's description (64)", "N"},
    {"rounds", 'r', 0, G_OPTION_ARG_INT, &rounds, "rounds (3)", "N"},
    {"work", 'w', 0, G_OPTION_ARG_FILENAME, &work, "where the store is made", "DIR"},
    {NULL}};

/* Like the XML of a machine: words that come again. */
static char *
make_config(guint seed)
{
    static const char *const words[] = {"<device xsi:type=\"VirtualDisk\">",
                                        "<key>",
                                        "</key>",
                                        "<unitNumber>",
                                        "</unitNumber>",
                                        "\n  "};
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    GString *text = g_string_new(NULL);
    while (text->len < (gsize)config_kib << 10)
        g_string_append_printf(text, "%s%u", words[g_rand_int(rand) % G_N_ELEMENTS(words)],
                               g_rand_int(rand) % 10000);
    return g_string_free(text, FALSE);
}

/* As a backup leaves it, without what the disks have. */
static void
put_set(struct store *store, guint number)
{
    GError *error = NULL;
    char id[SET_ID_TEXT];
    auto_ptr(set) set = set_new();
    set->name = g_strdup_printf("machine%03u", number % (guint)n_machines);
    set->identity = g_strdup_printf("vsphere:%08u", number % (guint)n_machines);
    set->created = 1700000000 + number;
    set->host = g_strdup("measure");
    set->method = g_strdup("extents");
    set->config_type = g_strdup("machine");
    set->config = make_config(number);
    struct set_disk *disk = g_new0(struct set_disk, 1);
    disk->name = g_strdup("scsi0:0");
    disk->source = g_strdup("[ds1] machine/machine.vmdk");
    disk->map.empty = TRUE;
    disk->map.size = 1u << 30;
    g_ptr_array_add(set->disks, disk);
    g_autoptr(GBytes) object = set_seal(set, store_key_of(store), &error);
    measure_must(error);
    gsize length;
    const void *data = g_bytes_get_data(object, &length);
    g_autofree char *name = g_strconcat("sets/", set_id_format(&set->id, id), NULL);
    repo_replace(store_repo(store), name, data, length, &error);
    measure_must(error);
}

static struct store *
open_store(const char *path)
{
    GError *error = NULL;
    struct repo *repo = repo_directory_open(path, FALSE, &error);
    measure_must(error);
    struct store *store = store_open(repo, NULL, &error);
    measure_must(error);
    return store;
}

static void
make_store(const char *path)
{
    GError *error = NULL;
    struct store_config config = {.codec = CODEC_ZSTD, .level = 1};
    struct repo *repo = repo_directory_open(path, TRUE, &error);
    measure_must(error);
    auto_ptr(store) store = store_init(repo, &config, NULL, &error);
    measure_must(error);
    for (gint i = 0; i < n_sets; i++)
        put_set(store, (guint)i);
}

/* What must be read by whoever knows nothing. */
static double
read_objects(struct store *store)
{
    GError *error = NULL;
    guint64 start = measure_now();
    g_autoptr(GPtrArray) objects = repo_list(store_repo(store), "sets", &error);
    measure_must(error);
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        g_autoptr(GBytes) bytes = repo_read_all(store_repo(store), entry->name, 1u << 30, &error);
        measure_must(error);
    }
    return (double)(measure_now() - start) / 1e6;
}

static double
list_sets(struct store *store)
{
    GError *error = NULL;
    guint64 start = measure_now();
    g_autoptr(GPtrArray) sets = store_sets_list(store, NULL, &error);
    measure_must(error);
    return (double)(measure_now() - start) / 1e6;
}

static void
measure_round(const char *path, gint round)
{
    struct measure_memory before, after;
    auto_ptr(store) store = open_store(path);
    double read = read_objects(store);
    measure_memory(&before);
    double first = list_sets(store), again = list_sets(store);
    measure_memory(&after);
    double kept = after.anonymous > before.anonymous
                      ? (double)(after.anonymous - before.anonymous) / (1u << 20)
                      : 0;
    printf("| %d | %.1f | %.1f | %.2f | %.2f | %.4f | %.1f |\n", round + 1, read, first,
           first / read, again, again / first, kept);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    measure_options(argc, argv, entries, "what listing many sets costs");
    g_autofree char *path = measure_directory_new(work);
    measure_print_machine();
    printf(", %d sets with %d KiB of configuration\n\n", n_sets, config_kib);
    make_store(path);
    printf("| round | objects read ms | list ms | ratio | again ms | ratio to the first | kept MiB "
           "|\n|---|---|---|---|---|---|---|\n");
    for (gint i = 0; i < rounds; i++)
        measure_round(path, i);
    measure_directory_remove(path);
    return 0;
}
