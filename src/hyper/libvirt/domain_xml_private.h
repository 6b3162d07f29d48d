/* SPDX-License-Identifier: GPL-3.0-or-later */
/* domain_xml_private.h: what the parts of domain_xml.h share. */
#pragma once

#include "hyper/libvirt/domain_xml.h"

#define DOMAIN_XML_LABEL "the machine's description"

/* An attribute that is a number up to `most`; 0 when it is not there, or none. */
guint domain_xml_number(const xmlNode *node, const char *attribute, guint most);
/* Cut a text in place that stands for nothing else.  NULL is fine. */
char *domain_xml_shorten(char *text, gsize most);
/* One that names something must not be cut: SLIPWAY_ERROR_LIMIT.  NULL is fine. */
gboolean domain_xml_check_length(const char *text, const char *what, GError **error);

/* All disks and network adapters. */
gboolean domain_xml_read_devices(const xmlNode *root, struct machine *machine, GError **error);
