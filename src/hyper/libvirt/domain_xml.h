/* SPDX-License-Identifier: GPL-3.0-or-later */
/* domain_xml.h: a machine as libvirt describes it, read into neutral terms.
 *
 * Whoever may define machines wrote the description: it is not trusted.  Pure; any thread. */
#pragma once

#include "base/xml.h"
#include "hyper/machine.h"

/* Fill in all that the description tells: not the power state, sizes of disks, native description
 * or firmware.  SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT. */
gboolean domain_xml_read(const char *xml, struct machine *machine, GError **error);

/* The elements of <devices> called `name`, one after the other: `last` NULL gives the first. */
xmlNode *domain_xml_device(const xmlNode *root, const char *name, const xmlNode *last);
/* The value of an attribute of a child ("target", "dev"); NULL. */
char *domain_xml_value(const xmlNode *node, const char *child, const char *attribute);

/* Path of the file that has the firmware's variables, and its format ("raw"); NULL without error
 * when there is none. */
char *domain_xml_nvram(const char *xml, char **ret_format);
/* Whether a guest agent has a channel, and (of a running machine) is connected. */
gboolean domain_xml_agent(const char *xml, gboolean *ret_connected);
