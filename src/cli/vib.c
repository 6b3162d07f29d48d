/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {&verb_vib_show, &verb_vib_verify, &verb_vib_extract,
                                           &verb_vib_build, NULL};

const struct noun noun_vib = {
    "vib",
    "look into, check, take apart and make .vib files",
    "A VIB is the package format of ESXi: a descriptor, a signature and payloads in one file.",
    verbs,
    FALSE,
};
