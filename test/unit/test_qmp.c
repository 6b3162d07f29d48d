/* SPDX-License-Identifier: GPL-3.0-or-later */
/* QMP, and the guest agent's half of it, with peers that say what they like. */
#include "base/error.h"
#include "hyper/qmp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define SHORT_MS 200

/* Says `lines` one by one, each when a line has come; %NUMBER% is the number that came last. */
struct peer {
    int fd;
    const char *const *lines;
    gboolean greet; /* the first without being asked */
    gboolean stay;  /* when there is nothing more to say */
    GThread *thread;
    int handed; /* a descriptor that came; -1 */
    GString *heard;
};

static char *
last_number(const char *heard)
{
    const char *id = g_strrstr(heard, "\"id\":");
    return g_strdup_printf("%d", id != NULL ? atoi(id + strlen("\"id\":")) : 0);
}

static gboolean
hear_line(struct peer *peer)
{
    for (;;) {
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr alignment;
        } control;
        char byte;
        struct iovec piece = {&byte, 1};
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        if (recvmsg(peer->fd, &message, MSG_CMSG_CLOEXEC) <= 0)
            return FALSE;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        if (head != NULL && head->cmsg_type == SCM_RIGHTS)
            memcpy(&peer->handed, CMSG_DATA(head), sizeof peer->handed);
        g_string_append_c(peer->heard, byte);
        if (byte == '\n')
            return TRUE;
    }
}

