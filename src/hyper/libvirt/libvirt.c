/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The driver of libvirt's QEMU machines: the connection. */
#include "hyper/libvirt/libvirt.h"

#include "base/error.h"
#include "base/secret.h"
#include "base/xml.h"
#include "hyper/libvirt/clean.h"
#include "hyper/libvirt/create.h"
#include "hyper/libvirt/event_loop.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/freeze.h"
#include "hyper/libvirt/inventory.h"
#include "hyper/libvirt/overwrite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A host that does not answer for half a minute is gone. */
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 6

#define CAPABILITIES_MAX (8u << 20) /* bytes: CPU models fill much of it */

/* ---- Connecting ------------------------------------------------------------------------------ */

static const char *
answer(const virConnectCredential *question, const struct hypervisor_options *options)
{
    switch (question->type) {
    case VIR_CRED_AUTHNAME:
    case VIR_CRED_USERNAME:
    case VIR_CRED_ECHOPROMPT:
        return options->user;
    case VIR_CRED_PASSPHRASE:
    case VIR_CRED_NOECHOPROMPT:
        return options->password;
    }
    return NULL;
}

/* libvirt free()s the answers. */
static int
authenticate(virConnectCredentialPtr questions, unsigned n, void *data)
{
    for (unsigned i = 0; i < n; i++) {
        const char *text = answer(&questions[i], data);
        if (text == NULL)
            return -1;
        questions[i].result = strdup(text);
        questions[i].resultlen = (unsigned)strlen(text);
    }
    return 0;
}

static virConnectPtr
dial(const char *uri, const struct hypervisor_options *options)
{
    int types[] = {VIR_CRED_AUTHNAME, VIR_CRED_USERNAME, VIR_CRED_ECHOPROMPT, VIR_CRED_PASSPHRASE,
                   VIR_CRED_NOECHOPROMPT};
    virConnectAuth auth = {types, G_N_ELEMENTS(types), authenticate, (void *)options};
    virConnectPtr connection = virConnectOpenAuth(uri, &auth, 0);
    /* Not all transports have it. */
    if (connection != NULL &&
        virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) < 0)
        virResetLastError();
    return connection;
}

/* "qemu+ssh://host/system" has a host; "qemu+unix:///system" has none. */
static gboolean
is_local(const char *uri)
{
    const char *authority = strstr(uri, "://");
    return authority == NULL || authority[3] == '/' || authority[3] == '\0';
}

/* "qemu+unix:///session?socket=..." */
static gboolean
is_session(const char *uri)
{
    const char *authority = strstr(uri, "://");
    const char *path = authority != NULL ? strchr(authority + 3, '/') : NULL;
    return path != NULL && g_str_has_prefix(path, "/session");
}

/* The user that the daemon's QEMUs run as: "+64055:+64055" of its capabilities. */
static void
look_up_user(struct libvirt *host)
{
    auto_text text = virConnectGetCapabilities(host->connection);
    if (text == NULL)
        return;
    auto_xml_doc doc = xml_parse(text, strlen(text), CAPABILITIES_MAX, "capabilities",
                                 "libvirt's capabilities", NULL);
    if (doc == NULL)
        return;
    xmlNode *parent = xml_child(xmlDocGetRootElement(doc), "host");
    xmlNode *model = parent != NULL ? xml_child(parent, "secmodel") : NULL;
    for (; model != NULL; model = xml_next(model, "secmodel")) {
        g_autofree char *name = xml_child_text(model, "model");
        g_autofree char *label = xml_child_text(model, "baselabel");
        guint uid = 0, gid = 0;
        if (g_strcmp0(name, "dac") != 0 || label == NULL ||
            sscanf(label, "+%u:+%u", &uid, &gid) != 2)
            continue;
        host->own_user = uid != geteuid();
        host->uid = uid;
        host->gid = gid;
        return;
    }
}

static struct hypervisor *
open_host(const char *uri, const struct hypervisor_options *options, GError **error)
{
    failure_silence();
    if (virInitialize() < 0)
        return failure_null(error, "libvirt");
    if (!event_loop_hold(error))
        return NULL;
    struct libvirt *host = g_new0(struct libvirt, 1);
    auto_ptr(hypervisor) base = &host->base;
    hypervisor_init(base, &hypervisor_libvirt,
                    HYPERVISOR_CAN_TRACK | HYPERVISOR_CAN_QUIESCE | HYPERVISOR_CAN_CREATE |
                        HYPERVISOR_CAN_IN_PLACE | HYPERVISOR_CAN_OFFLINE,
                    uri, options);
    host->local = is_local(uri);
    host->session = is_session(uri);
    host->scratch = g_strdup(options->scratch);
    host->uri = g_strdup(uri);
    host->user = g_strdup(options->user);
    host->password = g_strdup(options->password);
    host->connection = dial(uri, options);
    if (host->connection == NULL)
        return failure_null(error, "cannot connect to %s", uri);
    look_up_user(host);
    return g_steal_pointer(&base);
}

