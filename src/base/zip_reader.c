/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/zip_reader.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* APPNOTE.TXT 4.3: signatures and the fixed lengths of the records. */
#define LOCAL_SIGNATURE 0x04034b50u
#define LOCAL_LENGTH 30u
#define CENTRAL_SIGNATURE 0x02014b50u
#define CENTRAL_LENGTH 46u
#define END_SIGNATURE 0x06054b50u
#define END_LENGTH 22u
#define END64_SIGNATURE 0x06064b50u
#define END64_LENGTH 56u
#define LOCATOR64_SIGNATURE 0x07064b50u
#define LOCATOR64_LENGTH 20u
#define EXTRA_ZIP64 0x0001
#define FLAG_ENCRYPTED 0x0001
#define METHOD_STORED 0
#define METHOD_DEFLATED 8

struct zip_reader {
    int refs;
    char *label;
    int fd;        /* -1: in memory */
    GBytes *bytes; /* NULL: in a file */
    guint64 size;
    GPtrArray *members; /* of struct zip_member * */
    GHashTable *by_name;
};

static guint16
get16(const guint8 *p)
{
    return (guint16)(p[0] | p[1] << 8);
}

static guint32
get32(const guint8 *p)
{
    return get16(p) | (guint32)get16(p + 2) << 16;
}

static guint64
get64(const guint8 *p)
{
    return get32(p) | (guint64)get32(p + 4) << 32;
}

static gboolean
corrupt(const struct zip_reader *reader, const char *what, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: %s", reader->label, what);
}

static struct stream *
open_range(const struct zip_reader *reader, guint64 offset, guint64 length, const char *label,
           GError **error)
{
    if (offset > reader->size || length > reader->size - offset)
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: lies outside of the file, the zip archive is truncated or damaged",
                          label);
    if (reader->bytes == NULL)
        return stream_new_fd(reader->fd, offset, length, label, error);
    g_autoptr(GBytes) part = g_bytes_new_from_bytes(reader->bytes, (gsize)offset, (gsize)length);
    return stream_new_bytes(part, label);
}

static gboolean
read_range(const struct zip_reader *reader, guint64 offset, void *buffer, gsize length,
           GError **error)
{
    auto_ptr(stream) stream = open_range(reader, offset, length, reader->label, error);
    return stream != NULL && stream_read_exact(stream, buffer, length, error);
}

/* Where the central directory is. */
struct directory {
    guint64 offset;
    guint64 size;
    guint64 count;
};

static gboolean
read_end64(const struct zip_reader *reader, guint64 end_offset, struct directory *directory,
           GError **error)
{
    guint8 locator[LOCATOR64_LENGTH], end[END64_LENGTH];
    if (end_offset < sizeof locator ||
        !read_range(reader, end_offset - sizeof locator, locator, sizeof locator, error))
        return corrupt(reader, "has no place for its ZIP64 records", error);
    if (get32(locator) != LOCATOR64_SIGNATURE)
        return corrupt(reader, "its ZIP64 locator is missing", error);
    if (!read_range(reader, get64(locator + 8), end, sizeof end, error))
        return FALSE;
    if (get32(end) != END64_SIGNATURE)
        return corrupt(reader, "its ZIP64 end record is missing", error);
    directory->count = get64(end + 32);
    directory->size = get64(end + 40);
    directory->offset = get64(end + 48);
    return TRUE;
}

static gboolean
find_directory(const struct zip_reader *reader, struct directory *directory, GError **error)
{
    gsize tail_size = (gsize)MIN(reader->size, END_LENGTH + 65535u);
    if (tail_size < END_LENGTH)
        return corrupt(reader, "is too short for a zip archive", error);
    g_autofree guint8 *tail = g_malloc(tail_size);
    guint64 tail_offset = reader->size - tail_size;
    if (!read_range(reader, tail_offset, tail, tail_size, error))
        return FALSE;
    for (gsize at = tail_size - END_LENGTH + 1; at-- > 0;) {
        const guint8 *end = tail + at;
        if (get32(end) != END_SIGNATURE || at + END_LENGTH + get16(end + 20) > tail_size)
            continue;
        directory->count = get16(end + 10);
        directory->size = get32(end + 12);
        directory->offset = get32(end + 16);
        if (directory->count == 0xffff || directory->size == 0xffffffff ||
            directory->offset == 0xffffffff)
            return read_end64(reader, tail_offset + at, directory, error);
        return TRUE;
    }
    return corrupt(reader, "is no zip archive, or its end is missing: fetch it again", error);
}

