/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions: discovery, several connections, coming back, task management, and the end. */
#include "iscsi_initiator.h"

/* ---- Discovery and text ---------------------------------------------------------------------- */

static struct initiator *
discover(struct target *target, const char *more)
{
    struct initiator *initiator = initiator_connect(target);
    g_autofree char *keys =
        g_strconcat("InitiatorName=" INITIATOR "\nSessionType=Discovery", more, NULL);
    g_assert_cmpint(initiator_login(initiator, OPERATIONAL, FULL_FEATURE, TRUE, keys), ==, 0);
    return initiator;
}

/* One text request, and the whole answer, put together. */
static void
ask(struct initiator *initiator, const char *keys, guint *ret_parts)
{
    guint8 bhs[ISCSI_BHS] = {0};
    g_autofree char *text = g_strdup(keys);
    guint length = (guint)strlen(text) + 1;
    g_autoptr(GByteArray) all = g_byte_array_new();
    guint32 target_tag = ISCSI_NO_TAG;
    *ret_parts = 0;
    g_strdelimit(text, "\n", '\0');
    initiator_request(initiator, bhs, ISCSI_TEXT_REQUEST);
    do {
        bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL;
        big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, target_tag);
        g_assert_true(initiator_send(initiator, bhs, text, length));
        initiator_expect(initiator, ISCSI_TEXT_RESPONSE);
        g_byte_array_append(all, initiator->data->data, initiator->data->len);
        target_tag = big_endian_get32(initiator->bhs + ISCSI_AT_TARGET_TAG);
        big_endian_put32(bhs + ISCSI_AT_CMD_SN, initiator->cmd_sn++);
        length = 0;
        (*ret_parts)++;
    } while (target_tag != ISCSI_NO_TAG);
    initiator->cmd_sn--;
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, ISCSI_FINAL);
    g_byte_array_set_size(initiator->data, 0);
    g_byte_array_append(initiator->data, all->data, all->len);
}

static void
test_discovery(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    static const char *const good[] = {"SendTargets=All", "SendTargets=" TARGET};
    g_autofree char *address = g_strconcat(iscsi_server_addresses(target->server)[0], ",1", NULL);
    guint parts = 0;
    auto_ptr(initiator) initiator = discover(target, "\nMaxConnections=4");
    initiator_assert_value(initiator, "MaxConnections", "Irrelevant");
    initiator_assert_value(initiator, "TargetPortalGroupTag", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        ask(initiator, good[i], &parts);
        g_assert_cmpuint(parts, ==, 1);
        initiator_assert_value(initiator, "TargetName", TARGET);
        initiator_assert_value(initiator, "TargetAddress", address);
    }
    ask(initiator, "SendTargets=iqn.2026-01.org.example:other", &parts);
    g_assert_cmpuint(initiator->data->len, ==, 0);
    ask(initiator, "SendTargets=", &parts);
    initiator_assert_value(initiator, "SendTargets", "Reject");
    ask(initiator, "X-a=1\nMaxBurstLength=512\nInitiatorAlias=b", &parts);
    initiator_assert_value(initiator, "X-a", "NotUnderstood");
    initiator_assert_value(initiator, "MaxBurstLength", "Reject");
    initiator_assert_value(initiator, "InitiatorAlias", NULL);
    g_assert_cmpuint(target_sessions(target), ==, 0); /* normal ones */
    /* There is nothing else to be had here. */
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_command(initiator, bhs, FALSE, 0, 1);
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator_expect_end(initiator);
}

static void
test_normal_text(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    guint parts = 0;
    ask(initiator, "SendTargets=", &parts);
    initiator_assert_value(initiator, "TargetName", TARGET);
    ask(initiator, "SendTargets=All", &parts);
    initiator_assert_value(initiator, "SendTargets", "Reject");
}

