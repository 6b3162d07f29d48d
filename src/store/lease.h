/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lease.h: who writes to a store just now (doc/format/store.md, "Writers, prune and leases").
 *
 * A lease is refreshed by a thread of its own while it is held.  Nobody waits for anybody: leases
 * only tell prune which writers were there before it, and everybody whose leftovers may go. */
#pragma once

#include "store/store.h"

#define LEASE_REFRESH_SECONDS 60
#define LEASE_TERM_SECONDS 1200

enum lease_kind { LEASE_WRITER, LEASE_PRUNE };

struct lease;

struct lease *lease_take(struct store *store, enum lease_kind kind, GError **error);
/* 32 hex digits; the owner of unfinished objects. */
const char *lease_id(const struct lease *lease);
/* TRUE when the object is still there: nobody took this writer for dead. FALSE with
 * SLIPWAY_ERROR_BUSY when it is gone, or another error when nobody can tell. */
gboolean lease_check(struct lease *lease, GError **error);
/* Remove it.  NULL is fine. */
void lease_release(struct lease *lease);
AUTO_PTR_DEFINE(lease, lease_release)

struct lease_info {
    char *id;
    enum lease_kind kind;
    char *host;
    gint64 pid;
    gint64 created;
    gboolean dead; /* its process on this host is gone, or its sequence did not move for the term */
};
void lease_info_free(struct lease_info *info);

/* All leases, of struct lease_info *.  Whether one of another host is dead is known only after its
 * sequence was seen unchanged for LEASE_TERM_SECONDS; what was seen, and when, is remembered in a
 * file in `cache_directory` (NULL: the XDG cache).  A damaged lease object counts as dead after the
 * term too. */
GPtrArray *lease_list(struct store *store, const char *cache_directory, GError **error);

/* Remove dead leases and what their owners left unfinished; the number of them in *ret_n (may be
 * NULL).  `all` removes every lease but `own` (NULL: none), for `store unlock`. */
gboolean lease_clean(struct store *store, const char *cache_directory, gboolean all,
                     const struct lease *own, guint *ret_n, GError **error);
