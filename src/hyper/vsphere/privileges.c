/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/privileges.h"

#include <string.h>

/* So many machines tell enough. */
#define MACHINES_MAX 50u

static const struct {
    const char *name;
    gboolean vital;
} needed[] = {
    {"VirtualMachine.State.CreateSnapshot", TRUE},
    {"VirtualMachine.State.RemoveSnapshot", TRUE},
    {"VirtualMachine.Config.ChangeTracking", FALSE},
    {"VirtualMachine.Provisioning.DiskRandomRead", FALSE},
};

static gsize
find_needed(const char *name)
{
    gsize i = 0;
    while (i < G_N_ELEMENTS(needed) && g_strcmp0(name, needed[i].name) != 0)
        i++;
    return i;
}

static char *
format_question(const GPtrArray *machines, const char *session)
{
    GString *arguments = g_string_new(NULL);
    for (guint i = 0; i < MIN(machines->len, MACHINES_MAX); i++)
        vim_put_moref(arguments, "entity", &((struct vim_object *)machines->pdata[i])->self);
    vim_put(arguments, "sessionId", session);
    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
        vim_put(arguments, "privId", needed[i].name);
    return g_string_free(arguments, FALSE);
}

/* Of one machine. */
static void
note_granted(const xmlNode *entity, gboolean *granted, guint *ret_told)
{
    for (const xmlNode *node = xml_child(entity, "privAvailability"); node != NULL;
         node = xml_next(node, "privAvailability")) {
        g_autofree char *name = xml_child_text(node, "privId");
        gsize i = find_needed(name);
        if (i == G_N_ELEMENTS(needed))
            continue;
        (*ret_told)++;
        granted[i] |= vim_child_boolean(node, "isGranted", FALSE);
    }
}

static GPtrArray *
list_missing(const gboolean *granted, gboolean *ret_read_only)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (granted[i])
            continue;
        g_ptr_array_add(missing, g_strdup(needed[i].name));
        *ret_read_only |= needed[i].vital;
    }
    return missing->len > 0 ? g_steal_pointer(&missing) : NULL;
}

GPtrArray *
privileges_missing(struct vim *vim, gboolean *ret_read_only)
{
    static const char *const paths[] = {"name", NULL};
    const struct moref *manager = &vim_service(vim)->authorization_manager;
    gboolean granted[G_N_ELEMENTS(needed)] = {FALSE};
    guint told = 0;
    *ret_read_only = FALSE;
    g_autofree char *session = vim_session_key(vim);
    if (manager->value == NULL || session == NULL)
        return NULL;
    g_autoptr(GPtrArray) machines = vim_find_all(vim, "VirtualMachine", NULL, paths, NULL);
    if (machines == NULL || machines->len == 0)
        return NULL;
    g_autofree char *question = format_question(machines, session);
    auto_xml_doc answer = vim_call(vim, "HasPrivilegeOnEntities", manager, question, NULL, NULL);
    for (const xmlNode *node = answer != NULL ? vim_returned(answer) : NULL; node != NULL;
         node = xml_next(node, "returnval"))
        note_granted(node, granted, &told);
    return told > 0 ? list_missing(granted, ret_read_only) : NULL;
}
