/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A disk of a set, read through the chunks that the cache keeps.
 *
 * A read claims some chunks at a time, fetches on its own thread those that nobody has or fetches,
 * and only then waits for the others.  What is read ahead goes through the queue's threads in
 * pieces, and through the same claims. */
#include "engine/set_cache_private.h"

#include "base/error.h"
#include "disk/disk_driver.h"
#include "engine/read_streams.h"
#include "engine/set_extent.h"

/* Chunks that are fetched together: more are read in better order, and waited for longer. */
#define GROUP_BYTES (256u << 10)
#define GROUP_CHUNKS 128u
/* What a thread of the queue fetches at a time. */
#define PIECE (512u << 10)
/* A range that is smaller is a read here or there: it does not bring in its neighbours. */
#define WHOLE_FRAMES (64u << 10)
/* Of the cache's bytes what one stream, or one hint, may bring in. */
#define AHEAD_SHARE 8u

struct cached_disk {
    struct disk base;
    struct set_cache *cache;
    struct map map;
    struct set_leaves *leaves;
    struct read_streams streams;
    GMutex lock;      /* of the list */
    GPtrArray *paths; /* of struct path * that nobody has */
};

/* What one call needs to find its way through the map, and a reader when it comes to that. */
struct path {
    struct cached_disk *disk;
    struct chunk_reader *reader; /* NULL: not needed yet */
    struct map_source source, nothing;
    struct map_cursor *cursor;
    struct map_cursor *kept; /* finds only leaves that are in memory */
};

/* ---- Paths ----------------------------------------------------------------------------------- */

static struct chunk_reader *
reader_of(struct path *path)
{
    if (path->reader == NULL)
        path->reader = set_cache_take_reader(path->disk->cache);
    return path->reader;
}

static GBytes *
fetch_node(gpointer data, const struct chunk_id *id, GError **error)
{
    return chunk_reader_bytes(reader_of(data), id, error);
}

static GBytes *
fetch_nothing(gpointer data G_GNUC_UNUSED, const struct chunk_id *id G_GNUC_UNUSED, GError **error)
{
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "it is not in memory");
}

static struct path *
new_path(struct cached_disk *self)
{
    struct path *path = g_new0(struct path, 1);
    path->disk = self;
    path->source = (struct map_source){fetch_node, path};
    path->nothing = (struct map_source){fetch_nothing, NULL};
    path->cursor = map_cursor_new(&self->map, &path->source);
    path->kept = map_cursor_new(&self->map, &path->nothing);
    return path;
}

static void
free_path(gpointer data)
{
    struct path *path = data;
    map_cursor_free(path->cursor);
    map_cursor_free(path->kept);
    g_free(path);
}

static struct path *
take(struct cached_disk *self)
{
    g_mutex_lock(&self->lock);
    guint n = self->paths->len;
    struct path *path = n > 0 ? g_ptr_array_steal_index(self->paths, n - 1) : NULL;
    g_mutex_unlock(&self->lock);
    return path != NULL ? path : new_path(self);
}

static void
give_back(struct cached_disk *self, struct path *path)
{
    if (path->reader != NULL)
        set_cache_give_reader(self->cache, g_steal_pointer(&path->reader));
    g_mutex_lock(&self->lock);
    g_ptr_array_add(self->paths, path);
    g_mutex_unlock(&self->lock);
}

/* Whoever reads a disk wants to know where; that something is not in the store is damage to them.
 */
static gboolean
locate_error(struct cached_disk *self, guint64 offset, GError *local, GError **error)
{
    if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        local->code = SLIPWAY_ERROR_CORRUPT;
    g_propagate_prefixed_error(error, local, "%s, offset %" G_GUINT64_FORMAT ": ", self->base.label,
                               offset);
    return FALSE;
}

/* ---- Groups of chunks ------------------------------------------------------------------------ */

static guint32
length_of(const struct map_entry *entry)
{
    return entry->blocks * CHUNK_BLOCK;
}

/* How many entries from number `i` on make a group, of those that begin before `end` in their
 * segment. */
