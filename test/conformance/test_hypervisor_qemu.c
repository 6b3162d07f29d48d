/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The driver of a QEMU by its QMP socket, on a real one. */
#include "../unit/mark_fixture.h"
#include "base/error.h"
#include "hyper/qemu/qemu_drive.h"
#include "hyper/qemu/qemu_leftovers.h"
#include "hyper/qemu/qemu_scratch.h"
#include "hyper/qmp.h"
#include "hypervisor_suite.h"
#include "qemu_peer.h"

#include <unistd.h>

#define KIB64 65536u
#define MIB 1048576u

/* ---- The suite ------------------------------------------------------------------------------- */

static gpointer
begin(const struct hypervisor_suite *suite G_GNUC_UNUSED, const struct scratch *scratch)
{
    return qemu_peer_new(scratch);
}

static void
end(gpointer peer)
{
    qemu_peer_free(peer);
}

static struct hypervisor *
open_peer(gpointer peer, GError **error)
{
    return qemu_peer_open(peer, error);
}

static void
write_peer(gpointer peer, const char *disk, guint64 offset, guint64 length, guint8 pattern)
{
    g_autofree char *command = g_strdup_printf(
        "write -P %u %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, pattern, offset, length);
    qemu_peer_io(peer, disk, command);
}

static char *
left_in(gpointer peer)
{
    return qemu_peer_left(peer);
}

struct forgetting {
    GPtrArray *nodes, *names;
};

static void
note_bitmap(const char *node, const struct qemu_bitmap *bitmap, gpointer data)
{
    struct forgetting *forgetting = data;
    g_ptr_array_add(forgetting->nodes, g_strdup(node));
    g_ptr_array_add(forgetting->names, g_strdup(bitmap->name));
}

static void
forget(gpointer pointer)
{
    struct qemu_peer *peer = pointer;
    struct forgetting forgetting = {g_ptr_array_new_with_free_func(g_free),
                                    g_ptr_array_new_with_free_func(g_free)};
    g_assert_true(qemu_drive_visit_bitmaps(peer->session, note_bitmap, &forgetting, NULL));
    g_assert_cmpuint(forgetting.names->len, ==, 2);
    for (guint i = 0; i < forgetting.names->len; i++)
        qemu_peer_do(peer, "block-dirty-bitmap-disable",
                     json_pack("{s:s, s:s}", "node", g_ptr_array_index(forgetting.nodes, i), "name",
                               g_ptr_array_index(forgetting.names, i)));
    g_ptr_array_unref(forgetting.nodes);
    g_ptr_array_unref(forgetting.names);
}

static void
set_quiesce(gpointer peer, gboolean works)
{
    qemu_peer_set_agent(peer, works);
}

/* All that a run has there when the machine is frozen. */
static void
leave(gpointer pointer, const char *mark)
{
    struct qemu_peer *peer = pointer;
    g_autoptr(GError) error = NULL;
    g_autofree char *node = qemu_peer_node(peer, "vd0");
    g_autofree char *job = qemu_leftovers_name(mark, "b", 0);
    g_autofree char *copy = qemu_leftovers_name(mark, "t", 0);
    g_autofree char *export = qemu_leftovers_name(mark, "e", 0);
    g_autofree char *directory = qemu_leftovers_directory(peer->scratch->path, mark);
    g_autofree char *socket = g_build_filename(directory, QEMU_LEFTOVERS_SOCKET, NULL);
    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    qemu_session_add_note(peer->session, mark, &error);
    g_assert_no_error(error);
    int file = qemu_scratch_file(peer->scratch->path, &error);
    g_assert_no_error(error);
    g_autofree char *overlay =
        qemu_scratch_add(peer->session, mark, 0, file, QEMU_PEER_SIZE, node, &error);
    g_assert_no_error(error);
    close(file);
    qemu_scratch_serve(peer->session, mark, socket, &error);
    g_assert_no_error(error);
    qemu_peer_do(peer, "block-dirty-bitmap-add",
                 json_pack("{s:s, s:s, s:b}", "node", node, "name", copy, "disabled", TRUE));
    qemu_peer_do(peer, "blockdev-backup",
                 json_pack("{s:s, s:s, s:s, s:s}", "job-id", job, "device", node, "target", overlay,
                           "sync", "none"));
    qemu_peer_do(peer, "block-export-add",
                 json_pack("{s:s, s:s, s:s, s:s}", "id", export, "type", "nbd", "node-name",
                           overlay, "name", "vd0"));
}

static gboolean
has(gpointer pointer, const char *mark)
{
    struct qemu_peer *peer = pointer;
    g_autofree char *directory = qemu_leftovers_directory(peer->scratch->path, mark);
    g_autoptr(GPtrArray) notes = qemu_session_notes(peer->session, NULL);
    g_autofree char *job = qemu_leftovers_name(mark, "b", 0);
    guint found = g_file_test(directory, G_FILE_TEST_EXISTS);
    found += g_ptr_array_find_with_equal_func(notes, mark, g_str_equal, NULL);
    json_t *jobs = qemu_peer_ask(peer, "query-jobs", NULL);
    for (gsize i = 0; i < json_array_size(jobs); i++)
        found +=
            g_strcmp0(json_string_value(json_object_get(json_array_get(jobs, i), "id")), job) == 0;
    json_decref(jobs);
    /* All of it, or nothing. */
    g_assert_true(found == 0 || found == 3);
    return found > 0;
}

static void
drop(gpointer pointer, const char *mark)
{
    struct qemu_peer *peer = pointer;
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = qemu_leftovers_directory(peer->scratch->path, mark);
    qemu_leftovers_remove(peer->session, mark, NULL, &error);
    g_assert_no_error(error);
    qemu_leftovers_remove_directory(directory, &error);
    g_assert_no_error(error);
}

/* ---- Tests of its own ------------------------------------------------------------------------ */

struct fixture {
    struct scratch scratch;
    struct qemu_peer *peer;
    struct hypervisor *hypervisor;
    struct machine *machine;
};

static void
fixture_clear(struct fixture *fixture)
{
    machine_free(fixture->machine);
    hypervisor_close(fixture->hypervisor);
    if (fixture->peer != NULL) {
        g_autofree char *left = qemu_peer_left(fixture->peer);
        g_assert_cmpstr(left, ==, NULL);
        qemu_peer_free(fixture->peer);
    }
    scratch_clear(&fixture->scratch);
}
#define auto_fixture __attribute__((cleanup(fixture_clear))) struct fixture

static gboolean
fixture_begin(struct fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    *fixture = (struct fixture){.scratch = scratch_new()};
    fixture->peer = qemu_peer_new(&fixture->scratch);
    if (fixture->peer == NULL)
        return FALSE;
    fixture->hypervisor = qemu_peer_open(fixture->peer, &error);
    g_assert_no_error(error);
    fixture->machine = hypervisor_describe(fixture->hypervisor, "app01", &error);
    g_assert_no_error(error);
    return TRUE;
}

static struct frozen *
try_freeze_as(struct fixture *fixture, const char *vd0, const char *sd1,
              enum freeze_quiesce quiesce, GError **error)
{
    const struct freeze_disk disks[] = {{"vd0", vd0, QEMU_PEER_SIZE},
                                        {"sd1", sd1, QEMU_PEER_RAW_SIZE}};
    const struct freeze_options options = {
        .quiesce = quiesce, .disks = disks, .n_disks = 2, .chain = "store1"};
    return hypervisor_freeze(fixture->hypervisor, fixture->machine, &options, error);
}

static struct frozen *
try_freeze(struct fixture *fixture, const char *vd0, const char *sd1, GError **error)
{
    return try_freeze_as(fixture, vd0, sd1, FREEZE_NEVER, error);
}

static struct frozen *
freeze(struct fixture *fixture, const char *vd0, const char *sd1)
{
    g_autoptr(GError) error = NULL;
    struct frozen *frozen = try_freeze(fixture, vd0, sd1, &error);
    g_assert_no_error(error);
    return frozen;
}

static void
keep(struct frozen *frozen)
{
    g_autoptr(GError) error = NULL;
    frozen_thaw(frozen, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    frozen_settle(frozen, TRUE, &error);
    g_assert_no_error(error);
    frozen_free(frozen);
}

/* A set of both disks, and the ids of it. */
static void
store_first(struct fixture *fixture, char **ret_vd0, char **ret_sd1)
{
    struct frozen *frozen = freeze(fixture, NULL, NULL);
    *ret_vd0 = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    *ret_sd1 = g_strdup(frozen_get_disk(frozen, 1)->change_id);
    g_assert_null(frozen_get_disk(frozen, 0)->why_full);
    keep(frozen);
}

static void
expect_change(const struct frozen_disk *disk, guint64 offset, guint64 length)
{
    g_assert_cmpstr(disk->why_full, ==, NULL);
    g_assert_nonnull(disk->changed);
    g_assert_cmpuint(disk->changed->extents->len, ==, 1);
    const struct extent *extent = &g_array_index(disk->changed->extents, struct extent, 0);
    g_assert_cmpuint(extent->offset, ==, offset);
    g_assert_cmpuint(extent->length, ==, length);
}

static void
expect_full(const struct frozen_disk *disk, const char *part)
{
    g_assert_null(disk->changed);
    g_test_message("%s: %s", disk->name, disk->why_full);
    g_assert_nonnull(disk->why_full);
    g_assert_nonnull(strstr(disk->why_full, part));
    g_assert_nonnull(disk->change_id);
}

static void
expect_byte(const struct frozen_disk *disk, guint64 offset, guint8 expected)
{
    g_autoptr(GError) error = NULL;
    guint8 byte = 0;
    disk_read(disk->disk, offset, &byte, 1, &error);
    g_assert_no_error(error);
    g_assert_cmphex(byte, ==, expected);
}

static void
test_describe(void)
{
    auto_fixture fixture;
    if (!fixture_begin(&fixture))
        return;
    const struct machine *machine = fixture.machine;
    g_assert_cmpstr(machine->id, ==, "6b29fc40-ca47-1067-b31d-00dd010662da");
    g_assert_cmpuint(machine->memory, ==, 32 * MIB);
    g_assert_cmpuint(machine->cpus, ==, 2);
    g_assert_cmpuint(machine->cores_per_socket, ==, 2);
    g_assert_false(machine->tracked);
    g_assert_cmpuint(machine->disks->len, ==, 4);
    const struct machine_disk *vd0 = machine_find_disk(machine, "vd0");
    g_assert_cmpint(vd0->bus, ==, MACHINE_VIRTIO);
    g_assert_cmpstr(vd0->format, ==, "qcow2");
    g_assert_cmpuint(vd0->size, ==, QEMU_PEER_SIZE);
    g_assert_true(vd0->thin);
    g_assert_true(g_str_has_suffix(vd0->path, "/a.qcow2"));
    const struct machine_disk *sd1 = machine_find_disk(machine, "sd1");
    g_assert_cmpint(sd1->bus, ==, MACHINE_SCSI);
    g_assert_cmpstr(sd1->model, ==, "virtio-scsi");
    g_assert_cmpuint(sd1->unit, ==, 3);
    const struct machine_disk *cd0 = machine_find_disk(machine, "cd0");
    g_assert_cmpint(cd0->bus, ==, MACHINE_IDE);
    g_assert_nonnull(strstr(cd0->skip, "removable"));
    g_assert_nonnull(strstr(machine_find_disk(machine, "vd2")->skip, "cannot write"));
    const struct machine_nic *nic = machine_find_nic(machine, "net0");
    g_assert_cmpstr(nic->model, ==, "virtio");
    g_assert_cmpstr(nic->mac, ==, "52:54:00:ab:cd:ef");
    g_assert_cmpint(nic->kind, ==, MACHINE_USER_NETWORK);
    g_assert_cmpstr(machine->native_type, ==, "qmp-json");
}

static void
expect_place(const struct machine *machine, const char *name, enum machine_bus bus,
             const char *model, guint controller, guint unit)
{
    const struct machine_disk *disk = machine_find_disk(machine, name);
    g_test_message("%s", name);
    g_assert_nonnull(disk);
    g_assert_null(disk->skip);
    g_assert_cmpint(disk->bus, ==, bus);
    g_assert_cmpstr(disk->model, ==, model);
    g_assert_cmpuint(disk->controller, ==, controller);
    g_assert_cmpuint(disk->unit, ==, unit);
}

/* What else a disk may hang on, also without a name of its own; and the firmware's memory. */
static void
test_hardware(void)
{
    static const char more[] =
        "-device ich9-ahci,id=ahci0 -drive file=@/d0,if=none,id=d0,format=raw "
        "-device ide-hd,id=sata0,drive=d0,bus=ahci0.2 "
        "-drive file=@/d1,if=none,id=d1,format=raw -device nvme,id=nv0,serial=1,drive=d1 "
        "-drive file=@/d2,if=ide,index=3,id=d2,format=raw "
        "-drive file=@/d3,if=none,id=d3,format=raw -device qemu-xhci "
        "-device usb-storage,id=stick,drive=d3 "
        "-drive file=@/d4,if=virtio,id=d4,format=raw "
        "-drive file=@/firmware,if=pflash,format=raw,readonly=on";
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    for (guint i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("d%u", i);
        g_autofree char *path = scratch_path(&fixture.scratch, name);
        scratch_put(&fixture.scratch, name, "x");
        g_assert_cmpint(truncate(path, MIB), ==, 0);
    }
    qemu_peer_quit(fixture.peer);
    fixture.peer->more = more;
    qemu_peer_start(fixture.peer);
    auto_ptr(machine) machine = hypervisor_describe(fixture.hypervisor, "app01", &error);
    g_assert_no_error(error);
    expect_place(machine, "sata0", MACHINE_SATA, "ahci", 2, 0);
    expect_place(machine, "nv0", MACHINE_NVME, "nvme", 0, 0);
    expect_place(machine, "d2", MACHINE_IDE, "ide", 1, 1);
    expect_place(machine, "stick", MACHINE_USB, "usb", 0, 0);
    expect_place(machine, "d4", MACHINE_VIRTIO, "virtio-blk", 0, 0);
    g_assert_cmpint(machine->firmware, ==, MACHINE_UEFI);
    g_assert_nonnull(strstr(machine_find_disk(machine, "pflash0")->skip, "flash memory"));
    const struct freeze_disk disks[] = {{.name = "d2"}, {.name = "d4"}, {.name = "nv0"}};
    const struct freeze_options options = {
        .quiesce = FREEZE_NEVER, .disks = disks, .n_disks = 3, .chain = "store1"};
    struct frozen *frozen = hypervisor_freeze(fixture.hypervisor, machine, &options, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 3; i++)
        expect_byte(frozen_get_disk(frozen, i), 0, 'x');
    keep(frozen);
}

/* Older ones would not survive it. */
static void
test_thread(void)
{
    static const char more[] =
        "-object iothread,id=thread0 "
        "-drive file=@/d0,if=none,id=d0,format=raw "
        "-device virtio-blk-pci,id=vd7,drive=d0,iothread=thread0 "
        "-device virtio-scsi-pci,id=scsi1,iothread=thread0 "
        "-drive file=@/d1,if=none,id=d1,format=raw -device scsi-hd,id=sd7,drive=d1,bus=scsi1.0";
    static const char *const names[] = {"vd7", "sd7"};
    auto_fixture fixture;
    if (!fixture_begin(&fixture))
        return;
    qemu_peer_quit(fixture.peer);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *name = g_strdup_printf("d%u", i);
        g_autofree char *path = scratch_path(&fixture.scratch, name);
        scratch_put(&fixture.scratch, name, "x");
        g_assert_cmpint(truncate(path, MIB), ==, 0);
    }
    fixture.peer->more = more;
    qemu_peer_start(fixture.peer);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        const struct freeze_disk disk = {.name = names[i]};
        const struct freeze_options options = {
            .quiesce = FREEZE_NEVER, .disks = &disk, .n_disks = 1, .chain = "store1"};
        struct frozen *frozen =
            hypervisor_freeze(fixture.hypervisor, fixture.machine, &options, &error);
        if (qemu_session_major(fixture.peer->session) >= 9) {
            g_assert_no_error(error);
            keep(frozen);
            continue;
        }
        g_assert_null(frozen);
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
        g_assert_nonnull(strstr(error->message, "has an iothread"));
    }
    /* The others go on. */
    keep(freeze(&fixture, NULL, NULL));
}