/* An answer in parts, as large as the initiator takes. */
static void
test_long_text(void)
{
    g_autoptr(GPtrArray) many = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < 40; i++)
        g_ptr_array_add(many, g_strdup_printf("192.0.2.%u:3260", i));
    g_ptr_array_add(many, NULL);
    auto_ptr(target) target = target_new();
    target->options.advertise = (const char *const *)many->pdata;
    target_start(target);
    auto_ptr(initiator) initiator = discover(target, "\nMaxRecvDataSegmentLength=512");
    guint parts = 0, found = 0;
    ask(initiator, "SendTargets=All", &parts);
    g_assert_cmpuint(parts, ==, (initiator->data->len + 511) / 512);
    g_assert_cmpuint(parts, >, 2);
    for (const char *at = (const char *)initiator->data->data, *end = at + initiator->data->len;
         at < end; at += strlen(at) + 1)
        found += g_str_has_prefix(at, "TargetAddress=192.0.2.");
    g_assert_cmpuint(found, ==, 40);
    /* A larger segment may be declared later. */
    ask(initiator, "MaxRecvDataSegmentLength=8192", &parts);
    ask(initiator, "SendTargets=All", &parts);
    g_assert_cmpuint(parts, ==, 1);
}

/* Text that asks on without fetching, that never ends, or that nobody began. */
static void
test_bad_text(void)
{
    for (guint i = 0; i < 3; i++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        auto_ptr(initiator) initiator = discover(target, "");
        g_autofree char *text = g_strnfill(8192, 'a');
        guint n = 0;
        for (gboolean open = TRUE; open; n++) {
            guint8 bhs[ISCSI_BHS] = {0};
            g_assert_cmpuint(n, <, 100);
            initiator_request(initiator, bhs, ISCSI_TEXT_REQUEST);
            bhs[ISCSI_AT_FLAGS] = i == 0 ? ISCSI_CONTINUE : 0;
            guint32 tag =
                n == 0 ? ISCSI_NO_TAG : big_endian_get32(initiator->bhs + ISCSI_AT_TARGET_TAG);
            big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, i == 2 ? 5 : tag);
            open = initiator_send(initiator, bhs, text, i == 0 ? 8192 : 0) &&
                   initiator_receive(initiator);
            if (i == 1 && n == 50)
                break; /* a conversation without a word is no harm */
            if (i == 2) {
                g_assert_cmphex(ISCSI_OPCODE(initiator->bhs), ==, ISCSI_REJECT);
                break;
            }
        }
        if (i == 0)
            g_assert_cmpuint(n, ==, 3);
    }
}

/* ---- Several sessions and connections -------------------------------------------------------- */

/* Who logs in again with the same name and ISID has lost its session, which ends. */
static void
test_reinstatement(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) first = initiator_new(target, "");
    auto_ptr(initiator) bystander = initiator_new(target, "");
    g_assert_cmpuint(target_sessions(target), ==, 2);
    auto_ptr(initiator) again = initiator_connect(target);
    memcpy(again->isid, first->isid, sizeof again->isid);
    initiator_begin(again, "");
    g_assert_cmpuint(again->tsih, !=, first->tsih);
    g_assert_cmpuint(target_sessions(target), ==, 2);
    initiator_expect_end(first);
    initiator_ping(again);
    initiator_ping(bystander);
}

static struct initiator *
join(struct target *target, const struct initiator *first, guint16 cid)
{
    struct initiator *initiator = initiator_connect(target);
    memcpy(initiator->isid, first->isid, sizeof initiator->isid);
    initiator->tsih = first->tsih;
    initiator->cid = cid;
    initiator->cmd_sn = first->cmd_sn;
    initiator->tag = 1000u * cid;
    return initiator;
}

static struct initiator *
join_well(struct target *target, const struct initiator *first, guint16 cid)
{
    struct initiator *initiator = join(target, first, cid);
    initiator_begin(initiator, "");
    g_assert_cmpuint(initiator->tsih, ==, first->tsih);
    return initiator;
}

/* A TEST UNIT READY with a CmdSN of the caller's. */
static void
send_ready(struct initiator *initiator, guint32 cmd_sn)
{
    guint8 bhs[ISCSI_BHS] = {0};
    initiator->cmd_sn = cmd_sn;
    initiator_request(initiator, bhs, ISCSI_COMMAND);
    bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL | 1;
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
}

