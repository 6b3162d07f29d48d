/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_key.h: the secret of an encrypted store and what is derived from it.
 *
 * A struct store_key is immutable and may be used from any thread.  A store without encryption has
 * none: functions take NULL for it.  doc/format/store.md, "Encryption", has the derivations. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define STORE_KEY_SIZE 32u
#define STORE_SALT_SIZE 16u
#define STORE_TAG_SIZE 16u

struct store_key;

/* From 32 secret bytes, which are copied; or new random ones. */
struct store_key *store_key_new(const guint8 secret[STORE_KEY_SIZE]);
struct store_key *store_key_generate(GError **error);
/* Overwritten, then freed. */
void store_key_free(struct store_key *key);
AUTO_PTR_DEFINE(store_key, store_key_free)

const guint8 *store_key_secret(const struct store_key *key); /* STORE_KEY_SIZE bytes */
const guint8 *store_key_id_key(const struct store_key *key); /* names chunks; NULL for NULL */
guint64 store_key_chunker_seed(const struct store_key *key); /* 0 for NULL */

/* AES-256-GCM over one object: a key for this object alone, derived from its random salt and its
 * kind, and a counter as nonce, so that no nonce repeats.  One cipher belongs to one thread at a
 * time. */
struct store_cipher;

/* `kind` is 4 bytes, as in the object's header ("SET ", "PACK"). */
struct store_cipher *store_cipher_new(const struct store_key *key, const char kind[4],
                                      const guint8 salt[STORE_SALT_SIZE]);
void store_cipher_free(struct store_cipher *cipher);
AUTO_PTR_DEFINE(store_cipher, store_cipher_free)

/* Encrypt part number `number` of the object: `out` gets length + STORE_TAG_SIZE bytes. `aad` is
 * authenticated with it.  A number must not be used twice. */
void store_cipher_seal(struct store_cipher *cipher, guint64 number, const void *aad,
                       gsize aad_length, const void *plain, gsize length, guint8 *out);
/* The reverse: `length` includes the tag, `out` gets length - STORE_TAG_SIZE.
 * SLIPWAY_ERROR_CORRUPT when it is not what was sealed. */
gboolean store_cipher_open(struct store_cipher *cipher, guint64 number, const void *aad,
                           gsize aad_length, const void *sealed, gsize length, guint8 *out,
                           GError **error);
