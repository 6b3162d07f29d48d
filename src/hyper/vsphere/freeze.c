/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A snapshot, and its disks opened; or nothing at all. */
#include "base/cancel.h"
#include "base/error.h"
#include "hyper/mark.h"
#include "hyper/vsphere/api_version.h"
#include "hyper/vsphere/frozen_vm.h"
#include "hyper/vsphere/patience.h"
#include "hyper/vsphere/snapshot.h"

#include <string.h>

#define TRACKING_VERSION 7u /* of the virtual hardware */
#define ELSEWHERE_HOURS 24  /* that another computer's snapshot is taken to be in use */
#define LABEL_MAX 256u      /* of a name in messages */

/* What a machine was like before. */
struct state {
    char *name, *power, *tools;
    gboolean template, tracked, can_track, merge;
    guint version; /* of the virtual hardware; 0: not known */
    GPtrArray *snapshots;
    char *untracked; /* why changes are not tracked; NULL: they are, or will be */
};

static void
clear_state(struct state *state)
{
    g_free(state->name);
    g_free(state->power);
    g_free(state->tools);
    g_free(state->untracked);
    g_clear_pointer(&state->snapshots, g_ptr_array_unref);
}

static gboolean
get_boolean(const struct vim_object *object, const char *path, gboolean otherwise)
{
    g_autofree char *text = vim_property_text(object, path);
    return xml_boolean(text, otherwise);
}

static gboolean
read_state(struct frozen_vm *vm, struct state *state, GError **error)
{
    static const char *const paths[] = {"name",
                                        "runtime.powerState",
                                        "runtime.consolidationNeeded",
                                        "guest.toolsRunningStatus",
                                        "config.template",
                                        "config.version",
                                        "config.changeTrackingEnabled",
                                        "capability.changeTrackingSupported",
                                        "snapshot",
                                        "config.keyId",
                                        NULL};
    const char *asked[G_N_ELEMENTS(paths)];
    memcpy(asked, paths, sizeof paths);
    /* The last one came with encryption; older servers would refuse the others with it. */
    if (!api_version_is(vm->vsphere->vim, 6, 5))
        asked[G_N_ELEMENTS(paths) - 2] = NULL;
    auto_ptr(vim_object) object = vim_get(vm->vsphere->vim, &vm->machine, asked, error);
    if (object == NULL)
        return FALSE;
    vm->encrypted = vim_property(object, "config.keyId") != NULL;
    state->name = vim_property_text(object, "name");
    state->power = vim_property_text(object, "runtime.powerState");
    state->tools = vim_property_text(object, "guest.toolsRunningStatus");
    state->merge = get_boolean(object, "runtime.consolidationNeeded", FALSE);
    state->template = get_boolean(object, "config.template", FALSE);
    state->tracked = get_boolean(object, "config.changeTrackingEnabled", FALSE);
    state->can_track = get_boolean(object, "capability.changeTrackingSupported", TRUE);
    state->snapshots = snapshot_list(vim_property(object, "snapshot"));
    g_autofree char *version = vim_property_text(object, "config.version");
    if (version != NULL && g_str_has_prefix(version, "vmx-"))
        state->version = (guint)MIN(g_ascii_strtoull(version + 4, NULL, 10), 1000);
    return TRUE;
}

