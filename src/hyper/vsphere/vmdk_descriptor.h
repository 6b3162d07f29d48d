/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vmdk_descriptor.h: the text beside a disk of a datastore that says where its bytes are.
 *
 * Source: VMware's "Virtual Disk Format 5.0", "The Disk Descriptor File".  Pure. */
#pragma once

#include <glib.h>

#define VMDK_DESCRIPTOR_MAX (64u << 10)
#define VMDK_DESCRIPTOR_EXTENTS_MAX 256u

struct vmdk_descriptor {
    char *create_type;   /* "vmfs"; NULL */
    gboolean has_parent; /* the bytes are those of another disk but for what is here */
    guint n_extents;
    /* Of the first extent: */
    guint64 sectors;
    char *type; /* "VMFS", "FLAT", "VMFSSPARSE", "SESPARSE", "VMFSRDM" */
    char
        *file; /* "app01-flat.vmdk": as it is there, beside the descriptor unless it has a scheme */
};

/* SLIPWAY_ERROR_CORRUPT: it is none, or no extent is in it; SLIPWAY_ERROR_LIMIT. */
gboolean vmdk_descriptor_parse(const char *text, gsize length, struct vmdk_descriptor *ret,
                               GError **error);
void vmdk_descriptor_clear(struct vmdk_descriptor *descriptor);
