/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "hyper/vsphere/vim_private.h"

#include <string.h>

/* So that an answer with the devices of so many machines stays well below VIM_REPLY_MAX. */
#define PAGE_OBJECTS 200
/* How often a list is begun anew when its session is lost in the middle, or an object went. */
#define BEGINNINGS_MAX 3u
#define PATHS_MAX 4096u /* of one object */

/* ---- Objects --------------------------------------------------------------------------------- */

/* An answer is shared by its objects: they count themselves on it. */
static void
share_answer(xmlDoc *answer)
{
    gint *count = answer->_private;
    if (count == NULL)
        answer->_private = count = g_new0(gint, 1);
    g_atomic_int_inc(count);
}

static void
release_answer(xmlDoc *answer)
{
    gint *count = answer->_private;
    if (!g_atomic_int_dec_and_test(count))
        return;
    g_free(count);
    xmlFreeDoc(answer);
}

void
vim_object_free(struct vim_object *object)
{
    if (object == NULL)
        return;
    moref_clear(&object->self);
    g_hash_table_unref(object->properties);
    release_answer(object->answer);
    g_free(object);
}

static struct vim_object *
read_object(xmlDoc *answer, const xmlNode *content, const char *label, GError **error)
{
    struct moref self = {0};
    if (!vim_child_moref(content, "obj", &self))
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: an object without a reference", label);
    struct vim_object *object = g_new0(struct vim_object, 1);
    object->self = self;
    object->answer = answer;
    share_answer(answer);
    object->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    guint n = 0;
    for (const xmlNode *set = xml_child(content, "propSet"); set != NULL && n < PATHS_MAX;
         set = xml_next(set, "propSet"), n++) {
        char *name = xml_child_text(set, "name");
        const xmlNode *value = xml_child(set, "val");
        if (name != NULL && value != NULL)
            g_hash_table_replace(object->properties, name, (gpointer)value);
        else
            g_free(name);
    }
    return object;
}

