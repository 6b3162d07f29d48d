/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bitmap.h: dirty bitmaps that no checkpoint of libvirt names any more. */
#pragma once

#include "hyper/libvirt/libvirt.h"

/* Remove from all images that a running machine writes the bitmaps of chain `chain` that are not in
 * `keep` (of char *), by QEMU's own interface. */
gboolean bitmap_remove_running(virDomainPtr domain, const char *chain, const GPtrArray *keep,
                               GError **error);
/* Remove the bitmap from an image that nobody uses; one that is not there is fine. */
gboolean bitmap_remove_file(const char *path, const char *bitmap, GError **error);
