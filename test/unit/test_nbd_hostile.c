/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The NBD server with clients that do not keep to the protocol. */
#include "nbd_wire.h"

#define MIB (1u << 20)

static void
start(struct nbd_fixture *fixture, struct disk *disk, guint handshake_seconds)
{
    const struct nbd_export export = {.name = "", .disk = disk};
    nbd_fixture_start(fixture, &export, 1, handshake_seconds);
}

/* ---- The handshake ----------------------------------------------------------------------------
 */

static void
test_bad_handshake(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(MIB, 0);
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int fd = nbd_wire_greet(&fixture, 7);
    nbd_wire_expect_end(fd);
    nbd_fixture_expect_log(&fixture, "what it sends is not NBD");
    fd = nbd_wire_greet(&fixture, 3);
    nbd_wire_say(fd, "GET / HTTP/1.1\r\nHost: slipway\r\n\r\n", 33);
    nbd_wire_expect_end(fd);
    nbd_fixture_expect_log(&fixture, "what it sends is not an option of NBD");
    fd = nbd_wire_greet(&fixture, 3);
    nbd_wire_say_option(fd, NBD_OPT_GO, NULL, G_MAXUINT32);
    nbd_wire_expect_end(fd);
    nbd_fixture_expect_log(&fixture,
                           "it sends 4294967295 bytes with option 7, more than the 16384");
    fd = nbd_wire_greet(&fixture, 3);
    nbd_wire_say_option(fd, NBD_OPT_EXPORT_NAME, "no\nthing", 8);
    nbd_wire_expect_end(fd);
    nbd_fixture_expect_log(&fixture, "it asks for export \"no\\nthing\", which is not there");
    fd = nbd_wire_greet(&fixture, 0);
    nbd_wire_say_option(fd, NBD_OPT_LIST, "", 0);
    nbd_wire_expect_end(fd);
    nbd_fixture_expect_log(&fixture, "it sends option 3, without the fixed newstyle");
    fd = nbd_wire_greet(&fixture, 3);
    shutdown(fd, SHUT_WR);
    nbd_wire_expect_end(fd);
    nbd_fixture_expect_log(&fixture, "it went away");
    nbd_fixture_stop(&fixture);
}

/* Malformed options are refused one by one; the next one counts. */
static void
test_bad_options(void)
{
    static const struct {
        guint32 number;
        const char *data;
        guint32 length;
        guint32 reply;
    } cases[] = {
        {NBD_OPT_LIST, "x", 1, NBD_REP_ERR_INVALID},
        {NBD_OPT_STARTTLS, "", 0, NBD_REP_ERR_POLICY},
        {NBD_OPT_GO, "", 0, NBD_REP_ERR_INVALID},
        {NBD_OPT_GO, "\0\0\0\x05\0\0", 6, NBD_REP_ERR_INVALID},
        {NBD_OPT_GO, "\xff\xff\xff\xff\0\0", 6, NBD_REP_ERR_INVALID},
        {NBD_OPT_GO, "\0\0\0\0\0\x01", 6, NBD_REP_ERR_INVALID},
        {NBD_OPT_GO, "\0\0\0\0\0\0\0", 7, NBD_REP_ERR_INVALID},
        {NBD_OPT_GO, "\0\0\0\x02\xc3\x28\0\0", 8, NBD_REP_ERR_INVALID},
        {NBD_OPT_GO, "\0\0\0\x02\0a\0\0", 8, NBD_REP_ERR_INVALID},
        {NBD_OPT_GO, "\0\0\0\x01x\0\0", 7, NBD_REP_ERR_UNKNOWN},
        {NBD_OPT_SET_META_CONTEXT, "\0\0\0\0\0\0\0\0", 8, NBD_REP_ERR_INVALID},
        {NBD_OPT_STRUCTURED_REPLY, "x", 1, NBD_REP_ERR_INVALID},
        {NBD_OPT_STRUCTURED_REPLY, "", 0, NBD_REP_ACK},
        {NBD_OPT_SET_META_CONTEXT, "\0\0\0\0\0\0\0\x01", 8, NBD_REP_ERR_INVALID},
        {NBD_OPT_SET_META_CONTEXT, "\0\0\0\0\xff\xff\xff\xff", 8, NBD_REP_ERR_INVALID},
        {NBD_OPT_SET_META_CONTEXT, "\0\0\0\x01x\0\0\0\0", 9, NBD_REP_ERR_UNKNOWN},
        {NBD_OPT_SET_META_CONTEXT, "\0\0\0\0\0\0\0\0", 8, NBD_REP_ACK},
        {NBD_OPT_SET_META_CONTEXT, "\0\0\0\0\0\0\0\0x", 9, NBD_REP_ERR_INVALID},
        {4, "", 0, NBD_REP_ERR_UNSUP},
        {4711, "abc", 3, NBD_REP_ERR_UNSUP},
        {NBD_OPT_ABORT, "", 0, NBD_REP_ACK},
    };
    auto_ptr(disk) disk = nbd_fixture_disk(MIB, 0);
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int fd = nbd_wire_greet(&fixture, 3);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        nbd_wire_say_option(fd, cases[i].number, cases[i].data, cases[i].length);
        g_assert_cmphex(nbd_wire_hear_reply(fd, cases[i].number), ==, cases[i].reply);
    }
    nbd_wire_expect_end(fd);
    nbd_fixture_stop(&fixture);
}

