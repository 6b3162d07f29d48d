/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fuzz.h"

#include "base/error.h"
#include "base/zip_writer.h"

#include <errno.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART "--- "
#define MEMORY_DIRECTORY "/dev/shm"

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A complaint of GLib is a bug of ours.  Its own way to die is a trap, which libFuzzer does not
 * catch. */
static void
refuse_complaint(const char *domain, GLogLevelFlags level, const char *message,
                 gpointer unused G_GNUC_UNUSED)
{
    fprintf(stderr, "%s: %s\n", domain != NULL ? domain : "?", message);
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING))
        abort();
}

int
LLVMFuzzerInitialize(int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
    g_log_set_default_handler(refuse_complaint, NULL);
    return 0;
}

void
fuzz_check(gboolean ok, const GError *error)
{
    if (ok) {
        g_assert_no_error(error);
        return;
    }
    g_assert_nonnull(error);
    g_assert_cmpuint(error->domain, ==, SLIPWAY_ERROR);
    g_assert_cmpint(error->code, >=, 0);
    g_assert_cmpint(error->code, <, SLIPWAY_ERROR_N);
    g_assert_cmpstr(error->message, !=, "");
    g_assert_cmpuint(strlen(error->message), <=, FUZZ_MESSAGE_MAX);
}

static char *directory;

static int
remove_entry(const char *path, const struct stat *status G_GNUC_UNUSED, int type G_GNUC_UNUSED,
             struct FTW *info G_GNUC_UNUSED)
{
    return remove(path);
}

static void
remove_directory(void)
{
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    g_clear_pointer(&directory, g_free);
}

const char *
fuzz_directory(void)
{
    if (directory != NULL)
        return directory;
    char *path = g_strdup(MEMORY_DIRECTORY "/slipway-fuzz-XXXXXX");
    directory = g_mkdtemp(path);
    if (directory == NULL) {
        g_free(path);
        directory = g_dir_make_tmp("slipway-fuzz-XXXXXX", NULL);
    }
    g_assert_nonnull(directory);
    atexit(remove_directory);
    return directory;
}

char *
fuzz_put_file(const char *name, const void *data, gsize length)
{
    char *path = g_build_filename(fuzz_directory(), name, NULL);
    FILE *file = fopen(path, "wb");
    if (file == NULL && errno == ENOENT) {
        g_autofree char *parent = g_path_get_dirname(path);
        g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
        file = fopen(path, "wb");
    }
    g_assert_nonnull(file);
    g_assert_true(length == 0 || fwrite(data, 1, length, file) == length);
    g_assert_cmpint(fclose(file), ==, 0);
    return path;
}

void
fuzz_remove_file(const char *name)
{
    g_autofree char *path = g_build_filename(fuzz_directory(), name, NULL);
    g_unlink(path);
}

GBytes *
fuzz_take_bytes(const uint8_t **data, size_t *size, char end)
{
    const uint8_t *stop = *size > 0 ? memchr(*data, end, *size) : NULL;
    gsize length = stop != NULL ? (gsize)(stop - *data) : *size;
    GBytes *bytes = g_bytes_new(*data, length);
    gsize taken = stop != NULL ? length + 1 : length;
    *data += taken;
    *size -= taken;
    return bytes;
}

char *
fuzz_take_text(const uint8_t **data, size_t *size, char end)
{
    g_autoptr(GBytes) bytes = fuzz_take_bytes(data, size, end);
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);
    return g_strndup(length > 0 ? text : "", length);
}

static void
free_part(gpointer data)
{
    struct fuzz_part *part = data;
    g_free(part->name);
    g_bytes_unref(part->bytes);
    g_free(part);
}

GPtrArray *
fuzz_parts(const uint8_t *data, size_t size)
{
    GPtrArray *parts = g_ptr_array_new_with_free_func(free_part);
    while (size >= strlen(PART) && memcmp(data, PART, strlen(PART)) == 0) {
        data += strlen(PART);
        size -= strlen(PART);
        struct fuzz_part *part = g_new0(struct fuzz_part, 1);
        part->name = fuzz_take_text(&data, &size, '\n');
        const uint8_t *next = size > 0 ? memmem(data, size, "\n" PART, strlen("\n" PART)) : NULL;
        gsize length = next != NULL ? (gsize)(next - data) : size;
        part->bytes = g_bytes_new(data, length);
        g_ptr_array_add(parts, part);
        gsize taken = next != NULL ? length + 1 : length;
        data += taken;
        size -= taken;
    }
    return parts;
}

GBytes *
fuzz_parts_zip(GPtrArray *parts, gboolean (*wanted)(const char *name))
{
    auto_ptr(zip_writer) zip = zip_writer_new_memory("parts");
    for (guint i = 0; i < parts->len; i++) {
        const struct fuzz_part *part = parts->pdata[i];
        gsize length;
        const void *data = g_bytes_get_data(part->bytes, &length);
        if ((wanted == NULL || wanted(part->name)) &&
            !zip_writer_add(zip, part->name, data, length, NULL))
            return NULL;
    }
    return zip_writer_finish_bytes(zip, NULL);
}

gboolean
fuzz_bytes_equal(GBytes *left, GBytes *right)
{
    if (left == NULL || right == NULL)
        return left == right;
    return g_bytes_equal(left, right);
}
