/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/clean.h"

#include "base/error.h"
#include "hyper/libvirt/backup_job.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/quiesce.h"
#include "hyper/libvirt/scratch.h"
#include "hyper/mark.h"

#include <stdlib.h>
#include <string.h>

/* The first failure is told; all the rest is done. */
static GError **
first(GError **failure)
{
    return *failure == NULL ? failure : NULL;
}

static void
clean_job(virDomainPtr domain, GPtrArray *words, GError **failure)
{
    g_autofree char *socket = backup_job_socket(domain);
    g_autofree char *mark = socket != NULL ? scratch_mark(socket) : NULL;
    const char *name = virDomainGetName(domain);
    if (mark == NULL)
        return;
    switch (mark_look(mark)) {
    case MARK_LEFT:
        if (backup_job_end(domain, socket, first(failure)))
            g_ptr_array_add(words, g_strdup_printf("machine %s: ended the backup job that a run of "
                                                   "this program had left",
                                                   name));
        break;
    case MARK_ELSEWHERE:
        g_ptr_array_add(words,
                        g_strdup_printf("machine %s: a backup job of this program on another "
                                        "computer runs, and was left alone",
                                        name));
        break;
    default:
        break;
    }
}

static void
clean_rest(virConnectPtr connection, const struct scratch *scratch, GPtrArray *words,
           GError **failure)
{
    g_autofree char *uuid = scratch_rest(scratch);
    if (uuid == NULL)
        return;
    auto_domain domain = virDomainLookupByUUIDString(connection, uuid);
    if (domain == NULL || virDomainIsActive(domain) != 1)
        return;
    if (quiesce_wake(domain, first(failure)))
        g_ptr_array_add(words, g_strdup_printf("machine %s: woke the file systems that a run of "
                                               "this program had left at rest",
                                               virDomainGetName(domain)));
}

static gboolean
is_used(virDomainPtr *domains, int n, const struct scratch *scratch)
{
    g_autofree char *ours = scratch_socket(scratch);
    for (int i = 0; i < n; i++) {
        g_autofree char *socket = backup_job_socket(domains[i]);
        if (g_strcmp0(socket, ours) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Of whatever machine: but not those whose job still runs. */
static void
clean_scratch(struct libvirt *host, virConnectPtr connection, virDomainPtr *domains, int n,
              GPtrArray *words, GError **failure)
{
    g_autoptr(GPtrArray) left = scratch_left(host);
    for (guint i = 0; i < left->len; i++) {
        const struct scratch *scratch = g_ptr_array_index(left, i);
        clean_rest(connection, scratch, words, failure);
        if (!is_used(domains, n, scratch) && scratch_remove(scratch, first(failure)))
            g_ptr_array_add(words, g_strdup_printf("removed %s, which a run of this program had "
                                                   "left",
                                                   scratch->path));
    }
}

gboolean
clean_host(struct hypervisor *self, const char *ref, GPtrArray *words, GError **error)
{
    struct libvirt *host = (struct libvirt *)self;
    auto_domain only = ref != NULL ? libvirt_find(host, ref, error) : NULL;
    if (ref != NULL && only == NULL)
        return FALSE;
    virDomainPtr *domains = NULL;
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return FALSE;
    int n = virConnectListAllDomains(connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0)
        return failure_set(error, "the machines of %s", self->label);
    g_autoptr(GError) failure = NULL;
    for (int i = 0; i < n; i++)
        if (only == NULL || strcmp(virDomainGetName(domains[i]), virDomainGetName(only)) == 0)
            clean_job(domains[i], words, &failure);
    clean_scratch(host, connection, domains, n, words, &failure);
    for (int i = 0; i < n; i++)
        virDomainFree(domains[i]);
    free(domains);
    if (failure == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}
