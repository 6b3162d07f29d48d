/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/create_lists.h"

#include "base/error.h"

#include <string.h>

/* Names in a message. */
#define NAMES_MAX 30u

static int
compare_names(gconstpointer a, gconstpointer b)
{
    g_autofree char *one = vim_property_text(*(const struct vim_object *const *)a, "name");
    g_autofree char *other = vim_property_text(*(const struct vim_object *const *)b, "name");
    return g_strcmp0(one, other);
}

void
create_lists_sort(GPtrArray *objects)
{
    g_ptr_array_sort(objects, compare_names);
}

void
create_lists_append(GString *names, guint index, const char *name)
{
    if (index < NAMES_MAX)
        g_string_append_printf(names, "%s%s", index > 0 ? ", " : "", name);
    else if (index == NAMES_MAX)
        g_string_append(names, ", ...");
}

char *
create_lists_names(GPtrArray *objects)
{
    GString *names = g_string_new(NULL);
    create_lists_sort(objects);
    for (guint i = 0; i < objects->len; i++) {
        g_autofree char *name = vim_property_text(g_ptr_array_index(objects, i), "name");
        create_lists_append(names, i, name != NULL ? name : "?");
    }
    if (names->len == 0)
        g_string_append(names, "none");
    return g_string_free(names, FALSE);
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* The references in a property that is a list of them. */
static GHashTable *
read_refs(const struct vim_object *object, const char *path)
{
    GHashTable *refs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const xmlNode *list = vim_property(object, path);
    for (const xmlNode *at = list != NULL ? xml_child(list, NULL) : NULL; at != NULL;
         at = xml_next(at, NULL)) {
        struct moref self = {0};
        if (vim_get_moref(at, &self))
            g_hash_table_add(refs, moref_format(&self));
        moref_clear(&self);
    }
    return refs;
}

static gboolean
has_ref(GHashTable *refs, const struct moref *self)
{
    g_autofree char *text = moref_format(self);
    return g_hash_table_contains(refs, text);
}

static void
free_store(gpointer data)
{
    struct create_store *store = data;
    moref_clear(&store->self);
    g_free(store->name);
    g_free(store);
}

static void
free_network(gpointer data)
{
    struct create_network *network = data;
    moref_clear(&network->self);
    g_free(network->name);
    g_free(network->switch_uuid);
    g_free(network->key);
    g_free(network);
}

static gboolean
read_stores(struct vim *vim, const struct moref *datacenter, GPtrArray *stores, GError **error)
{
    static const char *const paths[] = {"name", "summary.freeSpace", "summary.accessible", NULL};
    g_autoptr(GPtrArray) all = vim_find_all(vim, "Datastore", datacenter, paths, error);
    if (all == NULL)
        return FALSE;
    create_lists_sort(all);
    for (guint i = 0; i < all->len; i++) {
        const struct vim_object *object = g_ptr_array_index(all, i);
        char *name = vim_property_text(object, "name");
        if (name == NULL)
            continue;
        struct create_store *store = g_new0(struct create_store, 1);
        g_autofree char *accessible = vim_property_text(object, "summary.accessible");
        moref_copy(&store->self, &object->self);
        store->name = name;
        store->free = vim_property_number(object, "summary.freeSpace", 0);
        store->accessible = xml_boolean(accessible, TRUE);
        g_ptr_array_add(stores, store);
    }
    return TRUE;
}

static void
add_network(GPtrArray *networks, const struct vim_object *object, enum machine_network kind,
            const char *group, const char *key)
{
    char *name = vim_property_text(object, "name");
    if (name == NULL)
        return;
    struct create_network *network = g_new0(struct create_network, 1);
    moref_copy(&network->self, &object->self);
    network->name = name;
    network->kind = kind;
    network->switch_uuid = g_strdup(group);
    network->key = g_strdup(key);
    g_ptr_array_add(networks, network);
}

/* Of the distributed switches, by their references: char * -> char * UUID. */
static GHashTable *
read_switches(struct vim *vim, const struct moref *datacenter, GError **error)
{
    static const char *const paths[] = {"uuid", NULL};
    g_autoptr(GPtrArray) all =
        vim_find_all(vim, "DistributedVirtualSwitch", datacenter, paths, error);
    if (all == NULL)
        return NULL;
    GHashTable *uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < all->len; i++) {
        const struct vim_object *object = g_ptr_array_index(all, i);
        char *uuid = vim_property_text(object, "uuid");
        if (uuid != NULL)
            g_hash_table_insert(uuids, moref_format(&object->self), uuid);
    }
    return uuids;
}

static void
add_group(GHashTable *switches, const struct vim_object *object, GPtrArray *networks)
{
    struct moref owner = {0};
    g_autofree char *key = vim_property_text(object, "key");
    if (key == NULL || !vim_property_moref(object, "config.distributedVirtualSwitch", &owner))
        return;
    g_autofree char *ref = moref_format(&owner);
    moref_clear(&owner);
    const char *uuid = g_hash_table_lookup(switches, ref);
    if (uuid != NULL)
        add_network(networks, object, MACHINE_DISTRIBUTED_PORT_GROUP, uuid, key);
}

