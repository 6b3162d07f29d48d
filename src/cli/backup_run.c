/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/stream.h"
#include "cli/backup_print.h"
#include "cli/backup_vm.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/selection_options.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "disk/disk_open.h"
#include "engine/backup.h"
#include "engine/extent_file.h"
#include "engine/retain.h"

#include <string.h>

/* What the operands and options name, open. */
struct input {
    GPtrArray *disks;   /* of struct disk * */
    GPtrArray *changed; /* of struct extent_list *, NULL entries */
    GPtrArray *names;   /* of char * */
    GArray *sources;    /* of struct backup_source */
    char *config;
    char *config_type;
};

static void
free_extents(gpointer list)
{
    if (list != NULL)
        extent_list_free(list);
}

static void
input_clear(struct input *input)
{
    g_ptr_array_unref(input->disks);
    g_ptr_array_unref(input->changed);
    g_ptr_array_unref(input->names);
    g_array_unref(input->sources);
    g_free(input->config);
    g_free(input->config_type);
}

static void
input_init(struct input *input)
{
    *input = (struct input){
        .disks = g_ptr_array_new_with_free_func((GDestroyNotify)disk_close),
        .changed = g_ptr_array_new_with_free_func(free_extents),
        .names = g_ptr_array_new_with_free_func(g_free),
        .sources = g_array_new(FALSE, TRUE, sizeof(struct backup_source)),
    };
}

/* SOURCE is LOCATION, or NAME=LOCATION where NAME is a plain word: the name of the disk in the set.
 */
static void
split_source(const char *text, guint number, char **ret_name, const char **ret_location)
{
    gsize word = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    gboolean named = word > 0 && text[word] == '=' && text[word + 1] != '\0';
    *ret_name = named ? g_strndup(text, word) : g_strdup_printf("disk%u", number);
    *ret_location = named ? text + word + 1 : text;
}

static gboolean
open_disk(struct session *session, struct input *input, const char *text, GError **error)
{
    enum disk_format format = DISK_FORMAT_AUTO;
    const char *wanted = session_text(session, OPTION_FORMAT), *location;
    char *name;
    if (wanted != NULL && !disk_format_parse(wanted, &format))
        return error_set(error, SLIPWAY_ERROR_USAGE, "--format %s: no such format", wanted);
    split_source(text, input->disks->len, &name, &location);
    for (guint i = 0; i < input->names->len; i++) {
        if (g_str_equal(input->names->pdata[i], name)) {
            error_set(error, SLIPWAY_ERROR_USAGE, "two disks are called %s; name them: NAME=%s",
                      name, location);
            g_free(name);
            return FALSE;
        }
    }
    g_ptr_array_add(input->names, name);
    struct disk *disk = disk_open_read(location, format, error);
    if (disk == NULL)
        return FALSE;
    struct backup_source source = {.disk = disk, .name = name};
    g_ptr_array_add(input->disks, disk);
    g_array_append_val(input->sources, source);
    return TRUE;
}

/* [DISK=]FILE; without DISK it is for the only one. */
static gboolean
read_changed(struct input *input, const char *text, GError **error)
{
    const char *file = text;
    guint found = input->sources->len == 1 ? 0 : G_MAXUINT;
    for (guint i = 0; i < input->names->len; i++) {
        gsize length = strlen(input->names->pdata[i]);
        if (strncmp(text, input->names->pdata[i], length) == 0 && text[length] == '=') {
            found = i;
            file = text + length + 1;
        }
    }
    if (found == G_MAXUINT)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--changed-extents %s: of which disk? DISK=FILE is wanted, where DISK is "
                         "disk0, disk1, ... or the name it was given",
                         text);
    struct backup_source *source = &g_array_index(input->sources, struct backup_source, found);
    struct extent_list *list = extent_file_read(file, disk_size(source->disk), error);
    if (list == NULL)
        return FALSE;
    g_ptr_array_add(input->changed, list);
    source->changed = list;
    return TRUE;
}

static gboolean
read_config(struct input *input, const char *path, GError **error)
{
    if (path == NULL)
        return TRUE;
    auto_ptr(stream) stream = stream_new_file(path, error);
    g_autoptr(GBytes) bytes =
        stream != NULL ? stream_read_all(stream, SET_CONFIG_MAX, error) : NULL;
    if (bytes == NULL)
        return FALSE;
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    if (data == NULL || !g_utf8_validate_len(data, length, NULL))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: the document must be text in UTF-8",
                         path);
    const char *dot = strrchr(path, '.');
    input->config = g_strndup(data, length);
    input->config_type =
        g_ascii_strdown(dot != NULL && strchr(dot, '/') == NULL ? dot + 1 : "text", -1);
    return TRUE;
}

static gboolean
read_input(struct session *session, struct input *input, GError **error)
{
    const char *const *sources = session_operands(session, 0);
    const char *const *changed = session_list(session, OPTION_CHANGED_EXTENTS);
    for (gsize i = 0; sources[i] != NULL; i++) {
        if (!open_disk(session, input, sources[i], error))
            return FALSE;
    }
    for (gsize i = 0; changed != NULL && changed[i] != NULL; i++) {
        if (!read_changed(input, changed[i], error))
            return FALSE;
    }
    return read_config(input, session_text(session, OPTION_CONFIG), error);
}

/* Without --name: the name of the first file without its ending. */
static char *
machine_name(struct session *session, const struct input *input)
{
    const char *name = session_text(session, OPTION_MACHINE);
    if (name != NULL)
        return g_strdup(name);
    const struct backup_source *first = &g_array_index(input->sources, struct backup_source, 0);
    char *base = g_path_get_basename(disk_label(first->disk));
    char *dot = strrchr(base, '.');
    if (dot != NULL && dot != base)
        *dot = '\0';
    return base;
}

