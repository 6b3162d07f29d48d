/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "iscsi_initiator.h"

#define SECRET "initiator-sec"
#define OWN "target-secret"

static const struct iscsi_account accounts[] = {{"alice", SECRET}, {"bob", "another-secret"}};

static struct target *
chap_target(gboolean own)
{
    struct target *target = target_new();
    target->options.accounts = accounts;
    target->options.n_accounts = G_N_ELEMENTS(accounts);
    if (own)
        target->options.own = (struct iscsi_account){"target", OWN};
    target_start(target);
    return target;
}

static guint
login(struct initiator *initiator, guint stage, guint next, gboolean transit, const char *keys)
{
    return (guint)initiator_login(initiator, stage, next, transit, keys);
}

/* ---- Without authentication ------------------------------------------------------------------ */

static void
test_plain(void)
{
    auto_ptr(target) target = target_new();
    target->options.alias = "a disk";
    target_start(target);
    auto_ptr(initiator) initiator = initiator_connect(target);
    g_assert_cmphex(login(initiator, SECURITY, OPERATIONAL, TRUE,
                          NAMES "\nInitiatorAlias=x\nAuthMethod=CHAP,None"),
                    ==, 0);
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, 0x81);
    g_assert_cmphex(big_endian_get16(initiator->bhs + ISCSI_AT_TSIH), ==, 0);
    initiator_assert_value(initiator, "AuthMethod", "None");
    initiator_assert_value(initiator, "TargetPortalGroupTag", "1");
    initiator_assert_value(initiator, "TargetAlias", "a disk");
    /* Names come again with some initiators. */
    g_assert_cmphex(login(initiator, OPERATIONAL, FULL_FEATURE, FALSE, NAMES "\nX-a=1"), ==, 0);
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, 0x04);
    initiator_assert_value(initiator, "X-a", "NotUnderstood");
    initiator_assert_value(initiator, "MaxRecvDataSegmentLength", "262144");
    g_assert_cmphex(login(initiator, OPERATIONAL, FULL_FEATURE, TRUE, "MaxBurstLength=1000"), ==,
                    0);
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, 0x87);
    initiator_assert_value(initiator, "MaxBurstLength", "1000");
    initiator_assert_value(initiator, "MaxRecvDataSegmentLength", NULL);
    g_assert_cmphex(big_endian_get16(initiator->bhs + ISCSI_AT_TSIH), !=, 0);
    g_assert_cmpuint(big_endian_get32(initiator->bhs + ISCSI_AT_EXP_CMD_SN), ==, 1000);
    g_assert_cmpuint(big_endian_get32(initiator->bhs + ISCSI_AT_MAX_CMD_SN), ==, 1127);
    initiator_ping(initiator);
    target_assert_logged(target, INITIATOR " has logged in without authentication");
}

/* From the security stage at once to the end. */
static void
test_short(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) initiator = initiator_connect(target);
    g_assert_cmphex(login(initiator, SECURITY, FULL_FEATURE, TRUE, NAMES), ==, 0);
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, 0x83);
    initiator_ping(initiator);
}

/* A text in two PDUs, cut anywhere. */
static void
test_continued(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    static const char keys[] = NAMES "\nMaxBurstLength=4096";
    for (gsize cut = 1; cut < sizeof keys - 1; cut += 7) {
        auto_ptr(initiator) initiator = initiator_connect(target);
        g_autofree char *text = g_strdup(keys);
        g_strdelimit(text, "\n", '\0');
        guint8 bhs[ISCSI_BHS] = {ISCSI_LOGIN_REQUEST | ISCSI_IMMEDIATE,
                                 ISCSI_CONTINUE | OPERATIONAL << 2};
        memcpy(bhs + ISCSI_AT_ISID, initiator->isid, 6);
        big_endian_put32(bhs + ISCSI_AT_TAG, 1);
        big_endian_put32(bhs + ISCSI_AT_CMD_SN, initiator->cmd_sn);
        g_assert_true(initiator_send(initiator, bhs, text, (guint)cut));
        initiator_expect(initiator, ISCSI_LOGIN_RESPONSE);
        g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, 0x04);
        g_assert_cmpuint(initiator->data->len, ==, 0);
        bhs[ISCSI_AT_FLAGS] = ISCSI_TRANSIT | OPERATIONAL << 2 | FULL_FEATURE;
        g_assert_true(initiator_send(initiator, bhs, text + cut, (guint)(sizeof keys - cut)));
        initiator_expect(initiator, ISCSI_LOGIN_RESPONSE);
        g_assert_cmphex(big_endian_get16(initiator->bhs + ISCSI_AT_LOGIN_STATUS), ==, 0);
        initiator_assert_value(initiator, "MaxBurstLength", "4096");
        initiator_ping(initiator);
    }
}