/* Whether somebody works on the machine, by the names of its snapshots. */
static gboolean
check_snapshot(const struct frozen_vm *vm, const struct snapshot *snapshot, GError **error)
{
    switch (mark_look(snapshot->name)) {
    case MARK_ALIVE:
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "%s is being backed up by another run on this computer (snapshot %s); "
                         "wait until that has ended",
                         vm->label, snapshot->name);
    case MARK_ELSEWHERE: {
        g_autoptr(GDateTime) made = snapshot->created != NULL
                                        ? g_date_time_new_from_iso8601(snapshot->created, NULL)
                                        : NULL;
        gint64 age =
            made != NULL ? g_get_real_time() / G_USEC_PER_SEC - g_date_time_to_unix(made) : 0;
        if (age < ELSEWHERE_HOURS * 3600)
            return error_set(error, SLIPWAY_ERROR_BUSY,
                             "%s has snapshot %s of a Slipway on another computer; wait until that "
                             "has ended, or delete the snapshot when nothing runs there any more",
                             vm->label, snapshot->name);
        progress_warning(vm->base.progress,
                         "%s has snapshot %s, which Slipway on another computer has left a day ago "
                         "or more; delete it when nothing runs there any more",
                         vm->label, snapshot->name);
        return TRUE;
    }
    case MARK_LEFT:
        progress_warning(vm->base.progress, "%s still has snapshot %s, which a killed run has left",
                         vm->label, snapshot->name);
        return TRUE;
    case MARK_FOREIGN:
        return TRUE;
    }
    return TRUE;
}

static gboolean
check_state(const struct frozen_vm *vm, const struct state *state, GError **error)
{
    if (state->template)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s is a template, of which no snapshot can be made; convert it to a "
                         "virtual machine (it need not be started), back that up, and convert it "
                         "back",
                         vm->label);
    for (guint i = 0; i < state->snapshots->len; i++)
        if (!check_snapshot(vm, g_ptr_array_index(state->snapshots, i), error))
            return FALSE;
    return TRUE;
}

/* A machine that runs on a delta of a snapshot that is gone; nobody needs it, and it would be in
 * the way. */
static void
merge_leftovers(struct frozen_vm *vm, const struct state *state)
{
    g_autoptr(GError) error = NULL;
    if (!state->merge || state->snapshots->len > 0)
        return;
    progress_info(
        vm->base.progress,
        "the disks of %s need to be merged since a snapshot was removed; doing that first",
        vm->label);
    if (!snapshot_consolidate(vm->vsphere, &vm->machine, vm->label, NULL, &error))
        progress_warning(vm->base.progress, "%s", error->message);
}

/* Takes effect with the next snapshot.  Whatever is in the way is no reason to fail. */
static gboolean
enable_tracking(struct frozen_vm *vm, struct state *state, GError **error)
{
    if (state->tracked)
        return TRUE;
    if (!state->can_track || (state->version != 0 && state->version < TRACKING_VERSION)) {
        state->untracked = g_strdup_printf(
            "the machine's virtual hardware (version %u) is too old for tracking changes",
            state->version);
        return TRUE;
    }
    if (state->snapshots->len > 0) {
        state->untracked = g_strdup("changes are not tracked, and tracking cannot begin while the "
                                    "machine has snapshots");
        return TRUE;
    }
    g_autofree char *what = g_strdup_printf("enabling the tracking of changes of %s", vm->label);
    struct vim_wait wait = {.what = what, .limit_s = vm->vsphere->stall_s, .cancellable = TRUE};
    g_autoptr(GError) failure = NULL;
    GString *xml = g_string_new(NULL);
    vim_begin(xml, "spec", NULL);
    vim_put_bool(xml, "changeTrackingEnabled", TRUE);
    vim_end(xml, "spec");
    g_autofree char *arguments = g_string_free(xml, FALSE);
    if (vim_run(vm->vsphere->vim, "ReconfigVM_Task", &vm->machine, arguments, &wait, NULL, NULL,
                &failure))
        return TRUE;
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    patience_settle(vm->vsphere, &vm->machine);
    state->untracked =
        g_strdup_printf("tracking of changes could not be enabled: %s", failure->message);
    return TRUE;
}

/* One try, with what a failed one left removed.  A task that was given up may end later, so its
 * name is looked for again at the end. */