static void
test_skipped(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    const struct freeze_disk disk = {.name = "cd0"};
    const struct freeze_options options = {.disks = &disk, .n_disks = 1, .chain = "store1"};
    g_assert_null(hypervisor_freeze(fixture.hypervisor, fixture.machine, &options, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "machine app01: disk cd0 cannot be backed up"));
}

/* Ended in good order, qcow2 images keep their bitmaps; raw ones have no place for them. */
static void
test_restart(void)
{
    auto_fixture fixture;
    if (!fixture_begin(&fixture))
        return;
    g_autofree char *vd0 = NULL, *sd1 = NULL;
    store_first(&fixture, &vd0, &sd1);
    qemu_peer_io(fixture.peer, "vd0", "write -P 7 1M 64k");
    qemu_peer_quit(fixture.peer);
    qemu_peer_start(fixture.peer);
    qemu_peer_io(fixture.peer, "vd0", "write -P 8 1088k 64k");
    struct frozen *frozen = freeze(&fixture, vd0, sd1);
    expect_change(frozen_get_disk(frozen, 0), MIB, 2 * KIB64);
    expect_byte(frozen_get_disk(frozen, 0), MIB, 7);
    expect_full(frozen_get_disk(frozen, 1), "QEMU was started anew, and images of its format");
    keep(frozen);
}

