/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What machines and servers are like that a backup meets: each with what is to come of it. */
#include "../unit/mark_fixture.h"
#include "vsphere_peer.h"

#include "base/cancel.h"
#include "base/error.h"
#include "hyper/vsphere/vsphere.h"

#include <glib/gstdio.h>
#include <string.h>

#define PROXY "proxy01"
#define DISK_SIZE (1u << 20)
#define KIB64 65536u

/* ---- Warnings -------------------------------------------------------------------------------- */

struct listener {
    struct progress base;
    GMutex lock;
    GString *text;
};

static void
ignore_begin(struct progress *self G_GNUC_UNUSED, const char *what G_GNUC_UNUSED,
             guint64 total G_GNUC_UNUSED, enum progress_unit unit G_GNUC_UNUSED)
{
}

static void
ignore_advance(struct progress *self G_GNUC_UNUSED, guint64 amount G_GNUC_UNUSED)
{
}

static void
ignore_end(struct progress *self G_GNUC_UNUSED, gboolean ok G_GNUC_UNUSED)
{
}

static void
keep_note(struct progress *self, enum progress_note kind, const char *text)
{
    struct listener *listener = (struct listener *)self;
    if (kind == PROGRESS_DEBUG)
        return;
    g_mutex_lock(&listener->lock);
    g_string_append_printf(listener->text, "%s\n", text);
    g_mutex_unlock(&listener->lock);
}

static const struct progress_class listener_class = {ignore_begin, ignore_advance, ignore_end,
                                                     keep_note};

/* ---- The server ------------------------------------------------------------------------------ */

struct bench {
    struct scratch scratch;
    struct vsphere_peer *peer;
    struct hypervisor *hypervisor;
    struct listener notes;
};

static gboolean
bench_begin(struct bench *bench)
{
    static const char *const arguments[] = {"-machines", "0", NULL};
    *bench = (struct bench){.scratch = scratch_new(), .notes = {{&listener_class}}};
    bench->notes.text = g_string_new(NULL);
    bench->peer = vsphere_peer_new(arguments);
    if (bench->peer == NULL)
        return FALSE;
    g_autofree char *dev = scratch_path(&bench->scratch, "dev");
    g_autofree char *by_id = scratch_path(&bench->scratch, "dev/disk/by-id");
    g_autofree char *sys = scratch_path(&bench->scratch, "sys");
    g_assert_cmpint(g_mkdir_with_parents(by_id, 0700), ==, 0);
    g_setenv("SLIPWAY_DEV", dev, TRUE);
    g_setenv("SLIPWAY_SYSFS", sys, TRUE);
    vsphere_peer_tell(bench->peer, "settings", "{s:f, s:s, s:i}", "task_time", 0.005,
                      "attach_links", by_id, "areas_per_reply", 2);
    vsphere_peer_tell(bench->peer, "add", "{s:s}", "name", PROXY);
    return TRUE;
}

static void
bench_end(struct bench *bench)
{
    if (bench->hypervisor != NULL)
        hypervisor_close(bench->hypervisor);
    if (bench->peer != NULL) {
        g_autofree char *left = vsphere_peer_left(bench->peer, "user's own", TRUE);
        g_assert_cmpstr(left, ==, NULL);
    }
    vsphere_peer_free(bench->peer);
    g_string_free(bench->notes.text, TRUE);
    scratch_clear(&bench->scratch);
}

#define auto_bench __attribute__((cleanup(bench_end))) struct bench

static void
bench_open(struct bench *bench, enum hypervisor_transport transport)
{
    g_autoptr(GError) error = NULL;
    gboolean named = transport == HYPERVISOR_TRANSPORT_HOTADD;
    bench->hypervisor = vsphere_peer_open(bench->peer, transport, named ? PROXY : NULL, &error);
    g_assert_no_error(error);
    ((struct vsphere *)bench->hypervisor)->stall_s = 20;
}

/* A machine with a disk that has something on it; `members` as in vsphere_peer_ask() or NULL. */
static void
bench_add(struct bench *bench, const char *member, const char *value)
{
    if (member != NULL)
        vsphere_peer_tell(bench->peer, "add", "{s:s, s:[{s:i}], s:s}", "name", VSPHERE_PEER_MACHINE,
                          "disks", "size", DISK_SIZE, member, value);
    else
        vsphere_peer_tell(bench->peer, "add", "{s:s, s:[{s:i}]}", "name", VSPHERE_PEER_MACHINE,
                          "disks", "size", DISK_SIZE);
    vsphere_peer_write(bench->peer, VSPHERE_PEER_MACHINE, 0, 0, KIB64, 0x11);
    vsphere_peer_write(bench->peer, VSPHERE_PEER_MACHINE, 0, 8 * KIB64, 2 * KIB64, 0x22);
}

