/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/durable_file.h"
#include "base/error.h"
#include "cli/machine_print.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "hyper/machine_secret.h"
#include "store/set_screen.h"

#include <string.h>

static void
print_bytes(struct ui *ui, const char *label, guint64 bytes)
{
    g_autofree char *text = text_bytes(bytes);
    ui_field(ui, label, text);
}

/* "2026-11-26 10:15: starts, after 12.3 s: ..." */
static void
print_boot(struct ui *ui, const struct set_flags *flags)
{
    if (flags->booted == 0)
        return;
    g_autofree char *time = set_print_time(flags->booted);
    g_autofree char *text = g_strdup_printf(
        "%s: %s after %.1f s: %s", time, flags->booted_good ? "starts" : "DOES NOT START",
        (double)flags->booted_ms / 1000, flags->booted_words != NULL ? flags->booted_words : "-");
    ui_field(ui, "Booted", text);
}

static void
print_set(struct ui *ui, const struct set_entry *entry)
{
    const struct set *set = entry->set;
    char id[SET_ID_TEXT], parent[SET_ID_TEXT];
    g_autofree char *time = set_print_time(set->created);
    g_autofree char *verified = set_print_time(entry->flags.verified);
    ui_field(ui, "Set", set_id_format(&set->id, id));
    ui_field(ui, "Machine", set->name);
    ui_field(ui, "Time", time);
    ui_field(ui, "Made on", set->host);
    ui_field(ui, "Method", set->method);
    ui_field(ui, "Compared with", set->has_parent ? set_id_format(&set->parent, parent) : NULL);
    ui_field(ui, "Archived", entry->flags.archived ? "yes" : "no");
    ui_field(ui, "Verified", verified);
    ui_field(ui, "Result",
             entry->flags.verified == 0   ? NULL
             : entry->flags.verified_good ? "good"
                                          : entry->flags.verified_words);
    print_boot(ui, &entry->flags);
    ui_field(ui, "Hypervisor", set->hypervisor);
    ui_field(ui, "Consistency", set->consistency);
    print_bytes(ui, "Size", set->stats.size);
    print_bytes(ui, "Data", set->stats.data);
    print_bytes(ui, "Read", set->stats.read);
    print_bytes(ui, "Changed", set->stats.changed);
    print_bytes(ui, "Unique", set->stats.unique);
    print_bytes(ui, "Stored", set->stats.stored);
    for (guint i = 0; i < set->tags->len; i++)
        ui_field(ui, i == 0 ? "Tags" : "", set->tags->pdata[i]);
    ui_field(ui, "Configuration", set->config_type);
}

/* As the hypervisor described it; what cannot be read is told, and no reason not to show the rest.
 */
static void
print_machine(struct ui *ui, const struct set *set)
{
    if (g_strcmp0(set->config_type, "machine") != 0 || set->config == NULL)
        return;
    g_autoptr(GError) local = NULL;
    auto_ptr(machine) machine = machine_parse(set->config, strlen(set->config), &local);
    if (machine != NULL) {
        machine_secret_register(machine);
        machine_print_brief(ui, machine);
    } else
        ui_warning(ui, "the description of the machine cannot be read: %s", local->message);
}

/* TRUE when nobody asked for it. */
static gboolean
write_screenshot(struct session *session, struct store *store, const struct set *set,
                 GError **error)
{
    const char *file = session_text(session, OPTION_SCREENSHOT);
    gboolean overwrite;
    gsize length;
    if (file == NULL)
        return TRUE;
    if (!session_overwrite(session, file, &overwrite, error))
        return FALSE;
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) png = set_screen_read(store, &set->id, &local);
    if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "the set has no picture of its screen; `slipway backup verify --boot` "
                         "makes one");
    if (png == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    const void *data = g_bytes_get_data(png, &length);
    return durable_file_put(file, data, length, 0600, error);
}

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    struct store *store = session_store(session, error);
    struct set_entry *entry =
        store != NULL ? store_sets_find(store, session_operand(session, 0), error) : NULL;
    if (entry == NULL)
        return FALSE;
    print_set(ui, entry);
    auto_ptr(table) table = table_new("Disk", ">Size", "Source", NULL);
    for (guint i = 0; i < entry->set->disks->len; i++) {
        const struct set_disk *disk = entry->set->disks->pdata[i];
        g_autofree char *size = text_bytes(disk->map.size);
        table_add(table, disk->name, size, disk->source, NULL);
    }
    ui_print(ui, "\n");
    ui_table(ui, table, "no disk");
    print_machine(ui, entry->set);
    ui_set(ui, "set", set_print_json(entry, TRUE));
    gboolean ok = write_screenshot(session, store, entry->set, error);
    set_entry_free(entry);
    return ok;
}

const struct verb verb_backup_show = {
    .name = "show",
    .summary = "show a backup set",
    .description = "Show a backup set and its disks; with --json also the configuration document "
                   "that was kept with it. --screenshot writes what was on the screen when "
                   "`slipway backup verify --boot` started it last.",
    .operands = {{"SET", FALSE, FALSE, COMPLETE_SETS, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_SCREENSHOT, OPTION_OVERWRITE},
    .examples = {{"slipway backup show web1", "the newest set of a machine"}},
    .run = run,
};
