/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listener_socket.h: one socket that waits for clients, for listener.c alone. */
#pragma once

#include "target/listener_address.h"

struct listener_socket {
    int fd;
    char *text;   /* the address as it is, with its port */
    char *remove; /* the path of a local one, or NULL */
    dev_t device; /* of that path, so that somebody else's is not removed */
    ino_t inode;
};

/* Errors as listener_start(). */
struct listener_socket *listener_socket_open(const char *text, guint16 port, gboolean local,
                                             GError **error);
void listener_socket_close(struct listener_socket *socket);
AUTO_PTR_DEFINE(listener_socket, listener_socket_close)
