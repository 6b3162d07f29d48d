/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nbd_server.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_US (30 * G_USEC_PER_SEC)

struct nbd_server {
    GPid pid;
    char *uri;
};

static void
wait_for_file(const char *path)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(5000);
    }
}

struct nbd_server *
nbd_server_start(const struct scratch *scratch, const char *const *arguments)
{
    static guint number; /* a test may have several; tests start them from one thread */
    g_autofree char *program = g_find_program_in_path("nbdkit");
    if (program == NULL) {
        g_test_skip("nbdkit is not installed");
        return NULL;
    }
    g_autofree char *name = g_strdup_printf("nbd%u.socket", number++);
    g_autofree char *path = scratch_path(scratch, name);
    g_autofree char *pid_file = g_strconcat(path, ".pid", NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *const first[] = {program,     "--foreground", "--exit-with-parent", "--unix", path,
                                 "--pidfile", pid_file};
    for (gsize i = 0; i < G_N_ELEMENTS(first); i++)
        g_ptr_array_add(argv, (gpointer)first[i]);
    for (; *arguments != NULL; arguments++)
        g_ptr_array_add(argv, (gpointer)*arguments);
    g_ptr_array_add(argv, NULL);

    struct nbd_server *server = g_new0(struct nbd_server, 1);
    g_autoptr(GError) error = NULL;
    g_assert_true(g_spawn_async(NULL, (char **)argv->pdata, NULL,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                                &server->pid, &error));
    g_assert_no_error(error);
    server->uri = g_strdup_printf("nbd+unix:///?socket=%s", path);
    wait_for_file(pid_file);
    return server;
}

const char *
nbd_server_uri(const struct nbd_server *server)
{
    return server->uri;
}

void
nbd_server_stop(struct nbd_server *server, int signal_number)
{
    if (server == NULL)
        return;
    kill(server->pid, signal_number);
    int status;
    g_assert_cmpint(waitpid(server->pid, &status, 0), ==, server->pid);
    g_free(server->uri);
    g_free(server);
}