static void
change(struct bench *bench, const char *member, const char *value)
{
    vsphere_peer_tell(bench->peer, "machine", "{s:s, s:s}", "vm", VSPHERE_PEER_MACHINE, member,
                      value);
}

static char *
find_ref(struct bench *bench)
{
    json_t *machine = vsphere_peer_machine(bench->peer, VSPHERE_PEER_MACHINE);
    char *ref =
        g_strdup_printf("VirtualMachine:%s", json_string_value(json_object_get(machine, "ref")));
    json_decref(machine);
    return ref;
}

static struct frozen *
freeze_with(struct bench *bench, enum freeze_quiesce quiesce, guint minutes, const char *change_id,
            GError **error)
{
    const struct freeze_disk wanted = {
        .name = "scsi0:0", .change_id = change_id, .size = DISK_SIZE};
    const struct freeze_options options = {.quiesce = quiesce,
                                           .quiesce_minutes = minutes,
                                           .disks = &wanted,
                                           .n_disks = 1,
                                           .chain = "run",
                                           .progress = &bench->notes.base};
    g_autofree char *ref = find_ref(bench);
    const struct machine machine = {.ref = ref, .name = (char *)VSPHERE_PEER_MACHINE};
    return hypervisor_freeze(bench->hypervisor, &machine, &options, error);
}

static struct frozen *
freeze(struct bench *bench, const char *change_id)
{
    g_autoptr(GError) error = NULL;
    struct frozen *frozen = freeze_with(bench, FREEZE_NEVER, 0, change_id, &error);
    g_assert_no_error(error);
    return frozen;
}

static void
expect_error(struct bench *bench, enum slipway_error code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(freeze_with(bench, FREEZE_NEVER, 0, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, (gint)code);
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, words);
}

static void
expect_note(struct bench *bench, const char *words)
{
    if (strstr(bench->notes.text->str, words) == NULL)
        g_error("\"%s\" was not said: %s", words, bench->notes.text->str);
}

static void
expect_why(const struct frozen *frozen, const char *words)
{
    const struct frozen_disk *disk = frozen_get_disk(frozen, 0);
    g_assert_null(disk->changed);
    g_assert_nonnull(disk->why_full);
    if (strstr(disk->why_full, words) == NULL)
        g_error("\"%s\" does not say \"%s\"", disk->why_full, words);
}

/* The frozen disk is what the guest saw in `truth`; frees the frozen machine. */
static void
read_and_thaw(struct frozen *frozen, const guint8 *truth)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = frozen_get_disk(frozen, 0)->disk;
    g_autofree guint8 *bytes = g_malloc(DISK_SIZE);
    g_assert_cmpuint(disk_size(disk), ==, DISK_SIZE);
    disk_read(disk, 0, bytes, DISK_SIZE, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(bytes, DISK_SIZE, truth, DISK_SIZE);
    /* Not in whole sectors, and over the end of a grain. */
    disk_read(disk, 9 * KIB64 - 1000, bytes, 3001, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(bytes, 3001, truth + 9 * KIB64 - 1000, 3001);
    struct disk_extent extent;
    for (guint64 at = 0; at < DISK_SIZE; at += extent.length) {
        g_assert_true(disk_extent(disk, at, DISK_SIZE - at, &extent, &error));
        for (guint64 i = at; extent.kind == DISK_ZERO && i < at + extent.length; i++)
            g_assert_cmpuint(truth[i], ==, 0);
    }
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
}

static guint8 *
look(struct bench *bench)
{
    return vsphere_peer_read(bench->peer, VSPHERE_PEER_MACHINE, 0, 0, DISK_SIZE);
}

/* ---- Snapshots of users ---------------------------------------------------------------------- */

static void
check_user_snapshots(enum hypervisor_transport transport)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    change(&bench, "snapshot", "user's own");
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 8 * KIB64 + 512, 1024, 0x33);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 3 * KIB64, 4096, 0x34);
    change(&bench, "snapshot", "user's own");
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 8 * KIB64 + 1024, 1024, 0x35);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 15 * KIB64, KIB64, 0x36);
    g_autofree guint8 *truth = look(&bench);
    bench_open(&bench, transport);
    struct frozen *frozen = freeze(&bench, NULL);
    expect_why(frozen, "while the machine has snapshots");
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 0, DISK_SIZE, 0x77);
    read_and_thaw(frozen, truth);
    json_t *machine = vsphere_peer_machine(bench.peer, VSPHERE_PEER_MACHINE);
    g_assert_cmpuint(json_array_size(json_object_get(machine, "snapshots")), ==, 2);
    json_decref(machine);
}

static void
test_user_snapshots_https(void)
{
    check_user_snapshots(HYPERVISOR_TRANSPORT_HTTPS);
}

