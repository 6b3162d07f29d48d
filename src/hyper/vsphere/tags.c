/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "hyper/vsphere/vsphere.h"

#include <jansson.h>
#include <string.h>

/* The web services interface knows no tags; vCenter has a REST one for them, with a session of its
 * own: /rest/com/vmware/cis since 6.5, /api since 7.0. */
#define ANSWER_MAX (16u << 20) /* bytes */
#define TEXT_MAX 1024u
#define OBJECTS_PER_CALL 500u
#define TAGS_MAX 10000u /* different ones */
#define LIMIT_S 120L

struct rest {
    struct vsphere *vsphere;
    CURL *curl;
    gboolean old; /* /rest */
    char *token;
    GHashTable *tags;       /* char * id -> char * "category/tag" */
    GHashTable *categories; /* char * id -> char * name */
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
    if (code == CURLE_OK && status >= 200 && status < 300)
        return parse(rest, body, error);
    if (code == CURLE_WRITE_ERROR)
        error_set(error, SLIPWAY_ERROR_LIMIT, "%s: an answer of more than %u bytes",
                  rest->vsphere->base.label, ANSWER_MAX);
    else
        vim_curl_failure(rest->curl, code, NULL, error);
    return NULL;
}

/* ---- The session ----------------------------------------------------------------------------- */

static char *
text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && *text != '\0' && strlen(text) <= TEXT_MAX ? g_strdup(text) : NULL;
}

