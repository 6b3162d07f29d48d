/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_initiator.h: a target over disks in memory, and an initiator that does as it is told, also
 * what no initiator should. */
#pragma once

#include "base/error.h"
#include "disk/disk_open.h"
#include "target/chap.h"
#include "target/iscsi_pdu.h"
#include "target/iscsi_server.h"
#include "target/iscsi_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define TARGET "iqn.2026-01.org.example:disk"
#define INITIATOR "iqn.2026-01.org.example:initiator"
#define DISK_SIZE (64u << 20)
#define BLOCK 512u
#define WAIT_S 20

static G_GNUC_UNUSED const guint8 no_lun[8];

/* ---- The target ------------------------------------------------------------------------------ */

struct target {
    struct disk *disks[2];
    struct scsi_device *device;
    struct iscsi_options options;
    struct iscsi_server *server;
    GMutex lock;
    GString *log;
};

static void
target_log(const char *line, gpointer data)
{
    struct target *target = data;
    g_mutex_lock(&target->lock);
    g_string_append_printf(target->log, "%s\n", line);
    g_mutex_unlock(&target->lock);
}

/* Options are filled in before target_start(). */
static struct target *
target_new(void)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    struct target *target = g_new0(struct target, 1);
    target->device = scsi_device_new();
    for (guint i = 0; i < G_N_ELEMENTS(target->disks); i++) {
        g_autoptr(GError) error = NULL;
        target->disks[i] = disk_memory_new(DISK_SIZE, "memory");
        struct scsi_unit_options unit = {
            .disk = target->disks[i], .number = i, .identity = "disk", .block_size = BLOCK};
        scsi_device_add(target->device, &unit, &error);
        g_assert_no_error(error);
    }
    g_mutex_init(&target->lock);
    target->log = g_string_new(NULL);
    target->options = (struct iscsi_options){.name = TARGET,
                                             .device = target->device,
                                             .listen = listen,
                                             .log = target_log,
                                             .log_data = target};
    return target;
}

static void
target_start(struct target *target)
{
    g_autoptr(GError) error = NULL;
    target->server = iscsi_server_start(&target->options, &error);
    g_assert_no_error(error);
}

static void
target_free(struct target *target)
{
    iscsi_server_stop(target->server);
    scsi_device_free(target->device);
    for (guint i = 0; i < G_N_ELEMENTS(target->disks); i++)
        disk_close(target->disks[i]);
    g_string_free(target->log, TRUE);
    g_mutex_clear(&target->lock);
    g_free(target);
}
AUTO_PTR_DEFINE(target, target_free)

/* Within some time: what is logged comes after what is sent. */
static G_GNUC_UNUSED void
target_assert_logged(struct target *target, const char *words)
{
    for (guint i = 0; i < WAIT_S * 100; i++) {
        g_mutex_lock(&target->lock);
        gboolean found = strstr(target->log->str, words) != NULL;
        g_mutex_unlock(&target->lock);
        if (found)
            return;
        g_usleep(10000);
    }
    g_error("\"%s\" is not in the log:\n%s", words, target->log->str);
}

static G_GNUC_UNUSED guint
target_sessions(struct target *target)
{
    g_autoptr(GPtrArray) sessions = iscsi_server_sessions(target->server);
    return sessions->len;
}

static G_GNUC_UNUSED void
target_await_sessions(struct target *target, guint n)
{
    for (guint i = 0; i < WAIT_S * 100 && target_sessions(target) != n; i++)
        g_usleep(10000);
    g_assert_cmpuint(target_sessions(target), ==, n);
}

/* ---- The initiator --------------------------------------------------------------------------- */

struct initiator {
    int fd;
    gboolean header_digest, data_digest;
    guint8 isid[6];
    guint16 tsih, cid;
    guint32 cmd_sn, exp_stat_sn;
    guint32 tag; /* of the last request */
    guint32 max_cmd_sn;
    guint8 bhs[ISCSI_BHS]; /* of the last PDU that came */
    GByteArray *data;
};

static int
initiator_socket(const char *address, const char *from)
{
    g_auto(GStrv) parts = g_strsplit(address, ":", 2);
    static const struct timeval limit = {.tv_sec = WAIT_S};
    static const int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((guint16)atoi(parts[1])),
                             .sin_addr.s_addr = inet_addr(parts[0])};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&own, sizeof own), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof to), ==, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static struct initiator *
