/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The object's name is a digest of the machine's, under the store's key where there is one: the
 * rule of a machine is found, and replaced, without a list, and there is never a second one. */
#include "store/machine_rule.h"

#include "base/error.h"
#include "store/object_parity.h"
#include "store/retention.h"
#include "store/seal.h"

#include <string.h>

#define VERSION 1
#define FOLDER "rules"
#define OBJECT_MAX 65536u
#define PREFIX "slipway rule " /* no chunk begins like this and is as short */
#define ID_DIGITS 32u

void
machine_rule_free(struct machine_rule *rule)
{
    if (rule == NULL)
        return;
    g_free(rule->name);
    g_free(rule);
}

static char *
object_name(struct store *store, const char *name)
{
    struct chunk_id id;
    char text[CHUNK_ID_TEXT];
    g_autofree char *input = g_strconcat(PREFIX, name, NULL);
    auto_ptr(chunk_hasher) hasher = chunk_hasher_new(store_key_id_key(store_key_of(store)));
    chunk_hasher_run(hasher, input, strlen(input), &id);
    chunk_id_format(&id, text);
    return g_strdup_printf(FOLDER "/%.*s", (int)ID_DIGITS, text);
}

static struct machine_rule *
from_json(const json_t *json, const char *label, GError **error)
{
    json_int_t version = json_integer_value(json_object_get(json, "version"));
    if (version > VERSION)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s has version %" JSON_INTEGER_FORMAT ", this slipway reads up to %d; "
                          "use a newer slipway",
                          label, version, VERSION);
    const char *name = json_string_value(json_object_get(json, "name"));
    struct store_retention retention;
    if (version != VERSION || name == NULL ||
        !retention_from_json(json_object_get(json, "retention"), &retention))
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s is not the rule of a machine", label);
    struct machine_rule *rule = g_new0(struct machine_rule, 1);
    rule->name = g_strdup(name);
    rule->retention = retention;
    return rule;
}

static struct machine_rule *
read_object(struct store *store, const char *object_name, GError **error)
{
    g_autofree char *label = g_strdup_printf("%s: %s", store_label(store), object_name);
    g_autoptr(GBytes) object = repo_read_all(store_repo(store), object_name, OBJECT_MAX, error);
    g_autoptr(GBytes) payload =
        object != NULL ? seal_open(SEAL_RULE, store_key_of(store), label, object, error) : NULL;
    if (payload == NULL)
        return NULL;
    json_t *json = json_loadb(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload),
                              JSON_REJECT_DUPLICATES, NULL);
    struct machine_rule *rule = from_json(json, label, error);
    json_decref(json);
    return rule;
}

struct machine_rule *
machine_rule_read(struct store *store, const char *name, gboolean *ret_failed, GError **error)
{
    g_autofree char *object = object_name(store, name);
    g_autoptr(GError) local = NULL;
    auto_ptr(machine_rule) rule = read_object(store, object, &local);
    *ret_failed = FALSE;
    if (rule != NULL && g_str_equal(rule->name, name))
        return g_steal_pointer(&rule);
    if (rule == NULL && g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return NULL;
    *ret_failed = TRUE;
    if (rule != NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: %s is the rule of another machine",
                          store_label(store), object);
    g_propagate_error(error, g_steal_pointer(&local));
    return NULL;
}

gboolean
machine_rule_put(struct store *store, const struct machine_rule *rule, GError **error)
{
    if (*rule->name == '\0' || strlen(rule->name) > SET_NAME_MAX ||
        !g_utf8_validate(rule->name, -1, NULL))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the name of a machine has 1 to %u bytes of UTF-8", SET_NAME_MAX);
    g_autofree char *name = object_name(store, rule->name);
    json_t *json = json_pack("{s:i, s:s, s:o}", "version", VERSION, "name", rule->name, "retention",
                             retention_to_json(&rule->retention));
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(json);
    g_autoptr(GBytes) object =
        seal_close(SEAL_RULE, store_key_of(store), text, strlen(text), error);
    free(text);
    if (object == NULL)
        return FALSE;
    gsize length;
    const void *data = g_bytes_get_data(object, &length);
    return (store_config(store)->parity == 0 ||
            object_parity_put(store_repo(store), name, data, length, error)) &&
           repo_replace(store_repo(store), name, data, length, error);
}

gboolean
machine_rule_remove(struct store *store, const char *name, GError **error)
{
    g_autofree char *object = object_name(store, name);
    return repo_remove(store_repo(store), object, error) &&
           object_parity_remove(store_repo(store), object, error);
}

static gint
compare(gconstpointer left, gconstpointer right)
{
    return strcmp((*(struct machine_rule *const *)left)->name,
                  (*(struct machine_rule *const *)right)->name);
}

GPtrArray *
machine_rule_list(struct store *store, GError **error)
{
    g_autoptr(GPtrArray) objects = repo_list(store_repo(store), FOLDER, error);
    if (objects == NULL)
        return NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)machine_rule_free);
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *object = objects->pdata[i];
        g_autoptr(GError) local = NULL;
        struct machine_rule *rule = read_object(store, object->name, &local);
        if (rule != NULL) {
            g_ptr_array_add(list, rule);
        } else if (!g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
    }
    g_ptr_array_sort(list, compare);
    return g_steal_pointer(&list);
}
