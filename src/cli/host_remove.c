/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "hyper/host_list.h"

static gboolean
run(struct session *session, GError **error)
{
    const char *const *names = session_operands(session, 0);
    json_t *removed = json_array();
    gboolean ok = TRUE;
    for (gsize i = 0; ok && names[i] != NULL; i++) {
        ok = host_list_remove(names[i], error);
        if (ok) {
            ui_print(session_ui(session), "Forgot %s\n", names[i]);
            json_array_append_new(removed, json_value_text(names[i]));
        }
    }
    ui_set(session_ui(session), "removed", removed);
    return ok;
}

const struct verb verb_host_remove = {
    .name = "remove",
    .summary = "forget hypervisors",
    .description = "Forget hypervisors, and the passwords that were kept for them. Backup sets of "
                   "their machines stay.",
    .operands = {{"NAME", FALSE, TRUE, COMPLETE_HOSTS, NULL}},
    .examples = {{"slipway host remove vc1", "forget one"}},
    .run = run,
};
