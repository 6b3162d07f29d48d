/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retain.h: which sets are kept, and why.
 *
 * The sets of a machine are those of its identity, whatever it was called; without an identity,
 * those of its name (set_same_machine()).
 *
 * A rule (struct store_retention) keeps the last N sets of a machine, and the last set of each of
 * the last D days, W ISO weeks, M months and Y years that have a set; a day without a set does not
 * count.  A rule of zeros keeps everything.  Archived sets never expire and take nobody's place;
 * the newest set of a machine never expires.
 *
 * Whoever runs a backup calls retain_apply() only after it succeeded: a machine whose backups fail
 * loses none of its old sets. */
#pragma once

#include "store/machine_rule.h"
#include "store/store_sets.h"

#define RETAIN_COUNT_MAX 100000u

/* "typical" (last=5,daily=7,weekly=4,monthly=12,yearly=5), "all" (zeros: keep everything), or
 * counts like "last=3,daily=7", each at most once and not all of them 0.  SLIPWAY_ERROR_USAGE. */
gboolean retain_parse(const char *text, struct store_retention *ret, GError **error);
/* The reverse: "all", or counts that are not 0.  Free with g_free(). */
char *retain_format(const struct store_retention *rule);

struct retain_verdict {
    const struct set_entry *entry; /* borrowed */
    GPtrArray *reasons; /* of char *: "last 3", "daily 2026-11-24", "weekly 2026-W47", "monthly
                         * 2026-11", "yearly 2026", "archived", "newest", "all"; none: it expires */
};
void retain_verdict_free(struct retain_verdict *verdict);

/* What becomes of the sets (struct set_entry *, oldest first, of one machine): a list of struct
 * retain_verdict *, in their order.  Days begin at midnight in `zone` (NULL: the local one).
 * Pure. */
GPtrArray *retain_choose(GPtrArray *entries, const struct store_retention *rule, GTimeZone *zone);

/* Which rule holds for a machine of this name: its own (machine_rule.h), else the store's, else
 * keep all.  *ret_origin (may be NULL): "machine", "store" or "none". */
gboolean retain_rule_of(struct store *store, const char *name, struct store_retention *ret,
                        const char **ret_origin, GError **error);

struct retain_report {
    GPtrArray *entries;  /* of struct set_entry *, oldest first: what was looked at; owned */
    GPtrArray *verdicts; /* of struct retain_verdict *, by machine, oldest first */
    GPtrArray *damaged;  /* of char *: sets that cannot be read; they are left alone */
    guint kept, expired; /* without dry_run the expired ones are gone */
};
void retain_report_clear(struct retain_report *report);

/* Remove what expires, of the machine that is or was called `name` or (NULL) of all, by `rule` or
 * (NULL) by each machine's retain_rule_of(): of the newest of its names that has one of its own, so
 * that a rule outlives a rename.  With `dry_run` only say.  Their space comes back with prune.  On
 * failure the report says what was meant; sets that are gone are counted in `expired`. */
gboolean retain_apply(struct store *store, const char *name, const struct store_retention *rule,
                      gboolean dry_run, struct retain_report *report, GError **error);
