/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_secret.c: what must not be seen is not, and secrets are read as written. */
#include "base/error.h"
#include "base/secret.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void
assert_redacted(const char *text, const char *expected)
{
    g_autofree char *shown = secret_redact(text);
    g_assert_cmpstr(shown, ==, expected);
}

static void
test_redact(void)
{
    secret_register("hunter2 & co/x");
    assert_redacted("pass hunter2 & co/x!", "pass ***!");
    assert_redacted("hunter2%20%26%20co%2Fx", "***");
    assert_redacted("hunter2%20%26%20co%2fx", "***");
    assert_redacted("nothing here", "nothing here");
    assert_redacted("", "");
    g_assert_null(secret_redact(NULL));
}

static void
test_redact_overlap(void)
{
    secret_register("abcdEF");
    secret_register("EFghij");
    secret_register("abcdEFghij-long");
    assert_redacted("<abcdEFghij>", "<***>");
    assert_redacted("<abcdEFghij-long>", "<***>");
    assert_redacted("abcdEF abcdEF", "*** ***");
}

static void
test_short_is_not_kept(void)
{
    secret_register("the");
    secret_register("");
    secret_register(NULL);
    assert_redacted("the end", "the end");
}

static char *
temporary(const char *bytes, gsize length)
{
    g_autoptr(GError) error = NULL;
    char *path = NULL;
    int fd = g_file_open_tmp("slipway-secret-XXXXXX", &path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(write(fd, bytes, length), ==, (gssize)length);
    close(fd);
    return path;
}

static void
assert_read(const char *bytes, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = temporary(bytes, strlen(bytes));
    char *secret = secret_read_file(path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(secret, ==, expected);
    assert_redacted(expected, "***");
    secret_free(secret);
    g_unlink(path);
}

static void
assert_refused(const char *bytes, gsize length, enum slipway_error code)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = temporary(bytes, length);
    g_assert_null(secret_read_file(path, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, path));
    g_unlink(path);
}

static void
test_read(void)
{
    assert_read("from-file-1\n", "from-file-1");
    assert_read("from-file-2", "from-file-2");
    assert_read("from-file-3\r\nsecond\n", "from-file-3");
    assert_read(" with spaces \n", " with spaces ");

    g_autofree char *longest = g_strnfill(SECRET_MAX, 'x');
    assert_read(longest, longest);
}

static void
test_read_refused(void)
{
    g_autofree char *longer = g_strnfill(SECRET_MAX + 1, 'y');
    assert_refused(longer, SECRET_MAX + 1, SLIPWAY_ERROR_LIMIT);
    assert_refused("", 0, SLIPWAY_ERROR_USAGE);
    assert_refused("\nlater\n", 7, SLIPWAY_ERROR_USAGE);
    assert_refused("a\0bcd\n", 6, SLIPWAY_ERROR_USAGE);

    g_autoptr(GError) missing = NULL;
    g_assert_null(secret_read_file("/nonexistent/secret", &missing));
    g_assert_error(missing, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);

    g_autoptr(GError) directory = NULL;
    g_assert_null(secret_read_file("/", &directory));
    g_assert_error(directory, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

/* Two secrets may follow each other on one pipe. */
static void
test_read_standard_input(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_cmpint(write(ends[1], "first-line\nsecond-line\n", 23), ==, 23);
    close(ends[1]);
    g_assert_cmpint(dup2(ends[0], STDIN_FILENO), ==, STDIN_FILENO);
    close(ends[0]);

    char *first = secret_read_file("-", NULL);
    char *second = secret_read_file("-", NULL);
    g_autoptr(GError) error = NULL;
    g_assert_cmpstr(first, ==, "first-line");
    g_assert_cmpstr(second, ==, "second-line");
    g_assert_null(secret_read_file("-", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    secret_free(first);
    secret_free(second);
    secret_free(NULL);
}

static gpointer
register_many(gpointer data)
{
    for (int i = 0; i < 200; i++) {
        g_autofree char *secret = g_strdup_printf("thread-%p-%d!", data, i);
        secret_register(secret);
        assert_redacted(secret, "***");
    }
    return NULL;
}

static void
test_threads(void)
{
    GThread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = g_thread_new("register", register_many, &threads[i]);
    for (int i = 0; i < 4; i++)
        g_thread_join(threads[i]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/secret/redact", test_redact);
    g_test_add_func("/secret/redact/overlap", test_redact_overlap);
    g_test_add_func("/secret/redact/short", test_short_is_not_kept);
    g_test_add_func("/secret/read", test_read);
    g_test_add_func("/secret/read/refused", test_read_refused);
    g_test_add_func("/secret/read/standard-input", test_read_standard_input);
    g_test_add_func("/secret/threads", test_threads);
    return g_test_run();
}
