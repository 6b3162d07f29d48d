/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_serve: the NBD server over files and memory, for tests with clients of others.
 *
 *     nbd_serve [OPTION...] NAME=FILE... NAME=memory:BYTES...
 *
 * Prints the addresses it listens on, one a line, and an empty line; serves until it gets SIGTERM
 * or SIGINT.  The log goes to standard error. */
#include "disk/disk_open.h"
#include "target/nbd_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CHANGED_RUN 65536u

static char **listen_on, **addresses, **operands;
static char *tls_directory;
static gboolean verify_peer, read_only, changed;
static int connections, handshake_seconds;

static const GOptionEntry entries[] = {
    {"listen", 'l', 0, G_OPTION_ARG_STRING_ARRAY, &listen_on, "Listen on it", "ADDRESS"},
    {"allow", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &addresses, "Who may connect", "ADDRESS"},
    {"tls", 't', 0, G_OPTION_ARG_FILENAME, &tls_directory, "Certificates", "DIRECTORY"},
    {"verify-peer", 'v', 0, G_OPTION_ARG_NONE, &verify_peer, "Clients need one, too", NULL},
    {"read-only", 'r', 0, G_OPTION_ARG_NONE, &read_only, "No writes", NULL},
    {"changed", 'c', 0, G_OPTION_ARG_NONE, &changed, "Each second 64 KiB has changed", NULL},
    {"connections", 'n', 0, G_OPTION_ARG_INT, &connections, "At most at once", "N"},
    {"handshake", 's', 0, G_OPTION_ARG_INT, &handshake_seconds, "Seconds for it", "N"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, "NAME=FILE..."},
    {NULL},
};

static void
print_log(const char *line, gpointer data G_GNUC_UNUSED)
{
    fprintf(stderr, "%s\n", line);
}

static gboolean
find_changed(gpointer data G_GNUC_UNUSED, guint64 offset, guint64 length, gboolean *ret_changed,
             guint64 *ret_length, GError **error G_GNUC_UNUSED)
{
    guint64 number = offset / CHANGED_RUN;
    *ret_changed = number % 2;
    *ret_length = MIN(length, (number + 1) * CHANGED_RUN - offset);
    return TRUE;
}

static void
die(GError *error)
{
    fprintf(stderr, "nbd_serve: %s\n", error->message);
    exit(1);
}

static struct disk *
open_operand(const char *what)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk =
        g_str_has_prefix(what, "memory:")
            ? disk_memory_new(g_ascii_strtoull(what + strlen("memory:"), NULL, 10), what)
            : disk_file_open(what, !read_only, &error);
    if (disk == NULL)
        die(error);
    return disk;
}

static GArray *
open_exports(void)
{
    GArray *exports = g_array_new(FALSE, TRUE, sizeof(struct nbd_export));
    for (char **operand = operands; operand != NULL && *operand != NULL; operand++) {
        char *what = strchr(*operand, '=');
        if (what == NULL) {
            fprintf(stderr, "nbd_serve: %s: write NAME=FILE\n", *operand);
            exit(2);
        }
        *what++ = '\0';
        struct nbd_export export = {.name = *operand,
                                    .description = what,
                                    .disk = open_operand(what),
                                    .read_only = read_only,
                                    .changed = changed ? find_changed : NULL};
        g_array_append_val(exports, export);
    }
    return exports;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        die(error);
    /* Before any thread, which all shall leave them to this one. */
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    GArray *exports = open_exports();
    const struct nbd_options options = {
        .exports = (struct nbd_export *)(void *)exports->data,
        .n_exports = exports->len,
        .listen = (const char *const *)listen_on,
        .tls_directory = tls_directory,
        .tls_verify_peer = verify_peer,
        .addresses = (const char *const *)addresses,
        .connections = (guint)connections,
        .handshake_seconds = (guint)handshake_seconds,
        .log = print_log,
    };
    struct nbd_server *server = nbd_server_start(&options, &error);
    if (server == NULL)
        die(error);
    for (const char *const *address = nbd_server_addresses(server); *address != NULL; address++)
        printf("%s\n", *address);
    printf("\n");
    fflush(stdout);
    int signal_number;
    sigwait(&stop, &signal_number);
    nbd_server_stop(server);
    for (guint i = 0; i < exports->len; i++)
        disk_close(g_array_index(exports, struct nbd_export, i).disk);
    g_array_unref(exports);
    g_strfreev(listen_on);
    g_strfreev(addresses);
    g_strfreev(operands);
    g_free(tls_directory);
    return 0;
}
