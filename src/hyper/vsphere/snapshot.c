/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/snapshot.h"

#include "base/cancel.h"
#include "base/error.h"
#include "hyper/vsphere/api_version.h"
#include "hyper/vsphere/patience.h"

#include <string.h>

#define DESCRIPTION                                                                                \
    "Made by Slipway for a backup that is running, which removes it at its end. If no backup of "  \
    "this machine is running, it was left behind and may be deleted."

/* What a guest may be given, in minutes, for coming to rest. */
#define QUIESCE_MINUTES_MIN 5u
#define QUIESCE_MINUTES_MAX 240u
/* Where it was given no limit: the server's own one is 15. */
#define QUIESCE_MINUTES 20u
/* How often it is tried again. */
#define TRIES 3u
/* For a task that was cancelled to end, in seconds. */
#define END_S 60u

void
snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    moref_clear(&snapshot->self);
    g_free(snapshot->name);
    g_free(snapshot->created);
    g_free(snapshot);
}

static void
collect(const xmlNode *parent, const char *element, guint depth, GPtrArray *list)
{
    for (const xmlNode *node = xml_child(parent, element);
         node != NULL && list->len < SNAPSHOTS_MAX && depth < SNAPSHOTS_DEPTH_MAX;
         node = xml_next(node, element)) {
        struct snapshot *snapshot = g_new0(struct snapshot, 1);
        snapshot->name = xml_child_text(node, "name");
        snapshot->created = xml_child_text(node, "createTime");
        if (snapshot->name != NULL && vim_child_moref(node, "snapshot", &snapshot->self))
            g_ptr_array_add(list, snapshot);
        else
            snapshot_free(snapshot);
        collect(node, "childSnapshotList", depth + 1, list);
    }
}

GPtrArray *
snapshot_list(const xmlNode *property)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)snapshot_free);
    if (property != NULL)
        collect(property, "rootSnapshotList", 0, list);
    return list;
}

/* What may not be read, or cannot just now, is not what is not there. */
static gboolean
check_told(const struct vim_object *object, GError **error)
{
    const xmlNode *content = xml_child(vim_returned(object->answer), "objects");
    const xmlNode *missing = xml_child(content, "missingSet");
    if (missing == NULL)
        return TRUE;
    const xmlNode *fault = xml_child(xml_child(missing, "fault"), "fault");
    g_autofree char *type = fault != NULL ? vim_type_of(fault) : NULL;
    return error_set(error, SLIPWAY_ERROR_FAILED,
                     "the server does not tell the snapshots of %s %s (%s); may the account read "
                     "them?",
                     object->self.type, object->self.value, type != NULL ? type : "without a word");
}

gboolean
snapshot_find(struct vsphere *vsphere, const struct moref *machine, const char *name,
              struct snapshot **ret, GError **error)
{
    static const char *const paths[] = {"snapshot", NULL};
    *ret = NULL;
    auto_ptr(vim_object) object = vim_get(vsphere->vim, machine, paths, error);
    if (object == NULL || !check_told(object, error))
        return FALSE;
    g_autoptr(GPtrArray) list = snapshot_list(vim_property(object, "snapshot"));
    for (guint i = 0; i < list->len && *ret == NULL; i++) {
        struct snapshot *snapshot = g_ptr_array_index(list, i);
        if (strcmp(snapshot->name, name) == 0)
            *ret = g_ptr_array_steal_index(list, i);
    }
    return TRUE;
}

static char *
format_arguments(const struct snapshot_wish *wish, gboolean extended)
{
    GString *xml = g_string_new(NULL);
    vim_put(xml, "name", wish->name);
    vim_put(xml, "description", DESCRIPTION);
    vim_put_bool(xml, "memory", FALSE);
    if (extended) {
        vim_begin(xml, "quiesceSpec", "VirtualMachineGuestQuiesceSpec");
        vim_put_int(xml, "timeout", CLAMP(wish->minutes, QUIESCE_MINUTES_MIN, QUIESCE_MINUTES_MAX));
        vim_end(xml, "quiesceSpec");
    } else {
        vim_put_bool(xml, "quiesce", wish->quiesce);
    }
    return g_string_free(xml, FALSE);
}

static gboolean
take_result(const xmlDoc *result, struct moref *ret)
{
    return result != NULL && vim_get_moref(xmlDocGetRootElement((xmlDoc *)result), ret);
}

