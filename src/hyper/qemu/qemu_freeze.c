/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "base/random.h"
#include "disk/disk_open.h"
#include "disk/nbd_changes.h"
#include "hyper/qemu/qemu_agent.h"
#include "hyper/qemu/qemu_frozen.h"
#include "hyper/qemu/qemu_leftovers.h"
#include "hyper/qemu/qemu_scratch.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define COPY "t"   /* a bitmap as it was at the moment of the freeze */
#define EXPORT "e" /* by which it is read */

/* Of what is frozen, that should be free where the guest's overwrites go. */
#define SCRATCH_SHARE 20u

/* From this version on the NBD server of QEMU gets along with iothreads.  Before, an assertion (of
 * the fix of CVE-2024-7409, which went into older versions too) ends QEMU, and the guest with it,
 * when a client goes away. */
#define THREADS_MAJOR 9u

/* ---- What is wanted -------------------------------------------------------------------------- */

static gboolean
check_drive(const struct qemu_drive *drive, const char *name, GError **error)
{
    if (drive == NULL)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "the machine has no disk %s", name);
    if (drive->skip != NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "disk %s cannot be backed up: %s", name,
                         drive->skip);
    if (drive->busy)
        return error_set(
            error, SLIPWAY_ERROR_BUSY,
            "disk %s: a job of somebody else works on it (query-jobs tells which); try "
            "again when it has ended",
            name);
    return TRUE;
}

static gboolean
check_thread(struct qemu_session *session, const struct qemu_drive *drive, GError **error)
{
    if (qemu_session_major(session) >= THREADS_MAJOR || !qemu_drive_has_thread(session, drive))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                     "disk %s has an iothread, and QEMU %s would crash when such a disk has been "
                     "read; take the iothread away from the device, or use QEMU %u or newer",
                     drive->name, qemu_session_version(session), THREADS_MAJOR);
}

static gboolean
add_parts(struct qemu_frozen *frozen, const struct freeze_options *options, GError **error)
{
    frozen->drives = qemu_drive_list(frozen->session, error);
    if (frozen->drives == NULL)
        return FALSE;
    for (guint i = 0; i < options->n_disks; i++) {
        const char *name = options->disks[i].name;
        const struct qemu_drive *drive = qemu_drive_find(frozen->drives, name);
        if (!check_drive(drive, name, error) || !check_thread(frozen->session, drive, error))
            return FALSE;
        struct qemu_part *part = g_new0(struct qemu_part, 1);
        part->drive = drive;
        part->file = -1;
        g_ptr_array_add(frozen->parts, part);
        frozen_add_disk(&frozen->base, name);
    }
    return TRUE;
}

static gboolean
ask_status(struct qemu_frozen *frozen, GError **error)
{
    json_t *status = qemu_session_ask(frozen->session, "query-status", NULL, error);
    if (status == NULL)
        return FALSE;
    const char *word = json_string_value(json_object_get(status, "status"));
    gboolean ok = g_strcmp0(word, "inmigrate") != 0 && g_strcmp0(word, "postmigrate") != 0 &&
                  g_strcmp0(word, "finish-migrate") != 0;
    frozen->ran = json_is_true(json_object_get(status, "running"));
    gboolean off = g_strcmp0(word, "prelaunch") == 0 || g_strcmp0(word, "shutdown") == 0;
    frozen->base.consistency = off ? FROZEN_OFF : FROZEN_CRASH;
    json_decref(status);
    return ok || error_set(error, SLIPWAY_ERROR_BUSY,
                           "the machine is just being migrated; try again where it then is");
}

/* ---- Bitmaps --------------------------------------------------------------------------------- */

/* Why the old set's bitmap cannot tell what changed; NULL: it can. */
static char *
find_why(const struct qemu_drive *drive, const struct freeze_disk *wanted, const char *prefix)
{
    if (wanted->change_id == NULL)
        return NULL;
    if (!g_str_has_prefix(wanted->change_id, prefix))
        return g_strdup("the last set's change id is not one of this hypervisor and this store");
    if (wanted->size != drive->size)
        return g_strdup_printf("it has %" G_GUINT64_FORMAT " bytes, and had %" G_GUINT64_FORMAT,
                               drive->size, wanted->size);
    const struct qemu_bitmap *bitmap = qemu_drive_find_bitmap(drive, wanted->change_id);
    if (bitmap == NULL && !drive->persistent)
        return g_strdup("QEMU was started anew, and images of its format keep no bitmaps");
    if (bitmap == NULL)
        return g_strdup("QEMU has lost its bitmap: it was killed, or the image is another one");
    if (bitmap->inconsistent)
        return g_strdup("its bitmap is broken: QEMU was killed while it was in use");
    if (!bitmap->recording)
        return g_strdup("its bitmap was switched off");
    return bitmap->busy ? g_strdup("somebody else uses its bitmap") : NULL;
}

