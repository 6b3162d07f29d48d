/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scratch_directory.h: a directory of its own for one test, gone with everything in it after. */
#pragma once

#include <ftw.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

struct scratch {
    char *path;
};

static inline int
scratch_remove(const char *path, const struct stat *status G_GNUC_UNUSED, int type G_GNUC_UNUSED,
               struct FTW *info G_GNUC_UNUSED)
{
    return remove(path);
}

static inline void
scratch_clear(struct scratch *scratch)
{
    if (scratch->path != NULL)
        nftw(scratch->path, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
    g_free(scratch->path);
}

#define auto_scratch __attribute__((cleanup(scratch_clear))) struct scratch

static inline struct scratch
scratch_new(void)
{
    struct scratch scratch = {g_dir_make_tmp("slipway-test-XXXXXX", NULL)};
    g_assert_nonnull(scratch.path);
    return scratch;
}

static inline char *
scratch_path(const struct scratch *scratch, const char *name)
{
    return g_build_filename(scratch->path, name, NULL);
}

/* A file, with the directories above it. */
static inline void
scratch_put_bytes(const struct scratch *scratch, const char *name, GBytes *bytes)
{
    g_autofree char *path = scratch_path(scratch, name);
    g_autofree char *directory = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(directory, 0755), ==, 0);
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    g_assert_true(g_file_set_contents_full(path, data, (gssize)length,
                                           G_FILE_SET_CONTENTS_CONSISTENT, 0644, NULL));
}

static inline void
scratch_put(const struct scratch *scratch, const char *name, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    scratch_put_bytes(scratch, name, bytes);
}

static inline GBytes *
scratch_get(const struct scratch *scratch, const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);
    char *data = NULL;
    gsize length = 0;
    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    return g_bytes_new_take(data, length);
}

static inline gboolean
scratch_has(const struct scratch *scratch, const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);
    return g_file_test(path, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK);
}
