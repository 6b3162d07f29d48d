/* SPDX-License-Identifier: GPL-3.0-or-later */
/* range_lock.h: one at a time in each range, all at once in ranges that do not touch.
 *
 * Who comes first goes first: a range waits for those before it that overlap it, so that none waits
 * for ever.  Made for as many ranges at a time as there are threads. */
#pragma once

#include <glib.h>

struct range_lock {
    GMutex lock;
    GCond given;
    GQueue ranges; /* of struct range_lock_range *, in the order in which they came */
};

/* The holder's, while it holds or waits. */
struct range_lock_range {
    guint64 first, end;
    GList link;
};

void range_lock_init(struct range_lock *lock);
void range_lock_clear(struct range_lock *lock);

/* Waits until first ... end - 1 is nobody else's. */
void range_lock_take(struct range_lock *lock, struct range_lock_range *range, guint64 first,
                     guint64 end);
void range_lock_give(struct range_lock *lock, struct range_lock_range *range);
