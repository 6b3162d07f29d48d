/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/machine_restore.h"

#include "base/cancel.h"
#include "base/error.h"
#include "engine/machine_fill.h"
#include "engine/machine_plan.h"

#include <string.h>

void
machine_restore_report_clear(struct machine_restore_report *report)
{
    machine_free(report->machine);
    g_clear_pointer(&report->words, g_ptr_array_unref);
    report->machine = NULL;
}

static void
begin(struct machine_restore_report *report)
{
    *report = (struct machine_restore_report){.words = g_ptr_array_new_with_free_func(g_free)};
}

static void
take_words(struct machine_restore_report *report, const struct placement *placement)
{
    const GPtrArray *words = placement_words(placement);
    for (guint i = 0; i < words->len; i++)
        g_ptr_array_add(report->words, g_strdup(words->pdata[i]));
}

/* Whatever happened, nothing half-made stays; what does is said with the error. */
static void
give_up(struct placement *placement, GError *why, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GError) own = why;
    if (placement_abandon(placement, &local))
        g_propagate_error(error, g_steal_pointer(&own));
    else
        g_set_error(error, own->domain, own->code, "%s; besides: %s", own->message, local->message);
}

/* A machine that is complete is not thrown away because it does not start. */
static gboolean
finish(struct placement *placement, gboolean power_on, struct progress *progress,
       struct machine_restore_report *report, GError **error)
{
    g_autoptr(GError) local = NULL;
    if (placement_finish(placement, power_on, &report->machine, &local))
        return TRUE;
    if (!power_on || g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED) ||
        !placement_finish(placement, FALSE, &report->machine, NULL)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    progress_warning(progress, "%s was restored, but does not start: %s", report->machine->name,
                     local->message);
    g_ptr_array_add(report->words, g_strdup_printf("it was to be started, and does not start: %s",
                                                   local->message));
    return TRUE;
}

/* Takes over the placement; *ret_filled (may be NULL) says, after a failure, that all disks have
 * what they are to have. */
static gboolean
complete(struct placement *given, const struct machine_fill *fill, gboolean power_on,
         struct machine_restore_report *report, gboolean *ret_filled, GError **error)
{
    auto_ptr(placement) placement = given;
    GError *local = NULL;
    gboolean filled = machine_fill_all(fill, placement, report, &local);
    if (ret_filled != NULL)
        *ret_filled = filled;
    gboolean ok = filled && cancel_check(&local) &&
                  finish(placement, power_on, fill->progress, report, &local);
    take_words(report, placement);
    if (!ok)
        give_up(placement, local, error);
    return ok;
}

/* ---- As a new machine ------------------------------------------------------------------------ */

static struct machine *
plan_it(const struct set *set, struct hypervisor *hypervisor,
        const struct machine_restore_options *options, struct machine_restore_report *report,
        GError **error)
{
    auto_ptr(machine) old = machine_plan_read(set, error);
    if (old == NULL)
        return NULL;
    if ((hypervisor_capabilities(hypervisor) & HYPERVISOR_CAN_CREATE) == 0)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s: machines cannot be made here; restore the disks to files, or to "
                          "another hypervisor",
                          hypervisor_label(hypervisor));
    g_autoptr(GPtrArray) machines = hypervisor_list(hypervisor, error);
    g_autoptr(GPtrArray) places = machines != NULL ? hypervisor_places(hypervisor, error) : NULL;
    if (places == NULL)
        return NULL;
    struct machine_plan plan = {.set = set,
                                .options = options,
                                .driver = hypervisor_driver(hypervisor),
                                .machines = machines,
                                .places = places,
                                .words = report->words};
    struct machine *wanted = machine_plan_make(&plan, old, error);
    if (wanted == NULL)
        g_prefix_error(error, "%s: ", hypervisor_label(hypervisor));
    return wanted;
}

static void
add_disks(struct machine_fill *fill, const struct machine *wanted)
{
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = wanted->disks->pdata[i];
        if (disk->skip == NULL)
            machine_fill_add(fill, disk->name, disk->name);
    }
}

gboolean
machine_restore_new(struct store *store, const struct set *set, struct hypervisor *hypervisor,
                    const struct machine_restore_options *options,
                    struct machine_restore_report *report, GError **error)
{
    gint64 start = g_get_monotonic_time();
    begin(report);
    auto_ptr(machine) wanted = plan_it(set, hypervisor, options, report, error);
    if (wanted == NULL)
        return FALSE;
    struct machine_fill fill = {
        .store = store, .set = set, .threads = options->threads, .progress = options->progress};
    add_disks(&fill, wanted);
    struct placement *placement = hypervisor_create(hypervisor, wanted, options->progress, error);
    gboolean ok =
        placement != NULL && complete(placement, &fill, options->power_on, report, NULL, error);
    if (!ok)
        g_prefix_error(error, "machine %s: ", wanted->name);
    machine_fill_clear(&fill);
    report->milliseconds = (g_get_monotonic_time() - start) / 1000;
    return ok;
}

/* ---- Over a machine -------------------------------------------------------------------------- */

static struct machine *
find_machine(const struct set *set, struct hypervisor *hypervisor, const char *ref, GError **error)
{
    g_autofree char *prefix = g_strconcat(hypervisor_driver(hypervisor), ":", NULL);
    if (ref == NULL && (set->identity == NULL || !g_str_has_prefix(set->identity, prefix)))
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "the set of %s is of no machine of %s: name the machine to write over",
                          set->name, hypervisor_label(hypervisor));
    struct machine *machine =
        hypervisor_describe(hypervisor, ref != NULL ? ref : set->identity + strlen(prefix), error);
    if (machine == NULL && ref == NULL)
        g_prefix_error(error, "the machine of this set (%s): ", set->name);
    return machine;
}

