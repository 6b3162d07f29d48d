/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass over an iSCSI disk with header and data digests, which no initiator among the programs
 * at hand has: an initiator for measuring, that knows no more than this.  Any target. */
#include "measure.h"

#include <arpa/inet.h>
#include <isa-l.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BHS 48u
#define BLOCK 512u
#define LOGIN_REQUEST 0x43
#define SCSI_COMMAND 0x01
#define LOGIN_RESPONSE 0x23
#define SCSI_RESPONSE 0x21
#define DATA_IN 0x25
#define BUFFER (4u << 20)

static char *address = NULL, *target = NULL;
static gint lun = 0, size_mib = 1024, depth = 16, length_kib = 256;
static gboolean digests = FALSE;

static const GOptionEntry entries[] = {
    {"address", 'a', 0, G_OPTION_ARG_STRING, &address, "IPv4 address and port", "ADDRESS:PORT"},
    {"target", 't', 0, G_OPTION_ARG_STRING, &target, "name of the target", "IQN"},
    {"lun", 'l', 0, G_OPTION_ARG_INT, &lun, "its LUN (0)", "N"},
    {"size", 's', 0, G_OPTION_ARG_INT, &size_mib, "MiB to read (1024)", "N"},
    {"depth", 'd', 0, G_OPTION_ARG_INT, &depth, "commands at once (16)", "N"},
    {"length", 'b', 0, G_OPTION_ARG_INT, &length_kib, "KiB of each (256)", "N"},
    {"digests", 'D', 0, G_OPTION_ARG_NONE, &digests, "with CRC32C over headers and data", NULL},
    {NULL}};

struct connection {
    int fd;
    guint8 *buffer; /* BUFFER bytes */
    gsize at, end;  /* what was received and not taken yet */
    gboolean digests;
    guint32 cmd_sn, exp_stat_sn;
};

/* ---- Bytes ----------------------------------------------------------------------------------- */

static void
put32(guint8 *at, guint32 value)
{
    value = htonl(value);
    memcpy(at, &value, 4);
}

static guint32
get32(const guint8 *at)
{
    guint32 value;
    memcpy(&value, at, 4);
    return ntohl(value);
}

static guint32
crc_of(const guint8 *data, gsize length)
{
    return ~crc32_iscsi((guint8 *)(gpointer)data, (int)length, 0xffffffff);
}

static void
send_all(struct connection *connection, const void *data, gsize length)
{
    for (gsize done = 0; done < length;) {
        ssize_t n = send(connection->fd, (const guint8 *)data + done, length - done, MSG_NOSIGNAL);
        if (n <= 0)
            measure_fail("the target does not take what is sent");
        done += (gsize)n;
    }
}

/* `length` bytes, in the buffer until the next call. */
static const guint8 *
take(struct connection *connection, gsize length)
{
    if (connection->at + length > BUFFER || connection->at == connection->end) {
        memmove(connection->buffer, connection->buffer + connection->at,
                connection->end - connection->at);
        connection->end -= connection->at;
        connection->at = 0;
    }
    if (length > BUFFER)
        measure_fail("the target sends %" G_GSIZE_FORMAT " bytes at once", length);
    while (connection->end - connection->at < length) {
        ssize_t n =
            recv(connection->fd, connection->buffer + connection->end, BUFFER - connection->end, 0);
        if (n <= 0)
            measure_fail("the target has closed the connection");
        connection->end += (gsize)n;
    }
    const guint8 *data = connection->buffer + connection->at;
    connection->at += length;
    return data;
}

/* ---- PDUs ------------------------------------------------------------------------------------ */

static void
check_digest(const guint8 *data, gsize length, const char *what)
{
    guint32 given;
    memcpy(&given, data + length, 4);
    if (GUINT32_FROM_LE(given) != crc_of(data, length))
        measure_fail("a wrong digest of %s", what);
}

/* The header into `bhs`; its data is passed over, and counted. */
static gsize
receive(struct connection *connection, guint8 bhs[BHS])
{
    gsize digest = connection->digests ? 4 : 0;
    const guint8 *header = take(connection, BHS + digest);
    if (digest > 0)
        check_digest(header, BHS, "a header");
    memcpy(bhs, header, BHS);
    gsize length = (gsize)bhs[5] << 16 | (gsize)bhs[6] << 8 | bhs[7];
    gsize padded = (length + 3) & ~(gsize)3;
    if (length > 0) {
        const guint8 *data = take(connection, padded + digest);
        if (digest > 0)
            check_digest(data, padded, "data");
    }
    return length;
}

static void
send_header(struct connection *connection, guint8 bhs[BHS + 4])
{
    gsize length = BHS;
    if (connection->digests) {
        guint32 crc = GUINT32_TO_LE(crc_of(bhs, BHS));
        memcpy(bhs + BHS, &crc, 4);
        length += 4;
    }
    send_all(connection, bhs, length);
}

