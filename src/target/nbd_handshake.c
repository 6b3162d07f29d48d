/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_handshake.h"

#include "base/error.h"
#include "target/nbd_protocol.h"

/* Efficient, and told to clients: the block of disks. */
#define PREFERRED_BLOCK DISK_BLOCK
#define ZEROES 124u /* that end an old reply */

struct handshake {
    struct nbd_session *session;
    gint64 deadline;
    gboolean fixed; /* the client takes replies */
    gboolean no_zeroes;
    gboolean left; /* as a client may */
};

/* ---- Messages -------------------------------------------------------------------------------- */

static gboolean
take(struct nbd_cursor *cursor, gsize n, const guint8 **ret)
{
    if (cursor->left < n)
        return FALSE;
    *ret = cursor->at;
    cursor->at += n;
    cursor->left -= n;
    return TRUE;
}

gboolean
nbd_cursor_get16(struct nbd_cursor *cursor, guint16 *ret)
{
    const guint8 *at;
    if (!take(cursor, 2, &at))
        return FALSE;
    *ret = big_endian_get16(at);
    return TRUE;
}

gboolean
nbd_cursor_get32(struct nbd_cursor *cursor, guint32 *ret)
{
    const guint8 *at;
    if (!take(cursor, 4, &at))
        return FALSE;
    *ret = big_endian_get32(at);
    return TRUE;
}

static char *
copy_string(const guint8 *data, gsize length)
{
    if (length > NBD_STRING_MAX || !g_utf8_validate_len((const char *)data, length, NULL))
        return NULL;
    return g_strndup((const char *)data, length);
}

char *
nbd_cursor_get_string(struct nbd_cursor *cursor)
{
    guint32 length;
    const guint8 *at;
    if (!nbd_cursor_get32(cursor, &length) || !take(cursor, length, &at))
        return NULL;
    return copy_string(at, length);
}

gboolean
nbd_handshake_reply(struct nbd_session *session, const struct nbd_option *option, guint32 type,
                    const void *data, gsize length)
{
    guint8 head[NBD_OPTION_REPLY_HEAD];
    big_endian_put64(head, NBD_OPTION_REPLY_MAGIC);
    big_endian_put32(head + 8, option->number);
    big_endian_put32(head + 12, type);
    big_endian_put32(head + 16, (guint32)length);
    struct iovec parts[] = {{head, sizeof head}, {(gpointer)data, length}};
    return nbd_channel_send(&session->channel, parts, length > 0 ? 2 : 1);
}

gboolean
nbd_handshake_refuse(struct nbd_session *session, const struct nbd_option *option, guint32 type,
                     const char *words)
{
    return nbd_handshake_reply(session, option, type, words, strlen(words));
}

static gboolean
send_bytes(struct nbd_session *session, void *data, gsize length)
{
    struct iovec part = {data, length};
    return nbd_channel_send(&session->channel, &part, 1);
}

/* ---- Exports --------------------------------------------------------------------------------- */

static guint16
transmission_flags(const struct nbd_session *session, const struct nbd_export *export)
{
    unsigned flags = NBD_HAS_FLAGS | NBD_CAN_MULTI_CONN | NBD_SEND_CACHE;
    if (session->structured)
        flags |= NBD_SEND_DF;
    if (export->read_only)
        return (guint16)(flags | NBD_READ_ONLY);
    flags |= NBD_SEND_FLUSH | NBD_SEND_FUA | NBD_SEND_WRITE_ZEROES | NBD_SEND_FAST_ZERO;
    if (disk_capabilities(export->disk) & DISK_CAN_PUNCH)
        flags |= NBD_SEND_TRIM;
    return (guint16)flags;
}

/* Contexts hold for the export that they were asked for. */
static void
enter(struct nbd_session *session, const struct nbd_export *export)
{
    if (session->context_export != export)
        session->contexts = 0;
    session->export = export;
}

/* A name of the client's, for a message. */
static char *
quote(const char *name)
{
    g_autofree char *start = g_utf8_substring(name, 0, MIN(g_utf8_strlen(name, -1), 64));
    g_autofree char *escaped = g_strescape(start, NULL);
    return g_strdup_printf("\"%s\"%s", escaped, strlen(start) < strlen(name) ? "..." : "");
}

static gboolean
fail_unknown(const char *name, GError **error)
{
    g_autofree char *quoted = quote(name);
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "it asks for export %s, which is not there",
                     quoted);
}

static gboolean
send_info(struct nbd_session *session, const struct nbd_option *option, enum nbd_info kind,
          const void *data, gsize length)
{
    g_autofree guint8 *message = g_malloc(2 + length);
    big_endian_put16(message, kind);
    memcpy(message + 2, data, length);
    return nbd_handshake_reply(session, option, NBD_REP_INFO, message, 2 + length);
}

