/* SPDX-License-Identifier: GPL-3.0-or-later */
/* repo_driver.h: for those who write drivers of struct repo.
 *
 * A driver fills both classes and puts `struct repo` and `struct repo_writer` first in its own
 * structs.  Before a function is called, the frontend in repo.c has checked names, folders and
 * owners, and that a length is not 0 (but for `put`: an object may be empty).
 * test/conformance/repo_suite.h is run over every driver. */
#pragma once

#include "repo/repo.h"

struct repo_class {
    const char *name; /* "directory" */
    gboolean (*put)(struct repo *self, const char *name, const void *data, gsize length,
                    gboolean replace, GError **error);
    struct repo_writer *(*create)(struct repo *self, const char *owner, GError **error);
    gboolean (*read)(struct repo *self, const char *name, guint64 offset, void *buffer,
                     gsize length, GError **error);
    /* From one version of the object, also while it is replaced. */
    GBytes *(*read_all)(struct repo *self, const char *name, gsize limit, GError **error);
    /* NULL: read_all. */
    GBytes *(*view)(struct repo *self, const char *name, gsize limit, GError **error);
    gboolean (*size)(struct repo *self, const char *name, guint64 *ret_size, GError **error);
    /* Append struct repo_entry * in any order; `folder` may be "". */
    gboolean (*list)(struct repo *self, const char *folder, GPtrArray *entries, GError **error);
    gboolean (*remove)(struct repo *self, const char *name, GError **error);
    /* Append owners (char *) in any order, also more than once. */
    gboolean (*unfinished)(struct repo *self, GPtrArray *owners, GError **error);
    gboolean (*unfinished_remove)(struct repo *self, const char *owner, GError **error);
    guint64 (*free_space)(struct repo *self); /* NULL: nobody knows */
    void (*close)(struct repo *self);
};

struct repo_writer_class {
    gboolean (*append)(struct repo_writer *self, const void *data, gsize length, GError **error);
    /* None frees `self`'s base; all free what the driver owns, and `self`. */
    gboolean (*commit)(struct repo_writer *self, const char *name, GError **error);
    void (*abandon)(struct repo_writer *self);
    /* Free it as if the process had died: what was written stays unfinished.  For fault.c. */
    void (*leave)(struct repo_writer *self);
};

struct repo {
    const struct repo_class *class;
    char *label; /* freed by repo_close() */
    unsigned capabilities;
};

struct repo_writer {
    const struct repo_writer_class *class;
    struct repo *repo;
    /* Kept by the frontend: */
    guint64 size;
    gboolean failed; /* an append failed: it must not be committed */
};

void repo_init(struct repo *repo, const struct repo_class *class, unsigned capabilities,
               const char *label);
void repo_writer_init(struct repo_writer *writer, const struct repo_writer_class *class,
                      struct repo *repo);

/* An entry for repo_class.list. */
struct repo_entry *repo_entry_new(const char *name, guint64 size, gint64 written);

/* FALSE with SLIPWAY_ERROR_NOT_FOUND (_taken: somebody removed it while it was unfinished),
 * _EXISTS, _LIMIT or _CORRUPT (`length` bytes at `offset` are not there), in the same words for
 * every driver. */
gboolean repo_error_missing(const struct repo *repo, const char *name, GError **error);
gboolean repo_error_taken(const struct repo *repo, const char *name, GError **error);
gboolean repo_error_exists(const struct repo *repo, const char *name, GError **error);
gboolean repo_error_limit(const struct repo *repo, const char *name, guint64 size, guint64 limit,
                          GError **error);
gboolean repo_error_short(const struct repo *repo, const char *name, guint64 offset, guint64 length,
                          GError **error);
