/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All bytes that a client of the NBD server sends in one connection, handshake and requests.
 *
 * Whatever they are: the connection ends when they do, a read-only disk stays as it is, and what
 * comes back begins with the greeting.  What it did wrong is an error with words. */
#include "disk/disk_open.h"
#include "fuzz.h"
#include "target/nbd_handshake.h"
#include "target/nbd_transmission.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE (1u << 20)
#define INPUT_MAX (64u * 1024) /* goes into a socket at once */

static struct disk *disks[2];
static struct nbd_service *service;

static gboolean
change_some(gpointer data G_GNUC_UNUSED, guint64 offset, guint64 length, gboolean *ret_changed,
            guint64 *ret_length, GError **error G_GNUC_UNUSED)
{
    *ret_changed = offset / 4096 % 2;
    *ret_length = MIN(length, 4096 - offset % 4096);
    return TRUE;
}

static void
set_up(void)
{
    for (guint i = 0; i < 2; i++) {
        disks[i] = disk_memory_new(SIZE, "memory");
        disk_write(disks[i], 70000, "read only", 9, NULL);
    }
    const struct nbd_export exports[] = {
        {.name = "", .description = "of a fuzzer", .disk = disks[0], .changed = change_some},
        {.name = "ro", .disk = disks[1], .read_only = TRUE},
    };
    const struct nbd_options options = {.exports = exports, .n_exports = 2};
    g_autoptr(GError) error = NULL;
    service = nbd_service_new(&options, &error);
    g_assert_no_error(error);
}

/* The other end takes what comes, so that nobody waits for it. */
static gpointer
take_replies(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    guint8 bytes[65536], greeting[8];
    gsize seen = 0;
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0; seen += (gsize)n)
        for (ssize_t i = 0; i < n && seen + (gsize)i < sizeof greeting; i++)
            greeting[seen + (gsize)i] = bytes[i];
    g_assert_cmpuint(seen, >=, 18);
    g_assert_cmpmem(greeting, sizeof greeting, "NBDMAGIC", 8);
    return NULL;
}

static void
converse(int fd)
{
    struct nbd_session session;
    g_assert_true(nbd_session_init(&session, service, fd, "peer"));
    g_autoptr(GError) error = NULL;
    gboolean ok = nbd_handshake_do(&session, &error);
    if (ok) {
        g_assert_nonnull(session.export);
        ok = nbd_transmission_do(&session, &error);
    }
    if (error != NULL)
        fuzz_check(ok, error);
    nbd_session_clear(&session);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (service == NULL)
        set_up();
    int ends[2], room = 2 * INPUT_MAX;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    size_t length = MIN(size, INPUT_MAX);
    ssize_t sent = length > 0 ? send(ends[0], data, length, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    g_assert_cmpint(sent, ==, (gssize)length);
    shutdown(ends[0], SHUT_WR);
    GThread *taker = g_thread_new("take", take_replies, GINT_TO_POINTER(ends[0]));
    converse(ends[1]);
    close(ends[1]);
    g_thread_join(taker);
    close(ends[0]);
    guint8 bytes[9];
    g_assert_true(disk_read(disks[1], 70000, bytes, sizeof bytes, NULL));
    g_assert_cmpmem(bytes, sizeof bytes, "read only", 9);
    return 0;
}
