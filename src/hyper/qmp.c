/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/qmp.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIECE 65536u
#define WORDS_MAX 400    /* of an error that QEMU tells */
#define DELIMITER '\xff' /* of the guest agent: what came before is not for us */

struct qmp {
    int fd;
    GByteArray *input; /* what has come and is not a whole line yet */
    GQueue events;     /* of json_t * */
    json_t *answer;    /* to the command that runs; NULL */
    json_int_t number; /* of the last command */
    gboolean greeted;
    gboolean agent;  /* not QEMU, but what runs in its guest */
    GError *failure; /* since then nothing works; NULL */
};

/* ---- Messages that come ---------------------------------------------------------------------- */

static void
keep_event(struct qmp *qmp, json_t *message)
{
    if (g_queue_get_length(&qmp->events) >= QMP_EVENTS_MAX)
        json_decref(g_queue_pop_head(&qmp->events));
    g_queue_push_tail(&qmp->events, json_incref(message));
}

/* The agent answers one after the other, older ones without a number. */
static void
take_agent_line(struct qmp *qmp, const char *line, gsize length)
{
    const char *delimiter = memrchr(line, DELIMITER, length);
    const char *begin = delimiter != NULL ? delimiter + 1 : line;
    json_t *message = json_loadb(begin, length - (gsize)(begin - line), 0, NULL);
    if (json_object_get(message, "return") != NULL || json_object_get(message, "error") != NULL) {
        json_decref(qmp->answer);
        qmp->answer = json_incref(message);
    }
    json_decref(message);
}

static gboolean
take_line(struct qmp *qmp, const char *line, gsize length, GError **error)
{
    if (qmp->agent) {
        take_agent_line(qmp, line, length);
        return TRUE;
    }
    if (length == 0 || (length == 1 && line[0] == '\r'))
        return TRUE;
    json_t *message = json_loadb(line, length, 0, NULL);
    gboolean known = json_is_object(message);
    if (!known)
        error_set(error, SLIPWAY_ERROR_CORRUPT, "QEMU said something that is not QMP");
    else if (json_object_get(message, "QMP") != NULL)
        qmp->greeted = TRUE;
    else if (json_is_string(json_object_get(message, "event")))
        keep_event(qmp, message);
    else if (json_integer_value(json_object_get(message, "id")) == qmp->number) {
        json_decref(qmp->answer);
        qmp->answer = json_incref(message);
    } /* else: to something else than the last command: nobody waits for it */
    json_decref(message);
    return known;
}

/* Every whole line that is there. */
static gboolean
take_lines(struct qmp *qmp, GError **error)
{
    const guint8 *data = qmp->input->data;
    gsize done = 0;
    gboolean ok = TRUE;
    const guint8 *end;
    while (ok && done < qmp->input->len &&
           (end = memchr(data + done, '\n', qmp->input->len - done)) != NULL) {
        ok = take_line(qmp, (const char *)data + done, (gsize)(end - data) - done, error);
        done = (gsize)(end - data) + 1;
    }
    if (done > 0)
        g_byte_array_remove_range(qmp->input, 0, (guint)done);
    if (ok && qmp->input->len > QMP_LINE_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "QEMU's answer has more than %u bytes",
                         QMP_LINE_MAX);
    return ok;
}

/* One piece of what has come; *ret_more: there may be more. */
static gboolean
take_piece(struct qmp *qmp, gboolean *ret_more, GError **error)
{
    guint8 piece[PIECE];
    ssize_t n = recv(qmp->fd, piece, sizeof piece, MSG_DONTWAIT);
    *ret_more = n > 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return TRUE;
    if (n < 0)
        return error_set_errno(error, errno, "cannot read from QEMU");
    if (n == 0)
        return error_set(error, SLIPWAY_ERROR_IO, "QEMU has ended");
    g_byte_array_append(qmp->input, piece, (guint)n);
    return take_lines(qmp, error);
}

