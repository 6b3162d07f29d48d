/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/damage_print.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"
#include "store/repairer.h"

static void
print_report(struct ui *ui, const struct repairer_report *report)
{
    for (guint i = 0; i < report->actions->len; i++)
        ui_print(ui, "%s\n", (const char *)report->actions->pdata[i]);
    if (report->actions->len == 0 && report->left->len == 0)
        ui_print(ui, "There is nothing to repair\n");
    damage_print(ui, report->left);
}

static void
set_json(struct ui *ui, const struct repairer_report *report, gboolean dry_run)
{
    const struct {
        const char *name;
        guint64 value;
    } members[] = {
        {"healed", report->healed},
        {"healed_blocks", report->healed_blocks},
        {"index_objects", report->index_objects},
        {"packs_listed", report->packs_listed},
        {"packs_salvaged", report->packs_salvaged},
        {"chunks_saved", report->chunks_saved},
        {"chunks_lost", report->chunks_lost},
        {"chunks_found", report->chunks_found},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
        ui_set(ui, members[i].name, json_integer((json_int_t)members[i].value));
    ui_set(ui, "dry_run", json_boolean(dry_run));
    ui_set(ui, "actions", json_value_texts(report->actions));
    ui_set(ui, "left", damage_print_json(report->left));
}

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    struct repairer_options options = {
        .read_data = session_flag(session, OPTION_READ_DATA),
        .dry_run = session_flag(session, OPTION_DRY_RUN),
        .threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0),
        .progress = session_progress(session),
    };
    struct store *store = session_store(session, error);
    if (store == NULL)
        return FALSE;
    struct repairer_report report = {0};
    gboolean ok = repairer_run(store, &options, &report, error);
    print_report(ui, &report);
    set_json(ui, &report, options.dry_run);
    guint n = report.left->len;
    repairer_report_clear(&report);
    if (ok && n > 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "some of %s stays damaged; the next backup of a disk that still has what "
                         "is lost stores it again",
                         store_label(store));
    return ok;
}

const struct verb verb_store_repair = {
    .name = "repair",
    .summary = "mend what can be mended",
    .description =
        "Mend a store: damaged objects are healed with their parity, byte for byte; the index is "
        "made again from the packs; what is whole in a pack that cannot be healed is written into "
        "a new one. Chunks that are lost for good are put on a list, so that the next backup of a "
        "disk that still has them stores them again, and older sets are whole again too. No set is "
        "removed. It may be stopped at any time; backups may run meanwhile.\n\n"
        "--read-data looks for damage in every byte, which finds more than parity and tables tell. "
        "--dry-run only says what would be done. The exit code is that of damaged input when "
        "something stays damaged.",
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_READ_DATA, OPTION_DRY_RUN, OPTION_WORKERS},
    .examples = {{"slipway store repair --dry-run", "what would be done?"},
                 {"slipway store repair --read-data",
                  "after `store check --read-data` found damage"}},
    .run = run,
};
