/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image profile as an installation ISO, written in one pass.  Format: doc/format/iso.md. */
#include "base/durable_file.h"
#include "base/error.h"
#include "esx/base_iso.h"
#include "esx/boot_cfg.h"
#include "esx/boot_order.h"
#include "esx/export_prepare.h"
#include "esx/image_layout.h"
#include "esx/image_upgrade.h"
#include "esx/image_vibs.h"
#include "esx/imgdb.h"
#include "esx/imgpayld.h"
#include "esx/iso_medium.h"
#include "esx/isolinux_cfg.h"
#include "esx/module_names.h"
#include "esx/payload_check.h"
#include "esx/payload_stream.h"
#include "esx/tgz.h"
#include "esx/vib_feed.h"
#include "esx/vib_file.h"
#include "esx/word_list.h"

#include <string.h>
#include <unistd.h>

#define FILE_MODE 0644
#define BOOT_IMAGE_MAX (64u << 20)    /* isolinux.bin, efiboot.img */
#define KEPT_PAYLOADS_MAX (16u << 20) /* boot payloads kept in memory for imgpayld.tgz */
#define KICKSTART_MAX (1u << 20)

struct export_iso {
    const struct image_export *export;
    struct export_prepared *prepared;
    const struct profile *whole; /* as it was asked for */
    struct profile *profile;     /* a copy without VIBs of other platforms, with 8.3 names */
    const struct generation *generation;
    const char *version;     /* of ESXi */
    GPtrArray *files;        /* of struct export_vib *, borrowed: those for this platform, by id */
    GPtrArray *vibs;         /* of struct vib *, the same ones */
    GPtrArray *bulletins;    /* of struct bulletin *, borrowed */
    GArray *modules;         /* of struct boot_module */
    GHashTable *kept;        /* const struct payload * -> GBytes *: read before the writing */
    GArray *imgpayld;        /* of struct imgpayld_file */
    struct iso_medium *base; /* --base-iso; NULL */
    struct iso_medium *medium;
    struct vib_feed *feed;
};

static void
clear_export(struct export_iso *self)
{
    /* The medium's contents refer to the feed: it goes first. */
    iso_medium_free(self->medium);
    vib_feed_free(self->feed);
    iso_medium_free(self->base);
    g_clear_pointer(&self->imgpayld, g_array_unref);
    g_clear_pointer(&self->kept, g_hash_table_unref);
    g_clear_pointer(&self->modules, g_array_unref);
    g_clear_pointer(&self->bulletins, g_ptr_array_unref);
    g_clear_pointer(&self->vibs, g_ptr_array_unref);
    g_clear_pointer(&self->files, g_ptr_array_unref);
    profile_free(self->profile);
    export_prepared_free(self->prepared);
}

static int
compare_files(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct export_vib *const *)a)->vib->id,
                  (*(struct export_vib *const *)b)->vib->id);
}

/* VIBs for another product (the DPU's esxio) are not part of what this platform boots. */
static void
choose_files(struct export_iso *self)
{
    self->files = g_ptr_array_new();
    self->vibs = g_ptr_array_new();
    for (guint i = 0; i < self->prepared->files->len; i++) {
        struct export_vib *file = self->prepared->files->pdata[i];
        if (vib_for_product(file->vib, IMAGE_PRODUCT))
            g_ptr_array_add(self->files, file);
        else
            profile_remove_vib(self->profile, file->vib->id);
    }
    if (self->files->len < self->prepared->files->len)
        progress_warning(self->export->context->progress,
                         "%u VIBs are for another platform than %s and are not on the ISO",
                         self->prepared->files->len - self->files->len, IMAGE_PRODUCT);
    g_ptr_array_sort(self->files, compare_files);
    for (guint i = 0; i < self->files->len; i++)
        g_ptr_array_add(self->vibs, ((struct export_vib *)self->files->pdata[i])->vib);
}

/* Components of the depots whose VIBs are all in the profile, some of them on the ISO: those of the
 * base image from 8.0 on name the DPU's too. */
