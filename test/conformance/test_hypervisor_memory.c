/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "../unit/mark_fixture.h"
#include "base/error.h"
#include "hyper/memory.h"
#include "hypervisor_suite.h"

#define MIB 1048576u

struct peer {
    struct hypervisor *hypervisor;
    const char *ref;
};

static void
add_disk(struct machine *machine, const char *name, guint unit, guint64 size)
{
    struct machine_disk *disk = machine_add_disk(machine);
    disk->name = g_strdup(name);
    disk->bus = MACHINE_SCSI;
    disk->unit = unit;
    disk->model = g_strdup("pvscsi");
    disk->size = size;
    disk->datastore = g_strdup("ds1");
}

static void
add_place(struct hypervisor *hypervisor, enum place_kind kind, const char *name)
{
    struct place *place = g_new0(struct place, 1);
    place->kind = kind;
    place->name = g_strdup(name);
    hypervisor_memory_add_place(hypervisor, place);
}

static gpointer
begin(const struct hypervisor_suite *suite, const struct scratch *scratch G_GNUC_UNUSED)
{
    struct peer *peer = g_new0(struct peer, 1);
    peer->hypervisor = hypervisor_memory_new(suite->data);
    struct machine *machine = machine_new();
    machine->name = g_strdup(suite->machine);
    machine->folder = g_strdup("/prod");
    machine->power = MACHINE_ON;
    machine->cpus = 2;
    machine->memory = 64 * MIB;
    machine->native_type = g_strdup("memory");
    machine->native = g_strdup("all there is to know");
    machine->firmware_type = g_strdup("nvram");
    machine->firmware_data = g_bytes_new_static("\0\1\2\377", 4);
    struct machine_nic *nic = machine_add_nic(machine);
    nic->name = g_strdup("net0");
    nic->mac = g_strdup("00:50:56:00:00:01");
    nic->kind = MACHINE_NETWORK;
    nic->network = g_strdup("lan");
    add_disk(machine, "scsi0:0", 0, 8 * MIB);
    add_disk(machine, "scsi0:1", 1, 5 * MIB + 65536);
    peer->ref = hypervisor_memory_add(peer->hypervisor, machine);
    add_place(peer->hypervisor, PLACE_NETWORK, "unused");
    add_place(peer->hypervisor, PLACE_DATASTORE, "ds2");
    add_place(peer->hypervisor, PLACE_DATASTORE, "ds1");
    struct place *lan = g_new0(struct place, 1);
    lan->kind = PLACE_NETWORK;
    lan->network = MACHINE_NETWORK;
    lan->name = g_strdup("lan");
    hypervisor_memory_add_place(peer->hypervisor, lan);
    return peer;
}

static void
end(gpointer data)
{
    struct peer *peer = data;
    hypervisor_close(peer->hypervisor);
    g_free(peer);
}

static struct hypervisor *
open_session(gpointer data, GError **error G_GNUC_UNUSED)
{
    return hypervisor_memory_again(((struct peer *)data)->hypervisor);
}

static void
write_disk(gpointer data, const char *disk, guint64 offset, guint64 length, guint8 pattern)
{
    struct peer *peer = data;
    hypervisor_memory_fill(peer->hypervisor, peer->ref, disk, offset, length, pattern);
}

static char *
tell_left(gpointer data)
{
    struct hypervisor_memory_counts counts;
    hypervisor_memory_count(((struct peer *)data)->hypervisor, &counts);
    if (counts.snapshots == 0 && counts.open_disks == 0 && counts.unfinished == 0)
        return NULL;
    return g_strdup_printf("%u snapshots, %u open disks, %u unfinished machines", counts.snapshots,
                           counts.open_disks, counts.unfinished);
}

static void
forget_changes(gpointer data)
{
    struct peer *peer = data;
    hypervisor_memory_forget_changes(peer->hypervisor, peer->ref);
}

static void
set_quiesce(gpointer data, gboolean works)
{
    hypervisor_memory_set_quiesce(((struct peer *)data)->hypervisor, works);
}

static void
stop(gpointer data)
{
    struct peer *peer = data;
    hypervisor_memory_machine(peer->hypervisor, peer->ref)->power = MACHINE_OFF;
}

static void
leave(gpointer data, const char *mark)
{
    struct peer *peer = data;
    hypervisor_memory_leave(peer->hypervisor, peer->ref, mark);
}

static gboolean
has(gpointer data, const char *mark)
{
    struct peer *peer = data;
    return hypervisor_memory_has(peer->hypervisor, peer->ref, mark);
}

static void
drop(gpointer data, const char *mark)
{
    struct peer *peer = data;
    hypervisor_memory_drop(peer->hypervisor, peer->ref, mark);
}

