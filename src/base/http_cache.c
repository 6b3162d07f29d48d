/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/http_cache.h"

#include "base/digest.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/url.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Form of the note, and its greatest length. */
#define FORM 1
/* Larger bodies are bundles, whose every part is checked when it is read: their size has to do. */
#define HASHED_MAX ((guint64)64 << 20)
#define NOTE_MAX (64 << 10)

struct http_cache {
    char *directory;
    struct http_client *client;
    gboolean offline;
};

/* What is known of a document; texts are NULL when unknown. */
struct note {
    char *etag;
    char *last_modified;
    char *content_type;
    char *redirect; /* where it came from, when that is elsewhere and no secret */
    char *sha256;
    guint64 size;
};

/* A document, in the cache or on its way there. */
struct slot {
    const char *url;
    char *shown;
    char *body_path;
    char *note_path;
    gboolean found; /* there is a copy, and it is whole */
    gboolean damaged;
    struct note note;
};

static void
clear_note(struct note *note)
{
    g_free(note->etag);
    g_free(note->last_modified);
    g_free(note->content_type);
    g_free(note->redirect);
    g_free(note->sha256);
    *note = (struct note){0};
}

static void
clear_slot(struct slot *slot)
{
    clear_note(&slot->note);
    g_free(slot->shown);
    g_free(slot->body_path);
    g_free(slot->note_path);
}

void
http_cache_entry_clear(struct http_cache_entry *entry)
{
    g_free(entry->path);
    g_free(entry->effective_url);
    g_free(entry->content_type);
    *entry = (struct http_cache_entry){0};
}

struct http_cache *
http_cache_new(const char *directory, struct http_client *client, gboolean offline, GError **error)
{
    if (g_mkdir_with_parents(directory, 0700) != 0)
        return error_null(error, SLIPWAY_ERROR_IO, "cannot create the cache directory %s: %s",
                          directory, g_strerror(errno));
    struct http_cache *cache = g_new0(struct http_cache, 1);
    cache->directory = g_strdup(directory);
    cache->client = client;
    cache->offline = offline || client == NULL;
    return cache;
}

void
http_cache_free(struct http_cache *cache)
{
    if (cache == NULL)
        return;
    g_free(cache->directory);
    g_free(cache);
}

static char *
member(const json_t *json, const char *name)
{
    return g_strdup(json_string_value(json_object_get(json, name)));
}

static gboolean
read_note(const char *path, struct note *note)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    struct stat status;
    if (stat(path, &status) != 0 || status.st_size > NOTE_MAX ||
        !g_file_get_contents(path, &text, &length, NULL))
        return FALSE;
    json_t *json = json_loadb(text, length, 0, NULL);
    gboolean ok = json_integer_value(json_object_get(json, "form")) == FORM;
    if (ok) {
        note->etag = member(json, "etag");
        note->last_modified = member(json, "last_modified");
        note->content_type = member(json, "content_type");
        note->redirect = member(json, "redirect");
        note->sha256 = member(json, "sha256");
        note->size = (guint64)json_integer_value(json_object_get(json, "size"));
    }
    json_decref(json);
    return ok && note->sha256 != NULL;
}

static void
set_member(json_t *json, const char *name, const char *value)
{
    if (value != NULL)
        json_object_set_new(json, name, json_string(value));
}

static gboolean
write_note(const struct slot *slot, GError **error)
{
    const struct note *note = &slot->note;
    json_t *json = json_object();
    json_object_set_new(json, "form", json_integer(FORM));
    set_member(json, "etag", note->etag);
    set_member(json, "last_modified", note->last_modified);
    set_member(json, "content_type", note->content_type);
    set_member(json, "redirect", note->redirect);
    set_member(json, "sha256", note->sha256);
    json_object_set_new(json, "size", json_integer((json_int_t)note->size));
    json_object_set_new(json, "checked", json_integer(g_get_real_time() / G_USEC_PER_SEC));
    char *text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(json);
    gboolean ok = durable_file_put(slot->note_path, text, strlen(text), 0600, error);
    free(text);
    return ok;
}

static gboolean
hash_body(int fd, struct digest *digest, guint64 *ret_size)
{
    g_autofree char *buffer = g_malloc(1 << 16);
    *ret_size = 0;
    for (;;) {
        ssize_t got = read(fd, buffer, 1 << 16);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        digest_update(digest, buffer, (gsize)got);
        *ret_size += (guint64)got;
    }
}

