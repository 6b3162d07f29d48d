/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/inventory.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/progress.h"
#include "hyper/libvirt/domain_xml.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/nvram.h"
#include "hyper/libvirt/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define QCOW2_MAGIC "QFI\xfb"

/* ---- A machine ------------------------------------------------------------------------------- */

static enum machine_power
power_of(virDomainPtr domain)
{
    int state = VIR_DOMAIN_NOSTATE;
    if (virDomainGetState(domain, &state, NULL, 0) < 0)
        return MACHINE_OFF;
    switch (state) {
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_PMSUSPENDED:
        return MACHINE_SUSPENDED;
    case VIR_DOMAIN_SHUTOFF:
    case VIR_DOMAIN_CRASHED:
        return virDomainHasManagedSaveImage(domain, 0) == 1 ? MACHINE_SUSPENDED : MACHINE_OFF;
    default:
        return MACHINE_ON;
    }
}

/* A disk whose size cannot be known now (its host is away) has none. */
static void
look_up_sizes(virDomainPtr domain, struct machine *machine)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        virDomainBlockInfo info = {0};
        if (disk->path != NULL && virDomainGetBlockInfo(domain, disk->name, &info, 0) == 0) {
            disk->size = info.capacity;
            disk->thin = disk->thin || info.allocation < info.capacity;
        }
    }
}

/* The pool that a file lies in is named where libvirt knows it. */
static void
look_up_pools(virConnectPtr connection, struct machine *machine)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        if (disk->datastore != NULL || disk->path == NULL || disk->path[0] != '/')
            continue;
        auto_volume volume = virStorageVolLookupByPath(connection, disk->path);
        auto_pool pool = volume != NULL ? virStoragePoolLookupByVolume(volume) : NULL;
        if (pool != NULL)
            disk->datastore = g_strdup(virStoragePoolGetName(pool));
    }
}

/* Disks of a machine that is off are opened by us; all others by its QEMU. */
static void
skip_what_is_away(struct machine *machine)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        gboolean file = disk->path != NULL && disk->path[0] == '/';
        if (disk->skip == NULL && !file && disk->datastore == NULL)
            disk->skip = g_strdup("a disk in the network can be read only while its machine runs");
    }
}

struct machine *
inventory_read(virDomainPtr domain, GError **error)
{
    virConnectPtr connection = virDomainGetConnect(domain);
    gboolean running = virDomainIsActive(domain) == 1;
    auto_text xml = libvirt_xml(domain, running, error);
    if (xml == NULL)
        return NULL;
    auto_ptr(machine) machine = machine_new();
    if (!domain_xml_read(xml, machine, error)) {
        g_prefix_error(error, "machine %s: ", virDomainGetName(domain));
        return NULL;
    }
    auto_text name = virConnectGetHostname(connection);
    machine->host = g_strdup(name);
    machine->power = power_of(domain);
    look_up_sizes(domain, machine);
    look_up_pools(connection, machine);
    if (!running)
        skip_what_is_away(machine);
    machine->tracked = running && virDomainListAllCheckpoints(domain, NULL, 0) > 0;
    virResetLastError();
    return g_steal_pointer(&machine);
}

/* One that is just being removed is none; one that cannot be read is told of, and hides no other;
 * but a list that is short as its host has gone would look as if the rest were not there. */
static gboolean
add_machine(struct libvirt *host, virDomainPtr domain, GPtrArray *list, GError **error)
{
    g_autoptr(GError) failure = NULL;
    struct machine *machine = inventory_read(domain, &failure);
    if (machine != NULL) {
        g_ptr_array_add(list, machine);
        return TRUE;
    }
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE;
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    progress_warning(host->base.progress, "left out, as it cannot be read: %s", failure->message);
    return TRUE;
}

GPtrArray *
inventory_list(struct hypervisor *self, GError **error)
{
    struct libvirt *host = (struct libvirt *)self;
    virDomainPtr *domains = NULL;
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return NULL;
    int n = virConnectListAllDomains(connection, &domains, 0);
    if (n < 0)
        return failure_null(error, "the machines of %s", self->label);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)machine_free);
    gboolean ok = TRUE;
    for (int i = 0; i < n; i++) {
        ok = ok && cancel_check(error) && add_machine(host, domains[i], list, error);
        virDomainFree(domains[i]);
    }
    free(domains);
    return ok ? g_steal_pointer(&list) : NULL;
}

/* ---- All of a machine ------------------------------------------------------------------------ */

/* Whoever may define machines has named it, and may have named something without an end. */
static gboolean
check_variables(const char *path, guint64 length, const struct machine *machine, GError **error)
{
    struct stat info = {0};
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "machine %s: what its firmware keeps, %s, is no file", machine->name,
                         path);
    if (MAX(length, (guint64)info.st_size) <= MACHINE_FIRMWARE_MAX)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_LIMIT,
                     "machine %s: what its firmware keeps, %s, has more than %u bytes",
                     machine->name, path, MACHINE_FIRMWARE_MAX);
}

