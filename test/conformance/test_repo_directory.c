/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directory driver, on this machine's file system and on such as can do less. */
#include "repo_suite_private.h"
#include "system_calls.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/wait.h>
#include <unistd.h>

static struct repo *
open_as(const char *directory, const struct system_calls *calls)
{
    system_calls = *calls;
    return repo_directory_open(directory, FALSE, NULL);
}

static struct repo *
open_local(const char *directory)
{
    return open_as(directory, &(struct system_calls){0});
}

static struct repo *
open_short_writes(const char *directory)
{
    return open_as(directory, &(struct system_calls){.short_write = TRUE});
}

static struct repo *
open_nfs(const char *directory)
{
    return open_as(directory, &(struct system_calls){.rename_refused = EINVAL,
                                                     .always_named = TRUE,
                                                     .pretend_type = NFS_SUPER_MAGIC});
}

static struct repo *
open_fuse(const char *directory)
{
    return open_as(directory, &(struct system_calls){.rename_refused = ENOSYS,
                                                     .link_refused = EPERM,
                                                     .pretend_type = FUSE_SUPER_MAGIC});
}

static struct repo *
open_poor(const char *directory)
{
    return open_as(directory, &(struct system_calls){.rename_refused = EOPNOTSUPP,
                                                     .link_refused = EOPNOTSUPP});
}

static const struct repo_suite suites[] = {
    {.prefix = "/repo/directory/local", .open = open_local},
    {.prefix = "/repo/directory/short-writes", .open = open_short_writes},
    {.prefix = "/repo/directory/nfs", .open = open_nfs},
    {.prefix = "/repo/directory/fuse", .open = open_fuse, .inexact = TRUE},
    {.prefix = "/repo/directory/poor", .open = open_poor, .inexact = TRUE},
};

/* ---- Two processes --------------------------------------------------------------------------- */

#define N_NAMES 60u

/* Bit i of the result: this process put name i. */
static guint64
put_all(const char *directory, guint number)
{
    auto_ptr(repo) repo = repo_directory_open(directory, FALSE, NULL);
    guint64 won = 0;
    for (guint i = 0; i < N_NAMES; i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *name = g_strdup_printf("a/%u/%u", i % 7, i);
        g_autoptr(GBytes) bytes = repo_case_bytes(number, 2000 + number);
        if (repo_put(repo, name, g_bytes_get_data(bytes, NULL), 2000 + number, &error))
            won |= G_GUINT64_CONSTANT(1) << i;
        else if (!g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS))
            g_error("%s", error->message);
    }
    return won;
}

static void
test_processes(gconstpointer data)
{
    auto_repo_case one = repo_case_new(data);
    guint64 won[2];
    int pipes[2][2];
    pid_t children[2];
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpint(pipe(pipes[i]), ==, 0);
        children[i] = fork();
        if (children[i] == 0) {
            won[i] = put_all(one.scratch.path, i);
            system_calls.short_write = FALSE;
            _exit(write(pipes[i][1], &won[i], sizeof won[i]) == sizeof won[i] ? 0 : 1);
        }
        close(pipes[i][1]);
    }
    for (guint i = 0; i < 2; i++) {
        int status;
        g_assert_cmpint(read(pipes[i][0], &won[i], sizeof won[i]), ==, sizeof won[i]);
        g_assert_cmpint(waitpid(children[i], &status, 0), ==, children[i]);
        g_assert_cmpint(status, ==, 0);
        close(pipes[i][0]);
    }
    g_assert_cmphex(won[0] & won[1], ==, 0);
    g_assert_cmphex(won[0] | won[1], ==, (G_GUINT64_CONSTANT(1) << N_NAMES) - 1);
    for (guint i = 0; i < N_NAMES; i++) {
        guint winner = (won[1] >> i & 1) != 0;
        g_autofree char *name = g_strdup_printf("a/%u/%u", i % 7, i);
        g_autoptr(GBytes) bytes = repo_case_bytes(winner, 2000 + winner);
        repo_case_expect(one.repo, name, bytes);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(suites); i++) {
        repo_suite_add(&suites[i]);
        if (!suites[i].inexact)
            repo_suite_add_test(&suites[i], "processes", test_processes);
    }
    return g_test_run();
}
