/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/zip_writer.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define NAME_MAX_BYTES 1024
#define DEFLATE_LEVEL 9
#define DOS_DATE 0x0021 /* 1980-01-01 */
#define FLAG_UTF8 0x0800
#define METHOD_STORE 0
#define METHOD_DEFLATE 8
#define VERSION_PLAIN 20
#define VERSION_ZIP64 45
#define MADE_BY_UNIX (3 << 8)
#define MODE_FILE (0100644u << 16)
#define TAG_ZIP64 0x0001
#define CRC_OFFSET 14 /* in a local header */

struct entry {
    char *name;
    guint64 header_offset;
    guint64 packed_size;
    guint64 size;
    guint32 crc;
    guint16 method;
};

struct zip_writer {
    int fd;             /* -1: into memory */
    GByteArray *memory; /* NULL: into a file */
    char *label;
    guint64 offset;
    GPtrArray *entries; /* of struct entry *; the last one may be open */
    GHashTable *names;
    gboolean is_open;
    guint64 left; /* bytes that the open member still wants */
};

static void
free_entry(gpointer data)
{
    struct entry *entry = data;
    g_free(entry->name);
    g_free(entry);
}

static struct zip_writer *
new_writer(int fd, GByteArray *memory, const char *label)
{
    struct zip_writer *writer = g_new0(struct zip_writer, 1);
    writer->fd = fd;
    writer->memory = memory;
    writer->label = g_strdup(label);
    writer->entries = g_ptr_array_new_with_free_func(free_entry);
    writer->names = g_hash_table_new(g_str_hash, g_str_equal);
    return writer;
}

struct zip_writer *
zip_writer_new_fd(int fd, const char *label)
{
    return new_writer(fd, NULL, label);
}

struct zip_writer *
zip_writer_new_memory(const char *label)
{
    return new_writer(-1, g_byte_array_new(), label);
}

void
zip_writer_free(struct zip_writer *writer)
{
    if (writer == NULL)
        return;
    g_clear_pointer(&writer->memory, g_byte_array_unref);
    g_hash_table_unref(writer->names);
    g_ptr_array_unref(writer->entries);
    g_free(writer->label);
    g_free(writer);
}

static gboolean
put_file(struct zip_writer *writer, guint64 offset, const void *data, gsize length, GError **error)
{
    const char *bytes = data;
    while (length > 0) {
        ssize_t written = pwrite(writer->fd, bytes, length, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_set_errno(error, errno, "cannot write %s", writer->label);
        bytes += written;
        offset += (guint64)written;
        length -= (gsize)written;
    }
    return TRUE;
}

static gboolean
append(struct zip_writer *writer, const void *data, gsize length, GError **error)
{
    if (writer->memory != NULL) {
        if (length > G_MAXUINT - writer->memory->len)
            return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: larger than 4 GiB in memory",
                             writer->label);
        g_byte_array_append(writer->memory, data, (guint)length);
    } else if (!put_file(writer, writer->offset, data, length, error)) {
        return FALSE;
    }
    writer->offset += length;
    return TRUE;
}

static gboolean
append_record(struct zip_writer *writer, GByteArray *record, GError **error)
{
    return append(writer, record->data, record->len, error);
}

static void
put_u16(GByteArray *record, guint value)
{
    guint8 bytes[2] = {(guint8)value, (guint8)(value >> 8)};
    g_byte_array_append(record, bytes, sizeof bytes);
}

static void
put_u32(GByteArray *record, guint32 value)
{
    put_u16(record, value & 0xffff);
    put_u16(record, value >> 16);
}

static void
put_u64(GByteArray *record, guint64 value)
{
    put_u32(record, (guint32)value);
    put_u32(record, (guint32)(value >> 32));
}

static gboolean
is_big(guint64 value)
{
    return value >= G_MAXUINT32;
}

/* What stands in a 32-bit field whose number is in the ZIP64 field instead. */
static guint32
short_of(guint64 value)
{
    return is_big(value) ? G_MAXUINT32 : (guint32)value;
}

static gboolean
is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((guint8)*text >= 0x80)
            return FALSE;
    return TRUE;
}

/* From the version needed to the CRC: the same in local header and central directory. */
static void
put_common(GByteArray *record, const struct entry *entry, gboolean zip64)
{
    put_u16(record, zip64 ? VERSION_ZIP64 : VERSION_PLAIN);
    put_u16(record, is_ascii(entry->name) ? 0 : FLAG_UTF8);
    put_u16(record, entry->method);
    put_u16(record, 0);
    put_u16(record, DOS_DATE);
    put_u32(record, entry->crc);
}

