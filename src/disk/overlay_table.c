/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/overlay_table.h"

#include "base/error.h"
#include "base/little_endian.h"
#include "disk/disk.h"

#include <openssl/sha.h>
#include <string.h>

#define HEADER_MAGIC "SLIPOVER"
#define PAGE_MAGIC "SLIPOVPG"
#define VERSION 1u
#define PART 4096u /* of the file: a header, a slot */
#define DIGEST_AT (PART - SHA256_DIGEST_LENGTH)
#define SUM_LENGTH 16u
/* No disk is flushed so often. */
#define GENERATION_MAX ((guint64)1 << 62)
#define TABLE_OFFSET (2 * (guint64)PART)

struct header {
    guint64 generation;
    guint64 size;
    guint64 n_pages;
    guint8 sum[SUM_LENGTH];
    char identity[OVERLAY_IDENTITY_MAX + 1];
};

/* Where a page is kept. */
struct place {
    guint64 number;
    guint64 generation; /* 0: it never was */
    guint slot;
    guint8 sum[SUM_LENGTH];
    gboolean reserved;
};

struct overlay_table {
    struct overlay_file *file;
    struct header header;
    GMutex lock; /* of the places */
    GHashTable *places;
};

/* ---- Layout ---------------------------------------------------------------------------------- */

static guint64
count_blocks(guint64 size)
{
    return size / DISK_BLOCK + (size % DISK_BLOCK != 0);
}

static guint64
count_pages(guint64 size)
{
    guint64 blocks = count_blocks(size);
    return blocks / OVERLAY_PAGE_BLOCKS + (blocks % OVERLAY_PAGE_BLOCKS != 0);
}

/* All pages' slots 0, then all their slots 1: what is written at once lies together. */
static guint64
slot_offset(guint64 size, guint64 page, guint slot)
{
    return TABLE_OFFSET + (slot * count_pages(size) + page) * PART;
}

guint64
overlay_table_data_offset(guint64 size)
{
    return slot_offset(size, 0, 2);
}

static guint64
file_length(guint64 size)
{
    return overlay_table_data_offset(size) + count_blocks(size) * DISK_BLOCK;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static void
seal(guint8 part[PART])
{
    SHA256(part, DIGEST_AT, part + DIGEST_AT);
}

static gboolean
is_sealed(const guint8 part[PART], const char *magic)
{
    guint8 digest[SHA256_DIGEST_LENGTH];
    if (memcmp(part, magic, 8) != 0)
        return FALSE;
    SHA256(part, DIGEST_AT, digest);
    return memcmp(digest, part + DIGEST_AT, sizeof digest) == 0;
}

static void
write_header(const struct header *header, guint8 part[PART])
{
    gsize length = strlen(header->identity);
    memset(part, 0, PART);
    memcpy(part, HEADER_MAGIC, 8);
    little_endian_put16(part + 8, VERSION);
    little_endian_put16(part + 10, (guint16)length);
    little_endian_put64(part + 16, header->generation);
    little_endian_put64(part + 24, header->size);
    little_endian_put64(part + 32, header->n_pages);
    memcpy(part + 48, header->sum, SUM_LENGTH);
    memcpy(part + 64, header->identity, length);
    seal(part);
}

static void
write_page(const struct overlay_page *page, guint64 generation, guint8 part[PART])
{
    memset(part, 0, PART);
    memcpy(part, PAGE_MAGIC, 8);
    little_endian_put64(part + 8, page->number);
    little_endian_put64(part + 16, generation);
    memcpy(part + 32, page->bits, OVERLAY_PAGE_BYTES);
    seal(part);
}

/* Into a sum, and out of it again. */
static void
add_sum(guint8 sum[SUM_LENGTH], const guint8 *digest)
{
    for (guint i = 0; i < SUM_LENGTH; i++)
        sum[i] ^= digest[i];
}

/* ---- Making ---------------------------------------------------------------------------------- */

static struct overlay_table *
new_table(struct overlay_file *file, guint64 size, const char *identity, GError **error)
{
    gsize length = identity != NULL ? strlen(identity) : 0;
    if (length > OVERLAY_IDENTITY_MAX)
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "the identity of the disk below %s has %zu bytes, more than %u",
                          overlay_file_label(file), length, OVERLAY_IDENTITY_MAX);
    struct overlay_table *table = g_new0(struct overlay_table, 1);
    table->file = file;
    table->header.size = size;
    if (length > 0)
        memcpy(table->header.identity, identity, length);
    g_mutex_init(&table->lock);
    table->places = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    return table;
}

