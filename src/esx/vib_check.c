/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_check.h"

#include "base/block_pool.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/lanes.h"
#include "esx/payload_check.h"
#include "esx/vib_file.h"

#include <string.h>

#define BLOCK (256u << 10)
#define UNZIPPED_BLOCK (128u << 10)

struct tee;

struct vib_check {
    vib_check_failed failed;
    gpointer user_data;
    struct progress *progress;
    struct lanes *lanes;    /* over the bytes as they are stored; decompressing */
    struct lanes *unzipped; /* over what they decompress to */
    struct block_pool *pool;
    struct block_pool *unzipped_pool;

    /* The file that is being read. */
    const struct export_vib *vib;
    struct vib_file *file;         /* NULL: none is open */
    gboolean known_good;           /* its payloads need no checks of their own */
    const struct payload *payload; /* the one that is being read; NULL: none */
    struct payload_job *job;       /* its check; NULL: none */
    struct tee *tee;               /* the stream below `file`; goes with it */
};

/* Jobs outlive what they are about: they name what they need themselves. */
struct file_job {
    struct vib_check *check;
    const struct export_vib *vib;
    struct digest *digest;
};

struct payload_job {
    struct vib_check *check;
    const struct export_vib *vib;
    const struct payload *payload;
    struct payload_check *payload_check;
    unsigned lane, unzipped_lane;
};

/* The bytes of a .vib file, given to the digest of the whole file as they are read. */
struct tee {
    struct stream base;
    struct stream *source;
    struct vib_check *check;
    struct file_job *job; /* owned by its last job once that was given */
    unsigned lane;
    GBytes *block;
    gsize at;
    gsize tapped; /* from here on the block is the current payload's; TAP_OFF: none is */
    gboolean ended;
};

#define TAP_OFF G_MAXSIZE

static void
update_digest(void *target, GBytes *data)
{
    gsize length;
    const void *bytes = g_bytes_get_data(data, &length);
    digest_update(((struct file_job *)target)->digest, bytes, length);
}

static void
drop_digest(void *target, GBytes *data G_GNUC_UNUSED)
{
    struct file_job *job = target;
    digest_free(job->digest);
    g_free(job);
}

static void
finish_digest(void *target, GBytes *data)
{
    const struct file_job *job = target;
    const struct export_vib *vib = job->vib;
    g_autofree char *actual = digest_hex(job->digest);
    if (strcmp(vib->sha256, actual) != 0) {
        g_autoptr(GError) error = NULL;
        error_set(&error, SLIPWAY_ERROR_CORRUPT,
                  "%s: the SHA-256 of its file should be %s but is %s; the file in %s is damaged "
                  "or was changed, get it again",
                  vib->vib->id, vib->sha256, actual, vib->package->depot->title);
        job->check->failed(vib, NULL, error, job->check->user_data);
    }
    drop_digest(target, data);
}

static void
update_payload(void *target, GBytes *data)
{
    gsize length;
    const void *bytes = g_bytes_get_data(data, &length);
    payload_check_update(((struct payload_job *)target)->payload_check, bytes, length);
}

/* Give what was read of the current payload to its check: a slice of the block, not a copy. */
static void
give_tapped(struct tee *self)
{
    if (self->tapped == TAP_OFF || self->block == NULL || self->at == self->tapped)
        return;
    struct payload_job *job = self->check->job;
    g_autoptr(GBytes) slice =
        g_bytes_new_from_bytes(self->block, self->tapped, self->at - self->tapped);
    lanes_push(self->check->lanes, job->lane, update_payload, job, slice);
    self->tapped = self->at;
}

