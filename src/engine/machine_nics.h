/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_nics.h: addresses and networks of a restored machine.  Pure. */
#pragma once

#include "engine/machine_restore.h"

/* Keep or drop the MAC addresses as the options say.  `machines` (struct machine *) are those that
 * are there: SLIPWAY_ERROR_EXISTS names the one that has an address, and the ways to go on. */
gboolean machine_nics_choose_macs(struct machine *machine, const GPtrArray *machines,
                                  const struct machine_restore_options *options, GPtrArray *words,
                                  GError **error);

/* Set the network of each NIC: as mapped, or the one it was on (on the same kind of hypervisor) if
 * that is there; else none, and disconnected, so that nobody finds it where it does not belong. */
gboolean machine_nics_choose_networks(struct machine *machine, gboolean same_driver,
                                      const GPtrArray *places,
                                      const struct machine_restore_options *options,
                                      GPtrArray *words, GError **error);