static gboolean
try_snapshot(struct frozen_vm *vm, const struct freeze_options *options, gboolean quiesce,
             GError **error)
{
    vm->mark = mark_new();
    struct snapshot_wish wish = {.machine = &vm->machine,
                                 .label = vm->label,
                                 .name = vm->mark,
                                 .quiesce = quiesce,
                                 .minutes = options->quiesce_minutes,
                                 .progress = options->progress};
    if (snapshot_create(vm->vsphere, &wish, &vm->snapshot, error))
        return TRUE;
    g_autoptr(GError) left = NULL;
    if (snapshot_remove(vm->vsphere, &vm->machine, vm->label, vm->mark, options->progress, &left)) {
        g_free(vm->tried);
        vm->tried = g_steal_pointer(&vm->mark);
    } else {
        progress_warning(vm->base.progress, "%s", left->message);
    }
    return FALSE;
}

static gboolean
may_retry_unquiesced(const GError *error)
{
    static const enum slipway_error final[] = {SLIPWAY_ERROR_CANCELLED, SLIPWAY_ERROR_DENIED,
                                               SLIPWAY_ERROR_READ_ONLY, SLIPWAY_ERROR_NOT_FOUND,
                                               SLIPWAY_ERROR_BUSY};
    for (gsize i = 0; i < G_N_ELEMENTS(final); i++)
        if (g_error_matches(error, SLIPWAY_ERROR, final[i]))
            return FALSE;
    return TRUE;
}

/* Whether the guest is asked at all, and what is to be said when it is not. */
static gboolean
choose_quiescing(struct frozen_vm *vm, const struct state *state,
                 const struct freeze_options *options, gboolean *ret_quiesce, GError **error)
{
    const char *why = NULL;
    *ret_quiesce = FALSE;
    vm->base.consistency = FROZEN_CRASH;
    if (g_strcmp0(state->power, "poweredOff") == 0) {
        vm->base.consistency = FROZEN_OFF;
        return TRUE;
    }
    if (g_strcmp0(state->power, "suspended") == 0)
        why = "the machine is suspended; what its memory holds is not in the backup";
    else if (g_strcmp0(state->tools, "guestToolsNotRunning") == 0)
        why = "VMware Tools do not run in the guest, so its file systems cannot be brought to rest";
    *ret_quiesce = why == NULL && options->quiesce != FREEZE_NEVER;
    if (why != NULL && options->quiesce == FREEZE_REQUIRE)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "%s cannot be quiesced: %s", vm->label,
                         why);
    if (why != NULL &&
        (options->quiesce == FREEZE_TRY || g_strcmp0(state->power, "suspended") == 0))
        vm->base.words = g_strdup(why);
    return TRUE;
}

static gboolean
take_snapshot(struct frozen_vm *vm, const struct state *state, const struct freeze_options *options,
              GError **error)
{
    gboolean quiesce;
    if (!choose_quiescing(vm, state, options, &quiesce, error))
        return FALSE;
    g_autoptr(GError) failure = NULL;
    gboolean ok = try_snapshot(vm, options, quiesce, &failure);
    if (ok && quiesce)
        vm->base.consistency = FROZEN_QUIESCED;
    if (!ok && quiesce && options->quiesce == FREEZE_TRY && vm->mark == NULL &&
        may_retry_unquiesced(failure)) {
        vm->base.words = g_strdup_printf("quiescing failed: %s", failure->message);
        progress_warning(vm->base.progress,
                         "%s could not be quiesced (%s); trying once more without, which is "
                         "crash-consistent",
                         vm->label, failure->message);
        g_clear_error(&failure);
        ok = try_snapshot(vm, options, FALSE, &failure);
    }
    if (ok)
        frozen_begin(&vm->base);
    else
        g_propagate_error(error, g_steal_pointer(&failure));
    return ok;
}

static const struct device *
find_disk(const GPtrArray *devices, const char *name)
{
    for (guint i = 0; i < devices->len; i++) {
        const struct device *device = g_ptr_array_index(devices, i);
        if (!device_is_disk(device))
            continue;
        g_autofree char *place = device_place(devices, device);
        if (g_strcmp0(place, name) == 0)
            return device;
    }
    return NULL;
}

