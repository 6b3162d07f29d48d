/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loading a depot's metadata: index -> vendors -> metadata archives -> VIBs, bulletins, profiles.
 * Format: doc/format/depot.md. */
#include "base/error.h"
#include "base/url.h"
#include "esx/depot_index.h"
#include "esx/depot_private.h"
#include "esx/vib_file.h"

#include <string.h>
#include <sys/stat.h>

#define DEPOT_EXTRA_MAX (64u << 20) /* all opaque members of one depot */
#define PRODUCT "embeddedEsx"

struct loader {
    struct depot *depot;
    const struct depot_context *context;
    GHashTable *by_id; /* borrowed VIB id -> struct package * */
    char *redirected;  /* where the index was found instead; NULL: where it was asked for */
    gsize extra_size;
    guint bad_vibs;
    GError *first_bad;
};

/* One metadata archive, for one or more channels. */
struct metadata {
    char *place;         /* of metadata.zip */
    char *vib_base;      /* place that VIB paths are relative to */
    GPtrArray *channels; /* of struct depot_channel *, borrowed */
};

static void
free_metadata(gpointer data)
{
    struct metadata *metadata = data;
    g_free(metadata->place);
    g_free(metadata->vib_base);
    g_ptr_array_unref(metadata->channels);
    g_free(metadata);
}

static struct package *
new_package(struct loader *loader, struct vib *vib)
{
    struct package *package = g_new0(struct package, 1);
    package->vib = vib;
    package->depot = loader->depot;
    package->channels = g_ptr_array_new();
    g_ptr_array_add(loader->depot->packages, package);
    g_hash_table_insert(loader->by_id, vib->id, package);
    return package;
}

static void
add_channels(struct package *package, GPtrArray *channels)
{
    for (guint i = 0; i < channels->len; i++)
        if (!g_ptr_array_find(package->channels, channels->pdata[i], NULL))
            g_ptr_array_add(package->channels, channels->pdata[i]);
}

/* Fetched VIBs are named by what they must be, so one file serves every depot that has it. */
static char *
download_path(const struct loader *loader, const struct package *package)
{
    const char *directory = loader->context->download_dir;
    if (directory == NULL)
        return NULL;
    const char *sha256 = package_sha256(package);
    g_autofree char *of_url =
        sha256 == NULL ? digest_hex_of(DIGEST_SHA256, package->location, strlen(package->location))
                       : NULL;
    g_autofree char *file = sha256 != NULL ? g_strconcat(sha256, ".vib", NULL)
                                           : g_strconcat("url-", of_url, ".vib", NULL);
    return g_build_filename(directory, "vib", file, NULL);
}

static gboolean
locate_package(struct loader *loader, struct package *package, const struct metadata *metadata,
               GError **error)
{
    const struct vib *vib = package->vib;
    g_autofree char *usual = g_strdup_printf("vib20/%s/%s.vib", vib->name, vib->id);
    const char *relative =
        vib->relative_path != NULL && *vib->relative_path != '\0' ? vib->relative_path : usual;
    package->location =
        depot_source_resolve(loader->depot->source, metadata->vib_base, relative, error);
    if (package->location == NULL)
        return FALSE;
    if (loader->depot->kind == DEPOT_DIRECTORY)
        package->local_path =
            g_build_filename(loader->depot->source->root, package->location, NULL);
    else if (loader->depot->kind == DEPOT_ONLINE)
        package->local_path = download_path(loader, package);
    return TRUE;
}

/* One broken descriptor must not make a depot of thousands unusable: it is left out, and said. */
static void
pass_over(struct loader *loader, GError *error)
{
    progress_warning(loader->context->progress, "%s: a VIB is left out: %s", loader->depot->title,
                     error->message);
    loader->bad_vibs++;
    if (loader->first_bad == NULL)
        loader->first_bad = error;
    else
        g_error_free(error);
}

