/* SPDX-License-Identifier: GPL-3.0-or-later */
/* seal.h: the envelope of every small object of a store.
 *
 * 48 bytes of header, the payload (JSON, after which a zero byte and more may come; ciphertext in
 * an encrypted store), and a SHA-256 of all that, so that one wrong bit is found also without the
 * key (doc/format/store.md, "Sealed objects").  Pure; any thread. */
#pragma once

#include "store/store_key.h"

enum seal_kind {
    SEAL_CONFIG, /* never encrypted: what must be known to ask for the key */
    SEAL_KEY,    /* never encrypted as a whole: a key slot */
    SEAL_SET,
    SEAL_FLAGS,
    SEAL_LEASE,
    SEAL_DOOMED,
    SEAL_LOST,
    SEAL_RULE,
    SEAL_SCREEN,
    SEAL_N
};

#define SEAL_OVERHEAD (48u + STORE_TAG_SIZE + 32u)
#define SEAL_PAYLOAD_MAX (8u << 20)
#define SEAL_DEPTH_MAX 16u         /* of JSON arrays and objects in each other */
#define SEAL_VALUES_MAX (1u << 18) /* that may be in a payload: commas and opening brackets */

/* The sealed form of `payload`.  `key` NULL: not encrypted (nor are SEAL_CONFIG and SEAL_KEY,
 * ever). SLIPWAY_ERROR_LIMIT when it is too long, too deep or has too many values;
 * SLIPWAY_ERROR_FAILED without random bytes. */
GBytes *seal_close(enum seal_kind kind, const struct store_key *key, const void *payload,
                   gsize length, GError **error);

/* The payload of an object, which keeps to the limits above, so that a JSON parser may have it.
 * SLIPWAY_ERROR_CORRUPT (`label` names it): not an object of this kind, damaged, not sealed with
 * this key, or, though there is a key, not encrypted at all; SLIPWAY_ERROR_UNSUPPORTED: a newer
 * version; SLIPWAY_ERROR_DENIED: encrypted, and `key` is NULL. */
GBytes *seal_open(enum seal_kind kind, const struct store_key *key, const char *label,
                  GBytes *object, GError **error);

/* Check the digest alone, for whoever has no key. */
gboolean seal_check(const char *label, GBytes *object, GError **error);
