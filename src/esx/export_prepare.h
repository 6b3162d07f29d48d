/* SPDX-License-Identifier: GPL-3.0-or-later */
/* export_prepare.h: what every export does before it writes a byte: find the VIBs of the profile,
 * check the rules, fetch what lies on servers, read the head of each .vib file, hold it against
 * what its depot says of it, and check the signatures.
 *
 * Payload bytes are not read here: they are checked while they pass by on their way into the
 * output. */
#pragma once

#include "esx/export_vib.h"
#include "esx/image_export.h"

struct export_prepared {
    GPtrArray *files;    /* of struct export_vib *; in the order of the profile */
    GPtrArray *vibs;     /* of struct vib *: the `vib` of each of them, in the same order */
    GPtrArray *problems; /* of struct problem *: warnings, and errors that `force` let pass */
};

/* Prepare the export of `profile`.
 *
 * SLIPWAY_ERROR_RULES names every broken rule; with `force` they go to `problems` instead, except
 * VIBs that no depot has, for there is nothing to write of them.  SLIPWAY_ERROR_SIGNATURE names
 * every VIB with a bad signature; `force` does not help there, only a NULL `trust` does.
 * Otherwise what packages_fetch() and export_vib_open() fail with. */
struct export_prepared *export_prepare(const struct image_export *export,
                                       const struct profile *profile, GError **error);
void export_prepared_free(struct export_prepared *prepared);
AUTO_PTR_DEFINE(export_prepared, export_prepared_free)

/* Hand the problems over to `report` and count the VIBs in it.  `report` may be NULL. */
void export_prepared_report(struct export_prepared *prepared, struct image_report *report);

/* FALSE with SLIPWAY_ERROR_EXISTS when there is something at `path` and it may not be replaced
 * (a directory never may). */
gboolean export_check_output(const struct image_export *export, const char *path, GError **error);
