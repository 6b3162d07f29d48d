/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "cli/host_print.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "hyper/host_list.h"

#include <string.h>

/* What the options say of it. */
static struct host *
describe(struct session *session, GError **error)
{
    auto_ptr(host) host = host_new();
    const char *transport = session_text(session, OPTION_TRANSPORT);
    g_autofree char *path = NULL;
    host->name = g_strdup(session_operand(session, 0));
    if (!hypervisor_uri_split(session_operand(session, 1), &host->uri, &path, error))
        return NULL;
    if (transport != NULL && !hypervisor_transport_parse(transport, &host->transport))
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "--transport %s: auto, hotadd, https or vddk is wanted", transport);
    const char *ca_file = session_text(session, OPTION_CACERT);
    host->user = g_strdup(session_text(session, OPTION_USER));
    host->ca_file = ca_file != NULL ? g_canonicalize_filename(ca_file, NULL) : NULL;
    host->thumbprint = g_strdup(session_text(session, OPTION_THUMBPRINT));
    host->insecure = session_flag(session, OPTION_INSECURE);
    host->own_machine = g_strdup(session_text(session, OPTION_OWN_VM));
    const char *file = session_text(session, OPTION_PASSWORD_FILE);
    if (file != NULL && !g_str_equal(file, "-"))
        host->password_file = g_canonicalize_filename(file, NULL);
    return g_steal_pointer(&host);
}

/* What cannot be reached is not remembered. */
static gboolean
try_it(struct session *session, struct host *host, GError **error)
{
    auto_ptr(hypervisor) hypervisor =
        session_hypervisor_fresh(session, session_operand(session, 1), error);
    struct hypervisor_about about = {0};
    if (hypervisor == NULL)
        return FALSE;
    if (!hypervisor_about(hypervisor, &about, error))
        return FALSE;
    host->product =
        about.product != NULL
            ? g_strdup_printf("%s %s", about.product, about.version != NULL ? about.version : "")
            : NULL;
    host->id = g_strdup(about.id);
    host_print_about(session_ui(session), &about);
    ui_set(session_ui(session), "about", host_print_about_json(&about, hypervisor));
    hypervisor_about_clear(&about);
    return TRUE;
}

/* Without a trial the password has not been looked for yet. */
static gboolean
find_password(struct session *session, const struct host *host, const char **ret, GError **error)
{
    *ret = session_hypervisor_password(session);
    if (*ret == NULL && host->password_file == NULL &&
        !session_secret(session, OPTION_PASSWORD_FILE, "SLIPWAY_PASSWORD", ret, error))
        return FALSE;
    if (host->password_file != NULL)
        *ret = NULL;
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    const char *password;
    auto_ptr(host) host = describe(session, error);
    if (host == NULL)
        return FALSE;
    if (!session_flag(session, OPTION_NO_TEST) && !try_it(session, host, error))
        return FALSE;
    if (!find_password(session, host, &password, error))
        return FALSE;
    g_autofree char *name = g_strdup(host->name), *uri = g_strdup(host->uri);
    if (!host_list_add(g_steal_pointer(&host), password, session_flag(session, OPTION_OVERWRITE),
                       error))
        return FALSE;
    ui_print(session_ui(session), "Remembered %s as %s\n", uri, name);
    ui_set(session_ui(session), "name", json_value_text(name));
    ui_set(session_ui(session), "uri", json_value_text(uri));
    return TRUE;
}

const struct verb verb_host_add = {
    .name = "add",
    .summary = "remember a hypervisor under a name",
    .description =
        "Remember a hypervisor: vsphere://ADDRESS (vCenter or ESXi), a URI of libvirt such as "
        "qemu:///system, or qmp:///PATH. It is connected to first: a wrong password, a certificate "
        "that nobody vouches for and a licence that allows no backups are told now, not at night. "
        "A certificate that no authority has signed is trusted with --thumbprint.\n\n"
        "With --password-file the path of the file is remembered, and the password is read from it "
        "each time; otherwise it is kept in a file that only you can read.",
    .operands = {{"NAME", FALSE, FALSE, COMPLETE_NONE, NULL},
                 {"URI", FALSE, FALSE, COMPLETE_NONE, NULL}},
    .options = {OPTION_THUMBPRINT, OPTION_TRANSPORT, OPTION_OWN_VM, OPTION_NO_TEST,
                OPTION_OVERWRITE},
    .examples = {{"slipway host add vc1 vsphere://vcenter.example --user backup@vsphere.local "
                  "--password-file /etc/slipway/vc1.password",
                  "a vCenter"},
                 {"slipway host add kvm1 qemu:///system", "libvirt on this computer"}},
    .run = run,
};