static void
test_refused(void)
{
    static const struct {
        const char *keys;
        guint stage, next;
        guint status;
        const char *words;
    } rows[] = {
        {"TargetName=" TARGET, OPERATIONAL, FULL_FEATURE, 0x0207, "InitiatorName is missing"},
        {"InitiatorName=\nTargetName=" TARGET, OPERATIONAL, FULL_FEATURE, 0x0207, "is missing"},
        {"InitiatorName=a\nTargetName=b", OPERATIONAL, FULL_FEATURE, 0x0203, "no target b"},
        {"InitiatorName=a", OPERATIONAL, FULL_FEATURE, 0x0207, "TargetName is missing"},
        {"InitiatorName=a\x01", OPERATIONAL, FULL_FEATURE, 0x0200, "no name of an initiator"},
        {NAMES "x", OPERATIONAL, FULL_FEATURE, 0x0209, "unknown type"},
        {NAMES "\nMaxBurstLength", OPERATIONAL, FULL_FEATURE, 0x0200, "without \"=\""},
        {NAMES "\nA=1\nA=1", OPERATIONAL, FULL_FEATURE, 0x0200, "twice"},
        {NAMES "\nMaxRecvDataSegmentLength=1", OPERATIONAL, FULL_FEATURE, 0x0200, "not what is"},
        {NAMES "\nAuthMethod=None", OPERATIONAL, FULL_FEATURE, 0x0200, "out of its stage"},
        {NAMES "\nAuthMethod=CHAP", SECURITY, OPERATIONAL, 0x0201, "there are no accounts"},
        {NAMES, OPERATIONAL, OPERATIONAL, 0x0200, "out of its turn"},
        {NAMES, OPERATIONAL, 2, 0x0200, "out of its turn"},
        {NAMES, 2, FULL_FEATURE, 0x0200, "out of its turn"},
        {NAMES, FULL_FEATURE, FULL_FEATURE, 0x0200, "out of its turn"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        auto_ptr(initiator) initiator = initiator_connect(target);
        g_assert_cmphex(login(initiator, rows[i].stage, rows[i].next, TRUE, rows[i].keys), ==,
                        rows[i].status);
        g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS] & ISCSI_TRANSIT, ==, 0);
        initiator_expect_end(initiator);
        target_assert_logged(target, rows[i].words);
        g_assert_cmpuint(target_sessions(target), ==, 0);
    }
}

/* Fields of the header that make no sense. */
static void
test_bad_headers(void)
{
    static const struct {
        guint at;
        guint8 value;
        guint status;
    } rows[] = {{3, 1, 0x0205}, {0, ISCSI_NOP_OUT, 0}, {0, ISCSI_DATA_OUT, 0}, {0, 0x3f, 0}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        auto_ptr(target) target = target_new();
        target_start(target);
        auto_ptr(initiator) initiator = initiator_connect(target);
        guint8 bhs[ISCSI_BHS] = {ISCSI_LOGIN_REQUEST | ISCSI_IMMEDIATE, 0x87};
        bhs[rows[i].at] = rows[i].value;
        g_assert_true(initiator_send(initiator, bhs, NAMES, sizeof NAMES));
        if (rows[i].status != 0) {
            initiator_expect(initiator, ISCSI_LOGIN_RESPONSE);
            g_assert_cmphex(big_endian_get16(initiator->bhs + ISCSI_AT_LOGIN_STATUS), ==,
                            rows[i].status);
        }
        initiator_expect_end(initiator);
    }
}

