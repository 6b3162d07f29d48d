/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recipe_lock.h: what went into a build, exactly: the lock file of a recipe.
 * Format: doc/format/recipe.md. */
#pragma once

#include "esx/depot.h"

#define RECIPE_LOCK_MAX (16u << 20)

struct recipe_lock_item {
    char *name;   /* VIB id, or the title of a file */
    char *depot;  /* what may be shown of the depot of a VIB; NULL for a file */
    char *sha256; /* NULL: not known */
    guint64 size;
};

struct recipe_lock {
    char *profile_name;
    char *profile_vendor;
    enum acceptance acceptance;
    GPtrArray *vibs;   /* of struct recipe_lock_item *; those that came from depots */
    GPtrArray *files;  /* of struct recipe_lock_item *: base ISO, kickstart, added files */
    char *output_kind; /* "iso", "zip" */
    char *output_sha256;
    guint64 output_size;
};

struct recipe_lock *recipe_lock_new(void);
void recipe_lock_free(struct recipe_lock *lock);
AUTO_PTR_DEFINE(recipe_lock, recipe_lock_free)

/* Where the lock file of the recipe at `recipe` is when nobody says otherwise: lab.lock beside
 * lab.yaml.  Free with g_free(). */
char *recipe_lock_path(const char *recipe);

/* SLIPWAY_ERROR_NOT_FOUND says how a lock file is made; SLIPWAY_ERROR_CORRUPT, _LIMIT,
 * _UNSUPPORTED (written by a newer version). */
struct recipe_lock *recipe_lock_read(const char *path, GError **error);
struct recipe_lock *recipe_lock_parse(const void *data, gsize length, const char *label,
                                      GError **error);
gboolean recipe_lock_write(const struct recipe_lock *lock, const char *path, GError **error);
/* JSON, sorted: the same lock gives the same text. */
char *recipe_lock_format(const struct recipe_lock *lock);

/* Add a VIB by what its depot states, without reading it. */
void recipe_lock_add_stated(struct recipe_lock *lock, const struct package *package,
                            const char *depot);
/* Add a VIB by its bytes, which must be here.  SLIPWAY_ERROR_CORRUPT when they are not what the
 * depot states. */
gboolean recipe_lock_add_package(struct recipe_lock *lock, const struct package *package,
                                 const char *depot, GError **error);
gboolean recipe_lock_add_file(struct recipe_lock *lock, const char *title, const char *path,
                              GError **error);
/* Fill in what was built. */
gboolean recipe_lock_set_output(struct recipe_lock *lock, const char *kind, const char *path,
                                GError **error);

/* Where `actual` is not as `locked` wants it, VIBs and files, each as a phrase; of char *, empty
 * when all is as it was.  What is not known of `actual` is taken to be right. */
GPtrArray *recipe_lock_compare(const struct recipe_lock *locked, const struct recipe_lock *actual);
