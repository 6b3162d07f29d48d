/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which machine of the server this is. */
#include "base/error.h"
#include "hyper/vsphere/hot_add_private.h"

#include <errno.h>
#include <string.h>

#define NAMES_MAX 2u

static gboolean
find_named(struct vsphere *vsphere, const char *name, struct moref *ret, GError **error)
{
    static const char *const paths[] = {"name", NULL};
    g_autoptr(GError) failure = NULL;
    if (vsphere_find_machine(vsphere, name, ret, &failure))
        return TRUE;
    if (!g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    g_autoptr(GPtrArray) all = vim_find_all(vsphere->vim, "VirtualMachine", NULL, paths, error);
    guint n = 0;
    for (guint i = 0; all != NULL && i < all->len; i++) {
        const struct vim_object *object = g_ptr_array_index(all, i);
        g_autofree char *text = vim_property_text(object, "name");
        if (g_strcmp0(text, name) != 0)
            continue;
        if (n++ == 0)
            moref_copy(ret, &object->self);
    }
    if (all == NULL || n == 1)
        return all != NULL;
    moref_clear(ret);
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                     n == 0 ? "%s has no machine %s to attach disks to; name the one that Slipway "
                              "runs in"
                            : "%s has several machines %s; name the one that Slipway runs in by "
                              "its id",
                     vsphere->base.label, name);
}

/* Since SMBIOS 2.6 the first three parts are stored with their low byte first, and not everybody
 * reads them so. */
static char *
swap_parts(const char *uuid)
{
    static const guint order[] = {6, 7, 4, 5, 2, 3, 0, 1, 8, 11, 12, 9, 10, 13, 16, 17, 14, 15};
    char *other = g_strdup(uuid);
    for (guint i = 0; i < G_N_ELEMENTS(order); i++)
        other[i] = uuid[order[i]];
    return other;
}

static gboolean
read_uuid(char **ret, GError **error)
{
    g_autofree char *path = hot_add_sys_path("class/dmi/id/product_uuid");
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &text, NULL, &failure)) {
        gboolean denied = g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_ACCES) ||
                          g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_PERM);
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         denied ? "only root can read which machine this is (%s), to attach disks "
                                  "to it; run Slipway as root, or name the machine"
                                : "disks can only be attached where Slipway runs in a virtual "
                                  "machine of this server, and this computer does not say what it "
                                  "is (%s); choose transport https",
                         path);
    }
    g_strstrip(text);
    if (!g_uuid_string_is_valid(text))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "this computer's firmware has no UUID (%s), by which it could be found on "
                         "the server; choose transport https",
                         path);
    *ret = g_ascii_strdown(text, -1);
    return TRUE;
}

/* *ret has no value when there is none. */
static gboolean
find_by_uuid(struct vsphere *vsphere, const char *uuid, struct moref *ret, GError **error)
{
    GString *xml = g_string_new(NULL);
    vim_put(xml, "uuid", uuid);
    vim_put_bool(xml, "vmSearch", TRUE);
    vim_put_bool(xml, "instanceUuid", FALSE);
    g_autofree char *arguments = g_string_free(xml, FALSE);
    auto_xml_doc answer =
        vim_call(vsphere->vim, "FindByUuid", &vim_service(vsphere->vim)->search_index, arguments,
                 NULL, error);
    if (answer == NULL)
        return FALSE;
    const xmlNode *value = vim_returned(answer);
    if (value != NULL)
        vim_get_moref(value, ret);
    return TRUE;
}

gboolean
hot_add_find_self(struct vsphere *vsphere, struct moref *ret, GError **error)
{
    memset(ret, 0, sizeof *ret);
    if (vsphere->own_machine != NULL)
        return find_named(vsphere, vsphere->own_machine, ret, error);
    g_autofree char *uuid = NULL;
    if (!read_uuid(&uuid, error))
        return FALSE;
    g_autofree char *other = swap_parts(uuid);
    if (!find_by_uuid(vsphere, uuid, ret, error))
        return FALSE;
    if (ret->value == NULL && !find_by_uuid(vsphere, other, ret, error))
        return FALSE;
    if (ret->value == NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "this computer (UUID %s) is no virtual machine of %s, so disks cannot be "
                         "attached to it; choose transport https, or name the machine that Slipway "
                         "runs in",
                         uuid, vsphere->base.label);
    return TRUE;
}
