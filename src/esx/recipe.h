/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recipe.h: one declarative file for a whole build, and the lock file that pins it.
 * Format: doc/format/recipe.md.
 *
 * A recipe is read-only once it was loaded. */
#pragma once

#include "esx/image_customize.h"

#define RECIPE_MAX (1u << 20)

struct recipe_depot {
    char *known;      /* name in the list of known depots, or NULL: ... */
    char *location;   /* ... URL (may hold {token}) or absolute path */
    char *token_file; /* NULL: none */
    char *title;      /* as the recipe has it, fit to be shown */
};

/* What the YAML says.  Paths are absolute.  The lists of texts are ended by NULL behind their
 * length, so that `pdata` is a list for whoever wants one. */
struct recipe {
    char *path;                 /* of the recipe itself */
    char *name;                 /* NULL: made from the base's */
    char *vendor;               /* NULL: the base's */
    char *description;          /* NULL: the base's */
    enum acceptance acceptance; /* ACCEPTANCE_NONE: the base's */
    GPtrArray *depots;          /* of struct recipe_depot * */
    char *base_profile;         /* at least one of the two; with both, the ISO is where ... */
    char *base_iso;             /* ... undocumented archives are taken from */
    GPtrArray *add;             /* of char *: names, name=version, or absolute paths of files */
    GPtrArray *remove;          /* of char *: names or ids */
    char *kickstart;            /* NULL: none */
    GPtrArray *kernel_options;  /* of char * */
    GPtrArray *trust;           /* of char *: PEM files */
    gboolean no_installer;
    gboolean lower_acceptance;
    gboolean force;
    gboolean signature_check; /* TRUE unless the recipe says no */
};

/* SLIPWAY_ERROR_USAGE names file, line and key; relative paths in it resolve against its
 * directory. */
struct recipe *recipe_load(const char *path, GError **error);
void recipe_free(struct recipe *recipe);
AUTO_PTR_DEFINE(recipe, recipe_free)

/* TRUE when an entry of `add` is a file: a .vib, .zip, .tgz, .tar.gz or .tar, or a path that
 * begins with a slash or `./` or `../`. */
gboolean recipe_is_file(const char *text);
/* `path` as it may stand in a lock file on any machine: relative to the recipe's directory when
 * it is below it.  Free with g_free(). */
char *recipe_path_title(const struct recipe *recipe, const char *path);

struct recipe_build {
    struct image_export common; /* depots is filled from the recipe; settings of the command line */
    const char *const *trust_files; /* of the command line: trusted beside the recipe's; NULL */
    const char *lock_path; /* written after a build, read with `locked`; NULL: recipe_lock_path() */
    gboolean locked;       /* exactly the VIB ids and checksums of the lock file */
};

/* Build `output`: .iso or .zip.  With `locked`, SLIPWAY_ERROR_RULES names each VIB and file that
 * differs.  `common.trust` NULL: signatures are not checked, whatever the recipe says. */
gboolean recipe_build_write(const struct recipe_build *build, const struct recipe *recipe,
                            const char *output, struct image_report *report, GError **error);
