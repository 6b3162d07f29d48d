/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_feed.h"

#include "base/block_pool.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/lanes.h"
#include "esx/payload_check.h"
#include "esx/payload_stream.h"
#include "esx/vib_file.h"

#include <string.h>

#define BLOCK (256u << 10)

enum vib_state { VIB_WAITING, VIB_READING, VIB_DONE };

struct tee;

struct vib_feed {
    GPtrArray *files; /* of struct export_vib *, borrowed */
    struct workspace *verified;
    struct lanes *lanes;
    enum vib_state *states;
    GPtrArray *fully_checked; /* of char *: SHA-256 of VIB files */

    /* The VIB that is being read. */
    guint current;
    struct vib_file *file;         /* NULL: none is open */
    gboolean known_good;           /* its payloads need no checks of their own */
    const struct payload *payload; /* the one that is being read; NULL: none */
    struct payload_check *check;
    unsigned check_lane;
    struct tee *tee; /* the stream below `file`; goes with it */
    struct block_pool *pool;

    GMutex lock; /* guards what follows */
    GError *error;
};

/* Jobs outlive what they are about: they name what they need themselves. */
struct vib_digest {
    struct vib_feed *feed;
    const struct package *package;
    struct digest *digest;
};

static void
set_error(struct vib_feed *feed, GError *error)
{
    g_mutex_lock(&feed->lock);
    if (feed->error == NULL)
        feed->error = g_steal_pointer(&error);
    g_clear_error(&error);
    g_mutex_unlock(&feed->lock);
}

static gboolean
check_failed(struct vib_feed *feed, GError **error)
{
    g_mutex_lock(&feed->lock);
    GError *copy = feed->error != NULL ? g_error_copy(feed->error) : NULL;
    g_mutex_unlock(&feed->lock);
    if (copy == NULL)
        return FALSE;
    g_propagate_error(error, copy);
    return TRUE;
}

/* The bytes of a .vib file, given to the digest of the whole file as they are read. */
struct tee {
    struct stream base;
    struct stream *source;
    struct vib_feed *feed;
    struct vib_digest *digest; /* owned by its last job once that was given */
    unsigned lane;
    GBytes *block;
    gsize at;
    gsize tapped; /* from here on the block is the current payload's; TAP_OFF: none is */
};

#define TAP_OFF G_MAXSIZE

static void
update_digest(void *target, GBytes *data)
{
    gsize length;
    const void *bytes = g_bytes_get_data(data, &length);
    digest_update(((struct vib_digest *)target)->digest, bytes, length);
}

static void
finish_digest(void *target, GBytes *data G_GNUC_UNUSED)
{
    struct vib_digest *self = target;
    const char *expected = package_sha256(self->package);
    g_autofree char *actual = digest_hex(self->digest);
    if (expected != NULL && strcmp(expected, actual) != 0) {
        GError *error = NULL;
        error_set(&error, SLIPWAY_ERROR_CORRUPT,
                  "%s: the SHA-256 of its file should be %s but is %s; the file in %s is damaged "
                  "or was changed, get it again",
                  self->package->vib->id, expected, actual, self->package->depot->title);
        set_error(self->feed, error);
    }
    digest_free(self->digest);
    g_free(self);
}

static void
update_check(void *target, GBytes *data)
{
    gsize length;
    const void *bytes = g_bytes_get_data(data, &length);
    payload_check_update(target, bytes, length);
}

/* Give what was read of the current payload to its check: a slice of the block, not a copy. */
static void
give_tapped(struct tee *self)
{
    if (self->tapped == TAP_OFF || self->block == NULL || self->at == self->tapped)
        return;
    struct vib_feed *feed = self->feed;
    g_autoptr(GBytes) slice =
        g_bytes_new_from_bytes(self->block, self->tapped, self->at - self->tapped);
    lanes_push(feed->lanes, feed->check_lane, update_check, feed->check, slice);
    self->tapped = self->at;
}

static gboolean
next_block(struct tee *self, GError **error)
{
    give_tapped(self);
    g_clear_pointer(&self->block, g_bytes_unref);
    self->at = 0;
    if (self->tapped != TAP_OFF)
        self->tapped = 0;
    struct block_pool *pool = self->feed->pool;
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
    self->block = block_pool_seal(pool, buffer, filled);
    if (filled > 0)
        lanes_push(self->feed->lanes, self->lane, update_digest, self->digest, self->block);
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
    lanes_push(self->feed->lanes, self->lane, finish_digest, self->digest, NULL);
    g_clear_pointer(&self->block, g_bytes_unref);
    stream_close(self->source);
    g_free(self);
}