static gboolean
name_is_safe(const char *name)
{
    if (name[0] == '/')
        return FALSE;
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    for (char **part = parts; *part != NULL; part++)
        if (strcmp(*part, "..") == 0)
            return FALSE;
    return TRUE;
}

/* APPNOTE.TXT 4.5.3: sizes and offset that did not fit, in this order, only those. */
static gboolean
apply_zip64(struct zip_member *member, const guint8 *extra, gsize length)
{
    guint64 *wide[3] = {&member->size, &member->packed_size, &member->header_offset};
    while (length >= 4) {
        guint16 id = get16(extra), field_length = get16(extra + 2);
        extra += 4;
        length -= 4;
        if (field_length > length)
            return FALSE;
        if (id == EXTRA_ZIP64) {
            const guint8 *field = extra;
            for (int i = 0; i < 3; i++) {
                if (*wide[i] != 0xffffffff)
                    continue;
                if (field + 8 > extra + field_length)
                    return FALSE;
                *wide[i] = get64(field);
                field += 8;
            }
            return TRUE;
        }
        extra += field_length;
        length -= field_length;
    }
    return member->size != 0xffffffff && member->packed_size != 0xffffffff &&
           member->header_offset != 0xffffffff;
}

static void
free_member(gpointer data)
{
    struct zip_member *member = data;
    g_free(member->name);
    g_free(member);
}

static gboolean
check_member(const struct zip_reader *reader, const struct zip_member *member, guint16 flags,
             guint16 method, GError **error)
{
    if (flags & FLAG_ENCRYPTED)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "%s: %s is encrypted", reader->label,
                         member->name);
    if (method != METHOD_STORED && method != METHOD_DEFLATED)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s: %s is packed with method %u; only stored and deflated are supported",
                         reader->label, member->name, method);
    if (method == METHOD_STORED && member->size != member->packed_size)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: %s is stored but has two sizes",
                         reader->label, member->name);
    if (member->header_offset > reader->size || member->packed_size > reader->size ||
        member->header_offset + LOCAL_LENGTH + member->packed_size > reader->size)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: %s lies outside of the file, the archive is truncated or damaged",
                         reader->label, member->name);
    if (g_hash_table_contains(reader->by_name, member->name))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: has two members called %s",
                         reader->label, member->name);
    return TRUE;
}

/* One central directory record at `p`; *ret_length is what it takes. */
static gboolean
parse_member(struct zip_reader *reader, const guint8 *p, gsize left, gsize *ret_length,
             GError **error)
{
    if (left < CENTRAL_LENGTH || get32(p) != CENTRAL_SIGNATURE)
        return corrupt(reader, "its central directory is damaged", error);
    gsize name_length = get16(p + 28), extra_length = get16(p + 30);
    *ret_length = CENTRAL_LENGTH + name_length + extra_length + get16(p + 32);
    if (*ret_length > left)
        return corrupt(reader, "its central directory is cut off", error);
    if (name_length == 0 || name_length > ZIP_NAME_MAX ||
        memchr(p + CENTRAL_LENGTH, 0, name_length) != NULL)
        return corrupt(reader, "has a member with an impossible name", error);

    struct zip_member *member = g_new0(struct zip_member, 1);
    member->name = g_strndup((const char *)p + CENTRAL_LENGTH, name_length);
    member->crc32 = get32(p + 16);
    member->packed_size = get32(p + 20);
    member->size = get32(p + 24);
    member->header_offset = get32(p + 42);
    member->deflated = get16(p + 10) == METHOD_DEFLATED;
    /* Tools on Windows write them, against APPNOTE.TXT 4.4.17. */
    g_strdelimit(member->name, "\\", '/');
    gboolean ok = TRUE;
    if (!name_is_safe(member->name))
        ok = error_set(error, SLIPWAY_ERROR_CORRUPT,
                       "%s: has a member called `%s', which leads out of the archive",
                       reader->label, member->name);
    else if (!apply_zip64(member, p + CENTRAL_LENGTH + name_length, extra_length))
        ok = corrupt(reader, "has a damaged ZIP64 field", error);
    /* What nobody can name, nobody asks for. */
    gboolean left_out =
        g_str_has_suffix(member->name, "/") || !g_utf8_validate(member->name, -1, NULL);
    if (!ok || left_out) {
        free_member(member);
        return ok;
    }
    if (!check_member(reader, member, get16(p + 8), get16(p + 10), error)) {
        free_member(member);
        return FALSE;
    }
    g_ptr_array_add(reader->members, member);
    g_hash_table_insert(reader->by_name, member->name, member);
    return TRUE;
}

