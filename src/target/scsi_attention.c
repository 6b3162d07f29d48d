/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/scsi_attention.h"

#include <string.h>

static const struct {
    enum scsi_attention attention;
    enum scsi_sense sense;
} rows[] = {
    {SCSI_ATTENTION_POWER_ON, SCSI_SENSE_POWER_ON},
    {SCSI_ATTENTION_RESET, SCSI_SENSE_RESET},
    {SCSI_ATTENTION_LUNS_CHANGED, SCSI_SENSE_LUNS_CHANGED},
    {SCSI_ATTENTION_MODE_CHANGED, SCSI_SENSE_MODE_CHANGED},
    {SCSI_ATTENTION_RESERVATIONS_PREEMPTED, SCSI_SENSE_RESERVATIONS_PREEMPTED},
    {SCSI_ATTENTION_RESERVATIONS_RELEASED, SCSI_SENSE_RESERVATIONS_RELEASED},
    {SCSI_ATTENTION_REGISTRATIONS_PREEMPTED, SCSI_SENSE_REGISTRATIONS_PREEMPTED},
};

void
scsi_attention_raise(struct scsi_nexus *nexus, const struct scsi_unit *unit,
                     enum scsi_attention attention)
{
    g_atomic_int_or(&nexus->attentions[unit->number], attention);
}

void
scsi_attention_raise_others(struct scsi_unit *unit, const struct scsi_nexus *but,
                            enum scsi_attention attention)
{
    struct scsi_device *device = unit->device;
    g_mutex_lock(&device->lock);
    for (guint i = 0; i < device->nexuses->len; i++) {
        struct scsi_nexus *nexus = device->nexuses->pdata[i];
        if (nexus != but)
            scsi_attention_raise(nexus, unit, attention);
    }
    g_mutex_unlock(&device->lock);
}

void
scsi_attention_raise_port(struct scsi_unit *unit, const struct scsi_registration *of,
                          enum scsi_attention attention)
{
    struct scsi_device *device = unit->device;
    g_mutex_lock(&device->lock);
    for (guint i = 0; i < device->nexuses->len; i++) {
        struct scsi_nexus *nexus = device->nexuses->pdata[i];
        if (strcmp(nexus->port, of->port) == 0 && strcmp(nexus->target_port, of->target_port) == 0)
            scsi_attention_raise(nexus, unit, attention);
    }
    g_mutex_unlock(&device->lock);
}

void
scsi_attention_drop(struct scsi_nexus *nexus, enum scsi_attention attention)
{
    for (guint i = 0; i < SCSI_LUNS_MAX; i++)
        g_atomic_int_and(&nexus->attentions[i], ~(guint)attention);
}

enum scsi_sense
scsi_attention_take(struct scsi_nexus *nexus, const struct scsi_unit *unit)
{
    guint *bits = &nexus->attentions[unit->number];
    if (g_atomic_int_get(bits) == 0)
        return SCSI_SENSE_NONE;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint attention = rows[i].attention;
        /* Only one of two tasks that run at once takes it. */
        if (g_atomic_int_and(bits, ~attention) & attention)
            return rows[i].sense;
    }
    return SCSI_SENSE_NONE;
}
