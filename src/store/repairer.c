/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The order: what parity heals is as it was and needs nothing else; then the index, without which
 * chunks are not found; then a check, which says what is damaged still; then what is whole of that
 * moves; and what is lost at the end is what a last check does not find.  Each step leaves a store
 * with which the next run goes on. */
#include "store/repairer.h"

#include "base/cancel.h"
#include "base/error.h"
#include "store/repairer_private.h"

void
repairer_report_clear(struct repairer_report *report)
{
    g_clear_pointer(&report->actions, g_ptr_array_unref);
    g_clear_pointer(&report->left, g_ptr_array_unref);
}

void
repairer_act(struct repair *repair, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_ptr_array_add(repair->report->actions, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
repairer_mend(struct repair *repair, const char *object)
{
    g_hash_table_add(repair->mended, g_strdup(object));
}

gboolean
repairer_is_damage(const GError *why)
{
    return g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
           g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT) ||
           g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_IO) ||
           g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED) ||
           g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

gboolean
repairer_look(struct repair *repair, GError **error)
{
    g_autoptr(GPtrArray) leases = lease_list(repair->store, NULL, error);
    if (leases == NULL)
        return FALSE;
    repair->writers = 0;
    for (guint i = 0; i < leases->len; i++) {
        const struct lease_info *info = leases->pdata[i];
        if (info->dead || (repair->lease != NULL && g_str_equal(info->id, lease_id(repair->lease))))
            continue;
        if (info->kind == LEASE_WRITER)
            repair->writers++;
        else if (repair->lease != NULL)
            return error_set(error, SLIPWAY_ERROR_BUSY,
                             "a prune or repair of %s by process %" G_GINT64_FORMAT
                             " on %s is running; try again when it is done",
                             store_label(repair->store), info->pid,
                             info->host != NULL ? info->host : "another host");
    }
    return TRUE;
}

/* One's own lease first: of two that begin at once at least one sees the other. */
static gboolean
begin(struct repair *repair, GError **error)
{
    if (!repair->options->dry_run) {
        repair->lease = lease_take(repair->store, LEASE_PRUNE, error);
        if (repair->lease == NULL ||
            !lease_clean(repair->store, NULL, FALSE, repair->lease, NULL, error))
            return FALSE;
    }
    return repairer_look(repair, error);
}

static gboolean
check(struct repair *repair, struct checker_report *ret, GError **error)
{
    struct checker_options options = {
        .read_data = repair->options->read_data,
        .threads = repair->options->threads,
        .progress = repair->options->progress,
    };
    checker_report_clear(ret);
    return checker_run(repair->store, &options, ret, error);
}

/* Of a dry run: what would be mended does not count. */
static void
keep_left(struct repair *repair, struct checker_report *found)
{
    g_clear_pointer(&repair->report->left, g_ptr_array_unref);
    repair->report->left = g_steal_pointer(&found->damage);
    for (guint i = repair->report->left->len; repair->lease == NULL && i-- > 0;) {
        const struct checker_damage *damage = repair->report->left->pdata[i];
        if (damage->kind == CHECKER_INDEX ||
            (damage->object != NULL && g_hash_table_contains(repair->mended, damage->object)))
            g_ptr_array_remove_index(repair->report->left, i);
    }
}

static gboolean
run(struct repair *repair, struct checker_report *found, GError **error)
{
    if (!begin(repair, error) || !repairer_doomed(repair, error) || !repairer_heal(repair, error) ||
        !repairer_index(repair, error) || !check(repair, found, error))
        return FALSE;
    guint before = repair->report->actions->len;
    if (!repairer_salvage(repair, found, error))
        return FALSE;
    if (repair->lease != NULL && repair->report->actions->len > before &&
        !check(repair, found, error))
        return FALSE;
    return repairer_lost(repair, found, error);
}

gboolean
repairer_run(struct store *store, const struct repairer_options *options,
             struct repairer_report *report, GError **error)
{
    struct repair repair = {.store = store, .options = options, .report = report};
    struct checker_report found = {0};
    *report = (struct repairer_report){
        .actions = g_ptr_array_new_with_free_func(g_free),
        .left = g_ptr_array_new(),
    };
    repair.mended = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gboolean ok = run(&repair, &found, error);
    if (ok)
        keep_left(&repair, &found);
    checker_report_clear(&found);
    g_hash_table_unref(repair.mended);
    lease_release(repair.lease);
    return ok;
}