/* Killed, it has no time to write them down: what it had opened is broken, and what it had made
 * was never there. */
static void
test_killed_between(void)
{
    auto_fixture fixture;
    if (!fixture_begin(&fixture))
        return;
    g_autofree char *vd0 = NULL, *sd1 = NULL;
    store_first(&fixture, &vd0, &sd1);
    qemu_peer_kill(fixture.peer);
    qemu_peer_start(fixture.peer);
    struct frozen *frozen = freeze(&fixture, vd0, sd1);
    expect_full(frozen_get_disk(frozen, 0), "QEMU has lost its bitmap");
    g_autofree char *second = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    keep(frozen);
    qemu_peer_quit(fixture.peer);
    qemu_peer_start(fixture.peer);
    qemu_peer_io(fixture.peer, "vd0", "write -P 9 2M 64k");
    qemu_peer_io(fixture.peer, "vd0", "flush");
    qemu_peer_kill(fixture.peer);
    qemu_peer_start(fixture.peer);
    frozen = freeze(&fixture, second, NULL);
    expect_full(frozen_get_disk(frozen, 0), "its bitmap is broken");
    expect_byte(frozen_get_disk(frozen, 0), 2 * MIB, 9);
    g_autofree char *third = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    keep(frozen);
    qemu_peer_io(fixture.peer, "vd0", "write -P 10 3M 64k");
    frozen = freeze(&fixture, third, NULL);
    expect_change(frozen_get_disk(frozen, 0), 3 * MIB, KIB64);
    keep(frozen);
}