/* What is of ours and of no use to anybody. */
static void
remove_broken(struct qemu_frozen *frozen, const struct qemu_drive *drive)
{
    for (guint i = 0; i < drive->bitmaps->len; i++) {
        const struct qemu_bitmap *bitmap = g_ptr_array_index(drive->bitmaps, i);
        if (g_str_has_prefix(bitmap->name, "slipway_") && !bitmap->busy &&
            (bitmap->inconsistent || !bitmap->recording))
            qemu_session_do(frozen->session, "block-dirty-bitmap-remove",
                            json_pack("{s:s, s:s}", "node", drive->node, "name", bitmap->name),
                            NULL);
    }
}

static gboolean
choose_bitmaps(struct qemu_frozen *frozen, const struct freeze_options *options, GError **error)
{
    g_autofree char *prefix = qemu_frozen_prefix(frozen->chain);
    for (guint i = 0; i < frozen->parts->len; i++) {
        struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        struct frozen_disk *disk = g_ptr_array_index(frozen->base.disks, i);
        guint64 number;
        if (!random_fill(&number, sizeof number, error))
            return FALSE;
        part->new = g_strdup_printf("%s%016" G_GINT64_MODIFIER "x", prefix, number);
        disk->why_full = find_why(part->drive, &options->disks[i], prefix);
        if (disk->why_full == NULL)
            part->old = g_strdup(options->disks[i].change_id);
        remove_broken(frozen, part->drive);
    }
    return TRUE;
}

/* ---- Everything but the moment itself -------------------------------------------------------- */

static void
look_at_room(const struct qemu_frozen *frozen, const char *scratch)
{
    struct statvfs info;
    guint64 total = 0;
    for (guint i = 0; i < frozen->parts->len; i++) {
        const struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        total += MIN(part->drive->allocated, part->drive->size);
    }
    if (statvfs(scratch, &info) == 0 &&
        (guint64)info.f_bavail * info.f_frsize < total / SCRATCH_SHARE)
        progress_warning(frozen->base.progress,
                         "there is little room in %s for what the guest overwrites during the "
                         "backup; should it run out, QEMU stops the guest until the backup has "
                         "ended: set TMPDIR to a larger place",
                         scratch);
}

static gboolean
prepare(struct qemu_frozen *frozen, const char *scratch, GError **error)
{
    if (g_mkdir(frozen->directory, 0700) != 0)
        return error_set_errno(error, errno, "cannot make the directory %s", frozen->directory);
    if (!qemu_session_add_note(frozen->session, frozen->mark, error))
        return FALSE;
    look_at_room(frozen, scratch);
    for (guint i = 0; i < frozen->parts->len; i++) {
        struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        part->file = qemu_scratch_file(scratch, error);
        if (part->file < 0)
            return FALSE;
        part->overlay = qemu_scratch_add(frozen->session, frozen->mark, i, part->file,
                                         part->drive->size, part->drive->node, error);
        if (part->overlay == NULL) {
            g_prefix_error(error, "disk %s: ", part->drive->name);
            return FALSE;
        }
    }
    g_autofree char *socket = g_build_filename(frozen->directory, QEMU_LEFTOVERS_SOCKET, NULL);
    return qemu_scratch_serve(frozen->session, frozen->mark, socket, error);
}

/* ---- The moment ------------------------------------------------------------------------------ */

static void
add_action(json_t *actions, const char *type, json_t *data)
{
    json_array_append_new(actions, json_pack("{s:s, s:o}", "type", type, "data", data));
}

/* Begun before the moment and copied after it, bitmaps have too much rather than too little,
 * whatever a guest writes that does not wait for QEMU's main thread. */
