/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The driver of libvirt's QEMU machines: the connection. */
#include "hyper/libvirt/libvirt.h"

#include "base/error.h"
#include "base/xml.h"
#include "hyper/libvirt/clean.h"
#include "hyper/libvirt/create.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/freeze.h"
#include "hyper/libvirt/inventory.h"
#include "hyper/libvirt/overwrite.h"

#include <string.h>
#include <unistd.h>

#define CAPABILITIES_MAX (8u << 20) /* bytes: CPU models fill much of it */

/* ---- Connecting ------------------------------------------------------------------------------ */

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
    auto_connection connection = daemon_connect(host->daemon, NULL);
    auto_text text = connection != NULL ? virConnectGetCapabilities(connection) : NULL;
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
    struct daemon *daemon = daemon_open(uri, options, error);
    if (daemon == NULL)
        return NULL;
    struct libvirt *host = g_new0(struct libvirt, 1);
    struct hypervisor *base = &host->base;
    hypervisor_init(base, &hypervisor_libvirt,
                    HYPERVISOR_CAN_TRACK | HYPERVISOR_CAN_QUIESCE | HYPERVISOR_CAN_CREATE |
                        HYPERVISOR_CAN_IN_PLACE | HYPERVISOR_CAN_OFFLINE,
                    uri, options);
    host->local = is_local(uri);
    host->session = is_session(uri);
    host->scratch = g_strdup(options->scratch);
    host->daemon = daemon;
    look_up_user(host);
    return base;
}

static void
close_host(struct hypervisor *self)
{
    struct libvirt *host = (struct libvirt *)self;
    daemon_close(host->daemon);
    g_free(host->scratch);
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
host_id(virConnectPtr connection)
{
    auto_text text = virConnectGetCapabilities(connection);
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
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return FALSE;
    if (virConnectGetLibVersion(connection, &library) < 0)
        return failure_set(error, "%s", self->label);
    if (virConnectGetVersion(connection, &emulator) < 0)
        virResetLastError(); /* no QEMU is installed there */
    ret->product = g_strdup("libvirt and QEMU");
    ret->version = emulator != 0 ? format_version(emulator) : NULL;
    ret->api = format_version(library);
    ret->id = host_id(connection);
    if (!host->local)
        ret->words = g_strdup("disks of machines on another computer cannot be read or written "
                              "from here: run this program there");
    return TRUE;
}

virDomainPtr
libvirt_find(struct libvirt *host, const char *ref_or_id, GError **error)
{
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return NULL;
    virDomainPtr domain = virDomainLookupByUUIDString(connection, ref_or_id);
    if (domain == NULL)
        domain = virDomainLookupByName(connection, ref_or_id);
    if (domain == NULL)
        failure_set(error, "machine %s on %s", ref_or_id, host->base.label);
    return domain; /* which has its own reference to the connection */
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
