/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/machine_plan.h"

#include "base/error.h"
#include "engine/machine_nics.h"
#include "engine/machine_places.h"
#include "hyper/machine_convert.h"

#include <string.h>

struct machine *
machine_plan_read(const struct set *set, GError **error)
{
    char id[SET_ID_TEXT];
    set_id_format(&set->id, id);
    if (set->config == NULL || g_strcmp0(set->config_type, "machine") != 0)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "set %s of %s has no description of a machine, as it was not made from a "
                          "hypervisor; `slipway restore disk` restores its disks",
                          id, set->name);
    struct machine *machine = machine_parse(set->config, strlen(set->config), error);
    if (machine == NULL)
        g_prefix_error(error, "set %s of %s: ", id, set->name);
    return machine;
}

/* ---- Name ------------------------------------------------------------------------------------ */

static gboolean
choose_name(struct machine *machine, const struct machine_plan *plan, GError **error)
{
    const struct machine_restore_options *options = plan->options;
    const char *suffix = options->suffix != NULL ? options->suffix : "-restored";
    const char *old = machine->name != NULL ? machine->name : plan->set->name;
    char *name = options->name != NULL ? g_strdup(options->name) : g_strconcat(old, suffix, NULL);
    g_free(machine->name);
    machine->name = name;
    return *name != '\0' || error_set(error, SLIPWAY_ERROR_USAGE, "the new machine has no name");
}

/* In one folder no two have the same name; a hypervisor without folders is one. */
static gboolean
check_name(const struct machine *machine, const struct machine_plan *plan, GError **error)
{
    for (guint i = 0; i < plan->machines->len; i++) {
        const struct machine *there = plan->machines->pdata[i];
        if (g_strcmp0(there->name, machine->name) != 0 ||
            (there->folder != NULL && g_strcmp0(there->folder, machine->folder) != 0))
            continue;
        return error_set(
            error, SLIPWAY_ERROR_EXISTS,
            "there is a machine %s%s%s already: give the new one another name (--name, "
            "--suffix)%s, or restore over it (--in-place)",
            machine->name, there->folder != NULL ? " in " : "",
            there->folder != NULL ? there->folder : "", there->folder != NULL ? " or folder" : "");
    }
    return TRUE;
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static gboolean
check_only(const struct machine_plan *plan, GError **error)
{
    const char *const *only = plan->options->only;
    for (gsize i = 0; only != NULL && only[i] != NULL; i++)
        if (set_need_disk(plan->set, only[i], error) == NULL)
            return FALSE;
    return TRUE;
}

static void
leave_out(struct machine_disk *disk, const char *why, GPtrArray *words)
{
    g_ptr_array_add(words, g_strdup_printf("disk %s is left out: %s", disk->name, why));
    g_free(disk->skip);
    disk->skip = g_strdup(why);
}

/* The set has what was backed up, the machine had perhaps more. */
static gboolean
choose_disks(struct machine *machine, const struct machine_plan *plan, GError **error)
{
    const char *const *only = plan->options->only;
    guint n = 0;
    if (!check_only(plan, error))
        return FALSE;
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = machine->disks->pdata[i];
        const struct set_disk *stored = set_find_disk(plan->set, disk->name);
        if (stored == NULL) {
            g_autofree char *why = g_strdup(disk->skip);
            leave_out(disk, why != NULL ? why : "it is not in the set", plan->words);
        } else if (only != NULL && !g_strv_contains(only, disk->name)) {
            leave_out(disk, "it was not asked for", plan->words);
        } else {
            g_clear_pointer(&disk->skip, g_free);
            disk->size = stored->map.size;
            n++;
        }
    }
    for (guint i = 0; i < plan->set->disks->len; i++) {
        const struct set_disk *stored = plan->set->disks->pdata[i];
        if (machine_find_disk(machine, stored->name) == NULL)
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "the description of the machine does not have disk %s of the set; "
                             "`slipway restore disk` restores it",
                             stored->name);
    }
    return n > 0 || error_set(error, SLIPWAY_ERROR_USAGE, "no disk is to be restored");
}

/* ---- All of it ------------------------------------------------------------------------------- */

static struct machine *
convert(const struct machine *old, const struct machine_plan *plan, GError **error)
{
    g_autoptr(GPtrArray) words = NULL;
    struct machine *machine = machine_convert(old, plan->driver, plan->options->bus,
                                              plan->options->nic_model, &words, error);
    for (guint i = 0; machine != NULL && words != NULL && i < words->len; i++)
        g_ptr_array_add(plan->words, g_strdup(words->pdata[i]));
    return machine;
}

/* Another machine than the old one, which may still be there. */
static void
renew(struct machine *machine, const struct machine_plan *plan)
{
    g_clear_pointer(&machine->id, g_free);
    g_clear_pointer(&machine->ref, g_free);
    machine->template = FALSE;
    machine->power = MACHINE_OFF;
    if (!plan->options->new_uuid)
        return;
    g_free(machine->uuid);
    machine->uuid = g_uuid_string_random();
}

struct machine *
machine_plan_make(const struct machine_plan *plan, const struct machine *old, GError **error)
{
    const struct machine_restore_options *options = plan->options;
    gboolean same = g_strcmp0(old->driver, plan->driver) == 0;
    auto_ptr(machine) machine = convert(old, plan, error);
    if (machine == NULL)
        return NULL;
    renew(machine, plan);
    gboolean ok =
        choose_name(machine, plan, error) && choose_disks(machine, plan, error) &&
        machine_places_choose(machine, same, plan->places, options, plan->words, error) &&
        check_name(machine, plan, error) &&
        machine_nics_choose_macs(machine, plan->machines, options, plan->words, error) &&
        machine_nics_choose_networks(machine, same, plan->places, options, plan->words, error) &&
        machine_places_choose_datastores(machine, same, plan->places, plan->set, options,
                                         plan->words, error);
    return ok ? g_steal_pointer(&machine) : NULL;
}
