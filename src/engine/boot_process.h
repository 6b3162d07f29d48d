/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_process.h: a program that runs for us and never longer than we do.
 *
 * The kernel kills it when the thread that started it ends, however that comes about: start it from
 * one that lasts, such as the main thread.  It has a process group of its own, so that ^C at the
 * terminal reaches us alone; of our descriptors only those it is given; and no file that it writes
 * gets longer than BOOT_PROCESS_FILE_MAX.  One thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define BOOT_PROCESS_FILE_MAX (128u << 20)

struct boot_process;

/* `argv` ends with NULL and begins with a full path.  Of `n` descriptors number i becomes
 * BOOT_PROCESS_FD + i of the program; ours stay open.  `humble`: when we are root, it is nobody (in
 * the group "kvm", where there is one), and cannot open what is ours.  SLIPWAY_ERROR_IO. */
#define BOOT_PROCESS_FD 3
#define BOOT_PROCESS_FDS_MAX 80u
struct boot_process *boot_process_start(const char *const *argv, const int *fds, guint n,
                                        gboolean humble, GError **error);
gint64 boot_process_id(const struct boot_process *process);

/* Wait until it has ended, for at most so long (0: just look).  TRUE when it has. */
gboolean boot_process_wait(struct boot_process *process, guint milliseconds);
/* Of one that has ended, for messages: "exit status 1", "signal 9". */
char *boot_process_end_words(const struct boot_process *process);
/* The exit status of one that has ended by itself, else -1. */
int boot_process_status(const struct boot_process *process);

/* What it has said on stderr since it was asked last, in one line; NULL for nothing.  Who says too
 * much is cut off, not stopped. */
char *boot_process_words(struct boot_process *process);

/* Kill it if it does not end within so long; it has ended then. */
void boot_process_end(struct boot_process *process, guint milliseconds);
/* Kill it if it runs, and forget it.  NULL is fine. */
void boot_process_free(struct boot_process *process);
AUTO_PTR_DEFINE(boot_process, boot_process_free)
