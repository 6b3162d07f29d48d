/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_session.h: the connection to one QEMU, by its QMP socket.
 *
 * QEMU talks to one at a time on a socket, so whoever else waits there (libvirt on its own) is in
 * the way, and we in theirs.  A connection that is lost is made anew with the next question: what
 * was left half done can then be cleaned up.  Any thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>
#include <jansson.h>

struct qemu_session;

/* SLIPWAY_ERROR_NETWORK, SLIPWAY_ERROR_DENIED; SLIPWAY_ERROR_BUSY when somebody else is connected;
 * SLIPWAY_ERROR_UNSUPPORTED: it is libvirt's, or too old. */
struct qemu_session *qemu_session_open(const char *path, GError **error);
void qemu_session_close(struct qemu_session *session);
AUTO_PTR_DEFINE(qemu_session, qemu_session_close)

const char *qemu_session_path(const struct qemu_session *session);
const char *qemu_session_version(const struct qemu_session *session); /* "7.2.22" */
guint qemu_session_major(const struct qemu_session *session);

/* TRUE when that QEMU is known to have ended: nobody listens there any more. */
gboolean qemu_session_is_gone(struct qemu_session *session);

/* As qmp_run(): json_decref() what comes; `arguments` is taken over.  After SLIPWAY_ERROR_FAILED
 * QEMU has refused, and can be asked on. */
json_t *qemu_session_ask(struct qemu_session *session, const char *command, json_t *arguments,
                         GError **error);
/* The same where the answer says nothing. */
gboolean qemu_session_do(struct qemu_session *session, const char *command, json_t *arguments,
                         GError **error);
/* Hands over a descriptor with it. */
json_t *qemu_session_give(struct qemu_session *session, const char *command, json_t *arguments,
                          int fd, GError **error);

/* Objects of QEMU are where a run writes down who it is: `id` is well formed as QEMU wants it. */
gboolean qemu_session_add_note(struct qemu_session *session, const char *id, GError **error);
gboolean qemu_session_remove_note(struct qemu_session *session, const char *id, GError **error);
/* Names of all objects, of char *. */
GPtrArray *qemu_session_notes(struct qemu_session *session, GError **error);

/* What a property of the object at `path` says; NULL: it has none.  g_free() it. */
char *qemu_session_property(struct qemu_session *session, const char *path, const char *property);
