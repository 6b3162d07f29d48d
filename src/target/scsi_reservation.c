/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may do what, and the older way of reserving. */
#include "target/scsi_reservation.h"

#include "target/scsi_sense.h"

#include <string.h>

static void
free_registration(gpointer data)
{
    struct scsi_registration *registration = data;
    g_free(registration->port);
    g_free(registration->target_port);
    g_free(registration);
}

void
scsi_reservation_init(struct scsi_reservation *reservation)
{
    *reservation = (struct scsi_reservation){0};
    g_mutex_init(&reservation->lock);
    reservation->registrations = g_ptr_array_new_with_free_func(free_registration);
}

void
scsi_reservation_clear(struct scsi_reservation *reservation)
{
    g_ptr_array_unref(reservation->registrations);
    g_mutex_clear(&reservation->lock);
}

void
scsi_reservation_changed(struct scsi_reservation *reservation)
{
    g_atomic_int_set(&reservation->in_use,
                     reservation->reserved_by != NULL || reservation->type != 0);
}

gboolean
scsi_reservation_is_type(guint type)
{
    return type == SCSI_WRITE_EXCLUSIVE || type == SCSI_EXCLUSIVE_ACCESS ||
           (type >= SCSI_WRITE_EXCLUSIVE_REGISTRANTS && type <= SCSI_EXCLUSIVE_ACCESS_ALL);
}

gboolean
scsi_reservation_is_all(guint type)
{
    return type == SCSI_WRITE_EXCLUSIVE_ALL || type == SCSI_EXCLUSIVE_ACCESS_ALL;
}

gboolean
scsi_reservation_for_registrants(guint type)
{
    return type >= SCSI_WRITE_EXCLUSIVE_REGISTRANTS;
}

struct scsi_registration *
scsi_reservation_find(const struct scsi_reservation *reservation, const struct scsi_nexus *nexus)
{
    for (guint i = 0; i < reservation->registrations->len; i++) {
        struct scsi_registration *registration = reservation->registrations->pdata[i];
        if (strcmp(registration->port, nexus->port) == 0 &&
            strcmp(registration->target_port, nexus->target_port) == 0)
            return registration;
    }
    return NULL;
}

gboolean
scsi_reservation_holds(const struct scsi_reservation *reservation,
                       const struct scsi_registration *registration)
{
    if (registration == NULL || reservation->type == 0)
        return FALSE;
    return scsi_reservation_is_all(reservation->type) || reservation->holder == registration;
}

static gboolean
excludes_writing_only(guint type)
{
    return type == SCSI_WRITE_EXCLUSIVE || type == SCSI_WRITE_EXCLUSIVE_REGISTRANTS ||
           type == SCSI_WRITE_EXCLUSIVE_ALL;
}

static gboolean
allows(const struct scsi_reservation *reservation, const struct scsi_nexus *nexus,
       enum scsi_access access)
{
    if (reservation->reserved_by != NULL)
        return reservation->reserved_by == nexus;
    if (reservation->type == 0 || access == SCSI_ACCESS_PASS)
        return TRUE;
    if (access == SCSI_ACCESS_READ && excludes_writing_only(reservation->type))
        return TRUE;
    const struct scsi_registration *registration = scsi_reservation_find(reservation, nexus);
    if (registration == NULL)
        return FALSE;
    return scsi_reservation_for_registrants(reservation->type) ||
           scsi_reservation_holds(reservation, registration);
}

gboolean
scsi_reservation_allows(struct scsi_unit *unit, const struct scsi_nexus *nexus,
                        enum scsi_access access)
{
    struct scsi_reservation *reservation = &unit->reservation;
    if (access == SCSI_ACCESS_FREE || !g_atomic_int_get(&reservation->in_use))
        return TRUE;
    g_mutex_lock(&reservation->lock);
    gboolean ok = allows(reservation, nexus, access);
    g_mutex_unlock(&reservation->lock);
    return ok;
}

void
scsi_reservation_leave(struct scsi_unit *unit, const struct scsi_nexus *nexus)
{
    struct scsi_reservation *reservation = &unit->reservation;
    g_mutex_lock(&reservation->lock);
    if (reservation->reserved_by == nexus)
        reservation->reserved_by = NULL;
    scsi_reservation_changed(reservation);
    g_mutex_unlock(&reservation->lock);
}

void
scsi_reservation_reset(struct scsi_unit *unit)
{
    struct scsi_reservation *reservation = &unit->reservation;
    g_mutex_lock(&reservation->lock);
    reservation->reserved_by = NULL;
    scsi_reservation_changed(reservation);
    g_mutex_unlock(&reservation->lock);
}

/* ---- RESERVE and RELEASE --------------------------------------------------------------------- */

/* Extents and third parties are what nobody ever used, and are obsolete. */
static gboolean
check_reserve(struct scsi_call *call)
{
    if (call->cdb[1] & 0x01)
        return scsi_sense_set_field(call, 1, 0);
    if (call->cdb[1] & 0x10)
        return scsi_sense_set_field(call, 1, 4);
    return TRUE;
}

gboolean
scsi_reserve(struct scsi_call *call)
{
    if (!check_reserve(call))
        return FALSE;
    struct scsi_reservation *reservation = &call->unit->reservation;
    g_mutex_lock(&reservation->lock);
    /* The two ways exclude each other (SPC-2, 5.5.1). */
    gboolean ok = reservation->registrations->len == 0 &&
                  (reservation->reserved_by == NULL || reservation->reserved_by == call->nexus);
    if (ok)
        reservation->reserved_by = call->nexus;
    scsi_reservation_changed(reservation);
    g_mutex_unlock(&reservation->lock);
    return ok || scsi_sense_status(call, SCSI_RESERVATION_CONFLICT);
}

/* Of a reservation that is another's it does nothing, and that is GOOD. */
gboolean
scsi_release(struct scsi_call *call)
{
    if (!check_reserve(call))
        return FALSE;
    struct scsi_reservation *reservation = &call->unit->reservation;
    g_mutex_lock(&reservation->lock);
    gboolean ok = reservation->registrations->len == 0;
    g_mutex_unlock(&reservation->lock);
    if (!ok)
        return scsi_sense_status(call, SCSI_RESERVATION_CONFLICT);
    scsi_reservation_leave(call->unit, call->nexus);
    return TRUE;
}
