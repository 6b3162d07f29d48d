/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/secret.h"
#include "target/chap.h"
#include "target/iscsi_penalty.h"

#include <openssl/evp.h>
#include <string.h>

static void
test_choose(void)
{
    static const struct {
        const char *list;
        enum chap_hash hash;
    } rows[] = {
        {"5", CHAP_MD5},
        {"8,7,6,5", CHAP_SHA3_256},
        {"5,6,7,8", CHAP_SHA3_256},
        {"5,7", CHAP_SHA256},
        {"7,5", CHAP_SHA256},
        {"6,5", CHAP_SHA1},
        {"5,130", CHAP_MD5},
        {"", CHAP_NONE},
        {"4", CHAP_NONE},
        {"57", CHAP_NONE},
        {",,", CHAP_NONE},
        {"MD5", CHAP_NONE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(chap_choose(rows[i].list), ==, rows[i].hash);
    /* IANA's numbers: others have 7 for SHA-1. */
    g_assert_cmpint(CHAP_MD5, ==, 5);
    g_assert_cmpint(CHAP_SHA1, ==, 6);
    g_assert_cmpint(CHAP_SHA256, ==, 7);
    g_assert_cmpint(CHAP_SHA3_256, ==, 8);
}

/* Against the hash of the joined bytes, in one call. */
static void
test_answer(void)
{
    static const struct {
        enum chap_hash hash;
        const char *name;
        gsize size;
    } rows[] = {{CHAP_MD5, "MD5", 16},
                {CHAP_SHA1, "SHA1", 20},
                {CHAP_SHA256, "SHA256", 32},
                {CHAP_SHA3_256, "SHA3-256", 32}};
    static const char secret[] = "a secret of mine";
    struct chap_challenge challenge;
    chap_challenge_make(&challenge);
    g_assert_cmpuint(challenge.length, ==, CHAP_CHALLENGE_SIZE);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint8 joined[1 + sizeof secret - 1 + CHAP_CHALLENGE_SIZE], right[64];
        guint8 answer[CHAP_HASH_MAX];
        joined[0] = challenge.identifier;
        memcpy(joined + 1, secret, sizeof secret - 1);
        memcpy(joined + sizeof secret, challenge.bytes, CHAP_CHALLENGE_SIZE);
        g_assert_cmpint(EVP_Q_digest(NULL, rows[i].name, NULL, joined, sizeof joined, right, NULL),
                        ==, 1);
        chap_answer(rows[i].hash, &challenge, secret, answer);
        g_assert_cmpuint(chap_hash_size(rows[i].hash), ==, rows[i].size);
        g_assert_cmpmem(answer, rows[i].size, right, rows[i].size);
        g_assert_true(chap_check(rows[i].hash, &challenge, secret, answer, rows[i].size));
        g_assert_false(chap_check(rows[i].hash, &challenge, secret, answer, rows[i].size - 1));
        g_assert_false(chap_check(rows[i].hash, &challenge, secret, answer, 0));
        g_assert_false(
            chap_check(rows[i].hash, &challenge, "another secret", answer, rows[i].size));
        g_assert_false(chap_check(rows[i].hash, &challenge, NULL, answer, rows[i].size));
        answer[rows[i].size - 1] ^= 1;
        g_assert_false(chap_check(rows[i].hash, &challenge, secret, answer, rows[i].size));
    }
}

/* What answers for nobody must not be known to anybody. */
static void
test_nobody(void)
{
    struct chap_challenge challenge;
    guint8 answer[CHAP_HASH_MAX];
    chap_challenge_make(&challenge);
    static const char *const guesses[] = {"", "nobody's secret"};
    for (gsize i = 0; i < G_N_ELEMENTS(guesses); i++) {
        chap_answer(CHAP_MD5, &challenge, guesses[i], answer);
        g_assert_false(chap_check(CHAP_MD5, &challenge, NULL, answer, 16));
    }
}

static void
test_challenges_differ(void)
{
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    struct chap_challenge first, other;
    chap_challenge_make(&first);
    for (guint i = 0; i < 1000; i++) {
        chap_challenge_make(&other);
        g_assert_false(chap_challenge_equal(&first, &other));
        g_assert_true(g_hash_table_add(seen, g_bytes_new(other.bytes, other.length)));
    }
    g_assert_true(chap_challenge_equal(&first, &first));
    other = first;
    other.length--;
    g_assert_false(chap_challenge_equal(&first, &other));
}

static void
test_secrets(void)
{
    g_autoptr(GHashTable) letters = g_hash_table_new(NULL, NULL);
    for (guint length = 12; length <= 64; length++) {
        char *secret = chap_make_secret(length);
        g_assert_cmpuint(strlen(secret), ==, length);
        for (const char *at = secret; *at != '\0'; at++) {
            g_assert_true(g_ascii_isalnum(*at));
            g_hash_table_add(letters, GINT_TO_POINTER(*at));
        }
        secret_free(secret);
    }
    g_assert_cmpuint(g_hash_table_size(letters), >, 50);
}

/* ---- Waiting after failures ------------------------------------------------------------------ */

#define SECOND G_TIME_SPAN_SECOND

static void
test_penalty_grows(void)
{
    auto_ptr(iscsi_penalty) penalty = iscsi_penalty_new();
    static const guint waits[] = {0, 0, 1, 2, 4, 8, 16, 30, 30, 30};
    gint64 now = 1000 * SECOND;
    for (gsize i = 0; i < G_N_ELEMENTS(waits); i++) {
        iscsi_penalty_add(penalty, "192.0.2.1", now);
        g_assert_cmpuint(iscsi_penalty_wait(penalty, "192.0.2.1", now), ==, waits[i]);
        g_assert_cmpuint(iscsi_penalty_wait(penalty, "192.0.2.2", now), ==, 0);
        now += waits[i] * SECOND;
        g_assert_cmpuint(iscsi_penalty_wait(penalty, "192.0.2.1", now), ==, 0);
        if (waits[i] > 0)
            g_assert_cmpuint(iscsi_penalty_wait(penalty, "192.0.2.1", now - 1), ==, 1);
    }
    now += ISCSI_PENALTY_FORGET_S * SECOND;
    iscsi_penalty_add(penalty, "192.0.2.1", now);
    g_assert_cmpuint(iscsi_penalty_wait(penalty, "192.0.2.1", now), ==, 0);
}

static void
test_penalty_networks(void)
{
    auto_ptr(iscsi_penalty) penalty = iscsi_penalty_new();
    iscsi_penalty_add(penalty, "2001:db8::1", 0);
    iscsi_penalty_add(penalty, "2001:db8::2", 0);
    iscsi_penalty_add(penalty, "2001:db8::ffff:1%eth0", 0);
    g_assert_cmpuint(iscsi_penalty_wait(penalty, "2001:db8::3", 0), ==, 1);
    g_assert_cmpuint(iscsi_penalty_wait(penalty, "2001:db8:0:1::3", 0), ==, 0);
}

/* From however many addresses failures come, a bounded number is known; those that go on fail to
 * get away with it. */
static void
test_penalty_bound(void)
{
    auto_ptr(iscsi_penalty) penalty = iscsi_penalty_new();
    for (guint i = 0; i < 3 * ISCSI_PENALTY_ADDRESSES; i++) {
        g_autofree char *address = g_strdup_printf("10.%u.%u.1", i / 256, i % 256);
        iscsi_penalty_add(penalty, address, i);
        iscsi_penalty_add(penalty, "192.0.2.1", i);
    }
    g_assert_cmpuint(iscsi_penalty_wait(penalty, "192.0.2.1", 3 * ISCSI_PENALTY_ADDRESSES), ==,
                     ISCSI_PENALTY_MAX_S);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chap/choose", test_choose);
    g_test_add_func("/chap/answer", test_answer);
    g_test_add_func("/chap/nobody", test_nobody);
    g_test_add_func("/chap/challenges-differ", test_challenges_differ);
    g_test_add_func("/chap/secrets", test_secrets);
    g_test_add_func("/iscsi-penalty/grows", test_penalty_grows);
    g_test_add_func("/iscsi-penalty/networks", test_penalty_networks);
    g_test_add_func("/iscsi-penalty/bound", test_penalty_bound);
    return g_test_run();
}
