/* SPDX-License-Identifier: GPL-3.0-or-later */
/* freeze.h: one moment of a machine of libvirt.
 *
 * While it runs: a backup job in pull mode, which is an NBD server of its QEMU on a private socket,
 * and a checkpoint, from which the next one counts what changed (qcow2 only; all of a raw disk is
 * read each time).  While it is off: its images, under QEMU's own locks, so that it cannot start.
 */
#pragma once

#include "hyper/libvirt/libvirt.h"

/* The driver's freeze(). */
struct frozen *freeze_machine(struct hypervisor *self, const struct machine *machine,
                              const struct freeze_options *options, GError **error);

/* The two ways; `domain` is taken over. */
struct frozen *freeze_running(struct libvirt *host, virDomainPtr domain,
                              const struct freeze_options *options, GError **error);
struct frozen *freeze_off(struct libvirt *host, virDomainPtr domain,
                          const struct freeze_options *options, GError **error);
