/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/guest_os.h"

#include <string.h>

static void
test_words(void)
{
    static const struct {
        const char *word, *vsphere, *libosinfo, *family;
        enum guest_os_drivers drivers;
    } cases[] = {
        {"ubuntu64Guest", "ubuntu64Guest", "http://ubuntu.com/ubuntu", "linux", GUEST_OS_VIRTIO},
        {"ubuntuGuest", "ubuntu64Guest", "http://ubuntu.com/ubuntu", "linux", GUEST_OS_VIRTIO},
        {"http://ubuntu.com/ubuntu/22.04", "ubuntu64Guest", "http://ubuntu.com/ubuntu", "linux",
         GUEST_OS_VIRTIO},
        {"rhel8_64Guest", "rhel8_64Guest", "http://redhat.com/rhel/8", "linux",
         GUEST_OS_VIRTIO_LATER},
        {"http://redhat.com/rhel/8.4", "rhel8_64Guest", "http://redhat.com/rhel/8", "linux",
         GUEST_OS_VIRTIO_LATER},
        {"rhel5Guest", "rhel5_64Guest", "http://redhat.com/rhel/5", "linux", GUEST_OS_SATA},
        {"http://debian.org/debian/11", "debian11_64Guest", "http://debian.org/debian/11", "linux",
         GUEST_OS_VIRTIO},
        {"http://debian.org/debian/testing", "debian12_64Guest", "http://debian.org/debian",
         "linux", GUEST_OS_VIRTIO},
        {"windows9_64Guest", "windows9_64Guest", "http://microsoft.com/win/10", "windows",
         GUEST_OS_SATA_E},
        {"http://microsoft.com/win/2k8r2", "windows7Server64Guest",
         "http://microsoft.com/win/2k8r2", "windows", GUEST_OS_SATA},
        {"http://microsoft.com/win/8.1", "windows8_64Guest", "http://microsoft.com/win/8",
         "windows", GUEST_OS_SATA_E},
        {"winXPProGuest", "winXPPro64Guest", "http://microsoft.com/win/xp", "windows",
         GUEST_OS_IDE},
        {"winNetStandardGuest", "winNetStandard64Guest", NULL, "windows", GUEST_OS_IDE_GB},
        {"http://microsoft.com/win/2k3r2", "winNetEnterprise64Guest",
         "http://microsoft.com/win/2k3r2", "windows", GUEST_OS_IDE_GB},
        {"other24xLinuxGuest", "other24xLinux64Guest", NULL, "linux", GUEST_OS_IDE_GB},
        {"otherGuest", "otherGuest64", NULL, "other", GUEST_OS_SATA},
        {"otherGuest64", "otherGuest64", NULL, "other", GUEST_OS_SATA},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct guest_os *guest = guest_os_find(cases[i].word, "no family");
        g_test_message("%s", cases[i].word);
        g_assert_true(guest_os_is_known(cases[i].word));
        g_assert_cmpstr(guest->vsphere, ==, cases[i].vsphere);
        g_assert_cmpstr(guest->libosinfo, ==, cases[i].libosinfo);
        g_assert_cmpstr(guest->family, ==, cases[i].family);
        g_assert_cmpint(guest->drivers, ==, cases[i].drivers);
    }
}

/* Something longer that begins like one is another one. */
static void
test_unknown(void)
{
    static const char *const words[] = {
        "rhel81_64Guest", "http://redhat.com/rhel/81",  "Guest", "_64Guest",
        "rhel8",          "http://plan9.bell-labs.com", "",      "64Guest"};
    g_autofree char *endless = g_strnfill(100000, 'a');
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_test_message("%s", words[i]);
        g_assert_false(guest_os_is_known(words[i]));
        g_assert_cmpstr(guest_os_find(words[i], NULL)->vsphere, ==, "otherGuest64");
    }
    g_assert_false(guest_os_is_known(endless));
    g_assert_false(guest_os_is_known(NULL));
    g_assert_cmpstr(guest_os_find("x", "linux")->vsphere, ==, "otherLinux64Guest");
    g_assert_cmpint(guest_os_find("x", "linux")->drivers, ==, GUEST_OS_SATA);
    g_assert_cmpstr(guest_os_find(NULL, "windows")->family, ==, "windows");
    g_assert_cmpstr(guest_os_find(NULL, "bsd")->vsphere, ==, "freebsd64Guest");
    g_assert_null(guest_os_find(NULL, NULL)->family);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-os/words", test_words);
    g_test_add_func("/guest-os/unknown", test_unknown);
    return g_test_run();
}
