/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/scsi_range.h"

void
scsi_ranges_init(struct scsi_ranges *ranges)
{
    *ranges = (struct scsi_ranges){0};
    g_mutex_init(&ranges->lock);
    g_cond_init(&ranges->left);
}

void
scsi_ranges_clear(struct scsi_ranges *ranges)
{
    g_assert(ranges->oldest == NULL);
    g_mutex_clear(&ranges->lock);
    g_cond_clear(&ranges->left);
}

static gboolean
can_stand_beside(const struct scsi_range *left, const struct scsi_range *right)
{
    if (left->end <= right->first || right->end <= left->first)
        return TRUE;
    if (left->use == SCSI_RANGE_ALONE || right->use == SCSI_RANGE_ALONE)
        return FALSE;
    return left->use == SCSI_RANGE_READ || right->use == SCSI_RANGE_READ;
}

static gboolean
must_wait(const struct scsi_range *range)
{
    for (const struct scsi_range *older = range->before; older != NULL; older = older->before) {
        if (!can_stand_beside(older, range))
            return TRUE;
    }
    return FALSE;
}

void
scsi_ranges_take(struct scsi_ranges *ranges, struct scsi_range *range)
{
    g_mutex_lock(&ranges->lock);
    range->before = ranges->newest;
    range->after = NULL;
    if (ranges->newest != NULL)
        ranges->newest->after = range;
    else
        ranges->oldest = range;
    ranges->newest = range;
    while (must_wait(range)) {
        ranges->waiting++;
        g_cond_wait(&ranges->left, &ranges->lock);
        ranges->waiting--;
    }
    g_mutex_unlock(&ranges->lock);
}

void
scsi_ranges_give(struct scsi_ranges *ranges, struct scsi_range *range)
{
    g_mutex_lock(&ranges->lock);
    if (range->before != NULL)
        range->before->after = range->after;
    else
        ranges->oldest = range->after;
    if (range->after != NULL)
        range->after->before = range->before;
    else
        ranges->newest = range->before;
    if (ranges->waiting > 0)
        g_cond_broadcast(&ranges->left);
    g_mutex_unlock(&ranges->lock);
}
