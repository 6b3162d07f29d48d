/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/pack_list.h"

#include "base/error.h"

#include <jansson.h>
#include <string.h>

#define OBJECT_MAX (SEAL_PAYLOAD_MAX + SEAL_OVERHEAD)
#define NAMES_MAX 100000u /* of packs or chunks in one object: what fits its payload */
#define LOST_PART 50000u  /* chunks in one object that is written */

static json_t *
load_sealed(struct store *store, enum seal_kind kind, const char *name, GError **error)
{
    g_autofree char *label = g_strdup_printf("%s: %s", store_label(store), name);
    g_autoptr(GBytes) object = repo_read_all(store_repo(store), name, OBJECT_MAX, error);
    g_autoptr(GBytes) payload =
        object != NULL ? seal_open(kind, store_key_of(store), label, object, error) : NULL;
    if (payload == NULL)
        return NULL;
    json_t *json = json_loadb(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload),
                              JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: this is not JSON", label);
    return json;
}

static gboolean
put_sealed(struct store *store, enum seal_kind kind, const char *name, json_t *json, GError **error)
{
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    g_autoptr(GBytes) object = seal_close(kind, store_key_of(store), text, strlen(text), error);
    free(text);
    return object != NULL && repo_replace(store_repo(store), name, g_bytes_get_data(object, NULL),
                                          g_bytes_get_size(object), error);
}

/* ---- Doomed packs ---------------------------------------------------------------------------- */

struct doomed *
doomed_new(void)
{
    struct doomed *doomed = g_new0(struct doomed, 1);
    if (!store_random_id(doomed->id, NULL))
        g_error("no random numbers"); /* the system is beyond use */
    doomed->created = g_get_real_time() / G_USEC_PER_SEC;
    doomed->packs = g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    doomed->sets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return doomed;
}

void
doomed_free(struct doomed *doomed)
{
    if (doomed == NULL)
        return;
    g_clear_pointer(&doomed->leases, g_ptr_array_unref);
    g_hash_table_unref(doomed->packs);
    g_hash_table_unref(doomed->sets);
    g_free(doomed);
}

void
doomed_add_pack(struct doomed *doomed, const struct pack_name *pack)
{
    g_hash_table_add(doomed->packs, g_memdup2(pack, sizeof *pack));
}

static gint
compare_texts(gconstpointer left, gconstpointer right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Sorted, so that the same set gives the same text. */
static json_t *
texts_to_json(GPtrArray *texts)
{
    json_t *list = json_array();
    g_ptr_array_sort(texts, compare_texts);
    for (guint i = 0; i < texts->len; i++)
        json_array_append_new(list, json_string(texts->pdata[i]));
    return list;
}

static char *
hex(const guint8 *bytes, gsize length)
{
    char *text = g_malloc(2 * length + 1);
    for (gsize i = 0; i < length; i++)
        g_snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

static json_t *
hex_set_to_json(GHashTable *set, gsize length)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, set);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_ptr_array_add(texts, hex(key, length));
    return texts_to_json(texts);
}

gboolean
doomed_put(struct store *store, const struct doomed *doomed, GError **error)
{
    g_autofree char *name = g_strdup_printf("doomed/%s", doomed->id);
    g_autoptr(GPtrArray) sets = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, doomed->sets);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_ptr_array_add(sets, key);
    json_t *json = json_pack(
        "{s:s, s:I, s:o, s:o}", "id", doomed->id, "created", (json_int_t)doomed->created, "packs",
        hex_set_to_json(doomed->packs, sizeof(struct pack_name)), "sets", texts_to_json(sets));
    if (doomed->leases != NULL)
        json_object_set_new(json, "leases", texts_to_json(doomed->leases));
    gboolean ok = put_sealed(store, SEAL_DOOMED, name, json, error);
    json_decref(json);
    return ok;
}

gboolean
doomed_remove(struct store *store, const struct doomed *doomed, GError **error)
{
    g_autofree char *name = g_strdup_printf("doomed/%s", doomed->id);
    return repo_remove(store_repo(store), name, error);
}

static gboolean
parse_hex(const char *text, guint8 *ret, gsize length)
{
    if (text == NULL || strlen(text) != 2 * length)
        return FALSE;
    for (gsize i = 0; i < length; i++) {
        gint high = g_ascii_xdigit_value(text[2 * i]), low = g_ascii_xdigit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return FALSE;
        ret[i] = (guint8)(high << 4 | low);
    }
    return TRUE;
}

/* Add every item of the list of hex texts to a set of `length` bytes each. */
static gboolean
read_hex_set(json_t *list, GHashTable *set, gsize length)
{
    if (!json_is_array(list) || json_array_size(list) > NAMES_MAX)
        return FALSE;
    for (gsize i = 0; i < json_array_size(list); i++) {
        g_autofree guint8 *bytes = g_malloc(length);
        if (!parse_hex(json_string_value(json_array_get(list, i)), bytes, length))
            return FALSE;
        g_hash_table_add(set, g_steal_pointer(&bytes));
    }
    return TRUE;
}

