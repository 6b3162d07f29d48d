/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directory driver, stopped before each system call in turn. */
#include "base/error.h"
#include "repo/repo.h"
#include "scratch_directory.h"
#include "system_calls.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER "0123456789abcdef0123456789abcdef"
#define LARGE 600000u /* several writes */

struct way {
    const char *name;
    struct system_calls calls;
};
static const struct way ways[] = {
    {"rename", {0}},
    {"link", {.rename_refused = EINVAL}},
    {"check", {.rename_refused = EINVAL, .link_refused = EPERM}},
};

static GBytes *
large_bytes(void)
{
    guint8 *data = g_malloc(LARGE);
    for (guint i = 0; i < LARGE; i++)
        data[i] = (guint8)(i * 7 + i / 256);
    return g_bytes_new_take(data, LARGE);
}

/* What is done again and again: an object in new folders, one that is there already, a small one,
 * and one that replaces. */
static gboolean
work(struct repo *repo, GError **error)
{
    g_autoptr(GBytes) bytes = large_bytes();
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    auto_ptr(repo_writer) writer = repo_create(repo, OWNER, error);
    if (writer == NULL)
        return FALSE;
    for (guint at = 0; at < LARGE; at += 100000)
        if (!repo_writer_append(writer, data + at, MIN(100000, LARGE - at), error))
            return FALSE;
    return repo_writer_commit(g_steal_pointer(&writer), "packs/aa/large", error) &&
           repo_put(repo, "sets/small", "small", 5, error) &&
           repo_replace(repo, "state", "new", 3, error) && repo_remove(repo, "old/one", error);
}

static struct repo *
prepare(const struct scratch *scratch)
{
    system_calls = (struct system_calls){0};
    struct repo *repo = repo_directory_open(scratch->path, FALSE, NULL);
    g_assert_true(repo_put(repo, "state", "old", 3, NULL));
    g_assert_true(repo_put(repo, "old/one", "1", 1, NULL));
    return repo;
}

/* TRUE when it is there: whole. */
static gboolean
is_whole(struct repo *repo, const char *name, const void *data, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) all = repo_read_all(repo, name, G_MAXSIZE, &error);
    if (all == NULL) {
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
        return FALSE;
    }
    g_assert_cmpmem(g_bytes_get_data(all, NULL), g_bytes_get_size(all), data, length);
    return TRUE;
}

/* Everything is there as before or as after, and in the order in which it was done. */
static void
check(struct repo *repo)
{
    g_autoptr(GBytes) large = large_bytes();
    gboolean done[4];
    done[0] = is_whole(repo, "packs/aa/large", g_bytes_get_data(large, NULL), LARGE);
    done[1] = is_whole(repo, "sets/small", "small", 5);
    g_autoptr(GBytes) state = repo_read_all(repo, "state", 3, NULL);
    done[2] = memcmp(g_bytes_get_data(state, NULL), "new", 3) == 0;
    g_assert_true(done[2] || memcmp(g_bytes_get_data(state, NULL), "old", 3) == 0);
    done[3] = !is_whole(repo, "old/one", "1", 1);
    for (guint i = 1; i < 4; i++)
        g_assert_true(done[i - 1] || !done[i]);
    g_autoptr(GPtrArray) entries = repo_list(repo, "", NULL);
    g_assert_cmpuint(entries->len, ==, 2u + done[0] + done[1] - done[3]);
}

