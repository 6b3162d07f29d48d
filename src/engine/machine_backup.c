/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/machine_backup.h"

#include "base/cancel.h"
#include "base/error.h"
#include "engine/machine_disks.h"

#include <string.h>

/* Of a name: what " (2)" and so on may need. */
#define SUFFIX_MAX 12u

struct run {
    struct store *store;
    struct hypervisor *hypervisor;
    const struct machine_backup_options *options;
    struct machine_backup_report *report;
    char *chain, *identity, *config, *label;
    GPtrArray *disks; /* of struct machine_disk *, of report->machine: that are backed up */
    struct backup_source *sources;
    struct frozen *frozen;
    gint64 read_begun;
    gboolean thawed, stored, settled;
    char *thaw_words; /* why it could not be thawed */
    char *torn;       /* as frozen_torn() */
};

static void
free_disk(gpointer data)
{
    struct machine_backup_disk *disk = data;
    g_free(disk->name);
    g_free(disk->why_full);
    g_free(disk);
}

void
machine_backup_report_clear(struct machine_backup_report *report)
{
    backup_report_clear(&report->backup);
    machine_free(report->machine);
    g_free(report->consistency_words);
    g_clear_pointer(&report->disks, g_ptr_array_unref);
    g_clear_pointer(&report->skipped, g_ptr_array_unref);
    g_clear_pointer(&report->cleaned, g_ptr_array_unref);
    g_free(report->left);
    report->machine = NULL;
    report->consistency_words = report->left = NULL;
}

/* Something stays on the host that should not. */
static void
note_left(struct run *run, const char *words)
{
    char *before = run->report->left;
    run->report->left = before != NULL ? g_strconcat(before, "; ", words, NULL) : g_strdup(words);
    g_free(before);
}

/* ---- Which machine, which disks -------------------------------------------------------------- */

static gboolean
describe(struct run *run, const char *ref, GError **error)
{
    struct machine *machine = hypervisor_describe(run->hypervisor, ref, error);
    if (machine == NULL)
        return FALSE;
    machine_free(run->report->machine);
    run->report->machine = machine;
    g_clear_pointer(&run->disks, g_ptr_array_unref);
    g_ptr_array_set_size(run->report->skipped, 0);
    run->disks = machine_disks_choose(machine, run->options->only, run->options->without,
                                      run->report->skipped, error);
    return run->disks != NULL;
}

/* What a killed run left would stand in the way, and grow.  That it cannot be removed is no reason
 * to have no backup. */
static gboolean
clean(struct run *run, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GPtrArray) words = NULL;
    g_autofree char *ref = g_strdup(run->report->machine->ref);
    if (!hypervisor_clean(run->hypervisor, ref, &words, &local)) {
        progress_warning(run->options->progress, "%s", local->message);
        note_left(run, local->message);
    }
    gboolean changed = words != NULL && words->len > 0;
    if (changed)
        g_ptr_array_extend_and_steal(run->report->cleaned, g_steal_pointer(&words));
    return !changed || describe(run, ref, error);
}

static gboolean
check_machine(struct run *run, GError **error)
{
    const struct machine *machine = run->report->machine;
    g_autofree char *document = machine_format(machine, error);
    if (document == NULL)
        return FALSE;
    if (machine->power == MACHINE_OFF &&
        (hypervisor_capabilities(run->hypervisor) & HYPERVISOR_CAN_OFFLINE) == 0)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s is off, and %s shows disks of running machines only", machine->name,
                         hypervisor_label(run->hypervisor));
    if (machine->id == NULL)
        return TRUE;
    run->identity = g_strconcat(machine->driver, ":", machine->id,
                                run->options->copied ? "/" : NULL, machine->ref, NULL);
    return strlen(run->identity) <= SET_NAME_MAX ||
           error_set(error, SLIPWAY_ERROR_LIMIT, "the identity of %s has more than %u bytes",
                     machine->name, SET_NAME_MAX);
}

/* ---- Freezing -------------------------------------------------------------------------------- */

static void
add_report_disk(struct run *run, const struct frozen_disk *frozen, const char *change_id,
                const char *own_why)
{
    struct machine_backup_disk *disk = g_new0(struct machine_backup_disk, 1);
    /* That the next set will be no better comes first; of the first set nothing else is said. */
    const char *why = frozen->change_id == NULL && frozen->why_full != NULL ? frozen->why_full
                      : own_why != NULL                                     ? own_why
                      : change_id != NULL                                   ? frozen->why_full
                                                                            : NULL;
    disk->name = g_strdup(frozen->name);
    disk->size = disk_size(frozen->disk);
    disk->changed = frozen->changed != NULL ? extent_list_total(frozen->changed) : disk->size;
    if (frozen->changed == NULL)
        disk->why_full = g_strdup(why);
    g_ptr_array_add(run->report->disks, disk);
    /* Tracking that should have worked and did not must not go unnoticed. */
    if (disk->why_full != NULL && (change_id != NULL || frozen->why_full != NULL))
        progress_warning(run->options->progress, "%s, disk %s: all of it is read: %s",
                         run->report->machine->name, disk->name, disk->why_full);
}

