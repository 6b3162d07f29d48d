/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening an ISO that exists, and reading what is on it. */
#include "esx/iso_medium_private.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static gboolean
old_extent(IsoFile *file, guint64 *ret_offset, guint64 *ret_size)
{
    int count = 0;
    struct iso_file_section *sections = NULL;
    if (iso_file_get_old_image_sections(file, &count, &sections, 0) != 1)
        return FALSE;
    guint64 offset = count > 0 ? (guint64)sections[0].block * ISO_BLOCK : 0;
    guint64 size = 0;
    gboolean contiguous = TRUE;
    for (int i = 0; i < count; i++) {
        contiguous = contiguous && (guint64)sections[i].block * ISO_BLOCK == offset + size;
        size += sections[i].size;
    }
    free(sections);
    *ret_offset = offset;
    *ret_size = size;
    return contiguous;
}

struct placed {
    IsoNode *node;
    guint64 offset;
};

static gboolean
collect_placed(struct iso_medium *medium G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
               IsoNode *node, void *user_data)
{
    guint64 size = 0;
    struct placed placed = {.node = node};
    if (iso_node_get_type(node) == LIBISO_FILE &&
        old_extent((IsoFile *)node, &placed.offset, &size))
        g_array_append_val((GArray *)user_data, placed);
    return TRUE;
}

static int
compare_placed(gconstpointer a, gconstpointer b)
{
    const struct placed *left = a, *right = b;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* What was there keeps its order on the medium, before what is new. */
static void
keep_order(struct iso_medium *medium)
{
    g_autoptr(GArray) placed = g_array_new(FALSE, FALSE, sizeof(struct placed));
    iso_medium_visit(medium, collect_placed, placed);
    g_array_sort(placed, compare_placed);
    for (guint i = 0; i < placed->len; i++)
        iso_node_set_sort_weight(g_array_index(placed, struct placed, i).node,
                                 medium->next_weight--);
}

static gboolean
import_image(struct iso_medium *medium, GError **error)
{
    IsoDataSource *source = NULL;
    IsoReadOpts *options = NULL;
    IsoReadImageFeatures *features = NULL;
    int result = iso_data_source_new_from_file(medium->path, &source);
    if (result < 0)
        return error_set(error, SLIPWAY_ERROR_IO, "%s: %s", medium->path, iso_error_to_msg(result));
    iso_read_opts_new(&options, 0);
    iso_read_opts_set_ecma119_map(options, 1); /* names without their version */
    iso_read_opts_set_default_permissions(options, 0444, 0555);
    iso_read_opts_load_system_area(options, 1);
    result = iso_image_import(medium->image, source, options, &features);
    iso_read_opts_free(options);
    iso_data_source_unref(source);
    if (result < 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s is no ISO image that can be read: %s",
                         medium->path, iso_error_to_msg(result));
    medium->rock_ridge = iso_read_image_features_has_rockridge(features) == 1;
    medium->joliet = iso_read_image_features_has_joliet(features) == 1;
    iso_read_image_features_destroy(features);
    return TRUE;
}

/* isolinux.bin is patched with its own place: that must follow it to the new place. */
static void
keep_boot_information(struct iso_medium *medium)
{
    int count = 0;
    ElToritoBootImage **images = NULL;
    IsoFile **nodes = NULL;
    if (iso_image_get_all_boot_imgs(medium->image, &count, &images, &nodes, 0) != 1)
        return;
    for (int i = 0; i < count; i++)
        if (el_torito_seems_boot_info_table(images[i], 0) == 1)
            el_torito_set_isolinux_options(images[i], 1, 0);
    free(images);
    free(nodes);
}

struct iso_medium *
iso_medium_open(const char *path, GError **error)
{
    auto_ptr(iso_medium) medium = iso_medium_new_empty(error);
    if (medium == NULL)
        return NULL;
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    /* Of a pipe nothing could be read twice, and opening it could wait for ever. */
    medium->fd = open(absolute, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (medium->fd < 0) {
        error_set_errno(error, errno, "cannot open %s", path);
        return NULL;
    }
    struct stat about;
    if (fstat(medium->fd, &about) != 0 || (!S_ISREG(about.st_mode) && !S_ISBLK(about.st_mode)))
        return error_null(error, SLIPWAY_ERROR_USAGE, "%s is neither a file nor a drive", path);
    medium->path = g_steal_pointer(&absolute);
    if (!import_image(medium, error))
        return NULL;
    keep_order(medium);
    keep_boot_information(medium);
    return g_steal_pointer(&medium);
}

/* Reading. */

struct stream *
iso_medium_stream(struct iso_medium *medium, const char *path, GError **error)
{
    IsoNode *node = iso_medium_find(medium, path);
    guint64 offset = 0, size = 0;
    if (node == NULL || iso_node_get_type(node) != LIBISO_FILE)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "%s: there is no %s on it",
                          medium->path != NULL ? medium->path : "the ISO", path);
    if (medium->fd < 0 || !old_extent((IsoFile *)node, &offset, &size))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED, "%s: cannot be read from the ISO",
                          path);
    g_autofree char *label = g_strdup_printf("%s on %s", path, medium->path);
    return stream_new_fd(medium->fd, offset, size, label, error);
}

GBytes *
iso_medium_read(struct iso_medium *medium, const char *path, gsize limit, GError **error)
{
    g_autofree char *key = g_ascii_strup(path, -1);
    GBytes *bytes = g_hash_table_lookup(medium->bytes, key);
    if (bytes != NULL)
        return g_bytes_ref(bytes);
    auto_ptr(stream) stream = iso_medium_stream(medium, path, error);
    return stream != NULL ? stream_read_all(stream, limit, error) : NULL;
}
