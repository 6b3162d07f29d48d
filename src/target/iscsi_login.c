/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_login.h"

#include "target/iscsi_pdu.h"

#include <openssl/crypto.h>
#include <stdarg.h>

enum { SECURITY = 0, OPERATIONAL = 1, FULL_FEATURE = 3 };

#define CURRENT_STAGE(bhs) ((bhs)[ISCSI_AT_FLAGS] >> 2 & 3)
#define NEXT_STAGE(bhs) ((bhs)[ISCSI_AT_FLAGS] & 3)

void
iscsi_login_init(struct iscsi_login *login, const struct iscsi_login_rules *rules)
{
    *login = (struct iscsi_login){.rules = rules};
    iscsi_negotiator_init(&login->negotiator);
    login->negotiator.header_digest = rules->header_digest;
    login->negotiator.data_digest = rules->data_digest;
    login->text = g_byte_array_new();
    login->authentication = rules->n_accounts > 0 ? ISCSI_AUTH_NOT_BEGUN : ISCSI_AUTH_DONE;
}

void
iscsi_login_clear(struct iscsi_login *login)
{
    iscsi_negotiator_clear(&login->negotiator);
    OPENSSL_cleanse(&login->challenge, sizeof login->challenge);
    g_clear_pointer(&login->text, g_byte_array_unref);
    g_clear_pointer(&login->initiator, g_free);
    g_clear_pointer(&login->words, g_free);
}

gboolean
iscsi_login_fail(struct iscsi_login *login, enum iscsi_login_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_free(login->words);
    login->words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    login->status = status;
    return FALSE;
}

/* ---- Who, and to whom ------------------------------------------------------------------------ */

static gboolean
may_log_in(const struct iscsi_login *login)
{
    const char *const *pattern = login->rules->initiators;
    if (pattern == NULL)
        return TRUE;
    for (; *pattern != NULL; pattern++) {
        g_autofree char *folded = iscsi_name_fold(*pattern);
        if (g_pattern_match_simple(folded, login->initiator))
            return TRUE;
    }
    return FALSE;
}

/* Names may come again in a later stage; nobody changes who it is. */
static gboolean
same_identity(struct iscsi_login *login, const struct iscsi_text *text)
{
    const char *name = iscsi_text_get(text, "InitiatorName");
    g_autofree char *folded = name != NULL ? iscsi_name_fold(name) : NULL;
    if (folded == NULL || g_str_equal(folded, login->initiator))
        return TRUE;
    return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR, "InitiatorName changes");
}

static gboolean
take_type(struct iscsi_login *login, const char *type)
{
    login->negotiator.discovery = g_strcmp0(type, "Discovery") == 0;
    if (login->negotiator.discovery || type == NULL || g_str_equal(type, "Normal"))
        return TRUE;
    return iscsi_login_fail(login, ISCSI_LOGIN_SESSION_TYPE, "an unknown type of session");
}

static gboolean
take_target(struct iscsi_login *login, const char *name)
{
    if (login->negotiator.discovery)
        return TRUE;
    if (name == NULL)
        return iscsi_login_fail(login, ISCSI_LOGIN_MISSING, "TargetName is missing");
    g_autofree char *asked = iscsi_name_fold(name), *own = iscsi_name_fold(login->rules->name);
    if (g_str_equal(asked, own))
        return TRUE;
    g_autofree char *shown = iscsi_printable(name);
    return iscsi_login_fail(login, ISCSI_LOGIN_NO_TARGET, "there is no target %s", shown);
}

