/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {&verb_image_show, &verb_image_customize,
                                           &verb_image_build, NULL};

const struct noun noun_image = {
    "image",
    "look into and change installation ISOs, build from recipes",
    "An image is an installation ISO of ESXi. One that exists can be changed without a depot: what "
    "is not changed stays byte for byte. A recipe is one file that describes a whole build.",
    verbs,
    FALSE,
};
