/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directory driver on disks that are full, read-only or forbidden, and among files that others
 * left there. */
#include "base/error.h"
#include "repo/repo.h"
#include "scratch_directory.h"
#include "system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER "0123456789abcdef0123456789abcdef"
#define SKIPPED 77

/* ---- A child with a disk of its own -----------------------------------------------------------
 */

static void
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        _exit(SKIPPED);
    close(fd);
}

/* A name space in which we may mount: root's, or one where we are root. */
static void
enter_name_space(void)
{
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (uid != 0 || unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            _exit(SKIPPED);
        g_autofree char *uids = g_strdup_printf("0 %u 1", uid);
        g_autofree char *gids = g_strdup_printf("0 %u 1", gid);
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/uid_map", uids);
        write_text("/proc/self/gid_map", gids);
    }
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        _exit(SKIPPED);
}

/* FALSE: this machine does not let us.  The child ends by itself or by a failed assertion. */
static gboolean
in_child(void (*test)(const char *directory), const char *directory)
{
    pid_t child = fork();
    if (child == 0) {
        test(directory);
        _exit(0);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != SKIPPED)
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    return WEXITSTATUS(status) == 0;
}

static void
expect_io(gboolean ok, GError **error, const char *directory, const char *remedy)
{
    g_assert_false(ok);
    g_assert_error(*error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_nonnull(strstr((*error)->message, directory));
    g_assert_nonnull(strstr((*error)->message, remedy));
    g_clear_error(error);
}

static gboolean
write_object(struct repo *repo, const char *name, gsize length, GError **error)
{
    g_autofree guint8 *piece = g_malloc0(65536);
    auto_ptr(repo_writer) writer = repo_create(repo, OWNER, error);
    if (writer == NULL)
        return FALSE;
    for (gsize at = 0; at < length; at += 65536)
        if (!repo_writer_append(writer, piece, MIN(65536, length - at), error)) {
            /* It does not recover by itself. */
            g_assert_false(repo_writer_commit(g_steal_pointer(&writer), name, NULL));
            return FALSE;
        }
    return repo_writer_commit(g_steal_pointer(&writer), name, error);
}

/* ---- Full ------------------------------------------------------------------------------------ */

static void
check_full(const char *directory, gsize size, const char *remedy)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(repo) repo = repo_directory_open(directory, FALSE, &error);
    g_assert_true(repo_put(repo, "state", "old", 3, &error));
    g_autofree guint8 *large = g_malloc0(size);
    expect_io(repo_put(repo, "a/large", large, size, &error), &error, directory, remedy);
    expect_io(repo_replace(repo, "state", large, size, &error), &error, directory, remedy);
    expect_io(write_object(repo, "a/b/large", size, &error), &error, directory, remedy);
    /* Nothing stays that takes up space, and nothing was lost. */
    g_autoptr(GPtrArray) entries = repo_list(repo, "", &error);
    g_assert_cmpuint(entries->len, ==, 1);
    g_autofree char *tmp = g_build_filename(directory, "tmp", NULL);
    g_autoptr(GDir) dir = g_dir_open(tmp, 0, NULL);
    g_assert_null(g_dir_read_name(dir));
    g_autoptr(GBytes) state = repo_read_all(repo, "state", 3, &error);
    g_assert_cmpmem(g_bytes_get_data(state, NULL), g_bytes_get_size(state), "old", 3);
    g_assert_true(write_object(repo, "a/small", 300000, &error));
}

static void
full_tmpfs(const char *directory)
{
    enter_name_space();
    if (mount("none", directory, "tmpfs", 0, "size=1m,mode=0755") != 0)
        _exit(SKIPPED);
    g_autoptr(GError) error = NULL;
    auto_ptr(repo) repo = repo_directory_open(directory, FALSE, &error);
    guint64 before = repo_free_space(repo);
    g_assert_cmpuint(before, <=, 1 << 20);
    g_assert_cmpuint(before, >, 1 << 19);
    check_full(directory, 3 << 20, "free some space");
    g_assert_cmpuint(repo_free_space(repo), <=, before - 300000);
}

static void
full_limit(const char *directory)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 1 << 20;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    check_full(directory, 3 << 20, "File too large");
}

static void
test_full(void)
{
    auto_scratch scratch = scratch_new();
    if (!in_child(full_tmpfs, scratch.path))
        g_test_skip("this machine does not let us mount a small disk");
}

static void
test_limit(void)
{
    auto_scratch scratch = scratch_new();
    g_assert_true(in_child(full_limit, scratch.path));
}

/* ---- Read-only ------------------------------------------------------------------------------- */

