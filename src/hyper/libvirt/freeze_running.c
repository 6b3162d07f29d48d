/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine that runs: a backup job in pull mode. */
#include "base/error.h"
#include "base/progress.h"
#include "disk/disk_open.h"
#include "disk/nbd_changes.h"
#include "hyper/libvirt/backup_job.h"
#include "hyper/libvirt/bitmap.h"
#include "hyper/libvirt/change_id.h"
#include "hyper/libvirt/checkpoint.h"
#include "hyper/libvirt/domain_disk.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/freeze.h"
#include "hyper/libvirt/job_xml.h"
#include "hyper/libvirt/monitor.h"
#include "hyper/libvirt/quiesce.h"

#include <string.h>

/* From this version on the NBD server of QEMU gets along with iothreads.  Before, an assertion (of
 * the fix of CVE-2024-7409, which went into older versions too) ends QEMU, and the guest with it,
 * when a client goes away. */
#define THREADS_MAJOR 9u

struct running_disk {
    char *checkpoint;   /* that changes are wanted since; NULL: none */
    char *identity;     /* of its image */
    char *scratch;      /* file */
    gboolean trackable; /* qcow2 */
};

struct running {
    struct frozen base;
    struct libvirt *host;
    const struct freeze_options *options; /* until freeze_running() returns */
    virDomainPtr domain;
    const char *name; /* the domain's */
    char *xml;        /* as it runs */
    char *chain;
    char *checkpoint; /* that was made; NULL: none */
    struct scratch *scratch;
    char *socket;
    gboolean job;     /* ours was begun */
    gboolean reading; /* until the first thaw */
    int id;           /* of the domain as it runs: another one when it is started anew */
    struct running_disk *disks;
    guint n;
    gboolean tried_quiesce; /* ... in vain */
    gboolean stale;         /* bitmaps may be there that no checkpoint names */
};

/* ---- Afterwards ------------------------------------------------------------------------------ */

/* The daemon may have been started anew meanwhile; QEMU, and the job, go on without it.  *ret_gone:
 * the machine has ended, and was not to be there any longer then; so has its job. */
static gboolean
reconnect(struct running *running, gboolean *ret_gone, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gboolean ok = daemon_renew(running->host->daemon, &running->domain, &failure);
    running->name = virDomainGetName(running->domain);
    *ret_gone = g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    if (ok || *ret_gone)
        return TRUE;
    return error_set(error, (enum slipway_error)failure->code, "machine %s: %s", running->name,
                     failure->message);
}

/* The QEMU that was read from, not one that was started since. */
static gboolean
still_runs(const struct running *running)
{
    virDomainPtr found = virDomainLookupByID(virDomainGetConnect(running->domain), running->id);
    if (found == NULL)
        return FALSE;
    virDomainFree(found);
    return TRUE;
}

/* Where somebody ends the job ('virsh domjobabort'), QEMU shows the disks for a moment longer, but
 * as the guest has them now.  A QEMU that ends closes what it shows before its jobs. */
static void
look(struct running *running)
{
    if (running->reading && still_runs(running) &&
        backup_job_is_gone(running->domain, running->socket))
        running->base.torn =
            g_strdup_printf("the backup job of %s was ended by somebody else while "
                            "its disks were read, so what was read may be of "
                            "several moments",
                            running->name);
    running->reading = FALSE;
}

static gboolean
thaw(struct frozen *self, GError **error)
{
    struct running *running = (struct running *)self;
    /* Those that could not be woken when they should have been.  It was said then. */
    g_autofree char *rest = running->scratch != NULL ? scratch_rest(running->scratch) : NULL;
    gboolean wanted = running->job || rest != NULL, gone = FALSE;
    gboolean reached = !wanted || reconnect(running, &gone, error);
    if (reached && !gone)
        look(running);
    running->reading = FALSE;
    if (!reached)
        return FALSE;
    if (rest != NULL && !gone && quiesce_wake(running->domain, NULL))
        scratch_note_rest(running->scratch, NULL, NULL);
    if (running->job && !gone && !backup_job_end(running->domain, running->socket, error))
        return FALSE;
    running->job = FALSE;
    return running->scratch == NULL || scratch_remove(running->scratch, error);
}

/* What the new checkpoint has marked is marked in the older ones too, or joins them when it goes,
 * so that those stay good. */
