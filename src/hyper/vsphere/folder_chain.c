/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/folder_chain.h"

#include "base/error.h"
#include "base/little_endian.h"
#include "disk/disk_driver.h"
#include "hyper/vsphere/folder_link.h"
#include "hyper/vsphere/vmdk_descriptor.h"

#include <string.h>

#define SECTOR 512u
#define HEADER_LENGTH 2048u
#define TABLE_ENTRIES 4096u
#define TABLE_LENGTH (TABLE_ENTRIES * 4)
#define GRANULARITY_MAX 4096u    /* sectors of a grain */
#define DIRECTORY_MAX (4u << 20) /* entries: 8 TiB and more, with grains of a sector */
#define TABLES_MAX 512u          /* kept of each file: 8 MiB */
#define PIECE (1u << 20)         /* of a read that is looked up at once */
#define PIECE_SECTORS (PIECE / SECTOR)

/* What was written since a snapshot. */
struct delta {
    struct disk *file;
    char *what;
    guint64 length;     /* of the file */
    guint granularity;  /* sectors */
    guint32 *directory; /* sector of each table; 0: none */
    guint n_tables;
    GMutex lock;
    GHashTable *tables; /* number -> guint32[TABLE_ENTRIES] */
};

struct chain {
    struct disk base;
    GPtrArray *deltas; /* of struct delta *, the newest first */
    struct disk *flat;
    struct extent_list *allocated; /* NULL: not known */
};

static void
free_delta(struct delta *delta)
{
    disk_close(delta->file);
    g_clear_pointer(&delta->tables, g_hash_table_unref);
    g_mutex_clear(&delta->lock);
    g_free(delta->directory);
    g_free(delta->what);
    g_free(delta);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* With the lock held; NULL with an error. */
static const guint32 *
get_table(struct delta *delta, guint number, GError **error)
{
    const guint32 *known = g_hash_table_lookup(delta->tables, GUINT_TO_POINTER(number));
    if (known != NULL)
        return known;
    guint64 at = (guint64)delta->directory[number] * SECTOR;
    if (at > delta->length || delta->length - at < TABLE_LENGTH)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: table %u is not in the file",
                          delta->what, number);
    g_autofree guint8 *bytes = g_malloc(TABLE_LENGTH);
    if (!disk_read(delta->file, at, bytes, TABLE_LENGTH, error))
        return NULL;
    if (g_hash_table_size(delta->tables) >= TABLES_MAX)
        g_hash_table_remove_all(delta->tables);
    guint32 *table = g_new(guint32, TABLE_ENTRIES);
    for (guint i = 0; i < TABLE_ENTRIES; i++)
        table[i] = little_endian_get32(bytes + 4 * i);
    g_hash_table_insert(delta->tables, GUINT_TO_POINTER(number), table);
    return table;
}

/* Where sectors [first, first + n) are in the file, of each: 0 when it is not there. */
static gboolean
look_up(struct delta *delta, guint64 first, guint n, guint64 *places, GError **error)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&delta->lock);
    for (guint i = 0; i < n; i++) {
        guint64 grain = (first + i) / delta->granularity;
        guint number = (guint)(grain / TABLE_ENTRIES);
        places[i] = 0;
        if (number >= delta->n_tables || delta->directory[number] == 0)
            continue;
        const guint32 *table = get_table(delta, number, error);
        if (table == NULL)
            return FALSE;
        guint32 place = table[grain % TABLE_ENTRIES];
        if (place != 0)
            places[i] = place + (first + i) % delta->granularity;
    }
    return TRUE;
}

static gboolean read_level(struct chain *chain, guint level, guint64 offset, guint8 *to,
                           gsize length, GError **error);

static gboolean
read_run(struct chain *chain, guint level, guint64 offset, guint64 place, guint8 *to, gsize length,
         GError **error)
{
    struct delta *delta = g_ptr_array_index(chain->deltas, level);
    if (place == 0)
        return read_level(chain, level + 1, offset, to, length, error);
    if (place > delta->length / SECTOR || delta->length - place * SECTOR < length)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: what was written at offset %" G_GUINT64_FORMAT " is not in the file",
                         delta->what, offset);
    return disk_read(delta->file, place * SECTOR, to, length, error);
}

