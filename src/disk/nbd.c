/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A disk on an NBD server: another machine's, or a qemu-nbd of our own over an image. */
#include "base/error.h"
#include "disk/connections.h"
#include "disk/disk_driver.h"
#include "disk/disk_open.h"
#include "disk/disk_private.h"
#include "disk/qemu_nbd.h"

#include <errno.h>
#include <string.h>

/* A server reads all of a request before it sends the first byte of it: what does not fit into the
 * processor's cache goes through memory twice (bench/libvirt: half the speed with 4 MiB). */
#define READ_MAX (1024u * 1024)
/* The protocol counts in 32 bits.  Zeroing has no payload, but a server that has to write them is
 * not left alone with it for too long. */
#define ZERO_MAX (256u * 1024 * 1024)
#define STATUS_MAX (2048u * 1024 * 1024)

#define FLAG_ZERO 2u /* of base:allocation: reads as zeros */

struct nbd {
    struct disk base;
    struct connections *connections;
    struct connections_offer offer;
    struct qemu_nbd *server; /* ours, or NULL */
    GMutex known_lock;
    GArray *known; /* of struct disk_extent: the last answer, without gaps; read-only disks */
};

static enum slipway_error
classify(const struct connections_answer *answer)
{
    if (answer->end == CONNECTIONS_CANCELLED)
        return SLIPWAY_ERROR_CANCELLED;
    if (answer->end != CONNECTIONS_REFUSED || answer->number == ESHUTDOWN)
        return SLIPWAY_ERROR_NETWORK;
    return answer->number == EPERM || answer->number == EROFS ? SLIPWAY_ERROR_READ_ONLY
                                                              : SLIPWAY_ERROR_IO;
}

static const char *
choose_remedy(const struct nbd *nbd, const struct connections_answer *answer)
{
    if (answer->end == CONNECTIONS_REFUSED)
        return answer->number == ENOSPC ? "free some space where the disk is" : NULL;
    return nbd->server == NULL && answer->end != CONNECTIONS_CANCELLED
               ? connections_remedy(nbd->connections)
               : NULL;
}

