/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/stream.h"
#include "esx/imgdb.h"
#include "esx/imgdb_layout.h"
#include "esx/tar_names.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#define BUFFER_SIZE 65536

/* The parts of one VIB while they are gathered; what is missing is NULL. */
struct parts {
    GBytes *xml;
    GBytes *original;
    GBytes *signature;
};

struct reader {
    const char *label;
    struct stream *tar; /* unpacked */
    struct archive *archive;
    guint8 *buffer;     /* what libarchive was given last */
    GHashTable *seen;   /* char * path: members so far, directories with a slash */
    GHashTable *above;  /* char * path without a slash: what must be a directory */
    GTree *parts;       /* char * stem -> struct parts *: so that VIBs come in a fixed order */
    guint64 total;      /* bytes of members so far: sparse ones may claim more than there are */
    char *profile_path; /* NULL until it was met */
    GBytes *profile;
    GPtrArray *extra_names;
    GPtrArray *extra_data;
    GError **error;
};

static void
free_bytes(gpointer bytes)
{
    if (bytes != NULL)
        g_bytes_unref(bytes);
}

static void
free_parts(gpointer data)
{
    struct parts *parts = data;
    free_bytes(parts->xml);
    free_bytes(parts->original);
    free_bytes(parts->signature);
    g_free(parts);
}

static int
compare_stems(gconstpointer a, gconstpointer b, gpointer unused G_GNUC_UNUSED)
{
    return strcmp(a, b);
}

/* Takes `tar` over. */
static void
open_reader(struct reader *reader, struct stream *tar, const char *label, GError **error)
{
    reader->label = label;
    reader->tar = tar;
    reader->buffer = g_malloc(BUFFER_SIZE);
    reader->error = error;
    reader->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    reader->above = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    reader->parts = g_tree_new_full(compare_stems, NULL, g_free, free_parts);
    reader->extra_names = g_ptr_array_new_with_free_func(g_free);
    reader->extra_data = g_ptr_array_new_with_free_func(free_bytes);
    reader->archive = archive_read_new();
    if (reader->archive == NULL)
        g_error("out of memory");
    archive_read_support_format_tar(reader->archive);
}

static void
close_reader(struct reader *reader)
{
    archive_read_free(reader->archive);
    stream_close(reader->tar);
    g_free(reader->buffer);
    g_hash_table_unref(reader->seen);
    g_hash_table_unref(reader->above);
    g_tree_unref(reader->parts);
    g_free(reader->profile_path);
    free_bytes(reader->profile);
    g_ptr_array_unref(reader->extra_names);
    g_ptr_array_unref(reader->extra_data);
}

/* After a failure of the stream its own error is set, which is the one that is kept. */
static gboolean
broken_tar(const struct reader *reader)
{
    const char *words = archive_error_string(reader->archive);
    return error_set(reader->error, SLIPWAY_ERROR_CORRUPT, "%s: is no readable tar archive: %s",
                     reader->label, words != NULL ? words : "it is empty");
}

/* ---- one member ------------------------------------------------------------------------- */

static gboolean
read_data(struct reader *reader, const char *path, struct archive_entry *entry, GBytes **ret)
{
    la_int64_t size = archive_entry_size(entry);
    if (size < 0 || (guint64)size > IMGDB_MEMBER_MAX)
        return error_set(reader->error, SLIPWAY_ERROR_LIMIT,
                         "%s: %s is %" G_GINT64_FORMAT " bytes long, the limit is %u",
                         reader->label, path, (gint64)size, IMGDB_MEMBER_MAX);
    reader->total += (guint64)size;
    if (reader->total > IMGDB_MAX)
        return error_set(reader->error, SLIPWAY_ERROR_LIMIT,
                         "%s: its members have more than %u bytes together", reader->label,
                         IMGDB_MAX);
    g_autofree char *data = g_malloc((gsize)size + 1);
    la_ssize_t got = archive_read_data(reader->archive, data, (gsize)size);
    if (got != size)
        return got < 0
                   ? broken_tar(reader)
                   : error_set(reader->error, SLIPWAY_ERROR_CORRUPT,
                               "%s: %s ends too early, the file is truncated", reader->label, path);
    *ret = g_bytes_new_take(g_steal_pointer(&data), (gsize)size);
    return TRUE;
}

