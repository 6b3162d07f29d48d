/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/rest.h"

#include "base/error.h"
#include "base/secret.h"

#include <string.h>

#define ANSWER_MAX (16u << 20) /* bytes */
#define TEXT_MAX 1024u
#define LIMIT_S 120L

struct rest {
    struct vsphere *vsphere;
    CURL *curl;
    gboolean old; /* /rest */
    char *token;
};

/* ---- One request ----------------------------------------------------------------------------- */

static gsize
take_body(char *data, gsize size, gsize count, void *user)
{
    GByteArray *body = user;
    gsize length = size * count;
    if (length > ANSWER_MAX - body->len)
        return 0;
    g_byte_array_append(body, (const guint8 *)data, (guint)length);
    return length;
}

static void
set_request(struct rest *rest, const char *verb, const char *url, const char *text,
            GByteArray *body)
{
    CURL *curl = rest->curl;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, verb);
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (strcmp(verb, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(text != NULL ? strlen(text) : 0));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text != NULL ? text : "");
    }
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, LIMIT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    /* Only to get the session. */
    gboolean first = rest->token == NULL;
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME, first ? rest->vsphere->user : NULL);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, first ? rest->vsphere->password : NULL);
}

static struct curl_slist *
set_headers(struct rest *rest)
{
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    list = curl_slist_append(list, "Accept: application/json");
    if (rest->token != NULL) {
        g_autofree char *line = g_strconcat("vmware-api-session-id: ", rest->token, NULL);
        list = curl_slist_append(list, line);
    }
    curl_easy_setopt(rest->curl, CURLOPT_HTTPHEADER, list);
    return list;
}

static json_t *
parse(struct rest *rest, const GByteArray *body, GError **error)
{
    json_error_t trouble;
    if (body->len == 0)
        return json_null();
    json_t *answer = json_loadb((const char *)body->data, body->len, JSON_DECODE_ANY, &trouble);
    if (answer == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: the answer is no JSON: %s",
                          rest->vsphere->base.label, trouble.text);
    json_t *value = rest->old ? json_object_get(answer, "value") : NULL;
    if (value == NULL)
        return answer;
    json_incref(value);
    json_decref(answer);
    return value;
}

/* The first of its messages; NULL. */
static char *
find_words(const GByteArray *body)
{
    json_t *answer = json_loadb((const char *)body->data, body->len, JSON_DECODE_ANY, NULL);
    json_t *value = json_object_get(answer, "value");
    const json_t *messages = json_object_get(value != NULL ? value : answer, "messages");
    char *words = rest_text(json_object_get(json_array_get(messages, 0), "default_message"));
    json_decref(answer);
    return words;
}

static gpointer
fail(struct rest *rest, CURLcode code, long status, const GByteArray *body, GError **error)
{
    const char *label = rest->vsphere->base.label;
    if (code == CURLE_WRITE_ERROR)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "%s: an answer of more than %u bytes", label,
                          ANSWER_MAX);
    if (code == CURLE_OK && status == 403)
        return error_null(error, SLIPWAY_ERROR_DENIED, "%s: the account may not do that (403)",
                          label);
    if (code == CURLE_OK && status == 400) {
        g_autofree char *words = find_words(body);
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED, "%s: the server refuses it (400)%s%s",
                          label, words != NULL ? ": " : "", words != NULL ? words : "");
    }
    vim_curl_failure(rest->curl, code, NULL, error);
    return NULL;
}