initiator_connect_from(struct target *target, const char *from)
{
    static guint serial = 0;
    struct initiator *initiator = g_new0(struct initiator, 1);
    guint number = (guint)g_atomic_int_add((gint *)&serial, 1);
    initiator->fd = initiator_socket(iscsi_server_addresses(target->server)[0], from);
    initiator->isid[0] = 0x80;
    initiator->isid[3] = (guint8)number;
    initiator->cmd_sn = 1000;
    initiator->data = g_byte_array_new();
    return initiator;
}

static struct initiator *
initiator_connect(struct target *target)
{
    return initiator_connect_from(target, "127.0.0.1");
}

static void
initiator_free(struct initiator *initiator)
{
    close(initiator->fd);
    g_byte_array_unref(initiator->data);
    g_free(initiator);
}
AUTO_PTR_DEFINE(initiator, initiator_free)

/* All of it as one piece; FALSE when the target has closed. */
static gboolean
initiator_write(struct initiator *initiator, const void *data, gsize length)
{
    const guint8 *at = data;
    while (length > 0) {
        ssize_t n = send(initiator->fd, at, length, MSG_NOSIGNAL);
        if (n <= 0)
            return FALSE;
        at += n;
        length -= (gsize)n;
    }
    return TRUE;
}

static void
initiator_append(struct initiator *initiator, GByteArray *to, guint8 *bhs, const void *data,
                 guint length)
{
    static const guint8 zeros[4];
    guint8 digest[ISCSI_DIGEST];
    big_endian_put24(bhs + 5, length);
    g_byte_array_append(to, bhs, ISCSI_BHS);
    if (initiator->header_digest) {
        iscsi_digest_put(iscsi_digest_add(ISCSI_DIGEST_BEGIN, bhs, ISCSI_BHS), digest);
        g_byte_array_append(to, digest, sizeof digest);
    }
    if (length == 0)
        return;
    guint from = to->len;
    g_byte_array_append(to, data, length);
    g_byte_array_append(to, zeros, iscsi_padding(length));
    if (initiator->data_digest) {
        iscsi_digest_put(iscsi_digest_add(ISCSI_DIGEST_BEGIN, to->data + from, to->len - from),
                         digest);
        g_byte_array_append(to, digest, sizeof digest);
    }
}

static gboolean
initiator_send(struct initiator *initiator, guint8 *bhs, const void *data, guint length)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    initiator_append(initiator, bytes, bhs, data, length);
    return initiator_write(initiator, bytes->data, bytes->len);
}

static gboolean
initiator_read(struct initiator *initiator, void *to, gsize length)
{
    guint8 *at = to;
    while (length > 0) {
        ssize_t n = recv(initiator->fd, at, length, 0);
        g_assert_true(n >= 0 || errno == ECONNRESET); /* or the target hangs */
        if (n <= 0)
            return FALSE;
        at += n;
        length -= (gsize)n;
    }
    return TRUE;
}

/* The next PDU, into `bhs` and `data`; FALSE when the target has closed. */
static gboolean
initiator_receive(struct initiator *initiator)
{
    guint8 digest[ISCSI_DIGEST];
    if (!initiator_read(initiator, initiator->bhs, ISCSI_BHS))
        return FALSE;
    if (initiator->header_digest) {
        g_assert_true(initiator_read(initiator, digest, sizeof digest));
        g_assert_true(iscsi_digest_is(
            iscsi_digest_add(ISCSI_DIGEST_BEGIN, initiator->bhs, ISCSI_BHS), digest));
    }
    guint length = iscsi_data_length(initiator->bhs);
    guint padded = length + iscsi_padding(length);
    g_byte_array_set_size(initiator->data, padded);
    g_assert_true(initiator_read(initiator, initiator->data->data, padded));
    if (initiator->data_digest && length > 0) {
        g_assert_true(initiator_read(initiator, digest, sizeof digest));
        g_assert_true(iscsi_digest_is(
            iscsi_digest_add(ISCSI_DIGEST_BEGIN, initiator->data->data, padded), digest));
    }
    g_byte_array_set_size(initiator->data, length);
    initiator->max_cmd_sn = big_endian_get32(initiator->bhs + ISCSI_AT_MAX_CMD_SN);
    return TRUE;
}

