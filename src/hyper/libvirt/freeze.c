/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/freeze.h"

#include "base/cancel.h"
#include "base/error.h"

struct frozen *
freeze_machine(struct hypervisor *self, const struct machine *machine,
               const struct freeze_options *options, GError **error)
{
    struct libvirt *host = (struct libvirt *)self;
    if (!cancel_check(error))
        return NULL;
    if (!host->local)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s: disks of machines on another computer cannot be read from here; run "
                          "this program there, with the same store",
                          self->label);
    virDomainPtr domain = libvirt_find(host, machine->ref, error);
    if (domain == NULL)
        return NULL;
    if (virDomainIsActive(domain) == 1)
        return freeze_running(host, domain, options, error);
    return freeze_off(host, domain, options, error);
}
