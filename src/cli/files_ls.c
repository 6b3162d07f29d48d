/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/guest_files.h"
#include "store/store_sets.h"

static void
print_systems(struct ui *ui, GPtrArray *systems)
{
    auto_ptr(table) table = table_new("Device", "Kind", ">Size", "Label", "Mounted at", NULL);
    json_t *json = json_array();
    for (guint i = 0; i < systems->len; i++) {
        const struct guest_file_system *system = systems->pdata[i];
        g_autofree char *size = text_bytes(system->size);
        table_add(table, system->device, system->kind, size,
                  system->label != NULL ? system->label : "-",
                  system->mount != NULL ? system->mount : "-", NULL);
        json_array_append_new(json,
                              json_pack("{s:s, s:s, s:I, s:s?, s:s?}", "device", system->device,
                                        "kind", system->kind, "size", (json_int_t)system->size,
                                        "label", system->label, "mount", system->mount));
    }
    ui_table(ui, table, "There is no file system on the disk");
    ui_set(ui, "file_systems", json);
}

/* "drwxr-xr-x" */
static void
mode_text(const struct guest_file *file, char ret[11])
{
    static const char letters[] = "rwxrwxrwx";
    ret[0] = file->kind;
    for (guint i = 0; i < 9; i++)
        ret[i + 1] = (file->mode >> (8 - i) & 1) != 0 ? letters[i] : '-';
    ret[10] = '\0';
}

/* A name of a guest can have any bytes; JSON takes UTF-8 only. */
static void
print_files(struct ui *ui, GPtrArray *files)
{
    auto_ptr(table) table = table_new("Mode", ">Size", "Changed", "Name", NULL);
    json_t *json = json_array();
    for (guint i = 0; i < files->len; i++) {
        const struct guest_file *file = files->pdata[i];
        char mode[11];
        mode_text(file, mode);
        g_autofree char *size = file->kind == '-' ? text_bytes(file->size) : g_strdup("-");
        g_autofree char *time = set_print_time(file->time);
        g_autofree char *name = g_utf8_make_valid(file->name, -1);
        table_add(table, mode, size, time, name, NULL);
        json_array_append_new(json,
                              json_pack("{s:s, s:s, s:I, s:I}", "name", name, "mode", mode, "size",
                                        (json_int_t)file->size, "changed", (json_int_t)file->time));
    }
    ui_table(ui, table, "The folder is empty");
    ui_set(ui, "files", json);
}

static gboolean
show(struct session *session, struct store *store, const struct set *set, GError **error)
{
    const char *path = session_operand(session, 2);
    auto_ptr(guest_files) files = guest_files_open(store, set, session_operand(session, 1), error);
    if (files == NULL)
        return FALSE;
    g_autoptr(GPtrArray) found =
        path == NULL ? guest_files_systems(files, error) : guest_files_list(files, path, error);
    if (found == NULL)
        return FALSE;
    if (path == NULL)
        print_systems(session_ui(session), found);
    else
        print_files(session_ui(session), found);
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct store *store = session_store(session, error);
    struct set_entry *entry =
        store != NULL ? store_sets_find(store, session_operand(session, 0), error) : NULL;
    gboolean ok = entry != NULL && show(session, store, entry->set, error);
    set_entry_free(entry);
    return ok;
}

const struct verb verb_files_ls = {
    .name = "ls",
    .summary = "list the file systems of a disk, or what is in a folder",
    .description =
        "List what is in the folder PATH of a disk; without PATH the file systems of the disk. "
        "PATH "
        "is as the guest has it (/home/eva), when its system is found on the disk or there is only "
        "one file system, else with the device before it (sda2:/home/eva).",
    .operands = {{"SET", FALSE, FALSE, COMPLETE_SETS, NULL},
                 {"DISK", FALSE, FALSE, COMPLETE_NONE, NULL},
                 {"PATH", TRUE, FALSE, COMPLETE_NONE, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE},
    .examples = {{"slipway files ls web1 disk0", "the file systems"},
                 {"slipway files ls web1 disk0 /etc", "a folder"},
                 {"slipway files ls db1@2026-11-24 disk0 sda2:/data", "of a file system by name"}},
    .run = run,
};