static void
close_host(struct hypervisor *self)
{
    struct libvirt *host = (struct libvirt *)self;
    if (host->connection != NULL)
        virConnectClose(host->connection);
    event_loop_release();
    g_free(host->scratch);
    g_free(host->uri);
    g_free(host->user);
    secret_free(host->password);
    g_free(host);
}

/* "/system" and "/session" are libvirt's. */
static gsize
path_length(const char *scheme, const char *path)
{
    static const char *const theirs[] = {"/system", "/session"};
    (void)scheme;
    for (gsize i = 0; i < G_N_ELEMENTS(theirs); i++) {
        gsize length = strlen(theirs[i]);
        if (strncmp(path, theirs[i], length) == 0 && (path[length] == '\0' || path[length] == '/'))
            return length;
    }
    return 0;
}

/* ---- What it is ------------------------------------------------------------------------------ */

static char *
format_version(unsigned long version)
{
    return g_strdup_printf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

/* The UUID of the host, as libvirt knows it. */
static char *
host_id(struct libvirt *host)
{
    auto_text text = virConnectGetCapabilities(host->connection);
    if (text == NULL)
        return NULL;
    auto_xml_doc doc = xml_parse(text, strlen(text), CAPABILITIES_MAX, "capabilities",
                                 "libvirt's capabilities", NULL);
    xmlNode *parent = doc != NULL ? xml_child(xmlDocGetRootElement(doc), "host") : NULL;
    return parent != NULL ? xml_child_text(parent, "uuid") : NULL;
}

static gboolean
about(struct hypervisor *self, struct hypervisor_about *ret, GError **error)
{
    struct libvirt *host = (struct libvirt *)self;
    unsigned long emulator = 0, library = 0;
    if (virConnectGetLibVersion(host->connection, &library) < 0)
        return failure_set(error, "%s", self->label);
    if (virConnectGetVersion(host->connection, &emulator) < 0)
        virResetLastError(); /* no QEMU is installed there */
    ret->product = g_strdup("libvirt and QEMU");
    ret->version = emulator != 0 ? format_version(emulator) : NULL;
    ret->api = format_version(library);
    ret->id = host_id(host);
    if (!host->local)
        ret->words = g_strdup("disks of machines on another computer cannot be read or written "
                              "from here: run this program there");
    return TRUE;
}

virDomainPtr
libvirt_find(struct libvirt *host, const char *ref_or_id, GError **error)
{
    virDomainPtr domain = virDomainLookupByUUIDString(host->connection, ref_or_id);
    if (domain == NULL)
        domain = virDomainLookupByName(host->connection, ref_or_id);
    if (domain == NULL)
        return failure_null(error, "machine %s on %s", ref_or_id, host->base.label);
    return domain;
}

virDomainPtr
libvirt_again(struct libvirt *host, virDomainPtr domain)
{
    const struct hypervisor_options options = {.user = host->user, .password = host->password};
    unsigned char uuid[VIR_UUID_BUFLEN];
    virConnectPtr connection =
        virDomainGetUUID(domain, uuid) == 0 ? dial(host->uri, &options) : NULL;
    if (connection == NULL)
        return NULL;
    virDomainPtr again = virDomainLookupByUUID(connection, uuid);
    virConnectClose(connection); /* the domain has its own reference to it */
    return again;
}

char *
libvirt_xml(virDomainPtr domain, gboolean running, GError **error)
{
    unsigned flags = VIR_DOMAIN_XML_SECURE | (running ? 0 : VIR_DOMAIN_XML_INACTIVE);
    const char *name = virDomainGetName(domain);
    char *text = virDomainGetXMLDesc(domain, flags);
    if (text == NULL)
        return failure_null(error, "the description of machine %s", name);
    return text;
}

static const char *const schemes[] = {"qemu", "qemu+*", NULL};

const struct hypervisor_class hypervisor_libvirt = {
    .name = "libvirt",
    .schemes = schemes,
    .open = open_host,
    .path_length = path_length,
    .close = close_host,
    .about = about,
    .list = inventory_list,
    .describe = inventory_describe,
    .places = inventory_places,
    .freeze = freeze_machine,
    .clean = clean_host,
    .create = create_machine,
    .overwrite = overwrite_machine,
};
