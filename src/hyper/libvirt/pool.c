/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/pool.h"

#include "base/error.h"
#include "base/xml.h"
#include "hyper/libvirt/failure.h"

#include <stdlib.h>
#include <string.h>

#define POOL_XML_MAX (1u << 20)
#define NAMES_MAX 1000u /* that are tried for a volume */
#define STEM_MAX 150u   /* bytes of a volume's name before number and ending */

/* Attribute `type` of a pool's description, and (may be NULL) its folder. */
static char *
pool_type(virStoragePoolPtr pool, char **ret_folder)
{
    auto_text text = virStoragePoolGetXMLDesc(pool, 0);
    if (text == NULL)
        return NULL;
    auto_xml_doc doc =
        xml_parse(text, strlen(text), POOL_XML_MAX, "pool", "a pool's description", NULL);
    if (doc == NULL)
        return NULL;
    xmlNode *root = xmlDocGetRootElement(doc);
    xmlNode *target = xml_child(root, "target");
    if (ret_folder != NULL)
        *ret_folder = target != NULL ? xml_child_text(target, "path") : NULL;
    return xml_attribute(root, "type");
}

char *
pool_folder(virStoragePoolPtr pool)
{
    char *folder = NULL;
    g_autofree char *type = pool_type(pool, &folder);
    return folder;
}

/* ---- Finding one ----------------------------------------------------------------------------- */

static void
free_pools(virStoragePoolPtr *pools, int n)
{
    for (int i = 0; i < n; i++)
        if (pools[i] != NULL)
            virStoragePoolFree(pools[i]);
    free(pools);
}

static char *
names_of(virStoragePoolPtr *pools, int n)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (int i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", virStoragePoolGetName(pools[i]));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
is_named(virStoragePoolPtr pool, const char *name)
{
    if (strcmp(virStoragePoolGetName(pool), name) == 0)
        return TRUE;
    g_autofree char *folder = name[0] == '/' ? pool_folder(pool) : NULL;
    return g_strcmp0(folder, name) == 0;
}

static int
choose(virStoragePoolPtr *pools, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (is_named(pools[i], name != NULL ? name : "default"))
            return i;
    return name == NULL && n == 1 ? 0 : -1;
}

virStoragePoolPtr
pool_find(struct libvirt *host, const char *name, GError **error)
{
    virStoragePoolPtr *pools = NULL;
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return NULL;
    int n = virConnectListAllStoragePools(connection, &pools, 0);
    if (n < 0)
        return failure_null(error, "the storage pools of %s", host->base.label);
    int index = choose(pools, n, name);
    virStoragePoolPtr found = index >= 0 ? g_steal_pointer(&pools[index]) : NULL;
    if (found == NULL && n == 0) {
        error_set(
            error, SLIPWAY_ERROR_NOT_FOUND,
            "%s has no storage pool: make one with 'virsh pool-define-as default dir --target "
            "/var/lib/libvirt/images' and 'virsh pool-start default'",
            host->base.label);
    } else if (found == NULL) {
        g_autofree char *names = names_of(pools, n);
        error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s has no storage pool %s; it has: %s",
                  host->base.label, name != NULL ? name : "\"default\", and one has to be chosen",
                  names);
    }
    free_pools(pools, n);
    const char *chosen = found != NULL ? virStoragePoolGetName(found) : NULL;
    if (found != NULL && virStoragePoolIsActive(found) != 1 && virStoragePoolCreate(found, 0) < 0) {
        failure_set(error, "cannot start storage pool %s", chosen);
        virStoragePoolFree(g_steal_pointer(&found));
    }
    return found;
}

/* ---- Volumes --------------------------------------------------------------------------------- */

void
pool_volume_free(struct pool_volume *volume)
{
    if (volume->volume != NULL)
        virStorageVolFree(volume->volume);
    g_free(volume->path);
    g_free(volume->format);
    g_free(volume);
}

/* What any file system and volume group takes. */
static char *
stem_of(const char *machine, const char *disk)
{
    char *stem = g_strconcat(machine, "-", disk, NULL);
    if (strlen(stem) > STEM_MAX)
        stem[STEM_MAX] = '\0';
    for (char *c = stem; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && *c != '-' && *c != '_' && *c != '.')
            *c = '_';
    if (stem[0] == '.' || stem[0] == '-')
        stem[0] = '_';
    return stem;
}

