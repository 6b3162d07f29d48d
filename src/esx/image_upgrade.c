/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/image_upgrade.h"

#include "base/zip_reader.h"

#include <string.h>

#define UPGRADE_MEMBER_MAX (64u << 20)

GBytes *
image_upgrade_metadata(const struct profile *profile, GArray *vibs, GPtrArray *bulletins,
                       GHashTable *extra, const char *version, GError **error)
{
    g_autofree char *release = g_strndup(version, strcspn(version, "-"));
    const char *const versions[] = {release, NULL};
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(struct metadata_vib));
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) profiles = g_ptr_array_new();
    g_ptr_array_add(profiles, (gpointer)profile);
    for (guint i = 0; i < vibs->len; i++) {
        const struct upgrade_vib *vib = &g_array_index(vibs, struct upgrade_vib, i);
        char *path = g_strdup_printf("vib20/%s/%s.vib", vib->vib->name, vib->vib->id);
        g_ptr_array_add(paths, path);
        struct metadata_vib entry = {
            .vib = vib->vib,
            .descriptor = vib->descriptor,
            .facts = {.relative_path = path, .size = vib->size, .sha256 = vib->sha256}};
        g_array_append_val(list, entry);
    }
    const char *time = profile->modified != NULL ? profile->modified : profile->created;
    struct metadata_write metadata = {.versions = versions,
                                      .timestamp = time != NULL ? time : "1970-01-01T00:00:00",
                                      .vibs = list,
                                      .bulletins = bulletins,
                                      .profiles = profiles,
                                      .extra = extra};
    return metadata_write(&metadata, error);
}

void
upgrade_metadata_free(struct upgrade_metadata *metadata)
{
    if (metadata == NULL)
        return;
    g_hash_table_unref(metadata->vibs);
    g_ptr_array_unref(metadata->bulletins);
    g_hash_table_unref(metadata->extra);
    g_free(metadata);
}

/* FALSE: it is none, or none that we understand. */
static gboolean
take_vib(struct upgrade_metadata *metadata, const char *name, const void *data, gsize length)
{
    struct vib *vib = g_str_has_prefix(name, "vibs/") ? vib_parse(data, length, name, NULL) : NULL;
    if (vib != NULL)
        g_hash_table_replace(metadata->vibs, vib->id, vib);
    return vib != NULL;
}

/* Likewise; of several with one id the first counts, as their files would have one name. */
static gboolean
take_bulletin(struct upgrade_metadata *metadata, const char *name, const void *data, gsize length)
{
    auto_ptr(bulletin) bulletin =
        g_str_has_prefix(name, "bulletins/") ? bulletin_parse(data, length, name, NULL) : NULL;
    if (bulletin == NULL)
        return FALSE;
    for (guint i = 0; i < metadata->bulletins->len; i++)
        if (strcmp(((struct bulletin *)metadata->bulletins->pdata[i])->id, bulletin->id) == 0)
            return TRUE;
    g_ptr_array_add(metadata->bulletins, g_steal_pointer(&bulletin));
    return TRUE;
}

/* What is not understood is kept as it is: it must not stand in the way of a change elsewhere. */
static void
take_member(struct upgrade_metadata *metadata, const char *name, GBytes *bytes)
{
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    if (!take_vib(metadata, name, data, length) && !take_bulletin(metadata, name, data, length))
        g_hash_table_insert(metadata->extra, g_strdup(name), g_bytes_ref(bytes));
}

/* What metadata_write() makes itself. */
static gboolean
is_made_anew(const char *name)
{
    return strcmp(name, "vendor-index.xml") == 0 || strcmp(name, "vmware.xml") == 0 ||
           g_str_has_prefix(name, "profiles/");
}

struct upgrade_metadata *
upgrade_metadata_parse(GBytes *bytes, const char *label, GError **error)
{
    auto_ptr(zip_reader) zip = zip_reader_new_bytes(bytes, label, error);
    if (zip == NULL)
        return NULL;
    auto_ptr(upgrade_metadata) metadata = g_new0(struct upgrade_metadata, 1);
    metadata->vibs =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)vib_unref);
    metadata->bulletins = g_ptr_array_new_with_free_func((GDestroyNotify)bulletin_free);
    metadata->extra =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    for (gsize i = 0; i < zip_reader_count(zip); i++) {
        const struct zip_member *member = zip_reader_member(zip, i);
        if (is_made_anew(member->name))
            continue;
        g_autoptr(GBytes) data = zip_reader_read(zip, member, UPGRADE_MEMBER_MAX, error);
        if (data == NULL) {
            g_prefix_error(error, "%s: ", label);
            return NULL;
        }
        take_member(metadata, member->name, data);
    }
    return g_steal_pointer(&metadata);
}