/* The second request is another login, or none. */
static void
test_changes(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    for (guint i = 0; i < 4; i++) {
        auto_ptr(initiator) initiator = initiator_connect(target);
        g_assert_cmphex(login(initiator, OPERATIONAL, 0, FALSE, NAMES), ==, 0);
        if (i == 0)
            initiator->isid[5]++;
        else if (i == 1)
            initiator->tsih = 5;
        if (i < 3) {
            g_assert_cmphex(login(initiator, i == 2 ? SECURITY : OPERATIONAL, FULL_FEATURE, TRUE,
                                  "InitiatorName=" INITIATOR),
                            ==, 0x0200);
        } else {
            guint8 bhs[ISCSI_BHS] = {ISCSI_NOP_OUT | ISCSI_IMMEDIATE, ISCSI_FINAL};
            g_assert_true(initiator_send(initiator, bhs, NULL, 0));
            initiator_expect(initiator, ISCSI_LOGIN_RESPONSE);
            g_assert_cmphex(big_endian_get16(initiator->bhs + ISCSI_AT_LOGIN_STATUS), ==, 0x020b);
        }
        initiator_expect_end(initiator);
    }
    auto_ptr(initiator) initiator = initiator_connect(target);
    g_assert_cmphex(login(initiator, OPERATIONAL, 0, FALSE, NAMES), ==, 0);
    g_assert_cmphex(login(initiator, OPERATIONAL, 0, FALSE, "InitiatorName=" INITIATOR "2"), ==,
                    0x0200);
}

/* What a login can make us hold ends somewhere. */
static void
test_limits(void)
{
    auto_ptr(target) target = target_new();
    target_start(target);
    auto_ptr(initiator) talker = initiator_connect(target);
    for (guint i = 0; i < 32; i++)
        g_assert_cmphex(login(talker, OPERATIONAL, 0, FALSE, i == 0 ? NAMES : ""), ==, 0);
    g_assert_cmphex(login(talker, OPERATIONAL, 0, FALSE, ""), ==, 0x0200);

    auto_ptr(initiator) asker = initiator_connect(target);
    g_autoptr(GString) keys = g_string_new(NAMES);
    for (guint i = 0; i < 125; i++)
        g_string_append_printf(keys, "\nX%061u=", i);
    g_assert_cmphex(login(asker, OPERATIONAL, 0, FALSE, keys->str), ==, 0x0200);
    target_assert_logged(target, "answer of more than 8192 bytes");

    auto_ptr(initiator) large = initiator_connect(target);
    g_autofree char *many = g_strnfill(8193, 'a');
    g_assert_cmpint(initiator_login(large, OPERATIONAL, 0, FALSE, many), ==, -1);

    /* Parts without an end. */
    auto_ptr(initiator) endless = initiator_connect(target);
    guint8 bhs[ISCSI_BHS] = {ISCSI_LOGIN_REQUEST | ISCSI_IMMEDIATE,
                             ISCSI_CONTINUE | OPERATIONAL << 2};
    for (guint i = 0; i < 2; i++) {
        g_assert_true(initiator_send(endless, bhs, many, 8192));
        initiator_expect(endless, ISCSI_LOGIN_RESPONSE);
        g_assert_cmphex(big_endian_get16(endless->bhs + ISCSI_AT_LOGIN_STATUS), ==, 0);
    }
    g_assert_true(initiator_send(endless, bhs, many, 8192));
    initiator_expect(endless, ISCSI_LOGIN_RESPONSE);
    g_assert_cmphex(big_endian_get16(endless->bhs + ISCSI_AT_LOGIN_STATUS), ==, 0x0200);
    initiator_expect_end(endless);
}

static void
test_names_that_may(void)
{
    static const char *const names[] = {"iqn.2026-01.org.example:INIT*", NULL};
    static const char *const others[] = {"iqn.2026-01.org.example:other", "eui.*", NULL};
    auto_ptr(target) target = target_new();
    target->options.initiators = names;
    target_start(target);
    auto_ptr(initiator) initiator = initiator_new(target, "");
    auto_ptr(target) closed = target_new();
    closed->options.initiators = others;
    target_start(closed);
    auto_ptr(initiator) stranger = initiator_connect(closed);
    g_assert_cmphex(login(stranger, OPERATIONAL, FULL_FEATURE, TRUE, NAMES), ==, 0x0202);
}

