/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rules_private.h: what the parts of the rules share.  Only for rules*.c. */
#pragma once

#include "esx/generation.h"
#include "esx/rules.h"

#define RULES_PRODUCT "embeddedEsx"

/* A list that breaks more rules than this is no image that anybody repairs by reading. */
#define RULES_PROBLEMS_MAX 5000

struct rules_state {
    const struct rules_input *input;
    const struct generation *generation; /* NULL: release not known */
    const char *release;                 /* version of esx-version; NULL */
    GPtrArray *vibs;                     /* those that are judged, by id; of const struct vib * */
    GPtrArray *hidden;                   /* those for another platform; likewise */
    GHashTable *providers;               /* name -> GPtrArray of const struct vib * */
    GHashTable *files[3];                /* by rules_file_space(): path -> const struct vib * */
    GPtrArray *problems;
};

/* Which paths can collide: VIBs of one space only. */
guint rules_file_space(const struct vib *vib);
/* A path as it is looked up: without a leading slash. */
const char *rules_file_path(const char *path);

/* Add a problem about `vib` (NULL: the image).  The problem belongs to the state. */
struct problem *rules_report(struct rules_state *state, enum rule rule, enum rule_severity severity,
                             const struct vib *vib, const char *subject, const char *format, ...)
    G_GNUC_PRINTF(6, 7);
/* TRUE when the state has RULES_PROBLEMS_MAX problems: look no further. */
gboolean rules_full(const struct rules_state *state);
/* "ESXi 6.7.0" of the image, or "this image"; free with g_free(). */
char *rules_release_text(const struct rules_state *state);
/* <0, 0, >0: the release of `version` against the image's, by major and minor; 0 when unknown. */
int rules_compare_release(const struct rules_state *state, const char *version);

void rules_relations_check(struct rules_state *state); /* depends, conflicts, obsolete */
void rules_files_check(struct rules_state *state); /* files, paths, overlay; fills state->files */
void rules_vibs_check(struct rules_state *state);  /* what one VIB is judged by alone */
void rules_image_check(struct rules_state *state); /* boot, esx-version, missing VIBs */

/* What solves a wish of `vib` that nothing in the image fulfils.  `wishes`: of const struct
 * relation *, all of one name. */
void rules_remedy_wishes(struct rules_state *state, struct problem *problem, const struct vib *vib,
                         const GPtrArray *wishes);
/* For two VIBs that do not go together: other versions of them that do. */
void rules_remedy_pair(struct rules_state *state, struct problem *problem, const struct vib *a,
                       const struct vib *b);
/* `lead`, then those packages called `name` that fit, or `otherwise` when none does. */
void rules_remedy_name(struct rules_state *state, struct problem *problem, const char *name,
                       const char *lead, const char *otherwise);
