/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image_layout.h: where the payloads of an image lie on an installation ISO.
 * Format: doc/format/iso.md. */
#pragma once

#include "esx/vib.h"

#define IMAGE_BOOT_CFG "/BOOT.CFG"
#define IMAGE_EFI_BOOT_CFG "/EFI/BOOT/BOOT.CFG"
#define IMAGE_ISOLINUX_BIN "/ISOLINUX.BIN"
#define IMAGE_ISOLINUX_CFG "/ISOLINUX.CFG"
#define IMAGE_EFIBOOT_IMG "/EFIBOOT.IMG"
#define IMAGE_IMGDB "/IMGDB.TGZ"
#define IMAGE_IMGPAYLD "/IMGPAYLD.TGZ"
#define IMAGE_BASEMISC "/BASEMISC.TGZ"
#define IMAGE_RESVIBS "/RESVIBS.TGZ"
#define IMAGE_ESXIODPT "/ESXIODPT.TGZ"
#define IMAGE_KICKSTART "/KS.CFG"
#define IMAGE_UPGRADE_PROFILE "/UPGRADE/PROFILE.XML"
#define IMAGE_UPGRADE_METADATA "/UPGRADE/METADATA.ZIP"

/* The path of `payload`, whose 8.3 name is `local`: upper case, absolute; NULL when it is not on
 * the medium at all.  Free with g_free(). */
char *image_layout_path(const struct payload *payload, const char *local);

/* FALSE for a type of payload that no document names: nobody knows where it belongs. */
gboolean image_layout_knows(const struct payload *payload);

/* TRUE for what must be in memory before the medium is laid out: the El Torito images. */
gboolean image_layout_is_boot_image(const struct payload *payload);
