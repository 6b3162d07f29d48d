/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store_sets.h"

#include "base/error.h"
#include "store/object_parity.h"
#include "store/set_screen.h"
#include "store/set_shelf.h"

#include <string.h>

#define SET_OBJECT_MAX (SEAL_PAYLOAD_MAX + SEAL_OVERHEAD)
#define FLAGS_OBJECT_MAX 65536u
#define PREFIX_MIN 4u

void
set_entry_free(struct set_entry *entry)
{
    if (entry == NULL)
        return;
    set_free(entry->set);
    set_flags_clear(&entry->flags);
    g_free(entry);
}

static char *
object_name(const char *folder, const struct set_id *id)
{
    char text[SET_ID_TEXT];
    return g_strdup_printf("%s/%s", folder, set_id_format(id, text));
}

static gboolean
is_not_found(const GError *error)
{
    return g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

/* A set without flags has none that differ from nothing. */
static gboolean
read_flags(struct store *store, const struct set_id *id, struct set_flags *ret, GError **error)
{
    g_autofree char *name = object_name("flags", id);
    g_autoptr(GError) local = NULL;
    *ret = (struct set_flags){0};
    g_autoptr(GBytes) object = repo_read_all(store_repo(store), name, FLAGS_OBJECT_MAX, &local);
    if (is_not_found(local))
        return TRUE;
    g_autofree char *label = g_strdup_printf("%s: %s", store_label(store), name);
    g_autoptr(GBytes) payload =
        object != NULL ? seal_open(SEAL_FLAGS, store_key_of(store), label, object, &local) : NULL;
    if (payload == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    json_t *json = json_loadb(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload),
                              JSON_REJECT_DUPLICATES, NULL);
    gboolean ok = set_flags_from_json(json, ret, error);
    json_decref(json);
    if (!ok)
        g_prefix_error(error, "%s: ", label);
    return ok;
}

static struct set *
read_set(struct store *store, const struct set_id *id, GError **error)
{
    g_autofree char *name = object_name("sets", id);
    g_autofree char *label = g_strdup_printf("%s: %s", store_label(store), name);
    g_autoptr(GBytes) object = repo_read_all(store_repo(store), name, SET_OBJECT_MAX, error);
    auto_ptr(set) set = object != NULL ? set_open(object, label, store_key_of(store), error) : NULL;
    if (set != NULL && memcmp(&set->id, id, sizeof *id) != 0)
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: the document is that of another set; restore the object's name",
                          label);
    return g_steal_pointer(&set);
}

/* Takes the set over.  With `flagged` FALSE there is no object of flags. */
static struct set_entry *
make_entry(struct store *store, struct set *set, gboolean flagged, GError **error)
{
    struct set_entry *entry = g_new0(struct set_entry, 1);
    entry->set = set;
    if (!flagged || read_flags(store, &set->id, &entry->flags, error))
        return entry;
    set_entry_free(entry);
    return NULL;
}

static struct set_entry *
list_entry(struct store *store, const struct set_id *id, gboolean flagged, GError **error)
{
    struct set *set = set_shelf_get(store_shelf(store), id);
    if (set == NULL && (set = read_set(store, id, error)) != NULL)
        set_shelf_put(store_shelf(store), set);
    return set != NULL ? make_entry(store, set, flagged, error) : NULL;
}

struct set_entry *
store_sets_read(struct store *store, const struct set_id *id, GError **error)
{
    struct set *set = read_set(store, id, error);
    return set != NULL ? make_entry(store, set, TRUE, error) : NULL;
}

static gboolean
parse_object(const char *object, struct set_id *ret)
{
    return g_str_has_prefix(object, "sets/") && set_id_parse(object + strlen("sets/"), ret);
}

static gint
compare_age(gconstpointer left, gconstpointer right)
{
    const struct set *a = (*(struct set_entry *const *)left)->set;
    const struct set *b = (*(struct set_entry *const *)right)->set;
    if (a->created != b->created)
        return a->created < b->created ? -1 : 1;
    return memcmp(&a->id, &b->id, sizeof a->id);
}

