/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/create_spec.h"

#include "base/error.h"
#include "hyper/vsphere/create_native.h"

#include <string.h>

#define MIB (1u << 20)
/* Servers take memory in multiples of this. */
#define MEMORY_STEP_MB 4u

/* The datastore of the machine's own files: the first disk's. */
static const struct create_store *
find_home(const struct machine *wanted, const struct create_place *place, GError **error)
{
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        if (disk->skip != NULL || disk->datastore == NULL)
            continue;
        const struct create_store *store = create_place_store(place, disk->datastore, error);
        if (store == NULL)
            g_prefix_error(error, "disk %s: ", disk->name);
        return store;
    }
    return create_place_store(place, NULL, error);
}

static gboolean
add_devices(const struct machine *wanted, const struct create_store *home,
            struct create_device *devices, struct placement *placement, GError **error)
{
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        if (disk->skip != NULL)
            placement_say(placement, "disk %s was left out: %s", disk->name, disk->skip);
        else if (!create_device_add_disk(devices, disk, home, error))
            return FALSE;
    }
    for (guint i = 0; i < wanted->nics->len; i++)
        if (!create_device_add_nic(devices, g_ptr_array_index(wanted->nics, i), error))
            return FALSE;
    return TRUE;
}

/* The API's word for a system that is only known roughly. */
static const char *
choose_guest(const struct machine *wanted, struct placement *placement)
{
    if (g_strcmp0(wanted->driver, "vsphere") == 0 && wanted->guest != NULL)
        return wanted->guest;
    /* A conversion may have found it. */
    if (wanted->guest != NULL && g_str_has_suffix(wanted->guest, "Guest"))
        return wanted->guest;
    const char *guest = g_strcmp0(wanted->family, "linux") == 0     ? "otherLinux64Guest"
                        : g_strcmp0(wanted->family, "windows") == 0 ? "windows9Server64Guest"
                        : g_strcmp0(wanted->family, "bsd") == 0     ? "freebsd64Guest"
                                                                    : "otherGuest64";
    placement_say(placement, "the guest operating system is set to \"%s\"; correct it if needed",
                  guest);
    return guest;
}

static void
put_identity(GString *xml, const struct machine *wanted, const struct create_native *native,
             struct placement *placement)
{
    g_autofree char *version = create_native_version(native);
    vim_put(xml, "name", wanted->name);
    vim_put(xml, "version", version);
    vim_put(xml, "uuid", wanted->uuid);
    vim_put(xml, "guestId", choose_guest(wanted, placement));
    if (native->config != NULL) {
        g_autofree char *other = xml_child_text(native->config, "alternateGuestName");
        vim_put(xml, "alternateGuestName", other != NULL && *other != '\0' ? other : NULL);
    }
    vim_put(xml, "annotation", wanted->annotation);
}

static void
put_hardware(GString *xml, const struct machine *wanted)
{
    guint cpus = MAX(wanted->cpus, 1), cores = wanted->cores_per_socket;
    guint64 memory = wanted->memory / MIB + (wanted->memory % MIB != 0);
    memory = MAX((memory + MEMORY_STEP_MB - 1) / MEMORY_STEP_MB * MEMORY_STEP_MB, MEMORY_STEP_MB);
    vim_put_int(xml, "numCPUs", cpus);
    if (cores > 0 && cpus % cores == 0)
        vim_put_int(xml, "numCoresPerSocket", cores);
    vim_put_int(xml, "memoryMB", (gint64)memory);
}

static void
put_boot(GString *xml, const struct machine *wanted, const struct create_native *native)
{
    vim_begin(xml, "bootOptions", NULL);
    create_native_put_boot(native, FALSE, xml);
    if (wanted->firmware == MACHINE_UEFI_SECURE)
        vim_put_bool(xml, "efiSecureBootEnabled", TRUE);
    create_native_put_boot(native, TRUE, xml);
    vim_end(xml, "bootOptions");
}

static void
say_neutral(const struct machine *wanted, struct placement *placement)
{
    if (wanted->template)
        placement_say(placement, "it is an ordinary machine; the original was a template");
    if (wanted->firmware_data != NULL && g_strcmp0(wanted->firmware_type, "nvram") != 0)
        placement_say(placement, "the variables of its firmware were not carried over: boot "
                                 "entries are made anew");
}

static void
put_all(GString *xml, const struct machine *wanted, const struct create_native *native,
        const struct create_store *home, struct create_device *devices, struct placement *placement)
{
    g_autofree char *files = g_strdup_printf("[%s]", home->name);
    put_identity(xml, wanted, native, placement);
    vim_begin(xml, "files", NULL);
    vim_put(xml, "vmPathName", files);
    vim_end(xml, "files");
    create_native_put(native, CREATE_NATIVE_TOOLS, xml);
    put_hardware(xml, wanted);
    create_native_put(native, CREATE_NATIVE_HOT, xml);
    g_string_append(xml, create_device_xml(devices));
    create_native_put(native, CREATE_NATIVE_SHARES, xml);
    put_boot(xml, wanted, native);
    vim_put(xml, "firmware", wanted->firmware == MACHINE_BIOS ? "bios" : "efi");
    create_native_put(native, CREATE_NATIVE_LAST, xml);
    create_native_say(native, placement);
    say_neutral(wanted, placement);
}

char *
create_spec_xml(const struct machine *wanted, const struct create_place *place,
                struct create_device *devices, struct placement *placement, GError **error)
{
    const struct create_store *home = find_home(wanted, place, error);
    if (home == NULL || !add_devices(wanted, home, devices, placement, error))
        return NULL;
    struct create_native native;
    create_native_read(&native, wanted, placement);
    create_native_add_devices(&native, devices, placement);
    GString *xml = g_string_new(NULL);
    put_all(xml, wanted, &native, home, devices, placement);
    create_native_clear(&native);
    return g_string_free(xml, FALSE);
}
