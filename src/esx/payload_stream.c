/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/payload_stream.h"

#include "base/error.h"
#include "esx/payload_check.h"
#include "esx/vib_file.h"

#include <string.h>

struct payload_stream {
    struct stream base;
    struct vib_file *file;
    struct payload_check *check;
    gboolean ended;
};

static gssize
read_payload(struct stream *base, void *buffer, gsize length, GError **error)
{
    struct payload_stream *self = (struct payload_stream *)base;
    if (self->ended)
        return 0;
    gssize got = vib_file_read(self->file, buffer, length, error);
    if (got > 0) {
        payload_check_update(self->check, buffer, (gsize)got);
        return got;
    }
    self->ended = TRUE;
    return got == 0 && payload_check_finish(self->check, error) ? 0 : -1;
}

static void
close_payload(struct stream *base)
{
    struct payload_stream *self = (struct payload_stream *)base;
    payload_check_free(self->check);
    vib_file_close(self->file);
    g_free(self);
}

static const struct stream_class payload_class = {read_payload, NULL, close_payload};

static const struct payload *
skip_to(struct vib_file *file, const char *name, GError **error)
{
    const struct payload *payload = NULL;
    do {
        if (!vib_file_next(file, &payload, error))
            return NULL;
    } while (payload != NULL && strcmp(payload->name, name) != 0);
    if (payload == NULL)
        error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s has no payload %s", vib_file_vib(file)->id,
                  name);
    return payload;
}

struct stream *
payload_stream_open(const struct package *package, const char *name, GError **error)
{
    struct stream *bytes = package_open(package, error);
    if (bytes == NULL)
        return NULL;
    auto_ptr(vib_file) file = vib_file_open(bytes, error);
    const struct payload *payload = file != NULL ? skip_to(file, name, error) : NULL;
    if (payload == NULL)
        return NULL;
    struct payload_stream *self = g_new0(struct payload_stream, 1);
    g_autofree char *label = g_strdup_printf("payload %s of %s", name, package->vib->id);
    stream_init(&self->base, &payload_class, payload->size, label);
    self->check = payload_check_new(payload, PAYLOAD_CHECK_STORED, package->vib->id);
    self->file = g_steal_pointer(&file);
    return &self->base;
}
