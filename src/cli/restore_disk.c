/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "disk/disk_open.h"
#include "engine/restore.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* What to restore, and where to. */
struct job {
    struct store *store;
    const struct set *set;
    const struct set_disk *disk;
    const char *path;
    char *state; /* path of the state file; NULL: none for such a target */
    enum disk_format format;
};

static gboolean
is_uri(const char *path)
{
    return g_strstr_len(path, -1, "://") != NULL;
}

/* What an interrupted run of the same restore left; NULL without an error when there is none. */
static struct disk *
open_unfinished(const struct job *job)
{
    if (job->state == NULL || !g_file_test(job->state, G_FILE_TEST_EXISTS))
        return NULL;
    auto_ptr(disk) target = disk_open_write(job->path, job->format, NULL);
    return target != NULL &&
                   restore_can_resume(job->store, job->set, job->disk->name, target, job->state)
               ? g_steal_pointer(&target)
               : NULL;
}

/* A raw file with another state of the disk, which may have had another size. */
static struct disk *
open_older(const struct job *job, const struct stat *status, GError **error)
{
    enum disk_format format = job->format;
    if (format == DISK_FORMAT_AUTO)
        format = disk_format_probe(job->path, error);
    if (format == DISK_FORMAT_N)
        return NULL;
    if (format == DISK_FORMAT_RAW && S_ISREG(status->st_mode) &&
        (guint64)status->st_size != job->disk->map.size &&
        truncate(job->path, (off_t)job->disk->map.size) != 0) {
        error_set_errno(error, errno, "cannot make %s %" G_GUINT64_FORMAT " bytes long", job->path,
                        job->disk->map.size);
        return NULL;
    }
    return disk_open_write(job->path, format, error);
}

/* A file that is there, by --overwrite: what it was, and how long, is of no interest. */
static struct disk *
replace(const struct job *job, const struct stat *status, GError **error)
{
    if (!S_ISREG(status->st_mode))
        return disk_open_write(job->path, job->format, error);
    if (remove(job->path) != 0) {
        error_set_errno(error, errno, "cannot replace %s", job->path);
        return NULL;
    }
    return disk_create(job->path, job->format, job->disk->map.size, error);
}

/* The target, open: a new file, or with --incremental, --overwrite or after an interruption what is
 * there. */
static struct disk *
open_target(struct session *session, const struct job *job, gboolean *ret_zero, GError **error)
{
    const char *path = job->path;
    struct stat status;
    *ret_zero = FALSE;
    if (is_uri(path) || disk_is_device(path)) {
        g_autofree char *question =
            g_strdup_printf("Overwrite everything on %s with the backup?", path);
        return ui_confirm(session_ui(session), question, error)
                   ? disk_open_write(path, job->format, error)
                   : NULL;
    }
    if (stat(path, &status) != 0) {
        *ret_zero = TRUE;
        return disk_create(path, job->format, job->disk->map.size, error);
    }
    struct disk *target = open_unfinished(job);
    if (target != NULL)
        return target;
    if (session_flag(session, OPTION_INCREMENTAL))
        return open_older(job, &status, error);
    if (!session_flag(session, OPTION_OVERWRITE))
        return error_null(
            error, SLIPWAY_ERROR_EXISTS,
            "%s exists; --overwrite replaces it, --incremental brings it to the state "
            "of the set",
            path);
    *ret_zero = S_ISREG(status.st_mode);
    return replace(job, &status, error);
}

static void
print_report(struct ui *ui, const char *target, const struct restore_report *report, gboolean empty,
             gint64 start)
{
    double seconds = (double)MAX(g_get_monotonic_time() - start, 1) / G_USEC_PER_SEC;
    g_autofree char *written = text_bytes(report->written), *zeroed = text_bytes(report->zeroed);
    g_autofree char *skipped = text_bytes(report->skipped), *resumed = text_bytes(report->resumed);
    if (empty)
        ui_print(ui, "Restored %s in %.1f s: %s written, %s empty\n", target, seconds, written,
                 skipped);
    else
        ui_print(ui, "Restored %s in %.1f s: %s written, %s zeroed, %s left as it was\n", target,
                 seconds, written, zeroed, skipped);
    if (report->resumed > 0)
        ui_print(ui, "%s of it had been done by a run that was interrupted\n", resumed);
    set_print_damage(ui, report->damage);
    ui_set(ui, "target", json_string(target));
    ui_set(ui, "read", json_integer((json_int_t)report->read));
    ui_set(ui, "written", json_integer((json_int_t)report->written));
    ui_set(ui, "zeroed", json_integer((json_int_t)report->zeroed));
    ui_set(ui, "skipped", json_integer((json_int_t)report->skipped));
    ui_set(ui, "resumed", json_integer((json_int_t)report->resumed));
    ui_set(ui, "damage", set_print_damage_json(report->damage));
    ui_set(ui, "seconds", json_real(seconds));
}

