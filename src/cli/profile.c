/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {
    &verb_profile_list,
    &verb_profile_show,
    &verb_profile_new,
    &verb_profile_set,
    &verb_profile_add,
    &verb_profile_remove,
    &verb_profile_delete,
    &verb_profile_compare,
    &verb_profile_check,
    &verb_profile_export,
    NULL,
};

const struct noun noun_profile = {
    "profile",
    "make, change, check and export image profiles",
    "An image profile is a named list of VIBs that make up an image of ESXi. Depots bring profiles "
    "of their own, which are read-only; a clone in the workspace can be changed and exported as an "
    "installation ISO or an offline bundle.\n\n"
    "A profile is named by its NAME, or by VENDOR/NAME where several have one name.",
    verbs,
    FALSE,
};
