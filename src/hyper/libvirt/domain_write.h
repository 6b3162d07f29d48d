/* SPDX-License-Identifier: GPL-3.0-or-later */
/* domain_write.h: a new machine for libvirt from neutral terms alone.  Pure. */
#pragma once

#include "hyper/libvirt/domain_edit.h"

/* As domain_edit_native().  Disks get names that libvirt knows ("vda"), in their order. */
char *domain_write_neutral(const struct machine *wanted, const struct domain_volume *volumes,
                           guint n, const struct domain_host *host, GPtrArray *words,
                           GError **error);
