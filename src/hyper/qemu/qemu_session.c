/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/qemu/qemu_session.h"

#include "base/error.h"
#include "hyper/qmp.h"

#define GREETING_MS 5000
/* A transaction waits for all requests of the guest that are under way. */
#define ANSWER_MS (120 * 1000)
#define NOTES_MAX 10000u

/* block-export-add. */
#define MAJOR_MIN 5
#define MINOR_MIN 2

struct qemu_session {
    char *path, *version;
    guint major;
    GMutex lock; /* over all below */
    struct qmp *qmp;
    gboolean gone;
};

static gboolean
connect_now(struct qemu_session *session, GError **error)
{
    g_autoptr(GError) local = NULL;
    int fd = qmp_dial(session->path, &local);
    session->gone = fd < 0 && local->code == SLIPWAY_ERROR_NETWORK;
    if (fd < 0)
        return error_set(error, local->code, "no QEMU is there: %s", local->message);
    session->qmp = qmp_open(fd, GREETING_MS, &local);
    if (session->qmp != NULL)
        return TRUE;
    if (local->code == SLIPWAY_ERROR_IO) {
        session->gone = TRUE;
        return error_set(error, SLIPWAY_ERROR_NETWORK, "QEMU at %s has just ended", session->path);
    }
    if (local->code != SLIPWAY_ERROR_FAILED) {
        g_propagate_prefixed_error(error, g_steal_pointer(&local), "%s: ", session->path);
        return FALSE;
    }
    return error_set(
        error, SLIPWAY_ERROR_BUSY,
        "QEMU does not answer at %s: it talks to one at a time, and somebody else "
        "(libvirt?) is connected; give it a second -qmp socket, or name the machine by "
        "libvirt's URI (qemu:///system/NAME)",
        session->path);
}

/* With the lock held.  After anything but a refusal the connection is of no use any more. */
static json_t *
run(struct qemu_session *session, const char *command, json_t *arguments, int fd, GError **error)
{
    /* It may have been started anew since it was asked last. */
    if (session->qmp != NULL && !qmp_look(session->qmp, NULL))
        g_clear_pointer(&session->qmp, qmp_close);
    if (session->qmp == NULL && !connect_now(session, error)) {
        json_decref(arguments);
        return NULL;
    }
    g_autoptr(GError) local = NULL;
    json_t *answer = qmp_run_fd(session->qmp, command, arguments, fd, ANSWER_MS, &local);
    if (answer != NULL)
        return answer;
    if (!qmp_look(session->qmp, NULL))
        g_clear_pointer(&session->qmp, qmp_close);
    if (local->code == SLIPWAY_ERROR_IO)
        error_set(error, SLIPWAY_ERROR_NETWORK, "%s: %s", session->path, local->message);
    else
        g_propagate_error(error, g_steal_pointer(&local));
    return NULL;
}

json_t *
qemu_session_give(struct qemu_session *session, const char *command, json_t *arguments, int fd,
                  GError **error)
{
    g_mutex_lock(&session->lock);
    json_t *answer = run(session, command, arguments, fd, error);
    g_mutex_unlock(&session->lock);
    return answer;
}

json_t *
qemu_session_ask(struct qemu_session *session, const char *command, json_t *arguments,
                 GError **error)
{
    return qemu_session_give(session, command, arguments, -1, error);
}

gboolean
qemu_session_do(struct qemu_session *session, const char *command, json_t *arguments,
                GError **error)
{
    json_t *answer = qemu_session_ask(session, command, arguments, error);
    json_decref(answer);
    return answer != NULL;
}

gboolean
qemu_session_is_gone(struct qemu_session *session)
{
    g_mutex_lock(&session->lock);
    if (session->qmp != NULL && !qmp_look(session->qmp, NULL))
        g_clear_pointer(&session->qmp, qmp_close);
    if (session->qmp == NULL)
        connect_now(session, NULL);
    gboolean gone = session->gone;
    g_mutex_unlock(&session->lock);
    return gone;
}