static void
test_digests_required(void)
{
    auto_ptr(target) target = target_new();
    target->options.header_digest = target->options.data_digest = ISCSI_DIGEST_REQUIRED;
    target_start(target);
    static const char *const poor[] = {NAMES, NAMES "\nHeaderDigest=CRC32C",
                                       NAMES "\nHeaderDigest=CRC32C\nDataDigest=None"};
    for (gsize i = 0; i < G_N_ELEMENTS(poor); i++) {
        auto_ptr(initiator) initiator = initiator_connect(target);
        g_assert_cmphex(login(initiator, OPERATIONAL, FULL_FEATURE, TRUE, poor[i]), ==, 0x0200);
    }
    auto_ptr(initiator) skips = initiator_connect(target);
    g_assert_cmphex(login(skips, SECURITY, FULL_FEATURE, TRUE, NAMES), ==, 0x0200);
    auto_ptr(initiator) initiator =
        initiator_new(target, "HeaderDigest=None,CRC32C\nDataDigest=CRC32C");
    g_assert_true(initiator->header_digest && initiator->data_digest);
    initiator_ping(initiator);
}

/* ---- CHAP ------------------------------------------------------------------------------------ */

struct challenge {
    enum chap_hash hash;
    struct chap_challenge chap;
};

/* The first two steps: what the target asks. */
static void
ask(struct initiator *initiator, const char *hashes, struct challenge *ret)
{
    g_autofree char *list = g_strconcat("CHAP_A=", hashes, NULL);
    g_assert_cmphex(login(initiator, SECURITY, OPERATIONAL, TRUE, NAMES "\nAuthMethod=CHAP,None"),
                    ==, 0);
    initiator_assert_value(initiator, "AuthMethod", "CHAP");
    g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, 0);
    g_assert_cmphex(login(initiator, SECURITY, OPERATIONAL, FALSE, list), ==, 0);
    g_autofree char *hash = initiator_value(initiator, "CHAP_A");
    g_autofree char *identifier = initiator_value(initiator, "CHAP_I");
    g_autofree char *text = initiator_value(initiator, "CHAP_C");
    g_autoptr(GBytes) bytes = iscsi_binary_parse(text, CHAP_CHALLENGE_MAX);
    gsize length = 0;
    const void *data = g_bytes_get_data(bytes, &length);
    ret->hash = (enum chap_hash)atoi(hash);
    ret->chap.identifier = (guint8)atoi(identifier);
    ret->chap.length = length;
    memcpy(ret->chap.bytes, data, length);
}

/* The third: with `more` keys. */
static guint
respond(struct initiator *initiator, const struct challenge *challenge, const char *user,
        const char *secret, const char *more)
{
    guint8 hash[CHAP_HASH_MAX];
    chap_answer(challenge->hash, &challenge->chap, secret, hash);
    g_autofree char *text = iscsi_binary_format(hash, chap_hash_size(challenge->hash));
    g_autofree char *keys = g_strdup_printf("CHAP_N=%s\nCHAP_R=%s%s", user, text, more);
    return login(initiator, SECURITY, OPERATIONAL, TRUE, keys);
}

static void
test_chap_hashes(void)
{
    static const struct {
        const char *list;
        enum chap_hash hash;
        const char *name;
    } rows[] = {{"5", CHAP_MD5, "MD5"},
                {"6,5", CHAP_SHA1, "SHA1"},
                {"5,6,7", CHAP_SHA256, "SHA256"},
                {"8,7,6,5", CHAP_SHA3_256, "SHA3-256"},
                {"99,8", CHAP_SHA3_256, "SHA3-256"}};
    auto_ptr(target) target = chap_target(FALSE);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        auto_ptr(initiator) initiator = initiator_connect(target);
        struct challenge challenge;
        ask(initiator, rows[i].list, &challenge);
        g_assert_cmpint(challenge.hash, ==, rows[i].hash);
        g_assert_cmphex(respond(initiator, &challenge, "alice", SECRET, ""), ==, 0);
        g_assert_cmphex(initiator->bhs[ISCSI_AT_FLAGS], ==, 0x81);
        initiator_assert_value(initiator, "CHAP_R", NULL);
        initiator_begin(initiator, "");
        initiator_ping(initiator);
        g_autoptr(GPtrArray) sessions = iscsi_server_sessions(target->server);
        const struct iscsi_session *session = sessions->pdata[sessions->len - 1];
        g_assert_cmpstr(session->hash, ==, rows[i].name);
        g_assert_cmpstr(session->user, ==, "alice");
        g_assert_cmpstr(session->initiator, ==, INITIATOR);
        g_assert_true(g_str_has_prefix(session->address, "127.0.0.1:"));
        g_assert_false(session->mutual);
        g_assert_cmpuint(session->connections, ==, 1);
    }
}