static const struct stream_class tee_class = {read_tee, NULL, close_tee};

static struct stream *
new_tee(struct vib_feed *feed, const struct package *package, struct stream *source)
{
    struct tee *self = g_new0(struct tee, 1);
    stream_init(&self->base, &tee_class, stream_size(source), stream_label(source));
    self->source = source;
    self->feed = feed;
    self->digest = g_new0(struct vib_digest, 1);
    self->digest->feed = feed;
    self->digest->package = package;
    self->digest->digest = digest_new(DIGEST_SHA256);
    self->lane = lanes_next(feed->lanes);
    self->tapped = TAP_OFF;
    feed->tee = self;
    return &self->base;
}

struct vib_feed *
vib_feed_new(GPtrArray *files, struct workspace *verified)
{
    struct vib_feed *feed = g_new0(struct vib_feed, 1);
    feed->files = files;
    feed->verified = verified;
    feed->lanes = lanes_new(0);
    feed->states = g_new0(enum vib_state, files->len);
    feed->fully_checked = g_ptr_array_new_with_free_func(g_free);
    feed->pool = block_pool_new(BLOCK);
    g_mutex_init(&feed->lock);
    return feed;
}

void
vib_feed_free(struct vib_feed *feed)
{
    if (feed == NULL)
        return;
    vib_file_close(feed->file);
    lanes_free(feed->lanes);
    payload_check_free(feed->check);
    block_pool_unref(feed->pool);
    g_ptr_array_unref(feed->fully_checked);
    g_clear_error(&feed->error);
    g_mutex_clear(&feed->lock);
    g_free(feed->states);
    g_free(feed);
}

/* One payload. */

struct check_end {
    struct vib_feed *feed;
    struct payload_check *check;
};

static void
finish_check(void *target, GBytes *data G_GNUC_UNUSED)
{
    struct check_end *self = target;
    GError *error = NULL;
    if (!payload_check_finish(self->check, &error))
        set_error(self->feed, error);
    payload_check_free(self->check);
    g_free(self);
}

static void
begin_payload(struct vib_feed *feed, const struct payload *payload)
{
    const struct export_vib *vib = feed->files->pdata[feed->current];
    /* The check may outlive the open file, so it gets the twin that lives with the export. */
    feed->payload = vib_payload(vib->vib, payload->name);
    if (feed->known_good)
        return;
    feed->check = payload_check_new(feed->payload, PAYLOAD_CHECK_ALL, vib->vib->id);
    feed->check_lane = lanes_next(feed->lanes);
    feed->tee->tapped = feed->tee->at;
}

static void
end_payload(struct vib_feed *feed)
{
    feed->payload = NULL;
    if (feed->check == NULL)
        return;
    give_tapped(feed->tee);
    feed->tee->tapped = TAP_OFF;
    struct check_end *end = g_new0(struct check_end, 1);
    end->feed = feed;
    end->check = g_steal_pointer(&feed->check);
    lanes_push(feed->lanes, feed->check_lane, finish_check, end, NULL);
}

static gboolean
drain_payload(struct vib_feed *feed, GError **error)
{
    g_autofree char *buffer = g_malloc(BLOCK);
    gssize got;
    while ((got = vib_file_read(feed->file, buffer, BLOCK, error)) > 0)
        ;
    if (got < 0)
        return FALSE;
    end_payload(feed);
    return TRUE;
}

/* Go on to the next payload of the open VIB; feed->payload is NULL at its end. */
static gboolean
next_payload(struct vib_feed *feed, GError **error)
{
    if (feed->payload != NULL && !drain_payload(feed, error))
        return FALSE;
    const struct payload *payload = NULL;
    if (!vib_file_next(feed->file, &payload, error))
        return FALSE;
    if (payload != NULL)
        begin_payload(feed, payload);
    return TRUE;
}

/* One VIB. */

/* Every checksum of this very file was right once: then its SHA-256, which is held against every
 * file as a whole, vouches for all of them. */
static gboolean
is_known_good(struct vib_feed *feed, const struct package *package)
{
    const char *sha256 = package_sha256(package);
    if (sha256 == NULL)
        return FALSE;
    if (feed->verified != NULL && workspace_is_verified(feed->verified, sha256))
        return TRUE;
    g_ptr_array_add(feed->fully_checked, g_strdup(sha256));
    return FALSE;
}

