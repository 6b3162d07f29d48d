/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is in a metadata archive: VIBs, bulletins, profiles, and what we do not understand.
 * Format: doc/format/depot.md. */
#include "base/error.h"
#include "esx/depot_loader.h"

#include <string.h>

#define DEPOT_EXTRA_MAX (64u << 20) /* all opaque members of one depot */

struct package *
depot_loader_add(struct depot_loader *loader, struct vib *vib)
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
download_path(const struct depot_loader *loader, const struct package *package)
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
locate_package(struct depot_loader *loader, struct package *package,
               const struct depot_archive *metadata, GError **error)
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
pass_over(struct depot_loader *loader, GError *error)
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
take_vib(struct depot_loader *loader, const struct depot_archive *metadata, const char *name,
         GBytes *bytes)
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
        package = depot_loader_add(loader, vib);
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
take_profile(struct depot_loader *loader, const char *name, GBytes *bytes)
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
take_bulletin(struct depot_loader *loader, const char *name, GBytes *bytes)
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
take_extra(struct depot_loader *loader, const char *name, GBytes *bytes)
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
take_member(struct depot_loader *loader, const struct depot_archive *metadata,
            struct zip_reader *zip, const struct zip_member *member, GError **error)
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

static struct zip_reader *
open_archive(struct depot_loader *loader, const struct depot_archive *metadata, GError **error)
{
    if (metadata->failure != NULL) {
        g_propagate_error(error, g_error_copy(metadata->failure));
        return NULL;
    }
    if (metadata->fetched != NULL)
        return zip_reader_open(metadata->fetched, error);
    return depot_source_open_zip(loader->depot->source, loader->context, metadata->place, error);
}

gboolean
depot_loader_read(struct depot_loader *loader, const struct depot_archive *metadata, GError **error)
{
    struct depot_source *source = loader->depot->source;
    g_autofree char *title = depot_source_title(source, metadata->place);
    auto_ptr(zip_reader) zip = open_archive(loader, metadata, error);
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
