/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_private.h: a server, its sessions and their connections, for iscsi_*.c alone.
 *
 * A connection belongs to its thread.  Others reach it through its session: they leave an order and
 * wake it.  A session is called a nexus here, as SAM has it; a discovery session is one without a
 * SCSI device.  Locks are taken in this order: the server's, a nexus's, a connection's tasks. */
#pragma once

#include "target/iscsi_login.h"
#include "target/iscsi_penalty.h"
#include "target/iscsi_server.h"
#include "target/iscsi_stream.h"
#include "target/listener.h"

/* Commands that an initiator may have sent without an answer, over all connections of a session. */
#define ISCSI_WINDOW 128u
/* Bytes of writes that a connection asks for (R2T) at once, unless it is one task alone. */
#define ISCSI_SOLICIT_MAX (16u << 20)
/* Commands of a session that came too early, on one connection. */
#define ISCSI_HELD_MAX (2u << 20)
/* When the options do not say: a login is done, and a silent initiator is asked. */
#define ISCSI_LOGIN_S 15u
#define ISCSI_IDLE_S 30u
#define ISCSI_LOGOUT_WAIT_S 2 /* of iscsi_server_stop() */
#define ISCSI_REINSTATE_WAIT_S 10

struct iscsi_server {
    struct iscsi_options options; /* with copies of all texts */
    char *target_port;            /* "iqn...,t,0x0001" */
    struct listener *listener;
    struct iscsi_penalty *penalty;
    GMutex lock;        /* over all below */
    GCond changed;      /* a nexus is gone */
    GPtrArray *nexuses; /* of struct iscsi_nexus */
    guint16 last_tsih;
    gboolean stopping;
};

