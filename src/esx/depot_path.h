/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot_path.h: where things lie in a depot that we write.
 *
 * Names are made of [A-Za-z0-9._+-] only, whatever the ids hold; a name that had to be changed or
 * cut for that gets a part of the hash of the original behind it, so that two never fall
 * together.  The same thing always has the same path.  Free with g_free(). */
#pragma once

#include "esx/bulletin.h"
#include "esx/profile.h"
#include "esx/vib.h"

char *depot_path_vib(const struct vib *vib);                /* vib20/NAME/ID.vib */
char *depot_path_descriptor(const struct vib *vib);         /* vibs/NAME-NUMBER.xml */
char *depot_path_bulletin(const struct bulletin *bulletin); /* bulletins/ID.xml */
char *depot_path_profile(const struct profile *profile);    /* profiles/NAME-NUMBER.xml */
