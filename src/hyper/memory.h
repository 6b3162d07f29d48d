/* SPDX-License-Identifier: GPL-3.0-or-later */
/* memory.h: a hypervisor in memory: the reference of the contract, and what tests of the engine run
 * on.
 *
 * It is as strict as any real one: a machine is frozen once at a time; the change ids
 * "UUID/N" of a chain are good only when they were settled, and only the newest; a frozen disk
 * stays as it was while the guest writes on.  What a test does to it is not counted, and never
 * fails.  Any thread. */
#pragma once

#include "base/error.h"
#include "hyper/hypervisor.h"

#define HYPERVISOR_MEMORY_GRANULARITY 65536u /* bytes, of changes */

/* Calls of a driver, to be counted, to fail, and to be followed. */
enum hypervisor_memory_call {
    HYPERVISOR_MEMORY_ABOUT,
    HYPERVISOR_MEMORY_LIST,
    HYPERVISOR_MEMORY_DESCRIBE,
    HYPERVISOR_MEMORY_PLACES,
    HYPERVISOR_MEMORY_CLEAN,
    HYPERVISOR_MEMORY_FREEZE,
    HYPERVISOR_MEMORY_READ, /* of a frozen disk */
    HYPERVISOR_MEMORY_THAW,
    HYPERVISOR_MEMORY_SETTLE,
    HYPERVISOR_MEMORY_CREATE,
    HYPERVISOR_MEMORY_OVERWRITE,
    HYPERVISOR_MEMORY_WRITE, /* of a disk to be filled, also zeros */
    HYPERVISOR_MEMORY_IMPORT,
    HYPERVISOR_MEMORY_FINISH,
    HYPERVISOR_MEMORY_ABANDON,
    HYPERVISOR_MEMORY_CALL_N
};

struct hypervisor_memory_options {
    const char *label;     /* NULL: "memory" */
    const char *driver;    /* what it says to be: "vsphere"; NULL: "memory" */
    unsigned capabilities; /* 0: all */
    gboolean import;       /* disks of new machines take streams */
    gboolean read_only;    /* about() says so, and create() and overwrite() fail */
};

/* Without machines and places.  hypervisor_close() frees it when no other session is open. */
struct hypervisor *hypervisor_memory_new(const struct hypervisor_memory_options *options);
/* Another session with the same machines. */
struct hypervisor *hypervisor_memory_again(struct hypervisor *hypervisor);

/* ---- What is there ---------------------------------------------------------------------------
 * Machines are named by `ref` ("vm-1"), also when they are gone: a wrong one ends the program, as
 * does the name of a disk that is not there. */

/* Add `machine` (taken over; `driver`, `ref`, and `id` where it has none, are set), with disks of
 * zeros; returns its ref, borrowed. */
const char *hypervisor_memory_add(struct hypervisor *hypervisor, struct machine *machine);
void hypervisor_memory_remove(struct hypervisor *hypervisor, const char *ref);
/* The ref of a machine by its name, borrowed; NULL. */
const char *hypervisor_memory_find(struct hypervisor *hypervisor, const char *name);
/* The machine itself, to be changed while nothing runs: its name, its power. */
struct machine *hypervisor_memory_machine(struct hypervisor *hypervisor, const char *ref);

/* As the guest does it; any range. */
void hypervisor_memory_write(struct hypervisor *hypervisor, const char *ref, const char *disk,
                             guint64 offset, const void *data, gsize length);
void hypervisor_memory_fill(struct hypervisor *hypervisor, const char *ref, const char *disk,
                            guint64 offset, guint64 length, guint8 pattern);
void hypervisor_memory_read(struct hypervisor *hypervisor, const char *ref, const char *disk,
                            guint64 offset, void *buffer, gsize length);
/* A copy of the disk as it is now. */
struct disk *hypervisor_memory_look(struct hypervisor *hypervisor, const char *ref,
                                    const char *disk);
void hypervisor_memory_resize(struct hypervisor *hypervisor, const char *ref, const char *disk,
                              guint64 size);
/* All older change ids are worth nothing. */
void hypervisor_memory_forget_changes(struct hypervisor *hypervisor, const char *ref);
/* Whether guests can be brought to rest: at first TRUE. */
void hypervisor_memory_set_quiesce(struct hypervisor *hypervisor, gboolean works);

/* A place (taken over).  As soon as there is one of a kind, new machines may name no other of that
 * kind. */
void hypervisor_memory_add_place(struct hypervisor *hypervisor, struct place *place);

/* A snapshot of that name, as somebody left it. */
void hypervisor_memory_leave(struct hypervisor *hypervisor, const char *ref, const char *mark);
gboolean hypervisor_memory_has(struct hypervisor *hypervisor, const char *ref, const char *mark);
void hypervisor_memory_drop(struct hypervisor *hypervisor, const char *ref, const char *mark);
/* Somebody removes the snapshots of those who have frozen the machine: from now on they read what
 * its guest has written since, and no read fails for it. */
void hypervisor_memory_tear(struct hypervisor *hypervisor, const char *ref);

/* ---- What happens ---------------------------------------------------------------------------- */

/* From the `nth` such call from now on (1: the next one) each fails with `code`, or only that one
 * (`once`).  It has done nothing then. */
void hypervisor_memory_fault(struct hypervisor *hypervisor, enum hypervisor_memory_call call,
                             guint nth, gboolean once, enum slipway_error code);
/* No more faults. */
void hypervisor_memory_heal(struct hypervisor *hypervisor);
/* Called before each call does its work, in its thread: it may do what a test may. */
void hypervisor_memory_follow(struct hypervisor *hypervisor,
                              void (*follow)(struct hypervisor *hypervisor,
                                             enum hypervisor_memory_call call, gpointer data),
                              gpointer data);

struct hypervisor_memory_counts {
    guint snapshots;  /* there are now, anybody's */
    guint open_disks; /* of frozen machines, and to be filled */
    guint unfinished; /* machines in the making, and being overwritten */
    guint calls[HYPERVISOR_MEMORY_CALL_N];
    guint64 bytes_read, bytes_written, bytes_imported;
};
void hypervisor_memory_count(struct hypervisor *hypervisor, struct hypervisor_memory_counts *ret);

/* What was called, in its order, with blanks between: "list describe freeze read thaw settle-kept".
 * The same again is not repeated; a call that failed for a fault has a ! behind it.  Free with
 * g_free(). */
char *hypervisor_memory_events(struct hypervisor *hypervisor);
/* Put a word of the test's between them. */
void hypervisor_memory_note(struct hypervisor *hypervisor, const char *word);
