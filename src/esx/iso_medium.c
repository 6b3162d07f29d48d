/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/iso_medium_private.h"

#include "base/error.h"

#include <string.h>
#include <unistd.h>

#define FIRST_WEIGHT (1 << 30)
#define APPLICATION_ID "ESXIMAGE"
#define DEPTH_MAX 8 /* ECMA-119 6.8.2.1 */

/* libisofs keeps its messages in one queue for the process; it must not print. */
static gboolean
init_library(GError **error)
{
    static gsize once;
    static int result;
    if (g_once_init_enter(&once)) {
        result = iso_init();
        static char queue[] = "FAILURE", print[] = "NEVER", id[] = "", abort_at[] = "SORRY";
        iso_set_msgs_severities(queue, print, id);
        iso_set_abort_severity(abort_at);
        g_once_init_leave(&once, 1);
    }
    if (result < 0)
        return error_set(error, SLIPWAY_ERROR_FAILED, "libisofs: %s", iso_error_to_msg(result));
    return TRUE;
}

gboolean
iso_medium_fail(int result, const char *what, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_FAILED, "ISO image: %s: %s", what,
                     iso_error_to_msg(result));
}

struct iso_medium *
iso_medium_new_empty(GError **error)
{
    if (!init_library(error))
        return NULL;
    struct iso_medium *medium = g_new0(struct iso_medium, 1);
    medium->fd = -1;
    medium->next_weight = FIRST_WEIGHT;
    medium->bytes =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    g_mutex_init(&medium->lock);
    int result = iso_image_new("", &medium->image);
    if (result < 0) {
        iso_medium_fail(result, "cannot begin one", error);
        iso_medium_free(medium);
        return NULL;
    }
    return medium;
}

struct iso_medium *
iso_medium_new(const char *volume_id, GError **error)
{
    struct iso_medium *medium = iso_medium_new_empty(error);
    if (medium == NULL)
        return NULL;
    iso_medium_set_volume_id(medium, volume_id);
    iso_image_set_application_id(medium->image, APPLICATION_ID);
    return medium;
}

void
iso_medium_free(struct iso_medium *medium)
{
    if (medium == NULL)
        return;
    if (medium->image != NULL)
        iso_image_unref(medium->image);
    if (medium->fd >= 0)
        close(medium->fd);
    g_hash_table_unref(medium->bytes);
    g_clear_error(&medium->error);
    g_mutex_clear(&medium->lock);
    g_free(medium->path);
    g_free(medium);
}

const char *
iso_medium_volume_id(struct iso_medium *medium)
{
    const char *id = iso_image_get_volume_id(medium->image);
    return id != NULL ? id : "";
}

const char *
iso_medium_application_id(struct iso_medium *medium)
{
    const char *id = iso_image_get_application_id(medium->image);
    return id != NULL ? id : "";
}

/* As the vendor's: the profile's name in upper case, cut to the 32 bytes of the field. */
void
iso_medium_set_volume_id(struct iso_medium *medium, const char *volume_id)
{
    g_autofree char *upper = g_ascii_strup(volume_id, -1);
    g_autofree char *cut = g_strndup(upper, 32);
    for (char *c = cut; *c != '\0'; c++)
        if ((guchar)*c < ' ' || (guchar)*c > 126)
            *c = '_';
    iso_image_set_volume_id(medium->image, cut);
}

void
iso_medium_set_time(struct iso_medium *medium, gint64 time)
{
    medium->time = time;
}

/* The tree. */

/* Depth first, directories before what is in them; FALSE stops. */
static gboolean
visit(struct iso_medium *medium, IsoDir *dir, const char *path, iso_medium_visit_func function,
      void *user_data)
{
    IsoDirIter *iterator = NULL;
    IsoNode *node = NULL;
    if (iso_dir_get_children(dir, &iterator) < 0)
        return TRUE;
    gboolean go_on = TRUE;
    while (go_on && iso_dir_iter_next(iterator, &node) == 1) {
        g_autofree char *child = g_strconcat(path, "/", iso_node_get_name(node), NULL);
        go_on = function(medium, child, node, user_data);
        if (go_on && iso_node_get_type(node) == LIBISO_DIR)
            go_on = visit(medium, (IsoDir *)node, child, function, user_data);
    }
    iso_dir_iter_free(iterator);
    return go_on;
}

void
iso_medium_visit(struct iso_medium *medium, iso_medium_visit_func function, void *user_data)
{
    visit(medium, iso_image_get_root(medium->image), "", function, user_data);
}

struct search {
    const char *path;
    IsoNode *found;
};

static gboolean
match_path(struct iso_medium *medium G_GNUC_UNUSED, const char *path, IsoNode *node,
           void *user_data)
{
    struct search *search = user_data;
    if (g_ascii_strcasecmp(path, search->path) != 0)
        return TRUE;
    search->found = node;
    return FALSE;
}

IsoNode *
iso_medium_find(struct iso_medium *medium, const char *path)
{
    struct search search = {.path = path};
    iso_medium_visit(medium, match_path, &search);
    return search.found;
}

static gboolean
collect_file(struct iso_medium *medium G_GNUC_UNUSED, const char *path, IsoNode *node,
             void *user_data)
{
    if (iso_node_get_type(node) != LIBISO_FILE)
        return TRUE;
    struct iso_medium_file *file = g_new0(struct iso_medium_file, 1);
    file->path = g_strdup(path);
    file->size = (guint64)iso_file_get_size((IsoFile *)node);
    g_ptr_array_add(user_data, file);
    return TRUE;
}

static void
free_file(gpointer data)
{
    struct iso_medium_file *file = data;
    g_free(file->path);
    g_free(file);
}