static json_t *
list_actions(const struct qemu_frozen *frozen)
{
    json_t *actions = json_array();
    for (guint i = 0; i < frozen->parts->len; i++) {
        const struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        const char *node = part->drive->node;
        g_autofree char *job = qemu_leftovers_name(frozen->mark, QEMU_FROZEN_JOB, i);
        g_autofree char *filter = qemu_leftovers_node(frozen->mark, QEMU_FROZEN_JOB, i);
        g_autofree char *copy = qemu_leftovers_name(frozen->mark, COPY, i);
        if (part->new != NULL)
            add_action(actions, "block-dirty-bitmap-add",
                       json_pack("{s:s, s:s, s:b}", "node", node, "name", part->new, "persistent",
                                 part->drive->persistent));
        if (part->old != NULL)
            add_action(actions, "block-dirty-bitmap-add",
                       json_pack("{s:s, s:s, s:b}", "node", node, "name", copy, "disabled", TRUE));
        add_action(actions, "blockdev-backup",
                   json_pack("{s:s, s:s, s:s, s:s, s:s}", "job-id", job, "device", node, "target",
                             part->overlay, "sync", "none", "filter-node-name", filter));
    }
    for (guint i = 0; i < frozen->parts->len; i++) {
        const struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        g_autofree char *copy = qemu_leftovers_name(frozen->mark, COPY, i);
        if (part->old != NULL)
            add_action(actions, "block-dirty-bitmap-merge",
                       json_pack("{s:s, s:s, s:[s]}", "node", part->drive->node, "target", copy,
                                 "bitmaps", part->old));
    }
    return actions;
}

static gboolean
take_moment(struct qemu_frozen *frozen, GError **error)
{
    json_t *actions = list_actions(frozen);
    if (!qemu_session_do(frozen->session, "transaction", json_pack("{s:o}", "actions", actions),
                         error))
        return FALSE;
    frozen->base.begun = g_get_monotonic_time();
    return TRUE;
}

