/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/nvram.h"

#include "hyper/libvirt/domain_xml.h"

#include <string.h>

#define SYSTEM_FOLDER "/var/lib/libvirt/qemu/nvram"

/* libvirt's own rule. */
static char *
usual_path(const struct libvirt *host, const char *name)
{
    g_autofree char *file = g_strconcat(name, "_VARS.fd", NULL);
    if (!host->session)
        return g_build_filename(SYSTEM_FOLDER, file, NULL);
    return g_build_filename(g_get_user_config_dir(), "libvirt/qemu/nvram", file, NULL);
}

char *
nvram_find(struct libvirt *host, virDomainPtr domain, char **ret_format)
{
    gboolean running = virDomainIsActive(domain) == 1;
    auto_text xml = libvirt_xml(domain, running, NULL);
    auto_ptr(machine) machine = machine_new();
    *ret_format = NULL;
    if (xml == NULL || !domain_xml_read(xml, machine, NULL) || machine->firmware == MACHINE_BIOS)
        return NULL;
    g_autofree char *format = NULL;
    g_autofree char *path = domain_xml_nvram(xml, &format);
    if (path == NULL || path[0] == '\0') {
        g_free(path);
        path = usual_path(host, machine->name);
    }
    *ret_format = format != NULL ? g_steal_pointer(&format) : g_strdup("raw");
    return path[0] == '/' ? g_steal_pointer(&path) : NULL;
}
