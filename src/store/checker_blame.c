/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who needs what is damaged.  Only when there is damage at all, one more walk over all maps finds
 * the places of the chunks; nodes below which nothing was found are not followed again. */
#include "base/cancel.h"
#include "base/error.h"
#include "store/checker_private.h"
#include "store/map_private.h"
#include "store/map_survey.h"

/* Places that are told; more would be no help to anybody. */
#define RANGES_MAX 100000u

/* ---- From copies to chunks ------------------------------------------------------------------- */

/* A copy that was not found bad, and is no delta against a damaged base. */
static gboolean
has_good_copy(struct check *check, const struct chunk_id *id)
{
    struct location location;
    struct chunk_id base;
    gboolean good = FALSE;
    for (guint nth = 0; !good && locator_find(check->locator, id, nth, &location, NULL); nth++) {
        const struct check_pack *pack = checker_pack_of(check, location.table);
        good = !checker_bit(pack->bad, location.slot) &&
               (!location_is_delta(&location, &base) ||
                !g_hash_table_contains(check->report->chunks_damaged, &base));
        location_clear(&location);
    }
    return good;
}

static struct checker_damage *
add_entry(struct check *check, const struct bad_copy *copy, const char *words)
{
    char object[PACK_OBJECT_TEXT];
    pack_name_object(&copy->pack->name, "packs", object);
    if (check->chunk_entries++ < CHECKER_CHUNKS_MAX)
        return checker_add(check, CHECKER_CHUNK, object, &copy->id, words);
    if (copy->pack->rest == NULL)
        copy->pack->rest =
            checker_add(check, CHECKER_CHUNK, object, NULL, "more chunks of it cannot be read");
    return copy->pack->rest;
}

static void
judge(struct check *check, const struct bad_copy *copy)
{
    char object[PACK_OBJECT_TEXT], text[CHUNK_ID_TEXT];
    struct checker_damage *known = g_hash_table_lookup(check->blame, &copy->id);
    pack_name_object(&copy->pack->name, "packs", object);
    if (known != NULL && known->kind == CHECKER_CHUNK && g_strcmp0(known->object, object) == 0)
        return; /* a node that was met before */
    gboolean good = has_good_copy(check, &copy->id);
    if (good || copy->pack->doomed) {
        g_autofree char *words =
            g_strconcat(copy->words, good ? "; another copy of it is good" : "", NULL);
        if (copy->pack->doomed)
            checker_note(check, "%s, which is on a list to be removed: chunk %s: %s", object,
                         chunk_id_format(&copy->id, text), words);
        else
            add_entry(check, copy, words);
        if (good)
            return;
    }
    checker_blame(check, &copy->id,
                  copy->pack->doomed
                      ? checker_add(check, CHECKER_CHUNK, object, &copy->id, copy->words)
                      : add_entry(check, copy, copy->words));
}

/* Damaged bases have to be known before their deltas. */
static void
judge_all(struct check *check)
{
    for (guint i = 0; i < check->bad->len; i++) {
        const struct bad_copy *copy = &g_array_index(check->bad, struct bad_copy, i);
        if (!copy->has_base)
            judge(check, copy);
    }
    for (guint i = 0; i < check->bad->len; i++) {
        const struct bad_copy *copy = &g_array_index(check->bad, struct bad_copy, i);
        struct checker_damage *cause =
            copy->has_base ? g_hash_table_lookup(check->blame, &copy->base) : NULL;
        if (cause != NULL && !has_good_copy(check, &copy->id))
            checker_blame(check, &copy->id, cause);
        else if (copy->has_base && cause == NULL)
            judge(check, copy);
    }
}

/* ---- From bases to deltas -------------------------------------------------------------------- */

static void
spread_in(struct check *check, const struct pack_table *table)
{
    for (guint i = 0; i < table->n_frames; i++) {
        const struct pack_frame *frame = &table->frames[i];
        const struct chunk_id *id = &table->slots[frame->first_slot].id;
        struct checker_damage *cause = frame->codec == CODEC_ZSTD_DELTA
                                           ? g_hash_table_lookup(check->blame, &frame->base)
                                           : NULL;
        if (cause != NULL && !has_good_copy(check, id))
            checker_blame(check, id, cause);
    }
}

