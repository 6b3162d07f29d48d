/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "repo/repo.h"
#include "scratch_directory.h"

#include <errno.h>

#define OWNER "0123456789abcdef0123456789abcdef"

static gboolean
put(struct repo *repo, const char *name, GError **error)
{
    return repo_put(repo, name, "x", 1, error);
}

static guint
count_objects(struct repo *repo)
{
    g_autoptr(GPtrArray) entries = repo_list(repo, "", NULL);
    g_assert_nonnull(entries);
    return entries->len;
}

static void
test_once(void)
{
    const struct repo_fault plan = {.operations = 1 << REPO_OP_PUT, .at = 2, .once = TRUE};
    auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
    g_autoptr(GError) error = NULL;
    g_assert_true(put(repo, "a", &error));
    g_assert_true(repo_replace(repo, "r", "x", 1, &error)); /* does not count */
    g_assert_false(put(repo, "b", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_cmpstr(
        error->message, ==,
        "memory: cannot put b: Input/output error; the medium is failing: look at the kernel's "
        "log, and replace it");
    g_clear_error(&error);
    g_assert_true(put(repo, "c", &error));
    g_assert_cmpuint(repo_fault_count(repo), ==, 3);
    g_assert_cmpuint(count_objects(repo), ==, 3);
}

static void
test_number(void)
{
    const struct repo_fault plan = {
        .operations = 1 << REPO_OP_REPLACE, .at = 1, .once = TRUE, .number = ENOSPC};
    auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
    g_autoptr(GError) error = NULL;
    g_assert_false(repo_replace(repo, "a", "x", 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "cannot replace a: "));
    g_assert_nonnull(strstr(error->message, "free some space"));
}

/* A dead program does nothing any more, whatever it was counted by. */
static void
test_dead(void)
{
    const struct repo_fault plan = {.operations = 1 << REPO_OP_PUT, .at = 1};
    auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
    guint64 size;
    char byte;
    g_assert_true(repo_replace(repo, "r", "x", 1, NULL));
    g_assert_false(put(repo, "a", NULL));
    g_assert_false(put(repo, "a", NULL));
    g_assert_false(repo_replace(repo, "a", "x", 1, NULL));
    g_assert_null(repo_create(repo, OWNER, NULL));
    g_assert_false(repo_read(repo, "r", 0, &byte, 1, NULL));
    g_assert_null(repo_read_all(repo, "r", 1, NULL));
    g_assert_null(repo_view(repo, "r", 1, NULL));
    g_assert_false(repo_size(repo, "r", &size, NULL));
    g_assert_null(repo_list(repo, "", NULL));
    g_assert_false(repo_remove(repo, "r", NULL));
    g_assert_null(repo_unfinished(repo, NULL));
    g_assert_false(repo_unfinished_remove(repo, OWNER, NULL));
    g_assert_cmpuint(repo_fault_count(repo), ==, 2);
}

/* Each kind of operation is one bit. */
static void
test_operations(void)
{
    for (guint operation = 0; operation < REPO_OP_N; operation++) {
        const struct repo_fault plan = {.operations = 1u << operation, .at = 1, .once = TRUE};
        auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
        g_autoptr(GError) error = NULL;
        gboolean good[REPO_OP_N];
        char byte = 0;
        good[REPO_OP_PUT] = put(repo, "a", NULL);
        good[REPO_OP_REPLACE] = repo_replace(repo, "b", "x", 1, NULL);
        struct repo_writer *writer = repo_create(repo, OWNER, &error);
        g_assert_no_error(error);
        good[REPO_OP_APPEND] = repo_writer_append(writer, "x", 1, NULL);
        gboolean committed = repo_writer_commit(writer, "c", NULL);
        /* What could not be written cannot be finished. */
        good[REPO_OP_COMMIT] = committed || operation == REPO_OP_APPEND;
        good[REPO_OP_READ] =
            repo_read(repo, operation == REPO_OP_PUT ? "b" : "a", 0, &byte, 1, NULL);
        g_autoptr(GPtrArray) entries = repo_list(repo, "", NULL);
        good[REPO_OP_LIST] = entries != NULL;
        good[REPO_OP_REMOVE] = repo_remove(repo, "a", NULL);
        for (guint i = 0; i < REPO_OP_N; i++)
            g_assert_cmpint(good[i], ==, i != operation);
        g_assert_cmpuint(repo_fault_count(repo), ==, 1);
    }
}

static void
test_never(void)
{
    const struct repo_fault plan = {.operations = G_MAXUINT};
    auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
    for (guint i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i);
        g_assert_true(put(repo, name, NULL));
    }
    g_assert_cmpuint(repo_fault_count(repo), ==, 20);
}

/* A writer that fails once is thrown away as any other; after death its bytes stay, as those of a
 * process that was killed. */
static void
check_writer(unsigned operations, gboolean once, gboolean abandon, const char *unfinished)
{
    auto_scratch scratch = scratch_new();
    const struct repo_fault plan = {.operations = operations, .at = 1, .once = once};
    struct repo *repo = repo_fault_new(repo_directory_open(scratch.path, FALSE, NULL), &plan);
    struct repo_writer *writer = repo_create(repo, OWNER, NULL);
    repo_writer_append(writer, "text", 4, NULL);
    if (abandon)
        repo_writer_abandon(writer);
    else
        g_assert_false(repo_writer_commit(writer, "a", NULL));
    repo_close(repo);

    auto_ptr(repo) again = repo_directory_open(scratch.path, FALSE, NULL);
    g_autoptr(GPtrArray) owners = repo_unfinished(again, NULL);
    g_assert_cmpuint(owners->len, ==, unfinished == NULL ? 0 : 1);
    if (unfinished != NULL)
        g_assert_cmpstr(owners->pdata[0], ==, unfinished);
    g_assert_cmpuint(count_objects(again), ==, 0);
}

static void
test_writers(void)
{
    for (guint abandon = 0; abandon < 2; abandon++) {
        check_writer(1 << REPO_OP_APPEND, TRUE, abandon != 0, NULL);
        check_writer(1 << REPO_OP_APPEND, FALSE, abandon != 0, OWNER);
    }
    check_writer(1 << REPO_OP_COMMIT, TRUE, FALSE, NULL);
    check_writer(1 << REPO_OP_COMMIT, FALSE, FALSE, OWNER);
    check_writer(1 << REPO_OP_COMMIT, FALSE, TRUE, NULL);
}

/* The same in memory, where nothing but the repo itself can tell. */
static void
test_memory_left(void)
{
    const struct repo_fault plan = {.operations = 1 << REPO_OP_COMMIT, .at = 1};
    auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
    struct repo_writer *one = repo_create(repo, OWNER, NULL);
    struct repo_writer *two = repo_create(repo, OWNER, NULL);
    g_assert_true(repo_writer_append(two, "x", 1, NULL));
    g_assert_false(repo_writer_commit(one, "a", NULL));
    repo_writer_abandon(two);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/repo-faults/once", test_once);
    g_test_add_func("/repo-faults/number", test_number);
    g_test_add_func("/repo-faults/dead", test_dead);
    g_test_add_func("/repo-faults/operations", test_operations);
    g_test_add_func("/repo-faults/never", test_never);
    g_test_add_func("/repo-faults/writers", test_writers);
    g_test_add_func("/repo-faults/memory-left", test_memory_left);
    return g_test_run();
}