static guint
count_unfinished_files(const struct scratch *scratch)
{
    g_autofree char *path = scratch_path(scratch, "tmp");
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;
    while (dir != NULL && g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

/* ---- Killed ---------------------------------------------------------------------------------- */

/* FALSE: it came to its end. */
static gboolean
kill_before(const struct scratch *scratch, const struct way *way, unsigned at)
{
    pid_t child = fork();
    if (child == 0) {
        system_calls = way->calls;
        system_calls.at = at;
        system_calls.kill = TRUE;
        struct repo *repo = repo_directory_open(scratch->path, FALSE, NULL);
        system_calls_begin();
        _exit(work(repo, NULL) ? 0 : 1);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    if (WIFSIGNALED(status))
        g_assert_cmpint(WTERMSIG(status), ==, SIGKILL);
    else
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    return WIFSIGNALED(status);
}

static void
test_killed(gconstpointer data)
{
    gboolean killed = TRUE;
    unsigned at;
    for (at = 1; killed; at++) {
        auto_scratch scratch = scratch_new();
        repo_close(prepare(&scratch));
        killed = kill_before(&scratch, data, at);
        auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, NULL);
        check(repo);
        g_autoptr(GPtrArray) owners = repo_unfinished(repo, NULL);
        g_assert_cmpuint(owners->len, <=, 1);
        if (owners->len == 1)
            g_assert_cmpstr(owners->pdata[0], ==, OWNER);
        /* Never more than the one file that it was at. */
        g_assert_cmpuint(count_unfinished_files(&scratch), <=, killed ? 1 : 0);
        g_assert_true(repo_unfinished_remove(repo, OWNER, NULL));
        check(repo);
        /* And the work can be done again. */
        g_autoptr(GError) error = NULL;
        if (!work(repo, &error))
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    }
    g_test_message("%u system calls", at - 2);
    g_assert_cmpuint(at, >, 20);
}

/* The same at moments that nobody chose. */
static void
test_killed_any_time(void)
{
    for (guint run = 0; run < 30; run++) {
        auto_scratch scratch = scratch_new();
        repo_close(prepare(&scratch));
        pid_t child = fork();
        if (child == 0) {
            struct repo *repo = repo_directory_open(scratch.path, FALSE, NULL);
            work(repo, NULL);
            _exit(0);
        }
        g_usleep((gulong)g_random_int_range(0, 15000));
        kill(child, SIGKILL);
        g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
        auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, NULL);
        check(repo);
        g_assert_true(repo_unfinished_remove(repo, OWNER, NULL));
        g_autoptr(GPtrArray) owners = repo_unfinished(repo, NULL);
        g_assert_cmpuint(owners->len, ==, 0);
    }
}

/* ---- Failing --------------------------------------------------------------------------------- */

static void
test_failing(gconstpointer data)
{
    const struct way *way = data;
    gboolean failed = TRUE;
    for (unsigned at = 1; failed; at++) {
        auto_scratch scratch = scratch_new();
        auto_ptr(repo) repo = prepare(&scratch);
        g_autoptr(GError) error = NULL;
        system_calls = way->calls;
        system_calls.at = at;
        system_calls.number = EIO;
        system_calls_begin();
        gboolean ok = work(repo, &error);
        system_calls_end();
        failed = system_calls_count() >= at;
        system_calls.at = 0;
        check(repo);
        g_autoptr(GPtrArray) owners = repo_unfinished(repo, NULL);
        /* To remove what linkat() gave another name may fail without harm. */
        gboolean harmless = ok && failed;
        if (harmless) {
            g_assert_cmpstr(way->name, ==, "link");
        } else if (!ok) {
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
            g_assert_nonnull(strstr(error->message, scratch.path));
            g_assert_nonnull(strstr(error->message, "Input/output error"));
        }
        g_assert_cmpuint(owners->len, <=, harmless ? 1 : 0);
    }
}

/* ---- Order ----------------------------------------------------------------------------------- */

static void
expect_log(const char *log)
{
    system_calls_end();
    g_assert_cmpstr(system_calls_log(), ==, log);
    system_calls_begin();
}

/* Nothing gets a name before its bytes are durable, and a call ends when its name is. */
static void
test_order(void)
{
    auto_scratch scratch = scratch_new();
    system_calls = (struct system_calls){0};
    auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, NULL);
    system_calls_begin();
    g_assert_true(repo_put(repo, "a/b/one", "1", 1, NULL));
    expect_log("mkdirat fsyncdir write fsync mkdirat fsyncdir mkdirat fsyncdir renameat2 fsyncdir");
    g_assert_true(repo_put(repo, "a/b/two", "2", 1, NULL));
    expect_log("write fsync renameat2 fsyncdir");
    /* Of what is there already it makes sure. */
    g_assert_false(repo_put(repo, "a/b/two", "2", 1, NULL));
    expect_log("write fsync renameat2 fsyncdir unlinkat");
    g_assert_true(repo_replace(repo, "a/b/two", "3", 1, NULL));
    expect_log("write fsync renameat fsyncdir");
    struct repo_writer *writer = repo_create(repo, OWNER, NULL);
    g_assert_true(repo_writer_append(writer, "12", 2, NULL));
    g_assert_true(repo_writer_append(writer, "34", 2, NULL));
    expect_log("");
    g_assert_true(repo_writer_commit(writer, "a/three", NULL));
    expect_log("write fsync renameat2 fsyncdir");
    g_assert_true(repo_remove(repo, "a/three", NULL));
    expect_log("unlinkat fsyncdir");
    g_assert_true(repo_remove(repo, "a/three", NULL));
    expect_log("unlinkat");

    /* Another process cannot know whether who made the folders came to sync them. */
    auto_ptr(repo) other = repo_directory_open(scratch.path, FALSE, NULL);
    g_assert_true(repo_put(other, "a/b/four", "4", 1, NULL));
    expect_log("write fsync mkdirat fsyncdir mkdirat fsyncdir renameat2 fsyncdir");
    system_calls_end();
}

