/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_server.h"

#include "base/error.h"
#include "base/secret.h"
#include "target/iscsi_private.h"

#include <stdarg.h>

#define PORT 3260
#define ALIAS_MAX 255u

void
iscsi_server_log(const struct iscsi_server *server, const char *peer, const char *format, ...)
{
    if (server->options.log == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = g_strdup_printf("%s: %s", peer, words);
    server->options.log(line, server->options.log_data);
}

/* ---- Options --------------------------------------------------------------------------------- */

static gboolean
check_account(const struct iscsi_account *account, GError **error)
{
    g_autofree char *shown = iscsi_printable(account->user);
    if (*account->user == '\0' || strlen(account->user) > CHAP_NAME_MAX ||
        !g_str_equal(shown, account->user))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the user %s: a name for CHAP has 1 to %u printable characters", shown,
                         ISCSI_NAME_MAX);
    gsize length = account->secret != NULL ? strlen(account->secret) : 0;
    if (length < ISCSI_SECRET_MIN || length > ISCSI_SECRET_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the secret of user %s has %zu characters; a secret for CHAP has %u to %u "
                         "(Windows takes 12 to 16)",
                         shown, length, ISCSI_SECRET_MIN, ISCSI_SECRET_MAX);
    return TRUE;
}

static gboolean
check_accounts(const struct iscsi_options *options, GError **error)
{
    for (guint i = 0; i < options->n_accounts; i++) {
        const struct iscsi_account *account = &options->accounts[i];
        if (!check_account(account, error))
            return FALSE;
        if (options->own.user != NULL && g_strcmp0(options->own.secret, account->secret) == 0)
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "the target's own secret is that of user %s: who knows one could play "
                             "the other; give it another one",
                             account->user);
        for (guint k = 0; k < i; k++) {
            if (g_str_equal(options->accounts[k].user, account->user))
                return error_set(error, SLIPWAY_ERROR_USAGE, "the user %s is given twice",
                                 account->user);
        }
    }
    if (options->own.user != NULL && options->n_accounts == 0)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the target has an account of its own and initiators have none: with "
                         "mutual CHAP both prove themselves");
    if (options->mutual_only && options->own.user == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "mutual CHAP is required, and the target has no account of its own");
    return options->own.user == NULL || check_account(&options->own, error);
}

gboolean
iscsi_check_name(const char *name, GError **error)
{
    if (name != NULL && iscsi_name_is_valid(name))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "%s is no name of a target; give one as iqn.2026-01.org.example:disk, of "
                     "lower-case letters, digits, '-', '.' and ':', and at most %u of them",
                     name != NULL ? name : "(nothing)", ISCSI_NAME_MAX);
}

static gboolean
check_options(const struct iscsi_options *options, GError **error)
{
    if (!iscsi_check_name(options->name, error))
        return FALSE;
    if (options->alias != NULL && strlen(options->alias) > ALIAS_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE, "an alias has at most %u bytes", ALIAS_MAX);
    return check_accounts(options, error);
}

static const char *const *
copy_list(const char *const *list)
{
    return (const char *const *)g_strdupv((char **)list);
}

static struct iscsi_account *
copy_accounts(const struct iscsi_account *accounts, guint n)
{
    struct iscsi_account *copy = g_new0(struct iscsi_account, n);
    for (guint i = 0; i < n; i++)
        copy[i] = (struct iscsi_account){g_strdup(accounts[i].user), g_strdup(accounts[i].secret)};
    return copy;
}

static void
copy_options(struct iscsi_options *to, const struct iscsi_options *from)
{
    *to = *from;
    to->name = iscsi_name_fold(from->name);
    to->alias = g_strdup(from->alias);
    to->listen = NULL; /* the listener has them */
    to->addresses = NULL;
    to->advertise = copy_list(from->advertise);
    to->initiators = copy_list(from->initiators);
    to->accounts = copy_accounts(from->accounts, from->n_accounts);
    to->own.user = g_strdup(from->own.user);
    to->own.secret = g_strdup(from->own.secret);
    to->login_seconds = from->login_seconds > 0 ? from->login_seconds : ISCSI_LOGIN_S;
    to->idle_seconds = from->idle_seconds > 0 ? from->idle_seconds : ISCSI_IDLE_S;
}

static void
clear_options(struct iscsi_options *options)
{
    for (guint i = 0; i < options->n_accounts; i++) {
        g_free((char *)options->accounts[i].user);
        secret_free((char *)options->accounts[i].secret);
    }
    g_free((gpointer)options->accounts);
    g_free((char *)options->own.user);
    secret_free((char *)options->own.secret);
    g_strfreev((char **)options->advertise);
    g_strfreev((char **)options->initiators);
    g_free((char *)options->alias);
    g_free((char *)options->name);
}

