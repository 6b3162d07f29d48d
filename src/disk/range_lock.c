/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/range_lock.h"

void
range_lock_init(struct range_lock *lock)
{
    g_mutex_init(&lock->lock);
    g_cond_init(&lock->given);
    g_queue_init(&lock->ranges);
}

void
range_lock_clear(struct range_lock *lock)
{
    g_mutex_clear(&lock->lock);
    g_cond_clear(&lock->given);
}

static gboolean
must_wait(const struct range_lock_range *range)
{
    for (const GList *link = range->link.prev; link != NULL; link = link->prev) {
        const struct range_lock_range *other = link->data;
        if (other->first < range->end && range->first < other->end)
            return TRUE;
    }
    return FALSE;
}

void
range_lock_take(struct range_lock *lock, struct range_lock_range *range, guint64 first, guint64 end)
{
    *range = (struct range_lock_range){.first = first, .end = end, .link.data = range};
    g_mutex_lock(&lock->lock);
    g_queue_push_tail_link(&lock->ranges, &range->link);
    while (must_wait(range))
        g_cond_wait(&lock->given, &lock->lock);
    g_mutex_unlock(&lock->lock);
}

void
range_lock_give(struct range_lock *lock, struct range_lock_range *range)
{
    g_mutex_lock(&lock->lock);
    g_queue_unlink(&lock->ranges, &range->link);
    if (!g_queue_is_empty(&lock->ranges))
        g_cond_broadcast(&lock->given);
    g_mutex_unlock(&lock->lock);
}
