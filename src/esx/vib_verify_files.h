/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_verify_files.h: the files that a VIB's payloads hold, against those that it lists. */
#pragma once

#include "esx/vib.h"
#include "esx/vib_verdict.h"
#include "esx/visor_tar.h"

/* Findings of one kind beyond this many are counted, not listed. */
#define VIB_FINDINGS_LISTED_MAX 20

struct packed_files;

struct packed_files *packed_files_new(void);
void packed_files_free(struct packed_files *files);

/* A visor_member_func: remember one member; `user_data` is the struct packed_files.
 * SLIPWAY_ERROR_LIMIT beyond VIB_FILES_MAX files or VISOR_TAR_NAMES_MAX bytes of names. */
gboolean packed_files_add(const struct visor_member *member, struct stream *data, void *user_data,
                          GError **error);

/* There are payloads that cannot be looked into: then what is not found may be in them. */
void packed_files_set_unknown(struct packed_files *files);

/* Add what is to be said to `verdict`: files not listed, files listed but not there, paths that
 * the VIB's level may not use, paths too long. */
void packed_files_compare(struct packed_files *files, const struct vib *vib,
                          struct vib_verdict *verdict);
