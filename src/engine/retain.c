/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/retain.h"

#include "base/cancel.h"
#include "base/error.h"

#include <string.h>

static const struct store_retention typical = {
    .last = 5, .daily = 7, .weekly = 4, .monthly = 12, .yearly = 5};

/* The counts of a rule: names for reading and writing, and how the calendar's periods are told
 * apart; NULL: each set is one. */
static const struct {
    const char *name;
    gsize at;
    const char *period; /* of g_date_time_format() */
} counts[] = {
    {"last", G_STRUCT_OFFSET(struct store_retention, last), NULL},
    {"daily", G_STRUCT_OFFSET(struct store_retention, daily), "%Y-%m-%d"},
    {"weekly", G_STRUCT_OFFSET(struct store_retention, weekly), "%G-W%V"},
    {"monthly", G_STRUCT_OFFSET(struct store_retention, monthly), "%Y-%m"},
    {"yearly", G_STRUCT_OFFSET(struct store_retention, yearly), "%Y"},
};

static guint
count_of(const struct store_retention *rule, gsize i)
{
    return G_STRUCT_MEMBER(guint, rule, counts[i].at);
}

static gboolean
is_all_zero(const struct store_retention *rule)
{
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        if (count_of(rule, i) > 0)
            return FALSE;
    }
    return TRUE;
}

/* ---- Words ----------------------------------------------------------------------------------- */

static gboolean
parse_part(const char *part, struct store_retention *ret, guint *seen, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        gsize length = strlen(counts[i].name);
        guint64 value;
        if (strncmp(part, counts[i].name, length) != 0 || part[length] != '=')
            continue;
        if (*seen & 1u << i)
            return error_set(error, SLIPWAY_ERROR_USAGE, "a rule names %s only once",
                             counts[i].name);
        if (!g_ascii_string_to_unsigned(part + length + 1, 10, 0, RETAIN_COUNT_MAX, &value, NULL))
            return error_set(error, SLIPWAY_ERROR_USAGE, "%s: a number from 0 to %u is wanted",
                             part, RETAIN_COUNT_MAX);
        G_STRUCT_MEMBER(guint, ret, counts[i].at) = (guint)value;
        *seen |= 1u << i;
        return TRUE;
    }
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "%s: a rule is `typical`, `all`, or a list like last=3,daily=7,weekly=4,"
                     "monthly=12,yearly=5",
                     part);
}

gboolean
retain_parse(const char *text, struct store_retention *ret, GError **error)
{
    *ret = (struct store_retention){0};
    if (g_str_equal(text, "all"))
        return TRUE;
    if (g_str_equal(text, "typical")) {
        *ret = typical;
        return TRUE;
    }
    guint seen = 0;
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    for (gsize i = 0; parts[i] != NULL; i++) {
        if (!parse_part(parts[i], ret, &seen, error))
            return FALSE;
    }
    /* Somebody who writes only zeros may mean the opposite of what they would get. */
    if (is_all_zero(ret))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "a rule that keeps nothing is none; write `all` to keep everything");
    return TRUE;
}

char *
retain_format(const struct store_retention *rule)
{
    if (is_all_zero(rule))
        return g_strdup("all");
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        if (count_of(rule, i) > 0)
            g_string_append_printf(text, "%s%s=%u", text->len > 0 ? "," : "", counts[i].name,
                                   count_of(rule, i));
    }
    return g_string_free(text, FALSE);
}

/* ---- Choosing -------------------------------------------------------------------------------- */

void
retain_verdict_free(struct retain_verdict *verdict)
{
    if (verdict == NULL)
        return;
    g_ptr_array_unref(verdict->reasons);
    g_free(verdict);
}

static void
add_reason(struct retain_verdict *verdict, const char *reason)
{
    g_ptr_array_add(verdict->reasons, g_strdup(reason));
}

/* The period in which a set was made.  A day is what the calendar calls one, whether the clock was
 * changed in it or not. */
static char *
period_of(const struct retain_verdict *verdict, const char *format, GTimeZone *zone)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(verdict->entry->set->created);
    g_autoptr(GDateTime) local = utc != NULL ? g_date_time_to_timezone(utc, zone) : NULL;
    return local != NULL ? g_date_time_format(local, format) : g_strdup("of no known time");
}

