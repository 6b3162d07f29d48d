/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the network adapters of a new machine lead. */
#include "base/error.h"
#include "hyper/libvirt/create.h"
#include "hyper/libvirt/host_facts.h"

#include <string.h>

static gboolean
has(const GPtrArray *names, const char *name)
{
    for (guint i = 0; i < names->len; i++)
        if (strcmp(g_ptr_array_index(names, i), name) == 0)
            return TRUE;
    return FALSE;
}

static char *
join(const GPtrArray *names)
{
    g_autoptr(GString) text = g_string_new(names->len == 0 ? "none" : NULL);
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               (const char *)g_ptr_array_index(names, i));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
use_default(struct machine_nic *nic, const GPtrArray *networks, GPtrArray *words)
{
    gboolean there = has(networks, "default");
    nic->kind = there ? MACHINE_NETWORK : MACHINE_USER_NETWORK;
    g_free(nic->network);
    nic->network = there ? g_strdup("default") : NULL;
    g_ptr_array_add(words,
                    there ? g_strdup_printf("network adapter %s is at this host's network "
                                            "\"default\"",
                                            nic->name)
                          : g_strdup_printf("network adapter %s reaches the outside only, and is "
                                            "not reached from there: this host has no network "
                                            "\"default\"",
                                            nic->name));
}

static gboolean
connect_nic(struct libvirt *host, struct machine_nic *nic, const GPtrArray *networks,
            GPtrArray *words, GError **error)
{
    switch (nic->kind) {
    case MACHINE_USER_NETWORK:
    case MACHINE_OTHER_NETWORK:
        return TRUE;
    case MACHINE_NETWORK:
    case MACHINE_BRIDGE:
        break;
    default: /* another hypervisor's */
        use_default(nic, networks, words);
        return TRUE;
    }
    if (nic->network == NULL) {
        use_default(nic, networks, words);
        return TRUE;
    }
    if (nic->kind == MACHINE_BRIDGE ? host_facts_has_bridge(host, nic->network)
                                    : has(networks, nic->network))
        return TRUE;
    g_autofree char *names = join(networks);
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                     "network adapter %s: %s has no %s %s; choose another one (networks there: %s)",
                     nic->name, host->base.label,
                     nic->kind == MACHINE_BRIDGE ? "bridge" : "network", nic->network, names);
}

struct machine *
create_connect(struct libvirt *host, const struct machine *wanted, GPtrArray *words, GError **error)
{
    g_autoptr(GPtrArray) networks = host_facts_networks(host, error);
    if (networks == NULL)
        return NULL;
    auto_ptr(machine) machine = machine_copy(wanted);
    for (guint i = 0; i < machine->nics->len; i++)
        if (!connect_nic(host, g_ptr_array_index(machine->nics, i), networks, words, error))
            return NULL;
    return g_steal_pointer(&machine);
}