static gboolean
identify(struct iscsi_login *login, const struct iscsi_text *text)
{
    if (login->identified)
        return same_identity(login, text);
    const char *name = iscsi_text_get(text, "InitiatorName");
    if (name == NULL || *name == '\0')
        return iscsi_login_fail(login, ISCSI_LOGIN_MISSING, "InitiatorName is missing");
    g_autofree char *shown = iscsi_printable(name);
    if (strlen(name) > ISCSI_NAME_MAX || !g_str_equal(name, shown))
        return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR,
                                "InitiatorName is no name of an initiator");
    login->initiator = iscsi_name_fold(name);
    login->identified = TRUE;
    if (!take_type(login, iscsi_text_get(text, "SessionType")) ||
        !take_target(login, iscsi_text_get(text, "TargetName")))
        return FALSE;
    login->joins = !login->negotiator.discovery && login->tsih != 0;
    login->negotiator.leading = !login->joins;
    if (login->joins && login->rules->find != NULL) {
        enum iscsi_login_status status = login->rules->find(login->rules->data, login);
        if (status != ISCSI_LOGIN_SUCCESS)
            return iscsi_login_fail(login, status, "there is no such session to join");
    }
    return TRUE;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

/* Those that are taken elsewhere, and have no answer. */
static gboolean
is_declaration(const char *key)
{
    static const char *const names[] = {"InitiatorName", "InitiatorAlias", "TargetName",
                                        "SessionType", NULL};
    return g_strv_contains(names, key);
}

static gboolean
is_security_key(const char *key)
{
    return g_str_equal(key, "AuthMethod") || g_str_has_prefix(key, "CHAP_");
}

static gboolean
take_keys(struct iscsi_login *login, const struct iscsi_text *text, GByteArray *answer)
{
    gboolean operational = login->stage == OPERATIONAL;
    for (guint i = 0; i < iscsi_text_count(text); i++) {
        struct iscsi_pair pair = iscsi_text_at(text, i);
        if (is_declaration(pair.key))
            continue;
        if (is_security_key(pair.key)) {
            if (!operational)
                continue;
            return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR, "%s out of its stage",
                                    pair.key);
        }
        enum iscsi_negotiation result = iscsi_negotiate(&login->negotiator, &pair, answer);
        if (result == ISCSI_UNKNOWN)
            iscsi_text_put(answer, pair.key, ISCSI_NOT_UNDERSTOOD);
        else if (result == ISCSI_REFUSED)
            return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR,
                                    "%s: not what is needed here", pair.key);
    }
    return TRUE;
}

static void
tell_target(struct iscsi_login *login, GByteArray *answer)
{
    if (login->told_target || login->negotiator.discovery)
        return;
    login->told_target = TRUE;
    iscsi_text_put(answer, "TargetPortalGroupTag", "1");
    if (login->rules->alias != NULL)
        iscsi_text_put(answer, "TargetAlias", login->rules->alias);
}

/* A discovery session is told a name and addresses, no more: as with other targets it need not
 * authenticate, and instructions for a user need no account for it.  One that has begun to must end
 * it well. */
static gboolean
is_authenticated(const struct iscsi_login *login)
{
    return login->authentication == ISCSI_AUTH_DONE ||
           (login->negotiator.discovery && login->authentication == ISCSI_AUTH_NOT_BEGUN);
}

static gboolean
run_security(struct iscsi_login *login, const struct iscsi_text *text, GByteArray *answer)
{
    return iscsi_login_authenticate(login, text, answer) && take_keys(login, text, answer);
}

static gboolean
run_operational(struct iscsi_login *login, const struct iscsi_text *text, GByteArray *answer)
{
    if (!is_authenticated(login))
        return iscsi_login_fail(login, ISCSI_LOGIN_NOT_AUTHENTICATED,
                                "it does not authenticate, which is required");
    if (!take_keys(login, text, answer))
        return FALSE;
    if (!login->told_ours)
        iscsi_negotiate_declare(answer);
    login->told_ours = TRUE;
    return TRUE;
}

/* ---- Responses ------------------------------------------------------------------------------- */

