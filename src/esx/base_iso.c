/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/base_iso.h"

#include "base/error.h"
#include "esx/generation.h"
#include "esx/image_layout.h"
#include "esx/imgdb.h"

#include <string.h>

static gboolean
check_version(const char *path, const char *base, const char *version, struct progress *progress,
              GError **error)
{
    gsize length = strcspn(version, "-");
    if (strcspn(base, "-") != length || strncmp(base, version, length) != 0)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s is an ISO of ESXi %s, but the image is ESXi %s; name an ISO of the "
                         "same release",
                         path, base, version);
    if (strcmp(base, version) != 0)
        progress_warning(progress, "%s is an ISO of ESXi %s, another build than the image's %s",
                         path, base, version);
    return TRUE;
}

static gboolean
check_release(struct iso_medium *medium, const char *path, const char *version,
              struct progress *progress, GError **error)
{
    if (!iso_medium_has(medium, IMAGE_IMGDB))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s is no installation ISO of ESXi: it has no imgdb.tgz", path);
    g_autofree char *label = g_strdup_printf("imgdb.tgz on %s", path);
    g_autoptr(GBytes) bytes = iso_medium_read(medium, IMAGE_IMGDB, IMGDB_MAX, error);
    auto_ptr(imgdb) db = bytes != NULL ? imgdb_parse(bytes, label, error) : NULL;
    if (db == NULL)
        return FALSE;
    g_autoptr(GPtrArray) vibs = imgdb_vib_list(db);
    const char *base = NULL;
    if (generation_of(vibs, &base, error) == NULL) {
        g_prefix_error(error, "%s: ", path);
        return FALSE;
    }
    return check_version(path, base, version, progress, error);
}

struct iso_medium *
base_iso_open(const char *path, const char *version, struct progress *progress, GError **error)
{
    auto_ptr(iso_medium) medium = iso_medium_open(path, error);
    if (medium == NULL || !check_release(medium, path, version, progress, error))
        return NULL;
    return g_steal_pointer(&medium);
}
