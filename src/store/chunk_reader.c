/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/chunk_reader.h"

#include "base/error.h"

/* Frames that stay decompressed: neighbours in a segment share one, or a few after edits. */
#define FRAMES_KEPT 6

struct kept_frame {
    struct pack_name pack;
    guint number;
    gboolean valid;
    guint64 used; /* by the reader's clock */
    guint8 *plain;
    gsize room;
    guint8 *checked; /* of each of its chunks: held against its id */
    gsize checked_room;
};

struct chunk_reader {
    struct store *store;
    struct locator *locator;
    struct codec *codec;
    struct chunk_hasher *hasher;
    guint64 clock;
    struct kept_frame frames[FRAMES_KEPT];
    guint8 *stored; /* scratch */
    gsize stored_room;
    guint8 *base; /* plain bytes of the base of a delta */
    gsize base_room;
};

struct chunk_reader *
chunk_reader_new(struct store *store, struct locator *locator)
{
    struct chunk_reader *reader = g_new0(struct chunk_reader, 1);
    reader->store = store;
    reader->locator = locator;
    reader->codec = codec_new();
    reader->hasher = chunk_hasher_new(store_key_id_key(store_key_of(store)));
    return reader;
}

void
chunk_reader_free(struct chunk_reader *reader)
{
    if (reader == NULL)
        return;
    for (guint i = 0; i < FRAMES_KEPT; i++) {
        g_free(reader->frames[i].plain);
        g_free(reader->frames[i].checked);
    }
    g_free(reader->stored);
    g_free(reader->base);
    chunk_hasher_free(reader->hasher);
    codec_free(reader->codec);
    g_free(reader);
}

/* Room for `length` bytes; what was there is lost when it must grow. */
static guint8 *
make_room(guint8 **buffer, gsize *room, gsize length)
{
    if (*room < length) {
        g_free(*buffer);
        *buffer = g_malloc(length);
        *room = length;
    }
    return *buffer;
}

static struct kept_frame *
find_kept(struct chunk_reader *reader, const struct pack_table *table, guint number)
{
    for (guint i = 0; i < FRAMES_KEPT; i++) {
        struct kept_frame *kept = &reader->frames[i];
        if (kept->valid && kept->number == number && pack_name_equal(&kept->pack, &table->name)) {
            kept->used = ++reader->clock;
            return kept;
        }
    }
    return NULL;
}

static struct kept_frame *
oldest(struct chunk_reader *reader)
{
    struct kept_frame *oldest = &reader->frames[0];
    for (guint i = 1; i < FRAMES_KEPT; i++) {
        if (reader->frames[i].used < oldest->used)
            oldest = &reader->frames[i];
    }
    return oldest;
}

static gboolean get_base(struct chunk_reader *reader, const struct chunk_id *id, gsize *ret_length,
                         GError **error);

/* The plain bytes of a frame, which must be complete for its chunks to be held against their ids.
 */
static struct kept_frame *
read_frame(struct chunk_reader *reader, const struct pack_table *table, guint number,
           GError **error)
{
    struct kept_frame *kept = find_kept(reader, table, number);
    if (kept != NULL)
        return kept;
    const struct pack_frame *frame = &table->frames[number];
    gsize base_length = 0;
    if (frame->codec == CODEC_ZSTD_DELTA && !get_base(reader, &frame->base, &base_length, error))
        return NULL;
    kept = oldest(reader);
    kept->valid = FALSE;
    make_room(&kept->plain, &kept->room, frame->plain_length);
    make_room(&reader->stored, &reader->stored_room, frame->stored_length);
    if (!pack_read_frame(store_repo(reader->store), table, number, store_key_of(reader->store),
                         reader->codec, base_length > 0 ? reader->base : NULL, base_length,
                         reader->stored, kept->plain, error))
        return NULL;
    memset(make_room(&kept->checked, &kept->checked_room, frame->n_slots), 0, frame->n_slots);
    kept->pack = table->name;
    kept->number = number;
    kept->used = ++reader->clock;
    kept->valid = TRUE;
    return kept;
}

static gboolean
check_id(struct chunk_reader *reader, const struct pack_table *table, const struct chunk_id *id,
         const guint8 *data, gsize length, GError **error)
{
    struct chunk_id found;
    char text[CHUNK_ID_TEXT], object[PACK_OBJECT_TEXT];
    chunk_hasher_run(reader->hasher, data, length, &found);
    if (chunk_id_equal(&found, id))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "chunk %s in %s is damaged: its bytes have another digest; `slipway store "
                     "repair` may restore it",
                     chunk_id_format(id, text), pack_name_object(&table->name, "packs", object));
}