static struct disk *
look(gpointer data, const char *machine, const char *disk)
{
    struct peer *peer = data;
    const char *ref = hypervisor_memory_find(peer->hypervisor, machine);
    g_assert_nonnull(ref);
    return hypervisor_memory_look(peer->hypervisor, ref, disk);
}

static void
remove_machine(gpointer data, const char *machine)
{
    struct peer *peer = data;
    const char *ref = hypervisor_memory_find(peer->hypervisor, machine);
    g_assert_nonnull(ref);
    hypervisor_memory_remove(peer->hypervisor, ref);
}

#define SUITE(label)                                                                               \
    .name = label, .machine = "app01", .disks = disks, .begin = begin, .end = end,                 \
    .open = open_session, .write = write_disk, .left = tell_left, .set_quiesce = set_quiesce,      \
    .stop = stop, .leave = leave, .has = has, .drop = drop, .look = look, .remove = remove_machine

static const char *const disks[] = {"scsi0:0", "scsi0:1", NULL};

/* ---- What only this driver has: its own controls --------------------------------------------- */

static struct frozen *
freeze(struct hypervisor *hypervisor, const char *ref, const char *chain, const char *id,
       GError **error)
{
    const struct freeze_disk disk = {.name = "scsi0:0", .change_id = id, .size = 8 * MIB};
    const struct freeze_options options = {.disks = &disk, .n_disks = 1, .chain = chain};
    auto_ptr(machine) machine = machine_new();
    machine->ref = g_strdup(ref);
    return hypervisor_freeze(hypervisor, machine, &options, error);
}

