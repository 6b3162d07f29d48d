/* SPDX-License-Identifier: GPL-3.0-or-later */
/* workspace_intern.h: what the files of the workspace share among themselves. */
#pragma once

#include "esx/workspace.h"

#include <jansson.h>

#define WORKSPACE_FORMAT 1
#define WORKSPACE_FILE_MAX (16u << 20) /* bytes of one JSON file */
#define WORKSPACE_PROFILES_MAX 10000

struct workspace {
    char *directory;
    char *cache_directory;
    int lock;            /* descriptor of the lock file, -1: not held */
    GPtrArray *depots;   /* of struct workspace_depot * */
    GPtrArray *profiles; /* of struct profile * */
    GPtrArray *verified; /* of char *: SHA-256s, oldest first; NULL: not read yet */
    GHashTable *verified_set;
};

/* Hold the lock for one change and `read` what it changes again, unless the lock is held already.
 * Nothing else is read: what others borrowed from the rest of the workspace stays.  *ret_held tells
 * workspace_release() whether to let go. */
typedef gboolean (*workspace_read_func)(struct workspace *workspace, GError **error);
gboolean workspace_hold(struct workspace *workspace, workspace_read_func read, gboolean *ret_held,
                        GError **error);
void workspace_release(struct workspace *workspace, gboolean held);

/* A JSON file of the workspace: an object with "format".  *ret_root is NULL when the file is not
 * there. */
gboolean workspace_read_json(struct workspace *workspace, const char *name, json_t **ret_root,
                             GError **error);
/* Takes over `root`, and adds the format to it. */
gboolean workspace_write_json(struct workspace *workspace, const char *name, json_t *root,
                              GError **error);

gboolean workspace_read_depots(struct workspace *workspace, GError **error);
gboolean workspace_read_profiles(struct workspace *workspace, GError **error);
void workspace_forget_verified(struct workspace *workspace);
