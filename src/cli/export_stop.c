/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/export.h"
#include "cli/nouns.h"
#include "cli/text.h"

static gboolean
stop(struct session *session, const struct export_running *running, json_t *stopped, GError **error)
{
    g_autofree char *what = export_print_what(running->document);
    if (!export_record_stop(running, EXPORT_STOP_SECONDS, error))
        return FALSE;
    ui_print(session_ui(session), "Stopped export %s, %s\n", running->id, what);
    json_array_append_new(stopped, json_string(running->id));
    return TRUE;
}

static gboolean
stop_all(struct session *session, json_t *stopped, GError **error)
{
    g_autoptr(GPtrArray) list = export_record_list(error);
    if (list == NULL)
        return FALSE;
    for (guint i = 0; i < list->len; i++)
        if (!stop(session, list->pdata[i], stopped, error))
            return FALSE;
    if (list->len == 0)
        ui_print(session_ui(session), "Nothing is exported\n");
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    gboolean all = session_flag(session, OPTION_ALL_EXPORTS), ok = TRUE;
    const char *const *ids = session_operands(session, 0);
    guint n = ids != NULL ? g_strv_length((char **)ids) : 0;
    if (all == (n > 0))
        return error_set(error, SLIPWAY_ERROR_USAGE, "name exports, or --all");
    json_t *stopped = json_array();
    if (all)
        ok = stop_all(session, stopped, error);
    for (guint i = 0; ok && i < n; i++) {
        auto_ptr(export_running) running = export_record_find(ids[i], error);
        ok = running != NULL && stop(session, running, stopped, error);
    }
    ui_set(session_ui(session), "stopped", stopped);
    return ok;
}

const struct verb verb_export_stop = {
    .name = "stop",
    .summary = "end exports",
    .description =
        "End exports: initiators are asked to log out, and what was written is thrown away, kept, "
        "or made a set of, as `slipway export start` was told. Waits until that is done.",
    .operands = {{"EXPORT", TRUE, TRUE, COMPLETE_NONE, NULL}},
    .options = {OPTION_ALL_EXPORTS},
    .examples = {{"slipway export stop k3x9wq", "one"}, {"slipway export stop --all", "all"}},
    .run = run,
};