static gboolean
settle(struct frozen *self, gboolean kept, GError **error)
{
    struct running *running = (struct running *)self;
    gboolean gone = FALSE;
    if (running->checkpoint == NULL)
        return TRUE;
    if (!reconnect(running, &gone, error))
        return FALSE;
    if (gone || virDomainIsActive(running->domain) != 1)
        return TRUE;
    if (!kept)
        return checkpoint_remove(running->domain, running->checkpoint, error);
    g_autoptr(GPtrArray) keep = g_ptr_array_new();
    g_ptr_array_add(keep, running->checkpoint);
    return checkpoint_sweep(running->domain, running->chain, keep, error) &&
           (!running->stale || bitmap_remove_running(running->domain, running->chain, keep, error));
}

static void
free_running(struct frozen *self)
{
    struct running *running = (struct running *)self;
    for (guint i = 0; i < running->n; i++) {
        g_free(running->disks[i].checkpoint);
        g_free(running->disks[i].identity);
        g_free(running->disks[i].scratch);
    }
    g_free(running->disks);
    if (running->scratch != NULL)
        scratch_free(running->scratch);
    g_free(running->socket);
    g_free(running->xml);
    g_free(running->chain);
    g_free(running->checkpoint);
    virDomainFree(running->domain);
    g_free(running);
}

static const struct frozen_class running_class = {
    .thaw = thaw, .settle = settle, .free = free_running};

/* ---- What is wanted, and what can be had ----------------------------------------------------- */

/* Why not; NULL: changes since *ret_checkpoint. */
static char *
judge_changes(struct running *running, const struct domain_disk *disk,
              const struct freeze_disk *wanted, guint64 size, char **ret_checkpoint)
{
    g_autofree char *checkpoint = NULL, *identity = NULL;
    if (running->chain == NULL ||
        !change_id_parse(wanted->change_id, running->chain, &checkpoint, &identity))
        return g_strdup("what was kept about its last backup is not of this kind of hypervisor, or "
                        "of another store");
    if (size != wanted->size)
        return g_strdup_printf("it has %" G_GUINT64_FORMAT " bytes, and had %" G_GUINT64_FORMAT
                               ": it was resized",
                               size, wanted->size);
    if (!domain_disk_has(disk, identity))
        return g_strdup("its image was replaced by another one");
    char *trouble = checkpoint_judge(running->domain, checkpoint, wanted->name);
    if (trouble == NULL)
        *ret_checkpoint = g_steal_pointer(&checkpoint);
    else
        running->stale = TRUE;
    return trouble;
}

static gboolean
check_thread(struct running *running, const struct domain_disk *disk, GError **error)
{
    g_autofree char *version = NULL;
    guint major = 0;
    if (!disk->thread)
        return TRUE;
    if (!monitor_version(running->domain, &major, &version, error))
        return FALSE;
    if (major >= THREADS_MAJOR)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                     "disk %s has an iothread, and QEMU %s would crash when such a disk has been "
                     "read; take the iothread away from the disk and its controller ('virsh edit "
                     "%s', then shut the machine down and start it), use QEMU %u or newer, or back "
                     "it up while it is off",
                     disk->name, version, running->name, THREADS_MAJOR);
}

static gboolean
plan_disk(struct running *running, guint i, guint64 *total, GError **error)
{
    const struct freeze_disk *wanted = &running->options->disks[i];
    struct running_disk *plan = &running->disks[i];
    auto_ptr(domain_disk) disk = domain_disk_read(running->xml, wanted->name, error);
    if (disk == NULL || !check_thread(running, disk, error))
        return FALSE;
    struct frozen_disk *frozen = frozen_add_disk(&running->base, wanted->name);
    virDomainBlockInfo info = {0};
    if (virDomainGetBlockInfo(running->domain, wanted->name, &info, 0) < 0)
        return failure_set(error, "disk %s", wanted->name);
    if (!g_uint64_checked_add(total, *total, info.capacity))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "disk %s: its size cannot be", wanted->name);
    plan->scratch = scratch_file(running->scratch, wanted->name);
    plan->identity = g_strdup(disk->identity);
    plan->trackable =
        running->chain != NULL && strcmp(disk->format, "qcow2") == 0 && disk->identity != NULL;
    if (!plan->trackable)
        frozen->why_full = g_strdup_printf("libvirt tracks changes of qcow2 images only, and this "
                                           "is %s",
                                           disk->format);
    else if (wanted->change_id != NULL)
        frozen->why_full = judge_changes(running, disk, wanted, info.capacity, &plan->checkpoint);
    return TRUE;
}