static gboolean
is_component_of(const struct export_iso *self, const struct bulletin *bulletin)
{
    gboolean complete = bulletin->component_name != NULL, here = FALSE;
    for (guint i = 0; i < bulletin->vib_ids->len && complete; i++) {
        complete = profile_find_vib(self->whole, bulletin->vib_ids->pdata[i]) != NULL;
        here = here || profile_find_vib(self->profile, bulletin->vib_ids->pdata[i]) != NULL;
    }
    return complete && here;
}

static void
choose_bulletins(struct export_iso *self)
{
    self->bulletins = g_ptr_array_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *depots = depot_set_depots(self->export->depots);
    for (guint i = 0; i < depots->len; i++) {
        const struct depot *depot = depots->pdata[i];
        for (guint j = 0; j < depot->bulletins->len; j++) {
            struct bulletin *bulletin = depot->bulletins->pdata[j];
            if (is_component_of(self, bulletin) && g_hash_table_add(seen, bulletin->id))
                g_ptr_array_add(self->bulletins, bulletin);
        }
    }
}

static gboolean
plan(struct export_iso *self, GError **error)
{
    choose_files(self);
    choose_bulletins(self);
    self->generation = generation_of(self->vibs, &self->version, error);
    if (self->generation == NULL ||
        !module_names_assign(self->profile, self->vibs, self->generation, error))
        return FALSE;
    self->modules = boot_order_of(self->profile, self->vibs, !self->export->no_installer, error);
    return self->modules != NULL;
}

/* Small payloads that are needed before or beside the one pass. */

static gboolean
is_kept(const struct payload *payload, gsize *room)
{
    if (image_layout_is_boot_image(payload))
        return payload->size <= BOOT_IMAGE_MAX;
    if (strcmp(payload->type, "boot") != 0 || payload->size > *room)
        return FALSE;
    *room -= (gsize)payload->size;
    return TRUE;
}

static GBytes *
read_payload(struct vib_file *file, const struct payload *payload, GError **error)
{
    g_autofree char *data = g_malloc((gsize)payload->size + 1);
    gsize done = 0;
    while (done < payload->size) {
        gssize got = vib_file_read(file, data + done, (gsize)payload->size - done, error);
        if (got <= 0)
            return NULL;
        done += (gsize)got;
    }
    auto_ptr(payload_check) check =
        payload_check_new(payload, PAYLOAD_CHECK_STORED, vib_file_vib(file)->id);
    payload_check_update(check, data, done);
    if (!payload_check_finish(check, error))
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&data), done);
}

static gboolean
keep_payloads(struct export_iso *self, const struct export_vib *export_vib, gsize *room,
              GError **error)
{
    guint wanted = 0;
    for (guint i = 0; i < export_vib->vib->payloads->len; i++) {
        const struct payload *payload = export_vib->vib->payloads->pdata[i];
        wanted += image_layout_is_boot_image(payload) || strcmp(payload->type, "boot") == 0;
    }
    if (wanted == 0)
        return TRUE;
    struct stream *stream = package_open(export_vib->package, error);
    auto_ptr(vib_file) file = stream != NULL ? vib_file_open(stream, error) : NULL;
    const struct payload *payload = NULL;
    while (file != NULL && wanted > 0) {
        if (!vib_file_next(file, &payload, error) || payload == NULL)
            return FALSE;
        gboolean counts = image_layout_is_boot_image(payload) || strcmp(payload->type, "boot") == 0;
        wanted -= counts;
        if (!counts || !is_kept(payload, room))
            continue;
        GBytes *bytes = read_payload(file, payload, error);
        if (bytes == NULL)
            return FALSE;
        g_hash_table_insert(self->kept, (gpointer)vib_payload(export_vib->vib, payload->name),
                            bytes);
    }
    return file != NULL;
}

static gboolean
keep_all(struct export_iso *self, GError **error)
{
    gsize room = KEPT_PAYLOADS_MAX;
    self->kept = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_bytes_unref);
    for (guint i = 0; i < self->files->len; i++)
        if (!keep_payloads(self, self->files->pdata[i], &room, error))
            return FALSE;
    return TRUE;
}

/* The files of the medium. */

static gboolean
is_left_out(const struct export_iso *self, const struct payload *payload)
{
    return self->export->no_installer && payload_is_installer(payload);
}

