/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "cli/session_intern.h"

struct session *
session_new(const struct arguments *arguments, struct ui *ui)
{
    struct session *session = g_new0(struct session, 1);
    session->arguments = arguments;
    session->ui = ui;
    return session;
}

void
session_free(struct session *session)
{
    if (session == NULL)
        return;
    depot_set_free(session->depots);
    http_cache_free(session->cache);
    http_client_free(session->client);
    trust_store_free(session->trust);
    store_close(session->store);
    workspace_close(session->workspace);
    for (gsize i = 0; i < OPTION_N; i++)
        secret_free(session->secrets[i]);
    secret_free(session->host_password);
    if (session->entrusted != NULL)
        g_ptr_array_unref(session->entrusted);
    g_free(session->downloads);
    g_free(session);
}

const struct arguments *
session_arguments(const struct session *session)
{
    return session->arguments;
}

struct ui *
session_ui(const struct session *session)
{
    return session->ui;
}

struct progress *
session_progress(const struct session *session)
{
    return ui_progress(session->ui);
}

gboolean
session_flag(const struct session *session, enum option_id id)
{
    return arguments_flag(session->arguments, id);
}

const char *
session_text(const struct session *session, enum option_id id)
{
    return arguments_text(session->arguments, id);
}

const char *const *
session_list(const struct session *session, enum option_id id)
{
    return arguments_list(session->arguments, id);
}

const char *
session_operand(const struct session *session, guint index)
{
    return arguments_operand(session->arguments, index);
}

const char *const *
session_operands(const struct session *session, guint first)
{
    const char *const *operands = arguments_operands(session->arguments);
    for (guint i = 0; i < first && *operands != NULL; i++)
        operands++;
    return operands;
}

const char *
session_required(const struct session *session, enum option_id id, GError **error)
{
    const char *text = session_text(session, id);
    if (text != NULL)
        return text;
    return error_null(error, SLIPWAY_ERROR_USAGE, "--%s %s is missing", option_row(id)->name,
                      option_row(id)->argument);
}

gboolean
session_acceptance(const struct session *session, enum option_id id, enum acceptance *ret_level,
                   GError **error)
{
    const char *text = session_text(session, id);
    if (text == NULL || acceptance_parse(text, ret_level))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "--%s %s: one of community, partner, accepted, certified is wanted",
                     option_row(id)->name, text);
}

struct workspace *
session_workspace(struct session *session, GError **error)
{
    if (session->workspace == NULL)
        session->workspace = workspace_open(session_text(session, OPTION_WORKSPACE), error);
    return session->workspace;
}

struct depot_set *
session_depots(struct session *session, GError **error)
{
    if (session->depots != NULL)
        return session->depots;
    struct workspace *workspace = session_workspace(session, error);
    const struct depot_context *context =
        workspace != NULL ? session_context(session, error) : NULL;
    if (context == NULL)
        return NULL;
    session->depots = workspace_load(workspace, context, error);
    return session->depots;
}

gboolean
session_trust(struct session *session, const struct trust_store **ret_store, GError **error)
{
    *ret_store = NULL;
    if (session_flag(session, OPTION_NO_SIGNATURE_CHECK)) {
        ui_warning(session->ui, "signatures are not checked: anybody may have made these VIBs");
        return TRUE;
    }
    if (session->trust == NULL) {
        session->trust = trust_store_new();
        const char *const *files = session_list(session, OPTION_TRUST);
        for (gsize i = 0; files != NULL && files[i] != NULL; i++) {
            if (!trust_store_add_file(session->trust, files[i], error))
                return FALSE;
        }
    }
    *ret_store = session->trust;
    return TRUE;
}

/* Read once: standard input gives it only once. */
gboolean
session_secret(struct session *session, enum option_id id, const char *variable,
               const char **ret_secret, GError **error)
{
    const char *path = session_text(session, id);
    const char *value = g_getenv(variable);
    if (session->secrets[id] == NULL && path != NULL) {
        session->secrets[id] = secret_read_file(path, error);
        if (session->secrets[id] == NULL)
            return FALSE;
    } else if (session->secrets[id] == NULL && value != NULL && *value != '\0') {
        session->secrets[id] = g_strdup(value);
        secret_register(value);
    }
    *ret_secret = session->secrets[id];
    return TRUE;
}
