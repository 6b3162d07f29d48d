/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/create.h"

#include "base/cancel.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "disk/disk_open.h"
#include "hyper/libvirt/domain_write.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/host_facts.h"
#include "hyper/libvirt/inventory.h"
#include "hyper/libvirt/nvram.h"
#include "hyper/libvirt/pool.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

struct creation {
    struct placement base;
    struct libvirt *host;
    struct machine *wanted; /* with networks that are there */
    GPtrArray *volumes;     /* of struct pool_volume *, as the disks are */
    virDomainPtr domain;    /* NULL: not defined (any more) */
    char *nvram;            /* a file of ours; NULL */
};

/* ---- The end --------------------------------------------------------------------------------- */

static void
free_creation(struct placement *self)
{
    struct creation *creation = (struct creation *)self;
    if (creation->domain != NULL)
        virDomainFree(creation->domain);
    if (creation->wanted != NULL)
        machine_free(creation->wanted);
    g_ptr_array_unref(creation->volumes);
    g_free(creation->nvram);
    g_free(creation);
}

static gboolean
undefine(struct creation *creation, GError **error)
{
    g_autoptr(GError) failure = NULL;
    if (creation->domain == NULL)
        return TRUE;
    if (!daemon_renew(creation->host->daemon, &creation->domain, &failure)) {
        if (!g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        virDomainFree(g_steal_pointer(&creation->domain));
        return TRUE;
    }
    const char *name = virDomainGetName(creation->domain);
    if (virDomainIsActive(creation->domain) == 1 && virDomainDestroy(creation->domain) < 0 &&
        !failure_is_missing())
        return failure_set(error, "cannot stop machine %s", name);
    if (virDomainUndefineFlags(creation->domain, VIR_DOMAIN_UNDEFINE_NVRAM) < 0 &&
        !failure_is_missing())
        return failure_set(error, "cannot remove machine %s ('virsh undefine --nvram %s' does)",
                           name, name);
    virDomainFree(g_steal_pointer(&creation->domain));
    return TRUE;
}

/* Everything is tried, and what fails first is told. */
static gboolean
abandon(struct placement *self, GError **error)
{
    struct creation *creation = (struct creation *)self;
    g_autoptr(GError) first = NULL;
    undefine(creation, &first);
    if (creation->nvram != NULL && g_unlink(creation->nvram) != 0 && errno != ENOENT)
        error_set_errno(first == NULL ? &first : NULL, errno, "cannot remove %s", creation->nvram);
    for (guint i = creation->volumes->len; i > 0; i--) {
        if (pool_remove(creation->host, g_ptr_array_index(creation->volumes, i - 1),
                        first == NULL ? &first : NULL))
            g_ptr_array_remove_index(creation->volumes, i - 1);
    }
    if (first == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

/* ---- What the firmware keeps ----------------------------------------------------------------- */

/* libvirt makes the file of a template when the machine starts first and it is not there. */
static gboolean
write_variables(struct creation *creation, const char *path, GError **error)
{
    const struct machine *wanted = creation->wanted;
    gsize length = 0;
    const void *data = g_bytes_get_data(wanted->firmware_data, &length);
    g_autofree char *folder = g_path_get_dirname(path);
    if (g_mkdir_with_parents(folder, 0711) != 0)
        return error_set_errno(error, errno, "cannot make %s", folder);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "firmware variables %s of another machine are there", path);
    if (!durable_file_put(path, data, length, 0600, error))
        return FALSE;
    creation->nvram = g_strdup(path);
    if (creation->host->own_user && geteuid() == 0 &&
        lchown(path, creation->host->uid, creation->host->gid) != 0)
        return error_set_errno(error, errno, "cannot give %s to the user of the machines", path);
    return TRUE;
}

static gboolean
restore_variables(struct creation *creation, GError **error)
{
    const struct machine *wanted = creation->wanted;
    if (wanted->firmware == MACHINE_BIOS)
        return TRUE;
    const char *type = wanted->firmware_type;
    gboolean raw = g_strcmp0(type, "vars-raw") == 0, qcow2 = g_strcmp0(type, "vars-qcow2") == 0;
    g_autofree char *format = NULL;
    g_autofree char *path = nvram_find(creation->host, creation->domain, &format);
    if (path != NULL && creation->host->local && wanted->firmware_data != NULL &&
        ((raw && strcmp(format, "raw") == 0) || (qcow2 && strcmp(format, "qcow2") == 0)))
        return write_variables(creation, path, error);
    placement_say(&creation->base, "what its firmware had kept (boot entries, keys of secure boot) "
                                   "is not in it: it starts with new variables");
    return TRUE;
}

/* ---- Finishing ------------------------------------------------------------------------------- */

static gboolean
finish(struct placement *self, gboolean power_on, struct machine **ret, GError **error)
{
    struct creation *creation = (struct creation *)self;
    const char *name = creation->wanted->name;
    if (!daemon_renew(creation->host->daemon, &creation->domain, error)) {
        g_prefix_error(error, "machine %s was made: ", name);
        return FALSE;
    }
    if (power_on && virDomainCreate(creation->domain) < 0)
        return failure_set(error, "machine %s was made, but cannot be started", name);
    if (ret != NULL)
        *ret = inventory_read(creation->domain, error);
    return ret == NULL || *ret != NULL;
}

static const struct placement_class creation_class = {
    .finish = finish, .abandon = abandon, .free = free_creation};

/* ---- Beginning ------------------------------------------------------------------------------- */

static gboolean
check_name(struct libvirt *host, const struct machine *wanted, GError **error)
{
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return FALSE;
    auto_domain taken = virDomainLookupByName(connection, wanted->name);
    if (taken != NULL)
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "%s has a machine %s; choose another name, or restore into it",
                         host->base.label, wanted->name);
    virResetLastError();
    return TRUE;
}

static gboolean
make_disk(struct creation *creation, const struct machine_disk *disk, GError **error)
{
    auto_pool pool = pool_find(creation->host, disk->datastore, error);
    if (pool == NULL)
        return FALSE;
    const char *format = g_strcmp0(disk->format, "raw") == 0 ? "raw" : "qcow2";
    struct pool_volume *volume =
        pool_make(pool, creation->wanted->name, disk->name, format, disk->size, error);
    if (volume == NULL)
        return FALSE;
    g_ptr_array_add(creation->volumes, volume);
    struct placement_disk *made = placement_add_disk(&creation->base, disk->name, disk->size);
    enum disk_format opened =
        strcmp(volume->format, "qcow2") == 0 ? DISK_FORMAT_QCOW2 : DISK_FORMAT_RAW;
    made->target = disk_open_write(volume->path, opened, error);
    made->zero = volume->zero;
    if (made->target == NULL)
        return FALSE;
    if (disk_size(made->target) < disk->size)
        return error_set(error, SLIPWAY_ERROR_IO,
                         "volume %s has %" G_GUINT64_FORMAT " bytes instead of %" G_GUINT64_FORMAT,
                         volume->path, disk_size(made->target), disk->size);
    return TRUE;
}

static gboolean
make_disks(struct creation *creation, GError **error)
{
    for (guint i = 0; i < creation->wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(creation->wanted->disks, i);
        if (disk->skip != NULL)
            continue;
        if (!cancel_check(error))
            return FALSE;
        if (!make_disk(creation, disk, error)) {
            g_prefix_error(error, "disk %s: ", disk->name);
            return FALSE;
        }
    }
    return TRUE;
}

static char *
describe(struct creation *creation, GError **error)
{
    struct domain_host facts = {0};
    if (!host_facts_read(creation->host, &facts, error))
        return NULL;
    guint n = creation->volumes->len;
    g_autofree struct domain_volume *volumes = g_new0(struct domain_volume, n);
    for (guint i = 0; i < n; i++) {
        const struct pool_volume *volume = g_ptr_array_index(creation->volumes, i);
        const struct placement_disk *disk = placement_get_disk(&creation->base, i);
        volumes[i] =
            (struct domain_volume){disk->name, volume->path, volume->format, volume->block};
    }
    const struct machine *wanted = creation->wanted;
    GPtrArray *words = creation->base.words;
    gboolean native = g_strcmp0(wanted->native_type, "libvirt-xml") == 0 && wanted->native != NULL;
    char *xml = native
                    ? domain_edit_native(wanted->native, wanted, volumes, n, &facts, words, error)
                    : domain_write_neutral(wanted, volumes, n, &facts, words, error);
    host_facts_clear(&facts);
    return xml;
}

static gboolean
define(struct creation *creation, GError **error)
{
    g_autofree char *xml = describe(creation, error);
    if (xml == NULL)
        return FALSE;
    auto_connection connection = daemon_connect(creation->host->daemon, error);
    if (connection == NULL)
        return FALSE;
    creation->domain = virDomainDefineXMLFlags(connection, xml, 0);
    if (creation->domain == NULL)
        return failure_set(error, "%s does not take its description", creation->host->base.label);
    return restore_variables(creation, error);
}

struct placement *
create_machine(struct hypervisor *self, const struct machine *wanted, struct progress *progress,
               GError **error)
{
    struct libvirt *host = (struct libvirt *)self;
    if (!host->local)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s: disks of machines on another computer cannot be written from here; "
                          "run this program there, with the same store",
                          self->label);
    if (!check_name(host, wanted, error))
        return NULL;
    struct creation *creation = g_new0(struct creation, 1);
    auto_ptr(placement) placement = &creation->base;
    placement_init(placement, &creation_class, progress);
    creation->host = host;
    creation->volumes = g_ptr_array_new_with_free_func((GDestroyNotify)pool_volume_free);
    creation->wanted = create_connect(host, wanted, placement->words, error);
    if (creation->wanted == NULL)
        return NULL;
    if (!make_disks(creation, error) || !define(creation, error)) {
        g_prefix_error(error, "machine %s: ", wanted->name);
        return NULL;
    }
    return g_steal_pointer(&placement);
}