void
overlay_table_free(struct overlay_table *table)
{
    if (table == NULL)
        return;
    g_hash_table_unref(table->places);
    g_mutex_clear(&table->lock);
    g_free(table);
}

/* The first makes it count; the second, which may be lost, is there when the first is damaged. */
static gboolean
commit_header(struct overlay_table *table, GError **error)
{
    guint8 part[PART];
    write_header(&table->header, part);
    return overlay_file_write(table->file, 0, part, PART, error) &&
           overlay_file_sync(table->file, error) &&
           overlay_file_write(table->file, PART, part, PART, error);
}

/* A file that nobody has completed: empty, or with nothing but a first header that was not wholly
 * written.  Pages are only written when both headers are there. */
static gboolean
is_unfinished(struct overlay_table *table, guint64 length)
{
    static const guint8 none[8];
    guint8 part[PART];
    guint64 data;
    if (length == 0)
        return TRUE;
    if (length != file_length(table->header.size) || overlay_file_next(table->file, PART, &data) ||
        !overlay_file_read(table->file, 0, part, PART, NULL))
        return FALSE;
    return !is_sealed(part, HEADER_MAGIC) &&
           (memcmp(part, HEADER_MAGIC, 8) == 0 || memcmp(part, none, 8) == 0);
}

static gboolean
make(struct overlay_table *table, GError **error)
{
    table->header.generation = 1;
    return overlay_file_set_length(table->file, file_length(table->header.size), error) &&
           commit_header(table, error) && overlay_file_sync_name(table->file, error);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static gboolean
damaged(struct overlay_table *table, const char *what, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s is damaged: %s; what was written to it cannot be relied on, remove it to "
                     "begin with the disk below again",
                     overlay_file_label(table->file), what);
}

static gboolean
parse_header(struct overlay_table *table, const guint8 *part, struct header *ret, GError **error)
{
    if (little_endian_get16(part + 8) != VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s has version %u, of which this program knows nothing; use a newer one",
                         overlay_file_label(table->file), little_endian_get16(part + 8));
    guint length = little_endian_get16(part + 10);
    if (length > OVERLAY_IDENTITY_MAX || memchr(part + 64, 0, length) != NULL)
        return damaged(table, "its header has no identity", error);
    *ret = (struct header){.generation = little_endian_get64(part + 16),
                           .size = little_endian_get64(part + 24),
                           .n_pages = little_endian_get64(part + 32)};
    memcpy(ret->sum, part + 48, SUM_LENGTH);
    memcpy(ret->identity, part + 64, length);
    if (ret->generation == 0 || ret->generation > GENERATION_MAX)
        return damaged(table, "its header has no generation", error);
    return TRUE;
}

/* The newer one of those that are whole. */
static gboolean
read_header(struct overlay_table *table, struct header *ret, GError **error)
{
    guint8 parts[2][PART];
    guint64 length;
    if (!overlay_file_length(table->file, &length, error))
        return FALSE;
    if (length < sizeof parts)
        return damaged(table, "it has no header", error);
    if (!overlay_file_read(table->file, 0, parts, sizeof parts, error))
        return FALSE;
    gboolean first = is_sealed(parts[0], HEADER_MAGIC), second = is_sealed(parts[1], HEADER_MAGIC);
    if (!first && !second)
        return damaged(table, "it has no header", error);
    if (first && second)
        first = little_endian_get64(parts[0] + 16) >= little_endian_get64(parts[1] + 16);
    return parse_header(table, parts[first ? 0 : 1], ret, error);
}

