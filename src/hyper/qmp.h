/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qmp.h: the client's side of QMP, by which QEMU is told what to do: JSON, a line a message.
 *
 * A guest that nobody trusts may have taken over its QEMU: a line has at most QMP_LINE_MAX
 * bytes, of events that nobody fetches only the newest QMP_EVENTS_MAX are kept, and nothing is
 * waited for without a limit.  One thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>
#include <jansson.h>

#define QMP_LINE_MAX (1u << 20)
#define QMP_EVENTS_MAX 64u

struct qmp;

/* `fd` is a connected socket, which is taken over.  Waits for the greeting and answers it.  Fails
 * as qmp_run(). */
struct qmp *qmp_open(int fd, guint milliseconds, GError **error);
/* The same to the guest agent of a machine, which speaks much like QEMU: there is no greeting, no
 * event, and what is left of an earlier talk is thrown away. */
struct qmp *qmp_open_agent(int fd, guint milliseconds, GError **error);
/* A socket that is connected to the UNIX socket `path`, without waiting; -1: SLIPWAY_ERROR_NETWORK
 * (nobody is there), SLIPWAY_ERROR_DENIED, SLIPWAY_ERROR_BUSY (others wait there already). */
int qmp_dial(const char *path, GError **error);
void qmp_close(struct qmp *qmp);
AUTO_PTR_DEFINE(qmp, qmp_close)

/* Run a command and return what it returns (json_decref() it).  `arguments` is taken over; NULL:
 * none.  SLIPWAY_ERROR_FAILED: it was refused (QEMU's words), or there was no answer in time;
 * SLIPWAY_ERROR_IO: the peer is gone; SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT: it does not keep
 * to the protocol.  After one of these, and after an answer that did not come, all that follows
 * fails. */
json_t *qmp_run(struct qmp *qmp, const char *command, json_t *arguments, guint milliseconds,
                GError **error);

/* The same, and hands over the descriptor `fd` with it (add-fd, getfd); it stays the caller's. */
json_t *qmp_run_fd(struct qmp *qmp, const char *command, json_t *arguments, int fd,
                   guint milliseconds, GError **error);

/* To be polled for reading. */
int qmp_fd(const struct qmp *qmp);
/* Take in what has come.  FALSE as above. */
gboolean qmp_look(struct qmp *qmp, GError **error);
/* The oldest event nobody fetched yet: a JSON object with "event" and perhaps "data"; json_decref()
 * it.  NULL: there is none. */
json_t *qmp_event(struct qmp *qmp);
