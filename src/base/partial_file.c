/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/partial_file.h"

#include "base/cancel.h"
#include "base/durable_file.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long another fetch to the same path is waited for, and how often looked. */
#define WAIT_MAX_US (G_GINT64_CONSTANT(600) * G_USEC_PER_SEC)
#define WAIT_STEP_US (G_USEC_PER_SEC / 10)

/* The group of the note, and its form. */
#define GROUP "part"
#define FORM 1

struct partial_file {
    char *path;
    char *part;
    char *note;
    char *source;
    int fd;
    guint64 limit;
    guint64 length;
    guint64 noted; /* bytes that the note speaks for */
    struct partial_version version;
};

static void
clear_version(struct partial_version *version)
{
    g_free(version->etag);
    g_free(version->last_modified);
    *version = (struct partial_version){0};
}

static void
free_file(struct partial_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    clear_version(&file->version);
    g_free(file->source);
    g_free(file->note);
    g_free(file->part);
    g_free(file->path);
    g_free(file);
}

/* The lock is on the file, but its name may have gone elsewhere while we waited:
 * the other one has finished. */
static gboolean
still_named(const struct partial_file *file)
{
    struct stat by_fd, by_name;
    return fstat(file->fd, &by_fd) == 0 && lstat(file->part, &by_name) == 0 &&
           by_fd.st_dev == by_name.st_dev && by_fd.st_ino == by_name.st_ino;
}

/* Some file systems have no locks: there the user must see to it. */
static gboolean
lock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

