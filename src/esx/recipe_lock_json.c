/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text of a lock file.  Format: doc/format/recipe.md. */
#include "base/durable_file.h"
#include "base/error.h"
#include "esx/recipe_lock.h"

#include <jansson.h>
#include <string.h>

#define FORMAT 1
#define FILE_MODE 0644
#define SHA256_HEX 64

static int
compare_items(gconstpointer a, gconstpointer b)
{
    const struct recipe_lock_item *left = *(struct recipe_lock_item *const *)a;
    const struct recipe_lock_item *right = *(struct recipe_lock_item *const *)b;
    return strcmp(left->name, right->name);
}

static json_t *
text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *
format_items(const GPtrArray *items, const char *name_key)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    for (guint i = 0; i < items->len; i++)
        g_ptr_array_add(sorted, items->pdata[i]);
    g_ptr_array_sort(sorted, compare_items);

    json_t *list = json_array();
    for (guint i = 0; i < sorted->len; i++) {
        const struct recipe_lock_item *item = sorted->pdata[i];
        json_t *entry = json_object();
        json_object_set_new(entry, name_key, json_string(item->name));
        json_object_set_new(entry, "sha256", text_or_null(item->sha256));
        json_object_set_new(entry, "size", json_integer((json_int_t)item->size));
        if (item->depot != NULL)
            json_object_set_new(entry, "depot", json_string(item->depot));
        json_array_append_new(list, entry);
    }
    return list;
}

char *
recipe_lock_format(const struct recipe_lock *lock)
{
    json_t *profile = json_object();
    json_object_set_new(profile, "name", text_or_null(lock->profile_name));
    json_object_set_new(profile, "vendor", text_or_null(lock->profile_vendor));
    json_object_set_new(profile, "acceptance", json_string(acceptance_name(lock->acceptance)));
    json_t *output = json_object();
    json_object_set_new(output, "kind", text_or_null(lock->output_kind));
    json_object_set_new(output, "sha256", text_or_null(lock->output_sha256));
    json_object_set_new(output, "size", json_integer((json_int_t)lock->output_size));

    json_t *root = json_object();
    json_object_set_new(root, "format", json_integer(FORMAT));
    json_object_set_new(root, "profile", profile);
    json_object_set_new(root, "vibs", format_items(lock->vibs, "id"));
    json_object_set_new(root, "files", format_items(lock->files, "name"));
    json_object_set_new(root, "output", output);
    char *dump = json_dumps(root, JSON_SORT_KEYS | JSON_INDENT(2));
    json_decref(root);
    if (dump == NULL)
        g_error("out of memory");
    char *text = g_strconcat(dump, "\n", NULL);
    free(dump);
    return text;
}

gboolean
recipe_lock_write(const struct recipe_lock *lock, const char *path, GError **error)
{
    g_autofree char *text = recipe_lock_format(lock);
    return durable_file_put(path, text, strlen(text), FILE_MODE, error);
}

static gboolean
fail_damaged(const char *label, const char *what, GError **error)
{
    return error_set(
        error, SLIPWAY_ERROR_CORRUPT,
        "%s: is no lock file of a recipe: %s; make it anew by a build without --locked", label,
        what);
}

static gboolean
is_sha256(const char *text)
{
    return text != NULL && strlen(text) == SHA256_HEX &&
           strspn(text, "0123456789abcdef") == SHA256_HEX;
}

static gboolean
parse_items(const json_t *root, const char *list_key, const char *name_key, GPtrArray *items,
            const char *label, GError **error)
{
    const json_t *list = json_object_get(root, list_key);
    if (!json_is_array(list)) {
        g_autofree char *what = g_strdup_printf("it has no list '%s'", list_key);
        return fail_damaged(label, what, error);
    }
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    for (gsize i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(entry, name_key));
        const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
        const json_t *size = json_object_get(entry, "size");
        if (name == NULL || !is_sha256(sha256) || !json_is_integer(size) ||
            json_integer_value(size) < 0 || !g_hash_table_add(names, (gpointer)name)) {
            g_autofree char *what = g_strdup_printf("entry %zu of '%s'", i + 1, list_key);
            return fail_damaged(label, what, error);
        }
        struct recipe_lock_item *item = g_new0(struct recipe_lock_item, 1);
        item->name = g_strdup(name);
        item->sha256 = g_strdup(sha256);
        item->size = (guint64)json_integer_value(size);
        item->depot = g_strdup(json_string_value(json_object_get(entry, "depot")));
        g_ptr_array_add(items, item);
    }
    return TRUE;
}

static gboolean
parse_rest(const json_t *root, struct recipe_lock *lock, const char *label, GError **error)
{
    const json_t *profile = json_object_get(root, "profile");
    const json_t *output = json_object_get(root, "output");
    lock->profile_name = g_strdup(json_string_value(json_object_get(profile, "name")));
    lock->profile_vendor = g_strdup(json_string_value(json_object_get(profile, "vendor")));
    lock->output_kind = g_strdup(json_string_value(json_object_get(output, "kind")));
    lock->output_sha256 = g_strdup(json_string_value(json_object_get(output, "sha256")));
    lock->output_size = (guint64)json_integer_value(json_object_get(output, "size"));
    const char *level = json_string_value(json_object_get(profile, "acceptance"));
    if (level != NULL && *level != '\0' && !acceptance_parse(level, &lock->acceptance))
        return fail_damaged(label, "'acceptance'", error);
    return TRUE;
}

static gboolean
parse_root(const json_t *root, struct recipe_lock *lock, const char *label, GError **error)
{
    const json_t *format = json_object_get(root, "format");
    if (!json_is_integer(format))
        return fail_damaged(label, "it has no 'format'", error);
    if (json_integer_value(format) != FORMAT)
        return error_set(
            error, SLIPWAY_ERROR_UNSUPPORTED,
            "%s: was written by a newer version of slipway (format %" JSON_INTEGER_FORMAT ")",
            label, json_integer_value(format));
    return parse_items(root, "vibs", "id", lock->vibs, label, error) &&
           parse_items(root, "files", "name", lock->files, label, error) &&
           parse_rest(root, lock, label, error);
}

struct recipe_lock *
recipe_lock_parse(const void *data, gsize length, const char *label, GError **error)
{
    if (length == 0)
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: is empty; make it anew by a build without --locked", label);
    json_error_t where;
    json_t *root = json_loadb(data, length, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: line %d: is no JSON: %s", label,
                          where.line, where.text);
    auto_ptr(recipe_lock) lock = recipe_lock_new();
    gboolean ok = parse_root(root, lock, label, error);
    json_decref(root);
    return ok ? g_steal_pointer(&lock) : NULL;
}

struct recipe_lock *
recipe_lock_read(const char *path, GError **error)
{
    auto_ptr(stream) stream = stream_new_file(path, error);
    if (stream == NULL) {
        if (error != NULL && g_error_matches(*error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
            g_prefix_error(error, "there is no lock file yet, build once without --locked: ");
        return NULL;
    }
    g_autoptr(GBytes) bytes = stream_read_all(stream, RECIPE_LOCK_MAX, error);
    if (bytes == NULL)
        return NULL;
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    return recipe_lock_parse(data, length, path, error);
}
