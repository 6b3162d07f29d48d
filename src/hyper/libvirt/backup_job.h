/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backup_job.h: the backup job of a machine, of which libvirt allows one at a time. */
#pragma once

#include "hyper/libvirt/libvirt.h"

/* The socket of the job that runs ("" when it has none); NULL: no job runs.  g_free() it. */
char *backup_job_socket(virDomainPtr domain);

/* TRUE when it is known that the job whose socket is `socket` is not there any more, on a machine
 * that still runs. */
gboolean backup_job_is_gone(virDomainPtr domain, const char *socket);

/* End the job whose socket is `socket`, and wait until it has; another one's is left alone.  TRUE
 * too when there is none.  Does not listen to cancel.h. */
gboolean backup_job_end(virDomainPtr domain, const char *socket, GError **error);
