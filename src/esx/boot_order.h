/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_order.h: which payloads are boot modules, and in which order they load.
 * The algorithm: doc/format/iso.md.
 *
 * The order follows from the VIBs alone and not from their 8.3 names: a changed image, whose
 * older VIBs keep their names, gets its order from here again. */
#pragma once

#include "esx/generation.h"
#include "esx/profile.h"

struct boot_module {
    const struct vib *vib;         /* borrowed; NULL for imgdb.tgz and the like */
    const struct payload *payload; /* borrowed; NULL likewise */
    const char *name;              /* 8.3 name, lower case, borrowed from the profile */
};

/* The modules of `profile` with local names assigned: [0] is the kernel.  Those of VIBs marked
 * not to boot are left out, and those of another product than embeddedEsx; installer payloads too
 * unless `installer`.  imgdb.tgz and its fellows are not in it.  A GArray of struct boot_module;
 * SLIPWAY_ERROR_RULES when no boot payload is there, SLIPWAY_ERROR_CORRUPT when a module has no
 * name in the profile. */
GArray *boot_order_of(const struct profile *profile, GPtrArray *vibs, gboolean installer,
                      GError **error);

/* TRUE for the payloads of the installer, which --no-installer leaves out: payloads called
 * weaselin or esxupdt (wherever they lie) and the types installer_vgz and insvgz. */
gboolean payload_is_installer(const struct payload *payload);
