/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "engine/retain.h"
#include "store/machine_rule.h"

static void
add_rule(struct table *table, json_t *list, const char *name, const struct store_retention *rule)
{
    g_autofree char *text = retain_format(rule);
    table_add(table, name != NULL ? name : "(all others)", text, NULL);
    json_array_append_new(list,
                          json_pack("{s:o, s:s}", "machine", json_value_text(name), "keep", text));
}

static gboolean
list_rules(struct session *session, struct store *store, GError **error)
{
    g_autoptr(GPtrArray) rules = machine_rule_list(store, error);
    if (rules == NULL)
        return FALSE;
    auto_ptr(table) table = table_new("Machine", "Keeps", NULL);
    json_t *list = json_array();
    for (guint i = 0; i < rules->len; i++) {
        const struct machine_rule *rule = rules->pdata[i];
        add_rule(table, list, rule->name, &rule->retention);
    }
    add_rule(table, list, NULL, &store_config(store)->retention);
    ui_table(session_ui(session), table, "no rule");
    ui_set(session_ui(session), "rules", list);
    return TRUE;
}

/* The rule of the store, for machines without one. */
static gboolean
set_default(struct session *session, struct store *store, const struct store_retention *retention,
            GError **error)
{
    struct store_config config = *store_config(store);
    config.has_retention = TRUE;
    config.retention = *retention;
    if (!store_set_config(store, &config, error))
        return FALSE;
    g_autofree char *text = retain_format(retention);
    ui_print(session_ui(session), "Machines without a rule of their own keep: %s\n", text);
    return TRUE;
}

static gboolean
set_rule(struct session *session, struct store *store, const char *machine, const char *keep,
         GError **error)
{
    struct store_retention retention;
    if (g_str_equal(keep, "default") && machine != NULL) {
        if (!machine_rule_remove(store, machine, error))
            return FALSE;
        ui_print(session_ui(session), "%s has no rule of its own any more\n", machine);
        return TRUE;
    }
    if (!retain_parse(keep, &retention, error))
        return FALSE;
    if (machine == NULL)
        return set_default(session, store, &retention, error);
    struct machine_rule rule = {(char *)machine, retention};
    if (!machine_rule_put(store, &rule, error))
        return FALSE;
    g_autofree char *text = retain_format(&retention);
    ui_print(session_ui(session), "%s keeps: %s\n", machine, text);
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    const char *machine = session_operand(session, 0);
    const char *keep = session_text(session, OPTION_KEEP);
    struct store *store = session_store(session, error);
    if (store == NULL)
        return FALSE;
    if (keep != NULL)
        return set_rule(session, store, machine, keep, error);
    if (machine != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "what shall %s keep? --keep RULE is missing; without a machine the rules "
                         "are listed",
                         machine);
    return list_rules(session, store, error);
}

const struct verb verb_backup_rule = {
    .name = "rule",
    .summary = "list or set how long the sets of machines are kept",
    .description =
        "Without anything list the retention rules. With --keep set the rule of MACHINE, "
        "or without MACHINE that of the store, for all machines without one of their own. "
        "--keep default takes a machine's own rule away. Rules are applied after each "
        "backup that went well, and by `backup expire`.",
    .operands = {{"MACHINE", TRUE, FALSE, COMPLETE_MACHINES, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_KEEP},
    .examples = {{"slipway backup rule --keep typical", "for every machine"},
                 {"slipway backup rule db1 --keep last=30,monthly=24", "one machine"}},
    .run = run,
};
