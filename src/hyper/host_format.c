/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/host_format.h"

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1

/* The texts of a host that may be missing. */
static const struct text {
    const char *name;
    gsize offset;
} texts[] = {
    {"user", offsetof(struct host, user)},
    {"password_file", offsetof(struct host, password_file)},
    {"ca_file", offsetof(struct host, ca_file)},
    {"thumbprint", offsetof(struct host, thumbprint)},
    {"own_machine", offsetof(struct host, own_machine)},
    {"id", offsetof(struct host, id)},
    {"product", offsetof(struct host, product)},
};

static char **
text_at(const struct text *text, const struct host *host)
{
    return (char **)((char *)host + text->offset);
}

/* It is the name of a file too. */
static gboolean
is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    gsize length = name != NULL ? strlen(name) : 0;
    return length >= 1 && length <= HOST_LABEL_MAX && strspn(name, allowed) == length &&
           *name != '.' && *name != '-';
}

static gboolean
check_text(const char *name, const char *text, GError **error)
{
    if (text == NULL || (strlen(text) <= HOST_TEXT_MAX && g_utf8_validate(text, -1, NULL)))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE, "its \"%s\" is longer than %u bytes or no UTF-8",
                     name, HOST_TEXT_MAX);
}

gboolean
host_format_check(const struct host *host, GError **error)
{
    g_autofree char *split = NULL;
    if (!is_name(host->name))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "a host's name has 1 to %u of A-Z a-z 0-9 . _ - and begins with a letter, "
                         "a digit or _",
                         HOST_LABEL_MAX);
    if (!hypervisor_uri_split(host->uri, &split, NULL, error)) {
        g_prefix_error(error, "host %s: ", host->name);
        return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        if (!check_text(texts[i].name, *text_at(&texts[i], host), error)) {
            g_prefix_error(error, "host %s: ", host->name);
            return FALSE;
        }
    return TRUE;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* FALSE when it is there and no text. */
static gboolean
take_text(const json_t *object, const char *name, char **ret, GError **error)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL)
        return TRUE;
    if (!json_is_string(value) || json_string_length(value) > HOST_TEXT_MAX)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "\"%s\" is no text of at most %u bytes",
                         name, HOST_TEXT_MAX);
    *ret = g_strdup(json_string_value(value));
    return TRUE;
}

static gboolean
take_flag(const json_t *object, const char *name, gboolean *ret, GError **error)
{
    const json_t *value = json_object_get(object, name);
    if (value != NULL && !json_is_boolean(value))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "\"%s\" is neither true nor false", name);
    *ret = json_is_true(value);
    return TRUE;
}

static gboolean
take_transport(const json_t *object, enum hypervisor_transport *ret, GError **error)
{
    g_autofree char *text = NULL;
    if (!take_text(object, "transport", &text, error))
        return FALSE;
    return text == NULL || hypervisor_transport_parse(text, ret) ||
           error_set(error, SLIPWAY_ERROR_CORRUPT, "\"transport\" is none that is known");
}

static gboolean
take_host(const json_t *object, struct host *host, GError **error)
{
    if (!json_is_object(object))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "no object");
    if (!take_text(object, "name", &host->name, error) ||
        !take_text(object, "uri", &host->uri, error) ||
        !take_flag(object, "insecure", &host->insecure, error) ||
        !take_flag(object, "own_password", &host->own_file, error) ||
        !take_transport(object, &host->transport, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        if (!take_text(object, texts[i].name, text_at(&texts[i], host), error))
            return FALSE;
    if (host->own_file)
        g_clear_pointer(&host->password_file, g_free);
    g_autoptr(GError) wrong = NULL;
    return host_format_check(host, &wrong) ||
           error_set(error, SLIPWAY_ERROR_CORRUPT, "%s", wrong->message);
}

static gboolean
take_hosts(const json_t *array, GPtrArray *hosts, GError **error)
{
    if (!json_is_array(array))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "no list called \"hosts\" in it");
    if (json_array_size(array) > HOST_LIST_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "more than %u hosts", HOST_LIST_MAX);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    for (gsize i = 0; i < json_array_size(array); i++) {
        struct host *host = host_new();
        g_ptr_array_add(hosts, host);
        gboolean ok = take_host(json_array_get(array, i), host, error);
        if (ok && !g_hash_table_add(names, host->name))
            ok = error_set(error, SLIPWAY_ERROR_CORRUPT, "the name %s is another one's too",
                           host->name);
        if (!ok) {
            g_prefix_error(error, "host %" G_GSIZE_FORMAT ": ", i + 1);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
check_version(const json_t *root, GError **error)
{
    const json_t *version = json_object_get(root, "format");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "no \"format\" in it");
    return json_integer_value(version) == VERSION ||
           error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "written by a newer slipway; use that one");
}

gboolean
host_format_parse(const char *text, gsize length, GPtrArray *hosts, GError **error)
{
    if (length > HOST_FORMAT_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "larger than %u bytes", HOST_FORMAT_MAX);
    json_error_t why;
    json_t *root = json_loadb(text != NULL ? text : "", length, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "line %d: %s", why.line, why.text);
    gboolean ok =
        check_version(root, error) && take_hosts(json_object_get(root, "hosts"), hosts, error);
    json_decref(root);
    return ok;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static json_t *
print_host(const struct host *host)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(host->name));
    json_object_set_new(object, "uri", json_string(host->uri));
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *text = *text_at(&texts[i], host);
        gboolean hidden = host->own_file && text == host->password_file;
        if (text != NULL && !hidden)
            json_object_set_new(object, texts[i].name, json_string(text));
    }
    json_object_set_new(object, "own_password", json_boolean(host->own_file));
    json_object_set_new(object, "insecure", json_boolean(host->insecure));
    json_object_set_new(object, "transport",
                        json_string(hypervisor_transport_name(host->transport)));
    return object;
}

char *
host_format_print(const GPtrArray *hosts, GError **error)
{
    json_t *array = json_array();
    for (guint i = 0; i < hosts->len; i++)
        json_array_append_new(array, print_host(g_ptr_array_index(hosts, i)));
    json_t *root = json_pack("{s:i, s:o}", "format", VERSION, "hosts", array);
    char *allocated = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(root);
    g_autofree char *text = g_strconcat(allocated, "\n", NULL);
    free(allocated);
    if (strlen(text) > HOST_FORMAT_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "the list of hosts is larger than %u bytes",
                          HOST_FORMAT_MAX);
    return g_steal_pointer(&text);
}