static gboolean
tell_export(struct nbd_session *session, const struct nbd_option *option,
            const struct nbd_export *export)
{
    guint8 data[10];
    big_endian_put64(data, disk_size(export->disk));
    big_endian_put16(data + 8, transmission_flags(session, export));
    return send_info(session, option, NBD_INFO_EXPORT, data, sizeof data);
}

/* What the client asks for besides; unknown kinds are left out, as the protocol has it. */
static gboolean
tell_more(struct nbd_session *session, const struct nbd_option *option,
          const struct nbd_export *export, guint16 kind)
{
    guint8 sizes[12];
    switch (kind) {
    case NBD_INFO_NAME:
        return send_info(session, option, NBD_INFO_NAME, export->name, strlen(export->name));
    case NBD_INFO_DESCRIPTION:
        return export->description == NULL ||
               send_info(session, option, NBD_INFO_DESCRIPTION, export->description,
                         strlen(export->description));
    case NBD_INFO_BLOCK_SIZE:
        big_endian_put32(sizes, 1);
        big_endian_put32(sizes + 4, PREFERRED_BLOCK);
        big_endian_put32(sizes + 8, NBD_SERVER_REQUEST_MAX);
        return send_info(session, option, NBD_INFO_BLOCK_SIZE, sizes, sizeof sizes);
    default:
        return TRUE;
    }
}

static gboolean
read_kinds(struct nbd_cursor *cursor, unsigned *ret)
{
    guint16 n, kind;
    if (!nbd_cursor_get16(cursor, &n) || cursor->left != n * (gsize)2)
        return FALSE;
    *ret = 0;
    while (nbd_cursor_get16(cursor, &kind))
        if (kind <= NBD_INFO_BLOCK_SIZE)
            *ret |= 1u << kind;
    return TRUE;
}

/* NBD_OPT_INFO and NBD_OPT_GO. */
static gboolean
answer_info(struct nbd_session *session, const struct nbd_option *option)
{
    struct nbd_cursor cursor = {option->data, option->length};
    g_autofree char *name = nbd_cursor_get_string(&cursor);
    unsigned kinds;
    if (name == NULL || !read_kinds(&cursor, &kinds))
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_INVALID, "malformed");
    const struct nbd_export *export = nbd_service_find(session->service, name);
    if (export == NULL) {
        g_autoptr(GError) error = NULL;
        fail_unknown(name, &error);
        nbd_session_log_failure(session, error->message);
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_UNKNOWN, "no such export");
    }
    if (!tell_export(session, option, export))
        return FALSE;
    for (guint16 kind = NBD_INFO_NAME; kind <= NBD_INFO_BLOCK_SIZE; kind++)
        if ((kinds & 1u << kind) && !tell_more(session, option, export, kind))
            return FALSE;
    if (!nbd_handshake_reply(session, option, NBD_REP_ACK, NULL, 0))
        return FALSE;
    if (option->number == NBD_OPT_GO)
        enter(session, export);
    return TRUE;
}

static gboolean
answer_list(struct nbd_session *session, const struct nbd_option *option)
{
    if (option->length != 0)
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_INVALID, "it has no data");
    for (guint i = 0; i < session->service->n_exports; i++) {
        const struct nbd_export *export = &session->service->exports[i];
        gsize name = strlen(export->name);
        gsize description = export->description != NULL ? strlen(export->description) : 0;
        g_autofree guint8 *data = g_malloc(4 + name + description);
        big_endian_put32(data, (guint32)name);
        memcpy(data + 4, export->name, name);
        if (description > 0)
            memcpy(data + 4 + name, export->description, description);
        if (!nbd_handshake_reply(session, option, NBD_REP_SERVER, data, 4 + name + description))
            return FALSE;
    }
    return nbd_handshake_reply(session, option, NBD_REP_ACK, NULL, 0);
}

/* The old way to choose an export: it has no way to say no. */
static gboolean
answer_export_name(struct handshake *handshake, const struct nbd_option *option, GError **error)
{
    struct nbd_session *session = handshake->session;
    g_autofree char *name = copy_string(option->data, option->length);
    if (name == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "the export's name is malformed");
    const struct nbd_export *export = nbd_service_find(session->service, name);
    if (export == NULL)
        return fail_unknown(name, error);
    guint8 reply[10 + ZEROES] = {0};
    big_endian_put64(reply, disk_size(export->disk));
    big_endian_put16(reply + 8, transmission_flags(session, export));
    if (!send_bytes(session, reply, handshake->no_zeroes ? 10 : sizeof reply))
        return error_set(error, SLIPWAY_ERROR_NETWORK, "it went away");
    enter(session, export);
    return TRUE;
}

/* ---- Options --------------------------------------------------------------------------------- */

