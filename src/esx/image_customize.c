/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ISO in, ISO out.  Format: doc/format/iso.md. */
#include "esx/image_customize.h"

#include "base/durable_file.h"
#include "base/error.h"
#include "esx/boot_cfg.h"
#include "esx/customize_private.h"
#include "esx/image_layout.h"
#include "esx/image_vibs.h"
#include "esx/module_names.h"
#include "esx/profile_edit.h"

#include <string.h>
#include <unistd.h>

#define FILE_MODE 0644
#define SUFFIX "-custom"

static void
clear_customize(struct customize *self)
{
    iso_medium_free(self->medium);
    vib_feed_free(self->feed);
    export_prepared_free(self->prepared);
    g_clear_pointer(&self->imgpayld, g_array_unref);
    g_clear_pointer(&self->modules, g_array_unref);
    g_clear_pointer(&self->vibs, g_ptr_array_unref);
    g_clear_pointer(&self->added, g_ptr_array_unref);
    g_clear_pointer(&self->removed, g_ptr_array_unref);
    g_clear_pointer(&self->problems, g_ptr_array_unref);
    profile_free(self->old);
    profile_free(self->profile);
    customize_input_free(self->input);
}

/* Which packages change. */

static void
say_changes(struct customize *self, GPtrArray *changes)
{
    for (guint i = 0; i < changes->len; i++) {
        const struct profile_change *change = changes->pdata[i];
        if (change->added != NULL && change->replaced != NULL)
            progress_info(self->progress, "%s takes the place of %s%s", change->added,
                          change->replaced, change->downgrade ? " (an older version)" : "");
        else if (change->added != NULL)
            progress_info(self->progress, "%s is added", change->added);
        else
            progress_info(self->progress, "%s is removed", change->replaced);
    }
}

static gboolean
edit_profile(struct customize *self, GError **error)
{
    const struct image_customize *options = self->options;
    const struct profile_edit edit = {.profile = self->profile,
                                      .depots = customize_input_depots(self->input),
                                      .lower_acceptance = options->lower_acceptance,
                                      .force = options->common.force};
    g_autoptr(GPtrArray) changes =
        g_ptr_array_new_with_free_func((GDestroyNotify)profile_change_free);
    if (options->remove != NULL && options->remove[0] != NULL &&
        !profile_edit_remove(&edit, options->remove, changes, NULL, error))
        return FALSE;
    g_autoptr(GPtrArray) packages = customize_input_packages(self->input, options->add, error);
    if (packages == NULL ||
        (packages->len > 0 && !profile_edit_add(&edit, packages, changes, NULL, error)))
        return FALSE;
    say_changes(self, changes);
    return TRUE;
}

static void
replace_text(char **text, const char *with)
{
    if (with == NULL)
        return;
    g_free(*text);
    *text = g_strdup(with);
}

/* A changed image is no longer what its maker published: it gets a name of its own. */
static gboolean
name_profile(struct customize *self, GError **error)
{
    const struct image_customize *options = self->options;
    g_autofree char *cut = g_strndup(self->old->name, PROFILE_NAME_MAX - sizeof SUFFIX + 1);
    g_autofree char *name = options->name != NULL ? g_strdup(options->name)
                            : g_str_has_suffix(self->old->name, SUFFIX)
                                ? g_strdup(self->old->name)
                                : g_strconcat(cut, SUFFIX, NULL);
    struct profile *profile = self->profile;
    replace_text(&profile->name, name);
    replace_text(&profile->vendor, options->vendor);
    replace_text(&profile->description, options->description);
    if (options->acceptance != ACCEPTANCE_NONE)
        profile->acceptance = options->acceptance;
    profile->read_only = FALSE;
    return profile_check_names(profile, error);
}

static void
list_differences(struct customize *self)
{
    self->added = g_ptr_array_new_with_free_func(g_free);
    self->removed = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < self->profile->vibs->len; i++) {
        const struct profile_vib *entry = self->profile->vibs->pdata[i];
        if (profile_find_vib(self->old, entry->id) == NULL)
            g_ptr_array_add(self->added, g_strdup(entry->id));
    }
    for (guint i = 0; i < self->old->vibs->len; i++) {
        const struct profile_vib *entry = self->old->vibs->pdata[i];
        if (profile_find_vib(self->profile, entry->id) == NULL)
            g_ptr_array_add(self->removed, g_strdup(entry->id));
    }
    gboolean other_vibs = self->added->len + self->removed->len > 0;
    if (other_vibs)
        self->profile->serial++;
    if (other_vibs || strcmp(self->profile->name, self->old->name) != 0 ||
        strcmp(self->profile->vendor, self->old->vendor) != 0)
        profile_renew_id(self->profile);
}

/* What the ISO's own image breaks already is not for this change to answer: it becomes a warning.
 */
static void
excuse_old_problems(struct customize *self)
{
    g_autoptr(GPtrArray) old = profile_problems(self->old, customize_input_depots(self->input));
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < old->len; i++)
        g_hash_table_add(known, ((struct problem *)old->pdata[i])->message);
    for (guint i = 0; i < self->problems->len; i++) {
        struct problem *problem = self->problems->pdata[i];
        if (problem->severity == RULE_ERROR && g_hash_table_contains(known, problem->message))
            problem->severity = RULE_WARNING;
    }
}

