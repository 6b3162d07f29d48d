/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mark_fixture.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
test_new(void)
{
    g_autofree char *mark = mark_new(), *other = mark_new();
    g_assert_cmpstr(mark, !=, other);
    g_assert_cmpuint(strlen(mark), <=, MARK_MAX);
    g_assert_cmpuint(strspn(mark, "abcdefghijklmnopqrstuvwxyz0123456789.-"), ==, strlen(mark));
    g_assert_true(g_str_has_prefix(mark, "slipway-"));
    g_assert_cmpint(mark_look(mark), ==, MARK_ALIVE);
    g_autofree char *pid = g_strdup_printf("-%d.", (int)getpid());
    g_assert_nonnull(strstr(mark, pid));
}

/* A mark of a child: while it waits for us, while it is a zombie, and when it is gone. */
static void
test_child(void)
{
    int to[2], from[2];
    g_assert_cmpint(pipe(to), ==, 0);
    g_assert_cmpint(pipe(from), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *made = mark_new(), byte;
        ssize_t done = write(from[1], made, strlen(made));
        close(to[1]);
        _exit(done > 0 && read(to[0], &byte, 1) == 0 ? 0 : 1);
    }
    g_assert_cmpint(pid, >, 0);
    char mark[MARK_MAX + 1] = "";
    ssize_t got = read(from[0], mark, MARK_MAX);
    g_assert_cmpint(got, >, 0);
    g_assert_cmpint(mark_look(mark), ==, MARK_ALIVE);

    close(to[1]);
    siginfo_t info;
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
    g_assert_cmpint(info.si_status, ==, 0);
    g_assert_cmpint(mark_look(mark), ==, MARK_LEFT);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_cmpint(mark_look(mark), ==, MARK_LEFT);
    close(to[0]);
    close(from[0]);
    close(from[1]);
}

static void
test_states(void)
{
    g_autofree char *left = mark_fixture_left(), *elsewhere = mark_fixture_elsewhere();

    /* Of another boot of this computer: the same process cannot be.  Without a machine id it may be
     * another computer. */
    g_autofree char *id = NULL;
    gboolean certain = g_file_get_contents("/etc/machine-id", &id, NULL, NULL) &&
                       *g_strstrip(id) != '\0' && !g_str_equal(id, "uninitialized");
    g_autofree char *boot = mark_new();
    char *start = strchr(boot, '.') + 1;
    *start = *start == '0' ? '1' : '0';
    g_assert_cmpint(mark_look(boot), ==, certain ? MARK_LEFT : MARK_ELSEWHERE);
    /* Of another namespace of processes: it cannot be seen from here. */
    g_autofree char *space = mark_new();
    start = strchr(space, '.') + 1 + 8;
    *start = *start == '0' ? '1' : '0';
    g_assert_cmpint(mark_look(space), ==, MARK_ELSEWHERE);
    /* A number that no process has. */
    g_autofree char *mine = mark_new();
    g_autofree char *none = g_strdup_printf("%.*s2147483647%s", (int)(strlen("slipway-") + 13),
                                            mine, strchr(mine, '.'));
    g_assert_cmpint(mark_look(none), ==, MARK_LEFT);
}

/* What is not to the letter as mark_new() makes it is somebody else's. */
static void
test_foreign(void)
{
    static const char *const texts[] = {
        "",
        "slipway",
        "slipway-",
        "slipway-backup",
        "before slipway-0123456789ab-1.0123456789abc.01234567",
        "slipway-0123456789ab-1.0123456789abc.0123456",
        "slipway-0123456789ab-1.0123456789abc.012345678",
        "slipway-0123456789ab-1.0123456789abc.0123456G",
        "slipway-0123456789ab-1.0123456789abc.01234567.1",
        "slipway-0123456789ab-1.0123456789abc.01234567 (copy)",
        "slipway-0123456789ab-1.0123456789ab.01234567",
        "slipway-0123456789ab-0.0123456789abc.01234567",
        "slipway-0123456789ab-01.0123456789abc.01234567",
        "slipway-0123456789ab--1.0123456789abc.01234567",
        "slipway-0123456789ab-99999999999.0123456789abc.01234567",
        "slipway-0123456789AB-1.0123456789abc.01234567",
        "slipway-0123456789abc-1.0123456789abc.01234567",
        "Slipway-0123456789ab-1.0123456789abc.01234567",
        "slipway-0123456789ab-1.0123456789ab11111111111111111.01234567",
    };
    g_assert_cmpint(mark_look(NULL), ==, MARK_FOREIGN);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_cmpint(mark_look(texts[i]), ==, MARK_FOREIGN);
    }
    g_assert_cmpint(mark_look("slipway-0123456789ab-1.0123456789abc.01234567"), ==, MARK_ELSEWHERE);
    g_autofree char *longer = g_strnfill(MARK_MAX, 'a');
    g_autofree char *text = g_strconcat("slipway-", longer, NULL);
    g_assert_cmpint(mark_look(text), ==, MARK_FOREIGN);
}

static gpointer
make(gpointer data G_GNUC_UNUSED)
{
    char *mark = mark_new();
    return mark;
}

static void
test_threads(void)
{
    enum { N = 8 };
    GThread *threads[N];
    g_autoptr(GHashTable) marks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < N; i++)
        threads[i] = g_thread_new("mark", make, NULL);
    for (guint i = 0; i < N; i++)
        g_hash_table_add(marks, g_thread_join(threads[i]));
    g_assert_cmpuint(g_hash_table_size(marks), ==, N);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mark/threads", test_threads);
    g_test_add_func("/mark/new", test_new);
    g_test_add_func("/mark/child", test_child);
    g_test_add_func("/mark/states", test_states);
    g_test_add_func("/mark/foreign", test_foreign);
    return g_test_run();
}