static gboolean
check_header(struct overlay_table *table, const struct header *found, GError **error)
{
    const char *label = overlay_file_label(table->file);
    guint64 length, wanted = file_length(table->header.size);
    if (found->size != table->header.size)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s is for a disk of %" G_GUINT64_FORMAT
                         " bytes, and this one has %" G_GUINT64_FORMAT "; name another file",
                         label, found->size, table->header.size);
    if (strcmp(found->identity, table->header.identity) != 0) {
        g_autofree char *other = g_utf8_make_valid(found->identity, -1);
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s is for another disk: %s; name another file", label, other);
    }
    if (!overlay_file_length(table->file, &length, error))
        return FALSE;
    return length >= wanted || damaged(table, "it was cut off", error);
}

/* A slot of a flush that did not come to its end must not be taken for one of the next, which has
 * the same generation.  It is durable before that one counts. */
static gboolean
erase(struct overlay_table *table, guint64 number, guint slot, GError **error)
{
    static const guint8 zeros[PART];
    return overlay_file_write(table->file, slot_offset(table->header.size, number, slot), zeros,
                              PART, error);
}

/* With the lock held. */
static struct place *
find_place(struct overlay_table *table, guint64 number)
{
    struct place *place = g_hash_table_lookup(table->places, &number);
    if (place == NULL) {
        place = g_new0(struct place, 1);
        place->number = number;
        g_hash_table_insert(table->places, &place->number, place);
    }
    return place;
}

/* The other slot of the page may have been loaded before. */
static gboolean
load_slot(struct overlay_table *table, struct overlay_states *states, guint64 number, guint slot,
          GError **error)
{
    guint8 part[PART];
    if (!overlay_file_read(table->file, slot_offset(table->header.size, number, slot), part, PART,
                           error))
        return FALSE;
    if (!is_sealed(part, PAGE_MAGIC) || little_endian_get64(part + 8) != number)
        return TRUE;
    guint64 generation = little_endian_get64(part + 16);
    if (generation > table->header.generation)
        return erase(table, number, slot, error);
    struct place *place = find_place(table, number);
    if (generation <= place->generation)
        return TRUE;
    if (!overlay_states_load(states, number, part + 32))
        return damaged(table, "a page of its table has states that there are not", error);
    place->generation = generation;
    place->slot = slot;
    memcpy(place->sum, part + DIGEST_AT, SUM_LENGTH);
    return TRUE;
}

/* Only where the file is no hole. */
static gboolean
load_pages(struct overlay_table *table, struct overlay_states *states, GError **error)
{
    guint64 n = count_pages(table->header.size), at = TABLE_OFFSET;
    guint64 end = overlay_table_data_offset(table->header.size);
    while (at < end && overlay_file_next(table->file, at, &at) && at < end) {
        guint64 part = (at - TABLE_OFFSET) / PART;
        if (!load_slot(table, states, part % n, (guint)(part / n), error))
            return FALSE;
        at = TABLE_OFFSET + (part + 1) * PART;
    }
    return TRUE;
}

static gboolean
check_sum(struct overlay_table *table, GError **error)
{
    guint8 sum[SUM_LENGTH] = {0};
    guint64 n = 0;
    GHashTableIter iter;
    gpointer data;
    g_hash_table_iter_init(&iter, table->places);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        const struct place *place = data;
        n += place->generation > 0;
        add_sum(sum, place->sum);
    }
    if (n == table->header.n_pages && memcmp(sum, table->header.sum, SUM_LENGTH) == 0)
        return TRUE;
    return damaged(table, "a page of its table is lost", error);
}

static gboolean
load(struct overlay_table *table, struct overlay_states *states, GError **error)
{
    struct header found;
    if (!read_header(table, &found, error) || !check_header(table, &found, error))
        return FALSE;
    table->header = found;
    return load_pages(table, states, error) && check_sum(table, error);
}

