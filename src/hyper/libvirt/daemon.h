/* SPDX-License-Identifier: GPL-3.0-or-later */
/* daemon.h: the daemon at the other end of a URI of libvirt's.
 *
 * It may be started anew at any time, as an upgrade of its package does.  Machines and their jobs
 * go on without it; connections to it, and what was made from them, are of no more use then.  So
 * whoever begins something asks here for a connection, and whoever has held a domain for long has
 * it renewed.  Only connecting is ever repeated.
 *
 * A daemon that does not answer is waited for, half a minute from when that was first seen; after
 * that each who asks tries it once, so that many machines do not wait as long each.
 *
 * Any thread, and several at once.  A connection that was replaced lasts until all who hold it, or
 * something made from it, have given it back. */
#pragma once

#include "hyper/hypervisor.h"

#include <libvirt/libvirt.h>

struct daemon;

/* Connect to it; `options` is copied, but for its progress.  Waits as long as it takes (somebody
 * may have to type a password), unless the user cancels. */
struct daemon *daemon_open(const char *uri, const struct hypervisor_options *options,
                           GError **error);
/* NULL is fine. */
void daemon_close(struct daemon *daemon);

/* A connection over which it answered just now: the one that there is, or a new one.
 * SLIPWAY_ERROR_NETWORK, SLIPWAY_ERROR_DENIED, SLIPWAY_ERROR_CANCELLED.  virConnectClose() it. */
virConnectPtr daemon_connect(struct daemon *daemon, GError **error);

/* See to it that *domain is of a connection as daemon_connect() has it: the same, or the same
 * machine anew, and the old one freed; what was borrowed from that, as its name, is gone then.
 * FALSE, and it is as it was: SLIPWAY_ERROR_NOT_FOUND, or as daemon_connect().  Goes on although
 * the user has cancelled, as what has begun has to be ended. */
gboolean daemon_renew(struct daemon *daemon, virDomainPtr *domain, GError **error);
/* The same for a volume, by its path. */
gboolean daemon_renew_volume(struct daemon *daemon, virStorageVolPtr *volume, const char *path,
                             GError **error);