static GHashTable *
list_flagged(struct store *store, GError **error)
{
    g_autoptr(GPtrArray) objects = repo_list(store_repo(store), "flags", error);
    if (objects == NULL)
        return NULL;
    GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *object = objects->pdata[i];
        g_hash_table_add(ids, g_strdup(object->name + strlen("flags/")));
    }
    return ids;
}

GPtrArray *
store_sets_list(struct store *store, GPtrArray **ret_damaged, GError **error)
{
    /* Most sets have no flags: those that have are found at once. */
    g_autoptr(GHashTable) flagged = list_flagged(store, error);
    g_autoptr(GPtrArray) objects =
        flagged != NULL ? repo_list(store_repo(store), "sets", error) : NULL;
    if (objects == NULL)
        return NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)set_entry_free);
    g_autoptr(GPtrArray) damaged = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *object = objects->pdata[i];
        char *text = object->name + strlen("sets/");
        struct set_id id;
        if (!parse_object(object->name, &id))
            continue;
        g_hash_table_add(ids, text);
        g_autoptr(GError) local = NULL;
        struct set_entry *entry =
            list_entry(store, &id, g_hash_table_contains(flagged, text), &local);
        if (entry != NULL) {
            g_ptr_array_add(list, entry);
        } else if (ret_damaged != NULL &&
                   g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT)) {
            g_ptr_array_add(damaged, g_strdup_printf("%s: %s", object->name, local->message));
        } else if (!is_not_found(local)) { /* else: deleted since it was listed */
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
    }
    g_ptr_array_sort(list, compare_age);
    set_shelf_keep(store_shelf(store), ids);
    if (ret_damaged != NULL)
        *ret_damaged = g_steal_pointer(&damaged);
    return g_steal_pointer(&list);
}

GHashTable *
store_sets_ids(struct store *store, GError **error)
{
    g_autoptr(GPtrArray) objects = repo_list(store_repo(store), "sets", error);
    if (objects == NULL)
        return NULL;
    GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *object = objects->pdata[i];
        struct set_id id;
        if (parse_object(object->name, &id))
            g_hash_table_add(ids, g_strdup(object->name + strlen("sets/")));
    }
    return ids;
}

/* ---- What the user means --------------------------------------------------------------------- */

/* "2026-11-25" means until the end of that day, "2026-11-25T21:00" until the end of that minute, in
 * local time; with seconds that second. */
static gboolean
parse_moment(const char *text, gint64 *ret)
{
    static const char *const endings[] = {"T23:59:59", ":59", ""};
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();
    for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *full = g_strconcat(text, endings[i], NULL);
        g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(full, zone);
        if (time != NULL) {
            *ret = g_date_time_to_unix(time);
            return TRUE;
        }
    }
    return FALSE;
}

const struct set_entry *
store_sets_owner(GPtrArray *list, const char *name)
{
    for (guint i = list->len; i-- > 0;) {
        const struct set_entry *entry = list->pdata[i];
        if (g_str_equal(entry->set->name, name))
            return entry;
    }
    return NULL;
}

/* The newest set of the machine that is or was called `name` that is not younger than `moment`; -1
 * when there is none. */
static gint
newest_of(GPtrArray *list, const char *name, gint64 moment)
{
    const struct set_entry *owner = store_sets_owner(list, name);
    for (guint i = list->len; owner != NULL && i-- > 0;) {
        const struct set_entry *entry = list->pdata[i];
        if (set_same_machine(entry->set, owner->set) && entry->set->created <= moment)
            return (gint)i;
    }
    return -1;
}

static char *
names_of(GPtrArray *list)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GString *text = g_string_new(NULL);
    for (guint i = list->len; i-- > 0 && g_hash_table_size(seen) < 8;) {
        const struct set_entry *entry = list->pdata[i];
        if (g_hash_table_add(seen, entry->set->name))
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", entry->set->name);
    }
    return g_string_free(text, FALSE);
}

