/* SPDX-License-Identifier: GPL-3.0-or-later */
/* overlay_states.h: of each block of an overlay where its bytes are; in memory, in pages as the
 * scratch file has them (doc/format/overlay.md).  What was never set is no page, and a page in
 * which all blocks are the same has no bits: a large disk costs next to nothing.  Any thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define OVERLAY_PAGE_BYTES 4032u
#define OVERLAY_PAGE_BLOCKS (OVERLAY_PAGE_BYTES * 4)

enum block_state { BLOCK_BASE, BLOCK_DATA, BLOCK_ZERO };

struct overlay_states;

/* All are BLOCK_BASE. */
struct overlay_states *overlay_states_new(guint64 n_blocks);
void overlay_states_free(struct overlay_states *states);
AUTO_PTR_DEFINE(overlay_states, overlay_states_free)

/* The state of `block`, and in *ret_n of how many from there on, at most `n`. */
enum block_state overlay_states_run(struct overlay_states *states, guint64 block, guint64 n,
                                    guint64 *ret_n);
void overlay_states_set(struct overlay_states *states, guint64 block, guint64 n,
                        enum block_state state);
/* How many of these are in `state`. */
guint64 overlay_states_count(struct overlay_states *states, guint64 block, guint64 n,
                             enum block_state state);

/* ---- Pages, for who keeps them ----------------------------------------------------------------
 */

/* The bits of a page that was changed since it was last taken. */
struct overlay_page {
    guint64 number;
    guint8 bits[OVERLAY_PAGE_BYTES];
};
/* Of struct overlay_page, by number, of those from `number` on; at most OVERLAY_TAKE_MAX. */
#define OVERLAY_TAKE_MAX 256u
GArray *overlay_states_take_changed(struct overlay_states *states, guint64 number);
/* Put in a page as it was kept, which does not count as a change.  FALSE: there is no such page, or
 * its bits are no states. */
gboolean overlay_states_load(struct overlay_states *states, guint64 number,
                             const guint8 bits[OVERLAY_PAGE_BYTES]);
