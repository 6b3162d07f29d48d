/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which files of the ISO change, and how.  Format: doc/format/iso.md. */
#include "base/error.h"
#include "esx/boot_cfg_edit.h"
#include "esx/customize_private.h"
#include "esx/image_layout.h"
#include "esx/image_upgrade.h"
#include "esx/image_vibs.h"
#include "esx/imgpayld.h"
#include "esx/isolinux_cfg.h"
#include "esx/payload_stream.h"

#include <string.h>

#define KICKSTART_MAX (1u << 20)
#define METADATA_MAX (256u << 20)

static struct export_vib *
find_added(struct customize *self, const char *id, guint *ret_index)
{
    for (guint i = 0; i < self->prepared->files->len; i++) {
        struct export_vib *file = self->prepared->files->pdata[i];
        if (strcmp(file->vib->id, id) == 0) {
            if (ret_index != NULL)
                *ret_index = i;
            return file;
        }
    }
    return NULL;
}

static const char *
local_of(const struct profile *profile, const char *vib_id, const char *payload)
{
    const struct profile_vib *entry = profile_find_vib(profile, vib_id);
    return entry != NULL ? image_vib_local(entry, payload) : NULL;
}

static gboolean
is_left_out(const struct customize *self, const struct payload *payload)
{
    return self->options->common.no_installer && payload_is_installer(payload);
}

/* The installer's payloads of VIBs that stay, by their paths and names. */
static void
list_installer(struct customize *self, GPtrArray *paths, GPtrArray *names)
{
    for (guint i = 0; i < self->vibs->len; i++) {
        const struct vib *vib = self->vibs->pdata[i];
        for (guint j = 0; j < vib->payloads->len; j++) {
            const struct payload *payload = vib->payloads->pdata[j];
            const char *local = local_of(self->profile, vib->id, payload->name);
            char *path = local != NULL && is_left_out(self, payload)
                             ? image_layout_path(payload, local)
                             : NULL;
            if (path == NULL)
                continue;
            g_ptr_array_add(paths, path);
            g_ptr_array_add(names, (gpointer)local);
        }
    }
}

static gboolean
remove_installer(struct customize *self, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    list_installer(self, paths, names);
    for (guint i = 0; i < paths->len; i++)
        if (iso_medium_has(self->medium, paths->pdata[i]) &&
            !iso_medium_remove(self->medium, paths->pdata[i], error))
            return FALSE;
    return TRUE;
}

