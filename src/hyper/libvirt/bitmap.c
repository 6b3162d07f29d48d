/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/bitmap.h"

#include "base/error.h"
#include "disk/qemu_img.h"
#include "hyper/libvirt/change_id.h"
#include "hyper/libvirt/monitor.h"

#include <string.h>

static gboolean
is_kept(const GPtrArray *keep, const char *name)
{
    for (guint i = 0; i < keep->len; i++)
        if (strcmp(g_ptr_array_index(keep, i), name) == 0)
            return TRUE;
    return FALSE;
}

static gboolean
remove_one(virDomainPtr domain, const char *node, const char *bitmap, GError **error)
{
    json_t *done =
        monitor_ask(domain,
                    json_pack("{s:s, s:{s:s, s:s}}", "execute", "block-dirty-bitmap-remove",
                              "arguments", "node", node, "name", bitmap),
                    error);
    json_decref(done);
    return done != NULL;
}

gboolean
bitmap_remove_running(virDomainPtr domain, const char *chain, const GPtrArray *keep, GError **error)
{
    json_t *nodes =
        monitor_ask(domain, json_pack("{s:s}", "execute", "query-named-block-nodes"), error);
    if (nodes == NULL)
        return FALSE;
    gboolean ok = TRUE;
    gsize i = 0, j = 0;
    json_t *node = NULL, *bitmap = NULL;
    json_array_foreach(nodes, i, node)
    {
        /* An image below a snapshot: QEMU lets nobody change its bitmaps, and they do no harm. */
        if (json_is_true(json_object_get(node, "ro")))
            continue;
        const char *where = json_string_value(json_object_get(node, "node-name"));
        json_t *driver = json_object_get(node, "drv");
        json_array_foreach(json_object_get(node, "dirty-bitmaps"), j, bitmap)
        {
            const char *name = json_string_value(json_object_get(bitmap, "name"));
            if (ok && where != NULL && name != NULL && json_is_string(driver) &&
                change_id_is_of(name, chain) && !is_kept(keep, name))
                ok = remove_one(domain, where, name, error);
        }
    }
    json_decref(nodes);
    return ok;
}

gboolean
bitmap_remove_file(const char *path, const char *bitmap, GError **error)
{
    g_autofree char *program = qemu_img_find_program("qemu-img", error);
    if (program == NULL)
        return FALSE;
    g_autofree char *name = g_strconcat("file:", path, NULL);
    const char *argv[] = {program, "bitmap", "--remove", "-f", "qcow2", name, bitmap, NULL};
    g_autofree char *said = NULL;
    int status = 0;
    g_autoptr(GError) failure = NULL;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                      &said, &status, &failure))
        return error_set(error, SLIPWAY_ERROR_IO, "%s: %s", path, failure->message);
    if (status == 0 || strstr(said, "not found") != NULL || strstr(said, "does not exist") != NULL)
        return TRUE;
    g_autofree char *words = qemu_img_words("qemu-img", said);
    return error_set(error, SLIPWAY_ERROR_IO, "cannot remove bitmap %s of %s: %s", bitmap, path,
                     words != NULL ? words : "it failed without a word");
}
