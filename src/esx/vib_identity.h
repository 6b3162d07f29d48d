/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_identity.h: name and version of a VIB of which perhaps only the id is known. */
#pragma once

#include "esx/depot_set.h"

struct vib_identity {
    char *name;
    char *version; /* NULL when the id does not tell */
};

/* From the VIB's descriptor when a depot has it.  Otherwise from the text of the id
 * (VENDOR_TYPE_NAME_VERSION), which is a guess where the version holds `_`; an id of another form
 * is its own name. */
struct vib_identity vib_identity_of(struct depot_set *depots, const char *vib_id);
void vib_identity_clear(struct vib_identity *identity);