static gboolean
is_id(const char *text)
{
    return text != NULL && strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static struct doomed *
parse_doomed(json_t *json, const char *name, GError **error)
{
    auto_ptr(doomed) doomed = doomed_new();
    const char *id = json_string_value(json_object_get(json, "id"));
    json_t *leases = json_object_get(json, "leases"), *sets = json_object_get(json, "sets");
    gboolean ok =
        is_id(id) && g_str_equal(id, name + strlen("doomed/")) && json_is_array(sets) &&
        (leases == NULL || json_is_array(leases)) &&
        read_hex_set(json_object_get(json, "packs"), doomed->packs, sizeof(struct pack_name));
    if (leases != NULL)
        doomed->leases = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; ok && i < json_array_size(leases); i++) {
        const char *text = json_string_value(json_array_get(leases, i));
        ok = is_id(text);
        g_ptr_array_add(doomed->leases, g_strdup(text));
    }
    for (gsize i = 0; ok && i < json_array_size(sets); i++) {
        const char *text = json_string_value(json_array_get(sets, i));
        ok = is_id(text);
        if (ok)
            g_hash_table_add(doomed->sets, g_strdup(text));
    }
    if (!ok)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: a value is missing or malformed",
                          name);
    g_strlcpy(doomed->id, id, sizeof doomed->id);
    doomed->created = json_integer_value(json_object_get(json, "created"));
    return g_steal_pointer(&doomed);
}

GPtrArray *
doomed_list(struct store *store, GError **error)
{
    g_autoptr(GPtrArray) names = repo_list(store_repo(store), "doomed", error);
    if (names == NULL)
        return NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)doomed_free);
    for (guint i = 0; i < names->len; i++) {
        const struct repo_entry *entry = names->pdata[i];
        g_autoptr(GError) local = NULL;
        json_t *json = load_sealed(store, SEAL_DOOMED, entry->name, &local);
        /* Gone since it was listed: whoever removed its packs is done. */
        if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
            continue;
        struct doomed *doomed = json != NULL ? parse_doomed(json, entry->name, &local) : NULL;
        json_decref(json);
        if (doomed == NULL) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        g_ptr_array_add(list, doomed);
    }
    return g_steal_pointer(&list);
}

/* ---- Lost chunks ----------------------------------------------------------------------------- */

static GHashTable *
new_chunk_set(void)
{
    return g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL);
}

GHashTable *
lost_list(struct store *store, GError **error)
{
    g_autoptr(GPtrArray) names = repo_list(store_repo(store), "lost", error);
    if (names == NULL)
        return NULL;
    g_autoptr(GHashTable) set = new_chunk_set();
    for (guint i = 0; i < names->len; i++) {
        const struct repo_entry *entry = names->pdata[i];
        g_autoptr(GError) local = NULL;
        json_t *json = load_sealed(store, SEAL_LOST, entry->name, &local);
        if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
            continue;
        if (json != NULL &&
            !read_hex_set(json_object_get(json, "chunks"), set, sizeof(struct chunk_id)))
            error_set(&local, SLIPWAY_ERROR_CORRUPT, "%s: a chunk's id is malformed", entry->name);
        json_decref(json);
        if (local != NULL) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
    }
    return g_steal_pointer(&set);
}

static gboolean
put_part(struct store *store, GHashTable *chunks, GError **error)
{
    char id[STORE_ID_TEXT];
    if (!store_random_id(id, error))
        return FALSE;
    g_autofree char *name = g_strdup_printf("lost/%s", id);
    json_t *json = json_pack("{s:o, s:I}", "chunks", hex_set_to_json(chunks, CHUNK_ID_SIZE),
                             "created", (json_int_t)(g_get_real_time() / G_USEC_PER_SEC));
    gboolean ok = put_sealed(store, SEAL_LOST, name, json, error);
    json_decref(json);
    return ok;
}

gboolean
lost_put(struct store *store, GHashTable *chunks, GError **error)
{
    g_autoptr(GHashTable) part = g_hash_table_new(chunk_id_hash, chunk_id_equal_func);
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, chunks);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        g_hash_table_add(part, id);
        if (g_hash_table_size(part) < LOST_PART)
            continue;
        if (!put_part(store, part, error))
            return FALSE;
        g_hash_table_remove_all(part);
    }
    return g_hash_table_size(part) == 0 || put_part(store, part, error);
}

/* The new one first: a crash in between leaves too much, never too little. */
gboolean
lost_replace(struct store *store, GHashTable *chunks, GError **error)
{
    g_autoptr(GPtrArray) names = repo_list(store_repo(store), "lost", error);
    if (names == NULL || !lost_put(store, chunks, error))
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        const struct repo_entry *entry = names->pdata[i];
        if (!repo_remove(store_repo(store), entry->name, error))
            return FALSE;
    }
    return TRUE;
}
