/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "store/checker_private.h"

/* ---- Tables ---------------------------------------------------------------------------------- */

static void
take_table(struct check *check, const struct pack_table *table)
{
    struct check_pack *pack = checker_pack_of(check, table);
    for (guint i = 0; i < table->n_frames; i++)
        pack->deltas = pack->deltas || table->frames[i].codec == CODEC_ZSTD_DELTA;
}

static gboolean
read_table(struct check *check, struct check_pack *pack, GError **error)
{
    char object[PACK_OBJECT_TEXT];
    g_autoptr(GError) local = NULL;
    auto_ptr(pack_table) table =
        pack_table_load(store_repo(check->store), &pack->name, store_key_of(check->store), &local);
    if (table != NULL) {
        take_table(check, table);
        return TRUE;
    }
    if (checker_is_gone(local)) {
        pack->present = FALSE; /* removed since it was listed */
        return TRUE;
    }
    if (!checker_is_damage(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    checker_count_io(check, local);
    pack->damage = checker_add(check, CHECKER_PACK, pack_name_object(&pack->name, "packs", object),
                               NULL, local->message);
    return TRUE;
}

static gboolean
list_packs(struct check *check, GError **error)
{
    g_autoptr(GPtrArray) objects = repo_list(store_repo(check->store), "packs", error);
    if (objects == NULL)
        return FALSE;
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        struct pack_name name;
        if (!pack_name_parse(entry->name, &name)) {
            checker_note(check, "%s is not named like a pack, and nobody reads it", entry->name);
            continue;
        }
        struct check_pack *pack = checker_pack(check, &name);
        pack->present = TRUE;
        pack->size = entry->size;
        check->report->packs++;
    }
    return TRUE;
}

/* ---- Packs that are in no index -------------------------------------------------------------- */

/* Their chunks are there, but only `repair` lets readers find them.  When an index object is
 * damaged, what it said of any pack may be wrong. */
static gboolean
add_unlisted(struct check *check, GPtrArray *packs, GError **error)
{
    guint64 left = CHECKER_UNLISTED_MAX;
    guint unlisted = 0;
    for (guint i = 0; i < packs->len; i++) {
        struct check_pack *pack = packs->pdata[i];
        g_autoptr(GError) local = NULL;
        if (!pack->present || pack->damage != NULL || (pack->listed && !check->index_damaged))
            continue;
        unlisted += !pack->listed;
        if (pack->n_slots > left)
            return error_set(error, SLIPWAY_ERROR_LIMIT,
                             "the index of %s is missing, or most of it: run `slipway store "
                             "repair` first, which makes it again",
                             store_label(check->store));
        auto_ptr(pack_table) table = locator_table(check->locator, &pack->name, &local);
        if (table == NULL)
            continue; /* gone since */
        locator_add(check->locator, table);
        left -= pack->n_slots;
    }
    if (unlisted > 0)
        checker_note(check,
                     "%u packs are in no index; they may be those of backups that are running, "
                     "else `slipway store repair` lists them",
                     unlisted);
    return TRUE;
}

gboolean
checker_tables(struct check *check, GError **error)
{
    if (!list_packs(check, error))
        return FALSE;
    g_autoptr(GPtrArray) packs = checker_packs(check);
    progress_begin(check->options->progress, packs->len, PROGRESS_ITEMS, "reading tables of packs");
    gboolean ok = TRUE;
    for (guint i = 0; ok && i < packs->len; i++) {
        struct check_pack *pack = packs->pdata[i];
        ok = cancel_check(error) && (!pack->present || read_table(check, pack, error));
        progress_advance(check->options->progress, 1);
    }
    progress_end(check->options->progress, ok);
    return ok && checker_index(check, error) && add_unlisted(check, packs, error);
}
