/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hypervisor.h: a host or a manager of hosts that runs virtual machines.
 *
 *   hypervisor_open()    credentials, TLS, a session
 *   hypervisor_list()    what runs there, and where
 *   hypervisor_freeze()  one moment of a machine: its disks as struct disk, with what changed
 *     frozen_thaw()        the snapshot is gone, and merged
 *     frozen_torn()        whether it had stayed until the disks were read
 *     frozen_settle()      the set was stored, or was not
 *   hypervisor_create()  a new machine with disks to be filled
 *     placement_finish(), placement_abandon()
 *
 * What a driver leaves on a host while it works carries a mark (mark.h), by which
 * hypervisor_clean() finds what a killed run left behind.  Nothing else is ever removed.
 *
 * Errors everywhere: SLIPWAY_ERROR_NETWORK (not there, lost, TLS: the remedy is named),
 * SLIPWAY_ERROR_DENIED (password, permission: the privilege is named), SLIPWAY_ERROR_NOT_FOUND,
 * SLIPWAY_ERROR_BUSY (somebody else works on the machine), SLIPWAY_ERROR_READ_ONLY (a licence whose
 * API only reads), SLIPWAY_ERROR_UNSUPPORTED, SLIPWAY_ERROR_CORRUPT and SLIPWAY_ERROR_LIMIT (an
 * answer that cannot be), SLIPWAY_ERROR_CANCELLED, SLIPWAY_ERROR_FAILED with the hypervisor's
 * words.
 *
 * A hypervisor may be used from several threads at once, each on another machine.
 * hypervisor_driver.h is for those who write drivers. */
#pragma once

#include "base/http.h"
#include "base/progress.h"
#include "disk/disk.h"
#include "disk/extent_list.h"
#include "hyper/machine.h"

struct hypervisor;

enum hypervisor_capability {
    HYPERVISOR_CAN_TRACK = 1 << 0,    /* frozen disks know what changed since a change id */
    HYPERVISOR_CAN_QUIESCE = 1 << 1,  /* the guest's file systems can be brought to rest */
    HYPERVISOR_CAN_CREATE = 1 << 2,   /* hypervisor_create() */
    HYPERVISOR_CAN_IN_PLACE = 1 << 3, /* hypervisor_overwrite() */
    HYPERVISOR_CAN_FOLDERS = 1 << 4,  /* machines lie in folders */
    HYPERVISOR_CAN_TAGS = 1 << 5,
    HYPERVISOR_CAN_OFFLINE = 1 << 6, /* machines that are off can be backed up */
};

enum hypervisor_transport { /* of the bytes of disks; vSphere */
                            HYPERVISOR_TRANSPORT_AUTO,
                            HYPERVISOR_TRANSPORT_HOTADD,
                            HYPERVISOR_TRANSPORT_HTTPS,
                            HYPERVISOR_TRANSPORT_VDDK,
                            HYPERVISOR_TRANSPORT_N
};
const char *hypervisor_transport_name(enum hypervisor_transport transport);
gboolean hypervisor_transport_parse(const char *name, enum hypervisor_transport *ret);

struct hypervisor_options {
    const char *user, *password; /* NULL: none given */
    /* Proxy, CA, time limits, retries; NULL: defaults.  Its credentials are not used. */
    const struct http_options *network;
    const char *thumbprint; /* of the server's certificate, SHA-1 or SHA-256 in hex, colons or not:
                             * then nothing else is checked of it; NULL: the usual rules */
    enum hypervisor_transport transport;
    const char *own_machine;   /* for hot-add: name or id of the machine that this runs in; NULL:
                                * found by its hardware */
    const char *scratch;       /* directory of sockets and scratch files; NULL: a temporary one */
    struct progress *progress; /* gets warnings; must outlive the hypervisor */
};

/* Connect to what `uri` names; a path in it that names machines is ignored:
 *   vsphere://vcenter.example:443  esxi host or vCenter; esx:// is the same
 *   qemu+unix:///system            libvirt's own URIs: qemu:///system, qemu+ssh://..., with options
 *   qmp:///run/app01.qmp           a QEMU by its QMP socket
 * SLIPWAY_ERROR_USAGE for a URI that is none; SLIPWAY_ERROR_UNSUPPORTED for a driver that was not
 * built in (the message says what to install). */
struct hypervisor *hypervisor_open(const char *uri, const struct hypervisor_options *options,
                                   GError **error);
/* Log out.  Everything that was made from it must have been freed.  NULL is fine. */
void hypervisor_close(struct hypervisor *hypervisor);
AUTO_PTR_DEFINE(hypervisor, hypervisor_close)

