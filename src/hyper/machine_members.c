/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/machine_members.h"

#include <stddef.h>

static const char *const power_words[MACHINE_POWER_N] = {
    [MACHINE_OFF] = "off",
    [MACHINE_ON] = "on",
    [MACHINE_SUSPENDED] = "suspended",
};

static const char *const firmware_words[MACHINE_FIRMWARE_N] = {
    [MACHINE_BIOS] = "bios",
    [MACHINE_UEFI] = "uefi",
    [MACHINE_UEFI_SECURE] = "uefi-secure",
};

static const char *const bus_words[MACHINE_BUS_N] = {
    [MACHINE_IDE] = "ide",   [MACHINE_SATA] = "sata",     [MACHINE_SCSI] = "scsi",
    [MACHINE_NVME] = "nvme", [MACHINE_VIRTIO] = "virtio", [MACHINE_USB] = "usb",
};

static const char *const network_words[MACHINE_NETWORK_N] = {
    [MACHINE_PORT_GROUP] = "port-group",
    [MACHINE_DISTRIBUTED_PORT_GROUP] = "distributed-port-group",
    [MACHINE_NETWORK] = "network",
    [MACHINE_BRIDGE] = "bridge",
    [MACHINE_USER_NETWORK] = "user",
    [MACHINE_OTHER_NETWORK] = "other",
};

#define AT(type, member) .name = #member, .offset = offsetof(struct type, member)
#define TEXT(type, member)                                                                         \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_TEXT, .max = MACHINE_TEXT_MAX                            \
    }
#define LONG_TEXT(type, member, limit)                                                             \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_TEXT, .max = limit                                       \
    }
#define NEEDED_TEXT(type, member)                                                                  \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_TEXT, .required = TRUE, .max = MACHINE_TEXT_MAX          \
    }
#define PASSING_TEXT(type, member)                                                                 \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_TEXT, .passing = TRUE                                    \
    }
#define COUNT(type, member)                                                                        \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_COUNT                                                    \
    }
#define BYTES(type, member)                                                                        \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_BYTES                                                    \
    }
#define NEEDED_BYTES(type, member)                                                                 \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_BYTES, .required = TRUE                                  \
    }
#define FLAG(type, member)                                                                         \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_FLAG                                                     \
    }
#define WORD(type, member, list)                                                                   \
    {                                                                                              \
        AT(type, member), .kind = MACHINE_WORD, .required = TRUE, .words = list,                   \
                          .n_words = G_N_ELEMENTS(list)                                            \
    }

static const struct machine_member rows[] = {
    NEEDED_TEXT(machine, driver),
    TEXT(machine, id),
    PASSING_TEXT(machine, ref),
    NEEDED_TEXT(machine, name),
    TEXT(machine, folder),
    TEXT(machine, datacenter),
    TEXT(machine, cluster),
    TEXT(machine, host),
    TEXT(machine, pool),
    WORD(machine, power, power_words),
    FLAG(machine, template),
    FLAG(machine, tracked),
    COUNT(machine, cpus),
    COUNT(machine, cores_per_socket),
    BYTES(machine, memory),
    WORD(machine, firmware, firmware_words),
    TEXT(machine, guest),
    TEXT(machine, family),
    LONG_TEXT(machine, annotation, MACHINE_ANNOTATION_MAX),
    TEXT(machine, uuid),
    TEXT(machine, native_type),
    LONG_TEXT(machine, native, MACHINE_NATIVE_MAX),
    TEXT(machine, firmware_type),
};
const struct machine_members machine_members = {rows, G_N_ELEMENTS(rows)};

static const struct machine_member disk_rows[] = {
    NEEDED_TEXT(machine_disk, name),  TEXT(machine_disk, key),   WORD(machine_disk, bus, bus_words),
    COUNT(machine_disk, controller),  COUNT(machine_disk, unit), TEXT(machine_disk, model),
    NEEDED_BYTES(machine_disk, size), TEXT(machine_disk, path),  TEXT(machine_disk, datastore),
    TEXT(machine_disk, format),       FLAG(machine_disk, thin),  COUNT(machine_disk, boot_order),
    TEXT(machine_disk, skip),
};
const struct machine_members machine_disk_members = {disk_rows, G_N_ELEMENTS(disk_rows)};

static const struct machine_member nic_rows[] = {
    NEEDED_TEXT(machine_nic, name),
    TEXT(machine_nic, model),
    TEXT(machine_nic, mac),
    FLAG(machine_nic, mac_fixed),
    WORD(machine_nic, kind, network_words),
    TEXT(machine_nic, network),
    FLAG(machine_nic, connected),
    COUNT(machine_nic, boot_order),
};
const struct machine_members machine_nic_members = {nic_rows, G_N_ELEMENTS(nic_rows)};

void
machine_members_copy(const struct machine_members *members, const void *from, void *to)
{
    for (guint i = 0; i < members->n; i++) {
        const struct machine_member *row = &members->rows[i];
        if (row->kind == MACHINE_TEXT)
            *machine_member_text(row, to) = g_strdup(*machine_member_text(row, from));
        else if (row->kind == MACHINE_BYTES)
            *machine_member_bytes(row, to) = *machine_member_bytes(row, from);
        else
            *machine_member_count(row, to) = *machine_member_count(row, from);
    }
}

void
machine_members_free(const struct machine_members *members, void *thing)
{
    for (guint i = 0; i < members->n; i++)
        if (members->rows[i].kind == MACHINE_TEXT)
            g_clear_pointer(machine_member_text(&members->rows[i], thing), g_free);
}

static const char *
word_of(const char *const *words, guint n, guint value)
{
    return value < n ? words[value] : "?";
}

static gboolean
find_word(const char *const *words, guint n, const char *name, guint *ret)
{
    for (guint i = 0; i < n; i++)
        if (g_strcmp0(words[i], name) == 0) {
            *ret = i;
            return TRUE;
        }
    return FALSE;
}

const char *
machine_power_name(enum machine_power power)
{
    return word_of(power_words, MACHINE_POWER_N, power);
}

const char *
machine_firmware_name(enum machine_firmware firmware)
{
    return word_of(firmware_words, MACHINE_FIRMWARE_N, firmware);
}

const char *
machine_bus_name(enum machine_bus bus)
{
    return word_of(bus_words, MACHINE_BUS_N, bus);
}

const char *
machine_network_name(enum machine_network kind)
{
    return word_of(network_words, MACHINE_NETWORK_N, kind);
}

gboolean
machine_bus_parse(const char *name, enum machine_bus *ret)
{
    guint value;
    if (!find_word(bus_words, MACHINE_BUS_N, name, &value))
        return FALSE;
    *ret = value;
    return TRUE;
}

gboolean
machine_network_parse(const char *name, enum machine_network *ret)
{
    guint value;
    if (!find_word(network_words, MACHINE_NETWORK_N, name, &value))
        return FALSE;
    *ret = value;
    return TRUE;
}
