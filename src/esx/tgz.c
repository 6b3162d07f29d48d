/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/tgz.h"

#include "base/error.h"
#include "esx/gzip_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#define DIRECTORY_MODE 0755
#define FILE_MODE 0644

struct tgz {
    GTree *members; /* char *path -> GBytes *; a directory's path ends in a slash */
};

static int
compare_paths(gconstpointer a, gconstpointer b, gpointer unused G_GNUC_UNUSED)
{
    return strcmp(a, b);
}

struct tgz *
tgz_new(void)
{
    struct tgz *tgz = g_new0(struct tgz, 1);
    tgz->members =
        g_tree_new_full(compare_paths, NULL, g_free, (GDestroyNotify)(void *)g_bytes_unref);
    return tgz;
}

void
tgz_free(struct tgz *tgz)
{
    if (tgz == NULL)
        return;
    g_tree_unref(tgz->members);
    g_free(tgz);
}

void
tgz_add(struct tgz *tgz, const char *path, GBytes *data)
{
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        char *directory = g_strndup(path, (gsize)(slash - path) + 1);
        g_tree_replace(tgz->members, directory, g_bytes_new_static("", 0));
    }
    if (!g_str_has_suffix(path, "/"))
        g_tree_replace(tgz->members, g_strdup(path), g_bytes_ref(data));
}

/* ---- format ----------------------------------------------------------------------------- */

struct output {
    struct archive *archive;
    struct archive_entry *entry;
    struct gzip_writer *gzip;
    GByteArray *bytes;
    GError **error;
    gboolean ok;
};

static gboolean
take_packed(void *user_data, const void *data, gsize length, GError **error)
{
    GByteArray *bytes = user_data;
    if (length > G_MAXUINT - bytes->len)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "a .tgz grows beyond 4 GiB");
    g_byte_array_append(bytes, data, (guint)length);
    return TRUE;
}

static la_ssize_t
take_plain(struct archive *archive, void *user_data, const void *data, size_t length)
{
    struct output *output = user_data;
    if (gzip_writer_write(output->gzip, data, length, output->error))
        return (la_ssize_t)length;
    archive_set_error(archive, EIO, "cannot compress");
    return -1;
}

/* The compressor's own error, if there is one, is already set and is kept. */
static gboolean
refused(struct output *output, enum slipway_error code, const char *path)
{
    return error_set(output->error, code, "cannot put %s into a .tgz: %s", path,
                     archive_error_string(output->archive));
}

static gboolean
write_member(struct output *output, const char *path, GBytes *data)
{
    gsize size = 0;
    const void *bytes = g_bytes_get_data(data, &size);
    gboolean directory = g_str_has_suffix(path, "/");
    archive_entry_clear(output->entry);
    archive_entry_set_pathname(output->entry, path);
    archive_entry_set_filetype(output->entry, directory ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(output->entry, directory ? DIRECTORY_MODE : FILE_MODE);
    archive_entry_set_size(output->entry, (la_int64_t)size);
    archive_entry_set_mtime(output->entry, 0, 0);
    archive_entry_set_uid(output->entry, 0);
    archive_entry_set_gid(output->entry, 0);
    if (archive_write_header(output->archive, output->entry) != ARCHIVE_OK)
        return refused(output, SLIPWAY_ERROR_LIMIT, path);
    if (size > 0 && archive_write_data(output->archive, bytes, size) != (la_ssize_t)size)
        return refused(output, SLIPWAY_ERROR_FAILED, path);
    return TRUE;
}

static gboolean
visit(gpointer path, gpointer data, gpointer user_data)
{
    struct output *output = user_data;
    output->ok = write_member(output, path, data);
    return !output->ok; /* TRUE stops the walk */
}

static gboolean
write_all(struct output *output, GTree *members)
{
    if (archive_write_set_format_ustar(output->archive) != ARCHIVE_OK ||
        archive_write_open(output->archive, output, NULL, take_plain, NULL) != ARCHIVE_OK)
        return refused(output, SLIPWAY_ERROR_FAILED, "anything");
    output->ok = TRUE;
    g_tree_foreach(members, visit, output);
    if (!output->ok)
        return FALSE;
    if (archive_write_close(output->archive) != ARCHIVE_OK)
        return refused(output, SLIPWAY_ERROR_FAILED, "its end");
    return gzip_writer_finish(output->gzip, output->error);
}

GBytes *
tgz_format(const struct tgz *tgz, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    auto_ptr(gzip_writer) gzip = gzip_writer_new(take_packed, bytes);
    struct output output = {
        .archive = archive_write_new(),
        .entry = archive_entry_new(),
        .gzip = gzip,
        .bytes = bytes,
        .error = &problem,
    };
    if (output.archive == NULL || output.entry == NULL)
        g_error("out of memory");
    gboolean ok = write_all(&output, tgz->members);
    archive_entry_free(output.entry);
    archive_write_free(output.archive);
    if (!ok) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return NULL;
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}
