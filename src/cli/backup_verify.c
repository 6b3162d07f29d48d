/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/verify.h"

static gboolean
verify_one(struct session *session, struct store *store, const struct set_entry *entry,
           json_t *results, guint *damaged, GError **error)
{
    struct ui *ui = session_ui(session);
    struct verify_options options = {
        .threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0),
        .progress = session_progress(session),
    };
    struct verify_report report = {0};
    char id[SET_ID_TEXT];
    if (!verify_and_note(store, entry, &options, &report, error))
        return FALSE;
    g_autofree char *bytes = text_bytes(report.bytes), *time = set_print_time(entry->set->created);
    ui_print(ui, "%s %s (%.12s): %s, %s read back\n", entry->set->name, time,
             set_id_format(&entry->set->id, id), report.damage->len == 0 ? "good" : "DAMAGED",
             bytes);
    set_print_damage(ui, report.damage);
    json_array_append_new(
        results, json_pack("{s:s, s:b, s:I, s:I, s:o}", "id", id, "good", report.damage->len == 0,
                           "chunks", (json_int_t)report.chunks, "bytes", (json_int_t)report.bytes,
                           "damage", set_print_damage_json(report.damage)));
    *damaged += report.damage->len > 0;
    verify_report_clear(&report);
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct store *store = session_store(session, error);
    const char *const *sets = session_operands(session, 0);
    guint damaged = 0;
    if (store == NULL)
        return FALSE;
    json_t *results = json_array();
    gboolean ok = TRUE;
    for (gsize i = 0; ok && sets[i] != NULL; i++) {
        struct set_entry *entry = store_sets_find(store, sets[i], error);
        ok = entry != NULL && verify_one(session, store, entry, results, &damaged, error);
        set_entry_free(entry);
    }
    ui_set(session_ui(session), "results", results);
    if (ok && damaged > 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "damage was found; `slipway store repair` heals what it can, and the next "
                         "backup of the machine stores again what its disks still have");
    return ok;
}

const struct verb verb_backup_verify = {
    .name = "verify",
    .summary = "read backup sets back and check every byte",
    .description =
        "Read everything that a set consists of and hold it against its digests. The "
        "result is noted with the set. `slipway store check --read-data` does it for all "
        "sets at once, reading what they share only once.",
    .operands = {{"SET", FALSE, TRUE, COMPLETE_SETS, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_WORKERS},
    .examples = {{"slipway backup verify web1 db1", "the newest sets of two machines"}},
    .run = run,
};
