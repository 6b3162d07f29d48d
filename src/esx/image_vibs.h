/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image_vibs.h: the VIBs of a profile, each joined with its place in the profile, in the one
 * order on which 8.3 names and boot order depend: by VIB id, bytewise. */
#pragma once

#include "esx/profile.h"
#include "esx/vib.h"

/* What an image boots; the DPU's "esxio" rides along without being booted. */
#define IMAGE_PRODUCT "embeddedEsx"

struct image_vib {
    struct profile_vib *entry; /* borrowed from the profile */
    const struct vib *vib;     /* borrowed from the list */
};

/* Those of `vibs` (of struct vib *) that `profile` names, and only those; VIBs of the profile
 * that are not in `vibs` are left out.  A GArray of struct image_vib; the caller unrefs. */
GArray *image_vibs_join(const struct profile *profile, GPtrArray *vibs);

/* The 8.3 name of `payload` in the map of `entry`; NULL when it has none. */
const char *image_vib_local(const struct profile_vib *entry, const char *payload);

/* The time to stamp on what is made of `vibs` (of struct vib *), seconds since 1970: a property of
 * the input, so that the output is reproducible.  SOURCE_DATE_EPOCH when it is set, else what
 * `profile` (may be NULL) says of itself, else the release of the newest VIB. */
gint64 image_vibs_time(const struct profile *profile, const GPtrArray *vibs);
