/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vsphere_bench.h: what tests of the vSphere driver work at: the simulator, a proxy that disks are
 * attached to, a machine whose bytes are known, a session; and what they ask and expect of these.
 *
 * For one thread.  What does not go as it should ends the test, but where there is a GError. */
#pragma once

#include "vsphere_peer.h"

#include "base/error.h"
#include "base/progress.h"

#define KIB64 65536u
#define MIB 1048576u
/* The machine in which the tests run, for those who attach disks to it. */
#define VSPHERE_BENCH_PROXY "proxy01"
/* Of the disk of the machine. */
#define VSPHERE_BENCH_SIZE MIB
/* More calls than a run makes. */
#define VSPHERE_BENCH_CALLS_MAX 400u

/* What was said, but not for debugging: lines. */
struct vsphere_notes {
    struct progress base;
    GMutex lock;
    GString *text;
};

struct vsphere_bench {
    struct scratch scratch;
    struct vsphere_peer *peer;
    const char *machine;           /* its name: VSPHERE_PEER_MACHINE, until a test puts another */
    struct hypervisor *hypervisor; /* the session; NULL: there is none */
    struct vsphere_notes notes;    /* of all that is frozen here */
    gboolean tidy;                 /* at the end nothing is left but the user's own snapshots */
};

/* Start the simulator, with `arguments` as vsphere_peer_new() (NULL: without machines).  FALSE: it
 * was skipped; vsphere_bench_end() all the same. */
gboolean vsphere_bench_begin(struct vsphere_bench *bench, const char *const *arguments);
/* What is attached to the proxy, which is added, appears as a device below `scratch`, and is looked
 * for there. */
void vsphere_bench_add_proxy(struct vsphere_bench *bench);
/* Both, for tests that leave nothing: quick, with changes told in small pieces, and tidy. */
gboolean vsphere_bench_begin_run(struct vsphere_bench *bench);
/* Close the session, look at what is left of a tidy bench, end the simulator. */
void vsphere_bench_end(struct vsphere_bench *bench);
#define auto_vsphere_bench __attribute__((cleanup(vsphere_bench_end))) struct vsphere_bench

/* ---- The session ----------------------------------------------------------------------------- */

/* For hot-add from within the proxy.  What does not move is given up after 20 seconds. */
gboolean vsphere_bench_try_open(struct vsphere_bench *bench, enum hypervisor_transport transport,
                                GError **error);
void vsphere_bench_open(struct vsphere_bench *bench, enum hypervisor_transport transport);
/* From within that machine (NULL: none), with the driver's own patience. */
void vsphere_bench_open_in(struct vsphere_bench *bench, enum hypervisor_transport transport,
                           const char *own_machine);
void vsphere_bench_close(struct vsphere_bench *bench);

/* ---- The machine and the server -------------------------------------------------------------- */

/* Make it, with one disk of VSPHERE_BENCH_SIZE that has something on it.  `member`: of control
 * "add", with that text; NULL: none. */
void vsphere_bench_add(struct vsphere_bench *bench, const char *member, const char *value);
/* Control "machine": "snapshot", "remove" (of a snapshot), "power". */
void vsphere_bench_change(struct vsphere_bench *bench, const char *member, const char *value);
/* As struct machine has it; g_free(). */
char *vsphere_bench_ref(struct vsphere_bench *bench);
/* What the guest sees on the whole disk; g_free(). */
guint8 *vsphere_bench_look(struct vsphere_bench *bench);

/* Something that goes wrong, as JSON. */
void vsphere_bench_rule(struct vsphere_bench *bench, const char *text);
/* Whether the first of the rules was met. */
gboolean vsphere_bench_rule_met(struct vsphere_bench *bench);
/* How often the server was asked for it. */
guint vsphere_bench_count(struct vsphere_bench *bench, const char *method);

/* The user cancels in a moment: g_thread_join(), then cancel_heard(). */
GThread *vsphere_bench_cancel_soon(void);

/* ---- A run ----------------------------------------------------------------------------------- */

/* Freeze the machine's disk; `change_id` may be NULL. */
struct frozen *vsphere_bench_freeze_with(struct vsphere_bench *bench, enum freeze_quiesce quiesce,
                                         guint minutes, const char *change_id, GError **error);
/* Without quiescing, and it must work. */
struct frozen *vsphere_bench_freeze(struct vsphere_bench *bench, const char *change_id);
/* The frozen disk is what the guest saw in `truth`, and extents that are zeros are; thaws and frees
 * the frozen machine. */
void vsphere_bench_read_and_thaw(struct frozen *frozen, const guint8 *truth);

/* ---- What is expected ------------------------------------------------------------------------ */

/* An error of ours that says each of `words`, ended by NULL. */
void vsphere_bench_expect_words(const GError *error, enum slipway_error code,
                                const char *const *words);
/* It cannot be frozen, with an error that says `words`. */
void vsphere_bench_expect_refused(struct vsphere_bench *bench, enum slipway_error code,
                                  const char *words);
/* It was said. */
void vsphere_bench_expect_note(const struct vsphere_bench *bench, const char *words);
/* There is no list of changes, and why. */
void vsphere_bench_expect_why(const struct frozen *frozen, const char *words);
/* Nothing on the server, no session either, nor in our notes of what is attached.  `when`: for the
 * message. */
void vsphere_bench_expect_nothing_left(struct vsphere_bench *bench, const char *when);
