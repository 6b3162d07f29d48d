/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/checkpoint.h"

#include "base/error.h"
#include "hyper/libvirt/bitmap.h"
#include "hyper/libvirt/change_id.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/job_xml.h"

#include <libvirt/libvirt-domain-checkpoint.h>
#include <stdlib.h>
#include <string.h>

char *
checkpoint_judge(virDomainPtr domain, const char *checkpoint, const char *disk)
{
    auto_checkpoint found = virDomainCheckpointLookupByName(domain, checkpoint, 0);
    if (found == NULL)
        return g_strdup_printf("libvirt does not know checkpoint %s any more (was the machine "
                               "defined anew, or the checkpoint removed?)",
                               checkpoint);
    auto_text xml = virDomainCheckpointGetXMLDesc(found, VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN);
    if (xml == NULL || !job_xml_has_disk(xml, disk))
        return g_strdup_printf("checkpoint %s does not include this disk", checkpoint);
    return NULL;
}

gboolean
checkpoint_remove(virDomainPtr domain, const char *checkpoint, GError **error)
{
    auto_checkpoint found = virDomainCheckpointLookupByName(domain, checkpoint, 0);
    if (found == NULL && failure_is_missing())
        return TRUE;
    const char *name = virDomainGetName(domain);
    gboolean running = virDomainIsActive(domain) == 1;
    if (found != NULL && virDomainCheckpointDelete(found, 0) == 0)
        return TRUE;
    gboolean broken = found != NULL && running && failure_is_tracking();
    failure_set(error,
                "machine %s: cannot remove checkpoint %s ('virsh checkpoint-delete %s %s' does, "
                "while the machine runs)",
                name, checkpoint, name, checkpoint);
    if (!broken || virDomainCheckpointDelete(found, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) < 0)
        return FALSE;
    g_clear_error(error);
    return TRUE;
}

/* ---- All of a chain -------------------------------------------------------------------------- */

static gboolean
is_kept(const GPtrArray *keep, const char *name)
{
    for (guint i = 0; keep != NULL && i < keep->len; i++)
        if (strcmp(g_ptr_array_index(keep, i), name) == 0)
            return TRUE;
    return FALSE;
}

/* Names of those of `chain` (NULL: of any chain of ours), of char *. */
static GPtrArray *
list_names(virDomainPtr domain, const char *chain, GError **error)
{
    const char *machine = virDomainGetName(domain);
    virDomainCheckpointPtr *all = NULL;
    int n = virDomainListAllCheckpoints(domain, &all, VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL);
    if (n < 0)
        return failure_null(error, "machine %s: its checkpoints", machine);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < n; i++) {
        const char *name = virDomainCheckpointGetName(all[i]);
        if (chain != NULL ? change_id_is_of(name, chain) : g_str_has_prefix(name, "slipway-"))
            g_ptr_array_add(names, g_strdup(name));
        virDomainCheckpointFree(all[i]);
    }
    free(all);
    return names;
}

gboolean
checkpoint_sweep(virDomainPtr domain, const char *chain, const GPtrArray *keep, GError **error)
{
    if (virDomainIsActive(domain) != 1)
        return TRUE;
    g_autoptr(GPtrArray) names = list_names(domain, chain, error);
    if (names == NULL)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (!is_kept(keep, name) && !checkpoint_remove(domain, name, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
checkpoint_sweep_broken(virDomainPtr domain, const char *chain, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    return checkpoint_sweep(domain, chain, NULL, error) &&
           bitmap_remove_running(domain, chain, none, error);
}

gboolean
checkpoint_forget(virDomainPtr domain, GPtrArray *ret_names, GError **error)
{
    const char *machine = virDomainGetName(domain);
    g_autoptr(GPtrArray) names = list_names(domain, NULL, error);
    if (names == NULL)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        auto_checkpoint found = virDomainCheckpointLookupByName(domain, name, 0);
        if (found != NULL &&
            virDomainCheckpointDelete(found, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) < 0)
            return failure_set(error, "machine %s: cannot have libvirt forget checkpoint %s",
                               machine, name);
        g_ptr_array_add(ret_names, g_strdup(name));
    }
    return TRUE;
}
