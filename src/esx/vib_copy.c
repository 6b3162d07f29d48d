/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_copy.h"

#include "base/cancel.h"
#include "base/error.h"
#include "esx/vib_file.h"

#include <string.h>

#define COPY_BUFFER (256u << 10)

/* A stream that hands every byte that is read through it on to the archive: the VIB reader above
 * checks the same bytes that are written. */
struct tee {
    struct stream base;
    struct stream *source;
    struct zip_writer *zip;
    struct digest *digest;
    struct progress *progress;
};

static gssize
read_tee(struct stream *self, void *buffer, gsize length, GError **error)
{
    struct tee *tee = (struct tee *)self;
    if (!cancel_check(error))
        return -1;
    gssize got = stream_read(tee->source, buffer, length, error);
    if (got <= 0)
        return got;
    digest_update(tee->digest, buffer, (gsize)got);
    if (!zip_writer_write(tee->zip, buffer, (gsize)got, error))
        return -1;
    progress_advance(tee->progress, (guint64)got);
    return got;
}

static void
close_tee(struct stream *self)
{
    struct tee *tee = (struct tee *)self;
    stream_close(tee->source);
    g_free(tee);
}

static const struct stream_class tee_class = {.read = read_tee, .close = close_tee};

static struct tee *
new_tee(struct stream *source, struct zip_writer *zip, struct digest *digest,
        struct progress *progress)
{
    struct tee *tee = g_new0(struct tee, 1);
    stream_init(&tee->base, &tee_class, stream_size(source), stream_label(source));
    tee->source = source;
    tee->zip = zip;
    tee->digest = digest;
    tee->progress = progress;
    return tee;
}

static gboolean
check_payload(struct vib_file *opened, const struct payload *payload,
              enum payload_check_depth depth, guint8 *buffer, GError **error)
{
    auto_ptr(payload_check) check = payload_check_new(payload, depth, vib_file_vib(opened)->id);
    gssize got;
    while ((got = vib_file_read(opened, buffer, COPY_BUFFER, error)) > 0)
        payload_check_update(check, buffer, (gsize)got);
    return got == 0 && payload_check_finish(check, error);
}

static gboolean
check_head(const struct export_vib *file, struct vib_file *opened, GError **error)
{
    if (g_bytes_equal(file->descriptor, vib_file_descriptor(opened)) &&
        g_bytes_equal(file->signature, vib_file_signature(opened)))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: the file was changed while the image was being written; start again",
                     file->vib->id);
}

/* Read the VIB to its last byte; all of it passes through the tee. */
static gboolean
pass_through(const struct export_vib *file, struct tee *tee, enum payload_check_depth depth,
             GError **error)
{
    auto_ptr(vib_file) opened = vib_file_open(&tee->base, error);
    if (opened == NULL || !check_head(file, opened, error))
        return FALSE;
    g_autofree guint8 *buffer = g_malloc(COPY_BUFFER);
    const struct payload *payload;
    do {
        if (!vib_file_next(opened, &payload, error))
            return FALSE;
        if (payload != NULL && !check_payload(opened, payload, depth, buffer, error))
            return FALSE;
    } while (payload != NULL);

    gssize got;
    do
        got = stream_read(&tee->base, buffer, COPY_BUFFER, error);
    while (got > 0);
    return got == 0;
}

static gboolean
check_sha256(const struct export_vib *file, const char *actual, GError **error)
{
    if (strcmp(file->sha256, actual) == 0)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: the SHA-256 of the .vib file should be %s but is %s; the file is damaged "
                     "or was changed, get its depot %s again",
                     file->vib->id, file->sha256, actual, file->package->depot->title);
}

gboolean
vib_copy_write(const struct export_vib *file, enum payload_check_depth depth,
               struct zip_writer *zip, const char *path, struct progress *progress,
               guint64 *ret_size, char **ret_sha256, GError **error)
{
    struct stream *source = package_open(file->package, error);
    if (source == NULL)
        return FALSE;
    auto_ptr(digest) digest = digest_new(DIGEST_SHA256);
    guint64 size = stream_size(source);
    struct tee *tee = new_tee(source, zip, digest, progress);
    if (!zip_writer_begin(zip, path, size, error)) {
        stream_close(&tee->base);
        return FALSE;
    }
    if (!pass_through(file, tee, depth, error) || !zip_writer_end(zip, error))
        return FALSE;
    g_autofree char *sha256 = digest_hex(digest);
    if (!check_sha256(file, sha256, error))
        return FALSE;
    *ret_size = size;
    *ret_sha256 = g_steal_pointer(&sha256);
    return TRUE;
}