static gboolean
take_profile(struct reader *reader, const char *path, GBytes *data)
{
    if (reader->profile_path != NULL)
        return error_set(reader->error, SLIPWAY_ERROR_CORRUPT,
                         "%s: holds two image profiles, %s and %s; an image has exactly one",
                         reader->label, reader->profile_path, path);
    reader->profile_path = g_strdup(path);
    reader->profile = g_bytes_ref(data);
    return TRUE;
}

static struct parts *
parts_of(struct reader *reader, const char *stem, gsize length)
{
    g_autofree char *key = g_strndup(stem, length);
    struct parts *parts = g_tree_lookup(reader->parts, key);
    if (parts == NULL) {
        parts = g_new0(struct parts, 1);
        g_tree_insert(reader->parts, g_steal_pointer(&key), parts);
    }
    return parts;
}

/* FALSE when the file is no part of a VIB. */
static gboolean
take_part(struct reader *reader, const char *name, GBytes *data)
{
    static const struct {
        const char *suffix;
        gsize offset;
    } kinds[] = {
        {IMGDB_XML, G_STRUCT_OFFSET(struct parts, xml)},
        {IMGDB_ORIGINAL, G_STRUCT_OFFSET(struct parts, original)},
        {IMGDB_SIGNATURE, G_STRUCT_OFFSET(struct parts, signature)},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        gsize length = strlen(name);
        gsize suffix = strlen(kinds[i].suffix);
        if (length <= suffix || strcmp(name + length - suffix, kinds[i].suffix) != 0)
            continue;
        struct parts *parts = parts_of(reader, name, length - suffix);
        *(GBytes **)G_STRUCT_MEMBER_P(parts, kinds[i].offset) = g_bytes_ref(data);
        return TRUE;
    }
    return FALSE;
}

static gboolean
sort_out(struct reader *reader, const char *path, GBytes *data)
{
    const char *profile = path + strlen(IMGDB_PROFILES);
    const char *vib = path + strlen(IMGDB_VIBS);
    if (g_str_has_prefix(path, IMGDB_PROFILES) && *profile != '\0' && strchr(profile, '/') == NULL)
        return take_profile(reader, path, data);
    if (g_str_has_prefix(path, IMGDB_VIBS) && strchr(vib, '/') == NULL &&
        take_part(reader, vib, data))
        return TRUE;
    g_ptr_array_add(reader->extra_names, g_strdup(path));
    g_ptr_array_add(reader->extra_data, g_bytes_ref(data));
    return TRUE;
}

/* Directories that every database has are made anew; others may matter to someone. */
static void
take_directory(struct reader *reader, const char *path)
{
    if (g_str_has_prefix(IMGDB_PROFILES, path) || g_str_has_prefix(IMGDB_VIBS, path))
        return;
    g_ptr_array_add(reader->extra_names, g_strdup(path));
    g_ptr_array_add(reader->extra_data, g_bytes_new_static("", 0));
}

/* The path as the rest knows it: relative, clean, a directory's with a slash; "" for the root. */
static gboolean
member_path(struct reader *reader, struct archive_entry *entry, char **ret_path)
{
    const char *raw = archive_entry_pathname(entry);
    if (raw == NULL)
        raw = archive_entry_pathname_utf8(entry);
    if (raw == NULL)
        return error_set(reader->error, SLIPWAY_ERROR_CORRUPT, "%s: a member has no usable name",
                         reader->label);
    g_autofree char *name = NULL;
    if (!tar_name_clean(raw, reader->label, &name, reader->error))
        return FALSE;
    gboolean directory = archive_entry_filetype(entry) == AE_IFDIR && *name != '\0';
    *ret_path = g_strconcat(name, directory ? "/" : "", NULL);
    return TRUE;
}

