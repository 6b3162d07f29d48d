/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wanted.h"

#include <string.h>

gboolean
wanted_begin(struct vsphere_bench *bench)
{
    static const char *const arguments[] = {"-machines", "1", NULL};
    if (!vsphere_bench_begin(bench, arguments))
        return FALSE;
    vsphere_peer_tell(bench->peer, "settings", "{s:f, s:f}", "task_time", 0.01, "lease_delay",
                      0.05);
    vsphere_peer_tell(bench->peer, "datastore", "{s:s}", "name", "fast ds");
    vsphere_bench_open_in(bench, HYPERVISOR_TRANSPORT_HTTPS, NULL);
    return TRUE;
}

/* ---- What is wanted -------------------------------------------------------------------------- */

struct machine *
wanted_new(const char *name)
{
    struct machine *machine = machine_new();
    wanted_set(&machine->driver, "vsphere");
    wanted_set(&machine->name, name);
    wanted_set(&machine->guest, "debian10_64Guest");
    machine->cpus = 4;
    machine->cores_per_socket = 2;
    machine->memory = G_GUINT64_CONSTANT(513) * MIB;
    return machine;
}

struct machine_disk *
wanted_add_disk(struct machine *machine, enum machine_bus bus, guint controller, guint unit,
                const char *model, guint64 size)
{
    struct machine_disk *disk = machine_add_disk(machine);
    disk->name = g_strdup_printf("%s%u:%u", machine_bus_name(bus), controller, unit);
    disk->bus = bus;
    disk->controller = controller;
    disk->unit = unit;
    disk->model = g_strdup(model);
    disk->size = size;
    disk->thin = TRUE;
    return disk;
}

struct machine_nic *
wanted_add_nic(struct machine *machine, const char *model, const char *mac,
               enum machine_network kind, const char *network)
{
    struct machine_nic *nic = machine_add_nic(machine);
    nic->name = g_strdup_printf("ethernet%u", machine->nics->len - 1);
    nic->model = g_strdup(model);
    nic->mac = g_strdup(mac);
    nic->kind = kind;
    nic->network = g_strdup(network);
    nic->connected = TRUE;
    return nic;
}

void
wanted_set(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

struct disk *
wanted_content(guint64 size, guint8 seed)
{
    struct disk *disk = disk_memory_new(size, "what is restored");
    guint8 bytes[5000];
    for (guint64 at = 0; at + sizeof bytes < size; at += 300000 + seed * 1000) {
        for (gsize i = 0; i < sizeof bytes; i++)
            bytes[i] = (guint8)(seed + i * (at / 1000 + 7));
        g_assert_true(disk_write(disk, at, bytes, sizeof bytes, NULL));
    }
    g_assert_true(disk_write(disk, size - 1, "\x7f", 1, NULL));
    return disk;
}

/* ---- Made ------------------------------------------------------------------------------------ */

struct placement *
wanted_create(struct vsphere_bench *bench, const struct machine *wanted)
{
    g_autoptr(GError) error = NULL;
    struct placement *placement = hypervisor_create(bench->hypervisor, wanted, NULL, &error);
    g_assert_no_error(error);
    return placement;
}

gboolean
wanted_says(const struct placement *placement, const char *word)
{
    const GPtrArray *words = placement_words(placement);
    for (guint i = 0; i < words->len; i++)
        if (strstr(g_ptr_array_index(words, i), word) != NULL)
            return TRUE;
    return FALSE;
}

void
wanted_finish(struct placement *placement, gboolean power_on, struct machine **ret)
{
    g_autoptr(GError) error = NULL;
    placement_finish(placement, power_on, ret, &error);
    g_assert_no_error(error);
}

/* ---- What there is --------------------------------------------------------------------------- */

gboolean
wanted_is_listed(struct vsphere_bench *bench, const char *name)
{
    json_t *state = vsphere_peer_ask(bench->peer, "state", NULL), *one;
    gboolean found = FALSE;
    gsize i;
    json_array_foreach(json_object_get(state, "machines"), i, one)
    {
        found = found || g_strcmp0(json_string_value(json_object_get(one, "name")), name) == 0;
    }
    json_decref(state);
    return found;
}

void
wanted_expect_content(struct vsphere_bench *bench, const char *machine, guint index,
                      struct disk *content)
{
    gsize size = disk_size(content);
    g_autofree guint8 *wanted = g_malloc(size);
    g_assert_true(disk_read(content, 0, wanted, size, NULL));
    g_autofree char *escaped = g_uri_escape_string(machine, NULL, FALSE);
    g_autofree guint8 *got = vsphere_peer_read(bench->peer, escaped, index, 0, size);
    g_assert_cmpmem(got, size, wanted, size);
}

void
wanted_expect_none(struct vsphere_bench *bench, const char *name)
{
    g_autofree char *left = vsphere_peer_left(bench->peer, NULL, FALSE);
    g_assert_cmpstr(left, ==, NULL);
    g_assert_false(wanted_is_listed(bench, name));
}