static void
take_vib(struct loader *loader, const struct metadata *metadata, const char *name, GBytes *bytes)
{
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    GError *error = NULL;
    struct vib *vib = vib_parse(data, length, name, &error);
    if (vib == NULL) {
        pass_over(loader, error);
        return;
    }
    struct package *package = g_hash_table_lookup(loader->by_id, vib->id);
    if (package != NULL) {
        vib_unref(vib);
    } else {
        package = new_package(loader, vib);
        if (!locate_package(loader, package, metadata, &error)) {
            g_hash_table_remove(loader->by_id, vib->id);
            g_ptr_array_remove_index(loader->depot->packages, loader->depot->packages->len - 1);
            pass_over(loader, error);
            return;
        }
    }
    add_channels(package, metadata->channels);
}

static gboolean
take_profile(struct loader *loader, const char *name, GBytes *bytes)
{
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    g_autoptr(GError) error = NULL;
    struct profile *profile = profile_parse(data, length, name, &error);
    if (profile == NULL) {
        progress_warning(loader->context->progress, "%s: an image profile is left out: %s",
                         loader->depot->title, error->message);
        return FALSE;
    }
    for (guint i = 0; i < loader->depot->profiles->len; i++) {
        const struct profile *other = loader->depot->profiles->pdata[i];
        if (strcmp(other->name, profile->name) == 0 &&
            strcmp(other->vendor, profile->vendor) == 0) {
            profile_free(profile);
            return FALSE;
        }
    }
    g_ptr_array_add(loader->depot->profiles, profile);
    return TRUE;
}

static void
take_bulletin(struct loader *loader, const char *name, GBytes *bytes)
{
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    g_autoptr(GError) error = NULL;
    struct bulletin *bulletin = bulletin_parse(data, length, name, &error);
    if (bulletin == NULL) {
        progress_warning(loader->context->progress, "%s: a bulletin is left out: %s",
                         loader->depot->title, error->message);
        return;
    }
    for (guint i = 0; i < loader->depot->bulletins->len; i++) {
        const struct bulletin *other = loader->depot->bulletins->pdata[i];
        if (strcmp(other->id, bulletin->id) == 0) {
            bulletin_free(bulletin);
            return;
        }
    }
    g_ptr_array_add(loader->depot->bulletins, bulletin);
}

static void
take_extra(struct loader *loader, const char *name, GBytes *bytes)
{
    loader->extra_size += g_bytes_get_size(bytes);
    if (loader->extra_size > DEPOT_EXTRA_MAX) {
        progress_warning(loader->context->progress,
                         "%s: %s is left out, the depot has too much that is not understood",
                         loader->depot->title, name);
        return;
    }
    if (!g_hash_table_contains(loader->depot->extra, name))
        g_hash_table_insert(loader->depot->extra, g_strdup(name), g_bytes_ref(bytes));
}

static gsize
member_limit(const char *name)
{
    if (g_str_has_prefix(name, "vibs/"))
        return VIB_DESCRIPTOR_MAX;
    if (g_str_has_prefix(name, "profiles/"))
        return PROFILE_XML_MAX;
    return g_str_has_prefix(name, "bulletins/") ? BULLETIN_XML_MAX : DEPOT_EXTRA_MAX;
}

static gboolean
take_member(struct loader *loader, const struct metadata *metadata, struct zip_reader *zip,
            const struct zip_member *member, GError **error)
{
    const char *name = member->name;
    if (strcmp(name, "vendor-index.xml") == 0 || strcmp(name, "vmware.xml") == 0)
        return TRUE;
    g_autoptr(GBytes) bytes = zip_reader_read(zip, member, member_limit(name), error);
    if (bytes == NULL)
        return FALSE;
    if (g_str_has_prefix(name, "vibs/") && g_str_has_suffix(name, ".xml"))
        take_vib(loader, metadata, name, bytes);
    else if (g_str_has_prefix(name, "bulletins/") && g_str_has_suffix(name, ".xml"))
        take_bulletin(loader, name, bytes);
    else if (g_str_has_prefix(name, "profiles/"))
        take_profile(loader, name, bytes);
    else
        take_extra(loader, name, bytes);
    return TRUE;
}