static void
test_order_of_fallbacks(void)
{
    auto_scratch scratch = scratch_new();
    system_calls = (struct system_calls){.rename_refused = EINVAL};
    auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, NULL);
    g_assert_true(repo_put(repo, "zero", "0", 1, NULL));
    system_calls_begin();
    g_assert_true(repo_put(repo, "one", "1", 1, NULL));
    expect_log("write fsync linkat unlinkat fsyncdir");
    g_assert_false(repo_put(repo, "one", "2", 1, NULL));
    expect_log("write fsync linkat fsyncdir unlinkat");
    system_calls.link_unheard = TRUE;
    g_assert_true(repo_put(repo, "heard", "2", 1, NULL));
    expect_log("write fsync linkat unlinkat fsyncdir");
    g_assert_false(repo_put(repo, "one", "2", 1, NULL));
    expect_log("write fsync linkat fsyncdir unlinkat");
    system_calls.link_unheard = FALSE;
    /* It does not ask again for what it was refused. */
    system_calls.rename_refused = 0;
    g_assert_true(repo_put(repo, "again", "2", 1, NULL));
    expect_log("write fsync linkat unlinkat fsyncdir");
    system_calls.link_refused = EPERM;
    g_assert_true(repo_put(repo, "two", "2", 1, NULL));
    expect_log("write fsync renameat fsyncdir");
    g_assert_false(repo_put(repo, "two", "3", 1, NULL));
    expect_log("write fsync fsyncdir unlinkat");
    system_calls.link_refused = 0;
    g_assert_true(repo_put(repo, "three", "3", 1, NULL));
    expect_log("write fsync renameat fsyncdir");
    system_calls_end();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *killed = g_strconcat("/repo-crash/killed/", ways[i].name, NULL);
        g_test_add_data_func(killed, &ways[i], test_killed);
        g_autofree char *failing = g_strconcat("/repo-crash/failing/", ways[i].name, NULL);
        g_test_add_data_func(failing, &ways[i], test_failing);
    }
    g_test_add_func("/repo-crash/killed/any-time", test_killed_any_time);
    g_test_add_func("/repo-crash/order", test_order);
    g_test_add_func("/repo-crash/order/fallbacks", test_order_of_fallbacks);
    return g_test_run();
}
