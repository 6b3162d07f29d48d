/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tags that a machine had go to the machine that was made of it. */
#include "base/error.h"
#include "hyper/vsphere/tag_names.h"

#include <string.h>

#define AMBIGUOUS "" /* in place of an id */

struct lookup {
    struct rest *rest;
    struct tag_names *names;
    const GPtrArray *wanted; /* of char * "category/tag" */
    GHashTable *ids;         /* of those that are there: char * "category/tag" -> char * */
};

/* ---- Which tags there are -------------------------------------------------------------------- */

/* Both names may have slashes. */
static gboolean
may_have_wanted(const GPtrArray *wanted, const char *category)
{
    gsize length = strlen(category);
    for (guint i = 0; i < wanted->len; i++) {
        const char *tag = g_ptr_array_index(wanted, i);
        if (strncmp(tag, category, length) == 0 && tag[length] == '/')
            return TRUE;
    }
    return FALSE;
}

/* Each of a list of ids (NULL: it could not be had).  What is not there any more, or not for the
 * account to see, is none. */
static gboolean
look_at_each(struct lookup *lookup, const json_t *ids,
             gboolean (*look)(struct lookup *lookup, const char *id, GError **error),
             GError **error)
{
    gsize i;
    json_t *id;
    json_array_foreach((json_t *)ids, i, id)
    {
        g_autofree char *text = rest_text(id);
        g_autoptr(GError) failure = NULL;
        if (text == NULL || look(lookup, text, &failure) ||
            g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) ||
            g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED))
            continue;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    return ids != NULL;
}

static gboolean
look_at_tag(struct lookup *lookup, const char *id, GError **error)
{
    const char *name = tag_names_tag(lookup->names, id, error);
    if (name == NULL)
        return FALSE;
    if (!g_ptr_array_find_with_equal_func((GPtrArray *)lookup->wanted, name, g_str_equal, NULL))
        return TRUE;
    gboolean again = g_hash_table_contains(lookup->ids, name);
    g_hash_table_insert(lookup->ids, g_strdup(name), g_strdup(again ? AMBIGUOUS : id));
    return TRUE;
}

static gboolean
look_at_category(struct lookup *lookup, const char *id, GError **error)
{
    const char *name = tag_names_category(lookup->names, id, error);
    if (name == NULL)
        return FALSE;
    if (!may_have_wanted(lookup->wanted, name))
        return TRUE;
    json_t *tags = rest_list_tags(lookup->rest, id, error);
    gboolean ok = look_at_each(lookup, tags, look_at_tag, error);
    json_decref(tags);
    return ok;
}

static gboolean
look_up(struct lookup *lookup, GError **error)
{
    json_t *categories = rest_get(lookup->rest, "category", NULL, error);
    gboolean ok = look_at_each(lookup, categories, look_at_category, error);
    json_decref(categories);
    return ok;
}

/* ---- Attaching ------------------------------------------------------------------------------- */

/* A machine that has it already is fine with the server. */
static gboolean
attach(struct rest *rest, const char *id, const struct moref *self, GError **error)
{
    json_t *object =
        json_pack("{s:{s:s, s:s}}", "object_id", "id", self->value, "type", self->type);
    json_t *answer = rest_do(rest, "tag-association", id, "attach", object, error);
    gboolean ok = answer != NULL;
    json_decref(answer);
    return ok;
}

static void
say(struct placement *placement, const char *tag, const char *why)
{
    placement_say(placement, "tag %s was not attached: %s", tag, why);
}

static const char *
words_of(const GError *failure)
{
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED))
        return "the account lacks the privilege Assign or Unassign vSphere Tag "
               "(InventoryService.Tagging.AttachTag)";
    return failure->message;
}

/* A server that does not answer is not asked again for each. */
static void
attach_each(const struct lookup *lookup, const struct moref *self, struct placement *placement)
{
    g_autoptr(GError) lost = NULL;
    for (guint i = 0; i < lookup->wanted->len; i++) {
        const char *tag = g_ptr_array_index(lookup->wanted, i);
        const char *id = g_hash_table_lookup(lookup->ids, tag);
        g_autoptr(GError) failure = NULL;
        if (id == NULL)
            say(placement, tag, "there is none of that name here, or the account may not see it");
        else if (strcmp(id, AMBIGUOUS) == 0)
            say(placement, tag, "there is more than one of that name here");
        else if (lost != NULL)
            say(placement, tag, lost->message);
        else if (!attach(lookup->rest, id, self, &failure))
            say(placement, tag, words_of(failure));
        if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK))
            lost = g_steal_pointer(&failure);
    }
}

static gboolean
attach_all(struct vsphere *vsphere, const struct moref *self, const GPtrArray *tags,
           struct placement *placement, GError **error)
{
    auto_ptr(rest) rest = rest_open(vsphere, error);
    if (rest == NULL)
        return FALSE;
    auto_ptr(tag_names) names = tag_names_new(rest);
    g_autoptr(GHashTable) ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    struct lookup lookup = {rest, names, tags, ids};
    if (!look_up(&lookup, error))
        return FALSE;
    attach_each(&lookup, self, placement);
    return TRUE;
}

void
vsphere_attach_tags(struct vsphere *vsphere, const struct moref *self, const GPtrArray *tags,
                    struct placement *placement)
{
    g_autoptr(GError) failure = NULL;
    const char *why = "a single host has no tags, a vCenter has";
    if (tags->len == 0)
        return;
    if (vim_service(vsphere->vim)->manager) {
        if (attach_all(vsphere, self, tags, placement, &failure))
            return;
        why = g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)
                  ? "this vCenter has no interface for tags; 6.5 and later have"
                  : failure->message;
    }
    for (guint i = 0; i < tags->len; i++)
        say(placement, g_ptr_array_index(tags, i), why);
}
