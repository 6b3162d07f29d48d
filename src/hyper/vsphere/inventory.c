/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "hyper/vsphere/folder.h"
#include "hyper/vsphere/vm_config.h"
#include "hyper/vsphere/vsphere.h"

#include <string.h>

/* ---- Machines -------------------------------------------------------------------------------- */

/* Their sets would be taken for those of one machine. */
static void
tell_copies(struct vsphere *vsphere, const GPtrArray *machines)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < machines->len; i++) {
        const struct machine *machine = machines->pdata[i];
        const char *other = g_hash_table_lookup(known, machine->id);
        if (other != NULL)
            progress_warning(vsphere->base.progress,
                             "%s and %s have the same identity (%s), as copies of one another do; "
                             "give one of them a new UUID",
                             other, machine->name, machine->id);
        g_hash_table_insert(known, machine->id, machine->name);
    }
}

GPtrArray *
vsphere_list(struct hypervisor *self, GError **error)
{
    struct vsphere *vsphere = (struct vsphere *)self;
    auto_ptr(inventory_tree) tree = inventory_tree_new(vsphere->vim);
    if (!inventory_tree_fill(tree, error))
        return NULL;
    g_autoptr(GPtrArray) objects =
        vim_find_all(vsphere->vim, "VirtualMachine", NULL, vm_config_list_paths, error);
    if (objects == NULL)
        return NULL;
    g_autoptr(GPtrArray) machines = g_ptr_array_new_with_free_func((GDestroyNotify)machine_free);
    for (guint i = 0; i < objects->len; i++) {
        g_autoptr(GError) failure = NULL;
        struct machine *machine = vm_config_read(objects->pdata[i], tree, &failure);
        if (machine != NULL)
            g_ptr_array_add(machines, machine);
        else
            progress_info(self->progress, "left out: %s", failure->message);
    }
    tell_copies(vsphere, machines);
    if (!vsphere_tags(vsphere, machines, error))
        return NULL;
    return g_steal_pointer(&machines);
}

/* Without it a machine starts with its firmware's defaults: that is no reason to have no backup. */
static void
fetch_nvram(struct vsphere *vsphere, struct machine *machine, const struct vim_object *object)
{
    g_autofree char *path = vm_config_nvram(object);
    g_autofree char *datacenter = NULL;
    g_autoptr(GError) failure = NULL;
    struct folder_place place = {0};
    if (path == NULL)
        return;
    if (vsphere_datacenter(vsphere, &object->self, &datacenter, &failure) &&
        folder_place_parse(path, datacenter, &place, &failure))
        machine->firmware_data = folder_get(vsphere->vim, &place, MACHINE_FIRMWARE_MAX, &failure);
    folder_place_clear(&place);
    if (machine->firmware_data != NULL)
        machine->firmware_type = g_strdup("nvram");
    else if (machine->firmware != MACHINE_BIOS)
        progress_warning(vsphere->base.progress,
                         "%s: the variables of its firmware were not read, a restored machine "
                         "would start with new ones: %s",
                         machine->name, failure->message);
    else
        progress_debug(vsphere->base.progress, "%s: no NVRAM: %s", machine->name, failure->message);
}

static void
set_native(struct vsphere *vsphere, struct machine *machine, const struct vim_object *object)
{
    char *native = vm_config_native(object);
    if (strlen(native) <= MACHINE_NATIVE_MAX) {
        machine->native = native;
        machine->native_type = g_strdup("vim-xml");
        return;
    }
    progress_warning(vsphere->base.progress,
                     "%s: its configuration has more than %u bytes and is not kept; a restored "
                     "machine would have what is common to all hypervisors",
                     machine->name, MACHINE_NATIVE_MAX);
    g_free(native);
}