/* A task that hangs (guests that never come to rest are known) would be in the way of all that is
 * tried next; one that has ended does not mind. */
static void
end_task(struct vsphere *vsphere, const struct moref *task, const char *what)
{
    auto_xml_doc answer = vim_call(vsphere->vim, "CancelTask", task, NULL, NULL, NULL);
    struct vim_wait wait = {.what = what, .limit_s = MIN(patience_stall(vsphere), END_S)};
    /* Once more when it was not the task that failed but the question. */
    for (guint i = 0; i < 2 && !vim_task_wait(vsphere->vim, task, &wait, NULL, NULL, NULL); i++)
        continue;
}

/* How long a task may show no progress: quiescing has limits of its own. */
static guint
choose_limit(const struct vsphere *vsphere, const struct snapshot_wish *wish)
{
    if (vsphere->stall_s != 0 || !wish->quiesce)
        return vsphere->stall_s;
    return (wish->minutes != 0 ? MIN(wish->minutes, QUIESCE_MINUTES_MAX) : QUIESCE_MINUTES) * 60;
}

static gboolean
run(struct vsphere *vsphere, const struct snapshot_wish *wish, gboolean extended, struct moref *ret,
    GError **error)
{
    g_autofree char *arguments = format_arguments(wish, extended);
    g_autofree char *what = g_strdup_printf("taking a snapshot of %s", wish->label);
    struct vim_wait wait = {.what = what,
                            .limit_s = choose_limit(vsphere, wish),
                            .cancellable = TRUE,
                            .progress = wish->progress};
    struct moref task = {0};
    auto_xml_doc result = NULL;
    auto_xml_doc answer =
        vim_call(vsphere->vim, extended ? "CreateSnapshotEx_Task" : "CreateSnapshot_Task",
                 wish->machine, arguments, NULL, error);
    if (answer == NULL)
        return FALSE;
    if (!vim_get_moref(vim_returned(answer), &task))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: the server returned no task", what);
    gboolean ok = vim_task_wait(vsphere->vim, &task, &wait, &result, NULL, error);
    if (!ok)
        end_task(vsphere, &task, what);
    moref_clear(&task);
    if (!ok || take_result(result, ret))
        return ok;
    struct snapshot *found;
    if (!snapshot_find(vsphere, wish->machine, wish->name, &found, error))
        return FALSE;
    if (found == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: the server says it is done, and there is none", what);
    moref_copy(ret, &found->self);
    snapshot_free(found);
    return TRUE;
}

/* The connection was lost: the server may have done it all the same. */
static gboolean
adopt(struct vsphere *vsphere, const struct snapshot_wish *wish, struct moref *ret)
{
    struct snapshot *found = NULL;
    patience_settle(vsphere, wish->machine);
    if (!snapshot_find(vsphere, wish->machine, wish->name, &found, NULL) || found == NULL)
        return FALSE;
    moref_copy(ret, &found->self);
    snapshot_free(found);
    return TRUE;
}

static gboolean
create(struct vsphere *vsphere, const struct snapshot_wish *wish, struct moref *ret, GError **error)
{
    g_autoptr(GError) failure = NULL;
    /* Since vSphere 6.5 the guest can be given a limit. */
    gboolean extended = wish->quiesce && wish->minutes != 0 && api_version_is(vsphere->vim, 6, 5);
    gboolean ok = run(vsphere, wish, extended, ret, &failure);
    if (!ok && extended && g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED)) {
        g_clear_error(&failure);
        ok = run(vsphere, wish, FALSE, ret, &failure);
    }
    if (!ok && g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK))
        ok = adopt(vsphere, wish, ret);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&failure));
    return ok;
}

/* A machine that is just being moved or reconfigured is waited for, a little; and so is a server
 * that did not get what it was asked for. */
gboolean
snapshot_create(struct vsphere *vsphere, const struct snapshot_wish *wish, struct moref *ret,
                GError **error)
{
    struct patience patience = {.vsphere = vsphere};
    for (;;) {
        g_autoptr(GError) failure = NULL;
        if (create(vsphere, wish, ret, &failure))
            return TRUE;
        gboolean passes = g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY) ||
                          g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
        if (!passes || cancel_requested() || patience.tries == TRIES ||
            !patience_wait(&patience, failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        patience_settle(vsphere, wish->machine);
    }
}
