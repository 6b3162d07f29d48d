/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection to an iSCSI target.  The input: 'r' and all bytes of a connection; or 'l', 'd' and
 * what follows a login, without digests or with them ('d': each PDU of the input gets its right
 * ones, so that what is behind them is reached).
 *
 * Whatever comes, the target sends nothing but whole PDUs of its own, and closes soon after the
 * initiator has; nobody else notices. */
#include "base/error.h"
#include "disk/disk_open.h"
#include "fuzz.h"
#include "target/iscsi_pdu.h"
#include "target/iscsi_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "iqn.2026-01.org.example:disk"
#define DISK_SIZE (1u << 20)
#define WAIT_S 20

static const char keys[] = "InitiatorName=iqn.2026-01.org.example:fuzz\0TargetName=" NAME
                           "\0InitialR2T=No\0MaxConnections=4\0MaxOutstandingR2T=4";
static const char digests[] = "\0HeaderDigest=CRC32C\0DataDigest=CRC32C";

static void
append_login(GByteArray *to, gboolean with_digests)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_LOGIN_REQUEST | ISCSI_IMMEDIATE, 0x87};
    static const guint8 zeros[4];
    guint32 length = sizeof keys + (with_digests ? sizeof digests - 1 : 0);
    big_endian_put24(bhs + 5, length);
    bhs[ISCSI_AT_ISID] = 0x80;
    g_byte_array_append(to, bhs, sizeof bhs);
    g_byte_array_append(to, (const guint8 *)keys, sizeof keys - 1);
    if (with_digests)
        g_byte_array_append(to, (const guint8 *)digests, sizeof digests - 1);
    g_byte_array_append(to, zeros, 1 + iscsi_padding(length));
}

/* The input's PDUs, which have no digests, with them; what is cut off stays so. */
static void
append_digested(GByteArray *to, const uint8_t *data, size_t size)
{
    while (size >= ISCSI_BHS) {
        guint8 digest[ISCSI_DIGEST];
        gsize header = MIN(size, ISCSI_BHS + iscsi_ahs_length(data));
        guint32 length = iscsi_data_length(data);
        g_byte_array_append(to, data, (guint)header);
        iscsi_digest_put(iscsi_digest_add(ISCSI_DIGEST_BEGIN, data, header), digest);
        g_byte_array_append(to, digest, sizeof digest);
        gsize padded = MIN(size - header, (gsize)length + iscsi_padding(length));
        g_byte_array_append(to, data + header, (guint)padded);
        if (length > 0) {
            iscsi_digest_put(iscsi_digest_add(ISCSI_DIGEST_BEGIN, data + header, padded), digest);
            g_byte_array_append(to, digest, sizeof digest);
        }
        data += header + padded;
        size -= header + padded;
    }
    g_byte_array_append(to, data, (guint)size);
}

static int
connect_to(const char *address)
{
    static const struct timeval limit = {.tv_sec = WAIT_S};
    static const struct linger at_once = {.l_onoff = 1};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((guint16)atoi(strchr(address, ':') + 1)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof to), ==, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    /* Thousands of connections must not use up all ports. */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return fd;
}

struct writing {
    int fd;
    const GByteArray *bytes;
};

static gpointer
write_all(gpointer data)
{
    const struct writing *writing = data;
    for (gsize at = 0; at < writing->bytes->len;) {
        ssize_t n =
            send(writing->fd, writing->bytes->data + at, writing->bytes->len - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (gsize)n;
    }
    shutdown(writing->fd, SHUT_WR);
    return NULL;
}

/* All that comes until it is closed. */
static GByteArray *
read_all(int fd)
{
    GByteArray *all = g_byte_array_new();
    static guint8 bytes[65536];
    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n < 0)
            g_assert_cmpint(errno, ==, ECONNRESET); /* or it hangs */
        if (n <= 0)
            return all;
        g_byte_array_append(all, bytes, (guint)n);
    }
}

/* Whole PDUs with opcodes of a target, unless the end was cut off. */
static void
check_answers(const GByteArray *all, gboolean with_digests)
{
    gboolean digested = FALSE;
    for (gsize at = 0; at < all->len && all->len - at >= ISCSI_BHS;) {
        const guint8 *bhs = all->data + at;
        guint32 length = iscsi_data_length(bhs);
        g_assert_cmphex(ISCSI_OPCODE(bhs) & 0x20, ==, 0x20);
        g_assert_cmphex(bhs[0] & ISCSI_IMMEDIATE, ==, 0);
        at += ISCSI_BHS + length + iscsi_padding(length);
        if (digested)
            at += ISCSI_DIGEST + (length > 0 ? ISCSI_DIGEST : 0);
        if (with_digests && bhs[0] == ISCSI_LOGIN_RESPONSE)
            digested = TRUE;
    }
}

static struct iscsi_server *
start(struct scsi_device *device)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    g_autoptr(GError) error = NULL;
    struct iscsi_options options = {.name = NAME, .device = device, .listen = listen};
    struct iscsi_server *server = iscsi_server_start(&options, &error);
    g_assert_no_error(error);
    return server;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || strchr("rld", data[0]) == NULL || data[0] == '\0')
        return 0;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    gboolean with_digests = data[0] == 'd';
    if (data[0] != 'r')
        append_login(bytes, with_digests);
    if (with_digests)
        append_digested(bytes, data + 1, size - 1);
    else
        g_byte_array_append(bytes, data + 1, (guint)(size - 1));

    struct disk *disk = disk_memory_new(DISK_SIZE, "memory");
    struct scsi_device *device = scsi_device_new();
    struct scsi_unit_options unit = {.disk = disk, .identity = "disk", .block_size = 512};
    g_assert_true(scsi_device_add(device, &unit, NULL));
    struct iscsi_server *server = start(device);
    int fd = connect_to(iscsi_server_addresses(server)[0]);
    struct writing writing = {fd, bytes};
    GThread *thread = g_thread_new("write", write_all, &writing);
    g_autoptr(GByteArray) all = read_all(fd);
    g_thread_join(thread);
    if (data[0] != 'r') {
        g_assert_cmpuint(all->len, >=, ISCSI_BHS);
        check_answers(all, with_digests);
    }
    close(fd);
    iscsi_server_stop(server);
    scsi_device_free(device);
    disk_close(disk);
    return 0;
}
