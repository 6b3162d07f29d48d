/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/metadata_write.h"

#include "base/zip_writer.h"
#include "esx/depot_index.h"
#include "esx/depot_path.h"

#include <string.h>

static gboolean
add_text(struct zip_writer *zip, const char *name, const char *text, GError **error)
{
    return zip_writer_add(zip, name, text, strlen(text), error);
}

static gboolean
add_bytes(struct zip_writer *zip, const char *name, GBytes *bytes, GError **error)
{
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    return zip_writer_add(zip, name, data, length, error);
}

static gboolean
add_head(struct zip_writer *zip, const struct metadata_write *metadata, GError **error)
{
    g_autofree char *index = vendor_index_format(metadata->versions);
    g_autofree char *legacy = metadata_format_legacy(metadata);
    return add_text(zip, "vendor-index.xml", index, error) &&
           add_text(zip, "vmware.xml", legacy, error);
}

static gboolean
add_vibs(struct zip_writer *zip, const GArray *vibs, GError **error)
{
    for (guint i = 0; i < vibs->len; i++) {
        const struct metadata_vib *entry = &g_array_index(vibs, struct metadata_vib, i);
        g_autofree char *path = depot_path_descriptor(entry->vib);
        g_autoptr(GBytes) bytes =
            descriptor_splice(entry->descriptor, &entry->facts, entry->vib->id, error);
        if (bytes == NULL || !add_bytes(zip, path, bytes, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
add_bulletins(struct zip_writer *zip, const GPtrArray *bulletins, GError **error)
{
    for (guint i = 0; i < bulletins->len; i++) {
        g_autofree char *path = depot_path_bulletin(bulletins->pdata[i]);
        g_autoptr(GBytes) bytes = bulletin_format(bulletins->pdata[i]);
        if (!add_bytes(zip, path, bytes, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
add_profiles(struct zip_writer *zip, const GPtrArray *profiles, GError **error)
{
    for (guint i = 0; i < profiles->len; i++) {
        g_autofree char *path = depot_path_profile(profiles->pdata[i]);
        g_autoptr(GBytes) bytes = profile_format(profiles->pdata[i], FALSE);
        if (!add_bytes(zip, path, bytes, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
add_extra(struct zip_writer *zip, GHashTable *extra, GError **error)
{
    if (extra == NULL)
        return TRUE;
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(extra), (GCompareFunc)strcmp);
    for (GList *name = names; name != NULL; name = name->next)
        if (!add_bytes(zip, name->data, g_hash_table_lookup(extra, name->data), error))
            return FALSE;
    return TRUE;
}

GBytes *
metadata_write(const struct metadata_write *metadata, GError **error)
{
    auto_ptr(zip_writer) zip = zip_writer_new_memory("metadata.zip");
    if (!add_head(zip, metadata, error) || !add_vibs(zip, metadata->vibs, error) ||
        !add_bulletins(zip, metadata->bulletins, error) ||
        !add_profiles(zip, metadata->profiles, error) || !add_extra(zip, metadata->extra, error))
        return NULL;
    return zip_writer_finish_bytes(zip, error);
}