static void
log_in(struct connection *connection)
{
    g_autoptr(GString) keys = g_string_new(NULL);
    const char *digest = digests ? "CRC32C" : "None";
    g_string_append_printf(keys,
                           "InitiatorName=iqn.2026-11.test:measure%cTargetName=%s%c"
                           "SessionType=Normal%cHeaderDigest=%s%cDataDigest=%s%c"
                           "MaxRecvDataSegmentLength=262144%cMaxBurstLength=262144%c"
                           "InitialR2T=Yes%cImmediateData=No%cErrorRecoveryLevel=0%c",
                           0, target, 0, 0, digest, 0, digest, 0, 0, 0, 0, 0, 0);
    gsize length = keys->len;
    while (keys->len % 4 != 0)
        g_string_append_c(keys, 0);
    guint8 bhs[BHS + 4] = {LOGIN_REQUEST, 0x87};
    bhs[6] = (guint8)(length >> 8);
    bhs[7] = (guint8)length;
    bhs[8] = 0x80; /* ISID: random */
    bhs[13] = 1;
    put32(bhs + 24, connection->cmd_sn);
    send_header(connection, bhs);
    send_all(connection, keys->str, keys->len);
    receive(connection, bhs);
    if ((bhs[0] & 0x3f) != LOGIN_RESPONSE || bhs[36] != 0 || (bhs[1] & 0x83) != 0x83)
        measure_fail("the login fails: status %02x%02x", bhs[36], bhs[37]);
    connection->exp_stat_sn = get32(bhs + 24) + 1;
    connection->digests = digests;
}

static void
command(struct connection *connection, guint32 tag, const guint8 cdb[16], guint32 expected)
{
    guint8 bhs[BHS + 4] = {SCSI_COMMAND, expected > 0 ? 0xc1 : 0x81};
    bhs[9] = (guint8)lun;
    put32(bhs + 16, tag);
    put32(bhs + 20, expected);
    put32(bhs + 24, connection->cmd_sn++);
    put32(bhs + 28, connection->exp_stat_sn);
    memcpy(bhs + 32, cdb, 16);
    send_header(connection, bhs);
}

/* Until a command has ended: its SCSI status.  Adds the bytes that came. */
static guint8
finish_one(struct connection *connection, guint64 *bytes)
{
    for (;;) {
        guint8 bhs[BHS];
        gsize length = receive(connection, bhs);
        guint8 opcode = bhs[0] & 0x3f;
        if (opcode == DATA_IN)
            *bytes += length;
        if (opcode != SCSI_RESPONSE && (opcode != DATA_IN || (bhs[1] & 1) == 0))
            continue;
        connection->exp_stat_sn = get32(bhs + 24) + 1;
        return bhs[3];
    }
}

/* ---- The pass -------------------------------------------------------------------------------- */

static void
read_at(struct connection *connection, guint32 number)
{
    guint32 blocks = (guint32)length_kib * 1024 / BLOCK;
    guint8 cdb[16] = {0x28};
    put32(cdb + 2, number * blocks);
    cdb[7] = (guint8)(blocks >> 8);
    cdb[8] = (guint8)blocks;
    command(connection, number, cdb, blocks * BLOCK);
}

static void
connect_to(struct connection *connection)
{
    g_auto(GStrv) parts = g_strsplit(address, ":", 2);
    struct sockaddr_in to = {.sin_family = AF_INET};
    int on = 1;
    if (parts[0] == NULL || parts[1] == NULL || inet_pton(AF_INET, parts[0], &to.sin_addr) != 1)
        measure_fail("%s is no address", address);
    to.sin_port = htons((guint16)atoi(parts[1]));
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->fd, (struct sockaddr *)&to, sizeof to) != 0)
        measure_fail("cannot connect to %s", address);
}

int
main(int argc, char **argv)
{
    measure_options(argc, argv, entries, "Read an iSCSI disk in order; prints MB/s.");
    if (address == NULL || target == NULL)
        measure_fail("--address and --target are missing");
    struct connection connection = {.buffer = g_malloc(BUFFER), .cmd_sn = 1};
    connect_to(&connection);
    log_in(&connection);
    static const guint8 ready[16];
    guint64 bytes = 0;
    /* Unit attentions. */
    do
        command(&connection, 0xfffffff0, ready, 0);
    while (finish_one(&connection, &bytes) != 0);
    guint32 total = (guint32)((guint64)size_mib * 1024 / (guint64)length_kib), begun = 0;
    guint64 begin = measure_now();
    while (begun < MIN(total, (guint32)depth))
        read_at(&connection, begun++);
    for (guint32 done = 0; done < total; done++) {
        if (finish_one(&connection, &bytes) != 0)
            measure_fail("a read fails");
        if (begun < total)
            read_at(&connection, begun++);
    }
    printf("%.1f\n", (double)bytes * 1000 / (double)(measure_now() - begin));
    close(connection.fd);
    g_free(connection.buffer);
    return 0;
}
