/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_parameters.h"

#include "target/iscsi_pdu.h"

#include <stddef.h>

/* How a key is negotiated. */
enum rule {
    MINIMUM,  /* numbers: the smaller of both */
    MAXIMUM,  /* numbers: the larger of both */
    EITHER,   /* Yes when one of both says so */
    BOTH,     /* Yes when both do */
    DECLARED, /* a number that is said, not asked */
    DIGEST,
    CONSTANT, /* the answer is `word`, whatever is offered */
    LISTED,   /* `word` when it is in the list */
};

enum scope {
    OF_CONNECTION,
    OF_SESSION,       /* agreed upon by its leading connection */
    OF_NORMAL_SESSION /* the same, and of no interest to a discovery session */
};

#define NOWHERE (-1) /* never matters: it has one value that we take */
#define AT(field) ((int)offsetof(struct iscsi_parameters, field))

static const struct key {
    const char *name;
    enum rule rule;
    enum scope scope;
    int at; /* in struct iscsi_parameters */
    guint32 low, high, ours;
    const char *word;
} keys[] = {
    {"MaxConnections", MINIMUM, OF_NORMAL_SESSION, AT(connections), 1, 65535,
     ISCSI_SESSION_CONNECTIONS_MAX},
    {"InitialR2T", EITHER, OF_NORMAL_SESSION, AT(initial_r2t), 0, 1, FALSE},
    {"ImmediateData", BOTH, OF_NORMAL_SESSION, AT(immediate_data), 0, 1, TRUE},
    {"MaxBurstLength", MINIMUM, OF_NORMAL_SESSION, AT(burst), 512, ISCSI_DATA_MAX, ISCSI_BURST_MAX},
    {"FirstBurstLength", MINIMUM, OF_NORMAL_SESSION, AT(first_burst), 512, ISCSI_DATA_MAX,
     ISCSI_FIRST_BURST_MAX},
    {"MaxOutstandingR2T", MINIMUM, OF_NORMAL_SESSION, AT(outstanding_r2t), 1, 65535, ISCSI_R2T_MAX},
    {"DataPDUInOrder", EITHER, OF_NORMAL_SESSION, NOWHERE, 0, 1, TRUE},
    {"DataSequenceInOrder", EITHER, OF_NORMAL_SESSION, NOWHERE, 0, 1, TRUE},
    {"DefaultTime2Wait", MAXIMUM, OF_SESSION, NOWHERE, 0, 3600, ISCSI_WAIT_S},
    {"DefaultTime2Retain", MINIMUM, OF_SESSION, NOWHERE, 0, 3600, 0},
    {"ErrorRecoveryLevel", MINIMUM, OF_SESSION, NOWHERE, 0, 2, 0},
    {"TaskReporting", LISTED, OF_SESSION, NOWHERE, .word = "RFC3720"},
    {"iSCSIProtocolLevel", MINIMUM, OF_SESSION, NOWHERE, 0, 31, 1},
    {"RDMAExtensions", BOTH, OF_SESSION, NOWHERE, 0, 1, FALSE},
    {"MaxRecvDataSegmentLength", DECLARED, OF_CONNECTION, AT(send), 512, ISCSI_DATA_MAX},
    {"HeaderDigest", DIGEST, OF_CONNECTION, AT(header_digest)},
    {"DataDigest", DIGEST, OF_CONNECTION, AT(data_digest)},
    /* Of RFC 3720; RFC 7143 still wants an answer. */
    {"IFMarker", CONSTANT, OF_CONNECTION, NOWHERE, .word = "No"},
    {"OFMarker", CONSTANT, OF_CONNECTION, NOWHERE, .word = "No"},
    {"IFMarkInt", CONSTANT, OF_CONNECTION, NOWHERE, .word = ISCSI_REJECT_VALUE},
    {"OFMarkInt", CONSTANT, OF_CONNECTION, NOWHERE, .word = ISCSI_REJECT_VALUE},
};

void
iscsi_parameters_init(struct iscsi_parameters *parameters)
{
    *parameters = (struct iscsi_parameters){
        .connections = 1,
        .initial_r2t = TRUE,
        .immediate_data = TRUE,
        .burst = 262144,
        .first_burst = 65536,
        .outstanding_r2t = 1,
        .send = ISCSI_RECEIVE_DEFAULT,
    };
}

void
iscsi_negotiator_init(struct iscsi_negotiator *negotiator)
{
    *negotiator = (struct iscsi_negotiator){.leading = TRUE};
    iscsi_parameters_init(&negotiator->parameters);
    negotiator->done = g_hash_table_new(g_str_hash, g_str_equal);
}

void
iscsi_negotiator_clear(struct iscsi_negotiator *negotiator)
{
    g_clear_pointer(&negotiator->done, g_hash_table_unref);
}

static const struct key *
find_key(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (g_str_equal(keys[i].name, name))
            return &keys[i];
    }
    return NULL;
}

/* Numbers and booleans alike are 32 bits wide. */
static guint32 *
place_of(struct iscsi_negotiator *negotiator, const struct key *key)
{
    G_STATIC_ASSERT(sizeof(gboolean) == sizeof(guint32));
    return (guint32 *)(void *)((char *)&negotiator->parameters + key->at);
}

