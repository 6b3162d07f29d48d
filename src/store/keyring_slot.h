/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keyring_slot.h: one key slot with all that is in its object, for keyring.c.  Pure; any thread. */
#pragma once

#include "store/kdf.h"
#include "store/keyring.h"

#define KEYRING_ID_TEXT 17u
#define KEYRING_WRAPPED (STORE_KEY_SIZE + STORE_TAG_SIZE)
/* Of a slot's object. */
#define KEYRING_SLOT_MAX 65536u
#define KEYRING_LABEL_MAX 1024u

struct keyring_secret {
    struct keyring_slot *about;
    struct kdf_cost cost; /* of a passphrase */
    guint8 salt[STORE_SALT_SIZE];
    guint8 wrapped[KEYRING_WRAPPED];
};
void keyring_secret_free(struct keyring_secret *slot);
AUTO_PTR_DEFINE(keyring_secret, keyring_secret_free)

/* TRUE for 16 hex digits. */
gboolean keyring_id_valid(const char *id);

/* The object of a slot and back.  SLIPWAY_ERROR_CORRUPT: damaged, out of limits, or not the slot
 * `id`; SLIPWAY_ERROR_UNSUPPORTED: of a newer version; SLIPWAY_ERROR_USAGE: a label that is too
 * long or no UTF-8. */
GBytes *keyring_secret_format(const struct keyring_secret *slot, GError **error);
struct keyring_secret *keyring_secret_parse(const char *id, const char *label, GBytes *object,
                                            GError **error);

/* Wrap the store's secret for `secret`: fills cost, salt and wrapped.  SLIPWAY_ERROR_FAILED without
 * memory or random bytes. */
gboolean keyring_secret_wrap(struct keyring_secret *slot, const struct store_key *key,
                             const void *secret, gsize length, GError **error);
/* The store's key; NULL in *ret_key when `secret` is another one. */
gboolean keyring_secret_unwrap(const struct keyring_secret *slot, const void *secret, gsize length,
                               struct store_key **ret_key, GError **error);
