/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all drivers' frozen machines have in common: that each is thawed and settled once. */
#include "base/error.h"
#include "hyper/hypervisor_driver.h"

static void
free_disk(struct frozen_disk *disk)
{
    disk_close(disk->disk);
    extent_list_free(disk->changed);
    g_free(disk->name);
    g_free(disk->change_id);
    g_free(disk->why_full);
    g_free(disk);
}

void
frozen_init(struct frozen *frozen, const struct frozen_class *class,
            const struct freeze_options *options)
{
    frozen->class = class;
    frozen->disks = g_ptr_array_new_with_free_func((GDestroyNotify)free_disk);
    frozen->progress = options->progress;
}

void
frozen_begin(struct frozen *frozen)
{
    frozen->begun = g_get_monotonic_time();
}

struct frozen_disk *
frozen_add_disk(struct frozen *frozen, const char *name)
{
    struct frozen_disk *disk = g_new0(struct frozen_disk, 1);
    disk->name = g_strdup(name);
    g_ptr_array_add(frozen->disks, disk);
    return disk;
}

/* A list of changes is only as good as the claim that both disks are the same one. */
static gboolean
check_disk(struct frozen_disk *disk, const struct freeze_disk *wanted, GError **error)
{
    if (disk->disk == NULL || g_strcmp0(disk->name, wanted->name) != 0)
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "the driver opened no disk %s; please report this", wanted->name);
    guint64 size = disk_size(disk->disk);
    if (disk->changed != NULL && (wanted->change_id == NULL || wanted->size != size)) {
        g_clear_pointer(&disk->changed, extent_list_free);
        if (wanted->change_id != NULL && disk->why_full == NULL)
            disk->why_full =
                g_strdup_printf("it has %" G_GUINT64_FORMAT " bytes, and had %" G_GUINT64_FORMAT,
                                size, wanted->size);
    }
    if (disk->changed != NULL) {
        extent_list_settle(disk->changed, size);
        g_clear_pointer(&disk->why_full, g_free);
    } else if (wanted->change_id != NULL && disk->why_full == NULL) {
        disk->why_full = g_strdup("the hypervisor does not say what changed");
    }
    return TRUE;
}

gboolean
frozen_check(struct frozen *frozen, const struct freeze_options *options, GError **error)
{
    if (frozen->disks->len != options->n_disks)
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "the driver opened %u of %u disks; please report this", frozen->disks->len,
                         options->n_disks);
    for (guint i = 0; i < options->n_disks; i++)
        if (!check_disk(g_ptr_array_index(frozen->disks, i), &options->disks[i], error))
            return FALSE;
    return TRUE;
}

const char *
frozen_consistency_name(enum frozen_consistency consistency)
{
    switch (consistency) {
    case FROZEN_OFF:
        return "powered-off";
    case FROZEN_QUIESCED:
        return "quiesced";
    case FROZEN_CRASH:
        return "crash-consistent";
    }
    return "?";
}

enum frozen_consistency
frozen_consistency(const struct frozen *frozen)
{
    return frozen->consistency;
}

const char *
frozen_words(const struct frozen *frozen)
{
    return frozen->words;
}

guint
frozen_n_disks(const struct frozen *frozen)
{
    return frozen->disks->len;
}

const struct frozen_disk *
frozen_get_disk(const struct frozen *frozen, guint index)
{
    return g_ptr_array_index(frozen->disks, index);
}

gboolean
frozen_thaw(struct frozen *frozen, GError **error)
{
    if (frozen->thawed)
        return TRUE;
    for (guint i = 0; i < frozen->disks->len; i++) {
        struct frozen_disk *disk = g_ptr_array_index(frozen->disks, i);
        g_clear_pointer(&disk->disk, disk_close);
    }
    if (!frozen->class->thaw(frozen, error))
        return FALSE;
    frozen->thawed = TRUE;
    frozen->ended = g_get_monotonic_time();
    return TRUE;
}

const char *
frozen_torn(const struct frozen *frozen)
{
    return frozen->torn;
}

gboolean
frozen_settle(struct frozen *frozen, gboolean kept, GError **error)
{
    if (frozen->settled)
        return TRUE;
    if (!frozen->thawed)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "change ids are settled after the machine was thawed");
    frozen->decided = TRUE;
    if (frozen->class->settle != NULL && !frozen->class->settle(frozen, kept, error))
        return FALSE;
    frozen->settled = TRUE;
    return TRUE;
}

gint64
frozen_milliseconds(const struct frozen *frozen)
{
    if (frozen->begun == 0)
        return 0;
    gint64 until = frozen->ended != 0 ? frozen->ended : g_get_monotonic_time();
    return (until - frozen->begun) / 1000;
}

/* What was decided, but failed, is not decided otherwise here: change ids that a stored set has may
 * be unknown to the hypervisor next time, but not those of a set that it never heard of be good. */
void
frozen_free(struct frozen *frozen)
{
    if (frozen == NULL)
        return;
    g_autoptr(GError) error = NULL;
    if (!frozen_thaw(frozen, &error) || (!frozen->decided && !frozen_settle(frozen, FALSE, &error)))
        progress_warning(frozen->progress, "%s", error->message);
    g_ptr_array_unref(frozen->disks);
    g_free(frozen->words);
    g_free(frozen->torn);
    frozen->class->free(frozen);
}
