/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checkpoint.h: the checkpoints of a chain, from which changes count.  Those of other chains and of
 * other programs are never touched. */
#pragma once

#include "hyper/libvirt/libvirt.h"

/* NULL when changes of `disk` can be had since that checkpoint; else why not, in words.  Free with
 * g_free(). */
char *checkpoint_judge(virDomainPtr domain, const char *checkpoint, const char *disk);

/* Remove it, and its bitmaps, so that no other one suffers.  One that is not there is fine.  Where
 * libvirt refuses as its bitmaps are broken, it forgets the checkpoint, and what bitmaps there are
 * remain for checkpoint_sweep_broken(). */
gboolean checkpoint_remove(virDomainPtr domain, const char *checkpoint, GError **error);

/* Remove all of a chain but those in `keep` (of char *).  Of a machine that is off none can be
 * removed: that is left for another time, and TRUE. */
gboolean checkpoint_sweep(virDomainPtr domain, const char *chain, const GPtrArray *keep,
                          GError **error);
/* Remove all of a chain whatever state they are in, with bitmaps that nobody knows any more. */
gboolean checkpoint_sweep_broken(virDomainPtr domain, const char *chain, GError **error);
/* Have libvirt forget all of any chain of ours of a machine that is off.  *ret_names (of char *).
 */
gboolean checkpoint_forget(virDomainPtr domain, GPtrArray *ret_names, GError **error);
