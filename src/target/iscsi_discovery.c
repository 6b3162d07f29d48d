/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text requests: which targets there are and where, and a new MaxRecvDataSegmentLength. */
#include "target/iscsi_private.h"

static void
put_target(const struct iscsi_connection *connection, GByteArray *answer)
{
    const struct iscsi_options *options = &connection->server->options;
    iscsi_text_put(answer, "TargetName", options->name);
    if (options->advertise == NULL)
        iscsi_text_putf(answer, "TargetAddress", "%s,1", connection->client->local);
    for (const char *const *at = options->advertise; at != NULL && *at != NULL; at++)
        iscsi_text_putf(answer, "TargetAddress", "%s,1", *at);
}

static void
send_targets(const struct iscsi_connection *connection, const char *which, GByteArray *answer)
{
    const char *name = connection->server->options.name;
    gboolean discovery = connection->nexus->scsi == NULL;
    gboolean all = g_str_equal(which, "All");
    if (all ? !discovery : *which == '\0' && discovery)
        iscsi_text_put(answer, "SendTargets", ISCSI_REJECT_VALUE);
    else if (all || *which == '\0' || g_ascii_strcasecmp(which, name) == 0)
        put_target(connection, answer);
}

/* FALSE: what is said makes no sense. */
static gboolean
take_pair(struct iscsi_connection *connection, const struct iscsi_pair *pair, GByteArray *answer)
{
    if (g_str_equal(pair->key, "SendTargets")) {
        send_targets(connection, pair->value, answer);
        return TRUE;
    }
    if (g_str_equal(pair->key, "MaxRecvDataSegmentLength"))
        return iscsi_number_parse(pair->value, 512, ISCSI_DATA_MAX, &connection->parameters.send);
    if (g_str_equal(pair->key, "InitiatorAlias"))
        return TRUE;
    /* All others are agreed upon in the login, if they are known at all. */
    struct iscsi_negotiator negotiator;
    g_autoptr(GByteArray) nothing = g_byte_array_new();
    iscsi_negotiator_init(&negotiator);
    gboolean known = iscsi_negotiate(&negotiator, pair, nothing) != ISCSI_UNKNOWN;
    iscsi_negotiator_clear(&negotiator);
    iscsi_text_put(answer, pair->key, known ? ISCSI_REJECT_VALUE : ISCSI_NOT_UNDERSTOOD);
    return TRUE;
}

/* The whole text is there. */
static gboolean
take_text(struct iscsi_connection *connection, const struct iscsi_text *text)
{
    for (guint i = 0; i < iscsi_text_count(text); i++) {
        struct iscsi_pair pair = iscsi_text_at(text, i);
        if (!take_pair(connection, &pair, connection->text_out))
            return iscsi_connection_fail(connection, "a text that makes no sense");
    }
    return TRUE;
}

/* The next part of the answer, or nothing when the request goes on. */
static gboolean
answer_part(struct iscsi_connection *connection, const guint8 *request, gboolean goes_on)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_TEXT_RESPONSE};
    guint left = goes_on ? 0 : connection->text_out->len - connection->text_at;
    guint length = MIN(left, MIN(connection->parameters.send, ISCSI_RECEIVE_DEFAULT));
    gboolean whole = length == left && !goes_on;
    if (whole)
        bhs[ISCSI_AT_FLAGS] = request[ISCSI_AT_FLAGS] & ISCSI_FINAL;
    else if (!goes_on)
        bhs[ISCSI_AT_FLAGS] = ISCSI_CONTINUE;
    gboolean final = (bhs[ISCSI_AT_FLAGS] & ISCSI_FINAL) != 0;
    memcpy(bhs + ISCSI_AT_LUN, request + ISCSI_AT_LUN, 8);
    memcpy(bhs + ISCSI_AT_TAG, request + ISCSI_AT_TAG, 4);
    big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, final ? ISCSI_NO_TAG : connection->text_tag);
    iscsi_connection_number(connection, bhs, TRUE);
    const guint8 *data = length > 0 ? connection->text_out->data + connection->text_at : NULL;
    gboolean ok = iscsi_connection_send(connection, bhs, data, length);
    connection->text_at += length;
    if (whole) {
        g_byte_array_set_size(connection->text_out, 0);
        connection->text_at = 0;
    }
    return ok;
}

static void
begin(struct iscsi_connection *connection)
{
    g_clear_pointer(&connection->text_in, g_byte_array_unref);
    g_clear_pointer(&connection->text_out, g_byte_array_unref);
    connection->text_in = g_byte_array_new();
    connection->text_out = g_byte_array_new();
    connection->text_at = 0;
    if (++connection->next_target_tag == ISCSI_NO_TAG)
        connection->next_target_tag = 0;
    connection->text_tag = connection->next_target_tag;
}

gboolean
iscsi_discovery_text(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    const guint8 *bhs = pdu->bhs;
    guint32 tag = big_endian_get32(bhs + ISCSI_AT_TARGET_TAG);
    gboolean goes_on = (bhs[ISCSI_AT_FLAGS] & ISCSI_CONTINUE) != 0;
    if (tag == ISCSI_NO_TAG)
        begin(connection);
    else if (connection->text_in == NULL || tag != connection->text_tag)
        return iscsi_connection_reject(connection, bhs, ISCSI_REJECT_PROTOCOL);
    /* One answer at a time: who asks on without fetching it goes too far. */
    if (connection->text_in->len + pdu->length > ISCSI_TEXT_MAX ||
        connection->text_out->len > 2 * ISCSI_TEXT_MAX)
        return iscsi_connection_fail(connection, "a text that is too long");
    g_byte_array_append(connection->text_in, pdu->data, pdu->length);
    if (goes_on)
        return answer_part(connection, bhs, TRUE);
    g_autoptr(GByteArray) whole = g_steal_pointer(&connection->text_in);
    auto_ptr(iscsi_text) text = iscsi_text_parse(whole->data, whole->len, NULL);
    connection->text_in = g_byte_array_new();
    if (text == NULL)
        return iscsi_connection_reject(connection, bhs, ISCSI_REJECT_PROTOCOL);
    if (!take_text(connection, text))
        return FALSE;
    return answer_part(connection, bhs, FALSE);
}
