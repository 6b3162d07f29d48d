/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/depot_operands.h"

#include "base/error.h"
#include "base/url.h"

gboolean
depot_operands_find(struct session *session, GPtrArray *ret, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL)
        return FALSE;
    const char *const *names = session_operands(session, 0);
    if (names[0] == NULL)
        g_ptr_array_extend(ret, workspace_depots(workspace), NULL, NULL);
    for (gsize i = 0; names[i] != NULL; i++) {
        const struct workspace_depot *entry = workspace_find_depot(workspace, names[i]);
        if (entry == NULL) {
            g_autofree char *shown = url_redact(names[i]);
            return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                             "no depot called %s is connected; see `slipway depot list`", shown);
        }
        session_entrust(session, entry->location);
        g_ptr_array_add(ret, (gpointer)entry);
    }
    return TRUE;
}
