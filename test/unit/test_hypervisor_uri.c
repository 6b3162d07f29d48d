/* SPDX-License-Identifier: GPL-3.0-or-later */
/* URIs of hypervisors.  What is said of libvirt's and QEMU's paths needs their drivers. */
#include "base/error.h"
#include "base/secret.h"
#include "hyper/hypervisor.h"

#include <string.h>

static void
expect(const char *uri, const char *host, const char *path)
{
    g_autofree char *its_host = NULL, *its_path = NULL;
    g_autoptr(GError) error = NULL;
    gboolean ok = hypervisor_uri_split(uri, &its_host, &its_path, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpstr(its_host, ==, host);
    g_assert_cmpstr(its_path, ==, path);
    g_assert_true(hypervisor_is_uri(uri));
    /* The host alone is itself. */
    g_autofree char *again = NULL, *rest = NULL;
    g_assert_true(hypervisor_uri_split(its_host, &again, &rest, NULL));
    g_assert_cmpstr(again, ==, its_host);
    g_assert_cmpstr(rest, ==, "");
}

static void
test_vsphere(void)
{
    expect("vsphere://vc", "vsphere://vc", "");
    expect("vsphere://vc/", "vsphere://vc", "/");
    expect("VSPHERE://vc.example:8443/DC0/vm/app01", "vsphere://vc.example:8443", "/DC0/vm/app01");
    expect("esx://root@10.0.0.1/app01", "esx://root@10.0.0.1", "/app01");
    expect("vsphere://[2001:db8::1]:443/DC0/vm/", "vsphere://[2001:db8::1]:443", "/DC0/vm/");
    expect("vsphere://vc/DC0/vm/caf%C3%A9%20%231", "vsphere://vc", "/DC0/vm/café #1");
    /* Wildcards, and what only looks like options. */
    expect("vsphere://vc/DC0/vm/app0?", "vsphere://vc", "/DC0/vm/app0?");
    expect("vsphere://vc/DC0/vm/app?1", "vsphere://vc", "/DC0/vm/app?1");
    expect("vsphere://vc/*?=", "vsphere://vc", "/*?=");
    expect("vsphere://vc/app?no_verify=1", "vsphere://vc?no_verify=1", "/app");
    expect("vsphere://vc?no_verify=1", "vsphere://vc?no_verify=1", "");
}

static void
test_libvirt(void)
{
#ifdef HYPERVISOR_WITH_LIBVIRT
    expect("qemu:///system", "qemu:///system", "");
    expect("qemu:///system/app01", "qemu:///system", "/app01");
    expect("qemu:///session/", "qemu:///session", "/");
    expect("qemu+unix:///system/app01?socket=/x/y", "qemu+unix:///system?socket=/x/y", "/app01");
    expect("qemu+ssh://root@kvm1/system/app%2A?keyfile=/k",
           "qemu+ssh://root@kvm1/system?keyfile=/k", "/app*");
    expect("qemu+unix:///sy%73tem/a", "qemu+unix:///sy%73tem", "/a");
#else
    g_autoptr(GError) error = NULL;
    g_assert_true(hypervisor_is_uri("qemu:///system"));
    g_assert_null(hypervisor_open("qemu+ssh://kvm1/system", NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "-Dlibvirt=enabled"));
#endif
}

static void
test_qemu(void)
{
#ifdef HYPERVISOR_WITH_QEMU
    expect("qmp:///run/app01.qmp", "qmp:///run/app01.qmp", "");
    expect("qmp:///run/my%20app", "qmp:///run/my%20app", "");
#else
    g_assert_true(hypervisor_is_uri("qmp:///run/app01.qmp"));
#endif
}

static void
test_none(void)
{
    static const char *const texts[] = {
        "",      "app01",      "/dev/sda",        "nbd://host", "vsphere:/vc",  "vsphere:",
        "://vc", "https://vc", "qemux:///system", "qmpx:///a",  "vs phere://a", "qemu+:///system"};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *host = NULL;
        g_assert_false(hypervisor_is_uri(texts[i]));
        g_assert_false(hypervisor_uri_split(texts[i], &host, NULL, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
        g_assert_null(host);
        g_assert_null(hypervisor_open(texts[i], NULL, NULL));
    }
    g_assert_false(hypervisor_is_uri(NULL));
}

static void
refuse(const char *uri, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *host = NULL;
    g_assert_false(hypervisor_uri_split(uri, &host, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_nonnull(strstr(error->message, words));
    g_assert_null(strstr(error->message, "s3cret"));
}

static void
test_refused(void)
{
    refuse("vsphere://root:s3cret@vc/DC0", "has a password in it");
    refuse("vsphere://administrator@vsphere.local:s3cret@vc/DC0", "has a password in it");
    refuse("vsphere://root:s3cr@t-s3cret@vc:443/DC0", "has a password in it");
    refuse("qemu+ssh://root:s3cret@host/system", "has a password in it");
    refuse("vsphere://root:one/s3cret@vc/DC0", "port");
    g_autofree char *shown = secret_redact("root:one/s3cret@vc");
    g_assert_cmpstr(shown, ==, "root:***@vc");
    refuse("vsphere://vc:44x/DC0", "port");
    refuse("vsphere://[::1]:x/DC0", "port");
    refuse("vsphere://vc/%zz", "percent-encoded");
    refuse("vsphere://vc/a%00b", "percent-encoded");
    refuse("vsphere://vc/%ff", "not UTF-8");
    refuse("vsphere://vc/a\nb", "control character");
    g_autofree char *longer = g_strnfill(9000, 'a'), *uri = g_strconcat("vsphere://", longer, NULL);
    refuse(uri, "longer than 8192 bytes");
}

static void
test_transports(void)
{
    enum hypervisor_transport transport = HYPERVISOR_TRANSPORT_AUTO;
    for (guint i = 0; i < HYPERVISOR_TRANSPORT_N; i++) {
        g_assert_true(hypervisor_transport_parse(hypervisor_transport_name(i), &transport));
        g_assert_cmpuint(transport, ==, i);
    }
    g_assert_false(hypervisor_transport_parse("HTTPS", &transport));
    g_assert_false(hypervisor_transport_parse(NULL, &transport));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hypervisor-uri/vsphere", test_vsphere);
    g_test_add_func("/hypervisor-uri/libvirt", test_libvirt);
    g_test_add_func("/hypervisor-uri/qemu", test_qemu);
    g_test_add_func("/hypervisor-uri/none", test_none);
    g_test_add_func("/hypervisor-uri/refused", test_refused);
    g_test_add_func("/hypervisor-uri/transports", test_transports);
    return g_test_run();
}
