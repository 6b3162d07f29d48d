/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chap.h: the challenge handshake of iSCSI's logins (RFC 1994; RFC 7143, 12.1.3): responses and
 * challenges, without the texts they travel in.
 *
 * Whoever wants to see an identity sends an identifier and a challenge; the other side answers with
 * a hash of identifier, secret and challenge.  Any thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define CHAP_CHALLENGE_SIZE 32u  /* ours */
#define CHAP_CHALLENGE_MAX 1024u /* of anybody */
#define CHAP_HASH_MAX 32u
#define CHAP_NAME_MAX 255u

/* As IANA has numbered them. */
enum chap_hash {
    CHAP_NONE = 0,
    CHAP_MD5 = 5,
    CHAP_SHA1 = 6,
    CHAP_SHA256 = 7,
    CHAP_SHA3_256 = 8,
};

/* The strongest of a list as CHAP_A has it ("5,7"); CHAP_NONE when we know none of them. */
enum chap_hash chap_choose(const char *list);
/* "SHA256" */
const char *chap_hash_name(enum chap_hash hash);
gsize chap_hash_size(enum chap_hash hash);

struct chap_challenge {
    guint8 identifier;
    gsize length;
    guint8 bytes[CHAP_CHALLENGE_MAX];
};

/* A new one from getrandom(2); a kernel without randomness ends the program. */
void chap_challenge_make(struct chap_challenge *challenge);
gboolean chap_challenge_equal(const struct chap_challenge *a, const struct chap_challenge *b);

/* What answers the challenge: chap_hash_size() bytes. */
void chap_answer(enum chap_hash hash, const struct chap_challenge *challenge, const char *secret,
                 guint8 ret[CHAP_HASH_MAX]);
/* Is it the answer?  Takes as long for a wrong one as for the right one.  `secret` NULL (no such
 * account): never, after as much work. */
gboolean chap_check(enum chap_hash hash, const struct chap_challenge *challenge, const char *secret,
                    const void *answer, gsize length);

/* Random letters and digits; free with secret_free(). */
char *chap_make_secret(guint length);