static void
test_user_snapshots_hot_add(void)
{
    check_user_snapshots(HYPERVISOR_TRANSPORT_HOTADD);
}

/* A disk that begins with tracking, then gets a snapshot of the user's: changes are still told. */
static void
test_user_snapshot_tracked(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
    change(&bench, "snapshot", "user's own");
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 5 * KIB64, KIB64, 0x42);
    g_autofree guint8 *truth = look(&bench);
    frozen = freeze(&bench, change_id);
    const struct extent_list *changed = frozen_get_disk(frozen, 0)->changed;
    g_assert_nonnull(changed);
    g_assert_cmpuint(extent_list_total(changed), ==, KIB64);
    read_and_thaw(frozen, truth);
}

/* What is allocated is not asked for where it may not be all: of a disk on a chain. */
static void
test_user_snapshot_allocated(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    frozen_free(freeze(&bench, NULL));
    g_autofree guint8 *truth = look(&bench);
    struct frozen *frozen = freeze(&bench, NULL);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, !=, 0);
    read_and_thaw(frozen, truth);
    change(&bench, "snapshot", "user's own");
    frozen = freeze(&bench, NULL);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->change_id);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, ==, 0);
    read_and_thaw(frozen, truth);
}

/* ---- Others at work -------------------------------------------------------------------------- */

static void
test_busy(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_autofree char *alive = mark_new();
    g_autofree char *elsewhere = mark_fixture_elsewhere();
    change(&bench, "snapshot", alive);
    expect_error(&bench, SLIPWAY_ERROR_BUSY, alive);
    change(&bench, "remove", alive);
    change(&bench, "snapshot", elsewhere);
    expect_error(&bench, SLIPWAY_ERROR_BUSY, "another computer");
    change(&bench, "remove", elsewhere);
    struct frozen *frozen = freeze(&bench, NULL);
    expect_error(&bench, SLIPWAY_ERROR_BUSY, "this very run");
    frozen_free(frozen);
    frozen_free(freeze(&bench, NULL));
}

/* Somebody else takes the snapshot away while it is read. */
static void
test_taken_away(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = freeze(&bench, NULL);
    json_t *machine = vsphere_peer_machine(bench.peer, VSPHERE_PEER_MACHINE);
    json_t *snapshot = json_array_get(json_object_get(machine, "snapshots"), 0);
    change(&bench, "remove", json_string_value(json_object_get(snapshot, "name")));
    json_decref(machine);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
    expect_note(&bench, "removed by somebody else");
}

/* The user stops it while the server still makes the snapshot. */
static gpointer
cancel_soon(gpointer data G_GNUC_UNUSED)
{
    g_usleep(300 * 1000);
    cancel_request();
    return NULL;
}

static void
test_cancelled(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    vsphere_peer_tell(bench.peer, "settings", "{s:{s:i}}", "task_times", "CreateSnapshot_Task", 30);
    GThread *thread = g_thread_new("cancel", cancel_soon, NULL);
    g_assert_null(freeze_with(&bench, FREEZE_TRY, 0, NULL, &error));
    g_thread_join(thread);
    cancel_heard();
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
}

/* ---- States of machines ---------------------------------------------------------------------- */

static void
test_template(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:b, s:[{s:i}]}", "name", VSPHERE_PEER_MACHINE,
                      "template", 1, "disks", "size", DISK_SIZE);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    expect_error(&bench, SLIPWAY_ERROR_UNSUPPORTED, "template");
}

static void
check_unquiesced(const char *member, const char *value, const char *words)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, member, value);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = freeze_with(&bench, FREEZE_TRY, 0, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_CRASH);
    g_assert_nonnull(strstr(frozen_words(frozen), words));
    frozen_free(frozen);
    g_assert_null(freeze_with(&bench, FREEZE_REQUIRE, 0, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, words));
}

static void
test_suspended(void)
{
    check_unquiesced("power", "suspended", "suspended");
}

static void
test_no_tools(void)
{
    check_unquiesced("tools", "toolsNotRunning", "VMware Tools");
}

/* A guest with a limit is asked by the newer call. */
static void
test_quiesce_minutes(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = freeze_with(&bench, FREEZE_REQUIRE, 1, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_QUIESCED);
    frozen_free(frozen);
    json_t *state = vsphere_peer_ask(bench.peer, "state", NULL);
    json_t *counts = json_object_get(state, "counts");
    g_assert_cmpint(json_integer_value(json_object_get(counts, "CreateSnapshotEx_Task")), ==, 1);
    g_assert_null(json_object_get(counts, "CreateSnapshot_Task"));
    json_decref(state);
    /* A server that has it not after all. */
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "CreateSnapshotEx_Task", "fault",
                      "MethodNotFound");
    frozen = freeze_with(&bench, FREEZE_REQUIRE, 1, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_QUIESCED);
    frozen_free(frozen);
}