static char *
write_volume(const char *name, const char *format, guint64 size, gboolean file)
{
    g_autoptr(GString) xml = g_string_new("<volume>");
    xml_element(xml, "name", name);
    g_string_append_printf(xml, "<capacity unit='bytes'>%" G_GUINT64_FORMAT "</capacity>", size);
    if (file) {
        g_string_append_printf(xml,
                               "<allocation>0</allocation><target><format type='%s'/>"
                               "<permissions><mode>0600</mode></permissions>",
                               format);
        /* Bitmaps need the newer kind. */
        g_string_append(xml, strcmp(format, "qcow2") == 0 ? "<compat>1.1</compat></target>"
                                                          : "</target>");
    }
    g_string_append(xml, "</volume>");
    return g_string_free(g_steal_pointer(&xml), FALSE);
}

static virStorageVolPtr
make_named(virStoragePoolPtr pool, const char *stem, const char *ending, const char *format,
           guint64 size, GError **error)
{
    const char *where = virStoragePoolGetName(pool);
    for (guint i = 0; i < NAMES_MAX; i++) {
        g_autofree char *name =
            i == 0 ? g_strconcat(stem, ending, NULL) : g_strdup_printf("%s-%u%s", stem, i, ending);
        auto_volume taken = virStorageVolLookupByName(pool, name);
        if (taken != NULL)
            continue;
        g_autofree char *xml = write_volume(name, format, size, ending[0] != '\0');
        virStorageVolPtr volume = virStorageVolCreateXML(pool, xml, 0);
        if (volume != NULL)
            return volume;
        /* A file that the pool has not seen yet. */
        const virError *last = virGetLastError();
        gboolean exists = last != NULL && (last->code == VIR_ERR_STORAGE_VOL_EXIST ||
                                           strstr(last->message, "exists") != NULL);
        if (!exists)
            return failure_null(error, "cannot make volume %s in storage pool %s", name, where);
    }
    return error_null(error, SLIPWAY_ERROR_EXISTS,
                      "storage pool %s has a volume of every name that was tried for %s", where,
                      stem);
}

struct pool_volume *
pool_make(virStoragePoolPtr pool, const char *machine, const char *disk, const char *format,
          guint64 size, GError **error)
{
    static const char *const of_files[] = {"dir", "fs", "netfs", NULL};
    const char *where = virStoragePoolGetName(pool);
    g_autofree char *type = pool_type(pool, NULL);
    if (type == NULL)
        return failure_null(error, "storage pool %s", where);
    gboolean file = g_strv_contains(of_files, type);
    if (!file && strcmp(type, "logical") != 0 && strcmp(type, "zfs") != 0)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "storage pool %s is of kind %s, in which no volumes can be made; choose "
                          "one of files or of logical volumes",
                          where, type);
    auto_ptr(pool_volume) made = g_new0(struct pool_volume, 1);
    made->format = g_strdup(file ? format : "raw");
    made->block = !file;
    made->zero = file; /* a logical volume has what its space had before */
    g_autofree char *stem = stem_of(machine, disk);
    const char *ending = !file ? "" : strcmp(made->format, "raw") == 0 ? ".img" : ".qcow2";
    made->volume = make_named(pool, stem, ending, made->format, size, error);
    if (made->volume == NULL)
        return NULL;
    auto_text path = virStorageVolGetPath(made->volume);
    if (path == NULL) {
        failure_set(error, "the volume of disk %s", disk);
        virStorageVolDelete(made->volume, 0);
        return NULL;
    }
    made->path = g_strdup(path);
    return g_steal_pointer(&made);
}

gboolean
pool_remove(struct libvirt *host, struct pool_volume *volume, GError **error)
{
    g_autoptr(GError) failure = NULL;
    if (daemon_renew_volume(host->daemon, &volume->volume, volume->path, &failure)) {
        if (virStorageVolDelete(volume->volume, 0) == 0 || failure_is_missing())
            return TRUE;
        return failure_set(error, "cannot remove volume %s: remove it with 'virsh vol-delete'",
                           volume->path);
    }
    /* Its pool may not have been started again. */
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) &&
        !g_file_test(volume->path, G_FILE_TEST_EXISTS))
        return TRUE;
    return error_set(error, (enum slipway_error)failure->code,
                     "cannot remove volume %s: remove it with 'virsh vol-delete': %s", volume->path,
                     failure->message);
}
