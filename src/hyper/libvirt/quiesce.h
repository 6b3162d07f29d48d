/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quiesce.h: the guest's file systems at rest, by its agent, for as long as it takes to begin a
 * backup job. */
#pragma once

#include "hyper/libvirt/scratch.h"

struct quiesce {
    struct daemon *daemon;         /* borrowed, as are ... */
    virDomainPtr *domain;          /* ... (it may be renewed) */
    const struct scratch *scratch; /* ... */
    struct progress *progress;     /* ... */
    gboolean asked; /* the agent was: it has to be told to wake them, whatever it said */
    gboolean rest;  /* they are */
    gboolean doubt; /* the agent was silent: they may come to rest yet */
    char *words;    /* why they are not; NULL */
};
/* `xml`: of the machine as it runs.  FALSE only when it is required, and cannot be.  Call
 * quiesce_end() in any case. */
gboolean quiesce_begin(struct quiesce *quiesce, const char *xml,
                       const struct freeze_options *options, GError **error);
/* Wake them, also when the daemon was started anew since.  What fails is a warning. */
void quiesce_end(struct quiesce *quiesce);

/* Wake those of a machine that a killed run left at rest. */
gboolean quiesce_wake(virDomainPtr domain, GError **error);
