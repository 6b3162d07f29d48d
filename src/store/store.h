/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store.h: an open store: its repo, what its `config` object says, and its key.
 *
 * Immutable once open but for store_set_config() and the shelf of sets; any thread.  What is done
 * with it has types of its own: chunk_reader reads, store_writer adds, sweeper removes; a reader
 * cannot delete. */
#pragma once

#include "repo/repo.h"
#include "store/codec.h"
#include "store/keyring.h"
#include "store/store_key.h"

#define STORE_VERSION 2
#define STORE_LEVEL_DEFAULT 1
#define STORE_PARITY_MAX 500u
#define STORE_ID_TEXT 33u /* 32 hex digits and a NUL */

/* Retention: how many sets to keep; see engine/retain.h.  All zero: keep all. */
struct store_retention {
    guint last, daily, weekly, monthly, yearly;
};

struct store_config {
    char id[STORE_ID_TEXT]; /* 32 hex digits: names the store in caches and messages */
    gint64 created;         /* seconds since 1970 */
    gboolean encrypted;
    unsigned parity;       /* tenths of a per cent; 0 none */
    enum codec_kind codec; /* of new data: CODEC_NONE, CODEC_ZSTD or CODEC_LZ4 */
    int level;
    gboolean has_retention; /* a default for every machine */
    struct store_retention retention;
};

struct store;
struct set_shelf;

/* Before the first key slot of a new store is added: see that there is none, and remove what an
 * attempt that was interrupted left.  Fails as store_init(). */
gboolean store_prepare(struct repo *repo, GError **error);

/* Make a store in an empty repo, which is taken over also on failure.  `config` gives parity,
 * codec, level and retention; `key` (taken over; NULL: not encrypted) must have its first slot
 * already (keyring_add()).  SLIPWAY_ERROR_EXISTS: there is a store; SLIPWAY_ERROR_USAGE: other
 * things are there. */
struct store *store_init(struct repo *repo, const struct store_config *config,
                         struct store_key *key, GError **error);

/* What `config` says without opening anything: SLIPWAY_ERROR_NOT_FOUND when there is no store (the
 * message says how to make one), SLIPWAY_ERROR_UNSUPPORTED for a newer format,
 * SLIPWAY_ERROR_CORRUPT.
 */
gboolean store_read_config(struct repo *repo, struct store_config *ret, GError **error);

/* Takes over the repo, also on failure, and the key, which an encrypted store needs
 * (SLIPWAY_ERROR_DENIED without it); a store that says that it is not encrypted is not opened with
 * one (SLIPWAY_ERROR_DENIED). */
struct store *store_open(struct repo *repo, struct store_key *key, GError **error);
void store_close(struct store *store);
AUTO_PTR_DEFINE(store, store_close)

struct repo *store_repo(const struct store *store);
const struct store_key *store_key_of(const struct store *store); /* NULL: not encrypted */
const struct store_config *store_config(const struct store *store);
const char *store_label(const struct store *store);
struct set_shelf *store_shelf(const struct store *store); /* of store_sets.h */

/* Change parity, codec, level or retention for what is written from now on. */
gboolean store_set_config(struct store *store, const struct store_config *config, GError **error);

/* 32 random hex digits: names of leases, lists, sets. */
gboolean store_random_id(char ret[STORE_ID_TEXT], GError **error);
