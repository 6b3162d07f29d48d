/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/create_place.h"

#include "base/error.h"
#include "hyper/vsphere/create_lists.h"

#include <string.h>

#define ANCESTORS_MAX 64u

/* What was read of one datacenter. */
struct inventory {
    struct vsphere *vsphere;
    const struct machine *wanted;
    struct create_place *place;
    GPtrArray *computes, *hosts; /* of struct vim_object * */
    const struct vim_object *compute, *host;
};

/* ---- Names ----------------------------------------------------------------------------------- */

static gboolean
fail_not_found(const struct inventory *inventory, const char *kind, const char *name,
               GPtrArray *objects, GError **error)
{
    g_autofree char *there = create_lists_names(objects);
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: no %s \"%s\"; there is: %s",
                     inventory->vsphere->base.label, kind, name, there);
}

static const struct vim_object *
find_named(GPtrArray *objects, const char *name)
{
    for (guint i = 0; i < objects->len; i++) {
        g_autofree char *text = vim_property_text(g_ptr_array_index(objects, i), "name");
        if (g_strcmp0(text, name) == 0)
            return g_ptr_array_index(objects, i);
    }
    return NULL;
}

static const struct vim_object *
find_ref(GPtrArray *objects, const struct moref *self)
{
    for (guint i = 0; i < objects->len; i++) {
        const struct vim_object *object = g_ptr_array_index(objects, i);
        if (moref_equal(&object->self, self))
            return object;
    }
    return NULL;
}

/* ---- Datacenter and folder ------------------------------------------------------------------- */

static gboolean
find_above(struct vim *vim, const struct moref *self, const char *type, struct moref *ret,
           GError **error)
{
    static const char *const paths[] = {"parent", NULL};
    struct moref at = {0};
    gboolean ok = TRUE;
    moref_copy(&at, self);
    for (guint i = 0; ok && strcmp(at.type, type) != 0; i++) {
        struct moref parent = {0};
        auto_ptr(vim_object) object = vim_get(vim, &at, paths, error);
        ok = object != NULL;
        if (ok && (i >= ANCESTORS_MAX || !vim_property_moref(object, "parent", &parent)))
            ok = error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s %s is in no %s", self->type,
                           self->value, type);
        moref_clear(&at);
        at = parent;
    }
    if (ok)
        *ret = at;
    else
        moref_clear(&at);
    return ok;
}

static gboolean
take_datacenter(struct inventory *inventory, GError **error)
{
    static const char *const paths[] = {"name", "vmFolder", NULL};
    struct create_place *place = inventory->place;
    g_autoptr(GPtrArray) all =
        vim_find_all(inventory->vsphere->vim, "Datacenter", NULL, paths, error);
    if (all == NULL)
        return FALSE;
    create_lists_sort(all);
    const char *name = inventory->wanted->datacenter;
    const struct vim_object *found =
        name != NULL ? find_named(all, name) : (all->len > 0 ? all->pdata[0] : NULL);
    if (found == NULL || !vim_property_moref(found, "vmFolder", &place->folder))
        return fail_not_found(inventory, "datacenter", name != NULL ? name : "", all, error);
    moref_copy(&place->datacenter, &found->self);
    return TRUE;
}

static gboolean
find_folder(struct inventory *inventory, GError **error)
{
    struct vsphere *vsphere = inventory->vsphere;
    struct create_place *place = inventory->place;
    if (inventory->wanted->folder == NULL)
        return take_datacenter(inventory, error);
    return vsphere_find_path(vsphere, inventory->wanted->folder, "Folder", &place->folder, error) &&
           find_above(vsphere->vim, &place->folder, "Datacenter", &place->datacenter, error);
}

/* ---- Cluster or host ------------------------------------------------------------------------- */

static gboolean
is_usable(const struct vim_object *host)
{
    g_autofree char *state = vim_property_text(host, "runtime.connectionState");
    g_autofree char *away = vim_property_text(host, "runtime.inMaintenanceMode");
    return g_strcmp0(state, "connected") == 0 && !xml_boolean(away, FALSE);
}

/* How many datastores and networks the machine is to have that `host` does not reach. */
static guint
count_missing(const struct inventory *inventory, const struct vim_object *host)
{
    struct create_place place = {0};
    const struct machine *wanted = inventory->wanted;
    guint missing = 0;
    create_lists_reach(inventory->place->lists, host, &place);
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        missing += disk->skip == NULL && disk->datastore != NULL &&
                   create_place_store(&place, disk->datastore, NULL) == NULL;
    }
    for (guint i = 0; i < wanted->nics->len; i++) {
        const struct machine_nic *nic = g_ptr_array_index(wanted->nics, i);
        missing += nic->network != NULL &&
                   create_place_network(&place, nic->kind, nic->network, NULL) == NULL;
    }
    create_place_clear(&place);
    return missing;
}