/* TRUE when nothing comes for a moment. */
static gboolean
is_silent(struct initiator *initiator)
{
    guint8 byte = 0;
    g_usleep(50000);
    return recv(initiator->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

static void
test_two_connections(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "MaxConnections=2");
    initiator_assert_value(one, "MaxConnections", "2");
    initiator_settle(one);
    auto_ptr(initiator) two = join_well(target, one, 2);
    g_assert_cmpuint(target_sessions(target), ==, 1);
    auto_ptr(initiator) three = join(target, one, 3);
    g_assert_cmphex((guint)initiator_login(three, OPERATIONAL, FULL_FEATURE, TRUE, NAMES), ==,
                    0x0206);
    /* Commands are done in the order of their CmdSN, over both. */
    guint32 next = one->cmd_sn;
    send_ready(two, next + 1);
    send_ready(two, next + 3);
    g_assert_true(is_silent(two));
    send_ready(one, next);
    g_assert_cmpuint(initiator_status(one), ==, SCSI_GOOD);
    g_assert_cmpuint(initiator_status(two), ==, SCSI_GOOD);
    g_assert_true(is_silent(two));
    send_ready(one, next + 2);
    g_assert_cmpuint(initiator_status(one), ==, SCSI_GOOD);
    g_assert_cmpuint(initiator_status(two), ==, SCSI_GOOD);
    g_assert_cmpuint(big_endian_get32(two->bhs + ISCSI_AT_EXP_CMD_SN), ==, next + 4);
    /* Twice the same number, and one far off: not heard. */
    send_ready(two, next);
    send_ready(two, next + 4 + 128);
    g_assert_true(is_silent(two));
    send_ready(two, next + 4);
    g_assert_cmpuint(initiator_status(two), ==, SCSI_GOOD);
}

/* Commands that alternate between two connections, sent by two threads: none is left waiting. */
struct half {
    struct initiator *initiator;
    guint32 first;
};

static gpointer
send_half(gpointer data)
{
    const struct half *half = data;
    for (guint i = 0; i < 2000; i++) {
        send_ready(half->initiator, half->first + 2 * i);
        g_assert_cmpuint(initiator_status(half->initiator), ==, SCSI_GOOD);
    }
    return NULL;
}

static void
test_alternating(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "MaxConnections=2");
    initiator_settle(one);
    auto_ptr(initiator) two = join_well(target, one, 2);
    struct half halves[] = {{one, one->cmd_sn}, {two, one->cmd_sn + 1}};
    GThread *thread = g_thread_new("half", send_half, &halves[0]);
    send_half(&halves[1]);
    g_thread_join(thread);
}

/* What is held is whole still, and what is damaged stays so. */
static void
test_held_data(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "MaxConnections=2");
    initiator_settle(one);
    auto_ptr(initiator) two = join(target, one, 2);
    initiator_begin(two, "DataDigest=CRC32C");
    for (guint damage = 0; damage < 2; damage++) {
        guint32 next = one->cmd_sn;
        guint8 bhs[ISCSI_BHS] = {0}, bytes[8 * BLOCK];
        g_autoptr(GByteArray) sent = g_byte_array_new();
        fill(bytes, sizeof bytes, damage);
        two->cmd_sn = next + 1;
        initiator_command(two, bhs, TRUE, 0, 8);
        initiator_append(two, sent, bhs, bytes, sizeof bytes);
        sent->data[ISCSI_BHS + 1000] ^= damage ? 4 : 0;
        g_assert_true(initiator_write(two, sent->data, sent->len));
        g_assert_true(is_silent(two));
        send_ready(one, next);
        g_assert_cmpuint(initiator_status(one), ==, SCSI_GOOD);
        g_assert_cmpuint(initiator_status(two), ==, damage ? SCSI_CHECK_CONDITION : SCSI_GOOD);
        if (damage)
            g_assert_cmphex(initiator_sense(two), ==, 0x4705);
        one->cmd_sn++;
        target_assert_filled(target, 0, sizeof bytes, 0);
    }
}

static void
logout(struct initiator *initiator, guint8 reason, guint16 cid, guint8 response)
{
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_request(initiator, bhs, ISCSI_LOGOUT_REQUEST);
    bhs[0] |= ISCSI_IMMEDIATE;
    initiator->cmd_sn--;
    bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL | reason;
    big_endian_put16(bhs + ISCSI_AT_CID, cid);
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator_expect(initiator, ISCSI_LOGOUT_RESPONSE);
    g_assert_cmpuint(initiator->bhs[ISCSI_AT_RESPONSE], ==, response);
}