struct machine *
vsphere_describe(struct hypervisor *self, const char *ref_or_id, GError **error)
{
    struct vsphere *vsphere = (struct vsphere *)self;
    struct moref moref = {0};
    if (!vsphere_find_machine(vsphere, ref_or_id, &moref, error))
        return NULL;
    auto_ptr(vim_object) object = vim_get(vsphere->vim, &moref, vm_config_paths, error);
    moref_clear(&moref);
    if (object == NULL)
        return NULL;
    auto_ptr(inventory_tree) tree = inventory_tree_new(vsphere->vim);
    auto_ptr(machine) machine = vm_config_read(object, tree, error);
    if (machine == NULL)
        return NULL;
    set_native(vsphere, machine, object);
    fetch_nvram(vsphere, machine, object);
    g_autoptr(GPtrArray) one = g_ptr_array_new();
    g_ptr_array_add(one, machine);
    if (!vsphere_tags(vsphere, one, error))
        return NULL;
    return g_steal_pointer(&machine);
}

/* ---- Finding --------------------------------------------------------------------------------- */

static xmlDoc *
search_uuid(struct vsphere *vsphere, const char *method, const char *uuid, gboolean instance,
            GError **error)
{
    g_autoptr(GString) arguments = g_string_new(NULL);
    vim_put(arguments, "uuid", uuid);
    vim_put_bool(arguments, "vmSearch", TRUE);
    vim_put_bool(arguments, "instanceUuid", instance);
    return vim_call(vsphere->vim, method, &vim_service(vsphere->vim)->search_index, arguments->str,
                    NULL, error);
}

/* FALSE with an error, or without one when there is none.  A machine that was copied by its files
 * has the identity of the first one: the wrong one of two must not be written to. */
static gboolean
find_by_uuid(struct vsphere *vsphere, const char *uuid, gboolean instance, struct moref *ret,
             GError **error)
{
    g_autoptr(GError) failure = NULL;
    auto_xml_doc answer = search_uuid(vsphere, "FindAllByUuid", uuid, instance, &failure);
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED)) {
        g_clear_error(&failure);
        answer = search_uuid(vsphere, "FindByUuid", uuid, instance, &failure);
    }
    if (failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    const xmlNode *first = vim_returned(answer);
    if (xml_next(first, "returnval") != NULL)
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "%s: several virtual machines have the identity %s, as copies of one "
                         "another do; say by its path which one is meant, or give one of them a "
                         "new UUID",
                         vsphere->base.label, uuid);
    return vim_get_moref(first, ret);
}

gboolean
vsphere_find_machine(struct vsphere *vsphere, const char *ref_or_id, struct moref *ret,
                     GError **error)
{
    g_autoptr(GError) failure = NULL;
    if (g_str_has_prefix(ref_or_id, "VirtualMachine:") && moref_parse(ref_or_id, ret))
        return TRUE;
    if (find_by_uuid(vsphere, ref_or_id, TRUE, ret, &failure))
        return TRUE;
    /* Machines without an instance UUID go by that of their firmware. */
    if (failure == NULL && find_by_uuid(vsphere, ref_or_id, FALSE, ret, &failure))
        return TRUE;
    if (failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: there is no virtual machine %s",
                     vsphere->base.label, ref_or_id);
}

gboolean
vsphere_datacenter(struct vsphere *vsphere, const struct moref *object, char **ret, GError **error)
{
    static const char *const paths[] = {"runtime.host", NULL};
    *ret = NULL;
    if (!vim_service(vsphere->vim)->manager)
        return TRUE;
    auto_ptr(inventory_tree) tree = inventory_tree_new(vsphere->vim);
    const struct inventory_node *node = inventory_tree_above(tree, object, "Datacenter");
    if (node == NULL && strcmp(object->type, "VirtualMachine") == 0) {
        /* In a vApp it has no parent. */
        struct moref host = {0};
        auto_ptr(vim_object) machine = vim_get(vsphere->vim, object, paths, error);
        if (machine == NULL)
            return FALSE;
        if (vim_property_moref(machine, "runtime.host", &host))
            node = inventory_tree_above(tree, &host, "Datacenter");
        moref_clear(&host);
    }
    g_autofree char *path = node != NULL ? inventory_tree_path(tree, &node->self) : NULL;
    const GError *failure = inventory_tree_failure(tree);
    if (failure != NULL) {
        g_propagate_error(error, g_error_copy(failure));
        g_prefix_error(error, "looking for the datacenter of %s %s: ", object->type, object->value);
        return FALSE;
    }
    if (path == NULL)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "%s: no datacenter is known that %s %s is in; may the account see it?",
                         vsphere->base.label, object->type, object->value);
    *ret = g_strdup(path + 1);
    return TRUE;
}

