/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/set.h"

#include "base/error.h"

#include <string.h>

#define VERSION 1

static const char *const methods[] = {"full", "scan", "extents"};

/* The members of "stats", for both directions. */
static const struct {
    const char *name;
    gsize at;
} counters[] = {
    {"changed", G_STRUCT_OFFSET(struct set_stats, changed)},
    {"chunks", G_STRUCT_OFFSET(struct set_stats, chunks)},
    {"data", G_STRUCT_OFFSET(struct set_stats, data)},
    {"delta_chunks", G_STRUCT_OFFSET(struct set_stats, delta_chunks)},
    {"duration", G_STRUCT_OFFSET(struct set_stats, duration)},
    {"new_chunks", G_STRUCT_OFFSET(struct set_stats, new_chunks)},
    {"read", G_STRUCT_OFFSET(struct set_stats, read)},
    {"size", G_STRUCT_OFFSET(struct set_stats, size)},
    {"stored", G_STRUCT_OFFSET(struct set_stats, stored)},
    {"unique", G_STRUCT_OFFSET(struct set_stats, unique)},
};

/* ---- Writing --------------------------------------------------------------------------------- */

/* A text that is no UTF-8 gives no member, which set_from_json() then misses. */
static void
put_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(object, name, json_string(text));
}

static void
put_number(json_t *object, const char *name, guint64 number)
{
    json_object_set_new(object, name, json_integer((json_int_t)number));
}

static json_t *
disk_to_json(const struct set_disk *disk)
{
    char root[CHUNK_ID_TEXT];
    json_t *json = json_object();
    put_text(json, "name", disk->name);
    put_text(json, "source", disk->source);
    put_text(json, "change_id", disk->change_id);
    put_number(json, "size", disk->map.size);
    put_number(json, "data", disk->data);
    put_number(json, "chunks", disk->chunks);
    json_object_set_new(json, "root",
                        disk->map.empty ? json_null()
                                        : json_string(chunk_id_format(&disk->map.root, root)));
    return json;
}

static json_t *
stats_to_json(const struct set_stats *stats)
{
    json_t *json = json_object();
    for (gsize i = 0; i < G_N_ELEMENTS(counters); i++)
        put_number(json, counters[i].name, G_STRUCT_MEMBER(guint64, stats, counters[i].at));
    return json;
}

json_t *
set_to_json(const struct set *set)
{
    char id[SET_ID_TEXT];
    json_t *json = json_object(), *disks = json_array(), *tags = json_array();
    put_number(json, "version", VERSION);
    put_text(json, "id", set_id_format(&set->id, id));
    put_text(json, "name", set->name);
    put_text(json, "identity", set->identity);
    put_text(json, "driver", set->driver);
    put_text(json, "hypervisor", set->hypervisor);
    put_text(json, "consistency", set->consistency);
    put_text(json, "host", set->host);
    put_text(json, "method", set->method);
    put_number(json, "created", (guint64)set->created);
    put_text(json, "config_type", set->config_type);
    if (set->has_parent)
        put_text(json, "parent", set_id_format(&set->parent, id));
    for (guint i = 0; i < set->disks->len; i++)
        json_array_append_new(disks, disk_to_json(set->disks->pdata[i]));
    for (guint i = 0; i < set->tags->len; i++) {
        json_t *tag = json_string(set->tags->pdata[i]);
        json_array_append_new(tags, tag != NULL ? tag : json_null());
    }
    json_object_set_new(json, "disks", disks);
    json_object_set_new(json, "tags", tags);
    json_object_set_new(json, "stats", stats_to_json(&set->stats));
    return json;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static gboolean
wrong(const char *name, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "the member \"%s\" is missing, of another type, or beyond its limits", name);
}

enum need { OPTIONAL, REQUIRED };

static gboolean
get_text(const json_t *object, const char *name, gsize max, enum need need, char **ret,
         GError **error)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL && need == OPTIONAL)
        return TRUE;
    if (!json_is_string(value) || json_string_length(value) > max)
        return wrong(name, error);
    *ret = g_strdup(json_string_value(value));
    return TRUE;
}

/* Names are what people and commands find things by. */
static gboolean
get_name(const json_t *object, char **ret, GError **error)
{
    if (!get_text(object, "name", SET_NAME_MAX, REQUIRED, ret, error))
        return FALSE;
    return **ret != '\0' || wrong("name", error);
}

