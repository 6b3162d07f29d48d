/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backup_vm.h: `backup run` of virtual machines. */
#pragma once

#include "cli/session.h"

/* Each operand names machines of a hypervisor.  One that fails does not keep the others from being
 * backed up: the error is that of the first, and says how many there were. */
gboolean backup_vm_run(struct session *session, GError **error);
