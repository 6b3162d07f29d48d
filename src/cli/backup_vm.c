/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/backup_vm.h"

#include "base/cancel.h"
#include "base/error.h"
#include "cli/backup_print.h"
#include "cli/json_value.h"
#include "cli/machine_print.h"
#include "cli/selection_options.h"
#include "cli/text.h"
#include "engine/machine_backup.h"

#include <string.h>

/* Of machines and sources that failed, in the last message. */
#define NAMED_MAX 10u

/* All machines of one run. */
struct run {
    struct session *session;
    struct store *store;
    struct machine_backup_options options; /* but the machine */
    json_t *json;                          /* a list, a machine each */
    GPtrArray *failed;                     /* of char *: their paths, or sources */
    guint done;
    GError *first; /* of what failed */
};

/* ---- Options --------------------------------------------------------------------------------- */

static gboolean
refuse(struct session *session, GError **error)
{
    static const enum option_id others[] = {OPTION_CHANGED_EXTENTS, OPTION_SINCE, OPTION_CONFIG,
                                            OPTION_FORMAT};
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        if (session_flag(session, others[i]))
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "--%s is for disks; of a virtual machine the hypervisor tells that",
                             option_row(others[i])->name);
    }
    const char *const *sources = session_operands(session, 0);
    if (session_text(session, OPTION_MACHINE) != NULL && sources[0] != NULL && sources[1] != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--name is for one machine, and several sources are given");
    for (gsize i = 0; sources[i] != NULL; i++) {
        if (!session_is_hypervisor(sources[i]))
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "%s names no virtual machine; disks and machines are backed up apart",
                             sources[i]);
    }
    return TRUE;
}

static gboolean
read_quiesce(struct session *session, enum freeze_quiesce *ret, GError **error)
{
    const char *text = session_text(session, OPTION_QUIESCE);
    if (text == NULL || g_str_equal(text, "try"))
        *ret = FREEZE_TRY;
    else if (g_str_equal(text, "never"))
        *ret = FREEZE_NEVER;
    else if (g_str_equal(text, "require"))
        *ret = FREEZE_REQUIRE;
    else
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--quiesce %s: try, never or require is wanted", text);
    return TRUE;
}

static gboolean
read_options(struct session *session, struct store *store, struct machine_backup_options *ret,
             GError **error)
{
    struct store_config coding = *store_config(store);
    if (!session_compression(session, &coding, error) ||
        !session_rate(session, OPTION_BANDWIDTH_LIMIT, &ret->bandwidth, error) ||
        !backup_print_verify(session, &ret->verify, error) ||
        !read_quiesce(session, &ret->quiesce, error))
        return FALSE;
    const struct arguments *arguments = session_arguments(session);
    ret->name = session_text(session, OPTION_MACHINE);
    ret->quiesce_minutes = arguments_number(arguments, OPTION_QUIESCE_TIMEOUT, 0);
    ret->only = session_list(session, OPTION_ONLY_DISK);
    ret->without = session_list(session, OPTION_WITHOUT_DISK);
    ret->tags = session_list(session, OPTION_SET_TAG);
    ret->codec = coding.codec;
    ret->level = coding.level;
    ret->archive = session_flag(session, OPTION_ARCHIVE);
    ret->full = session_flag(session, OPTION_FULL);
    ret->threads = arguments_number(arguments, OPTION_WORKERS, 0);
    ret->progress = session_progress(session);
    return TRUE;
}

/* ---- What is told ---------------------------------------------------------------------------- */

static void
print_disk(struct ui *ui, const struct machine_backup_disk *disk, gboolean first)
{
    g_autofree char *size = text_bytes(disk->size), *changed = text_bytes(disk->changed);
    if (disk->why_full != NULL)
        ui_print(ui, "  %-13s %s, read in full: %s\n", disk->name, size, disk->why_full);
    else if (first)
        ui_print(ui, "  %-13s %s, for the first time\n", disk->name, size);
    else
        ui_print(ui, "  %-13s %s, %s of it changed\n", disk->name, size, changed);
}

