/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lanes.h: work in the background, in order within a lane, with bounded memory.
 *
 * Each lane is one thread with a short queue; whoever gives work waits when the queue is full.
 * For digests over data that passes by: everything that concerns one digest goes into one lane and
 * so stays in order.  lanes_push() may be called from several threads; the order is that of each.
 * Work in a lane may itself give work to lanes of another object, but never in a circle: all could
 * wait for each other then. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

struct lanes;

/* `n` 0: as many as there are processors, at most 4. */
struct lanes *lanes_new(unsigned n);
/* Waits for everything that was given. */
void lanes_free(struct lanes *lanes);
AUTO_PTR_DEFINE(lanes, lanes_free)

/* The lane with the least to do; of several the one whose turn it is. */
unsigned lanes_next(struct lanes *lanes);

/* Call function(target, data) in `lane` after all that was given to that lane before.  `data` may
 * be NULL; a reference is held until then. */
typedef void (*lanes_func)(void *target, GBytes *data);
void lanes_push(struct lanes *lanes, unsigned lane, lanes_func function, void *target,
                GBytes *data);

/* Wait until nothing is left to do. */
void lanes_drain(struct lanes *lanes);