/* A port group of the uplinks is no place for a machine. */
static gboolean
is_uplink(const struct vim_object *object)
{
    const xmlNode *tags = vim_property(object, "tag");
    for (const xmlNode *at = tags != NULL ? xml_child(tags, NULL) : NULL; at != NULL;
         at = xml_next(at, NULL)) {
        g_autofree char *key = xml_child_text(at, "key");
        if (g_strcmp0(key, "SYSTEM/DVS.UPLINKPG") == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
read_groups(struct vim *vim, const struct moref *datacenter, GPtrArray *networks, GError **error)
{
    static const char *const paths[] = {"name", "key", "config.distributedVirtualSwitch", "tag",
                                        NULL};
    g_autoptr(GHashTable) switches = read_switches(vim, datacenter, error);
    g_autoptr(GPtrArray) all = switches != NULL ? vim_find_all(vim, "DistributedVirtualPortgroup",
                                                               datacenter, paths, error)
                                                : NULL;
    if (all == NULL)
        return FALSE;
    create_lists_sort(all);
    for (guint i = 0; i < all->len; i++)
        if (!is_uplink(g_ptr_array_index(all, i)))
            add_group(switches, g_ptr_array_index(all, i), networks);
    return TRUE;
}

/* Of NSX; older servers do not know the type, and have none. */
static gboolean
read_opaque(struct vim *vim, const struct moref *datacenter, GPtrArray *networks, GError **error)
{
    static const char *const paths[] = {"name", "summary.opaqueNetworkId",
                                        "summary.opaqueNetworkType", NULL};
    g_autoptr(GPtrArray) all = vim_find_all(vim, "OpaqueNetwork", datacenter, paths, error);
    for (guint i = 0; all != NULL && i < all->len; i++) {
        const struct vim_object *object = g_ptr_array_index(all, i);
        g_autofree char *id = vim_property_text(object, "summary.opaqueNetworkId");
        g_autofree char *type = vim_property_text(object, "summary.opaqueNetworkType");
        if (id != NULL && type != NULL)
            add_network(networks, object, MACHINE_OTHER_NETWORK, type, id);
    }
    return all != NULL;
}

static gboolean
read_networks(struct vim *vim, const struct moref *datacenter, GPtrArray *networks, GError **error)
{
    static const char *const paths[] = {"name", NULL};
    gboolean opaque = FALSE;
    g_autoptr(GPtrArray) all = vim_find_all(vim, "Network", datacenter, paths, error);
    if (all == NULL)
        return FALSE;
    create_lists_sort(all);
    for (guint i = 0; i < all->len; i++) {
        const struct vim_object *object = g_ptr_array_index(all, i);
        if (strcmp(object->self.type, "Network") == 0)
            add_network(networks, object, MACHINE_PORT_GROUP, NULL, NULL);
        opaque |= strcmp(object->self.type, "OpaqueNetwork") == 0;
    }
    return (!vim_service(vim)->manager || read_groups(vim, datacenter, networks, error)) &&
           (!opaque || read_opaque(vim, datacenter, networks, error));
}

struct create_lists *
create_lists_read(struct vim *vim, const struct moref *datacenter, GError **error)
{
    struct create_lists *lists = g_new0(struct create_lists, 1);
    lists->stores = g_ptr_array_new_with_free_func(free_store);
    lists->networks = g_ptr_array_new_with_free_func(free_network);
    if (read_stores(vim, datacenter, lists->stores, error) &&
        read_networks(vim, datacenter, lists->networks, error))
        return lists;
    create_lists_free(lists);
    return NULL;
}

void
create_lists_free(struct create_lists *lists)
{
    if (lists == NULL)
        return;
    g_ptr_array_unref(lists->stores);
    g_ptr_array_unref(lists->networks);
    g_free(lists);
}

void
create_lists_reach(const struct create_lists *lists, const struct vim_object *host,
                   struct create_place *place)
{
    g_autoptr(GHashTable) stores = read_refs(host, "datastore");
    g_autoptr(GHashTable) networks = read_refs(host, "network");
    place->stores = g_ptr_array_new();
    place->networks = g_ptr_array_new();
    for (guint i = 0; i < lists->stores->len; i++) {
        struct create_store *store = g_ptr_array_index(lists->stores, i);
        if (has_ref(stores, &store->self))
            g_ptr_array_add(place->stores, store);
    }
    for (guint i = 0; i < lists->networks->len; i++) {
        struct create_network *network = g_ptr_array_index(lists->networks, i);
        if (has_ref(networks, &network->self))
            g_ptr_array_add(place->networks, network);
    }
}