static gboolean
spread(struct check *check, GError **error)
{
    g_autoptr(GPtrArray) packs = checker_packs(check);
    for (guint i = 0; i < packs->len; i++) {
        const struct check_pack *pack = packs->pdata[i];
        if (!cancel_check(error))
            return FALSE;
        if (!pack->present || pack->damage != NULL || !pack->deltas)
            continue;
        auto_ptr(pack_table) table = locator_table(check->locator, &pack->name, NULL);
        if (table != NULL)
            spread_in(check, table);
    }
    return TRUE;
}

/* ---- From chunks to sets --------------------------------------------------------------------- */

/* A node on the path to where the walk is. */
struct step {
    guint64 end; /* of what it covers */
    guint64 found;
    struct check_pack *pack; /* NULL: it is not known where it is */
    guint slot;
};

struct blaming {
    struct check *check;
    const struct set *set;
    const struct set_disk *disk;
    guint64 found; /* ranges so far, joined ones too */
    guint told;
    struct step path[MAP_LEVELS_MAX + 1];
    guint depth;
};

static void
add_range(struct blaming *blaming, struct checker_damage *damage, guint64 offset, guint64 length)
{
    const char *disk = blaming->disk->name;
    blaming->found++;
    length = MIN(length, blaming->disk->map.size - MIN(offset, blaming->disk->map.size));
    struct checker_range *last =
        damage->ranges->len > 0 ? damage->ranges->pdata[damage->ranges->len - 1] : NULL;
    if (last != NULL && last->offset + last->length == offset &&
        memcmp(&last->set, &blaming->set->id, sizeof last->set) == 0 &&
        g_str_equal(last->disk, disk)) {
        last->length += length;
        return;
    }
    if (blaming->told++ >= RANGES_MAX)
        return;
    struct checker_range *range = g_new0(struct checker_range, 1);
    range->set = blaming->set->id;
    range->machine = g_strdup(blaming->set->name);
    range->created = blaming->set->created;
    range->disk = g_strdup(disk);
    range->offset = offset;
    range->length = length;
    g_ptr_array_add(damage->ranges, range);
}

/* Nodes of which the walk has seen all that is below. */
static void
leave(struct blaming *blaming, guint64 offset)
{
    while (blaming->depth > 0 && blaming->path[blaming->depth - 1].end <= offset) {
        const struct step *step = &blaming->path[--blaming->depth];
        if (step->found != blaming->found || step->pack == NULL)
            continue;
        if (step->pack->clean == NULL)
            step->pack->clean = g_malloc0((step->pack->n_slots + 7) / 8);
        checker_bit_set(step->pack->clean, step->slot);
    }
}

static gboolean
visit_node(gpointer data, const struct chunk_id *id, guint64 offset, guint64 length,
           gboolean *ret_skip, GError **error)
{
    struct blaming *blaming = data;
    struct location location;
    struct checker_damage *damage = g_hash_table_lookup(blaming->check->blame, id);
    if (!cancel_check(error))
        return FALSE;
    leave(blaming, offset);
    if (damage != NULL) {
        add_range(blaming, damage, offset, length);
        *ret_skip = TRUE;
        return TRUE;
    }
    struct step step = {.end = offset + length, .found = blaming->found};
    if (locator_find(blaming->check->locator, id, 0, &location, NULL)) {
        step.pack = checker_pack_of(blaming->check, location.table);
        step.slot = location.slot;
        location_clear(&location);
        *ret_skip = checker_bit(step.pack->clean, step.slot);
    }
    if (!*ret_skip)
        blaming->path[blaming->depth++] = step;
    return TRUE;
}

static gboolean
visit_leaf(gpointer data, guint64 segment, const struct map_leaf *leaf,
           GError **error G_GNUC_UNUSED)
{
    struct blaming *blaming = data;
    for (guint i = 0; i < leaf->n; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        struct checker_damage *damage = g_hash_table_lookup(blaming->check->blame, &entry->id);
        if (damage != NULL)
            add_range(blaming, damage,
                      segment * CHUNK_SEGMENT + (guint64)entry->block * CHUNK_BLOCK,
                      (guint64)entry->blocks * CHUNK_BLOCK);
    }
    return TRUE;
}