static gint
compare_offsets(gconstpointer a, gconstpointer b)
{
    const struct zip_member *left = *(struct zip_member *const *)a;
    const struct zip_member *right = *(struct zip_member *const *)b;
    return left->header_offset < right->header_offset ? -1
                                                      : left->header_offset > right->header_offset;
}

/* Members that share bytes are how small zip bombs unpack to petabytes. */
static gboolean
check_overlap(const struct zip_reader *reader, GError **error)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    for (guint i = 0; i < reader->members->len; i++)
        g_ptr_array_add(sorted, reader->members->pdata[i]);
    g_ptr_array_sort(sorted, compare_offsets);
    for (guint i = 1; i < sorted->len; i++) {
        const struct zip_member *before = sorted->pdata[i - 1], *after = sorted->pdata[i];
        if (before->header_offset + LOCAL_LENGTH + before->packed_size > after->header_offset)
            return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: %s and %s overlap", reader->label,
                             before->name, after->name);
    }
    return TRUE;
}

static gboolean
read_directory(struct zip_reader *reader, GError **error)
{
    struct directory directory = {0};
    if (!find_directory(reader, &directory, error))
        return FALSE;
    if (directory.count > ZIP_MEMBERS_MAX || directory.size > ZIP_DIRECTORY_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: has %" G_GUINT64_FORMAT " members, the limit is %d", reader->label,
                         directory.count, ZIP_MEMBERS_MAX);
    if (directory.offset > reader->size || directory.size > reader->size - directory.offset)
        return corrupt(reader, "its central directory lies outside of the file", error);
    g_autofree guint8 *records = g_malloc((gsize)directory.size + 1);
    if (!read_range(reader, directory.offset, records, (gsize)directory.size, error))
        return FALSE;
    gsize at = 0, left = (gsize)directory.size;
    for (guint64 i = 0; i < directory.count; i++) {
        gsize length = 0;
        if (!parse_member(reader, records + at, left, &length, error))
            return FALSE;
        at += length;
        left -= length;
    }
    return check_overlap(reader, error);
}

static struct zip_reader *
finish_open(struct zip_reader *reader, GError **error)
{
    reader->refs = 1;
    reader->members = g_ptr_array_new_with_free_func(free_member);
    reader->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    if (read_directory(reader, error))
        return reader;
    zip_reader_unref(reader);
    return NULL;
}

struct zip_reader *
zip_reader_open(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_set_errno(error, errno, "cannot open %s", path);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return error_null(error, SLIPWAY_ERROR_USAGE, "%s is not a regular file", path);
    }
    struct zip_reader *reader = g_new0(struct zip_reader, 1);
    reader->label = g_strdup(path);
    reader->fd = fd;
    reader->size = (guint64)status.st_size;
    return finish_open(reader, error);
}

struct zip_reader *
zip_reader_new_bytes(GBytes *bytes, const char *label, GError **error)
{
    struct zip_reader *reader = g_new0(struct zip_reader, 1);
    reader->label = g_strdup(label);
    reader->fd = -1;
    reader->bytes = g_bytes_ref(bytes);
    reader->size = g_bytes_get_size(bytes);
    return finish_open(reader, error);
}

struct zip_reader *
zip_reader_ref(struct zip_reader *reader)
{
    g_atomic_int_inc(&reader->refs);
    return reader;
}