static gboolean
is_prefix(const char *text)
{
    return strlen(text) >= PREFIX_MIN && strlen(text) < SET_ID_TEXT &&
           strspn(text, "0123456789abcdef") == strlen(text);
}

/* Number of the sets whose id begins with `text`; the last one's index in *ret. */
static guint
count_prefix(GPtrArray *list, const char *text, gint *ret)
{
    guint n = 0;
    for (guint i = 0; i < list->len; i++) {
        const struct set_entry *entry = list->pdata[i];
        char id[SET_ID_TEXT];
        if (g_str_has_prefix(set_id_format(&entry->set->id, id), text)) {
            *ret = (gint)i;
            n++;
        }
    }
    return n;
}

struct set_entry *
store_sets_find(struct store *store, const char *text, GError **error)
{
    struct set_id id;
    if (set_id_parse(text, &id)) {
        struct set_entry *entry = store_sets_read(store, &id, error);
        if (entry == NULL)
            g_prefix_error(error, "set %s: ", text);
        return entry;
    }
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) list = store_sets_list(store, &damaged, error);
    if (list == NULL)
        return NULL;
    gint found = newest_of(list, text, G_MAXINT64);
    const char *at = strrchr(text, '@');
    if (found < 0 && at != NULL) {
        g_autofree char *name = g_strndup(text, (gsize)(at - text));
        gint64 moment = G_MAXINT64;
        if (!g_str_equal(at + 1, "latest") && !parse_moment(at + 1, &moment))
            return error_null(error, SLIPWAY_ERROR_USAGE,
                              "%s: what follows @ must be `latest`, a day (2026-11-25) or a time "
                              "(2026-11-25T21:00)",
                              text);
        found = newest_of(list, name, moment);
    }
    if (found < 0 && is_prefix(text) && count_prefix(list, text, &found) > 1)
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "several sets have an id that begins with %s; give more digits", text);
    if (found >= 0)
        return store_sets_read(store, &((struct set_entry *)list->pdata[found])->set->id, error);
    g_autofree char *names = names_of(list);
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                      "no backup set %s in %s; machines with sets: %s (`slipway backup list` shows "
                      "all)%s",
                      text, store_label(store), *names != '\0' ? names : "none",
                      damaged->len > 0 ? "; some sets are damaged, `slipway store check` names them"
                                       : "");
}

const struct set_entry *
store_sets_newest(GPtrArray *list, const char *name, const char *identity)
{
    const struct set machine = {.name = (char *)name, .identity = (char *)identity};
    for (guint i = list->len; i-- > 0;) {
        const struct set_entry *entry = list->pdata[i];
        if (set_same_machine(entry->set, &machine))
            return entry;
    }
    return NULL;
}

/* ---- Changes --------------------------------------------------------------------------------- */

gboolean
store_sets_put_flags(struct store *store, const struct set_id *id, const struct set_flags *flags,
                     GError **error)
{
    g_autofree char *name = object_name("flags", id);
    json_t *json = set_flags_to_json(flags);
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    g_autoptr(GBytes) object =
        seal_close(SEAL_FLAGS, store_key_of(store), text, strlen(text), error);
    free(text);
    json_decref(json);
    if (object == NULL)
        return FALSE;
    gsize length;
    const void *data = g_bytes_get_data(object, &length);
    return (store_config(store)->parity == 0 ||
            object_parity_put(store_repo(store), name, data, length, error)) &&
           repo_replace(store_repo(store), name, data, length, error);
}

/* The set first: flags and a screen without a set mean nothing. */
gboolean
store_sets_remove(struct store *store, const struct set_id *id, GError **error)
{
    g_autofree char *set = object_name("sets", id), *flags = object_name("flags", id);
    struct repo *repo = store_repo(store);
    return repo_remove(repo, set, error) && repo_remove(repo, flags, error) &&
           set_screen_remove(store, id, error) && object_parity_remove(repo, set, error) &&
           object_parity_remove(repo, flags, error);
}
