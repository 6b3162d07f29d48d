/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What killed runs have left on a server. */
#include "hyper/mark.h"
#include "hyper/vsphere/hot_add.h"
#include "hyper/vsphere/snapshot.h"

static gboolean
clean_snapshot(struct vsphere *vsphere, const struct moref *machine, const char *label,
               const struct snapshot *snapshot, GPtrArray *words, GError **error)
{
    switch (mark_look(snapshot->name)) {
    case MARK_LEFT:
        if (!snapshot_remove(vsphere, machine, label, snapshot->name, NULL, error))
            return FALSE;
        g_ptr_array_add(
            words, g_strdup_printf("snapshot %s of %s, which a killed run had left, was removed",
                                   snapshot->name, label));
        return TRUE;
    case MARK_ELSEWHERE:
        g_ptr_array_add(words, g_strdup_printf("snapshot %s of %s is of a Slipway on another "
                                               "computer, and was left; delete it when nothing "
                                               "runs there any more",
                                               snapshot->name, label));
        return TRUE;
    case MARK_ALIVE:
    case MARK_FOREIGN:
        return TRUE;
    }
    return TRUE;
}

static gboolean
clean_machine(struct vsphere *vsphere, const struct vim_object *object, GPtrArray *words,
              GError **error)
{
    g_autoptr(GPtrArray) snapshots = snapshot_list(vim_property(object, "snapshot"));
    g_autofree char *name = vim_property_text(object, "name");
    g_autofree char *ref = moref_format(&object->self);
    gboolean ok = TRUE;
    for (guint i = 0; i < snapshots->len; i++)
        ok = clean_snapshot(vsphere, &object->self, name != NULL ? name : ref,
                            g_ptr_array_index(snapshots, i), words, ok ? error : NULL) &&
             ok;
    return ok;
}

/* Of struct vim_object *. */
static GPtrArray *
find_machines(struct vsphere *vsphere, const char *ref, GError **error)
{
    static const char *const paths[] = {"name", "snapshot", NULL};
    if (ref == NULL)
        return vim_find_all(vsphere->vim, "VirtualMachine", NULL, paths, error);
    struct moref machine = {0};
    struct vim_object *object = NULL;
    if (vsphere_find_machine(vsphere, ref, &machine, error))
        object = vim_get(vsphere->vim, &machine, paths, error);
    moref_clear(&machine);
    if (object == NULL)
        return NULL;
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)vim_object_free);
    g_ptr_array_add(list, object);
    return list;
}

/* Disks first: a snapshot must not be removed under them. */
gboolean
vsphere_clean(struct hypervisor *self, const char *ref, GPtrArray *words, GError **error)
{
    struct vsphere *vsphere = (struct vsphere *)self;
    if (!hot_add_clean(vsphere, words, error))
        return FALSE;
    g_autoptr(GPtrArray) machines = find_machines(vsphere, ref, error);
    if (machines == NULL)
        return FALSE;
    gboolean ok = TRUE;
    for (guint i = 0; i < machines->len; i++)
        ok = clean_machine(vsphere, g_ptr_array_index(machines, i), words, ok ? error : NULL) && ok;
    return ok;
}