static gboolean
put_payload(struct export_iso *self, guint index, const struct payload *payload, GError **error)
{
    const struct export_vib *file = self->files->pdata[index];
    const struct profile_vib *entry = profile_find_vib(self->profile, file->vib->id);
    const char *local = entry != NULL ? image_vib_local(entry, payload->name) : NULL;
    if (local == NULL || is_left_out(self, payload))
        return TRUE;
    g_autofree char *path = image_layout_path(payload, local);
    if (!image_layout_knows(payload))
        progress_warning(self->export->context->progress,
                         "payload %s of %s is of type %s, which is not known: it is not on the ISO",
                         payload->name, file->vib->id, payload->type);
    if (path == NULL)
        return TRUE;
    if (iso_medium_has(self->medium, path))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: payload %s wants to be %s on the ISO, which another payload is "
                         "already; remove one of the VIBs",
                         file->vib->id, payload->name, path);
    GBytes *bytes =
        image_layout_is_boot_image(payload) ? g_hash_table_lookup(self->kept, payload) : NULL;
    if (bytes != NULL)
        return iso_medium_put_bytes(self->medium, path, bytes, error);
    return iso_medium_put_content(self->medium, path, payload->size,
                                  vib_feed_content(self->feed, index, payload), error);
}

static gboolean
put_payloads(struct export_iso *self, GError **error)
{
    for (guint i = 0; i < self->files->len; i++) {
        const struct vib *vib = ((struct export_vib *)self->files->pdata[i])->vib;
        for (guint j = 0; j < vib->payloads->len; j++)
            if (!put_payload(self, i, vib->payloads->pdata[j], error))
                return FALSE;
    }
    return TRUE;
}

static gboolean
put_imgdb(struct export_iso *self, GError **error)
{
    auto_ptr(imgdb) db = imgdb_new(profile_copy(self->profile));
    for (guint i = 0; i < self->files->len; i++) {
        const struct export_vib *file = self->files->pdata[i];
        struct imgdb_vib *entry = g_new0(struct imgdb_vib, 1);
        entry->vib = vib_ref(file->vib);
        entry->descriptor = g_bytes_ref(file->descriptor);
        entry->signature = g_bytes_ref(file->signature);
        g_ptr_array_add(db->vibs, entry);
    }
    for (guint i = 0; i < self->bulletins->len; i++) {
        const struct bulletin *bulletin = self->bulletins->pdata[i];
        g_autofree char *file = g_strconcat(bulletin->id, ".xml", NULL);
        g_strdelimit(file, "/\\", '_');
        g_ptr_array_add(db->extra_names, g_strconcat("var/db/esximg/bulletins/", file, NULL));
        g_ptr_array_add(db->extra_data, bulletin_format(bulletin));
    }
    g_autoptr(GBytes) bytes = imgdb_format(db, error);
    return bytes != NULL && iso_medium_put_bytes(self->medium, IMAGE_IMGDB, bytes, error);
}

struct imgpayld_source {
    const struct package *package;
    const char *payload;
    GBytes *kept; /* NULL: read again */
};

static struct stream *
open_imgpayld(void *user_data, GError **error)
{
    const struct imgpayld_source *source = user_data;
    if (source->kept != NULL)
        return stream_new_bytes(source->kept, source->payload);
    return payload_stream_open(source->package, source->payload, error);
}

static void
clear_imgpayld(gpointer data)
{
    struct imgpayld_file *file = data;
    g_free(file->name);
    g_free(file->user_data);
}

static const struct package *
package_of(const struct export_iso *self, const struct vib *vib)
{
    for (guint i = 0; i < self->files->len; i++) {
        const struct export_vib *file = self->files->pdata[i];
        if (file->vib == vib)
            return file->package;
    }
    g_assert_not_reached();
}

