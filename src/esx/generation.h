/* SPDX-License-Identifier: GPL-3.0-or-later */
/* generation.h: what differs between the releases of ESXi in names, boot.cfg and archives.
 *
 * One row per release in one table.  Source: doc/format/iso.md. */
#pragma once

#include "esx/vib.h"

struct generation {
    int major, minor, update;     /* the first release this row is for */
    gboolean keeps_dashes;        /* 5.0: `-` stays in 8.3 names */
    gboolean timeout_prefix;      /* boot.cfg has timeout= and prefix= */
    gboolean build_line;          /* build= is the version of esx-base */
    const char *kernelopt;        /* for an installer */
    gboolean basemisc;            /* basemisc.tgz and resvibs.tgz follow imgdb.tgz */
    gboolean esxiodpt;            /* and esxiodpt.tgz */
    gboolean per_platform;        /* VIBs of another product are invisible to each other */
    gboolean wants_gunzip_sha256; /* the installer refuses payloads without it */
};

/* The row for the image of `vibs` (of struct vib *): by the VIB that provides esx-version.
 * *ret_version (may be NULL) is that version, borrowed from the VIB.  SLIPWAY_ERROR_RULES when
 * there is none, SLIPWAY_ERROR_UNSUPPORTED for something before 5.0. */
const struct generation *generation_of(GPtrArray *vibs, const char **ret_version, GError **error);
/* By version text "8.0.3-0.0.24022510"; NULL when it is none or before 5.0. */
const struct generation *generation_of_version(const char *version);