static gboolean
begin_vib(struct vib_feed *feed, guint index, GError **error)
{
    const struct export_vib *vib = feed->files->pdata[index];
    struct stream *source = package_open(vib->package, error);
    if (source == NULL)
        return FALSE;
    feed->file = vib_file_open(new_tee(feed, vib->package, source), error);
    if (feed->file == NULL)
        return FALSE;
    /* The file was read once already; it must not have been exchanged since. */
    if (!g_bytes_equal(vib_file_descriptor(feed->file), vib->descriptor)) {
        g_clear_pointer(&feed->file, vib_file_close); /* nobody may go on with it */
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: its file was changed just now",
                         vib->vib->id);
    }
    feed->current = index;
    feed->states[index] = VIB_READING;
    feed->known_good = is_known_good(feed, vib->package);
    return TRUE;
}

static gboolean
end_vib(struct vib_feed *feed, GError **error)
{
    if (feed->file == NULL)
        return TRUE;
    do {
        if (!next_payload(feed, error))
            return FALSE;
    } while (feed->payload != NULL);
    feed->states[feed->current] = VIB_DONE;
    g_clear_pointer(&feed->file, vib_file_close);
    return TRUE;
}

/* Contents. */

struct feed_content {
    struct iso_content base;
    struct vib_feed *feed;
    guint index;
    const struct payload *payload;
    struct stream *aside; /* asked for out of order: read by itself */
};

static gboolean
find_in_order(struct feed_content *self, GError **error)
{
    struct vib_feed *feed = self->feed;
    if (feed->states[self->index] == VIB_WAITING &&
        (!end_vib(feed, error) || !begin_vib(feed, self->index, error)))
        return FALSE;
    if (feed->states[self->index] != VIB_READING)
        return TRUE;
    do {
        if (!next_payload(feed, error))
            return FALSE;
    } while (feed->payload != NULL && strcmp(feed->payload->name, self->payload->name) != 0);
    if (feed->payload == NULL) {
        feed->states[feed->current] = VIB_DONE;
        g_clear_pointer(&feed->file, vib_file_close);
    }
    return TRUE;
}

static gboolean
is_current(const struct feed_content *self)
{
    const struct vib_feed *feed = self->feed;
    return feed->file != NULL && feed->current == self->index && feed->payload != NULL &&
           strcmp(feed->payload->name, self->payload->name) == 0;
}

static gboolean
open_content(struct iso_content *base, GError **error)
{
    struct feed_content *self = (struct feed_content *)base;
    if (!cancel_check(error) || check_failed(self->feed, error))
        return FALSE;
    if (!find_in_order(self, error))
        return FALSE;
    if (is_current(self))
        return TRUE;
    const struct export_vib *vib = self->feed->files->pdata[self->index];
    self->aside = payload_stream_open(vib->package, self->payload->name, error);
    return self->aside != NULL;
}

static gssize
read_content(struct iso_content *base, void *buffer, gsize length, GError **error)
{
    struct feed_content *self = (struct feed_content *)base;
    if (self->aside != NULL)
        return stream_read(self->aside, buffer, length, error);
    return vib_file_read(self->feed->file, buffer, length, error);
}

static void
close_content(struct iso_content *base)
{
    struct feed_content *self = (struct feed_content *)base;
    g_clear_pointer(&self->aside, stream_close);
}

static void
free_content(struct iso_content *base)
{
    close_content(base);
    g_free(base);
}

struct iso_content *
vib_feed_content(struct vib_feed *feed, guint index, const struct payload *payload)
{
    struct feed_content *self = g_new0(struct feed_content, 1);
    self->base = (struct iso_content){open_content, read_content, close_content, free_content};
    self->feed = feed;
    self->index = index;
    self->payload = payload;
    return &self->base;
}

static void
remember_verified(struct vib_feed *feed)
{
    if (feed->verified == NULL || feed->fully_checked->len == 0)
        return;
    /* Only a saving for the next time: not being able to write it down is no failure. */
    g_autoptr(GError) error = NULL;
    if (!workspace_add_verified(feed->verified, feed->fully_checked, &error))
        g_debug("checked VIBs are not remembered: %s", error->message);
}

gboolean
vib_feed_finish(struct vib_feed *feed, GError **error)
{
    if (!end_vib(feed, error))
        return FALSE;
    for (guint i = 0; i < feed->files->len; i++) {
        if (feed->states[i] != VIB_WAITING)
            continue;
        if (!cancel_check(error) || !begin_vib(feed, i, error) || !end_vib(feed, error))
            return FALSE;
    }
    lanes_drain(feed->lanes);
    if (check_failed(feed, error))
        return FALSE;
    remember_verified(feed);
    return TRUE;
}