/* Number `i` of the counts, from the newest set back. */
static void
keep_by(GPtrArray *verdicts, gsize i, guint count, GTimeZone *zone)
{
    g_autofree char *last = NULL;
    guint n = 0;
    for (guint k = verdicts->len; k-- > 0 && n < count;) {
        struct retain_verdict *verdict = verdicts->pdata[k];
        if (verdict->entry->flags.archived)
            continue;
        g_autofree char *period = counts[i].period != NULL
                                      ? period_of(verdict, counts[i].period, zone)
                                      : g_strdup_printf("%u", n + 1);
        if (last != NULL && g_str_equal(period, last))
            continue;
        g_autofree char *reason = g_strdup_printf("%s %s", counts[i].name, period);
        add_reason(verdict, reason);
        g_free(last);
        last = g_steal_pointer(&period);
        n++;
    }
}

GPtrArray *
retain_choose(GPtrArray *entries, const struct store_retention *rule, GTimeZone *zone)
{
    GPtrArray *verdicts = g_ptr_array_new_with_free_func((GDestroyNotify)retain_verdict_free);
    g_autoptr(GTimeZone) used = zone != NULL ? g_time_zone_ref(zone) : g_time_zone_new_local();
    gboolean all = is_all_zero(rule);
    for (guint k = 0; k < entries->len; k++) {
        struct retain_verdict *verdict = g_new0(struct retain_verdict, 1);
        verdict->entry = entries->pdata[k];
        verdict->reasons = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(verdicts, verdict);
        if (verdict->entry->flags.archived)
            add_reason(verdict, "archived");
        else if (all)
            add_reason(verdict, "all");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++)
        keep_by(verdicts, i, count_of(rule, i), used);
    struct retain_verdict *newest = verdicts->len > 0 ? verdicts->pdata[verdicts->len - 1] : NULL;
    if (newest != NULL && newest->reasons->len == 0)
        add_reason(newest, "newest");
    return verdicts;
}

/* ---- Applying -------------------------------------------------------------------------------- */

gboolean
retain_rule_of(struct store *store, const char *name, struct store_retention *ret,
               const char **ret_origin, GError **error)
{
    const struct store_config *config = store_config(store);
    gboolean failed;
    auto_ptr(machine_rule) own = machine_rule_read(store, name, &failed, error);
    if (failed)
        return FALSE;
    *ret = own != NULL             ? own->retention
           : config->has_retention ? config->retention
                                   : (struct store_retention){0};
    if (ret_origin != NULL)
        *ret_origin = own != NULL ? "machine" : config->has_retention ? "store" : "none";
    return TRUE;
}

void
retain_report_clear(struct retain_report *report)
{
    g_clear_pointer(&report->verdicts, g_ptr_array_unref);
    g_clear_pointer(&report->entries, g_ptr_array_unref);
    g_clear_pointer(&report->damaged, g_ptr_array_unref);
    report->kept = report->expired = 0;
}

/* The sets of the machine that has this one, in their order; borrowed. */
static GPtrArray *
sets_of(GPtrArray *entries, const struct set_entry *member)
{
    GPtrArray *list = g_ptr_array_new();
    for (guint i = 0; i < entries->len; i++) {
        const struct set_entry *entry = entries->pdata[i];
        if (set_same_machine(entry->set, member->set))
            g_ptr_array_add(list, entries->pdata[i]);
    }
    return list;
}

/* The rule of the machine whose sets these are: of the newest of its names that has one, of those
 * that are not another machine's now. */
