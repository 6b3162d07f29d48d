/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"

/* What each machine with an identity is called now, as its newest set says: by the identity;
 * borrowed. */
static GHashTable *
find_names(const GPtrArray *list)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < list->len; i++) {
        const struct set *set = ((const struct set_entry *)list->pdata[i])->set;
        if (set->identity != NULL)
            g_hash_table_insert(names, set->identity, set->name);
    }
    return names;
}

static const char *
name_now(GHashTable *names, const struct set *set)
{
    return set->identity != NULL ? g_hash_table_lookup(names, set->identity) : set->name;
}

/* By the name that the set has, or that its machine has now. */
static gboolean
is_wanted(const struct session *session, const struct set *set, const char *now)
{
    const char *const *patterns = session_list(session, OPTION_MACHINES);
    for (gsize i = 0; patterns != NULL && patterns[i] != NULL; i++) {
        if (g_pattern_match_simple(patterns[i], set->name) ||
            g_pattern_match_simple(patterns[i], now))
            return TRUE;
    }
    return patterns == NULL;
}

static char *
describe_state(const struct set_entry *entry)
{
    const struct set_flags *flags = &entry->flags;
    GString *text = g_string_new(NULL);
    if (flags->archived)
        g_string_append(text, "archived");
    if (flags->verified != 0)
        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "",
                               flags->verified_good ? "verified" : "DAMAGED");
    if (flags->booted != 0) {
        g_autofree char *time = set_print_time(flags->booted);
        g_string_append_printf(text, "%s%s %.10s", text->len > 0 ? ", " : "",
                               flags->booted_good ? "booted" : "NO BOOT", time);
    }
    if (text->len == 0)
        g_string_append_c(text, '-');
    return g_string_free(text, FALSE);
}

static void
add_row(struct table *table, const struct set_entry *entry, const char *now)
{
    const struct set *set = entry->set;
    g_autofree char *id = set_print_id(&set->id), *time = set_print_time(set->created);
    g_autofree char *size = text_bytes(set->stats.size), *data = text_bytes(set->stats.data);
    g_autofree char *stored = text_bytes(set->stats.stored), *state = describe_state(entry);
    g_autofree char *disks = g_strdup_printf("%u", set->disks->len);
    g_autofree char *name = g_str_equal(now, set->name)
                                ? g_strdup(set->name)
                                : g_strdup_printf("%s (now %s)", set->name, now);
    table_add(table, id, name, time, disks, size, data, stored, state, NULL);
}

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    struct store *store = session_store(session, error);
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) list = store != NULL ? store_sets_list(store, &damaged, error) : NULL;
    if (list == NULL)
        return FALSE;
    auto_ptr(table) table =
        table_new("Set", "Machine", "Time", ">Disks", ">Size", ">Data", ">Stored", "State", NULL);
    g_autoptr(GHashTable) names = find_names(list);
    json_t *json = json_array();
    for (guint i = 0; i < list->len; i++) {
        const struct set *set = ((const struct set_entry *)list->pdata[i])->set;
        const char *now = name_now(names, set);
        if (!is_wanted(session, set, now))
            continue;
        add_row(table, list->pdata[i], now);
        json_t *item = set_print_json(list->pdata[i], FALSE);
        json_object_set_new(item, "name_now", json_value_text(now));
        json_array_append_new(json, item);
    }
    for (guint i = 0; i < damaged->len; i++)
        ui_warning(ui, "%s", (const char *)damaged->pdata[i]);
    ui_table(ui, table, "no backup set is there; `slipway backup run` makes one");
    ui_set(ui, "sets", json);
    return TRUE;
}

const struct verb verb_backup_list = {
    .name = "list",
    .summary = "list backup sets",
    .description = "List the sets of the store, oldest first. Stored is what a set added to the "
                   "store when it was made. Sets of a virtual machine that was renamed since say "
                   "what it is called now; --name takes either name.",
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_MACHINES},
    .examples = {{"slipway backup list --name 'web*'", "the sets of some machines"}},
    .run = run,
};