/* Nothing may be both a file and a directory. */
static gboolean
check_place(struct reader *reader, const char *path)
{
    gboolean ok = !g_hash_table_contains(reader->above, path);
    const char *slash = strchr(path, '/');
    for (; ok && slash != NULL; slash = strchr(slash + 1, '/')) {
        char *directory = g_strndup(path, (gsize)(slash - path));
        ok = !g_hash_table_contains(reader->seen, directory);
        g_hash_table_add(reader->above, directory);
    }
    return ok || error_set(reader->error, SLIPWAY_ERROR_CORRUPT,
                           "%s: %s cannot be there: one name is both a file and a directory",
                           reader->label, path);
}

static gboolean
take_member(struct reader *reader, struct archive_entry *entry)
{
    g_autofree char *path = NULL;
    if (!member_path(reader, entry, &path))
        return FALSE;
    gboolean directory = archive_entry_filetype(entry) == AE_IFDIR;
    if (*path == '\0')
        return directory || error_set(reader->error, SLIPWAY_ERROR_CORRUPT,
                                      "%s: a member has no name", reader->label);
    if (!g_hash_table_add(reader->seen, g_strdup(path)))
        return directory || error_set(reader->error, SLIPWAY_ERROR_CORRUPT, "%s: %s is in it twice",
                                      reader->label, path);
    if (!check_place(reader, path))
        return FALSE;
    if (directory) {
        take_directory(reader, path);
        return TRUE;
    }
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != NULL)
        return error_set(reader->error, SLIPWAY_ERROR_CORRUPT,
                         "%s: %s is neither a file nor a directory", reader->label, path);
    g_autoptr(GBytes) data = NULL;
    return read_data(reader, path, entry, &data) && sort_out(reader, path, data);
}

static la_ssize_t
give_data(struct archive *archive, void *user_data, const void **ret_data)
{
    struct reader *reader = user_data;
    gssize got = stream_read(reader->tar, reader->buffer, BUFFER_SIZE, reader->error);
    if (got < 0)
        archive_set_error(archive, EIO, "cannot be decompressed");
    *ret_data = reader->buffer;
    return got;
}

/* What stands behind the end of the tar counts too: the checksum of the gzip comes last. */
static gboolean
read_to_end(struct reader *reader)
{
    gssize got;
    do
        got = stream_read(reader->tar, reader->buffer, BUFFER_SIZE, reader->error);
    while (got > 0);
    return got == 0;
}

static gboolean
take_members(struct reader *reader)
{
    if (archive_read_open(reader->archive, reader, NULL, give_data, NULL) != ARCHIVE_OK)
        return broken_tar(reader);
    for (guint n = 0;; n++) {
        struct archive_entry *entry = NULL;
        int result = archive_read_next_header(reader->archive, &entry);
        if (result == ARCHIVE_EOF)
            return read_to_end(reader);
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return broken_tar(reader);
        if (n >= IMGDB_MEMBERS_MAX)
            return error_set(reader->error, SLIPWAY_ERROR_LIMIT, "%s: holds more than %d members",
                             reader->label, IMGDB_MEMBERS_MAX);
        if (!take_member(reader, entry))
            return FALSE;
    }
}

/* ---- the whole -------------------------------------------------------------------------- */

struct building {
    const struct reader *reader;
    struct imgdb *db;
    GHashTable *ids; /* of char *, borrowed: VIBs that are in `db` */
    gboolean ok;
};

static gboolean
add_vib(struct building *building, const char *stem, const struct parts *parts)
{
    const struct reader *reader = building->reader;
    GBytes *descriptor = parts->original != NULL ? parts->original : parts->xml;
    g_autofree char *label = g_strdup_printf("%s: " IMGDB_VIBS "%s%s", reader->label, stem,
                                             parts->original != NULL ? IMGDB_ORIGINAL : IMGDB_XML);
    gsize length = 0;
    const void *data = g_bytes_get_data(descriptor, &length);
    auto_ptr(vib) vib = vib_parse(data, length, label, reader->error);
    if (vib == NULL)
        return FALSE;
    if (!g_hash_table_add(building->ids, vib->id))
        return error_set(reader->error, SLIPWAY_ERROR_CORRUPT, "%s: VIB %s is in it twice",
                         reader->label, vib->id);
    struct imgdb_vib *added = g_new0(struct imgdb_vib, 1);
    added->vib = vib_ref(vib);
    added->descriptor = g_bytes_ref(descriptor);
    added->xml = parts->xml != NULL ? g_bytes_ref(parts->xml) : NULL;
    added->signature = parts->signature != NULL ? g_bytes_ref(parts->signature) : NULL;
    added->stem = g_strdup(stem);
    added->lacks_original = parts->original == NULL;
    g_ptr_array_add(building->db->vibs, added);
    return TRUE;
}

