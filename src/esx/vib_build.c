/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The descriptor comes first in the file but says how long the payload is and what it hashes to.
 * So the payload is made in a nameless file beside the output, then examined as any reader
 * would, and copied behind the descriptor.  Memory does not grow with the payload. */
#include "esx/vib_build.h"

#include "base/cancel.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/progress.h"
#include "esx/gzip_writer.h"
#include "esx/path_rules.h"
#include "esx/tree_tar.h"
#include "esx/vib_build_fields.h"
#include "esx/vib_descriptor_write.h"
#include "esx/vib_write.h"
#include "esx/visor_tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_BUFFER 65536
#define OUTPUT_MODE 0666

/* The payload on its way: a file that never gets a name. */
struct spool {
    struct durable_file *file;
    struct digest *sha256; /* of the stored bytes */
    guint64 size;
};

static gboolean
spool_write(void *user_data, const void *data, gsize length, GError **error)
{
    struct spool *spool = user_data;
    digest_update(spool->sha256, data, length);
    spool->size += length;
    return cancel_check(error) && durable_file_write(spool->file, data, length, error);
}

static gboolean
copy_stream(struct stream *source, gzip_sink sink, void *user_data, GError **error)
{
    g_autofree char *buffer = g_malloc(COPY_BUFFER);
    for (;;) {
        gssize got = stream_read(source, buffer, COPY_BUFFER, error);
        if (got <= 0)
            return got == 0;
        if (!sink(user_data, buffer, (gsize)got, error))
            return FALSE;
    }
}

static gboolean
compress_sink(void *user_data, const void *data, gsize length, GError **error)
{
    return gzip_writer_write(user_data, data, length, error);
}

