/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"

static gboolean
delete_one(struct session *session, struct store *store, const char *text, json_t *list,
           GError **error)
{
    char id[SET_ID_TEXT];
    struct set_entry *entry = store_sets_find(store, text, error);
    if (entry == NULL)
        return FALSE;
    g_autofree char *time = set_print_time(entry->set->created);
    g_autofree char *what = g_strdup_printf("%s %s (%.12s)", entry->set->name, time,
                                            set_id_format(&entry->set->id, id));
    g_autofree char *question = g_strdup_printf("Delete the set %s?", what);
    gboolean ok;
    if (entry->flags.archived)
        ok = error_set(error, SLIPWAY_ERROR_READ_ONLY,
                       "%s is archived; `slipway backup unarchive %.12s` first", what, id);
    else
        ok = session_flag(session, OPTION_DRY_RUN) ||
             (ui_confirm(session_ui(session), question, error) &&
              store_sets_remove(store, &entry->set->id, error));
    if (ok) {
        ui_print(session_ui(session), "%s %s\n",
                 session_flag(session, OPTION_DRY_RUN) ? "Would delete" : "Deleted", what);
        json_array_append_new(list, json_string(id));
    }
    set_entry_free(entry);
    return ok;
}

static gboolean
run(struct session *session, GError **error)
{
    struct store *store = session_store(session, error);
    const char *const *sets = session_operands(session, 0);
    gboolean ok = store != NULL;
    json_t *list = json_array();
    for (gsize i = 0; ok && sets[i] != NULL; i++)
        ok = delete_one(session, store, sets[i], list, error);
    ui_set(session_ui(session), "deleted", list);
    return ok;
}

const struct verb verb_backup_delete = {
    .name = "delete",
    .summary = "delete backup sets",
    .description =
        "Delete sets, in any order: every other set stays complete. Asks first on a "
        "terminal; elsewhere --yes is needed. `slipway store prune` gives the space back.",
    .operands = {{"SET", FALSE, TRUE, COMPLETE_SETS, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_DRY_RUN},
    .examples = {{"slipway backup delete 3f2a9c01 --yes", "without a question"}},
    .run = run,
};