static guint
count_group(const struct set_leaf *leaf, guint i, guint end)
{
    guint32 bytes = 0;
    guint n = 0;
    while (i + n < leaf->n && n < GROUP_CHUNKS && leaf->entries[i + n].block * CHUNK_BLOCK < end) {
        bytes += length_of(&leaf->entries[i + n]);
        if (n > 0 && bytes > GROUP_BYTES)
            break;
        n++;
    }
    return n;
}

/* All of them, at least one, are the caller's to fetch. */
static void
fetch(struct path *path, struct cached_chunk *const *mine, guint n)
{
    struct chunk_wanted wanted[GROUP_CHUNKS];
    GError *failures[GROUP_CHUNKS];
    for (guint i = 0; i < n; i++)
        wanted[i] = (struct chunk_wanted){&mine[i]->id, mine[i]->bytes, mine[i]->length, NULL};
    chunk_reader_get_all(reader_of(path), wanted, n);
    for (guint i = 0; i < n; i++)
        failures[i] = wanted[i].error;
    chunk_cache_settle(path->disk->cache->chunks, mine, failures, n);
}

struct group {
    struct chunk_cache *cache;
    guint n;
    struct cached_chunk *chunks[GROUP_CHUNKS];
};

static void
release(struct group *group)
{
    for (guint i = 0; i < group->n; i++)
        chunk_cache_release(group->cache, group->chunks[i]);
}