/* What was put can be read; nothing changes. */
static void
check_unwritable(struct repo *repo, const char *directory, const char *remedy)
{
    g_autoptr(GError) error = NULL;
    expect_io(repo_put(repo, "a/new", "x", 1, &error), &error, directory, remedy);
    expect_io(repo_replace(repo, "a/one", "x", 1, &error), &error, directory, remedy);
    expect_io(repo_remove(repo, "a/one", &error), &error, directory, remedy);
    expect_io(repo_create(repo, OWNER, &error) != NULL, &error, directory, remedy);
    g_autoptr(GPtrArray) entries = repo_list(repo, "", &error);
    g_assert_cmpuint(entries->len, ==, 1);
    g_autoptr(GPtrArray) owners = repo_unfinished(repo, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(owners->len, ==, 1);
    expect_io(repo_unfinished_remove(repo, OWNER, &error), &error, directory, remedy);
    g_autoptr(GBytes) view = repo_view(repo, "a/one", 3, &error);
    g_assert_cmpmem(g_bytes_get_data(view, NULL), g_bytes_get_size(view), "one", 3);
}

/* One object, one unfinished, and one small one that somebody just puts. */
static void
fill(const char *directory)
{
    auto_ptr(repo) repo = repo_directory_open(directory, FALSE, NULL);
    g_assert_true(repo_put(repo, "a/one", "one", 3, NULL));
    const struct scratch scratch = {(char *)directory};
    scratch_put(&scratch, "tmp/" OWNER "-0123456789abcdef", "unfinished");
    scratch_put(&scratch, "tmp/" REPO_OWNER_PUT "-0123456789abcdef", "small");
}

static void
read_only(const char *directory)
{
    enter_name_space();
    if (mount("none", directory, "tmpfs", 0, "size=1m,mode=0755") != 0)
        _exit(SKIPPED);
    fill(directory);
    if (mount("none", directory, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        _exit(SKIPPED);
    auto_ptr(repo) repo = repo_directory_open(directory, FALSE, NULL);
    check_unwritable(repo, directory, "choose a place that can be written");
}

static void
test_read_only(void)
{
    auto_scratch scratch = scratch_new();
    if (!in_child(read_only, scratch.path))
        g_test_skip("this machine does not let us mount a small disk");
}

/* ---- Forbidden ------------------------------------------------------------------------------- */

static void
change_modes(const char *directory, mode_t folder_mode, mode_t file_mode)
{
    const char *folders[] = {"", "a", "tmp"};
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(directory, folders[i], NULL);
        g_assert_cmpint(chmod(path, folder_mode), ==, 0);
    }
    g_autofree char *file = g_build_filename(directory, "a/one", NULL);
    g_assert_cmpint(chmod(file, file_mode), ==, 0);
}

static void
forbidden(const char *directory)
{
    fill(directory);
    auto_ptr(repo) before = repo_directory_open(directory, FALSE, NULL);
    change_modes(directory, 0555, 0444);
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(SKIPPED);
    check_unwritable(before, directory, "check the owner and the permissions");
    auto_ptr(repo) repo = repo_directory_open(directory, FALSE, NULL);
    check_unwritable(repo, directory, "check the owner and the permissions");
}

static void
unreadable(const char *directory)
{
    g_autoptr(GError) error = NULL;
    fill(directory);
    change_modes(directory, 0755, 0200);
    g_autofree char *folder = g_build_filename(directory, "b", NULL);
    g_assert_cmpint(mkdir(folder, 0100), ==, 0);
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(SKIPPED);
    auto_ptr(repo) repo = repo_directory_open(directory, FALSE, &error);
    expect_io(repo_read_all(repo, "a/one", 3, &error) != NULL, &error, directory,
              "a/one: Permission denied; check the owner");
    /* A list with a hole would be worse than none. */
    expect_io(repo_list(repo, "", &error) != NULL, &error, directory, "cannot list b: ");
}

static void
test_forbidden(gconstpointer test)
{
    auto_scratch scratch = scratch_new();
    gboolean ran = in_child((void (*)(const char *))test, scratch.path);
    /* So that it can be removed. */
    change_modes(scratch.path, 0755, 0644);
    if (!ran)
        g_test_skip("cannot become another user");
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void
test_open(void)
{
    auto_scratch scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *path = scratch_path(&scratch, "store");
    g_assert_null(repo_directory_open(path, FALSE, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, path));
    g_clear_error(&error);
    g_autofree char *deep = scratch_path(&scratch, "not/there");
    g_assert_null(repo_directory_open(deep, TRUE, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_clear_error(&error);
    scratch_put(&scratch, "file", "x");
    g_autofree char *file = scratch_path(&scratch, "file");
    g_assert_null(repo_directory_open(file, TRUE, &error));
    g_clear_error(&error);

    for (guint i = 0; i < 2; i++) {
        auto_ptr(repo) repo = repo_directory_open(path, TRUE, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(repo_label(repo), ==, path);
        g_assert_cmpuint(repo_capabilities(repo), ==, REPO_LISTS_AT_ONCE);
    }
}

static void
test_modes(void)
{
    auto_scratch scratch = scratch_new();
    mode_t mask = umask(0022);
    g_autofree char *path = scratch_path(&scratch, "store");
    auto_ptr(repo) repo = repo_directory_open(path, TRUE, NULL);
    g_assert_true(repo_put(repo, "a/one", "1", 1, NULL));
    const struct {
        const char *name;
        mode_t mode;
    } expected[] = {{"store", 0750}, {"store/a", 0750}, {"store/tmp", 0750}, {"store/a/one", 0640}};
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        struct stat status;
        g_autofree char *name = scratch_path(&scratch, expected[i].name);
        g_assert_cmpint(stat(name, &status), ==, 0);
        g_assert_cmphex(status.st_mode & 0777, ==, expected[i].mode);
    }
    umask(mask);
}

/* ---- Others ---------------------------------------------------------------------------------- */

static void
test_foreign_files(void)
{
    auto_scratch scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    const char *names[] = {"a/one",           "a/.nfs0123",
                           "README",          "a/b/c/d/five",
                           "a/b/c/four",      "lost+found/x",
                           ".snapshot/a/one", "tmp/junk",
                           "tmp/" OWNER,      "tmp/" OWNER "-0123456789ABCDEF"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        scratch_put(&scratch, names[i], "x");
    g_autofree char *fifo = scratch_path(&scratch, "a/pipe");
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_autofree char *dangling = scratch_path(&scratch, "a/dangling");
    g_assert_cmpint(symlink("nowhere", dangling), ==, 0);
    g_autofree char *folder = scratch_path(&scratch, "b");
    g_assert_cmpint(symlink("a", folder), ==, 0);

    auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, &error);
    g_autoptr(GPtrArray) entries = repo_list(repo, "", &error);
    g_assert_no_error(error);
    const char *expected[] = {"a/b/c/four", "a/one", "b/b/c/four", "b/one"};
    g_assert_cmpuint(entries->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < entries->len; i++)
        g_assert_cmpstr(((struct repo_entry *)entries->pdata[i])->name, ==, expected[i]);
    g_autoptr(GPtrArray) owners = repo_unfinished(repo, &error);
    g_assert_cmpuint(owners->len, ==, 0);

    g_assert_null(repo_read_all(repo, "a/pipe", 10, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_clear_error(&error);
    g_assert_null(repo_read_all(repo, "a/b", 10, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_null(repo_read_all(repo, "a/one/two", 10, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

/* Somebody else removes, replaces and tidies up while we have things open. */
static void
test_other_process(void)
{
    auto_scratch scratch = scratch_new();
    auto_ptr(repo) ours = repo_directory_open(scratch.path, FALSE, NULL);
    auto_ptr(repo) theirs = repo_directory_open(scratch.path, FALSE, NULL);
    gsize length = REPO_FRESH_MAX + 1;
    g_autofree guint8 *data = g_malloc0(length);
    guint8 byte;
    for (guint8 i = 0; i < 4; i++) {
        data[5] = i;
        if (i == 2)
            g_assert_true(repo_remove(theirs, "packs/a", NULL));
        g_assert_true(repo_replace(theirs, "packs/a", data, length, NULL));
        g_assert_true(repo_read(ours, "packs/a", 5, &byte, 1, NULL));
        g_assert_cmpuint(byte, ==, i);
    }
    g_assert_true(repo_remove(theirs, "packs/a", NULL));
    g_assert_false(repo_read(ours, "packs/a", 5, &byte, 1, NULL));
}

/* Empty folders, even that of unfinished objects, may go. */
static void
test_tidied_up(void)
{
    auto_scratch scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, NULL);
    g_autofree char *folder = scratch_path(&scratch, "packs/aa");
    g_autofree char *above = scratch_path(&scratch, "packs");
    g_autofree char *tmp = scratch_path(&scratch, "tmp");
    for (guint i = 0; i < 4; i++) {
        g_assert_true(repo_put(repo, "packs/aa/1", "x", 1, &error));
        g_assert_no_error(error);
        g_assert_true(repo_remove(repo, "packs/aa/1", &error));
        g_assert_cmpint(rmdir(folder), ==, 0);
        g_assert_cmpint(i % 2 == 0 ? rmdir(above) : 0, ==, 0);
        g_assert_cmpint(i == 2 ? rmdir(tmp) : 0, ==, 0);
    }

    struct repo_writer *writer = repo_create(repo, OWNER, &error);
    g_assert_true(repo_unfinished_remove(repo, OWNER, &error));
    g_assert_false(repo_writer_commit(writer, "packs/aa/1", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "somebody removed it"));
}

/* Half a list would be worse than none. */
static void
test_list_broken(void)
{
    auto_scratch scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, NULL);
    for (guint i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("a/%u", i);
        g_assert_true(repo_put(repo, name, "x", 1, &error));
    }
    const char *folders[] = {"a", ""};
    system_calls.list_broken = EIO;
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_assert_null(repo_list(repo, folders[i], &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        g_clear_error(&error);
    }
    g_assert_null(repo_unfinished(repo, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_clear_error(&error);
    system_calls.list_broken = 0;
    g_autoptr(GPtrArray) entries = repo_list(repo, "", &error);
    g_assert_cmpuint(entries->len, ==, 5);
}

/* Small objects that were never finished count when they are old. */
static void
test_put_left(void)
{
    auto_scratch scratch = scratch_new();
    auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, NULL);
    scratch_put(&scratch, "tmp/" REPO_OWNER_PUT "-00000000000000aa", "young");
    g_autoptr(GPtrArray) young = repo_unfinished(repo, NULL);
    g_assert_cmpuint(young->len, ==, 0);

    scratch_put(&scratch, "tmp/" REPO_OWNER_PUT "-00000000000000bb", "old");
    g_autofree char *old = scratch_path(&scratch, "tmp/" REPO_OWNER_PUT "-00000000000000bb");
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    const struct timespec times[2] = {{.tv_sec = now - REPO_PUT_GRACE - 5},
                                      {.tv_sec = now - REPO_PUT_GRACE - 5}};
    g_assert_cmpint(utimensat(AT_FDCWD, old, times, 0), ==, 0);
    g_autoptr(GPtrArray) owners = repo_unfinished(repo, NULL);
    g_assert_cmpuint(owners->len, ==, 1);
    g_assert_cmpstr(owners->pdata[0], ==, REPO_OWNER_PUT);
    g_assert_true(repo_unfinished_remove(repo, REPO_OWNER_PUT, NULL));
    g_assert_false(scratch_has(&scratch, "tmp/" REPO_OWNER_PUT "-00000000000000bb"));
    g_assert_true(scratch_has(&scratch, "tmp/" REPO_OWNER_PUT "-00000000000000aa"));
}

/* A file that somebody cuts short does not kill us where that takes no more than another client. */
static void
test_network(void)
{
    const guint32 types[] = {NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
                             SMB2_SUPER_MAGIC, FUSE_SUPER_MAGIC, V9FS_MAGIC};
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        auto_scratch scratch = scratch_new();
        system_calls.pretend_type = types[i];
        auto_ptr(repo) repo = repo_directory_open(scratch.path, FALSE, NULL);
        system_calls.pretend_type = 0;
        g_assert_cmpuint(repo_capabilities(repo), ==, 0);
        g_autofree char *text = g_strnfill(100000, 'x');
        g_assert_true(repo_put(repo, "a", text, 100000, NULL));
        g_autoptr(GBytes) view = repo_view(repo, "a", 100000, NULL);
        g_autofree char *path = scratch_path(&scratch, "a");
        g_assert_cmpint(truncate(path, 0), ==, 0);
        g_assert_cmpmem(g_bytes_get_data(view, NULL), g_bytes_get_size(view), text, 100000);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/repo-trouble/full", test_full);
    g_test_add_func("/repo-trouble/limit", test_limit);
    g_test_add_func("/repo-trouble/read-only", test_read_only);
    g_test_add_data_func("/repo-trouble/forbidden", (gconstpointer)forbidden, test_forbidden);
    g_test_add_data_func("/repo-trouble/unreadable", (gconstpointer)unreadable, test_forbidden);
    g_test_add_func("/repo-trouble/open", test_open);
    g_test_add_func("/repo-trouble/modes", test_modes);
    g_test_add_func("/repo-trouble/foreign-files", test_foreign_files);
    g_test_add_func("/repo-trouble/other-process", test_other_process);
    g_test_add_func("/repo-trouble/tidied-up", test_tidied_up);
    g_test_add_func("/repo-trouble/list-broken", test_list_broken);
    g_test_add_func("/repo-trouble/put-left", test_put_left);
    g_test_add_func("/repo-trouble/network", test_network);
    return g_test_run();
}
