/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/machine_disks.h"

#include "base/error.h"

#include <string.h>

static gboolean
is_named(const char *const *names, const char *name)
{
    return names != NULL && g_strv_contains(names, name);
}

static gboolean
check_names(const struct machine *machine, const char *const *names, GError **error)
{
    for (gsize i = 0; names != NULL && names[i] != NULL; i++) {
        if (machine_find_disk(machine, names[i]) != NULL)
            continue;
        g_autoptr(GString) there = g_string_new(NULL);
        for (guint k = 0; k < machine->disks->len; k++)
            g_string_append_printf(there, "%s%s", k > 0 ? ", " : "",
                                   ((const struct machine_disk *)machine->disks->pdata[k])->name);
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s has no disk %s; it has: %s",
                         machine->name, names[i], there->len > 0 ? there->str : "none");
    }
    return TRUE;
}

/* Why a disk is left out; NULL: it is not. */
static const char *
why_out(const struct machine_disk *disk, const char *const *only, const char *const *without)
{
    if ((only != NULL && !is_named(only, disk->name)) || is_named(without, disk->name))
        return "left out, as was asked";
    return disk->skip;
}

static gboolean
check_disk(const struct machine *machine, const struct machine_disk *disk, const char *const *only,
           GError **error)
{
    if (disk->skip != NULL && is_named(only, disk->name))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "%s: disk %s cannot be backed up: %s",
                         machine->name, disk->name, disk->skip);
    if (strlen(disk->name) > SET_NAME_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: a disk has a name of more than %u bytes: %.64s...", machine->name,
                         SET_NAME_MAX, disk->name);
    return TRUE;
}

GPtrArray *
machine_disks_choose(const struct machine *machine, const char *const *only,
                     const char *const *without, GPtrArray *skipped, GError **error)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();
    if (!check_names(machine, only, error) || !check_names(machine, without, error))
        return NULL;
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = machine->disks->pdata[i];
        const char *why = why_out(disk, only, without);
        if (!check_disk(machine, disk, only, error))
            return NULL;
        if (why == NULL)
            g_ptr_array_add(chosen, disk);
        else
            g_ptr_array_add(skipped, g_strdup_printf("%s: %s", disk->name, why));
    }
    if (chosen->len > SET_DISKS_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "%s has more than %u disks", machine->name,
                          SET_DISKS_MAX);
    if (chosen->len > 0)
        return g_steal_pointer(&chosen);
    g_autoptr(GString) words = g_string_new(NULL);
    for (guint i = 0; i < skipped->len; i++)
        g_string_append_printf(words, "%s%s", i > 0 ? "; " : ": ", (const char *)skipped->pdata[i]);
    return error_null(error, SLIPWAY_ERROR_UNSUPPORTED, "%s has no disk that can be backed up%s",
                      machine->name, words->str);
}

/* ---- The set before -------------------------------------------------------------------------- */

struct machine_past {
    const struct set_entry *parent;
    gboolean full;
    struct machine *machine; /* as it was then; NULL: not known */
};

/* NULL: it has none, or none that can be read. */
static struct machine *
read_machine(struct store *store, const struct set *listed)
{
    if (g_strcmp0(listed->config_type, "machine") != 0)
        return NULL;
    struct set_entry *entry = store_sets_read(store, &listed->id, NULL);
    const char *config = entry != NULL ? entry->set->config : NULL;
    struct machine *machine = config != NULL ? machine_parse(config, strlen(config), NULL) : NULL;
    set_entry_free(entry);
    return machine;
}

struct machine_past *
machine_past_new(struct store *store, const struct set_entry *parent, gboolean full)
{
    struct machine_past *past = g_new0(struct machine_past, 1);
    past->parent = parent;
    past->full = full;
    if (parent != NULL && !full)
        past->machine = read_machine(store, parent->set);
    return past;
}

void
machine_past_free(struct machine_past *past)
{
    if (past == NULL)
        return;
    machine_free(past->machine);
    g_free(past);
}

/* A hypervisor may know changes by the disk's place alone: then those of another disk, which is
 * there now, would be taken for changes of the old one. */
static gboolean
is_same_disk(const struct machine_past *past, const struct machine_disk *disk)
{
    const struct machine_disk *old = machine_find_disk(past->machine, disk->name);
    if (old == NULL || g_strcmp0(old->key, disk->key) != 0)
        return FALSE;
    return disk->key != NULL || g_strcmp0(old->path, disk->path) == 0;
}

static const char *
why_not(const struct machine_past *past, const struct machine_disk *disk,
        const struct set_disk *old)
{
    const struct set_flags *flags = &past->parent->flags;
    if (old == NULL)
        return "the set before does not have this disk";
    if (past->machine == NULL)
        return "it cannot be read what disks the set before is of";
    if (!is_same_disk(past, disk))
        return "another disk had this name when the set before was made";
    if (flags->verified != 0 && !flags->verified_good)
        return "the set before was found to be damaged";
    if (old->change_id == NULL)
        return "changes were not tracked when the set before was made";
    return NULL;
}

struct freeze_disk
machine_past_look(const struct machine_past *past, const struct machine_disk *disk,
                  const char **ret_why)
{
    struct freeze_disk wanted = {.name = disk->name};
    *ret_why = past->full ? "a full backup was asked for" : NULL;
    if (past->full || past->parent == NULL)
        return wanted;
    const struct set_disk *old = set_find_disk(past->parent->set, disk->name);
    *ret_why = why_not(past, disk, old);
    if (*ret_why == NULL) {
        wanted.change_id = old->change_id;
        wanted.size = old->map.size;
    }
    return wanted;
}