static gboolean
plan(struct running *running, GError **error)
{
    guint64 total = 0;
    for (guint i = 0; i < running->n; i++)
        if (!plan_disk(running, i, &total, error))
            return FALSE;
    return scratch_check_space(running->scratch, total, error);
}

/* ---- The job --------------------------------------------------------------------------------- */

/* Whose job it is. */
static gboolean
check_idle(struct running *running, GError **error)
{
    g_autofree char *socket = backup_job_socket(running->domain);
    if (socket == NULL)
        return TRUE;
    g_autofree char *mark = scratch_mark(socket);
    return error_set(
        error, SLIPWAY_ERROR_BUSY,
        "%s backup job runs on it (libvirt allows one at a time); wait for its end, or "
        "end it with 'virsh domjobabort %s'",
        mark != NULL ? "another of this program's" : "another program's", running->name);
}

static gboolean
fail_begin(const struct running *running, GError **error)
{
    g_autofree char *words = failure_words();
    failure_set(error, "cannot begin a backup job");
    if (strstr(words, "Permission denied") != NULL && error != NULL) {
        g_autofree char *folder = g_path_get_dirname(running->scratch->path);
        g_autofree char *said = g_strdup((*error)->message);
        g_free((*error)->message);
        (*error)->message = g_strdup_printf(
            "%s; its QEMU has to be able to make a socket in %s: where AppArmor guards it, add "
            "'%s/slipway-*/** rwk,' to /etc/apparmor.d/local/abstractions/libvirt-qemu, or choose "
            "another scratch directory",
            said, folder, folder);
    }
    return FALSE;
}

static gboolean
begin_job(struct running *running, gboolean tracked, GError **error)
{
    g_autofree struct job_disk *disks = g_new0(struct job_disk, running->n);
    for (guint i = 0; i < running->n; i++) {
        disks[i].name = running->options->disks[i].name;
        disks[i].scratch = running->disks[i].scratch;
        disks[i].incremental = tracked ? running->disks[i].checkpoint : NULL;
        disks[i].tracked = tracked && running->disks[i].trackable;
    }
    g_autofree char *name = tracked ? change_id_checkpoint(running->chain) : NULL;
    g_autofree char *job = job_xml_backup(disks, running->n, running->socket);
    g_autofree char *checkpoint = tracked ? job_xml_checkpoint(disks, running->n, name) : NULL;
    /* Whatever the answer is, or if there is none: it may have begun. */
    running->job = TRUE;
    if (virDomainBackupBegin(running->domain, job, checkpoint, 0) < 0)
        return fail_begin(running, error);
    running->checkpoint = checkpoint != NULL ? g_steal_pointer(&name) : NULL;
    return TRUE;
}

/* The guest rests for no longer than this takes. */
static gboolean
begin_rested(struct running *running, gboolean tracked, gboolean *ret_tracking, GError **error)
{
    struct quiesce quiesce = {.daemon = running->host->daemon,
                              .domain = &running->domain,
                              .scratch = running->scratch,
                              .progress = running->base.progress};
    struct freeze_options options = *running->options;
    if (running->tried_quiesce)
        options.quiesce = FREEZE_NEVER;
    *ret_tracking = FALSE;
    gboolean ok = quiesce_begin(&quiesce, running->xml, &options, error);
    if (ok && !begin_job(running, tracked, error)) {
        *ret_tracking = failure_is_tracking();
        ok = FALSE;
    }
    if (ok)
        frozen_begin(&running->base);
    quiesce_end(&quiesce);
    running->name = virDomainGetName(running->domain);
    if (quiesce.words != NULL) {
        running->tried_quiesce = TRUE;
        g_free(running->base.words);
        running->base.words = quiesce.words;
    }
    running->base.consistency = quiesce.rest ? FROZEN_QUIESCED : FROZEN_CRASH;
    return ok;
}

static void
lose_changes(struct running *running, const char *format, const char *words)
{
    for (guint i = 0; i < running->n; i++) {
        struct frozen_disk *disk = g_ptr_array_index(running->base.disks, i);
        if (!running->disks[i].trackable)
            continue;
        g_clear_pointer(&running->disks[i].checkpoint, g_free);
        g_free(disk->why_full);
        /* `words` may have a % of their own. */
        g_autoptr(GString) text = g_string_new(format);
        g_string_replace(text, "%", words, 1);
        disk->why_full = g_string_free(g_steal_pointer(&text), FALSE);
    }
}