/* Of several that can take it, the one from which most of what is wanted can be reached. */
static gboolean
choose_host(struct inventory *inventory, GError **error)
{
    guint least = G_MAXUINT;
    for (guint i = 0; i < inventory->hosts->len && least > 0; i++) {
        const struct vim_object *host = g_ptr_array_index(inventory->hosts, i);
        struct moref parent = {0};
        gboolean fits =
            is_usable(host) && vim_property_moref(host, "parent", &parent) &&
            (inventory->compute == NULL || moref_equal(&inventory->compute->self, &parent));
        moref_clear(&parent);
        guint missing = fits ? count_missing(inventory, host) : G_MAXUINT;
        if (missing < least) {
            least = missing;
            inventory->host = host;
        }
    }
    if (inventory->host == NULL)
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "%s: no host can take a machine now: none is connected and out of "
                         "maintenance mode%s%s",
                         inventory->vsphere->base.label,
                         inventory->wanted->cluster != NULL ? " in cluster " : "",
                         inventory->wanted->cluster != NULL ? inventory->wanted->cluster : "");
    return TRUE;
}

static gboolean
take_named_host(struct inventory *inventory, GError **error)
{
    const char *name = inventory->wanted->host;
    inventory->host = find_named(inventory->hosts, name);
    if (inventory->host == NULL)
        return fail_not_found(inventory, "host", name, inventory->hosts, error);
    if (!is_usable(inventory->host))
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "%s: host %s is not connected, or is in maintenance mode; choose another",
                         inventory->vsphere->base.label, name);
    return TRUE;
}

static gboolean
check_parent(struct inventory *inventory, GError **error)
{
    struct moref parent = {0};
    const struct vim_object *found = NULL;
    if (vim_property_moref(inventory->host, "parent", &parent))
        found = find_ref(inventory->computes, &parent);
    moref_clear(&parent);
    if (found == NULL || (inventory->compute != NULL && found != inventory->compute))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: host %s is not in cluster %s",
                         inventory->vsphere->base.label, inventory->wanted->host,
                         inventory->wanted->cluster);
    inventory->compute = found;
    return TRUE;
}

static gboolean
find_compute(struct inventory *inventory, GError **error)
{
    static const char *const compute_paths[] = {"name", "resourcePool", NULL};
    static const char *const host_paths[] = {
        "name",    "parent", "runtime.connectionState", "runtime.inMaintenanceMode", "datastore",
        "network", NULL};
    struct vim *vim = inventory->vsphere->vim;
    const struct moref *datacenter = &inventory->place->datacenter;
    inventory->computes = vim_find_all(vim, "ComputeResource", datacenter, compute_paths, error);
    if (inventory->computes != NULL)
        inventory->hosts = vim_find_all(vim, "HostSystem", datacenter, host_paths, error);
    if (inventory->hosts == NULL)
        return FALSE;
    create_lists_sort(inventory->hosts);
    const struct machine *wanted = inventory->wanted;
    if (wanted->cluster != NULL) {
        inventory->compute = find_named(inventory->computes, wanted->cluster);
        if (inventory->compute == NULL)
            return fail_not_found(inventory, "cluster", wanted->cluster, inventory->computes,
                                  error);
    }
    gboolean ok =
        wanted->host != NULL ? take_named_host(inventory, error) : choose_host(inventory, error);
    return ok && check_parent(inventory, error);
}

/* ---- Pool ------------------------------------------------------------------------------------ */

/* The path of a pool below `root`: "prod/web"; NULL when it is not there. */
static char *
pool_path(GPtrArray *pools, const struct vim_object *pool, const struct moref *root)
{
    char *path = NULL;
    const struct vim_object *at = pool;
    for (guint i = 0; at != NULL && i < ANCESTORS_MAX; i++) {
        struct moref parent = {0};
        if (moref_equal(&at->self, root))
            return path != NULL ? path : g_strdup("");
        g_autofree char *name = vim_property_text(at, "name");
        char *longer = path != NULL ? g_strconcat(name, "/", path, NULL) : g_strdup(name);
        g_free(path);
        path = longer;
        at = vim_property_moref(at, "parent", &parent) ? find_ref(pools, &parent) : NULL;
        moref_clear(&parent);
    }
    g_free(path);
    return NULL;
}

static const char *
skip_root(const char *path)
{
    while (*path == '/')
        path++;
    if (g_str_has_prefix(path, "Resources/"))
        return path + strlen("Resources/");
    return strcmp(path, "Resources") == 0 ? "" : path;
}