/* It could be read in the walk before. */
static gboolean
visit_broken(gpointer data, const struct chunk_id *id, guint64 offset, guint64 length,
             const GError *why, GError **error)
{
    struct blaming *blaming = data;
    if (!checker_is_damage(why) && !checker_is_gone(why)) {
        g_propagate_error(error, g_error_copy(why));
        return FALSE;
    }
    struct checker_damage *damage =
        checker_add(blaming->check, CHECKER_CHUNK, NULL, id, why->message);
    checker_blame(blaming->check, id, damage);
    add_range(blaming, damage, offset, length);
    return TRUE;
}

static gboolean
find_places(struct check *check, GError **error)
{
    struct map_source source = chunk_reader_map_source(check->reader);
    struct blaming blaming = {.check = check};
    struct map_survey survey = {visit_node, visit_leaf, visit_broken, &blaming};
    gboolean ok = TRUE;
    progress_begin(check->options->progress, check->sets->len, PROGRESS_ITEMS,
                   "looking for who needs what is damaged");
    for (guint i = 0; ok && i < check->sets->len; i++) {
        blaming.set = check->sets->pdata[i];
        for (guint d = 0; ok && d < blaming.set->disks->len; d++) {
            blaming.disk = blaming.set->disks->pdata[d];
            ok = map_survey_run(&blaming.disk->map, &source, &survey, error);
            leave(&blaming, G_MAXUINT64);
        }
        progress_advance(check->options->progress, 1);
    }
    progress_end(check->options->progress, ok);
    if (blaming.told > RANGES_MAX)
        checker_note(check, "more than %u places are damaged; the others are not told", RANGES_MAX);
    return ok;
}

/* ---- What went meanwhile --------------------------------------------------------------------- */

static gboolean
is_deleted(struct check *check, const struct set_id *id)
{
    char text[SET_ID_TEXT];
    guint64 size;
    g_autoptr(GError) local = NULL;
    g_autofree char *name = g_strdup_printf("sets/%s", set_id_format(id, text));
    return !repo_size(store_repo(check->store), name, &size, &local) && checker_is_gone(local);
}

static void
drop_ranges(struct check *check, const struct set_id *id)
{
    for (guint i = 0; i < check->report->damage->len; i++) {
        const struct checker_damage *damage = check->report->damage->pdata[i];
        for (guint r = damage->ranges->len; r-- > 0;) {
            const struct checker_range *range = damage->ranges->pdata[r];
            if (memcmp(&range->set, id, sizeof *id) == 0)
                g_ptr_array_remove_index(damage->ranges, r);
        }
    }
}

/* What a deleted set needed may be removed: it does not count. */
static void
forget_deleted(struct check *check)
{
    guint n = 0;
    for (guint i = 0; i < check->sets->len; i++) {
        const struct set *set = check->sets->pdata[i];
        if (is_deleted(check, &set->id)) {
            drop_ranges(check, &set->id);
            n++;
        }
    }
    for (guint i = check->report->damage->len; n > 0 && i-- > 0;) {
        const struct checker_damage *damage = check->report->damage->pdata[i];
        if (damage->kind == CHECKER_CHUNK && damage->object == NULL && damage->ranges->len == 0)
            g_ptr_array_remove_index(check->report->damage, i);
    }
}

/* ---- All of it ------------------------------------------------------------------------------- */

static void
tell_found(struct check *check)
{
    GHashTableIter iter;
    gpointer id;
    guint found = 0;
    g_hash_table_iter_init(&iter, check->lost);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        found +=
            !g_hash_table_contains(check->report->chunks_damaged, id) && has_good_copy(check, id);
    }
    if (found > 0)
        checker_note(check,
                     "%u chunks that were lost are there again; `slipway store repair` takes them "
                     "off the list",
                     found);
}

gboolean
checker_attribute(struct check *check, GError **error)
{
    judge_all(check);
    if (g_hash_table_size(check->blame) > 0) {
        if (!spread(check, error) || !find_places(check, error))
            return FALSE;
        forget_deleted(check);
    }
    tell_found(check);
    return TRUE;
}