/* The bytes of the chunk at `location`, checked, in a kept frame. */
static const guint8 *
read_location(struct chunk_reader *reader, const struct location *location, GError **error)
{
    const struct pack_table *table = location->table;
    const struct pack_slot *slot = &table->slots[location->slot];
    guint number = pack_table_frame_of(table, location->slot);
    struct kept_frame *kept = read_frame(reader, table, number, error);
    if (kept == NULL)
        return NULL;
    guint8 *checked = &kept->checked[location->slot - table->frames[number].first_slot];
    if (!*checked &&
        !check_id(reader, table, &slot->id, kept->plain + slot->offset, slot->length, error))
        return NULL;
    *checked = 1;
    return kept->plain + slot->offset;
}

typedef gboolean (*copy_func)(struct chunk_reader *reader, const struct location *location,
                              gpointer data, GError **error);

/* Call `use` with one copy of the chunk after the other until it succeeds.  Without `delta`, copies
 * that are deltas do not count. */
static gboolean
try_copies(struct chunk_reader *reader, const struct chunk_id *id, gboolean delta, copy_func use,
           gpointer data, gboolean *ret_found, GError **error)
{
    struct location location;
    g_autoptr(GError) trouble = NULL;
    for (guint nth = 0; locator_find(reader->locator, id, nth, &location, &trouble); nth++) {
        g_autoptr(GError) local = NULL;
        gboolean usable = delta || !location_is_delta(&location, NULL);
        gboolean ok = usable && use(reader, &location, data, &local);
        if (!ok && usable)
            locator_forget(reader->locator, &location.table->name);
        location_clear(&location);
        if (ok)
            return TRUE;
        *ret_found = *ret_found || usable;
        if (local != NULL) {
            g_clear_error(&trouble);
            trouble = g_steal_pointer(&local);
        }
    }
    if (trouble != NULL)
        g_propagate_error(error, g_steal_pointer(&trouble));
    return FALSE;
}

/* Packs move while prune runs: what is not found, or gone, is looked up again once. */
static gboolean
try_twice(struct chunk_reader *reader, const struct chunk_id *id, gboolean delta, copy_func use,
          gpointer data, GError **error)
{
    gboolean found = FALSE;
    g_autoptr(GError) local = NULL;
    if (try_copies(reader, id, delta, use, data, &found, NULL) ||
        (chunk_index_refresh(locator_index(reader->locator), error) &&
         try_copies(reader, id, delta, use, data, &found, &local)))
        return TRUE;
    if (error != NULL && *error != NULL)
        return FALSE;
    char text[CHUNK_ID_TEXT];
    if (local == NULL)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "chunk %s is not in %s; `slipway store check` says what needs it",
                         chunk_id_format(id, text), store_label(reader->store));
    g_propagate_prefixed_error(error, g_steal_pointer(&local), "%s: ", store_label(reader->store));
    return FALSE;
}

struct wanted {
    guint8 *out;  /* NULL: `bytes` will do */
    gsize length; /* in: room or exact length; out: of the chunk */
    gboolean exact;
    const guint8 *bytes; /* out: in a kept frame */
};

static gboolean
copy_out(struct chunk_reader *reader, const struct location *location, gpointer data,
         GError **error)
{
    struct wanted *wanted = data;
    const struct pack_slot *slot = &location->table->slots[location->slot];
    char text[CHUNK_ID_TEXT];
    if (wanted->exact ? slot->length != wanted->length : slot->length > wanted->length)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "chunk %s has %u bytes where %zu are expected",
                         chunk_id_format(&slot->id, text), slot->length, wanted->length);
    const guint8 *bytes = read_location(reader, location, error);
    if (bytes == NULL)
        return FALSE;
    if (wanted->out != NULL)
        memcpy(wanted->out, bytes, slot->length);
    wanted->length = slot->length;
    wanted->bytes = bytes;
    return TRUE;
}

gboolean
chunk_reader_get(struct chunk_reader *reader, const struct chunk_id *id, guint8 *out, gsize length,
                 GError **error)
{
    struct wanted wanted = {out, length, TRUE, NULL};
    return try_twice(reader, id, TRUE, copy_out, &wanted, error);
}

const guint8 *
chunk_reader_peek(struct chunk_reader *reader, const struct chunk_id *id, gsize length,
                  GError **error)
{
    struct wanted wanted = {NULL, length, TRUE, NULL};
    return try_twice(reader, id, TRUE, copy_out, &wanted, error) ? wanted.bytes : NULL;
}

/* Where one of several wanted chunks is; table NULL: somewhere else, or nowhere. */
struct place {
    struct location location;
    struct chunk_wanted *wanted;
};

static int
compare_places(const void *left, const void *right)
{
    const struct location *a = &((const struct place *)left)->location;
    const struct location *b = &((const struct place *)right)->location;
    if (a->table == NULL || b->table == NULL)
        return (a->table != NULL) - (b->table != NULL);
    int order = memcmp(&a->table->name, &b->table->name, sizeof a->table->name);
    return order != 0 ? order : (a->slot > b->slot) - (a->slot < b->slot);
}

