/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_fixture.h: small stores in memory, sets of generated disks, and what must come out of them.
 *
 * A backup here is a plain loop over a store_writer, so that tests can stop anywhere in it. */
#pragma once

#include "base/error.h"
#include "repo/repo_driver.h"
#include "store/chunker.h"
#include "store/pack_list.h"
#include "store/store_writer.h"

#define FIXTURE_GROUP (128u << 10)

/* First of all in main(): what is seen of leases is not remembered, which would cost an fsync each
 * time and leave files behind. */
static inline void
fixture_without_cache(void)
{
    g_setenv("XDG_CACHE_HOME", "/dev/null/none", TRUE);
}

/* ---- Repos ----------------------------------------------------------------------------------- */

/* Names of all objects, sorted. */
static inline GPtrArray *
fixture_names(struct repo *repo)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = repo_list(repo, "", &error);
    g_assert_no_error(error);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < entries->len; i++)
        g_ptr_array_add(names, g_strdup(((struct repo_entry *)entries->pdata[i])->name));
    return names;
}

static inline guint
fixture_count(struct repo *repo, const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = repo_list(repo, folder, &error);
    g_assert_no_error(error);
    return entries->len;
}

/* Parity objects of packs. */
static inline guint
fixture_pack_parity(struct repo *repo)
{
    struct pack_name pack;
    g_autoptr(GPtrArray) names = fixture_names(repo);
    guint n = 0;
    for (guint i = 0; i < names->len; i++)
        n +=
            g_str_has_prefix(names->pdata[i], "parity/") && pack_name_parse(names->pdata[i], &pack);
    return n;
}

/* Parity objects of packs. */
static inline guint
fixture_count_parity(struct repo *repo)
{
    g_autoptr(GPtrArray) entries = repo_list(repo, "parity", NULL);
    struct pack_name name;
    guint n = 0;
    for (guint i = 0; i < entries->len; i++)
        n += pack_name_parse(((struct repo_entry *)entries->pdata[i])->name, &name);
    return n;
}

static inline guint64
fixture_bytes(struct repo *repo, const char *folder)
{
    g_autoptr(GPtrArray) entries = repo_list(repo, folder, NULL);
    guint64 total = 0;
    for (guint i = 0; i < entries->len; i++)
        total += ((struct repo_entry *)entries->pdata[i])->size;
    return total;
}

static inline GBytes *
fixture_get(struct repo *repo, const char *name)
{
    g_autoptr(GError) error = NULL;
    GBytes *bytes = repo_read_all(repo, name, 1u << 30, &error);
    g_assert_no_error(error);
    return bytes;
}

static inline void
fixture_put(struct repo *repo, const char *name, GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    repo_replace(repo, name, data, length, &error);
    g_assert_no_error(error);
}

/* All that is in `from`, also what is unfinished, in memory. */
static inline struct repo *
fixture_copy(struct repo *from)
{
    struct repo *repo = repo_memory_new();
    g_autoptr(GPtrArray) names = fixture_names(from), owners = repo_unfinished(from, NULL);
    for (guint i = 0; i < names->len; i++) {
        g_autoptr(GBytes) bytes = fixture_get(from, names->pdata[i]);
        fixture_put(repo, names->pdata[i], bytes);
    }
    for (guint i = 0; i < owners->len; i++) {
        struct repo_writer *writer = repo_create(repo, owners->pdata[i], NULL);
        writer->class->leave(writer);
    }
    return repo;
}

/* ---- Stores ---------------------------------------------------------------------------------- */

static inline struct store *
fixture_init(struct repo *repo, struct store_key *key, unsigned parity)
{
    g_autoptr(GError) error = NULL;
    struct store_config config = {.codec = CODEC_ZSTD, .level = 1, .parity = parity};
    struct store *store = store_init(repo, &config, key, &error);
    g_assert_no_error(error);
    return store;
}

static inline struct store_key *
fixture_copy_key(const struct store_key *key)
{
    return key != NULL ? store_key_new(store_key_secret(key)) : NULL;
}

static inline struct store *
fixture_open(struct repo *repo, const struct store_key *key)
{
    g_autoptr(GError) error = NULL;
    struct store *store = store_open(repo, fixture_copy_key(key), &error);
    g_assert_no_error(error);
    return store;
}

/* A store of its own with the same content. */
static inline struct store *
fixture_fork(struct store *store)
{
    return fixture_open(fixture_copy(store_repo(store)), store_key_of(store));
}