static gboolean
remove_payloads(struct customize *self, const struct vib *vib, GError **error)
{
    for (guint i = 0; i < vib->payloads->len; i++) {
        const struct payload *payload = vib->payloads->pdata[i];
        const char *local = local_of(self->old, vib->id, payload->name);
        g_autofree char *path = local != NULL ? image_layout_path(payload, local) : NULL;
        if (path != NULL && !image_layout_is_boot_image(payload) &&
            iso_medium_has(self->medium, path) && !iso_medium_remove(self->medium, path, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
put_boot_image(struct customize *self, const struct export_vib *file, const struct payload *payload,
               const char *path, GError **error)
{
    if (!iso_medium_has(self->medium, path))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s brings a boot image %s, which the ISO does not have; build the image "
                         "from a depot instead",
                         file->vib->id, path);
    auto_ptr(stream) stream = payload_stream_open(file->package, payload->name, error);
    g_autoptr(GBytes) bytes =
        stream != NULL ? stream_read_all(stream, (gsize)payload->size + 1, error) : NULL;
    return bytes != NULL && iso_medium_replace_boot(self->medium, path, bytes, error);
}

static gboolean
put_payload(struct customize *self, guint index, const struct payload *payload, GError **error)
{
    const struct export_vib *file = self->prepared->files->pdata[index];
    const char *local = local_of(self->profile, file->vib->id, payload->name);
    g_autofree char *path = local != NULL ? image_layout_path(payload, local) : NULL;
    if (path == NULL || is_left_out(self, payload))
        return TRUE;
    if (image_layout_is_boot_image(payload))
        return put_boot_image(self, file, payload, path, error);
    if (iso_medium_has(self->medium, path))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: payload %s wants to be %s on the ISO, which is there already",
                         file->vib->id, payload->name, path);
    return iso_medium_put_content(self->medium, path, payload->size,
                                  vib_feed_content(self->feed, index, payload), error);
}

static gboolean
change_payloads(struct customize *self, GError **error)
{
    for (guint i = 0; i < self->removed->len; i++) {
        const struct vib *vib = customize_input_vib(self->input, self->removed->pdata[i]);
        if (!remove_payloads(self, vib, error))
            return FALSE;
    }
    for (guint i = 0; i < self->prepared->files->len; i++) {
        const struct vib *vib = ((struct export_vib *)self->prepared->files->pdata[i])->vib;
        for (guint j = 0; j < vib->payloads->len; j++)
            if (!put_payload(self, i, vib->payloads->pdata[j], error))
                return FALSE;
    }
    return remove_installer(self, error);
}

/* 8.3 names that are not loaded any more. */
static GPtrArray *
names_gone(struct customize *self)
{
    GPtrArray *gone = g_ptr_array_new();
    for (guint i = 0; i < self->removed->len; i++) {
        const struct profile_vib *entry = profile_find_vib(self->old, self->removed->pdata[i]);
        for (guint j = 0; j < entry->locals->len; j++)
            g_ptr_array_add(gone, g_array_index(entry->locals, struct profile_local_name, j).local);
    }
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    list_installer(self, paths, gone);
    return gone;
}

static gboolean
rewrite_boot_cfg(struct customize *self, const char *path, GPtrArray *names, GPtrArray *gone,
                 const char *const *more_options, GError **error)
{
    if (!iso_medium_has(self->medium, path))
        return TRUE;
    g_autoptr(GBytes) old = iso_medium_read(self->medium, path, BOOT_CFG_MAX, error);
    if (old == NULL)
        return FALSE;
    gsize length;
    const void *data = g_bytes_get_data(old, &length);
    auto_ptr(boot_cfg) cfg = boot_cfg_parse(data, length, path, error);
    if (cfg == NULL)
        return FALSE;
    boot_cfg_update_modules(cfg, names, gone);
    const char *build = boot_cfg_get(cfg, "build");
    if (build != NULL && *build != '\0' && self->generation->build_line)
        boot_cfg_set(cfg, "build", self->version);
    if (self->options->common.no_installer)
        boot_cfg_drop_installer(cfg);
    if (more_options[0] != NULL)
        boot_cfg_add_options(cfg, more_options);
    g_autoptr(GBytes) text = boot_cfg_format(cfg);
    return g_bytes_equal(text, old) || iso_medium_put_bytes(self->medium, path, text, error);
}

static gboolean
put_kickstart(struct customize *self, GPtrArray *options, GError **error)
{
    const char *path = self->options->common.kickstart;
    if (path == NULL)
        return TRUE;
    auto_ptr(stream) stream = stream_new_file(path, error);
    g_autoptr(GBytes) bytes = stream != NULL ? stream_read_all(stream, KICKSTART_MAX, error) : NULL;
    g_ptr_array_add(options, (gpointer) "ks=cdrom:" IMAGE_KICKSTART);
    return bytes != NULL && iso_medium_put_bytes(self->medium, IMAGE_KICKSTART, bytes, error);
}

static gboolean
change_boot(struct customize *self, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < self->modules->len; i++)
        g_ptr_array_add(names, (gpointer)g_array_index(self->modules, struct boot_module, i).name);
    g_autoptr(GPtrArray) gone = names_gone(self);
    g_autoptr(GPtrArray) options = g_ptr_array_new();
    const char *const *wanted = self->options->common.kernel_options;
    for (; wanted != NULL && *wanted != NULL; wanted++)
        g_ptr_array_add(options, (gpointer)*wanted);
    if (!put_kickstart(self, options, error))
        return FALSE;
    g_ptr_array_add(options, NULL);
    const char *const *more = (const char *const *)options->pdata;
    return rewrite_boot_cfg(self, IMAGE_BOOT_CFG, names, gone, more, error) &&
           rewrite_boot_cfg(self, IMAGE_EFI_BOOT_CFG, names, gone, more, error);
}

static gboolean
change_menu(struct customize *self, GError **error)
{
    if (!iso_medium_has(self->medium, IMAGE_ISOLINUX_CFG))
        return TRUE;
    g_autoptr(GBytes) old = iso_medium_read(self->medium, IMAGE_ISOLINUX_CFG, BOOT_CFG_MAX, error);
    if (old == NULL)
        return FALSE;
    g_autoptr(GBytes) text = isolinux_cfg_retitle(old, self->old->name, self->profile->name);
    return g_bytes_equal(text, old) ||
           iso_medium_put_bytes(self->medium, IMAGE_ISOLINUX_CFG, text, error);
}

/* Bulletins whose VIBs are not all in the image any more would be untrue.  Those that name VIBs
 * which were not in it before either (the DPU's, in the component of the base image) stay. */
static gboolean
loses_vib(const struct customize *self, const struct bulletin *bulletin)
{
    for (guint i = 0; i < bulletin->vib_ids->len; i++)
        if (g_ptr_array_find_with_equal_func(self->removed, bulletin->vib_ids->pdata[i],
                                             g_str_equal, NULL))
            return TRUE;
    return FALSE;
}

static void
drop_bulletins(struct customize *self)
{
    for (guint i = self->db->extra_names->len; i-- > 0;) {
        const char *name = self->db->extra_names->pdata[i];
        if (strstr(name, "/bulletins/") == NULL || !g_str_has_suffix(name, ".xml"))
            continue;
        gsize length;
        const void *data = g_bytes_get_data(self->db->extra_data->pdata[i], &length);
        auto_ptr(bulletin) bulletin = bulletin_parse(data, length, name, NULL);
        if (bulletin == NULL || !loses_vib(self, bulletin))
            continue;
        progress_info(self->progress, "component %s is no longer complete and is left out",
                      bulletin->id);
        g_ptr_array_remove_index(self->db->extra_names, i);
        g_ptr_array_remove_index(self->db->extra_data, i);
    }
}

static gboolean
put_database(struct customize *self, GError **error)
{
    drop_bulletins(self);
    profile_free(self->db->profile);
    self->db->profile = profile_copy(self->profile);
    g_autoptr(GBytes) bytes = imgdb_format(self->db, error);
    return bytes != NULL && iso_medium_put_bytes(self->medium, IMAGE_IMGDB, bytes, error);
}

/* imgpayld.tgz changes only with the boot payloads. */

struct imgpayld_source {
    const struct package *package; /* a new one; NULL: from the ISO */
    const char *payload;
    struct iso_medium *medium;
    char *path;
};

static struct stream *
open_imgpayld(void *user_data, GError **error)
{
    const struct imgpayld_source *source = user_data;
    if (source->package != NULL)
        return payload_stream_open(source->package, source->payload, error);
    return iso_medium_stream(source->medium, source->path, error);
}

static void
clear_imgpayld(gpointer data)
{
    struct imgpayld_file *file = data;
    struct imgpayld_source *source = file->user_data;
    g_free(source->path);
    g_free(source);
    g_free(file->name);
}

static gboolean
has_boot_payload(const struct vib *vib)
{
    for (guint i = 0; i < vib->payloads->len; i++)
        if (strcmp(((struct payload *)vib->payloads->pdata[i])->type, "boot") == 0)
            return TRUE;
    return FALSE;
}

static gboolean
boot_payloads_change(struct customize *self)
{
    for (guint i = 0; i < self->removed->len; i++)
        if (has_boot_payload(customize_input_vib(self->input, self->removed->pdata[i])))
            return TRUE;
    for (guint i = 0; i < self->prepared->vibs->len; i++)
        if (has_boot_payload(self->prepared->vibs->pdata[i]))
            return TRUE;
    return FALSE;
}

static gboolean
change_imgpayld(struct customize *self, GError **error)
{
    if (!boot_payloads_change(self))
        return TRUE;
    self->imgpayld = g_array_new(FALSE, TRUE, sizeof(struct imgpayld_file));
    g_array_set_clear_func(self->imgpayld, clear_imgpayld);
    for (guint i = 0; i < self->modules->len; i++) {
        const struct boot_module *module = &g_array_index(self->modules, struct boot_module, i);
        if (strcmp(module->payload->type, "boot") != 0)
            continue;
        const struct export_vib *added = find_added(self, module->vib->id, NULL);
        struct imgpayld_source *source = g_new0(struct imgpayld_source, 1);
        source->package = added != NULL ? added->package : NULL;
        source->payload = module->payload->name;
        source->medium = customize_input_medium(self->input);
        source->path = image_layout_path(module->payload, module->name);
        struct imgpayld_file file = {.name = g_strdup(module->name),
                                     .size = module->payload->size,
                                     .open = open_imgpayld,
                                     .user_data = source};
        g_array_append_val(self->imgpayld, file);
    }
    guint64 size = 0;
    return imgpayld_size(self->imgpayld, &size, error) &&
           iso_medium_put_content(self->medium, IMAGE_IMGPAYLD, size,
                                  imgpayld_content_new(self->imgpayld), error);
}

/* UPGRADE/. */

static void
add_upgrade_vib(struct customize *self, const struct imgdb_vib *entry,
                const struct upgrade_metadata *old, GArray *list)
{
    struct upgrade_vib vib = {.vib = entry->vib, .descriptor = entry->descriptor};
    const struct export_vib *added = find_added(self, entry->vib->id, NULL);
    const struct vib *known = g_hash_table_lookup(old->vibs, entry->vib->id);
    if (added != NULL) {
        vib.size = added->size;
        vib.sha256 = added->sha256;
    } else if (known != NULL) {
        vib.size = known->packed_size;
        vib.sha256 = vib_file_sha256(known);
    }
    g_array_append_val(list, vib);
}

static gboolean
put_upgrade_metadata(struct customize *self, GError **error)
{
    g_autoptr(GBytes) bytes =
        iso_medium_read(self->medium, IMAGE_UPGRADE_METADATA, METADATA_MAX, error);
    auto_ptr(upgrade_metadata) old =
        bytes != NULL ? upgrade_metadata_parse(bytes, IMAGE_UPGRADE_METADATA, error) : NULL;
    if (old == NULL)
        return FALSE;
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(struct upgrade_vib));
    for (guint i = 0; i < self->db->vibs->len; i++)
        add_upgrade_vib(self, self->db->vibs->pdata[i], old, list);
    g_autoptr(GPtrArray) bulletins = g_ptr_array_new();
    for (guint i = 0; i < old->bulletins->len; i++)
        if (!loses_vib(self, old->bulletins->pdata[i]))
            g_ptr_array_add(bulletins, old->bulletins->pdata[i]);
    g_autoptr(GBytes) zip =
        image_upgrade_metadata(self->profile, list, bulletins, old->extra, self->version, error);
    return zip != NULL && iso_medium_put_bytes(self->medium, IMAGE_UPGRADE_METADATA, zip, error);
}

static gboolean
change_upgrade(struct customize *self, GError **error)
{
    if (iso_medium_has(self->medium, IMAGE_UPGRADE_PROFILE)) {
        g_autoptr(GBytes) xml = profile_format(self->profile, FALSE);
        if (!iso_medium_put_bytes(self->medium, IMAGE_UPGRADE_PROFILE, xml, error))
            return FALSE;
    }
    return !iso_medium_has(self->medium, IMAGE_UPGRADE_METADATA) ||
           put_upgrade_metadata(self, error);
}

gboolean
customize_medium_change(struct customize *self, GError **error)
{
    return change_payloads(self, error) && change_imgpayld(self, error) &&
           change_boot(self, error) && change_menu(self, error) && put_database(self, error) &&
           change_upgrade(self, error);
}
