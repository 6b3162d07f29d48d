/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"

static gboolean
set_archived(struct session *session, gboolean archived, GError **error)
{
    struct store *store = session_store(session, error);
    const char *const *sets = session_operands(session, 0);
    gboolean ok = store != NULL;
    json_t *list = json_array();
    for (gsize i = 0; ok && sets[i] != NULL; i++) {
        char id[SET_ID_TEXT];
        struct set_entry *entry = store_sets_find(store, sets[i], error);
        if (entry == NULL) {
            ok = FALSE;
            break;
        }
        entry->flags.archived = archived;
        ok = store_sets_put_flags(store, &entry->set->id, &entry->flags, error);
        if (ok) {
            g_autofree char *time = set_print_time(entry->set->created);
            ui_print(session_ui(session), "%s %s (%.12s) is %s\n", entry->set->name, time,
                     set_id_format(&entry->set->id, id),
                     archived ? "archived" : "not archived any more");
            json_array_append_new(list, json_string(id));
        }
        set_entry_free(entry);
    }
    ui_set(session_ui(session), "sets", list);
    return ok;
}

static gboolean
run_archive(struct session *session, GError **error)
{
    return set_archived(session, TRUE, error);
}

static gboolean
run_unarchive(struct session *session, GError **error)
{
    return set_archived(session, FALSE, error);
}

const struct verb verb_backup_archive = {
    .name = "archive",
    .summary = "keep backup sets whatever the retention says",
    .description = "Mark sets as archived: retention never deletes them, and does not count them.",
    .operands = {{"SET", FALSE, TRUE, COMPLETE_SETS, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE},
    .examples = {{"slipway backup archive web1@2026-01-31", "keep the end of a month"}},
    .run = run_archive,
};

const struct verb verb_backup_unarchive = {
    .name = "unarchive",
    .summary = "let the retention delete archived sets again",
    .description = "Take back what `backup archive` did.",
    .operands = {{"SET", FALSE, TRUE, COMPLETE_SETS, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE},
    .examples = {{"slipway backup unarchive 3f2a9c01", "by the beginning of an id"}},
    .run = run_unarchive,
};