static gboolean
has_snapshots(struct bench *bench, gsize n)
{
    json_t *machine = vsphere_peer_machine(bench->peer, VSPHERE_PEER_MACHINE);
    gboolean ok = json_array_size(json_object_get(machine, "snapshots")) == n;
    json_decref(machine);
    return ok;
}

/* A removal that takes many times as long as what is called a standstill, through a session that
 * expires and a connection that drops: as long as it moves it is waited for, also after a cancel.
 */
static void
test_slow_removal(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = freeze(&bench, NULL);
    ((struct vsphere *)bench.hypervisor)->stall_s = 1;
    vsphere_peer_tell(bench.peer, "settings", "{s:{s:i}}", "task_times", "RemoveSnapshot_Task", 6);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:b}", "method", "WaitForUpdatesEx", "skip",
                      2, "expire", 1);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:s}", "method", "WaitForUpdatesEx", "skip",
                      3, "drop", "after");
    cancel_request();
    gboolean ok = frozen_thaw(frozen, &error);
    cancel_heard();
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_true(has_snapshots(&bench, 0));
    frozen_free(frozen);
    json_t *state = vsphere_peer_ask(bench.peer, "state", NULL);
    json_t *counts = json_object_get(state, "counts");
    g_assert_cmpint(json_integer_value(json_object_get(counts, "RemoveSnapshot_Task")), ==, 1);
    json_decref(state);
}

/* A guest that comes to rest when it is not waited for any more: of that snapshot nothing stays. */
static void
test_late_quiesce(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    ((struct vsphere *)bench.hypervisor)->stall_s = 1;
    vsphere_peer_tell(bench.peer, "settings", "{s:b, s:[s]}", "parallel", 1, "task_hang",
                      "CreateSnapshotEx_Task");
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s, s:i}", "method", "CancelTask", "fault",
                      "NotSupported", "count", -1);
    struct frozen *frozen = freeze_with(&bench, FREEZE_TRY, 5, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_CRASH);
    g_assert_true(has_snapshots(&bench, 1));
    vsphere_peer_tell(bench.peer, "settings", "{s:[]}", "task_hang");
    for (guint i = 0; i < 1000 && !has_snapshots(&bench, 2); i++)
        g_usleep(10 * 1000);
    g_assert_true(has_snapshots(&bench, 2));
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
    g_assert_true(has_snapshots(&bench, 0));
}

/* What lies on the datastore would be a backup of noise. */
static void
test_encrypted(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "machine", "{s:s, s:b}", "vm", VSPHERE_PEER_MACHINE, "encrypted",
                      1);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    expect_error(&bench, SLIPWAY_ERROR_UNSUPPORTED, "encrypted");
    hypervisor_close(bench.hypervisor);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    g_autofree guint8 *truth = look(&bench);
    read_and_thaw(freeze(&bench, NULL), truth);
}

/* It runs on a delta of a snapshot that is gone: that is merged before. */
static void
test_orphan(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "machine", "{s:s, s:b}", "vm", VSPHERE_PEER_MACHINE, "orphan", 1);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 4 * KIB64, KIB64, 0x55);
    g_autofree guint8 *truth = look(&bench);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = freeze(&bench, NULL);
    expect_note(&bench, "need to be merged");
    json_t *machine = vsphere_peer_machine(bench.peer, VSPHERE_PEER_MACHINE);
    json_t *disk = json_array_get(json_object_get(machine, "disks"), 0);
    g_assert_cmpuint(json_array_size(json_object_get(disk, "files")), ==, 2);
    json_decref(machine);
    read_and_thaw(frozen, truth);
}

/* ---- Tracking -------------------------------------------------------------------------------- */

static void
test_old_hardware(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, "version", "vmx-04");
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_autofree guint8 *truth = look(&bench);
    struct frozen *frozen = freeze(&bench, NULL);
    expect_why(frozen, "too old");
    g_assert_null(frozen_get_disk(frozen, 0)->change_id);
    read_and_thaw(frozen, truth);
}

static void
test_tracking_refused(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "ReconfigVM_Task", "fault",
                      "NoPermission");
    g_autofree guint8 *truth = look(&bench);
    struct frozen *frozen = freeze(&bench, NULL);
    expect_why(frozen, "could not be enabled");
    read_and_thaw(frozen, truth);
}

static void
test_late_id(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "settings", "{s:b}", "late_change_id", 1);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_autofree guint8 *truth = look(&bench);
    struct frozen *frozen = freeze(&bench, NULL);
    expect_why(frozen, "no change id");
    read_and_thaw(frozen, truth);
    frozen = freeze(&bench, NULL);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
}

