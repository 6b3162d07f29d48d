/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recent_chunks.h: chunks of packs that one writer finished and no index object lists yet: 16 bytes
 * each, at most half of the room used.  One thread at a time. */
#pragma once

#include "store/index.h"

struct recent_chunks;

struct recent_chunks *recent_chunks_new(void);
void recent_chunks_free(struct recent_chunks *recent);
void recent_chunks_add(struct recent_chunks *recent, const struct pack_name *pack, guint n_slots,
                       const struct pack_slot *slots);
/* As chunk_index_search(). */
gboolean recent_chunks_search(struct recent_chunks *recent, guint64 fingerprint,
                              chunk_index_func function, gpointer data);
guint recent_chunks_count(const struct recent_chunks *recent);
void recent_chunks_clear(struct recent_chunks *recent);
