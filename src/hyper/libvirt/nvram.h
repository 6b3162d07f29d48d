/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nvram.h: the file in which a machine's UEFI firmware keeps its variables. */
#pragma once

#include "hyper/libvirt/libvirt.h"

/* Where it is, or will be, and its format ("raw"): libvirt says so only where somebody told it, or
 * while the machine runs; else it has its usual place.  The file need not be there.  NULL: the
 * machine has none. */
char *nvram_find(struct libvirt *host, virDomainPtr domain, char **ret_format);