/* The variables are a file of this computer; one that was never written is not there. */
static gboolean
read_firmware(struct libvirt *host, virDomainPtr domain, struct machine *machine, GError **error)
{
    g_autofree char *format = NULL;
    g_autofree char *path = host->local ? nvram_find(host, domain, &format) : NULL;
    if (path == NULL)
        return TRUE;
    if (!check_variables(path, 0, machine, error))
        return FALSE;
    g_autofree char *data = NULL;
    gsize length = 0;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &data, &length, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return TRUE;
        return error_set(
            error,
            g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_ACCES) ? SLIPWAY_ERROR_DENIED
                                                                       : SLIPWAY_ERROR_IO,
            "machine %s: what its firmware keeps: %s", machine->name, failure->message);
    }
    if (!check_variables(path, length, machine, error))
        return FALSE;
    gboolean qcow2 = length >= 4 && memcmp(data, QCOW2_MAGIC, 4) == 0;
    machine->firmware_type = g_strdup(qcow2 ? "vars-qcow2" : "vars-raw");
    machine->firmware_data = g_bytes_new_take(g_steal_pointer(&data), length);
    return TRUE;
}

struct machine *
inventory_describe(struct hypervisor *self, const char *ref_or_id, GError **error)
{
    struct libvirt *host = (struct libvirt *)self;
    auto_domain domain = libvirt_find(host, ref_or_id, error);
    auto_ptr(machine) machine = domain != NULL ? inventory_read(domain, error) : NULL;
    if (machine == NULL)
        return NULL;
    auto_text xml = libvirt_xml(domain, FALSE, error);
    if (xml == NULL || !read_firmware(host, domain, machine, error))
        return NULL;
    machine->native_type = g_strdup("libvirt-xml");
    machine->native = g_strdup(xml);
    return g_steal_pointer(&machine);
}

/* ---- Places ---------------------------------------------------------------------------------- */

static struct place *
add_place(GPtrArray *places, enum place_kind kind, const char *name)
{
    struct place *place = g_new0(struct place, 1);
    place->kind = kind;
    place->name = g_strdup(name);
    g_ptr_array_add(places, place);
    return place;
}

static gboolean
add_pools(const struct libvirt *host, virConnectPtr connection, GPtrArray *places, GError **error)
{
    virStoragePoolPtr *pools = NULL;
    int n = virConnectListAllStoragePools(connection, &pools, 0);
    if (n < 0)
        return failure_set(error, "the storage pools of %s", host->base.label);
    for (int i = 0; i < n; i++) {
        struct place *place = add_place(places, PLACE_DATASTORE, virStoragePoolGetName(pools[i]));
        virStoragePoolInfo info = {0};
        if (virStoragePoolGetInfo(pools[i], &info) == 0) {
            place->capacity = info.capacity;
            place->free = info.available;
        }
        place->path = pool_folder(pools[i]);
        if (virStoragePoolIsActive(pools[i]) != 1)
            place->words = g_strdup("not started");
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    return TRUE;
}

static gboolean
add_networks(const struct libvirt *host, virConnectPtr connection, GPtrArray *places,
             GError **error)
{
    virNetworkPtr *networks = NULL;
    int n = virConnectListAllNetworks(connection, &networks, 0);
    if (n < 0)
        return failure_set(error, "the networks of %s", host->base.label);
    for (int i = 0; i < n; i++) {
        struct place *place = add_place(places, PLACE_NETWORK, virNetworkGetName(networks[i]));
        place->network = MACHINE_NETWORK;
        if (virNetworkIsActive(networks[i]) != 1)
            place->words = g_strdup("not started");
        virNetworkFree(networks[i]);
    }
    free(networks);
    return TRUE;
}

/* libvirt's interface driver is missing on many hosts; the kernel's word is as good. */
static void
add_bridges(struct libvirt *host, GPtrArray *places)
{
    g_autoptr(GDir) folder = host->local ? g_dir_open("/sys/class/net", 0, NULL) : NULL;
    const char *name = NULL;
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename("/sys/class/net", name, "bridge", NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            add_place(places, PLACE_NETWORK, name)->network = MACHINE_BRIDGE;
    }
}

GPtrArray *
inventory_places(struct hypervisor *self, GError **error)
{
    struct libvirt *host = (struct libvirt *)self;
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func((GDestroyNotify)place_free);
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL || !add_pools(host, connection, places, error) ||
        !add_networks(host, connection, places, error))
        return NULL;
    add_bridges(host, places);
    auto_text name = virConnectGetHostname(connection);
    if (name != NULL)
        add_place(places, PLACE_HOST, name);
    return g_steal_pointer(&places);
}
