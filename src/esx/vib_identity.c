/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_identity.h"

#include <string.h>

static const char *
find_name(const char *vib_id)
{
    static const enum vib_type types[] = {VIB_BOOTBANK, VIB_LOCKER, VIB_META};
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *infix = g_strdup_printf("_%s_", vib_type_name(types[i]));
        const char *found = strstr(vib_id, infix);
        if (found != NULL)
            return found + strlen(infix);
    }
    return NULL;
}

static struct vib_identity
split_id(const char *vib_id)
{
    const char *name = find_name(vib_id);
    const char *version = name != NULL ? strrchr(name, '_') : NULL;
    if (version == NULL || version == name || version[1] == '\0')
        return (struct vib_identity){g_strdup(vib_id), NULL};
    return (struct vib_identity){g_strndup(name, (gsize)(version - name)), g_strdup(version + 1)};
}

struct vib_identity
vib_identity_of(struct depot_set *depots, const char *vib_id)
{
    const struct package *package = depots != NULL ? depot_set_find(depots, vib_id) : NULL;
    if (package == NULL)
        return split_id(vib_id);
    return (struct vib_identity){g_strdup(package->vib->name), g_strdup(package->vib->version)};
}

void
vib_identity_clear(struct vib_identity *identity)
{
    g_clear_pointer(&identity->name, g_free);
    g_clear_pointer(&identity->version, g_free);
}
