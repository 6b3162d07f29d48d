/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a command reaches the servers of depots. */
#include "base/error.h"
#include "base/url.h"
#include "cli/session_intern.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

static void
warn_exposed(struct session *session, const char *proxy)
{
    url_register_secrets(proxy);
    const char *at = strchr(proxy, '@');
    const char *scheme_end = strstr(proxy, "://");
    const char *colon = strchr(scheme_end != NULL ? scheme_end + 3 : proxy, ':');
    if (at != NULL && colon != NULL && colon < at)
        ui_warning(session->ui,
                   "everybody on this machine can see the password in --proxy; use --proxy-user "
                   "and --proxy-password-file");
}

static gboolean
fill_credentials(struct session *session, struct http_options *options, GError **error)
{
    if (!session_secret(session, OPTION_PASSWORD_FILE, "SLIPWAY_PASSWORD", &options->password,
                        error))
        return FALSE;
    if (options->user == NULL && session_flag(session, OPTION_PASSWORD_FILE))
        return error_set(error, SLIPWAY_ERROR_USAGE, "--password-file needs --user NAME");
    if (options->user != NULL && options->password == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--user needs a password: give --password-file or set SLIPWAY_PASSWORD");
    /* A password in the environment is for whoever is named. */
    if (options->user == NULL)
        options->password = NULL;
    return TRUE;
}

void
session_entrust(struct session *session, const char *url)
{
    if (session->entrusted == NULL)
        session->entrusted = g_ptr_array_new_with_free_func(g_free);
    if (url_is_http(url))
        g_ptr_array_add(session->entrusted, g_strdup(url));
}

static void
add_servers(struct workspace *workspace, const char *user, GPtrArray *urls)
{
    const GPtrArray *depots = workspace_depots(workspace);
    for (guint i = 0; i < depots->len; i++) {
        const struct workspace_depot *depot = depots->pdata[i];
        if (url_is_http(depot->location) && (user == NULL || g_strcmp0(depot->user, user) == 0))
            g_ptr_array_add(urls, depot->location);
    }
}

/* URLs of the servers that the credentials are for; borrowed, ends with NULL. */
static GPtrArray *
find_entrusted(struct session *session, struct workspace *workspace)
{
    GPtrArray *urls = g_ptr_array_new();
    const char *user = session_text(session, OPTION_USER);
    if (session->entrusted != NULL)
        g_ptr_array_extend(urls, session->entrusted, NULL, NULL);
    else if (user != NULL)
        add_servers(workspace, user, urls);
    if (session->entrusted == NULL && user != NULL && urls->len == 0)
        add_servers(workspace, NULL, urls);
    g_ptr_array_add(urls, NULL);
    return urls;
}

gboolean
session_network_options(struct session *session, struct http_options *ret, GError **error)
{
    const struct arguments *arguments = session->arguments;
    *ret = (struct http_options){
        .proxy = session_text(session, OPTION_PROXY),
        .proxy_user = session_text(session, OPTION_PROXY_USER),
        .no_proxy = session_text(session, OPTION_NO_PROXY),
        .ca_file = session_text(session, OPTION_CACERT),
        .insecure = session_flag(session, OPTION_INSECURE),
        .connect_timeout_s = arguments_number(arguments, OPTION_CONNECT_TIMEOUT, 0),
        .stall_timeout_s = arguments_number(arguments, OPTION_STALL_TIMEOUT, 0),
        .retries = arguments_number(arguments, OPTION_RETRIES, HTTP_RETRIES_DEFAULT),
    };
    if (ret->proxy != NULL)
        warn_exposed(session, ret->proxy);
    if (ret->insecure)
        ui_warning(session->ui,
                   "certificates are not checked: whoever sits on the line can give you anything");
    if (!session_secret(session, OPTION_PROXY_PASSWORD_FILE, "SLIPWAY_PROXY_PASSWORD",
                        &ret->proxy_password, error))
        return FALSE;
    if (ret->proxy_user == NULL && session_flag(session, OPTION_PROXY_PASSWORD_FILE))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--proxy-password-file needs --proxy-user NAME");
    if (ret->proxy_user == NULL)
        ret->proxy_password = NULL;
    return TRUE;
}

static gboolean
make_client(struct session *session, struct workspace *workspace, GError **error)
{
    g_autoptr(GPtrArray) entrusted = find_entrusted(session, workspace);
    struct http_options options;
    if (!session_network_options(session, &options, error))
        return FALSE;
    options.user = session_text(session, OPTION_USER);
    options.auth_urls = (const char *const *)entrusted->pdata;
    if (!fill_credentials(session, &options, error))
        return FALSE;
    session->client = http_client_new(&options, error);
    return session->client != NULL;
}

static gboolean
make_cache(struct session *session, struct workspace *workspace, gboolean offline, GError **error)
{
    const char *directory = workspace_cache_directory(workspace);
    session->downloads = g_build_filename(directory, "downloads", NULL);
    if (g_mkdir_with_parents(session->downloads, 0700) != 0)
        return error_set_errno(error, errno, "cannot create %s", session->downloads);
    g_autofree char *documents = g_build_filename(directory, "http", NULL);
    session->cache = http_cache_new(documents, session->client, offline, error);
    return session->cache != NULL;
}

struct depot_context *
session_context(struct session *session, GError **error)
{
    if (session->context_ready)
        return &session->context;
    struct workspace *workspace = session_workspace(session, error);
    gboolean offline = session_flag(session, OPTION_OFFLINE);
    if (workspace == NULL || (!offline && !make_client(session, workspace, error)) ||
        !make_cache(session, workspace, offline, error))
        return NULL;
    session->context = (struct depot_context){
        .client = session->client,
        .cache = session->cache,
        .download_dir = session->downloads,
        .offline = offline,
        .progress = session_progress(session),
    };
    session->context_ready = TRUE;
    return &session->context;
}