void
zip_reader_unref(struct zip_reader *reader)
{
    if (reader == NULL || !g_atomic_int_dec_and_test(&reader->refs))
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    g_clear_pointer(&reader->bytes, g_bytes_unref);
    g_ptr_array_unref(reader->members);
    g_hash_table_unref(reader->by_name);
    g_free(reader->label);
    g_free(reader);
}

gsize
zip_reader_count(const struct zip_reader *reader)
{
    return reader->members->len;
}

const struct zip_member *
zip_reader_member(const struct zip_reader *reader, gsize index)
{
    return reader->members->pdata[index];
}

const struct zip_member *
zip_reader_find(const struct zip_reader *reader, const char *name)
{
    return g_hash_table_lookup(reader->by_name, name);
}

/* Holds a member's plain bytes to the size and CRC-32 of the directory. */
struct member_stream {
    struct stream base;
    struct stream *source;
    guint64 left;
    gboolean check_crc;
    guint32 crc;
    guint32 expected_crc;
};

static gssize
end_member(struct member_stream *self, GError **error)
{
    guint8 extra;
    gssize got = stream_read(self->source, &extra, 1, error);
    if (got < 0)
        return -1;
    if (got > 0)
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: is larger than the archive says",
                  self->base.label);
    else if (self->check_crc && self->crc != self->expected_crc)
        error_set(error, SLIPWAY_ERROR_CORRUPT,
                  "%s: its CRC-32 is %08x but should be %08x, the "
                  "archive is damaged",
                  self->base.label, self->crc, self->expected_crc);
    else
        return 0;
    return -1;
}

static gssize
read_member(struct stream *base, void *buffer, gsize length, GError **error)
{
    struct member_stream *self = (struct member_stream *)base;
    if (self->left == 0)
        return end_member(self, error);
    gssize got = stream_read(self->source, buffer, (gsize)MIN(length, self->left), error);
    if (got < 0)
        return -1;
    if (got == 0) {
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: is smaller than the archive says",
                  base->label);
        return -1;
    }
    self->left -= (guint64)got;
    if (self->check_crc)
        self->crc = (guint32)crc32_z(self->crc, buffer, (gsize)got);
    return got;
}

static gboolean
skip_member(struct stream *base, guint64 length, GError **error)
{
    struct member_stream *self = (struct member_stream *)base;
    if (length > self->left)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: ends too early, the file is truncated",
                         base->label);
    if (length > 0)
        self->check_crc = FALSE; /* what was skipped was not seen */
    self->left -= length;
    return stream_skip(self->source, length, error);
}

static void
close_member(struct stream *base)
{
    struct member_stream *self = (struct member_stream *)base;
    stream_close(self->source);
    g_free(self);
}

static const struct stream_class member_class = {read_member, skip_member, close_member};

struct stream *
zip_reader_stream(struct zip_reader *reader, const struct zip_member *member, gboolean check_crc,
                  GError **error)
{
    g_autofree char *label = g_strdup_printf("%s in %s", member->name, reader->label);
    guint8 header[LOCAL_LENGTH];
    if (!read_range(reader, member->header_offset, header, sizeof header, error))
        return NULL;
    if (get32(header) != LOCAL_SIGNATURE)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: its local header is damaged", label);
    guint64 data = member->header_offset + LOCAL_LENGTH + get16(header + 26) + get16(header + 28);
    struct stream *source = open_range(reader, data, member->packed_size, label, error);
    if (source == NULL)
        return NULL;
    if (member->deflated)
        source = stream_new_inflate(source, STREAM_DEFLATE, member->size);

    struct member_stream *self = g_new0(struct member_stream, 1);
    stream_init(&self->base, &member_class, member->size, label);
    self->source = source;
    self->left = member->size;
    self->check_crc = check_crc;
    self->expected_crc = member->crc32;
    return &self->base;
}

GBytes *
zip_reader_read(struct zip_reader *reader, const struct zip_member *member, gsize limit,
                GError **error)
{
    auto_ptr(stream) stream = zip_reader_stream(reader, member, TRUE, error);
    return stream != NULL ? stream_read_all(stream, limit, error) : NULL;
}
