/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/machine_plan.h"
#include "machine_fixture.h"

/* What is there, and what is wanted of it. */
struct desk {
    struct set *set;
    struct machine *old;
    GPtrArray *machines, *places, *words;
    struct machine_restore_options options;
    const char *driver;
};

static struct place *
add_place(struct desk *desk, enum place_kind kind, const char *name, const char *path)
{
    struct place *place = g_new0(struct place, 1);
    place->kind = kind;
    place->name = g_strdup(name);
    place->path = g_strdup(path);
    g_ptr_array_add(desk->places, place);
    return place;
}

static void
add_network(struct desk *desk, enum machine_network kind, const char *name)
{
    add_place(desk, PLACE_NETWORK, name, NULL)->network = kind;
}

static void
add_datastore(struct desk *desk, const char *name, guint64 room)
{
    struct place *place = add_place(desk, PLACE_DATASTORE, name, NULL);
    place->capacity = (guint64)1 << 40;
    place->free = room;
}

static struct desk *
desk_new(void)
{
    struct desk *desk = g_new0(struct desk, 1);
    desk->driver = "memory";
    desk->old = machine_fixture_new("app01");
    desk->old->driver = g_strdup("memory");
    desk->old->id = g_strdup("id-1");
    desk->old->datacenter = g_strdup("DC0");
    desk->old->cluster = g_strdup("c1");
    desk->old->pool = g_strdup("gold");
    struct machine_nic *nic = desk->old->nics->pdata[0];
    nic->mac = g_strdup("00:50:56:01:02:03");
    desk->set = set_new();
    desk->set->name = g_strdup("app01");
    for (guint i = 0; i < 2; i++) {
        struct set_disk *disk = g_new0(struct set_disk, 1);
        disk->name = g_strdup_printf("scsi0:%u", i);
        disk->map.size = i == 0 ? MACHINE_SIZE : MACHINE_OTHER_SIZE;
        disk->data = 100000;
        g_ptr_array_add(desk->set->disks, disk);
    }
    desk->machines = g_ptr_array_new_with_free_func((GDestroyNotify)machine_free);
    desk->places = g_ptr_array_new_with_free_func((GDestroyNotify)place_free);
    desk->words = g_ptr_array_new_with_free_func(g_free);
    add_place(desk, PLACE_FOLDER, "prod", "/DC0/vm/prod");
    add_place(desk, PLACE_FOLDER, "test", "/DC0/vm/test");
    add_place(desk, PLACE_FOLDER, "test", "/DC1/vm/test");
    add_place(desk, PLACE_CLUSTER, "c1", "/DC0/host/c1");
    add_place(desk, PLACE_CLUSTER, "c2", "/DC0/host/c2");
    add_place(desk, PLACE_HOST, "esx1", "/DC0/host/c1/esx1");
    add_place(desk, PLACE_POOL, "gold", "/DC0/host/c1/Resources/gold");
    add_datastore(desk, "ds1", (guint64)1 << 30);
    add_datastore(desk, "ds2", (guint64)1 << 30);
    add_network(desk, MACHINE_PORT_GROUP, "VM Network");
    add_network(desk, MACHINE_PORT_GROUP, "Lab");
    add_network(desk, MACHINE_DISTRIBUTED_PORT_GROUP, "Lab");
    add_network(desk, MACHINE_DISTRIBUTED_PORT_GROUP, "dv:10");
    return desk;
}

static void
desk_free(struct desk *desk)
{
    if (desk == NULL)
        return;
    set_free(desk->set);
    machine_free(desk->old);
    g_ptr_array_unref(desk->machines);
    g_ptr_array_unref(desk->places);
    g_ptr_array_unref(desk->words);
    g_free(desk);
}
AUTO_PTR_DEFINE(desk, desk_free)

static struct machine *
try_plan(struct desk *desk, GError **error)
{
    struct machine_plan plan = {.set = desk->set,
                                .options = &desk->options,
                                .driver = desk->driver,
                                .machines = desk->machines,
                                .places = desk->places,
                                .words = desk->words};
    g_ptr_array_set_size(desk->words, 0);
    return machine_plan_make(&plan, desk->old, error);
}

static struct machine *
plan(struct desk *desk)
{
    g_autoptr(GError) error = NULL;
    struct machine *machine = try_plan(desk, &error);
    g_assert_no_error(error);
    return machine;
}

