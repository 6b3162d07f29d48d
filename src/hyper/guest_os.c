/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/guest_os.h"

#include <string.h>

#define WORD_MAX 255u

/* Of several rows that fit the longest word counts; of equal ones the first, whose word is then the
 * one to be used. */
static const struct guest_os table[] = {
    /* Windows: 10 and 11 say "windows9" in vSphere, and so on. */
    {"windows11_64Guest", "http://microsoft.com/win/11", "windows", GUEST_OS_SATA_E},
    {"windows12_64Guest", NULL, "windows", GUEST_OS_SATA_E},
    {"windows9_64Guest", "http://microsoft.com/win/10", "windows", GUEST_OS_SATA_E},
    {"windows9Server64Guest", "http://microsoft.com/win/2k16", "windows", GUEST_OS_SATA_E},
    {"windows2019srv_64Guest", "http://microsoft.com/win/2k19", "windows", GUEST_OS_SATA_E},
    {"windows2019srvNext_64Guest", "http://microsoft.com/win/2k22", "windows", GUEST_OS_SATA_E},
    {"windows2022srvNext_64Guest", "http://microsoft.com/win/2k25", "windows", GUEST_OS_SATA_E},
    {"windows8_64Guest", "http://microsoft.com/win/8", "windows", GUEST_OS_SATA_E},
    {"windows8Server64Guest", "http://microsoft.com/win/2k12", "windows", GUEST_OS_SATA_E},
    {"windows8Server64Guest", "http://microsoft.com/win/2k12r2", "windows", GUEST_OS_SATA_E},
    {"windowsHyperVGuest", NULL, "windows", GUEST_OS_SATA_E},
    {"windows7_64Guest", "http://microsoft.com/win/7", "windows", GUEST_OS_SATA},
    {"windows7Server64Guest", "http://microsoft.com/win/2k8r2", "windows", GUEST_OS_SATA},
    {"winLonghorn64Guest", "http://microsoft.com/win/2k8", "windows", GUEST_OS_SATA},
    {"winVista64Guest", "http://microsoft.com/win/vista", "windows", GUEST_OS_SATA},
    {"winNetEnterprise64Guest", "http://microsoft.com/win/2k3", "windows", GUEST_OS_IDE_GB},
    {"winNetEnterprise64Guest", "http://microsoft.com/win/2k3r2", "windows", GUEST_OS_IDE_GB},
    {"winNetStandard64Guest", NULL, "windows", GUEST_OS_IDE_GB},
    {"winNetDatacenter64Guest", NULL, "windows", GUEST_OS_IDE_GB},
    {"winNetBusinessGuest", NULL, "windows", GUEST_OS_IDE_GB},
    {"winNetWebGuest", NULL, "windows", GUEST_OS_IDE_GB},
    {"winXPPro64Guest", "http://microsoft.com/win/xp", "windows", GUEST_OS_IDE},
    {"winXPHomeGuest", NULL, "windows", GUEST_OS_IDE},
    {"win2000ServGuest", "http://microsoft.com/win/2k", "windows", GUEST_OS_IDE},
    {"win2000AdvServGuest", NULL, "windows", GUEST_OS_IDE},
    {"win2000ProGuest", NULL, "windows", GUEST_OS_IDE},
    {"winNTGuest", "http://microsoft.com/winnt", "windows", GUEST_OS_IDE},
    {"winMeGuest", "http://microsoft.com/win/me", "windows", GUEST_OS_IDE},
    {"win98Guest", "http://microsoft.com/win/98", "windows", GUEST_OS_IDE},
    {"win95Guest", "http://microsoft.com/win/95", "windows", GUEST_OS_IDE},
    {"win31Guest", "http://microsoft.com/win/3.1", "windows", GUEST_OS_IDE},
    /* Linux: Debian's and Ubuntu's initramfs has all drivers, others' what they were installed
     * on. */
    {"ubuntu64Guest", "http://ubuntu.com/ubuntu", "linux", GUEST_OS_VIRTIO},
    {"ubuntu64Guest", "http://ubuntu.com/ubuntu/8", "linux", GUEST_OS_SATA},
    {"ubuntu64Guest", "http://ubuntu.com/ubuntu/6", "linux", GUEST_OS_IDE_GB},
    {"debian12_64Guest", "http://debian.org/debian/12", "linux", GUEST_OS_VIRTIO},
    {"debian11_64Guest", "http://debian.org/debian/11", "linux", GUEST_OS_VIRTIO},
    {"debian10_64Guest", "http://debian.org/debian/10", "linux", GUEST_OS_VIRTIO},
    {"debian9_64Guest", "http://debian.org/debian/9", "linux", GUEST_OS_VIRTIO},
    {"debian8_64Guest", "http://debian.org/debian/8", "linux", GUEST_OS_VIRTIO},
    {"debian7_64Guest", "http://debian.org/debian/7", "linux", GUEST_OS_VIRTIO},
    {"debian6_64Guest", "http://debian.org/debian/6", "linux", GUEST_OS_VIRTIO},
    {"debian5_64Guest", "http://debian.org/debian/5", "linux", GUEST_OS_SATA},
    {"debian4_64Guest", "http://debian.org/debian/4", "linux", GUEST_OS_IDE_GB},
    {"debian4_64Guest", "http://debian.org/debian/3", "linux", GUEST_OS_IDE_GB},
    {"debian12_64Guest", "http://debian.org/debian", "linux", GUEST_OS_VIRTIO},
    {"rhel9_64Guest", "http://redhat.com/rhel/9", "linux", GUEST_OS_VIRTIO_LATER},
    {"rhel8_64Guest", "http://redhat.com/rhel/8", "linux", GUEST_OS_VIRTIO_LATER},
    {"rhel7_64Guest", "http://redhat.com/rhel/7", "linux", GUEST_OS_VIRTIO_LATER},
    {"rhel6_64Guest", "http://redhat.com/rhel/6", "linux", GUEST_OS_VIRTIO_LATER},
    {"rhel5_64Guest", "http://redhat.com/rhel/5", "linux", GUEST_OS_SATA},
    {"rhel4_64Guest", "http://redhat.com/rhel/4", "linux", GUEST_OS_IDE_GB},
    {"rhel3_64Guest", "http://redhat.com/rhel/3", "linux", GUEST_OS_IDE_GB},
    {"rhel2Guest", "http://redhat.com/rhel/2", "linux", GUEST_OS_IDE},
    {"redhatGuest", "http://redhat.com/rhl", "linux", GUEST_OS_IDE},
    {"centos9_64Guest", "http://centos.org/centos-stream/9", "linux", GUEST_OS_VIRTIO_LATER},
    {"centos8_64Guest", "http://centos.org/centos-stream/8", "linux", GUEST_OS_VIRTIO_LATER},
    {"centos8_64Guest", "http://centos.org/centos/8", "linux", GUEST_OS_VIRTIO_LATER},
    {"centos7_64Guest", "http://centos.org/centos/7", "linux", GUEST_OS_VIRTIO_LATER},
    {"centos6_64Guest", "http://centos.org/centos/6", "linux", GUEST_OS_VIRTIO_LATER},
    {"centos64Guest", "http://centos.org/centos/5", "linux", GUEST_OS_SATA},
    {"oracleLinux9_64Guest", "http://oracle.com/ol/9", "linux", GUEST_OS_VIRTIO_LATER},
    {"oracleLinux8_64Guest", "http://oracle.com/ol/8", "linux", GUEST_OS_VIRTIO_LATER},
    {"oracleLinux7_64Guest", "http://oracle.com/ol/7", "linux", GUEST_OS_VIRTIO_LATER},
    {"oracleLinux6_64Guest", "http://oracle.com/ol/6", "linux", GUEST_OS_VIRTIO_LATER},
    {"oracleLinux64Guest", "http://oracle.com/ol/5", "linux", GUEST_OS_SATA},
    {"almalinux_64Guest", "http://almalinux.org/almalinux", "linux", GUEST_OS_VIRTIO_LATER},
    {"rockylinux_64Guest", "http://rockylinux.org/rocky", "linux", GUEST_OS_VIRTIO_LATER},
    {"sles16_64Guest", "http://suse.com/sles/16", "linux", GUEST_OS_VIRTIO_LATER},
    {"sles15_64Guest", "http://suse.com/sle/15", "linux", GUEST_OS_VIRTIO_LATER},
    {"sles12_64Guest", "http://suse.com/sles/12", "linux", GUEST_OS_VIRTIO_LATER},
    {"sles11_64Guest", "http://suse.com/sles/11", "linux", GUEST_OS_VIRTIO_LATER},
    {"sles10_64Guest", "http://suse.com/sles/10", "linux", GUEST_OS_SATA},
    {"sles64Guest", "http://suse.com/sles/9", "linux", GUEST_OS_IDE_GB},
    {"suse64Guest", NULL, "linux", GUEST_OS_IDE_GB},
    {"opensuse64Guest", "http://opensuse.org/opensuse", "linux", GUEST_OS_VIRTIO_LATER},
    {"fedora64Guest", "http://fedoraproject.org/fedora", "linux", GUEST_OS_VIRTIO_LATER},
    {"coreos64Guest", "http://fedoraproject.org/coreos", "linux", GUEST_OS_VIRTIO},
    {"vmwarePhoton64Guest", NULL, "linux", GUEST_OS_VIRTIO_LATER},
    {"amazonlinux2_64Guest", NULL, "linux", GUEST_OS_VIRTIO},
    {"amazonlinux3_64Guest", NULL, "linux", GUEST_OS_VIRTIO},
    {"asianux9_64Guest", NULL, "linux", GUEST_OS_VIRTIO_LATER},
    {"asianux8_64Guest", NULL, "linux", GUEST_OS_VIRTIO_LATER},
    {"asianux7_64Guest", "http://asianux.com/asianux-server/7", "linux", GUEST_OS_VIRTIO_LATER},
    {"other6xLinux64Guest", NULL, "linux", GUEST_OS_VIRTIO_LATER},
    {"other5xLinux64Guest", NULL, "linux", GUEST_OS_VIRTIO_LATER},
    {"other4xLinux64Guest", NULL, "linux", GUEST_OS_VIRTIO_LATER},
    {"other3xLinux64Guest", NULL, "linux", GUEST_OS_VIRTIO_LATER},
    {"other26xLinux64Guest", NULL, "linux", GUEST_OS_SATA},
    {"other24xLinux64Guest", NULL, "linux", GUEST_OS_IDE_GB},
    {"otherLinux64Guest", "http://libosinfo.org/linux/2022", "linux", GUEST_OS_SATA},
    {"genericLinuxGuest", NULL, "linux", GUEST_OS_SATA},
    /* Others. */
    {"freebsd14_64Guest", "http://freebsd.org/freebsd/14", "bsd", GUEST_OS_VIRTIO},
    {"freebsd13_64Guest", "http://freebsd.org/freebsd/13", "bsd", GUEST_OS_VIRTIO},
    {"freebsd12_64Guest", "http://freebsd.org/freebsd/12", "bsd", GUEST_OS_VIRTIO},
    {"freebsd11_64Guest", "http://freebsd.org/freebsd/11", "bsd", GUEST_OS_SATA},
    {"freebsd64Guest", "http://freebsd.org/freebsd", "bsd", GUEST_OS_SATA},
    {"solaris11_64Guest", "http://oracle.com/solaris/11", "other", GUEST_OS_SATA},
    {"solaris10_64Guest", "http://sun.com/solaris/10", "other", GUEST_OS_IDE_GB},
    {"solaris9Guest", "http://sun.com/solaris/9", "other", GUEST_OS_IDE},
    {"solaris8Guest", NULL, "other", GUEST_OS_IDE},
    {"netware6Guest", "http://novell.com/netware/6", "other", GUEST_OS_IDE},
    {"netware5Guest", "http://novell.com/netware/5", "other", GUEST_OS_IDE},
    {"openServer6Guest", NULL, "other", GUEST_OS_IDE},
    {"openServer5Guest", NULL, "other", GUEST_OS_IDE},
    {"unixWare7Guest", NULL, "other", GUEST_OS_IDE},
    {"eComStationGuest", NULL, "other", GUEST_OS_IDE},
    {"os2Guest", NULL, "other", GUEST_OS_IDE},
    {"dosGuest", "http://microsoft.com/msdos", "other", GUEST_OS_IDE},
    {"otherGuest64", NULL, "other", GUEST_OS_SATA},
    {"otherGuest", NULL, "other", GUEST_OS_SATA},
};

