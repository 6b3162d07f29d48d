/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PERSISTENT RESERVE OUT.  The comments name the clauses of SPC-4. */
#include "target/scsi_attention.h"
#include "target/scsi_reservation.h"
#include "target/scsi_sense.h"

enum {
    REGISTER,
    RESERVE,
    RELEASE,
    CLEAR,
    PREEMPT,
    PREEMPT_AND_ABORT,
    REGISTER_AND_IGNORE,
};

#define LIST_LENGTH 24u

/* A command while it runs, with the lock held. */
struct change {
    struct scsi_call *call;
    struct scsi_unit *unit;
    struct scsi_reservation *reservation;
    struct scsi_registration *own; /* the nexus's; NULL: it has none */
    guint64 key, action_key;       /* of the parameter list */
    guint type;                    /* of the CDB */
};

static gboolean
conflict(struct change *change)
{
    return scsi_sense_status(change->call, SCSI_RESERVATION_CONFLICT);
}

/* Tell all that are registered, but for the one that asked for it. */
static void
tell_others(struct change *change, enum scsi_attention attention)
{
    for (guint i = 0; i < change->reservation->registrations->len; i++) {
        const struct scsi_registration *other = change->reservation->registrations->pdata[i];
        if (other != change->own)
            scsi_attention_raise_port(change->unit, other, attention);
    }
}

/* The end of a reservation that only registrants could pass is told to them (5.12.11.2.1). */
static void
end_reservation(struct change *change)
{
    guint type = change->reservation->type;
    change->reservation->type = 0;
    change->reservation->holder = NULL;
    if (scsi_reservation_for_registrants(type))
        tell_others(change, SCSI_ATTENTION_RESERVATIONS_RELEASED);
}

static void
begin_reservation(struct change *change)
{
    change->reservation->type = change->type;
    change->reservation->holder = scsi_reservation_is_all(change->type) ? NULL : change->own;
}

static gboolean
check_type(struct change *change)
{
    if (change->call->cdb[2] >> 4 != 0) /* scope: the unit, there is no other */
        return scsi_sense_set_field(change->call, 2, 7);
    if (!scsi_reservation_is_type(change->type))
        return scsi_sense_set_field(change->call, 2, 3);
    return TRUE;
}

/* ---- Registering ----------------------------------------------------------------------------- */

static gboolean
add_registration(struct change *change)
{
    if (change->reservation->registrations->len == SCSI_REGISTRATIONS_MAX)
        return scsi_sense_set(change->call, SCSI_SENSE_REGISTRATIONS_FULL);
    struct scsi_registration *registration = g_new0(struct scsi_registration, 1);
    registration->port = g_strdup(change->call->nexus->port);
    registration->target_port = g_strdup(change->call->nexus->target_port);
    registration->key = change->action_key;
    g_ptr_array_add(change->reservation->registrations, registration);
    return TRUE;
}

/* The reservation ends with its holder; one that all hold, with the last of them (5.12.11.2.3). */
static void
remove_own(struct change *change)
{
    struct scsi_reservation *reservation = change->reservation;
    gboolean last = reservation->registrations->len == 1;
    if (reservation->type != 0 && (reservation->holder == change->own || last))
        end_reservation(change);
    g_ptr_array_remove(reservation->registrations, change->own);
    change->own = NULL;
}

static gboolean
store_key(struct change *change)
{
    if (change->own == NULL && change->action_key == 0)
        return TRUE;
    if (change->own == NULL) {
        if (!add_registration(change))
            return FALSE;
    } else if (change->action_key == 0) {
        remove_own(change);
    } else {
        change->own->key = change->action_key;
    }
    change->reservation->generation++;
    return TRUE;
}

static gboolean
register_key(struct change *change)
{
    if (change->key != (change->own != NULL ? change->own->key : 0))
        return conflict(change);
    return store_key(change);
}

/* ---- Reserving ------------------------------------------------------------------------------- */

static gboolean
reserve(struct change *change)
{
    const struct scsi_reservation *reservation = change->reservation;
    if (!check_type(change))
        return FALSE;
    if (reservation->type == 0) {
        begin_reservation(change);
        return TRUE;
    }
    /* Once more by a holder is no change; anything else is (5.12.9). */
    if (scsi_reservation_holds(reservation, change->own) && reservation->type == change->type)
        return TRUE;
    return conflict(change);
}

static gboolean
release(struct change *change)
{
    if (!scsi_reservation_holds(change->reservation, change->own))
        return TRUE;
    if (change->reservation->type != change->type || change->call->cdb[2] >> 4 != 0)
        return scsi_sense_set(change->call, SCSI_SENSE_INVALID_RELEASE);
    end_reservation(change);
    return TRUE;
}

static gboolean
clear(struct change *change)
{
    change->reservation->type = 0;
    change->reservation->holder = NULL;
    tell_others(change, SCSI_ATTENTION_RESERVATIONS_PREEMPTED);
    g_ptr_array_set_size(change->reservation->registrations, 0);
    change->own = NULL;
    change->reservation->generation++;
    return TRUE;
}

