/* SPDX-License-Identifier: GPL-3.0-or-later */
/* system_calls.h: in the way of the system calls by which files are written.
 *
 * A test that is linked with system_calls.c calls it instead of libc; it passes the call on, unless
 * it was told otherwise.  So code under test can be stopped before any call, or be on a file system
 * that this machine does not have, and needs no hooks for it.  Counted are: mkdirat, write, fsync,
 * renameat2, renameat, linkat, unlinkat.  Counting is for one thread. */
#pragma once

#include <glib.h>

struct system_calls {
    /* Since system_calls_begin(): */
    unsigned at;   /* the n-th call, from 1, does not happen; 0: all do */
    gboolean kill; /* the process is killed instead */
    int number;    /* otherwise it fails with this */
    /* At any time: */
    int rename_refused;    /* errno value for renameat2() with flags; 0: it works */
    int link_refused;      /* the same for linkat() */
    gboolean link_unheard; /* linkat() does it and says EEXIST, as NFS when an answer is lost */
    int list_broken;       /* errno value of readdir() after two entries; 0: it works */
    gboolean always_named; /* fstat() finds a name where there is none, as NFS */
    gboolean short_write;  /* write() takes half of it */
    guint32 pretend_type;  /* f_type that fstatfs() says; 0: the real one */
};
extern struct system_calls system_calls;

/* From now on, or no longer, calls are counted. */
void system_calls_begin(void);
void system_calls_end(void);
unsigned system_calls_count(void);

/* The names of the counted calls, with blanks between them; fsync of a directory is "fsyncdir". */
const char *system_calls_log(void);