static gboolean
get_number(const json_t *object, const char *name, enum need need, guint64 *ret, GError **error)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL && need == OPTIONAL)
        return TRUE;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return wrong(name, error);
    *ret = (guint64)json_integer_value(value);
    return TRUE;
}

static gboolean
get_time(const json_t *object, const char *name, gint64 *ret, GError **error)
{
    guint64 seconds = 0;
    if (!get_number(object, name, REQUIRED, &seconds, error))
        return FALSE;
    *ret = (gint64)seconds;
    return TRUE;
}

static gboolean
get_id(const json_t *object, const char *name, struct set_id *ret, GError **error)
{
    const char *text = json_string_value(json_object_get(object, name));
    return (text != NULL && set_id_parse(text, ret)) || wrong(name, error);
}

static gboolean
get_root(const json_t *object, struct map *ret, GError **error)
{
    const json_t *value = json_object_get(object, "root");
    const char *text = json_string_value(value);
    ret->empty = json_is_null(value);
    return ret->empty || (text != NULL && chunk_id_parse(text, &ret->root)) || wrong("root", error);
}

static gboolean
read_disk(struct set *set, const json_t *json, GError **error)
{
    struct set_disk *disk = g_new0(struct set_disk, 1);
    gboolean ok = get_name(json, &disk->name, error) &&
                  get_text(json, "source", SET_TEXT_MAX, REQUIRED, &disk->source, error) &&
                  get_text(json, "change_id", SET_TEXT_MAX, OPTIONAL, &disk->change_id, error) &&
                  get_number(json, "size", REQUIRED, &disk->map.size, error) &&
                  get_number(json, "data", OPTIONAL, &disk->data, error) &&
                  get_number(json, "chunks", OPTIONAL, &disk->chunks, error) &&
                  get_root(json, &disk->map, error);
    if (ok && set_find_disk(set, disk->name) != NULL)
        ok = error_set(error, SLIPWAY_ERROR_CORRUPT, "two disks have the name %s", disk->name);
    g_ptr_array_add(set->disks, disk);
    return ok;
}

