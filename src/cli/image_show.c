/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/vib_print.h"
#include "esx/image_customize.h"

static void
print_head(struct ui *ui, const struct image_info *info)
{
    const struct profile *profile = info->db->profile;
    ui_field(ui, "Volume", info->volume_id);
    ui_field(ui, "Profile", profile->name);
    ui_field(ui, "Vendor", profile->vendor);
    ui_field(ui, "Acceptance", acceptance_title(profile->acceptance));
    ui_field(ui, "Title", info->title);
    ui_field(ui, "Build", info->build);
    ui_field(ui, "Kernel", info->kernel);
    ui_field(ui, "Kernel options", info->kernelopt);
    ui_field(ui, "Boots with BIOS", info->boots_bios ? "yes" : "no");
    ui_field(ui, "Boots with UEFI", info->boots_efi ? "yes" : "no");
    for (guint i = 0; i < info->unknown->len; i++)
        ui_field(ui, i == 0 ? "Unknown files" : "", info->unknown->pdata[i]);
}

static void
print_vibs(struct ui *ui, const struct image_info *info)
{
    auto_ptr(table) table = table_new("Name", "Version", "Vendor", "Acceptance", NULL);
    json_t *list = json_array();
    for (guint i = 0; i < info->db->vibs->len; i++) {
        const struct vib *vib = ((const struct imgdb_vib *)info->db->vibs->pdata[i])->vib;
        table_add(table, vib->name, vib->version, vib->vendor, acceptance_name(vib->acceptance),
                  NULL);
        json_t *object = json_object();
        json_object_set_new(object, "id", json_value_text(vib->id));
        json_object_set_new(object, "name", json_value_text(vib->name));
        json_object_set_new(object, "version", json_value_text(vib->version));
        json_object_set_new(object, "vendor", json_value_text(vib->vendor));
        json_object_set_new(object, "acceptance",
                            json_value_text(acceptance_title(vib->acceptance)));
        json_array_append_new(list, object);
    }
    ui_print(ui, "\n");
    ui_table(ui, table, "no VIB is on it");
    ui_set(ui, "vibs", list);
}

static void
set_json(struct ui *ui, const struct image_info *info)
{
    ui_set(ui, "volume_id", json_value_text(info->volume_id));
    ui_set(ui, "profile", json_value_profile(info->db->profile, NULL));
    ui_set(ui, "title", json_value_text(info->title));
    ui_set(ui, "build", json_value_text(info->build));
    ui_set(ui, "kernel", json_value_text(info->kernel));
    ui_set(ui, "kernelopt", json_value_text(info->kernelopt));
    ui_set(ui, "modules", json_value_texts(info->modules));
    ui_set(ui, "boots_bios", json_boolean(info->boots_bios));
    ui_set(ui, "boots_efi", json_boolean(info->boots_efi));
    ui_set(ui, "unknown_files", json_value_texts(info->unknown));
}

static gboolean
run(struct session *session, GError **error)
{
    auto_ptr(image_info) info = image_info_read(session_operand(session, 0), error);
    if (info == NULL)
        return FALSE;
    struct ui *ui = session_ui(session);
    print_head(ui, info);
    set_json(ui, info);
    print_vibs(ui, info);
    return TRUE;
}

const struct verb verb_image_show = {
    .name = "show",
    .summary = "show what is on an installation ISO",
    .description = "Show the image profile of an installation ISO, its VIBs, how it boots, and "
                   "files that neither a VIB nor a document explains.",
    .operands = {{"FILE", FALSE, FALSE, COMPLETE_FILE, NULL}},
    .examples = {{"slipway image show VMware-VMvisor-Installer-8.0U3.iso", "a stock ISO"}},
    .run = run,
};
