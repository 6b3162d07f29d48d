/* SPDX-License-Identifier: GPL-3.0-or-later */
/* create_native.h: what a new machine gets from the native description ("vim-xml", vm_config.h) of
 * the one it was, beyond what the neutral terms have. */
#pragma once

#include "hyper/vsphere/create_device.h"

struct create_native {
    xmlDoc *document;
    const xmlNode *config; /* VirtualMachineConfigInfo; NULL: there is no such description */
    GPtrArray *devices;    /* of struct device * */
};

/* Of `machine`; one that cannot be read is told to `placement` and is none. */
void create_native_read(struct create_native *native, const struct machine *machine,
                        struct placement *placement);
void create_native_clear(struct create_native *native);

/* The version of the virtual hardware ("vmx-19"); NULL.  g_free(). */
char *create_native_version(const struct create_native *native);

/* Parts of a VirtualMachineConfigSpec, in its order: */
enum create_native_part {
    CREATE_NATIVE_TOOLS,  /* between annotation, files and numCPUs */
    CREATE_NATIVE_HOT,    /* between memoryMB and deviceChange */
    CREATE_NATIVE_SHARES, /* between deviceChange and bootOptions, with extraConfig */
    CREATE_NATIVE_LAST,   /* behind firmware */
};
void create_native_put(const struct create_native *native, enum create_native_part part,
                       GString *xml);
/* The members of bootOptions that come before and behind efiSecureBootEnabled. */
void create_native_put_boot(const struct create_native *native, gboolean behind, GString *xml);
/* Drives, video, USB: what is neither disk nor network card. */
void create_native_add_devices(const struct create_native *native, struct create_device *devices,
                               struct placement *placement);
/* What cannot be carried over. */
void create_native_say(const struct create_native *native, struct placement *placement);
/* TRUE for a key of extraConfig that is not of the host or of a run. */
gboolean create_native_is_carried(const char *key);
