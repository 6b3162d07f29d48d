/* SPDX-License-Identifier: GPL-3.0-or-later */
/* profile.h: an image profile: a named list of VIBs.
 *
 * A profile names its VIBs by id; the VIBs themselves are in depots.  Format:
 * doc/format/profile.md.  One object belongs to one thread. */
#pragma once

#include "base/auto_ptr.h"
#include "esx/acceptance.h"

#include <glib.h>

#define PROFILE_XML_MAX (16u << 20)
#define PROFILE_NAME_MAX 80
#define PROFILE_VENDOR_MAX 40
#define PROFILE_DESCRIPTION_MAX 2048
#define PROFILE_VIBS_MAX 20000
#define PROFILE_TEXT_MAX 512 /* bytes of an id, a time, a payload's name */

struct profile_local_name { /* payload -> 8.3 name on the installation medium */
    char *payload;
    char *local;
};

struct profile_vib {
    char *id;
    gboolean boot;     /* FALSE: not loaded at boot */
    char *installdate; /* NULL but in a host's database */
    GArray *locals;    /* of struct profile_local_name; empty but in an image database */
    char *extra;       /* XML of children that we do not know, kept; NULL: none */
};

struct profile {
    char *name;
    char *vendor;     /* <creator> */
    char *profile_id; /* NULL, or as written: 32 hex digits */
    char *created;    /* ISO 8601 as written; NULL unknown */
    char *modified;
    int serial;        /* >= 0 */
    char *description; /* "" when none */
    gboolean read_only;
    GPtrArray *vibs; /* of struct profile_vib * */
    enum acceptance acceptance;
    GPtrArray *extra; /* of char *: XML of children that we do not know, kept */
};

struct profile *profile_new(const char *name, const char *vendor);
/* A deep copy, everything alike. */
struct profile *profile_copy(const struct profile *profile);
void profile_free(struct profile *profile);
AUTO_PTR_DEFINE(profile, profile_free)

/* SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT; `label` names the document.  An empty list of VIBs is
 * accepted (a profile under construction); without <readonly> a profile counts as read-only. */
struct profile *profile_parse(const void *data, gsize length, const char *label, GError **error);

/* One line without declaration, VIBs in the order of the list.  `with_locals`: write the payload
 * maps (an image database) or leave them out (a depot). */
GBytes *profile_format(const struct profile *profile, gboolean with_locals);

/* Name, vendor and description valid UTF-8, within their limits (in characters) and without control
 * characters (line breaks and tabs may be in a description); SLIPWAY_ERROR_USAGE otherwise. */
gboolean profile_check_names(const struct profile *profile, GError **error);

struct profile_vib *profile_find_vib(const struct profile *profile, const char *vib_id);
/* Append; nothing when it is there already. */
struct profile_vib *profile_add_vib(struct profile *profile, const char *vib_id);
/* The same when the caller knows that it is not there: no search. */
struct profile_vib *profile_append_vib(struct profile *profile, const char *vib_id);
gboolean profile_remove_vib(struct profile *profile, const char *vib_id);

/* A clone: same VIBs (and payload maps), new name and vendor, own id (derived from its name, vendor
 * and VIBs, so the same clone has the same id), not read-only, serial 0, no times. */
struct profile *profile_clone(const struct profile *profile, const char *name, const char *vendor);

/* A profile that became another one gets the id that a clone of its name, vendor and VIBs has. */
void profile_renew_id(struct profile *profile);