static G_GNUC_UNUSED void
initiator_expect(struct initiator *initiator, enum iscsi_opcode opcode)
{
    g_assert_true(initiator_receive(initiator));
    g_assert_cmphex(ISCSI_OPCODE(initiator->bhs), ==, opcode);
}

/* The target closes, whatever it has sent before. */
static G_GNUC_UNUSED void
initiator_expect_end(struct initiator *initiator)
{
    while (initiator_receive(initiator))
        continue;
}

/* ---- Login ----------------------------------------------------------------------------------- */

enum { SECURITY = 0, OPERATIONAL = 1, FULL_FEATURE = 3 };

/* `keys`: "A=1\nB=2".  Returns the status; -1: closed without an answer. */
static int
initiator_login(struct initiator *initiator, guint stage, guint next, gboolean transit,
                const char *keys)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_LOGIN_REQUEST | ISCSI_IMMEDIATE};
    bhs[ISCSI_AT_FLAGS] = (guint8)((transit ? ISCSI_TRANSIT | next : 0) | stage << 2);
    memcpy(bhs + ISCSI_AT_ISID, initiator->isid, 6);
    big_endian_put16(bhs + ISCSI_AT_TSIH, initiator->tsih);
    big_endian_put32(bhs + ISCSI_AT_TAG, 1);
    big_endian_put16(bhs + ISCSI_AT_CID, initiator->cid);
    big_endian_put32(bhs + ISCSI_AT_CMD_SN, initiator->cmd_sn);
    big_endian_put32(bhs + ISCSI_AT_EXP_STAT_SN, initiator->exp_stat_sn);
    g_autofree char *text = g_strdup(keys);
    gsize length = strlen(text);
    g_strdelimit(text, "\n", '\0');
    if (!initiator_send(initiator, bhs, text, length > 0 ? (guint)length + 1 : 0) ||
        !initiator_receive(initiator))
        return -1;
    g_assert_cmphex(ISCSI_OPCODE(initiator->bhs), ==, ISCSI_LOGIN_RESPONSE);
    initiator->exp_stat_sn = big_endian_get32(initiator->bhs + ISCSI_AT_STAT_SN) + 1;
    return big_endian_get16(initiator->bhs + ISCSI_AT_LOGIN_STATUS);
}

/* The value of a key in the last answer; NULL: none.  Free with g_free(). */
static G_GNUC_UNUSED char *
initiator_value(struct initiator *initiator, const char *key)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(iscsi_text) text =
        iscsi_text_parse(initiator->data->data, initiator->data->len, &error);
    g_assert_no_error(error);
    return g_strdup(iscsi_text_get(text, key));
}

static G_GNUC_UNUSED void
initiator_assert_value(struct initiator *initiator, const char *key, const char *value)
{
    g_autofree char *said = initiator_value(initiator, key);
    g_assert_cmpstr(said, ==, value);
}

#define NAMES "InitiatorName=" INITIATOR "\nTargetName=" TARGET "\nSessionType=Normal"

/* From the operational stage into the full feature phase, with these keys too. */
static G_GNUC_UNUSED void
initiator_begin(struct initiator *initiator, const char *more)
{
    g_autofree char *keys = g_strconcat(NAMES, *more != '\0' ? "\n" : "", more, NULL);
    g_assert_cmphex((guint)initiator_login(initiator, OPERATIONAL, FULL_FEATURE, TRUE, keys), ==,
                    0);
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, 0x87);
    initiator->tsih = big_endian_get16(initiator->bhs + ISCSI_AT_TSIH);
    g_assert_cmphex(initiator->tsih, !=, 0);
    g_autofree char *header = initiator_value(initiator, "HeaderDigest");
    g_autofree char *data = initiator_value(initiator, "DataDigest");
    initiator->header_digest = g_strcmp0(header, "CRC32C") == 0;
    initiator->data_digest = g_strcmp0(data, "CRC32C") == 0;
}