static void
print_report(struct ui *ui, const struct machine_backup_report *report, const struct store *store)
{
    backup_print(ui, &report->backup, store);
    ui_print(ui, "  %-13s %s%s%s\n", "consistency", frozen_consistency_name(report->consistency),
             report->consistency_words != NULL ? ": " : "",
             report->consistency_words != NULL ? report->consistency_words : "");
    ui_print(ui, "  %-13s %.1f s, %.1f s of it reading\n", "snapshot",
             (double)report->frozen_ms / 1000, (double)report->read_ms / 1000);
    for (guint i = 0; i < report->disks->len; i++)
        print_disk(ui, report->disks->pdata[i], !report->backup.set->has_parent);
    for (guint i = 0; i < report->skipped->len; i++)
        ui_print(ui, "  %-13s %s\n", "left out", (const char *)report->skipped->pdata[i]);
    for (guint i = 0; i < report->cleaned->len; i++)
        ui_print(ui, "  %-13s %s\n", "cleaned", (const char *)report->cleaned->pdata[i]);
}

static json_t *
report_json(const struct machine *machine, const struct machine_backup_report *report)
{
    json_t *json = json_object(), *disks = json_array();
    for (guint i = 0; report->disks != NULL && i < report->disks->len; i++) {
        const struct machine_backup_disk *disk = report->disks->pdata[i];
        json_t *item = json_object();
        json_object_set_new(item, "name", json_value_text(disk->name));
        json_object_set_new(item, "size", json_integer((json_int_t)disk->size));
        json_object_set_new(item, "changed", json_integer((json_int_t)disk->changed));
        json_object_set_new(item, "why_full", json_value_text(disk->why_full));
        json_array_append_new(disks, item);
    }
    g_autofree char *path = machine_print_path(machine);
    json_object_set_new(json, "machine", json_value_text(machine->name));
    json_object_set_new(json, "path", json_value_text(path));
    json_object_set_new(json, "id", json_value_text(machine->id));
    json_object_set_new(
        json, "set", report->backup.set != NULL ? backup_print_json(&report->backup) : json_null());
    json_object_set_new(json, "consistency",
                        json_value_text(report->backup.set != NULL
                                            ? frozen_consistency_name(report->consistency)
                                            : NULL));
    json_object_set_new(json, "consistency_words", json_value_text(report->consistency_words));
    json_object_set_new(json, "frozen_seconds", json_real((double)report->frozen_ms / 1000));
    json_object_set_new(json, "read_seconds", json_real((double)report->read_ms / 1000));
    json_object_set_new(json, "disks", disks);
    json_object_set_new(json, "skipped", json_value_texts(report->skipped));
    json_object_set_new(json, "cleaned", json_value_texts(report->cleaned));
    json_object_set_new(json, "left", json_value_text(report->left));
    return json;
}

/* ---- One machine after the other ------------------------------------------------------------- */

static void
note_failure(struct run *run, const struct machine *machine, json_t *json, GError *failure)
{
    struct ui *ui = session_ui(run->session);
    json_object_set_new(json, "error", json_value_text(failure->message));
    g_ptr_array_add(run->failed, machine_print_path(machine));
    if (run->first == NULL)
        run->first = g_error_copy(failure);
    else
        ui_warning(ui, "%s", failure->message);
}

/* What is left on a host is as bad as a failure, though the set is good. */
static gboolean
check_left(const struct machine_backup_report *report, GError **error)
{
    return report->left == NULL ||
           error_set(error, SLIPWAY_ERROR_FAILED,
                     "%s was backed up, but something is left on its host: %s",
                     report->machine->name, report->left);
}