/* Whatever a server answers, what is read is right. */
static void
test_absurd(void)
{
    static const char *const kinds[] = {"beyond", "negative", "standstill", "elsewhere"};
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 12 * KIB64, KIB64, 0x66);
    g_autofree guint8 *truth = look(&bench);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        vsphere_peer_tell(bench.peer, "settings", "{s:s}", "absurd_areas", kinds[i]);
        frozen = freeze(&bench, change_id);
        expect_why(frozen, "the server ");
        g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, ==,
                        0);
        read_and_thaw(frozen, truth);
        read_and_thaw(freeze(&bench, NULL), truth);
    }
    /* One extent for the whole disk says nothing, but is no lie. */
    vsphere_peer_tell(bench.peer, "settings", "{s:s}", "absurd_areas", "whole");
    frozen = freeze(&bench, NULL);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, ==, 0);
    read_and_thaw(frozen, truth);
    vsphere_peer_tell(bench.peer, "settings", "{s:s}", "absurd_areas", "");
    frozen = freeze(&bench, NULL);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, !=, 0);
    read_and_thaw(frozen, truth);
}

/* That nothing is allocated is not believed. */
static void
test_nothing_allocated(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:[{s:i}]}", "name", VSPHERE_PEER_MACHINE, "disks",
                      "size", DISK_SIZE);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_autofree guint8 *truth = look(&bench);
    struct frozen *frozen = freeze(&bench, NULL);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->change_id);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, ==, 0);
    read_and_thaw(frozen, truth);
}

static void
test_query_fails(void)
{
    static const char *const faults[] = {"FileFault", "NoPermission", "SystemError"};
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
    g_autofree guint8 *truth = look(&bench);
    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        vsphere_peer_tell(bench.peer, "clear", NULL);
        vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s, s:i}", "method", "QueryChangedDiskAreas",
                          "fault", faults[i], "count", -1);
        frozen = freeze(&bench, change_id);
        expect_why(frozen, faults[i]);
        read_and_thaw(frozen, truth);
    }
}

/* ---- Transports ------------------------------------------------------------------------------ */

/* Not in a machine of this server. */
static void
test_auto_outside(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    scratch_put(&bench.scratch, "sys/class/dmi/id/product_uuid",
                "12345678-1234-1234-1234-123456789abc\n");
    bench_open(&bench, HYPERVISOR_TRANSPORT_AUTO);
    g_autofree guint8 *truth = look(&bench);
    read_and_thaw(freeze(&bench, NULL), truth);
    g_assert_cmpstr(bench.notes.text->str, ==, "");
}

static void
test_hot_add_outside(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench.hypervisor = vsphere_peer_open(bench.peer, HYPERVISOR_TRANSPORT_HOTADD, "nobody", &error);
    expect_error(&bench, SLIPWAY_ERROR_UNSUPPORTED, "nobody");
}

/* In the order of bytes in which some firmwares have it. */
static void
check_found_by_uuid(const char *uuid, const char *shown)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:s}", "name", "proxy02", "uuid", uuid);
    g_autofree char *line = g_strconcat(shown, "\n", NULL);
    scratch_put(&bench.scratch, "sys/class/dmi/id/product_uuid", line);
    bench_open(&bench, HYPERVISOR_TRANSPORT_AUTO);
    g_autofree guint8 *truth = look(&bench);
    struct frozen *frozen = freeze(&bench, NULL);
    json_t *proxy = vsphere_peer_machine(bench.peer, "proxy02");
    json_t *disk = json_array_get(json_object_get(proxy, "disks"), 1);
    g_assert_cmpstr(json_string_value(json_object_get(disk, "mode")), ==,
                    "independent_nonpersistent");
    json_decref(proxy);
    read_and_thaw(frozen, truth);
}

static void
test_found_by_uuid(void)
{
    check_found_by_uuid("564d1122-3344-5566-7788-99aabbccddee",
                        "564D1122-3344-5566-7788-99AABBCCDDEE");
}

static void
test_found_by_swapped_uuid(void)
{
    check_found_by_uuid("564d1122-3344-5566-7788-99aabbccddee",
                        "22114d56-4433-6655-7788-99aabbccddee");
}

/* The disk is attached, and the guest's kernel shows none: read over HTTPS, with a warning. */
static void
test_auto_no_device(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "settings", "{s:s}", "attach_links", "");
    bench.hypervisor = vsphere_peer_open(bench.peer, HYPERVISOR_TRANSPORT_AUTO, PROXY, &error);
    g_assert_no_error(error);
    g_autofree guint8 *truth = look(&bench);
    read_and_thaw(freeze(&bench, NULL), truth);
    expect_note(&bench, "disk.EnableUUID");
}

