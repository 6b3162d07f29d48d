/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder.h: files of datastores over HTTPS (`/folder/PATH?dcPath=DC&dsName=DS`).
 *
 * Source: "Datastore Access (/folder)" of the Web Services SDK guide.  The server asks for the
 * session's cookie, which is made anew when it has expired in the middle of a read; requests that
 * fail for a passing reason are tried again from where they were.  Any thread. */
#pragma once

#include "disk/disk.h"
#include "disk/extent_list.h"
#include "hyper/vsphere/vim.h"

#define FOLDER_CONNECTIONS_MAX 8u

/* "[ds1] app01/app01.vmdk" in a datacenter. */
struct folder_place {
    char *datacenter; /* "DC0", "Folder/DC0"; NULL: the host's only one */
    char *datastore;
    char *path;
};
/* Take apart what the API calls a datastore path; SLIPWAY_ERROR_CORRUPT.  `path` may be empty. */
gboolean folder_place_parse(const char *text, const char *datacenter, struct folder_place *ret,
                            GError **error);
void folder_place_clear(struct folder_place *place);
/* The URL; free with g_free(). */
char *folder_url(struct vim *vim, const struct folder_place *place);

/* A file of at most `limit` bytes, whole. */
GBytes *folder_get(struct vim *vim, const struct folder_place *place, gsize limit, GError **error);
/* Write one, over what is there. */
gboolean folder_put(struct vim *vim, const struct folder_place *place, GBytes *bytes,
                    GError **error);

struct folder_disk_options {
    struct folder_place place; /* of the -flat file (or -delta for templates' oddities), borrowed */
    guint64 size;              /* the disk's */
    const struct extent_list *allocated; /* all else reads as zeros and is not asked for; NULL */
    const char *label;                   /* "vsphere://vc/DC0/vm/app01 scsi0:0" */
};
/* The frozen disk, read-only: reads are requests for ranges over up to FOLDER_CONNECTIONS_MAX
 * connections at once.  What disk_prefetch() tells, and what a reader from front to back will want,
 * is fetched ahead, 16 MiB at most.  SLIPWAY_ERROR_NOT_FOUND; SLIPWAY_ERROR_CORRUPT when the file
 * is shorter than the disk. */
struct disk *folder_disk_open(struct vim *vim, const struct folder_disk_options *options,
                              GError **error);

/* The name of the file with the bytes: reads the descriptor `place` ("app01.vmdk") and returns the
 * extents' file beside it ("app01-flat.vmdk"); where the server lets nobody see descriptors, the
 * name that it always has.  Free with g_free(). */
char *folder_flat_path(struct vim *vim, const struct folder_place *place, GError **error);
