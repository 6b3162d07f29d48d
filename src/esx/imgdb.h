/* SPDX-License-Identifier: GPL-3.0-or-later */
/* imgdb.h: the image database, imgdb.tgz: the profile with its payload map, and of each VIB the
 * descriptor and the signature.  Format: doc/format/imgdb.md. */
#pragma once

#include "esx/profile.h"
#include "esx/vib.h"

#define IMGDB_MAX (256u << 20) /* unpacked */
#define IMGDB_MEMBERS_MAX 100000
#define IMGDB_MEMBER_MAX (64u << 20) /* one member, unpacked */
#define IMGDB_NAME_MAX 99            /* bytes of a path that we make */

struct imgdb_vib {
    struct vib *vib;
    GBytes *descriptor;      /* exact original bytes (.xml.orig when there is one, else .xml) */
    GBytes *xml;             /* the .xml member as it was; NULL: write the descriptor */
    GBytes *signature;       /* may be empty; NULL: there is no such member */
    char *stem;              /* name of the members in vibs/ without .xml; NULL: made from the id */
    gboolean lacks_original; /* the database had no .xml.orig of it, so none is written */
};
void imgdb_vib_free(struct imgdb_vib *vib);

struct imgdb {
    struct profile *profile;
    GPtrArray *vibs;        /* of struct imgdb_vib * */
    GPtrArray *extra_names; /* of char *: members that are neither (bulletins, reservedComponents,
                             * baseimages, ...): kept with their paths (that of a directory
                             * ends in a slash) ... */
    GPtrArray *extra_data;  /* of GBytes *: ... and contents, in the order of the archive */
};

struct imgdb *imgdb_new(struct profile *profile); /* takes the profile over */
void imgdb_free(struct imgdb *db);
AUTO_PTR_DEFINE(imgdb, imgdb_free)

/* Add a VIB; references are taken.  `signature` empty: unsigned. */
struct imgdb_vib *imgdb_add(struct imgdb *db, struct vib *vib, GBytes *descriptor,
                            GBytes *signature);
/* FALSE when it was not there.  The profile is left as it is. */
gboolean imgdb_remove(struct imgdb *db, const char *vib_id);
struct imgdb_vib *imgdb_find(const struct imgdb *db, const char *vib_id);
/* The VIBs of the database: of struct vib *, borrowed; the caller unrefs. */
GPtrArray *imgdb_vib_list(const struct imgdb *db);

/* Read an imgdb.tgz.  SLIPWAY_ERROR_CORRUPT: no gzip tar, no or several profiles, a name with
 * `..`, a link, a member or a VIB twice, a name that is both a file and a directory, a VIB of the
 * profile without descriptor (named); SLIPWAY_ERROR_LIMIT.  VIBs that the profile does not name are
 * kept. */
struct imgdb *imgdb_parse(GBytes *tgz, const char *label, GError **error);

/* The bytes of imgdb.tgz; the same database always gives the same bytes.
 * SLIPWAY_ERROR_NOT_FOUND names a VIB of the profile that has no descriptor here,
 * SLIPWAY_ERROR_CORRUPT a payload of one without a name on the medium (the installer looks every
 * one up), SLIPWAY_ERROR_LIMIT a path that tar cannot hold. */
GBytes *imgdb_format(const struct imgdb *db, GError **error);