/* The answer, to be json_decref()ed; json_null() for an empty one. */
static json_t *
ask(struct rest *rest, const char *verb, const char *path, const char *text, GError **error)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    g_autofree char *url = g_strconcat(vim_url(rest->vsphere->vim),
                                       rest->old ? "/rest/com/vmware/cis" : "/api", path, NULL);
    set_request(rest, verb, url, text, body);
    struct curl_slist *headers = set_headers(rest);
    CURLcode code = curl_easy_perform(rest->curl);
    long status = 0;
    curl_easy_getinfo(rest->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(rest->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return code == CURLE_OK && status >= 200 && status < 300
               ? parse(rest, body, error)
               : fail(rest, code, status, body, error);
}

char *
rest_text(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && *text != '\0' && strlen(text) <= TEXT_MAX ? g_strdup(text) : NULL;
}

/* ---- The session ----------------------------------------------------------------------------- */

static gboolean
log_in_as(struct rest *rest, gboolean old, GError **error)
{
    rest->old = old;
    json_t *answer = ask(rest, "POST", "/session", NULL, error);
    if (answer == NULL)
        return FALSE;
    rest->token = rest_text(answer);
    json_decref(answer);
    if (rest->token != NULL && strpbrk(rest->token, "\r\n") != NULL)
        g_clear_pointer(&rest->token, g_free);
    if (rest->token == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: a session without a token",
                         rest->vsphere->base.label);
    secret_register(rest->token);
    return TRUE;
}

static gboolean
log_in(struct rest *rest, GError **error)
{
    const char *version = vim_service(rest->vsphere->vim)->version;
    guint64 major = version != NULL ? g_ascii_strtoull(version, NULL, 10) : 0;
    g_autoptr(GError) failure = NULL;
    if (major >= 7) {
        if (log_in_as(rest, FALSE, &failure))
            return TRUE;
        if (!g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    return log_in_as(rest, TRUE, error);
}

static void
log_out(struct rest *rest)
{
    g_autoptr(GError) failure = NULL;
    if (rest->token == NULL)
        return;
    json_t *answer = ask(rest, "DELETE", "/session", NULL, &failure);
    if (answer == NULL)
        progress_debug(rest->vsphere->base.progress, "the session for tags was not ended: %s",
                       failure->message);
    json_decref(answer);
}

struct rest *
rest_open(struct vsphere *vsphere, GError **error)
{
    struct rest *rest = g_new0(struct rest, 1);
    rest->vsphere = vsphere;
    rest->curl = vim_curl(vsphere->vim, NULL);
    if (log_in(rest, error))
        return rest;
    rest_close(rest);
    return NULL;
}

void
rest_close(struct rest *rest)
{
    if (rest == NULL)
        return;
    log_out(rest);
    secret_free(rest->token);
    curl_easy_cleanup(rest->curl);
    g_free(rest);
}

/* ---- Tags, categories, and what they are on -------------------------------------------------- */

static char *
format_path(const struct rest *rest, const char *kind, const char *id, const char *action)
{
    GString *path = g_string_new(rest->old ? "/tagging/" : "/cis/tagging/");
    g_string_append(path, kind);
    if (id != NULL) {
        char *escaped = curl_easy_escape(rest->curl, id, 0);
        g_string_append_printf(path, rest->old ? "/id:%s" : "/%s", escaped != NULL ? escaped : "");
        curl_free(escaped);
    }
    if (action != NULL)
        g_string_append_printf(path, rest->old ? "?~action=%s" : "?action=%s", action);
    return g_string_free(path, FALSE);
}

json_t *
rest_get(struct rest *rest, const char *kind, const char *id, GError **error)
{
    g_autofree char *path = format_path(rest, kind, id, NULL);
    return ask(rest, "GET", path, NULL, error);
}

json_t *
rest_do(struct rest *rest, const char *kind, const char *id, const char *action, json_t *body,
        GError **error)
{
    g_autofree char *path = format_path(rest, kind, id, action);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *answer = ask(rest, "POST", path, text, error);
    free(text);
    json_decref(body);
    return answer;
}

/* The old interface wants the category in the path too. */
json_t *
rest_list_tags(struct rest *rest, const char *category, GError **error)
{
    return rest_do(rest, "tag", rest->old ? category : NULL, "list-tags-for-category",
                   json_pack("{s:s}", "category_id", category), error);
}
