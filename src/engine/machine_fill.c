/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/machine_fill.h"

#include "base/error.h"
#include "engine/restore.h"
#include "engine/set_cache.h"

struct pair {
    char *from, *to;
};

static void
free_pair(gpointer data)
{
    struct pair *pair = data;
    g_free(pair->from);
    g_free(pair->to);
    g_free(pair);
}

void
machine_fill_clear(struct machine_fill *fill)
{
    g_clear_pointer(&fill->pairs, g_ptr_array_unref);
}

gboolean
machine_fill_add(struct machine_fill *fill, const char *from, const char *to)
{
    if (fill->pairs == NULL)
        fill->pairs = g_ptr_array_new_with_free_func(free_pair);
    for (guint i = 0; i < fill->pairs->len; i++)
        if (g_str_equal(((const struct pair *)fill->pairs->pdata[i])->to, to))
            return FALSE;
    struct pair *pair = g_new0(struct pair, 1);
    pair->from = g_strdup(from);
    pair->to = g_strdup(to);
    g_ptr_array_add(fill->pairs, pair);
    return TRUE;
}

const char **
machine_fill_names(const struct machine_fill *fill)
{
    guint n = fill->pairs != NULL ? fill->pairs->len : 0;
    const char **names = g_new0(const char *, n + 1);
    for (guint i = 0; i < n; i++)
        names[i] = ((const struct pair *)fill->pairs->pdata[i])->to;
    return names;
}

static gboolean
find_target(const struct placement *placement, const char *name, guint *ret, GError **error)
{
    for (*ret = 0; *ret < placement_n_disks(placement); ++*ret)
        if (g_str_equal(placement_get_disk(placement, *ret)->name, name))
            return TRUE;
    return error_set(error, SLIPWAY_ERROR_FAILED,
                     "the hypervisor made no disk %s; please report this", name);
}

static gboolean
write_target(const struct machine_fill *fill, struct locator *locator, const char *from,
             const struct placement_disk *disk, struct machine_restore_report *report,
             GError **error)
{
    struct restore_report own;
    struct restore_options options = {
        .threads = fill->threads,
        .compare = fill->compare,
        .target_is_zero = disk->zero && !fill->compare,
        .progress = fill->progress,
    };
    gboolean ok =
        restore_disk(fill->store, locator, fill->set, from, disk->target, &options, &own, error);
    report->written += own.written + own.zeroed;
    report->skipped += own.skipped;
    restore_report_clear(&own);
    return ok;
}

/* A stream is made in one go, by few threads, so that what comes next is decompressed ahead. */
static gboolean
send_stream(const struct machine_fill *fill, struct locator *locator, const char *from,
            struct placement *placement, guint index, struct machine_restore_report *report,
            GError **error)
{
    struct set_cache_options options = {.threads = fill->threads};
    const struct set_disk *stored = set_need_disk(fill->set, from, error);
    auto_ptr(set_cache) cache =
        stored != NULL ? set_cache_new(fill->store, locator, &options, error) : NULL;
    auto_ptr(disk) source = cache != NULL ? set_cache_open(cache, fill->set, from, error) : NULL;
    if (source == NULL)
        return FALSE;
    progress_begin(fill->progress, disk_size(source), PROGRESS_BYTES, "restoring %s of %s", from,
                   fill->set->name);
    gboolean ok = placement_import(placement, index, source, fill->progress, error);
    progress_end(fill->progress, ok);
    if (!ok)
        return FALSE;
    report->written += MIN(stored->data, stored->map.size);
    report->skipped += stored->map.size - MIN(stored->data, stored->map.size);
    return TRUE;
}

static gboolean
fill_one(const struct machine_fill *fill, struct locator *locator, const struct pair *pair,
         struct placement *placement, struct machine_restore_report *report, GError **error)
{
    guint index;
    if (!find_target(placement, pair->to, &index, error))
        return FALSE;
    const struct placement_disk *disk = placement_get_disk(placement, index);
    if (disk->target != NULL)
        return write_target(fill, locator, pair->from, disk, report, error);
    return send_stream(fill, locator, pair->from, placement, index, report, error);
}

gboolean
machine_fill_all(const struct machine_fill *fill, struct placement *placement,
                 struct machine_restore_report *report, GError **error)
{
    auto_ptr(locator) locator = locator_new(fill->store, error);
    if (locator == NULL)
        return FALSE;
    for (guint i = 0; i < fill->pairs->len; i++) {
        const struct pair *pair = fill->pairs->pdata[i];
        if (!fill_one(fill, locator, pair, placement, report, error)) {
            g_prefix_error(error, "disk %s: ", pair->to);
            return FALSE;
        }
    }
    return TRUE;
}
