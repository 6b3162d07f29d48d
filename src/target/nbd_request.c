/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_request.h"

#include "base/error.h"

/* Looking for holes costs something for each read, and pays in long ones only. */
#define HOLES_FROM (64u * 1024)
#define HOLE_MIN 4096u
#define HOLES_MAX 16u /* short runs of one reply that are told apart */

static const guint8 zeros[256 * 1024];

gboolean
nbd_request_parse(const guint8 *head, struct nbd_request *ret)
{
    *ret = (struct nbd_request){
        .flags = big_endian_get16(head + 4),
        .type = big_endian_get16(head + 6),
        .offset = big_endian_get64(head + 16),
        .length = big_endian_get32(head + 24),
    };
    memcpy(ret->cookie, head + 8, NBD_COOKIE);
    return big_endian_get32(head) == NBD_REQUEST_MAGIC;
}

/* A read whose answer is all or nothing. */
static gboolean
is_whole(const struct nbd_session *session, const struct nbd_request *request)
{
    return !session->structured || (request->flags & NBD_CMD_DF);
}

gsize
nbd_request_memory(const struct nbd_session *session, const struct nbd_request *request)
{
    if (request->length > NBD_SERVER_REQUEST_MAX)
        return 0;
    if (request->type == NBD_CMD_WRITE)
        return request->length;
    gboolean own = request->type == NBD_CMD_READ && request->length > NBD_PIECE;
    return own && is_whole(session, request) ? request->length : 0;
}

void
nbd_scratch_clear(struct nbd_scratch *scratch)
{
    g_free(g_steal_pointer(&scratch->data));
    scratch->room = 0;
}

static guint8 *
provide(struct nbd_scratch *scratch, gsize length)
{
    if (scratch->room < length) {
        g_free(scratch->data);
        scratch->data = g_malloc(length);
        scratch->room = length;
    }
    return scratch->data;
}

/* ---- What goes wrong --------------------------------------------------------------------------
 */

static enum nbd_status
status_of(const GError *error)
{
    if (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT))
        return NBD_ENOSPC;
    if (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY))
        return NBD_EPERM;
    return NBD_EIO;
}

gboolean
nbd_request_fail(struct nbd_session *session, const struct nbd_request *request, GError *error)
{
    g_autofree char *line =
        g_strdup_printf("export \"%s\": %s", session->export->name, error->message);
    nbd_session_log_failure(session, line);
    enum nbd_status status = status_of(error);
    /* Where things are on the server is not told to clients. */
    const char *words = "the disk failed; the log of the server has the reason";
    if (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT))
        words = "the backup is damaged here; the log of the server has the place";
    else if (status == NBD_ENOSPC)
        words = "the place for what is written is full";
    gboolean there = nbd_reply_error(session, request->cookie, status, words);
    g_error_free(error);
    return there;
}

struct refusal {
    enum nbd_status status;
    const char *words;
};

static const struct command {
    unsigned flags; /* beside NBD_CMD_FUA, which is allowed everywhere */
    gboolean writes;
    gboolean ranged; /* it has an offset and a length */
    enum nbd_status outside;
} commands[] = {
    [NBD_CMD_READ] = {NBD_CMD_DF, FALSE, TRUE, NBD_EINVAL},
    [NBD_CMD_WRITE] = {0, TRUE, TRUE, NBD_ENOSPC},
    [NBD_CMD_FLUSH] = {0, TRUE, FALSE, NBD_EINVAL},
    [NBD_CMD_TRIM] = {0, TRUE, TRUE, NBD_EINVAL},
    [NBD_CMD_CACHE] = {0, FALSE, TRUE, NBD_EINVAL},
    [NBD_CMD_WRITE_ZEROES] = {NBD_CMD_NO_HOLE | NBD_CMD_FAST_ZERO, TRUE, TRUE, NBD_ENOSPC},
    [NBD_CMD_BLOCK_STATUS] = {NBD_CMD_REQ_ONE, FALSE, TRUE, NBD_EINVAL},
};

static struct refusal
check_range(const struct nbd_session *session, const struct nbd_request *request,
            const struct command *command)
{
    guint64 size = disk_size(session->export->disk);
    if (!command->ranged && (request->offset != 0 || request->length != 0))
        return (struct refusal){NBD_EINVAL, "it has no range"};
    if (!command->ranged)
        return (struct refusal){NBD_OK};
    if (request->length == 0)
        return (struct refusal){NBD_EINVAL, "its length is 0"};
    if (request->offset > size || request->length > size - request->offset)
        return (struct refusal){command->outside, "not inside the disk"};
    if (request->type == NBD_CMD_READ && request->length > NBD_SERVER_REQUEST_MAX)
        return (struct refusal){NBD_EINVAL, "longer than a request may be"};
    return (struct refusal){NBD_OK};
}