/* Another one of the inventory has the same id. */
static gboolean
is_copied(const GPtrArray *inventory, const struct machine *machine)
{
    for (guint i = 0; machine->id != NULL && i < inventory->len; i++) {
        const struct machine *other = inventory->pdata[i];
        if (other != machine && g_strcmp0(other->id, machine->id) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
back_up(struct run *run, struct hypervisor *hypervisor, const struct machine *machine,
        gboolean copied)
{
    struct ui *ui = session_ui(run->session);
    struct machine_backup_options options = run->options;
    struct machine_backup_report report = {0};
    g_autoptr(GError) failure = NULL;
    guint expired = 0;
    options.ref = machine->ref;
    options.copied = copied;
    gboolean ok = machine_backup_run(run->store, hypervisor, &options, &report, &failure);
    if (report.backup.set != NULL)
        print_report(ui, &report, run->store);
    ok = ok &&
         backup_print_expire(run->session, run->store, report.backup.set->name, &expired,
                             &failure) &&
         check_left(&report, &failure);
    json_t *json = report_json(machine, &report);
    json_object_set_new(json, "expired", json_integer(expired));
    if (!ok && strstr(failure->message, machine->name) == NULL)
        g_prefix_error(&failure, "%s: ", machine->name);
    if (ok)
        run->done++;
    else
        note_failure(run, machine, json, failure);
    json_array_append_new(run->json, json);
    machine_backup_report_clear(&report);
}

static gboolean
run_source(struct run *run, const char *source, GError **error)
{
    struct session *session = run->session;
    struct selection selection;
    g_autofree char *path = NULL;
    auto_ptr(hypervisor) hypervisor = session_hypervisor(session, source, &path, error);
    if (hypervisor == NULL || !selection_options_read(session, path, &selection, error))
        return FALSE;
    g_autoptr(GPtrArray) left = NULL, machines = hypervisor_list(hypervisor, error);
    g_autoptr(GPtrArray) taken =
        machines != NULL ? selection_take(&selection, machines, &left, error) : NULL;
    if (taken == NULL)
        return FALSE;
    for (guint i = 0; i < left->len; i++)
        ui_info(session_ui(session), "%s", (const char *)left->pdata[i]);
    if (run->options.name != NULL && taken->len > 1)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--name is for one machine, %s means %u",
                         source, taken->len);
    if (taken->len == 0)
        ui_warning(session_ui(session), "%s: no machine is to be backed up", source);
    for (guint i = 0; i < taken->len && !cancel_requested(); i++) {
        const struct machine *machine = taken->pdata[i];
        if (!session_flag(session, OPTION_DRY_RUN)) {
            back_up(run, hypervisor, machine, is_copied(machines, machine));
            continue;
        }
        g_autofree char *name = machine_print_path(machine);
        ui_print(session_ui(session), "%s\n", name);
        json_array_append_new(run->json, machine_print_json(machine));
    }
    return TRUE;
}

/* A source that cannot be looked at fails by itself. */
static void
run_sources(struct run *run)
{
    const char *const *sources = session_operands(run->session, 0);
    for (gsize i = 0; sources[i] != NULL && !cancel_requested(); i++) {
        g_autoptr(GError) failure = NULL;
        if (run_source(run, sources[i], &failure))
            continue;
        g_ptr_array_add(run->failed, g_strdup(sources[i]));
        if (run->first == NULL)
            run->first = g_steal_pointer(&failure);
        else
            ui_warning(session_ui(run->session), "%s", failure->message);
    }
}

static char *
name_failed(const GPtrArray *failed)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < MIN(failed->len, NAMED_MAX); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", (const char *)failed->pdata[i]);
    if (failed->len > NAMED_MAX)
        g_string_append_printf(names, " and %u more", failed->len - NAMED_MAX);
    return g_string_free(names, FALSE);
}

static gboolean
judge(struct run *run, GError **error)
{
    if (run->first == NULL)
        return cancel_check(error);
    if (run->failed->len + run->done > 1) {
        g_autofree char *names = name_failed(run->failed);
        g_prefix_error(&run->first, "%u of %u failed (%s); the first: ", run->failed->len,
                       run->failed->len + run->done, names);
    }
    g_propagate_error(error, g_steal_pointer(&run->first));
    return FALSE;
}

gboolean
backup_vm_run(struct session *session, GError **error)
{
    gboolean dry = session_flag(session, OPTION_DRY_RUN);
    if (!refuse(session, error))
        return FALSE;
    struct run run = {.session = session};
    if (!dry) {
        run.store = session_store_or_new(session, error);
        if (run.store == NULL || !read_options(session, run.store, &run.options, error))
            return FALSE;
    }
    run.json = json_array();
    run.failed = g_ptr_array_new_with_free_func(g_free);
    run_sources(&run);
    ui_set(session_ui(session), "machines", run.json);
    gboolean ok = judge(&run, error);
    g_ptr_array_unref(run.failed);
    return ok;
}
