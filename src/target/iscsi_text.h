/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_text.h: keys and values of logins and text requests (RFC 7143, section 6).
 *
 * "Key=Value" pairs, each ended by a NUL, in the order in which they came.  A text may come in
 * several PDUs; its parts are joined first. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define ISCSI_TEXT_MAX 16384u /* bytes of a text, all its PDUs together */
#define ISCSI_TEXT_KEYS_MAX 128u
#define ISCSI_KEY_MAX 63u
#define ISCSI_NAME_MAX 223u /* of an initiator or target */

#define ISCSI_NOT_UNDERSTOOD "NotUnderstood"
#define ISCSI_REJECT_VALUE "Reject"
#define ISCSI_IRRELEVANT "Irrelevant"

struct iscsi_pair {
    const char *key, *value;
};

struct iscsi_text;

/* SLIPWAY_ERROR_CORRUPT: no "=", a key that is none, the same key twice, no NUL at the end;
 * SLIPWAY_ERROR_LIMIT: more than the limits above. */
struct iscsi_text *iscsi_text_parse(const void *data, gsize length, GError **error);
void iscsi_text_free(struct iscsi_text *text);
AUTO_PTR_DEFINE(iscsi_text, iscsi_text_free)
guint iscsi_text_count(const struct iscsi_text *text);
struct iscsi_pair iscsi_text_at(const struct iscsi_text *text, guint i);
/* NULL when there is no such key. */
const char *iscsi_text_get(const struct iscsi_text *text, const char *key);

/* Append "key=value" with its NUL. */
void iscsi_text_put(GByteArray *to, const char *key, const char *value);
void G_GNUC_PRINTF(3, 4) iscsi_text_putf(GByteArray *to, const char *key, const char *format, ...);

/* A number, decimal or 0x hexadecimal, from `low` to `high`; FALSE when it is none. */
gboolean iscsi_number_parse(const char *text, guint32 low, guint32 high, guint32 *ret);
/* "Yes" or "No". */
gboolean iscsi_boolean_parse(const char *text, gboolean *ret);
/* Is `word` in the list "a,b,c"? */
gboolean iscsi_list_has(const char *list, const char *word);
/* Bytes, as 0x and hexadecimal digits or 0b and base64: at most `max`, and at least one.  NULL when
 * it is none. */
GBytes *iscsi_binary_parse(const char *text, gsize max);
/* "0x..."; free with g_free(). */
char *iscsi_binary_format(const void *data, gsize length);
/* A name as section 4.2.7 has it: "iqn.", "eui." or "naa." with what must follow, of ASCII letters
 * in lower case, digits, '-', '.', ':' (others are for those who prepare them, which is refused
 * here); FALSE when it is none. */
gboolean iscsi_name_is_valid(const char *name);
/* The name as it is compared: in lower case.  Free with g_free(). */
char *iscsi_name_fold(const char *name);
/* `text` of a peer for a log: at most 223 bytes, and nothing that is not a printable character of
 * ASCII.  Free with g_free(). */
char *iscsi_printable(const char *text);
