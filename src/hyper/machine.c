/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/machine.h"

#include "hyper/machine_members.h"

#include <string.h>

static void
free_disk(struct machine_disk *disk)
{
    machine_members_free(&machine_disk_members, disk);
    g_free(disk);
}

static void
free_nic(struct machine_nic *nic)
{
    machine_members_free(&machine_nic_members, nic);
    g_free(nic);
}

struct machine *
machine_new(void)
{
    struct machine *machine = g_new0(struct machine, 1);
    machine->tags = g_ptr_array_new_with_free_func(g_free);
    machine->disks = g_ptr_array_new_with_free_func((GDestroyNotify)free_disk);
    machine->nics = g_ptr_array_new_with_free_func((GDestroyNotify)free_nic);
    return machine;
}

void
machine_free(struct machine *machine)
{
    if (machine == NULL)
        return;
    machine_members_free(&machine_members, machine);
    g_ptr_array_unref(machine->tags);
    g_ptr_array_unref(machine->disks);
    g_ptr_array_unref(machine->nics);
    g_clear_pointer(&machine->firmware_data, g_bytes_unref);
    g_free(machine);
}

struct machine *
machine_copy(const struct machine *machine)
{
    struct machine *copy = machine_new();
    machine_members_copy(&machine_members, machine, copy);
    for (guint i = 0; i < machine->tags->len; i++)
        g_ptr_array_add(copy->tags, g_strdup(g_ptr_array_index(machine->tags, i)));
    for (guint i = 0; i < machine->disks->len; i++)
        machine_members_copy(&machine_disk_members, g_ptr_array_index(machine->disks, i),
                             machine_add_disk(copy));
    for (guint i = 0; i < machine->nics->len; i++)
        machine_members_copy(&machine_nic_members, g_ptr_array_index(machine->nics, i),
                             machine_add_nic(copy));
    if (machine->firmware_data != NULL)
        copy->firmware_data = g_bytes_ref(machine->firmware_data);
    return copy;
}

struct machine_disk *
machine_add_disk(struct machine *machine)
{
    struct machine_disk *disk = g_new0(struct machine_disk, 1);
    g_ptr_array_add(machine->disks, disk);
    return disk;
}

struct machine_nic *
machine_add_nic(struct machine *machine)
{
    struct machine_nic *nic = g_new0(struct machine_nic, 1);
    g_ptr_array_add(machine->nics, nic);
    return nic;
}

struct machine_disk *
machine_find_disk(const struct machine *machine, const char *name)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        if (g_strcmp0(disk->name, name) == 0)
            return disk;
    }
    return NULL;
}

struct machine_nic *
machine_find_nic(const struct machine *machine, const char *name)
{
    for (guint i = 0; i < machine->nics->len; i++) {
        struct machine_nic *nic = g_ptr_array_index(machine->nics, i);
        if (g_strcmp0(nic->name, name) == 0)
            return nic;
    }
    return NULL;
}

/* "00:50:56:AB:cd:ef", with colons or dashes, or neither: each pair of digits is one byte. */
char *
machine_mac_normal(const char *text)
{
    enum { BYTES_OF_MAC = 6 };
    if (text == NULL)
        return NULL;
    gboolean apart = strlen(text) == BYTES_OF_MAC * 3 - 1;
    if (!apart && strlen(text) != BYTES_OF_MAC * 2)
        return NULL;
    GString *mac = g_string_new(NULL);
    gboolean ok = TRUE;
    for (guint i = 0; ok && i < BYTES_OF_MAC; i++) {
        const char *pair = text + i * (apart ? 3 : 2);
        ok = g_ascii_isxdigit(pair[0]) && g_ascii_isxdigit(pair[1]) &&
             (!apart || i == BYTES_OF_MAC - 1 || pair[2] == ':' || pair[2] == '-');
        g_string_append_printf(mac, "%s%c%c", i > 0 ? ":" : "", g_ascii_tolower(pair[0]),
                               g_ascii_tolower(pair[1]));
    }
    return g_string_free(mac, !ok);
}
