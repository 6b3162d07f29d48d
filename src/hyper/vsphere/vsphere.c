/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/vsphere.h"

#include "base/error.h"
#include "base/secret.h"
#include "hyper/vsphere/privileges.h"

#include <string.h>

/* For tests against a server without TLS only: passwords would be readable on the way. */
#define PLAIN_VARIABLE "SLIPWAY_VSPHERE_PLAIN"

/* ---- Connecting ------------------------------------------------------------------------------ */

/* The server's address, and (NULL: not told) the user that "user@" in front of it names. */
static char *
split_uri(const char *uri, char **ret_user, GError **error)
{
    const char *authority = strstr(uri, "://");
    authority = authority != NULL ? authority + strlen("://") : "";
    g_autofree char *whole = g_strndup(authority, strcspn(authority, "/?#"));
    char *at = strrchr(whole, '@');
    const char *host = at != NULL ? at + 1 : whole;
    *ret_user = NULL;
    if (*host == '\0')
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "%s: give the name of a vCenter or an ESXi host, as in "
                          "vsphere://vcenter.example",
                          uri);
    if (at != NULL) {
        *at = '\0';
        if (strchr(whole, ':') != NULL)
            return error_null(error, SLIPWAY_ERROR_USAGE,
                              "vsphere://%s: a password is not part of the address: give it by "
                              "--password-file",
                              host);
        *ret_user = g_uri_unescape_string(whole, NULL);
    }
    gboolean plain = g_strcmp0(g_getenv(PLAIN_VARIABLE), "1") == 0;
    return g_strconcat(plain ? "http://" : "https://", host, NULL);
}

static void
copy_options(struct vsphere *vsphere, const char *user, const struct hypervisor_options *options)
{
    vsphere->transport = options->transport;
    vsphere->own_machine = g_strdup(options->own_machine);
    vsphere->scratch = g_strdup(options->scratch);
    vsphere->user = g_strdup(user);
    vsphere->password = g_strdup(options->password);
    vsphere->thumbprint = g_strdup(options->thumbprint);
    vsphere->pause_ms = options->network != NULL ? options->network->backoff_ms : 0;
}

static void
close_it(struct hypervisor *self)
{
    struct vsphere *vsphere = (struct vsphere *)self;
    vim_close(vsphere->vim);
    g_hash_table_unref(vsphere->busy);
    g_mutex_clear(&vsphere->lock);
    g_free(vsphere->own_machine);
    g_free(vsphere->scratch);
    g_free(vsphere->user);
    secret_free(vsphere->password);
    g_free(vsphere->thumbprint);
    g_free(vsphere);
}

static struct hypervisor *
open_it(const char *uri, const struct hypervisor_options *options, GError **error)
{
    static const struct hypervisor_options none = {0};
    const unsigned capabilities = HYPERVISOR_CAN_TRACK | HYPERVISOR_CAN_QUIESCE |
                                  HYPERVISOR_CAN_CREATE | HYPERVISOR_CAN_IN_PLACE |
                                  HYPERVISOR_CAN_FOLDERS | HYPERVISOR_CAN_OFFLINE;
    g_autofree char *named = NULL;
    g_autofree char *url = split_uri(uri, &named, error);
    if (url == NULL)
        return NULL;
    if (options == NULL)
        options = &none;
    const char *user = options->user != NULL ? options->user : named;
    if (user == NULL || options->password == NULL)
        return error_null(error, SLIPWAY_ERROR_DENIED,
                          "%s: wants a user name and a password: give --user and --password-file",
                          uri);
    struct vim_options session = {.user = user,
                                  .password = options->password,
                                  .network = options->network,
                                  .thumbprint = options->thumbprint,
                                  .progress = options->progress};
    struct vim *vim = vim_open(url, &session, error);
    if (vim == NULL)
        return NULL;
    struct vsphere *vsphere = g_new0(struct vsphere, 1);
    g_autofree char *label = g_strconcat("vsphere://", strstr(vim_url(vim), "://") + 3, NULL);
    hypervisor_init(&vsphere->base, &hypervisor_vsphere, capabilities, label, options);
    if (vim_service(vim)->manager)
        vsphere->base.capabilities |= HYPERVISOR_CAN_TAGS;
    vsphere->vim = vim;
    g_mutex_init(&vsphere->lock);
    vsphere->busy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    copy_options(vsphere, user, options);
    return &vsphere->base;
}

/* ---- What it is ------------------------------------------------------------------------------ */

