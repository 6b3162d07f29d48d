/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/listener_address.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL "unix:"

static gboolean
bad_address(const char *text, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "%s is no address to listen on; give an IP address, with a port or without "
                     "(192.0.2.1, 192.0.2.1:3260, [2001:db8::1]:3260), or * for all",
                     text);
}

static gboolean
parse_local(const char *path, struct listener_address *ret, GError **error)
{
    struct sockaddr_un *address = &ret->socket.local;
    if (*path == '\0' || strlen(path) >= sizeof address->sun_path)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "unix:%s: the path of a socket has 1 to %zu bytes; take a shorter one",
                         path, sizeof address->sun_path - 1);
    ret->local = TRUE;
    address->sun_family = AF_UNIX;
    g_strlcpy(address->sun_path, path, sizeof address->sun_path);
    ret->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    return TRUE;
}

static gboolean
parse_port(const char *text, guint16 *ret)
{
    guint64 value = 0;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT16, &value, NULL))
        return FALSE;
    *ret = (guint16)value;
    return TRUE;
}

/* Numbers only: a name server is nothing to wait for, nor to trust here. */
static gboolean
parse_host(const char *host, struct listener_address *ret)
{
    static const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (*host == '\0' || getaddrinfo(host, NULL, &hints, &found) != 0)
        return FALSE;
    gboolean ok = found->ai_addrlen <= sizeof ret->socket;
    if (ok) {
        memcpy(&ret->socket, found->ai_addr, found->ai_addrlen);
        ret->length = found->ai_addrlen;
    }
    freeaddrinfo(found);
    return ok;
}

/* Cut `text` into host and port; FALSE when brackets or the port make no sense. */
static gboolean
split(const char *text, guint16 *port, char **ret_host)
{
    const char *rest = NULL;
    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL)
            return FALSE;
        *ret_host = g_strndup(text + 1, (gsize)(end - text - 1));
        rest = end + 1;
        return strchr(*ret_host, ':') != NULL &&
               (*rest == '\0' || (*rest == ':' && parse_port(rest + 1, port)));
    }
    const char *colon = strchr(text, ':');
    /* Two colons and no brackets: IPv6 without a port. */
    if (colon == NULL || strchr(colon + 1, ':') != NULL) {
        *ret_host = g_strdup(text);
        return TRUE;
    }
    *ret_host = g_strndup(text, (gsize)(colon - text));
    return parse_port(colon + 1, port);
}

gboolean
listener_address_parse(const char *text, guint16 port, gboolean local, struct listener_address *ret,
                       GError **error)
{
    *ret = (struct listener_address){.everything = FALSE};
    if (g_str_has_prefix(text, LOCAL)) {
        if (local)
            return parse_local(text + strlen(LOCAL), ret, error);
        return error_set(error, SLIPWAY_ERROR_USAGE, "%s: a local socket cannot be used here",
                         text);
    }
    g_autofree char *host = NULL;
    if (!split(text, &port, &host))
        return bad_address(text, error);
    ret->everything = g_str_equal(host, "*");
    if (!parse_host(ret->everything ? "::" : host, ret))
        return bad_address(text, error);
    if (ret->socket.any.sa_family == AF_INET6)
        ret->socket.v6.sin6_port = htons(port);
    else
        ret->socket.v4.sin_port = htons(port);
    return TRUE;
}

static char *
format_v6(const struct sockaddr_in6 *address, gboolean with_port)
{
    char text[INET6_ADDRSTRLEN] = "", name[IF_NAMESIZE] = "";
    inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
    gboolean scoped = address->sin6_scope_id != 0 && if_indextoname(address->sin6_scope_id, name);
    const char *sign = scoped ? "%" : "";
    if (!with_port)
        return g_strdup_printf("%s%s%s", text, sign, name);
    return g_strdup_printf("[%s%s%s]:%u", text, sign, name, ntohs(address->sin6_port));
}

static char *
format_v4(const void *address, in_port_t port, gboolean with_port)
{
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, address, text, sizeof text);
    return with_port ? g_strdup_printf("%s:%u", text, ntohs(port)) : g_strdup(text);
}

char *
listener_address_format(const union listener_socket_address *socket, gboolean with_port)
{
    switch (socket->any.sa_family) {
    case AF_INET:
        return format_v4(&socket->v4.sin_addr, socket->v4.sin_port, with_port);
    case AF_INET6:
        if (IN6_IS_ADDR_V4MAPPED(&socket->v6.sin6_addr))
            return format_v4(socket->v6.sin6_addr.s6_addr + 12, socket->v6.sin6_port, with_port);
        return format_v6(&socket->v6, with_port);
    default:
        return g_strdup("unix");
    }
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

struct range {
    guint8 bytes[16];
    gsize length; /* 4 or 16 */
    guint bits;
};

static gboolean
parse_range(const char *text, struct range *ret)
{
    const char *slash = strchr(text, '/');
    gsize host_length = slash != NULL ? (gsize)(slash - text) : strlen(text);
    /* A client's scope is of no interest: its address is enough. */
    gsize number_length = MIN(host_length, strcspn(text, "%"));
    g_autofree char *host = g_strndup(text, number_length);
    if (inet_pton(AF_INET, host, ret->bytes) == 1)
        ret->length = 4;
    else if (inet_pton(AF_INET6, host, ret->bytes) == 1)
        ret->length = 16;
    else
        return FALSE;
    guint64 bits = ret->length * 8;
    if (slash != NULL && !g_ascii_string_to_unsigned(slash + 1, 10, 0, bits, &bits, NULL))
        return FALSE;
    ret->bits = (guint)bits;
    return TRUE;
}

static gboolean
contains(const struct range *range, const struct range *address)
{
    if (range->length != address->length)
        return FALSE;
    guint whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(range->bytes, address->bytes, whole) != 0)
        return FALSE;
    return rest == 0 || ((range->bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

gboolean
listener_check_range(const char *text, GError **error)
{
    struct range range;
    if (parse_range(text, &range) && strchr(text, '%') == NULL)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "%s is no range of addresses; give one as 192.0.2.7, 192.0.2.0/24 or "
                     "2001:db8::/32",
                     text);
}

gboolean
listener_allows(const char *const *ranges, const char *address)
{
    struct range client;
    if (ranges == NULL)
        return TRUE;
    if (!parse_range(address, &client))
        return FALSE;
    for (; *ranges != NULL; ranges++) {
        struct range range;
        if (parse_range(*ranges, &range) && contains(&range, &client))
            return TRUE;
    }
    return FALSE;
}

gboolean
listener_check_address(const char *text, gboolean local, GError **error)
{
    struct listener_address address;
    return listener_address_parse(text, 0, local, &address, error);
}
