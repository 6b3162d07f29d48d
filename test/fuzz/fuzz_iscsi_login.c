/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logins of iSCSI.  The input: a byte that says what the target wants (1 accounts, 2 an account of
 * its own, 4 mutual only, 8 digests), then PDUs, one after the other, as they lie on the wire.
 *
 * Each request has one response that is well formed; nobody gets at a disk who has not
 * authenticated when that is needed, and no answer tells of more than it may. */
#include "base/error.h"
#include "fuzz.h"
#include "target/iscsi_login.h"
#include "target/iscsi_pdu.h"

#define NAME "iqn.2026-01.org.example:disk"

static const struct iscsi_account accounts[] = {{"alice", "initiator-sec"}};

static enum iscsi_login_status
find(gpointer data G_GNUC_UNUSED, struct iscsi_login *login)
{
    return login->tsih % 2 ? ISCSI_LOGIN_SUCCESS : ISCSI_LOGIN_NO_SESSION;
}

static enum iscsi_login_status
admit(gpointer data, struct iscsi_login *login)
{
    guint *admitted = data;
    (*admitted)++;
    /* Nobody can know the answer to a challenge that nobody can foresee. */
    g_assert_true(login->rules->n_accounts == 0 || login->negotiator.discovery);
    g_assert_null(login->user);
    g_assert_nonnull(login->initiator);
    login->tsih = 7;
    return ISCSI_LOGIN_SUCCESS;
}

static void
check_response(const GByteArray *response, enum iscsi_login_state state)
{
    g_autoptr(GError) error = NULL;
    const guint8 *bhs = response->data;
    g_assert_cmpuint(response->len, >=, ISCSI_BHS);
    g_assert_cmphex(bhs[0], ==, ISCSI_LOGIN_RESPONSE);
    guint length = iscsi_data_length(bhs);
    g_assert_cmpuint(response->len, ==, ISCSI_BHS + length + iscsi_padding(length));
    g_assert_cmpuint(length, <=, ISCSI_RECEIVE_DEFAULT);
    gboolean good = big_endian_get16(bhs + ISCSI_AT_LOGIN_STATUS) == 0;
    g_assert_cmpint(good, ==, state != ISCSI_LOGIN_FAILED);
    if (!good)
        g_assert_cmpuint(length, ==, 0);
    auto_ptr(iscsi_text) text = iscsi_text_parse(bhs + ISCSI_BHS, length, &error);
    g_assert_no_error(error);
    g_assert_null(iscsi_text_get(text, "CHAP_R"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    guint8 kind = size > 0 ? data[0] : 0;
    guint admitted = 0, steps = 0;
    struct iscsi_login_rules rules = {.name = NAME,
                                      .alias = "a disk",
                                      .accounts = accounts,
                                      .n_accounts = kind & 1,
                                      .window = 128,
                                      .data = &admitted,
                                      .find = find,
                                      .admit = admit};
    if ((kind & 3) == 3)
        rules.own = (struct iscsi_account){"target", "target-secret"};
    rules.mutual_only = (kind & 7) == 7;
    rules.header_digest = kind & 8 ? ISCSI_DIGEST_REQUIRED : ISCSI_DIGEST_ALLOWED;
    struct iscsi_login login;
    iscsi_login_init(&login, &rules);
    enum iscsi_login_state state = ISCSI_LOGIN_GOES_ON;
    for (size_t at = 1; state == ISCSI_LOGIN_GOES_ON && at < size && size - at >= ISCSI_BHS;) {
        const guint8 *bhs = data + at;
        gsize length = MIN(iscsi_data_length(bhs), size - at - ISCSI_BHS);
        g_autoptr(GByteArray) response = g_byte_array_new();
        state = iscsi_login_step(&login, bhs, bhs + ISCSI_BHS, length, response);
        if (response->len > 0)
            check_response(response, state);
        else
            g_assert_true(state == ISCSI_LOGIN_FAILED && steps == 0);
        g_assert_cmpint(state == ISCSI_LOGIN_FAILED, ==, login.words != NULL);
        g_assert_cmpuint(++steps, <=, ISCSI_LOGIN_REQUESTS_MAX + 1);
        at += MIN(ISCSI_BHS + length + iscsi_padding((guint32)length), size - at);
    }
    g_assert_cmpuint(admitted, ==, state == ISCSI_LOGIN_DONE);
    iscsi_login_clear(&login);
    return 0;
}
