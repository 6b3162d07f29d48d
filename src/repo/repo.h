/* SPDX-License-Identifier: GPL-3.0-or-later */
/* repo.h: named objects that last: where a store keeps its bytes.
 *
 * A name is one to four parts of [0-9a-z._-] joined by `/`, at most REPO_NAME_MAX bytes, no part
 * beginning with a dot, the first one not `tmp`; all but the last part are folders, which need not
 * be made.  A name that is a folder is never that of an object: whoever uses a repo sees to it.  An
 * object may be empty.  It appears complete and durable under its name or not at all, and does not
 * change (but for repo_replace()).  No feature is relied on that NFS, CIFS or an object store lack:
 * no locks, no links, no mmap, no atomic anything but "put if absent" and "replace".
 *
 * All functions may be called from any thread and by several at once, but one repo_writer belongs
 * to one thread at a time.  repo_driver.h is for those who write drivers.
 *
 * Errors: SLIPWAY_ERROR_NOT_FOUND (no such object), SLIPWAY_ERROR_EXISTS, SLIPWAY_ERROR_IO (full,
 * read-only, failing, with the remedy), SLIPWAY_ERROR_DENIED, SLIPWAY_ERROR_NETWORK,
 * SLIPWAY_ERROR_CORRUPT (shorter than what was asked for), SLIPWAY_ERROR_LIMIT,
 * SLIPWAY_ERROR_USAGE (a name, folder or owner against the rules); each names repo and object.
 * Whatever puts an object and fails with anything but SLIPWAY_ERROR_EXISTS may have put it
 * nevertheless, as when the power fails at the wrong moment. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define REPO_NAME_MAX 160u

struct repo;
struct repo_writer;

enum repo_capability {
    /* What one client put, every other client lists at once.  Without it (NFS, CIFS: attribute
     * caches) wait REPO_LIST_GRACE seconds before you believe that something is not there. */
    REPO_LISTS_AT_ONCE = 1 << 0,
};
#define REPO_LIST_GRACE 180

struct repo_entry {
    char *name;     /* the whole name */
    guint64 size;   /* bytes */
    gint64 written; /* seconds since 1970 by the clock of whoever holds the files; 0 unknown */
};
void repo_entry_free(struct repo_entry *entry);

const char *repo_label(const struct repo *repo); /* a path, a URL without secrets */
unsigned repo_capabilities(const struct repo *repo);

/* TRUE when `name` follows the rules above. */
gboolean repo_name_valid(const char *name);

/* Put a small object if there is none of this name, else SLIPWAY_ERROR_EXISTS. */
gboolean repo_put(struct repo *repo, const char *name, const void *data, gsize length,
                  GError **error);
/* The same, in place of what may be there; whoever reads all of it in one call gets the old or the
 * new one, whole.  Meant for small objects: other clients see the new one at once when the old one
 * had at most REPO_FRESH_MAX bytes; a larger one they may hold open, and go on reading, for a
 * while.  (The directory driver keeps descriptors of nothing smaller.) */
#define REPO_FRESH_MAX (1u << 20)
gboolean repo_replace(struct repo *repo, const char *name, const void *data, gsize length,
                      GError **error);

/* Write an object piece by piece; memory does not grow with it.  `owner` (32 lower-case hex digits,
 * not all 0) says whose it is while it has no name, for repo_unfinished().  The repo must outlive
 * the writer.  After a failed append nothing but abandon is of use: a commit fails. */
struct repo_writer *repo_create(struct repo *repo, const char *owner, GError **error);
gboolean repo_writer_append(struct repo_writer *writer, const void *data, gsize length,
                            GError **error);
/* Bytes so far. */
guint64 repo_writer_size(const struct repo_writer *writer);
/* Make it durable under `name`, if there is none of this name, else SLIPWAY_ERROR_EXISTS (and what
 * is there is durable).  Frees the writer in either case, and after a failure throws away what it
 * wrote.  SLIPWAY_ERROR_NOT_FOUND: repo_unfinished_remove() took it. */