static void
keep(struct iscsi_negotiator *negotiator, const struct key *key, guint32 value)
{
    if (key->at != NOWHERE)
        *place_of(negotiator, key) = value;
}

static void
put_number(GByteArray *answer, const struct key *key, guint32 value)
{
    if (key->rule == EITHER || key->rule == BOTH)
        iscsi_text_put(answer, key->name, value != 0 ? "Yes" : "No");
    else
        iscsi_text_putf(answer, key->name, "%u", value);
}

static gboolean
parse_value(const struct key *key, const char *text, guint32 *ret)
{
    gboolean yes = FALSE;
    if (key->rule != EITHER && key->rule != BOTH)
        return iscsi_number_parse(text, key->low, key->high, ret);
    if (!iscsi_boolean_parse(text, &yes))
        return FALSE;
    *ret = yes;
    return TRUE;
}

static guint32
agree(const struct key *key, guint32 theirs)
{
    switch (key->rule) {
    case MAXIMUM:
    case EITHER:
        return MAX(theirs, key->ours);
    default:
        return MIN(theirs, key->ours);
    }
}

static enum iscsi_negotiation
negotiate_value(struct iscsi_negotiator *negotiator, const struct key *key, const char *text,
                GByteArray *answer)
{
    guint32 theirs = 0;
    if (!parse_value(key, text, &theirs)) {
        /* A declaration is not answered, so nobody would know what holds now. */
        if (key->rule == DECLARED)
            return ISCSI_REFUSED;
        iscsi_text_put(answer, key->name, ISCSI_REJECT_VALUE);
        return ISCSI_NEGOTIATED;
    }
    if (key->rule == DECLARED) {
        keep(negotiator, key, theirs);
        return ISCSI_NEGOTIATED;
    }
    if (key->scope != OF_CONNECTION && !negotiator->leading && key->at != NOWHERE) {
        put_number(answer, key, *place_of(negotiator, key));
        return ISCSI_NEGOTIATED;
    }
    guint32 value = agree(key, theirs);
    keep(negotiator, key, value);
    put_number(answer, key, value);
    return ISCSI_NEGOTIATED;
}

/* The first one of the initiator's list that we can do; NULL: none. */
static const char *
choose_digest(const char *list, enum iscsi_digest_use use)
{
    static const char checksum[] = "CRC32C", none[] = "None";
    gboolean has_checksum = use != ISCSI_DIGEST_OFF && iscsi_list_has(list, checksum);
    gboolean has_none = use != ISCSI_DIGEST_REQUIRED && iscsi_list_has(list, none);
    if (has_checksum && has_none)
        return strstr(list, checksum) < strstr(list, none) ? checksum : none;
    return has_checksum ? checksum : has_none ? none : NULL;
}

static enum iscsi_negotiation
negotiate_digest(struct iscsi_negotiator *negotiator, const struct key *key, const char *list,
                 GByteArray *answer)
{
    enum iscsi_digest_use use =
        key->at == AT(header_digest) ? negotiator->header_digest : negotiator->data_digest;
    const char *chosen = choose_digest(list, use);
    if (chosen == NULL && use == ISCSI_DIGEST_REQUIRED)
        return ISCSI_REFUSED;
    iscsi_text_put(answer, key->name, chosen != NULL ? chosen : ISCSI_REJECT_VALUE);
    keep(negotiator, key, g_strcmp0(chosen, "CRC32C") == 0);
    return ISCSI_NEGOTIATED;
}

enum iscsi_negotiation
iscsi_negotiate(struct iscsi_negotiator *negotiator, const struct iscsi_pair *pair,
                GByteArray *answer)
{
    const struct key *key = find_key(pair->key);
    if (key == NULL)
        return ISCSI_UNKNOWN;
    if (!g_hash_table_add(negotiator->done, (gpointer)key->name))
        return ISCSI_REFUSED;
    if (key->scope == OF_NORMAL_SESSION && negotiator->discovery) {
        iscsi_text_put(answer, key->name, ISCSI_IRRELEVANT);
        return ISCSI_NEGOTIATED;
    }
    switch (key->rule) {
    case DIGEST:
        return negotiate_digest(negotiator, key, pair->value, answer);
    case CONSTANT:
        iscsi_text_put(answer, key->name, key->word);
        return ISCSI_NEGOTIATED;
    case LISTED:
        iscsi_text_put(answer, key->name,
                       iscsi_list_has(pair->value, key->word) ? key->word : ISCSI_REJECT_VALUE);
        return ISCSI_NEGOTIATED;
    default:
        return negotiate_value(negotiator, key, pair->value, answer);
    }
}

void
iscsi_negotiate_declare(GByteArray *answer)
{
    iscsi_text_putf(answer, "MaxRecvDataSegmentLength", "%u", ISCSI_RECEIVE_MAX);
}

gboolean
iscsi_negotiator_is_satisfied(const struct iscsi_negotiator *negotiator)
{
    const struct iscsi_parameters *parameters = &negotiator->parameters;
    return (negotiator->header_digest != ISCSI_DIGEST_REQUIRED || parameters->header_digest) &&
           (negotiator->data_digest != ISCSI_DIGEST_REQUIRED || parameters->data_digest);
}
