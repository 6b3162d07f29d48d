/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/tree_tar.h"

#include "base/cancel.h"
#include "base/error.h"
#include "esx/path_rules.h"
#include "esx/tar_names.h"
#include "esx/vib.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BUFFER 65536
#define BLOCK 512 /* of tar; the archive is not padded beyond it */

struct entry {
    char *path; /* below the directory */
    struct stat status;
};

struct tree {
    const char *directory;
    GPtrArray *entries; /* of struct entry * */
    gint64 mtime;
    struct archive *archive;
    struct gzip_writer *out;
    GError *sink_error; /* why writing failed, past libarchive */
};

static void
free_entry(gpointer data)
{
    struct entry *entry = data;
    g_free(entry->path);
    g_free(entry);
}

gboolean
tree_path_check(const char *path, GError **error)
{
    g_autofree char *shown = tar_name_shown(path);
    if (strlen(path) > VIB_PATH_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the path %s has more than %d bytes; a VIB cannot hold it", shown,
                         VIB_PATH_MAX);
    gboolean clean = g_utf8_validate(path, -1, NULL);
    for (const char *at = path; clean && *at != '\0'; at++)
        clean = !g_ascii_iscntrl(*at);
    if (!clean)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the path %s is no plain UTF-8 text; rename it", shown);
    return TRUE;
}

/* Finding everything. */

static gboolean collect(struct tree *tree, const char *below, GError **error);

static gboolean
add_entry(struct tree *tree, const char *path, GError **error)
{
    g_autofree char *full = g_build_filename(tree->directory, path, NULL);
    struct stat status;
    if (!tree_path_check(path, error))
        return FALSE;
    if (lstat(full, &status) != 0)
        return error_set_errno(error, errno, "cannot look at %s", full);
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s is a device, pipe or socket, which a VIB cannot hold; remove it",
                         full);
    if (tree->entries->len >= VIB_FILES_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: holds more than %d files",
                         tree->directory, VIB_FILES_MAX);
    struct entry *entry = g_new0(struct entry, 1);
    entry->path = g_strdup(path);
    entry->status = status;
    g_ptr_array_add(tree->entries, entry);
    return !S_ISDIR(status.st_mode) || collect(tree, path, error);
}

static gboolean
collect_from(struct tree *tree, DIR *stream, const char *below, const char *full, GError **error)
{
    for (;;) {
        errno = 0;
        const struct dirent *child = readdir(stream);
        if (child == NULL && errno != 0)
            return error_set_errno(error, errno, "cannot read the directory %s", full);
        if (child == NULL)
            return TRUE;
        if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
            continue;
        g_autofree char *path = *below == '\0' ? g_strdup(child->d_name)
                                               : g_strdup_printf("%s/%s", below, child->d_name);
        if (!cancel_check(error) || !add_entry(tree, path, error))
            return FALSE;
    }
}

/* As deep as the longest path allows, which is not deep. */
static gboolean
collect(struct tree *tree, const char *below, GError **error)
{
    g_autofree char *full = g_build_filename(tree->directory, below, NULL);
    DIR *stream = opendir(full);
    if (stream == NULL)
        return error_set_errno(error, errno, "cannot read the directory %s", full);
    gboolean ok = collect_from(tree, stream, below, full, error);
    closedir(stream);
    return ok;
}

static int
compare_entries(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct entry *const *)a)->path, (*(struct entry *const *)b)->path);
}

/* Writing it. */

static la_ssize_t
write_block(struct archive *archive, void *user_data, const void *data, size_t length)
{
    struct tree *tree = user_data;
    if (gzip_writer_write(tree->out, data, length, &tree->sink_error))
        return (la_ssize_t)length;
    archive_set_error(archive, EIO, "cannot write");
    return -1;
}

static gboolean
fail_archive(struct tree *tree, const char *path, GError **error)
{
    if (tree->sink_error != NULL) {
        g_propagate_error(error, g_steal_pointer(&tree->sink_error));
        return FALSE;
    }
    return error_set(error, SLIPWAY_ERROR_USAGE, "%s/%s cannot be packed: %s", tree->directory,
                     path, archive_error_string(tree->archive));
}

