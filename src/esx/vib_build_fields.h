/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_build_fields.h: from what a user says of a VIB to be made to what its descriptor says. */
#pragma once

#include "esx/vib_build.h"

#define VIB_NAME_MAX 128
#define VIB_TEXT_MAX 16384

/* The VIB that `build` describes, without files and with one payload that has a name and a type
 * only.  SLIPWAY_ERROR_USAGE names the field that a descriptor cannot hold, and what it may be. */
struct vib *vib_build_fields(const struct vib_build *build, GError **error);