/* In base64 too. */
static void
test_chap_base64(void)
{
    auto_ptr(target) target = chap_target(FALSE);
    auto_ptr(initiator) initiator = initiator_connect(target);
    struct challenge challenge;
    guint8 hash[CHAP_HASH_MAX];
    ask(initiator, "7", &challenge);
    chap_answer(challenge.hash, &challenge.chap, SECRET, hash);
    g_autofree char *digits = g_base64_encode(hash, 32);
    g_autofree char *keys = g_strdup_printf("CHAP_N=alice\nCHAP_R=0b%s", digits);
    g_assert_cmphex(login(initiator, SECURITY, OPERATIONAL, TRUE, keys), ==, 0);
}

static void
test_chap_refused(void)
{
    static const struct {
        const char *user, *secret, *more;
    } rows[] = {{"alice", "another-secret", ""},
                {"alice", "", ""},
                {"bob", SECRET, ""},
                {"carol", SECRET, ""},
                {"", SECRET, ""},
                {"alice", SECRET, "\nCHAP_I=1\nCHAP_C=0x00"}, /* mutual, and no account for it */
                {"alice", SECRET, "\nCHAP_I=1"}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        auto_ptr(target) target = chap_target(FALSE);
        auto_ptr(initiator) initiator = initiator_connect(target);
        struct challenge challenge;
        ask(initiator, "5", &challenge);
        g_assert_cmphex(respond(initiator, &challenge, rows[i].user, rows[i].secret, rows[i].more),
                        ==, 0x0201);
        g_assert_cmpuint(initiator->data->len, ==, 0);
        initiator_expect_end(initiator);
    }
}

/* Steps that are left out or come twice. */
static void
test_chap_order(void)
{
    static const char *const first[] = {
        NAMES "\nAuthMethod=None",
        NAMES "\nAuthMethod=KRB5,SRP",
        NAMES "\nCHAP_A=5",
        NAMES "\nCHAP_N=alice\nCHAP_R=0x00",
        NAMES "\nAuthMethod=CHAP\nCHAP_A=4",
        NAMES "\nAuthMethod=CHAP\nCHAP_N=alice\nCHAP_R=0x00",
    };
    auto_ptr(target) target = chap_target(FALSE);
    for (gsize i = 0; i < G_N_ELEMENTS(first); i++) {
        auto_ptr(initiator) initiator = initiator_connect(target);
        g_assert_cmphex(login(initiator, SECURITY, OPERATIONAL, TRUE, first[i]), ==, 0x0201);
        initiator_expect_end(initiator);
    }
    static const char *const third[] = {"", "CHAP_A=5", "AuthMethod=CHAP", "CHAP_N=alice",
                                        "CHAP_N=alice\nCHAP_R=zz"};
    for (gsize i = 0; i < G_N_ELEMENTS(third); i++) {
        auto_ptr(target) fresh = chap_target(FALSE);
        auto_ptr(initiator) initiator = initiator_connect(fresh);
        struct challenge challenge;
        ask(initiator, "5", &challenge);
        g_assert_cmphex(login(initiator, SECURITY, OPERATIONAL, TRUE, third[i]), ==, 0x0201);
    }
    /* Around the security stage, or through it without a word. */
    static const guint stages[][2] = {{OPERATIONAL, FULL_FEATURE}, {SECURITY, FULL_FEATURE}};
    auto_ptr(initiator) around = initiator_connect(target);
    g_assert_cmphex(login(around, stages[0][0], stages[0][1], TRUE, NAMES), ==, 0x0201);
    auto_ptr(initiator) through = initiator_connect(target);
    g_assert_cmphex(login(through, stages[1][0], stages[1][1], TRUE, NAMES), ==, 0);
    g_assert_cmphex(through->bhs[ISCSI_AT_FLAGS], ==, 0); /* it stays where it is */
    g_assert_cmphex(login(through, OPERATIONAL, FULL_FEATURE, TRUE, ""), ==, 0x0200);
    g_assert_cmpuint(target_sessions(target), ==, 0);
}

#define DISCOVERY "InitiatorName=a\nSessionType=Discovery"