static gboolean
start_tls(struct handshake *handshake, const struct nbd_option *option, GError **error)
{
    struct nbd_session *session = handshake->session;
    SSL_CTX *context = session->service->tls;
    gboolean sent;
    if (option->length != 0)
        sent = nbd_handshake_refuse(session, option, NBD_REP_ERR_INVALID, "it has no data");
    else if (context == NULL)
        sent = nbd_handshake_refuse(session, option, NBD_REP_ERR_POLICY, "there is no TLS here");
    else if (session->channel.tls != NULL)
        sent = nbd_handshake_refuse(session, option, NBD_REP_ERR_INVALID, "TLS is in use already");
    else if ((sent = nbd_handshake_reply(session, option, NBD_REP_ACK, NULL, 0))) {
        /* Nothing that was agreed in the clear counts. */
        session->structured = FALSE;
        session->contexts = 0;
        return nbd_channel_start_tls(&session->channel, context, handshake->deadline, error);
    }
    return sent || error_set(error, SLIPWAY_ERROR_NETWORK, "it went away");
}

static gboolean
use_structured(struct nbd_session *session, const struct nbd_option *option)
{
    if (option->length != 0)
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_INVALID, "it has no data");
    session->structured = TRUE;
    return nbd_handshake_reply(session, option, NBD_REP_ACK, NULL, 0);
}

static gboolean
answer_other(struct nbd_session *session, const struct nbd_option *option)
{
    switch (option->number) {
    case NBD_OPT_LIST:
        return answer_list(session, option);
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
        return answer_info(session, option);
    case NBD_OPT_STRUCTURED_REPLY:
        return use_structured(session, option);
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT:
        return nbd_contexts_answer(session, option);
    default:
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_UNSUP, "not known here");
    }
}

static gboolean
answer(struct handshake *handshake, const struct nbd_option *option, GError **error)
{
    struct nbd_session *session = handshake->session;
    gboolean in_clear = session->service->tls != NULL && session->channel.tls == NULL;
    if (option->number == NBD_OPT_EXPORT_NAME)
        return in_clear ? error_set(error, SLIPWAY_ERROR_DENIED,
                                    "it does not use TLS, which is demanded here")
                        : answer_export_name(handshake, option, error);
    if (!handshake->fixed)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "it sends option %u, without the fixed newstyle", option->number);
    if (option->number == NBD_OPT_ABORT) {
        nbd_handshake_reply(session, option, NBD_REP_ACK, NULL, 0);
        handshake->left = TRUE;
        return TRUE;
    }
    if (option->number == NBD_OPT_STARTTLS)
        return start_tls(handshake, option, error);
    gboolean sent = in_clear ? nbd_handshake_refuse(session, option, NBD_REP_ERR_TLS_REQD,
                                                    "TLS is demanded here")
                             : answer_other(session, option);
    return sent || error_set(error, SLIPWAY_ERROR_NETWORK, "it went away");
}

static gboolean
receive(struct handshake *handshake, void *buffer, gsize length, GError **error)
{
    return nbd_channel_receive(&handshake->session->channel, buffer, length, handshake->deadline,
                               error);
}

/* `option` has room for NBD_OPTION_MAX bytes. */
static gboolean
receive_option(struct handshake *handshake, struct nbd_option *option, GError **error)
{
    guint8 head[NBD_OPTION_HEAD];
    if (!receive(handshake, head, sizeof head, error))
        return FALSE;
    option->number = big_endian_get32(head + 8);
    option->length = big_endian_get32(head + 12);
    if (big_endian_get64(head) != NBD_OPTION_MAGIC)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "what it sends is not an option of NBD");
    if (option->length > NBD_OPTION_MAX)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "it sends %u bytes with option %u, more than the %u that are taken",
                         option->length, option->number, NBD_OPTION_MAX);
    return receive(handshake, option->data, option->length, error);
}

static gboolean
greet(struct handshake *handshake, GError **error)
{
    guint8 greeting[18], flags[4];
    big_endian_put64(greeting, NBD_MAGIC);
    big_endian_put64(greeting + 8, NBD_OPTION_MAGIC);
    big_endian_put16(greeting + 16, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
    if (!send_bytes(handshake->session, greeting, sizeof greeting))
        return error_set(error, SLIPWAY_ERROR_NETWORK, "it went away");
    if (!receive(handshake, flags, sizeof flags, error))
        return FALSE;
    guint32 client = big_endian_get32(flags);
    if (client & ~(guint32)(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "what it sends is not NBD");
    handshake->fixed = (client & NBD_FIXED_NEWSTYLE) != 0;
    handshake->no_zeroes = (client & NBD_NO_ZEROES) != 0;
    return TRUE;
}

gboolean
nbd_handshake_do(struct nbd_session *session, GError **error)
{
    struct handshake handshake = {
        .session = session,
        .deadline =
            g_get_monotonic_time() + session->service->handshake_seconds * (gint64)G_USEC_PER_SEC,
    };
    if (!greet(&handshake, error))
        return FALSE;
    g_autofree guint8 *data = g_malloc(NBD_OPTION_MAX);
    struct nbd_option option = {.data = data};
    while (session->export == NULL) {
        if (!receive_option(&handshake, &option, error) || !answer(&handshake, &option, error))
            return FALSE;
        if (handshake.left)
            return FALSE;
    }
    return TRUE;
}
