/* SPDX-License-Identifier: GPL-3.0-or-later */
/* guest_os.h: operating systems of guests: what vSphere and libosinfo (libvirt's users) call them,
 * and which virtual hardware each has drivers for.  One table; pure. */
#pragma once

#include <glib.h>

/* What the guest has drivers for as it was installed; each can do what those before it can but for
 * the last two, which are about Linux. */
enum guest_os_drivers {
    GUEST_OS_IDE,    /* IDE only, and the network adapters of its time */
    GUEST_OS_IDE_GB, /* ... and e1000 */
    GUEST_OS_SATA,   /* SATA and e1000: also of what nobody knows */
    GUEST_OS_SATA_E, /* SATA and e1000e */
    GUEST_OS_VIRTIO, /* virtio, PVSCSI and vmxnet3, whatever it was installed on */
    /* The same, but it starts with the drivers only of what it was installed on: its initramfs has
     * to be made anew on other hardware. */
    GUEST_OS_VIRTIO_LATER,
};

struct guest_os {
    const char *vsphere;   /* "rhel8_64Guest": of 64 bits where there are two; NULL: it has none */
    const char *libosinfo; /* "http://redhat.com/rhel/8": begins so; NULL */
    const char *family;    /* as machine.family */
    enum guest_os_drivers drivers;
};

/* By the word of either (machine.guest); by its family when that is not known: then neither word of
 * what comes is NULL, but they are general ones.  Never NULL. */
const struct guest_os *guest_os_find(const char *word, const char *family);
/* TRUE when the word itself was in the table. */
gboolean guest_os_is_known(const char *word);
