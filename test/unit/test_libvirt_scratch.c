/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_libvirt_scratch.c: the private directory of a run, also when it is not what it was: QEMU's
 * user owns it, and a guest may have taken over QEMU. */
#include "base/error.h"
#include "hyper/libvirt/scratch.h"
#include "mark_fixture.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID "82df077a-d9c2-4999-80c4-9ad738530dde"

struct fixture {
    char *folder;
    struct libvirt host;
    struct scratch *scratch;
    char *other, *file; /* a directory of somebody else's, and what is in it */
};

static void
set_up(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    fixture->folder = g_dir_make_tmp("sw-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->host.scratch = fixture->folder;
    fixture->scratch = scratch_make(&fixture->host, &error);
    g_assert_no_error(error);
    fixture->other = g_build_filename(fixture->folder, "other", NULL);
    fixture->file = g_build_filename(fixture->other, "at-rest", NULL);
    g_assert_cmpint(g_mkdir(fixture->other, 0700), ==, 0);
    g_assert_true(g_file_set_contents(fixture->file, "theirs", -1, NULL));
}

static void
tear_down(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_unlink(fixture->file);
    g_rmdir(fixture->other);
    g_unlink(fixture->scratch->path);
    g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
    scratch_free(fixture->scratch);
    g_free(fixture->folder);
    g_free(fixture->other);
    g_free(fixture->file);
}

static void
test_whole(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    struct stat stat;
    g_assert_cmpint(lstat(fixture->scratch->path, &stat), ==, 0);
    g_assert_cmpint(stat.st_mode & 0777, ==, 0700);
    g_assert_null(scratch_rest(fixture->scratch));
    for (guint i = 0; i < 2; i++) { /* the second time in place of the first */
        g_assert_true(scratch_note_rest(fixture->scratch, UUID, &error));
        g_assert_no_error(error);
    }
    g_autofree char *uuid = scratch_rest(fixture->scratch);
    g_assert_cmpstr(uuid, ==, UUID);
    g_assert_true(scratch_note_rest(fixture->scratch, NULL, &error));
    g_assert_null(scratch_rest(fixture->scratch));
    g_autofree char *file = scratch_file(fixture->scratch, "a/b");
    g_assert_true(g_file_set_contents(file, "x", -1, NULL));
    g_assert_true(scratch_remove(fixture->scratch, &error));
    g_assert_no_error(error);
    g_assert_cmpint(lstat(fixture->scratch->path, &stat), ==, -1);
    g_assert_true(scratch_remove(fixture->scratch, &error)); /* gone already */
}

/* A link in its place leads nobody to what is behind it. */
static void
test_link(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(g_rmdir(fixture->scratch->path), ==, 0);
    g_assert_cmpint(symlink(fixture->other, fixture->scratch->path), ==, 0);
    g_assert_false(scratch_remove(fixture->scratch, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_false(scratch_note_rest(fixture->scratch, UUID, &error));
    g_clear_error(&error);
    g_assert_false(scratch_note_rest(fixture->scratch, NULL, &error));
    g_assert_null(scratch_rest(fixture->scratch));
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(fixture->file, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "theirs");
}

/* The note as a link, and as a pipe that nobody ever writes into. */
static void
test_note(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *note = g_build_filename(fixture->scratch->path, "at-rest", NULL);
    g_assert_true(g_file_set_contents(fixture->file, UUID, -1, NULL));
    g_assert_cmpint(symlink(fixture->file, note), ==, 0);
    g_assert_null(scratch_rest(fixture->scratch));
    g_assert_true(scratch_note_rest(fixture->scratch, UUID, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(note, G_FILE_TEST_IS_SYMLINK));
    g_assert_cmpint(g_unlink(note), ==, 0);
    g_assert_cmpint(mkfifo(note, 0600), ==, 0);
    g_assert_null(scratch_rest(fixture->scratch));
    g_assert_true(scratch_remove(fixture->scratch, &error));
    g_assert_no_error(error);
}

/* Of runs that are gone, and nothing that only looks so. */
static void
test_left(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *left = mark_fixture_left(), *linked = mark_fixture_left();
    g_autofree char *path = g_build_filename(fixture->folder, left, NULL);
    g_autofree char *link = g_build_filename(fixture->folder, linked, NULL);
    g_assert_cmpstr(left, !=, linked);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    g_assert_cmpint(symlink(fixture->other, link), ==, 0);
    g_autoptr(GPtrArray) found = scratch_left(&fixture->host);
    g_assert_cmpuint(found->len, ==, 1);
    const struct scratch *only = g_ptr_array_index(found, 0);
    g_assert_cmpstr(only->path, ==, path);
    g_assert_true(scratch_remove(only, NULL));
    g_assert_cmpint(g_unlink(link), ==, 0);
    g_assert_true(scratch_remove(fixture->scratch, NULL));
}

static void
add(const char *name, void (*test)(struct fixture *fixture, gconstpointer data))
{
    g_test_add(name, struct fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/libvirt-scratch/whole", test_whole);
    add("/libvirt-scratch/link", test_link);
    add("/libvirt-scratch/note", test_note);
    add("/libvirt-scratch/left", test_left);
    return g_test_run();
}
