/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "store/index.h"
#include "store/index_generation.h"
#include "store/index_merge.h"
#include "store/index_output.h"
#include "store/index_sort.h"

/* Bytes of objects that are taken: leaves room for as much that is new. */
#define SOURCES_MAX (INDEX_OBJECT_MAX / 2)

/* An object whose entries are taken over, from the view, while the new one is written. */
struct source {
    struct index_table *table;
    guint32 *packs; /* the writer's number of each of its packs, or INDEX_RUN_DROP */
};

/* A pack has a number from when it is first named, and at the end another one: its place in order.
 */
struct index_writer {
    char *owner;
    GArray *entries;      /* of struct index_entry, in no order */
    GHashTable *numbers;  /* struct pack_name * (owned) to its number */
    GPtrArray *packs;     /* struct pack_name * (of `numbers`) by number */
    GArray *sources;      /* of struct source */
    GHashTable *replaced; /* set of digests, as struct pack_name * (owned) */
    guint64 bytes;        /* of the sources */
};

static void
clear_source(gpointer data)
{
    struct source *source = data;
    index_table_unref(source->table);
    g_free(source->packs);
}

struct index_writer *
index_writer_new(const char *owner)
{
    struct index_writer *writer = g_new0(struct index_writer, 1);
    writer->owner = g_strdup(owner);
    writer->entries = g_array_new(FALSE, FALSE, sizeof(struct index_entry));
    writer->numbers = g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    writer->packs = g_ptr_array_new();
    writer->sources = g_array_new(FALSE, FALSE, sizeof(struct source));
    g_array_set_clear_func(writer->sources, clear_source);
    writer->replaced = g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    return writer;
}

void
index_writer_abandon(struct index_writer *writer)
{
    if (writer == NULL)
        return;
    g_free(writer->owner);
    g_array_unref(writer->entries);
    g_ptr_array_unref(writer->packs);
    g_hash_table_unref(writer->numbers);
    g_array_unref(writer->sources);
    g_hash_table_unref(writer->replaced);
    g_free(writer);
}

static guint32
number_of(struct index_writer *writer, const struct pack_name *pack)
{
    gpointer number;
    if (g_hash_table_lookup_extended(writer->numbers, pack, NULL, &number))
        return GPOINTER_TO_UINT(number);
    struct pack_name *copy = g_memdup2(pack, sizeof *pack);
    g_hash_table_insert(writer->numbers, copy, GUINT_TO_POINTER(writer->packs->len));
    g_ptr_array_add(writer->packs, copy);
    return writer->packs->len - 1;
}

void
index_writer_add(struct index_writer *writer, const struct pack_name *pack, guint n_slots,
                 const struct pack_slot *slots)
{
    g_assert(n_slots <= PACK_CHUNKS_MAX);
    guint32 number = number_of(writer, pack);
    for (guint i = 0; i < n_slots; i++) {
        struct index_entry entry = {
            .fingerprint = chunk_id_fingerprint(&slots[i].id),
            .pack = number,
            .slot = (guint16)i,
        };
        g_array_append_val(writer->entries, entry);
    }
}

/* ---- Merging --------------------------------------------------------------------------------- */

static void
replace(struct index_writer *writer, const guint8 *digest)
{
    g_hash_table_add(writer->replaced, g_memdup2(digest, OBJECT_HASH_SIZE));
}

static void
take(struct index_writer *writer, struct index_table *table, GHashTable *stale, GHashTable *drop)
{
    struct source source = {
        .table = index_table_ref(table),
        .packs = g_new(guint32, MAX(table->header.n_packs, 1)),
    };
    for (guint32 i = 0; i < table->header.n_packs; i++) {
        struct pack_name pack;
        memcpy(pack.bytes, table->packs + (gsize)i * INDEX_NAME_ROW, sizeof pack.bytes);
        gboolean dropped = drop != NULL && g_hash_table_contains(drop, &pack);
        source.packs[i] = dropped ? INDEX_RUN_DROP : number_of(writer, &pack);
    }
    g_array_append_val(writer->sources, source);
    writer->bytes += g_bytes_get_size(table->bytes);
    replace(writer, table->digest);
    /* What this one replaced and could not remove would count again without it. */
    for (guint32 i = 0; i < table->header.n_replaced; i++) {
        const guint8 *row = table->replaced + (gsize)i * INDEX_NAME_ROW;
        if (g_hash_table_contains(stale, row))
            replace(writer, row);
    }
}