static void
test_logout(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "MaxConnections=4");
    auto_ptr(initiator) two = join_well(target, one, 2);
    auto_ptr(initiator) three = join_well(target, one, 3);
    auto_ptr(initiator) four = join_well(target, one, 4);
    logout(one, 2, 2, 2); /* there is no recovery */
    logout(one, 1, 9, 1); /* nor a connection of this number */
    initiator_ping(one);
    logout(two, 1, 2, 0); /* its own */
    initiator_expect_end(two);
    logout(one, 1, 3, 0); /* another one */
    initiator_expect_end(three);
    initiator_ping(one);
    g_assert_cmpuint(target_sessions(target), ==, 1);
    logout(one, 0, 0, 0); /* all */
    initiator_expect_end(one);
    initiator_expect_end(four);
    target_await_sessions(target, 0);
}

/* A connection that was lost comes again under its number; one that is lost ends the session. */
static void
test_lost_connections(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "MaxConnections=2");
    auto_ptr(initiator) two = join_well(target, one, 2);
    auto_ptr(initiator) again = join_well(target, one, 2);
    initiator_expect_end(two);
    again->cmd_sn = one->cmd_sn;
    initiator_ping(again);
    one->cmd_sn = again->cmd_sn;
    initiator_ping(one);
    shutdown(again->fd, SHUT_RDWR);
    initiator_expect_end(one);
    target_await_sessions(target, 0);
}

static void
test_strange_joins(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "MaxConnections=2");
    for (guint i = 0; i < 3; i++) {
        auto_ptr(initiator) two = join(target, one, 2);
        const char *names = NAMES;
        if (i == 0)
            two->tsih += 17;
        else if (i == 1)
            two->isid[1]++;
        else
            names = "InitiatorName=" INITIATOR "2\nTargetName=" TARGET;
        g_assert_cmphex((guint)initiator_login(two, OPERATIONAL, FULL_FEATURE, TRUE, names), ==,
                        0x020a);
    }
    initiator_ping(one);
}

/* ---- Task management ------------------------------------------------------------------------- */

static guint
manage(struct initiator *initiator, guint8 function, guint lun, guint32 tag)
{
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_request(initiator, bhs, ISCSI_TASK_REQUEST);
    bhs[0] |= ISCSI_IMMEDIATE;
    initiator->cmd_sn--;
    bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL | function;
    bhs[ISCSI_AT_LUN + 1] = (guint8)lun;
    big_endian_put32(bhs + ISCSI_AT_REFERENCED_TAG, tag);
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator_expect(initiator, ISCSI_TASK_RESPONSE);
    return initiator->bhs[ISCSI_AT_RESPONSE];
}

/* A write that waits for its data; returns the target's tag. */
static guint32
begin_write(struct initiator *initiator, guint lun)
{
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_command(initiator, bhs, TRUE, 0, 1);
    bhs[ISCSI_AT_LUN + 1] = (guint8)lun;
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator_expect(initiator, ISCSI_R2T);
    return big_endian_get32(initiator->bhs + ISCSI_AT_TARGET_TAG);
}

static void
give(struct initiator *initiator, guint32 tag, guint32 target_tag)
{
    guint8 bhs[ISCSI_BHS] = {0}, bytes[BLOCK] = {1};
    initiator_data_out(bhs, tag, target_tag, 0, 0, TRUE);
    g_assert_true(initiator_send(initiator, bhs, bytes, sizeof bytes));
}

enum { COMPLETE, NO_TASK, NO_LUN, NO_REASSIGN = 4, NOT_SUPPORTED };

static void
test_abort(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    initiator_settle(initiator);
    guint32 target_tag = begin_write(initiator, 0), tag = initiator->tag;
    g_assert_cmpuint(manage(initiator, 1, 1, tag), ==, NO_TASK); /* of another unit */
    g_assert_cmpuint(manage(initiator, 1, 0, tag + 100), ==, NO_TASK);
    g_assert_cmpuint(manage(initiator, 1, 0, tag), ==, COMPLETE);
    g_assert_cmpuint(manage(initiator, 1, 0, tag), ==, NO_TASK);
    /* Data that was on its way is dropped, and there is no response. */
    give(initiator, tag, target_tag);
    initiator_ping(initiator);
    guint8 bytes[BLOCK] = {9};
    g_assert_true(disk_read(target->disks[0], 0, bytes, BLOCK, NULL));
    g_assert_cmpuint(bytes[0], ==, 0);
    g_assert_cmpuint(manage(initiator, 8, 0, tag), ==, NO_REASSIGN);
    g_assert_cmpuint(manage(initiator, 3, 0, tag), ==, NOT_SUPPORTED);
    g_assert_cmpuint(manage(initiator, 99, 0, tag), ==, NOT_SUPPORTED);
    g_assert_cmpuint(initiator->max_cmd_sn, ==, initiator->cmd_sn + 127);
}

