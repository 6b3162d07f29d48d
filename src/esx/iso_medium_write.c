/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing the ISO, and the contents that are made meanwhile. */
#include "esx/iso_medium_private.h"

#include "base/cancel.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libburn/libburn.h> /* struct burn_source, which libisofs fills */

#define WRITE_BLOCKS 128u /* blocks taken from libisofs at a time */
#define FIFO_BLOCKS 2048u
#define WRITEBACK_STEP (16u << 20)
#define NAME_MAX_VERSIONED 30 /* characters of a name that has a version */

/* Content that is made while the medium is written, as a libisofs stream. */

struct content_stream {
    struct iso_medium *medium;
    struct iso_content *content;
    guint64 size;
    ino_t serial;
};

/* libisofs carries no GError; its caller looks here. */
static void
remember_error(struct iso_medium *medium, GError *error)
{
    g_mutex_lock(&medium->lock);
    if (medium->error == NULL)
        medium->error = error;
    else
        g_clear_error(&error);
    g_mutex_unlock(&medium->lock);
}

static int
open_content(IsoStream *stream)
{
    struct content_stream *self = stream->data;
    GError *error = NULL;
    if (self->content->open(self->content, &error))
        return 1;
    remember_error(self->medium, error);
    return ISO_FILE_ERROR;
}

static int
close_content(IsoStream *stream)
{
    struct content_stream *self = stream->data;
    self->content->close(self->content);
    return 1;
}

static off_t
size_content(IsoStream *stream)
{
    return (off_t)((struct content_stream *)stream->data)->size;
}

static int
read_content(IsoStream *stream, void *buffer, size_t count)
{
    struct content_stream *self = stream->data;
    GError *error = NULL;
    size_t done = 0;
    while (done < count) {
        gssize got =
            self->content->read(self->content, (char *)buffer + done, count - done, &error);
        if (got < 0) {
            remember_error(self->medium, error);
            return ISO_FILE_READ_ERROR;
        }
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int)done;
}

static int
repeatable_content(IsoStream *stream G_GNUC_UNUSED)
{
    return 0;
}

static void
id_content(IsoStream *stream, unsigned int *fs_id, dev_t *dev_id, ino_t *ino_id)
{
    *fs_id = 0;
    *dev_id = 0;
    *ino_id = ((struct content_stream *)stream->data)->serial;
}

static void
free_content(IsoStream *stream)
{
    struct content_stream *self = stream->data;
    self->content->free(self->content);
    g_free(self);
}

static IsoStreamIface content_class = {
    .version = 0,
    .type = {'u', 's', 'e', 'r'},
    .open = open_content,
    .close = close_content,
    .get_size = size_content,
    .read = read_content,
    .is_repeatable = repeatable_content,
    .get_id = id_content,
    .free = free_content,
};

IsoStream *
iso_medium_content_stream(struct iso_medium *medium, guint64 size, struct iso_content *content)
{
    /* libisofs frees its streams with free(). */
    IsoStream *stream = calloc(1, sizeof *stream);
    struct content_stream *self = g_new0(struct content_stream, 1);
    if (stream == NULL)
        g_error("out of memory");
    self->medium = medium;
    self->content = content;
    self->size = size;
    self->serial = serial_id++;
    stream->class = &content_class;
    stream->refcount = 1;
    stream->data = self;
    return stream;
}

/* A stream as content. */

struct stream_content {
    struct iso_content base;
    struct stream *stream;
};