static gboolean
put_imgpayld(struct export_iso *self, GError **error)
{
    self->imgpayld = g_array_new(FALSE, TRUE, sizeof(struct imgpayld_file));
    g_array_set_clear_func(self->imgpayld, clear_imgpayld);
    for (guint i = 0; i < self->modules->len; i++) {
        const struct boot_module *module = &g_array_index(self->modules, struct boot_module, i);
        if (strcmp(module->payload->type, "boot") != 0)
            continue;
        struct imgpayld_source *source = g_new0(struct imgpayld_source, 1);
        source->package = package_of(self, module->vib);
        source->payload = module->payload->name;
        source->kept = g_hash_table_lookup(self->kept, module->payload);
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

static gboolean
put_archive(struct export_iso *self, const char *path, GPtrArray *names, GPtrArray *empty,
            GError **error)
{
    char *name = g_ascii_strdown(path + 1, -1);
    g_ptr_array_add(names, name);
    if (self->base != NULL && iso_medium_has(self->base, path)) {
        struct stream *stream = iso_medium_stream(self->base, path, error);
        return stream != NULL && iso_medium_put_stream(self->medium, path, stream, error);
    }
    g_ptr_array_add(empty, name);
    auto_ptr(tgz) nothing = tgz_new();
    g_autoptr(GBytes) bytes = tgz_format(nothing, error);
    return bytes != NULL && iso_medium_put_bytes(self->medium, path, bytes, error);
}

static void
warn_of_empty(struct export_iso *self, GPtrArray *empty)
{
    if (empty->len == 0)
        return;
    g_autofree char *list = word_list_format(empty, empty->len, "and");
    progress_warning(self->export->context->progress,
                     "what belongs into %s of this release is not documented: %s written empty; "
                     "name a stock ISO of the same release with --base-iso to take %s from there",
                     list, empty->len > 1 ? "they are" : "it is", empty->len > 1 ? "them" : "it");
}

/* What stands behind the VIBs' modules, in this order. */
static gboolean
put_archives(struct export_iso *self, GPtrArray *names, GError **error)
{
    if (self->export->base_iso != NULL) {
        self->base = base_iso_open(self->export->base_iso, self->version,
                                   self->export->context->progress, error);
        if (self->base == NULL)
            return FALSE;
    }
    if (!put_imgdb(self, error))
        return FALSE;
    g_ptr_array_add(names, g_strdup("imgdb.tgz"));
    g_autoptr(GPtrArray) empty = g_ptr_array_new();
    const struct generation *generation = self->generation;
    if (generation->basemisc && (!put_archive(self, IMAGE_BASEMISC, names, empty, error) ||
                                 !put_archive(self, IMAGE_RESVIBS, names, empty, error)))
        return FALSE;
    if (generation->esxiodpt && !put_archive(self, IMAGE_ESXIODPT, names, empty, error))
        return FALSE;
    warn_of_empty(self, empty);
    g_ptr_array_add(names, g_strdup("imgpayld.tgz"));
    return put_imgpayld(self, error);
}

static gboolean
put_upgrade(struct export_iso *self, GError **error)
{
    g_autoptr(GBytes) xml = profile_format(self->profile, FALSE);
    if (!iso_medium_put_bytes(self->medium, IMAGE_UPGRADE_PROFILE, xml, error))
        return FALSE;
    g_autoptr(GArray) vibs = g_array_new(FALSE, TRUE, sizeof(struct upgrade_vib));
    for (guint i = 0; i < self->files->len; i++) {
        const struct export_vib *file = self->files->pdata[i];
        struct upgrade_vib vib = {.vib = file->vib,
                                  .descriptor = file->descriptor,
                                  .size = file->size,
                                  .sha256 = file->sha256};
        g_array_append_val(vibs, vib);
    }
    g_autoptr(GBytes) zip =
        image_upgrade_metadata(self->profile, vibs, self->bulletins, NULL, self->version, error);
    return zip != NULL && iso_medium_put_bytes(self->medium, IMAGE_UPGRADE_METADATA, zip, error);
}

static gboolean
put_kickstart(struct export_iso *self, GString *options, GError **error)
{
    if (self->export->kickstart == NULL)
        return TRUE;
    auto_ptr(stream) stream = stream_new_file(self->export->kickstart, error);
    g_autoptr(GBytes) bytes = stream != NULL ? stream_read_all(stream, KICKSTART_MAX, error) : NULL;
    if (bytes == NULL)
        return FALSE;
    g_string_append(options, " ks=cdrom:" IMAGE_KICKSTART);
    return iso_medium_put_bytes(self->medium, IMAGE_KICKSTART, bytes, error);
}

/* `archives`: names of the modules behind the VIBs' own. */
static gboolean
put_boot_cfg(struct export_iso *self, GPtrArray *archives, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 1; i < self->modules->len; i++)
        g_ptr_array_add(names, (gpointer)g_array_index(self->modules, struct boot_module, i).name);
    for (guint i = 0; i < archives->len; i++)
        g_ptr_array_add(names, archives->pdata[i]);
    const char *kernel = g_array_index(self->modules, struct boot_module, 0).name;
    auto_ptr(boot_cfg) cfg = boot_cfg_for_image(self->generation, self->version, kernel, names,
                                                !self->export->no_installer);
    const char *kernelopt = boot_cfg_get(cfg, "kernelopt");
    g_autoptr(GString) options = g_string_new(kernelopt);
    for (const char *const *o = self->export->kernel_options; o != NULL && *o != NULL; o++)
        g_string_append_printf(options, " %s", *o);
    if (!put_kickstart(self, options, error))
        return FALSE;
    boot_cfg_set(cfg, "kernelopt", g_strchug(options->str));
    g_autoptr(GBytes) text = boot_cfg_format(cfg);
    return iso_medium_put_bytes(self->medium, IMAGE_BOOT_CFG, text, error) &&
           iso_medium_put_bytes(self->medium, IMAGE_EFI_BOOT_CFG, text, error);
}

static gboolean
set_boot(struct export_iso *self, GError **error)
{
    gboolean bios = iso_medium_has(self->medium, IMAGE_ISOLINUX_BIN);
    gboolean efi = iso_medium_has(self->medium, IMAGE_EFIBOOT_IMG);
    if (!bios && !efi)
        return error_set(
            error, SLIPWAY_ERROR_RULES,
            "profile %s has no VIB with isolinux.bin or efiboot.img: it is no complete "
            "image of ESXi, an ISO of it cannot boot",
            self->profile->name);
    return iso_medium_set_boot(self->medium, bios ? IMAGE_ISOLINUX_BIN : NULL,
                               efi ? IMAGE_EFIBOOT_IMG : NULL, error);
}

static gboolean
lay_out(struct export_iso *self, GError **error)
{
    g_autoptr(GPtrArray) archives = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GBytes) menu = isolinux_cfg_format(self->profile->name);
    self->medium = iso_medium_new(self->profile->name, error);
    if (self->medium == NULL)
        return FALSE;
    self->feed = vib_feed_new(self->files, self->export->verified);
    iso_medium_set_time(self->medium, image_vibs_time(self->profile, self->vibs));
    return keep_all(self, error) && put_payloads(self, error) &&
           put_archives(self, archives, error) && put_boot_cfg(self, archives, error) &&
           iso_medium_put_bytes(self->medium, IMAGE_ISOLINUX_CFG, menu, error) &&
           put_upgrade(self, error) && set_boot(self, error);
}