/* Make all leases those of an earlier boot of this machine: dead at once. */
static inline void
fixture_kill_leases(struct store *store)
{
    struct repo *repo = store_repo(store);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = repo_list(repo, "leases", &error);
    g_assert_no_error(error);
    for (guint i = 0; i < entries->len; i++) {
        const char *name = ((struct repo_entry *)entries->pdata[i])->name;
        g_autoptr(GBytes) object = fixture_get(repo, name);
        g_autoptr(GBytes) payload =
            seal_open(SEAL_LEASE, store_key_of(store), name, object, &error);
        g_assert_no_error(error);
        json_t *json =
            json_loadb(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload), 0, NULL);
        json_object_set_new(json, "boot", json_string("an earlier one"));
        char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
        g_autoptr(GBytes) sealed =
            seal_close(SEAL_LEASE, store_key_of(store), text, strlen(text), &error);
        g_assert_no_error(error);
        fixture_put(repo, name, sealed);
        free(text);
        json_decref(json);
    }
}

/* ---- Disks ----------------------------------------------------------------------------------- */

struct fixture_disk {
    gsize size;
    guint8 *data;
};

static inline void
fixture_disk_clear(struct fixture_disk *disk)
{
    g_free(disk->data);
}
#define auto_disk __attribute__((cleanup(fixture_disk_clear))) struct fixture_disk

static inline guint64
fixture_random(guint64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Bytes that compress: words of 8 bytes, of which there are some thousand. */
static inline void
fixture_scribble(struct fixture_disk *disk, gsize offset, gsize length, guint64 seed)
{
    guint64 state = seed * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) + 1;
    for (gsize i = 0; i < length; i += 8) {
        guint64 word = (fixture_random(&state) >> 40 & 0xfff) + 1;
        word *= G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
        word ^= word >> 29;
        memcpy(disk->data + offset + i, &word, MIN(8, length - i));
    }
}

static inline struct fixture_disk
fixture_disk_new(gsize size, guint64 seed)
{
    struct fixture_disk disk = {size, g_malloc0(size)};
    fixture_scribble(&disk, 0, size, seed);
    return disk;
}

static inline struct fixture_disk
fixture_disk_copy(const struct fixture_disk *disk)
{
    return (struct fixture_disk){disk->size, g_memdup2(disk->data, disk->size)};
}

/* ---- Backups --------------------------------------------------------------------------------- */

struct fixture_run {
    struct store *store;
    struct store_writer *writer;
    struct set *set;
    struct chunk_reader *reader;
    struct codec *codec;
    struct chunk_hasher *hasher;
    const struct map *old; /* of the disk that is being stored */
    GByteArray *plain;     /* the group that is being filled */
    GArray *ids, *lengths;
    guint deltas;
};

static inline struct fixture_run *
fixture_begin(struct store *store, const char *name)
{
    g_autoptr(GError) error = NULL;
    struct fixture_run *run = g_new0(struct fixture_run, 1);
    run->store = store;
    run->writer = store_writer_begin(store, &error);
    g_assert_no_error(error);
    run->reader = chunk_reader_new(store, store_writer_locator(run->writer));
    run->codec = codec_new();
    run->hasher = chunk_hasher_new(store_key_id_key(store_key_of(store)));
    run->plain = g_byte_array_new();
    run->ids = g_array_new(FALSE, FALSE, sizeof(struct chunk_id));
    run->lengths = g_array_new(FALSE, FALSE, sizeof(guint32));
    run->set = set_new();
    run->set->name = g_strdup(name);
    static gint64 clock = 1700000000;
    run->set->created = clock++;
    run->set->host = g_strdup("host");
    run->set->method = g_strdup("full");
    return run;
}

static inline void
fixture_run_free(struct fixture_run *run)
{
    chunk_reader_free(run->reader);
    store_writer_abandon(run->writer);
    codec_free(run->codec);
    chunk_hasher_free(run->hasher);
    g_byte_array_unref(run->plain);
    g_array_unref(run->ids);
    g_array_unref(run->lengths);
    set_free(run->set);
    g_free(run);
}
AUTO_PTR_DEFINE(fixture_run, fixture_run_free)

static inline gboolean
fixture_flush(struct fixture_run *run, GError **error)
{
    if (run->ids->len == 0)
        return TRUE;
    g_autofree guint8 *out = g_malloc(codec_bound(run->plain->len));
    gsize length =
        codec_encode(run->codec, CODEC_ZSTD, 1, run->plain->data, run->plain->len, NULL, 0, out);
    struct pack_group group = {
        .codec = length > 0 ? CODEC_ZSTD : CODEC_NONE,
        .plain_length = run->plain->len,
        .stored = length > 0 ? out : run->plain->data,
        .stored_length = length > 0 ? (guint32)length : run->plain->len,
        .n_chunks = run->ids->len,
        .ids = (const struct chunk_id *)run->ids->data,
        .lengths = (const guint32 *)(const void *)run->lengths->data,
    };
    gboolean ok = store_writer_add(run->writer, &group, error);
    g_byte_array_set_size(run->plain, 0);
    g_array_set_size(run->ids, 0);
    g_array_set_size(run->lengths, 0);
    return ok;
}