/* The first failure is what all that follows fails with. */
static gboolean
is_usable(const struct qmp *qmp, GError **error)
{
    if (qmp->failure == NULL)
        return TRUE;
    g_propagate_error(error, g_error_copy(qmp->failure));
    return FALSE;
}

static gboolean
fail(struct qmp *qmp, GError *failure, GError **error)
{
    if (qmp->failure == NULL)
        qmp->failure = g_error_copy(failure);
    g_propagate_error(error, failure);
    return FALSE;
}

gboolean
qmp_look(struct qmp *qmp, GError **error)
{
    GError *local = NULL;
    gboolean ok = is_usable(qmp, &local), more = ok;
    /* A peer that never stops talking must not keep us here. */
    for (guint i = 0; ok && more && i < 2 * QMP_LINE_MAX / PIECE; i++)
        ok = take_piece(qmp, &more, &local);
    return ok || fail(qmp, local, error);
}

int
qmp_fd(const struct qmp *qmp)
{
    return qmp->fd;
}

json_t *
qmp_event(struct qmp *qmp)
{
    return g_queue_pop_head(&qmp->events);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* Until the descriptor is ready or the time is over. */
static gboolean
wait_for(const struct qmp *qmp, short what, gint64 end)
{
    struct pollfd poller = {.fd = qmp->fd, .events = what};
    gint64 left = (end - g_get_monotonic_time()) / 1000;
    return left > 0 && (poll(&poller, 1, (int)MIN(left, 1000)) >= 0 || errno == EINTR);
}

static const char *
name_of(const struct qmp *qmp)
{
    return qmp->agent ? "the guest agent" : "QEMU";
}

/* Until the greeting, or the answer, is there. */
static gboolean
wait_for_message(struct qmp *qmp, const char *what, gint64 end, GError **error)
{
    gboolean greeting = !qmp->greeted;
    for (;;) {
        GError *local = NULL;
        gboolean ok = qmp_look(qmp, &local);
        /* Said before it ended, it was said. */
        if (greeting ? qmp->greeted : qmp->answer != NULL) {
            g_clear_error(&local);
            return TRUE;
        }
        if (ok && wait_for(qmp, POLLIN, end))
            continue;
        if (ok)
            error_set(&local, SLIPWAY_ERROR_FAILED, "%s does not answer (%s)", name_of(qmp), what);
        return fail(qmp, local, error);
    }
}

/* With the descriptor `handed`, unless that is -1. */
static ssize_t
send_some(const struct qmp *qmp, const char *text, gsize length, int handed)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr alignment;
    } control = {{0}};
    struct iovec piece = {(void *)text, length};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (handed >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof handed);
        memcpy(CMSG_DATA(head), &handed, sizeof handed);
    }
    return sendmsg(qmp->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static gboolean
send_all(struct qmp *qmp, const char *text, gsize length, int handed, gint64 end, GError **error)
{
    while (length > 0) {
        ssize_t n = send_some(qmp, text, length, handed);
        if (n > 0) {
            handed = -1;
            text += n;
            length -= (gsize)n;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return error_set(error, SLIPWAY_ERROR_IO, "QEMU has ended");
        } else if (!wait_for(qmp, POLLOUT, end)) {
            return error_set(error, SLIPWAY_ERROR_FAILED, "QEMU takes no commands");
        }
    }
    return TRUE;
}

/* ---- Commands -------------------------------------------------------------------------------- */

static gboolean
send_command(struct qmp *qmp, const char *command, json_t *arguments, int handed, gint64 end,
             GError **error)
{
    json_t *message = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
    qmp->number++;
    if (!qmp->agent)
        json_object_set_new(message, "id", json_integer(qmp->number));
    char *text = json_dumps(message, JSON_COMPACT);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    json_decref(message);
    free(text);
    GError *local = NULL;
    return (is_usable(qmp, &local) && send_all(qmp, line, strlen(line), handed, end, &local)) ||
           fail(qmp, local, error);
}

json_t *
qmp_run_fd(struct qmp *qmp, const char *command, json_t *arguments, int fd, guint milliseconds,
           GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)milliseconds * 1000;
    g_clear_pointer(&qmp->answer, json_decref);
    if (!send_command(qmp, command, arguments, fd, end, error) ||
        !wait_for_message(qmp, command, end, error))
        return NULL;
    json_t *result = json_incref(json_object_get(qmp->answer, "return"));
    if (result == NULL) {
        const json_t *why = json_object_get(qmp->answer, "error");
        const char *words = json_string_value(json_object_get(why, "desc"));
        error_set(error, SLIPWAY_ERROR_FAILED, "%s refuses %s: %.*s", name_of(qmp), command,
                  WORDS_MAX, words != NULL ? words : "without a reason");
    }
    g_clear_pointer(&qmp->answer, json_decref);
    return result;
}