static gboolean
next_block(struct tee *self, GError **error)
{
    give_tapped(self);
    g_clear_pointer(&self->block, g_bytes_unref);
    self->ended = FALSE;
    self->at = 0;
    if (self->tapped != TAP_OFF)
        self->tapped = 0;
    if (!cancel_check(error))
        return FALSE;
    struct block_pool *pool = self->check->pool;
    guint8 *buffer = block_pool_take(pool);
    gsize filled = 0;
    gssize got = 1;
    while (filled < BLOCK && got > 0) {
        got = stream_read(self->source, buffer + filled, BLOCK - filled, error);
        if (got < 0) {
            block_pool_return(pool, buffer);
            return FALSE;
        }
        filled += (gsize)got;
    }
    self->ended = got == 0;
    self->block = block_pool_seal(pool, buffer, filled);
    if (filled > 0)
        lanes_push(self->check->lanes, self->lane, update_digest, self->job, self->block);
    progress_advance(self->check->progress, filled);
    return TRUE;
}

static gssize
read_tee(struct stream *base, void *buffer, gsize length, GError **error)
{
    struct tee *self = (struct tee *)base;
    if (self->block == NULL || self->at == g_bytes_get_size(self->block))
        if (!next_block(self, error))
            return -1;
    gsize size;
    const char *data = g_bytes_get_data(self->block, &size);
    gsize step = MIN(length, size - self->at);
    if (step > 0)
        memcpy(buffer, data + self->at, step);
    self->at += step;
    return (gssize)step;
}

static void
close_tee(struct stream *base)
{
    struct tee *self = (struct tee *)base;
    gboolean whole = self->ended && self->at == g_bytes_get_size(self->block);
    lanes_push(self->check->lanes, self->lane, whole ? finish_digest : drop_digest, self->job,
               NULL);
    g_clear_pointer(&self->block, g_bytes_unref);
    stream_close(self->source);
    g_free(self);
}

static const struct stream_class tee_class = {read_tee, NULL, close_tee};

static struct stream *
new_tee(struct vib_check *check, struct stream *source)
{
    struct tee *self = g_new0(struct tee, 1);
    stream_init(&self->base, &tee_class, stream_size(source), stream_label(source));
    self->source = source;
    self->check = check;
    self->job = g_new0(struct file_job, 1);
    *self->job = (struct file_job){check, check->vib, digest_new(DIGEST_SHA256)};
    self->lane = lanes_next(check->lanes);
    self->tapped = TAP_OFF;
    check->tee = self;
    return &self->base;
}

struct vib_check *
vib_check_new(vib_check_failed failed, gpointer user_data, struct progress *progress)
{
    struct vib_check *check = g_new0(struct vib_check, 1);
    check->failed = failed;
    check->user_data = user_data;
    check->progress = progress;
    check->lanes = lanes_new(0);
    check->unzipped = lanes_new(0);
    check->pool = block_pool_new(BLOCK);
    check->unzipped_pool = block_pool_new(UNZIPPED_BLOCK);
    return check;
}

void
vib_check_free(struct vib_check *check)
{
    if (check == NULL)
        return;
    vib_check_abandon(check);
    /* The first gives work to the second. */
    lanes_free(check->lanes);
    lanes_free(check->unzipped);
    block_pool_unref(check->pool);
    block_pool_unref(check->unzipped_pool);
    g_free(check);
}

/* One payload. */

static void
drop_payload(void *target, GBytes *data G_GNUC_UNUSED)
{
    struct payload_job *job = target;
    payload_check_free(job->payload_check);
    g_free(job);
}

static void
finish_payload(void *target, GBytes *data)
{
    const struct payload_job *job = target;
    g_autoptr(GError) error = NULL;
    if (!payload_check_finish(job->payload_check, &error))
        job->check->failed(job->vib, job->payload, error, job->check->user_data);
    drop_payload(target, data);
}

/* All is decompressed: what is left to do is behind the last of it. */
static void
pass_on_finish(void *target, GBytes *data G_GNUC_UNUSED)
{
    struct payload_job *job = target;
    lanes_push(job->check->unzipped, job->unzipped_lane, finish_payload, job, NULL);
}

