/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loading a depot's metadata: index -> vendors -> metadata archives -> VIBs, bulletins, profiles.
 * Format: doc/format/depot.md. */
#include "base/cancel.h"
#include "base/error.h"
#include "base/url.h"
#include "esx/depot_index.h"
#include "esx/depot_loader.h"
#include "esx/vib_file.h"

#include <string.h>
#include <sys/stat.h>

#define PREFETCH_THREADS 4
#define PRODUCT "embeddedEsx"

static void
free_metadata(gpointer data)
{
    struct depot_archive *metadata = data;
    g_free(metadata->place);
    g_free(metadata->vib_base);
    g_ptr_array_unref(metadata->channels);
    g_free(metadata->fetched);
    g_clear_error(&metadata->failure);
    g_free(metadata);
}

static struct depot_channel *
find_channel(struct depot *depot, const char *vendor, const char *name)
{
    for (guint i = 0; i < depot->channels->len; i++) {
        struct depot_channel *channel = depot->channels->pdata[i];
        if (strcmp(channel->vendor, vendor) == 0 && strcmp(channel->name, name) == 0)
            return channel;
    }
    struct depot_channel *channel = g_new0(struct depot_channel, 1);
    channel->vendor = g_strdup(vendor);
    channel->name = g_strdup(name);
    channel->versions = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(depot->channels, channel);
    return channel;
}

static void
add_version(struct depot_channel *channel, const char *version)
{
    if (!g_ptr_array_find_with_equal_func(channel->versions, version, g_str_equal, NULL))
        g_ptr_array_add(channel->versions, g_strdup(version));
}

/* Several platform versions and channels often share one archive: it is read once. */
static struct depot_archive *
find_metadata(GPtrArray *list, const char *place)
{
    for (guint i = 0; i < list->len; i++) {
        struct depot_archive *metadata = list->pdata[i];
        if (strcmp(metadata->place, place) == 0)
            return metadata;
    }
    struct depot_archive *metadata = g_new0(struct depot_archive, 1);
    metadata->place = g_strdup(place);
    metadata->channels = g_ptr_array_new();
    g_ptr_array_add(list, metadata);
    return metadata;
}

static gboolean
add_metadata(struct depot_loader *loader, GPtrArray *list, const struct depot_vendor *vendor,
             const char *vendor_place, const struct depot_metadata *entry, GError **error)
{
    if (strcmp(entry->product, PRODUCT) != 0)
        return TRUE;
    struct depot_source *source = loader->depot->source;
    g_autofree char *place = depot_source_resolve(source, vendor_place, entry->url, error);
    if (place == NULL)
        return FALSE;
    struct depot_archive *metadata = find_metadata(list, place);
    if (metadata->vib_base == NULL && entry->vib_url != NULL) {
        g_autofree char *base = depot_source_resolve(source, vendor_place, entry->vib_url, error);
        if (base == NULL)
            return FALSE;
        metadata->vib_base =
            g_str_has_suffix(base, "/") ? g_steal_pointer(&base) : g_strconcat(base, "/", NULL);
    }
    if (metadata->vib_base == NULL)
        metadata->vib_base = g_strdup(vendor_place);
    struct depot_channel *channel = find_channel(loader->depot, vendor->name, entry->channel);
    add_version(channel, entry->version);
    if (!g_ptr_array_find(metadata->channels, channel, NULL))
        g_ptr_array_add(metadata->channels, channel);
    return TRUE;
}

/* Beside the index as it was asked for, since mirrors come and go; when only the index itself was
 * redirected, beside where that led. */
static GBytes *
read_vendor_index(struct depot_loader *loader, const char *index_place,
                  const struct depot_vendor *vendor, char **ret_place, GError **error)
{
    struct depot_source *source = loader->depot->source;
    g_autofree char *beside = depot_source_resolve(source, index_place, vendor->index_file, error);
    if (beside == NULL)
        return NULL;
    g_autofree char *there =
        loader->redirected != NULL
            ? depot_source_resolve(source, loader->redirected, vendor->index_file, NULL)
            : NULL;
    const char *const places[] = {beside, there, NULL};
    return depot_source_read_first(source, loader->context, places, DEPOT_INDEX_MAX, ret_place,
                                   error);
}

static gboolean
list_vendor(struct depot_loader *loader, const char *index_place, const struct depot_vendor *vendor,
            GPtrArray *list, GError **error)
{
    struct depot_source *source = loader->depot->source;
    g_autofree char *place = NULL;
    g_autoptr(GBytes) bytes = read_vendor_index(loader, index_place, vendor, &place, error);
    if (bytes == NULL)
        return FALSE;
    g_autofree char *title = depot_source_title(source, place);
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    g_autoptr(GPtrArray) entries = vendor_index_parse(data, length, title, error);
    if (entries == NULL)
        return FALSE;
    for (guint i = 0; i < entries->len; i++)
        if (!add_metadata(loader, list, vendor, place, entries->pdata[i], error))
            return FALSE;
    return TRUE;
}

