/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The suite over vCenter and over a single host, by each way of reading. */
#include "hypervisor_suite.h"
#include "vsphere_peer.h"

#include "disk/disk_open.h"

#include <glib/gstdio.h>

#define PROXY "proxy01"
#define DISK_SIZE (4 << 20)

static const char *const disks[] = {"scsi0:0", "scsi0:1", NULL};

struct variant {
    const char *model;
    enum hypervisor_transport transport;
};

struct guest {
    const struct variant *variant;
    struct vsphere_peer *peer;
    char *kept; /* the name of a snapshot that the suite put there */
};

static void
add_machine(struct vsphere_peer *peer, const char *name)
{
    vsphere_peer_tell(peer, "add", "{s:s, s:[{s:i}, {s:i}]}", "name", name, "disks", "size",
                      DISK_SIZE, "size", DISK_SIZE);
}

/* Disks that are attached to the proxy appear where udev would put their names. */
static void
let_disks_appear(struct guest *guest, const struct scratch *scratch)
{
    g_autofree char *dev = scratch_path(scratch, "dev");
    g_autofree char *by_id = scratch_path(scratch, "dev/disk/by-id");
    g_autofree char *sys = scratch_path(scratch, "sys");
    g_assert_cmpint(g_mkdir_with_parents(by_id, 0700), ==, 0);
    g_setenv("SLIPWAY_DEV", dev, TRUE);
    g_setenv("SLIPWAY_SYSFS", sys, TRUE);
    vsphere_peer_tell(guest->peer, "settings", "{s:s}", "attach_links", by_id);
    add_machine(guest->peer, PROXY);
}

static gpointer
begin(const struct hypervisor_suite *suite, const struct scratch *scratch)
{
    const struct variant *variant = suite->data;
    const char *const arguments[] = {"-model", variant->model, "-machines", "1", NULL};
    struct vsphere_peer *peer = vsphere_peer_new(arguments);
    if (peer == NULL)
        return NULL;
    struct guest *guest = g_new0(struct guest, 1);
    guest->variant = variant;
    guest->peer = peer;
    vsphere_peer_tell(peer, "settings", "{s:f}", "task_time", 0.01);
    add_machine(peer, suite->machine);
    let_disks_appear(guest, scratch);
    return guest;
}

static void
end(gpointer data)
{
    struct guest *guest = data;
    vsphere_peer_free(guest->peer);
    g_free(guest->kept);
    g_free(guest);
}

static struct hypervisor *
open_session(gpointer data, GError **error)
{
    struct guest *guest = data;
    /* Disks are written in place by way of it, however they are read. */
    return vsphere_peer_open(guest->peer, guest->variant->transport, PROXY, error);
}

static guint
find_number(const char *disk)
{
    guint number = 0;
    while (g_strcmp0(disks[number], disk) != 0)
        number++;
    return number;
}

static void
write_range(gpointer data, const char *disk, guint64 offset, guint64 length, guint8 pattern)
{
    vsphere_peer_write(((struct guest *)data)->peer, VSPHERE_PEER_MACHINE, find_number(disk),
                       offset, length, pattern);
}

static char *
find_left(gpointer data)
{
    struct guest *guest = data;
    return vsphere_peer_left(guest->peer, guest->kept, FALSE);
}

static void
forget_changes(gpointer data)
{
    vsphere_peer_tell(((struct guest *)data)->peer, "machine", "{s:s, s:b}", "vm",
                      VSPHERE_PEER_MACHINE, "reset_cbt", 1);
}

static void
set_quiesce(gpointer data, gboolean works)
{
    vsphere_peer_tell(((struct guest *)data)->peer, "machine", "{s:s, s:b}", "vm",
                      VSPHERE_PEER_MACHINE, "quiesce_fails", !works);
}

static void
stop(gpointer data)
{
    vsphere_peer_tell(((struct guest *)data)->peer, "machine", "{s:s, s:s}", "vm",
                      VSPHERE_PEER_MACHINE, "power", "poweredOff");
}

static void
leave(gpointer data, const char *mark)
{
    struct guest *guest = data;
    vsphere_peer_tell(guest->peer, "machine", "{s:s, s:s}", "vm", VSPHERE_PEER_MACHINE, "snapshot",
                      mark);
    g_free(guest->kept);
    guest->kept = g_strdup(mark);
}

static gboolean
has(gpointer data, const char *mark)
{
    json_t *machine = vsphere_peer_machine(((struct guest *)data)->peer, VSPHERE_PEER_MACHINE);
    gboolean found = FALSE;
    gsize i;
    json_t *one;
    json_array_foreach(json_object_get(machine, "snapshots"), i, one)
    {
        found = found || g_strcmp0(json_string_value(json_object_get(one, "name")), mark) == 0;
    }
    json_decref(machine);
    return found;
}

static void
drop(gpointer data, const char *mark)
{
    vsphere_peer_tell(((struct guest *)data)->peer, "machine", "{s:s, s:s}", "vm",
                      VSPHERE_PEER_MACHINE, "remove", mark);
}

/* The file itself. */
static struct disk *
look(gpointer data, const char *machine, const char *disk)
{
    json_t *state = vsphere_peer_machine(((struct guest *)data)->peer, machine), *one;
    struct disk *opened = NULL;
    gsize i;
    json_array_foreach(json_object_get(state, "disks"), i, one)
    {
        g_autoptr(GError) error = NULL;
        const char *place = json_string_value(json_object_get(one, "place"));
        if (g_strcmp0(place, disk) != 0)
            continue;
        opened = disk_file_open(json_string_value(json_object_get(one, "data")), FALSE, &error);
        g_assert_no_error(error);
    }
    json_decref(state);
    return opened;
}

static void
remove_machine(gpointer data, const char *machine)
{
    vsphere_peer_tell(((struct guest *)data)->peer, "machine", "{s:s, s:b}", "vm", machine,
                      "destroy", 1);
}

int
main(int argc, char **argv)
{
    static const struct variant variants[] = {
        {"vpx", HYPERVISOR_TRANSPORT_HTTPS},
        {"vpx", HYPERVISOR_TRANSPORT_HOTADD},
        {"esx", HYPERVISOR_TRANSPORT_HTTPS},
    };
    static const struct hypervisor_suite base = {
        .machine = VSPHERE_PEER_MACHINE,
        .disks = disks,
        .granularity = 65536,
        .begin = begin,
        .end = end,
        .open = open_session,
        .write = write_range,
        .left = find_left,
        .forget_changes = forget_changes,
        .set_quiesce = set_quiesce,
        .stop = stop,
        .leave = leave,
        .has = has,
        .drop = drop,
        .look = look,
        .remove = remove_machine,
    };
    static const char *const names[] = {"vcenter", "hot-add", "esxi"};
    static struct hypervisor_suite suites[G_N_ELEMENTS(variants)];
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(variants); i++) {
        suites[i] = base;
        suites[i].name = names[i];
        suites[i].data = &variants[i];
        hypervisor_suite_add(&suites[i]);
    }
    return g_test_run();
}
