/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {
    &verb_host_add, &verb_host_list, &verb_host_remove, &verb_host_test, NULL,
};

const struct noun noun_host = {
    .name = "host",
    .summary = "remember hypervisors, and try them",
    .description =
        "A host is what runs virtual machines or manages those that do: a vCenter or ESXi "
        "(vsphere://ADDRESS), libvirt (qemu:///system and its other URIs), or a QEMU with a QMP "
        "socket (qmp:///PATH). One that is remembered has a name, by which other commands know it: "
        "`slipway vm list NAME`, `slipway backup run NAME:/DC0/vm/app01`.\n\n"
        "Passwords come from a file, the environment (SLIPWAY_PASSWORD) or the terminal. The path "
        "of a file is remembered; any other password is kept in a file that only you can read.",
    .verbs = verbs,
};
