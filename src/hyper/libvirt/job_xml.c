/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/job_xml.h"

#include "base/xml.h"

#include <string.h>

#define JOB_XML_MAX (4u << 20)

static void
attribute(GString *xml, const char *name, const char *value)
{
    g_string_append_printf(xml, " %s=\"", name);
    xml_escape_attribute(xml, value);
    g_string_append_c(xml, '"');
}

char *
job_xml_backup(const struct job_disk *disks, guint n, const char *socket)
{
    g_autoptr(GString) xml = g_string_new("<domainbackup mode=\"pull\">");
    g_string_append(xml, "<server transport=\"unix\"");
    attribute(xml, "socket", socket);
    g_string_append(xml, "/><disks>");
    for (guint i = 0; i < n; i++) {
        g_string_append(xml, "<disk backup=\"yes\" type=\"file\"");
        attribute(xml, "name", disks[i].name);
        attribute(xml, "exportname", disks[i].name);
        attribute(xml, "backupmode", disks[i].incremental != NULL ? "incremental" : "full");
        if (disks[i].incremental != NULL) {
            attribute(xml, "incremental", disks[i].incremental);
            attribute(xml, "exportbitmap", JOB_BITMAP);
        }
        g_string_append(xml, "><scratch");
        attribute(xml, "file", disks[i].scratch);
        g_string_append(xml, "/></disk>");
    }
    g_string_append(xml, "</disks></domainbackup>");
    return g_string_free(g_steal_pointer(&xml), FALSE);
}

char *
job_xml_checkpoint(const struct job_disk *disks, guint n, const char *name)
{
    g_autoptr(GString) xml = g_string_new("<domaincheckpoint>");
    gboolean any = FALSE;
    xml_element(xml, "name", name);
    g_string_append(xml, "<description>made by slipway, which removes it</description><disks>");
    for (guint i = 0; i < n; i++) {
        if (!disks[i].tracked)
            continue;
        g_string_append(xml, "<disk checkpoint=\"bitmap\"");
        attribute(xml, "name", disks[i].name);
        g_string_append(xml, "/>");
        any = TRUE;
    }
    g_string_append(xml, "</disks></domaincheckpoint>");
    return any ? g_string_free(g_steal_pointer(&xml), FALSE) : NULL;
}

static xmlDoc *
parse(const char *xml, const char *root)
{
    return xml_parse(xml, strlen(xml), JOB_XML_MAX, root, "libvirt's answer", NULL);
}

char *
job_xml_socket(const char *xml)
{
    auto_xml_doc doc = parse(xml, "domainbackup");
    xmlNode *server = doc != NULL ? xml_child(xmlDocGetRootElement(doc), "server") : NULL;
    return server != NULL ? xml_attribute(server, "socket") : NULL;
}

gboolean
job_xml_has_disk(const char *checkpoint, const char *disk)
{
    auto_xml_doc doc = parse(checkpoint, "domaincheckpoint");
    xmlNode *disks = doc != NULL ? xml_child(xmlDocGetRootElement(doc), "disks") : NULL;
    xmlNode *node = disks != NULL ? xml_child(disks, "disk") : NULL;
    for (; node != NULL; node = xml_next(node, "disk")) {
        g_autofree char *name = xml_attribute(node, "name");
        g_autofree char *kind = xml_attribute(node, "checkpoint");
        if (g_strcmp0(name, disk) == 0)
            return g_strcmp0(kind, "bitmap") == 0;
    }
    return FALSE;
}