/* Wait for the answer to request `cookie`, and give the connection back. */
static gboolean
finish(struct nbd *nbd, struct nbd_handle *handle, int64_t cookie, const char *what, guint64 offset,
       GError **error)
{
    struct connections_answer answer;
    connections_give(nbd->connections, handle, cookie, &answer);
    if (answer.end == CONNECTIONS_DONE)
        return TRUE;
    g_autofree char *words = answer.words;
    g_autofree char *said = nbd->server != NULL ? qemu_nbd_words(nbd->server) : NULL;
    const char *remedy = choose_remedy(nbd, &answer);
    if (answer.end == CONNECTIONS_CANCELLED)
        words = g_strdup("stopped on request");
    return error_set(error, classify(&answer),
                     "disk %s: cannot %s at offset %" G_GUINT64_FORMAT ": %s%s%s%s%s",
                     nbd->base.label, what, offset,
                     words != NULL && *words != '\0' ? words : "the server does not say why",
                     said != NULL ? "; qemu-nbd: " : "", said != NULL ? said : "",
                     remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
}

static gboolean
read_nbd(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct nbd *nbd = (struct nbd *)self;
    gsize most = MIN(nbd->offer.request_max, MAX(READ_MAX, nbd->offer.alignment));
    guint8 *to = buffer;
    while (length > 0) {
        gsize n = MIN(length, most);
        struct nbd_handle *handle = connections_take(nbd->connections, error);
        if (handle == NULL)
            return FALSE;
        int64_t cookie = nbd_aio_pread(handle, to, n, offset, NBD_NULL_COMPLETION, 0);
        if (!finish(nbd, handle, cookie, "read", offset, error))
            return FALSE;
        to += n;
        offset += n;
        length -= n;
    }
    return TRUE;
}

static gboolean
write_nbd(struct disk *self, guint64 offset, const void *data, gsize length, GError **error)
{
    struct nbd *nbd = (struct nbd *)self;
    const guint8 *from = data;
    while (length > 0) {
        gsize n = MIN(length, nbd->offer.request_max);
        struct nbd_handle *handle = connections_take(nbd->connections, error);
        if (handle == NULL)
            return FALSE;
        int64_t cookie = nbd_aio_pwrite(handle, from, n, offset, NBD_NULL_COMPLETION, 0);
        if (!finish(nbd, handle, cookie, "write", offset, error))
            return FALSE;
        from += n;
        offset += n;
        length -= n;
    }
    return TRUE;
}

static gboolean
zero_nbd(struct disk *self, guint64 offset, guint64 length, GError **error)
{
    struct nbd *nbd = (struct nbd *)self;
    if (!nbd->offer.zero)
        return disk_write_zeros(self, offset, length, error);
    while (length > 0) {
        guint64 n = MIN(length, ZERO_MAX);
        struct nbd_handle *handle = connections_take(nbd->connections, error);
        if (handle == NULL)
            return FALSE;
        int64_t cookie = nbd_aio_zero(handle, n, offset, NBD_NULL_COMPLETION, 0);
        if (!finish(nbd, handle, cookie, "write zeros", offset, error))
            return FALSE;
        offset += n;
        length -= n;
    }
    return TRUE;
}

static gboolean
flush_nbd(struct disk *self, GError **error)
{
    struct nbd *nbd = (struct nbd *)self;
    struct nbd_handle *handle = connections_take(nbd->connections, error);
    if (handle == NULL)
        return FALSE;
    /* A server that does not offer it has no cache to flush. */
    int64_t cookie = nbd->offer.flush ? nbd_aio_flush(handle, NBD_NULL_COMPLETION, 0) : 0;
    return finish(nbd, handle, cookie, "make durable what was written", 0, error);
}

/* What a server answers about a range. */
struct answer {
    guint64 offset; /* where the next extent begins */
    guint64 end;
    GArray *extents; /* of struct disk_extent; neighbours of one kind are one */
};

static void
append(struct answer *answer, guint64 length, enum disk_extent_kind kind)
{
    /* The last extent may be longer than what was asked for. */
    length = MIN(length, answer->end - answer->offset);
    if (length == 0)
        return;
    GArray *extents = answer->extents;
    struct disk_extent *last =
        extents->len > 0 ? &g_array_index(extents, struct disk_extent, extents->len - 1) : NULL;
    if (last != NULL && last->kind == kind) {
        last->length += length;
    } else {
        struct disk_extent extent = {answer->offset, length, kind};
        g_array_append_val(extents, extent);
    }
    answer->offset += length;
}

static int
hear(void *user_data, const char *context, uint64_t offset, uint32_t *entries, size_t n, int *error)
{
    struct answer *answer = user_data;
    if (*error != 0)
        return -1;
    if (strcmp(context, "base:allocation") != 0 || offset != answer->offset)
        return 0;
    for (size_t i = 0; i + 1 < n; i += 2)
        append(answer, entries[i], entries[i + 1] & FLAG_ZERO ? DISK_ZERO : DISK_DATA);
    return 0;
}

/* Ask the server for the extents from `offset` on. */
static gboolean
ask(struct nbd *nbd, guint64 offset, guint64 length, guint32 flags, GArray *extents, GError **error)
{
    length = MIN(length, STATUS_MAX);
    struct answer answer = {offset, offset + length, extents};
    struct nbd_handle *handle = connections_take(nbd->connections, error);
    if (handle == NULL)
        return FALSE;
    nbd_extent_callback callback = {.callback = hear, .user_data = &answer};
    int64_t cookie =
        nbd_aio_block_status(handle, length, offset, callback, NBD_NULL_COMPLETION, flags);
    if (!finish(nbd, handle, cookie, "find the extent", offset, error))
        return FALSE;
    if (extents->len > 0)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_NETWORK,
                     "disk %s: its server says nothing of the extent at offset %" G_GUINT64_FORMAT
                     ", against the protocol",
                     nbd->base.label, offset);
}

/* Whether the last answer has `offset`, and what it says. */
static gboolean
recall(struct nbd *nbd, guint64 offset, struct disk_extent *ret)
{
    gboolean found = FALSE;
    g_mutex_lock(&nbd->known_lock);
    guint low = 0, high = nbd->known->len;
    while (!found && low < high) {
        guint middle = low + (high - low) / 2;
        struct disk_extent *extent = &g_array_index(nbd->known, struct disk_extent, middle);
        if (offset < extent->offset) {
            high = middle;
        } else if (offset - extent->offset >= extent->length) {
            low = middle + 1;
        } else {
            guint64 skip = offset - extent->offset;
            *ret = (struct disk_extent){offset, extent->length - skip, extent->kind};
            found = TRUE;
        }
    }
    g_mutex_unlock(&nbd->known_lock);
    return found;
}

/* A disk that is only read does not change, so one answer of many extents serves many calls: the
 * server may have to work hard for it, and be far away.  Of one that is written, one is asked for.
 */