/* As a delta against what the old map has at this place; FALSE in *ret_done when that is no use. */
static inline gboolean
fixture_add_delta(struct fixture_run *run, const struct chunk_id *id, const struct chunk_id *old,
                  const guint8 *data, guint32 length, gboolean *ret_done, GError **error)
{
    const guint8 *base;
    gsize base_length;
    struct pack_group group = {.codec = CODEC_ZSTD_DELTA,
                               .plain_length = length,
                               .n_chunks = 1,
                               .ids = id,
                               .lengths = &length};
    *ret_done = FALSE;
    /* A predecessor that cannot be read is no reason to fail: of a dead copy the base may be gone.
     */
    if (!chunk_reader_base(run->reader, old, &group.base, &base, &base_length, NULL) ||
        base_length == 0 || chunk_id_equal(&group.base, id) ||
        !store_writer_may_base(run->writer, &group.base))
        return TRUE;
    g_autofree guint8 *out = g_malloc(codec_bound(length));
    group.stored = out;
    group.stored_length = (guint32)codec_encode(run->codec, CODEC_ZSTD_DELTA, 1, data, length, base,
                                                base_length, out);
    if (group.stored_length == 0 || group.stored_length > length / 2)
        return TRUE;
    *ret_done = TRUE;
    run->deltas++;
    return store_writer_add(run->writer, &group, error);
}

static inline gboolean
fixture_add_chunk(struct fixture_run *run, const struct chunk_id *id, const struct chunk_id *old,
                  const guint8 *data, guint32 length, GError **error)
{
    gboolean done = FALSE;
    if (!store_writer_claim(run->writer, id))
        return TRUE;
    if (old != NULL && !fixture_add_delta(run, id, old, data, length, &done, error))
        return FALSE;
    if (done)
        return TRUE;
    if (run->plain->len + length > FIXTURE_GROUP && !fixture_flush(run, error))
        return FALSE;
    g_byte_array_append(run->plain, data, length);
    g_array_append_val(run->ids, *id);
    g_array_append_val(run->lengths, length);
    return TRUE;
}

static inline gboolean
fixture_add_segment(struct fixture_run *run, const guint8 *segment, guint32 length,
                    const struct map_leaf *old, struct map_leaf *ret, GError **error)
{
    g_autofree struct chunk_span *spans = g_new(struct chunk_span, CHUNKER_SPANS_MAX);
    guint n =
        chunker_split(segment, length, store_key_chunker_seed(store_key_of(run->store)), spans);
    ret->n = n;
    for (guint i = 0; i < n; i++) {
        struct map_entry *entry = &ret->entries[i];
        const struct chunk_id *before = NULL;
        entry->block = (guint16)(spans[i].offset / CHUNK_BLOCK);
        entry->blocks = (guint16)(spans[i].length / CHUNK_BLOCK);
        chunk_hasher_run(run->hasher, segment + spans[i].offset, spans[i].length, &entry->id);
        for (guint o = 0; old != NULL && o < old->n; o++)
            if (old->entries[o].block == entry->block)
                before = &old->entries[o].id;
        if (!fixture_add_chunk(run, &entry->id, before, segment + spans[i].offset, spans[i].length,
                               error))
            return FALSE;
    }
    return TRUE;
}

/* Store a disk as "disk0", "disk1", ...; changed chunks as deltas against `old` (may be NULL). */
static inline gboolean
fixture_add_disk(struct fixture_run *run, const struct fixture_disk *disk, const struct map *old,
                 GError **error)
{
    struct map_sink sink = store_writer_map_sink(run->writer);
    struct map_source source = chunk_reader_map_source(run->reader);
    struct map empty = {.empty = TRUE};
    auto_ptr(map_builder) builder = map_builder_new(NULL, disk->size, NULL, &sink);
    auto_ptr(map_cursor) cursor = map_cursor_new(old != NULL ? old : &empty, &source);
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    g_autofree struct map_leaf *before = g_new0(struct map_leaf, 1);
    g_autofree guint8 *segment = g_malloc(CHUNK_SEGMENT);
    for (guint64 s = 0; s * CHUNK_SEGMENT < disk->size; s++) {
        gsize length = MIN(CHUNK_SEGMENT, disk->size - s * CHUNK_SEGMENT);
        guint32 whole = (guint32)(length + CHUNK_BLOCK - 1) / CHUNK_BLOCK * CHUNK_BLOCK;
        memset(segment, 0, whole);
        memcpy(segment, disk->data + s * CHUNK_SEGMENT, length);
        if ((old != NULL && !map_cursor_leaf(cursor, s, before, error)) ||
            !fixture_add_segment(run, segment, whole, old != NULL ? before : NULL, leaf, error) ||
            !map_builder_set(builder, s, leaf, error))
            return FALSE;
    }
    struct set_disk *entry = g_new0(struct set_disk, 1);
    entry->name = g_strdup_printf("disk%u", run->set->disks->len);
    entry->source = g_strdup("generated");
    g_ptr_array_add(run->set->disks, entry);
    return fixture_flush(run, error) && map_builder_finish(builder, &entry->map, error);
}