static gboolean
check_rules(struct customize *self, GError **error)
{
    self->problems = profile_problems(self->profile, customize_input_depots(self->input));
    excuse_old_problems(self);
    if (!problems_have_errors(self->problems) || self->options->common.force)
        return TRUE;
    return problems_to_error(self->problems, self->profile->name, error);
}

/* Fetch and check what is new.  The rules were judged for the whole image already, so the list of
 * the new ones alone goes through by force. */
static gboolean
prepare_added(struct customize *self, GError **error)
{
    auto_ptr(profile) part = profile_new(self->profile->name, self->profile->vendor);
    for (guint i = 0; i < self->added->len; i++)
        profile_add_vib(part, self->added->pdata[i]);
    struct image_export export = self->options->common;
    export.depots = customize_input_depots(self->input);
    export.force = TRUE;
    self->prepared = export_prepare(&export, part, error);
    if (self->prepared == NULL)
        return FALSE;
    self->feed = vib_feed_new(self->prepared->files, self->options->common.verified);
    return TRUE;
}

/* The image database gets the new profile, loses and gains VIBs; the rest of it stays. */
static void
update_database(struct customize *self)
{
    for (guint i = 0; i < self->removed->len; i++)
        imgdb_remove(self->db, self->removed->pdata[i]);
    for (guint i = 0; i < self->prepared->files->len; i++) {
        const struct export_vib *file = self->prepared->files->pdata[i];
        imgdb_remove(self->db, file->vib->id); /* one that was there without being in the profile */
        imgdb_add(self->db, file->vib, file->descriptor, file->signature);
    }
    self->vibs = g_ptr_array_new();
    for (guint i = 0; i < self->db->vibs->len; i++) {
        struct vib *vib = ((struct imgdb_vib *)self->db->vibs->pdata[i])->vib;
        if (profile_find_vib(self->profile, vib->id) != NULL)
            g_ptr_array_add(self->vibs, vib);
    }
}

static gboolean
has_installer(struct customize *self)
{
    g_autoptr(GBytes) bytes = iso_medium_read(self->medium, IMAGE_BOOT_CFG, BOOT_CFG_MAX, NULL);
    gsize length = 0;
    const char *text = bytes != NULL ? g_bytes_get_data(bytes, &length) : "";
    return g_strstr_len(text, (gssize)length, "runweasel") != NULL;
}

static gboolean
plan(struct customize *self, GError **error)
{
    update_database(self);
    self->generation = generation_of(self->vibs, &self->version, error);
    if (self->generation == NULL ||
        !module_names_extend(self->profile, self->vibs, self->generation, error))
        return FALSE;
    gboolean installer = has_installer(self) && !self->options->common.no_installer;
    self->modules = boot_order_of(self->profile, self->vibs, installer, error);
    return self->modules != NULL;
}

static gboolean
write_out(struct customize *self, const char *path, struct image_report *report, GError **error)
{
    iso_medium_set_volume_id(self->medium, self->profile->name);
    auto_ptr(durable_file) file = durable_file_new(path, FILE_MODE, error);
    if (file == NULL)
        return FALSE;
    if (!iso_medium_write(self->medium, durable_file_fd(file), self->progress, error) ||
        !vib_feed_finish(self->feed, error)) {
        g_prefix_error(error, "%s was not written: ", path);
        return FALSE;
    }
    if (report != NULL) {
        report->vibs = self->vibs->len;
        report->modules = self->modules->len;
        report->bytes = (guint64)lseek(durable_file_fd(file), 0, SEEK_CUR);
        g_clear_pointer(&report->problems, g_ptr_array_unref);
        report->problems = g_steal_pointer(&self->problems);
    }
    return durable_file_commit(g_steal_pointer(&file), error);
}

static gboolean
open_input(struct customize *self, const char *path, GError **error)
{
    self->input = customize_input_open(path, &self->options->common, error);
    if (self->input == NULL)
        return FALSE;
    self->medium = iso_medium_open(path, error);
    self->db = customize_input_database(self->input);
    self->old = profile_copy(self->db->profile);
    self->profile = profile_copy(self->db->profile);
    self->profile->read_only = FALSE;
    return self->medium != NULL;
}

gboolean
image_customize_write(const struct image_customize *customize, const char *input,
                      const char *output, struct image_report *report, GError **error)
{
    if (!export_check_output(&customize->common, output, error))
        return FALSE;
    struct customize self = {.options = customize, .progress = customize->common.context->progress};
    gboolean ok =
        open_input(&self, input, error) && name_profile(&self, error) && edit_profile(&self, error);
    if (ok)
        list_differences(&self);
    ok = ok && check_rules(&self, error) && prepare_added(&self, error) && plan(&self, error);
    if (ok)
        iso_medium_set_time(self.medium, image_vibs_time(NULL, self.vibs));
    ok = ok && customize_medium_change(&self, error) && write_out(&self, output, report, error);
    clear_customize(&self);
    return ok;
}
