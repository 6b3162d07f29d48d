/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_probe.c: the HTTP client and its cache from the command line, for test_http.py.
 *
 *     http_probe fetch [options] URL PATH
 *     http_probe fetch-all [options] DIRECTORY URL...
 *     http_probe cache [options] DIRECTORY URL...
 *
 * Prints one JSON object; exits with the program's code for the error, if any.
 * Everything it prints went through the library's own redaction or is the caller's
 * to look at. */
#include "base/cancel.h"
#include "base/error.h"
#include "base/http.h"
#include "base/http_cache.h"
#include "base/secret.h"
#include "base/url.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct {
    char *proxy, *proxy_user, *proxy_password_file, *no_proxy, *ca_file;
    char *user, *password_file, *bearer_file, **auth_urls;
    char *sha256, *etag, *last_modified;
    gboolean insecure, offline;
    gint connect_timeout, stall_timeout, retries, backoff, parallel;
    gint64 size, limit;
} args = {.retries = -1};

static const GOptionEntry entries[] = {
    {"proxy", 0, 0, G_OPTION_ARG_STRING, &args.proxy, NULL, NULL},
    {"proxy-user", 0, 0, G_OPTION_ARG_STRING, &args.proxy_user, NULL, NULL},
    {"proxy-password-file", 0, 0, G_OPTION_ARG_STRING, &args.proxy_password_file, NULL, NULL},
    {"no-proxy", 0, 0, G_OPTION_ARG_STRING, &args.no_proxy, NULL, NULL},
    {"cacert", 0, 0, G_OPTION_ARG_STRING, &args.ca_file, NULL, NULL},
    {"insecure", 0, 0, G_OPTION_ARG_NONE, &args.insecure, NULL, NULL},
    {"user", 0, 0, G_OPTION_ARG_STRING, &args.user, NULL, NULL},
    {"password-file", 0, 0, G_OPTION_ARG_STRING, &args.password_file, NULL, NULL},
    {"bearer-file", 0, 0, G_OPTION_ARG_STRING, &args.bearer_file, NULL, NULL},
    {"auth-url", 0, 0, G_OPTION_ARG_STRING_ARRAY, &args.auth_urls, NULL, NULL},
    {"connect-timeout", 0, 0, G_OPTION_ARG_INT, &args.connect_timeout, NULL, NULL},
    {"stall-timeout", 0, 0, G_OPTION_ARG_INT, &args.stall_timeout, NULL, NULL},
    {"retries", 0, 0, G_OPTION_ARG_INT, &args.retries, NULL, NULL},
    {"backoff", 0, 0, G_OPTION_ARG_INT, &args.backoff, NULL, NULL},
    {"parallel", 0, 0, G_OPTION_ARG_INT, &args.parallel, NULL, NULL},
    {"size", 0, 0, G_OPTION_ARG_INT64, &args.size, NULL, NULL},
    {"limit", 0, 0, G_OPTION_ARG_INT64, &args.limit, NULL, NULL},
    {"sha256", 0, 0, G_OPTION_ARG_STRING, &args.sha256, NULL, NULL},
    {"etag", 0, 0, G_OPTION_ARG_STRING, &args.etag, NULL, NULL},
    {"last-modified", 0, 0, G_OPTION_ARG_STRING, &args.last_modified, NULL, NULL},
    {"offline", 0, 0, G_OPTION_ARG_NONE, &args.offline, NULL, NULL},
    {0},
};

/* What was reported, for the tests to look at. */
struct record {
    struct progress progress;
    GMutex lock;
    guint64 total, advanced;
    int begun, ended;
    json_t *notes;
};

static void
record_begin(struct progress *self, const char *what G_GNUC_UNUSED, guint64 total,
             enum progress_unit unit G_GNUC_UNUSED)
{
    struct record *record = (struct record *)self;
    record->total = total;
    record->begun++;
}

static void
record_advance(struct progress *self, guint64 amount)
{
    struct record *record = (struct record *)self;
    g_mutex_lock(&record->lock);
    record->advanced += amount;
    g_mutex_unlock(&record->lock);
}

static void
record_end(struct progress *self, gboolean ok G_GNUC_UNUSED)
{
    ((struct record *)self)->ended++;
}

static void
record_note(struct progress *self, enum progress_note kind, const char *text)
{
    struct record *record = (struct record *)self;
    g_mutex_lock(&record->lock);
    json_array_append_new(record->notes, json_pack("[is]", (int)kind, text));
    g_mutex_unlock(&record->lock);
}

static const struct progress_class record_class = {record_begin, record_advance, record_end,
                                                   record_note};

static void
set(json_t *json, const char *name, const char *value)
{
    json_object_set_new(json, name, value != NULL ? json_string(value) : json_null());
}