static int
compare_files(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct iso_medium_file *const *)a)->path,
                  (*(struct iso_medium_file *const *)b)->path);
}

GPtrArray *
iso_medium_files(struct iso_medium *medium)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(free_file);
    iso_medium_visit(medium, collect_file, files);
    g_ptr_array_sort(files, compare_files);
    return files;
}

gboolean
iso_medium_has(struct iso_medium *medium, const char *path)
{
    return iso_medium_find(medium, path) != NULL;
}

/* Changing the tree. */

/* 8.3, where the last dot is the one that counts (`MENU.C32.B00` is on stock media). */
static gboolean
name_fits(const char *name)
{
    const char *dot = strrchr(name, '.');
    gsize base = dot != NULL ? (gsize)(dot - name) : strlen(name);
    if (base == 0 || base > 8 || (dot != NULL && strlen(dot + 1) > 3))
        return FALSE;
    for (const char *c = name; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || *c == '/' || *c == ';')
            return FALSE;
    return TRUE;
}

void
iso_medium_stamp(struct iso_medium *medium, IsoNode *node)
{
    iso_node_set_mtime(node, (time_t)medium->time);
    iso_node_set_atime(node, (time_t)medium->time);
    iso_node_set_ctime(node, (time_t)medium->time);
}

/* The directory of `path`, made when it is missing; *ret_name is the last part, upper case. */
static IsoDir *
make_directory(struct iso_medium *medium, const char *path, char **ret_name, GError **error)
{
    g_autofree char *upper = g_ascii_strup(path, -1);
    g_auto(GStrv) parts = g_strsplit(upper + (*upper == '/'), "/", DEPTH_MAX);
    IsoDir *dir = iso_image_get_root(medium->image);
    g_autoptr(GString) so_far = g_string_new("");
    for (char **part = parts; *part != NULL; part++) {
        if (!name_fits(*part))
            return error_null(error, SLIPWAY_ERROR_CORRUPT,
                              "ISO image: `%s` is no 8.3 name, the loader could not find it", path);
        if (part[1] == NULL) {
            *ret_name = g_strdup(*part);
            return dir;
        }
        g_string_append_printf(so_far, "/%s", *part);
        IsoNode *node = iso_medium_find(medium, so_far->str);
        if (node == NULL) {
            IsoDir *made = NULL;
            int result = iso_tree_add_new_dir(dir, *part, &made);
            if (result < 0)
                return error_null(error, SLIPWAY_ERROR_FAILED, "ISO image: %s: %s", so_far->str,
                                  iso_error_to_msg(result));
            iso_medium_stamp(medium, (IsoNode *)made);
            node = (IsoNode *)made;
        }
        if (iso_node_get_type(node) != LIBISO_DIR)
            return error_null(error, SLIPWAY_ERROR_CORRUPT, "ISO image: %s is no directory",
                              so_far->str);
        dir = (IsoDir *)node;
    }
    return error_null(error, SLIPWAY_ERROR_CORRUPT, "ISO image: an empty path");
}

/* Takes over `stream`. */
static gboolean
put_stream(struct iso_medium *medium, const char *path, IsoStream *stream, GError **error)
{
    g_autofree char *name = NULL;
    IsoNode *old = iso_medium_find(medium, path);
    IsoDir *dir = make_directory(medium, path, &name, error);
    if (dir == NULL) {
        iso_stream_unref(stream);
        return FALSE;
    }
    g_autofree char *kept = old != NULL ? g_strdup(iso_node_get_name(old)) : NULL;
    if (old != NULL)
        iso_node_remove(old);
    IsoFile *file = NULL;
    int result = iso_tree_add_new_file(dir, kept != NULL ? kept : name, stream, &file);
    if (result < 0) {
        iso_stream_unref(stream);
        return iso_medium_fail(result, path, error);
    }
    iso_medium_stamp(medium, (IsoNode *)file);
    iso_node_set_permissions((IsoNode *)file, 0444);
    iso_node_set_sort_weight((IsoNode *)file, medium->next_weight--);
    return TRUE;
}

gboolean
iso_medium_put_bytes(struct iso_medium *medium, const char *path, GBytes *bytes, GError **error)
{
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);
    unsigned char *copy = malloc(size + 1); /* libisofs frees it with free() */
    if (copy == NULL)
        g_error("out of memory");
    if (size > 0)
        memcpy(copy, data, size);
    IsoStream *stream = NULL;
    int result = iso_memory_stream_new(copy, size, &stream);
    if (result < 0) {
        free(copy);
        return iso_medium_fail(result, path, error);
    }
    if (!put_stream(medium, path, stream, error))
        return FALSE;
    g_hash_table_replace(medium->bytes, g_ascii_strup(path, -1), g_bytes_ref(bytes));
    return TRUE;
}

gboolean
iso_medium_put_content(struct iso_medium *medium, const char *path, guint64 size,
                       struct iso_content *content, GError **error)
{
    g_autofree char *key = g_ascii_strup(path, -1);
    g_hash_table_remove(medium->bytes, key);
    return put_stream(medium, path, iso_medium_content_stream(medium, size, content), error);
}

gboolean
iso_medium_remove(struct iso_medium *medium, const char *path, GError **error)
{
    IsoNode *node = iso_medium_find(medium, path);
    if (node == NULL)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "ISO image: there is no %s", path);
    g_autofree char *key = g_ascii_strup(path, -1);
    g_hash_table_remove(medium->bytes, key);
    int result = iso_node_remove(node);
    return result < 0 ? iso_medium_fail(result, path, error) : TRUE;
}
