/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_target: the iSCSI target over files and memory, for tests with initiators of others.
 *
 *     iscsi_target [OPTION...] DISK...
 *
 * Each DISK is a logical unit, from 0 on: FILE (raw), memory:BYTES, or overlay:FILE (what is
 * written goes elsewhere and is gone afterwards).  Files of accounts have lines "USER SECRET".
 * Prints the addresses it listens on, one a line, and an empty line; serves until it gets SIGTERM
 * or SIGINT.  The log goes to standard error. */
#include "disk/disk_open.h"
#include "disk/overlay.h"
#include "target/iscsi_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME "iqn.2026-01.org.example:disk"

static char **listen_on, **addresses, **initiators, **advertise, **operands;
static char *name = (char *)NAME;
static char *alias, *accounts_file, *own_file, *header_digest, *data_digest;
static gboolean read_only, mutual_only;
static int connections, block_size = 512;

static const GOptionEntry entries[] = {
    {"listen", 'l', 0, G_OPTION_ARG_STRING_ARRAY, &listen_on, "Listen on it", "ADDRESS"},
    {"name", 'n', 0, G_OPTION_ARG_STRING, &name, "Of the target", "NAME"},
    {"alias", 0, 0, G_OPTION_ARG_STRING, &alias, "For people", "WORDS"},
    {"accounts", 'a', 0, G_OPTION_ARG_FILENAME, &accounts_file, "Who may log in", "FILE"},
    {"own", 'o', 0, G_OPTION_ARG_FILENAME, &own_file, "The target's account", "FILE"},
    {"mutual", 'm', 0, G_OPTION_ARG_NONE, &mutual_only, "Nothing but mutual CHAP", NULL},
    {"allow", 0, 0, G_OPTION_ARG_STRING_ARRAY, &addresses, "Who may connect", "ADDRESS"},
    {"initiator", 'i', 0, G_OPTION_ARG_STRING_ARRAY, &initiators, "Who may log in", "NAME"},
    {"advertise", 0, 0, G_OPTION_ARG_STRING_ARRAY, &advertise, "To discoverers", "ADDRESS"},
    {"header-digest", 0, 0, G_OPTION_ARG_STRING, &header_digest, "required, off", "USE"},
    {"data-digest", 0, 0, G_OPTION_ARG_STRING, &data_digest, "required, off", "USE"},
    {"read-only", 'r', 0, G_OPTION_ARG_NONE, &read_only, "No writes", NULL},
    {"block-size", 'b', 0, G_OPTION_ARG_INT, &block_size, "512 or 4096", "BYTES"},
    {"connections", 'c', 0, G_OPTION_ARG_INT, &connections, "At most at once", "N"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, "DISK..."},
    {NULL},
};

static void
print_log(const char *line, gpointer data G_GNUC_UNUSED)
{
    fprintf(stderr, "%s\n", line);
}

static void
die(const GError *error)
{
    fprintf(stderr, "iscsi_target: %s\n", error->message);
    exit(1);
}

static struct disk *
open_disk(const char *what)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = NULL;
    if (g_str_has_prefix(what, "memory:")) {
        disk = disk_memory_new(g_ascii_strtoull(what + 7, NULL, 10), what);
    } else if (g_str_has_prefix(what, "overlay:")) {
        static const struct overlay_options options = {.limit = 0};
        disk = disk_file_open(what + 8, FALSE, &error);
        disk = disk != NULL ? disk_overlay_open(disk, &options, &error) : NULL;
    } else {
        disk = disk_file_open(what, !read_only, &error);
    }
    if (disk == NULL)
        die(error);
    return disk;
}

/* "USER SECRET" lines; their words last as long as `words`. */
static GArray *
read_accounts(const char *path, GPtrArray *words)
{
    g_autoptr(GError) error = NULL;
    GArray *accounts = g_array_new(FALSE, FALSE, sizeof(struct iscsi_account));
    g_autofree char *text = NULL;
    if (path == NULL)
        return accounts;
    if (!g_file_get_contents(path, &text, NULL, &error))
        die(error);
    char **lines = g_strsplit(text, "\n", -1);
    g_ptr_array_add(words, lines);
    for (char **line = lines; *line != NULL; line++) {
        char *space = strchr(*line, ' ');
        if (space == NULL)
            continue;
        *space = '\0';
        struct iscsi_account account = {*line, space + 1};
        g_array_append_val(accounts, account);
    }
    return accounts;
}

static enum iscsi_digest_use
digest_use(const char *word)
{
    if (g_strcmp0(word, "required") == 0)
        return ISCSI_DIGEST_REQUIRED;
    return g_strcmp0(word, "off") == 0 ? ISCSI_DIGEST_OFF : ISCSI_DIGEST_ALLOWED;
}

static void
add_units(struct scsi_device *device, GPtrArray *disks)
{
    g_autoptr(GError) error = NULL;
    for (guint i = 0; operands != NULL && operands[i] != NULL; i++) {
        struct disk *disk = open_disk(operands[i]);
        struct scsi_unit_options unit = {.disk = disk,
                                         .number = i,
                                         .identity = operands[i],
                                         .block_size = (guint)block_size,
                                         .read_only = read_only};
        g_ptr_array_add(disks, disk);
        if (!scsi_device_add(device, &unit, &error))
            die(error);
    }
}

static void
serve(struct scsi_device *device)
{
    static const char *const any_port[] = {"127.0.0.1:0", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    g_autoptr(GArray) accounts = read_accounts(accounts_file, words);
    g_autoptr(GArray) own = read_accounts(own_file, words);
    struct iscsi_options options = {
        .name = name,
        .alias = alias,
        .device = device,
        .listen = listen_on != NULL ? (const char *const *)listen_on : any_port,
        .advertise = (const char *const *)advertise,
        .accounts = (const struct iscsi_account *)(void *)accounts->data,
        .n_accounts = accounts->len,
        .mutual_only = mutual_only,
        .initiators = (const char *const *)initiators,
        .addresses = (const char *const *)addresses,
        .header_digest = digest_use(header_digest),
        .data_digest = digest_use(data_digest),
        .connections = (guint)connections,
        .log = print_log,
    };
    if (own->len > 0)
        options.own = g_array_index(own, struct iscsi_account, 0);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    struct iscsi_server *server = iscsi_server_start(&options, &error);
    if (server == NULL)
        die(error);
    for (const char *const *at = iscsi_server_addresses(server); *at != NULL; at++)
        printf("%s\n", *at);
    printf("\n");
    fflush(stdout);
    int number = 0;
    sigwait(&signals, &number);
    iscsi_server_stop(server);
}

static void
close_disk(gpointer disk)
{
    disk_close(disk);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("DISK...");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        die(error);
    g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(close_disk);
    struct scsi_device *device = scsi_device_new();
    scsi_device_set_log(device, print_log, NULL);
    add_units(device, disks);
    serve(device);
    scsi_device_free(device);
    return 0;
}
