/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_plan.h: the machine that a restore is to make, decided before anything is made.  Pure. */
#pragma once

#include "engine/machine_restore.h"

struct machine_plan {
    const struct set *set;
    const struct machine_restore_options *options;
    const char *driver;        /* of the hypervisor that it goes to */
    const GPtrArray *machines; /* of struct machine *: what is there, as hypervisor_list() says */
    const GPtrArray *places;   /* of struct place * */
    GPtrArray *words;          /* gets what will not be as it was */
};

/* The description that is kept with a set.  SLIPWAY_ERROR_UNSUPPORTED: there is none. */
struct machine *machine_plan_read(const struct set *set, GError **error);

/* What hypervisor_create() takes, of `old`: name, place, networks, addresses; a new identity; disks
 * that are not to be made have a `skip`.  Fails as machine_restore_new() says. */
struct machine *machine_plan_make(const struct machine_plan *plan, const struct machine *old,
                                  GError **error);
