/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack_stream.h: groups of chunks into as many packs of one kind as they take, and these into an
 * index.  One thread at a time. */
#pragma once

#include "store/index.h"
#include "store/store.h"

struct pack_stream;

struct pack_stream_options {
    enum pack_kind kind;
    const char *owner; /* of unfinished objects: a lease's id */
    guint8 level;      /* as in struct pack_table */
    guint8 generation;
};

/* Borrows store, owner and index, which gets each pack when it is complete.  Packs get names of
 * their own (struct pack_options, `unique`). */
struct pack_stream *pack_stream_new(struct store *store, const struct pack_stream_options *options,
                                    struct index_writer *index);
gboolean pack_stream_add(struct pack_stream *stream, const struct pack_group *group,
                         GError **error);
/* Complete the last pack.  More may be added after. */
gboolean pack_stream_finish(struct pack_stream *stream, GError **error);
guint64 pack_stream_bytes(const struct pack_stream *stream); /* of complete packs */
guint pack_stream_packs(const struct pack_stream *stream);   /* that are complete */
/* A pack that is not complete is thrown away. */
void pack_stream_free(struct pack_stream *stream);
AUTO_PTR_DEFINE(pack_stream, pack_stream_free)
