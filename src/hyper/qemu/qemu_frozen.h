/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_frozen.h: a frozen machine of a QEMU.
 *
 * A bitmap of ours on a disk, slipway_CHAIN_RANDOM, is a change id: it marks what was written since
 * the set that has that id.  It goes on doing so while the next set is made, which gets a new one
 * at the moment of the freeze; what changed is read from a copy of that moment.  So nothing has to
 * be undone when a set is not stored, however the run ends: the new bitmap is all there is to
 * remove, and the next set that is stored removes it in any case. */
#pragma once

#include "hyper/hypervisor_driver.h"
#include "hyper/qemu/qemu_drive.h"

#define QEMU_FROZEN_JOB "b" /* of each disk: it saves what the guest overwrites */

struct qemu_part {                  /* a disk */
    const struct qemu_drive *drive; /* of qemu_frozen.drives */
    int file;                       /* the scratch file; -1 */
    char *overlay;                  /* what is exported */
    char *old;                      /* the bitmap that tells what changed; NULL: there is none */
    char *new;                      /* the bitmap from now on */
};

struct qemu_frozen {
    struct frozen base;
    struct qemu_session *session; /* the hypervisor's */
    char *agent;                  /* NULL */
    char *mark, *chain, *directory;
    GPtrArray *drives; /* of struct qemu_drive * */
    GPtrArray *parts;  /* of struct qemu_part *, as the base's disks */
    gboolean ran;      /* when it was frozen */
    gboolean reading;  /* until the first thaw */
};

/* "slipway_CHAIN_", which all bitmaps of a chain begin with. */
char *qemu_frozen_prefix(const char *chain);

/* Without anything in QEMU yet; `session` must outlive it. */
struct qemu_frozen *qemu_frozen_new(struct qemu_session *session, const char *agent,
                                    const char *scratch, const struct freeze_options *options);

/* Freeze the machine; as hypervisor_freeze(). */
struct frozen *qemu_freeze(struct qemu_session *session, const char *agent, const char *scratch,
                           const struct freeze_options *options, GError **error);