static void
test_abort_sets(void)
{
    static const guint8 functions[] = {2, 4};
    for (gsize i = 0; i < G_N_ELEMENTS(functions); i++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        auto_ptr(initiator) initiator = initiator_new(target, "");
        auto_ptr(initiator) other = initiator_new(target, "");
        initiator_settle(initiator);
        initiator_settle(other);
        guint32 first = begin_write(initiator, 0), first_tag = initiator->tag;
        begin_write(initiator, 0);
        guint32 kept = begin_write(initiator, 1), kept_tag = initiator->tag;
        guint32 others = begin_write(other, 0);
        g_assert_cmpuint(manage(initiator, functions[i], 7, 0), ==, NO_LUN);
        g_assert_cmpuint(manage(initiator, functions[i], 0, 0), ==, COMPLETE);
        give(initiator, first_tag, first);
        give(initiator, kept_tag, kept);
        initiator_expect(initiator, ISCSI_RESPONSE);
        g_assert_cmpuint(big_endian_get32(initiator->bhs + ISCSI_AT_TAG), ==, kept_tag);
        give(other, other->tag, others);
        g_assert_cmpuint(initiator_status(other), ==, SCSI_GOOD);
    }
}

/* Over the connections of a session too: the abort comes on one, the write waits on the other. */
static void
test_abort_elsewhere(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "MaxConnections=2");
    initiator_settle(one);
    auto_ptr(initiator) two = join_well(target, one, 2);
    guint32 target_tag = begin_write(two, 0);
    one->cmd_sn = two->cmd_sn;
    g_assert_cmpuint(manage(one, 2, 0, 0), ==, COMPLETE);
    give(two, two->tag, target_tag);
    initiator_ping(two);
}

/* It overtakes the write, which is on its way on the other connection, and waits for it. */
static void
test_abort_early(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "MaxConnections=2");
    initiator_settle(one);
    auto_ptr(initiator) two = join_well(target, one, 2);
    guint8 bhs[ISCSI_BHS] = {0};
    two->cmd_sn = one->cmd_sn + 1;
    initiator_request(two, bhs, ISCSI_TASK_REQUEST);
    bhs[0] |= ISCSI_IMMEDIATE;
    bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL | 2;
    g_assert_true(initiator_send(two, bhs, NULL, 0));
    g_assert_true(is_silent(two));
    guint32 target_tag = begin_write(one, 0);
    initiator_expect(two, ISCSI_TASK_RESPONSE);
    g_assert_cmpuint(two->bhs[ISCSI_AT_RESPONSE], ==, COMPLETE);
    give(one, one->tag, target_tag);
    initiator_ping(one);
}

static void
test_resets(void)
{
    static const guint8 functions[] = {5, 6};
    for (gsize i = 0; i < G_N_ELEMENTS(functions); i++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        auto_ptr(initiator) initiator = initiator_new(target, "");
        auto_ptr(initiator) other = initiator_new(target, "");
        initiator_settle(initiator);
        initiator_settle(other);
        guint32 target_tag = begin_write(other, 0), tag = other->tag;
        if (functions[i] == 5)
            g_assert_cmpuint(manage(initiator, 5, 7, 0), ==, NO_LUN);
        g_assert_cmpuint(manage(initiator, functions[i], 0, 0), ==, COMPLETE);
        give(other, tag, target_tag);
        /* It hears of it. */
        send_ready(other, other->cmd_sn);
        initiator_expect(other, ISCSI_RESPONSE);
        g_assert_cmpuint(big_endian_get32(other->bhs + ISCSI_AT_TAG), ==, other->tag);
        g_assert_cmpuint(initiator_sense(other) >> 8, ==, 0x29);
        initiator_ping(initiator);
    }
}