static gboolean
write_header(struct tree *tree, const struct entry *entry, const char *target, GError **error)
{
    struct archive_entry *header = archive_entry_new();
    archive_entry_set_pathname(header, entry->path);
    archive_entry_set_filetype(header, entry->status.st_mode & S_IFMT);
    archive_entry_set_perm(header,
                           S_ISLNK(entry->status.st_mode) ? 0777 : entry->status.st_mode & 07777);
    archive_entry_set_mtime(header, tree->mtime, 0);
    archive_entry_set_size(header, S_ISREG(entry->status.st_mode) ? entry->status.st_size : 0);
    if (target != NULL)
        archive_entry_set_symlink(header, target);
    int result = archive_write_header(tree->archive, header);
    archive_entry_free(header);
    return result == ARCHIVE_OK || fail_archive(tree, entry->path, error);
}

static gboolean
changed(const char *full, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_IO, "%s changed while it was read; try again", full);
}

static gboolean
copy_data(struct tree *tree, const struct entry *entry, int fd, const char *full, GError **error)
{
    g_autofree char *buffer = g_malloc(COPY_BUFFER);
    guint64 left = (guint64)entry->status.st_size;
    for (;;) {
        ssize_t got = read(fd, buffer, COPY_BUFFER);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, errno, "cannot read %s", full);
        if ((guint64)got > left || (got == 0 && left > 0))
            return changed(full, error);
        if (got == 0)
            return TRUE;
        if (archive_write_data(tree->archive, buffer, (size_t)got) != got)
            return fail_archive(tree, entry->path, error);
        left -= (guint64)got;
        if (!cancel_check(error))
            return FALSE;
    }
}

static gboolean
write_file(struct tree *tree, const struct entry *entry, const char *full, GError **error)
{
    int fd = open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot read %s", full);
    struct stat status;
    gboolean ok = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                  status.st_size == entry->status.st_size;
    ok = ok ? write_header(tree, entry, NULL, error) && copy_data(tree, entry, fd, full, error)
            : changed(full, error);
    close(fd);
    return ok;
}

static gboolean
write_entry(struct tree *tree, const struct entry *entry, GError **error)
{
    g_autofree char *full = g_build_filename(tree->directory, entry->path, NULL);
    if (S_ISREG(entry->status.st_mode))
        return write_file(tree, entry, full, error);
    if (S_ISDIR(entry->status.st_mode))
        return write_header(tree, entry, NULL, error);
    g_autoptr(GError) reason = NULL;
    g_autofree char *target = g_file_read_link(full, &reason);
    if (target == NULL)
        return error_set(error, SLIPWAY_ERROR_IO, "cannot read the link %s: %s", full,
                         reason->message);
    return write_header(tree, entry, target, error);
}

static gboolean
write_all(struct tree *tree, GError **error)
{
    archive_write_set_format_ustar(tree->archive);
    archive_write_add_filter_none(tree->archive);
    archive_write_set_bytes_in_last_block(tree->archive, BLOCK);
    if (archive_write_open(tree->archive, tree, NULL, write_block, NULL) != ARCHIVE_OK)
        return fail_archive(tree, "", error);
    for (guint i = 0; i < tree->entries->len; i++)
        if (!write_entry(tree, tree->entries->pdata[i], error))
            return FALSE;
    return archive_write_close(tree->archive) == ARCHIVE_OK || fail_archive(tree, "", error);
}

gboolean
tree_tar_write(const char *directory, gint64 mtime, struct gzip_writer *out, GError **error)
{
    struct tree tree = {.directory = directory, .mtime = mtime, .out = out};
    tree.entries = g_ptr_array_new_with_free_func(free_entry);
    gboolean ok = collect(&tree, "", error);
    if (ok) {
        g_ptr_array_sort(tree.entries, compare_entries);
        tree.archive = archive_write_new();
        ok = write_all(&tree, error);
        archive_write_free(tree.archive);
    }
    g_clear_error(&tree.sink_error);
    g_ptr_array_unref(tree.entries);
    return ok;
}
