/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_rule.h: how long the sets of one machine are kept, where that is not the store's default
 * (doc/format/store.md, "Rules").  One sealed object a machine, whose name says nothing of the
 * machine's to whoever has no key.  Any thread. */
#pragma once

#include "store/set.h"
#include "store/store.h"

struct machine_rule {
    char *name; /* of the machine */
    struct store_retention retention;
};
void machine_rule_free(struct machine_rule *rule);
AUTO_PTR_DEFINE(machine_rule, machine_rule_free)

/* The rule of a machine; NULL without *ret_failed when it has none. */
struct machine_rule *machine_rule_read(struct store *store, const char *name, gboolean *ret_failed,
                                       GError **error);
/* In place of the one that it may have.  SLIPWAY_ERROR_USAGE: a name that no machine can have. */
gboolean machine_rule_put(struct store *store, const struct machine_rule *rule, GError **error);
/* None there is fine. */
gboolean machine_rule_remove(struct store *store, const char *name, GError **error);
/* All of them, of struct machine_rule *, by name. */
GPtrArray *machine_rule_list(struct store *store, GError **error);
