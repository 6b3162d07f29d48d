/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/http_private.h"
#include "base/secret.h"
#include "base/url.h"

#include <string.h>

/* Longest PEM file that is taken for certificates. */
#define CA_MAX (8 << 20)

#define CONNECT_TIMEOUT_S 30
#define STALL_TIMEOUT_S 60
#define RETRIES 4
#define BACKOFF_MS 500

static gboolean
proxy_scheme_known(const char *scheme)
{
    static const char *const schemes[] = {"http",    "https",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
        if (strcmp(scheme, schemes[i]) == 0)
            return TRUE;
    return FALSE;
}

static char *
url_part(CURLU *parts, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(parts, part, &text, flags) != CURLUE_OK)
        return NULL;
    char *copy = g_strdup(text);
    curl_free(text);
    return copy;
}

/* Take the credentials out of a proxy's URL, so that it can be shown. */
static gboolean
split_proxy(CURLU *parts, struct http_proxy *proxy)
{
    g_autofree char *scheme = url_part(parts, CURLUPART_SCHEME, 0);
    if (scheme == NULL || !proxy_scheme_known(scheme))
        return FALSE;
    proxy->user = url_part(parts, CURLUPART_USER, CURLU_URLDECODE);
    proxy->password = url_part(parts, CURLUPART_PASSWORD, CURLU_URLDECODE);
    curl_url_set(parts, CURLUPART_USER, NULL, 0);
    curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
    proxy->url = url_part(parts, CURLUPART_URL, 0);
    return proxy->url != NULL;
}

static gboolean
parse_proxy(const char *text, const char *origin, struct http_proxy *proxy, GError **error)
{
    url_register_secrets(text);
    g_autofree char *url =
        strstr(text, "://") ? g_strdup(text) : g_strconcat("http://", text, NULL);
    CURLU *parts = curl_url();
    gboolean ok = curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
                  split_proxy(parts, proxy);
    curl_url_cleanup(parts);
    if (ok)
        return TRUE;
    g_autofree char *shown = url_redact(text);
    return error_set(
        error, SLIPWAY_ERROR_USAGE,
        "%s: \"%s\" is no proxy; give SCHEME://HOST:PORT, where SCHEME is http, https, "
        "socks4, socks4a, socks5 or socks5h",
        origin, shown);
}

/* As curl does, HTTP_PROXY in capitals is left alone: in a CGI program whoever
 * sends a request can set it. */
static const char *
environment_proxy(gboolean https, const char **ret_name)
{
    static const char *const names[][4] = {
        {"http_proxy", "all_proxy", "ALL_PROXY"},
        {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}};
    for (gsize i = 0; i < G_N_ELEMENTS(names[0]) && names[https][i] != NULL; i++) {
        const char *value = g_getenv(names[https][i]);
        if (value != NULL && *value != '\0') {
            *ret_name = names[https][i];
            return value;
        }
    }
    return NULL;
}

static gboolean
set_proxy(const struct http_options *options, gboolean https, struct http_proxy *proxy,
          GError **error)
{
    const char *origin = "--proxy";
    const char *text = options->proxy != NULL ? options->proxy : environment_proxy(https, &origin);
    if (text == NULL || *text == '\0') {
        proxy->url = g_strdup("");
        return TRUE;
    }
    if (!parse_proxy(text, origin, proxy, error))
        return FALSE;
    if (options->proxy_user != NULL) {
        g_free(proxy->user);
        proxy->user = g_strdup(options->proxy_user);
    }
    if (options->proxy_password != NULL || options->proxy_user != NULL) {
        secret_free(proxy->password);
        proxy->password = g_strdup(options->proxy_password);
    }
    secret_register(proxy->password);
    return TRUE;
}

static char *
find_no_proxy(const struct http_options *options)
{
    const char *text = options->no_proxy;
    if (text == NULL)
        text = g_getenv("no_proxy");
    if (text == NULL || (options->no_proxy == NULL && *text == '\0'))
        text = g_getenv("NO_PROXY");
    return g_strdup(text != NULL ? text : "");
}

/* libcurl takes one bundle, so the system's is put in front of the file's. */
static gboolean
load_ca(struct http_client *client, const char *path, GError **error)
{
    g_autofree char *own = NULL;
    g_autofree char *system = NULL;
    g_autoptr(GError) cause = NULL;
    gsize length = 0;
    if (!g_file_get_contents(path, &own, &length, &cause))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "--cacert %s: %s", path, cause->message);
    if (length > CA_MAX || strlen(own) != length || strstr(own, "-----BEGIN ") == NULL ||
        strstr(own, "CERTIFICATE-----") == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--cacert %s: holds no PEM certificate; convert it with "
                         "openssl x509 -inform der",
                         path);
    const char *bundle = curl_version_info(CURLVERSION_NOW)->cainfo;
    if (bundle != NULL)
        g_file_get_contents(bundle, &system, NULL, NULL);
    client->ca = g_strconcat(system != NULL ? system : "", "\n", own, NULL);
    return TRUE;
}