/* One that says nothing, and one that never comes to an end, lose their place in time. */
static void
test_slow_handshake(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(MIB, 0);
    struct nbd_fixture fixture;
    start(&fixture, disk, 1);
    int silent = nbd_wire_dial(&fixture), endless = nbd_wire_greet(&fixture, 3);
    gint64 begin = g_get_monotonic_time();
    for (guint i = 0; i < 4; i++) {
        nbd_wire_say_option(endless, 4711, "", 0);
        nbd_wire_hear_reply(endless, 4711);
        g_usleep(100000);
    }
    nbd_wire_expect_end(silent);
    nbd_wire_expect_end(endless);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 10 * G_USEC_PER_SEC);
    nbd_fixture_expect_log(&fixture, "it takes too long to say what it wants");
    nbd_fixture_stop(&fixture);
}

/* ---- Requests ---------------------------------------------------------------------------------
 */

static void
test_bad_requests(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(64 * MIB, 0);
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int fd = nbd_wire_enter(&fixture);
    static const struct {
        guint16 type;
        guint64 offset;
        guint32 length;
    } cases[] = {
        {8, 0, 0},
        {65535, 0, 512},
        {NBD_CMD_BLOCK_STATUS, 0, 512},
        {NBD_CMD_READ, 0, 0},
        {NBD_CMD_READ, 0, 32 * MIB + 1},
        {NBD_CMD_READ, 0, G_MAXUINT32},
        {NBD_CMD_READ, G_MAXUINT64, 2},
        {NBD_CMD_FLUSH, 1, 0},
        {NBD_CMD_TRIM, 64 * MIB, 1},
        {NBD_CMD_WRITE, 0, 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        nbd_wire_say_request(fd, cases[i].type, i, cases[i].offset, cases[i].length);
        g_assert_cmpuint(nbd_wire_hear_answer(fd, NBD_EINVAL), ==, i);
    }
    /* Data of a write that is refused is not taken for requests. */
    g_autofree guint8 *data = g_malloc0(MIB);
    nbd_wire_say_request(fd, NBD_CMD_WRITE, 99, 64 * MIB - 1, 100000);
    nbd_wire_say(fd, data, 100000);
    g_assert_cmpuint(nbd_wire_hear_answer(fd, NBD_ENOSPC), ==, 99);
    nbd_wire_say(fd, "nonsense that is no request at all", 28);
    nbd_wire_expect_end(fd);
    nbd_fixture_expect_log(&fixture, "closed: what it sends is not a request of NBD");
    fd = nbd_wire_enter(&fixture);
    nbd_wire_say_request(fd, NBD_CMD_WRITE, 1, 0, 32 * MIB + 1);
    nbd_wire_expect_end(fd);
    nbd_fixture_expect_log(&fixture, "closed: it writes more at once than a request may have");
    nbd_fixture_stop(&fixture);
}

/* Requests that were complete are answered, also when the client has no more to say; half a write
 * is none. */
static void
test_half_closed(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(4 * MIB, 0);
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int fd = nbd_wire_enter(&fixture);
    guint8 zero[100] = {0}, bytes[512];
    for (guint i = 0; i < 40; i++)
        nbd_wire_say_request(fd, NBD_CMD_READ, i, i * 512, 512);
    nbd_wire_say_request(fd, NBD_CMD_WRITE, 1000, 0, 100000);
    nbd_wire_say(fd, zero, sizeof zero);
    shutdown(fd, SHUT_WR);
    gboolean seen[40] = {FALSE};
    for (guint i = 0; i < 40; i++) {
        guint64 cookie = nbd_wire_hear_answer(fd, NBD_OK);
        g_assert_cmpuint(cookie, <, 40);
        g_assert_false(seen[cookie]);
        seen[cookie] = TRUE;
        nbd_wire_hear(fd, bytes, sizeof bytes);
        nbd_fixture_assert_bytes(disk, cookie * 512, bytes, sizeof bytes);
    }
    nbd_wire_expect_end(fd);
    nbd_fixture_stop(&fixture);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd-hostile/bad-handshake", test_bad_handshake);
    g_test_add_func("/nbd-hostile/bad-options", test_bad_options);
    g_test_add_func("/nbd-hostile/slow-handshake", test_slow_handshake);
    g_test_add_func("/nbd-hostile/bad-requests", test_bad_requests);
    g_test_add_func("/nbd-hostile/half-closed", test_half_closed);
    return g_test_run();
}
