/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Metadata contexts: which there are, and which of them a client has chosen.
 *
 * A query is the name of a context; in a list, "base:" and "slipway:" are all of that namespace,
 * and no query is everything. */
#include "target/nbd_handshake.h"
#include "target/nbd_protocol.h"

static const struct context {
    guint32 id;
    const char *name;
} contexts[] = {
    {NBD_CONTEXT_ALLOCATION, "base:allocation"},
    {NBD_CONTEXT_CHANGED, "slipway:changed"},
};

static gboolean
is_there(const struct context *context, const struct nbd_export *export)
{
    return context->id != NBD_CONTEXT_CHANGED || export->changed != NULL;
}

static gboolean
matches(const struct context *context, const char *query, gboolean list)
{
    if (strcmp(query, context->name) == 0)
        return TRUE;
    gboolean namespace = *query != '\0' && query[strlen(query) - 1] == ':';
    return list && namespace && g_str_has_prefix(context->name, query);
}

/* Bits of the contexts that the option's queries mean; FALSE: they are malformed. */
static gboolean
choose(struct nbd_cursor *cursor, const struct nbd_export *export, gboolean list, unsigned *ret)
{
    guint32 n;
    if (!nbd_cursor_get32(cursor, &n))
        return FALSE;
    *ret = 0;
    for (gsize k = 0; n == 0 && list && k < G_N_ELEMENTS(contexts); k++)
        *ret |= is_there(&contexts[k], export) ? contexts[k].id : 0;
    for (guint32 i = 0; i < n; i++) {
        g_autofree char *query = nbd_cursor_get_string(cursor);
        if (query == NULL)
            return FALSE;
        for (gsize k = 0; k < G_N_ELEMENTS(contexts); k++)
            if (is_there(&contexts[k], export) && matches(&contexts[k], query, list))
                *ret |= contexts[k].id;
    }
    return cursor->left == 0;
}

static gboolean
tell(struct nbd_session *session, const struct nbd_option *option, const struct context *context)
{
    guint8 data[4 + 32];
    gsize length = strlen(context->name);
    g_assert(length <= sizeof data - 4);
    big_endian_put32(data, option->number == NBD_OPT_SET_META_CONTEXT ? context->id : 0);
    memcpy(data + 4, context->name, length);
    return nbd_handshake_reply(session, option, NBD_REP_META_CONTEXT, data, 4 + length);
}

gboolean
nbd_contexts_answer(struct nbd_session *session, const struct nbd_option *option)
{
    gboolean list = option->number == NBD_OPT_LIST_META_CONTEXT;
    if (!list)
        session->contexts = 0;
    if (!session->structured)
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_INVALID,
                                    "contexts need structured replies; ask for those first");
    struct nbd_cursor cursor = {option->data, option->length};
    g_autofree char *name = nbd_cursor_get_string(&cursor);
    if (name == NULL)
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_INVALID, "malformed");
    const struct nbd_export *export = nbd_service_find(session->service, name);
    if (export == NULL)
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_UNKNOWN, "no such export");
    unsigned chosen;
    if (!choose(&cursor, export, list, &chosen))
        return nbd_handshake_refuse(session, option, NBD_REP_ERR_INVALID, "malformed");
    for (gsize k = 0; k < G_N_ELEMENTS(contexts); k++)
        if ((chosen & contexts[k].id) && !tell(session, option, &contexts[k]))
            return FALSE;
    if (!list) {
        session->contexts = chosen;
        session->context_export = export;
    }
    return nbd_handshake_reply(session, option, NBD_REP_ACK, NULL, 0);
}