/* Claim the chunks of `n` entries, and fetch those that nobody else does. */
static void
claim(struct path *path, const struct map_entry *entries, guint n, struct group *ret)
{
    struct cached_chunk *mine[GROUP_CHUNKS];
    guint n_mine = 0;
    ret->cache = path->disk->cache->chunks;
    for (ret->n = 0; ret->n < n; ret->n++) {
        const struct map_entry *entry = &entries[ret->n];
        gboolean is_mine;
        ret->chunks[ret->n] = chunk_cache_claim(ret->cache, &entry->id, length_of(entry), &is_mine);
        if (is_mine)
            mine[n_mine++] = ret->chunks[ret->n];
    }
    if (n_mine > 0)
        fetch(path, mine, n_mine);
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* A range of a segment that is being read. */
struct reading {
    guint8 *out; /* of `from` */
    guint from, at, end;
};

static void
put_zeros(struct reading *reading, guint until)
{
    until = MIN(until, reading->end);
    if (until <= reading->at)
        return;
    memset(reading->out + (reading->at - reading->from), 0, until - reading->at);
    reading->at = until;
}

static void
put_chunk(struct reading *reading, guint first, const struct cached_chunk *chunk)
{
    guint n = MIN(reading->end, first + chunk->length) - reading->at;
    memcpy(reading->out + (reading->at - reading->from), chunk->bytes + (reading->at - first), n);
    reading->at += n;
}

static gboolean
read_group(struct path *path, const struct map_entry *entries, guint n, struct reading *reading,
           GError **error)
{
    __attribute__((cleanup(release))) struct group group;
    claim(path, entries, n, &group);
    for (guint i = 0; i < n; i++) {
        guint first = entries[i].block * CHUNK_BLOCK;
        put_zeros(reading, first);
        if (!chunk_cache_wait(group.cache, group.chunks[i], error))
            return FALSE;
        put_chunk(reading, first, group.chunks[i]);
    }
    return TRUE;
}

static gboolean
read_segment(struct path *path, const struct set_leaf *leaf, struct reading *reading,
             GError **error)
{
    guint i = set_leaf_find(leaf, reading->from / CHUNK_BLOCK), n;
    for (; (n = count_group(leaf, i, reading->end)) > 0; i += n) {
        if (!read_group(path, &leaf->entries[i], n, reading, error))
            return FALSE;
    }
    put_zeros(reading, reading->end);
    return TRUE;
}

static gboolean
read_range(struct cached_disk *self, struct path *path, guint64 offset, guint8 *out, gsize length,
           GError **error)
{
    while (length > 0) {
        GError *local = NULL;
        guint from = (guint)(offset % CHUNK_SEGMENT);
        guint n = (guint)MIN(length, CHUNK_SEGMENT - from);
        struct reading reading = {out, from, from, from + n};
        auto_ptr(set_leaf) leaf =
            set_leaves_get(self->leaves, path->cursor, offset / CHUNK_SEGMENT, &local);
        if (leaf == NULL || !read_segment(path, leaf, &reading, &local))
            return locate_error(self, offset + (reading.at - from), local, error);
        offset += n;
        out += n;
        length -= n;
    }
    return TRUE;
}

/* In pieces that begin at multiples of their size, so that two do not fetch parts of one frame. */
static void
push(struct cached_disk *self, enum fetch_kind kind, guint64 offset, guint64 length)
{
    if (offset >= self->base.size)
        return;
    guint64 end = offset + MIN(length, self->base.size - offset);
    while (offset < end) {
        guint64 next = MIN(end, (offset / PIECE + 1) * PIECE);
        if (!fetch_queue_push(self->cache->queue, kind, self, offset, next - offset))
            return;
        offset = next;
    }
}

static void
read_ahead(struct cached_disk *self, guint64 offset, guint64 length)
{
    guint64 from, n, limit = self->cache->limit / AHEAD_SHARE;
    if (read_streams_note(&self->streams, offset, length, limit, &from, &n))
        push(self, FETCH_GUESSED, from, n);
}

static gboolean
read_disk(struct disk *disk, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct cached_disk *self = (struct cached_disk *)disk;
    read_ahead(self, offset, length);
    struct path *path = take(self);
    gboolean ok = read_range(self, path, offset, buffer, length, error);
    give_back(self, path);
    return ok;
}

/* ---- Ahead ----------------------------------------------------------------------------------- */

/* Entries of a segment that lie together in one frame, around number `i`: it is decompressed once
 * for all of them. */
struct run {
    guint first, end;
};

static struct run
run_of_frame(const struct set_leaf *leaf, guint i, const struct location *location)
{
    const struct pack_table *table = location->table;
    const struct pack_frame *frame = &table->frames[pack_table_frame_of(table, location->slot)];
    const struct pack_slot *slot = &table->slots[location->slot];
    const struct map_entry *entry = &leaf->entries[i];
    guint most_before = MIN(i, location->slot - frame->first_slot), before = 0;
    guint most = MIN(leaf->n - i, frame->first_slot + frame->n_slots - location->slot), n = 1;
    most = MIN(most, GROUP_CHUNKS);
    while (n < most && chunk_id_equal(&entry[n].id, &slot[n].id))
        n++;
    while (before < most_before && n + before < GROUP_CHUNKS &&
           chunk_id_equal(&(entry - before - 1)->id, &(slot - before - 1)->id))
        before++;
    return (struct run){i - before, i + n};
}

static struct run
find_run(struct cached_disk *self, const struct set_leaf *leaf, guint i)
{
    struct location location;
    struct run run = {i, i + 1};
    if (locator_find(self->cache->locator, &leaf->entries[i].id, 0, &location, NULL)) {
        run = run_of_frame(leaf, i, &location);
        location_clear(&location);
    }
    return run;
}

static void
fetch_run(struct path *path, const struct set_leaf *leaf, struct run run)
{
    struct group mine = {.cache = path->disk->cache->chunks};
    for (guint i = run.first; i < run.end; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        struct cached_chunk *chunk =
            chunk_cache_claim_ahead(mine.cache, &entry->id, length_of(entry));
        if (chunk != NULL)
            mine.chunks[mine.n++] = chunk;
    }
    if (mine.n > 0)
        fetch(path, mine.chunks, mine.n);
    release(&mine);
}

/* What lies between `from` and `end` in its segment, and with `frames` what is in the frames of
 * that. */
static void
fetch_segment(struct path *path, const struct set_leaf *leaf, guint from, guint end,
              gboolean frames)
{
    struct cached_disk *self = path->disk;
    for (guint i = set_leaf_find(leaf, from / CHUNK_BLOCK); i < leaf->n; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        if (entry->block * CHUNK_BLOCK >= end)
            return;
        if (chunk_cache_has(self->cache->chunks, &entry->id, length_of(entry)))
            continue;
        fetch_run(path, leaf,
                  frames ? find_run(self, leaf, i)
                         : (struct run){i, i + count_group(leaf, i, end)});
    }
}

/* Damage is for those to hear who read it. */
void
set_cache_disk_fetch(gpointer disk, guint64 offset, guint64 length)
{
    struct cached_disk *self = disk;
    struct path *path = take(self);
    gboolean frames = length >= WHOLE_FRAMES;
    while (length > 0) {
        guint from = (guint)(offset % CHUNK_SEGMENT);
        guint n = (guint)MIN(length, CHUNK_SEGMENT - from);
        auto_ptr(set_leaf) leaf =
            set_leaves_get(self->leaves, path->cursor, offset / CHUNK_SEGMENT, NULL);
        if (leaf == NULL)
            break;
        fetch_segment(path, leaf, from, from + n, frames);
        offset += n;
        length -= n;
    }
    give_back(self, path);
}

/* Whether a small range is in memory already, as most are of a disk in use: then no thread need be
 * woken. */
static gboolean
is_here(struct cached_disk *self, guint64 offset, guint64 length)
{
    guint from = (guint)(offset % CHUNK_SEGMENT);
    guint64 end = from + length;
    if (end > CHUNK_SEGMENT || length > GROUP_BYTES)
        return FALSE;
    struct path *path = take(self);
    auto_ptr(set_leaf) leaf =
        set_leaves_get(self->leaves, path->kept, offset / CHUNK_SEGMENT, NULL);
    give_back(self, path);
    if (leaf == NULL)
        return FALSE;
    for (guint i = set_leaf_find(leaf, from / CHUNK_BLOCK);
         i < leaf->n && leaf->entries[i].block * CHUNK_BLOCK < end; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        if (!chunk_cache_has(self->cache->chunks, &entry->id, length_of(entry)))
            return FALSE;
    }
    return TRUE;
}

static void
prefetch(struct disk *disk, guint64 offset, guint64 length)
{
    struct cached_disk *self = (struct cached_disk *)disk;
    length = MIN(length, self->cache->limit / AHEAD_SHARE);
    if (!is_here(self, offset, length))
        push(self, FETCH_TOLD, offset, length);
}

/* ---- The rest -------------------------------------------------------------------------------- */

static gboolean
extent_of_disk(struct disk *disk, guint64 offset, guint64 length, struct disk_extent *ret,
               GError **error)
{
    struct cached_disk *self = (struct cached_disk *)disk;
    GError *local = NULL;
    struct path *path = take(self);
    gboolean ok =
        set_extent_find(self->leaves, path->cursor, self->base.size, offset, length, ret, &local);
    give_back(self, path);
    return ok || locate_error(self, offset, local, error);
}

static void
close_disk(struct disk *disk)
{
    struct cached_disk *self = (struct cached_disk *)disk;
    fetch_queue_forget(self->cache->queue, self);
    g_ptr_array_unref(self->paths);
    set_leaves_free(self->leaves);
    read_streams_clear(&self->streams);
    g_mutex_clear(&self->lock);
    g_free(self);
}

static const struct disk_class set_cache_class = {
    .name = "cached set",
    .read = read_disk,
    .extent = extent_of_disk,
    .prefetch = prefetch,
    .close = close_disk,
};

struct disk *
set_cache_disk_new(struct set_cache *cache, const struct map *map, const char *label)
{
    struct cached_disk *self = g_new0(struct cached_disk, 1);
    disk_init(&self->base, &set_cache_class, map->size, DISK_CAN_EXTENTS, label);
    self->cache = cache;
    self->map = *map;
    self->leaves = set_leaves_new();
    self->paths = g_ptr_array_new_with_free_func(free_path);
    read_streams_init(&self->streams);
    g_mutex_init(&self->lock);
    return &self->base;
}
