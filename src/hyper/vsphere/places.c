/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/inventory_tree.h"
#include "hyper/vsphere/vsphere.h"

#include <string.h>

struct gathering {
    struct vsphere *vsphere;
    struct inventory_tree *tree;
    GPtrArray *places;
};

static struct place *
add_place(struct gathering *gathering, enum place_kind kind, const struct vim_object *object)
{
    struct place *place = g_new0(struct place, 1);
    place->kind = kind;
    place->name = vim_property_text(object, "name");
    place->path = inventory_tree_path(gathering->tree, &object->self);
    if (place->name == NULL)
        place->name = g_strdup(object->self.value);
    g_ptr_array_add(gathering->places, place);
    return place;
}

static gboolean
says(const struct vim_object *object, const char *path, const char *word)
{
    g_autofree char *text = vim_property_text(object, path);
    return g_strcmp0(text, word) == 0;
}

static void
add_datastore(struct gathering *gathering, const struct vim_object *object)
{
    struct place *place = add_place(gathering, PLACE_DATASTORE, object);
    place->capacity = vim_property_number(object, "summary.capacity", 0);
    place->free = vim_property_number(object, "summary.freeSpace", 0);
    if (says(object, "summary.accessible", "false"))
        place->words = g_strdup("not accessible");
    else if (says(object, "summary.maintenanceMode", "inMaintenance"))
        place->words = g_strdup("in maintenance mode");
}

/* Port groups of a distributed switch's uplinks are for host adapters, not for machines. */
static gboolean
is_uplink(const struct vim_object *object)
{
    for (const xmlNode *tag = xml_child(vim_property(object, "tag"), NULL); tag != NULL;
         tag = xml_next(tag, NULL)) {
        g_autofree char *key = xml_child_text(tag, "key");
        if (g_strcmp0(key, "SYSTEM/DVS.UPLINKPG") == 0)
            return TRUE;
    }
    return FALSE;
}

static void
add_network(struct gathering *gathering, const struct vim_object *object)
{
    if (is_uplink(object))
        return;
    struct place *place = add_place(gathering, PLACE_NETWORK, object);
    if (strcmp(object->self.type, "DistributedVirtualPortgroup") == 0)
        place->network = MACHINE_DISTRIBUTED_PORT_GROUP;
    else if (strcmp(object->self.type, "Network") == 0)
        place->network = MACHINE_PORT_GROUP;
    else
        place->network = MACHINE_OTHER_NETWORK;
}

static void
add_host(struct gathering *gathering, const struct vim_object *object)
{
    struct place *place = add_place(gathering, PLACE_HOST, object);
    g_autofree char *state = vim_property_text(object, "runtime.connectionState");
    if (state != NULL && strcmp(state, "connected") != 0)
        place->words =
            g_strdup(strcmp(state, "notResponding") == 0 ? "does not respond" : "disconnected");
    else if (says(object, "runtime.inMaintenanceMode", "true"))
        place->words = g_strdup("in maintenance mode");
}

/* Folders are for one kind of thing each. */
static void
add_folder(struct gathering *gathering, const struct vim_object *object)
{
    for (const xmlNode *kind = xml_child(vim_property(object, "childType"), NULL); kind != NULL;
         kind = xml_next(kind, NULL)) {
        g_autofree char *text = xml_text(kind);
        if (strcmp(text, "VirtualMachine") == 0) {
            add_place(gathering, PLACE_FOLDER, object);
            return;
        }
    }
}

static void
add_cluster(struct gathering *gathering, const struct vim_object *object)
{
    add_place(gathering, PLACE_CLUSTER, object);
}

static void
add_pool(struct gathering *gathering, const struct vim_object *object)
{
    add_place(gathering, PLACE_POOL, object);
}

static const char *const datastore_paths[] = {"name",
                                              "summary.capacity",
                                              "summary.freeSpace",
                                              "summary.accessible",
                                              "summary.maintenanceMode",
                                              NULL};
static const char *const network_paths[] = {"name", "tag", NULL};
static const char *const host_paths[] = {"name", "runtime.connectionState",
                                         "runtime.inMaintenanceMode", NULL};
static const char *const folder_paths[] = {"name", "childType", NULL};
static const char *const name_paths[] = {"name", NULL};

static const struct {
    const char *type;
    const char *const *paths;
    void (*add)(struct gathering *gathering, const struct vim_object *object);
} kinds[] = {
    {"Datastore", datastore_paths, add_datastore},
    {"Network", network_paths, add_network},
    {"HostSystem", host_paths, add_host},
    {"Folder", folder_paths, add_folder},
    {"ClusterComputeResource", name_paths, add_cluster},
    {"ResourcePool", name_paths, add_pool},
};

GPtrArray *
vsphere_places(struct hypervisor *self, GError **error)
{
    struct vsphere *vsphere = (struct vsphere *)self;
    auto_ptr(inventory_tree) tree = inventory_tree_new(vsphere->vim);
    if (!inventory_tree_fill(tree, error))
        return NULL;
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func((GDestroyNotify)place_free);
    struct gathering gathering = {vsphere, tree, places};
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(GPtrArray) objects =
            vim_find_all(vsphere->vim, kinds[i].type, NULL, kinds[i].paths, error);
        if (objects == NULL)
            return NULL;
        for (guint k = 0; k < objects->len; k++)
            kinds[i].add(&gathering, objects->pdata[k]);
    }
    return g_steal_pointer(&places);
}
