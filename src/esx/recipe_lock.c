/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/recipe_lock.h"

#include "base/error.h"
#include "base/stream_digest.h"

#include <string.h>

static void
free_item(gpointer data)
{
    struct recipe_lock_item *item = data;
    g_free(item->name);
    g_free(item->depot);
    g_free(item->sha256);
    g_free(item);
}

struct recipe_lock *
recipe_lock_new(void)
{
    struct recipe_lock *lock = g_new0(struct recipe_lock, 1);
    lock->vibs = g_ptr_array_new_with_free_func(free_item);
    lock->files = g_ptr_array_new_with_free_func(free_item);
    return lock;
}

void
recipe_lock_free(struct recipe_lock *lock)
{
    if (lock == NULL)
        return;
    g_ptr_array_unref(lock->vibs);
    g_ptr_array_unref(lock->files);
    g_free(lock->profile_name);
    g_free(lock->profile_vendor);
    g_free(lock->output_kind);
    g_free(lock->output_sha256);
    g_free(lock);
}

char *
recipe_lock_path(const char *recipe)
{
    static const char *const suffixes[] = {".yaml", ".yml"};
    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        if (!g_str_has_suffix(recipe, suffixes[i]))
            continue;
        g_autofree char *stem = g_strndup(recipe, strlen(recipe) - strlen(suffixes[i]));
        return g_strconcat(stem, ".lock", NULL);
    }
    return g_strconcat(recipe, ".lock", NULL);
}

static struct recipe_lock_item *
add_item(GPtrArray *list, const char *name, const char *depot)
{
    struct recipe_lock_item *item = g_new0(struct recipe_lock_item, 1);
    item->name = g_strdup(name);
    item->depot = g_strdup(depot);
    g_ptr_array_add(list, item);
    return item;
}

void
recipe_lock_add_stated(struct recipe_lock *lock, const struct package *package, const char *depot)
{
    struct recipe_lock_item *item = add_item(lock->vibs, package->vib->id, depot);
    item->sha256 = g_strdup(package_sha256(package));
    item->size = package->vib->packed_size;
}

gboolean
recipe_lock_add_package(struct recipe_lock *lock, const struct package *package, const char *depot,
                        GError **error)
{
    struct recipe_lock_item *item = add_item(lock->vibs, package->vib->id, depot);
    if (!stream_digest(package_open(package, error), DIGEST_SHA256, &item->sha256, &item->size,
                       error))
        return FALSE;
    const char *stated = package_sha256(package);
    if (stated == NULL || strcmp(stated, item->sha256) == 0)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: the SHA-256 of the .vib file should be %s but is %s; the file is damaged "
                     "or was changed, get its depot %s again",
                     item->name, stated, item->sha256, depot);
}

gboolean
recipe_lock_add_file(struct recipe_lock *lock, const char *title, const char *path, GError **error)
{
    struct recipe_lock_item *item = add_item(lock->files, title, NULL);
    return stream_digest(stream_new_file(path, error), DIGEST_SHA256, &item->sha256, &item->size,
                         error);
}

gboolean
recipe_lock_set_output(struct recipe_lock *lock, const char *kind, const char *path, GError **error)
{
    g_free(lock->output_kind);
    lock->output_kind = g_strdup(kind);
    g_clear_pointer(&lock->output_sha256, g_free);
    return stream_digest(stream_new_file(path, error), DIGEST_SHA256, &lock->output_sha256,
                         &lock->output_size, error);
}

static const struct recipe_lock_item *
find_item(const GPtrArray *list, const char *name)
{
    for (guint i = 0; i < list->len; i++) {
        const struct recipe_lock_item *item = list->pdata[i];
        if (strcmp(item->name, name) == 0)
            return item;
    }
    return NULL;
}

static void
compare_item(const char *what, const struct recipe_lock_item *locked,
             const struct recipe_lock_item *actual, GPtrArray *differences)
{
    if (actual == NULL)
        g_ptr_array_add(differences, g_strdup_printf("%s %s is not there", what, locked->name));
    else if (actual->sha256 != NULL && g_strcmp0(actual->sha256, locked->sha256) != 0)
        g_ptr_array_add(differences, g_strdup_printf("%s %s has the SHA-256 %s instead of %s", what,
                                                     locked->name, actual->sha256, locked->sha256));
    else if (actual->size != 0 && actual->size != locked->size)
        g_ptr_array_add(differences,
                        g_strdup_printf("%s %s has %" G_GUINT64_FORMAT
                                        " bytes instead of %" G_GUINT64_FORMAT,
                                        what, locked->name, actual->size, locked->size));
}

static void
compare_lists(const char *what, const GPtrArray *locked, const GPtrArray *actual,
              GPtrArray *differences)
{
    for (guint i = 0; i < locked->len; i++) {
        const struct recipe_lock_item *item = locked->pdata[i];
        compare_item(what, item, find_item(actual, item->name), differences);
    }
    for (guint i = 0; i < actual->len; i++) {
        const struct recipe_lock_item *item = actual->pdata[i];
        if (find_item(locked, item->name) == NULL)
            g_ptr_array_add(differences, g_strdup_printf("%s %s is new", what, item->name));
    }
}

GPtrArray *
recipe_lock_compare(const struct recipe_lock *locked, const struct recipe_lock *actual)
{
    GPtrArray *differences = g_ptr_array_new_with_free_func(g_free);
    compare_lists("VIB", locked->vibs, actual->vibs, differences);
    compare_lists("file", locked->files, actual->files, differences);
    return differences;
}