/* TRUE when the text begins with a scheme of a driver. */
gboolean hypervisor_is_uri(const char *text);
/* What of `uri` hypervisor_open() takes, and (may be NULL) the decoded path behind it that names
 * machines: "vsphere://vc/DC0/vm/app01" -> "vsphere://vc", "/DC0/vm/app01";
 * "qemu+unix:///system/app01?socket=/x" -> "qemu+unix:///system?socket=/x", "/app01"; a qmp: URI is
 * all of it the hypervisor.  A question mark begins options when NAME= follows it; else it is a
 * wildcard of the path.  SLIPWAY_ERROR_USAGE, also for a password in it.  Free both with g_free().
 */
gboolean hypervisor_uri_split(const char *uri, char **ret_host, char **ret_path, GError **error);

const char *hypervisor_label(const struct hypervisor *hypervisor);  /* for messages */
const char *hypervisor_driver(const struct hypervisor *hypervisor); /* "vsphere" */
unsigned hypervisor_capabilities(const struct hypervisor *hypervisor);

struct hypervisor_about {
    char *product;      /* "VMware vCenter Server" */
    char *version;      /* "8.0.3 build-24022510" */
    char *api;          /* version of its interface */
    char *id;           /* of this installation (instance UUID, host UUID); may be NULL */
    gboolean read_only; /* its licence or our account only reads ... */
    char *words;        /* ... and why; or what else an administrator should know; NULL */
};
gboolean hypervisor_about(struct hypervisor *hypervisor, struct hypervisor_about *ret,
                          GError **error);
void hypervisor_about_clear(struct hypervisor_about *about);

/* All machines, of struct machine *, by folder and name, templates too: all members but those of
 * the native description and the firmware.  What cannot be read of a machine (it is just being
 * deleted, no permission) is left out or NULL.  Free with g_ptr_array_unref(). */
GPtrArray *hypervisor_list(struct hypervisor *hypervisor, GError **error);
/* One machine, by `ref` or `id`, completely.  Passwords in its native description are registered as
 * secrets. */
struct machine *hypervisor_describe(struct hypervisor *hypervisor, const char *ref_or_id,
                                    GError **error);

enum place_kind {
    PLACE_DATASTORE, /* or storage pool */
    PLACE_NETWORK,   /* port group, network, bridge: `network` says which */
    PLACE_FOLDER,
    PLACE_HOST,
    PLACE_CLUSTER,
    PLACE_POOL, /* resource pool */
    PLACE_KIND_N
};
struct place {
    enum place_kind kind;
    enum machine_network network;
    char *name;
    char *path;             /* in the inventory; NULL: the name says it all */
    guint64 capacity, free; /* bytes, of a datastore */
    char *words;            /* "not accessible", "in maintenance mode"; NULL */
};
void place_free(struct place *place);
const char *place_kind_name(enum place_kind kind); /* "datastore" */
/* Where a machine can be put: of struct place *, by kind and name. */
GPtrArray *hypervisor_places(struct hypervisor *hypervisor, GError **error);

/* ---- One moment of a machine ----------------------------------------------------------------- */

enum freeze_quiesce {
    FREEZE_TRY,     /* quiesce where the guest can; if that fails, once more without */
    FREEZE_NEVER,   /* */
    FREEZE_REQUIRE, /* or fail */
};

struct freeze_disk {
    const char *name;
    const char *change_id; /* that was kept with the set to compare with; NULL: there is none */
    guint64 size;          /* of the disk in that set */
};

struct freeze_options {
    enum freeze_quiesce quiesce;
    guint quiesce_minutes;           /* how long the guest may take; 0: the driver's own limit */
    const struct freeze_disk *disks; /* that are wanted; none of them has a `skip` */
    guint n_disks;
    /* 1 to 16 of [a-z0-9]: whose change ids these are (a store).  What the driver must keep on the
     * host for them is kept apart from others' by it. */
    const char *chain;
    struct progress *progress;
};

enum frozen_consistency {
    FROZEN_OFF,      /* the machine was not running */
    FROZEN_QUIESCED, /* file systems at rest, applications as far as the guest's tools go */
    FROZEN_CRASH,    /* as after a loss of power */
};
const char *frozen_consistency_name(enum frozen_consistency consistency); /* "crash-consistent" */

struct frozen_disk {
    char *name;
    struct disk *disk; /* read-only; extents tell what is allocated, where that is known */
    char *change_id;   /* to be kept with the set; NULL: changes are not tracked */
    /* What changed since freeze_disk.change_id; NULL: not known, all must be read, and ... */
    struct extent_list *changed;
    char *why_full; /* ... why, when a change id was given or tracking could be had; NULL */
};

struct frozen;

/* Freeze the machine, and open the disks.  Waits while the hypervisor works; on failure nothing is
 * left of it.  Needs no more of `machine` than `ref`, and may enable tracking where it is off.
 * A frozen machine belongs to one thread, but its disks to any, as disk.h says. */
struct frozen *hypervisor_freeze(struct hypervisor *hypervisor, const struct machine *machine,
                                 const struct freeze_options *options, GError **error);

