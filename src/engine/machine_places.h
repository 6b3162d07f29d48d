/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_places.h: where on a hypervisor a restored machine goes.  Pure. */
#pragma once

#include "engine/machine_restore.h"

/* The place that a text means: its path, or its name.  NULL when there is none. */
const struct place *machine_places_find(const GPtrArray *places, enum place_kind kind,
                                        const char *text);
/* The same, of what a user wrote: SLIPWAY_ERROR_NOT_FOUND lists those that there are,
 * SLIPWAY_ERROR_USAGE the paths when several have the name, SLIPWAY_ERROR_UNSUPPORTED says why it
 * cannot be used now. */
const struct place *machine_places_need(const GPtrArray *places, enum place_kind kind,
                                        const char *text, GError **error);

/* The mapping for the first of `names` (ended by NULL) that has one, else the one for all; NULL:
 * none. */
const char *machine_places_map(const struct restore_mapping *mappings, guint n,
                               const char *const *names);

/* Set folder, host, cluster and pool of the machine: as the options say, or where it was (on the
 * same kind of hypervisor) if that is there, or to NULL.  `words` gets what changes. */
gboolean machine_places_choose(struct machine *machine, gboolean same_driver,
                               const GPtrArray *places,
                               const struct machine_restore_options *options, GPtrArray *words,
                               GError **error);

/* Set the datastore of each disk without a `skip`, and see that there is room: for the data of a
 * thin disk (`set` knows), for the size of others.  SLIPWAY_ERROR_LIMIT: there is not. */
gboolean machine_places_choose_datastores(struct machine *machine, gboolean same_driver,
                                          const GPtrArray *places, const struct set *set,
                                          const struct machine_restore_options *options,
                                          GPtrArray *words, GError **error);
