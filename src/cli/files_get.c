/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"
#include "cli/session.h"
#include "engine/guest_files.h"
#include "store/store_sets.h"

static gboolean
get(struct session *session, struct store *store, const struct set *set, GError **error)
{
    struct ui *ui = session_ui(session);
    const char *target = session_text(session, OPTION_INTO);
    const char *const *paths = session_operands(session, 2);
    if (target == NULL)
        target = ".";
    /* What is in the way is better said before it takes its time. */
    for (guint i = 0; paths[i] != NULL; i++)
        if (!guest_files_check_target(paths[i], target, error))
            return FALSE;
    auto_ptr(guest_files) files = guest_files_open(store, set, session_operand(session, 1), error);
    if (files == NULL)
        return FALSE;
    json_t *copied = json_array();
    gboolean ok = TRUE;
    for (guint i = 0; ok && paths[i] != NULL; i++) {
        ok = guest_files_get(files, paths[i], target, error);
        if (ok) {
            ui_print(ui, "Copied %s\n", paths[i]);
            json_array_append_new(copied, json_string(paths[i]));
        }
    }
    ui_set(ui, "copied", copied);
    return ok;
}

static gboolean
run(struct session *session, GError **error)
{
    struct store *store = session_store(session, error);
    struct set_entry *entry =
        store != NULL ? store_sets_find(store, session_operand(session, 0), error) : NULL;
    gboolean ok = entry != NULL && get(session, store, entry->set, error);
    set_entry_free(entry);
    return ok;
}

const struct verb verb_files_get = {
    .name = "get",
    .summary = "copy files and folders out of a disk",
    .description =
        "Copy files, and folders with all that is in them, out of a disk of a set into a local "
        "folder, with their times and modes. Paths are as for `slipway files ls`. Nothing that is "
        "there is overwritten.",
    .operands = {{"SET", FALSE, FALSE, COMPLETE_SETS, NULL},
                 {"DISK", FALSE, FALSE, COMPLETE_NONE, NULL},
                 {"PATH", FALSE, TRUE, COMPLETE_NONE, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_INTO},
    .examples = {{"slipway files get web1 disk0 /etc/nginx --into /tmp/old", "a folder"}},
    .run = run,
};