static gboolean
freeze(struct run *run, const struct set_entry *parent, GError **error)
{
    auto_ptr(machine_past) past = machine_past_new(run->store, parent, run->options->full);
    g_autofree struct freeze_disk *disks = g_new0(struct freeze_disk, run->disks->len);
    g_autofree const char **whys = g_new0(const char *, run->disks->len);
    for (guint i = 0; i < run->disks->len; i++)
        disks[i] = machine_past_look(past, run->disks->pdata[i], &whys[i]);
    struct freeze_options options = {
        .quiesce = run->options->quiesce,
        .quiesce_minutes = run->options->quiesce_minutes,
        .disks = disks,
        .n_disks = run->disks->len,
        .chain = run->chain,
        .progress = run->options->progress,
    };
    run->frozen = hypervisor_freeze(run->hypervisor, run->report->machine, &options, error);
    if (run->frozen == NULL)
        return FALSE;
    run->read_begun = g_get_monotonic_time();
    for (guint i = 0; i < run->disks->len; i++)
        add_report_disk(run, frozen_get_disk(run->frozen, i), disks[i].change_id, whys[i]);
    return TRUE;
}

/* What a set could not keep would make it fail when everything was read. */
static const char *
check_change_id(struct run *run, const struct frozen_disk *disk)
{
    if (disk->change_id == NULL ||
        (strlen(disk->change_id) <= SET_TEXT_MAX && g_utf8_validate(disk->change_id, -1, NULL)))
        return disk->change_id;
    progress_warning(run->options->progress,
                     "%s, disk %s: the next backup will read all of it: the hypervisor's change id "
                     "is none that a set can keep",
                     run->report->machine->name, disk->name);
    return NULL;
}

static gboolean
give_sources(struct run *run, struct backup_options *options, GError **error)
{
    guint n = frozen_n_disks(run->frozen);
    run->sources = g_new0(struct backup_source, n);
    for (guint i = 0; i < n; i++) {
        const struct frozen_disk *disk = frozen_get_disk(run->frozen, i);
        struct machine_disk *described = run->disks->pdata[i];
        described->size = disk_size(disk->disk);
        run->sources[i] = (struct backup_source){.disk = disk->disk,
                                                 .name = disk->name,
                                                 .change_id = check_change_id(run, disk),
                                                 .changed = disk->changed};
    }
    run->report->consistency = frozen_consistency(run->frozen);
    run->report->consistency_words = g_strdup(frozen_words(run->frozen));
    run->config = machine_format(run->report->machine, error);
    options->sources = run->sources;
    options->n_sources = n;
    options->config_type = "machine";
    options->config = run->config;
    options->consistency = frozen_consistency_name(run->report->consistency);
    return run->config != NULL;
}

