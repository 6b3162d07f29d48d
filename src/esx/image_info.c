/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What `image show` says of an installation ISO. */
#include "base/error.h"
#include "esx/boot_cfg.h"
#include "esx/image_customize.h"
#include "esx/image_layout.h"

#include <string.h>

/* Files that no VIB brings but every ISO has. */
static const char *const made_files[] = {
    IMAGE_BOOT_CFG, IMAGE_EFI_BOOT_CFG,    IMAGE_ISOLINUX_CFG,     IMAGE_IMGDB,
    IMAGE_IMGPAYLD, IMAGE_UPGRADE_PROFILE, IMAGE_UPGRADE_METADATA, IMAGE_KICKSTART,
    IMAGE_BASEMISC, IMAGE_RESVIBS,         IMAGE_ESXIODPT,         "/BOOT.CAT",
};

void
image_info_free(struct image_info *info)
{
    if (info == NULL)
        return;
    char *texts[] = {info->volume_id, info->kernelopt, info->kernel, info->title, info->build};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    imgdb_free(info->db);
    g_clear_pointer(&info->modules, g_ptr_array_unref);
    g_clear_pointer(&info->unknown, g_ptr_array_unref);
    g_free(info);
}

/* Upper-case paths that something explains. */
static GHashTable *
known_paths(const struct imgdb *db)
{
    GHashTable *known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(made_files); i++)
        g_hash_table_add(known, g_strdup(made_files[i]));
    for (guint i = 0; i < db->profile->vibs->len; i++) {
        const struct profile_vib *entry = db->profile->vibs->pdata[i];
        const struct imgdb_vib *vib = imgdb_find(db, entry->id);
        for (guint j = 0; vib != NULL && j < entry->locals->len; j++) {
            const struct profile_local_name *local =
                &g_array_index(entry->locals, struct profile_local_name, j);
            const struct payload *payload = vib_payload(vib->vib, local->payload);
            char *path = payload != NULL ? image_layout_path(payload, local->local) : NULL;
            if (path != NULL)
                g_hash_table_add(known, path);
        }
    }
    return known;
}

static void
find_unknown(struct image_info *info, struct iso_medium *medium)
{
    g_autoptr(GHashTable) known = known_paths(info->db);
    g_autoptr(GPtrArray) files = iso_medium_files(medium);
    info->unknown = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < files->len; i++) {
        const struct iso_medium_file *file = files->pdata[i];
        g_autofree char *upper = g_ascii_strup(file->path, -1);
        if (!g_hash_table_contains(known, upper))
            g_ptr_array_add(info->unknown, g_strdup(file->path));
    }
}

static gboolean
read_boot_cfg(struct image_info *info, struct iso_medium *medium, GError **error)
{
    g_autoptr(GBytes) bytes = iso_medium_read(medium, IMAGE_BOOT_CFG, BOOT_CFG_MAX, error);
    if (bytes == NULL)
        return FALSE;
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    auto_ptr(boot_cfg) cfg = boot_cfg_parse(data, length, IMAGE_BOOT_CFG, error);
    if (cfg == NULL)
        return FALSE;
    info->kernel = g_strdup(boot_cfg_get(cfg, "kernel"));
    info->kernelopt = g_strdup(boot_cfg_get(cfg, "kernelopt"));
    info->title = g_strdup(boot_cfg_get(cfg, "title"));
    info->build = g_strdup(boot_cfg_get(cfg, "build"));
    info->modules = boot_cfg_modules(cfg);
    return TRUE;
}

struct image_info *
image_info_read(const char *path, GError **error)
{
    auto_ptr(iso_medium) medium = iso_medium_open(path, error);
    if (medium == NULL)
        return NULL;
    if (!iso_medium_has(medium, IMAGE_IMGDB) || !iso_medium_has(medium, IMAGE_BOOT_CFG))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s is no installation ISO of ESXi 5.0 or later: it has no imgdb.tgz and "
                          "boot.cfg",
                          path);
    auto_ptr(image_info) info = g_new0(struct image_info, 1);
    g_autoptr(GBytes) bytes = iso_medium_read(medium, IMAGE_IMGDB, IMGDB_MAX, error);
    g_autofree char *label = g_strdup_printf("imgdb.tgz on %s", path);
    info->db = bytes != NULL ? imgdb_parse(bytes, label, error) : NULL;
    if (info->db == NULL || !read_boot_cfg(info, medium, error))
        return NULL;
    info->volume_id = g_strdup(iso_medium_volume_id(medium));
    info->boots_bios = iso_medium_boots_bios(medium);
    info->boots_efi = iso_medium_boots_efi(medium);
    find_unknown(info, medium);
    return g_steal_pointer(&info);
}