/* A signature without a descriptor is no VIB: it is kept for what it is. */
static gboolean
visit_parts(gpointer stem, gpointer data, gpointer user_data)
{
    struct building *building = user_data;
    const struct parts *parts = data;
    if (parts->xml != NULL || parts->original != NULL) {
        building->ok = add_vib(building, stem, parts);
    } else {
        g_ptr_array_add(building->reader->extra_names,
                        g_strconcat(IMGDB_VIBS, stem, IMGDB_SIGNATURE, NULL));
        g_ptr_array_add(building->reader->extra_data, g_bytes_ref(parts->signature));
    }
    return !building->ok; /* TRUE stops the walk */
}

static gboolean
check_complete(const struct building *building)
{
    const struct profile *profile = building->db->profile;
    for (guint i = 0; i < profile->vibs->len; i++) {
        const struct profile_vib *entry = profile->vibs->pdata[i];
        if (!g_hash_table_contains(building->ids, entry->id))
            return error_set(building->reader->error, SLIPWAY_ERROR_CORRUPT,
                             "%s: the image profile names VIB %s, but there is no descriptor of it",
                             building->reader->label, entry->id);
    }
    return TRUE;
}

static struct profile *
parse_profile(const struct reader *reader)
{
    if (reader->profile == NULL)
        return error_null(reader->error, SLIPWAY_ERROR_CORRUPT,
                          "%s: holds no image profile; is it the imgdb.tgz of an ESXi image?",
                          reader->label);
    g_autofree char *label = g_strdup_printf("%s: %s", reader->label, reader->profile_path);
    gsize length = 0;
    const void *data = g_bytes_get_data(reader->profile, &length);
    return profile_parse(data, length, label, reader->error);
}

static struct imgdb *
build(struct reader *reader)
{
    struct profile *profile = parse_profile(reader);
    if (profile == NULL)
        return NULL;
    auto_ptr(imgdb) db = imgdb_new(profile);
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    struct building building = {.reader = reader, .db = db, .ids = ids, .ok = TRUE};
    g_tree_foreach(reader->parts, visit_parts, &building);
    if (!building.ok || !check_complete(&building))
        return NULL;
    g_clear_pointer(&db->extra_names, g_ptr_array_unref);
    g_clear_pointer(&db->extra_data, g_ptr_array_unref);
    db->extra_names = g_ptr_array_ref(reader->extra_names);
    db->extra_data = g_ptr_array_ref(reader->extra_data);
    return g_steal_pointer(&db);
}

static struct stream *
unpack(GBytes *tgz, const char *label, GError **error)
{
    gsize length = 0;
    const guint8 *data = g_bytes_get_data(tgz, &length);
    if (length < 2 || data[0] != 0x1f || data[1] != 0x8b)
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: is no gzip file; is it the imgdb.tgz of an ESXi image?", label);
    return stream_new_inflate(stream_new_bytes(tgz, label), STREAM_GZIP, IMGDB_MAX);
}

struct imgdb *
imgdb_parse(GBytes *tgz, const char *label, GError **error)
{
    struct stream *tar = unpack(tgz, label, error);
    if (tar == NULL)
        return NULL;
    g_autoptr(GError) problem = NULL;
    struct reader reader = {0};
    open_reader(&reader, tar, label, &problem);
    struct imgdb *db = take_members(&reader) ? build(&reader) : NULL;
    close_reader(&reader);
    if (db == NULL)
        g_propagate_error(error, g_steal_pointer(&problem));
    return db;
}