/* The same, and it cannot be detached at once: it is before the snapshot is removed. */
static void
test_auto_stuck(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench.hypervisor = vsphere_peer_open(bench.peer, HYPERVISOR_TRANSPORT_AUTO, PROXY, &error);
    g_assert_no_error(error);
    frozen_free(freeze(&bench, NULL)); /* the tracking has begun */
    vsphere_peer_tell(bench.peer, "settings", "{s:s}", "attach_links", "");
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:i, s:s}", "method", "ReconfigVM_Task",
                      "skip", 1, "count", 9, "fault", "InvalidState");
    g_autofree guint8 *truth = look(&bench);
    struct frozen *frozen = freeze(&bench, NULL);
    expect_note(&bench, "is still attached");
    read_and_thaw(frozen, truth);
}

/* What is in the way of finding a disk's datacenter is told as what it is. */
static void
test_datacenter_faults(void)
{
    auto_bench bench;
    guint met = 0;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    frozen_free(freeze(&bench, NULL));
    for (guint skip = 0; skip < 40; skip++) {
        g_autoptr(GError) error = NULL;
        vsphere_peer_tell(bench.peer, "clear", NULL);
        vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:i, s:s}", "method",
                          "RetrievePropertiesEx", "skip", skip, "count", 1, "fault", "SystemError");
        struct frozen *frozen = freeze_with(&bench, FREEZE_NEVER, 0, NULL, &error);
        frozen_free(frozen);
        if (error == NULL)
            continue;
        met += strstr(error->message, "datacenter") != NULL;
        if (strstr(error->message, "SystemError") == NULL)
            g_error("\"%s\" does not tell the fault", error->message);
    }
    g_assert_cmpuint(met, >, 0);
}

/* IDE disks cannot be attached. */
static void
test_auto_ide(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:[{s:i, s:s}]}", "name", VSPHERE_PEER_MACHINE,
                      "disks", "size", DISK_SIZE, "controller", "ide");
    const struct freeze_disk wanted = {.name = "ide0:0"};
    const struct freeze_options options = {.disks = &wanted, .n_disks = 1, .chain = "run"};
    g_autofree char *ref = find_ref(&bench);
    const struct machine machine = {.ref = ref};
    bench.hypervisor = vsphere_peer_open(bench.peer, HYPERVISOR_TRANSPORT_AUTO, PROXY, &error);
    struct frozen *frozen = hypervisor_freeze(bench.hypervisor, &machine, &options, &error);
    g_assert_no_error(error);
    frozen_free(frozen);
    hypervisor_close(bench.hypervisor);
    bench.hypervisor = vsphere_peer_open(bench.peer, HYPERVISOR_TRANSPORT_HOTADD, PROXY, &error);
    g_assert_null(hypervisor_freeze(bench.hypervisor, &machine, &options, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
}

/* ---- VDDK, with a program in the place of nbdkit that serves the file --------------------------
 */

static const char fake_nbdkit[] =
    "#!/bin/sh\n"
    "for word; do\n"
    "  case $word in\n"
    "    --dump-plugin) echo vddk_library_version=8; exit 0 ;;\n"
    "    password=+*) test \"$(cat \"${word#password=+}\")\" = only-for-tests || exit 9 ;;\n"
    "    *only-for-tests*) exit 8 ;;\n"
    "    thumbprint=AA:*) thumb=yes ;;\n"
    "    vm=moref=vm-*) vm=yes ;;\n"
    "    snapshot=*) snapshot=yes ;;\n"
    "    user=root) user=yes ;;\n"
    "    server=127.0.0.1) server=yes ;;\n"
    "    port=*) port=yes ;;\n"
    "  esac\n"
    "done\n"
    "echo \"$thumb$vm$snapshot$user$server$port\" >&2\n"
    "test \"$thumb$vm$snapshot$user$server$port\" = yesyesyesyesyesyes || exit 7\n"
    "shift 3\n"
    "exec \"$REAL_NBDKIT\" --foreground --readonly --exit-with-parent \"$1\" \"$2\" "
    "file \"$VDDK_IMAGE\"\n";

static void
put_program(struct bench *bench, const char *text)
{
    g_autofree char *path = scratch_path(&bench->scratch, "bin/nbdkit");
    scratch_put(&bench->scratch, "bin/nbdkit", text);
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
}

static void
test_vddk(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    g_autofree char *real = g_find_program_in_path("nbdkit");
    if (real == NULL) {
        g_test_skip("nbdkit is not installed");
        return;
    }
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_VDDK);
    ((struct vsphere *)bench.hypervisor)->thumbprint = g_strdup("aa:01020304050607080910111213"
                                                                "141516171819");
    g_autofree guint8 *truth = look(&bench);
    put_program(&bench, fake_nbdkit);
    json_t *machine = vsphere_peer_machine(bench.peer, VSPHERE_PEER_MACHINE);
    json_t *disk = json_array_get(json_object_get(machine, "disks"), 0);
    g_setenv("VDDK_IMAGE", json_string_value(json_object_get(disk, "base")), TRUE);
    g_setenv("REAL_NBDKIT", real, TRUE);
    json_decref(machine);
    g_autofree char *old = g_strdup(g_getenv("PATH"));
    g_autofree char *directory = scratch_path(&bench.scratch, "bin");
    g_autofree char *path = g_strconcat(directory, ":", old, NULL);
    g_setenv("PATH", path, TRUE);
    struct frozen *frozen = freeze(&bench, NULL);
    read_and_thaw(frozen, truth);
    /* One that ends at once is told with its words. */
    put_program(&bench, "#!/bin/sh\ncase \"$*\" in *--dump-plugin*) echo vddk_library_version=8;; "
                        "*) echo no licence for this >&2; exit 1;; esac\n");
    expect_error(&bench, SLIPWAY_ERROR_FAILED, "no licence for this");
    put_program(&bench, "#!/bin/sh\nexit 1\n");
    expect_error(&bench, SLIPWAY_ERROR_UNSUPPORTED, "plugin");
    put_program(&bench, "#!/bin/sh\nexit 0\n");
    expect_error(&bench, SLIPWAY_ERROR_UNSUPPORTED, "Virtual Disk Development Kit");
    g_setenv("PATH", directory, TRUE);
    g_autofree char *program = scratch_path(&bench.scratch, "bin/nbdkit");
    g_unlink(program);
    expect_error(&bench, SLIPWAY_ERROR_UNSUPPORTED, "install nbdkit");
    g_setenv("PATH", old, TRUE);
}