/* Of what is known is the family at most. */
static const struct guest_os families[] = {
    {"otherLinux64Guest", NULL, "linux", GUEST_OS_SATA},
    {"windows9Server64Guest", NULL, "windows", GUEST_OS_SATA},
    {"freebsd64Guest", NULL, "bsd", GUEST_OS_SATA},
};
static const struct guest_os unknown = {"otherGuest64", NULL, NULL, GUEST_OS_SATA};

/* The length of what comes before "_64Guest", "64Guest", "Guest" or "Guest64": 32 bits or 64 are
 * the same system. */
static gsize
measure_base(const char *word)
{
    static const char *const endings[] = {"_64Guest", "64Guest", "Guest64", "Guest"};
    gsize length = strlen(word);
    for (gsize i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(word, endings[i]))
            return length - strlen(endings[i]);
    return length;
}

static gboolean
is_vsphere_word(const struct guest_os *row, const char *word)
{
    gsize length = measure_base(word);
    return g_str_has_suffix(word, "Guest") + g_str_has_suffix(word, "Guest64") > 0 &&
           row->vsphere != NULL && measure_base(row->vsphere) == length &&
           g_ascii_strncasecmp(row->vsphere, word, length) == 0;
}

/* The length of the row's word when `word` is it or a release of it: ".../rhel/8" and
 * ".../rhel/8.4", but not ".../rhel/81". */
static gsize
match_libosinfo(const struct guest_os *row, const char *word)
{
    gsize length = row->libosinfo != NULL ? strlen(row->libosinfo) : 0;
    if (length == 0 || strncmp(row->libosinfo, word, length) != 0 || g_ascii_isalnum(word[length]))
        return 0;
    return length;
}

static const struct guest_os *
look_up(const char *word)
{
    const struct guest_os *best = NULL;
    gsize longest = 0;
    if (word == NULL || strlen(word) > WORD_MAX)
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        if (is_vsphere_word(&table[i], word))
            return &table[i];
        gsize length = match_libosinfo(&table[i], word);
        if (length > longest) {
            longest = length;
            best = &table[i];
        }
    }
    return best;
}

gboolean
guest_os_is_known(const char *word)
{
    return look_up(word) != NULL;
}

const struct guest_os *
guest_os_find(const char *word, const char *family)
{
    const struct guest_os *found = look_up(word);
    for (gsize i = 0; found == NULL && i < G_N_ELEMENTS(families); i++)
        if (g_strcmp0(families[i].family, family) == 0)
            found = &families[i];
    return found != NULL ? found : &unknown;
}