static gboolean
find_extent(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error)
{
    struct nbd *nbd = (struct nbd *)self;
    gboolean keep = !(self->capabilities & DISK_CAN_WRITE);
    if (keep && recall(nbd, offset, ret))
        return TRUE;
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(struct disk_extent));
    guint32 flags = keep ? 0 : LIBNBD_CMD_FLAG_REQ_ONE;
    if (!ask(nbd, offset, keep ? self->size - offset : length, flags, extents, error))
        return FALSE;
    *ret = g_array_index(extents, struct disk_extent, 0);
    if (keep) {
        g_mutex_lock(&nbd->known_lock);
        GArray *old = nbd->known;
        nbd->known = g_steal_pointer(&extents);
        extents = old;
        g_mutex_unlock(&nbd->known_lock);
    }
    return TRUE;
}

static void
close_nbd(struct disk *self)
{
    struct nbd *nbd = (struct nbd *)self;
    connections_close(nbd->connections);
    g_free(qemu_nbd_end(nbd->server));
    g_mutex_clear(&nbd->known_lock);
    g_array_unref(nbd->known);
    g_free(nbd);
}

static const struct disk_class nbd_class = {
    .name = "nbd",
    .read = read_nbd,
    .write = write_nbd,
    .zero = zero_nbd,
    .flush = flush_nbd,
    .extent = find_extent,
    .close = close_nbd,
};

/* Takes over `connections` and `server`. */
static struct disk *
new_disk(const char *label, struct connections *connections, struct qemu_nbd *server,
         gboolean writable)
{
    struct nbd *nbd = g_new0(struct nbd, 1);
    nbd->offer = *connections_offer(connections);
    unsigned capabilities = nbd->offer.extents ? DISK_CAN_EXTENTS : 0;
    if (writable)
        capabilities |= DISK_CAN_WRITE | (nbd->offer.zero ? DISK_CAN_PUNCH : 0);
    disk_init(&nbd->base, &nbd_class, nbd->offer.size, capabilities, label);
    nbd->base.alignment = nbd->offer.alignment;
    nbd->connections = connections;
    nbd->server = server;
    g_mutex_init(&nbd->known_lock);
    nbd->known = g_array_new(FALSE, FALSE, sizeof(struct disk_extent));
    return &nbd->base;
}

static gboolean
check_writable(const struct connections *connections, const char *label, GError **error)
{
    if (!connections_offer(connections)->read_only)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_READ_ONLY,
                     "disk %s: its server lets it be read only; name another disk to write to",
                     label);
}

struct disk *
disk_nbd_open_with(const char *uri, gboolean writable, const struct disk_nbd_options *options,
                   GError **error)
{
    struct disk_nbd_options wanted = *options;
    if (wanted.silence_s == 0 && !writable)
        wanted.silence_s = DISK_NBD_SILENCE_S;
    auto_ptr(connections) connections = connections_open(uri, !writable, &wanted, error);
    if (connections == NULL)
        return NULL;
    const char *label = connections_label(connections);
    if (writable && !check_writable(connections, label, error))
        return NULL;
    return new_disk(label, g_steal_pointer(&connections), NULL, writable);
}

struct disk *
disk_nbd_open(const char *uri, gboolean writable, GError **error)
{
    static const struct disk_nbd_options defaults;
    return disk_nbd_open_with(uri, writable, &defaults, error);
}

/* qemu-nbd knows best what is wrong with the image; libnbd only sees it go away. */
static void
explain(const char *path, enum disk_format format, const char *words, GError **error)
{
    if (words == NULL)
        return;
    g_clear_error(error);
    gboolean busy = strstr(words, " lock") != NULL;
    error_set(error, busy ? SLIPWAY_ERROR_BUSY : SLIPWAY_ERROR_CORRUPT,
              "cannot open disk %s as %s: qemu-nbd: %s", path, disk_format_name(format), words);
}

struct disk *
disk_image_open(const char *path, enum disk_format format, gboolean writable, GError **error)
{
    /* Whether it is there and may be opened is said better by our own attempt. */
    struct disk *file = disk_file_open(path, writable, error);
    if (file == NULL)
        return NULL;
    disk_close(file);
    int sockets[CONNECTIONS_MAX];
    struct qemu_nbd *server =
        qemu_nbd_start(path, format, writable, sockets, G_N_ELEMENTS(sockets), error);
    if (server == NULL)
        return NULL;
    g_autoptr(GError) failure = NULL;
    struct connections *connections =
        connections_adopt(path, sockets, G_N_ELEMENTS(sockets), &failure);
    if (connections != NULL && (!writable || check_writable(connections, path, &failure)))
        return new_disk(path, connections, server, writable);
    connections_close(connections);
    g_autofree char *words = qemu_nbd_end(server);
    explain(path, format, words, &failure);
    g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}