static void
refuse(struct desk *desk, int code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(try_plan(desk, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" is not in: %s", words, error->message);
}

static gboolean
says(const struct desk *desk, const char *part)
{
    for (guint i = 0; i < desk->words->len; i++)
        if (strstr(desk->words->pdata[i], part) != NULL)
            return TRUE;
    return FALSE;
}

static struct machine_nic *
first_nic(const struct machine *machine)
{
    return machine->nics->pdata[0];
}

static void
add_machine(struct desk *desk, const char *name, const char *folder, const char *mac)
{
    struct machine *machine = machine_fixture_new(name);
    g_free(machine->folder);
    machine->folder = g_strdup(folder);
    first_nic(machine)->mac = g_strdup(mac);
    g_ptr_array_add(desk->machines, machine);
}

/* ---- As it was ------------------------------------------------------------------------------- */

static void
test_as_it_was(void)
{
    auto_ptr(desk) desk = desk_new();
    auto_ptr(machine) machine = plan(desk);
    g_assert_cmpstr(machine->name, ==, "app01-restored");
    g_assert_cmpstr(machine->folder, ==, "/DC0/vm/prod");
    g_assert_cmpstr(machine->cluster, ==, "c1");
    g_assert_cmpstr(machine->pool, ==, "gold");
    g_assert_null(machine->id);
    g_assert_null(machine->ref);
    g_assert_cmpstr(machine->uuid, ==, desk->old->uuid);
    g_assert_cmpint(machine->power, ==, MACHINE_OFF);
    g_assert_cmpuint(machine->disks->len, ==, 2);
    g_assert_cmpstr(machine_find_disk(machine, "scsi0:1")->datastore, ==, "ds1");
    g_assert_null(machine_find_disk(machine, "scsi0:1")->skip);
    g_assert_cmpstr(first_nic(machine)->mac, ==, "00:50:56:01:02:03");
    g_assert_cmpstr(first_nic(machine)->network, ==, "VM Network");
    g_assert_true(first_nic(machine)->connected);
    g_assert_cmpuint(desk->words->len, ==, 0);
    desk->options.new_uuid = TRUE;
    desk->options.disconnect = TRUE;
    auto_ptr(machine) other = plan(desk);
    g_assert_true(g_uuid_string_is_valid(other->uuid));
    g_assert_cmpstr(other->uuid, !=, desk->old->uuid);
    g_assert_false(first_nic(other)->connected);
}

static void
test_names(void)
{
    auto_ptr(desk) desk = desk_new();
    add_machine(desk, "app01", "/DC0/vm/prod", NULL);
    add_machine(desk, "app01-restored", "/DC0/vm/test", NULL);
    auto_ptr(machine) machine = plan(desk);
    g_assert_cmpstr(machine->name, ==, "app01-restored");
    desk->options.suffix = "";
    refuse(desk, SLIPWAY_ERROR_EXISTS, "there is a machine app01 in /DC0/vm/prod already");
    desk->options.suffix = "-2";
    auto_ptr(machine) suffixed = plan(desk);
    g_assert_cmpstr(suffixed->name, ==, "app01-2");
    desk->options.name = "new";
    auto_ptr(machine) named = plan(desk);
    g_assert_cmpstr(named->name, ==, "new");
    desk->options.name = "";
    refuse(desk, SLIPWAY_ERROR_USAGE, "no name");
    /* Where there are no folders all machines are beside each other. */
    desk->options.name = "alone";
    add_machine(desk, "alone", NULL, NULL);
    refuse(desk, SLIPWAY_ERROR_EXISTS, "there is a machine alone already");
}

/* ---- Places ---------------------------------------------------------------------------------- */

static void
test_places(void)
{
    auto_ptr(desk) desk = desk_new();
    desk->options.folder = "nowhere";
    refuse(desk, SLIPWAY_ERROR_NOT_FOUND,
           "there is no folder nowhere; there is: /DC0/vm/prod, /DC0/vm/test, /DC1/vm/test");
    desk->options.folder = "test";
    refuse(desk, SLIPWAY_ERROR_USAGE, "give its path: /DC0/vm/test, /DC1/vm/test");
    desk->options.folder = "/DC0/vm/test";
    auto_ptr(machine) beside = plan(desk);
    g_assert_cmpstr(beside->cluster, ==, "c1");
    desk->options.folder = "/DC1/vm/test";
    auto_ptr(machine) abroad = plan(desk);
    g_assert_cmpstr(abroad->folder, ==, "/DC1/vm/test");
    g_assert_null(abroad->cluster);
    g_assert_null(abroad->pool);
    desk->options.cluster = "c2";
    auto_ptr(machine) moved = plan(desk);
    g_assert_cmpstr(moved->folder, ==, "/DC1/vm/test");
    g_assert_cmpstr(moved->cluster, ==, "c2");
    g_assert_null(moved->pool); /* it is below the other cluster */
    desk->options.pool = "gold";
    auto_ptr(machine) pooled = plan(desk);
    g_assert_cmpstr(pooled->pool, ==, "gold");
    add_place(desk, PLACE_POOL, "web", "/DC0/host/c2/Resources/prod/web");
    add_place(desk, PLACE_POOL, "web", "/DC0/host/c2/Resources/test/web");
    desk->options.pool = "prod/web";
    auto_ptr(machine) nested = plan(desk);
    g_assert_cmpstr(nested->pool, ==, "prod/web");
    desk->options.pool = "/DC0/host/c2/Resources/test/web";
    auto_ptr(machine) of_path = plan(desk);
    g_assert_cmpstr(of_path->pool, ==, "test/web");
    desk->options.pool = "web";
    refuse(desk, SLIPWAY_ERROR_USAGE, "more than one pool is called web");
    desk->options.cluster = "/DC0/host/c2";
    desk->options.pool = NULL;
    auto_ptr(machine) clustered = plan(desk);
    g_assert_cmpstr(clustered->cluster, ==, "c2");
    desk->options = (struct machine_restore_options){.host = "esx1"};
    auto_ptr(machine) hosted = plan(desk);
    g_assert_cmpstr(hosted->host, ==, "esx1");
    g_assert_null(hosted->cluster);
    ((struct place *)desk->places->pdata[5])->words = g_strdup("in maintenance mode");
    refuse(desk, SLIPWAY_ERROR_UNSUPPORTED, "host esx1 cannot be used: in maintenance mode");
    /* What is gone is left to the hypervisor, which is said. */
    desk->options.host = NULL;
    g_free(desk->old->folder);
    desk->old->folder = g_strdup("/DC0/vm/closed");
    g_free(desk->old->host);
    desk->old->host = g_strdup("esx9");
    auto_ptr(machine) homeless = plan(desk);
    g_assert_null(homeless->folder);
    g_assert_null(homeless->host);
    g_assert_true(says(desk, "folder /DC0/vm/closed is not there"));
    g_assert_cmpuint(desk->words->len, ==, 1);
}

static void
test_datastores(void)
{
    auto_ptr(desk) desk = desk_new();
    const struct restore_mapping one[] = {{"scsi0:1", "ds2"}}, store[] = {{"ds1", "ds2"}},
                                 all[] = {{NULL, "ds2"}, {"scsi0:0", "ds1"}},
                                 unknown[] = {{NULL, "ds3"}}, never[] = {{"ds7", "ds1"}};
    desk->options.datastores = one;
    desk->options.n_datastores = 1;
    auto_ptr(machine) first = plan(desk);
    g_assert_cmpstr(machine_find_disk(first, "scsi0:0")->datastore, ==, "ds1");
    g_assert_cmpstr(machine_find_disk(first, "scsi0:1")->datastore, ==, "ds2");
    desk->options.datastores = store;
    auto_ptr(machine) second = plan(desk);
    g_assert_cmpstr(machine_find_disk(second, "scsi0:0")->datastore, ==, "ds2");
    desk->options.datastores = all;
    desk->options.n_datastores = 2;
    auto_ptr(machine) third = plan(desk);
    g_assert_cmpstr(machine_find_disk(third, "scsi0:0")->datastore, ==, "ds1");
    g_assert_cmpstr(machine_find_disk(third, "scsi0:1")->datastore, ==, "ds2");
    desk->options.datastores = unknown;
    desk->options.n_datastores = 1;
    refuse(desk, SLIPWAY_ERROR_NOT_FOUND,
           "disk scsi0:0: there is no datastore ds3; there is: ds1, ds2");
    desk->options.datastores = never;
    refuse(desk, SLIPWAY_ERROR_NOT_FOUND,
           "no disk and no datastore ds7; it had: scsi0:0 on ds1, scsi0:1 on ds1");
}

static void
set_free_room(struct desk *desk, const char *name, guint64 room)
{
    for (guint i = 0; i < desk->places->len; i++) {
        struct place *place = desk->places->pdata[i];
        if (place->kind == PLACE_DATASTORE && g_str_equal(place->name, name))
            place->free = room;
    }
}

/* A thin disk needs room for its data, another for its size. */
static void
test_room(void)
{
    auto_ptr(desk) desk = desk_new();
    set_free_room(desk, "ds1", 200000);
    auto_ptr(machine) machine = plan(desk);
    set_free_room(desk, "ds1", 199999);
    refuse(desk, SLIPWAY_ERROR_LIMIT, "datastore ds1 has");
    set_free_room(desk, "ds1", 100000 + MACHINE_SIZE - 1);
    machine_find_disk(desk->old, "scsi0:0")->thin = FALSE;
    refuse(desk, SLIPWAY_ERROR_LIMIT, "make room, choose another");
    set_free_room(desk, "ds1", 100000 + MACHINE_SIZE);
    auto_ptr(machine) thick = plan(desk);
    const char *const only[] = {"scsi0:1", NULL};
    set_free_room(desk, "ds1", 100000);
    desk->options.only = only;
    auto_ptr(machine) fewer = plan(desk);
    /* Wherever the hypervisor may put it. */
    desk->options.only = NULL;
    g_free(machine_find_disk(desk->old, "scsi0:0")->datastore);
    machine_find_disk(desk->old, "scsi0:0")->datastore = NULL;
    auto_ptr(machine) somewhere = plan(desk);
    set_free_room(desk, "ds2", MACHINE_SIZE - 1);
    refuse(desk, SLIPWAY_ERROR_LIMIT, "datastore ds2 has");
}

/* ---- Network --------------------------------------------------------------------------------- */

static void
test_macs(void)
{
    auto_ptr(desk) desk = desk_new();
    add_machine(desk, "app01", "/DC0/vm/prod", "00:50:56:01:02:03");
    refuse(desk, SLIPWAY_ERROR_EXISTS,
           "the address 00:50:56:01:02:03 of ethernet0 is taken by machine /DC0/vm/prod/app01");
    refuse(desk, SLIPWAY_ERROR_EXISTS, "--new-mac");
    desk->options.mac = RESTORE_MAC_KEEP;
    auto_ptr(machine) kept = plan(desk);
    g_assert_cmpstr(first_nic(kept)->mac, ==, "00:50:56:01:02:03");
    g_assert_true(says(desk, "connect only one of them"));
    desk->options.mac = RESTORE_MAC_NEW;
    auto_ptr(machine) fresh = plan(desk);
    g_assert_null(first_nic(fresh)->mac);
    g_assert_cmpuint(desk->words->len, ==, 0);
}

static void
map_network(struct desk *desk, struct restore_mapping *mapping, const char *from, const char *to)
{
    *mapping = (struct restore_mapping){from, to};
    desk->options.networks = mapping;
    desk->options.n_networks = 1;
}

static void
expect_network(struct desk *desk, enum machine_network kind, const char *name)
{
    auto_ptr(machine) machine = plan(desk);
    g_assert_cmpint(first_nic(machine)->kind, ==, kind);
    g_assert_cmpstr(first_nic(machine)->network, ==, name);
    g_assert_true(first_nic(machine)->connected);
}

static void
test_networks(void)
{
    auto_ptr(desk) desk = desk_new();
    struct restore_mapping mapping;
    map_network(desk, &mapping, NULL, "port-group:Lab");
    expect_network(desk, MACHINE_PORT_GROUP, "Lab");
    map_network(desk, &mapping, "ethernet0", "distributed:Lab");
    expect_network(desk, MACHINE_DISTRIBUTED_PORT_GROUP, "Lab");
    map_network(desk, &mapping, "VM Network", "distributed-port-group:Lab");
    expect_network(desk, MACHINE_DISTRIBUTED_PORT_GROUP, "Lab");
    map_network(desk, &mapping, NULL, "dv:10");
    expect_network(desk, MACHINE_DISTRIBUTED_PORT_GROUP, "dv:10");
    map_network(desk, &mapping, NULL, "Lab");
    refuse(desk, SLIPWAY_ERROR_USAGE, "port-group:Lab, distributed-port-group:Lab");
    map_network(desk, &mapping, NULL, "bridge:br0");
    refuse(desk, SLIPWAY_ERROR_NOT_FOUND,
           "ethernet0: there is no network bridge:br0; there is: port-group:VM Network");
    map_network(desk, &mapping, "ethernet1", "Lab");
    refuse(desk, SLIPWAY_ERROR_NOT_FOUND, "no NIC and no network ethernet1");
}

/* Nobody is connected to a network that nobody named. */
static void
test_network_gone(void)
{
    auto_ptr(desk) desk = desk_new();
    g_free(first_nic(desk->old)->network);
    first_nic(desk->old)->network = g_strdup("Old");
    auto_ptr(machine) machine = plan(desk);
    g_assert_null(first_nic(machine)->network);
    g_assert_false(first_nic(machine)->connected);
    g_assert_true(says(desk, "ethernet0 is left disconnected: it was on Old"));
    /* It moved to a distributed switch. */
    g_free(first_nic(desk->old)->network);
    first_nic(desk->old)->network = g_strdup("dv:10");
    expect_network(desk, MACHINE_DISTRIBUTED_PORT_GROUP, "dv:10");
    g_assert_true(says(desk, "dv:10 is a distributed-port-group now"));
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static void
test_disks(void)
{
    auto_ptr(desk) desk = desk_new();
    const char *const only[] = {"scsi0:0", NULL}, *const wrong[] = {"scsi0:7", NULL};
    desk->options.only = only;
    auto_ptr(machine) one = plan(desk);
    g_assert_null(machine_find_disk(one, "scsi0:0")->skip);
    g_assert_nonnull(machine_find_disk(one, "scsi0:1")->skip);
    g_assert_true(says(desk, "disk scsi0:1 is left out: it was not asked for"));
    desk->options.only = wrong;
    refuse(desk, SLIPWAY_ERROR_NOT_FOUND, "has no disk scsi0:7; it has: scsi0:0, scsi0:1");
    desk->options.only = NULL;
    /* The machine had more than was backed up. */
    machine_find_disk(desk->old, "scsi0:1")->skip = g_strdup("a raw device");
    g_ptr_array_remove_index(desk->set->disks, 1);
    auto_ptr(machine) less = plan(desk);
    g_assert_cmpstr(machine_find_disk(less, "scsi0:1")->skip, ==, "a raw device");
    g_assert_true(says(desk, "disk scsi0:1 is left out: a raw device"));
    struct set_disk *disk = desk->set->disks->pdata[0];
    g_free(disk->name);
    disk->name = g_strdup("nvme0:0");
    refuse(desk, SLIPWAY_ERROR_CORRUPT, "nvme0:0");
}

static void
test_read(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(desk) desk = desk_new();
    g_assert_null(machine_plan_read(desk->set, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    desk->set->config_type = g_strdup("machine");
    desk->set->config = machine_format(desk->old, &error);
    g_assert_no_error(error);
    auto_ptr(machine) machine = machine_plan_read(desk->set, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(machine->name, ==, "app01");
    g_free(desk->set->config);
    desk->set->config = g_strdup("{}");
    g_assert_null(machine_plan_read(desk->set, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

/* On another hypervisor nothing is where it was, and the networks have to be named. */
static void
test_elsewhere(void)
{
    auto_ptr(desk) desk = desk_new();
    struct restore_mapping mapping;
    desk->driver = "libvirt";
    g_free(desk->old->driver);
    desk->old->driver = g_strdup("vsphere");
    g_ptr_array_set_size(desk->places, 0);
    add_datastore(desk, "default", (guint64)1 << 30);
    add_network(desk, MACHINE_NETWORK, "default");
    auto_ptr(machine) machine = plan(desk);
    g_assert_null(machine->folder);
    g_assert_null(machine->cluster);
    g_assert_null(machine_find_disk(machine, "scsi0:0")->datastore);
    g_assert_false(first_nic(machine)->connected);
    map_network(desk, &mapping, "VM Network", "network:default");
    expect_network(desk, MACHINE_NETWORK, "default");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine-plan/as-it-was", test_as_it_was);
    g_test_add_func("/machine-plan/names", test_names);
    g_test_add_func("/machine-plan/places", test_places);
    g_test_add_func("/machine-plan/datastores", test_datastores);
    g_test_add_func("/machine-plan/room", test_room);
    g_test_add_func("/machine-plan/macs", test_macs);
    g_test_add_func("/machine-plan/networks", test_networks);
    g_test_add_func("/machine-plan/network-gone", test_network_gone);
    g_test_add_func("/machine-plan/disks", test_disks);
    g_test_add_func("/machine-plan/read", test_read);
    g_test_add_func("/machine-plan/elsewhere", test_elsewhere);
    return g_test_run();
}
