/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/listener_socket.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 64

static gboolean
bind_failed(const char *text, int number, GError **error)
{
    if (number == EADDRINUSE)
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "cannot listen on %s: somebody else does; stop that one, or take another "
                         "port",
                         text);
    if (number == EADDRNOTAVAIL || number == EAFNOSUPPORT || number == ENODEV)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "cannot listen on %s: not an address of this machine", text);
    return error_set_errno(error, number, "cannot listen on %s", text);
}

/* TRUE when there is a socket at the path that nobody listens on. */
static gboolean
is_stale(const struct listener_address *address)
{
    struct stat status;
    const char *path = address->socket.local.sun_path;
    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return FALSE;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return FALSE;
    gboolean refused =
        connect(probe, &address->socket.any, address->length) != 0 && errno == ECONNREFUSED;
    close(probe);
    return refused;
}

/* Nobody can connect before listen(), so the mode is set in time. */
static gboolean
bind_local(struct listener_socket *self, const struct listener_address *address)
{
    const char *path = address->socket.local.sun_path;
    if (is_stale(address))
        unlink(path);
    if (bind(self->fd, &address->socket.any, address->length) != 0)
        return FALSE;
    self->remove = g_strdup(path);
    struct stat status;
    if (chmod(path, 0600) != 0 || lstat(path, &status) != 0)
        return FALSE;
    self->device = status.st_dev;
    self->inode = status.st_ino;
    return TRUE;
}

static gboolean
bind_network(struct listener_socket *self, const struct listener_address *address)
{
    static const int on = 1;
    int v6_only = !address->everything;
    setsockopt(self->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->socket.any.sa_family == AF_INET6 &&
        setsockopt(self->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) != 0)
        return FALSE;
    return bind(self->fd, &address->socket.any, address->length) == 0;
}

static void
tell_address(struct listener_socket *self, const struct listener_address *address)
{
    union listener_socket_address bound = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof bound;
    if (address->local) {
        self->text = g_strconcat("unix:", address->socket.local.sun_path, NULL);
        return;
    }
    getsockname(self->fd, &bound.any, &length);
    self->text = listener_address_format(&bound, TRUE);
    if (address->everything) {
        char *all = g_strconcat("*", strrchr(self->text, ':'), NULL);
        g_free(self->text);
        self->text = all;
    }
}

static gboolean
open_at(struct listener_socket *self, const struct listener_address *address)
{
    self->fd = socket(address->socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->fd < 0)
        return FALSE;
    if (!(address->local ? bind_local(self, address) : bind_network(self, address)))
        return FALSE;
    return listen(self->fd, BACKLOG) == 0;
}

struct listener_socket *
listener_socket_open(const char *text, guint16 port, gboolean local, GError **error)
{
    struct listener_address address;
    if (!listener_address_parse(text, port, local, &address, error))
        return NULL;
    auto_ptr(listener_socket) self = g_new0(struct listener_socket, 1);
    gboolean ok = open_at(self, &address);
    /* A kernel without IPv6. */
    if (!ok && address.everything && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        in_port_t number = address.socket.v6.sin6_port;
        address.socket.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = number};
        address.length = sizeof address.socket.v4;
        if (self->fd >= 0)
            close(self->fd);
        ok = open_at(self, &address);
    }
    if (!ok) {
        bind_failed(text, errno, error);
        return NULL;
    }
    tell_address(self, &address);
    return g_steal_pointer(&self);
}

void
listener_socket_close(struct listener_socket *self)
{
    struct stat status;
    if (self == NULL)
        return;
    if (self->remove != NULL && lstat(self->remove, &status) == 0 &&
        status.st_dev == self->device && status.st_ino == self->inode)
        unlink(self->remove);
    if (self->fd >= 0)
        close(self->fd);
    g_free(self->remove);
    g_free(self->text);
    g_free(self);
}
