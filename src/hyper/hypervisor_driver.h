/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hypervisor_driver.h: for those who write drivers of struct hypervisor.
 *
 * A driver fills a class and puts `struct hypervisor` (`struct frozen`, `struct placement`) first
 * in its own struct.  The frontend in hypervisor.c checks arguments, keeps the lists, measures how
 * long a machine was frozen, and calls thaw() and settle(), or abandon(), for those who did not.
 * test/conformance/hypervisor_suite.h is run over every driver. */
#pragma once

#include "hyper/hypervisor.h"

struct hypervisor_class {
    const char *name;           /* "vsphere" */
    const char *const *schemes; /* that are its, ended by NULL; "qemu+*": any that begins so */
    /* `uri`: what hypervisor_uri_split() calls the host. */
    struct hypervisor *(*open)(const char *uri, const struct hypervisor_options *options,
                               GError **error);
    /* The length of the part of a URI's path (decoded, with its first /) that belongs to the
     * hypervisor, not to machines; NULL: 0. */
    gsize (*path_length)(const char *scheme, const char *path);
    void (*close)(struct hypervisor *self);
    gboolean (*about)(struct hypervisor *self, struct hypervisor_about *ret, GError **error);
    /* In any order. */
    GPtrArray *(*list)(struct hypervisor *self, GError **error);
    struct machine *(*describe)(struct hypervisor *self, const char *ref_or_id, GError **error);
    GPtrArray *(*places)(struct hypervisor *self, GError **error);
    struct frozen *(*freeze)(struct hypervisor *self, const struct machine *machine,
                             const struct freeze_options *options, GError **error);
    /* Appends to `words`. */
    gboolean (*clean)(struct hypervisor *self, const char *ref, GPtrArray *words, GError **error);
    /* NULL with HYPERVISOR_CAN_CREATE, HYPERVISOR_CAN_IN_PLACE missing. */
    struct placement *(*create)(struct hypervisor *self, const struct machine *wanted,
                                struct progress *progress, GError **error);
    struct placement *(*overwrite)(struct hypervisor *self, const char *ref,
                                   const char *const *names, struct progress *progress,
                                   GError **error);
};

struct hypervisor {
    const struct hypervisor_class *class;
    char *label;           /* freed by hypervisor_close() */
    unsigned capabilities; /* may change until open() returns */
    struct progress *progress;
};

/* Set up the base part; given back by hypervisor_close(), also when the rest of opening fails. */
void hypervisor_init(struct hypervisor *hypervisor, const struct hypervisor_class *class,
                     unsigned capabilities, const char *label,
                     const struct hypervisor_options *options);

struct frozen_class {
    /* All struct disk were closed before.  May be called again after a failure.  The first call
     * looks, before it takes anything away, whether what keeps the disks as they were is still
     * there, and sets `torn` when somebody else took it and wrong bytes may have been read without
     * an error; not when it cannot be told.  Later calls do not look: what is gone then may have
     * gone after the reading, by our own doing or by an administrator's. */
    gboolean (*thaw)(struct frozen *self, GError **error);
    gboolean (*settle)(struct frozen *self, gboolean kept, GError **error); /* NULL: nothing */
    void (*free)(struct frozen *self); /* what `self` owns, and `self` */
};

struct frozen {
    const struct frozen_class *class;
    GPtrArray *disks; /* of struct frozen_disk *, as ordered in freeze_options */
    enum frozen_consistency consistency;
    char *words;
    char *torn;          /* as frozen_torn(); freed by the frontend */
    gint64 begun, ended; /* g_get_monotonic_time(); frozen_begin() and the frontend set them */
    gboolean thawed, settled;
    gboolean decided; /* frozen_settle() was called, though it may have failed */
    struct progress *progress;
};

/* Set up the base part. */
void frozen_init(struct frozen *frozen, const struct frozen_class *class,
                 const struct freeze_options *options);
/* The snapshot is there: the driver calls it then. */
void frozen_begin(struct frozen *frozen);
/* Append a disk of that name, to be filled in. */
struct frozen_disk *frozen_add_disk(struct frozen *frozen, const char *name);

/* The frontend's: what the driver made of `options` is complete, and a list of changes is one of
 * the same disk as before; else it is dropped, and why_full says so. */
gboolean frozen_check(struct frozen *frozen, const struct freeze_options *options, GError **error);

struct placement_class {
    gboolean (*import)(struct placement *self, guint index, struct disk *source,
                       struct progress *progress, GError **error); /* NULL: all have targets */
    /* Targets were closed before. */
    gboolean (*finish)(struct placement *self, gboolean power_on, struct machine **ret,
                       GError **error);
    gboolean (*abandon)(struct placement *self, GError **error);
    void (*free)(struct placement *self);
};

struct placement {
    const struct placement_class *class;
    GPtrArray *disks; /* of struct placement_disk * */
    GPtrArray *words; /* of char * */
    gboolean done;    /* finished or abandoned */
    struct progress *progress;
};

void placement_init(struct placement *placement, const struct placement_class *class,
                    struct progress *progress);
struct placement_disk *placement_add_disk(struct placement *placement, const char *name,
                                          guint64 size);
void placement_say(struct placement *placement, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The drivers, as hypervisor_open.c has them in its table. */
extern const struct hypervisor_class hypervisor_vsphere;
extern const struct hypervisor_class hypervisor_libvirt;
extern const struct hypervisor_class hypervisor_qemu;
