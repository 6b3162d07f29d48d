/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A zip archive with every member read.
 *
 * A member gives exactly as many bytes as it says and never more than the limit; what was read can
 * be written again and reads the same. */
#include "base/error.h"
#include "base/zip_reader.h"
#include "base/zip_writer.h"
#include "fuzz.h"

#include <string.h>

#define LIMIT 100000

static void
check_name(const char *name)
{
    g_assert_true(*name != '\0' && *name != '/');
    g_assert_null(strchr(name, '\\'));
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    g_assert_false(g_strv_contains((const char *const *)parts, ".."));
    g_assert_true(g_utf8_validate(name, -1, NULL));
}

/* Without the checksum, and with a part skipped. */
static void
read_apart(struct zip_reader *zip, const struct zip_member *member)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(stream) stream = zip_reader_stream(zip, member, FALSE, &error);
    fuzz_check_pointer(stream, error);
    if (stream == NULL)
        return;
    guint64 skipped = member->size / 2;
    if (skipped > LIMIT)
        return;
    if (!stream_skip(stream, skipped, &error)) {
        fuzz_check(FALSE, error);
        return;
    }
    g_autoptr(GBytes) rest = stream_read_all(stream, LIMIT, &error);
    fuzz_check_pointer(rest, error);
    if (rest != NULL)
        g_assert_cmpuint(skipped + g_bytes_get_size(rest), ==, member->size);
}

static void
read_members(struct zip_reader *zip, struct zip_writer *copy, GPtrArray *names)
{
    for (gsize i = 0; i < zip_reader_count(zip); i++) {
        const struct zip_member *member = zip_reader_member(zip, i);
        check_name(member->name);
        g_assert_true(zip_reader_find(zip, member->name) == member);
        read_apart(zip, member);
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) bytes = zip_reader_read(zip, member, LIMIT, &error);
        fuzz_check_pointer(bytes, error);
        if (bytes == NULL)
            continue;
        gsize length;
        const void *data = g_bytes_get_data(bytes, &length);
        g_assert_cmpuint(length, ==, member->size);
        g_assert_cmpuint(length, <=, LIMIT);
        /* The writer is stricter about names, and of no use after it refused one. */
        if (strpbrk(member->name, "\t\n\r\x7f") != NULL || strstr(member->name, "//") != NULL)
            continue;
        if (!zip_writer_add(copy, member->name, data, length, &error)) {
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
            g_ptr_array_set_size(names, 0);
            return;
        }
        g_ptr_array_add(names, (gpointer)member);
    }
}

static void
check_copy(GBytes *bytes, struct zip_reader *zip, GPtrArray *members)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(zip_reader) copy = zip_reader_new_bytes(bytes, "copy", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(zip_reader_count(copy), ==, members->len);
    for (guint i = 0; i < members->len; i++) {
        const struct zip_member *member = members->pdata[i];
        const struct zip_member *other = zip_reader_find(copy, member->name);
        g_assert_nonnull(other);
        g_autoptr(GBytes) before = zip_reader_read(zip, member, LIMIT, NULL);
        g_autoptr(GBytes) after = zip_reader_read(copy, other, LIMIT, &error);
        g_assert_no_error(error);
        g_assert_true(g_bytes_equal(before, after));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(GError) error = NULL;
    auto_ptr(zip_reader) zip = zip_reader_new_bytes(bytes, "input", &error);
    fuzz_check_pointer(zip, error);
    if (zip == NULL)
        return 0;
    auto_ptr(zip_writer) copy = zip_writer_new_memory("copy");
    g_autoptr(GPtrArray) members = g_ptr_array_new();
    read_members(zip, copy, members);
    if (members->len == 0)
        return 0;
    g_autoptr(GBytes) written = zip_writer_finish_bytes(copy, &error);
    g_assert_no_error(error);
    check_copy(written, zip, members);
    return 0;
}