gboolean
vim_objects_read(xmlDoc *answer, const char *label, GPtrArray *list, char **ret_token,
                 GError **error)
{
    const xmlNode *result = vim_returned(answer);
    share_answer(answer);
    gboolean ok = TRUE;
    g_clear_pointer(ret_token, g_free);
    for (const xmlNode *node = xml_child(result, "objects"); ok && node != NULL;
         node = xml_next(node, "objects")) {
        struct vim_object *object = NULL;
        ok = list->len < VIM_OBJECTS_MAX ||
             error_set(error, SLIPWAY_ERROR_LIMIT, "%s: more than %u objects in one list", label,
                       VIM_OBJECTS_MAX);
        ok = ok && (object = read_object(answer, node, label, error)) != NULL;
        if (ok)
            g_ptr_array_add(list, object);
    }
    char *token = ok ? xml_child_text(result, "token") : NULL;
    if (token != NULL && *token != '\0')
        *ret_token = g_steal_pointer(&token);
    g_free(token);
    release_answer(answer);
    return ok;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static void
put_specs(GString *xml, const char *type, const struct moref *object, gboolean by_view,
          const char *const *paths)
{
    vim_begin(xml, "specSet", NULL);
    vim_begin(xml, "propSet", NULL);
    vim_put(xml, "type", type);
    for (gsize i = 0; paths[i] != NULL; i++)
        vim_put(xml, "pathSet", paths[i]);
    vim_end(xml, "propSet");
    vim_begin(xml, "objectSet", NULL);
    vim_put_moref(xml, "obj", object);
    vim_put_bool(xml, "skip", by_view);
    if (by_view) {
        vim_begin(xml, "selectSet", "TraversalSpec");
        vim_put(xml, "name", "view");
        vim_put(xml, "type", "ContainerView");
        vim_put(xml, "path", "view");
        vim_put_bool(xml, "skip", FALSE);
        vim_end(xml, "selectSet");
    }
    vim_end(xml, "objectSet");
    vim_end(xml, "specSet");
    vim_begin(xml, "options", NULL);
    vim_put_int(xml, "maxObjects", PAGE_OBJECTS);
    vim_end(xml, "options");
}

static void
give_up(struct vim *vim, const char *token)
{
    g_autoptr(GString) arguments = g_string_new(NULL);
    vim_put(arguments, "token", token);
    auto_xml_doc answer = vim_call(vim, "CancelRetrievePropertiesEx",
                                   &vim->service.property_collector, arguments->str, NULL, NULL);
}

/* Some servers ignore how many objects are wanted and send all of them at once, without a token. */
static gboolean
read_pages(struct vim *vim, const char *arguments, GPtrArray *list, struct vim_fault *fault,
           GError **error)
{
    g_autofree char *token = NULL;
    const struct moref *collector = &vim->service.property_collector;
    xmlDoc *answer = vim_call(vim, "RetrievePropertiesEx", collector, arguments, fault, error);
    if (answer == NULL || !vim_objects_read(answer, vim->label, list, &token, error))
        return FALSE;
    for (guint pages = 1; token != NULL; pages++) {
        guint before = list->len;
        g_autoptr(GString) more = g_string_new(NULL);
        vim_put(more, "token", token);
        answer = vim_call(vim, "ContinueRetrievePropertiesEx", collector, more->str, fault, error);
        gboolean ok = answer != NULL && vim_objects_read(answer, vim->label, list, &token, error);
        if (ok && token != NULL && (list->len == before || pages >= VIM_PAGES_MAX))
            ok = error_set(error, SLIPWAY_ERROR_CORRUPT,
                           "%s: the server gives a list that does not end", vim->label);
        if (!ok) {
            if (answer != NULL && token != NULL)
                give_up(vim, token);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
make_view(struct vim *vim, const char *type, const struct moref *container, struct moref *ret,
          GError **error)
{
    g_autoptr(GString) arguments = g_string_new(NULL);
    vim_put_moref(arguments, "container",
                  container != NULL ? container : &vim->service.root_folder);
    vim_put(arguments, "type", type);
    vim_put_bool(arguments, "recursive", TRUE);
    auto_xml_doc answer = vim_call(vim, "CreateContainerView", &vim->service.view_manager,
                                   arguments->str, NULL, error);
    if (answer == NULL)
        return FALSE;
    if (!vim_get_moref(vim_returned(answer), ret))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: a view without a reference",
                         vim->label);
    return TRUE;
}

/* It is gone already when the session was lost. */
static void
destroy_view(struct vim *vim, struct moref *view)
{
    auto_xml_doc answer = vim_call(vim, "DestroyView", view, NULL, NULL, NULL);
    moref_clear(view);
}

static GPtrArray *
find_once(struct vim *vim, const char *type, const struct moref *container,
          const char *const *paths, struct vim_fault *fault, GError **error)
{
    struct moref view = {0};
    if (!make_view(vim, type, container, &view, error))
        return NULL;
    g_autoptr(GString) arguments = g_string_new(NULL);
    put_specs(arguments, type, &view, TRUE, paths);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)vim_object_free);
    gboolean ok = read_pages(vim, arguments->str, list, fault, error);
    destroy_view(vim, &view);
    return ok ? g_steal_pointer(&list) : NULL;
}

static guint
session_number(struct vim *vim)
{
    guint number = 0;
    secret_free(vim_cookie(vim, &number));
    return number;
}

/* Views and tokens end with their session, a token also with the answer to it, which may have been
 * lost; and an object that goes while it is read can be a fault. */
static gboolean
is_worth_a_beginning(struct vim *vim, guint number, const struct vim_fault *fault)
{
    return session_number(vim) != number || vim_fault_is(fault, "ManagedObjectNotFound") ||
           vim_fault_is(fault, "InvalidArgument");
}

GPtrArray *
vim_find_all(struct vim *vim, const char *type, const struct moref *container,
             const char *const *paths, GError **error)
{
    for (guint beginning = 1;; beginning++) {
        g_autoptr(GError) failure = NULL;
        struct vim_fault fault = {0};
        guint number = session_number(vim);
        GPtrArray *list = find_once(vim, type, container, paths, &fault, &failure);
        gboolean again =
            list == NULL && beginning < BEGINNINGS_MAX && is_worth_a_beginning(vim, number, &fault);
        vim_fault_clear(&fault);
        if (list != NULL)
            return list;
        if (!again) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
    }
}

struct vim_object *
vim_get(struct vim *vim, const struct moref *self, const char *const *paths, GError **error)
{
    g_autoptr(GString) arguments = g_string_new(NULL);
    put_specs(arguments, self->type, self, FALSE, paths);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)vim_object_free);
    struct vim_fault fault = {0};
    g_autoptr(GError) failure = NULL;
    gboolean ok = read_pages(vim, arguments->str, list, &fault, &failure);
    gboolean gone = vim_fault_is(&fault, "ManagedObjectNotFound");
    vim_fault_clear(&fault);
    if (!ok && !gone) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (list->len == 0)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "%s: %s %s is not there any more",
                          vim->label, self->type, self->value);
    return g_ptr_array_steal_index(list, 0);
}