static gboolean
log_in_as(struct rest *rest, gboolean old, GError **error)
{
    rest->old = old;
    json_t *answer = ask(rest, "POST", "/session", NULL, error);
    if (answer == NULL)
        return FALSE;
    rest->token = text_of(answer);
    json_decref(answer);
    if (rest->token == NULL || strpbrk(rest->token, "\r\n") != NULL)
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

/* ---- Names ----------------------------------------------------------------------------------- */

static json_t *
read_item(struct rest *rest, const char *kind, const char *id, GError **error)
{
    char *escaped = curl_easy_escape(rest->curl, id, 0);
    g_autofree char *path =
        g_strconcat(rest->old ? "" : "/cis", "/tagging/", kind, rest->old ? "/id:" : "/",
                    escaped != NULL ? escaped : "", NULL);
    curl_free(escaped);
    return ask(rest, "GET", path, NULL, error);
}

static const char *
category_name(struct rest *rest, const char *id, GError **error)
{
    const char *known = g_hash_table_lookup(rest->categories, id);
    if (known != NULL)
        return known;
    json_t *answer = read_item(rest, "category", id, error);
    if (answer == NULL)
        return NULL;
    char *name = text_of(json_object_get(answer, "name"));
    json_decref(answer);
    if (name == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "a category of tags without a name");
    g_hash_table_insert(rest->categories, g_strdup(id), name);
    return name;
}

static const char *
tag_name(struct rest *rest, const char *id, GError **error)
{
    const char *known = g_hash_table_lookup(rest->tags, id);
    if (known != NULL)
        return known;
    if (g_hash_table_size(rest->tags) >= TAGS_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "more than %u tags", TAGS_MAX);
    json_t *answer = read_item(rest, "tag", id, error);
    if (answer == NULL)
        return NULL;
    g_autofree char *name = text_of(json_object_get(answer, "name"));
    g_autofree char *category = text_of(json_object_get(answer, "category_id"));
    json_decref(answer);
    if (name == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "a tag without a name");
    const char *of = category != NULL ? category_name(rest, category, error) : NULL;
    if (category != NULL && of == NULL)
        return NULL;
    char *full = of != NULL ? g_strconcat(of, "/", name, NULL) : g_strdup(name);
    g_hash_table_insert(rest->tags, g_strdup(id), full);
    return full;
}

/* ---- Of machines ----------------------------------------------------------------------------- */

static char *
format_objects(GHashTable *machines, GPtrArray *list, guint from, guint to)
{
    json_t *ids = json_array();
    for (guint i = from; i < to; i++) {
        struct machine *machine = list->pdata[i];
        struct moref moref = {0};
        if (machine->ref == NULL || !moref_parse(machine->ref, &moref))
            continue;
        json_array_append_new(ids, json_pack("{s:s, s:s}", "id", moref.value, "type", moref.type));
        g_hash_table_insert(machines, g_strdup(moref.value), machine);
        moref_clear(&moref);
    }
    json_t *body = json_pack("{s:o}", "object_ids", ids);
    char *text = json_dumps(body, JSON_COMPACT);
    char *copy = g_strdup(text);
    free(text);
    json_decref(body);
    return copy;
}

static gboolean
add_tags(struct rest *rest, struct machine *machine, const json_t *ids, GError **error)
{
    gsize i;
    json_t *id;
    json_array_foreach((json_t *)ids, i, id)
    {
        g_autofree char *text = text_of(id);
        if (text == NULL || machine->tags->len >= MACHINE_TAGS_MAX)
            continue;
        g_autoptr(GError) failure = NULL;
        const char *name = tag_name(rest, text, &failure);
        if (name != NULL)
            g_ptr_array_add(machine->tags, g_strdup(name));
        /* One that was deleted meanwhile is none. */
        else if (!g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    return TRUE;
}

static gint
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static gboolean
take_answer(struct rest *rest, GHashTable *machines, const json_t *answer, GError **error)
{
    gsize i;
    json_t *item;
    json_array_foreach((json_t *)answer, i, item)
    {
        const char *id =
            json_string_value(json_object_get(json_object_get(item, "object_id"), "id"));
        struct machine *machine = id != NULL ? g_hash_table_lookup(machines, id) : NULL;
        if (machine == NULL)
            continue;
        if (!add_tags(rest, machine, json_object_get(item, "tag_ids"), error))
            return FALSE;
        g_ptr_array_sort(machine->tags, compare_texts);
    }
    return TRUE;
}

static gboolean
read_tags(struct rest *rest, GPtrArray *list, GError **error)
{
    const char *path = rest->old
                           ? "/tagging/tag-association?~action=list-attached-tags-on-objects"
                           : "/cis/tagging/tag-association?action=list-attached-tags-on-objects";
    for (guint from = 0; from < list->len; from += OBJECTS_PER_CALL) {
        g_autoptr(GHashTable) machines =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autofree char *text =
            format_objects(machines, list, from, MIN(list->len, from + OBJECTS_PER_CALL));
        json_t *answer = ask(rest, "POST", path, text, error);
        if (answer == NULL)
            return FALSE;
        gboolean ok = take_answer(rest, machines, answer, error);
        json_decref(answer);
        if (!ok)
            return FALSE;
    }
    return TRUE;
}

static void
tell_failure(struct vsphere *vsphere, const GError *failure)
{
    /* Before 6.5 there is no such interface, and nothing to be told. */
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        progress_debug(vsphere->base.progress, "no tags: %s", failure->message);
    else
        progress_warning(vsphere->base.progress,
                         "%s: tags could not be read, machines seem to have none: %s",
                         vsphere->base.label, failure->message);
}

gboolean
vsphere_tags(struct vsphere *vsphere, GPtrArray *machines, GError **error G_GNUC_UNUSED)
{
    g_autoptr(GError) failure = NULL;
    if (!vim_service(vsphere->vim)->manager || machines->len == 0)
        return TRUE;
    struct rest rest = {.vsphere = vsphere,
                        .curl = vim_curl(vsphere->vim, NULL),
                        .tags = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
                        .categories =
                            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
    if (!log_in(&rest, &failure) || !read_tags(&rest, machines, &failure))
        tell_failure(vsphere, failure);
    log_out(&rest);
    secret_free(rest.token);
    g_hash_table_unref(rest.tags);
    g_hash_table_unref(rest.categories);
    curl_easy_cleanup(rest.curl);
    return TRUE;
}