void iscsi_server_log(const struct iscsi_server *server, const char *peer, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* All sessions end. */
void iscsi_server_end_sessions(struct iscsi_server *server);

/* ---- Sessions: iscsi_nexus.c ----------------------------------------------------------------- */

struct iscsi_nexus {
    struct iscsi_server *server;
    char *initiator, *address;
    const char *user; /* of the server's accounts */
    const char *hash;
    gboolean mutual;
    guint8 isid[6];
    guint16 tsih;
    gint64 since;
    struct iscsi_parameters parameters;
    struct scsi_nexus *scsi; /* NULL: discovery */

    GMutex lock; /* over all below */
    guint32 exp_cmd_sn;
    guint pending;          /* writes that wait for their data */
    guint held;             /* commands that wait for those before them */
    GPtrArray *connections; /* of struct iscsi_connection */
    gboolean ended;         /* no connection may join */
};

struct iscsi_connection;

/* Login hooks: find a session to join, make one or join it; the connection is then a part of it. */
enum iscsi_login_status iscsi_nexus_find(struct iscsi_connection *connection,
                                         struct iscsi_login *login);
enum iscsi_login_status iscsi_nexus_admit(struct iscsi_connection *connection,
                                          struct iscsi_login *login);
/* The connection ends.  Unless it was logged out alone the session ends with it, since nothing of
 * it could be recovered (ErrorRecoveryLevel 0).  The last one frees the nexus. */
void iscsi_nexus_leave(struct iscsi_nexus *nexus, struct iscsi_connection *connection,
                       gboolean logged_out);
/* All its connections end. */
void iscsi_nexus_end(struct iscsi_nexus *nexus);
/* Log one connection out; FALSE: there is no such CID. */
gboolean iscsi_nexus_drop(struct iscsi_nexus *nexus, guint16 cid);

enum iscsi_turn {
    ISCSI_TURN_NOW,   /* it is the next one, and now counted */
    ISCSI_TURN_LATER, /* those before it have not come */
    ISCSI_TURN_NEVER, /* not in the window: is not heard */
};
enum iscsi_turn iscsi_nexus_turn(struct iscsi_nexus *nexus, guint32 cmd_sn);
/* Of a request that takes no turn: commands before it are still on their way on other
 * connections. */
gboolean iscsi_nexus_is_early(struct iscsi_nexus *nexus, guint32 cmd_sn);
/* A turn was taken, and what it was for is done: those that wait may have theirs. */
void iscsi_nexus_wake_held(struct iscsi_nexus *nexus);
void iscsi_nexus_hold(struct iscsi_nexus *nexus, int change);
void iscsi_nexus_pend(struct iscsi_nexus *nexus, int change);
void iscsi_nexus_numbers(struct iscsi_nexus *nexus, guint32 *ret_exp, guint32 *ret_max);
/* As many writes wait as may: immediate ones, which need no turn, are rejected then. */
gboolean iscsi_nexus_is_full(struct iscsi_nexus *nexus);
/* "iqn...,i,0x00023d000001"; free with g_free(). */
char *iscsi_nexus_port(const char *initiator, const guint8 isid[6]);

/* Abort writes that wait for their data: with `tag` NULL all of the logical unit, `lun` NULL all of
 * all.  FALSE: none. */
gboolean iscsi_nexus_abort(struct iscsi_nexus *nexus, const guint8 *lun, const guint32 *tag);
/* The same in all sessions. */
void iscsi_server_abort(struct iscsi_server *server, const guint8 *lun);

/* ---- Connections: iscsi_connection.c --------------------------------------------------------- */

enum iscsi_order {
    ISCSI_ORDER_END = 1 << 0,     /* at once */
    ISCSI_ORDER_LOGOUT = 1 << 1,  /* ask the initiator to log out */
    ISCSI_ORDER_HELD = 1 << 2,    /* look at what is held */
    ISCSI_ORDER_ABORTED = 1 << 3, /* tasks were */
    ISCSI_ORDER_DROP = 1 << 4,    /* at once, and the session goes on */
};

/* A write that waits for its data. */
struct iscsi_write {
    guint8 bhs[ISCSI_BHS]; /* of its command */
    guint32 tag;
    gsize wanted;   /* what the command takes */
    gsize total;    /* of that, what comes */
    gsize received; /* in order */
    guint8 *data;   /* NULL: nothing is due yet */
    gsize room;
    gboolean unsolicited;   /* more of it follows, without R2T */
    gsize unsolicited_max;  /* where it must end */
    gsize solicited;        /* up to here R2Ts were sent */
    guint32 data_sn;        /* the next one of the present sequence */
    guint32 r2t_sn;         /* R2Ts that were sent */
    struct iscsi_sequence { /* those that are open, in their order */
        guint32 target_tag;
        gsize end;
    } sequences[ISCSI_R2T_MAX];
    guint n_sequences;
    guint16 failure;  /* ASC and ASCQ, 0: none; the task ends with it when all data has come */
    gboolean granted; /* its R2Ts count */
    int aborted;      /* atomic */
};

struct iscsi_connection {
    struct iscsi_server *server;
    struct listener_connection *client;
    struct iscsi_stream stream;
    struct iscsi_parameters parameters; /* of session and connection */
    struct iscsi_nexus *nexus;          /* NULL: not logged in */
    guint16 cid;
    guint32 stat_sn;
    int wake;     /* eventfd */
    guint orders; /* atomic: enum iscsi_order */

    GMutex tasks_lock; /* over the list, for those who abort */
    GQueue writes;     /* of struct iscsi_write *, in the order of their commands */
    gsize solicited;   /* bytes of those that are granted */
    guint32 next_target_tag;
    GQueue held; /* of GBytes *: PDUs that came before their turn */
    gsize held_bytes;
    guint64 prefetched; /* up to here in the input */

    GByteArray *text_in, *text_out; /* of a text exchange; NULL */
    guint text_at;
    guint32 text_tag;

    gint64 asked;         /* a ping of ours is not answered since; 0 */
    gboolean logged_out;  /* in good order */
    gboolean logging_out; /* it was asked to */
    const char *end;      /* why it ends, for the log; NULL: it goes on */
    gboolean end_session;
};

void iscsi_connection_order(struct iscsi_connection *connection, enum iscsi_order order);
/* The thread of a connection, for the listener; `data` is the server. */
void iscsi_connection_serve(struct listener_connection *client, gpointer data);

/* For those who handle requests: all return FALSE when the connection has to end, with `end` set or
 * the stream lost. */
gboolean iscsi_connection_fail(struct iscsi_connection *connection, const char *words);
/* Put the numbers of the session into a response.  `counts`: it takes a StatSN. */
void iscsi_connection_number(struct iscsi_connection *connection, guint8 *bhs, gboolean counts);
gboolean iscsi_connection_send(struct iscsi_connection *connection, guint8 *bhs, const void *data,
                               guint32 length);
gboolean iscsi_connection_reject(struct iscsi_connection *connection, const guint8 *bhs,
                                 enum iscsi_reject_reason reason);

/* iscsi_command.c: commands and their answers. */
gboolean iscsi_command_run(struct iscsi_connection *connection, const struct iscsi_pdu *pdu);
/* Execute with data of the initiator, and answer. */
gboolean iscsi_command_execute(struct iscsi_connection *connection, const guint8 *bhs,
                               const guint8 *out, gsize out_length, gsize wanted, guint32 r2ts);
/* Answer a check condition of the transport: ABORTED COMMAND with this ASC and ASCQ. */
gboolean iscsi_command_refuse(struct iscsi_connection *connection, const guint8 *bhs,
                              guint16 failure, gsize wanted, guint32 r2ts);

/* iscsi_write.c: data of the initiator that comes in PDUs of its own. */
gboolean iscsi_write_begin(struct iscsi_connection *connection, const struct iscsi_pdu *pdu,
                           gsize wanted, guint16 failure);
gboolean iscsi_write_data(struct iscsi_connection *connection, const struct iscsi_pdu *pdu);
/* Forget those that were aborted. */
void iscsi_write_sweep(struct iscsi_connection *connection);
void iscsi_write_forget_all(struct iscsi_connection *connection);

/* iscsi_requests.c: everything but commands. */
gboolean iscsi_requests_nop(struct iscsi_connection *connection, const struct iscsi_pdu *pdu);
gboolean iscsi_requests_ping(struct iscsi_connection *connection);
gboolean iscsi_requests_ask_logout(struct iscsi_connection *connection);
gboolean iscsi_requests_logout(struct iscsi_connection *connection, const struct iscsi_pdu *pdu);
gboolean iscsi_requests_task(struct iscsi_connection *connection, const struct iscsi_pdu *pdu);

/* iscsi_discovery.c: text requests. */
gboolean iscsi_discovery_text(struct iscsi_connection *connection, const struct iscsi_pdu *pdu);

/* Sense of the transport (RFC 7143, 11.4.7.2): ASC and ASCQ under ABORTED COMMAND. */
#define ISCSI_SENSE_UNEXPECTED_DATA 0x0c0c
#define ISCSI_SENSE_TOO_LITTLE_DATA 0x0c0d
#define ISCSI_SENSE_CRC 0x4705
