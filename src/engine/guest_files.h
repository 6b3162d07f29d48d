/* SPDX-License-Identifier: GPL-3.0-or-later */
/* guest_files.h: files out of a backed-up disk, through libguestfs (guestfish): ext4, XFS, NTFS,
 * FAT, btrfs, LVM and whatever else its kernel reads.
 *
 * The disk is served to it read-only over a private socket; a small machine of libguestfs looks
 * into it, so that a hostile file system breaks that machine and not us.  It ends with this object,
 * also when this process is killed.
 *
 * One thread. */
#pragma once

#include "engine/set_cache.h"

#define GUEST_FILES_NAMES_MAX 1000000u /* in a folder */

struct guest_files;

/* Several seconds, a quarter of a minute without KVM.  SLIPWAY_ERROR_UNSUPPORTED: guestfish is not
 * installed, or cannot start its machine (the message says what is missing); as set_cache_open().
 */
struct guest_files *guest_files_open(struct store *store, const struct set *set, const char *disk,
                                     GError **error);
void guest_files_close(struct guest_files *files);
AUTO_PTR_DEFINE(guest_files, guest_files_close)

struct guest_file_system {
    char *device; /* "sda1", "vg0/root" */
    char *kind;   /* "ext4", "xfs", "ntfs", "vfat", "swap", "crypto_LUKS", "unknown" */
    char *label;  /* or NULL */
    guint64 size; /* bytes of the device */
    char *mount;  /* where the guest has it, "/", "/boot", "C:"; NULL: not known */
};

/* Of struct guest_file_system *, with its free function, in the order of the devices. */
GPtrArray *guest_files_systems(struct guest_files *files, GError **error);

struct guest_file {
    char *name;
    char kind; /* of its mode: '-', 'd', 'l', 'b', 'c', 'p', 's' */
    guint mode;
    guint64 size;
    gint64 time; /* of change, seconds since 1970 */
};

/* What is in a folder, or the file itself.  `path` is "DEVICE:/PATH" or, where the guest's own
 * system was found or there is only one file system, "/PATH".  SLIPWAY_ERROR_NOT_FOUND,
 * SLIPWAY_ERROR_USAGE: several file systems, and none is named (the message lists them);
 * SLIPWAY_ERROR_UNSUPPORTED: encrypted, or of an unknown kind. */
GPtrArray *guest_files_list(struct guest_files *files, const char *path, GError **error);

/* Whether guest_files_get() can put the file into `target`: SLIPWAY_ERROR_EXISTS when there is
 * something of that name; SLIPWAY_ERROR_USAGE for all of a file system.  Needs no disk. */
gboolean guest_files_check_target(const char *path, const char *target, GError **error);

/* Copy a file, or a folder with all that is below it, into the local folder `target`, with times
 * and modes.  Fails as guest_files_list() and guest_files_check_target(). */
gboolean guest_files_get(struct guest_files *files, const char *path, const char *target,
                         GError **error);
