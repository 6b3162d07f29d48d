/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/retain.h"

static char *
join(const GPtrArray *reasons)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < reasons->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", (const char *)reasons->pdata[i]);
    return g_string_free(text, FALSE);
}

static void
print_verdicts(struct ui *ui, const struct retain_report *report, gboolean dry_run)
{
    auto_ptr(table) table = table_new("Set", "Machine", "Time", "Fate", "Reasons", NULL);
    json_t *list = json_array();
    for (guint i = 0; report->verdicts != NULL && i < report->verdicts->len; i++) {
        const struct retain_verdict *verdict = report->verdicts->pdata[i];
        const struct set *set = verdict->entry->set;
        gboolean stays = verdict->reasons->len > 0;
        char full[SET_ID_TEXT];
        g_autofree char *id = set_print_id(&set->id), *time = set_print_time(set->created);
        g_autofree char *reasons = join(verdict->reasons);
        table_add(table, id, set->name, time,
                  stays     ? "stays"
                  : dry_run ? "would go"
                            : "deleted",
                  stays ? reasons : "-", NULL);
        json_t *words = json_array();
        for (guint k = 0; k < verdict->reasons->len; k++)
            json_array_append_new(words, json_string(verdict->reasons->pdata[k]));
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:b, s:o}", "id",
                                              set_id_format(&set->id, full), "name", set->name,
                                              "created", (json_int_t)set->created, "stays", stays,
                                              "reasons", words));
    }
    ui_table(ui, table, "no backup set is there");
    ui_set(ui, "sets", list);
}

static gboolean
expire(struct session *session, struct store *store, const char *machine,
       const struct store_retention *rule, GError **error)
{
    struct ui *ui = session_ui(session);
    gboolean dry_run = session_flag(session, OPTION_DRY_RUN);
    struct retain_report report = {0};
    gboolean ok = retain_apply(store, machine, rule, dry_run, &report, error);
    print_verdicts(ui, &report, dry_run);
    for (guint i = 0; report.damaged != NULL && i < report.damaged->len; i++)
        ui_warning(ui, "left alone: %s", (const char *)report.damaged->pdata[i]);
    g_autofree char *expired = text_count(report.expired, "set", "sets");
    ui_print(ui, "%s %s\n", dry_run ? "Would delete" : "Deleted", expired);
    ui_set(ui, "expired", json_integer(report.expired));
    ui_set(ui, "kept", json_integer(report.kept));
    ui_set(ui, "dry_run", json_boolean(dry_run));
    retain_report_clear(&report);
    return ok;
}

static gboolean
run(struct session *session, GError **error)
{
    const char *keep = session_text(session, OPTION_KEEP);
    struct store_retention rule;
    if (keep != NULL && !retain_parse(keep, &rule, error))
        return FALSE;
    struct store *store = session_store(session, error);
    if (store == NULL)
        return FALSE;
    if (!session_flag(session, OPTION_DRY_RUN) &&
        !ui_confirm(session_ui(session), "Delete the sets that the rules do not keep?", error))
        return FALSE;
    return expire(session, store, session_text(session, OPTION_MACHINE),
                  keep != NULL ? &rule : NULL, error);
}

const struct verb verb_backup_expire = {
    .name = "expire",
    .summary = "delete the sets that the retention rules do not keep",
    .description =
        "Delete the sets that the rule of their machine (`backup rule`), else that of the store, "
        "does not keep; --keep gives another one for this time. Without any rule everything "
        "stays.\n\n"
        "A rule keeps the last N sets, and the last set of each of the last days, weeks, months "
        "and "
        "years that have one; `typical` is last=5,daily=7,weekly=4,monthly=12,yearly=5. Archived "
        "sets and the newest set of a machine always stay. --dry-run says what would go and why "
        "each "
        "of the others stays. Asks first on a terminal; elsewhere --yes is needed.",
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_MACHINE, OPTION_KEEP, OPTION_DRY_RUN},
    .examples = {{"slipway backup expire --dry-run", "what the rules would do"},
                 {"slipway backup expire --name web1 --keep last=3,daily=7 --yes",
                  "one machine, by another rule"}},
    .run = run,
};
