/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/set.h"

#include "base/error.h"
#include "base/random.h"

#include <string.h>

char *
set_id_format(const struct set_id *id, char ret[SET_ID_TEXT])
{
    for (guint i = 0; i < SET_ID_SIZE; i++)
        g_snprintf(ret + 2 * (gsize)i, 3, "%02x", id->bytes[i]);
    return ret;
}

gboolean
set_id_parse(const char *text, struct set_id *ret)
{
    if (strlen(text) != SET_ID_TEXT - 1 || strspn(text, "0123456789abcdef") != SET_ID_TEXT - 1)
        return FALSE;
    for (guint i = 0; i < SET_ID_SIZE; i++)
        ret->bytes[i] = (guint8)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                                 g_ascii_xdigit_value(text[2 * i + 1]));
    return TRUE;
}

char *
set_cut_text(const char *text, gsize max)
{
    if (text == NULL)
        return NULL;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    gsize length = strlen(valid);
    if (length > max)
        length = (gsize)(g_utf8_find_prev_char(valid, valid + max + 1) - valid);
    return g_strndup(valid, length);
}

static void
free_disk(gpointer data)
{
    struct set_disk *disk = data;
    g_free(disk->name);
    g_free(disk->source);
    g_free(disk->change_id);
    g_free(disk);
}

struct set *
set_new_blank(void)
{
    struct set *set = g_new0(struct set, 1);
    set->refs = 1;
    set->disks = g_ptr_array_new_with_free_func(free_disk);
    set->tags = g_ptr_array_new_with_free_func(g_free);
    return set;
}

struct set *
set_new(void)
{
    struct set *set = set_new_blank();
    g_autoptr(GError) error = NULL;
    /* Without random bytes no program is safe to go on; Linux always has them. */
    if (!random_fill(set->id.bytes, sizeof set->id.bytes, &error))
        g_error("%s", error->message);
    return set;
}

struct set *
set_ref(struct set *set)
{
    g_atomic_int_inc(&set->refs);
    return set;
}

void
set_free(struct set *set)
{
    if (set == NULL || !g_atomic_int_dec_and_test(&set->refs))
        return;
    g_free(set->name);
    g_free(set->identity);
    g_free(set->host);
    g_ptr_array_unref(set->disks);
    g_ptr_array_unref(set->tags);
    g_free(set->config_type);
    g_free(set->config);
    g_free(set->method);
    g_free(set->driver);
    g_free(set->hypervisor);
    g_free(set->consistency);
    g_free(set);
}

gboolean
set_same_machine(const struct set *left, const struct set *right)
{
    return g_strcmp0(left->identity, right->identity) == 0 &&
           (left->identity != NULL || g_str_equal(left->name, right->name));
}

struct set_disk *
set_find_disk(const struct set *set, const char *name)
{
    for (guint i = 0; i < set->disks->len; i++) {
        struct set_disk *disk = set->disks->pdata[i];
        if (g_strcmp0(disk->name, name) == 0)
            return disk;
    }
    return NULL;
}

struct set_disk *
set_need_disk(const struct set *set, const char *name, GError **error)
{
    struct set_disk *disk = set_find_disk(set, name);
    if (disk != NULL)
        return disk;
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < set->disks->len; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "",
                               ((const struct set_disk *)set->disks->pdata[i])->name);
    char id[SET_ID_TEXT];
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "set %s of %s has no disk %s; it has: %s",
                      set_id_format(&set->id, id), set->name, name, names->str);
}

void
set_flags_clear(struct set_flags *flags)
{
    g_free(flags->verified_words);
    g_free(flags->booted_sign);
    g_free(flags->booted_words);
    *flags = (struct set_flags){0};
}

/* ---- The object ------------------------------------------------------------------------------ */

static gboolean
check_config(const char *config, gsize length, GError **error)
{
    return (length <= SET_CONFIG_MAX && g_utf8_validate(config, length, NULL)) ||
           error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "the configuration in the backup set is out of its limits");
}

GBytes *
set_seal(const struct set *set, const struct store_key *key, GError **error)
{
    json_t *json = set_to_json(set);
    gsize length = set->config != NULL ? strlen(set->config) : 0;
    /* What cannot be read back must not be written: a text that is no UTF-8, a name too long. */
    auto_ptr(set) again = set_from_json(json, error);
    gboolean ok =
        again != NULL && (set->config == NULL || check_config(set->config, length, error));
    char *text = ok ? json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    g_autoptr(GByteArray) payload = g_byte_array_new();
    if (text != NULL)
        g_byte_array_append(payload, (const guint8 *)text, (guint)strlen(text));
    if (text != NULL && set->config != NULL) {
        g_byte_array_append(payload, (const guint8 *)"", 1);
        g_byte_array_append(payload, (const guint8 *)set->config, (guint)length);
    }
    GBytes *object =
        text != NULL ? seal_close(SEAL_SET, key, payload->data, payload->len, error) : NULL;
    free(text);
    json_decref(json);
    if (object == NULL)
        g_prefix_error(error, "cannot keep the backup of %s: ", set->name);
    return object;
}

static struct set *
parse(const char *text, gsize length, GError **error)
{
    const char *end = memchr(text, '\0', length);
    gsize document = end != NULL ? (gsize)(end - text) : length;
    json_error_t where;
    json_t *json = json_loadb(text, document, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "this is no JSON: %s", where.text);
    auto_ptr(set) set = set_from_json(json, error);
    json_decref(json);
    if (set == NULL || end == NULL)
        return g_steal_pointer(&set);
    if (set->config != NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "the backup set has two configurations");
    if (!check_config(end + 1, length - document - 1, error))
        return NULL;
    set->config = g_strndup(end + 1, length - document - 1);
    return g_steal_pointer(&set);
}

struct set *
set_open(GBytes *object, const char *label, const struct store_key *key, GError **error)
{
    g_autoptr(GBytes) payload = seal_open(SEAL_SET, key, label, object, error);
    if (payload == NULL)
        return NULL;
    gsize length;
    const char *text = g_bytes_get_data(payload, &length);
    struct set *set = parse(text, length, error);
    if (set == NULL)
        g_prefix_error(error, "%s: ", label);
    return set;
}
