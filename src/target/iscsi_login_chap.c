/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The security stage of a login: AuthMethod and CHAP.
 *
 * Whatever is wrong in it, the initiator is told the same. */
#include "target/iscsi_login.h"

#include <openssl/crypto.h>

static gboolean
deny(struct iscsi_login *login, const char *words)
{
    return iscsi_login_fail(login, ISCSI_LOGIN_NOT_AUTHENTICATED, "%s", words);
}

/* Lists are in the order of the initiator's wishes. */
static gboolean
prefers_none(const char *list)
{
    return iscsi_list_has(list, "None") &&
           (g_str_has_prefix(list, "None") || !iscsi_list_has(list, "CHAP"));
}

static gboolean
choose_method(struct iscsi_login *login, const char *list, GByteArray *answer)
{
    gboolean needed =
        login->rules->n_accounts > 0 && !(login->negotiator.discovery && prefers_none(list));
    const char *wanted = needed ? "CHAP" : "None";
    if (login->authentication == ISCSI_AUTH_CHAP || login->user != NULL ||
        login->authentication == ISCSI_AUTH_CHALLENGED)
        return deny(login, "AuthMethod twice");
    if (!iscsi_list_has(list, wanted))
        return deny(login, needed ? "it does not offer CHAP, which is required"
                                  : "it wants to authenticate, and there are no accounts");
    iscsi_text_put(answer, "AuthMethod", wanted);
    login->authentication = needed ? ISCSI_AUTH_CHAP : ISCSI_AUTH_DONE;
    return TRUE;
}

static gboolean
send_challenge(struct iscsi_login *login, const char *list, GByteArray *answer)
{
    login->hash = chap_choose(list);
    if (login->hash == CHAP_NONE)
        return deny(login, "it offers no hash for CHAP that is known here");
    chap_challenge_make(&login->challenge);
    g_autofree char *bytes = iscsi_binary_format(login->challenge.bytes, login->challenge.length);
    iscsi_text_putf(answer, "CHAP_A", "%d", login->hash);
    iscsi_text_putf(answer, "CHAP_I", "%u", login->challenge.identifier);
    iscsi_text_put(answer, "CHAP_C", bytes);
    login->authentication = ISCSI_AUTH_CHALLENGED;
    return TRUE;
}

/* All accounts are looked at, so that the time tells nothing. */
static const struct iscsi_account *
find_account(const struct iscsi_login_rules *rules, const char *user)
{
    const struct iscsi_account *found = NULL;
    for (guint i = 0; i < rules->n_accounts; i++) {
        if (g_str_equal(rules->accounts[i].user, user))
            found = &rules->accounts[i];
    }
    return found;
}

static gboolean
check_answer(struct iscsi_login *login, const char *user, const char *text)
{
    const struct iscsi_account *account = find_account(login->rules, user);
    g_autoptr(GBytes) bytes = iscsi_binary_parse(text, CHAP_HASH_MAX);
    gsize length = 0;
    const void *data = bytes != NULL ? g_bytes_get_data(bytes, &length) : "";
    gboolean right = chap_check(login->hash, &login->challenge,
                                account != NULL ? account->secret : NULL, data, length);
    if (right) {
        login->user = account->user;
        return TRUE;
    }
    if (login->rules->failed != NULL)
        login->rules->failed(login->rules->data);
    if (account == NULL)
        return deny(login, "CHAP: no such user");
    return iscsi_login_fail(login, ISCSI_LOGIN_NOT_AUTHENTICATED, "CHAP: wrong secret of user %s",
                            account->user);
}

static gboolean
parse_challenge(const char *identifier, const char *text, struct chap_challenge *ret)
{
    guint32 number = 0;
    gsize length = 0;
    g_autoptr(GBytes) bytes = iscsi_binary_parse(text, CHAP_CHALLENGE_MAX);
    if (bytes == NULL || !iscsi_number_parse(identifier, 0, 255, &number))
        return FALSE;
    const void *data = g_bytes_get_data(bytes, &length);
    ret->identifier = (guint8)number;
    ret->length = length;
    memcpy(ret->bytes, data, length);
    return TRUE;
}

/* Only after the initiator has proved itself, and never to our own challenge: it could have been
 * taken from another connection, to be answered here. */
static gboolean
prove_ourselves(struct iscsi_login *login, const char *identifier, const char *text,
                GByteArray *answer)
{
    const struct iscsi_account *own = &login->rules->own;
    struct chap_challenge challenge;
    if (own->user == NULL)
        return deny(login, "it wants mutual CHAP, and the target has no account");
    if (!parse_challenge(identifier, text, &challenge))
        return deny(login, "CHAP: a challenge that is none");
    if (chap_challenge_equal(&challenge, &login->challenge))
        return deny(login, "CHAP: it sends our own challenge back");
    guint8 hash[CHAP_HASH_MAX];
    chap_answer(login->hash, &challenge, own->secret, hash);
    g_autofree char *words = iscsi_binary_format(hash, chap_hash_size(login->hash));
    iscsi_text_put(answer, "CHAP_N", own->user);
    iscsi_text_put(answer, "CHAP_R", words);
    login->mutual = TRUE;
    return TRUE;
}

static gboolean
finish(struct iscsi_login *login, const struct iscsi_text *text, GByteArray *answer)
{
    const char *user = iscsi_text_get(text, "CHAP_N");
    const char *response = iscsi_text_get(text, "CHAP_R");
    const char *identifier = iscsi_text_get(text, "CHAP_I");
    const char *challenge = iscsi_text_get(text, "CHAP_C");
    gboolean mutual = identifier != NULL && challenge != NULL;
    if (user == NULL || response == NULL || (identifier != NULL) != (challenge != NULL))
        return deny(login, "CHAP: keys are missing");
    if (!check_answer(login, user, response))
        return FALSE;
    if (mutual && !prove_ourselves(login, identifier, challenge, answer))
        return FALSE;
    if (!mutual && login->rules->mutual_only)
        return deny(login, "it does not ask for mutual CHAP, which is required");
    login->authentication = ISCSI_AUTH_DONE;
    OPENSSL_cleanse(&login->challenge, sizeof login->challenge);
    return TRUE;
}

gboolean
iscsi_login_authenticate(struct iscsi_login *login, const struct iscsi_text *text,
                         GByteArray *answer)
{
    const char *method = iscsi_text_get(text, "AuthMethod");
    const char *hashes = iscsi_text_get(text, "CHAP_A");
    gboolean responds =
        iscsi_text_get(text, "CHAP_N") != NULL || iscsi_text_get(text, "CHAP_R") != NULL;
    if (method != NULL && !choose_method(login, method, answer))
        return FALSE;
    if (hashes != NULL) {
        if (login->authentication != ISCSI_AUTH_CHAP)
            return deny(login, "CHAP_A out of its turn");
        return send_challenge(login, hashes, answer);
    }
    if (responds && login->authentication != ISCSI_AUTH_CHALLENGED)
        return deny(login, "CHAP_R out of its turn");
    /* A challenge is answered at once, or never. */
    if (login->authentication == ISCSI_AUTH_CHALLENGED)
        return finish(login, text, answer);
    return TRUE;
}