static gboolean
write_out(struct export_iso *self, const char *path, struct image_report *report, GError **error)
{
    auto_ptr(durable_file) file = durable_file_new(path, FILE_MODE, error);
    if (file == NULL)
        return FALSE;
    if (!iso_medium_write(self->medium, durable_file_fd(file), self->export->context->progress,
                          error) ||
        !vib_feed_finish(self->feed, error)) {
        g_prefix_error(error, "%s was not written: ", path);
        return FALSE;
    }
    if (report != NULL) {
        report->bytes = (guint64)lseek(durable_file_fd(file), 0, SEEK_CUR);
        report->modules = self->modules->len;
    }
    return durable_file_commit(g_steal_pointer(&file), error);
}

gboolean
image_export_iso(const struct image_export *export, const struct profile *profile, const char *path,
                 struct image_report *report, GError **error)
{
    if (!export_check_output(export, path, error))
        return FALSE;
    struct export_iso self = {.export = export, .whole = profile, .profile = profile_copy(profile)};
    self.prepared = export_prepare(export, profile, error);
    gboolean ok = self.prepared != NULL && plan(&self, error) && lay_out(&self, error) &&
                  write_out(&self, path, report, error);
    if (ok)
        export_prepared_report(self.prepared, report);
    if (ok && report != NULL)
        report->vibs = self.files->len; /* without those for another product */
    clear_export(&self);
    return ok;
}