static G_GNUC_UNUSED struct initiator *
initiator_new(struct target *target, const char *more)
{
    struct initiator *initiator = initiator_connect(target);
    initiator_begin(initiator, more);
    return initiator;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* A request with its numbers; not immediate. */
static G_GNUC_UNUSED void
initiator_request(struct initiator *initiator, guint8 *bhs, enum iscsi_opcode opcode)
{
    bhs[0] = (guint8)opcode;
    big_endian_put32(bhs + ISCSI_AT_TAG, ++initiator->tag);
    big_endian_put32(bhs + ISCSI_AT_CMD_SN, initiator->cmd_sn++);
    big_endian_put32(bhs + ISCSI_AT_EXP_STAT_SN, initiator->exp_stat_sn);
}

/* READ(10) or WRITE(10). */
static G_GNUC_UNUSED void
initiator_command(struct initiator *initiator, guint8 *bhs, gboolean writes, guint32 block,
                  guint16 blocks)
{
    initiator_request(initiator, bhs, ISCSI_COMMAND);
    bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL | 1 | (writes ? ISCSI_WRITE : ISCSI_READ);
    big_endian_put32(bhs + ISCSI_AT_EXPECTED, blocks * BLOCK);
    bhs[ISCSI_AT_CDB] = writes ? 0x2a : 0x28;
    big_endian_put32(bhs + ISCSI_AT_CDB + 2, block);
    big_endian_put16(bhs + ISCSI_AT_CDB + 7, blocks);
}

/* One Data-Out. */
static G_GNUC_UNUSED void
initiator_data_out(guint8 *bhs, guint32 tag, guint32 target_tag, guint32 data_sn, guint32 offset,
                   gboolean final)
{
    bhs[0] = ISCSI_DATA_OUT;
    bhs[ISCSI_AT_FLAGS] = final ? ISCSI_FINAL : 0;
    big_endian_put32(bhs + ISCSI_AT_TAG, tag);
    big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, target_tag);
    big_endian_put32(bhs + ISCSI_AT_DATA_SN, data_sn);
    big_endian_put32(bhs + ISCSI_AT_BUFFER_OFFSET, offset);
}

/* The response to the last command: its SCSI status.  It comes in its own PDU. */
static G_GNUC_UNUSED guint
initiator_status(struct initiator *initiator)
{
    initiator_expect(initiator, ISCSI_RESPONSE);
    return initiator->bhs[ISCSI_AT_SCSI_STATUS];
}

/* ASC and ASCQ of a check condition that came. */
static G_GNUC_UNUSED guint16
initiator_sense(struct initiator *initiator)
{
    g_assert_cmpuint(initiator->bhs[ISCSI_AT_SCSI_STATUS], ==, SCSI_CHECK_CONDITION);
    g_assert_cmpuint(initiator->data->len, >=, 2 + 14);
    return big_endian_get16(initiator->data->data + 2 + 12);
}

/* The unit attention that every nexus begins with. */
static G_GNUC_UNUSED void
initiator_settle(struct initiator *initiator)
{
    for (guint status = SCSI_CHECK_CONDITION; status != SCSI_GOOD;) {
        guint8 bhs[ISCSI_BHS] = {0};
        initiator_request(initiator, bhs, ISCSI_COMMAND);
        bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL | 1;
        g_assert_true(initiator_send(initiator, bhs, NULL, 0));
        status = initiator_status(initiator);
    }
}

/* A NOP that is answered: whatever was sent before has been taken. */
static G_GNUC_UNUSED void
initiator_ping(struct initiator *initiator)
{
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_request(initiator, bhs, ISCSI_NOP_OUT);
    bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL;
    big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, ISCSI_NO_TAG);
    g_assert_true(initiator_send(initiator, bhs, "ping", 4));
    initiator_expect(initiator, ISCSI_NOP_IN);
    g_assert_cmpmem(initiator->data->data, initiator->data->len, "ping", 4);
}

static G_GNUC_UNUSED void
fill(guint8 *bytes, gsize length, guint seed)
{
    for (gsize i = 0; i < length; i++)
        bytes[i] = (guint8)((i * 7 + i / 512 + seed) & 0xff);
}

/* The disk holds what fill() makes of `seed`. */
static G_GNUC_UNUSED void
target_assert_filled(struct target *target, guint64 offset, gsize length, guint seed)
{
    g_autofree guint8 *wanted = g_malloc(length), *there = g_malloc(length);
    fill(wanted, length, seed);
    g_assert_true(disk_read(target->disks[0], offset, there, length, NULL));
    g_assert_cmpmem(there, length, wanted, length);
}
