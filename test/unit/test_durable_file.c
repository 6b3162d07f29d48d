/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/durable_file.h"
#include "base/error.h"
#include "scratch_directory.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static guint
count_entries(const struct scratch *scratch)
{
    g_autoptr(GDir) dir = g_dir_open(scratch->path, 0, NULL);
    guint n = 0;
    while (g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static void
test_commit(void)
{
    auto_scratch scratch = scratch_new();
    scratch_put(&scratch, "file", "old");
    g_autofree char *path = scratch_path(&scratch, "file");
    g_autoptr(GError) error = NULL;
    auto_ptr(durable_file) file = durable_file_new(path, 0640, &error);
    g_assert_true(durable_file_write(file, "new", 3, &error));
    g_autoptr(GBytes) before = scratch_get(&scratch, "file");
    g_assert_cmpmem(g_bytes_get_data(before, NULL), g_bytes_get_size(before), "old", 3);
    g_assert_true(durable_file_commit(g_steal_pointer(&file), &error));
    g_autoptr(GBytes) after = scratch_get(&scratch, "file");
    g_assert_cmpmem(g_bytes_get_data(after, NULL), g_bytes_get_size(after), "new", 3);
    g_assert_cmpuint(count_entries(&scratch), ==, 1);
}

static void
test_abandon(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "file");
    g_autoptr(GError) error = NULL;
    struct durable_file *file = durable_file_new(path, 0644, &error);
    g_assert_true(durable_file_write(file, "x", 1, &error));
    durable_file_abandon(file);
    g_assert_cmpuint(count_entries(&scratch), ==, 0);
}

/* A process that is killed while it writes leaves nothing behind. */
static void
test_killed(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "file");
    pid_t child = fork();
    if (child == 0) {
        struct durable_file *file = durable_file_new(path, 0644, NULL);
        durable_file_write(file, "x", 1, NULL);
        raise(SIGKILL);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpuint(count_entries(&scratch), ==, 0);
}

static void
test_errors(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(durable_file_new("/nowhere/file", 0644, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==, "cannot create /nowhere/file: No such file or directory");
}

/* A file that may not grow fails as a full disk does. */
static void
test_full(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "file");
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
    small = old;
    small.rlim_cur = 1000;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    g_autofree char *data = g_malloc0(2000);
    g_autoptr(GError) error = NULL;
    gboolean ok = durable_file_put(path, data, 2000, 0644, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    g_assert_false(ok);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_cmpuint(count_entries(&scratch), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/durable-file/commit", test_commit);
    g_test_add_func("/durable-file/abandon", test_abandon);
    g_test_add_func("/durable-file/killed", test_killed);
    g_test_add_func("/durable-file/errors", test_errors);
    g_test_add_func("/durable-file/full", test_full);
    return g_test_run();
}
