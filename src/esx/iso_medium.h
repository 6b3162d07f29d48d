/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iso_medium.h: an installation ISO as a tree of files, read and written with libisofs.
 *
 * Paths are absolute with slashes and compare without regard to case; names on the medium are
 * upper-case 8.3.  File data lies on a written medium in the order in which files were added, so
 * a source that can only be read forwards is.  Nothing of a file's content is kept in memory but
 * what was given as bytes.  The same tree gives the same bytes.  One object, one thread. */
#pragma once

#include "base/progress.h"
#include "base/stream.h"

struct iso_medium;

struct iso_medium *iso_medium_new(const char *volume_id, GError **error);
/* An existing ISO; everything on it stays as it is unless changed.  SLIPWAY_ERROR_NOT_FOUND,
 * SLIPWAY_ERROR_CORRUPT. */
struct iso_medium *iso_medium_open(const char *path, GError **error);
void iso_medium_free(struct iso_medium *medium);
AUTO_PTR_DEFINE(iso_medium, iso_medium_free)

const char *iso_medium_volume_id(struct iso_medium *medium);
const char *iso_medium_application_id(struct iso_medium *medium);
void iso_medium_set_volume_id(struct iso_medium *medium, const char *volume_id);
/* Time stamped on everything new, seconds since 1970. */
void iso_medium_set_time(struct iso_medium *medium, gint64 time);

struct iso_medium_file {
    char *path; /* as on the medium, without version: "/EFI/BOOT/BOOT.CFG" */
    guint64 size;
};
GPtrArray *iso_medium_files(struct iso_medium *medium); /* of struct iso_medium_file *; by path */
gboolean iso_medium_has(struct iso_medium *medium, const char *path);
/* A file of an opened or put one that was given as bytes.  SLIPWAY_ERROR_NOT_FOUND, _LIMIT. */
GBytes *iso_medium_read(struct iso_medium *medium, const char *path, gsize limit, GError **error);
/* The same as a stream; only for files of the ISO that was opened. */
struct stream *iso_medium_stream(struct iso_medium *medium, const char *path, GError **error);

/* What a file's content comes from while the medium is written: opened once, read to its end in
 * chunks of any size, closed.  May be called from another thread than the medium's. */
struct iso_content {
    gboolean (*open)(struct iso_content *self, GError **error);
    gssize (*read)(struct iso_content *self, void *buffer, gsize length, GError **error);
    void (*close)(struct iso_content *self);
    void (*free)(struct iso_content *self);
};

/* Add or replace.  Directories are made as needed.  SLIPWAY_ERROR_CORRUPT for a name that is not
 * 8.3. */
gboolean iso_medium_put_bytes(struct iso_medium *medium, const char *path, GBytes *bytes,
                              GError **error);
/* Takes over `content` (also on failure). */
gboolean iso_medium_put_content(struct iso_medium *medium, const char *path, guint64 size,
                                struct iso_content *content, GError **error);
/* The same for a stream of known size that is read once; takes it over (also on failure). */
gboolean iso_medium_put_stream(struct iso_medium *medium, const char *path, struct stream *stream,
                               GError **error);
gboolean iso_medium_remove(struct iso_medium *medium, const char *path, GError **error);

/* El Torito: BIOS boot image (gets its boot information table) and UEFI image; both must have
 * been put as bytes.  Either may be NULL. */
gboolean iso_medium_set_boot(struct iso_medium *medium, const char *bios, const char *efi,
                             GError **error);

/* New content for one of the boot images of an opened ISO; the boot catalog is made again.
 * SLIPWAY_ERROR_NOT_FOUND when `path` is no boot image. */
gboolean iso_medium_replace_boot(struct iso_medium *medium, const char *path, GBytes *bytes,
                                 GError **error);
/* What the ISO boots on. */
gboolean iso_medium_boots_bios(struct iso_medium *medium);
gboolean iso_medium_boots_efi(struct iso_medium *medium);

/* Write the ISO to `fd`, from its start.  A failure of a content is reported as it was set by the
 * content. */
gboolean iso_medium_write(struct iso_medium *medium, int fd, struct progress *progress,
                          GError **error);
