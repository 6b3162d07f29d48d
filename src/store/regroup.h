/* SPDX-License-Identifier: GPL-3.0-or-later */
/* regroup.h: plain chunks into compressed groups, in the order in which they come.
 *
 * Groups are compressed by several threads, a batch at a time; what comes out does not depend on
 * how many.  Memory: four times a group a thread, and zstd's own.  One thread at a
 * time calls. */
#pragma once

#include "store/pack_stream.h"

struct regroup;

struct regroup_options {
    enum codec_kind codec;
    int level;
    guint32 group_size; /* plain bytes; a longer chunk is a group of its own */
    guint threads;      /* 0: one per processor */
};

/* Borrows the stream, which gets the groups. */
struct regroup *regroup_new(struct pack_stream *stream, const struct regroup_options *options);
gboolean regroup_add(struct regroup *regroup, const struct chunk_id *id, const guint8 *data,
                     guint32 length, GError **error);
/* Give everything that waits to the stream. */
gboolean regroup_flush(struct regroup *regroup, GError **error);
/* What was not flushed is lost. */
void regroup_free(struct regroup *regroup);
AUTO_PTR_DEFINE(regroup, regroup_free)
