/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keyring.h: the key slots of an encrypted store: ways to get its secret.
 *
 * Each slot is an object keys/ID that holds the store's secret, wrapped by a key made from a
 * passphrase (scrypt, 64 MiB), from a key file, or from a recovery key that was printed.  Slots
 * come and go without rewriting data.  Any thread. */
#pragma once

#include "repo/repo.h"
#include "store/store_key.h"

enum keyring_kind { KEYRING_PASSPHRASE, KEYRING_FILE, KEYRING_RECOVERY, KEYRING_N };

const char *keyring_kind_name(enum keyring_kind kind); /* "passphrase", "key-file", "recovery" */

struct keyring_slot {
    char *id; /* 16 hex digits */
    enum keyring_kind kind;
    gint64 created;
    char *label; /* the user's words, not secret; may be "" */
};
void keyring_slot_free(struct keyring_slot *slot);

/* Least bytes of a key file, and most that are read. */
#define KEYRING_FILE_MIN 32u
#define KEYRING_FILE_MAX 65536u
/* Least characters of a passphrase. */
#define KEYRING_PASSPHRASE_MIN 8u

/* Add a slot.  `secret` is the passphrase, or the file's bytes; the slot's id comes in *ret_id
 * (may be NULL).  `label` may be NULL.  SLIPWAY_ERROR_USAGE for a secret that is too short, or a
 * label that is no UTF-8 or longer than 1024 bytes; SLIPWAY_ERROR_LIMIT for one that is too long.
 * A passphrase or recovery key is registered as a secret. */
gboolean keyring_add(struct repo *repo, const struct store_key *key, enum keyring_kind kind,
                     const void *secret, gsize length, const char *label, char **ret_id,
                     GError **error);

/* Make a recovery key, add a slot for it and give its text for printing: eight groups of seven
 * characters of [A-Z2-7] with a checksum.  It is not registered as a secret, or it could not be
 * shown.  Free with secret_free(). */
char *keyring_add_recovery(struct repo *repo, const struct store_key *key, char **ret_id,
                           GError **error);

/* The store's key by any slot that `secret` of `kind` opens.  SLIPWAY_ERROR_DENIED when it opens
 * none (the message says for which kinds there are slots); a recovery key with a typing error, or a
 * key file that is too short, is SLIPWAY_ERROR_USAGE; one that is too long SLIPWAY_ERROR_LIMIT;
 * SLIPWAY_ERROR_FAILED without the memory for scrypt.  What was typed is registered as a secret. */
struct store_key *keyring_open(struct repo *repo, enum keyring_kind kind, const void *secret,
                               gsize length, GError **error);

/* Slots, of struct keyring_slot *, oldest first.  A slot that is damaged is left out and named by
 * *ret_damaged (may be NULL; list of char *). */
GPtrArray *keyring_list(struct repo *repo, GPtrArray **ret_damaged, GError **error);

/* Remove a slot, also a damaged one; the last good one is SLIPWAY_ERROR_USAGE, one that is not
 * there SLIPWAY_ERROR_NOT_FOUND. */
gboolean keyring_remove(struct repo *repo, const char *id, GError **error);