static gpointer
talk(gpointer data)
{
    struct peer *peer = data;
    for (gsize i = 0; peer->lines[i] != NULL; i++) {
        if (!(i == 0 && peer->greet) && !hear_line(peer))
            break;
        g_autofree char *number = last_number(peer->heard->str);
        g_auto(GStrv) parts = g_strsplit(peer->lines[i], "%NUMBER%", -1);
        g_autofree char *text = g_strjoinv(number, parts);
        if (send(peer->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
            break;
    }
    while (peer->stay && hear_line(peer))
        continue;
    shutdown(peer->fd, SHUT_RDWR);
    return NULL;
}

/* Our end. */
static int
begin(struct peer *peer, const char *const *lines, gboolean greet, gboolean stay)
{
    int fds[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    *peer = (struct peer){.fd = fds[0], .lines = lines, .greet = greet, .stay = stay, .handed = -1};
    peer->heard = g_string_new(NULL);
    peer->thread = g_thread_new("peer", talk, peer);
    return fds[1];
}

static void
end(struct peer *peer)
{
    if (peer->thread != NULL)
        g_thread_join(peer->thread);
    g_string_free(peer->heard, TRUE);
    close(peer->fd);
    if (peer->handed >= 0)
        close(peer->handed);
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define FINE "{\"return\": {}, \"id\": %NUMBER%}\r\n"

static void
test_commands(void)
{
    struct peer peer;
    g_autoptr(GError) error = NULL;
    int fd = begin(&peer,
                   LINES(GREETING, FINE,
                         "{\"event\": \"STOP\"}\n{\"return\": 1, \"id\": 77}\n"
                         "{\"return\": \"yes\", \"id\": %NUMBER%}\n",
                         "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}, "
                         "\"id\": %NUMBER%}\n",
                         FINE),
                   TRUE, TRUE);
    struct qmp *qmp = qmp_open(fd, PATIENCE_MS, &error);
    g_assert_no_error(error);
    json_t *answer = qmp_run(qmp, "query-x", NULL, PATIENCE_MS, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(json_string_value(answer), ==, "yes");
    json_decref(answer);
    json_t *event = qmp_event(qmp);
    g_assert_cmpstr(json_string_value(json_object_get(event, "event")), ==, "STOP");
    json_decref(event);
    g_assert_null(qmp_run(qmp, "drive-mirror", NULL, PATIENCE_MS, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_cmpstr(error->message, ==, "QEMU refuses drive-mirror: no such thing");
    g_clear_error(&error);
    /* A refusal ends nothing. */
    answer = qmp_run(qmp, "cont", NULL, PATIENCE_MS, &error);
    g_assert_no_error(error);
    json_decref(answer);
    qmp_close(qmp);
    end(&peer);
}

/* The descriptor comes with the command, and is the caller's all the same. */
static void
test_hand_over(void)
{
    struct peer peer;
    g_autoptr(GError) error = NULL;
    int fds[2];
    char byte = 'x';
    g_assert_cmpint(pipe(fds), ==, 0);
    int fd = begin(&peer, LINES(GREETING, FINE, FINE), TRUE, TRUE);
    struct qmp *qmp = qmp_open(fd, PATIENCE_MS, &error);
    g_assert_no_error(error);
    json_t *answer =
        qmp_run_fd(qmp, "getfd", json_pack("{s:s}", "fdname", "a"), fds[1], PATIENCE_MS, &error);
    g_assert_no_error(error);
    json_decref(answer);
    qmp_close(qmp);
    g_thread_join(g_steal_pointer(&peer.thread));
    g_assert_cmpint(peer.handed, >=, 0);
    g_assert_cmpint(write(peer.handed, &byte, 1), ==, 1);
    byte = 0;
    g_assert_cmpint(read(fds[0], &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, 'x');
    close(fds[0]);
    g_assert_cmpint(close(fds[1]), ==, 0);
    end(&peer);
}

static void
test_silence(void)
{
    struct peer peer;
    g_autoptr(GError) error = NULL;
    int fd = begin(&peer, LINES(NULL), FALSE, TRUE);
    g_assert_null(qmp_open(fd, SHORT_MS, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_cmpstr(error->message, ==, "QEMU does not answer (greeting)");
    end(&peer);
}

static void
test_nonsense(void)
{
    struct peer peer;
    g_autoptr(GError) error = NULL, again = NULL;
    int fd = begin(&peer, LINES(GREETING, FINE, "what?\n"), TRUE, TRUE);
    struct qmp *qmp = qmp_open(fd, PATIENCE_MS, &error);
    g_assert_no_error(error);
    g_assert_null(qmp_run(qmp, "query-x", NULL, PATIENCE_MS, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_null(qmp_run(qmp, "query-x", NULL, PATIENCE_MS, &again));
    g_assert_error(again, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    qmp_close(qmp);
    end(&peer);
}

/* What the agent had still to say to somebody else, half a line of it even, is not for us. */
static void
test_agent(void)
{
    struct peer peer;
    g_autoptr(GError) error = NULL;
    int fd = begin(&peer,
                   LINES("rn\": {}}\n{\"return\": 5}\nnonsense\n\xff{\"return\": %NUMBER%}\n",
                         "{\"return\": 3}\n",
                         "{\"error\": {\"class\": \"GenericError\", \"desc\": \"frozen\"}}\n"),
                   FALSE, TRUE);
    struct qmp *agent = qmp_open_agent(fd, PATIENCE_MS, &error);
    g_assert_no_error(error);
    json_t *answer = qmp_run(agent, "guest-fsfreeze-freeze", NULL, PATIENCE_MS, &error);
    g_assert_no_error(error);
    g_assert_cmpint(json_integer_value(answer), ==, 3);
    json_decref(answer);
    g_assert_null(qmp_run(agent, "guest-ping", NULL, PATIENCE_MS, &error));
    g_assert_cmpstr(error->message, ==, "the guest agent refuses guest-ping: frozen");
    qmp_close(agent);
    end(&peer);
}

static void
test_agent_silence(void)
{
    static const char *const replies[] = {"\xff{\"return\": 1}\n", "\xff\xff\xff\n", "\n\n{}\n[]\n",
                                          "\xff{\"return\": \"%NUMBER%\"}\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(replies); i++) {
        struct peer peer;
        g_autoptr(GError) error = NULL;
        int fd = begin(&peer, LINES(replies[i]), FALSE, TRUE);
        g_assert_null(qmp_open_agent(fd, SHORT_MS, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
        g_assert_cmpstr(error->message, ==,
                        "the guest agent does not answer (guest-sync-delimited)");
        end(&peer);
    }
}

/* A line without an end. */
static void
test_agent_endless(void)
{
    struct peer peer;
    g_autoptr(GError) error = NULL;
    g_autofree char *endless = g_strnfill(2 * QMP_LINE_MAX, '\xff');
    int fd = begin(&peer, LINES(endless), FALSE, FALSE);
    g_assert_null(qmp_open_agent(fd, PATIENCE_MS, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    end(&peer);
}

static void
test_dial(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *endless = g_strnfill(200, 'x');
    g_assert_cmpint(qmp_dial("/nowhere/socket", &error), ==, -1);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_clear_error(&error);
    g_assert_cmpint(qmp_dial(endless, &error), ==, -1);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_nonnull(strstr(error->message, "too long"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/commands", test_commands);
    g_test_add_func("/qmp/hand-over", test_hand_over);
    g_test_add_func("/qmp/silence", test_silence);
    g_test_add_func("/qmp/nonsense", test_nonsense);
    g_test_add_func("/qmp/agent", test_agent);
    g_test_add_func("/qmp/agent-silence", test_agent_silence);
    g_test_add_func("/qmp/agent-endless", test_agent_endless);
    g_test_add_func("/qmp/dial", test_dial);
    return g_test_run();
}