static void
test_cold_reset(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    auto_ptr(initiator) other = initiator_new(target, "");
    g_assert_cmpuint(manage(initiator, 7, 0, 0), ==, COMPLETE);
    initiator_expect_end(initiator);
    initiator_expect_end(other);
    target_await_sessions(target, 0);
    auto_ptr(initiator) again = initiator_new(target, "");
    initiator_ping(again);
}

/* ---- Other requests -------------------------------------------------------------------------- */

static void
test_nop(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "MaxRecvDataSegmentLength=1024");
    g_autofree guint8 *bytes = g_malloc(5000);
    fill(bytes, 5000, 1);
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_request(initiator, bhs, ISCSI_NOP_OUT);
    bhs[0] |= ISCSI_IMMEDIATE;
    initiator->cmd_sn--;
    guint32 stat_sn = big_endian_get32(initiator->bhs + ISCSI_AT_STAT_SN);
    g_assert_true(initiator_send(initiator, bhs, bytes, 5000));
    initiator_expect(initiator, ISCSI_NOP_IN);
    /* As much of it as the initiator takes. */
    g_assert_cmpmem(initiator->data->data, initiator->data->len, bytes, 1024);
    g_assert_cmpuint(big_endian_get32(initiator->bhs + ISCSI_AT_STAT_SN), ==, stat_sn + 1);
    g_assert_cmpuint(big_endian_get32(initiator->bhs + ISCSI_AT_EXP_CMD_SN), ==, initiator->cmd_sn);
    /* One that wants no answer. */
    big_endian_put32(bhs + ISCSI_AT_TAG, ISCSI_NO_TAG);
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator_ping(initiator);
}

static void
test_strange_requests(void)
{
    static const struct {
        guint8 opcode, reason;
    } rejected[] = {{0x10, 0x03}, {0x1c, 0x05}, {0x2a, 0x05}, {0x3f, 0x05}};
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    initiator_settle(initiator);
    for (gsize i = 0; i < G_N_ELEMENTS(rejected); i++) {
        guint8 bhs[ISCSI_BHS] = {rejected[i].opcode, ISCSI_FINAL};
        g_assert_true(initiator_send(initiator, bhs, "data", 4));
        initiator_expect(initiator, ISCSI_REJECT);
        g_assert_cmphex(initiator->bhs[ISCSI_AT_RESPONSE], ==, rejected[i].reason);
        initiator_ping(initiator);
    }
    /* Both ways at once, and the same tag twice. */
    guint8 bhs[ISCSI_BHS] = {0};
    initiator_command(initiator, bhs, FALSE, 0, 1);
    bhs[ISCSI_AT_FLAGS] |= ISCSI_WRITE;
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator_expect(initiator, ISCSI_REJECT);
    begin_write(initiator, 0);
    memset(bhs, 0, sizeof bhs);
    initiator->tag--;
    initiator_command(initiator, bhs, TRUE, 0, 1);
    g_assert_true(initiator_send(initiator, bhs, NULL, 0));
    initiator_expect(initiator, ISCSI_REJECT);
    g_assert_cmphex(initiator->bhs[ISCSI_AT_RESPONSE], ==, 0x07);
    initiator_ping(initiator);
    target_assert_logged(target, "was rejected, reason 07");
}

/* What ends a connection at once, and nobody else's. */
static void
test_deadly_requests(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) bystander = initiator_new(target, "");
    for (guint i = 0; i < 2; i++) {
        auto_ptr(initiator) initiator = initiator_new(target, "");
        guint8 bhs[ISCSI_BHS] = {0};
        initiator_request(initiator, bhs, i == 0 ? ISCSI_LOGIN_REQUEST : ISCSI_COMMAND);
        big_endian_put24(bhs + 5, i == 0 ? 0 : (256u << 10) + 1);
        g_assert_true(initiator_write(initiator, bhs, sizeof bhs));
        initiator_expect_end(initiator);
        target_await_sessions(target, 1);
    }
    initiator_ping(bystander);
}