static void
respond(struct iscsi_login *login, const guint8 *request, guint8 flags, GByteArray *answer,
        GByteArray *ret)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_LOGIN_RESPONSE, flags};
    static const guint8 zeros[4];
    guint length = answer != NULL ? answer->len : 0;
    big_endian_put24(bhs + 5, length);
    memcpy(bhs + ISCSI_AT_ISID, request + ISCSI_AT_ISID, 6);
    big_endian_put16(bhs + ISCSI_AT_TSIH, login->tsih);
    memcpy(bhs + ISCSI_AT_TAG, request + ISCSI_AT_TAG, 4);
    big_endian_put32(bhs + ISCSI_AT_STAT_SN, login->stat_sn++);
    big_endian_put32(bhs + ISCSI_AT_EXP_CMD_SN, login->exp_cmd_sn);
    big_endian_put32(bhs + ISCSI_AT_MAX_CMD_SN, login->max_cmd_sn);
    big_endian_put16(bhs + ISCSI_AT_LOGIN_STATUS, (guint16)login->status);
    g_byte_array_append(ret, bhs, sizeof bhs);
    if (length > 0) {
        g_byte_array_append(ret, answer->data, length);
        g_byte_array_append(ret, zeros, iscsi_padding(length));
    }
}

/* The request's place in the login: FALSE when it has none. */
static gboolean
check_request(struct iscsi_login *login, const guint8 *bhs)
{
    guint8 flags = bhs[ISCSI_AT_FLAGS];
    guint current = CURRENT_STAGE(bhs), next = NEXT_STAGE(bhs);
    gboolean transit = (flags & ISCSI_TRANSIT) != 0;
    if (login->requests++ == 0) {
        login->stage = current;
        login->tag = big_endian_get32(bhs + ISCSI_AT_TAG);
        memcpy(login->isid, bhs + ISCSI_AT_ISID, sizeof login->isid);
        login->tsih = big_endian_get16(bhs + ISCSI_AT_TSIH);
        login->cid = big_endian_get16(bhs + ISCSI_AT_CID);
        login->stat_sn = big_endian_get32(bhs + ISCSI_AT_EXP_STAT_SN);
        login->exp_cmd_sn = big_endian_get32(bhs + ISCSI_AT_CMD_SN);
        login->max_cmd_sn = login->exp_cmd_sn + login->rules->window - 1;
        if (bhs[3] != 0)
            return iscsi_login_fail(login, ISCSI_LOGIN_VERSION, "an unknown version of iSCSI");
    }
    if (ISCSI_OPCODE(bhs) != ISCSI_LOGIN_REQUEST)
        return iscsi_login_fail(login, ISCSI_LOGIN_INVALID_REQUEST,
                                "a request of another kind during the login");
    if (login->requests > ISCSI_LOGIN_REQUESTS_MAX)
        return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR, "more than %u login requests",
                                ISCSI_LOGIN_REQUESTS_MAX);
    if (memcmp(login->isid, bhs + ISCSI_AT_ISID, sizeof login->isid) != 0 ||
        big_endian_get32(bhs + ISCSI_AT_TAG) != login->tag ||
        big_endian_get16(bhs + ISCSI_AT_TSIH) != login->tsih)
        return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR, "two logins on one connection");
    if (current != login->stage || current > OPERATIONAL ||
        (transit && (next <= current || next == 2)) || (transit && (flags & ISCSI_CONTINUE) != 0))
        return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR,
                                "a stage of the login out of its turn");
    return TRUE;
}

static gboolean
join_text(struct iscsi_login *login, const void *data, gsize length)
{
    if (login->text->len + length > ISCSI_TEXT_MAX)
        return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR, "a text of more than %u bytes",
                                ISCSI_TEXT_MAX);
    g_byte_array_append(login->text, data, (guint)length);
    return TRUE;
}

