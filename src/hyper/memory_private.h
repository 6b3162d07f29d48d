/* SPDX-License-Identifier: GPL-3.0-or-later */
/* memory_private.h: the state that all sessions of a hypervisor in memory share. */
#pragma once

#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/disk_open.h"
#include "hyper/hypervisor_driver.h"
#include "hyper/memory.h"

/* A disk of a machine, with what changed when. */
struct memory_disk {
    char *name;
    struct disk *content;
    GArray *stamps; /* of guint64: for each block of the granularity, the sequence it changed in */
    char *uuid;     /* of the tracking; NULL: changes are not tracked */
    guint64 sequence;   /* of the next snapshot */
    GHashTable *chains; /* name to the guint64 * that is good */
};

struct memory_machine {
    struct machine *machine;
    GPtrArray *disks;     /* of struct memory_disk * */
    GPtrArray *snapshots; /* of char *, their names */
};

struct memory_fault {
    guint left; /* calls until it strikes; 0: there is none */
    gboolean once;
    enum slipway_error code;
};

struct memory_state {
    gint references;
    GMutex lock;         /* over all that follows */
    GPtrArray *machines; /* of struct memory_machine * */
    GPtrArray *making;   /* of char *, FOLDER/NAME */
    GPtrArray *places;   /* of struct place * */
    char *driver, *label;
    gboolean import, read_only, quiesce_fails;
    guint next; /* number of the next machine */
    struct memory_fault faults[HYPERVISOR_MEMORY_CALL_N];
    struct hypervisor_memory_counts counts;
    GPtrArray *events; /* of char * */
    void (*follow)(struct hypervisor *hypervisor, enum hypervisor_memory_call call, gpointer data);
    gpointer follow_data;
};

struct memory {
    struct hypervisor base;
    struct hypervisor_class class;
    struct memory_state *state;
};

static inline struct memory_state *
memory_state(const struct hypervisor *hypervisor)
{
    return ((const struct memory *)hypervisor)->state;
}

/* Count, follow, and perhaps fail the call; takes the lock, and gives it back. */
gboolean memory_call(struct hypervisor *hypervisor, enum hypervisor_memory_call call,
                     GError **error);
/* The same under a name of its own in the events. */
gboolean memory_call_named(struct hypervisor *hypervisor, enum hypervisor_memory_call call,
                           const char *name, GError **error);

/* With the lock held: */
struct memory_machine *memory_find(struct memory_state *state, const char *ref_or_id);
struct memory_machine *memory_find_name(struct memory_state *state, const char *folder,
                                        const char *name);
/* Takes it over, and gives it a ref, an id and MAC addresses where it has none. */
void memory_add(struct memory_state *state, struct memory_machine *memory);
struct memory_disk *memory_find_disk(struct memory_machine *memory, const char *name);
/* Whether it has the snapshot of that name. */
gboolean memory_is_frozen(const struct memory_machine *memory, const char *mark);
void memory_stamp(struct memory_disk *disk, guint64 offset, guint64 length);
void memory_track_anew(struct memory_disk *disk);
/* SLIPWAY_ERROR_NOT_FOUND, with those that are there. */
gpointer memory_no_machine(struct memory_state *state, const char *ref, GError **error);

/* Without a lock: */
GPtrArray *memory_machines_new(void);
/* `machine` is taken over. */
struct memory_machine *memory_machine_new(struct machine *machine);
void memory_machine_free(struct memory_machine *memory);

/* memory_disk.c: a copy of the first `size` bytes. */
struct disk *memory_copy(struct disk *from, guint64 size, const char *label);
/* A disk that reads `content` (taken over) and counts it; without the snapshot `mark` it reads what
 * the machine has now.  Must not outlive the strings. */
struct memory_view_of {
    const char *ref, *disk, *mark;
};
struct disk *memory_frozen_disk(struct hypervisor *hypervisor, struct disk *content,
                                const struct memory_view_of *of);
/* A disk that writes to `disk`, which must outlive it, and counts it. */
struct disk *memory_target(struct hypervisor *hypervisor, struct memory_disk *disk);

/* memory_freeze.c, memory_placement.c: parts of the class. */
struct frozen *memory_freeze(struct hypervisor *hypervisor, const struct machine *machine,
                             const struct freeze_options *options, GError **error);
struct placement *memory_create(struct hypervisor *hypervisor, const struct machine *wanted,
                                struct progress *progress, GError **error);
struct placement *memory_overwrite(struct hypervisor *hypervisor, const char *ref,
                                   const char *const *names, struct progress *progress,
                                   GError **error);
