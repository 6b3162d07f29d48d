/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_peer.h: a real QEMU with two QMP sockets, one of which is the test's own; its processor does
 * nothing, and what its guest would write is written by QEMU's monitor.  And a guest agent. */
#pragma once

#include "../unit/scratch_directory.h"
#include "hyper/hypervisor.h"
#include "hyper/qemu/qemu_session.h"

#define QEMU_PEER_SIZE (8u * 1024 * 1024)     /* of disk vd0, qcow2 behind a throttle */
#define QEMU_PEER_RAW_SIZE (5u * 1024 * 1024) /* of disk sd1, raw, on virtio-scsi */

struct qemu_peer {
    const struct scratch *scratch;
    GPid pid;
    struct qemu_session *session; /* the test's own */
    const char *more; /* arguments that qemu_peer_start() adds, @ for the scratch directory */
    struct qemu_agent_peer *agent;
};

/* Make the images and start it; NULL after g_test_skip() when it cannot be. */
struct qemu_peer *qemu_peer_new(const struct scratch *scratch);
void qemu_peer_free(struct qemu_peer *peer);

/* Start it again with the images that are there. */
void qemu_peer_start(struct qemu_peer *peer);
/* As `quit` ends it, with all that lasts written; or as a loss of power does. */
void qemu_peer_quit(struct qemu_peer *peer);
void qemu_peer_kill(struct qemu_peer *peer);

/* Ask it by the test's own socket; asserts that it does not refuse.  json_decref() it. */
json_t *qemu_peer_ask(struct qemu_peer *peer, const char *command, json_t *arguments);
void qemu_peer_do(struct qemu_peer *peer, const char *command, json_t *arguments);
/* A command of qemu-io on the disk ("write -P 1 0 64k", "flush"). */
void qemu_peer_io(struct qemu_peer *peer, const char *disk, const char *command);
/* The node of the disk's image. */
char *qemu_peer_node(struct qemu_peer *peer, const char *disk);

/* By the driver. */
struct hypervisor *qemu_peer_open(struct qemu_peer *peer, GError **error);
char *qemu_peer_socket(const struct qemu_peer *peer);

/* What of a run is there; NULL: nothing. */
char *qemu_peer_left(struct qemu_peer *peer);

/* Whether its agent can freeze the guest, and whether the guest is frozen. */
void qemu_peer_set_agent(struct qemu_peer *peer, gboolean works);
/* The next `n` times it is told to freeze or thaw it does not answer; freeze it does. */
void qemu_peer_silence_agent(struct qemu_peer *peer, guint n);
void qemu_peer_freeze_guest(struct qemu_peer *peer);
gboolean qemu_peer_is_quiet(struct qemu_peer *peer);
