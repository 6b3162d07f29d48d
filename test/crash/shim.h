/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shim.h: the parts of the shim that stops a program at its n-th change of a directory tree.
 *
 * README.md says what it does and how it is used.  shim_points.c counts and decides, shim_calls.c
 * takes the place of libc's functions, shim_power.c remembers what a loss of power would take.
 * Plain C, without GLib: all of it runs inside another program. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SHIM_PATH (2 * PATH_MAX)

/* ---- shim_points.c --------------------------------------------------------------------------- */

/* The absolute path of what `fd` is open on, or of `name` seen from the directory `fd`; false when
 * it is not below the directory that is watched. */
bool shim_path_of(int fd, char *ret_path);
bool shim_path_at(int fd, const char *name, char *ret_path);

/* Count a change and hold everybody else's up until shim_leave().  False: fail with errno. */
bool shim_enter(const char *operation, const char *path);
/* After the change was made or refused; errno stays as it is. */
void shim_leave(void);

/* ---- shim_power.c: all between shim_enter() and shim_leave() --------------------------------- */

/* `how`: see README.md.  Without this call the functions below do nothing. */
void power_begin(const char *directory, const char *how);

/* Remember the file at `path` for when its name is gone: the number of what is kept, 0 nothing. */
unsigned power_keep(const char *path);
/* `path` has this name now; `replaced` had it before, or 0. */
void power_added(const char *path, unsigned replaced);
/* `path` has no such name any more; `kept` had it. */
void power_removed(const char *path, unsigned kept);
/* Before `fd` is written: what it has is durable.  After: this range is not. */
void power_before_write(int fd);
void power_written(int fd, off_t offset, off_t length);
/* A file or a directory was synced. */
void power_synced(int fd, const char *path);
/* Take away what is not durable. */
void power_lost(void);