static gboolean
unpacks_to_too_much(struct zip_reader *zip)
{
    guint64 total = 0;
    for (gsize i = 0; i < zip_reader_count(zip); i++)
        if (!g_uint64_checked_add(&total, total, zip_reader_member(zip, i)->size))
            return TRUE;
    return total > DEPOT_METADATA_MAX;
}

static gboolean
load_metadata(struct loader *loader, const struct metadata *metadata, GError **error)
{
    struct depot_source *source = loader->depot->source;
    g_autofree char *title = depot_source_title(source, metadata->place);
    auto_ptr(zip_reader) zip =
        depot_source_open_zip(source, loader->context, metadata->place, error);
    if (zip == NULL) {
        g_prefix_error(error, "metadata %s: ", title);
        return FALSE;
    }
    if (unpacks_to_too_much(zip))
        return error_set(error, SLIPWAY_ERROR_LIMIT, "metadata %s: unpacks to more than %u MiB",
                         title, DEPOT_METADATA_MAX >> 20);
    for (gsize i = 0; i < zip_reader_count(zip); i++) {
        if (!take_member(loader, metadata, zip, zip_reader_member(zip, i), error)) {
            g_prefix_error(error, "metadata %s: ", title);
            return FALSE;
        }
    }
    return TRUE;
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
static struct metadata *
find_metadata(GPtrArray *list, const char *place)
{
    for (guint i = 0; i < list->len; i++) {
        struct metadata *metadata = list->pdata[i];
        if (strcmp(metadata->place, place) == 0)
            return metadata;
    }
    struct metadata *metadata = g_new0(struct metadata, 1);
    metadata->place = g_strdup(place);
    metadata->channels = g_ptr_array_new();
    g_ptr_array_add(list, metadata);
    return metadata;
}

static gboolean
add_metadata(struct loader *loader, GPtrArray *list, const struct depot_vendor *vendor,
             const char *vendor_place, const struct depot_metadata *entry, GError **error)
{
    if (strcmp(entry->product, PRODUCT) != 0)
        return TRUE;
    struct depot_source *source = loader->depot->source;
    g_autofree char *place = depot_source_resolve(source, vendor_place, entry->url, error);
    if (place == NULL)
        return FALSE;
    struct metadata *metadata = find_metadata(list, place);
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
read_vendor_index(struct loader *loader, const char *index_place, const struct depot_vendor *vendor,
                  char **ret_place, GError **error)
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
list_vendor(struct loader *loader, const char *index_place, const struct depot_vendor *vendor,
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
finish_load(struct loader *loader, GError **error)
{
    struct depot *depot = loader->depot;
    g_ptr_array_sort(depot->packages, compare_packages);
    if (depot->packages->len == 0 && loader->first_bad != NULL) {
        g_propagate_prefixed_error(error, g_steal_pointer(&loader->first_bad),
                                   "%s: no VIB of it can be read: ", depot->title);
        return FALSE;
    }
    return TRUE;
}

static gboolean
load_index(struct loader *loader, const char *index_place, GBytes *bytes, GError **error)
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
    for (guint i = 0; i < list->len; i++)
        if (!load_metadata(loader, list->pdata[i], error))
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
load_bundle(struct loader *loader, const char *path, GError **error)
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
load_directory(struct loader *loader, const char *directory, const char *index_name, GError **error)
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
load_vib(struct loader *loader, const char *path, GError **error)
{
    loader->depot->kind = DEPOT_VIB;
    loader->depot->source = depot_source_new(DEPOT_VIB);
    struct stream *stream = stream_new_file(path, error);
    if (stream == NULL)
        return FALSE;
    auto_ptr(vib_file) file = vib_file_open(stream, error);
    if (file == NULL)
        return FALSE;
    struct package *package = new_package(loader, vib_ref(vib_file_vib(file)));
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
read_online_index(struct loader *loader, char **ret_place, GError **error)
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
load_online(struct loader *loader, GError **error)
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
load_local(struct loader *loader, const char *path, GError **error)
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
load_any(struct loader *loader, const char *location, GError **error)
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
    struct loader loader = {.depot = depot_new(location),
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