static guint64
licence_number(const xmlNode *licence, const char *wanted)
{
    for (const xmlNode *node = xml_child(licence, "properties"); node != NULL;
         node = xml_next(node, "properties")) {
        g_autofree char *key = xml_child_text(node, "key");
        if (g_strcmp0(key, wanted) == 0)
            return vim_child_number(node, "value", G_MAXUINT64);
    }
    return G_MAXUINT64;
}

/* The free ESXi has the edition "esxBasic", an evaluation "eval" (as vim-cmd shows them; not tried
 * on one).  What any other licence lacks, its refusals tell (RestrictedVersion). */
static void
judge_licence(const xmlNode *licence, struct hypervisor_about *ret)
{
    g_autofree char *edition = xml_child_text(licence, "editionKey");
    g_autofree char *name = xml_child_text(licence, "name");
    if (edition == NULL || ret->words != NULL)
        return;
    if (g_str_has_prefix(edition, "esxBasic")) {
        ret->read_only = TRUE;
        ret->words = g_strdup_printf(
            "its licence (%s) has an interface that only reads: machines can be listed but not "
            "backed up or restored; a licence with the vStorage APIs is needed",
            name != NULL ? name : edition);
    } else if (strcmp(edition, "eval") == 0 && licence_number(licence, "expirationHours") == 0 &&
               licence_number(licence, "expirationMinutes") == 0) {
        ret->read_only = TRUE;
        ret->words = g_strdup("its evaluation has ended: nothing can be changed until a licence is "
                              "entered");
    }
}

static void
look_at_licences(struct vsphere *vsphere, struct hypervisor_about *ret)
{
    static const char *const paths[] = {"licenses", NULL};
    const struct vim_service *service = vim_service(vsphere->vim);
    if (service->manager || service->licence_manager.value == NULL)
        return;
    auto_ptr(vim_object) object = vim_get(vsphere->vim, &service->licence_manager, paths, NULL);
    if (object == NULL)
        return;
    for (const xmlNode *node = xml_child(vim_property(object, "licenses"), NULL); node != NULL;
         node = xml_next(node, NULL))
        judge_licence(node, ret);
}

static void
look_at_privileges(struct vsphere *vsphere, struct hypervisor_about *ret)
{
    gboolean read_only = FALSE;
    g_autoptr(GPtrArray) missing = privileges_missing(vsphere->vim, &read_only);
    if (missing == NULL || ret->words != NULL)
        return;
    g_ptr_array_add(missing, NULL);
    g_autofree char *names = g_strjoinv(", ", (char **)missing->pdata);
    ret->read_only = read_only;
    ret->words = g_strdup_printf("the account %s lacks, on every machine that it sees, what %s: %s",
                                 vsphere->user,
                                 read_only ? "backups need" : "incremental backups need", names);
}

/* A single host has no instance UUID of its own: its hardware's. */
static char *
host_uuid(struct vsphere *vsphere)
{
    static const char *const paths[] = {"hardware.systemInfo.uuid", NULL};
    g_autoptr(GPtrArray) hosts = vim_find_all(vsphere->vim, "HostSystem", NULL, paths, NULL);
    char *uuid =
        hosts != NULL && hosts->len == 1 ? vim_property_text(hosts->pdata[0], paths[0]) : NULL;
    char *lower = uuid != NULL && *uuid != '\0' ? g_ascii_strdown(uuid, -1) : NULL;
    g_free(uuid);
    return lower;
}

static gboolean
about(struct hypervisor *self, struct hypervisor_about *ret, GError **error G_GNUC_UNUSED)
{
    struct vsphere *vsphere = (struct vsphere *)self;
    const struct vim_service *service = vim_service(vsphere->vim);
    ret->product = g_strdup(service->product != NULL ? service->product : "VMware vSphere");
    ret->version = service->build != NULL
                       ? g_strdup_printf("%s build-%s", service->version, service->build)
                       : g_strdup(service->version);
    ret->api = g_strdup(service->api_version);
    ret->id = service->instance_uuid != NULL ? g_ascii_strdown(service->instance_uuid, -1)
                                             : host_uuid(vsphere);
    look_at_licences(vsphere, ret);
    look_at_privileges(vsphere, ret);
    return TRUE;
}

static const char *const schemes[] = {"vsphere", "esx", NULL};

const struct hypervisor_class hypervisor_vsphere = {
    .name = "vsphere",
    .schemes = schemes,
    .open = open_it,
    .close = close_it,
    .about = about,
    .list = vsphere_list,
    .describe = vsphere_describe,
    .places = vsphere_places,
    .freeze = vsphere_freeze,
    .clean = vsphere_clean,
    .create = vsphere_create,
    .overwrite = vsphere_overwrite,
};
