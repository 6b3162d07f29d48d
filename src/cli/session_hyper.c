/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hypervisors of the backup half: which is meant, and how to log in. */
#include "base/error.h"
#include "base/secret.h"
#include "cli/session_intern.h"
#include "cli/terminal.h"
#include "hyper/host_list.h"

#include <string.h>

/* "vc1:/DC0/vm": the length of the name; 0 when there is no colon behind a word. */
static gsize
name_length(const char *location)
{
    gsize length = strspn(location, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789._-");
    return location[length] == ':' && strncmp(location + length, "://", 3) != 0 ? length : 0;
}

gboolean
session_is_hypervisor(const char *location)
{
    if (hypervisor_is_uri(location))
        return TRUE;
    gsize length = name_length(location);
    if (length == 0 || g_file_test(location, G_FILE_TEST_EXISTS))
        return FALSE;
    /* No disk is named like NAME:/PATH; and which names are remembered is not known when the list
     * cannot be read.  session_hypervisor() says then what is wrong. */
    auto_ptr(host_list) list = host_list_read(NULL);
    g_autofree char *name = g_strndup(location, length);
    return list == NULL || host_list_find(list, name) != NULL || location[length + 1] == '/';
}

/* Where to connect, and what is remembered of it. */
struct meant {
    char *uri, *path;
    const struct host *host; /* NULL: nothing is */
};

static gboolean
find_named(const struct host_list *list, const char *location, struct meant *ret, GError **error)
{
    gsize length = name_length(location);
    g_autofree char *name = length > 0 ? g_strndup(location, length) : g_strdup(location);
    ret->host = host_list_find(list, name);
    if (ret->host == NULL)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "there is no host called %s, and it is no URI such as "
                         "vsphere://vcenter.example or qemu:///system; `slipway host list` shows "
                         "those that are remembered",
                         name);
    ret->uri = g_strdup(ret->host->uri);
    ret->path = g_strdup(length > 0 ? location + length + 1 : "");
    return TRUE;
}

/* The authority of a URI may be the name of a remembered host. */
static const struct host *
find_authority(const struct host_list *list, const char *uri)
{
    const char *begin = strstr(uri, "://");
    if (begin == NULL)
        return NULL;
    begin += 3;
    g_autofree char *name = g_strndup(begin, strcspn(begin, "/?"));
    return *name != '\0' ? host_list_find(list, name) : NULL;
}

static gboolean
find_meant(const struct host_list *list, const char *location, struct meant *ret, GError **error)
{
    if (!hypervisor_is_uri(location))
        return find_named(list, location, ret, error);
    if (!hypervisor_uri_split(location, &ret->uri, &ret->path, error))
        return FALSE;
    ret->host = host_list_find_uri(list, ret->uri);
    if (ret->host == NULL && (ret->host = find_authority(list, ret->uri)) != NULL) {
        g_free(ret->uri);
        ret->uri = g_strdup(ret->host->uri);
    }
    return TRUE;
}

static gboolean
wants_password(const char *uri)
{
    return g_str_has_prefix(uri, "vsphere") || g_str_has_prefix(uri, "esx");
}

/* Of this run's options and environment, of what is remembered, or asked for. */
static gboolean
find_password(struct session *session, const struct meant *meant, const char *user,
              const char **ret_password, GError **error)
{
    gboolean other_user = meant->host != NULL && g_strcmp0(user, meant->host->user) != 0;
    if (!session_secret(session, OPTION_PASSWORD_FILE, "SLIPWAY_PASSWORD", ret_password, error))
        return FALSE;
    if (*ret_password != NULL)
        return TRUE;
    secret_free(session->host_password);
    session->host_password = NULL;
    if (meant->host != NULL && !other_user &&
        !host_password(meant->host, &session->host_password, error))
        return FALSE;
    *ret_password = session->host_password;
    if (*ret_password != NULL || !wants_password(meant->uri))
        return TRUE;
    if (user == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s wants a user: give --user NAME and --password-file FILE, or remember "
                         "them with `slipway host add`",
                         meant->uri);
    if (!terminal_is(stdin) || !terminal_is(stderr))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s wants the password of %s: give it with --password-file FILE or in "
                         "SLIPWAY_PASSWORD",
                         meant->uri, user);
    g_autofree char *question = g_strdup_printf("Password of %s at %s", user, meant->uri);
    session->host_password = terminal_ask_secret(question);
    if (session->host_password == NULL)
        return error_set(error, SLIPWAY_ERROR_CANCELLED, "no password was given");
    secret_register(session->host_password);
    *ret_password = session->host_password;
    return TRUE;
}

const char *
session_hypervisor_password(const struct session *session)
{
    return session->secrets[OPTION_PASSWORD_FILE] != NULL ? session->secrets[OPTION_PASSWORD_FILE]
                                                          : session->host_password;
}

static const char *
choose(const char *given, const char *remembered)
{
    return given != NULL ? given : remembered;
}

static gboolean
read_transport(struct session *session, const struct host *host, enum hypervisor_transport *ret,
               GError **error)
{
    const char *text = session_text(session, OPTION_TRANSPORT);
    *ret = host != NULL ? host->transport : HYPERVISOR_TRANSPORT_AUTO;
    if (text == NULL || hypervisor_transport_parse(text, ret))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "--transport %s: auto, hotadd, https or vddk is wanted", text);
}

static struct hypervisor *
connect_to(struct session *session, const struct meant *meant, GError **error)
{
    const struct host *host = meant->host;
    struct http_options network;
    struct hypervisor_options options = {
        .user = choose(session_text(session, OPTION_USER), host != NULL ? host->user : NULL),
        .network = &network,
        .thumbprint = choose(session_text(session, OPTION_THUMBPRINT),
                             host != NULL ? host->thumbprint : NULL),
        .own_machine =
            choose(session_text(session, OPTION_OWN_VM), host != NULL ? host->own_machine : NULL),
        .progress = session_progress(session),
    };
    if (!session_network_options(session, &network, error) ||
        !read_transport(session, host, &options.transport, error) ||
        !find_password(session, meant, options.user, &options.password, error))
        return NULL;
    network.ca_file = choose(network.ca_file, host != NULL ? host->ca_file : NULL);
    if (host != NULL && host->insecure && !network.insecure) {
        ui_warning(session_ui(session),
                   "the certificate of %s is not checked: it was remembered so", host->name);
        network.insecure = TRUE;
    }
    return hypervisor_open(meant->uri, &options, error);
}

struct hypervisor *
session_hypervisor(struct session *session, const char *location, char **ret_path, GError **error)
{
    struct meant meant = {0};
    auto_ptr(host_list) list = host_list_read(error);
    struct hypervisor *hypervisor = NULL;
    if (list != NULL && find_meant(list, location, &meant, error))
        hypervisor = connect_to(session, &meant, error);
    if (hypervisor != NULL && ret_path != NULL)
        *ret_path = g_steal_pointer(&meant.path);
    g_free(meant.uri);
    g_free(meant.path);
    return hypervisor;
}

struct hypervisor *
session_hypervisor_fresh(struct session *session, const char *uri, GError **error)
{
    struct meant meant = {0};
    struct hypervisor *hypervisor = NULL;
    if (hypervisor_uri_split(uri, &meant.uri, &meant.path, error))
        hypervisor = connect_to(session, &meant, error);
    g_free(meant.uri);
    g_free(meant.path);
    return hypervisor;
}