/* A copy that cannot be read is looked for once more, with all that chunk_reader_get() tries. */
static gboolean
get_place(struct chunk_reader *reader, const struct place *place)
{
    struct chunk_wanted *wanted = place->wanted;
    struct wanted exact = {wanted->out, wanted->length, TRUE, NULL};
    return (place->location.table != NULL && copy_out(reader, &place->location, &exact, NULL)) ||
           chunk_reader_get(reader, wanted->id, wanted->out, wanted->length, &wanted->error);
}

/* How many of the places are all chunks of one frame, wanted as they lie in it; 0: not so, or the
 * frame is kept already. */
static guint
count_whole(struct chunk_reader *reader, const struct place *places, guint n)
{
    const struct pack_table *table = places->location.table;
    if (table == NULL)
        return 0;
    guint number = pack_table_frame_of(table, places->location.slot);
    const struct pack_frame *frame = &table->frames[number];
    if (frame->codec == CODEC_ZSTD_DELTA || frame->n_slots > n ||
        find_kept(reader, table, number) != NULL)
        return 0;
    for (guint i = 0; i < frame->n_slots; i++) {
        const struct pack_slot *slot = &table->slots[frame->first_slot + i];
        if (places[i].location.table != table || places[i].location.slot != frame->first_slot + i ||
            places[i].wanted->length != slot->length ||
            places[i].wanted->out != places->wanted->out + slot->offset)
            return 0;
    }
    return frame->n_slots;
}

/* Decompressed to where it is wanted, which saves a copy of all that is read. */
static gboolean
get_whole(struct chunk_reader *reader, const struct place *places, guint n)
{
    const struct pack_table *table = places->location.table;
    guint number = pack_table_frame_of(table, places->location.slot);
    make_room(&reader->stored, &reader->stored_room, table->frames[number].stored_length);
    if (!pack_read_frame(store_repo(reader->store), table, number, store_key_of(reader->store),
                         reader->codec, NULL, 0, reader->stored, places->wanted->out, NULL))
        return FALSE;
    for (guint i = 0; i < n; i++) {
        const struct chunk_wanted *wanted = places[i].wanted;
        if (!check_id(reader, table, wanted->id, wanted->out, wanted->length, NULL))
            return FALSE;
    }
    return TRUE;
}

gboolean
chunk_reader_get_all(struct chunk_reader *reader, struct chunk_wanted *wanted, guint n)
{
    g_autofree struct place *places = g_new0(struct place, n);
    gboolean ok = TRUE;
    for (guint i = 0; i < n; i++) {
        places[i].wanted = &wanted[i];
        locator_find(reader->locator, wanted[i].id, 0, &places[i].location, NULL);
    }
    if (n > 0)
        qsort(places, n, sizeof *places, compare_places);
    for (guint i = 0, whole; i < n; i += MAX(whole, 1)) {
        whole = count_whole(reader, &places[i], n - i);
        if (whole > 0 && get_whole(reader, &places[i], whole))
            continue;
        whole = 1;
        ok = get_place(reader, &places[i]) && ok;
    }
    for (guint i = 0; i < n; i++)
        location_clear(&places[i].location);
    return ok;
}

GBytes *
chunk_reader_bytes(struct chunk_reader *reader, const struct chunk_id *id, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(CHUNK_MAX);
    struct wanted wanted = {buffer, CHUNK_MAX, FALSE, NULL};
    if (!try_twice(reader, id, TRUE, copy_out, &wanted, error))
        return NULL;
    return g_bytes_new(buffer, wanted.length);
}

static gboolean
get_base(struct chunk_reader *reader, const struct chunk_id *id, gsize *ret_length, GError **error)
{
    make_room(&reader->base, &reader->base_room, CHUNK_MAX);
    struct wanted wanted = {reader->base, CHUNK_MAX, FALSE, NULL};
    char text[CHUNK_ID_TEXT];
    if (!try_twice(reader, id, FALSE, copy_out, &wanted, error)) {
        g_prefix_error(error, "base %s of a delta: ", chunk_id_format(id, text));
        return FALSE;
    }
    *ret_length = wanted.length;
    return TRUE;
}

gboolean
chunk_reader_base(struct chunk_reader *reader, const struct chunk_id *id, struct chunk_id *ret_base,
                  const guint8 **ret_bytes, gsize *ret_length, GError **error)
{
    struct location location;
    *ret_base = *id;
    *ret_length = 0;
    *ret_bytes = NULL;
    if (!locator_find(reader->locator, id, 0, &location, NULL))
        return TRUE;
    location_is_delta(&location, ret_base);
    location_clear(&location);
    if (!get_base(reader, ret_base, ret_length, error)) {
        *ret_length = 0;
        return FALSE;
    }
    *ret_bytes = reader->base;
    return TRUE;
}

static GBytes *
fetch_node(gpointer data, const struct chunk_id *id, GError **error)
{
    return chunk_reader_bytes(data, id, error);
}

struct map_source
chunk_reader_map_source(struct chunk_reader *reader)
{
    return (struct map_source){fetch_node, reader};
}
