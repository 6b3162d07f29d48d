/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all drivers' machines in the making have in common: each is finished or abandoned once. */
#include "base/cancel.h"
#include "base/error.h"
#include "hyper/hypervisor_driver.h"

#include <stdarg.h>

static void
free_disk(struct placement_disk *disk)
{
    disk_close(disk->target);
    g_free(disk->name);
    g_free(disk);
}

void
placement_init(struct placement *placement, const struct placement_class *class,
               struct progress *progress)
{
    placement->class = class;
    placement->disks = g_ptr_array_new_with_free_func((GDestroyNotify)free_disk);
    placement->words = g_ptr_array_new_with_free_func(g_free);
    placement->progress = progress;
}

struct placement_disk *
placement_add_disk(struct placement *placement, const char *name, guint64 size)
{
    struct placement_disk *disk = g_new0(struct placement_disk, 1);
    disk->name = g_strdup(name);
    disk->size = size;
    g_ptr_array_add(placement->disks, disk);
    return disk;
}

void
placement_say(struct placement *placement, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(placement->words, g_strdup_vprintf(format, args));
    va_end(args);
}

guint
placement_n_disks(const struct placement *placement)
{
    return placement->disks->len;
}

const struct placement_disk *
placement_get_disk(const struct placement *placement, guint index)
{
    return g_ptr_array_index(placement->disks, index);
}

const GPtrArray *
placement_words(const struct placement *placement)
{
    return placement->words;
}

gboolean
placement_import(struct placement *placement, guint index, struct disk *source,
                 struct progress *progress, GError **error)
{
    const struct placement_disk *disk =
        index < placement->disks->len ? g_ptr_array_index(placement->disks, index) : NULL;
    if (disk == NULL || placement->done || disk->target != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "disk %s takes no stream",
                         disk != NULL ? disk->name : "?");
    if (placement->class->import == NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "disk %s cannot be filled by a stream",
                         disk->name);
    if (disk_size(source) != disk->size)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "disk %s has %" G_GUINT64_FORMAT " bytes, and its source %s "
                         "%" G_GUINT64_FORMAT,
                         disk->name, disk->size, disk_label(source), disk_size(source));
    if (!cancel_check(error))
        return FALSE;
    return placement->class->import(placement, index, source, progress, error);
}

static void
close_targets(struct placement *placement)
{
    for (guint i = 0; i < placement->disks->len; i++) {
        struct placement_disk *disk = g_ptr_array_index(placement->disks, i);
        g_clear_pointer(&disk->target, disk_close);
    }
}

gboolean
placement_finish(struct placement *placement, gboolean power_on, struct machine **ret,
                 GError **error)
{
    if (placement->done)
        return error_set(error, SLIPWAY_ERROR_USAGE, "the machine was finished or given up before");
    close_targets(placement);
    struct machine *machine = NULL;
    if (!placement->class->finish(placement, power_on, ret != NULL ? &machine : NULL, error)) {
        machine_free(machine);
        return FALSE;
    }
    placement->done = TRUE;
    if (ret != NULL)
        *ret = machine;
    return TRUE;
}

gboolean
placement_abandon(struct placement *placement, GError **error)
{
    if (placement->done)
        return TRUE;
    close_targets(placement);
    if (!placement->class->abandon(placement, error))
        return FALSE;
    placement->done = TRUE;
    return TRUE;
}

void
placement_free(struct placement *placement)
{
    if (placement == NULL)
        return;
    g_autoptr(GError) error = NULL;
    if (!placement_abandon(placement, &error))
        progress_warning(placement->progress, "%s", error->message);
    g_ptr_array_unref(placement->disks);
    g_ptr_array_unref(placement->words);
    placement->class->free(placement);
}