/* A piece in runs that lie together in the file, or are not in it. */
static gboolean
read_piece(struct chain *chain, guint level, guint64 offset, guint8 *to, gsize length,
           GError **error)
{
    guint n = (guint)(length / SECTOR);
    g_autofree guint64 *places = g_new(guint64, n);
    if (!look_up(g_ptr_array_index(chain->deltas, level), offset / SECTOR, n, places, error))
        return FALSE;
    for (guint i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n; next++)
            if (places[i] == 0 ? places[next] != 0 : places[next] != places[i] + (next - i))
                break;
        if (!read_run(chain, level, offset + (guint64)i * SECTOR, places[i], to + (gsize)i * SECTOR,
                      (gsize)(next - i) * SECTOR, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_level(struct chain *chain, guint level, guint64 offset, guint8 *to, gsize length,
           GError **error)
{
    if (level == chain->deltas->len)
        return disk_read(chain->flat, offset, to, length, error);
    for (gsize n; length > 0; offset += n, to += n, length -= n) {
        n = MIN(length, PIECE);
        if (!read_piece(chain, level, offset, to, n, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_chain(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    return read_level((struct chain *)self, 0, offset, buffer, length, error);
}

static gboolean
find_extent(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error G_GNUC_UNUSED)
{
    const struct chain *chain = (struct chain *)self;
    struct extent next = {offset, length};
    gboolean found =
        chain->allocated == NULL || extent_list_next(chain->allocated, offset, NULL, &next);
    if (found && next.offset == offset)
        *ret = (struct disk_extent){offset, MIN(next.length, length), DISK_DATA};
    else
        *ret = (struct disk_extent){offset, found ? MIN(next.offset - offset, length) : length,
                                    DISK_ZERO};
    return TRUE;
}

static void
close_chain(struct disk *self)
{
    struct chain *chain = (struct chain *)self;
    g_ptr_array_unref(chain->deltas);
    disk_close(chain->flat);
    extent_list_free(chain->allocated);
    g_free(chain);
}

static const struct disk_class chain_class = {
    .name = "folder-chain",
    .read = read_chain,
    .extent = find_extent,
    .close = close_chain,
};

/* ---- Opening ----------------------------------------------------------------------------------
 */

static gboolean
read_directory(struct delta *delta, const guint8 *header, guint64 size, GError **error)
{
    guint64 sectors = little_endian_get32(header + 12);
    guint64 at = (guint64)little_endian_get32(header + 20) * SECTOR;
    delta->granularity = little_endian_get32(header + 16);
    delta->n_tables = little_endian_get32(header + 24);
    if (memcmp(header, "COWD", 4) != 0 || little_endian_get32(header + 4) != 1)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: is no file of a snapshot", delta->what);
    guint64 grains =
        delta->granularity != 0 ? (size / SECTOR + delta->granularity - 1) / delta->granularity : 0;
    if (sectors != size / SECTOR || delta->granularity == 0 ||
        delta->granularity > GRANULARITY_MAX || delta->n_tables > DIRECTORY_MAX ||
        delta->n_tables < (grains + TABLE_ENTRIES - 1) / TABLE_ENTRIES)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: its header is not that of a disk of %" G_GUINT64_FORMAT " bytes",
                         delta->what, size);
    gsize length = (gsize)delta->n_tables * 4;
    if (at > delta->length || delta->length - at < length)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: is cut off", delta->what);
    g_autofree guint8 *bytes = g_malloc(length);
    if (!disk_read(delta->file, at, bytes, length, error))
        return FALSE;
    delta->directory = g_new(guint32, delta->n_tables);
    for (guint i = 0; i < delta->n_tables; i++)
        delta->directory[i] = little_endian_get32(bytes + 4 * (gsize)i);
    return TRUE;
}

/* The file's length is only told with a part of it. */
static gboolean
read_header(struct vim *vim, const struct folder_place *place, struct delta *delta, guint8 *header,
            GError **error)
{
    g_autofree char *url = folder_url(vim, place);
    auto_ptr(folder_link) link = folder_link_new(vim, url, delta->what, NULL);
    if (!folder_link_read(link, 0, header, HEADER_LENGTH, &delta->length, error))
        return FALSE;
    if (delta->length >= HEADER_LENGTH)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                     "%s: the server does not tell how long the file is", delta->what);
}

static struct delta *
open_delta(struct vim *vim, const struct folder_disk_options *options,
           const struct folder_place *place, GError **error)
{
    guint8 header[HEADER_LENGTH];
    struct delta *delta = g_new0(struct delta, 1);
    g_mutex_init(&delta->lock);
    delta->tables = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    delta->what =
        g_strdup_printf("disk %s: file [%s] %s", options->label, place->datastore, place->path);
    if (read_header(vim, place, delta, header, error)) {
        struct folder_disk_options file = {*place, delta->length, NULL, options->label};
        delta->file = folder_disk_open(vim, &file, error);
    }
    if (delta->file != NULL && read_directory(delta, header, options->size, error))
        return delta;
    free_delta(delta);
    return NULL;
}

/* The value of `parentFileNameHint`, which is a name beside the descriptor, or else a path. */
static char *
find_parent(const char *text)
{
    static const char key[] = "parentFileNameHint";
    g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        if (!g_str_has_prefix(lines[i], key))
            continue;
        const char *value = strchr(lines[i], '"');
        const char *end = value != NULL ? strrchr(value + 1, '"') : NULL;
        if (end != NULL)
            return g_strndup(value + 1, (gsize)(end - value - 1));
    }
    return NULL;
}

/* `name` beside the file `path`; NULL when it is elsewhere. */
static char *
put_beside(const char *path, const char *name)
{
    if (name == NULL || *name == '\0' || *name == '.' || strchr(name, '/') != NULL)
        return NULL;
    const char *slash = strrchr(path, '/');
    g_autofree char *directory = slash != NULL ? g_strndup(path, (gsize)(slash + 1 - path)) : NULL;
    return g_strconcat(directory != NULL ? directory : "", name, NULL);
}

/* What a descriptor says. */
struct link {
    char *file;   /* path of the bytes */
    char *parent; /* path of the descriptor below; NULL: none */
};

static gboolean
read_link(const struct folder_place *place, GBytes *bytes, struct link *ret, GError **error)
{
    struct vmdk_descriptor descriptor;
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    if (!vmdk_descriptor_parse(data, length, &descriptor, error))
        return FALSE;
    g_autofree char *text = g_strndup(data, length);
    g_autofree char *hint = descriptor.has_parent ? find_parent(text) : NULL;
    const char *type = descriptor.type != NULL ? descriptor.type : "?";
    gboolean flat = g_ascii_strcasecmp(type, "VMFS") == 0 || g_ascii_strcasecmp(type, "FLAT") == 0;
    gboolean sparse = g_ascii_strcasecmp(type, "VMFSSPARSE") == 0;
    ret->file = put_beside(place->path, descriptor.file);
    ret->parent = put_beside(place->path, hint);
    gboolean ok = descriptor.n_extents == 1 && ret->file != NULL &&
                  (descriptor.has_parent ? sparse && ret->parent != NULL : flat);
    if (!ok)
        error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                  "file [%s] %s is of a kind (%.20s) or at a place that cannot be read over HTTPS; "
                  "delete the machine's snapshots, or run Slipway in a machine of this server, "
                  "which can attach such disks (transport hotadd)",
                  place->datastore, place->path, type);
    vmdk_descriptor_clear(&descriptor);
    return ok;
}

/* One file of the chain.  Moves *path to the descriptor below; *path NULL: it was the last. */
static gboolean
open_link(struct vim *vim, const struct folder_disk_options *options, struct chain *chain,
          char **path, GError **error)
{
    struct folder_place place = {options->place.datacenter, options->place.datastore, *path};
    struct link link = {0};
    g_autoptr(GBytes) bytes = folder_get(vim, &place, VMDK_DESCRIPTOR_MAX, error);
    gboolean ok = bytes != NULL && read_link(&place, bytes, &link, error);
    struct folder_place file = {place.datacenter, place.datastore, link.file};
    if (ok && link.parent == NULL) {
        struct folder_disk_options flat = {file, options->size, NULL, options->label};
        chain->flat = folder_disk_open(vim, &flat, error);
        ok = chain->flat != NULL;
    } else if (ok) {
        struct delta *delta = open_delta(vim, options, &file, error);
        ok = delta != NULL;
        if (ok)
            g_ptr_array_add(chain->deltas, delta);
    }
    g_free(*path);
    *path = g_steal_pointer(&link.parent);
    g_free(link.file);
    return ok;
}

struct disk *
folder_chain_open(struct vim *vim, const struct folder_disk_options *options, GError **error)
{
    struct chain *chain = g_new0(struct chain, 1);
    disk_init(&chain->base, &chain_class, options->size,
              options->allocated != NULL ? DISK_CAN_EXTENTS : 0, options->label);
    chain->base.alignment = SECTOR;
    chain->deltas = g_ptr_array_new_with_free_func((GDestroyNotify)free_delta);
    auto_ptr(disk) disk = &chain->base;
    if (options->size == 0 || options->size % SECTOR != 0)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "disk %s: is not made of sectors",
                          options->label);
    if (options->allocated != NULL) {
        chain->allocated = extent_list_new();
        g_array_append_vals(chain->allocated->extents, options->allocated->extents->data,
                            options->allocated->extents->len);
    }
    g_autofree char *path = g_strdup(options->place.path);
    while (path != NULL) {
        if (chain->deltas->len >= FOLDER_CHAIN_MAX)
            return error_null(error, SLIPWAY_ERROR_CORRUPT, "disk %s: its chain does not end",
                              options->label);
        if (!open_link(vim, options, chain, &path, error))
            return NULL;
    }
    return g_steal_pointer(&disk);
}