guint
index_writer_merge(struct index_writer *writer, struct chunk_index *index, guint64 entries_max,
                   GHashTable *drop)
{
    auto_ptr(index_generation) generation = index_generation_current(index);
    guint taken = 0;
    for (guint i = 0; i < generation->tables->len; i++) {
        struct index_table *table = generation->tables->pdata[i];
        if (table->header.n_entries > entries_max ||
            g_hash_table_contains(writer->replaced, table->digest) ||
            g_bytes_get_size(table->bytes) > SOURCES_MAX - writer->bytes)
            continue;
        /* One that is not in order must not be removed as if its entries were taken. */
        char object[INDEX_OBJECT_TEXT];
        if (!chunk_index_verify(index_generation_repo(index),
                                index_object_format(table->digest, object), NULL))
            continue;
        take(writer, table, generation->replaced, drop);
        taken++;
    }
    return taken;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int
compare_names(gconstpointer left, gconstpointer right)
{
    return memcmp(*(struct pack_name *const *)left, *(struct pack_name *const *)right,
                  sizeof(struct pack_name));
}

/* Give all packs their places in order, and the entries too. */
static void
order_entries(struct index_writer *writer)
{
    g_autofree guint32 *places = g_new(guint32, MAX(writer->packs->len, 1));
    g_ptr_array_sort(writer->packs, compare_names);
    for (guint i = 0; i < writer->packs->len; i++) {
        gpointer number = g_hash_table_lookup(writer->numbers, writer->packs->pdata[i]);
        places[GPOINTER_TO_UINT(number)] = i;
    }
    struct index_entry *entries = (struct index_entry *)(void *)writer->entries->data;
    for (guint i = 0; i < writer->entries->len; i++)
        entries[i].pack = places[entries[i].pack];
    index_sort(entries, writer->entries->len);
    for (guint s = 0; s < writer->sources->len; s++) {
        struct source *source = &g_array_index(writer->sources, struct source, s);
        for (guint32 i = 0; i < source->table->header.n_packs; i++)
            if (source->packs[i] != INDEX_RUN_DROP)
                source->packs[i] = places[source->packs[i]];
    }
}

/* The writer's own entries lie in memory as they will in the object. */
static void
encode_in_place(GArray *entries)
{
    for (guint i = 0; i < entries->len; i++) {
        struct index_entry *entry = &g_array_index(entries, struct index_entry, i);
        entry->fingerprint = GUINT64_TO_LE(entry->fingerprint);
        entry->pack = GUINT32_TO_LE(entry->pack);
        entry->slot = GUINT16_TO_LE(entry->slot);
    }
}
G_STATIC_ASSERT(sizeof(struct index_entry) == INDEX_ENTRY_ROW);

static GPtrArray *
sorted_replaced(struct index_writer *writer)
{
    GPtrArray *replaced = g_ptr_array_new();
    GHashTableIter iter;
    gpointer digest;
    g_hash_table_iter_init(&iter, writer->replaced);
    while (g_hash_table_iter_next(&iter, &digest, NULL))
        g_ptr_array_add(replaced, digest);
    g_ptr_array_sort(replaced, compare_names);
    return replaced;
}

static gboolean
write_object(struct index_writer *writer, struct repo *repo, GPtrArray *replaced, GError **error)
{
    guint n = writer->sources->len + 1;
    g_autofree struct index_run *runs = g_new0(struct index_run, n);
    g_autofree guint32 *own = g_new(guint32, MAX(writer->packs->len, 1));
    for (guint i = 0; i < writer->packs->len; i++)
        own[i] = i;
    encode_in_place(writer->entries);
    runs[0] = (struct index_run){
        .rows = (const guint8 *)writer->entries->data,
        .n = writer->entries->len,
        .packs = own,
        .n_packs = writer->packs->len,
    };
    for (guint i = 1; i < n; i++) {
        const struct source *source = &g_array_index(writer->sources, struct source, i - 1);
        runs[i] = (struct index_run){
            .rows = source->table->entries,
            .n = source->table->header.n_entries,
            .packs = source->packs,
            .n_packs = source->table->header.n_packs,
        };
    }
    struct index_output output = {
        .repo = repo,
        .owner = writer->owner,
        .packs = writer->packs,
        .replaced = replaced,
        .runs = runs,
        .n_runs = n,
    };
    return index_output_write(&output, error);
}

gboolean
index_writer_finish(struct index_writer *finished, struct repo *repo, GError **error)
{
    auto_ptr(index_writer) writer = finished;
    if (writer->entries->len == 0 && g_hash_table_size(writer->replaced) == 0)
        return TRUE;
    g_autoptr(GPtrArray) replaced = sorted_replaced(writer);
    order_entries(writer);
    if (!write_object(writer, repo, replaced, error))
        return FALSE;
    for (guint i = 0; i < replaced->len; i++) {
        char object[INDEX_OBJECT_TEXT];
        if (!repo_remove(repo, index_object_format(replaced->pdata[i], object), error)) {
            g_prefix_error(error, "the new index is there, but an old one stays: ");
            return FALSE;
        }
    }
    return TRUE;
}