static gboolean
open_locked(struct partial_file *file, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + WAIT_MAX_US;
    for (;;) {
        file->fd = open(file->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (file->fd < 0)
            return error_set_errno(error, errno, "cannot create %s", file->part);
        gboolean locked = lock(file->fd);
        if (locked && still_named(file))
            return TRUE;
        close(file->fd);
        file->fd = -1;
        if (!cancel_check(error))
            return FALSE;
        if (g_get_monotonic_time() > deadline)
            return error_set(error, SLIPWAY_ERROR_BUSY,
                             "%s: another process is fetching it; wait for that to end",
                             file->path);
        if (!locked)
            g_usleep(WAIT_STEP_US);
    }
}

/* NULL when there is none, or it is damaged: about a backslash at its end GLib would complain on
 * standard error, and we write none. */
static char *
note_text(GKeyFile *note, const char *key)
{
    g_autofree char *raw = g_key_file_get_value(note, GROUP, key, NULL);
    if (raw == NULL || g_str_has_suffix(raw, "\\"))
        return NULL;
    return g_key_file_get_string(note, GROUP, key, NULL);
}

/* What the note says of the part; 0 bytes when it says nothing of use. */
static guint64
read_note(struct partial_file *file)
{
    g_autoptr(GKeyFile) note = g_key_file_new();
    if (!g_key_file_load_from_file(note, file->note, G_KEY_FILE_NONE, NULL) ||
        g_key_file_get_integer(note, GROUP, "form", NULL) != FORM)
        return 0;
    g_autofree char *source = note_text(note, "source");
    if (g_strcmp0(source, file->source) != 0)
        return 0;
    file->version.etag = note_text(note, "etag");
    file->version.last_modified = note_text(note, "last-modified");
    file->version.total = g_key_file_get_uint64(note, GROUP, "total", NULL);
    return g_key_file_get_uint64(note, GROUP, "length", NULL);
}

static gboolean
take_up(struct partial_file *file, GError **error)
{
    struct stat status;
    if (fstat(file->fd, &status) != 0)
        return error_set_errno(error, errno, "cannot read %s", file->part);
    if (!S_ISREG(status.st_mode))
        return error_set(error, SLIPWAY_ERROR_IO, "%s is in the way and no file; remove it",
                         file->part);
    guint64 noted = read_note(file);
    if (noted == 0 || noted > (guint64)status.st_size || noted > file->limit)
        return partial_file_restart(file, NULL, error);
    if (ftruncate(file->fd, (off_t)noted) != 0 || lseek(file->fd, (off_t)noted, SEEK_SET) < 0)
        return error_set_errno(error, errno, "cannot take up %s", file->part);
    file->length = file->noted = noted;
    return TRUE;
}

struct partial_file *
partial_file_open(const char *path, const char *source, guint64 limit, GError **error)
{
    struct partial_file *file = g_new0(struct partial_file, 1);
    file->fd = -1;
    file->path = g_strdup(path);
    file->part = g_strconcat(path, ".part", NULL);
    file->note = g_strconcat(path, ".part.etag", NULL);
    file->source = g_strdup(source);
    file->limit = limit;
    if (open_locked(file, error) && take_up(file, error))
        return file;
    free_file(file);
    return NULL;
}

guint64
partial_file_length(const struct partial_file *file)
{
    return file->length;
}

const struct partial_version *
partial_file_version(const struct partial_file *file)
{
    return &file->version;
}

gboolean
partial_file_hash(struct partial_file *file, struct digest *digest, GError **error)
{
    g_autofree char *buffer = g_malloc(1 << 16);
    for (guint64 at = 0; at < file->length;) {
        ssize_t got = pread(file->fd, buffer, MIN(1 << 16, file->length - at), (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, errno, "cannot read %s", file->part);
        if (got == 0)
            return error_set(error, SLIPWAY_ERROR_IO, "%s shrank while it was read", file->part);
        digest_update(digest, buffer, (gsize)got);
        at += (guint64)got;
        if (!cancel_check(error))
            return FALSE;
    }
    return TRUE;
}

gboolean
partial_file_restart(struct partial_file *file, const struct partial_version *version,
                     GError **error)
{
    /* First the note, so that it never speaks for other bytes than it was written for. */
    unlink(file->note);
    if (ftruncate(file->fd, 0) != 0 || lseek(file->fd, 0, SEEK_SET) < 0)
        return error_set_errno(error, errno, "cannot empty %s", file->part);
    file->length = file->noted = 0;
    clear_version(&file->version);
    if (version != NULL) {
        file->version.etag = g_strdup(version->etag);
        file->version.last_modified = g_strdup(version->last_modified);
        file->version.total = version->total;
    }
    return TRUE;
}

static gboolean
write_note(struct partial_file *file, GError **error)
{
    g_autoptr(GKeyFile) note = g_key_file_new();
    g_key_file_set_integer(note, GROUP, "form", FORM);
    g_key_file_set_string(note, GROUP, "source", file->source);
    g_key_file_set_uint64(note, GROUP, "length", file->length);
    g_key_file_set_uint64(note, GROUP, "total", file->version.total);
    if (file->version.etag != NULL)
        g_key_file_set_string(note, GROUP, "etag", file->version.etag);
    if (file->version.last_modified != NULL)
        g_key_file_set_string(note, GROUP, "last-modified", file->version.last_modified);
    gsize length = 0;
    g_autofree char *text = g_key_file_to_data(note, &length, NULL);
    return durable_file_put(file->note, text, length, 0666, error);
}

static gboolean
checkpoint(struct partial_file *file, GError **error)
{
    if (file->length == file->noted)
        return TRUE;
    if (fdatasync(file->fd) != 0)
        return error_set_errno(error, errno, "cannot write %s", file->part);
    if (!write_note(file, error))
        return FALSE;
    file->noted = file->length;
    return TRUE;
}

gboolean
partial_file_write(struct partial_file *file, const void *data, gsize length, GError **error)
{
    if (length > file->limit - file->length)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: longer than the %" G_GUINT64_FORMAT " bytes that are allowed",
                         file->path, file->limit);
    const char *bytes = data;
    while (length > 0) {
        ssize_t written = write(file->fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_set_errno(error, errno, "cannot write %s", file->part);
        bytes += written;
        length -= (gsize)written;
        file->length += (guint64)written;
    }
    if (file->length - file->noted < PARTIAL_FILE_CHECKPOINT)
        return TRUE;
    return checkpoint(file, error);
}

gboolean
partial_file_commit(struct partial_file *file, GError **error)
{
    gboolean ok = fsync(file->fd) == 0 && rename(file->part, file->path) == 0;
    if (ok) {
        unlink(file->note);
        ok = durable_file_sync_name(file->path);
    }
    if (!ok)
        error_set_errno(error, errno, "cannot finish %s", file->path);
    free_file(file);
    return ok;
}

void
partial_file_close(struct partial_file *file)
{
    if (file == NULL)
        return;
    if (file->length == 0) {
        partial_file_discard(file);
        return;
    }
    /* Without its note the part is worth nothing, but also does no harm. */
    checkpoint(file, NULL);
    free_file(file);
}

void
partial_file_discard(struct partial_file *file)
{
    unlink(file->note);
    unlink(file->part);
    free_file(file);
}
