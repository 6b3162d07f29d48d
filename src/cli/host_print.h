/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_print.h: hypervisors as text and JSON. */
#pragma once

#include "cli/ui.h"
#include "hyper/hypervisor.h"

void host_print_about(struct ui *ui, const struct hypervisor_about *about);
json_t *host_print_about_json(const struct hypervisor_about *about,
                              const struct hypervisor *hypervisor);
