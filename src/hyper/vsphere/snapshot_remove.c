/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The end of snapshots, by all means: one that is left grows until the datastore is full. */
#include "base/error.h"
#include "hyper/vsphere/patience.h"
#include "hyper/vsphere/snapshot.h"

#define BY_HAND                                                                                    \
    "delete the snapshot in the vSphere Client (Snapshots, Manage Snapshots, select %s, Delete; "  \
    "not Delete All, which takes other people's too), or run a backup of the machine again, "      \
    "which "                                                                                       \
    "does that first"

struct target {
    const struct moref *machine;
    const char *label, *name;
    struct progress *progress;
};

/* One attempt.  TRUE with *ret_gone FALSE: it says it is done, which is to be looked at. */
static gboolean
attempt(struct vsphere *vsphere, const struct target *target, gboolean *ret_gone, GError **error)
{
    struct snapshot *found;
    g_autoptr(GError) failure = NULL;
    *ret_gone = FALSE;
    if (!snapshot_find(vsphere, target->machine, target->name, &found, &failure)) {
        /* The machine is gone, and all that it had. */
        *ret_gone = g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
        if (!*ret_gone)
            g_propagate_error(error, g_steal_pointer(&failure));
        return *ret_gone;
    }
    *ret_gone = found == NULL;
    if (found == NULL)
        return TRUE;
    GString *xml = g_string_new(NULL);
    vim_put_bool(xml, "removeChildren", FALSE);
    vim_put_bool(xml, "consolidate", TRUE);
    g_autofree char *arguments = g_string_free(xml, FALSE);
    g_autofree char *what = g_strdup_printf("removing the snapshot of %s", target->label);
    struct vim_wait wait = {
        .what = what, .limit_s = patience_stall(vsphere), .progress = target->progress};
    gboolean ok = vim_run(vsphere->vim, "RemoveSnapshot_Task", &found->self, arguments, &wait, NULL,
                          NULL, &failure);
    snapshot_free(found);
    /* Somebody else was faster; the next look will tell. */
    if (!ok && g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE;
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&failure));
    return ok;
}

static gboolean
fail(const struct target *target, GError *failure, GError **error)
{
    enum slipway_error code = SLIPWAY_ERROR_FAILED;
    if (failure->domain == SLIPWAY_ERROR)
        code = (enum slipway_error)failure->code;
    error_set(error, code, "snapshot %s of %s is left: %s; " BY_HAND, target->name, target->label,
              failure->message, target->name);
    g_error_free(failure);
    return FALSE;
}

/* A task that hung is not begun a second time: it hangs for hours. */
static gboolean
has_hung(const struct vsphere *vsphere, gint64 begun, const GError *failure)
{
    return g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED) &&
           g_get_monotonic_time() - begun >= (gint64)patience_stall(vsphere) * G_USEC_PER_SEC;
}

gboolean
snapshot_remove(struct vsphere *vsphere, const struct moref *machine, const char *label,
                const char *name, struct progress *progress, GError **error)
{
    struct target target = {machine, label, name, progress};
    struct patience patience = {.vsphere = vsphere};
    for (;;) {
        GError *failure = NULL;
        gboolean gone;
        gint64 begun = g_get_monotonic_time();
        if (attempt(vsphere, &target, &gone, &failure)) {
            if (gone)
                break;
            if (patience.tries + 1 < PATIENCE_TRIES) {
                /* Looked at again at once, but not for ever. */
                patience.tries++;
                continue;
            }
            failure = g_error_new(SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED,
                                  "the server says it is removed, and lists it still");
            return fail(&target, failure, error);
        }
        if (has_hung(vsphere, begun, failure) || !patience_wait(&patience, failure))
            return fail(&target, failure, error);
        g_error_free(failure);
        patience_settle(vsphere, machine);
    }
    return snapshot_consolidate(vsphere, machine, label, NULL, error);
}

/* One attempt; *ret_needed FALSE: there is nothing to do (any more). */
static gboolean
attempt_consolidation(struct vsphere *vsphere, const struct moref *machine, const char *label,
                      gboolean *ret_needed, GError **error)
{
    static const char *const paths[] = {"runtime.consolidationNeeded", NULL};
    g_autoptr(GError) failure = NULL;
    auto_ptr(vim_object) object = vim_get(vsphere->vim, machine, paths, &failure);
    *ret_needed = FALSE;
    if (object == NULL) {
        if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    g_autofree char *needed = vim_property_text(object, "runtime.consolidationNeeded");
    *ret_needed = xml_boolean(needed, FALSE);
    if (!*ret_needed)
        return TRUE;
    g_autofree char *what = g_strdup_printf("merging the disks of %s", label);
    struct vim_wait wait = {.what = what, .limit_s = patience_stall(vsphere)};
    return vim_run(vsphere->vim, "ConsolidateVMDisks_Task", machine, NULL, &wait, NULL, NULL,
                   error);
}

static gboolean
fail_consolidation(const char *label, const GError *failure, GError **error)
{
    enum slipway_error code = SLIPWAY_ERROR_FAILED;
    if (failure->domain == SLIPWAY_ERROR)
        code = (enum slipway_error)failure->code;
    return error_set(error, code,
                     "the disks of %s are not merged after a snapshot was removed: %s; choose "
                     "Snapshots, Consolidate for it in the vSphere Client",
                     label, failure->message);
}

gboolean
snapshot_consolidate(struct vsphere *vsphere, const struct moref *machine, const char *label,
                     gboolean *ret_done, GError **error)
{
    struct patience patience = {.vsphere = vsphere};
    gboolean done = FALSE;
    for (;;) {
        g_autoptr(GError) failure = NULL;
        gboolean needed, again = FALSE;
        gint64 begun = g_get_monotonic_time();
        if (attempt_consolidation(vsphere, machine, label, &needed, &failure)) {
            if (ret_done != NULL)
                *ret_done = done || needed;
            if (!needed)
                return TRUE;
            again = !done; /* the first time it is looked at without waiting */
            done = TRUE;
            failure = g_error_new(SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY,
                                  "the server says that it is done, and that it is needed still");
        }
        if (again)
            continue;
        if (has_hung(vsphere, begun, failure) || !patience_wait(&patience, failure))
            return fail_consolidation(label, failure, error);
        patience_settle(vsphere, machine);
    }
}
