/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new machine comes with its disks: the import makes it, takes each disk as a stream, and takes
 * all of it back when it is aborted. */
#include "base/error.h"
#include "hyper/vsphere/create_finish.h"
#include "hyper/vsphere/create_spec.h"
#include "hyper/vsphere/import.h"

#include <string.h>

struct created {
    struct placement base;
    struct vsphere *vsphere;
    struct machine *wanted;
    struct create_device *devices;
    struct import *import; /* NULL: a machine without disks */
    struct moref machine;
    gboolean complete; /* it is a machine like any other */
};

/* ---- Filling ----------------------------------------------------------------------------------
 */

static gboolean
import_source(struct placement *self, guint index, struct disk *source, struct progress *progress,
              GError **error)
{
    struct created *created = (struct created *)self;
    const struct placement_disk *disk = g_ptr_array_index(self->disks, index);
    if (disk_size(source) != disk->size)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s: disk %s was made with %" G_GUINT64_FORMAT
                         " bytes, and has %" G_GUINT64_FORMAT,
                         created->wanted->name, disk->name, disk->size, disk_size(source));
    const struct import_disk where = {.place = create_device_disk_place(created->devices, index),
                                      .index = index,
                                      .n = self->disks->len};
    if (import_send(created->import, &where, source, progress, error))
        return TRUE;
    g_prefix_error(error, "%s: disk %s: ", created->wanted->name, disk->name);
    return FALSE;
}

/* ---- The end ----------------------------------------------------------------------------------
 */

/* What was restored stays, also when it does not start: that can be mended, and tried again. */
static void
start(struct created *created)
{
    g_autoptr(GError) error = NULL;
    const struct vim_wait wait = {.what = "starting the restored machine", .cancellable = TRUE};
    if (vim_run(created->vsphere->vim, "PowerOnVM_Task", &created->machine, NULL, &wait, NULL, NULL,
                &error))
        return;
    progress_warning(created->base.progress, "%s was restored, but does not start: %s",
                     created->wanted->name, error->message);
    placement_say(&created->base, "it was to be started, and does not start: %s", error->message);
}

/* As it is now; as it was wanted, when the server cannot be asked any more. */
static struct machine *
describe(struct created *created)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *ref = moref_format(&created->machine);
    struct machine *now = vsphere_describe(&created->vsphere->base, ref, &error);
    if (now != NULL) {
        create_finish_compare(created->wanted, now, &created->base);
        return now;
    }
    progress_warning(created->base.progress, "%s was restored, but cannot be looked at: %s",
                     created->wanted->name, error->message);
    now = machine_copy(created->wanted);
    g_free(now->ref);
    now->ref = g_steal_pointer(&ref);
    return now;
}

static gboolean
finish(struct placement *self, gboolean power_on, struct machine **ret, GError **error)
{
    struct created *created = (struct created *)self;
    if (!created->complete && !import_complete(created->import, error)) {
        g_prefix_error(error, "%s: ", created->wanted->name);
        return FALSE;
    }
    created->complete = TRUE;
    create_finish_apply(created->vsphere, &created->machine, created->wanted, created->devices,
                        self);
    if (power_on)
        start(created);
    auto_ptr(machine) now = describe(created);
    if (ret != NULL)
        *ret = g_steal_pointer(&now);
    return TRUE;
}