static gboolean
take_text(struct iscsi_login *login, GByteArray *answer)
{
    g_autoptr(GError) failure = NULL;
    auto_ptr(iscsi_text) text = iscsi_text_parse(login->text->data, login->text->len, &failure);
    g_byte_array_set_size(login->text, 0);
    if (text == NULL)
        return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR, "%s", failure->message);
    if (!identify(login, text))
        return FALSE;
    tell_target(login, answer);
    if (!(login->stage == SECURITY ? run_security(login, text, answer)
                                   : run_operational(login, text, answer)))
        return FALSE;
    if (answer->len > ISCSI_RECEIVE_DEFAULT)
        return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR,
                                "its keys have an answer of more than %u bytes",
                                ISCSI_RECEIVE_DEFAULT);
    return TRUE;
}

/* The last step: the session is made. */
static gboolean
admit(struct iscsi_login *login)
{
    if (!is_authenticated(login))
        return iscsi_login_fail(login, ISCSI_LOGIN_NOT_AUTHENTICATED,
                                "it does not authenticate, which is required");
    if (!iscsi_negotiator_is_satisfied(&login->negotiator))
        return iscsi_login_fail(login, ISCSI_LOGIN_INITIATOR_ERROR,
                                "it does not offer the digests that are required");
    if (!may_log_in(login))
        return iscsi_login_fail(login, ISCSI_LOGIN_NOT_AUTHORIZED, "it may not log in");
    enum iscsi_login_status status = login->rules->admit(login->rules->data, login);
    if (status != ISCSI_LOGIN_SUCCESS && login->words == NULL)
        return iscsi_login_fail(login, status, "it cannot be taken in (status %04x)", status);
    login->status = status;
    return status == ISCSI_LOGIN_SUCCESS;
}

static gboolean
step(struct iscsi_login *login, const guint8 *bhs, const void *data, gsize length,
     GByteArray *answer, gboolean *ret_transit)
{
    if (!check_request(login, bhs) || !join_text(login, data, length))
        return FALSE;
    if (login->requests == 1 && login->rules->waits != NULL && login->rules->n_accounts > 0 &&
        login->rules->waits(login->rules->data))
        return iscsi_login_fail(login, ISCSI_LOGIN_UNAVAILABLE,
                                "its address has to wait after wrong secrets");
    if ((bhs[ISCSI_AT_FLAGS] & ISCSI_CONTINUE) != 0)
        return TRUE;
    gboolean transit = (bhs[ISCSI_AT_FLAGS] & ISCSI_TRANSIT) != 0;
    if (!take_text(login, answer))
        return FALSE;
    *ret_transit = transit && (login->stage == OPERATIONAL || is_authenticated(login));
    if (*ret_transit && NEXT_STAGE(bhs) == FULL_FEATURE)
        return admit(login);
    return TRUE;
}

enum iscsi_login_state
iscsi_login_step(struct iscsi_login *login, const guint8 *bhs, const void *data, gsize length,
                 GByteArray *ret)
{
    g_autoptr(GByteArray) answer = g_byte_array_new();
    gboolean transit = FALSE;
    if (login->requests == 0 && ISCSI_OPCODE(bhs) != ISCSI_LOGIN_REQUEST) {
        iscsi_login_fail(login, ISCSI_LOGIN_INVALID_REQUEST, "what comes first is no login");
        return ISCSI_LOGIN_FAILED;
    }
    if (!step(login, bhs, data, length, answer, &transit)) {
        /* In a response that refuses, stages and texts mean nothing. */
        respond(login, bhs, (guint8)(CURRENT_STAGE(bhs) << 2), NULL, ret);
        return ISCSI_LOGIN_FAILED;
    }
    guint8 flags = (guint8)(login->stage << 2);
    if (transit) {
        login->stage = NEXT_STAGE(bhs);
        flags |= (guint8)(ISCSI_TRANSIT | login->stage);
    }
    gboolean done = transit && login->stage == FULL_FEATURE;
    respond(login, bhs, flags, answer, ret);
    return done ? ISCSI_LOGIN_DONE : ISCSI_LOGIN_GOES_ON;
}