/* A library that hangs does not outlast the user's patience. */
static const char slow_nbdkit[] =
    "#!/bin/sh\n"
    "case \"$*\" in *--dump-plugin*) echo vddk_library_version=8; exit 0 ;; esac\n"
    "shift 3\n"
    "exec \"$REAL_NBDKIT\" --foreground --readonly --exit-with-parent \"$1\" \"$2\" "
    "--filter=delay null 1M rdelay=600\n";

static void
test_vddk_cancelled(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    g_autofree char *real = g_find_program_in_path("nbdkit");
    if (real == NULL) {
        g_test_skip("nbdkit is not installed");
        return;
    }
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_VDDK);
    ((struct vsphere *)bench.hypervisor)->thumbprint = g_strdup("aa:01020304050607080910111213"
                                                                "141516171819");
    put_program(&bench, slow_nbdkit);
    g_setenv("REAL_NBDKIT", real, TRUE);
    g_autofree char *old = g_strdup(g_getenv("PATH"));
    g_autofree char *directory = scratch_path(&bench.scratch, "bin");
    g_autofree char *path = g_strconcat(directory, ":", old, NULL);
    g_setenv("PATH", path, TRUE);
    struct frozen *frozen = freeze(&bench, NULL);
    g_setenv("PATH", old, TRUE);
    GThread *thread = g_thread_new("cancel", cancel_soon, NULL);
    guint8 byte;
    g_assert_false(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
    g_assert_nonnull(error);
    g_thread_join(thread);
    g_clear_error(&error);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
    cancel_heard();
}

/* ---- In place -------------------------------------------------------------------------------- */

static struct placement *
overwrite(struct bench *bench, GError **error)
{
    g_autofree char *ref = find_ref(bench);
    return hypervisor_overwrite(bench->hypervisor, ref, NULL, &bench->notes.base, error);
}

static void
test_overwrite(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, NULL, NULL);
    bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    struct frozen *frozen = freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    g_assert_nonnull(change_id);
    frozen_free(frozen);

    g_assert_null(overwrite(&bench, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "shut it down"));
    g_clear_error(&error);
    change(&bench, "power", "poweredOff");
    change(&bench, "snapshot", "user's own");
    g_assert_null(overwrite(&bench, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "user's own"));
    g_clear_error(&error);
    vsphere_peer_tell(bench.peer, "machine", "{s:s, s:s}", "vm", VSPHERE_PEER_MACHINE, "remove",
                      "user's own");

    struct placement *placement = overwrite(&bench, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(placement_n_disks(placement), ==, 1);
    struct disk *target = placement_get_disk(placement, 0)->target;
    g_autofree guint8 *bytes = g_malloc(KIB64);
    memset(bytes, 0x99, KIB64);
    g_assert_true(disk_write(target, 6 * KIB64, bytes, KIB64, &error));
    g_assert_true(disk_zero(target, 0, KIB64, &error));
    g_assert_true(disk_flush(target, &error));
    struct machine *machine = NULL;
    g_assert_true(placement_finish(placement, TRUE, &machine, &error));
    g_assert_no_error(error);
    g_assert_cmpint(machine->power, ==, MACHINE_ON);
    machine_free(machine);
    placement_free(placement);
    g_autofree guint8 *truth = look(&bench);
    g_assert_cmpmem(truth + 6 * KIB64, KIB64, bytes, KIB64);
    g_assert_cmpuint(truth[0], ==, 0);

    /* What was written passed by the tracking: the next backup knows. */
    frozen = freeze(&bench, change_id);
    expect_why(frozen, "began anew");
    read_and_thaw(frozen, truth);
}

