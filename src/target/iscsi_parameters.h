/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_parameters.h: what a session and its connections have agreed upon (RFC 7143, section 13).
 */
#pragma once

#include "target/iscsi_server.h"
#include "target/iscsi_text.h"

/* What we take in one PDU; a login is before that, with 8 KiB at most. */
#define ISCSI_RECEIVE_MAX (256u << 10)
#define ISCSI_RECEIVE_DEFAULT 8192u
/* How far we go in a negotiation. */
#define ISCSI_FIRST_BURST_MAX (256u << 10)
#define ISCSI_BURST_MAX (16u << 20)
#define ISCSI_R2T_MAX 16u
#define ISCSI_SESSION_CONNECTIONS_MAX 8u
#define ISCSI_WAIT_S 2u
/* What we send in one PDU at most, whatever an initiator takes. */
#define ISCSI_SEND_MAX (1u << 20)

struct iscsi_parameters {
    /* Of the session. */
    guint32 connections;
    gboolean initial_r2t, immediate_data;
    guint32 burst, first_burst;
    guint32 outstanding_r2t;
    /* Of the connection. */
    gboolean header_digest, data_digest;
    guint32 send; /* the initiator's MaxRecvDataSegmentLength */
};

/* The standard's defaults. */
void iscsi_parameters_init(struct iscsi_parameters *parameters);

enum iscsi_negotiation {
    ISCSI_NEGOTIATED, /* the answer was appended, or none is due */
    ISCSI_UNKNOWN,    /* not one of these keys */
    ISCSI_REFUSED,    /* it must be answered, and what we need was not offered: end the login */
};

struct iscsi_negotiator {
    struct iscsi_parameters parameters;
    enum iscsi_digest_use header_digest, data_digest;
    gboolean discovery; /* the session's type */
    gboolean leading;   /* the first connection of its session */
    GHashTable *done;   /* keys that were negotiated: no key is twice */
};

void iscsi_negotiator_init(struct iscsi_negotiator *negotiator);
void iscsi_negotiator_clear(struct iscsi_negotiator *negotiator);
/* One key that the initiator offers or declares. */
enum iscsi_negotiation iscsi_negotiate(struct iscsi_negotiator *negotiator,
                                       const struct iscsi_pair *pair, GByteArray *answer);
/* Say our MaxRecvDataSegmentLength. */
void iscsi_negotiate_declare(GByteArray *answer);
/* FALSE: a digest that is required was not agreed upon. */
gboolean iscsi_negotiator_is_satisfied(const struct iscsi_negotiator *negotiator);