/* A long command is rejected, and what follows is understood. */
static void
test_additional_headers(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    guint8 pdu[ISCSI_BHS + 20] = {0};
    initiator_request(initiator, pdu, ISCSI_COMMAND);
    pdu[ISCSI_AT_FLAGS] = ISCSI_FINAL;
    pdu[ISCSI_AT_AHS_LENGTH] = 5;
    g_assert_true(initiator_write(initiator, pdu, sizeof pdu));
    initiator_expect(initiator, ISCSI_REJECT);
    initiator_ping(initiator);
}

/* ---- Silence and the end --------------------------------------------------------------------- */

static void
test_silence(void)
{
    auto_ptr(target) target = target_new();
    target->options.idle_seconds = 1;
    target_start(target);
    auto_ptr(initiator) alive = initiator_new(target, "");
    auto_ptr(initiator) dead = initiator_new(target, "");
    for (guint i = 0; i < 3; i++) {
        initiator_expect(alive, ISCSI_NOP_IN);
        g_assert_cmphex(big_endian_get32(alive->bhs + ISCSI_AT_TAG), ==, ISCSI_NO_TAG);
        guint32 target_tag = big_endian_get32(alive->bhs + ISCSI_AT_TARGET_TAG);
        g_assert_cmphex(target_tag, !=, ISCSI_NO_TAG);
        guint8 bhs[ISCSI_BHS] = {ISCSI_NOP_OUT | ISCSI_IMMEDIATE, ISCSI_FINAL};
        big_endian_put32(bhs + ISCSI_AT_TAG, ISCSI_NO_TAG);
        big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, target_tag);
        big_endian_put32(bhs + ISCSI_AT_CMD_SN, alive->cmd_sn);
        g_assert_true(initiator_send(alive, bhs, NULL, 0));
    }
    initiator_expect(dead, ISCSI_NOP_IN);
    initiator_expect_end(dead);
    target_assert_logged(target, "does not answer any more");
    target_await_sessions(target, 1);
    initiator_ping(alive);
}

/* Who says nothing, or half a login, is not waited for. */
static void
test_slow_login(void)
{
    auto_ptr(target) target = target_new();
    target->options.login_seconds = 1;
    target_start(target);
    auto_ptr(initiator) mute = initiator_connect(target);
    auto_ptr(initiator) half = initiator_connect(target);
    auto_ptr(initiator) slow = initiator_connect(target);
    guint8 bhs[ISCSI_BHS] = {ISCSI_LOGIN_REQUEST | ISCSI_IMMEDIATE, 0x87};
    big_endian_put24(bhs + 5, 100);
    g_assert_true(initiator_write(half, bhs, sizeof bhs));
    gint64 began = g_get_monotonic_time();
    for (gboolean open = TRUE; open; g_usleep(100000))
        open = initiator_login(slow, OPERATIONAL, 0, FALSE, NAMES) == 0;
    initiator_expect_end(mute);
    initiator_expect_end(half);
    g_assert_cmpint(g_get_monotonic_time() - began, <, 5 * G_TIME_SPAN_SECOND);
}

/* Those who have logged in keep their places, however many come. */
static void
test_places(void)
{
    auto_ptr(target) target = target_new();
    target->options.connections = 4;
    target_start(target);
    auto_ptr(initiator) one = initiator_new(target, "");
    auto_ptr(initiator) two = initiator_new(target, "");
    g_autoptr(GPtrArray) strangers = g_ptr_array_new_with_free_func((GDestroyNotify)initiator_free);
    for (guint i = 0; i < 20; i++)
        g_ptr_array_add(strangers, initiator_connect_from(target, "127.0.0.2"));
    auto_ptr(initiator) three = initiator_new(target, "");
    auto_ptr(initiator) four = initiator_new(target, "");
    auto_ptr(initiator) five = initiator_connect(target);
    initiator_expect_end(five);
    target_assert_logged(target, "too many connections");
    initiator_ping(one);
    initiator_ping(two);
    initiator_ping(three);
    initiator_ping(four);
}

static gpointer
stop_server(gpointer data)
{
    struct target *target = data;
    iscsi_server_stop(target->server);
    target->server = NULL;
    return NULL;
}