/* Without bitmaps, when it is they that QEMU does not like. */
static gboolean
take_moment_somehow(struct qemu_frozen *frozen, GError **error)
{
    g_autoptr(GError) local = NULL;
    if (take_moment(frozen, &local))
        return TRUE;
    if (local->code != SLIPWAY_ERROR_FAILED || strcasestr(local->message, "bitmap") == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    for (guint i = 0; i < frozen->parts->len; i++) {
        struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        struct frozen_disk *disk = g_ptr_array_index(frozen->base.disks, i);
        g_clear_pointer(&part->old, g_free);
        g_clear_pointer(&part->new, g_free);
        if (disk->why_full == NULL)
            disk->why_full = g_strdup_printf("QEMU keeps no bitmaps: %s", local->message);
    }
    return take_moment(frozen, error);
}

/* The guest's file systems come to rest, for as short as can be. */
static gboolean
quiesce(struct qemu_frozen *frozen, const struct freeze_options *options, GError **error)
{
    g_autofree char *note = g_strconcat(frozen->mark, "_quiet", NULL);
    g_autoptr(GError) local = NULL;
    if (options->quiesce == FREEZE_NEVER || frozen->base.consistency == FROZEN_OFF)
        return TRUE;
    gboolean ok, doubt = FALSE;
    if (frozen->agent == NULL)
        ok = error_set(&local, SLIPWAY_ERROR_UNSUPPORTED,
                       "no guest agent was named (qmp:///SOCKET?agent=/SOCKET)");
    else if (!frozen->ran)
        ok = error_set(&local, SLIPWAY_ERROR_FAILED, "the machine is paused");
    else
        ok = qemu_session_add_note(frozen->session, note, &local) &&
             qemu_agent_freeze(frozen->agent, options->quiesce_minutes, &doubt, &local);
    if (ok) {
        frozen->base.consistency = FROZEN_QUIESCED;
        return TRUE;
    }
    /* In doubt it stays: what is noted is thawed at the end, or loudly not. */
    if (!doubt)
        qemu_session_remove_note(frozen->session, note, NULL);
    if (options->quiesce == FREEZE_REQUIRE) {
        g_propagate_prefixed_error(error, g_steal_pointer(&local),
                                   "cannot bring the guest's file systems to rest: ");
        return FALSE;
    }
    frozen->base.words = g_strdup(local->message);
    return TRUE;
}

/* A guest that cannot be thawed is worse than a backup that is not made. */
static gboolean
unquiesce(struct qemu_frozen *frozen, GError **error)
{
    if (frozen->base.consistency != FROZEN_QUIESCED)
        return TRUE;
    g_autofree char *note = g_strconcat(frozen->mark, "_quiet", NULL);
    return qemu_agent_thaw(frozen->agent, error) &&
           qemu_session_remove_note(frozen->session, note, error);
}

static gboolean
freeze_now(struct qemu_frozen *frozen, const struct freeze_options *options, GError **error)
{
    if (!cancel_check(error) || !quiesce(frozen, options, error))
        return FALSE;
    g_autoptr(GError) thawing = NULL;
    gboolean ok = take_moment_somehow(frozen, error);
    gboolean thawed = unquiesce(frozen, &thawing);
    if (ok && !thawed)
        g_propagate_error(error, g_steal_pointer(&thawing));
    return ok && thawed;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static gboolean
add_export(struct qemu_frozen *frozen, guint i, GError **error)
{
    const struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
    g_autofree char *id = qemu_leftovers_name(frozen->mark, EXPORT, i);
    g_autofree char *copy = qemu_leftovers_name(frozen->mark, COPY, i);
    json_t *arguments = json_pack("{s:s, s:s, s:s, s:s, s:b}", "id", id, "type", "nbd", "node-name",
                                  part->overlay, "name", part->drive->name, "writable", FALSE);
    if (part->old != NULL)
        json_object_set_new(arguments, "bitmaps", json_pack("[s]", copy));
    return qemu_session_do(frozen->session, "block-export-add", arguments, error);
}

static char *
make_uri(const struct qemu_frozen *frozen, const char *name)
{
    g_autofree char *path = g_build_filename(frozen->directory, QEMU_LEFTOVERS_SOCKET, NULL);
    g_autofree char *socket = g_uri_escape_string(path, "/", TRUE);
    g_autofree char *export = g_uri_escape_string(name, NULL, TRUE);
    return g_strdup_printf("nbd+unix:///%s?socket=%s", export, socket);
}

/* What cannot be told of changes is no reason to have no backup; a server that is gone is. */
static gboolean
ask_changes(struct qemu_frozen *frozen, guint i, const char *uri, GError **error)
{
    const struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
    struct frozen_disk *disk = g_ptr_array_index(frozen->base.disks, i);
    if (part->old == NULL)
        return TRUE;
    g_autofree char *copy = qemu_leftovers_name(frozen->mark, COPY, i);
    g_autofree char *context = g_strconcat("qemu:dirty-bitmap:", copy, NULL);
    g_autoptr(GError) local = NULL;
    disk->changed = nbd_changes_query(uri, context, &local);
    if (disk->changed != NULL)
        return TRUE;
    if (local->code == SLIPWAY_ERROR_NETWORK || local->code == SLIPWAY_ERROR_CANCELLED) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    disk->why_full = g_strdup(local->message);
    return TRUE;
}

static gboolean
open_disk(struct qemu_frozen *frozen, guint i, GError **error)
{
    const struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
    struct frozen_disk *disk = g_ptr_array_index(frozen->base.disks, i);
    g_autofree char *uri = make_uri(frozen, part->drive->name);
    if (!add_export(frozen, i, error) || !ask_changes(frozen, i, uri, error))
        return FALSE;
    disk->change_id = g_strdup(part->new);
    disk->disk = disk_nbd_open(uri, FALSE, error);
    return disk->disk != NULL;
}

static gboolean
open_disks(struct qemu_frozen *frozen, GError **error)
{
    for (guint i = 0; i < frozen->parts->len; i++) {
        const struct qemu_part *part = g_ptr_array_index(frozen->parts, i);
        if (!cancel_check(error))
            return FALSE;
        if (!open_disk(frozen, i, error)) {
            g_prefix_error(error, "disk %s: ", part->drive->name);
            return FALSE;
        }
    }
    return TRUE;
}

struct frozen *
qemu_freeze(struct qemu_session *session, const char *agent, const char *scratch,
            const struct freeze_options *options, GError **error)
{
    g_autofree char *other = qemu_leftovers_find_alive(session);
    if (other != NULL)
        return error_null(error, SLIPWAY_ERROR_BUSY,
                          "run %s works on the machine; try again when it has ended", other);
    struct qemu_frozen *frozen = qemu_frozen_new(session, agent, scratch, options);
    if (add_parts(frozen, options, error) && ask_status(frozen, error) &&
        choose_bitmaps(frozen, options, error) && prepare(frozen, scratch, error) &&
        freeze_now(frozen, options, error) && open_disks(frozen, error)) {
        frozen->reading = TRUE;
        return &frozen->base;
    }
    frozen_free(&frozen->base);
    return NULL;
}
