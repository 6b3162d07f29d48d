/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/backup_print.h"

#include "base/error.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/retain.h"

gboolean
backup_print_verify(struct session *session, enum backup_verify *ret, GError **error)
{
    static const char *const words[] = {
        [BACKUP_VERIFY_NONE] = "none", [BACKUP_VERIFY_NEW] = "new", [BACKUP_VERIFY_ALL] = "all"};
    const char *text = session_text(session, OPTION_VERIFY);
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        if (text == NULL || g_str_equal(words[i], text)) {
            *ret = (enum backup_verify)i;
            return TRUE;
        }
    }
    return error_set(error, SLIPWAY_ERROR_USAGE, "--verify %s: none, new or all is wanted", text);
}

void
backup_print(struct ui *ui, const struct backup_report *report, const struct store *store)
{
    const struct set_stats *stats = &report->set->stats;
    static const char *const methods[][2] = {{"full", "everything was read"},
                                             {"scan", "everything was read and compared"},
                                             {"extents", "only changed extents were read"}};
    const char *how = report->set->method;
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (g_str_equal(methods[i][0], report->set->method))
            how = methods[i][1];
    }
    g_autofree char *id = set_print_id(&report->set->id), *read = text_bytes(stats->read);
    g_autofree char *size = text_bytes(stats->size), *data = text_bytes(stats->data);
    g_autofree char *changed = text_bytes(stats->changed), *unique = text_bytes(stats->unique);
    g_autofree char *stored = text_bytes(stats->stored), *memory = text_bytes(report->memory);
    g_autofree char *dedup = set_print_ratio(stats->data, stats->unique);
    g_autofree char *compression = set_print_ratio(stats->unique, stats->stored);
    double seconds = (double)MAX(report->milliseconds, 1) / 1000;
    g_autofree char *rate = text_bytes((guint64)((double)stats->read / seconds));
    ui_print(ui, "Backed up %s as set %s in %s\n", report->set->name, id, store_label(store));
    ui_print(ui, "  %-13s %s, %s of it data (%s)\n", "disks", size, data, how);
    ui_print(ui, "  %-13s %s in %.1f s (%s/s)\n", "read", read, seconds, rate);
    ui_print(ui, "  %-13s %s\n", "changed", changed);
    ui_print(ui, "  %-13s %s (deduplication %s)\n", "unique", unique, dedup);
    ui_print(ui, "  %-13s %s (compression %s)\n", "stored", stored, compression);
    ui_print(ui, "  %-13s %s\n", "memory", memory);
    if (report->verified)
        ui_print(ui, "  %-13s %s\n", "verified",
                 report->verify.damage->len == 0 ? "read back, all good" : "DAMAGED");
}

static json_t *
ratio_to_json(guint64 whole, guint64 part)
{
    return part > 0 ? json_real((double)whole / (double)part) : json_null();
}

json_t *
backup_print_json(const struct backup_report *report)
{
    struct set_entry entry = {report->set, report->flags};
    const struct set_stats *stats = &report->set->stats;
    json_t *json = set_print_json(&entry, FALSE);
    double seconds = (double)MAX(report->milliseconds, 1) / 1000;
    json_object_set_new(json, "seconds", json_real(seconds));
    json_object_set_new(json, "rate", json_real((double)stats->read / seconds));
    json_object_set_new(json, "memory", json_integer((json_int_t)report->memory));
    json_object_set_new(json, "deduplication", ratio_to_json(stats->data, stats->unique));
    json_object_set_new(json, "compression", ratio_to_json(stats->unique, stats->stored));
    if (report->verified) {
        json_object_set_new(json, "damage", set_print_damage_json(report->verify.damage));
        json_object_set_new(json, "verified_chunks",
                            json_integer((json_int_t)report->verify.chunks));
    }
    return json;
}

gboolean
backup_print_expire(struct session *session, struct store *store, const char *name,
                    guint *ret_expired, GError **error)
{
    const char *keep = session_text(session, OPTION_KEEP);
    struct store_retention rule;
    struct retain_report report = {0};
    if (keep != NULL && !retain_parse(keep, &rule, error))
        return FALSE;
    gboolean ok = retain_apply(store, name, keep != NULL ? &rule : NULL, FALSE, &report, error);
    g_autofree char *sets = text_count(report.expired, "older set", "older sets");
    if (report.expired > 0)
        ui_print(session_ui(session),
                 "Retention deleted %s; `slipway store prune` gives the space back\n", sets);
    *ret_expired = report.expired;
    retain_report_clear(&report);
    return ok;
}
