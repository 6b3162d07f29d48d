/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "store/checker_private.h"
#include "store/map_survey.h"

/* Between two looks at the index for what is missing. */
#define REFRESH_PAUSE G_TIME_SPAN_SECOND

/* ---- Where a chunk is ------------------------------------------------------------------------ */

static gboolean
find_copy(struct check *check, const struct chunk_id *id, gboolean whole, struct location *ret)
{
    struct chunk_id base;
    struct location other;
    for (guint nth = 0; locator_find(check->locator, id, nth, ret, NULL); nth++) {
        gboolean delta = location_is_delta(ret, &base);
        gboolean ok = !delta;
        if (delta && !whole) {
            ok = find_copy(check, &base, TRUE, &other);
            location_clear(&other);
        }
        if (ok)
            return TRUE;
        location_clear(ret);
    }
    return FALSE;
}

gboolean
checker_find(struct check *check, const struct chunk_id *id, gboolean whole, struct location *ret)
{
    if (find_copy(check, id, whole, ret))
        return TRUE;
    /* Prune may have moved it. */
    gint64 now = g_get_monotonic_time();
    if (now - check->refreshed < REFRESH_PAUSE)
        return FALSE;
    check->refreshed = now;
    return chunk_index_refresh(locator_index(check->locator), NULL) &&
           find_copy(check, id, whole, ret);
}

void
checker_blame(struct check *check, const struct chunk_id *id, struct checker_damage *damage)
{
    if (g_hash_table_contains(check->blame, id))
        return;
    struct chunk_id *copy = g_memdup2(id, sizeof *id);
    g_hash_table_add(check->report->chunks_damaged, copy);
    g_hash_table_insert(check->blame, copy, damage);
}

/* ---- What is missing ------------------------------------------------------------------------- */

struct suspects {
    struct check *check;
    struct check_pack *pack;
};

/* A pack that the index names for the chunk, and that cannot be read or is not there. */
static gboolean
suspect(const struct chunk_candidate *candidate, gpointer data)
{
    struct suspects *suspects = data;
    struct check_pack *pack = checker_pack(suspects->check, &candidate->pack);
    if (pack->present && pack->damage == NULL)
        return FALSE;
    suspects->pack = pack;
    return pack->damage != NULL;
}

static struct checker_damage *
blame_pack(struct check *check, struct check_pack *pack)
{
    char object[PACK_OBJECT_TEXT];
    if (pack->damage == NULL) {
        g_autofree char *words = g_strdup_printf(
            "%s: %s, which sets need, is missing; bring it back from a copy of the store, else "
            "`slipway store repair` lets the next backups store again what they still have of it",
            store_label(check->store), pack_name_object(&pack->name, "packs", object));
        pack->damage = checker_add(check, CHECKER_PACK, object, NULL, words);
    }
    return pack->damage;
}

static const char *
lost_words(struct check *check, const struct chunk_id *id)
{
    if (g_hash_table_contains(check->lost, id))
        return "no pack has it; it is known to be lost, and stored again by the next backup of a "
               "disk that still has it";
    return "no pack has it; once `slipway store repair` has listed it as lost, the next backup of "
           "a disk that still has it stores it again";
}

static struct checker_damage *
find_culprit(struct check *check, const struct chunk_id *id)
{
    struct suspects suspects = {check, NULL};
    struct checker_damage *damage = g_hash_table_lookup(check->blame, id);
    if (damage != NULL)
        return damage;
    chunk_index_search(locator_index(check->locator), chunk_id_fingerprint(id), suspect, &suspects);
    if (suspects.pack != NULL)
        return blame_pack(check, suspects.pack);
    return checker_add(check, CHECKER_CHUNK, NULL, id, lost_words(check, id));
}

/* Of a delta that is there, its base is what is missing. */
static void
miss(struct check *check, const struct chunk_id *id)
{
    struct location location;
    struct chunk_id base;
    gboolean delta = FALSE;
    if (g_hash_table_contains(check->blame, id))
        return;
    if (locator_find(check->locator, id, 0, &location, NULL)) {
        delta = location_is_delta(&location, &base);
        location_clear(&location);
    }
    struct checker_damage *damage = find_culprit(check, delta ? &base : id);
    if (delta)
        checker_blame(check, &base, damage);
    checker_blame(check, id, damage);
}