static gboolean
run_cleanly(struct created *created, const char *method, const char *what, GError **error)
{
    const struct vim_wait wait = {.what = what};
    g_autoptr(GError) cause = NULL;
    if (vim_run(created->vsphere->vim, method, &created->machine, NULL, &wait, NULL, NULL,
                &cause) ||
        g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static gboolean
remove_machine(struct created *created, GError **error)
{
    if (run_cleanly(created, "Destroy_Task", "removing the machine that was made", error))
        return TRUE;
    g_prefix_error(error, "machine %s was made and could not be removed; remove it by hand: ",
                   created->wanted->name);
    return FALSE;
}

static gboolean
abandon(struct placement *self, GError **error)
{
    struct created *created = (struct created *)self;
    gboolean ok = created->complete         ? remove_machine(created, error)
                  : created->import != NULL ? import_abort(created->import, error)
                                            : TRUE;
    if (ok)
        self->done = TRUE;
    return ok;
}

static void
free_created(struct placement *self)
{
    struct created *created = (struct created *)self;
    import_free(created->import);
    create_device_free(created->devices);
    machine_free(created->wanted);
    moref_clear(&created->machine);
    g_free(created);
}

static const struct placement_class created_class = {
    .import = import_source,
    .finish = finish,
    .abandon = abandon,
    .free = free_created,
};

/* ---- The beginning ----------------------------------------------------------------------------
 */

/* A machine without disks is made by a task. */
static gboolean
make_plain(struct created *created, const struct create_place *place, const char *spec,
           GError **error)
{
    const struct vim_wait wait = {.what = "making the machine", .cancellable = TRUE};
    GString *arguments = g_string_new(NULL);
    vim_begin(arguments, "config", NULL);
    g_string_append(arguments, spec);
    vim_end(arguments, "config");
    vim_put_moref(arguments, "pool", &place->pool);
    vim_put_moref(arguments, "host", place->host.value != NULL ? &place->host : NULL);
    auto_xml_doc result = NULL;
    gboolean ok = vim_run(created->vsphere->vim, "CreateVM_Task", &place->folder, arguments->str,
                          &wait, &result, NULL, error);
    g_string_free(arguments, TRUE);
    if (!ok)
        return FALSE;
    const xmlNode *root = result != NULL ? xmlDocGetRootElement(result) : NULL;
    if (root == NULL || !vim_get_moref(root, &created->machine))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "the server does not tell what it has made");
    created->complete = TRUE;
    return TRUE;
}

static gboolean
make_with_disks(struct created *created, const struct create_place *place, const char *spec,
                GError **error)
{
    guint64 capacity = 0;
    for (guint i = 0; i < created->base.disks->len; i++) {
        const struct placement_disk *disk = g_ptr_array_index(created->base.disks, i);
        capacity += disk->size;
    }
    const struct moref *host = place->host.value != NULL ? &place->host : NULL;
    created->import = import_begin(created->vsphere->vim, &place->pool, &place->folder, host, spec,
                                   capacity, error);
    if (created->import == NULL)
        return FALSE;
    moref_copy(&created->machine, import_machine(created->import));
    return TRUE;
}

static gboolean
make(struct created *created, const struct create_place *place, GError **error)
{
    const struct machine *wanted = created->wanted;
    created->devices = create_device_new(place, &created->base);
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        if (disk->skip == NULL)
            placement_add_disk(&created->base, disk->name, disk->size);
    }
    g_autofree char *spec = create_spec_xml(wanted, place, created->devices, &created->base, error);
    if (spec == NULL)
        return FALSE;
    return created->base.disks->len > 0 ? make_with_disks(created, place, spec, error)
                                        : make_plain(created, place, spec, error);
}

static gboolean
check_wanted(const struct machine *wanted, GError **error)
{
    if (wanted->name == NULL || *wanted->name == '\0')
        return error_set(error, SLIPWAY_ERROR_USAGE, "the new machine has no name");
    guint n = 0;
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        n += disk->skip == NULL;
        if (disk->skip == NULL && disk->size == 0)
            return error_set(error, SLIPWAY_ERROR_USAGE, "disk %s of %s has no size", disk->name,
                             wanted->name);
    }
    if (n > IMPORT_DISKS_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s has more than %u disks", wanted->name,
                         IMPORT_DISKS_MAX);
    return TRUE;
}

struct placement *
vsphere_create(struct hypervisor *self, const struct machine *wanted, struct progress *progress,
               GError **error)
{
    struct vsphere *vsphere = (struct vsphere *)self;
    struct create_place place;
    if (!check_wanted(wanted, error) || !create_place_find(vsphere, wanted, &place, error))
        return NULL;
    struct created *created = g_new0(struct created, 1);
    g_autoptr(GError) cause = NULL;
    placement_init(&created->base, &created_class, progress);
    created->vsphere = vsphere;
    created->wanted = machine_copy(wanted);
    gboolean ok = make(created, &place, &cause);
    create_place_clear(&place);
    if (ok)
        return &created->base;
    gboolean exists = g_error_matches(cause, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_propagate_prefixed_error(error, g_steal_pointer(&cause),
                               exists ? "machine %s is there already, in that folder; give another "
                                        "name: "
                                      : "making machine %s: ",
                               wanted->name);
    created->base.done = TRUE;
    placement_free(&created->base);
    return NULL;
}