static int
compare_packages(gconstpointer a, gconstpointer b)
{
    const struct package *left = *(struct package *const *)a;
    const struct package *right = *(struct package *const *)b;
    return strcmp(left->vib->id, right->vib->id);
}

static gboolean
finish_load(struct depot_loader *loader, GError **error)
{
    struct depot *depot = loader->depot;
    g_ptr_array_sort(depot->packages, compare_packages);
    if (depot->packages->len == 0 && loader->first_bad != NULL) {
        g_propagate_prefixed_error(error, g_steal_pointer(&loader->first_bad),
                                   "no VIB of it can be read: ");
        return FALSE;
    }
    return TRUE;
}

static void
prefetch_one(gpointer data, gpointer user_data)
{
    struct depot_loader *loader = user_data;
    struct depot_archive *metadata = data;
    /* Kept until it is its turn: whatever fails first in the order of the index is told. */
    if (cancel_check(&metadata->failure))
        metadata->fetched = depot_source_fetch(loader->context, metadata->place, DEPOT_METADATA_MAX,
                                               &metadata->failure);
}

/* A vendor's main depot has an archive for every release: fetch several at a time. */
static void
prefetch(struct depot_loader *loader, GPtrArray *list)
{
    if (loader->depot->kind != DEPOT_ONLINE || list->len < 2)
        return;
    progress_begin(loader->context->progress, 0, PROGRESS_BYTES,
                   "reading %u metadata archives of %s", list->len, loader->depot->title);
    GThreadPool *pool = g_thread_pool_new(prefetch_one, loader, PREFETCH_THREADS, FALSE, NULL);
    for (guint i = 0; i < list->len; i++)
        g_thread_pool_push(pool, list->pdata[i], NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    progress_end(loader->context->progress, TRUE);
}

static gboolean
load_index(struct depot_loader *loader, const char *index_place, GBytes *bytes, GError **error)
{
    g_autofree char *title = depot_source_title(loader->depot->source, index_place);
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    g_autoptr(GPtrArray) vendors = depot_index_parse(data, length, title, error);
    if (vendors == NULL)
        return FALSE;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_metadata);
    for (guint i = 0; i < vendors->len; i++)
        if (!list_vendor(loader, index_place, vendors->pdata[i], list, error))
            return FALSE;
    if (list->len == 0)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s: lists nothing for ESXi (product %s)", title, PRODUCT);
    prefetch(loader, list);
    for (guint i = 0; i < list->len; i++)
        if (!cancel_check(error) || !depot_loader_read(loader, list->pdata[i], error))
            return FALSE;
    return finish_load(loader, error);
}

/* People connect the zip that they downloaded; often the bundle is another zip inside. */
static gboolean
explain_no_index(struct zip_reader *zip, const char *title, GError **error)
{
    for (gsize i = 0; i < zip_reader_count(zip); i++) {
        const char *name = zip_reader_member(zip, i)->name;
        if (g_str_has_suffix(name, ".zip") || g_str_has_suffix(name, ".vib"))
            return error_set(
                error, SLIPWAY_ERROR_UNSUPPORTED,
                "%s is no offline bundle, but %s is inside: unpack it and connect that", title,
                name);
        if (g_str_has_suffix(name, "/index.xml"))
            return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                             "%s has its index.xml in a folder (%s): unpack it and connect the "
                             "folder",
                             title, name);
    }
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                     "%s is no offline bundle: it has no index.xml", title);
}

static gboolean
load_bundle(struct depot_loader *loader, const char *path, GError **error)
{
    struct depot_source *source = depot_source_new(DEPOT_BUNDLE);
    loader->depot->kind = DEPOT_BUNDLE;
    loader->depot->source = source;
    source->zip = zip_reader_open(path, error);
    if (source->zip == NULL)
        return FALSE;
    const struct zip_member *index = zip_reader_find(source->zip, "index.xml");
    if (index == NULL)
        return explain_no_index(source->zip, loader->depot->title, error);
    g_autoptr(GBytes) bytes = zip_reader_read(source->zip, index, DEPOT_INDEX_MAX, error);
    if (bytes == NULL)
        return FALSE;
    if (load_index(loader, "index.xml", bytes, error))
        return TRUE;
    g_prefix_error(error, "bundle %s: ", loader->depot->title);
    return FALSE;
}

