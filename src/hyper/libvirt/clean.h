/* SPDX-License-Identifier: GPL-3.0-or-later */
/* clean.h: what killed runs of this program left on a host of libvirt: backup jobs, file systems at
 * rest, scratch directories.  The driver's clean(). */
#pragma once

#include "hyper/libvirt/libvirt.h"

gboolean clean_host(struct hypervisor *self, const char *ref, GPtrArray *words, GError **error);
