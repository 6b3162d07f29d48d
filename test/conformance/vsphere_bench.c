/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vsphere_bench.h"

#include "base/cancel.h"
#include "hyper/vsphere/vsphere.h"

#include <glib/gstdio.h>
#include <string.h>

#define STALL_S 20u

/* ---- What is said ---------------------------------------------------------------------------- */

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
    struct vsphere_notes *notes = (struct vsphere_notes *)self;
    if (kind == PROGRESS_DEBUG)
        return;
    g_mutex_lock(&notes->lock);
    g_string_append_printf(notes->text, "%s\n", text);
    g_mutex_unlock(&notes->lock);
}

static const struct progress_class notes_class = {ignore_begin, ignore_advance, ignore_end,
                                                  keep_note};

/* ---- Begin and end --------------------------------------------------------------------------- */

gboolean
vsphere_bench_begin(struct vsphere_bench *bench, const char *const *arguments)
{
    static const char *const no_machines[] = {"-machines", "0", NULL};
    *bench = (struct vsphere_bench){.scratch = scratch_new(),
                                    .machine = VSPHERE_PEER_MACHINE,
                                    .notes = {.base = {&notes_class}}};
    g_mutex_init(&bench->notes.lock);
    bench->notes.text = g_string_new(NULL);
    bench->peer = vsphere_peer_new(arguments != NULL ? arguments : no_machines);
    return bench->peer != NULL;
}

void
vsphere_bench_add_proxy(struct vsphere_bench *bench)
{
    g_autofree char *dev = scratch_path(&bench->scratch, "dev");
    g_autofree char *by_id = scratch_path(&bench->scratch, "dev/disk/by-id");
    g_autofree char *sys = scratch_path(&bench->scratch, "sys");
    g_assert_cmpint(g_mkdir_with_parents(by_id, 0700), ==, 0);
    g_setenv("SLIPWAY_DEV", dev, TRUE);
    g_setenv("SLIPWAY_SYSFS", sys, TRUE);
    vsphere_peer_tell(bench->peer, "settings", "{s:f, s:s}", "task_time", 0.005, "attach_links",
                      by_id);
    vsphere_peer_tell(bench->peer, "add", "{s:s}", "name", VSPHERE_BENCH_PROXY);
}

gboolean
vsphere_bench_begin_run(struct vsphere_bench *bench)
{
    if (!vsphere_bench_begin(bench, NULL))
        return FALSE;
    vsphere_bench_add_proxy(bench);
    vsphere_peer_tell(bench->peer, "settings", "{s:i}", "areas_per_reply", 2);
    bench->tidy = TRUE;
    return TRUE;
}

void
vsphere_bench_end(struct vsphere_bench *bench)
{
    vsphere_bench_close(bench);
    if (bench->tidy) {
        g_autofree char *left = vsphere_peer_left(bench->peer, "user's own", TRUE);
        g_assert_cmpstr(left, ==, NULL);
    }
    vsphere_peer_free(bench->peer);
    g_string_free(bench->notes.text, TRUE);
    g_mutex_clear(&bench->notes.lock);
    scratch_clear(&bench->scratch);
}

/* ---- The session ----------------------------------------------------------------------------- */

gboolean
vsphere_bench_try_open(struct vsphere_bench *bench, enum hypervisor_transport transport,
                       GError **error)
{
    gboolean named = transport == HYPERVISOR_TRANSPORT_HOTADD;
    bench->hypervisor =
        vsphere_peer_open(bench->peer, transport, named ? VSPHERE_BENCH_PROXY : NULL, error);
    if (bench->hypervisor == NULL)
        return FALSE;
    ((struct vsphere *)bench->hypervisor)->stall_s = STALL_S;
    return TRUE;
}

void
vsphere_bench_open(struct vsphere_bench *bench, enum hypervisor_transport transport)
{
    g_autoptr(GError) error = NULL;
    vsphere_bench_try_open(bench, transport, &error);
    g_assert_no_error(error);
}

void
vsphere_bench_open_in(struct vsphere_bench *bench, enum hypervisor_transport transport,
                      const char *own_machine)
{
    g_autoptr(GError) error = NULL;
    bench->hypervisor = vsphere_peer_open(bench->peer, transport, own_machine, &error);
    g_assert_no_error(error);
}

void
vsphere_bench_close(struct vsphere_bench *bench)
{
    if (bench->hypervisor != NULL)
        hypervisor_close(bench->hypervisor);
    bench->hypervisor = NULL;
}

/* ---- The machine and the server -------------------------------------------------------------- */

void
vsphere_bench_add(struct vsphere_bench *bench, const char *member, const char *value)
{
    if (member != NULL)
        vsphere_peer_tell(bench->peer, "add", "{s:s, s:[{s:i}], s:s}", "name", bench->machine,
                          "disks", "size", VSPHERE_BENCH_SIZE, member, value);
    else
        vsphere_peer_tell(bench->peer, "add", "{s:s, s:[{s:i}]}", "name", bench->machine, "disks",
                          "size", VSPHERE_BENCH_SIZE);
    vsphere_peer_write(bench->peer, bench->machine, 0, 0, KIB64, 0x11);
    vsphere_peer_write(bench->peer, bench->machine, 0, 8 * KIB64, 2 * KIB64, 0x22);
}

void
vsphere_bench_change(struct vsphere_bench *bench, const char *member, const char *value)
{
    vsphere_peer_tell(bench->peer, "machine", "{s:s, s:s}", "vm", bench->machine, member, value);
}

