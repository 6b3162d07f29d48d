/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which tags machines have. */
#include "base/error.h"
#include "hyper/vsphere/tag_names.h"

#include <string.h>

#define OBJECTS_PER_CALL 500u

static json_t *
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
    return json_pack("{s:o}", "object_ids", ids);
}

static gboolean
add_tags(struct tag_names *names, struct machine *machine, const json_t *ids, GError **error)
{
    gsize i;
    json_t *id;
    json_array_foreach((json_t *)ids, i, id)
    {
        g_autofree char *text = rest_text(id);
        if (text == NULL || machine->tags->len >= MACHINE_TAGS_MAX)
            continue;
        g_autoptr(GError) failure = NULL;
        const char *name = tag_names_tag(names, text, &failure);
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
take_answer(struct tag_names *names, GHashTable *machines, const json_t *answer, GError **error)
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
        if (!add_tags(names, machine, json_object_get(item, "tag_ids"), error))
            return FALSE;
        g_ptr_array_sort(machine->tags, compare_texts);
    }
    return TRUE;
}

static gboolean
read_tags(struct rest *rest, GPtrArray *list, GError **error)
{
    auto_ptr(tag_names) names = tag_names_new(rest);
    for (guint from = 0; from < list->len; from += OBJECTS_PER_CALL) {
        g_autoptr(GHashTable) machines =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        json_t *answer = rest_do(
            rest, "tag-association", NULL, "list-attached-tags-on-objects",
            format_objects(machines, list, from, MIN(list->len, from + OBJECTS_PER_CALL)), error);
        if (answer == NULL)
            return FALSE;
        gboolean ok = take_answer(names, machines, answer, error);
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
    auto_ptr(rest) rest = rest_open(vsphere, &failure);
    if (rest == NULL || !read_tags(rest, machines, &failure))
        tell_failure(vsphere, failure);
    return TRUE;
}
