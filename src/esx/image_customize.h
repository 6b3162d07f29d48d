/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image_customize.h: a finished installation ISO, changed: ISO in, ISO out.
 *
 * What is not changed stays byte for byte, also files that no document explains.  boot.cfg, the
 * image database, imgpayld.tgz and the upgrade metadata are rewritten. */
#pragma once

#include "esx/image_export.h"
#include "esx/imgdb.h"
#include "esx/iso_medium.h"

struct image_customize {
    struct image_export common; /* depots: where --add names are looked up; may be empty */
    const char *const *add;     /* VIB files, bundles, driver .tgz files, names, name=version */
    const char *const *remove;  /* VIB names or ids */
    const char *name;           /* new profile name; NULL: the old one + "-custom" */
    const char *vendor;         /* NULL: the old one */
    const char *description;    /* NULL: the old one */
    enum acceptance acceptance; /* ACCEPTANCE_NONE: as it was */
    gboolean lower_acceptance;  /* lower the level as far as needed */
};

gboolean image_customize_write(const struct image_customize *customize, const char *input,
                               const char *output, struct image_report *report, GError **error);

/* What `image show` prints.  */
struct image_info {
    char *volume_id;
    struct imgdb *db;
    char *kernelopt;
    char *kernel;
    char *title;
    char *build;
    GPtrArray *modules; /* of char *: from boot.cfg */
    gboolean boots_bios;
    gboolean boots_efi;
    GPtrArray *unknown; /* of char *: files that no VIB and no document explains */
};
void image_info_free(struct image_info *info);
AUTO_PTR_DEFINE(image_info, image_info_free)
struct image_info *image_info_read(const char *path, GError **error);
