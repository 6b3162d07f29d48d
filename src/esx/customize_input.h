/* SPDX-License-Identifier: GPL-3.0-or-later */
/* customize_input.h: what a customisation starts from: the ISO, whose VIBs count as one more depot,
 * and the files named with --add, each of which is a depot too. */
#pragma once

#include "esx/image_export.h"
#include "esx/imgdb.h"
#include "esx/iso_medium.h"

struct customize_input;

/* Open the ISO at `path`.  SLIPWAY_ERROR_UNSUPPORTED when it is no installation ISO of ESXi. */
struct customize_input *customize_input_open(const char *path, const struct image_export *common,
                                             GError **error);
void customize_input_free(struct customize_input *input);
AUTO_PTR_DEFINE(customize_input, customize_input_free)

/* All of these are borrowed. */
struct imgdb *customize_input_database(struct customize_input *input);
struct iso_medium *customize_input_medium(struct customize_input *input);
struct depot_set *customize_input_depots(struct customize_input *input);
/* The descriptor of a VIB of the ISO, also after it left the database; NULL. */
const struct vib *customize_input_vib(struct customize_input *input, const char *vib_id);

/* The packages that `words` name: a .vib, every package for this platform of a bundle (of each
 * name the highest version), a driver .tgz (made into a community VIB), or a name, name=version or
 * id out of the connected depots.  of struct package *; the caller unrefs. */
GPtrArray *customize_input_packages(struct customize_input *input, const char *const *words,
                                    GError **error);