json_t *
qmp_run(struct qmp *qmp, const char *command, json_t *arguments, guint milliseconds, GError **error)
{
    return qmp_run_fd(qmp, command, arguments, -1, milliseconds, error);
}

static struct qmp *
new_qmp(int fd)
{
    struct qmp *qmp = g_new0(struct qmp, 1);
    qmp->fd = fd;
    qmp->input = g_byte_array_new();
    g_queue_init(&qmp->events);
    return qmp;
}

struct qmp *
qmp_open(int fd, guint milliseconds, GError **error)
{
    auto_ptr(qmp) qmp = new_qmp(fd);
    gint64 end = g_get_monotonic_time() + (gint64)milliseconds * 1000;
    if (!wait_for_message(qmp, "greeting", end, error))
        return NULL;
    json_t *done = qmp_run(qmp, "qmp_capabilities", NULL, milliseconds, error);
    json_decref(done);
    return done != NULL ? g_steal_pointer(&qmp) : NULL;
}

/* Ask for a number, until it is said: answers to somebody else's questions may come first. */
struct qmp *
qmp_open_agent(int fd, guint milliseconds, GError **error)
{
    auto_ptr(qmp) qmp = new_qmp(fd);
    gint64 end = g_get_monotonic_time() + (gint64)milliseconds * 1000;
    static const char delimiter = DELIMITER;
    json_int_t number = g_random_int_range(1, G_MAXINT32);
    qmp->agent = TRUE;
    qmp->greeted = TRUE;
    if (!send_all(qmp, &delimiter, 1, -1, end, error) ||
        !send_command(qmp, "guest-sync-delimited", json_pack("{s:I}", "id", number), -1, end,
                      error))
        return NULL;
    for (gboolean heard = FALSE; !heard;) {
        if (!wait_for_message(qmp, "guest-sync-delimited", end, error))
            return NULL;
        heard = json_integer_value(json_object_get(qmp->answer, "return")) == number;
        g_clear_pointer(&qmp->answer, json_decref);
    }
    return g_steal_pointer(&qmp);
}

int
qmp_dial(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        error_set(error, SLIPWAY_ERROR_NETWORK, "%s is too long for the path of a socket", path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int number = errno;
    if (fd >= 0)
        close(fd);
    error_set(error,
              number == EAGAIN                      ? SLIPWAY_ERROR_BUSY
              : number == EACCES || number == EPERM ? SLIPWAY_ERROR_DENIED
                                                    : SLIPWAY_ERROR_NETWORK,
              "cannot connect to the socket %s: %s", path,
              number == EAGAIN ? "somebody else waits there already" : g_strerror(number));
    return -1;
}

void
qmp_close(struct qmp *qmp)
{
    if (qmp == NULL)
        return;
    close(qmp->fd);
    g_byte_array_unref(qmp->input);
    g_queue_clear_full(&qmp->events, (GDestroyNotify)json_decref);
    json_decref(qmp->answer);
    g_clear_error(&qmp->failure);
    g_free(qmp);
}
