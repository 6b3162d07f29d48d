/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/damage_print.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"

static void
print_report(struct ui *ui, const struct checker_report *report)
{
    g_autofree char *sets = g_strdup_printf("%u", report->sets);
    g_autofree char *packs = g_strdup_printf("%u", report->packs);
    g_autofree char *chunks = g_strdup_printf("%" G_GUINT64_FORMAT, report->chunks);
    g_autofree char *bytes = text_bytes(report->read_bytes);
    g_autofree char *count = text_count(report->packs_read, "pack", "packs");
    g_autofree char *read = g_strdup_printf("%s, %s", count, bytes);
    ui_field(ui, "Sets", sets);
    ui_field(ui, "Packs", packs);
    ui_field(ui, "Chunks needed", chunks);
    ui_field(ui, "Read", report->packs_read > 0 ? read : NULL);
    damage_print(ui, report->damage);
    for (guint i = 0; i < report->notes->len; i++)
        ui_info(ui, "%s", (const char *)report->notes->pdata[i]);
}

static void
set_json(struct ui *ui, const struct checker_report *report)
{
    ui_set(ui, "sets", json_integer(report->sets));
    ui_set(ui, "packs", json_integer(report->packs));
    ui_set(ui, "chunks", json_integer((json_int_t)report->chunks));
    ui_set(ui, "read_bytes", json_integer((json_int_t)report->read_bytes));
    ui_set(ui, "packs_read", json_integer(report->packs_read));
    ui_set(ui, "damage", damage_print_json(report->damage));
    ui_set(ui, "notes", json_value_texts(report->notes));
}

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    struct checker_options options = {
        .read_data = session_flag(session, OPTION_READ_DATA),
        .threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0),
        .progress = session_progress(session),
    };
    if (!session_percent(session, OPTION_SAMPLE, &options.sample, error))
        return FALSE;
    struct store *store = session_store(session, error);
    if (store == NULL)
        return FALSE;
    struct checker_report report = {0};
    gboolean ok = checker_run(store, &options, &report, error);
    print_report(ui, &report);
    set_json(ui, &report);
    guint n = report.damage->len;
    checker_report_clear(&report);
    if (!ok || n > 0)
        return ok ? error_set(error, SLIPWAY_ERROR_CORRUPT,
                              "%s is damaged; `slipway store repair` mends what it can",
                              store_label(store))
                  : FALSE;
    ui_print(ui, "No damage was found\n");
    return TRUE;
}

const struct verb verb_store_check = {
    .name = "check",
    .summary = "is everything there, and as it was written?",
    .description =
        "Check a store: every small object and the index in full, the table of every pack, and "
        "that all that the sets need is there. --read-data reads all packs too and holds every "
        "chunk against its digest; --sample does that for a part of the packs, another one each "
        "time. For everything that is damaged it says which places of which disks of which sets "
        "need it. Nothing is changed; backups may run meanwhile.\n\n"
        "The exit code is that of damaged input when there is any damage.",
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_READ_DATA, OPTION_SAMPLE, OPTION_WORKERS},
    .examples = {{"slipway store check", "quickly"},
                 {"slipway store check --sample 5", "a twentieth of the data, every night"},
                 {"slipway store check --read-data", "everything"}},
    .run = run,
};
