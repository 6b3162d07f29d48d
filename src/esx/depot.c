/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/depot.h"

#include "base/error.h"
#include "base/url.h"
#include "esx/depot_private.h"
#include "esx/vib_file.h"

#include <errno.h>
#include <string.h>

const char *
depot_kind_name(enum depot_kind kind)
{
    static const char *const names[] = {"online", "bundle", "directory", "vib"};
    return names[kind];
}

static void
free_channel(gpointer data)
{
    struct depot_channel *channel = data;
    g_free(channel->vendor);
    g_free(channel->name);
    g_ptr_array_unref(channel->versions);
    g_free(channel);
}

static void
free_package(gpointer data)
{
    struct package *package = data;
    vib_unref(package->vib);
    g_ptr_array_unref(package->channels);
    g_free(package->location);
    g_free(package->local_path);
    g_free(package);
}

struct depot *
depot_new(const char *location)
{
    struct depot *depot = g_new0(struct depot, 1);
    depot->location = g_strdup(location);
    depot->title = url_is_http(location) ? url_redact(location) : g_strdup(location);
    depot->channels = g_ptr_array_new_with_free_func(free_channel);
    depot->packages = g_ptr_array_new_with_free_func(free_package);
    depot->profiles = g_ptr_array_new_with_free_func((GDestroyNotify)profile_free);
    depot->bulletins = g_ptr_array_new_with_free_func((GDestroyNotify)bulletin_free);
    depot->extra =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    return depot;
}

void
depot_free(struct depot *depot)
{
    if (depot == NULL)
        return;
    g_ptr_array_unref(depot->packages);
    g_ptr_array_unref(depot->channels);
    g_ptr_array_unref(depot->profiles);
    g_ptr_array_unref(depot->bulletins);
    g_hash_table_unref(depot->extra);
    depot_source_free(depot->source);
    g_free(depot->title);
    g_free(depot->location);
    g_free(depot);
}

const char *
package_sha256(const struct package *package)
{
    return vib_file_sha256(package->vib);
}

static struct stream *
open_member(const struct package *package, GError **error)
{
    struct zip_reader *zip = package->depot->source->zip;
    const struct zip_member *member = zip_reader_find(zip, package->location);
    if (member == NULL)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                          "%s: %s is listed in the bundle's metadata but not in the bundle",
                          package->depot->title, package->location);
    return zip_reader_stream(zip, member, FALSE, error);
}

static struct stream *
open_fetched(const struct package *package, GError **error)
{
    if (package->local_path == NULL || !g_file_test(package->local_path, G_FILE_TEST_IS_REGULAR))
        return error_null(error, SLIPWAY_ERROR_NETWORK, "%s was not fetched yet from %s",
                          package->vib->id, package->depot->title);
    return stream_new_file(package->local_path, error);
}

static gboolean
check_size(const struct package *package, struct stream *stream, GError **error)
{
    guint64 expected = package->vib->packed_size, actual = stream_size(stream);
    if (expected == 0 || expected == actual)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: has %" G_GUINT64_FORMAT " bytes, its depot says %" G_GUINT64_FORMAT,
                     stream_label(stream), actual, expected);
}

struct stream *
package_open(const struct package *package, GError **error)
{
    struct stream *stream = NULL;
    switch (package->depot->kind) {
    case DEPOT_BUNDLE:
        stream = open_member(package, error);
        break;
    case DEPOT_ONLINE:
        stream = open_fetched(package, error);
        break;
    case DEPOT_DIRECTORY:
    case DEPOT_VIB:
        stream = stream_new_file(package->local_path, error);
        break;
    }
    if (stream != NULL && !check_size(package, stream, error))
        g_clear_pointer(&stream, stream_close);
    return stream;
}

static gboolean
is_missing(const struct package *package)
{
    return package->depot->kind == DEPOT_ONLINE &&
           !g_file_test(package->local_path, G_FILE_TEST_IS_REGULAR);
}

/* Whether nothing but single files failed, which `failed` gets; it may be NULL. */
static gboolean
fetch_requests(GPtrArray *missing, const struct http_request *requests,
               const struct depot_context *context, GHashTable *failed, GError **error)
{
    if (failed == NULL)
        return http_fetch_all(context->client, requests, missing->len, 0, context->progress, error);
    g_autofree GError **errors = g_new0(GError *, missing->len);
    gboolean ok = http_fetch_each(context->client, requests, missing->len, 0, context->progress,
                                  errors, error);
    for (guint i = 0; i < missing->len; i++)
        if (errors[i] != NULL)
            g_hash_table_insert(failed, missing->pdata[i], errors[i]);
    return ok;
}

static gboolean
fetch_missing(GPtrArray *missing, const struct depot_context *context, GHashTable *failed,
              GError **error)
{
    g_autofree struct http_request *requests = g_new0(struct http_request, missing->len);
    for (guint i = 0; i < missing->len; i++) {
        const struct package *package = missing->pdata[i];
        g_autofree char *directory = g_path_get_dirname(package->local_path);
        if (g_mkdir_with_parents(directory, 0700) != 0)
            return error_set_errno(error, errno, "cannot create %s", directory);
        requests[i].url = package->location;
        requests[i].path = package->local_path;
        requests[i].size = package->vib->packed_size;
        requests[i].sha256 = package_sha256(package);
        requests[i].limit = DEPOT_BUNDLE_MAX;
    }
    return fetch_requests(missing, requests, context, failed, error);
}

gboolean
packages_fetch(GPtrArray *packages, const struct depot_context *context, GError **error)
{
    return packages_fetch_each(packages, context, NULL, error);
}

gboolean
packages_fetch_each(GPtrArray *packages, const struct depot_context *context, GHashTable *failed,
                    GError **error)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new();
    for (guint i = 0; i < packages->len; i++)
        if (is_missing(packages->pdata[i]))
            g_ptr_array_add(missing, packages->pdata[i]);
    if (missing->len == 0)
        return TRUE;
    const struct package *first = missing->pdata[0];
    if (context->offline || context->client == NULL)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "%u VIBs are not on this computer yet, among them %s; run once without "
                         "--offline to fetch them from %s",
                         missing->len, first->vib->id, first->depot->title);
    return fetch_missing(missing, context, failed, error);
}