static gboolean
load_directory(struct depot_loader *loader, const char *directory, const char *index_name,
               GError **error)
{
    loader->depot->kind = DEPOT_DIRECTORY;
    loader->depot->source = depot_source_new(DEPOT_DIRECTORY);
    loader->depot->source->root = g_strdup(directory);
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = depot_source_read(loader->depot->source, loader->context, index_name,
                                                DEPOT_INDEX_MAX, &local);
    if (bytes == NULL && g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "%s is no unpacked bundle: it has no %s; single .vib files are connected "
                         "one by one",
                         directory, index_name);
    if (bytes == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (load_index(loader, index_name, bytes, error))
        return TRUE;
    g_prefix_error(error, "depot %s: ", directory);
    return FALSE;
}

static gboolean
load_vib(struct depot_loader *loader, const char *path, GError **error)
{
    loader->depot->kind = DEPOT_VIB;
    loader->depot->source = depot_source_new(DEPOT_VIB);
    struct stream *stream = stream_new_file(path, error);
    if (stream == NULL)
        return FALSE;
    auto_ptr(vib_file) file = vib_file_open(stream, error);
    if (file == NULL)
        return FALSE;
    struct package *package = depot_loader_add(loader, vib_ref(vib_file_vib(file)));
    package->location = g_strdup(path);
    package->local_path = g_strdup(path);
    return TRUE;
}

static gboolean
ends_with(const char *location, const char *suffix)
{
    gsize length = url_is_http(location) ? strcspn(location, "?#") : strlen(location);
    gsize end = strlen(suffix);
    return length >= end && g_ascii_strncasecmp(location + length - end, suffix, end) == 0;
}

/* The URL of an index, or the directory of it: then both usual names are tried. */
static GBytes *
read_online_index(struct depot_loader *loader, char **ret_place, GError **error)
{
    const char *location = loader->depot->location;
    g_autofree char *path = g_strndup(location, strcspn(location, "?#"));
    const char *slash = g_str_has_suffix(path, "/") ? "" : "/";
    g_autofree char *usual = g_strconcat(path, slash, "index.xml", NULL);
    g_autofree char *vendors = g_strconcat(path, slash, "vmw-depot-index.xml", NULL);
    const char *const named[] = {location, NULL}, *const guessed[] = {usual, vendors, NULL};
    return depot_source_read_first(loader->depot->source, loader->context,
                                   ends_with(location, ".xml") ? named : guessed, DEPOT_INDEX_MAX,
                                   ret_place, error);
}

static gboolean
load_online(struct depot_loader *loader, GError **error)
{
    loader->depot->kind = DEPOT_ONLINE;
    loader->depot->source = depot_source_new(DEPOT_ONLINE);
    g_autofree char *place = NULL;
    g_autoptr(GBytes) bytes = read_online_index(loader, &place, error);
    if (bytes != NULL)
        loader->redirected = depot_source_redirected(loader->context, place);
    if (bytes != NULL && load_index(loader, place, bytes, error))
        return TRUE;
    g_prefix_error(error, "depot %s: ", loader->depot->title);
    return FALSE;
}

static gboolean
load_local(struct depot_loader *loader, const char *path, GError **error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "%s is not there; give a URL, an offline bundle, its directory or a .vib",
                         path);
    if (S_ISDIR(status.st_mode))
        return load_directory(loader, path, "index.xml", error);
    if (ends_with(path, ".vib"))
        return load_vib(loader, path, error);
    if (ends_with(path, ".xml")) {
        g_autofree char *directory = g_path_get_dirname(path);
        g_autofree char *name = g_path_get_basename(path);
        return load_directory(loader, directory, name, error);
    }
    return load_bundle(loader, path, error);
}

static gboolean
load_any(struct depot_loader *loader, const char *location, GError **error)
{
    if (!url_is_http(location))
        return load_local(loader, location, error);
    if (!ends_with(location, ".zip") && !ends_with(location, ".vib"))
        return load_online(loader, error);
    g_autofree char *path = depot_source_fetch(loader->context, location, DEPOT_BUNDLE_MAX, error);
    if (path == NULL)
        return FALSE;
    return ends_with(location, ".vib") ? load_vib(loader, path, error)
                                       : load_bundle(loader, path, error);
}

struct depot *
depot_load(const char *location, const struct depot_context *context, GError **error)
{
    struct depot_loader loader = {.depot = depot_new(location),
                                  .context = context,
                                  .by_id = g_hash_table_new(g_str_hash, g_str_equal)};
    gboolean ok = load_any(&loader, location, error);
    g_hash_table_unref(loader.by_id);
    g_free(loader.redirected);
    g_clear_error(&loader.first_bad);
    if (!ok)
        g_clear_pointer(&loader.depot, depot_free);
    return loader.depot;
}
