/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/backup_job.h"

#include "base/error.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/job_xml.h"

#include <string.h>

/* QEMU completes what is under way, which a slow disk delays. */
#define END_SECONDS 600
#define ASK_SECONDS 5
#define POLL_MIN_US 20000
#define POLL_MAX_US 1000000

char *
backup_job_socket(virDomainPtr domain)
{
    auto_text xml = virDomainBackupGetXMLDesc(domain, 0);
    if (xml == NULL)
        return NULL;
    char *socket = job_xml_socket(xml);
    return socket != NULL ? socket : g_strdup("");
}

static gboolean
runs(virDomainPtr domain, const char *socket)
{
    g_autofree char *found = backup_job_socket(domain);
    return g_strcmp0(found, socket) == 0;
}

/* Whether nothing is said of a job because nobody answers. */
static gboolean
is_silent(void)
{
    const virError *last = virGetLastError();
    return last != NULL && last->code != VIR_ERR_NO_DOMAIN_BACKUP &&
           last->code != VIR_ERR_OPERATION_INVALID && last->code != VIR_ERR_NO_DOMAIN &&
           last->code != VIR_ERR_OK;
}

gboolean
backup_job_is_gone(virDomainPtr domain, const char *socket)
{
    g_autofree char *found = backup_job_socket(domain);
    if (found != NULL)
        return strcmp(found, socket) != 0;
    const virError *last = virGetLastError();
    return last != NULL && last->code == VIR_ERR_NO_DOMAIN_BACKUP && virDomainIsActive(domain) == 1;
}

/* Asked anew now and then: one that comes while QEMU is busy with its jobs may be lost. */
gboolean
backup_job_end(virDomainPtr domain, const char *socket, GError **error)
{
    const char *name = virDomainGetName(domain);
    gint64 end = g_get_monotonic_time() + END_SECONDS * G_TIME_SPAN_SECOND, ask = 0;
    gulong pause = POLL_MIN_US;
    for (; runs(domain, socket); pause = MIN(pause * 2, POLL_MAX_US)) {
        gint64 now = g_get_monotonic_time();
        if (now > end)
            return error_set(error, SLIPWAY_ERROR_BUSY,
                             "machine %s: its backup job has not ended after %d seconds; 'virsh "
                             "domjobabort %s' ends it",
                             name, END_SECONDS, name);
        if (now >= ask && virDomainAbortJob(domain) == 0)
            ask = now + ASK_SECONDS * G_TIME_SPAN_SECOND;
        g_usleep(pause);
    }
    if (is_silent())
        return failure_set(error, "machine %s: whether its backup job has ended", name);
    return TRUE;
}