/* Discovery needs no account, but it is no way in, and who begins with CHAP has to end it well. */
static void
test_chap_discovery(void)
{
    auto_ptr(target) target = chap_target(FALSE);
    auto_ptr(initiator) around = initiator_connect(target);
    g_assert_cmphex(login(around, OPERATIONAL, FULL_FEATURE, TRUE, DISCOVERY), ==, 0);
    auto_ptr(initiator) none = initiator_connect(target);
    g_assert_cmphex(login(none, SECURITY, FULL_FEATURE, TRUE, DISCOVERY "\nAuthMethod=None,CHAP"),
                    ==, 0);
    auto_ptr(initiator) begins = initiator_connect(target);
    g_assert_cmphex(login(begins, SECURITY, OPERATIONAL, TRUE, DISCOVERY "\nAuthMethod=CHAP,None"),
                    ==, 0);
    g_assert_cmphex(begins->bhs[ISCSI_AT_FLAGS], ==, 0); /* it stays where it is */
    g_assert_cmphex(login(begins, SECURITY, OPERATIONAL, TRUE, "CHAP_N=alice\nCHAP_R=0x00"), ==,
                    0x0201);
    g_assert_cmpuint(target_sessions(target), ==, 0);
}

/* After CHAP is done it is not begun again. */
static void
test_chap_twice(void)
{
    auto_ptr(target) target = chap_target(FALSE);
    auto_ptr(initiator) initiator = initiator_connect(target);
    struct challenge challenge;
    guint8 hash[CHAP_HASH_MAX];
    ask(initiator, "5", &challenge);
    chap_answer(challenge.hash, &challenge.chap, SECRET, hash);
    g_autofree char *text = iscsi_binary_format(hash, 16);
    g_autofree char *keys = g_strdup_printf("CHAP_N=alice\nCHAP_R=%s", text);
    g_assert_cmphex(login(initiator, SECURITY, OPERATIONAL, FALSE, keys), ==, 0);
    g_assert_cmphex(login(initiator, SECURITY, OPERATIONAL, TRUE, "AuthMethod=CHAP"), ==, 0x0201);
}

/* An answer that was right once is wrong for the next challenge. */
static void
test_chap_replay(void)
{
    auto_ptr(target) target = chap_target(FALSE);
    auto_ptr(initiator) first = initiator_connect(target);
    auto_ptr(initiator) second = initiator_connect(target);
    struct challenge old, new;
    ask(first, "5", &old);
    ask(second, "5", &new);
    g_assert_false(chap_challenge_equal(&old.chap, &new.chap));
    g_assert_cmphex(respond(first, &old, "alice", SECRET, ""), ==, 0);
    g_assert_cmphex(respond(second, &old, "alice", SECRET, ""), ==, 0x0201);
}

static void
test_mutual(void)
{
    static const char *const hashes[] = {"5", "6", "7", "8"};
    auto_ptr(target) target = chap_target(TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(hashes); i++) {
        auto_ptr(initiator) initiator = initiator_connect(target);
        struct challenge challenge, own;
        guint8 right[CHAP_HASH_MAX];
        ask(initiator, hashes[i], &challenge);
        own.hash = challenge.hash;
        chap_challenge_make(&own.chap);
        g_autofree char *bytes = iscsi_binary_format(own.chap.bytes, own.chap.length);
        g_autofree char *more =
            g_strdup_printf("\nCHAP_I=%u\nCHAP_C=%s", own.chap.identifier, bytes);
        g_assert_cmphex(respond(initiator, &challenge, "bob", "another-secret", more), ==, 0);
        initiator_assert_value(initiator, "CHAP_N", "target");
        chap_answer(own.hash, &own.chap, OWN, right);
        g_autofree char *wanted = iscsi_binary_format(right, chap_hash_size(own.hash));
        initiator_assert_value(initiator, "CHAP_R", wanted);
        initiator_begin(initiator, "");
        g_autoptr(GPtrArray) sessions = iscsi_server_sessions(target->server);
        const struct iscsi_session *session = sessions->pdata[sessions->len - 1];
        g_assert_true(session->mutual);
        g_assert_cmpstr(session->user, ==, "bob");
    }
}

/* The target never answers its own challenge, one that is none, nor somebody who has not proved
 * himself. */