static gboolean
find_pool(struct inventory *inventory, GError **error)
{
    static const char *const paths[] = {"name", "parent", NULL};
    struct moref root = {0};
    struct create_place *place = inventory->place;
    if (!vim_property_moref(inventory->compute, "resourcePool", &root))
        return error_set(error, SLIPWAY_ERROR_DENIED,
                         "%s: the resource pool of %s cannot be seen; check the permissions of the "
                         "account",
                         inventory->vsphere->base.label, place->compute);
    const char *wanted = inventory->wanted->pool != NULL ? skip_root(inventory->wanted->pool) : "";
    if (*wanted == '\0') {
        place->pool = root;
        return TRUE;
    }
    g_autoptr(GPtrArray) pools =
        vim_find_all(inventory->vsphere->vim, "ResourcePool", &place->datacenter, paths, error);
    GString *there = g_string_new(NULL);
    for (guint i = 0; pools != NULL && i < pools->len && place->pool.value == NULL; i++) {
        const struct vim_object *pool = g_ptr_array_index(pools, i);
        g_autofree char *path = pool_path(pools, pool, &root);
        if (path != NULL && strcmp(path, wanted) == 0)
            moref_copy(&place->pool, &pool->self);
        else if (path != NULL && *path != '\0')
            g_string_append_printf(there, "%s%s", there->len > 0 ? ", " : "", path);
    }
    if (pools != NULL && place->pool.value == NULL)
        error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: no resource pool \"%s\" in %s; there is: %s",
                  inventory->vsphere->base.label, wanted, place->compute,
                  there->len > 0 ? there->str : "none");
    g_string_free(there, TRUE);
    moref_clear(&root);
    return place->pool.value != NULL;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static gboolean
find_all(struct inventory *inventory, GError **error)
{
    struct create_place *place = inventory->place;
    if (!find_folder(inventory, error))
        return FALSE;
    place->lists = create_lists_read(inventory->vsphere->vim, &place->datacenter, error);
    if (place->lists == NULL || !find_compute(inventory, error))
        return FALSE;
    moref_copy(&place->host, &inventory->host->self);
    place->compute = vim_property_text(inventory->compute, "name");
    create_lists_reach(place->lists, inventory->host, place);
    return find_pool(inventory, error);
}

gboolean
create_place_find(struct vsphere *vsphere, const struct machine *wanted, struct create_place *ret,
                  GError **error)
{
    struct inventory inventory = {.vsphere = vsphere, .wanted = wanted, .place = ret};
    *ret = (struct create_place){0};
    gboolean ok = find_all(&inventory, error);
    g_clear_pointer(&inventory.computes, g_ptr_array_unref);
    g_clear_pointer(&inventory.hosts, g_ptr_array_unref);
    if (!ok)
        create_place_clear(ret);
    return ok;
}

void
create_place_clear(struct create_place *place)
{
    moref_clear(&place->datacenter);
    moref_clear(&place->folder);
    moref_clear(&place->pool);
    moref_clear(&place->host);
    g_free(place->compute);
    g_clear_pointer(&place->stores, g_ptr_array_unref);
    g_clear_pointer(&place->networks, g_ptr_array_unref);
    create_lists_free(place->lists);
    *place = (struct create_place){0};
}

/* ---- Choosing -------------------------------------------------------------------------------- */

const struct create_store *
create_place_store(const struct create_place *place, const char *name, GError **error)
{
    const struct create_store *best = NULL;
    GString *there = g_string_new(NULL);
    for (guint i = 0; i < place->stores->len; i++) {
        const struct create_store *store = g_ptr_array_index(place->stores, i);
        create_lists_append(there, i, store->name);
        if (name != NULL ? strcmp(store->name, name) == 0
                         : store->accessible && (best == NULL || store->free > best->free))
            best = store;
    }
    if (best == NULL)
        error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                  "no datastore \"%s\" can be reached from %s; there is: %s",
                  name != NULL ? name : "", place->compute, there->len > 0 ? there->str : "none");
    g_string_free(there, TRUE);
    if (best == NULL || best->accessible)
        return best;
    return error_null(error, SLIPWAY_ERROR_BUSY,
                      "datastore %s is not accessible now; choose another", best->name);
}

const struct create_network *
create_place_network(const struct create_place *place, enum machine_network kind, const char *name,
                     GError **error)
{
    const struct create_network *best = NULL;
    GString *there = g_string_new(NULL);
    for (guint i = 0; i < place->networks->len; i++) {
        const struct create_network *network = g_ptr_array_index(place->networks, i);
        create_lists_append(there, i, network->name);
        gboolean fits = name != NULL ? strcmp(network->name, name) == 0 : TRUE;
        enum machine_network liked = name != NULL ? kind : MACHINE_PORT_GROUP;
        if (fits && (best == NULL || (best->kind != liked && network->kind == liked)))
            best = network;
    }
    if (best == NULL && name != NULL)
        error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                  "no network \"%s\" can be reached from %s; there is: %s", name, place->compute,
                  there->len > 0 ? there->str : "none");
    g_string_free(there, TRUE);
    return best;
}
