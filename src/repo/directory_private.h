/* SPDX-License-Identifier: GPL-3.0-or-later */
/* directory_private.h: what the files of the directory driver share.
 *
 * All paths are relative to the root's descriptor: the name of an object, of a folder ("" is the
 * root), or tmp/OWNER-RANDOM of an unfinished one.  Functions that return int return 0 or an errno
 * value.  Any thread. */
#pragma once

#include "repo/open_objects.h"
#include "repo/repo_driver.h"

/* The group may read, for whoever copies or checks a store under a user of its own; others may not,
 * as names, sizes and times tell things even of an encrypted store.  The umask may narrow it. */
#define DIRECTORY_FOLDER_MODE 0750
#define DIRECTORY_FILE_MODE 0640

struct repo_directory {
    struct repo base;
    int root;
    gboolean network; /* of a file system where others may change what we have open or mapped */
    gint naming;      /* atomic; see directory_name.c */
    struct open_objects *open;
    GMutex lock;         /* over: */
    GHashTable *folders; /* set of folders that are known to be durable */
};

/* FALSE with what errno value `number` means for "cannot VERB NAME". */
gboolean directory_fail(struct repo_directory *directory, GError **error, int number,
                        const char *verb, const char *name);

/* directory_folder.c */

/* Make all folders above `name`, each durable. */
int directory_folder_make(struct repo_directory *directory, const char *name);
/* Believe no longer that folders are there. */
void directory_folder_forget(struct repo_directory *directory);
/* Make durable which files and folders are directly in the folder of `name`. */
int directory_folder_sync(struct repo_directory *directory, const char *name);

/* directory_name.c */

/* Give the unfinished file `path`, whose bytes are durable, its name, durably.  After a failure
 * `path` may still be there. */
gboolean directory_name_give(struct repo_directory *directory, const char *path, const char *name,
                             gboolean replace, GError **error);

/* directory_unfinished.c */

/* A new unfinished file; its descriptor in *ret_fd, its path in *ret_path. */
int directory_unfinished_open(struct repo_directory *directory, const char *owner, int *ret_fd,
                              char **ret_path);
gboolean directory_unfinished_list(struct repo *self, GPtrArray *owners, GError **error);
gboolean directory_unfinished_remove(struct repo *self, const char *owner, GError **error);

/* directory_writer.c: of struct repo_class */

gboolean directory_writer_put(struct repo *self, const char *name, const void *data, gsize length,
                              gboolean replace, GError **error);
struct repo_writer *directory_writer_new(struct repo *self, const char *owner, GError **error);

/* directory_reader.c: of struct repo_class */

gboolean directory_reader_read(struct repo *self, const char *name, guint64 offset, void *buffer,
                               gsize length, GError **error);
GBytes *directory_reader_read_all(struct repo *self, const char *name, gsize limit, GError **error);
GBytes *directory_reader_view(struct repo *self, const char *name, gsize limit, GError **error);