static void
test_mutual_refused(void)
{
    for (guint i = 0; i < 6; i++) {
        auto_ptr(target) target = chap_target(TRUE);
        auto_ptr(initiator) initiator = initiator_connect(target);
        struct challenge challenge;
        ask(initiator, "5", &challenge);
        g_autofree char *ours = iscsi_binary_format(challenge.chap.bytes, challenge.chap.length);
        g_autofree char *large = g_strnfill(2 * 1025, '0');
        const char *words[] = {ours, "0x", "none", "0x00", "0x00", "0x00"};
        g_autofree char *more =
            i == 3 ? g_strdup_printf("\nCHAP_I=1\nCHAP_C=0x%s", large)
                   : g_strdup_printf("\nCHAP_I=%s\nCHAP_C=%s", i == 4 ? "256" : "1", words[i]);
        const char *secret = i == 5 ? "wrong" : SECRET;
        g_assert_cmphex(respond(initiator, &challenge, "alice", secret, more), ==, 0x0201);
        g_assert_cmpuint(initiator->data->len, ==, 0);
        if (i == 0)
            target_assert_logged(target, "sends our own challenge back");
    }
}

static void
test_mutual_required(void)
{
    auto_ptr(target) target = target_new();
    target->options.accounts = accounts;
    target->options.n_accounts = G_N_ELEMENTS(accounts);
    target->options.own = (struct iscsi_account){"target", OWN};
    target->options.mutual_only = TRUE;
    target_start(target);
    auto_ptr(initiator) initiator = initiator_connect(target);
    struct challenge challenge;
    ask(initiator, "5", &challenge);
    g_assert_cmphex(respond(initiator, &challenge, "alice", SECRET, ""), ==, 0x0201);
    auto_ptr(initiator) other = initiator_connect(target);
    ask(other, "5", &challenge);
    g_assert_cmphex(respond(other, &challenge, "alice", SECRET, "\nCHAP_I=1\nCHAP_C=0x01"), ==, 0);
}

/* Who guesses has to wait, at another's address nobody has to, and a session goes on. */
static void
test_guesses(void)
{
    auto_ptr(target) target = chap_target(FALSE);
    auto_ptr(initiator) before = initiator_connect_from(target, "127.0.0.2");
    struct challenge challenge;
    ask(before, "5", &challenge);
    g_assert_cmphex(respond(before, &challenge, "alice", SECRET, ""), ==, 0);
    initiator_begin(before, "");
    for (guint i = 0; i < 3; i++) {
        auto_ptr(initiator) guesser = initiator_connect_from(target, "127.0.0.2");
        ask(guesser, "5", &challenge);
        g_assert_cmphex(respond(guesser, &challenge, "alice", "a guess", ""), ==, 0x0201);
    }
    gint64 began = g_get_monotonic_time();
    auto_ptr(initiator) waits = initiator_connect_from(target, "127.0.0.2");
    g_assert_cmphex(login(waits, SECURITY, OPERATIONAL, TRUE, NAMES "\nAuthMethod=CHAP"), ==,
                    0x0301);
    initiator_ping(before);
    auto_ptr(initiator) other = initiator_connect_from(target, "127.0.0.3");
    ask(other, "5", &challenge);
    g_assert_cmphex(respond(other, &challenge, "alice", SECRET, ""), ==, 0);
    for (guint status = 0x0301; status == 0x0301; g_usleep(20000)) {
        auto_ptr(initiator) again = initiator_connect_from(target, "127.0.0.2");
        status = login(again, SECURITY, OPERATIONAL, TRUE, NAMES "\nAuthMethod=CHAP");
        g_assert_true(status == 0 || status == 0x0301);
    }
    gint64 waited = g_get_monotonic_time() - began;
    g_assert_cmpint(waited, <, 10 * G_TIME_SPAN_SECOND);
    g_assert_cmpint(waited, >, 500 * G_TIME_SPAN_MILLISECOND);
}