static void
test_busy(gconstpointer suite)
{
    struct peer *peer = begin(suite, NULL);
    g_autoptr(GError) error = NULL;
    struct frozen *frozen = freeze(peer->hypervisor, peer->ref, "a", NULL, &error);
    g_assert_no_error(error);
    g_assert_null(freeze(peer->hypervisor, peer->ref, "a", NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    frozen_free(frozen);
    end(peer);
}

/* Each call that is told to fail does, once or from then on, and has done nothing. */
static void
test_faults(gconstpointer suite)
{
    struct peer *peer = begin(suite, NULL);
    g_autoptr(GError) error = NULL;
    struct hypervisor *hypervisor = peer->hypervisor;
    hypervisor_memory_fault(hypervisor, HYPERVISOR_MEMORY_FREEZE, 2, TRUE, SLIPWAY_ERROR_NETWORK);
    frozen_free(freeze(hypervisor, peer->ref, "a", NULL, &error));
    g_assert_no_error(error);
    g_assert_null(freeze(hypervisor, peer->ref, "a", NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_clear_error(&error);

    struct frozen *frozen = freeze(hypervisor, peer->ref, "a", NULL, &error);
    g_assert_no_error(error);
    hypervisor_memory_fault(hypervisor, HYPERVISOR_MEMORY_READ, 1, FALSE, SLIPWAY_ERROR_NETWORK);
    guint8 byte;
    for (guint i = 0; i < 2; i++) {
        g_assert_false(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
        g_clear_error(&error);
    }
    hypervisor_memory_heal(hypervisor);
    g_assert_true(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
    hypervisor_memory_fault(hypervisor, HYPERVISOR_MEMORY_THAW, 1, TRUE, SLIPWAY_ERROR_FAILED);
    g_assert_false(frozen_thaw(frozen, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    struct hypervisor_memory_counts counts;
    hypervisor_memory_count(hypervisor, &counts);
    g_assert_cmpuint(counts.snapshots, ==, 1);
    g_assert_cmpuint(counts.open_disks, ==, 0);
    g_assert_cmpuint(counts.bytes_read, ==, 1);
    frozen_free(frozen);
    hypervisor_memory_count(hypervisor, &counts);
    g_assert_cmpuint(counts.snapshots, ==, 0);
    g_assert_cmpuint(counts.calls[HYPERVISOR_MEMORY_THAW], ==, 3);
    g_autofree char *events = hypervisor_memory_events(hypervisor);
    g_assert_cmpstr(events, ==,
                    "freeze thaw settle-lost freeze! freeze read! read thaw! thaw settle-lost");
    end(peer);
}

/* A settling that failed is not turned into its opposite. */
static void
test_unsettled(gconstpointer suite)
{
    struct peer *peer = begin(suite, NULL);
    g_autoptr(GError) error = NULL;
    struct frozen *frozen = freeze(peer->hypervisor, peer->ref, "a", NULL, &error);
    g_assert_true(frozen_thaw(frozen, &error));
    hypervisor_memory_fault(peer->hypervisor, HYPERVISOR_MEMORY_SETTLE, 1, TRUE,
                            SLIPWAY_ERROR_NETWORK);
    g_assert_false(frozen_settle(frozen, TRUE, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    frozen_free(frozen);
    g_autofree char *events = hypervisor_memory_events(peer->hypervisor);
    g_assert_cmpstr(events, ==, "freeze thaw settle-kept!");
    end(peer);
}

/* An id of one chain is none of another's, and an older one none at all. */
static void
test_strict(gconstpointer suite)
{
    struct peer *peer = begin(suite, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *ids[2] = {NULL};
    for (guint i = 0; i < 2; i++) {
        struct frozen *frozen = freeze(peer->hypervisor, peer->ref, "a", ids[0], &error);
        g_assert_no_error(error);
        ids[i] = g_strdup(frozen_get_disk(frozen, 0)->change_id);
        g_assert_true(frozen_thaw(frozen, &error) && frozen_settle(frozen, TRUE, &error));
        frozen_free(frozen);
    }
    g_assert_cmpstr(ids[0], !=, ids[1]);
    static const struct {
        const char *chain;
        guint id;
        gboolean good;
    } rows[] = {{"a", 0, FALSE}, {"a", 1, TRUE}, {"b", 1, FALSE}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct frozen *frozen =
            freeze(peer->hypervisor, peer->ref, rows[i].chain, ids[rows[i].id], &error);
        g_assert_no_error(error);
        g_assert_cmpint(frozen_get_disk(frozen, 0)->changed != NULL, ==, rows[i].good);
        g_assert_cmpint(frozen_get_disk(frozen, 0)->why_full == NULL, ==, rows[i].good);
        frozen_free(frozen);
    }
    g_free(g_steal_pointer(&ids[1]));
    end(peer);
}

static void
write_while_reading(struct hypervisor *hypervisor, enum hypervisor_memory_call call, gpointer data)
{
    if (call == HYPERVISOR_MEMORY_READ)
        hypervisor_memory_fill(hypervisor, data, "scsi0:0", 0, 65536, 0xee);
}

static void
test_follow(gconstpointer suite)
{
    struct peer *peer = begin(suite, NULL);
    g_autoptr(GError) error = NULL;
    hypervisor_memory_follow(peer->hypervisor, write_while_reading, (gpointer)peer->ref);
    struct frozen *frozen = freeze(peer->hypervisor, peer->ref, "a", NULL, &error);
    guint8 byte = 1;
    g_assert_true(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
    g_assert_cmpuint(byte, ==, 0);
    hypervisor_memory_read(peer->hypervisor, peer->ref, "scsi0:0", 0, &byte, 1);
    g_assert_cmpuint(byte, ==, 0xee);
    frozen_free(frozen);
    end(peer);
}

/* Somebody removes the snapshot: no read fails, but bytes are of another moment, and that is told
 * by the first thaw. */
static void
test_torn(gconstpointer suite)
{
    struct peer *peer = begin(suite, NULL);
    g_autoptr(GError) error = NULL;
    struct hypervisor *hypervisor = peer->hypervisor;
    hypervisor_memory_leave(hypervisor, peer->ref, "user's own");
    for (guint fails = 0; fails < 2; fails++) {
        hypervisor_memory_fill(hypervisor, peer->ref, "scsi0:0", 0, 65536, 0x11);
        struct frozen *frozen = freeze(hypervisor, peer->ref, "a", NULL, &error);
        hypervisor_memory_fill(hypervisor, peer->ref, "scsi0:0", 0, 65536, 0xee);
        guint8 byte = 1;
        g_assert_true(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
        g_assert_cmpuint(byte, ==, 0x11);
        hypervisor_memory_tear(hypervisor, peer->ref);
        g_assert_true(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
        g_assert_cmpuint(byte, ==, 0xee);
        g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
        if (fails)
            hypervisor_memory_fault(hypervisor, HYPERVISOR_MEMORY_THAW, 1, TRUE,
                                    SLIPWAY_ERROR_NETWORK);
        g_assert_cmpint(frozen_thaw(frozen, NULL), ==, !fails);
        g_assert_nonnull(frozen_torn(frozen));
        g_assert_nonnull(strstr(frozen_torn(frozen), "app01"));
        frozen_free(frozen);
    }
    g_assert_true(hypervisor_memory_has(hypervisor, peer->ref, "user's own"));
    end(peer);
}

/* Gone between two thaws it was still there to the end. */
static void
test_gone_later(gconstpointer suite)
{
    struct peer *peer = begin(suite, NULL);
    g_autoptr(GError) error = NULL;
    struct frozen *frozen = freeze(peer->hypervisor, peer->ref, "a", NULL, &error);
    hypervisor_memory_fault(peer->hypervisor, HYPERVISOR_MEMORY_THAW, 1, TRUE,
                            SLIPWAY_ERROR_NETWORK);
    g_assert_false(frozen_thaw(frozen, NULL));
    hypervisor_memory_tear(peer->hypervisor, peer->ref);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    frozen_free(frozen);
    end(peer);
}

static void
test_read_only(gconstpointer suite)
{
    static const struct hypervisor_memory_options options = {.read_only = TRUE};
    struct hypervisor_suite other = *(const struct hypervisor_suite *)suite;
    other.data = &options;
    struct peer *peer = begin(&other, NULL);
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) machine = hypervisor_describe(peer->hypervisor, peer->ref, &error);
    g_free(machine->name);
    machine->name = g_strdup("app02");
    g_assert_null(hypervisor_create(peer->hypervisor, machine, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
    struct hypervisor_about about;
    g_assert_true(hypervisor_about(peer->hypervisor, &about, NULL));
    g_assert_true(about.read_only);
    g_assert_nonnull(about.words);
    hypervisor_about_clear(&about);
    end(peer);
}

/* Several machines at once, each frozen by a thread of its own while its guest writes. */
static gpointer
back_up_often(gpointer data)
{
    struct peer *peer = data;
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *bytes = g_malloc(65536);
    for (guint i = 0; i < 20; i++) {
        hypervisor_memory_fill(peer->hypervisor, peer->ref, "scsi0:0", 0, 65536, (guint8)i);
        struct frozen *frozen = freeze(peer->hypervisor, peer->ref, "a", NULL, &error);
        g_assert_no_error(error);
        hypervisor_memory_fill(peer->hypervisor, peer->ref, "scsi0:0", 0, 65536, 0xff);
        g_assert_true(disk_read(frozen_get_disk(frozen, 0)->disk, 0, bytes, 65536, &error));
        for (guint j = 0; j < 65536; j++)
            g_assert_cmpuint(bytes[j], ==, i);
        frozen_free(frozen);
    }
    return NULL;
}

static void
test_threads(gconstpointer suite)
{
    enum { N = 4 };
    struct peer *first = begin(suite, NULL);
    struct peer peers[N];
    GThread *threads[N];
    for (guint i = 0; i < N; i++) {
        struct machine *machine =
            machine_copy(hypervisor_memory_machine(first->hypervisor, first->ref));
        g_clear_pointer(&machine->id, g_free);
        peers[i].hypervisor = hypervisor_memory_again(first->hypervisor);
        peers[i].ref = hypervisor_memory_add(first->hypervisor, machine);
    }
    for (guint i = 0; i < N; i++)
        threads[i] = g_thread_new("back up", back_up_often, &peers[i]);
    for (guint i = 0; i < N; i++) {
        g_thread_join(threads[i]);
        hypervisor_close(peers[i].hypervisor);
    }
    g_autofree char *left = tell_left(first);
    g_assert_cmpstr(left, ==, NULL);
    end(first);
}

int
main(int argc, char **argv)
{
    static const struct hypervisor_memory_options import = {.import = TRUE};
    static const struct hypervisor_memory_options untracked = {.capabilities =
                                                                   HYPERVISOR_CAN_QUIESCE};
    static const struct hypervisor_suite memory = {SUITE("memory"), .granularity = 65536,
                                                   .forget_changes = forget_changes};
    static const struct hypervisor_suite shared = {SUITE("memory-import"), .granularity = 65536,
                                                   .data = &import, .shared = TRUE};
    static const struct hypervisor_suite least = {SUITE("memory-untracked"), .data = &untracked};
    g_test_init(&argc, &argv, NULL);
    hypervisor_suite_add(&memory);
    hypervisor_suite_add(&shared);
    hypervisor_suite_add(&least);
    g_test_add_data_func("/hypervisor/memory/busy", &memory, test_busy);
    g_test_add_data_func("/hypervisor/memory/faults", &memory, test_faults);
    g_test_add_data_func("/hypervisor/memory/unsettled", &memory, test_unsettled);
    g_test_add_data_func("/hypervisor/memory/strict", &memory, test_strict);
    g_test_add_data_func("/hypervisor/memory/follow", &memory, test_follow);
    g_test_add_data_func("/hypervisor/memory/torn", &memory, test_torn);
    g_test_add_data_func("/hypervisor/memory/gone-later", &memory, test_gone_later);
    g_test_add_data_func("/hypervisor/memory/read-only", &memory, test_read_only);
    g_test_add_data_func("/hypervisor/memory/threads", &memory, test_threads);
    return g_test_run();
}
