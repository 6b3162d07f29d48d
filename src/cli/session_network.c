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
    if (!session_secret(session, OPTION_PROXY_PASSWORD_FILE, "SLIPWAY_PROXY_PASSWORD",
                        &options->proxy_password, error) ||
        !session_secret(session, OPTION_PASSWORD_FILE, "SLIPWAY_PASSWORD", &options->password,
                        error))
        return FALSE;
    if (options->proxy_user == NULL && session_flag(session, OPTION_PROXY_PASSWORD_FILE))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--proxy-password-file needs --proxy-user NAME");
    if (options->user == NULL && session_flag(session, OPTION_PASSWORD_FILE))
        return error_set(error, SLIPWAY_ERROR_USAGE, "--password-file needs --user NAME");
    if (options->user != NULL && options->password == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--user needs a password: give --password-file or set SLIPWAY_PASSWORD");
    /* A password in the environment is for whoever is named. */
    if (options->proxy_user == NULL)
        options->proxy_password = NULL;
    if (options->user == NULL)
        options->password = NULL;
    return TRUE;
}

static gboolean
make_client(struct session *session, GError **error)
{
    const struct arguments *arguments = session->arguments;
    struct http_options options = {
        .proxy = session_text(session, OPTION_PROXY),
        .proxy_user = session_text(session, OPTION_PROXY_USER),
        .no_proxy = session_text(session, OPTION_NO_PROXY),
        .ca_file = session_text(session, OPTION_CACERT),
        .insecure = session_flag(session, OPTION_INSECURE),
        .user = session_text(session, OPTION_USER),
        .connect_timeout_s = arguments_number(arguments, OPTION_CONNECT_TIMEOUT, 0),
        .stall_timeout_s = arguments_number(arguments, OPTION_STALL_TIMEOUT, 0),
        .retries = arguments_number(arguments, OPTION_RETRIES, HTTP_RETRIES_DEFAULT),
    };
    if (options.proxy != NULL)
        warn_exposed(session, options.proxy);
    if (options.insecure)
        ui_warning(session->ui,
                   "certificates are not checked: whoever sits on the line can give you anything");
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
    if (workspace == NULL || (!offline && !make_client(session, error)) ||
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