/* Reading fails then, and nothing has to be taken away. */
static void
test_killed_frozen(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    g_autofree char *vd0 = NULL, *sd1 = NULL;
    store_first(&fixture, &vd0, &sd1);
    struct frozen *frozen = freeze(&fixture, vd0, sd1);
    qemu_peer_kill(fixture.peer);
    guint8 byte;
    g_assert_false(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_clear_error(&error);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_true(frozen_settle(frozen, FALSE, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
    g_assert_null(try_freeze(&fixture, vd0, sd1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    qemu_peer_start(fixture.peer);
    frozen = freeze(&fixture, vd0, sd1);
    expect_full(frozen_get_disk(frozen, 0), "QEMU");
    keep(frozen);
}

/* Killed and started again while we were reading: what was there before is gone, and what is there
 * now is not ours to touch. */
static void
test_restarted_frozen(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    struct frozen *frozen = freeze(&fixture, NULL, NULL);
    qemu_peer_kill(fixture.peer);
    qemu_peer_start(fixture.peer);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_true(frozen_settle(frozen, TRUE, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    frozen_free(frozen);
}

/* Somebody cancels the job that keeps what the guest overwrites: no read fails, and what is read is
 * what the guest has now. */
static void
test_job_cancelled(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    g_autofree char *vd0 = NULL, *sd1 = NULL;
    store_first(&fixture, &vd0, &sd1);
    qemu_peer_io(fixture.peer, "vd0", "write -P 7 0 64k");
    struct frozen *frozen = freeze(&fixture, vd0, sd1);
    json_t *jobs = qemu_peer_ask(fixture.peer, "query-jobs", NULL);
    g_assert_cmpuint(json_array_size(jobs), ==, 2);
    qemu_peer_do(fixture.peer, "block-job-cancel",
                 json_pack("{s:O}", "device", json_object_get(json_array_get(jobs, 0), "id")));
    json_decref(jobs);
    for (gsize left = 2; left > 1; g_usleep(1000)) {
        jobs = qemu_peer_ask(fixture.peer, "query-jobs", NULL);
        left = json_array_size(jobs);
        json_decref(jobs);
    }
    qemu_peer_io(fixture.peer, "vd0", "write -P 8 0 64k");
    qemu_peer_io(fixture.peer, "sd1", "write -P 9 0 64k");
    guint8 bytes[2] = {0};
    for (guint i = 0; i < 2; i++)
        disk_read(frozen_get_disk(frozen, i)->disk, 0, &bytes[i], 1, &error);
    g_assert_no_error(error);
    g_assert_true(bytes[0] == 8 || bytes[1] == 9);
    frozen_thaw(frozen, &error);
    g_assert_no_error(error);
    g_assert_nonnull(frozen_torn(frozen));
    g_assert_nonnull(strstr(frozen_torn(frozen), "was ended by somebody else"));
    frozen_settle(frozen, FALSE, &error);
    g_assert_no_error(error);
    frozen_free(frozen);
    frozen = freeze(&fixture, vd0, sd1);
    expect_change(frozen_get_disk(frozen, 0), 0, KIB64);
    expect_byte(frozen_get_disk(frozen, 0), 0, 8);
    keep(frozen);
}

static void
test_grown(void)
{
    auto_fixture fixture;
    if (!fixture_begin(&fixture))
        return;
    g_autofree char *vd0 = NULL, *sd1 = NULL;
    store_first(&fixture, &vd0, &sd1);
    qemu_peer_do(fixture.peer, "block_resize",
                 json_pack("{s:s, s:i}", "node-name", "image0", "size", 12 * MIB));
    struct frozen *frozen = freeze(&fixture, vd0, sd1);
    expect_full(frozen_get_disk(frozen, 0), "it has 12582912 bytes, and had 8388608");
    g_assert_cmpuint(disk_size(frozen_get_disk(frozen, 0)->disk), ==, 12 * MIB);
    g_assert_null(frozen_get_disk(frozen, 1)->why_full);
    keep(frozen);
}

/* Without a bitmap of the chain more than there must be, whatever became of the runs before. */
static void
count_bitmap(const char *node G_GNUC_UNUSED, const struct qemu_bitmap *bitmap G_GNUC_UNUSED,
             gpointer data)
{
    ++*(guint *)data;
}

static void
expect_bitmaps(struct fixture *fixture, guint expected)
{
    guint n = 0;
    g_assert_true(qemu_drive_visit_bitmaps(fixture->peer->session, count_bitmap, &n, NULL));
    g_assert_cmpuint(n, ==, expected);
}

static void
test_bitmaps_go(void)
{
    auto_fixture fixture;
    if (!fixture_begin(&fixture))
        return;
    g_autofree char *vd0 = NULL, *sd1 = NULL;
    store_first(&fixture, &vd0, &sd1);
    expect_bitmaps(&fixture, 2);
    struct frozen *frozen = freeze(&fixture, vd0, sd1);
    expect_bitmaps(&fixture, 6); /* old, copy, new */
    frozen_free(frozen);
    expect_bitmaps(&fixture, 2);
    /* One that a killed run left behind. */
    g_autofree char *node = qemu_peer_node(fixture.peer, "vd0");
    qemu_peer_do(fixture.peer, "block-dirty-bitmap-add",
                 json_pack("{s:s, s:s}", "node", node, "name", "slipway_store1_0123456789abcdef"));
    qemu_peer_do(fixture.peer, "block-dirty-bitmap-add",
                 json_pack("{s:s, s:s}", "node", node, "name", "slipway_store2_0123456789abcdef"));
    qemu_peer_do(fixture.peer, "block-dirty-bitmap-add",
                 json_pack("{s:s, s:s}", "node", node, "name", "somebody's"));
    frozen = freeze(&fixture, vd0, sd1);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->changed);
    keep(frozen);
    expect_bitmaps(&fixture, 4);
    auto_ptr(machine) machine = hypervisor_describe(fixture.hypervisor, "app01", NULL);
    g_assert_true(machine->tracked);
}

/* A run that was killed between freezing the guest and thawing it: the next one thaws it. */
static void
test_quiet_left(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    g_autofree char *mark = mark_fixture_left();
    g_autofree char *note = g_strconcat(mark, "_quiet", NULL);
    qemu_session_add_note(fixture.peer->session, mark, &error);
    g_assert_no_error(error);
    qemu_session_add_note(fixture.peer->session, note, &error);
    g_assert_no_error(error);
    qemu_peer_freeze_guest(fixture.peer);
    g_assert_true(qemu_peer_is_quiet(fixture.peer));
    g_autoptr(GPtrArray) words = NULL;
    hypervisor_clean(fixture.hypervisor, "app01", &words, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(words->len, ==, 1);
    g_assert_false(qemu_peer_is_quiet(fixture.peer));
}

/* An agent that freezes the guest without a word: it is thawed as soon as it listens. */
static void
test_quiet_silent(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    qemu_peer_silence_agent(fixture.peer, 1);
    struct frozen *frozen = try_freeze_as(&fixture, NULL, NULL, FREEZE_TRY, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_CRASH);
    g_assert_null(strstr(frozen_words(frozen), "may still be frozen"));
    g_assert_false(qemu_peer_is_quiet(fixture.peer));
    keep(frozen);
    /* The freeze, and each try to thaw; at the end it does. */
    qemu_peer_silence_agent(fixture.peer, 1 + 3);
    frozen = try_freeze_as(&fixture, NULL, NULL, FREEZE_TRY, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(frozen_words(frozen), "may still be frozen"));
    g_assert_true(qemu_peer_is_quiet(fixture.peer));
    keep(frozen);
    g_assert_false(qemu_peer_is_quiet(fixture.peer));
    g_autofree char *left = qemu_peer_left(fixture.peer);
    g_assert_cmpstr(left, ==, NULL);
}

/* ---- Others ---------------------------------------------------------------------------------- */

static void
test_nbd_taken(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    g_autofree char *path = scratch_path(&fixture.scratch, "theirs");
    qemu_peer_do(fixture.peer, "nbd-server-start",
                 json_pack("{s:{s:s, s:{s:s}}}", "addr", "type", "unix", "data", "path", path));
    g_assert_null(try_freeze(&fixture, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "already runs an NBD server for somebody else"));
    qemu_peer_do(fixture.peer, "nbd-server-stop", NULL);
}

static void
test_job_taken(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    int file = qemu_scratch_file(fixture.scratch.path, &error);
    g_assert_no_error(error);
    g_autofree char *mark = mark_fixture_elsewhere();
    g_autofree char *overlay =
        qemu_scratch_add(fixture.peer->session, mark, 0, file, QEMU_PEER_SIZE, "image0", &error);
    g_assert_no_error(error);
    close(file);
    qemu_peer_do(fixture.peer, "blockdev-backup",
                 json_pack("{s:s, s:s, s:s, s:s}", "job-id", "theirs", "device", "image0", "target",
                           overlay, "sync", "none"));
    g_assert_null(try_freeze(&fixture, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "disk vd0: a job of somebody else works on it"));
    g_clear_error(&error);
    qemu_peer_do(fixture.peer, "block-job-cancel",
                 json_pack("{s:s, s:b}", "device", "theirs", "force", TRUE));
    qemu_leftovers_remove(fixture.peer->session, mark, NULL, &error);
    g_assert_no_error(error);
}

static void
test_frozen_twice(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    struct frozen *frozen = freeze(&fixture, NULL, NULL);
    g_assert_null(try_freeze(&fixture, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    keep(frozen);
}

/* One at a time: who comes second is told so, and not left waiting. */
static void
test_socket_taken(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    g_assert_null(qemu_peer_open(fixture.peer, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
}

static void
test_libvirt(void)
{
    auto_fixture fixture;
    g_autoptr(GError) error = NULL;
    if (!fixture_begin(&fixture))
        return;
    /* What libvirt makes first of all. */
    qemu_session_add_note(fixture.peer->session, "masterKey0", &error);
    g_assert_no_error(error);
    g_clear_pointer(&fixture.hypervisor, hypervisor_close);
    g_assert_null(qemu_peer_open(fixture.peer, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "belongs to libvirt"));
}

static void
test_bad_uri(void)
{
    static const struct {
        const char *uri;
        int code;
    } bad[] = {
        {"qmp:///nowhere/socket", SLIPWAY_ERROR_NETWORK},
        {"qmp://host", SLIPWAY_ERROR_USAGE},
        {"qmp:///", SLIPWAY_ERROR_USAGE},
        {"qmp:///run/x?agent=y", SLIPWAY_ERROR_USAGE},
        {"qmp:///run/x?socket=/y", SLIPWAY_ERROR_USAGE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(hypervisor_open(bad[i].uri, NULL, &error));
        g_test_message("%s", error->message);
        g_assert_error(error, SLIPWAY_ERROR, bad[i].code);
    }
}

/* A paused machine is frozen as one that runs, and is left paused. */
static void
test_paused(void)
{
    auto_fixture fixture;
    if (!fixture_begin(&fixture))
        return;
    qemu_peer_io(fixture.peer, "sd1", "write -P 3 1M 64k");
    qemu_peer_do(fixture.peer, "stop", NULL);
    struct frozen *frozen = freeze(&fixture, NULL, NULL);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_CRASH);
    expect_byte(frozen_get_disk(frozen, 1), MIB, 3);
    keep(frozen);
    json_t *status = qemu_peer_ask(fixture.peer, "query-status", NULL);
    g_assert_cmpstr(json_string_value(json_object_get(status, "status")), ==, "paused");
    json_decref(status);
    /* Only a machine that runs closes descriptors that it was given. */
    qemu_peer_do(fixture.peer, "cont", NULL);
    json_decref(qemu_peer_ask(fixture.peer, "query-fdsets", NULL));
    g_autoptr(GPtrArray) words = NULL;
    g_assert_true(hypervisor_clean(fixture.hypervisor, NULL, &words, NULL));
    g_assert_cmpuint(words->len, ==, 0);
}

int
main(int argc, char **argv)
{
    static const char *const disks[] = {"vd0", "sd1", NULL};
    static const struct hypervisor_suite suite = {
        .name = "qemu",
        .machine = "app01",
        .disks = disks,
        .granularity = KIB64,
        .begin = begin,
        .end = end,
        .open = open_peer,
        .write = write_peer,
        .left = left_in,
        .forget_changes = forget,
        .set_quiesce = set_quiesce,
        .leave = leave,
        .has = has,
        .drop = drop,
    };
    g_test_init(&argc, &argv, NULL);
    hypervisor_suite_add(&suite);
    g_test_add_func("/hypervisor/qemu/own/describe", test_describe);
    g_test_add_func("/hypervisor/qemu/own/hardware", test_hardware);
    g_test_add_func("/hypervisor/qemu/own/thread", test_thread);
    g_test_add_func("/hypervisor/qemu/own/skipped", test_skipped);
    g_test_add_func("/hypervisor/qemu/own/restart", test_restart);
    g_test_add_func("/hypervisor/qemu/own/killed-between", test_killed_between);
    g_test_add_func("/hypervisor/qemu/own/killed-frozen", test_killed_frozen);
    g_test_add_func("/hypervisor/qemu/own/restarted-frozen", test_restarted_frozen);
    g_test_add_func("/hypervisor/qemu/own/job-cancelled", test_job_cancelled);
    g_test_add_func("/hypervisor/qemu/own/grown", test_grown);
    g_test_add_func("/hypervisor/qemu/own/bitmaps-go", test_bitmaps_go);
    g_test_add_func("/hypervisor/qemu/own/quiet-left", test_quiet_left);
    g_test_add_func("/hypervisor/qemu/own/quiet-silent", test_quiet_silent);
    g_test_add_func("/hypervisor/qemu/own/nbd-taken", test_nbd_taken);
    g_test_add_func("/hypervisor/qemu/own/job-taken", test_job_taken);
    g_test_add_func("/hypervisor/qemu/own/frozen-twice", test_frozen_twice);
    g_test_add_func("/hypervisor/qemu/own/socket-taken", test_socket_taken);
    g_test_add_func("/hypervisor/qemu/own/libvirt", test_libvirt);
    g_test_add_func("/hypervisor/qemu/own/bad-uri", test_bad_uri);
    g_test_add_func("/hypervisor/qemu/own/paused", test_paused);
    return g_test_run();
}