static gboolean
write_local_header(struct zip_writer *writer, const struct entry *entry, GError **error)
{
    g_autoptr(GByteArray) record = g_byte_array_new();
    gboolean zip64 = is_big(entry->size) || is_big(entry->packed_size);
    put_u32(record, 0x04034b50);
    put_common(record, entry, zip64);
    put_u32(record, zip64 ? G_MAXUINT32 : (guint32)entry->packed_size);
    put_u32(record, zip64 ? G_MAXUINT32 : (guint32)entry->size);
    put_u16(record, (guint)strlen(entry->name));
    put_u16(record, zip64 ? 20 : 0);
    g_byte_array_append(record, (const guint8 *)entry->name, (guint)strlen(entry->name));
    if (zip64) {
        put_u16(record, TAG_ZIP64);
        put_u16(record, 16);
        put_u64(record, entry->size);
        put_u64(record, entry->packed_size);
    }
    return append_record(writer, record, error);
}

static gboolean
part_is_bad(const char *part)
{
    return *part == '\0' || strcmp(part, ".") == 0 || strcmp(part, "..") == 0;
}

static gboolean
name_is_good(const char *name)
{
    if (strlen(name) > NAME_MAX_BYTES || strchr(name, '\\') != NULL ||
        !g_utf8_validate(name, -1, NULL))
        return FALSE;
    for (const char *c = name; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            return FALSE;
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    if (parts[0] == NULL)
        return FALSE;
    for (char **part = parts; *part != NULL; part++)
        if (part_is_bad(*part))
            return FALSE;
    return TRUE;
}

static struct entry *
new_entry(struct zip_writer *writer, const char *name, GError **error)
{
    g_assert(!writer->is_open);
    if (!name_is_good(name))
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: `%.100s` cannot be the name of a member of a zip archive",
                          writer->label, name);
    if (g_hash_table_contains(writer->names, name))
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: member %s would be there twice",
                          writer->label, name);
    struct entry *entry = g_new0(struct entry, 1);
    entry->name = g_strdup(name);
    entry->header_offset = writer->offset;
    g_ptr_array_add(writer->entries, entry);
    g_hash_table_add(writer->names, entry->name);
    return entry;
}

