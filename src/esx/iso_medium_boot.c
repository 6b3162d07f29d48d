/* SPDX-License-Identifier: GPL-3.0-or-later */
/* El Torito: what the ISO boots on. */
#include "esx/iso_medium_private.h"

#include "base/error.h"

#include <string.h>

#define BOOT_CATALOG "/BOOT.CAT"
#define BIOS_SECTORS 4    /* El Torito 1.0: what isolinux.bin expects to be loaded */
#define EFI_PLATFORM 0xEF /* UEFI 2.10, 13.3.2.1 */
#define BOOT_IMAGE_MAX (64u << 20)

/* Sectors of 512 bytes of the whole image, for the boot catalog's 16-bit field. */
static short
load_sectors(IsoNode *node)
{
    guint64 sectors = ((guint64)iso_file_get_size((IsoFile *)node) + 511) / 512;
    return (short)(guint16)MIN(sectors, 65535);
}

/* The first image makes the catalog, the others are added to it. */
static ElToritoBootImage *
add_boot_image(struct iso_medium *medium, const char *path, gboolean first, GError **error)
{
    ElToritoBootImage *image = NULL;
    g_autofree char *upper = g_ascii_strup(path, -1);
    int result =
        first
            ? iso_image_set_boot_image(medium->image, upper, ELTORITO_NO_EMUL, BOOT_CATALOG, &image)
            : iso_image_add_boot_image(medium->image, upper, ELTORITO_NO_EMUL, 0, &image);
    if (result < 0) {
        iso_medium_fail(result, path, error);
        return NULL;
    }
    IsoNode *catalog = iso_medium_find(medium, BOOT_CATALOG);
    if (catalog != NULL)
        iso_medium_stamp(medium, catalog);
    return image;
}

gboolean
iso_medium_set_boot(struct iso_medium *medium, const char *bios, const char *efi, GError **error)
{
    if (bios != NULL) {
        ElToritoBootImage *image = add_boot_image(medium, bios, TRUE, error);
        if (image == NULL)
            return FALSE;
        el_torito_set_load_size(image, BIOS_SECTORS);
        el_torito_set_isolinux_options(image, 1, 0); /* fill in the boot information table */
    }
    if (efi != NULL) {
        ElToritoBootImage *image = add_boot_image(medium, efi, bios == NULL, error);
        if (image == NULL)
            return FALSE;
        el_torito_set_boot_platform_id(image, EFI_PLATFORM);
        el_torito_set_load_size(image, load_sectors(iso_medium_find(medium, efi)));
    }
    return TRUE;
}

/* The boot images in the order of the catalog: path, platform, content. */
struct boot_entry {
    char *path;
    int platform;
    GBytes *bytes;
};

static void
clear_boot_entry(gpointer data)
{
    struct boot_entry *entry = data;
    g_free(entry->path);
    g_clear_pointer(&entry->bytes, g_bytes_unref);
}

static gboolean
collect_boot(struct iso_medium *medium, GArray *entries)
{
    int count = 0;
    ElToritoBootImage **images = NULL;
    IsoFile **nodes = NULL;
    if (iso_image_get_all_boot_imgs(medium->image, &count, &images, &nodes, 0) != 1)
        return FALSE;
    for (int i = 0; i < count; i++) {
        struct boot_entry entry = {.platform = el_torito_get_boot_platform_id(images[i])};
        char *path = nodes[i] != NULL ? iso_tree_get_node_path((IsoNode *)nodes[i]) : NULL;
        entry.path = g_strdup(path != NULL ? path : "");
        free(path);
        g_array_append_val(entries, entry);
    }
    free(images);
    free(nodes);
    return count > 0;
}

static gboolean
boots_on(struct iso_medium *medium, gboolean efi)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, TRUE, sizeof(struct boot_entry));
    g_array_set_clear_func(entries, clear_boot_entry);
    collect_boot(medium, entries);
    for (guint i = 0; i < entries->len; i++)
        if ((g_array_index(entries, struct boot_entry, i).platform == EFI_PLATFORM) == efi)
            return TRUE;
    return FALSE;
}

gboolean
iso_medium_boots_bios(struct iso_medium *medium)
{
    return boots_on(medium, FALSE);
}

gboolean
iso_medium_boots_efi(struct iso_medium *medium)
{
    return boots_on(medium, TRUE);
}

/* The content of every boot image, the one at `path` with its new bytes. */
static gboolean
load_boot(struct iso_medium *medium, GArray *entries, const char *path, GBytes *bytes,
          GError **error)
{
    gboolean found = FALSE;
    for (guint i = 0; i < entries->len; i++) {
        struct boot_entry *entry = &g_array_index(entries, struct boot_entry, i);
        gboolean this = g_ascii_strcasecmp(entry->path, path) == 0;
        found = found || this;
        entry->bytes =
            this ? g_bytes_ref(bytes) : iso_medium_read(medium, entry->path, BOOT_IMAGE_MAX, error);
        if (entry->bytes == NULL)
            return FALSE;
    }
    return found ||
           error_set(error, SLIPWAY_ERROR_NOT_FOUND, "ISO image: %s is no boot image", path);
}

gboolean
iso_medium_replace_boot(struct iso_medium *medium, const char *path, GBytes *bytes, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, TRUE, sizeof(struct boot_entry));
    g_array_set_clear_func(entries, clear_boot_entry);
    collect_boot(medium, entries);
    if (!load_boot(medium, entries, path, bytes, error))
        return FALSE;
    iso_image_remove_boot_image(medium->image);
    const char *bios = NULL, *efi = NULL;
    for (guint i = 0; i < entries->len; i++) {
        struct boot_entry *entry = &g_array_index(entries, struct boot_entry, i);
        if (!iso_medium_put_bytes(medium, entry->path, entry->bytes, error))
            return FALSE;
        *(entry->platform == EFI_PLATFORM ? &efi : &bios) = entry->path;
    }
    return iso_medium_set_boot(medium, bios, efi, error);
}