/* The initiator is asked to log out; one that does not is not waited for. */
static void
test_stop(void)
{
    for (guint polite = 0; polite < 2; polite++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        auto_ptr(initiator) initiator = initiator_new(target, "");
        gint64 began = g_get_monotonic_time();
        GThread *thread = g_thread_new("stop", stop_server, target);
        initiator_expect(initiator, ISCSI_ASYNC);
        g_assert_cmpuint(initiator->bhs[ISCSI_AT_ASYNC_EVENT], ==, 1);
        g_assert_cmpuint(big_endian_get16(initiator->bhs + ISCSI_AT_PARAMETERS + 4), >, 0);
        if (polite)
            logout(initiator, 0, 0, 0);
        initiator_expect_end(initiator);
        g_thread_join(thread);
        gint64 took = g_get_monotonic_time() - began;
        g_assert_cmpint(took, <, (polite ? 1 : 10) * G_TIME_SPAN_SECOND);
    }
}

/* Sessions that begin and end on many threads while others are asked about them. */
struct visitor {
    struct target *target;
    guint seed;
};

static gpointer
visit(gpointer data)
{
    const struct visitor *visitor = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(visitor->seed);
    for (guint i = 0; i < 30; i++) {
        auto_ptr(initiator) initiator = initiator_new(visitor->target, "MaxConnections=2");
        auto_ptr(initiator) second = join_well(visitor->target, initiator, 1);
        initiator_settle(initiator);
        second->cmd_sn = initiator->cmd_sn;
        initiator_ping(second);
        initiator->cmd_sn = second->cmd_sn;
        switch (g_rand_int_range(rand, 0, 4)) {
        case 0:
            logout(initiator, 0, 0, 0);
            break;
        case 1:
            begin_write(initiator, 0);
            break;
        case 2:
            manage(initiator, 5, 0, 0);
            break;
        default:
            break;
        }
    }
    return NULL;
}

static void
test_storm(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    struct visitor visitors[4];
    GThread *threads[G_N_ELEMENTS(visitors)];
    for (guint i = 0; i < G_N_ELEMENTS(visitors); i++) {
        visitors[i] = (struct visitor){target, i};
        threads[i] = g_thread_new("visit", visit, &visitors[i]);
    }
    for (guint i = 0; i < 200; i++) {
        target_sessions(target);
        g_usleep(1000);
    }
    for (guint i = 0; i < G_N_ELEMENTS(visitors); i++)
        g_thread_join(threads[i]);
    target_await_sessions(target, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iscsi-session/discovery", test_discovery);
    g_test_add_func("/iscsi-session/normal-text", test_normal_text);
    g_test_add_func("/iscsi-session/long-text", test_long_text);
    g_test_add_func("/iscsi-session/bad-text", test_bad_text);
    g_test_add_func("/iscsi-session/reinstatement", test_reinstatement);
    g_test_add_func("/iscsi-session/two-connections", test_two_connections);
    g_test_add_func("/iscsi-session/alternating", test_alternating);
    g_test_add_func("/iscsi-session/held-data", test_held_data);
    g_test_add_func("/iscsi-session/logout", test_logout);
    g_test_add_func("/iscsi-session/lost-connections", test_lost_connections);
    g_test_add_func("/iscsi-session/strange-joins", test_strange_joins);
    g_test_add_func("/iscsi-session/abort", test_abort);
    g_test_add_func("/iscsi-session/abort-sets", test_abort_sets);
    g_test_add_func("/iscsi-session/abort-elsewhere", test_abort_elsewhere);
    g_test_add_func("/iscsi-session/abort-early", test_abort_early);
    g_test_add_func("/iscsi-session/resets", test_resets);
    g_test_add_func("/iscsi-session/cold-reset", test_cold_reset);
    g_test_add_func("/iscsi-session/nop", test_nop);
    g_test_add_func("/iscsi-session/strange-requests", test_strange_requests);
    g_test_add_func("/iscsi-session/deadly-requests", test_deadly_requests);
    g_test_add_func("/iscsi-session/additional-headers", test_additional_headers);
    g_test_add_func("/iscsi-session/silence", test_silence);
    g_test_add_func("/iscsi-session/slow-login", test_slow_login);
    g_test_add_func("/iscsi-session/places", test_places);
    g_test_add_func("/iscsi-session/stop", test_stop);
    g_test_add_func("/iscsi-session/storm", test_storm);
    return g_test_run();
}