static void
pass_on_drop(void *target, GBytes *data G_GNUC_UNUSED)
{
    struct payload_job *job = target;
    lanes_push(job->check->unzipped, job->unzipped_lane, drop_payload, job, NULL);
}

static void
begin_payload(struct vib_check *check, const struct payload *payload)
{
    /* The check may outlive the open file, so it gets the twin that lives with `vib`. */
    check->payload = vib_payload(check->vib->vib, payload->name);
    if (check->known_good)
        return;
    struct payload_job *job = g_new0(struct payload_job, 1);
    job->check = check;
    job->vib = check->vib;
    job->payload = check->payload;
    job->lane = lanes_next(check->lanes);
    job->unzipped_lane = lanes_next(check->unzipped);
    job->payload_check = payload_check_new(check->payload, PAYLOAD_CHECK_ALL, check->vib->vib->id);
    payload_check_spread(job->payload_check, check->unzipped, job->unzipped_lane,
                         check->unzipped_pool);
    check->job = job;
    check->tee->tapped = check->tee->at;
}

static void
end_payload(struct vib_check *check)
{
    check->payload = NULL;
    if (check->job == NULL)
        return;
    give_tapped(check->tee);
    check->tee->tapped = TAP_OFF;
    struct payload_job *job = g_steal_pointer(&check->job);
    lanes_push(check->lanes, job->lane, pass_on_finish, job, NULL);
}

static gboolean
drain_payload(struct vib_check *check, GError **error)
{
    g_autofree char *buffer = g_malloc(BLOCK);
    gssize got;
    while ((got = vib_file_read(check->file, buffer, BLOCK, error)) > 0)
        ;
    if (got < 0)
        return FALSE;
    end_payload(check);
    return TRUE;
}

gboolean
vib_check_next(struct vib_check *check, const struct payload **ret_payload, GError **error)
{
    if (check->payload != NULL && !drain_payload(check, error))
        return FALSE;
    const struct payload *payload = NULL;
    if (!vib_file_next(check->file, &payload, error))
        return FALSE;
    if (payload != NULL)
        begin_payload(check, payload);
    else
        g_clear_pointer(&check->file, vib_file_close);
    *ret_payload = check->payload;
    return TRUE;
}

const struct payload *
vib_check_payload(const struct vib_check *check)
{
    return check->payload;
}

gssize
vib_check_read(struct vib_check *check, void *buffer, gsize length, GError **error)
{
    return vib_file_read(check->file, buffer, length, error);
}

/* One file. */

gboolean
vib_check_begin(struct vib_check *check, const struct export_vib *vib, gboolean known_good,
                GError **error)
{
    vib_check_abandon(check);
    struct stream *source = package_open(vib->package, error);
    if (source == NULL)
        return FALSE;
    check->vib = vib;
    check->known_good = known_good;
    check->file = vib_file_open(new_tee(check, source), error);
    if (check->file == NULL)
        return FALSE;
    /* The file was read once already; it must not have been exchanged since. */
    if (g_bytes_equal(vib_file_descriptor(check->file), vib->descriptor))
        return TRUE;
    vib_check_abandon(check);
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: its file was changed just now",
                     vib->vib->id);
}

gboolean
vib_check_finish(struct vib_check *check, GError **error)
{
    const struct payload *payload;
    while (check->file != NULL)
        if (!vib_check_next(check, &payload, error))
            return FALSE;
    return TRUE;
}

void
vib_check_abandon(struct vib_check *check)
{
    check->payload = NULL;
    struct payload_job *job = g_steal_pointer(&check->job);
    if (job != NULL)
        lanes_push(check->lanes, job->lane, pass_on_drop, job, NULL);
    g_clear_pointer(&check->file, vib_file_close);
}

void
vib_check_drain(struct vib_check *check)
{
    lanes_drain(check->lanes);
    lanes_drain(check->unzipped);
}
