/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/image_layout.h"

#include "esx/module_names.h"

#include <string.h>

enum place { PLACE_MODULE, PLACE_OWN_NAME, PLACE_NONE };

/* One row per type of payload. */
static const struct {
    const char *type;
    enum place place;
    const char *directory;
} types[] = {
    {"boot", PLACE_MODULE, "/"},
    {"vgz", PLACE_MODULE, "/"},
    {"tgz", PLACE_MODULE, "/"},
    {"installer_vgz", PLACE_MODULE, "/"},
    {"insvgz", PLACE_MODULE, "/"},
    {"boot_com32_bios", PLACE_OWN_NAME, "/"},
    {"boot_iso_bios", PLACE_OWN_NAME, "/"},
    {"eltorito_image_efi", PLACE_OWN_NAME, "/"},
    {"text", PLACE_OWN_NAME, "/"},
    {"boot_loader_efi", PLACE_OWN_NAME, "/EFI/BOOT/"},
    {"upgrade", PLACE_OWN_NAME, "/UPGRADE/"},
    {"boot_pxe_bios", PLACE_NONE, NULL},
};

char *
image_layout_path(const struct payload *payload, const char *local)
{
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(types[i].type, payload->type) != 0)
            continue;
        if (types[i].place == PLACE_NONE)
            return NULL;
        g_autofree char *own = g_ascii_strdown(payload->name, -1);
        /* A name of its own that the medium cannot hold (fatBootSector) gives way to the 8.3 one.
         */
        gboolean use_own = types[i].place == PLACE_OWN_NAME && module_name_valid(own);
        g_autofree char *upper = g_ascii_strup(use_own ? own : local, -1);
        return g_strconcat(types[i].directory, upper, NULL);
    }
    return NULL;
}

gboolean
image_layout_knows(const struct payload *payload)
{
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        if (strcmp(types[i].type, payload->type) == 0)
            return TRUE;
    return FALSE;
}

gboolean
image_layout_is_boot_image(const struct payload *payload)
{
    return strcmp(payload->type, "boot_iso_bios") == 0 ||
           strcmp(payload->type, "eltorito_image_efi") == 0;
}