static gboolean
has_gzip_magic(const char *path, gboolean *ret_gzip, GError **error)
{
    guint8 magic[2] = {0, 0};
    auto_ptr(stream) file = stream_new_file(path, error);
    if (file == NULL)
        return FALSE;
    if (stream_size(file) > VISOR_TAR_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: is larger than %" G_GUINT64_FORMAT " bytes", path, VISOR_TAR_MAX);
    if (stream_size(file) >= sizeof magic && !stream_read_exact(file, magic, sizeof magic, error))
        return FALSE;
    *ret_gzip = magic[0] == 0x1f && magic[1] == 0x8b;
    return TRUE;
}

/* An archive: as it is, or compressed. */
static gboolean
fill_from_file(struct spool *spool, const char *input, GError **error)
{
    gboolean gzip = FALSE;
    if (!has_gzip_magic(input, &gzip, error))
        return FALSE;
    auto_ptr(stream) source = stream_new_file(input, error);
    if (source == NULL)
        return FALSE;
    if (gzip)
        return copy_stream(source, spool_write, spool, error);
    auto_ptr(gzip_writer) writer = gzip_writer_new(spool_write, spool);
    return copy_stream(source, compress_sink, writer, error) && gzip_writer_finish(writer, error);
}

static gboolean
fill_from_tree(struct spool *spool, const char *input, gint64 mtime, GError **error)
{
    auto_ptr(gzip_writer) writer = gzip_writer_new(spool_write, spool);
    return tree_tar_write(input, mtime, writer, error) && gzip_writer_finish(writer, error);
}

/* A stream whose bytes are hashed as they are read. */

struct hashing_stream {
    struct stream base;
    struct stream *source;
    struct digest *digests[2]; /* borrowed */
};

static gssize
read_hashing(struct stream *base, void *buffer, gsize length, GError **error)
{
    struct hashing_stream *self = (struct hashing_stream *)base;
    gssize got = stream_read(self->source, buffer, length, error);
    for (gsize i = 0; got > 0 && i < G_N_ELEMENTS(self->digests); i++)
        digest_update(self->digests[i], buffer, (gsize)got);
    return got;
}

static void
close_hashing(struct stream *base)
{
    struct hashing_stream *self = (struct hashing_stream *)base;
    stream_close(self->source);
    g_free(self);
}

static const struct stream_class hashing_class = {read_hashing, NULL, close_hashing};

static struct stream *
new_hashing_stream(struct stream *source, struct digest *sha256, struct digest *sha1)
{
    struct hashing_stream *self = g_new0(struct hashing_stream, 1);
    stream_init(&self->base, &hashing_class, STREAM_SIZE_UNKNOWN, stream_label(source));
    self->source = source;
    self->digests[0] = sha256;
    self->digests[1] = sha1;
    return &self->base;
}

/* Looking at the finished payload. */

static gboolean
note_file(const struct visor_member *member, struct stream *data G_GNUC_UNUSED, void *user_data,
          GError **error)
{
    GPtrArray *files = user_data;
    if (member->type == '5')
        return TRUE;
    if (!tree_path_check(member->name, error))
        return FALSE;
    if (files->len >= VIB_FILES_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "more than %d files", VIB_FILES_MAX);
    g_ptr_array_add(files, g_strdup(member->name));
    return TRUE;
}

static int
compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
sort_files(GPtrArray *files)
{
    g_ptr_array_sort(files, compare_paths);
    for (guint i = files->len; i > 1; i--) /* a tar may hold a file twice */
        if (strcmp(files->pdata[i - 1], files->pdata[i - 2]) == 0)
            g_ptr_array_remove_index(files, i - 1);
}

static void
add_checksum(struct payload *payload, enum digest_kind kind, const char *process,
             struct digest *digest)
{
    struct checksum checksum = {kind, g_strdup(process), digest_hex(digest)};
    g_array_append_val(payload->checksums, checksum);
}

static gboolean
examine(struct vib *vib, struct spool *spool, const char *input, GError **error)
{
    auto_ptr(digest) sha256 = digest_new(DIGEST_SHA256);
    auto_ptr(digest) sha1 = digest_new(DIGEST_SHA1);
    struct stream *stored =
        stream_new_fd(durable_file_fd(spool->file), 0, spool->size, input, error);
    if (stored == NULL)
        return FALSE;
    struct stream *plain = stream_new_inflate(stored, STREAM_GZIP, VISOR_TAR_MAX);
    if (!visor_tar_each_plain(new_hashing_stream(plain, sha256, sha1), note_file, vib->files,
                              error))
        return FALSE;
    if (vib->files->len == 0)
        return error_set(error, SLIPWAY_ERROR_USAGE, "%s: holds no file to pack", input);
    sort_files(vib->files);
    struct payload *payload = vib->payloads->pdata[0];
    payload->size = spool->size;
    add_checksum(payload, DIGEST_SHA256, "gunzip", sha256);
    add_checksum(payload, DIGEST_SHA256, NULL, spool->sha256);
    add_checksum(payload, DIGEST_SHA1, "gunzip", sha1);
    return TRUE;
}

static void
warn(const struct vib *vib, struct progress *progress)
{
    if (vib->acceptance > ACCEPTANCE_COMMUNITY)
        progress_warning(progress,
                         "%s claims to be %s but is not signed; hosts and `vib verify` refuse it",
                         vib->id, acceptance_title(vib->acceptance));
    for (guint i = 0; i < vib->files->len; i++)
        if (!path_rules_allow(vib->files->pdata[i], vib->acceptance))
            progress_warning(progress, "%s: %s VIBs may not place a file at /%s", vib->id,
                             acceptance_title(vib->acceptance), (const char *)vib->files->pdata[i]);
}

static gboolean
write_archive(const struct vib *vib, struct spool *spool, const char *output, GError **error)
{
    const struct payload *payload = vib->payloads->pdata[0];
    g_autoptr(GBytes) descriptor = vib_descriptor_write(vib);
    if (g_bytes_get_size(descriptor) > VIB_DESCRIPTOR_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: its descriptor would have more than %u bytes; pack fewer files",
                         vib->id, VIB_DESCRIPTOR_MAX);
    auto_ptr(durable_file) out = durable_file_new(output, OUTPUT_MODE, error);
    if (out == NULL)
        return FALSE;
    auto_ptr(stream) data =
        stream_new_fd(durable_file_fd(spool->file), 0, spool->size, output, error);
    if (data == NULL || !vib_write_begin(out, error) ||
        !vib_write_bytes(out, "descriptor.xml", descriptor, error) ||
        !vib_write_bytes(out, "sig.pkcs7", NULL, error) ||
        !vib_write_member(out, payload->name, data, error))
        return FALSE;
    return durable_file_commit(g_steal_pointer(&out), error);
}

/* What may not be: an output that is there already, or that lies in the tree to be packed. */
static gboolean
check_places(const char *input, const char *output, gboolean is_tree, gboolean overwrite,
             GError **error)
{
    if (g_file_test(output, G_FILE_TEST_IS_DIR))
        return error_set(error, SLIPWAY_ERROR_USAGE, "%s is a directory; name a .vib file", output);
    if (!overwrite && g_file_test(output, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK))
        return error_set(error, SLIPWAY_ERROR_EXISTS, "%s exists already; --overwrite replaces it",
                         output);
    if (!is_tree)
        return TRUE;
    g_autofree char *directory = g_path_get_dirname(output);
    char *real_input = realpath(input, NULL);
    char *real_output = realpath(directory, NULL);
    gsize length = real_input != NULL ? strlen(real_input) : 0;
    gboolean inside = real_input != NULL && real_output != NULL &&
                      strncmp(real_output, real_input, length) == 0 &&
                      (real_output[length] == '\0' || real_output[length] == '/');
    free(real_input);
    free(real_output);
    return !inside ||
           error_set(error, SLIPWAY_ERROR_USAGE,
                     "%s lies in the tree that is to be packed; write it elsewhere", output);
}

static gboolean
build(struct vib *vib, struct spool *spool, const char *input, gboolean is_tree, const char *output,
      struct progress *progress, GError **error)
{
    gboolean filled = is_tree ? fill_from_tree(spool, input, vib->released, error)
                              : fill_from_file(spool, input, error);
    if (!filled || !examine(vib, spool, input, error))
        return FALSE;
    warn(vib, progress);
    return write_archive(vib, spool, output, error);
}

gboolean
vib_build_write(const struct vib_build *options, const char *input, const char *output,
                gboolean overwrite, struct progress *progress, GError **error)
{
    struct stat status;
    gboolean is_tree = stat(input, &status) == 0 && S_ISDIR(status.st_mode);
    auto_ptr(vib) vib = vib_build_fields(options, error);
    if (vib == NULL || !check_places(input, output, is_tree, overwrite, error))
        return FALSE;
    auto_ptr(digest) sha256 = digest_new(DIGEST_SHA256);
    auto_ptr(durable_file) file = durable_file_new(output, OUTPUT_MODE, error);
    if (file == NULL)
        return FALSE;
    struct spool spool = {.file = file, .sha256 = sha256};
    progress_begin(progress, 0, PROGRESS_ITEMS, "packing %s", input);
    gboolean ok = build(vib, &spool, input, is_tree, output, progress, error);
    progress_end(progress, ok);
    return ok;
}