static struct refusal
check(const struct nbd_session *session, const struct nbd_request *request)
{
    if (request->type >= G_N_ELEMENTS(commands) || request->type == NBD_CMD_DISC)
        return (struct refusal){NBD_EINVAL, "no command that is known here"};
    const struct command *command = &commands[request->type];
    unsigned allowed = command->flags | NBD_CMD_FUA;
    if (!session->structured)
        allowed &= ~(unsigned)NBD_CMD_DF;
    if (request->flags & ~allowed)
        return (struct refusal){NBD_EINVAL, "a flag that the command does not have"};
    if (command->writes && session->export->read_only)
        return (struct refusal){NBD_EPERM, "the export is read-only"};
    if (request->type == NBD_CMD_BLOCK_STATUS && session->contexts == 0)
        return (struct refusal){NBD_EINVAL, "no context was chosen"};
    return check_range(session, request, command);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static gboolean
read_whole(struct nbd_session *session, const struct nbd_request *request,
           struct nbd_scratch *scratch)
{
    gsize length = request->length;
    g_autofree guint8 *own = length > NBD_PIECE ? g_malloc(length) : NULL;
    guint8 *buffer = own != NULL ? own : provide(scratch, length);
    g_autoptr(GError) error = NULL;
    if (!disk_read(session->export->disk, request->offset, buffer, length, &error))
        return nbd_request_fail(session, request, g_steal_pointer(&error));
    if (!session->structured)
        return nbd_reply_data(session, request->cookie, buffer, length);
    return nbd_reply_data_chunk(session, request->cookie, TRUE, request->offset, buffer, length);
}

/* Where the next data or hole ends; a hole that is too short to tell of is data. */
static guint64
next_run(struct disk *disk, guint64 offset, guint64 length, gboolean *ret_hole)
{
    struct disk_extent extent;
    *ret_hole = FALSE;
    if (!disk_extent(disk, offset, length, &extent, NULL))
        return length;
    if (extent.kind == DISK_ZERO && (extent.length >= HOLE_MIN || extent.length == length)) {
        *ret_hole = TRUE;
        return extent.length;
    }
    return MIN(length, MAX(extent.length, HOLE_MIN));
}

/* In chunks: holes as such, data as it comes. */
static gboolean
read_pieces(struct nbd_session *session, const struct nbd_request *request,
            struct nbd_scratch *scratch)
{
    struct disk *disk = session->export->disk;
    gboolean look =
        request->length >= HOLES_FROM && (disk_capabilities(disk) & DISK_CAN_EXTENTS) != 0;
    guint64 at = request->offset, end = at + request->length;
    guint shorts = 0;
    while (at < end) {
        gboolean hole = FALSE;
        guint64 run = end - at;
        if (look && shorts < HOLES_MAX)
            run = next_run(disk, at, run, &hole);
        shorts += run < NBD_PIECE;
        if (hole) {
            if (!nbd_reply_hole_chunk(session, request->cookie, at + run == end, at, (guint32)run))
                return FALSE;
            at += run;
            continue;
        }
        gsize n = (gsize)MIN(run, NBD_PIECE);
        guint8 *buffer = provide(scratch, n);
        g_autoptr(GError) error = NULL;
        if (!disk_read(disk, at, buffer, n, &error))
            return nbd_request_fail(session, request, g_steal_pointer(&error));
        if (!nbd_reply_data_chunk(session, request->cookie, at + n == end, at, buffer, n))
            return FALSE;
        at += n;
    }
    return TRUE;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

static gboolean
write_zeros(struct nbd_session *session, const struct nbd_request *request, GError **error)
{
    struct disk *disk = session->export->disk;
    if (!(request->flags & NBD_CMD_NO_HOLE))
        return disk_zero(disk, request->offset, request->length, error);
    guint64 at = request->offset, end = at + request->length;
    while (at < end) {
        gsize n = (gsize)MIN(end - at, sizeof zeros);
        if (g_atomic_int_get(&session->stopping))
            return error_set(error, SLIPWAY_ERROR_CANCELLED, "the server stops");
        if (!disk_write(disk, at, zeros, n, error))
            return FALSE;
        at += n;
    }
    return TRUE;
}

static gboolean
change(struct nbd_session *session, const struct nbd_request *request, GError **error)
{
    struct disk *disk = session->export->disk;
    switch (request->type) {
    case NBD_CMD_WRITE:
        return disk_write(disk, request->offset, request->data, request->length, error);
    case NBD_CMD_WRITE_ZEROES:
        return write_zeros(session, request, error);
    case NBD_CMD_TRIM:
        return !(disk_capabilities(disk) & DISK_CAN_PUNCH) ||
               disk_zero(disk, request->offset, request->length, error);
    default:
        return disk_flush(disk, error);
    }
}

static gboolean
do_change(struct nbd_session *session, const struct nbd_request *request)
{
    struct disk *disk = session->export->disk;
    gboolean fast =
        (disk_capabilities(disk) & DISK_CAN_PUNCH) && !(request->flags & NBD_CMD_NO_HOLE);
    if ((request->flags & NBD_CMD_FAST_ZERO) && !fast)
        return nbd_reply_error(session, request->cookie, NBD_ENOTSUP,
                               "zeros are not faster than other data here");
    g_autoptr(GError) error = NULL;
    gboolean flush = (request->flags & NBD_CMD_FUA) && request->type != NBD_CMD_FLUSH;
    if (change(session, request, &error) && (!flush || disk_flush(disk, &error)))
        return nbd_reply_done(session, request->cookie);
    return nbd_request_fail(session, request, g_steal_pointer(&error));
}

gboolean
nbd_request_do(struct nbd_session *session, const struct nbd_request *request,
               struct nbd_scratch *scratch)
{
    struct refusal refusal = check(session, request);
    if (refusal.status != NBD_OK)
        return nbd_reply_error(session, request->cookie, refusal.status, refusal.words);
    switch (request->type) {
    case NBD_CMD_READ:
        return is_whole(session, request) ? read_whole(session, request, scratch)
                                          : read_pieces(session, request, scratch);
    case NBD_CMD_CACHE:
        disk_prefetch(session->export->disk, request->offset, request->length);
        return nbd_reply_done(session, request->cookie);
    case NBD_CMD_BLOCK_STATUS:
        return nbd_request_tell_status(session, request);
    default:
        return do_change(session, request);
    }
}