gboolean repo_writer_commit(struct repo_writer *writer, const char *name, GError **error);
/* Throw it away.  NULL is fine. */
void repo_writer_abandon(struct repo_writer *writer);
AUTO_PTR_DEFINE(repo_writer, repo_writer_abandon)

/* Exactly `length` bytes at `offset` into `buffer`; nothing is looked at when `length` is 0. */
gboolean repo_read(struct repo *repo, const char *name, guint64 offset, void *buffer, gsize length,
                   GError **error);
/* The whole object, which may have at most `limit` bytes. */
GBytes *repo_read_all(struct repo *repo, const char *name, gsize limit, GError **error);
/* The whole object for reading here and there, at most `limit` bytes: mapped where the driver can,
 * read into memory otherwise.  Stays valid when the object is removed. */
GBytes *repo_view(struct repo *repo, const char *name, gsize limit, GError **error);
gboolean repo_size(struct repo *repo, const char *name, guint64 *ret_size, GError **error);

/* All objects below `folder` ("packs"; "" is the whole repo), as struct repo_entry * sorted by
 * name, folders within followed; empty when there is none.  Unfinished ones are not listed. */
GPtrArray *repo_list(struct repo *repo, const char *folder, GError **error);

/* Remove an object, for good when this returns; one that is not there is no error. */
gboolean repo_remove(struct repo *repo, const char *name, GError **error);

/* Whose objects have no name yet, or never got one because the writer died: owners (char *) in
 * order, each once.  What repo_put() and repo_replace() left belongs to REPO_OWNER_PUT and counts
 * (and is removed) only when it is REPO_PUT_GRACE seconds old by the clock of whoever holds the
 * files. */
#define REPO_OWNER_PUT "00000000000000000000000000000000"
#define REPO_PUT_GRACE 900
GPtrArray *repo_unfinished(struct repo *repo, GError **error);
/* Remove all that `owner` left unfinished. */
gboolean repo_unfinished_remove(struct repo *repo, const char *owner, GError **error);

/* Bytes that can still be written; G_MAXUINT64 when nobody knows. */
guint64 repo_free_space(struct repo *repo);

void repo_close(struct repo *repo);
AUTO_PTR_DEFINE(repo, repo_close)

/* Drivers. */

/* A directory, local or of a network file system.  With `create` it is made when it is missing (but
 * not its parent: that would hide a mount that is not there); otherwise that is
 * SLIPWAY_ERROR_NOT_FOUND.  Objects are the files PATH/NAME, unfinished ones PATH/tmp/OWNER-RANDOM.
 * Other files in it are ignored; symbolic links are followed. */
struct repo *repo_directory_open(const char *path, gboolean create, GError **error);

/* Objects in memory. */
struct repo *repo_memory_new(void);

/* Faults on purpose, over any repo, which it takes over: for tests of whoever uses repos.  An
 * operation that fails does nothing below.  Once the program is dead, writers leave behind what
 * they wrote instead of throwing it away, so that the next repo_directory_open() finds it
 * unfinished. */
enum repo_operation {
    REPO_OP_PUT,
    REPO_OP_REPLACE,
    REPO_OP_APPEND,
    REPO_OP_COMMIT,
    REPO_OP_READ,   /* repo_read(), _read_all(), _view() and _size() */
    REPO_OP_LIST,   /* and repo_unfinished() */
    REPO_OP_REMOVE, /* and repo_unfinished_remove() */
    REPO_OP_N
};
struct repo_fault {
    unsigned operations; /* bits 1 << enum repo_operation that count */
    unsigned at;         /* the n-th of them fails, counted from 1; 0 never */
    gboolean once; /* only that one; otherwise all of any kind that follow fail too (the program
                    * is dead) */
    int number;    /* errno value; 0: EIO */
};
struct repo *repo_fault_new(struct repo *below, const struct repo_fault *fault);
/* Operations counted so far. */
unsigned repo_fault_count(struct repo *repo);
