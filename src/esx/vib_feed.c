/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_feed.h"

#include "base/cancel.h"
#include "esx/payload_stream.h"
#include "esx/vib_check.h"

#include <string.h>

enum vib_state { VIB_WAITING, VIB_READING, VIB_DONE };

struct vib_feed {
    GPtrArray *files; /* of struct export_vib *, borrowed */
    struct workspace *verified;
    struct vib_check *check;
    enum vib_state *states;
    guint current;            /* the one that was begun last */
    GPtrArray *fully_checked; /* of char *: SHA-256 of VIB files */

    GMutex lock; /* guards what follows */
    GError *error;
};

static void
note_failure(const struct export_vib *vib G_GNUC_UNUSED,
             const struct payload *payload G_GNUC_UNUSED, const GError *error, gpointer user_data)
{
    struct vib_feed *feed = user_data;
    g_mutex_lock(&feed->lock);
    if (feed->error == NULL)
        feed->error = g_error_copy(error);
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

struct vib_feed *
vib_feed_new(GPtrArray *files, struct workspace *verified)
{
    struct vib_feed *feed = g_new0(struct vib_feed, 1);
    feed->files = files;
    feed->verified = verified;
    feed->check = vib_check_new(note_failure, feed, NULL);
    feed->states = g_new0(enum vib_state, files->len);
    feed->fully_checked = g_ptr_array_new_with_free_func(g_free);
    g_mutex_init(&feed->lock);
    return feed;
}

void
vib_feed_free(struct vib_feed *feed)
{
    if (feed == NULL)
        return;
    vib_check_free(feed->check);
    g_ptr_array_unref(feed->fully_checked);
    g_clear_error(&feed->error);
    g_mutex_clear(&feed->lock);
    g_free(feed->states);
    g_free(feed);
}

/* One VIB. */

/* Every checksum of this very file was right once: then its SHA-256, which is held against every
 * file as a whole, vouches for all of them. */
static gboolean
is_known_good(struct vib_feed *feed, const struct export_vib *vib)
{
    if (feed->verified != NULL && workspace_is_verified(feed->verified, vib->sha256))
        return TRUE;
    g_ptr_array_add(feed->fully_checked, g_strdup(vib->sha256));
    return FALSE;
}

static gboolean
begin_vib(struct vib_feed *feed, guint index, GError **error)
{
    const struct export_vib *vib = feed->files->pdata[index];
    if (!vib_check_begin(feed->check, vib, is_known_good(feed, vib), error))
        return FALSE;
    feed->current = index;
    feed->states[index] = VIB_READING;
    return TRUE;
}

static gboolean
end_vib(struct vib_feed *feed, GError **error)
{
    if (!vib_check_finish(feed->check, error))
        return FALSE;
    if (feed->files->len > 0 && feed->states[feed->current] == VIB_READING)
        feed->states[feed->current] = VIB_DONE;
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
    const struct payload *payload;
    do {
        if (!vib_check_next(feed->check, &payload, error))
            return FALSE;
    } while (payload != NULL && strcmp(payload->name, self->payload->name) != 0);
    if (payload == NULL)
        feed->states[feed->current] = VIB_DONE;
    return TRUE;
}

static gboolean
is_current(const struct feed_content *self)
{
    const struct payload *payload = vib_check_payload(self->feed->check);
    return self->feed->current == self->index && payload != NULL &&
           strcmp(payload->name, self->payload->name) == 0;
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
    return vib_check_read(self->feed->check, buffer, length, error);
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
    vib_check_drain(feed->check);
    if (check_failed(feed, error))
        return FALSE;
    remember_verified(feed);
    return TRUE;
}