static gboolean
back_up(struct session *session, struct input *input, GError **error)
{
    struct ui *ui = session_ui(session);
    struct store *store = session_store_or_new(session, error);
    struct backup_options options = {0};
    if (store == NULL)
        return FALSE;
    struct store_config coding = *store_config(store);
    g_autofree char *name = machine_name(session, input);
    if (!session_compression(session, &coding, error) ||
        !session_rate(session, OPTION_BANDWIDTH_LIMIT, &options.bandwidth, error) ||
        !backup_print_verify(session, &options.verify, error))
        return FALSE;
    char since_text[SET_ID_TEXT];
    const char *since = session_text(session, OPTION_SINCE);
    if (since != NULL) {
        struct set_entry *entry = store_sets_find(store, since, error);
        if (entry == NULL)
            return FALSE;
        options.since = set_id_format(&entry->set->id, since_text);
        set_entry_free(entry);
    }
    options.name = name;
    options.sources = (const struct backup_source *)input->sources->data;
    options.n_sources = input->sources->len;
    options.config = input->config;
    options.config_type = input->config_type;
    options.tags = session_list(session, OPTION_SET_TAG);
    options.codec = coding.codec;
    options.level = coding.level;
    options.archive = session_flag(session, OPTION_ARCHIVE);
    options.full = session_flag(session, OPTION_FULL);
    options.threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0);
    options.progress = session_progress(session);

    struct backup_report report;
    gboolean ok = backup_run(store, &options, &report, error);
    if (report.set != NULL) {
        backup_print(ui, &report, store);
        ui_set(ui, "set", backup_print_json(&report));
    }
    guint expired = 0;
    if (ok && backup_print_expire(session, store, name, &expired, error))
        ui_set(ui, "expired", json_integer(expired));
    else
        ok = FALSE;
    backup_report_clear(&report);
    return ok;
}

static gboolean
run(struct session *session, GError **error)
{
    const char *keep = session_text(session, OPTION_KEEP);
    struct store_retention rule;
    if (keep != NULL && !retain_parse(keep, &rule, error))
        return FALSE;
    if (session_is_hypervisor(session_operand(session, 0)))
        return backup_vm_run(session, error);
    struct input input;
    input_init(&input);
    gboolean ok = read_input(session, &input, error) && back_up(session, &input, error);
    input_clear(&input);
    return ok;
}

const struct verb verb_backup_run = {
    .name = "run",
    .summary = "back up virtual machines, or disks into one new set",
    .description =
        "Back up running virtual machines: SOURCE is one of a hypervisor "
        "(vsphere://vcenter/DC0/vm/app01, qemu:///system/app01, qmp:///run/app01.qmp; or "
        "NAME:/DC0/vm/app01 with a host that is remembered), a folder of them (with a / at its "
        "end), "
        "or a pattern with * and ?. Each gets a set of its own. The machine goes on running: a "
        "snapshot of it is read, and is gone as soon as the last byte was. Where changes are "
        "tracked, only they are read. Machines that are off, suspended or templates are left out, "
        "unless one is named by itself or --include says so. --dry-run lists what would be backed "
        "up.\n\n"
        "Or back up disks into one new set. Then a SOURCE is a raw file, a block device, an image "
        "in a "
        "format that qemu-nbd reads (qcow2, vmdk, vhdx, vdi, vpc), or an NBD URI; NAME=SOURCE "
        "names "
        "the disk in the set, otherwise they are disk0, disk1, ... The disks must not change while "
        "they are read: back up a snapshot of a running machine.\n\n"
        "All of each disk is read and compared with the newest set of the machine, and what "
        "differs "
        "is stored. With --changed-extents only the extents that the file names are read; the set "
        "is a full one all the same. Empty areas cost nothing.\n\n"
        "--keep, or the rule of the store, deletes older sets of this machine when, and only when, "
        "the backup went well.",
    .operands = {{"SOURCE", FALSE, TRUE, COMPLETE_FILE, NULL}},
    .options = {OPTION_STORE,           OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE,
                OPTION_RECOVERY_FILE,   OPTION_MACHINE,         OPTION_FORMAT,
                OPTION_CHANGED_EXTENTS, OPTION_SINCE,           OPTION_FULL,
                OPTION_VERIFY,          OPTION_COMPRESSION,     OPTION_ARCHIVE,
                OPTION_SET_TAG,         OPTION_CONFIG,          OPTION_KEEP,
                OPTION_WORKERS,         OPTION_BANDWIDTH_LIMIT, OPTION_QUIESCE,
                OPTION_QUIESCE_TIMEOUT, OPTION_ONLY_DISK,       OPTION_WITHOUT_DISK,
                OPTION_DRY_RUN,         HYPERVISOR_OPTIONS,     SELECTION_OPTIONS},
    .examples = {{"slipway backup run vc1:/DC0/vm/prod/ --verify new",
                  "every machine of a folder that runs"},
                 {"slipway backup run qemu:///system/app01", "a machine of libvirt"},
                 {"slipway backup run --name web1 /dev/vg0/web1-snapshot",
                  "a snapshot of a volume"},
                 {"slipway backup run -n db1 root=db1.qcow2 data=db1-data.qcow2 --verify new",
                  "two disks, read back afterwards"},
                 {"slipway backup run -n db1 db1.img --changed-extents changes.json",
                  "only what a tracker of changes named"}},
    .run = run,
};