struct search {
    struct inventory_tree *tree;
    const char *path, *type;
    struct moref *ret;
};

static void
compare_path(const struct inventory_node *node, gpointer user)
{
    struct search *search = user;
    if (search->ret->value != NULL ||
        (search->type != NULL && !vim_is_of(node->self.type, search->type)))
        return;
    g_autofree char *path = inventory_tree_path(search->tree, &node->self);
    if (g_strcmp0(path, search->path) == 0)
        moref_copy(search->ret, &node->self);
}

/* The server's own search knows no resource pools on some versions, and takes the first of two
 * objects of one name whatever their types. */
static gboolean
search_all(struct vsphere *vsphere, const char *path, const char *type, struct moref *ret,
           GError **error)
{
    auto_ptr(inventory_tree) tree = inventory_tree_new(vsphere->vim);
    if (!inventory_tree_fill(tree, error))
        return FALSE;
    struct search search = {tree, path, type, ret};
    *ret = (struct moref){0};
    inventory_tree_each(tree, compare_path, &search);
    if (ret->value != NULL)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: there is no %s %s", vsphere->base.label,
                     type != NULL ? type : "object", path);
}

gboolean
vsphere_find_path(struct vsphere *vsphere, const char *path, const char *type, struct moref *ret,
                  GError **error)
{
    g_autofree char *normal = g_strdup(path);
    gsize length = strlen(normal);
    while (length > 1 && normal[length - 1] == '/')
        normal[--length] = '\0';
    g_autoptr(GString) arguments = g_string_new(NULL);
    vim_put(arguments, "inventoryPath", *normal == '/' ? normal + 1 : normal);
    auto_xml_doc answer =
        vim_call(vsphere->vim, "FindByInventoryPath", &vim_service(vsphere->vim)->search_index,
                 arguments->str, NULL, NULL);
    if (answer != NULL && vim_get_moref(vim_returned(answer), ret)) {
        if (type == NULL || vim_is_of(ret->type, type))
            return TRUE;
        moref_clear(ret);
    }
    g_autofree char *absolute = *normal == '/' ? NULL : g_strconcat("/", normal, NULL);
    return search_all(vsphere, absolute != NULL ? absolute : normal, type, ret, error);
}

GPtrArray *
vsphere_devices(struct vsphere *vsphere, const struct moref *machine_or_snapshot, GError **error)
{
    static const char *const paths[] = {"config.hardware.device", NULL};
    auto_ptr(vim_object) object = vim_get(vsphere->vim, machine_or_snapshot, paths, error);
    if (object == NULL)
        return NULL;
    const xmlNode *value = vim_property(object, paths[0]);
    if (value == NULL)
        return error_null(error, SLIPWAY_ERROR_FAILED,
                          "%s: the server does not tell the devices of %s %s; may the account read "
                          "them?",
                          vsphere->base.label, machine_or_snapshot->type,
                          machine_or_snapshot->value);
    GPtrArray *devices = devices_read(value, error);
    if (devices == NULL)
        g_prefix_error(error, "%s: %s %s: ", vsphere->base.label, machine_or_snapshot->type,
                       machine_or_snapshot->value);
    return devices;
}
