/* SPDX-License-Identifier: GPL-3.0-or-later */
/* base_iso.h: the stock ISO that an export takes archives from which no depot has. */
#pragma once

#include "esx/iso_medium.h"

/* Open it for an image of ESXi `version` ("8.0.3-0.0.24022510").  Fails with
 * SLIPWAY_ERROR_UNSUPPORTED when it is no installation ISO, SLIPWAY_ERROR_USAGE when it is one of
 * another release (8.0.2), whose archives would not fit; another build of the same release is
 * warned about. */
struct iso_medium *base_iso_open(const char *path, const char *version, struct progress *progress,
                                 GError **error);
