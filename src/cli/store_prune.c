/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"
#include "store/sweeper.h"

static void
print_packs(struct ui *ui, const char *label, guint64 packs, guint64 bytes)
{
    if (packs == 0)
        return;
    g_autofree char *size = text_bytes(bytes), *count = text_count(packs, "pack", "packs");
    g_autofree char *text = g_strdup_printf("%s, %s", count, size);
    ui_field(ui, label, text);
}

static void
print_report(struct ui *ui, const struct sweeper_report *report, gboolean dry_run)
{
    g_autofree char *live = text_bytes(report->live_bytes);
    print_packs(ui, "Were there", report->packs, report->bytes);
    ui_field(ui, "Needed of it", live);
    print_packs(ui, "Not needed", report->dead_packs, report->dead_bytes);
    print_packs(ui, dry_run ? "To write anew" : "Written anew", report->moved_packs,
                report->moved_bytes);
    print_packs(ui, "As", report->written_packs, report->written_bytes);
    print_packs(ui, "Removed", report->removed_packs, report->removed_bytes);
    print_packs(ui, "Waiting", report->waiting_packs, report->waiting_bytes);
    if (report->waiting_packs > 0)
        ui_info(ui,
                "what waits may be needed by writers that are active; a later prune removes it");
    for (guint i = 0; report->notes != NULL && i < report->notes->len; i++)
        ui_warning(ui, "%s", (const char *)report->notes->pdata[i]);
}

static void
set_json(struct ui *ui, const struct sweeper_report *report, gboolean dry_run)
{
    const struct {
        const char *name;
        guint64 value;
    } members[] = {
        {"sets", report->sets},
        {"nodes", report->nodes},
        {"chunks", report->chunks},
        {"packs", report->packs},
        {"bytes", report->bytes},
        {"live_bytes", report->live_bytes},
        {"dead_packs", report->dead_packs},
        {"dead_bytes", report->dead_bytes},
        {"moved_packs", report->moved_packs},
        {"moved_bytes", report->moved_bytes},
        {"written_packs", report->written_packs},
        {"written_bytes", report->written_bytes},
        {"removed_packs", report->removed_packs},
        {"removed_bytes", report->removed_bytes},
        {"waiting_packs", report->waiting_packs},
        {"waiting_bytes", report->waiting_bytes},
        {"saved_packs", report->saved_packs},
        {"writers", report->writers},
        {"missing_chunks", report->missing_chunks},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
        ui_set(ui, members[i].name, json_integer((json_int_t)members[i].value));
    ui_set(ui, "dry_run", json_boolean(dry_run));
    ui_set(ui, "notes", json_value_texts(report->notes));
}

static gboolean
read_options(struct session *session, struct sweeper_options *options, GError **error)
{
    const struct arguments *arguments = session_arguments(session);
    struct store_config coding = {.codec = CODEC_ZSTD, .level = SWEEPER_LEVEL_DEFAULT};
    if (!session_compression(session, &coding, error))
        return FALSE;
    if (coding.codec != CODEC_ZSTD || coding.level < 1)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--optimize compresses with zstd: zstd:1 to zstd:19 is wanted");
    options->level = coding.level;
    options->optimize = session_flag(session, OPTION_OPTIMIZE);
    options->dry_run = session_flag(session, OPTION_DRY_RUN);
    options->threads = arguments_number(arguments, OPTION_WORKERS, 0);
    options->progress = session_progress(session);
    unsigned threshold = arguments_number(arguments, OPTION_THRESHOLD, G_MAXUINT);
    if (threshold != G_MAXUINT && threshold > 100)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--threshold: 0 to 100 per cent are wanted");
    options->threshold = threshold == G_MAXUINT ? -1 : (int)threshold;
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct sweeper_options options = SWEEPER_OPTIONS_DEFAULT;
    if (!read_options(session, &options, error))
        return FALSE;
    struct store *store = session_store(session, error);
    if (store == NULL)
        return FALSE;
    struct sweeper_report report = {0};
    gboolean ok = sweeper_run(store, &options, &report, error);
    print_report(session_ui(session), &report, options.dry_run);
    set_json(session_ui(session), &report, options.dry_run);
    sweeper_report_clear(&report);
    return ok;
}

const struct verb verb_store_prune = {
    .name = "prune",
    .summary = "give back the space of what no set needs",
    .description =
        "Remove what no backup set needs any more: packs of which nothing is needed, and the dead "
        "part of others, whose rest is written anew. Backups and restores may run meanwhile; what "
        "a "
        "writer that is active might rely on is removed by a later prune. It may be stopped at any "
        "time.\n\n"
        "--optimize also compresses everything again, harder and in larger groups: smaller by some "
        "per cent, and slower to read at random places. It takes processor time and is done once "
        "for each pack.",
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_DRY_RUN, OPTION_THRESHOLD, OPTION_OPTIMIZE, OPTION_COMPRESSION,
                OPTION_WORKERS},
    .examples = {{"slipway store prune", "after sets were deleted"},
                 {"slipway store prune --optimize --compression zstd:12", "at the weekend"}},
    .run = run,
};