/* ---- The walk -------------------------------------------------------------------------------- */

struct walk {
    struct check *check;
    const struct set *set;
};

/* *ret_new: nobody needed it before. */
static gboolean
need(struct check *check, const struct chunk_id *id, gboolean *ret_new)
{
    struct location location;
    *ret_new = FALSE;
    if (!checker_find(check, id, FALSE, &location)) {
        miss(check, id);
        return FALSE;
    }
    struct check_pack *pack = checker_pack_of(check, location.table);
    *ret_new = !checker_bit(pack->needed, location.slot);
    checker_bit_set(pack->needed, location.slot);
    check->report->chunks += *ret_new;
    pack->relied = pack->relied || !pack->listed;
    location_clear(&location);
    return TRUE;
}

static gboolean
see_node(gpointer data, const struct chunk_id *id, guint64 offset G_GNUC_UNUSED,
         guint64 length G_GNUC_UNUSED, gboolean *ret_skip, GError **error)
{
    struct walk *walk = data;
    gboolean first;
    if (!cancel_check(error))
        return FALSE;
    *ret_skip = !need(walk->check, id, &first) || !first;
    return TRUE;
}

static gboolean
see_leaf(gpointer data, guint64 segment G_GNUC_UNUSED, const struct map_leaf *leaf,
         GError **error G_GNUC_UNUSED)
{
    struct walk *walk = data;
    gboolean first;
    for (guint i = 0; i < leaf->n; i++)
        need(walk->check, &leaf->entries[i].id, &first);
    return TRUE;
}

static gboolean
see_broken(gpointer data, const struct chunk_id *id, guint64 offset G_GNUC_UNUSED,
           guint64 length G_GNUC_UNUSED, const GError *why, GError **error)
{
    struct walk *walk = data;
    struct location location;
    char object[PACK_OBJECT_TEXT];
    if (!checker_is_damage(why) && !checker_is_gone(why)) {
        g_propagate_error(error, g_error_copy(why));
        return FALSE;
    }
    if (g_hash_table_contains(walk->check->blame, id))
        return TRUE;
    if (!checker_find(walk->check, id, FALSE, &location)) {
        miss(walk->check, id);
        return TRUE;
    }
    pack_name_object(&location.table->name, "packs", object);
    checker_count_io(walk->check, why);
    checker_blame(walk->check, id,
                  checker_add(walk->check, CHECKER_CHUNK, object, id, why->message));
    location_clear(&location);
    return TRUE;
}

/* Packs that are needed and in no index: readers do not find what they have. */
static void
tell_relied(struct check *check)
{
    g_autoptr(GPtrArray) packs = checker_packs(check);
    for (guint i = 0; i < packs->len; i++) {
        const struct check_pack *pack = packs->pdata[i];
        char object[PACK_OBJECT_TEXT];
        if (pack->relied && !pack->listed)
            checker_add(check, CHECKER_INDEX, pack_name_object(&pack->name, "packs", object), NULL,
                        "sets need it and no index lists it: they cannot be read until `slipway "
                        "store repair` lists it");
    }
}

gboolean
checker_presence(struct check *check, GError **error)
{
    struct map_source source = chunk_reader_map_source(check->reader);
    gboolean ok = TRUE;
    progress_begin(check->options->progress, check->sets->len, PROGRESS_ITEMS,
                   "following the maps of %u sets", check->sets->len);
    for (guint i = 0; ok && i < check->sets->len; i++) {
        struct walk walk = {check, check->sets->pdata[i]};
        struct map_survey survey = {see_node, see_leaf, see_broken, &walk};
        for (guint d = 0; ok && d < walk.set->disks->len; d++) {
            const struct set_disk *disk = walk.set->disks->pdata[d];
            ok = map_survey_run(&disk->map, &source, &survey, error);
        }
        progress_advance(check->options->progress, 1);
    }
    progress_end(check->options->progress, ok);
    /* Where an index object is damaged, that is why. */
    if (ok && !check->index_damaged)
        tell_relied(check);
    return ok;
}