/* Raw deflate of `data`; NULL when that would not be smaller. */
static GByteArray *
deflate_bytes(const void *data, gsize length)
{
    if (length == 0 || length > G_MAXUINT)
        return NULL;
    z_stream stream = {0};
    if (deflateInit2(&stream, DEFLATE_LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        g_error("zlib cannot deflate");
    g_autoptr(GByteArray) packed = g_byte_array_new();
    g_byte_array_set_size(packed, (guint)length - 1);
    stream.next_in = (Bytef *)data;
    stream.avail_in = (uInt)length;
    stream.next_out = packed->data;
    stream.avail_out = packed->len;
    gboolean fits = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    g_byte_array_set_size(packed, packed->len - stream.avail_out);
    deflateEnd(&stream);
    return fits ? g_steal_pointer(&packed) : NULL;
}

gboolean
zip_writer_add(struct zip_writer *writer, const char *name, const void *data, gsize length,
               GError **error)
{
    struct entry *entry = new_entry(writer, name, error);
    if (entry == NULL)
        return FALSE;
    g_autoptr(GByteArray) packed = deflate_bytes(data, length);
    entry->method = packed != NULL ? METHOD_DEFLATE : METHOD_STORE;
    entry->size = length;
    entry->packed_size = packed != NULL ? packed->len : length;
    entry->crc = (guint32)crc32_z(0, data, length);
    if (!write_local_header(writer, entry, error))
        return FALSE;
    return packed != NULL ? append_record(writer, packed, error)
                          : append(writer, data, length, error);
}

gboolean
zip_writer_begin(struct zip_writer *writer, const char *name, guint64 size, GError **error)
{
    struct entry *entry = new_entry(writer, name, error);
    if (entry == NULL)
        return FALSE;
    entry->size = entry->packed_size = size;
    writer->is_open = TRUE;
    writer->left = size;
    return write_local_header(writer, entry, error);
}

static struct entry *
open_entry(struct zip_writer *writer)
{
    g_assert(writer->is_open);
    return g_ptr_array_index(writer->entries, writer->entries->len - 1);
}

gboolean
zip_writer_write(struct zip_writer *writer, const void *data, gsize length, GError **error)
{
    struct entry *entry = open_entry(writer);
    if (length > writer->left)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: has more than the %" G_GUINT64_FORMAT " bytes that were announced",
                         entry->name, entry->size);
    entry->crc = (guint32)crc32_z(entry->crc, data, length);
    writer->left -= length;
    return append(writer, data, length, error);
}

gboolean
zip_writer_end(struct zip_writer *writer, GError **error)
{
    struct entry *entry = open_entry(writer);
    if (writer->left > 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: ends %" G_GUINT64_FORMAT " bytes before the %" G_GUINT64_FORMAT
                         " that were announced",
                         entry->name, writer->left, entry->size);
    writer->is_open = FALSE;
    guint32 crc = GUINT32_TO_LE(entry->crc);
    if (writer->memory == NULL)
        return put_file(writer, entry->header_offset + CRC_OFFSET, &crc, sizeof crc, error);
    memcpy(writer->memory->data + entry->header_offset + CRC_OFFSET, &crc, sizeof crc);
    return TRUE;
}

/* The ZIP64 field of a central entry: only those numbers that do not fit. */
static GByteArray *
central_extra(const struct entry *entry)
{
    GByteArray *numbers = g_byte_array_new();
    if (is_big(entry->size))
        put_u64(numbers, entry->size);
    if (is_big(entry->packed_size))
        put_u64(numbers, entry->packed_size);
    if (is_big(entry->header_offset))
        put_u64(numbers, entry->header_offset);
    return numbers;
}

static gboolean
write_central_entry(struct zip_writer *writer, const struct entry *entry, GError **error)
{
    g_autoptr(GByteArray) record = g_byte_array_new();
    g_autoptr(GByteArray) extra = central_extra(entry);
    gboolean zip64 = extra->len > 0;
    put_u32(record, 0x02014b50);
    put_u16(record, MADE_BY_UNIX | (zip64 ? VERSION_ZIP64 : VERSION_PLAIN));
    put_common(record, entry, zip64);
    put_u32(record, short_of(entry->packed_size));
    put_u32(record, short_of(entry->size));
    put_u16(record, (guint)strlen(entry->name));
    put_u16(record, zip64 ? extra->len + 4 : 0);
    put_u16(record, 0); /* comment */
    put_u16(record, 0); /* disk */
    put_u16(record, 0); /* internal attributes */
    put_u32(record, MODE_FILE);
    put_u32(record, short_of(entry->header_offset));
    g_byte_array_append(record, (const guint8 *)entry->name, (guint)strlen(entry->name));
    if (zip64) {
        put_u16(record, TAG_ZIP64);
        put_u16(record, extra->len);
        g_byte_array_append(record, extra->data, extra->len);
    }
    return append_record(writer, record, error);
}

static void
put_zip64_end(GByteArray *record, guint64 count, guint64 start, guint64 end)
{
    put_u32(record, 0x06064b50);
    put_u64(record, 44); /* bytes of this record after this field */
    put_u16(record, MADE_BY_UNIX | VERSION_ZIP64);
    put_u16(record, VERSION_ZIP64);
    put_u32(record, 0); /* disks */
    put_u32(record, 0);
    put_u64(record, count);
    put_u64(record, count);
    put_u64(record, end - start);
    put_u64(record, start);
    put_u32(record, 0x07064b50);
    put_u32(record, 0);
    put_u64(record, end);
    put_u32(record, 1);
}

gboolean
zip_writer_finish(struct zip_writer *writer, GError **error)
{
    g_assert(!writer->is_open);
    guint64 start = writer->offset;
    for (guint i = 0; i < writer->entries->len; i++)
        if (!write_central_entry(writer, g_ptr_array_index(writer->entries, i), error))
            return FALSE;

    guint64 end = writer->offset, count = writer->entries->len;
    g_autoptr(GByteArray) record = g_byte_array_new();
    if (count >= G_MAXUINT16 || is_big(start) || is_big(end - start))
        put_zip64_end(record, count, start, end);
    put_u32(record, 0x06054b50);
    put_u32(record, 0); /* disks */
    put_u16(record, (guint)MIN(count, G_MAXUINT16));
    put_u16(record, (guint)MIN(count, G_MAXUINT16));
    put_u32(record, short_of(end - start));
    put_u32(record, short_of(start));
    put_u16(record, 0); /* comment */
    return append_record(writer, record, error);
}

GBytes *
zip_writer_finish_bytes(struct zip_writer *writer, GError **error)
{
    if (!zip_writer_finish(writer, error))
        return NULL;
    return g_byte_array_free_to_bytes(g_steal_pointer(&writer->memory));
}

guint64
zip_writer_size(const struct zip_writer *writer)
{
    return writer->offset;
}