/* No secret is in any log, and no user that is none of ours. */
static void
test_log(void)
{
    auto_ptr(target) target = chap_target(TRUE);
    auto_ptr(initiator) initiator = initiator_connect(target);
    struct challenge challenge;
    ask(initiator, "5", &challenge);
    respond(initiator, &challenge, "a-secret-in-the-wrong-place", "a guess", "");
    auto_ptr(initiator) other = initiator_connect(target);
    ask(other, "5", &challenge);
    respond(other, &challenge, "alice", "a guess", "");
    target_assert_logged(target, "CHAP: no such user");
    target_assert_logged(target, "CHAP: wrong secret of user alice");
    g_mutex_lock(&target->lock);
    static const char *const never[] = {SECRET, OWN, "a guess", "a-secret-in-the-wrong-place"};
    for (gsize i = 0; i < G_N_ELEMENTS(never); i++)
        g_assert_null(strstr(target->log->str, never[i]));
    g_mutex_unlock(&target->lock);
}

/* ---- What cannot be served ------------------------------------------------------------------- */

static void
test_options(void)
{
    static const struct iscsi_account brief[] = {{"alice", "01234567890"}};
    static const struct iscsi_account twice[] = {{"a", "secret-secret1"}, {"a", "secret-secret2"}};
    static const struct iscsi_account odd[] = {{"a\n", "secret-secret1"}};
    static const char *const nowhere[] = {"somewhere.example", NULL};
    static const char *const foreign[] = {"192.0.2.77:0", NULL};
    static const struct {
        const char *name;
        const struct iscsi_account *accounts;
        guint n;
        struct iscsi_account own;
        gboolean mutual_only;
        const char *const *listen;
        int code;
    } rows[] = {
        {.name = "disk", .code = SLIPWAY_ERROR_USAGE},
        {.name = NULL, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, brief, 1, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, twice, 2, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, odd, 1, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, accounts, 2, {"target", SECRET}, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, accounts, 2, {"target", "short"}, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, NULL, 0, {"target", OWN}, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, accounts, 2, .mutual_only = TRUE, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, .listen = nowhere, .code = SLIPWAY_ERROR_USAGE},
        {TARGET, .listen = foreign, .code = SLIPWAY_ERROR_NETWORK},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        auto_ptr(target) target = target_new();
        target->options.name = rows[i].name;
        target->options.accounts = rows[i].accounts;
        target->options.n_accounts = rows[i].n;
        target->options.own = rows[i].own;
        target->options.mutual_only = rows[i].mutual_only;
        if (rows[i].listen != NULL)
            target->options.listen = rows[i].listen;
        g_assert_null(iscsi_server_start(&target->options, &error));
        g_assert_error(error, SLIPWAY_ERROR, rows[i].code);
        g_assert_null(strstr(error->message, SECRET));
    }
    auto_ptr(target) first = target_new();
    target_start(first);
    g_autoptr(GError) error = NULL;
    auto_ptr(target) second = target_new();
    const char *const same[] = {iscsi_server_addresses(first->server)[0], NULL};
    second->options.listen = same;
    g_assert_null(iscsi_server_start(&second->options, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iscsi-login/plain", test_plain);
    g_test_add_func("/iscsi-login/short", test_short);
    g_test_add_func("/iscsi-login/continued", test_continued);
    g_test_add_func("/iscsi-login/refused", test_refused);
    g_test_add_func("/iscsi-login/bad-headers", test_bad_headers);
    g_test_add_func("/iscsi-login/changes", test_changes);
    g_test_add_func("/iscsi-login/limits", test_limits);
    g_test_add_func("/iscsi-login/names-that-may", test_names_that_may);
    g_test_add_func("/iscsi-login/digests-required", test_digests_required);
    g_test_add_func("/iscsi-login/chap/hashes", test_chap_hashes);
    g_test_add_func("/iscsi-login/chap/base64", test_chap_base64);
    g_test_add_func("/iscsi-login/chap/refused", test_chap_refused);
    g_test_add_func("/iscsi-login/chap/order", test_chap_order);
    g_test_add_func("/iscsi-login/chap/discovery", test_chap_discovery);
    g_test_add_func("/iscsi-login/chap/twice", test_chap_twice);
    g_test_add_func("/iscsi-login/chap/replay", test_chap_replay);
    g_test_add_func("/iscsi-login/chap/mutual", test_mutual);
    g_test_add_func("/iscsi-login/chap/mutual-refused", test_mutual_refused);
    g_test_add_func("/iscsi-login/chap/mutual-required", test_mutual_required);
    g_test_add_func("/iscsi-login/chap/guesses", test_guesses);
    g_test_add_func("/iscsi-login/chap/log", test_log);
    g_test_add_func("/iscsi-login/options", test_options);
    return g_test_run();
}
