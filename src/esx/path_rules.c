/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/path_rules.h"

#include <string.h>

static const struct {
    const char *place; /* a file, or a directory with everything below it */
    enum acceptance lowest;
} places[] = {
    {"etc/cim", ACCEPTANCE_COMMUNITY},
    {"etc/config", ACCEPTANCE_COMMUNITY},
    {"etc/init.d", ACCEPTANCE_COMMUNITY},
    {"etc/rc.local.d", ACCEPTANCE_PARTNER},
    {"etc/shutdown.d", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/backup.conf", ACCEPTANCE_PARTNER},
    {"etc/vmware/default.map.d", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/driver.map.d", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/fallback.map.d", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/firewall", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/ihv.map.d", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/oem.map.d", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/oem.xml", ACCEPTANCE_PARTNER},
    {"etc/vmware/pciid", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/service", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/shutdown/shutdown.d", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/support", ACCEPTANCE_PARTNER},
    {"etc/vmware/vm-support", ACCEPTANCE_COMMUNITY},
    {"etc/vmware/vmware.lic", ACCEPTANCE_PARTNER},
    {"hostd/docroot/client/customLinks.xml", ACCEPTANCE_PARTNER},
    {"opt", ACCEPTANCE_COMMUNITY},
    {"usr/lib/cim", ACCEPTANCE_COMMUNITY},
    {"usr/lib/hostprofiles/locale", ACCEPTANCE_COMMUNITY},
    {"usr/lib/hostprofiles/plugins", ACCEPTANCE_COMMUNITY},
    {"usr/lib/pycim", ACCEPTANCE_COMMUNITY},
    {"usr/lib/vmware", ACCEPTANCE_COMMUNITY},
    {"usr/lib/vmware-debug", ACCEPTANCE_COMMUNITY},
    {"usr/lib64/vmware", ACCEPTANCE_COMMUNITY},
    {"usr/libexec/jumpstart/plugins", ACCEPTANCE_COMMUNITY},
    {"usr/share/hwdata/default.pciids.d", ACCEPTANCE_COMMUNITY},
    {"usr/share/hwdata/driver.pciids.d", ACCEPTANCE_COMMUNITY},
    {"usr/share/hwdata/fallback.pciids.d", ACCEPTANCE_COMMUNITY},
    {"usr/share/hwdata/ihv.pciids.d", ACCEPTANCE_COMMUNITY},
    {"usr/share/hwdata/oem.pciids.d", ACCEPTANCE_COMMUNITY},
    {"var/lib/sfcb/registration", ACCEPTANCE_COMMUNITY},
};

gboolean
path_rules_allow(const char *path, enum acceptance level)
{
    if (level >= ACCEPTANCE_ACCEPTED)
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        gsize length = strlen(places[i].place);
        if (strncmp(path, places[i].place, length) == 0 &&
            (path[length] == '\0' || path[length] == '/') && level >= places[i].lowest)
            return TRUE;
    }
    return FALSE;
}
