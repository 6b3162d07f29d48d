/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_login.h: the login of one connection (RFC 7143, sections 6.3 and 11.12), as a machine that
 * takes requests and gives responses, and knows no socket.
 *
 * A connection that has not logged in can make us hold ISCSI_TEXT_MAX bytes of text and a response
 * of ISCSI_RECEIVE_DEFAULT bytes, for ISCSI_LOGIN_REQUESTS_MAX requests. */
#pragma once

#include "target/chap.h"
#include "target/iscsi_parameters.h"

#define ISCSI_LOGIN_REQUESTS_MAX 32u

/* Status of a login response: class and detail. */
enum iscsi_login_status {
    ISCSI_LOGIN_SUCCESS = 0x0000,
    ISCSI_LOGIN_INITIATOR_ERROR = 0x0200,
    ISCSI_LOGIN_NOT_AUTHENTICATED = 0x0201,
    ISCSI_LOGIN_NOT_AUTHORIZED = 0x0202,
    ISCSI_LOGIN_NO_TARGET = 0x0203,
    ISCSI_LOGIN_VERSION = 0x0205,
    ISCSI_LOGIN_TOO_MANY = 0x0206,
    ISCSI_LOGIN_MISSING = 0x0207,
    ISCSI_LOGIN_SESSION_TYPE = 0x0209,
    ISCSI_LOGIN_NO_SESSION = 0x020a,
    ISCSI_LOGIN_INVALID_REQUEST = 0x020b,
    ISCSI_LOGIN_UNAVAILABLE = 0x0301,
    ISCSI_LOGIN_NO_RESOURCES = 0x0302,
};

struct iscsi_login;

/* What the target wants, all borrowed. */
struct iscsi_login_rules {
    const char *name, *alias;
    const struct iscsi_account *accounts;
    guint n_accounts;
    struct iscsi_account own;
    gboolean mutual_only;
    const char *const *initiators;
    enum iscsi_digest_use header_digest, data_digest;
    guint32 window; /* commands that may be on their way */

    gpointer data;
    /* Must logins of this client wait at present? */
    gboolean (*waits)(gpointer data);
    /* A wrong answer to a challenge. */
    void (*failed)(gpointer data);
    /* A connection joins the session that `login` names by its tsih: take over the session's
     * parameters into login->negotiator. */
    enum iscsi_login_status (*find)(gpointer data, struct iscsi_login *login);
    /* All is well: make the session, or let it join, and set tsih, exp_cmd_sn and max_cmd_sn. */
    enum iscsi_login_status (*admit)(gpointer data, struct iscsi_login *login);
};

enum iscsi_login_state { ISCSI_LOGIN_GOES_ON, ISCSI_LOGIN_DONE, ISCSI_LOGIN_FAILED };

enum iscsi_authentication {
    ISCSI_AUTH_NOT_BEGUN,
    ISCSI_AUTH_CHAP,       /* chosen: the list of hashes comes next */
    ISCSI_AUTH_CHALLENGED, /* the answer comes next */
    ISCSI_AUTH_DONE,       /* or not needed */
};

struct iscsi_login {
    const struct iscsi_login_rules *rules;
    /* What is known; valid when it is done. */
    struct iscsi_negotiator negotiator;
    char *initiator;  /* its name, in lower case */
    const char *user; /* of an account; NULL: none was needed */
    enum chap_hash hash;
    gboolean mutual;
    guint8 isid[6];
    guint16 tsih, cid;
    guint32 stat_sn; /* the next one */
    guint32 exp_cmd_sn, max_cmd_sn;
    char *words;       /* why it failed, for the log */
    gpointer admitted; /* whatever admit() has made */

    /* Its own. */
    guint requests;
    guint stage; /* CSG that is expected */
    guint32 tag;
    gboolean identified, told_target, told_ours, joins;
    enum iscsi_authentication authentication;
    struct chap_challenge challenge;
    GByteArray *text; /* parts so far */
    enum iscsi_login_status status;
};

void iscsi_login_init(struct iscsi_login *login, const struct iscsi_login_rules *rules);
void iscsi_login_clear(struct iscsi_login *login);

/* One PDU of the initiator, and our response (BHS and data, padded) in `ret`.  It stays empty when
 * there is none: the first PDU is no login request.  FAILED: send it, and close. */
enum iscsi_login_state iscsi_login_step(struct iscsi_login *login, const guint8 *bhs,
                                        const void *data, gsize length, GByteArray *ret);

/* For the security stage, iscsi_login_chap.c: the keys of one request.  FALSE: it has failed. */
gboolean iscsi_login_authenticate(struct iscsi_login *login, const struct iscsi_text *text,
                                  GByteArray *answer);
/* Say why; returns FALSE. */
gboolean iscsi_login_fail(struct iscsi_login *login, enum iscsi_login_status status,
                          const char *format, ...) G_GNUC_PRINTF(3, 4);