static gboolean
fetch(struct http_client *client, char **words, struct record *record, json_t *json, GError **error)
{
    struct http_request request = {.url = words[0],
                                   .path = words[1],
                                   .size = (guint64)args.size,
                                   .limit = (guint64)args.limit,
                                   .sha256 = args.sha256,
                                   .etag = args.etag,
                                   .last_modified = args.last_modified};
    struct http_response response = {0};
    gboolean ok = http_fetch(client, &request, &response, &record->progress, error);
    json_object_set_new(json, "not_modified", json_boolean(response.not_modified));
    json_object_set_new(json, "size", json_integer((json_int_t)response.size));
    set(json, "etag", response.etag);
    set(json, "last_modified", response.last_modified);
    set(json, "content_type", response.content_type);
    set(json, "sha256", response.sha256);
    g_autofree char *shown = ok ? url_redact(response.effective_url) : NULL;
    set(json, "effective_url", shown);
    http_response_clear(&response);
    return ok;
}

static gboolean
fetch_all(struct http_client *client, char **words, struct record *record, GError **error)
{
    gsize n = g_strv_length(words + 1);
    g_autofree struct http_request *requests = g_new0(struct http_request, n);
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < n; i++) {
        g_autofree char *name = url_basename(words[i + 1]);
        char *path = g_strdup_printf("%s/%" G_GSIZE_FORMAT "-%s", words[0], i, name);
        g_ptr_array_add(paths, path);
        requests[i].url = words[i + 1];
        requests[i].path = path;
        requests[i].size = (guint64)args.size;
    }
    return http_fetch_all(client, requests, n, (unsigned)args.parallel, &record->progress, error);
}

static gboolean
cache(struct http_client *client, char **words, struct record *record, json_t *json, GError **error)
{
    auto_ptr(http_cache) store = http_cache_new(words[0], client, args.offline, error);
    json_t *list = json_array();
    json_object_set_new(json, "entries", list);
    for (char **url = words + 1; store != NULL && *url != NULL; url++) {
        struct http_cache_entry entry = {0};
        if (!http_cache_get(store, *url, (guint64)args.limit, &entry, &record->progress, error))
            return FALSE;
        g_autofree char *shown = url_redact(entry.effective_url);
        json_t *item = json_pack("{sb}", "fresh", entry.fresh);
        set(item, "path", entry.path);
        set(item, "effective_url", shown);
        set(item, "content_type", entry.content_type);
        json_array_append_new(list, item);
        http_cache_entry_clear(&entry);
    }
    return store != NULL;
}

static gboolean
read_secret(const char *path, char **ret_secret, GError **error)
{
    if (path != NULL)
        *ret_secret = secret_read_file(path, error);
    return path == NULL || *ret_secret != NULL;
}

static struct http_client *
make_client(GError **error)
{
    char *proxy_password = NULL, *password = NULL, *bearer = NULL;
    gboolean ok = read_secret(args.proxy_password_file, &proxy_password, error) &&
                  read_secret(args.password_file, &password, error) &&
                  read_secret(args.bearer_file, &bearer, error);
    struct http_options options = {
        .proxy = args.proxy,
        .proxy_user = args.proxy_user,
        .proxy_password = proxy_password,
        .no_proxy = args.no_proxy,
        .ca_file = args.ca_file,
        .insecure = args.insecure,
        .user = args.user,
        .password = password,
        .bearer_token = bearer,
        .auth_urls = (const char *const *)args.auth_urls,
        .connect_timeout_s = (unsigned)args.connect_timeout,
        .stall_timeout_s = (unsigned)args.stall_timeout,
        .retries = args.retries < 0 ? HTTP_RETRIES_DEFAULT : (unsigned)args.retries,
        .backoff_ms = (unsigned)args.backoff,
    };
    struct http_client *client = ok ? http_client_new(&options, error) : NULL;
    secret_free(proxy_password);
    secret_free(password);
    secret_free(bearer);
    return client;
}

static gboolean
run(int argc, char **argv, struct record *record, json_t *json, GError **error)
{
    auto_ptr(http_client) client = make_client(error);
    if (client == NULL)
        return FALSE;
    if (strcmp(argv[1], "fetch") == 0 && argc == 4)
        return fetch(client, argv + 2, record, json, error);
    if (strcmp(argv[1], "fetch-all") == 0)
        return fetch_all(client, argv + 2, record, error);
    if (strcmp(argv[1], "cache") == 0)
        return cache(client, argv + 2, record, json, error);
    return error_set(error, SLIPWAY_ERROR_USAGE, "unknown verb %s", argv[1]);
}

static void
on_signal(int number G_GNUC_UNUSED)
{
    cancel_request();
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("VERB WORD...");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 4) {
        fprintf(stderr, "http_probe: %s\n", error != NULL ? error->message : "too few words");
        return 2;
    }
    signal(SIGINT, on_signal);

    struct record record = {.progress = {&record_class}, .notes = json_array()};
    json_t *json = json_object();
    gboolean ok = run(argc, argv, &record, json, &error);
    json_object_set_new(json, "ok", json_boolean(ok));
    set(json, "error", ok ? NULL : error->message);
    set(json, "code", ok ? NULL : error_code_name((enum slipway_error)error->code));
    json_object_set_new(json, "notes", record.notes);
    json_object_set_new(json, "total", json_integer((json_int_t)record.total));
    json_object_set_new(json, "advanced", json_integer((json_int_t)record.advanced));
    json_object_set_new(json, "steps", json_pack("[ii]", record.begun, record.ended));
    json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(json);
    g_strfreev(args.auth_urls);
    return error_exit_code(error);
}