static gboolean
read_disks(struct set *set, const json_t *json, GError **error)
{
    const json_t *disks = json_object_get(json, "disks");
    if (!json_is_array(disks) || json_array_size(disks) > SET_DISKS_MAX)
        return wrong("disks", error);
    for (gsize i = 0; i < json_array_size(disks); i++) {
        if (!read_disk(set, json_array_get(disks, i), error)) {
            g_prefix_error(error, "disk number %" G_GSIZE_FORMAT ": ", i);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
read_tags(struct set *set, const json_t *json, GError **error)
{
    const json_t *tags = json_object_get(json, "tags");
    if (!json_is_array(tags) || json_array_size(tags) > SET_TAGS_MAX)
        return wrong("tags", error);
    for (gsize i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        if (!json_is_string(tag) || json_string_length(tag) > SET_NAME_MAX)
            return wrong("tags", error);
        g_ptr_array_add(set->tags, g_strdup(json_string_value(tag)));
    }
    return TRUE;
}

/* What only machines of hypervisors have. */
static gboolean
read_origin(struct set *set, const json_t *json, GError **error)
{
    if (!get_text(json, "identity", SET_NAME_MAX, OPTIONAL, &set->identity, error) ||
        !get_text(json, "driver", SET_NAME_MAX, OPTIONAL, &set->driver, error) ||
        !get_text(json, "hypervisor", SET_NAME_MAX, OPTIONAL, &set->hypervisor, error) ||
        !get_text(json, "consistency", SET_NAME_MAX, OPTIONAL, &set->consistency, error))
        return FALSE;
    return set->identity == NULL || *set->identity != '\0' || wrong("identity", error);
}

/* A counter that this or another version does not have is 0. */
static gboolean
read_stats(const json_t *json, struct set_stats *ret, GError **error)
{
    const json_t *stats = json_object_get(json, "stats");
    if (!json_is_object(stats))
        return wrong("stats", error);
    for (gsize i = 0; i < G_N_ELEMENTS(counters); i++) {
        if (!get_number(stats, counters[i].name, OPTIONAL,
                        &G_STRUCT_MEMBER(guint64, ret, counters[i].at), error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_method(struct set *set, const json_t *json, GError **error)
{
    const char *method = json_string_value(json_object_get(json, "method"));
    for (gsize i = 0; method != NULL && i < G_N_ELEMENTS(methods); i++) {
        if (g_str_equal(methods[i], method))
            set->method = g_strdup(method);
    }
    return set->method != NULL || wrong("method", error);
}

static gboolean
check_version(const json_t *json, GError **error)
{
    const json_t *version = json_object_get(json, "version");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return wrong("version", error);
    if (json_integer_value(version) > VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "the backup set is of version %" JSON_INTEGER_FORMAT
                         ", this slipway reads up to %d; use a newer slipway",
                         json_integer_value(version), VERSION);
    return TRUE;
}

struct set *
set_from_json(const json_t *json, GError **error)
{
    auto_ptr(set) set = set_new_blank();
    set->has_parent = json_object_get(json, "parent") != NULL;
    gboolean ok = check_version(json, error) && get_id(json, "id", &set->id, error) &&
                  get_name(json, &set->name, error) &&
                  get_text(json, "host", SET_NAME_MAX, REQUIRED, &set->host, error) &&
                  read_origin(set, json, error) && read_method(set, json, error) &&
                  get_time(json, "created", &set->created, error) &&
                  (!set->has_parent || get_id(json, "parent", &set->parent, error)) &&
                  get_text(json, "config_type", SET_NAME_MAX, OPTIONAL, &set->config_type, error) &&
                  get_text(json, "config", SET_CONFIG_MAX, OPTIONAL, &set->config, error) &&
                  read_disks(set, json, error) && read_tags(set, json, error) &&
                  read_stats(json, &set->stats, error);
    return ok ? g_steal_pointer(&set) : NULL;
}

/* ---- Flags ----------------------------------------------------------------------------------- */

static void
put_boot(json_t *json, const struct set_flags *flags)
{
    put_number(json, "booted", (guint64)flags->booted);
    json_object_set_new(json, "booted_good", json_boolean(flags->booted_good));
    put_text(json, "booted_sign", flags->booted_sign);
    g_autofree char *words = set_cut_text(flags->booted_words, SET_TEXT_MAX);
    put_text(json, "booted_words", words);
    put_number(json, "booted_ms", (guint64)flags->booted_ms);
}

json_t *
set_flags_to_json(const struct set_flags *flags)
{
    json_t *json = json_object();
    json_object_set_new(json, "archived", json_boolean(flags->archived));
    put_number(json, "verified", (guint64)flags->verified);
    json_object_set_new(json, "verified_good", json_boolean(flags->verified_good));
    g_autofree char *words = set_cut_text(flags->verified_words, SET_TEXT_MAX);
    put_text(json, "verified_words", words);
    if (flags->booted != 0)
        put_boot(json, flags);
    return json;
}

static gboolean
get_boolean(const json_t *object, const char *name, gboolean *ret, GError **error)
{
    const json_t *value = json_object_get(object, name);
    *ret = json_is_true(value);
    return json_is_boolean(value) || wrong(name, error);
}

/* Of a set that was never started there is nothing. */
static gboolean
get_boot(const json_t *json, struct set_flags *ret, GError **error)
{
    guint64 duration = 0;
    if (json_object_get(json, "booted") == NULL)
        return TRUE;
    if (!get_time(json, "booted", &ret->booted, error) ||
        !get_boolean(json, "booted_good", &ret->booted_good, error) ||
        !get_text(json, "booted_sign", SET_NAME_MAX, OPTIONAL, &ret->booted_sign, error) ||
        !get_text(json, "booted_words", SET_TEXT_MAX, OPTIONAL, &ret->booted_words, error) ||
        !get_number(json, "booted_ms", OPTIONAL, &duration, error))
        return FALSE;
    ret->booted_ms = (gint64)duration;
    return TRUE;
}

gboolean
set_flags_from_json(const json_t *json, struct set_flags *ret, GError **error)
{
    *ret = (struct set_flags){0};
    if (get_boolean(json, "archived", &ret->archived, error) &&
        get_time(json, "verified", &ret->verified, error) &&
        get_boolean(json, "verified_good", &ret->verified_good, error) &&
        get_text(json, "verified_words", SET_TEXT_MAX, OPTIONAL, &ret->verified_words, error) &&
        get_boot(json, ret, error))
        return TRUE;
    set_flags_clear(ret);
    return FALSE;
}
