/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/export_record.h"

#include "base/error.h"
#include "scratch_directory.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

static char *runtime;

static json_t *
document(const char *machine)
{
    return json_pack("{s:s}", "machine", machine);
}

/* A process that has a record until it is asked to end.  *ret_id is its id. */
static pid_t
serve(const char *machine, char **ret_id)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        struct export_record *record = export_record_new(NULL);
        json_t *json = document(machine);
        const char *id = record != NULL ? export_record_id(record) : "";
        sigset_t set;
        int number;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        if (record == NULL || !export_record_put(record, json, NULL) ||
            write(ends[1], id, strlen(id)) != (ssize_t)strlen(id))
            _exit(1);
        sigwait(&set, &number);
        export_record_free(record, FALSE);
        _exit(0);
    }
    char id[16] = {0};
    g_assert_cmpint(read(ends[0], id, sizeof id - 1), ==, 6);
    close(ends[0]);
    close(ends[1]);
    *ret_id = g_strdup(id);
    return child;
}

static GPtrArray *
list(void)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *found = export_record_list(&error);
    g_assert_no_error(error);
    return found;
}

static void
test_nothing(void)
{
    g_autoptr(GPtrArray) found = list();
    g_autoptr(GError) error = NULL;
    g_assert_cmpuint(found->len, ==, 0);
    g_assert_null(export_record_find("abcdef", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

static void
test_running(void)
{
    g_autofree char *one = NULL, *two = NULL;
    g_autoptr(GError) error = NULL;
    pid_t first = serve("one", &one), second = serve("two", &two);
    g_autoptr(GPtrArray) found = list();
    g_assert_cmpuint(found->len, ==, 2);
    auto_ptr(export_running) running = export_record_find(two, &error);
    g_assert_no_error(error);
    g_assert_cmpint(running->pid, ==, second);
    g_assert_cmpstr(json_string_value(json_object_get(running->document, "machine")), ==, "two");
    /* It reaps nobody: a zombie holds no lock. */
    g_assert_true(export_record_stop(running, 10, &error));
    g_assert_true(export_record_stop(running, 10, &error)); /* it is gone */
    g_assert_cmpint(waitpid(second, NULL, 0), ==, second);
    g_autoptr(GPtrArray) rest = list();
    g_assert_cmpuint(rest->len, ==, 1);
    kill(first, SIGTERM);
    g_assert_cmpint(waitpid(first, NULL, 0), ==, first);
}

/* Killed: not listed, and what it left is removed once it is surely not about to begin. */
static void
test_killed(void)
{
    g_autofree char *id = NULL;
    pid_t child = serve("one", &id);
    kill(child, SIGKILL);
    g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
    g_autofree char *lock = g_strdup_printf("%s/slipway/exports/%s.lock", runtime, id);
    g_assert_true(g_file_test(lock, G_FILE_TEST_EXISTS));
    g_autoptr(GPtrArray) found = list();
    g_assert_cmpuint(found->len, ==, 0);
    struct utimbuf old = {1000, 1000};
    g_assert_cmpint(g_utime(lock, &old), ==, 0);
    g_autoptr(GPtrArray) again = list();
    g_assert_cmpuint(again->len, ==, 0);
    g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
}

/* Files that nobody of us made, or that are damaged, are no reason to fail. */
static void
test_strange(void)
{
    g_autofree char *folder = g_strdup_printf("%s/slipway/exports", runtime);
    static const char *const names[] = {"x.lock", "../x.lock", "abcdef.json", "ABCDEF.lock"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);
        g_assert_true(g_file_set_contents(path, "{", 1, NULL));
    }
    g_autofree char *id = NULL;
    pid_t child = serve("one", &id);
    g_autofree char *json = g_strdup_printf("%s/%s.json", folder, id);
    g_assert_true(g_file_set_contents(json, "nonsense", -1, NULL));
    g_autoptr(GPtrArray) found = list();
    g_assert_cmpuint(found->len, ==, 1);
    g_assert_null(((struct export_running *)found->pdata[0])->document);
    kill(child, SIGTERM);
    g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    auto_scratch scratch = scratch_new();
    runtime = scratch.path;
    g_setenv("XDG_RUNTIME_DIR", runtime, TRUE);
    g_test_add_func("/export-record/nothing", test_nothing);
    g_test_add_func("/export-record/running", test_running);
    g_test_add_func("/export-record/killed", test_killed);
    g_test_add_func("/export-record/strange", test_strange);
    return g_test_run();
}
