/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sets are listed before packs, packs before the index: each is put after the one that is listed
 * after it, so what a listed set needs is there, unless it was removed, or moved, since.  What
 * seems to be missing is looked for again in a newer index, and does not count when the set is
 * gone.
 *
 * Memory: two bits a chunk, 150 bytes a pack, the locator's tables (24 MiB), a mapped index, and
 * for each thread a piece of a pack and a frame (5 MiB at most, else 1.5). */
#include "store/checker_private.h"

#include "base/cancel.h"
#include "base/error.h"
#include "store/lease.h"

static void
free_range(gpointer data)
{
    struct checker_range *range = data;
    g_free(range->machine);
    g_free(range->disk);
    g_free(range);
}

static void
free_damage(gpointer data)
{
    struct checker_damage *damage = data;
    g_free(damage->object);
    g_free(damage->chunk);
    g_free(damage->words);
    g_ptr_array_unref(damage->ranges);
    g_free(damage);
}

static void
free_pack(gpointer data)
{
    struct check_pack *pack = data;
    g_free(pack->needed);
    g_free(pack->clean);
    g_free(pack->bad);
    g_free(pack);
}

static void
clear_bad(gpointer data)
{
    g_free(((struct bad_copy *)data)->words);
}

void
checker_report_clear(struct checker_report *report)
{
    g_clear_pointer(&report->damage, g_ptr_array_unref);
    g_clear_pointer(&report->notes, g_ptr_array_unref);
    g_clear_pointer(&report->chunks_damaged, g_hash_table_unref);
}

/* ---- What the others share ------------------------------------------------------------------- */

gboolean
checker_is_damage(const GError *why)
{
    return g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
           g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT) ||
           g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED) ||
           g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

