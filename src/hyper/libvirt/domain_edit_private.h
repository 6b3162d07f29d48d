/* SPDX-License-Identifier: GPL-3.0-or-later */
/* domain_edit_private.h: what the parts of domain_edit.h share. */
#pragma once

#include "base/xml.h"
#include "hyper/libvirt/domain_edit.h"

struct domain_edit {
    xmlNode *root;
    const struct machine *wanted;
    const struct domain_volume *volumes;
    guint n;
    const struct domain_host *host;
    GPtrArray *words;
};

void domain_edit_say(struct domain_edit *edit, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Remove the node; NULL is fine. */
void domain_edit_drop(xmlNode *node);
void domain_edit_drop_children(xmlNode *node, const char *name);
/* The child of that name; it is made when it is not there. */
xmlNode *domain_edit_child(xmlNode *node, const char *name);
/* An attribute; NULL: without it. */
void domain_edit_set(xmlNode *node, const char *attribute, const char *value);
gboolean domain_edit_exists(const struct domain_edit *edit, const char *path);

/* The parts. */
void domain_edit_disks(struct domain_edit *edit);
void domain_edit_nics(struct domain_edit *edit);
void domain_edit_devices(struct domain_edit *edit);
