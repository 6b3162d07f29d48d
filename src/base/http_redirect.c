/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/http_private.h"
#include "base/url.h"

/* Credentials in a URL stay with it while its origin does. */
static char *
carry_user(const char *from, const char *to)
{
    g_autofree char *from_origin = url_origin(from);
    g_autofree char *to_origin = url_origin(to);
    char *user = NULL, *password = NULL, *own = NULL, *url = NULL;
    CURLU *source = curl_url(), *target = curl_url();
    curl_url_set(source, CURLUPART_URL, from, 0);
    curl_url_set(target, CURLUPART_URL, to, 0);
    if (g_strcmp0(from_origin, to_origin) == 0 &&
        curl_url_get(target, CURLUPART_USER, &own, 0) != CURLUE_OK &&
        curl_url_get(source, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        curl_url_get(source, CURLUPART_PASSWORD, &password, 0);
        curl_url_set(target, CURLUPART_USER, user, 0);
        curl_url_set(target, CURLUPART_PASSWORD, password, 0);
    }
    char *carried =
        curl_url_get(target, CURLUPART_URL, &url, 0) == CURLUE_OK ? g_strdup(url) : g_strdup(to);
    curl_free(user);
    curl_free(password);
    curl_free(own);
    curl_free(url);
    curl_url_cleanup(source);
    curl_url_cleanup(target);
    return carried;
}

gboolean
http_redirect_asked(const struct http_exchange *exchange)
{
    long status = exchange->status;
    return http_exchange_answered(exchange) && exchange->location != NULL &&
           (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

char *
http_redirect_target(const struct http_exchange *exchange, GError **error)
{
    g_autoptr(GError) cause = NULL;
    url_register_secrets(exchange->location);
    g_autofree char *shown = url_redact(exchange->url);
    g_autofree char *target = url_resolve(exchange->url, exchange->location, &cause);
    if (target == NULL)
        return error_null(error, SLIPWAY_ERROR_NETWORK,
                          "%s: redirects to where no file can be fetched from: %s", shown,
                          cause->message);
    url_register_secrets(target);
    if (g_str_has_prefix(exchange->url, "https:") && !g_str_has_prefix(target, "https:")) {
        g_autofree char *target_shown = url_redact(target);
        return error_null(error, SLIPWAY_ERROR_NETWORK,
                          "%s: redirects from https to unprotected http (%s), which is refused; "
                          "give that URL itself if you trust the network",
                          shown, target_shown);
    }
    return carry_user(exchange->url, target);
}