static void
test_overwrite_abandoned(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, "power", "poweredOff");
    bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    struct placement *placement = overwrite(&bench, &error);
    g_assert_no_error(error);
    placement_free(placement);
    g_assert_cmpstr(bench.notes.text->str, ==, "");
}

/* The tracking begins anew by what is done here, not by what this server does when a disk that
 * could be written is detached: none is attached.  `ended`: in the configuration only, by somebody
 * else. */
static void
check_tracking_anew(gboolean ended)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, "power", "poweredOff");
    bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    struct frozen *frozen = freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
    frozen = freeze(&bench, change_id);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->changed);
    frozen_free(frozen);
    if (ended) {
        const struct vim_wait wait = {.what = "ending"};
        struct moref machine;
        g_autofree char *ref = find_ref(&bench);
        g_assert_true(moref_parse(ref, &machine));
        vim_run(((struct vsphere *)bench.hypervisor)->vim, "ReconfigVM_Task", &machine,
                "<spec><changeTrackingEnabled>false</changeTrackingEnabled></spec>", &wait, NULL,
                NULL, &error);
        g_assert_no_error(error);
        moref_clear(&machine);
    }
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:s}", "method", "ReconfigVM_Task", "skip",
                      ended ? 0 : 1, "fault", "InvalidDeviceSpec");
    g_assert_null(overwrite(&bench, &error));
    g_assert_nonnull(strstr(error->message, "InvalidDeviceSpec"));
    frozen = freeze(&bench, change_id);
    expect_why(frozen, "began anew");
    frozen_free(frozen);
}

static void
test_overwrite_tracking(void)
{
    check_tracking_anew(FALSE);
}

static void
test_overwrite_tracking_ended(void)
{
    check_tracking_anew(TRUE);
}

static void
test_overwrite_outside(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    bench_add(&bench, "power", "poweredOff");
    bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_assert_null(overwrite(&bench, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "restore as a new machine"));
}

static const struct {
    const char *path;
    void (*test)(void);
} tests[] = {
    {"user-snapshots/https", test_user_snapshots_https},
    {"user-snapshots/hot-add", test_user_snapshots_hot_add},
    {"user-snapshots/tracked", test_user_snapshot_tracked},
    {"user-snapshots/allocated", test_user_snapshot_allocated},
    {"busy", test_busy},
    {"taken-away", test_taken_away},
    {"cancelled", test_cancelled},
    {"state/template", test_template},
    {"state/suspended", test_suspended},
    {"state/no-tools", test_no_tools},
    {"state/quiesce-minutes", test_quiesce_minutes},
    {"state/late-quiesce", test_late_quiesce},
    {"state/slow-removal", test_slow_removal},
    {"state/encrypted", test_encrypted},
    {"state/orphan", test_orphan},
    {"tracking/old-hardware", test_old_hardware},
    {"tracking/refused", test_tracking_refused},
    {"tracking/late-id", test_late_id},
    {"tracking/absurd", test_absurd},
    {"tracking/nothing-allocated", test_nothing_allocated},
    {"tracking/query-fails", test_query_fails},
    {"transport/auto-outside", test_auto_outside},
    {"transport/hot-add-outside", test_hot_add_outside},
    {"transport/found-by-uuid", test_found_by_uuid},
    {"transport/found-by-swapped-uuid", test_found_by_swapped_uuid},
    {"transport/auto-no-device", test_auto_no_device},
    {"transport/auto-stuck", test_auto_stuck},
    {"transport/datacenter-faults", test_datacenter_faults},
    {"transport/auto-ide", test_auto_ide},
    {"transport/vddk", test_vddk},
    {"transport/vddk-cancelled", test_vddk_cancelled},
    {"overwrite/written", test_overwrite},
    {"overwrite/abandoned", test_overwrite_abandoned},
    {"overwrite/tracking", test_overwrite_tracking},
    {"overwrite/tracking-ended", test_overwrite_tracking_ended},
    {"overwrite/outside", test_overwrite_outside},
};

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/vsphere/run/", tests[i].path, NULL);
        g_test_add_func(path, tests[i].test);
    }
    return g_test_run();
}
