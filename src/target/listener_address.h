/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listener_address.h: what a listener's words mean, for listener.c alone. */
#pragma once

#include "target/listener.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

union listener_socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage room;
};

struct listener_address {
    union listener_socket_address socket;
    socklen_t length;
    gboolean everything; /* "*": IPv4 too when it is IPv6 */
    gboolean local;
};

/* SLIPWAY_ERROR_USAGE when it is none. */
gboolean listener_address_parse(const char *text, guint16 port, gboolean local,
                                struct listener_address *ret, GError **error);
/* "192.0.2.1:3260", "[2001:db8::1]:3260"; an IPv4 client of a socket for both is IPv4.  `with_port`
 * FALSE: "192.0.2.1", "2001:db8::1".  Free with g_free(). */
char *listener_address_format(const union listener_socket_address *socket, gboolean with_port);