static gboolean
open_stream(struct iso_content *base G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

static gssize
read_stream(struct iso_content *base, void *buffer, gsize length, GError **error)
{
    return stream_read(((struct stream_content *)base)->stream, buffer, length, error);
}

static void
close_stream(struct iso_content *base G_GNUC_UNUSED)
{
}

static void
free_stream(struct iso_content *base)
{
    stream_close(((struct stream_content *)base)->stream);
    g_free(base);
}

gboolean
iso_medium_put_stream(struct iso_medium *medium, const char *path, struct stream *stream,
                      GError **error)
{
    struct stream_content *content = g_new0(struct stream_content, 1);
    content->base = (struct iso_content){open_stream, read_stream, close_stream, free_stream};
    content->stream = stream;
    return iso_medium_put_content(medium, path, stream_size(stream), &content->base, error);
}

/* Writing. */

static gboolean
has_short_name(struct iso_medium *medium G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
               IsoNode *node, void *user_data)
{
    gboolean *all_short = user_data;
    *all_short = strlen(iso_node_get_name(node)) <= NAME_MAX_VERSIONED;
    return *all_short;
}

/* An ISO of somebody else's may have names that ISO 9660 has no room for. */
static gboolean
has_long_names(struct iso_medium *medium)
{
    gboolean all_short = TRUE;
    iso_medium_visit(medium, has_short_name, &all_short);
    return !all_short;
}

static void
set_options(struct iso_medium *medium, IsoWriteOpts *options)
{
    gboolean plain = !medium->rock_ridge && !medium->joliet;
    iso_write_opts_set_iso_level(options, 3);
    iso_write_opts_set_rockridge(options, medium->rock_ridge);
    iso_write_opts_set_joliet(options, medium->joliet);
    /* Without other name trees a name on the medium is the name in the tree, letter for letter. */
    iso_write_opts_set_allow_lowercase(options, plain);
    iso_write_opts_set_allow_full_ascii(options, plain);
    /* Beside other trees too: the loaders read the plain names, and those of 5.0 have dashes. */
    iso_write_opts_set_allow_7bit_ascii(options, 1);
    /* This takes the version `;1` off all names, which some readers of media look for. */
    iso_write_opts_set_max_37_char_filenames(options, has_long_names(medium));
    iso_write_opts_set_allow_deep_paths(options, 1);
    iso_write_opts_set_relaxed_vol_atts(options, 1);
    iso_write_opts_set_sort_files(options, 1);
    iso_write_opts_set_always_gmt(options, 1);
    iso_write_opts_set_dir_rec_mtime(options, 3);
    iso_write_opts_set_fifo_size(options, FIFO_BLOCKS);
    iso_write_opts_set_output_charset(options, (char *)"UTF-8");

    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(medium->time);
    g_autofree char *stamp_text = g_date_time_format(time, "%Y%m%d%H%M%S00");
    iso_write_opts_set_pvd_times(options, (time_t)medium->time, (time_t)medium->time, 0, 0,
                                 stamp_text);
}

static gboolean
write_fully(int fd, const char *data, gsize length, GError **error)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_set_errno(error, errno, "cannot write the ISO image");
        data += written;
        length -= (gsize)written;
    }
    return TRUE;
}

/* The caller will sync the file: let the disk begin now, not when all is written.  Only a hint. */
static void
start_writeback(int fd, guint64 offset, guint64 length)
{
    sync_file_range(fd, (off_t)offset, (off_t)length, SYNC_FILE_RANGE_WRITE);
}

static gboolean
content_failed(struct iso_medium *medium)
{
    g_mutex_lock(&medium->lock);
    gboolean failed = medium->error != NULL;
    g_mutex_unlock(&medium->lock);
    return failed;
}

static gboolean
drain(struct iso_medium *medium, struct burn_source *source, int fd, struct progress *progress,
      GError **error)
{
    gsize size = WRITE_BLOCKS * ISO_BLOCK;
    g_autofree char *buffer = g_malloc(size);
    /* Asked for more than is left, libisofs gives nothing at all. */
    guint64 left = (guint64)source->get_size(source), written = 0, started = 0;
    while (left > 0) {
        if (!cancel_check(error) || content_failed(medium))
            return FALSE;
        int want = (int)MIN(left, size);
        if (source->read_xt(source, (unsigned char *)buffer, want) != want)
            return error_set(error, SLIPWAY_ERROR_FAILED, "ISO image: writing it failed");
        if (!write_fully(fd, buffer, (gsize)want, error))
            return FALSE;
        left -= (guint64)want;
        written += (guint64)want;
        if (written - started >= WRITEBACK_STEP) {
            start_writeback(fd, started, written - started);
            started = written;
        }
        progress_advance(progress, (guint64)want);
    }
    return !content_failed(medium);
}

static void
take_content_error(struct iso_medium *medium, GError **error)
{
    g_mutex_lock(&medium->lock);
    if (medium->error != NULL) {
        g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&medium->error));
    }
    g_mutex_unlock(&medium->lock);
}

gboolean
iso_medium_write(struct iso_medium *medium, int fd, struct progress *progress, GError **error)
{
    IsoWriteOpts *options = NULL;
    struct burn_source *source = NULL;
    int result = iso_write_opts_new(&options, 0);
    if (result < 0)
        return iso_medium_fail(result, "cannot begin to write", error);
    set_options(medium, options);
    iso_medium_stamp(medium, (IsoNode *)iso_image_get_root(medium->image));
    result = iso_image_create_burn_source(medium->image, options, &source);
    iso_write_opts_free(options);
    if (result < 0)
        return iso_medium_fail(result, "its layout cannot be made", error);

    progress_begin(progress, (guint64)source->get_size(source), PROGRESS_BYTES,
                   "writing the ISO image");
    gboolean ok = drain(medium, source, fd, progress, error);
    if (!ok && source->cancel != NULL)
        source->cancel(source);
    source->free_data(source);
    free(source);
    take_content_error(medium, error);
    progress_end(progress, ok);
    return ok;
}