enum frozen_consistency frozen_consistency(const struct frozen *frozen);
/* Why it is not what was asked for; NULL. */
const char *frozen_words(const struct frozen *frozen);
guint frozen_n_disks(const struct frozen *frozen);
/* Borrowed; as they were asked for.  frozen_disk.disk is NULL after frozen_thaw(). */
const struct frozen_disk *frozen_get_disk(const struct frozen *frozen, guint index);

/* Close the disks, and take everything off the host that was put there to read them: when this
 * returns TRUE the snapshot is gone and its merging has ended, however long that takes.  Goes on
 * although the user has cancelled, and tries again what may pass.  FALSE: what is left, where, and
 * how to remove it.  Calling it again tries again. */
gboolean frozen_thaw(struct frozen *frozen, GError **error);

/* After frozen_thaw() was called, whatever it returned: why what was read cannot be relied on, as a
 * sentence that names the machine (somebody else took away what kept its disks as they were, so the
 * bytes may be of several moments although no read failed); NULL: nothing is known against it.
 * What the first call finds is the answer, as nothing is read after it. */
const char *frozen_torn(const struct frozen *frozen);

/* After frozen_thaw(): the set with these change ids was stored (`kept`), so what older ones of
 * this chain needed can go; or was not, and those given in freeze_options stay good. */
gboolean frozen_settle(struct frozen *frozen, gboolean kept, GError **error);

/* Milliseconds from the snapshot's making to its end, or until now. */
gint64 frozen_milliseconds(const struct frozen *frozen);

/* Thaws and settles (not kept), if that was not done; what fails then is a warning to
 * freeze_options.progress.  NULL is fine. */
void frozen_free(struct frozen *frozen);
AUTO_PTR_DEFINE(frozen, frozen_free)

/* Remove what killed runs of this program on this computer have left behind: snapshots, attached
 * disks, jobs; of machine `ref`, or of all (NULL).  *ret_words (of char *; may be NULL) says what
 * was removed, and what of other computers' was seen and left, after a failure as well.  FALSE when
 * something of ours could not be removed. */
gboolean hypervisor_clean(struct hypervisor *hypervisor, const char *ref, GPtrArray **ret_words,
                          GError **error);

/* ---- A machine that is made ------------------------------------------------------------------ */

struct placement_disk {
    char *name;
    guint64 size;
    struct disk *target; /* to be written; NULL: it takes a stream, placement_import() */
    gboolean zero;       /* the target is known to read as zeros */
};

struct placement;

/* Make a machine, without starting it, from `wanted`: its name, folder, host, cluster, pool, and of
 * each disk datastore and of each NIC network and MAC say where it goes (NULL: the driver's choice,
 * the host's default).  Its native description is used for everything else where it is of this
 * driver; else the neutral terms are all there is.  Disks with `skip` are left out.
 * SLIPWAY_ERROR_EXISTS: a machine of that name is there, in that folder; SLIPWAY_ERROR_NOT_FOUND: a
 * place is not there (the message lists those that are).  On failure nothing is left. */
struct placement *hypervisor_create(struct hypervisor *hypervisor, const struct machine *wanted,
                                    struct progress *progress, GError **error);

/* The disks `names` (NULL: all without `skip`) of a machine that is there and off, to be written in
 * place.  What is written counts as changed: older change ids still tell the truth after it, or are
 * worth nothing.  SLIPWAY_ERROR_BUSY: it is not off; SLIPWAY_ERROR_NOT_FOUND: no such machine, or
 * disk. */
struct placement *hypervisor_overwrite(struct hypervisor *hypervisor, const char *ref,
                                       const char *const *names, struct progress *progress,
                                       GError **error);

guint placement_n_disks(const struct placement *placement);
const struct placement_disk *placement_get_disk(const struct placement *placement, guint index);
/* What the new machine has not, or has differently: sentences, of char *; borrowed. */
const GPtrArray *placement_words(const struct placement *placement);

/* Fill a disk without a target from `source`, whose extents say what need not be sent. */
gboolean placement_import(struct placement *placement, guint index, struct disk *source,
                          struct progress *progress, GError **error);

/* All disks were written and flushed (targets are closed here): complete the machine, and start it
 * if wanted.  *ret (may be NULL): as it is now.  After a failure, perhaps of the start alone, it
 * may be called once more without `power_on`, or placement_abandon() is still due; after success
 * placement_free() only. */
gboolean placement_finish(struct placement *placement, gboolean power_on, struct machine **ret,
                          GError **error);
/* Remove everything that was made, of hypervisor_create(); close what was opened, of
 * hypervisor_overwrite().  Goes on although the user has cancelled.  FALSE: what is left. */
gboolean placement_abandon(struct placement *placement, GError **error);
/* Abandons, if it was not finished; what fails then is a warning.  NULL is fine. */
void placement_free(struct placement *placement);
AUTO_PTR_DEFINE(placement, placement_free)
