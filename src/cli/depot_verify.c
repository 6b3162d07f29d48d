/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/depot_verify.h"

#include "base/cancel.h"
#include "base/error.h"
#include "cli/depot_operands.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/text.h"

struct verification {
    struct session *session;
    const struct depot_context *context;
    json_t *list;
    guint packages, damaged;
    char *first_damage;
    GError *first_failure; /* of the depots that could not be verified */
};

static void
report_damage(struct verification *run, const struct workspace_depot *entry,
              const struct depot_damage *damage)
{
    const char *id = damage->package->vib->id;
    ui_print(session_ui(run->session), "  %s: %s\n", id, (char *)damage->reasons->pdata[0]);
    if (run->first_damage == NULL)
        run->first_damage =
            g_strdup_printf("depot %s: %s: %s", entry->name, id, (char *)damage->reasons->pdata[0]);
}

static void
report(struct verification *run, const struct workspace_depot *entry,
       const struct depot_verification *found)
{
    struct ui *ui = session_ui(run->session);
    g_autofree char *packages = text_count(found->packages, "VIB", "VIBs");
    if (found->damaged->len == 0)
        ui_print(ui, "%s: %s, all good\n", entry->name, packages);
    else
        ui_print(ui, "%s: %u of %s damaged or missing\n", entry->name, found->damaged->len,
                 packages);
    for (guint i = 0; i < found->damaged->len; i++)
        report_damage(run, entry, found->damaged->pdata[i]);
    if (found->dropped > 0)
        ui_info(ui,
                "the damaged copies of VIBs of depot %s are thrown away; they are fetched again "
                "when they are needed",
                entry->name);
    json_t *object = json_value_verification(found);
    json_object_set_new(object, "name", json_value_text(entry->name));
    json_object_set_new(object, "location", json_value_text(entry->title));
    json_array_append_new(run->list, object);
}

static struct depot_verification *
load_and_verify(struct verification *run, const struct workspace_depot *entry, GError **error)
{
    auto_ptr(depot) depot = depot_load(entry->location, run->context, error);
    auto_ptr(depot_verification) found =
        depot != NULL
            ? depot_verify(depot, run->context, session_workspace(run->session, NULL), error)
            : NULL;
    if (found == NULL)
        return NULL;
    report(run, entry, found); /* while the depot is here, which it borrows from */
    return g_steal_pointer(&found);
}

/* One depot that fails does not keep the others from being verified. */
static gboolean
verify_one(struct verification *run, const struct workspace_depot *entry, GError **error)
{
    GError *reason = NULL;
    auto_ptr(depot_verification) found = load_and_verify(run, entry, &reason);
    if (found != NULL) {
        run->packages += found->packages;
        run->damaged += found->damaged->len;
        return TRUE;
    }
    if (reason->code == SLIPWAY_ERROR_CANCELLED) {
        g_propagate_error(error, reason);
        return FALSE;
    }
    g_prefix_error(&reason, "depot %s: ", entry->name);
    if (run->first_failure == NULL) {
        run->first_failure = reason;
        return TRUE;
    }
    ui_warning(session_ui(run->session), "%s", reason->message);
    g_error_free(reason);
    return TRUE;
}

static gboolean
conclude(struct verification *run, GError **error)
{
    if (run->damaged > 0) {
        if (run->first_failure != NULL)
            ui_warning(session_ui(run->session), "%s", run->first_failure->message);
        g_autofree char *packages = text_count(run->packages, "VIB", "VIBs");
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%u of %s damaged or missing: no image with them can be exported; get the "
                         "depot again; the first: %s",
                         run->damaged, packages, run->first_damage);
    }
    if (run->first_failure == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&run->first_failure));
    return FALSE;
}

static gboolean
verify_all(struct verification *run, const GPtrArray *depots, GError **error)
{
    for (guint i = 0; i < depots->len; i++)
        if (!cancel_check(error) || !verify_one(run, depots->pdata[i], error))
            return FALSE;
    return conclude(run, error);
}

static gboolean
run(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) depots = g_ptr_array_new();
    if (!depot_operands_find(session, depots, error))
        return FALSE;
    struct verification run = {.session = session, .context = session_context(session, error)};
    if (run.context == NULL)
        return FALSE;
    run.list = json_array();
    if (depots->len == 0)
        ui_print(session_ui(session), "no depot is connected\n");
    gboolean ok = verify_all(&run, depots, error);
    ui_set(session_ui(session), "depots", run.list);
    g_clear_error(&run.first_failure);
    g_free(run.first_damage);
    return ok;
}

const struct verb verb_depot_verify = {
    .name = "verify",
    .summary = "check every VIB of connected depots",
    .description =
        "Read every VIB of the depots, all connected ones without DEPOT, and hold it against what "
        "its depot says of it and against all its checksums, as an export does. VIBs on servers "
        "are fetched first, all of them, which may be much; a damaged copy of one is thrown "
        "away.\n\n"
        "What is good is remembered by the SHA-256 of its file, which alone is checked next time, "
        "here and by exports. Signatures are checked by exports and by `slipway vib verify`.",
    .operands = {{"DEPOT", TRUE, TRUE, COMPLETE_DEPOTS, NULL}},
    .examples = {{"slipway depot verify", "all connected depots"},
                 {"slipway depot verify drivers --json",
                  "one depot, and what is wrong with it for a program"}},
    .run = run,
};