static gboolean
check_machine(const struct machine *machine, GError **error)
{
    if (machine->template)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s is a template: restore the set as a new machine", machine->name);
    if (machine->power == MACHINE_OFF)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_BUSY,
                     "%s is %s: shut it down first, as its disks are to be written", machine->name,
                     machine->power == MACHINE_ON ? "running" : "suspended");
}

/* The disk of the machine that a disk of the set is of: the same one, wherever it is attached now,
 * or else the one in its place. */
static const struct machine_disk *
find_disk(const struct machine *machine, const struct machine *old, const char *name)
{
    const struct machine_disk *was = old != NULL ? machine_find_disk(old, name) : NULL;
    for (guint i = 0; was != NULL && was->key != NULL && i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];
        if (g_strcmp0(disk->key, was->key) == 0)
            return disk;
    }
    return machine_find_disk(machine, name);
}

/* On the machine that was backed up: a disk that came into an old one's place, with what may be
 * nowhere else. */
static gboolean
check_same_disk(const struct machine *machine, const struct machine *old,
                const struct machine_disk *disk, const char *name, GError **error)
{
    const struct machine_disk *was =
        old != NULL && old->id != NULL && g_strcmp0(old->id, machine->id) == 0
            ? machine_find_disk(old, name)
            : NULL;
    if (was == NULL || was->key == NULL || disk->key == NULL || g_str_equal(was->key, disk->key))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "disk %s of %s (%s) is another one than when it was backed up (%s): name it "
                     "(--only-disk %s) if it is to be overwritten all the same",
                     disk->name, machine->name, disk->path != NULL ? disk->path : disk->key,
                     was->path != NULL ? was->path : was->key, name);
}

static gboolean
add_pair(struct machine_fill *fill, const struct machine *machine, const struct machine *old,
         const struct set_disk *stored, gboolean named, GError **error)
{
    const struct machine_disk *disk = find_disk(machine, old, stored->name);
    if (disk == NULL)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "%s has no disk %s; leave it out, or restore the set as a new machine",
                         machine->name, stored->name);
    if (disk->skip != NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "disk %s of %s cannot be written: %s",
                         disk->name, machine->name, disk->skip);
    if (disk->size != stored->map.size)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "disk %s of %s has %" G_GUINT64_FORMAT " bytes, and had %" G_GUINT64_FORMAT
                         " when it was backed up: restore the set as a new machine",
                         disk->name, machine->name, disk->size, stored->map.size);
    if (!named && !check_same_disk(machine, old, disk, stored->name, error))
        return FALSE;
    return machine_fill_add(fill, stored->name, disk->name) ||
           error_set(error, SLIPWAY_ERROR_USAGE,
                     "two disks of the set would be written to disk %s of %s", disk->name,
                     machine->name);
}

static gboolean
pair_disks(struct machine_fill *fill, const struct machine *machine,
           const struct machine_restore_options *options, GError **error)
{
    const struct set *set = fill->set;
    auto_ptr(machine) old =
        g_strcmp0(set->config_type, "machine") == 0 ? machine_plan_read(set, NULL) : NULL;
    if (old != NULL && g_strcmp0(old->driver, machine->driver) != 0)
        g_clear_pointer(&old, machine_free);
    for (gsize i = 0; options->only != NULL && options->only[i] != NULL; i++)
        if (set_need_disk(set, options->only[i], error) == NULL)
            return FALSE;
    for (guint i = 0; i < set->disks->len; i++) {
        const struct set_disk *stored = set->disks->pdata[i];
        if ((options->only == NULL || g_strv_contains(options->only, stored->name)) &&
            !add_pair(fill, machine, old, stored, options->only != NULL, error))
            return FALSE;
    }
    return fill->pairs != NULL ||
           error_set(error, SLIPWAY_ERROR_USAGE, "no disk is to be restored");
}

static gboolean
write_over(struct machine_fill *fill, struct hypervisor *hypervisor, const struct machine *machine,
           const struct machine_restore_options *options, struct machine_restore_report *report,
           GError **error)
{
    g_autofree const char **names = machine_fill_names(fill);
    struct placement *placement =
        hypervisor_overwrite(hypervisor, machine->ref, names, options->progress, error);
    if (placement == NULL)
        return FALSE;
    gboolean filled;
    if (complete(placement, fill, options->power_on, report, &filled, error))
        return TRUE;
    if (filled)
        g_prefix_error(error, "all disks of %s were written, but: ", machine->name);
    else
        g_prefix_error(
            error, "%s is partly written: do not start it, restore it once more: ", machine->name);
    return FALSE;
}

gboolean
machine_restore_over(struct store *store, const struct set *set, struct hypervisor *hypervisor,
                     const char *ref, const struct machine_restore_options *options,
                     struct machine_restore_report *report, GError **error)
{
    gint64 start = g_get_monotonic_time();
    begin(report);
    if ((hypervisor_capabilities(hypervisor) & HYPERVISOR_CAN_IN_PLACE) == 0)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s: disks of a machine cannot be written in place here; restore it as a "
                         "new machine",
                         hypervisor_label(hypervisor));
    struct machine_fill fill = {.store = store,
                                .set = set,
                                .threads = options->threads,
                                .compare = TRUE,
                                .progress = options->progress};
    auto_ptr(machine) machine = find_machine(set, hypervisor, ref, error);
    gboolean ok = machine != NULL && check_machine(machine, error) &&
                  pair_disks(&fill, machine, options, error) &&
                  write_over(&fill, hypervisor, machine, options, report, error);
    machine_fill_clear(&fill);
    report->milliseconds = (g_get_monotonic_time() - start) / 1000;
    return ok;
}
