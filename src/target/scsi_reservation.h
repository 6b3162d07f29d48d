/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scsi_reservation.h: RESERVE and RELEASE of SPC-2 and persistent reservations of SPC-4: who may do
 * what on a unit. */
#pragma once

#include "target/scsi_private.h"

/* What a command is to others' reservations. */
enum scsi_access {
    SCSI_ACCESS_FREE,  /* goes past all of them */
    SCSI_ACCESS_PASS,  /* past persistent ones, not past RESERVE */
    SCSI_ACCESS_READ,  /* past those that exclude writing only */
    SCSI_ACCESS_WRITE, /* past none */
};

enum scsi_reservation_type {
    SCSI_WRITE_EXCLUSIVE = 1,
    SCSI_EXCLUSIVE_ACCESS = 3,
    SCSI_WRITE_EXCLUSIVE_REGISTRANTS = 5,
    SCSI_EXCLUSIVE_ACCESS_REGISTRANTS = 6,
    SCSI_WRITE_EXCLUSIVE_ALL = 7,
    SCSI_EXCLUSIVE_ACCESS_ALL = 8,
};

void scsi_reservation_init(struct scsi_reservation *reservation);
void scsi_reservation_clear(struct scsi_reservation *reservation);

/* May the nexus do it?  Without a lock while nobody reserved anything. */
gboolean scsi_reservation_allows(struct scsi_unit *unit, const struct scsi_nexus *nexus,
                                 enum scsi_access access);
/* The nexus ends, the unit is reset: what RESERVE made ends. */
void scsi_reservation_leave(struct scsi_unit *unit, const struct scsi_nexus *nexus);
void scsi_reservation_reset(struct scsi_unit *unit);

/* ---- For the commands; the lock is held ------------------------------------------------------ */

gboolean scsi_reservation_is_type(guint type);
gboolean scsi_reservation_is_all(guint type);          /* all registrants hold it */
gboolean scsi_reservation_for_registrants(guint type); /* registrants only, and all */
struct scsi_registration *scsi_reservation_find(const struct scsi_reservation *reservation,
                                                const struct scsi_nexus *nexus);
gboolean scsi_reservation_holds(const struct scsi_reservation *reservation,
                                const struct scsi_registration *registration);
/* To be called before the lock is given back by whoever changed something. */
void scsi_reservation_changed(struct scsi_reservation *reservation);

/* ---- Commands -------------------------------------------------------------------------------- */

gboolean scsi_reserve(struct scsi_call *call);
gboolean scsi_release(struct scsi_call *call);
gboolean scsi_persist_in(struct scsi_call *call);
gboolean scsi_persist_out(struct scsi_call *call);
