/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/depot_source.h"

#include "base/error.h"
#include "base/url.h"

#include <string.h>

struct depot_source *
depot_source_new(enum depot_kind kind)
{
    struct depot_source *source = g_new0(struct depot_source, 1);
    source->kind = kind;
    return source;
}

void
depot_source_free(struct depot_source *source)
{
    if (source == NULL)
        return;
    zip_reader_unref(source->zip);
    g_free(source->root);
    g_free(source);
}

/* `base` without its last part, plus `reference`, with `.` and empty parts gone; NULL when a `..`
 * leads above the top or the reference is absolute. */
static char *
join_relative(const char *base, const char *reference)
{
    if (*reference == '/' || *reference == '\0' || strlen(reference) > ZIP_NAME_MAX ||
        strchr(reference, '\\') != NULL)
        return NULL;
    const char *slash = strrchr(base, '/');
    g_autofree char *directory = g_strndup(base, slash != NULL ? (gsize)(slash - base) : 0);
    g_autofree char *joined = g_strconcat(directory, "/", reference, NULL);
    g_auto(GStrv) parts = g_strsplit(joined, "/", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    for (char **part = parts; *part != NULL; part++) {
        if (**part == '\0' || strcmp(*part, ".") == 0)
            continue;
        if (strcmp(*part, "..") != 0)
            g_ptr_array_add(kept, *part);
        else if (kept->len == 0)
            return NULL;
        else
            g_ptr_array_set_size(kept, (int)kept->len - 1);
    }
    g_ptr_array_add(kept, NULL);
    return g_strjoinv("/", (char **)kept->pdata);
}

char *
depot_source_resolve(const struct depot_source *source, const char *base, const char *reference,
                     GError **error)
{
    if (source->kind == DEPOT_ONLINE)
        return url_resolve(base, reference, error);
    char *place = join_relative(base, reference);
    if (place == NULL)
        error_set(error, SLIPWAY_ERROR_CORRUPT,
                  "%s: refers to `%.200s`, which leads out of the "
                  "depot",
                  base, reference);
    return place;
}

char *
depot_source_title(const struct depot_source *source, const char *place)
{
    return source->kind == DEPOT_ONLINE ? url_redact(place) : g_strdup(place);
}

char *
depot_source_fetch(const struct depot_context *context, const char *url, guint64 limit,
                   GError **error)
{
    g_autofree char *title = url_redact(url);
    if (context->cache == NULL)
        return error_null(error, SLIPWAY_ERROR_NETWORK, "%s: no network access was set up", title);
    struct http_cache_entry entry = {0};
    gboolean here = FALSE;
    if (!context->revalidate && !http_cache_peek(context->cache, url, &here, &entry, error))
        return NULL;
    if (!here && !http_cache_get(context->cache, url, limit, &entry, context->progress, error))
        return NULL;
    char *path = g_steal_pointer(&entry.path);
    http_cache_entry_clear(&entry);
    return path;
}

static struct stream *
open_document(struct depot_source *source, const struct depot_context *context, const char *place,
              guint64 limit, GError **error)
{
    g_autofree char *path = NULL;
    const struct zip_member *member = NULL;
    switch (source->kind) {
    case DEPOT_BUNDLE:
        member = zip_reader_find(source->zip, place);
        if (member == NULL)
            return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "there is no %s in the bundle",
                              place);
        return zip_reader_stream(source->zip, member, TRUE, error);
    case DEPOT_ONLINE:
        path = depot_source_fetch(context, place, limit, error);
        break;
    case DEPOT_DIRECTORY:
    case DEPOT_VIB:
        path = g_build_filename(source->root, place, NULL);
        break;
    }
    return path != NULL ? stream_new_file(path, error) : NULL;
}

GBytes *
depot_source_read(struct depot_source *source, const struct depot_context *context,
                  const char *place, gsize limit, GError **error)
{
    auto_ptr(stream) stream = open_document(source, context, place, limit, error);
    return stream != NULL ? stream_read_all(stream, limit, error) : NULL;
}

/* Whether there is a copy of the document at `url`; *ret_url: where it came from. */
static gboolean
was_fetched(const struct depot_context *context, const char *url, char **ret_url)
{
    struct http_cache_entry entry = {0};
    gboolean here = FALSE;
    if (context->cache == NULL || !url_is_http(url) ||
        !http_cache_peek(context->cache, url, &here, &entry, NULL) || !here)
        return FALSE;
    if (ret_url != NULL)
        *ret_url = g_strdup(entry.effective_url);
    http_cache_entry_clear(&entry);
    return TRUE;
}

char *
depot_source_redirected(const struct depot_context *context, const char *url)
{
    g_autofree char *led_to = NULL;
    if (!was_fetched(context, url, &led_to) || strcmp(led_to, url) == 0)
        return NULL;
    return g_steal_pointer(&led_to);
}

static GPtrArray *
order_places(const struct depot_context *context, const char *const *places)
{
    GPtrArray *fetched = g_ptr_array_new(), *others = g_ptr_array_new();
    for (; *places != NULL; places++)
        g_ptr_array_add(was_fetched(context, *places, NULL) ? fetched : others, (char *)*places);
    g_ptr_array_extend_and_steal(fetched, others);
    return fetched;
}

GBytes *
depot_source_read_first(struct depot_source *source, const struct depot_context *context,
                        const char *const *places, gsize limit, char **ret_place, GError **error)
{
    g_autoptr(GPtrArray) ordered = order_places(context, places);
    g_autoptr(GError) first = NULL;
    for (guint i = 0; i < ordered->len; i++) {
        g_autoptr(GError) local = NULL;
        GBytes *bytes = depot_source_read(source, context, ordered->pdata[i], limit, &local);
        if (bytes != NULL) {
            *ret_place = g_strdup(ordered->pdata[i]);
            return bytes;
        }
        if (first == NULL)
            first = g_error_copy(local);
        /* Some servers answer 403 for what is not there; anything else is the real trouble. */
        if (local->code != SLIPWAY_ERROR_NOT_FOUND && local->code != SLIPWAY_ERROR_DENIED)
            break;
    }
    g_propagate_error(error, g_steal_pointer(&first));
    return NULL;
}

struct zip_reader *
depot_source_open_zip(struct depot_source *source, const struct depot_context *context,
                      const char *place, GError **error)
{
    g_autofree char *path = NULL;
    if (source->kind == DEPOT_ONLINE)
        path = depot_source_fetch(context, place, DEPOT_METADATA_MAX, error);
    else if (source->kind == DEPOT_DIRECTORY)
        path = g_build_filename(source->root, place, NULL);
    else {
        g_autoptr(GBytes) bytes =
            depot_source_read(source, context, place, DEPOT_METADATA_MAX, error);
        return bytes != NULL ? zip_reader_new_bytes(bytes, place, error) : NULL;
    }
    return path != NULL ? zip_reader_open(path, error) : NULL;
}
