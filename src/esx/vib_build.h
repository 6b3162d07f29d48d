/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_build.h: making a VIB (community level, unsigned) out of a directory or a driver .tgz.
 * The same input and options give the same bytes. */
#pragma once

#include "esx/vib.h"

struct vib_build {
    const char *name;
    const char *version; /* version[-release] */
    const char *vendor;
    const char *summary;        /* NULL: the name */
    const char *description;    /* NULL: the summary */
    const char *release_date;   /* ISO 8601; NULL: SOURCE_DATE_EPOCH, else 1970-01-01 */
    const char *payload_name;   /* at most 8 characters in practice; NULL: from the name */
    const char *const *depends; /* "name" or "name >= version"; NULL: none */
    const char *const *conflicts;
    const char *const *replaces;
    const char *const *provides; /* "name" or "name = version" */
    const char *const *tags;
    gboolean maintenance_mode;
    gboolean live_install;
    gboolean stateless_ready;
    const char *const *platforms; /* software platform versions, e.g. "8.0"; NULL: none */
    enum acceptance acceptance;   /* what it claims; community unless the caller knows better */
};

/* Pack the tree below the directory `input`, or take over the .tgz/.tar.gz/.tar file `input`
 * (its members are read for the file list; a plain tar is compressed, a .tgz is used as it is),
 * and write the VIB to `output` (replaced only if `overwrite`).  SLIPWAY_ERROR_USAGE for a field
 * that a descriptor cannot hold (names the field), for a device, pipe, socket or unusable path in
 * the tree, for an input without files and for an output inside of the input;
 * SLIPWAY_ERROR_UNSUPPORTED for a file that is no tar, SLIPWAY_ERROR_NOT_FOUND,
 * SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_EXISTS, SLIPWAY_ERROR_IO.  Paths that the release's rules
 * forbid for community VIBs are reported through `progress` as warnings. */
struct progress;
gboolean vib_build_write(const struct vib_build *build, const char *input, const char *output,
                         gboolean overwrite, struct progress *progress, GError **error);
