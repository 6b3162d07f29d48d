/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bundle_fixture.h: real .vib files in a directory of their own, for tests that export them. */
#pragma once

#include "base/error.h"
#include "esx/image_export.h"
#include "esx/vib_build.h"

#include <ftw.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

struct bundle_fixture {
    char *directory;
    struct depot_context context;
};

static inline char *
bundle_fixture_path(const struct bundle_fixture *fixture, const char *name)
{
    return g_build_filename(fixture->directory, name, NULL);
}

/* Write NAME.vib: one payload with one file, whose content is `text`. */
static inline void
bundle_fixture_vib(const struct bundle_fixture *fixture, const char *name, const char *version,
                   const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *tree = g_strconcat(fixture->directory, "/tree-", name, NULL);
    g_autofree char *folder = g_build_filename(tree, "opt", name, NULL);
    g_autofree char *file = g_build_filename(folder, "text", NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(file, text, -1, &error));
    g_autofree char *output = g_strconcat(fixture->directory, "/", name, ".vib", NULL);
    struct vib_build build = {.name = name,
                              .version = version,
                              .vendor = "ACME",
                              .release_date = "2020-01-08T12:04:19+00:00",
                              .acceptance = ACCEPTANCE_COMMUNITY};
    vib_build_write(&build, tree, output, TRUE, NULL, &error);
    g_assert_no_error(error);
}

static inline void
bundle_fixture_set_up(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    fixture->directory = g_dir_make_tmp("bundle-XXXXXX", NULL);
    memset(&fixture->context, 0, sizeof fixture->context);
    bundle_fixture_vib(fixture, "alpha", "1.0-1", "first");
    bundle_fixture_vib(fixture, "beta", "2.0-1", "second");
}

static inline int
bundle_fixture_remove(const char *path, const struct stat *about G_GNUC_UNUSED,
                      int kind G_GNUC_UNUSED, struct FTW *place G_GNUC_UNUSED)
{
    return remove(path);
}

static inline void
bundle_fixture_tear_down(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    nftw(fixture->directory, bundle_fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    g_free(fixture->directory);
}

/* Load the files called `names` (ended by NULL) as depots. */
static inline struct depot_set *
bundle_fixture_load(const struct bundle_fixture *fixture, const char *const *names)
{
    struct depot_set *set = depot_set_new();
    for (; *names != NULL; names++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = bundle_fixture_path(fixture, *names);
        struct depot *depot = depot_load(path, &fixture->context, &error);
        g_assert_no_error(error);
        depot_set_add(set, depot);
    }
    return set;
}

#define BUNDLE_FIXTURE_LOAD(fixture, ...)                                                          \
    bundle_fixture_load(fixture, (const char *const[]){__VA_ARGS__, NULL})