/* ---- Preempting ------------------------------------------------------------------------------ */

/* Remove those with the key (`all`: whatever their key is), never the own one, whose owners are
 * told.  FALSE: nobody has it. */
static gboolean
remove_others(struct change *change, gboolean all)
{
    GPtrArray *registrations = change->reservation->registrations;
    gboolean found = FALSE;
    for (guint i = registrations->len; i-- > 0;) {
        struct scsi_registration *registration = registrations->pdata[i];
        if (!all && registration->key != change->action_key)
            continue;
        found = TRUE;
        if (registration == change->own)
            continue;
        scsi_attention_raise_port(change->unit, registration,
                                  SCSI_ATTENTION_REGISTRATIONS_PREEMPTED);
        g_ptr_array_remove_index(registrations, i);
    }
    return found;
}

/* Does it take the reservation too, or only registrations away (5.12.11.2.4, table 70)? */
static gboolean
takes_reservation(const struct change *change)
{
    const struct scsi_reservation *reservation = change->reservation;
    if (reservation->type == 0)
        return FALSE;
    if (reservation->holder == NULL)
        return change->action_key == 0;
    return reservation->holder->key == change->action_key;
}

static gboolean
preempt(struct change *change)
{
    struct scsi_reservation *reservation = change->reservation;
    guint type = reservation->type;
    gboolean takes = takes_reservation(change);
    if (!check_type(change))
        return FALSE;
    if (!takes && change->action_key == 0)
        return scsi_sense_set_parameter(change->call, SCSI_SENSE_INVALID_PARAMETER, 8);
    /* Before anybody is freed: the holder may be one of them. */
    if (takes)
        begin_reservation(change);
    if (!remove_others(change, takes && change->action_key == 0))
        return conflict(change);
    if (takes && type != change->type && scsi_reservation_for_registrants(type))
        tell_others(change, SCSI_ATTENTION_RESERVATIONS_RELEASED);
    reservation->generation++;
    return TRUE;
}

/* ---- The command ----------------------------------------------------------------------------- */

/* Keys of other ports, of all target ports, or over a loss of power are not supported, as REPORT
 * CAPABILITIES says. */
static gboolean
check_list(struct scsi_call *call, guint action)
{
    guint bits = call->task->out[20];
    gboolean registers = action == REGISTER || action == REGISTER_AND_IGNORE;
    if ((bits & 0x08) || (registers && (bits & 0x05)))
        return scsi_sense_set_parameter(call, SCSI_SENSE_INVALID_PARAMETER, 20);
    return TRUE;
}

static gboolean
run(struct change *change, guint action)
{
    static gboolean (*const actions[])(struct change *) = {
        [REGISTER] = register_key,
        [RESERVE] = reserve,
        [RELEASE] = release,
        [CLEAR] = clear,
        [PREEMPT] = preempt,
        [PREEMPT_AND_ABORT] = preempt,
        [REGISTER_AND_IGNORE] = store_key,
    };
    struct scsi_reservation *reservation = change->reservation;
    change->own = scsi_reservation_find(reservation, change->call->nexus);
    if (reservation->reserved_by != NULL)
        return conflict(change);
    if (action != REGISTER && action != REGISTER_AND_IGNORE &&
        (change->own == NULL || change->own->key != change->key))
        return conflict(change);
    return actions[action](change);
}

/* What those that lost their reservation have begun has to be over when this is; whatever comes
 * after is stopped by scsi_blocks_take(). */
static void
wait_for_running(struct scsi_unit *unit)
{
    struct scsi_range all = {.first = 0, .end = G_MAXUINT64, .use = SCSI_RANGE_ALONE};
    scsi_ranges_take(&unit->ranges, &all);
    scsi_ranges_give(&unit->ranges, &all);
}

gboolean
scsi_persist_out(struct scsi_call *call)
{
    struct scsi_unit *unit = call->unit;
    const guint8 *list = call->task->out;
    guint action = call->cdb[1] & 0x1f;
    if (big_endian_get32(call->cdb + 5) != LIST_LENGTH || call->task->out_length < LIST_LENGTH)
        return scsi_sense_set(call, SCSI_SENSE_LIST_LENGTH);
    if (!check_list(call, action))
        return FALSE;
    struct change change = {
        .call = call,
        .unit = unit,
        .reservation = &unit->reservation,
        .key = big_endian_get64(list),
        .action_key = big_endian_get64(list + 8),
        .type = call->cdb[2] & 0x0f,
    };
    g_mutex_lock(&unit->reservation.lock);
    gboolean ok = run(&change, action);
    scsi_reservation_changed(&unit->reservation);
    g_mutex_unlock(&unit->reservation.lock);
    if (ok && action == PREEMPT_AND_ABORT)
        wait_for_running(unit);
    return ok;
}
