/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/machine_print.h"
#include "cli/nouns.h"
#include "cli/selection_options.h"

/* The one machine that the path and the operands name. */
static struct machine *
find(struct session *session, struct hypervisor *hypervisor, const char *path, GError **error)
{
    const char *name = session_operand(session, 1);
    struct selection selection = {
        .path = name != NULL ? name : path, .off = TRUE, .suspended = TRUE, .templates = TRUE};
    g_autoptr(GPtrArray) machines = hypervisor_list(hypervisor, error);
    g_autoptr(GPtrArray) taken =
        machines != NULL ? selection_take(&selection, machines, NULL, error) : NULL;
    if (taken == NULL)
        return NULL;
    if (taken->len != 1)
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "%s names %u machines; `slipway vm list` shows them",
                          *selection.path != '\0' ? selection.path : "/", taken->len);
    const struct machine *machine = taken->pdata[0];
    return hypervisor_describe(hypervisor, machine->ref, error);
}

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    g_autofree char *path = NULL;
    auto_ptr(hypervisor) hypervisor =
        session_hypervisor(session, session_operand(session, 0), &path, error);
    auto_ptr(machine) machine = hypervisor != NULL ? find(session, hypervisor, path, error) : NULL;
    if (machine == NULL)
        return FALSE;
    machine_print(ui, machine);
    ui_set(ui, "machine", machine_to_json(machine));
    return TRUE;
}

const struct verb verb_vm_show = {
    .name = "show",
    .summary = "show a virtual machine",
    .description =
        "Show a virtual machine: where it is, its hardware, its disks, and which of them a backup "
        "takes; with --json also the hypervisor's own description of it.",
    .operands = {{"HOST", FALSE, FALSE, COMPLETE_HOSTS, NULL},
                 {"VM", TRUE, FALSE, COMPLETE_NONE, NULL}},
    .options = {HYPERVISOR_OPTIONS},
    .examples = {{"slipway vm show vc1 app01", "by its name"},
                 {"slipway vm show vc1:/DC0/vm/prod/app01", "by its path"}},
    .run = run,
};
