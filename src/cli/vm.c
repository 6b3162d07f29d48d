/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {&verb_vm_list, &verb_vm_show, NULL};

const struct noun noun_vm = {
    .name = "vm",
    .summary = "list and show the virtual machines of a hypervisor",
    .description = "See what a hypervisor runs. Machines are backed up with `slipway backup run` "
                   "and come back with `slipway restore vm`.",
    .verbs = verbs,
};