void
checker_count_io(struct check *check, const GError *why)
{
    check->report->io_errors += g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

gboolean
checker_is_gone(const GError *why)
{
    return g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

void
checker_note(struct check *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_ptr_array_add(check->report->notes, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

struct checker_damage *
checker_add(struct check *check, enum checker_kind kind, const char *object,
            const struct chunk_id *chunk, const char *words)
{
    struct checker_damage *damage = g_new0(struct checker_damage, 1);
    char text[CHUNK_ID_TEXT];
    damage->kind = kind;
    damage->object = g_strdup(object);
    damage->chunk = chunk != NULL ? g_strdup(chunk_id_format(chunk, text)) : NULL;
    damage->words = g_strdup(words);
    damage->ranges = g_ptr_array_new_with_free_func(free_range);
    g_ptr_array_add(check->report->damage, damage);
    return damage;
}

struct check_pack *
checker_pack(struct check *check, const struct pack_name *name)
{
    struct check_pack *pack = g_hash_table_lookup(check->packs, name);
    if (pack == NULL) {
        pack = g_new0(struct check_pack, 1);
        pack->name = *name;
        g_hash_table_insert(check->packs, &pack->name, pack);
    }
    return pack;
}

struct check_pack *
checker_pack_of(struct check *check, const struct pack_table *table)
{
    struct check_pack *pack = checker_pack(check, &table->name);
    if (pack->needed == NULL) {
        pack->present = TRUE;
        pack->n_slots = table->n_slots;
        pack->needed = g_malloc0((table->n_slots + 7) / 8);
    }
    return pack;
}

static gint
compare_packs(gconstpointer left, gconstpointer right)
{
    const struct check_pack *a = *(struct check_pack *const *)left;
    const struct check_pack *b = *(struct check_pack *const *)right;
    return memcmp(&a->name, &b->name, sizeof a->name);
}

GPtrArray *
checker_packs(struct check *check)
{
    GPtrArray *packs = g_ptr_array_new();
    GHashTableIter iter;
    gpointer pack;
    g_hash_table_iter_init(&iter, check->packs);
    while (g_hash_table_iter_next(&iter, NULL, &pack))
        g_ptr_array_add(packs, pack);
    g_ptr_array_sort(packs, compare_packs);
    return packs;
}

/* ---- The run --------------------------------------------------------------------------------- */

/* xorshift64*: which packs a sample has need not be a secret. */
static guint64
next_random(guint64 *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * G_GUINT64_CONSTANT(2685821657736338717);
}

/* Packs whose data is read: all, or at least one of a sample. */
static GPtrArray *
choose(struct check *check)
{
    GPtrArray *packs = checker_packs(check);
    guint n = 0;
    for (guint i = 0; i < packs->len; i++) {
        struct check_pack *pack = packs->pdata[i];
        if (pack->present && pack->damage == NULL && pack->needed != NULL)
            packs->pdata[n++] = pack;
    }
    g_ptr_array_set_size(packs, (gint)n);
    if (check->options->read_data || n == 0)
        return packs;
    guint64 wanted = ((guint64)n * check->options->sample + 999) / 1000;
    guint64 state = check->options->seed;
    while (state == 0)
        state = (guint64)g_random_int() << 32 | g_random_int();
    /* The first `wanted` of a shuffle. */
    wanted = MIN(wanted, n);
    for (guint i = 0; i < wanted; i++) {
        guint other = i + (guint)(next_random(&state) % (n - i));
        gpointer kept = packs->pdata[i];
        packs->pdata[i] = packs->pdata[other];
        packs->pdata[other] = kept;
    }
    g_ptr_array_set_size(packs, (gint)wanted);
    return packs;
}

static gboolean
read_some(struct check *check, GError **error)
{
    if (!check->options->read_data && check->options->sample == 0)
        return TRUE;
    g_autoptr(GPtrArray) packs = choose(check);
    return checker_read(check, packs, error);
}

/* What writers that died left: it takes space until somebody cleans up. */
static gboolean
look_for_unfinished(struct check *check, GError **error)
{
    g_autoptr(GPtrArray) owners = repo_unfinished(store_repo(check->store), error);
    g_autoptr(GPtrArray) leases = owners != NULL ? lease_list(check->store, NULL, error) : NULL;
    if (leases == NULL)
        return FALSE;
    for (guint i = 0; i < owners->len; i++) {
        gboolean active = FALSE;
        for (guint l = 0; l < leases->len; l++) {
            const struct lease_info *info = leases->pdata[l];
            active = active || (!info->dead && g_str_equal(info->id, owners->pdata[i]));
        }
        if (!active)
            checker_note(check,
                         "%s has left unfinished objects; the next backup or prune removes them",
                         g_str_equal(owners->pdata[i], REPO_OWNER_PUT) ? "a writer that died"
                                                                       : (char *)owners->pdata[i]);
    }
    return TRUE;
}

static gint
compare_texts(const char *left, const char *right)
{
    return g_strcmp0(left, right);
}

static gint
compare_damage(gconstpointer left, gconstpointer right)
{
    const struct checker_damage *a = *(struct checker_damage *const *)left;
    const struct checker_damage *b = *(struct checker_damage *const *)right;
    gint order = compare_texts(a->object, b->object);
    return order != 0 ? order : compare_texts(a->chunk, b->chunk);
}

static void
begin(struct check *check)
{
    struct checker_report *report = check->report;
    *report = (struct checker_report){
        .damage = g_ptr_array_new_with_free_func(free_damage),
        .notes = g_ptr_array_new_with_free_func(g_free),
        .chunks_damaged = g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL),
    };
    guint wanted = check->options->threads;
    check->threads = CLAMP(wanted > 0 ? wanted : g_get_num_processors(), 1, CHECKER_THREADS_MAX);
    check->sets = g_ptr_array_new_with_free_func((GDestroyNotify)set_free);
    check->packs = g_hash_table_new_full(pack_name_hash, pack_name_equal, NULL, free_pack);
    check->lost = g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL);
    check->blame = g_hash_table_new(chunk_id_hash, chunk_id_equal_func);
    check->bad = g_array_new(FALSE, FALSE, sizeof(struct bad_copy));
    g_array_set_clear_func(check->bad, clear_bad);
    g_mutex_init(&check->lock);
}

static void
end(struct check *check)
{
    chunk_reader_free(check->reader);
    locator_free(check->locator);
    g_ptr_array_unref(check->sets);
    g_hash_table_unref(check->packs);
    g_hash_table_unref(check->lost);
    g_hash_table_unref(check->blame);
    g_array_unref(check->bad);
    g_mutex_clear(&check->lock);
    g_ptr_array_sort(check->report->damage, compare_damage);
}

gboolean
checker_run(struct store *store, const struct checker_options *options,
            struct checker_report *report, GError **error)
{
    struct check check = {.store = store, .options = options, .report = report};
    begin(&check);
    gboolean ok = checker_objects(&check, error) && checker_tables(&check, error) &&
                  checker_parity_there(&check, error) && checker_presence(&check, error) &&
                  read_some(&check, error) && checker_attribute(&check, error) &&
                  look_for_unfinished(&check, error);
    end(&check);
    return ok;
}
