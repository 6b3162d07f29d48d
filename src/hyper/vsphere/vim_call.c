/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "hyper/vsphere/vim_private.h"

#include <string.h>

/* How often a session that was lost is made anew for one call. */
#define RENEWALS_MAX 2u

/* ---- With what is given ---------------------------------------------------------------------- */

static gboolean
may_repeat(const struct vim_exchange *exchange, const struct vim_reply *reply)
{
    if (exchange->stop != NULL && g_atomic_int_get(exchange->stop) != 0)
        return FALSE;
    return reply->transient && (exchange->method->harmless || !reply->sent);
}

/* The answer of the last try; TRUE when it has a body to look at. */
static gboolean
post(struct vim *vim, const struct vim_exchange *exchange, struct vim_reply *reply)
{
    g_autoptr(GString) body =
        vim_envelope(exchange->method->name, exchange->self, exchange->arguments);
    struct vim_post request = {.action = vim->action,
                               .body = body,
                               .cookie = exchange->cookie,
                               .once = !exchange->method->harmless,
                               .stop = exchange->stop,
                               .seconds = exchange->seconds};
    for (guint try = 1;; try++) {
        vim_post(vim, &request, reply);
        if (reply->failure == NULL || try > exchange->retries || !may_repeat(exchange, reply))
            break;
        progress_debug(vim->progress, "%s; trying again", reply->failure->message);
        vim_reply_clear(reply);
        g_usleep(http_handle_pause_us(vim->http, try));
    }
    /* Arguments may hold a password. */
    explicit_bzero(body->str, body->len);
    return reply->failure == NULL;
}

static gboolean
explain_lost(const struct vim_exchange *exchange, struct vim_reply *reply, GError **error)
{
    g_propagate_error(error, g_steal_pointer(&reply->failure));
    g_prefix_error(error, "%s: ", exchange->method->words);
    if (reply->transient && reply->sent && !exchange->method->harmless)
        g_prefix_error(error, "whether the server has done it is not known: ");
    return FALSE;
}

xmlDoc *
vim_exchange(struct vim *vim, const struct vim_exchange *exchange, struct vim_fault *ret_fault,
             GError **error)
{
    struct vim_reply reply = {0};
    xmlDoc *answer = NULL;
    if (post(vim, exchange, &reply)) {
        g_autofree char *label = g_strconcat(vim->label, ": ", exchange->method->name, NULL);
        answer = vim_answer_parse(reply.body->data, reply.body->len, label, ret_fault, error);
        if (answer == NULL && ret_fault->type != NULL)
            vim_fault_fail(ret_fault, vim->label, exchange->method, exchange->self, error);
    } else {
        explain_lost(exchange, &reply, error);
    }
    if (answer != NULL && exchange->ret_cookie != NULL)
        *exchange->ret_cookie = g_steal_pointer(&reply.cookie);
    vim_reply_clear(&reply);
    return answer;
}

/* ---- With the session ------------------------------------------------------------------------ */

/* One try with the cookie of now, and its number. */
static xmlDoc *
exchange_now(struct vim *vim, struct vim_exchange *exchange, guint *ret_number,
             struct vim_fault *ret_fault, GError **error)
{
    char *cookie = vim_cookie(vim, ret_number);
    exchange->cookie = cookie;
    xmlDoc *answer = vim_exchange(vim, exchange, ret_fault, error);
    exchange->cookie = NULL;
    secret_free(cookie);
    return answer;
}

xmlDoc *
vim_call(struct vim *vim, const char *method, const struct moref *self, const char *arguments,
         struct vim_fault *ret_fault, GError **error)
{
    struct vim_exchange exchange = {.method = vim_method_find(method),
                                    .self = self,
                                    .arguments = arguments,
                                    .retries = http_handle_retries(vim->http)};
    if (exchange.method == NULL)
        return error_null(error, SLIPWAY_ERROR_USAGE, "%s: no call that is used here", method);

    struct vim_fault fault = {0};
    xmlDoc *answer = NULL;
    for (guint renewals = 0;; renewals++) {
        g_autoptr(GError) failure = NULL;
        guint number = 0;
        answer = exchange_now(vim, &exchange, &number, &fault, &failure);
        if (answer != NULL)
            break;
        if (!vim_fault_is_session(&fault) || renewals >= RENEWALS_MAX) {
            g_propagate_error(error, g_steal_pointer(&failure));
            break;
        }
        vim_fault_clear(&fault);
        if (!vim_renew(vim, number, error))
            break;
    }
    if (ret_fault != NULL)
        *ret_fault = fault;
    else
        vim_fault_clear(&fault);
    return answer;
}
