/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {&verb_package_list, &verb_package_show, NULL};

const struct noun noun_package = {
    "package",
    "find packages (VIBs) in the connected depots",
    "A package is a VIB that a connected depot offers: a driver, a tool, a part of ESXi itself.",
    verbs,
    FALSE,
};
