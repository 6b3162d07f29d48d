/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_wire.h: an NBD client byte by byte, for what libnbd would not do. */
#pragma once

#include "nbd_fixture.h"
#include "target/nbd_protocol.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- A client byte by byte --------------------------------------------------------------------
 */

static inline int
nbd_wire_dial(const struct nbd_fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, fixture->socket, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

static inline void
nbd_wire_say(int fd, const void *data, gsize length)
{
    g_assert_cmpint(send(fd, data, length, MSG_NOSIGNAL), ==, (gssize)length);
}

static inline void
nbd_wire_hear(int fd, void *data, gsize length)
{
    g_assert_cmpint(recv(fd, data, length, MSG_WAITALL), ==, (gssize)length);
}

/* The server hangs up, within a time. */
static inline void
nbd_wire_expect_end(int fd)
{
    guint8 bytes[4096];
    ssize_t n;
    do {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        g_assert_cmpint(poll(&wait, 1, 20000), ==, 1);
        n = recv(fd, bytes, sizeof bytes, 0);
    } while (n > 0);
    g_assert_true(n == 0 || errno == ECONNRESET);
    close(fd);
}

static inline int
nbd_wire_greet(const struct nbd_fixture *fixture, guint32 flags)
{
    int fd = nbd_wire_dial(fixture);
    guint8 greeting[18], reply[4];
    nbd_wire_hear(fd, greeting, sizeof greeting);
    g_assert_cmpuint(big_endian_get64(greeting), ==, NBD_MAGIC);
    g_assert_cmpuint(big_endian_get64(greeting + 8), ==, NBD_OPTION_MAGIC);
    g_assert_cmpuint(big_endian_get16(greeting + 16), ==, 3);
    big_endian_put32(reply, flags);
    nbd_wire_say(fd, reply, sizeof reply);
    return fd;
}

static inline void
nbd_wire_say_option(int fd, guint32 number, const void *data, guint32 length)
{
    guint8 head[16];
    big_endian_put64(head, NBD_OPTION_MAGIC);
    big_endian_put32(head + 8, number);
    big_endian_put32(head + 12, length);
    nbd_wire_say(fd, head, sizeof head);
    if (data != NULL && length > 0)
        nbd_wire_say(fd, data, length);
}

/* The reply's type. */
static inline guint32
nbd_wire_hear_reply(int fd, guint32 number)
{
    guint8 head[20], data[4096];
    nbd_wire_hear(fd, head, sizeof head);
    g_assert_cmpuint(big_endian_get64(head), ==, NBD_OPTION_REPLY_MAGIC);
    g_assert_cmpuint(big_endian_get32(head + 8), ==, number);
    g_assert_cmpuint(big_endian_get32(head + 16), <=, sizeof data);
    if (big_endian_get32(head + 16) > 0)
        nbd_wire_hear(fd, data, big_endian_get32(head + 16));
    return big_endian_get32(head + 12);
}

/* In transmission, with simple replies. */
static inline int
nbd_wire_enter(const struct nbd_fixture *fixture)
{
    int fd = nbd_wire_greet(fixture, 3);
    guint8 reply[10];
    nbd_wire_say_option(fd, NBD_OPT_EXPORT_NAME, "", 0);
    nbd_wire_hear(fd, reply, sizeof reply);
    return fd;
}

static inline void
nbd_wire_say_request(int fd, guint16 type, guint64 cookie, guint64 offset, guint32 length)
{
    guint8 head[28] = {0};
    big_endian_put32(head, NBD_REQUEST_MAGIC);
    big_endian_put16(head + 6, type);
    big_endian_put64(head + 8, cookie);
    big_endian_put64(head + 16, offset);
    big_endian_put32(head + 24, length);
    nbd_wire_say(fd, head, sizeof head);
}

/* The cookie of the next simple reply. */
static inline guint64
nbd_wire_hear_answer(int fd, guint32 status)
{
    guint8 head[16];
    nbd_wire_hear(fd, head, sizeof head);
    g_assert_cmpuint(big_endian_get32(head), ==, NBD_SIMPLE_REPLY_MAGIC);
    g_assert_cmpuint(big_endian_get32(head + 4), ==, status);
    return big_endian_get64(head + 8);
}