static gboolean
open_disks(struct frozen_vm *vm, const struct state *state, const struct freeze_options *options,
           GError **error)
{
    g_autoptr(GPtrArray) devices = vsphere_devices(vm->vsphere, &vm->snapshot, error);
    if (devices == NULL || !vsphere_datacenter(vm->vsphere, &vm->machine, &vm->datacenter, error))
        return FALSE;
    for (guint i = 0; i < options->n_disks; i++) {
        const struct freeze_disk *wanted = &options->disks[i];
        const struct device *device = find_disk(devices, wanted->name);
        if (device == NULL)
            return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s has no disk %s now", vm->label,
                             wanted->name);
        const char *skip = device_skip(device);
        if (skip != NULL)
            return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "disk %s of %s: %s", wanted->name,
                             vm->label, skip);
        if (!cancel_check(error) ||
            !frozen_vm_open_disk(vm, devices, device, wanted, state->untracked, error))
            return FALSE;
    }
    return TRUE;
}

/* Each machine once in this process: others see the snapshot's name. */
static gboolean
claim(struct frozen_vm *vm, GError **error)
{
    g_autofree char *ref = moref_format(&vm->machine);
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&vm->vsphere->lock);
    if (!g_hash_table_add(vm->vsphere->busy, g_strdup(ref)))
        return error_set(error, SLIPWAY_ERROR_BUSY, "%s is being backed up by this very run",
                         vm->label);
    vm->ref = g_steal_pointer(&ref);
    return TRUE;
}

static gboolean
freeze(struct frozen_vm *vm, gboolean named, const struct freeze_options *options, GError **error)
{
    __attribute__((cleanup(clear_state))) struct state state = {0};
    if (!claim(vm, error) || !read_state(vm, &state, error))
        return FALSE;
    if (!named && state.name != NULL) {
        g_free(vm->label);
        vm->label = g_strndup(state.name, LABEL_MAX);
    }
    if (!check_state(vm, &state, error))
        return FALSE;
    merge_leftovers(vm, &state);
    return enable_tracking(vm, &state, error) && cancel_check(error) &&
           take_snapshot(vm, &state, options, error) && open_disks(vm, &state, options, error);
}

/* What was made is taken away again; what cannot be is told together with the failure. */
static void
undo(struct frozen_vm *vm, GError **error)
{
    g_autoptr(GError) left = NULL;
    if (!frozen_thaw(&vm->base, &left) && error != NULL && *error != NULL) {
        char *message = g_strdup_printf("%s; and %s", (*error)->message, left->message);
        g_free((*error)->message);
        (*error)->message = message;
        vm->base.thawed = TRUE; /* it was tried for long enough */
    }
    vm->base.decided = TRUE;
    frozen_free(&vm->base);
}

struct frozen *
vsphere_freeze(struct hypervisor *self, const struct machine *machine,
               const struct freeze_options *options, GError **error)
{
    struct frozen_vm *vm = g_new0(struct frozen_vm, 1);
    frozen_init(&vm->base, &frozen_vm_class, options);
    vm->vsphere = (struct vsphere *)self;
    vm->label = g_strdup(machine->name != NULL ? machine->name : machine->ref);
    vm->attached = g_ptr_array_new_with_free_func((GDestroyNotify)hot_add_free);
    vm->servers = g_ptr_array_new_with_free_func((GDestroyNotify)vddk_free);
    GError *failure = NULL;
    if (vsphere_find_machine(vm->vsphere, machine->ref, &vm->machine, &failure) &&
        freeze(vm, machine->name != NULL, options, &failure)) {
        vm->reading = TRUE;
        return &vm->base;
    }
    undo(vm, &failure);
    g_propagate_error(error, failure);
    return NULL;
}
