/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image_export.h: an image profile as an installation ISO or an offline bundle.
 *
 * Everything is checked before a byte is written and while it passes by; the output appears under
 * its name when it is complete.  The same profile and VIBs give the same bytes. */
#pragma once

#include "esx/depot_set.h"
#include "esx/rules.h"
#include "esx/vib_signature.h"
#include "esx/workspace.h"

struct image_export {
    struct depot_set *depots;
    const struct depot_context *context; /* for fetching VIBs, and progress */
    const struct trust_store *trust;     /* NULL: signatures are not checked */
    gboolean force;                      /* export despite broken rules */
    gboolean overwrite;                  /* replace an existing output */
    /* Of an ISO only: */
    gboolean no_installer;
    const char *const *kernel_options; /* appended to kernelopt; NULL: none */
    const char *kickstart;             /* file that becomes /KS.CFG, with ks=cdrom:/KS.CFG; NULL */
    const char *base_iso;       /* stock ISO that undocumented archives are taken from; NULL */
    struct workspace *verified; /* where fully checked VIBs are remembered; NULL: nowhere */
};

struct image_report { /* what was done, for people and --json */
    gsize vibs;
    gsize modules;
    guint64 bytes;       /* of the output */
    GPtrArray *problems; /* warnings, and errors that --force let pass; of struct problem * */
};
void image_report_clear(struct image_report *report);

/* Errors: everything that depot.h, rules.h, vib_signature.h, payload_check.h and iso_medium.h name;
 * SLIPWAY_ERROR_EXISTS. */
gboolean image_export_iso(const struct image_export *export, const struct profile *profile,
                          const char *path, struct image_report *report, GError **error);
gboolean image_export_bundle(const struct image_export *export, const struct profile *profile,
                             const char *path, struct image_report *report, GError **error);
