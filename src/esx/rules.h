/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rules.h: what must hold for a list of VIBs to be an image.
 *
 * Pure: VIBs in, problems out; all of them at once, sorted, so that the same list gives the
 * same text.  The rules and their source: doc/rules.md. */
#pragma once

#include "esx/depot_set.h"

enum rule {
    RULE_DEPENDS,     /* a required name or version is not in the list */
    RULE_CONFLICTS,   /* two VIBs exclude each other */
    RULE_OBSOLETE,    /* one VIB replaces another, or a name is there twice */
    RULE_ACCEPTANCE,  /* a VIB below the level of the profile */
    RULE_FILES,       /* one path in two VIBs */
    RULE_PATHS,       /* a path where partner and community VIBs may place none */
    RULE_BOOT,        /* no boot payload: nothing to boot */
    RULE_ESX_VERSION, /* none or several VIBs provide esx-version */
    RULE_PLATFORM,    /* a VIB for another platform version */
    RULE_CHECKSUMS,   /* a payload without the checksum that the release wants */
    RULE_OVERLAY,     /* a community VIB with overlay */
    RULE_MISSING,     /* a VIB of the profile that no connected depot has */
    RULE_SIGNATURE,   /* set by whoever checks signatures; not by rules_check() */
};

/* A note is nothing to act on: a stock image may have some. */
enum rule_severity { RULE_NOTE, RULE_WARNING, RULE_ERROR };

struct problem {
    enum rule rule;
    enum rule_severity severity;
    char *vib_id;          /* the VIB that it is about; NULL for the image as a whole */
    char *subject;         /* the missing wish, the other VIB's id, the path; NULL */
    char *message;         /* the whole sentence */
    char *remedy;          /* what to do; NULL when there is nothing to say */
    GPtrArray *candidates; /* of char *: ids of packages that would solve it; never NULL */
};
void problem_free(struct problem *problem);
const char *rule_name(enum rule rule);                       /* "depends", for --json */
const char *rule_severity_name(enum rule_severity severity); /* "note", "warning", "error" */

struct rules_input {
    GPtrArray *vibs;            /* of struct vib * */
    const char *const *missing; /* ids that the profile names and no depot has, or NULL */
    enum acceptance acceptance; /* of the profile; ACCEPTANCE_NONE: not checked */
    struct depot_set *depots;   /* where remedies are looked for; may be NULL */
};

/* Problems (struct problem *), errors first, causes before consequences; the caller unrefs.
 * Empty: the image is valid.  After 5000 of them the rest is left out. */
GPtrArray *rules_check(const struct rules_input *input);

gboolean problems_have_errors(GPtrArray *problems);
/* TRUE when there are only warnings; else all errors, a line each, as one SLIPWAY_ERROR_RULES (or
 * _SIGNATURE when all are of signatures). */
gboolean problems_to_error(GPtrArray *problems, const char *profile_name, GError **error);