/* ---- Notes ----------------------------------------------------------------------------------- */

/* Limits without a limit, which nothing refers to: an object that does nothing. */
gboolean
qemu_session_add_note(struct qemu_session *session, const char *id, GError **error)
{
    return qemu_session_do(session, "object-add",
                           json_pack("{s:s, s:s}", "qom-type", "throttle-group", "id", id), error);
}

gboolean
qemu_session_remove_note(struct qemu_session *session, const char *id, GError **error)
{
    return qemu_session_do(session, "object-del", json_pack("{s:s}", "id", id), error);
}

GPtrArray *
qemu_session_notes(struct qemu_session *session, GError **error)
{
    json_t *list =
        qemu_session_ask(session, "qom-list", json_pack("{s:s}", "path", "/objects"), error);
    if (list == NULL)
        return NULL;
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < json_array_size(list) && names->len < NOTES_MAX; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (name != NULL)
            g_ptr_array_add(names, g_strdup(name));
    }
    json_decref(list);
    return names;
}

char *
qemu_session_property(struct qemu_session *session, const char *path, const char *property)
{
    json_t *answer = qemu_session_ask(
        session, "qom-get", json_pack("{s:s, s:s}", "path", path, "property", property), NULL);
    char *text = g_strdup(json_string_value(answer));
    json_decref(answer);
    return text;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static gboolean
check_version(struct qemu_session *session, GError **error)
{
    json_t *answer = qemu_session_ask(session, "query-version", NULL, error);
    if (answer == NULL)
        return FALSE;
    const json_t *qemu = json_object_get(answer, "qemu");
    json_int_t major = json_integer_value(json_object_get(qemu, "major"));
    json_int_t minor = json_integer_value(json_object_get(qemu, "minor"));
    json_int_t micro = json_integer_value(json_object_get(qemu, "micro"));
    json_decref(answer);
    session->version =
        g_strdup_printf("%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT,
                        major, minor, micro);
    session->major = (guint)CLAMP(major, 0, 1000);
    if (major > MAJOR_MIN || (major == MAJOR_MIN && minor >= MINOR_MIN))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                     "QEMU at %s is version %s; backups need %d.%d or newer", session->path,
                     session->version, MAJOR_MIN, MINOR_MIN);
}

/* libvirt keeps book of every node and job: behind its back it would lose its way. */
static gboolean
check_libvirt(struct qemu_session *session, GError **error)
{
    g_autoptr(GPtrArray) notes = qemu_session_notes(session, error);
    if (notes == NULL)
        return FALSE;
    for (guint i = 0; i < notes->len; i++)
        if (g_strcmp0(g_ptr_array_index(notes, i), "masterKey0") == 0)
            return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                             "QEMU at %s belongs to libvirt; name the machine by libvirt's URI "
                             "(qemu:///system/NAME)",
                             session->path);
    return TRUE;
}

struct qemu_session *
qemu_session_open(const char *path, GError **error)
{
    auto_ptr(qemu_session) session = g_new0(struct qemu_session, 1);
    session->path = g_strdup(path);
    g_mutex_init(&session->lock);
    if (!connect_now(session, error) || !check_version(session, error) ||
        !check_libvirt(session, error))
        return NULL;
    return g_steal_pointer(&session);
}

void
qemu_session_close(struct qemu_session *session)
{
    if (session == NULL)
        return;
    qmp_close(session->qmp);
    g_mutex_clear(&session->lock);
    g_free(session->path);
    g_free(session->version);
    g_free(session);
}

const char *
qemu_session_path(const struct qemu_session *session)
{
    return session->path;
}

const char *
qemu_session_version(const struct qemu_session *session)
{
    return session->version;
}

guint
qemu_session_major(const struct qemu_session *session)
{
    return session->major;
}
