/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"
#include "store/lease.h"

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    guint n = 0;
    gboolean all = session_flag(session, OPTION_ALL_LEASES);
    struct store *store = session_store(session, error);
    if (store == NULL ||
        (all && !ui_confirm(ui, "Remove the leases of writers that may still be alive?", error)) ||
        !lease_clean(store, NULL, all, NULL, &n, error))
        return FALSE;
    g_autofree char *leases = text_count(n, "lease", "leases");
    ui_print(ui, "Removed %s\n", leases);
    ui_set(ui, "removed", json_integer(n));
    return TRUE;
}

const struct verb verb_store_unlock = {
    .name = "unlock",
    .summary = "remove leases of writers that died",
    .description =
        "Remove the leases of writers that died, and what they left unfinished. Backups "
        "do that by themselves: nothing in a store blocks a backup or a restore. A lease "
        "only makes `store prune` wait with removing what its owner may rely on; the "
        "lease of a dead process of this computer ends at once, that of another computer "
        "20 minutes after it was last seen alive. --all removes those too.",
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_ALL_LEASES},
    .examples = {{"slipway store unlock", "clean up"}},
    .run = run,
};