static gboolean
find_rule(struct store *store, GPtrArray *entries, const GPtrArray *sets,
          struct store_retention *ret, GError **error)
{
    const struct store_config *config = store_config(store);
    const char *last = NULL, *origin = NULL;
    *ret = config->has_retention ? config->retention : (struct store_retention){0};
    for (guint i = sets->len; i-- > 0 && g_strcmp0(origin, "machine") != 0;) {
        const struct set *set = ((const struct set_entry *)sets->pdata[i])->set;
        if (g_strcmp0(set->name, last) == 0 ||
            !set_same_machine(store_sets_owner(entries, set->name)->set, set))
            continue;
        last = set->name;
        if (!retain_rule_of(store, last, ret, &origin, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
judge_machine(struct store *store, const struct set_entry *member,
              const struct store_retention *rule, struct retain_report *report, GError **error)
{
    struct store_retention own = {0};
    g_autoptr(GPtrArray) sets = sets_of(report->entries, member);
    if (rule == NULL && !find_rule(store, report->entries, sets, &own, error))
        return FALSE;
    GPtrArray *verdicts = retain_choose(sets, rule != NULL ? rule : &own, NULL);
    for (guint i = 0; i < verdicts->len; i++) {
        const struct retain_verdict *verdict = verdicts->pdata[i];
        report->kept += verdict->reasons->len > 0;
        report->expired += verdict->reasons->len == 0;
    }
    g_ptr_array_extend_and_steal(report->verdicts, verdicts);
    return TRUE;
}

static gint
compare_names(gconstpointer left, gconstpointer right)
{
    const struct set *a = (*(const struct set_entry *const *)left)->set;
    const struct set *b = (*(const struct set_entry *const *)right)->set;
    gint order = strcmp(a->name, b->name);
    return order != 0 ? order : g_strcmp0(a->identity, b->identity);
}

/* The newest set of every machine, by its name, or of the one that is called `only`; borrowed. */
static GPtrArray *
machines_of(GPtrArray *entries, const char *only)
{
    const struct set_entry *owner = only != NULL ? store_sets_owner(entries, only) : NULL;
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) identities = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *machines = g_ptr_array_new();
    for (guint i = entries->len; i-- > 0;) {
        const struct set *set = ((const struct set_entry *)entries->pdata[i])->set;
        if (only != NULL && (owner == NULL || !set_same_machine(owner->set, set)))
            continue;
        if (set->identity != NULL ? g_hash_table_add(identities, set->identity)
                                  : g_hash_table_add(names, set->name))
            g_ptr_array_add(machines, entries->pdata[i]);
    }
    g_ptr_array_sort(machines, compare_names);
    return machines;
}

static gboolean
judge(struct store *store, const char *name, const struct store_retention *rule,
      struct retain_report *report, GError **error)
{
    g_autoptr(GPtrArray) machines = machines_of(report->entries, name);
    for (guint i = 0; i < machines->len; i++) {
        if (!judge_machine(store, machines->pdata[i], rule, report, error))
            return FALSE;
    }
    return TRUE;
}

/* Somebody may have archived a set since it was listed. */
static gboolean
expire(struct store *store, const struct set_entry *entry, gboolean *ret_gone, GError **error)
{
    g_autoptr(GError) local = NULL;
    struct set_entry *now = store_sets_read(store, &entry->set->id, &local);
    *ret_gone = now == NULL || !now->flags.archived;
    set_entry_free(now);
    if (now == NULL && !g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return !*ret_gone || store_sets_remove(store, &entry->set->id, error);
}

static gboolean
expire_all(struct store *store, struct retain_report *report, GError **error)
{
    report->expired = 0;
    for (guint i = 0; i < report->verdicts->len; i++) {
        struct retain_verdict *verdict = report->verdicts->pdata[i];
        gboolean gone;
        if (verdict->reasons->len > 0)
            continue;
        if (!cancel_check(error) || !expire(store, verdict->entry, &gone, error))
            return FALSE;
        report->expired += gone;
        report->kept += !gone;
        if (!gone)
            add_reason(verdict, "archived");
    }
    return TRUE;
}

gboolean
retain_apply(struct store *store, const char *name, const struct store_retention *rule,
             gboolean dry_run, struct retain_report *report, GError **error)
{
    *report = (struct retain_report){
        .verdicts = g_ptr_array_new_with_free_func((GDestroyNotify)retain_verdict_free)};
    report->entries = store_sets_list(store, &report->damaged, error);
    return report->entries != NULL && judge(store, name, rule, report, error) &&
           (dry_run || expire_all(store, report, error));
}