static char *
state_path(const char *target)
{
    return is_uri(target) || disk_is_device(target) ? NULL
                                                    : g_strconcat(target, ".slipway-restore", NULL);
}

static gboolean
restore(struct session *session, const struct job *job, GError **error)
{
    gint64 start = g_get_monotonic_time();
    gboolean zero = FALSE;
    if (job->state != NULL && session_flag(session, OPTION_RESTART))
        remove(job->state);
    auto_ptr(disk) target = open_target(session, job, &zero, error);
    if (target == NULL)
        return FALSE;
    struct restore_options options = {
        .threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0),
        .compare = session_flag(session, OPTION_INCREMENTAL) && !zero,
        .target_is_zero = zero,
        .skip_damaged = session_flag(session, OPTION_SKIP_DAMAGED),
        .state_path = job->state,
        .progress = session_progress(session),
    };
    struct restore_report report = {0};
    gboolean ok =
        restore_disk(job->store, NULL, job->set, job->disk->name, target, &options, &report, error);
    if (ok) {
        print_report(session_ui(session), job->path, &report, zero, start);
        if (report.damage->len > 0)
            ok = error_set(error, SLIPWAY_ERROR_CORRUPT,
                           "the ranges that are listed could not be restored and are not what they "
                           "were; `slipway store repair` may heal them");
    }
    restore_report_clear(&report);
    return ok;
}

static gboolean
run(struct session *session, GError **error)
{
    struct job job = {.path = session_operand(session, 2)};
    const char *name = session_operand(session, 1), *wanted = session_text(session, OPTION_FORMAT);
    if (wanted != NULL && !disk_format_parse(wanted, &job.format))
        return error_set(error, SLIPWAY_ERROR_USAGE, "--format %s: no such format", wanted);
    job.store = session_store(session, error);
    struct set_entry *entry =
        job.store != NULL ? store_sets_find(job.store, session_operand(session, 0), error) : NULL;
    if (entry == NULL)
        return FALSE;
    job.set = entry->set;
    job.disk = set_find_disk(entry->set, name);
    gboolean ok = job.disk != NULL;
    if (ok) {
        job.state = state_path(job.path);
        ok = restore(session, &job, error);
    } else {
        error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                  "the set has no disk %s; `slipway backup show %s` lists them", name,
                  session_operand(session, 0));
    }
    g_free(job.state);
    set_entry_free(entry);
    return ok;
}

const struct verb verb_restore_disk = {
    .name = "disk",
    .summary = "restore one disk to a file, a device or an NBD server",
    .description =
        "Restore the disk DISK of a set to TARGET: a new raw file (sparse), a new image (qcow2, "
        "vmdk, vhdx, vdi, vpc, by the ending of its name or --format), a block device (asks, or "
        "wants --yes), or an NBD URI. Every byte is checked on its way.\n\n"
        "With --incremental TARGET holds an older or newer state of the disk, and only what "
        "differs "
        "is written. An interrupted restore to a file goes on where it was when it is run again; "
        "TARGET.slipway-restore says how far it came, and --restart ignores it.\n\n"
        "A damaged part stops the restore and is named; --skip-damaged goes on and lists them all.",
    .operands = {{"SET", FALSE, FALSE, COMPLETE_SETS, NULL},
                 {"DISK", FALSE, FALSE, COMPLETE_NONE, NULL},
                 {"TARGET", FALSE, FALSE, COMPLETE_FILE, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_FORMAT, OPTION_INCREMENTAL, OPTION_OVERWRITE, OPTION_SKIP_DAMAGED,
                OPTION_RESTART, OPTION_WORKERS},
    .examples = {{"slipway restore web1 disk0 web1.img", "the newest set to a raw file"},
                 {"slipway restore db1@2026-11-24 root db1.qcow2", "as qcow2"},
                 {"slipway restore web1 disk0 /dev/vg0/web1 --yes", "onto a volume"}},
    .run = run,
};
