/* SPDX-License-Identifier: GPL-3.0-or-later */
/* customize_private.h: what image_customize.c and customize_medium.c share. */
#pragma once

#include "esx/boot_order.h"
#include "esx/customize_input.h"
#include "esx/export_prepare.h"
#include "esx/image_customize.h"
#include "esx/vib_feed.h"

struct customize {
    const struct image_customize *options;
    struct progress *progress;
    struct customize_input *input; /* what lies on the ISO, and where packages come from */
    struct iso_medium *medium;
    struct imgdb *db;        /* borrowed from the input: changed in place */
    struct profile *old;     /* as it was */
    struct profile *profile; /* as it will be */
    GPtrArray *added;        /* of char *: VIB ids */
    GPtrArray *removed;      /* likewise */
    GPtrArray *vibs;         /* of struct vib *: of the new image */
    GPtrArray *problems;
    struct export_prepared *prepared; /* the added ones */
    struct vib_feed *feed;
    GArray *modules;  /* of struct boot_module */
    GArray *imgpayld; /* of struct imgpayld_file */
    const struct generation *generation;
    const char *version;
};

/* Change the files of the medium from the old profile to the new one: payloads, imgpayld.tgz,
 * boot.cfg, isolinux.cfg, imgdb.tgz and UPGRADE/. */
gboolean customize_medium_change(struct customize *self, GError **error);