static gboolean
body_is_whole(const struct slot *slot)
{
    int fd = open(slot->body_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return FALSE;
    guint64 size = 0;
    struct stat status;
    if (fstat(fd, &status) == 0 && (guint64)status.st_size == slot->note.size &&
        slot->note.size > HASHED_MAX) {
        close(fd);
        return TRUE;
    }
    auto_ptr(digest) digest = digest_new(DIGEST_SHA256);
    gboolean ok = hash_body(fd, digest, &size);
    close(fd);
    g_autofree char *sha256 = digest_hex(digest);
    return ok && size == slot->note.size && strcmp(sha256, slot->note.sha256) == 0;
}

/* Another process may be between writing a body and its note; that looks like
 * damage and leads to fetching again, so nothing is deleted here. */
static void
find(const struct http_cache *cache, const char *url, struct slot *slot)
{
    g_autofree char *key = digest_hex_of(DIGEST_SHA256, url, strcspn(url, "#"));
    slot->url = url;
    slot->shown = url_redact(url);
    slot->body_path = g_build_filename(cache->directory, key, NULL);
    slot->note_path = g_strconcat(slot->body_path, ".json", NULL);
    gboolean noted = read_note(slot->note_path, &slot->note);
    slot->found = noted && body_is_whole(slot);
    slot->damaged = noted && !slot->found;
    if (!slot->found)
        clear_note(&slot->note);
}

/* Only what url_redact() leaves as it is may be written down. */
static char *
harmless_redirect(const struct slot *slot, const char *effective_url)
{
    g_autofree char *shown = url_redact(effective_url);
    if (strcmp(effective_url, slot->url) == 0 || strcmp(shown, effective_url) != 0)
        return NULL;
    return g_steal_pointer(&shown);
}

static gboolean
keep(struct slot *slot, struct http_response *response, GError **error)
{
    clear_note(&slot->note);
    slot->note.etag = g_strdup(response->etag);
    slot->note.last_modified = g_strdup(response->last_modified);
    slot->note.content_type = g_strdup(response->content_type);
    slot->note.redirect = harmless_redirect(slot, response->effective_url);
    slot->note.sha256 = g_strdup(response->sha256);
    slot->note.size = response->size;
    return write_note(slot, error);
}

static void
give(const struct slot *slot, const char *effective_url, gboolean fresh,
     struct http_cache_entry *ret_entry)
{
    if (effective_url == NULL)
        effective_url = slot->note.redirect != NULL ? slot->note.redirect : slot->url;
    *ret_entry = (struct http_cache_entry){g_strdup(slot->body_path), g_strdup(effective_url),
                                           g_strdup(slot->note.content_type), fresh};
}

static gboolean
give_offline(const struct slot *slot, struct http_cache_entry *ret_entry, GError **error)
{
    if (slot->damaged)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: the copy in the cache is damaged (%s); run once without --offline",
                         slot->shown, slot->body_path);
    if (!slot->found)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "%s: not in the cache; run once without --offline", slot->shown);
    give(slot, NULL, FALSE, ret_entry);
    return TRUE;
}

static gboolean
give_stale(const struct slot *slot, struct http_cache_entry *ret_entry, struct progress *progress,
           GError *failure, GError **error)
{
    if (!slot->found || !g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK)) {
        g_propagate_error(error, failure);
        return FALSE;
    }
    progress_warning(progress, "%s; using the copy that was fetched before", failure->message);
    g_error_free(failure);
    give(slot, NULL, FALSE, ret_entry);
    return TRUE;
}

static gboolean
get_online(const struct http_cache *cache, struct slot *slot, guint64 limit,
           struct http_cache_entry *ret_entry, struct progress *progress, GError **error)
{
    GError *failure = NULL;
    struct http_response response = {0};
    struct http_request request = {.url = slot->url,
                                   .path = slot->body_path,
                                   .limit = limit,
                                   .etag = slot->note.etag,
                                   .last_modified = slot->note.last_modified,
                                   .no_page = TRUE};
    if (!http_fetch(cache->client, &request, &response, progress, &failure))
        return give_stale(slot, ret_entry, progress, failure, error);

    gboolean ok = response.not_modified || keep(slot, &response, error);
    if (ok)
        give(slot, response.effective_url, TRUE, ret_entry);
    http_response_clear(&response);
    return ok;
}

static gboolean
check_limit(const struct slot *slot, guint64 limit, GError **error)
{
    if (!slot->found || limit == 0 || slot->note.size <= limit)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_LIMIT,
                     "%s: the copy in the cache has %" G_GUINT64_FORMAT
                     " bytes, more than the %" G_GUINT64_FORMAT " that are allowed",
                     slot->shown, slot->note.size, limit);
}

gboolean
http_cache_get(struct http_cache *cache, const char *url, guint64 limit,
               struct http_cache_entry *ret_entry, struct progress *progress, GError **error)
{
    struct slot slot = {0};
    url_register_secrets(url);
    find(cache, url, &slot);
    gboolean ok = FALSE;
    if (slot.damaged && !cache->offline)
        progress_info(progress, "%s: the copy in the cache is damaged; fetching it again",
                      slot.shown);
    if (check_limit(&slot, limit, error))
        ok = cache->offline ? give_offline(&slot, ret_entry, error)
                            : get_online(cache, &slot, limit, ret_entry, progress, error);
    clear_slot(&slot);
    return ok;
}

gboolean
http_cache_peek(struct http_cache *cache, const char *url, gboolean *ret_here,
                struct http_cache_entry *ret_entry, GError **error G_GNUC_UNUSED)
{
    struct slot slot = {0};
    url_register_secrets(url);
    find(cache, url, &slot);
    *ret_here = slot.found;
    if (slot.found)
        give(&slot, NULL, FALSE, ret_entry);
    clear_slot(&slot);
    return TRUE;
}
