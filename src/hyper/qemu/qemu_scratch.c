/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/qemu/qemu_scratch.h"

#include "base/cancel.h"
#include "base/error.h"
#include "hyper/qemu/qemu_leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CREATE_US (60 * G_USEC_PER_SEC)
#define PAUSE_US 2000
#define BACKLOG 16

int
qemu_scratch_file(const char *directory, GError **error)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        g_autofree char *path = g_build_filename(directory, "slipway-scratch-XXXXXX", NULL);
        fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
            g_unlink(path);
    }
    if (fd < 0)
        error_set_errno(error, errno, "cannot make a scratch file in %s", directory);
    return fd;
}

/* ---- Overlays -------------------------------------------------------------------------------- */

/* Give QEMU the file; the name by which it can be opened there. */
static char *
give_file(struct qemu_session *session, const char *mark, int fd, GError **error)
{
    json_t *answer =
        qemu_session_give(session, "add-fd", json_pack("{s:s}", "opaque", mark), fd, error);
    if (answer == NULL)
        return NULL;
    json_int_t set = json_integer_value(json_object_get(answer, "fdset-id"));
    json_decref(answer);
    return g_strdup_printf("/dev/fdset/%" JSON_INTEGER_FORMAT, set);
}

/* 1: the job has ended; 0: it runs; -1: it failed. */
static int
look_at_job(struct qemu_session *session, const char *id, GError **error)
{
    json_t *jobs = qemu_session_ask(session, "query-jobs", NULL, error);
    int state = jobs != NULL ? 1 : -1;
    for (gsize i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        if (g_strcmp0(json_string_value(json_object_get(job, "id")), id) != 0)
            continue;
        const char *status = json_string_value(json_object_get(job, "status"));
        const char *words = json_string_value(json_object_get(job, "error"));
        state = g_strcmp0(status, "concluded") == 0 ? 1 : 0;
        if (words != NULL) {
            error_set(error, SLIPWAY_ERROR_FAILED, "QEMU cannot make a scratch image: %s", words);
            state = -1;
        }
    }
    json_decref(jobs);
    return state;
}

static gboolean
wait_for_job(struct qemu_session *session, const char *id, GError **error)
{
    gint64 end = g_get_monotonic_time() + CREATE_US;
    int state;
    while ((state = look_at_job(session, id, error)) == 0) {
        if (!cancel_check(error))
            return FALSE;
        if (g_get_monotonic_time() > end)
            return error_set(error, SLIPWAY_ERROR_FAILED, "QEMU does not make a scratch image");
        g_usleep(PAUSE_US);
    }
    return state > 0 &&
           qemu_session_do(session, "job-dismiss", json_pack("{s:s}", "id", id), error);
}

static gboolean
create_image(struct qemu_session *session, const char *mark, guint number, const char *file,
             guint64 size, GError **error)
{
    g_autofree char *job = qemu_leftovers_name(mark, "c", number);
    json_t *options =
        json_pack("{s:s, s:s, s:I}", "driver", "qcow2", "file", file, "size", (json_int_t)size);
    return qemu_session_do(session, "blockdev-create",
                           json_pack("{s:s, s:o}", "job-id", job, "options", options), error) &&
           wait_for_job(session, job, error);
}

char *
qemu_scratch_add(struct qemu_session *session, const char *mark, guint number, int fd, guint64 size,
                 const char *below, GError **error)
{
    g_autofree char *file = qemu_leftovers_node(mark, "f", number);
    g_autofree char *overlay = qemu_leftovers_node(mark, "q", number);
    g_autofree char *name = give_file(session, mark, fd, error);
    if (name == NULL ||
        !qemu_session_do(
            session, "blockdev-add",
            json_pack("{s:s, s:s, s:s}", "driver", "file", "node-name", file, "filename", name),
            error) ||
        !create_image(session, mark, number, file, size, error) ||
        !qemu_session_do(session, "blockdev-add",
                         json_pack("{s:s, s:s, s:s, s:s}", "driver", "qcow2", "node-name", overlay,
                                   "file", file, "backing", below),
                         error))
        return NULL;
    return g_steal_pointer(&overlay);
}

/* ---- The NBD server -------------------------------------------------------------------------- */

static int
listen_at(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        error_set(error, SLIPWAY_ERROR_IO,
                  "%s is too long for the path of a socket; set TMPDIR to a shorter one", path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    error_set_errno(error, errno, "cannot make the socket %s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static gboolean
start_server(struct qemu_session *session, const char *name, GError **error)
{
    g_autoptr(GError) local = NULL;
    json_t *address = json_pack("{s:s, s:{s:s}}", "type", "fd", "data", "str", name);
    if (qemu_session_do(session, "nbd-server-start", json_pack("{s:o}", "addr", address), &local))
        return TRUE;
    qemu_session_do(session, "closefd", json_pack("{s:s}", "fdname", name), NULL);
    if (strstr(local->message, "already running") != NULL)
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "QEMU already runs an NBD server for somebody else, and has only one; try "
                         "again when that has ended (nbd-server-stop ends it)");
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

gboolean
qemu_scratch_serve(struct qemu_session *session, const char *mark, const char *socket,
                   GError **error)
{
    int fd = listen_at(socket, error);
    if (fd < 0)
        return FALSE;
    g_autofree char *note = g_strconcat(mark, "_nbd", NULL);
    json_t *given =
        qemu_session_give(session, "getfd", json_pack("{s:s}", "fdname", mark), fd, error);
    close(fd);
    json_decref(given);
    if (given == NULL || !qemu_session_add_note(session, note, error))
        return FALSE;
    if (start_server(session, mark, error))
        return TRUE;
    /* So that nobody stops what is not ours. */
    qemu_session_remove_note(session, note, NULL);
    return FALSE;
}