static inline gboolean
fixture_commit(struct fixture_run *run, struct set_id *ret, GError **error)
{
    *ret = run->set->id;
    return store_writer_commit(g_steal_pointer(&run->writer), run->set, error);
}

/* The map of the first disk of a set. */
static inline struct map
fixture_map(struct store *store, const struct set_id *id)
{
    g_autoptr(GError) error = NULL;
    struct set_entry *entry = store_sets_read(store, id, &error);
    g_assert_no_error(error);
    struct map map = ((struct set_disk *)entry->set->disks->pdata[0])->map;
    set_entry_free(entry);
    return map;
}

/* A whole backup of one disk, as deltas against the set `old` (may be NULL). */
static inline struct set_id
fixture_backup(struct store *store, const struct fixture_disk *disk, const struct set_id *old)
{
    g_autoptr(GError) error = NULL;
    struct set_id id;
    auto_ptr(fixture_run) run = fixture_begin(store, "machine");
    struct map map;
    if (old != NULL)
        map = fixture_map(store, old);
    fixture_add_disk(run, disk, old != NULL ? &map : NULL, &error);
    g_assert_no_error(error);
    fixture_commit(run, &id, &error);
    g_assert_no_error(error);
    return id;
}

static inline void
fixture_delete(struct store *store, const struct set_id *id)
{
    g_autoptr(GError) error = NULL;
    store_sets_remove(store, id, &error);
    g_assert_no_error(error);
}

/* ---- Reading back ---------------------------------------------------------------------------- */

static inline gboolean
fixture_read_leaf(struct chunk_reader *reader, const struct map_leaf *leaf, guint8 *segment,
                  GError **error)
{
    for (guint i = 0; i < leaf->n; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        if (!chunk_reader_get(reader, &entry->id, segment + (gsize)entry->block * CHUNK_BLOCK,
                              (gsize)entry->blocks * CHUNK_BLOCK, error))
            return FALSE;
    }
    return TRUE;
}

/* FALSE with an error when the set's first disk cannot be read; bytes that differ end the test. */
static inline gboolean
fixture_read(struct store *store, const struct set_id *id, const struct fixture_disk *disk,
             GError **error)
{
    struct set_entry *entry = store_sets_read(store, id, error);
    if (entry == NULL)
        return FALSE;
    struct map map = ((struct set_disk *)entry->set->disks->pdata[0])->map;
    set_entry_free(entry);
    auto_ptr(locator) locator = locator_new(store, error);
    if (locator == NULL)
        return FALSE;
    auto_ptr(chunk_reader) reader = chunk_reader_new(store, locator);
    struct map_source source = chunk_reader_map_source(reader);
    auto_ptr(map_cursor) cursor = map_cursor_new(&map, &source);
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    g_autofree guint8 *segment = g_malloc(CHUNK_SEGMENT);
    g_assert_cmpuint(map.size, ==, disk->size);
    for (guint64 s = 0; s * CHUNK_SEGMENT < disk->size; s++) {
        gsize length = MIN(CHUNK_SEGMENT, disk->size - s * CHUNK_SEGMENT);
        memset(segment, 0, CHUNK_SEGMENT);
        if (!map_cursor_leaf(cursor, s, leaf, error) ||
            !fixture_read_leaf(reader, leaf, segment, error))
            return FALSE;
        g_assert_true(memcmp(segment, disk->data + s * CHUNK_SEGMENT, length) == 0);
    }
    return TRUE;
}

static inline void
fixture_expect(struct store *store, const struct set_id *id, const struct fixture_disk *disk)
{
    g_autoptr(GError) error = NULL;
    fixture_read(store, id, disk, &error);
    g_assert_no_error(error);
}
