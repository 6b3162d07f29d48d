/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vsphere_peer.h: the simulator of test/vsphere/ for tests in C: started, controlled and ended. */
#pragma once

#include "../unit/scratch_directory.h"
#include "hyper/hypervisor.h"

#include <jansson.h>

#define VSPHERE_PEER_MACHINE "app01"

struct vsphere_peer;

/* With `arguments` (ended by NULL; may be NULL) on its command line.  NULL when it was not built,
 * after g_test_skip(). */
struct vsphere_peer *vsphere_peer_new(const char *const *arguments);
void vsphere_peer_free(struct vsphere_peer *peer);
/* "vsphere://127.0.0.1:1234" */
const char *vsphere_peer_uri(const struct vsphere_peer *peer);

/* Ask for one of the simulator's controls; `format` and what follows as json_pack(), NULL: {}.
 * json_decref() the answer. */
json_t *vsphere_peer_ask(struct vsphere_peer *peer, const char *control, const char *format, ...);
/* The same without an answer. */
void vsphere_peer_tell(struct vsphere_peer *peer, const char *control, const char *format, ...);
/* Write as the guest of a machine does: disk number `disk`. */
void vsphere_peer_write(struct vsphere_peer *peer, const char *machine, guint disk, guint64 offset,
                        guint64 length, guint8 pattern);
/* Read what the guest sees. */
guint8 *vsphere_peer_read(struct vsphere_peer *peer, const char *machine, guint disk,
                          guint64 offset, guint64 length);
/* Member `machine` of the state; json_decref(). */
json_t *vsphere_peer_machine(struct vsphere_peer *peer, const char *machine);

/* What of a run there is: snapshots but `except` (may be NULL), attached disks, merging that is
 * due, leases, views, filters and collectors of sessions; `closed`: sessions too.  NULL: nothing;
 * g_free(). */
char *vsphere_peer_left(struct vsphere_peer *peer, const char *except, gboolean closed);

/* A session, with few and short pauses. */
struct hypervisor *vsphere_peer_open(struct vsphere_peer *peer, enum hypervisor_transport transport,
                                     const char *own_machine, GError **error);