/* A machine that was changed since it was described is looked at once more. */
static gboolean
open_sources(gpointer data, struct backup_options *options, const struct set_entry *parent,
             GError **error)
{
    struct run *run = data;
    g_autoptr(GError) local = NULL;
    g_autofree char *ref = g_strdup(run->report->machine->ref);
    if (!freeze(run, parent, &local)) {
        if (!g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
        progress_debug(options->progress, "looking at the machine once more: %s", local->message);
        if (!describe(run, ref, error) || !freeze(run, parent, error))
            return FALSE;
    }
    return give_sources(run, options, error);
}

/* ---- And back -------------------------------------------------------------------------------- */

static void
thaw(struct run *run)
{
    g_autoptr(GError) local = NULL;
    if (run->frozen == NULL || run->thawed)
        return;
    if (run->report->read_ms == 0)
        run->report->read_ms = (g_get_monotonic_time() - run->read_begun) / 1000;
    g_clear_pointer(&run->thaw_words, g_free);
    run->thawed = frozen_thaw(run->frozen, &local);
    if (!run->thawed)
        run->thaw_words = g_strdup(local->message);
}

static void
settle(struct run *run)
{
    g_autoptr(GError) local = NULL;
    if (run->frozen == NULL || !run->thawed || run->settled)
        return;
    run->settled = TRUE;
    if (!frozen_settle(run->frozen, run->stored, &local)) {
        progress_warning(run->options->progress, "%s", local->message);
        note_left(run, local->message);
    }
}

/* That it could not be thawed does no harm to what was read. */
static gboolean
sources_read(gpointer data, GError **error)
{
    struct run *run = data;
    thaw(run);
    const char *torn = frozen_torn(run->frozen);
    return torn == NULL || error_set(error, SLIPWAY_ERROR_BUSY,
                                     "%s; nothing was stored: run the backup again", torn);
}

static void
stored(gpointer data)
{
    struct run *run = data;
    run->stored = TRUE;
    settle(run);
}

/* However it went.  What could not be thawed before is tried once more. */
static void
end(struct run *run)
{
    thaw(run);
    settle(run);
    if (run->frozen != NULL) {
        run->report->frozen_ms = frozen_milliseconds(run->frozen);
        run->torn = g_strdup(frozen_torn(run->frozen));
    }
    if (run->thaw_words != NULL) {
        progress_warning(run->options->progress, "%s", run->thaw_words);
        note_left(run, run->thaw_words);
    }
    frozen_free(run->frozen);
    g_clear_pointer(&run->disks, g_ptr_array_unref);
    g_free(run->thaw_words);
    g_free(run->sources);
    g_free(run->chain);
    g_free(run->identity);
    g_free(run->config);
    g_free(run->label);
}

/* ---- All of it ------------------------------------------------------------------------------- */

/* Of a set that took nothing from the one before although it was meant to. */
static void
note_lost_past(struct machine_backup_report *report)
{
    for (guint i = 0;
         report->backup.set != NULL && !report->backup.set->has_parent && i < report->disks->len;
         i++) {
        struct machine_backup_disk *disk = report->disks->pdata[i];
        if (disk->why_full == NULL && disk->changed != disk->size)
            disk->why_full = g_strdup("the set before cannot be read");
        disk->changed = disk->size;
    }
}

static gboolean
back_up(struct run *run, struct store *store, GError **error)
{
    const struct machine_backup_options *options = run->options;
    const struct machine *machine = run->report->machine;
    g_autofree char *name = options->name != NULL
                                ? g_strdup(options->name)
                                : set_cut_text(machine->name != NULL ? machine->name : machine->ref,
                                               SET_NAME_MAX - SUFFIX_MAX);
    struct backup_options backup = {
        .name = name,
        .identity = run->identity,
        .other_name = options->name == NULL,
        .driver = hypervisor_driver(run->hypervisor),
        .hypervisor = run->label,
        .hooks = {open_sources, sources_read, stored, run},
        .tags = options->tags,
        .codec = options->codec,
        .level = options->level,
        .archive = options->archive,
        .full = options->full,
        .verify = options->verify,
        .threads = options->threads,
        .bandwidth = options->bandwidth,
        .progress = options->progress,
    };
    gboolean ok = backup_run(store, &backup, &run->report->backup, error);
    note_lost_past(run->report);
    return ok;
}

static void
begin(struct run *run, struct store *store)
{
    struct machine_backup_report *report = run->report;
    report->disks = g_ptr_array_new_with_free_func(free_disk);
    report->skipped = g_ptr_array_new_with_free_func(g_free);
    report->cleaned = g_ptr_array_new_with_free_func(g_free);
    run->chain = g_strndup(store_config(store)->id, 16);
    run->label = set_cut_text(hypervisor_label(run->hypervisor), SET_NAME_MAX);
}

/* With what else is to be known: why reading has failed, perhaps, and what is left. */
static void
fail(const struct run *run, const GError *failure, GError **error)
{
    const char *left = run->report->left;
    gboolean torn = run->torn != NULL && strstr(failure->message, run->torn) == NULL &&
                    !g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_set_error(error, failure->domain, failure->code, "%s%s%s%s%s", failure->message,
                torn ? "; " : "", torn ? run->torn : "", left != NULL ? "; besides: " : "",
                left != NULL ? left : "");
}

gboolean
machine_backup_run(struct store *store, struct hypervisor *hypervisor,
                   const struct machine_backup_options *options,
                   struct machine_backup_report *report, GError **error)
{
    struct run run = {
        .store = store, .hypervisor = hypervisor, .options = options, .report = report};
    g_autoptr(GError) local = NULL;
    *report = (struct machine_backup_report){.disks = NULL};
    begin(&run, store);
    gboolean ok = describe(&run, options->ref, &local) && clean(&run, &local) &&
                  check_machine(&run, &local) && cancel_check(&local) &&
                  back_up(&run, store, &local);
    end(&run);
    if (!ok)
        fail(&run, local, error);
    g_free(run.torn);
    return ok;
}