/* ---- Start and stop -------------------------------------------------------------------------- */

static void
log_refused(const char *words, gpointer data)
{
    const struct iscsi_server *server = data;
    if (server->options.log != NULL)
        server->options.log(words, server->options.log_data);
}

struct iscsi_server *
iscsi_server_start(const struct iscsi_options *options, GError **error)
{
    if (!check_options(options, error))
        return NULL;
    auto_ptr(iscsi_server) server = g_new0(struct iscsi_server, 1);
    copy_options(&server->options, options);
    server->target_port = g_strdup_printf("%s,t,0x0001", server->options.name);
    server->penalty = iscsi_penalty_new();
    server->nexuses = g_ptr_array_new();
    g_mutex_init(&server->lock);
    g_cond_init(&server->changed);
    struct listener_options listener = {.listen = options->listen,
                                        .port = PORT,
                                        .addresses = options->addresses,
                                        .connections = options->connections,
                                        .serve = iscsi_connection_serve,
                                        .refuse = log_refused,
                                        .data = server};
    server->listener = listener_start(&listener, error);
    return server->listener != NULL ? g_steal_pointer(&server) : NULL;
}

void
iscsi_server_end_sessions(struct iscsi_server *server)
{
    g_mutex_lock(&server->lock);
    for (guint i = 0; i < server->nexuses->len; i++)
        iscsi_nexus_end(server->nexuses->pdata[i]);
    g_mutex_unlock(&server->lock);
}

static void
ask_logout(struct iscsi_nexus *nexus)
{
    g_mutex_lock(&nexus->lock);
    for (guint i = 0; i < nexus->connections->len; i++)
        iscsi_connection_order(nexus->connections->pdata[i], ISCSI_ORDER_LOGOUT);
    g_mutex_unlock(&nexus->lock);
}

/* Initiators that are asked log out, and know then that this is no failure. */
static void
end_in_order(struct iscsi_server *server)
{
    gint64 until = g_get_monotonic_time() + ISCSI_LOGOUT_WAIT_S * G_TIME_SPAN_SECOND;
    g_mutex_lock(&server->lock);
    server->stopping = TRUE;
    for (guint i = 0; i < server->nexuses->len; i++) {
        struct iscsi_nexus *nexus = server->nexuses->pdata[i];
        if (nexus->scsi != NULL)
            ask_logout(nexus);
        else
            iscsi_nexus_end(nexus);
    }
    while (server->nexuses->len > 0 && g_cond_wait_until(&server->changed, &server->lock, until))
        continue;
    g_mutex_unlock(&server->lock);
}

void
iscsi_server_stop(struct iscsi_server *server)
{
    if (server == NULL)
        return;
    if (server->listener != NULL) {
        listener_close(server->listener);
        end_in_order(server);
        listener_stop(server->listener);
    }
    iscsi_penalty_free(server->penalty);
    g_ptr_array_unref(server->nexuses);
    g_mutex_clear(&server->lock);
    g_cond_clear(&server->changed);
    g_free(server->target_port);
    clear_options(&server->options);
    g_free(server);
}

/* ---- What is told ---------------------------------------------------------------------------- */

const char *const *
iscsi_server_addresses(struct iscsi_server *server)
{
    return listener_addresses(server->listener);
}

static void
free_session(gpointer data)
{
    struct iscsi_session *session = data;
    g_free(session->initiator);
    g_free(session->address);
    g_free(session->user);
    g_free(session);
}

static struct iscsi_session *
new_session(struct iscsi_nexus *nexus)
{
    struct iscsi_session *session = g_new0(struct iscsi_session, 1);
    session->initiator = g_strdup(nexus->initiator);
    session->address = g_strdup(nexus->address);
    session->user = g_strdup(nexus->user);
    session->mutual = nexus->mutual;
    session->hash = nexus->hash;
    session->header_digest = nexus->parameters.header_digest;
    session->data_digest = nexus->parameters.data_digest;
    session->since = nexus->since;
    g_mutex_lock(&nexus->lock);
    session->connections = nexus->connections->len;
    g_mutex_unlock(&nexus->lock);
    return session;
}

GPtrArray *
iscsi_server_sessions(struct iscsi_server *server)
{
    GPtrArray *sessions = g_ptr_array_new_with_free_func(free_session);
    g_mutex_lock(&server->lock);
    for (guint i = 0; i < server->nexuses->len; i++) {
        struct iscsi_nexus *nexus = server->nexuses->pdata[i];
        if (nexus->scsi != NULL)
            g_ptr_array_add(sessions, new_session(nexus));
    }
    g_mutex_unlock(&server->lock);
    return sessions;
}

char *
iscsi_make_secret(guint length)
{
    return chap_make_secret(length);
}