static void
copy_credentials(struct http_client *client, const struct http_options *options)
{
    client->user = g_strdup(options->user);
    client->password = g_strdup(options->password);
    client->bearer_token = g_strdup(options->bearer_token);
    secret_register(client->password);
    secret_register(client->bearer_token);
    client->bound = options->auth_urls != NULL;
    for (gsize i = 0; options->auth_urls != NULL && options->auth_urls[i] != NULL; i++) {
        char *origin = url_origin(options->auth_urls[i]);
        if (origin != NULL)
            g_ptr_array_add(client->origins, origin);
    }
}

static void
copy_limits(struct http_client *client, const struct http_options *options)
{
    client->connect_timeout_s =
        options->connect_timeout_s != 0 ? options->connect_timeout_s : CONNECT_TIMEOUT_S;
    client->stall_timeout_s =
        options->stall_timeout_s != 0 ? options->stall_timeout_s : STALL_TIMEOUT_S;
    client->retries = options->retries != HTTP_RETRIES_DEFAULT ? options->retries : RETRIES;
    client->backoff_ms = options->backoff_ms != 0 ? options->backoff_ms : BACKOFF_MS;
}

static gpointer
start_libcurl(gpointer unused G_GNUC_UNUSED)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        g_error("libcurl cannot start");
    return NULL;
}

struct http_client *
http_client_new(const struct http_options *options, GError **error)
{
    static const struct http_options defaults = {.retries = HTTP_RETRIES_DEFAULT};
    static GOnce started = G_ONCE_INIT;
    g_once(&started, start_libcurl, NULL);
    if (options == NULL)
        options = &defaults;

    auto_ptr(http_client) client = g_new0(struct http_client, 1);
    g_mutex_init(&client->lock);
    g_queue_init(&client->idle);
    client->origins = g_ptr_array_new_with_free_func(g_free);
    client->insecure = options->insecure;
    client->no_proxy = find_no_proxy(options);
    copy_credentials(client, options);
    copy_limits(client, options);
    if (!set_proxy(options, FALSE, &client->proxy_http, error) ||
        !set_proxy(options, TRUE, &client->proxy_https, error))
        return NULL;
    if (options->ca_file != NULL && !load_ca(client, options->ca_file, error))
        return NULL;
    return g_steal_pointer(&client);
}

static void
clear_proxy(struct http_proxy *proxy)
{
    g_free(proxy->url);
    g_free(proxy->user);
    secret_free(proxy->password);
}

void
http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    g_queue_clear_full(&client->idle, curl_easy_cleanup);
    g_ptr_array_unref(client->origins);
    g_mutex_clear(&client->lock);
    clear_proxy(&client->proxy_http);
    clear_proxy(&client->proxy_https);
    g_free(client->no_proxy);
    g_free(client->ca);
    g_free(client->user);
    secret_free(client->password);
    secret_free(client->bearer_token);
    g_free(client);
}

const struct http_proxy *
http_client_proxy(const struct http_client *client, const char *url)
{
    gboolean https = g_ascii_strncasecmp(url, "https:", 6) == 0;
    return https ? &client->proxy_https : &client->proxy_http;
}

gboolean
http_client_entrusts(struct http_client *client, const char *url)
{
    g_autofree char *origin = url_origin(url);
    if (origin == NULL)
        return FALSE;
    g_mutex_lock(&client->lock);
    if (!client->bound)
        g_ptr_array_add(client->origins, g_strdup(origin));
    client->bound = TRUE;
    gboolean found = g_ptr_array_find_with_equal_func(client->origins, origin, g_str_equal, NULL);
    g_mutex_unlock(&client->lock);
    return found;
}

CURL *
http_client_take(struct http_client *client)
{
    g_mutex_lock(&client->lock);
    CURL *curl = g_queue_pop_head(&client->idle);
    g_mutex_unlock(&client->lock);
    if (curl == NULL)
        curl = curl_easy_init();
    if (curl == NULL)
        g_error("libcurl cannot make a handle");
    return curl;
}

void
http_client_put(struct http_client *client, CURL *curl)
{
    /* This keeps connections, resolved names and TLS sessions. */
    curl_easy_reset(curl);
    g_mutex_lock(&client->lock);
    g_queue_push_head(&client->idle, curl);
    g_mutex_unlock(&client->lock);
}
