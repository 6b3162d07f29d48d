/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine.h: a virtual machine as any hypervisor could have it (doc/format/machine.md).
 *
 * The neutral terms are what is kept beside a hypervisor's own description, so that a machine that
 * was backed up on one can come up on another.  A text that is not known is NULL, a number 0.
 * Values; one thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>
#include <jansson.h>

#define MACHINE_DISKS_MAX 256u
#define MACHINE_NICS_MAX 64u
#define MACHINE_TAGS_MAX 256u
#define MACHINE_TEXT_MAX 4096u          /* bytes of a text, but for ... */
#define MACHINE_ANNOTATION_MAX 65536u   /* ... notes of the user */
#define MACHINE_NATIVE_MAX (1u << 20)   /* ... and the hypervisor's own description */
#define MACHINE_FIRMWARE_MAX (1u << 20) /* bytes of the firmware's variables */
#define MACHINE_DOCUMENT_MAX (4u << 20) /* bytes of the document */

enum machine_power { MACHINE_OFF, MACHINE_ON, MACHINE_SUSPENDED, MACHINE_POWER_N };
enum machine_firmware { MACHINE_BIOS, MACHINE_UEFI, MACHINE_UEFI_SECURE, MACHINE_FIRMWARE_N };

enum machine_bus {
    MACHINE_IDE,
    MACHINE_SATA,
    MACHINE_SCSI,
    MACHINE_NVME,
    MACHINE_VIRTIO, /* virtio-blk; virtio-scsi is SCSI with that model */
    MACHINE_USB,
    MACHINE_BUS_N
};

enum machine_network {
    MACHINE_PORT_GROUP,             /* of a standard switch */
    MACHINE_DISTRIBUTED_PORT_GROUP, /* of a distributed switch */
    MACHINE_NETWORK,                /* libvirt's */
    MACHINE_BRIDGE,                 /* of the host */
    MACHINE_USER_NETWORK,           /* QEMU's own, to the outside only */
    MACHINE_OTHER_NETWORK,
    MACHINE_NETWORK_N
};

struct machine_disk {
    char *name; /* in sets; where it is attached ("scsi0:1", "vda"); unique in the machine */
    char *key;  /* what the driver knows it by; outlives a change of place */
    enum machine_bus bus;
    guint controller, unit;
    /* Of the controller: "pvscsi", "lsilogic", "lsisas1068", "buslogic", "virtio-scsi", "ahci",
     * "nvme", "virtio-blk", "ide". */
    char *model;
    guint64 size;    /* bytes */
    char *path;      /* "[ds1] app01/app01.vmdk", "/var/lib/libvirt/images/app01.qcow2" */
    char *datastore; /* or pool */
    char *format;    /* "vmdk", "qcow2", "raw" */
    gboolean thin;
    guint boot_order; /* from 1; 0: none said */
    char *skip;       /* why a backup leaves it out ("an independent disk is in no snapshot");
                         NULL: it does not */
};

struct machine_nic {
    char *name;         /* "ethernet0", "net0"; unique in the machine */
    char *model;        /* "vmxnet3", "e1000", "e1000e", "virtio", "rtl8139", "pcnet" */
    char *mac;          /* lower case, colons; NULL: the hypervisor is to choose */
    gboolean mac_fixed; /* by an administrator, not by the hypervisor */
    enum machine_network kind;
    char *network; /* its name there */
    gboolean connected;
    guint boot_order;
};

struct machine {
    char *driver; /* "vsphere", "libvirt", "qemu": whose words the texts below are */
    char *id;     /* an identity that survives renames and moves (instance UUID); lower case */
    char *ref;    /* what the driver calls it now; not kept with a set */
    char *name;
    char *folder; /* "/DC0/vm/prod", without the name; NULL: the hypervisor has none */
    char *datacenter, *cluster, *host, *pool; /* names; pool: a path below the cluster or host */
    enum machine_power power;
    gboolean template;
    gboolean tracked; /* changes are tracked now */
    guint cpus, cores_per_socket;
    guint64 memory; /* bytes */
    enum machine_firmware firmware;
    char *guest;  /* the hypervisor's word for the operating system ("ubuntu64Guest") */
    char *family; /* "linux", "windows", "bsd", "other"; NULL unknown */
    char *annotation;
    char *uuid;       /* as the guest sees it (SMBIOS) */
    GPtrArray *tags;  /* of char *, "category/tag" where there are categories */
    GPtrArray *disks; /* of struct machine_disk *, by bus and unit */
    GPtrArray *nics;  /* of struct machine_nic * */
    /* The hypervisor's own complete description, and what its firmware keeps (NVRAM). */
    char *native_type; /* "libvirt-xml", "vim-xml"; NULL: there is none */
    char *native;
    char *firmware_type; /* "nvram" (vSphere), "vars-raw", "vars-qcow2"; NULL */
    GBytes *firmware_data;
};

struct machine *machine_new(void); /* empty lists */
void machine_free(struct machine *machine);
AUTO_PTR_DEFINE(machine, machine_free)
struct machine *machine_copy(const struct machine *machine);
/* New ones, appended; owned by the machine. */
struct machine_disk *machine_add_disk(struct machine *machine);
struct machine_nic *machine_add_nic(struct machine *machine);
struct machine_disk *machine_find_disk(const struct machine *machine, const char *name);
struct machine_nic *machine_find_nic(const struct machine *machine, const char *name);

/* The words of the format and of messages: "on", "uefi-secure", "scsi", "distributed-port-group".
 * The parsers return FALSE for any other word. */
const char *machine_power_name(enum machine_power power);
const char *machine_firmware_name(enum machine_firmware firmware);
const char *machine_bus_name(enum machine_bus bus);
const char *machine_network_name(enum machine_network kind);
gboolean machine_bus_parse(const char *name, enum machine_bus *ret);
gboolean machine_network_parse(const char *name, enum machine_network *ret);

/* A MAC address in lower case with colons; NULL when it is none.  Free with g_free(). */
char *machine_mac_normal(const char *text);

/* The document that is kept with a set (config_type "machine"): without `ref`.  json_decref() it.
 * All texts must be UTF-8. */
json_t *machine_to_json(const struct machine *machine);
/* Unknown members are ignored.  SLIPWAY_ERROR_CORRUPT names the member that is missing or out of
 * its limits; SLIPWAY_ERROR_UNSUPPORTED: a newer version. */
struct machine *machine_from_json(const json_t *json, GError **error);
/* The same as text, and back; machine_format() fails with SLIPWAY_ERROR_LIMIT or
 * SLIPWAY_ERROR_CORRUPT for what machine_parse() would not take.  The same machine is the same
 * text. */
char *machine_format(const struct machine *machine, GError **error);
struct machine *machine_parse(const char *text, gsize length, GError **error);