struct overlay_table *
overlay_table_open(struct overlay_file *file, guint64 size, const char *identity,
                   struct overlay_states *states, GError **error)
{
    auto_ptr(overlay_table) table = new_table(file, size, identity, error);
    guint64 length;
    if (table == NULL || !overlay_file_length(file, &length, error))
        return NULL;
    gboolean ok = is_unfinished(table, length) ? make(table, error) : load(table, states, error);
    return ok ? g_steal_pointer(&table) : NULL;
}

/* ---- Keeping --------------------------------------------------------------------------------- */

/* How many pages from `first` to `last` there are whose `reserved` is as that of `first`. */
static guint64
count_alike(struct overlay_table *table, guint64 first, guint64 last)
{
    gboolean reserved = find_place(table, first)->reserved;
    guint64 n = 1;
    while (first + n <= last && find_place(table, first + n)->reserved == reserved)
        n++;
    return n;
}

/* Both slots, so that a flush does not fail for want of space: nobody expects that of a disk. */
static gboolean
reserve_pages(struct overlay_table *table, guint64 first, guint64 n, GError **error)
{
    for (guint slot = 0; slot < 2; slot++) {
        guint64 offset = slot_offset(table->header.size, first, slot);
        if (!overlay_file_allocate(table->file, offset, n * PART, error))
            return FALSE;
    }
    for (guint64 i = 0; i < n; i++)
        find_place(table, first + i)->reserved = TRUE;
    return TRUE;
}

gboolean
overlay_table_reserve(struct overlay_table *table, guint64 block, guint64 n, GError **error)
{
    guint64 page = block / OVERLAY_PAGE_BLOCKS, last = (block + n - 1) / OVERLAY_PAGE_BLOCKS;
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&table->lock);
    (void)lock;
    for (guint64 alike; page <= last; page += alike) {
        alike = count_alike(table, page, last);
        if (!find_place(table, page)->reserved && !reserve_pages(table, page, alike, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
keep_page(struct overlay_table *table, struct header *next, const struct overlay_page *page,
          GError **error)
{
    guint8 part[PART];
    write_page(page, next->generation, part);
    g_mutex_lock(&table->lock);
    struct place *place = find_place(table, page->number);
    if (place->generation == 0)
        next->n_pages++;
    else
        place->slot = 1 - place->slot;
    add_sum(next->sum, place->sum);
    add_sum(next->sum, part + DIGEST_AT);
    memcpy(place->sum, part + DIGEST_AT, SUM_LENGTH);
    place->generation = next->generation;
    guint slot = place->slot;
    g_mutex_unlock(&table->lock);
    return overlay_file_write(table->file, slot_offset(next->size, page->number, slot), part, PART,
                              error);
}

/* All pages that have changed by now, and whatever changes among them meanwhile. */
static gboolean
keep_pages(struct overlay_table *table, struct header *next, struct overlay_states *states,
           gboolean *ret_any, GError **error)
{
    guint64 number = 0;
    *ret_any = FALSE;
    for (;;) {
        g_autoptr(GArray) pages = overlay_states_take_changed(states, number);
        if (pages->len == 0)
            return TRUE;
        *ret_any = TRUE;
        for (guint i = 0; i < pages->len; i++) {
            const struct overlay_page *page = &g_array_index(pages, struct overlay_page, i);
            if (!keep_page(table, next, page, error))
                return FALSE;
            number = page->number + 1;
        }
    }
}

gboolean
overlay_table_keep(struct overlay_table *table, struct overlay_states *states, GError **error)
{
    struct header next = table->header;
    gboolean any;
    next.generation++;
    if (!keep_pages(table, &next, states, &any, error) || !overlay_file_sync(table->file, error))
        return FALSE;
    if (!any)
        return TRUE;
    if (next.generation > GENERATION_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s has no generations left",
                         overlay_file_label(table->file));
    table->header = next;
    return commit_header(table, error);
}