/* Checkpoints that are broken are removed, and the disks read in full; where none can be made, they
 * are read in full each time. */
static gboolean
begin(struct running *running, GError **error)
{
    gboolean tracking = FALSE;
    g_autoptr(GError) first = NULL, second = NULL;
    if (begin_rested(running, running->chain != NULL, &tracking, &first))
        return TRUE;
    if (!tracking) {
        g_propagate_error(error, g_steal_pointer(&first));
        return FALSE;
    }
    g_autoptr(GError) failure = NULL;
    if (!checkpoint_sweep_broken(running->domain, running->chain, &failure))
        progress_warning(running->base.progress, "%s", failure->message);
    lose_changes(running, "its list of changes is broken (%), was removed, and begins anew",
                 first->message);
    if (begin_rested(running, TRUE, &tracking, &second))
        return TRUE;
    if (!tracking) {
        g_propagate_error(error, g_steal_pointer(&second));
        return FALSE;
    }
    lose_changes(running, "changes cannot be tracked: %", second->message);
    return begin_rested(running, FALSE, &tracking, error);
}

/* ---- Its disks ------------------------------------------------------------------------------- */

static char *
export_uri(const struct running *running, const char *disk)
{
    g_autofree char *name = g_uri_escape_string(disk, NULL, FALSE);
    g_autofree char *socket = g_uri_escape_string(running->socket, "/", FALSE);
    return g_strdup_printf("nbd+unix:///%s?socket=%s", name, socket);
}

/* A list that makes no sense is as good as none. */
static gboolean
query_changes(struct frozen_disk *disk, const char *uri, GError **error)
{
    g_autoptr(GError) failure = NULL;
    disk->changed = nbd_changes_query(uri, "qemu:dirty-bitmap:" JOB_BITMAP, &failure);
    if (disk->changed != NULL)
        return TRUE;
    if (!g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) &&
        !g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT) &&
        !g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    disk->why_full = g_strdup_printf("its list of changes cannot be had: %s", failure->message);
    return TRUE;
}

static gboolean
open_disk(struct running *running, guint i, GError **error)
{
    struct frozen_disk *disk = g_ptr_array_index(running->base.disks, i);
    const struct running_disk *plan = &running->disks[i];
    g_autofree char *uri = export_uri(running, disk->name);
    if (plan->checkpoint != NULL && !query_changes(disk, uri, error))
        return FALSE;
    disk->disk = disk_nbd_open(uri, FALSE, error);
    if (disk->disk == NULL)
        return FALSE;
    if (running->checkpoint != NULL && plan->trackable)
        disk->change_id = change_id_format(running->checkpoint, plan->identity);
    return TRUE;
}

static gboolean
run(struct libvirt *host, struct running *running, GError **error)
{
    running->xml = libvirt_xml(running->domain, TRUE, error);
    if (running->xml == NULL || !check_idle(running, error))
        return FALSE;
    running->scratch = scratch_make(host, error);
    if (running->scratch == NULL)
        return FALSE;
    running->socket = scratch_socket(running->scratch);
    if (!plan(running, error) || !begin(running, error))
        return FALSE;
    for (guint i = 0; i < running->n; i++)
        if (!open_disk(running, i, error))
            return FALSE;
    return TRUE;
}

struct frozen *
freeze_running(struct libvirt *host, virDomainPtr domain, const struct freeze_options *options,
               GError **error)
{
    struct running *running = g_new0(struct running, 1);
    auto_ptr(frozen) frozen = &running->base;
    frozen_init(frozen, &running_class, options);
    running->host = host;
    running->options = options;
    running->domain = domain;
    running->name = virDomainGetName(domain);
    running->id = (int)virDomainGetID(domain);
    running->chain = g_strdup(options->chain);
    running->n = options->n_disks;
    running->disks = g_new0(struct running_disk, running->n);
    if (!run(host, running, error)) {
        g_prefix_error(error, "machine %s: ", running->name);
        return NULL;
    }
    running->options = NULL;
    running->reading = TRUE;
    return g_steal_pointer(&frozen);
}