char *
vsphere_bench_ref(struct vsphere_bench *bench)
{
    json_t *machine = vsphere_peer_machine(bench->peer, bench->machine);
    char *ref =
        g_strdup_printf("VirtualMachine:%s", json_string_value(json_object_get(machine, "ref")));
    json_decref(machine);
    return ref;
}

guint8 *
vsphere_bench_look(struct vsphere_bench *bench)
{
    return vsphere_peer_read(bench->peer, bench->machine, 0, 0, VSPHERE_BENCH_SIZE);
}

void
vsphere_bench_rule(struct vsphere_bench *bench, const char *text)
{
    json_t *rule = json_loads(text, 0, NULL);
    g_assert_nonnull(rule);
    vsphere_peer_tell(bench->peer, "rule", "o", rule);
}

gboolean
vsphere_bench_rule_met(struct vsphere_bench *bench)
{
    json_t *state = vsphere_peer_ask(bench->peer, "state", NULL);
    json_t *rule = json_array_get(json_object_get(state, "rules"), 0);
    gboolean met = json_integer_value(json_object_get(rule, "used")) > 0;
    json_decref(state);
    return met;
}

guint
vsphere_bench_count(struct vsphere_bench *bench, const char *method)
{
    json_t *state = vsphere_peer_ask(bench->peer, "state", NULL);
    json_t *counts = json_object_get(state, "counts");
    guint count = (guint)json_integer_value(json_object_get(counts, method));
    json_decref(state);
    return count;
}

static gpointer
cancel_after_pause(gpointer data G_GNUC_UNUSED)
{
    g_usleep(300 * 1000);
    cancel_request();
    return NULL;
}

GThread *
vsphere_bench_cancel_soon(void)
{
    return g_thread_new("user", cancel_after_pause, NULL);
}

/* ---- A run ----------------------------------------------------------------------------------- */

struct frozen *
vsphere_bench_freeze_with(struct vsphere_bench *bench, enum freeze_quiesce quiesce, guint minutes,
                          const char *change_id, GError **error)
{
    const struct freeze_disk wanted = {
        .name = "scsi0:0", .change_id = change_id, .size = VSPHERE_BENCH_SIZE};
    const struct freeze_options options = {.quiesce = quiesce,
                                           .quiesce_minutes = minutes,
                                           .disks = &wanted,
                                           .n_disks = 1,
                                           .chain = "run",
                                           .progress = &bench->notes.base};
    g_autofree char *ref = vsphere_bench_ref(bench);
    const struct machine machine = {.ref = ref, .name = (char *)bench->machine};
    return hypervisor_freeze(bench->hypervisor, &machine, &options, error);
}

struct frozen *
vsphere_bench_freeze(struct vsphere_bench *bench, const char *change_id)
{
    g_autoptr(GError) error = NULL;
    struct frozen *frozen = vsphere_bench_freeze_with(bench, FREEZE_NEVER, 0, change_id, &error);
    g_assert_no_error(error);
    return frozen;
}

void
vsphere_bench_read_and_thaw(struct frozen *frozen, const guint8 *truth)
{
    const guint64 size = VSPHERE_BENCH_SIZE;
    g_autoptr(GError) error = NULL;
    struct disk *disk = frozen_get_disk(frozen, 0)->disk;
    g_autofree guint8 *bytes = g_malloc(size);
    g_assert_cmpuint(disk_size(disk), ==, size);
    disk_read(disk, 0, bytes, size, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(bytes, size, truth, size);
    /* Not in whole sectors, and over the end of a grain. */
    disk_read(disk, 9 * KIB64 - 1000, bytes, 3001, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(bytes, 3001, truth + 9 * KIB64 - 1000, 3001);
    struct disk_extent extent;
    for (guint64 at = 0; at < size; at += extent.length) {
        g_assert_true(disk_extent(disk, at, size - at, &extent, &error));
        for (guint64 i = at; extent.kind == DISK_ZERO && i < at + extent.length; i++)
            g_assert_cmpuint(truth[i], ==, 0);
    }
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
}

/* ---- What is expected ------------------------------------------------------------------------ */

static void
expect_said(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        g_error("\"%s\" does not say \"%s\"", text, words);
}

void
vsphere_bench_expect_words(const GError *error, enum slipway_error code, const char *const *words)
{
    g_assert_error(error, SLIPWAY_ERROR, (gint)code);
    for (gsize i = 0; words[i] != NULL; i++)
        expect_said(error->message, words[i]);
}

void
vsphere_bench_expect_refused(struct vsphere_bench *bench, enum slipway_error code,
                             const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(vsphere_bench_freeze_with(bench, FREEZE_NEVER, 0, NULL, &error));
    vsphere_bench_expect_words(error, code, (const char *const[]){words, NULL});
}

void
vsphere_bench_expect_note(const struct vsphere_bench *bench, const char *words)
{
    expect_said(bench->notes.text->str, words);
}

void
vsphere_bench_expect_why(const struct frozen *frozen, const char *words)
{
    const struct frozen_disk *disk = frozen_get_disk(frozen, 0);
    g_assert_null(disk->changed);
    g_assert_nonnull(disk->why_full);
    expect_said(disk->why_full, words);
}

void
vsphere_bench_expect_nothing_left(struct vsphere_bench *bench, const char *when)
{
    g_autofree char *left = vsphere_peer_left(bench->peer, NULL, TRUE);
    if (left != NULL)
        g_error("%s: %sis left", when, left);
    g_autofree char *notes = g_build_filename(g_get_user_state_dir(), "slipway", "attached", NULL);
    g_autoptr(GDir) dir = g_dir_open(notes, 0, NULL);
    g_assert_null(dir != NULL ? g_dir_read_name(dir) : NULL);
}
