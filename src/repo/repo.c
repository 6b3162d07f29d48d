/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo/repo.h"

#include "base/error.h"
#include "repo/repo_driver.h"

#include <string.h>

#define PARTS_MAX 4u
#define OWNER_LENGTH 32u

void
repo_init(struct repo *repo, const struct repo_class *class, unsigned capabilities,
          const char *label)
{
    repo->class = class;
    repo->label = g_strdup(label);
    repo->capabilities = capabilities;
}

void
repo_writer_init(struct repo_writer *writer, const struct repo_writer_class *class,
                 struct repo *repo)
{
    writer->class = class;
    writer->repo = repo;
    writer->size = 0;
    writer->failed = FALSE;
}

struct repo_entry *
repo_entry_new(const char *name, guint64 size, gint64 written)
{
    struct repo_entry *entry = g_new(struct repo_entry, 1);
    *entry = (struct repo_entry){.name = g_strdup(name), .size = size, .written = written};
    return entry;
}

void
repo_entry_free(struct repo_entry *entry)
{
    if (entry == NULL)
        return;
    g_free(entry->name);
    g_free(entry);
}

const char *
repo_label(const struct repo *repo)
{
    return repo->label;
}

unsigned
repo_capabilities(const struct repo *repo)
{
    return repo->capabilities;
}

/* ---- Words ----------------------------------------------------------------------------------- */

gboolean
repo_error_missing(const struct repo *repo, const char *name, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                     "%s: there is no %s; restore it from a copy if it should be there",
                     repo->label, name);
}

gboolean
repo_error_taken(const struct repo *repo, const char *name, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                     "%s: cannot finish %s: somebody removed it while it was written, as what a "
                     "dead writer left; begin again",
                     repo->label, name);
}

gboolean
repo_error_exists(const struct repo *repo, const char *name, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_EXISTS, "%s: %s is there already", repo->label, name);
}

gboolean
repo_error_limit(const struct repo *repo, const char *name, guint64 size, guint64 limit,
                 GError **error)
{
    return error_set(error, SLIPWAY_ERROR_LIMIT,
                     "%s: %s has %" G_GUINT64_FORMAT " bytes, more than the %" G_GUINT64_FORMAT
                     " that such an object may have",
                     repo->label, name, size, limit);
}

gboolean
repo_error_short(const struct repo *repo, const char *name, guint64 offset, guint64 length,
                 GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: %s is shorter than expected: %" G_GUINT64_FORMAT
                     " bytes at %" G_GUINT64_FORMAT " are not all there; restore it from a copy",
                     repo->label, name, length, offset);
}

/* ---- Names ----------------------------------------------------------------------------------- */

gboolean
repo_name_valid(const char *name)
{
    gsize length = strlen(name);
    if (length == 0 || length > REPO_NAME_MAX)
        return FALSE;
    /* Unfinished objects of the directory driver are there. */
    if (g_str_equal(name, "tmp") || g_str_has_prefix(name, "tmp/"))
        return FALSE;

    guint parts = 1;
    for (gsize i = 0; i < length; i++) {
        gboolean begins = i == 0 || name[i - 1] == '/';
        if (name[i] == '/') {
            if (begins || i + 1 == length || ++parts > PARTS_MAX)
                return FALSE;
        } else if (name[i] == '.') {
            if (begins)
                return FALSE;
        } else if (!g_ascii_islower(name[i]) && !g_ascii_isdigit(name[i]) && name[i] != '_' &&
                   name[i] != '-') {
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
check_name(const struct repo *repo, const char *name, GError **error)
{
    if (repo_name_valid(name))
        return TRUE;
    g_autofree char *shown = g_strescape(name, NULL);
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "%s: '%s' cannot be the name of an object; it takes one to four parts of "
                     "[0-9a-z._-] that do not begin with a dot",
                     repo->label, shown);
}

static gboolean
check_owner(const struct repo *repo, const char *owner, GError **error)
{
    if (strlen(owner) == OWNER_LENGTH && strspn(owner, "0123456789abcdef") == OWNER_LENGTH)
        return TRUE;
    g_autofree char *shown = g_strescape(owner, NULL);
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "%s: '%s' cannot own an object; an owner is 32 hex digits", repo->label,
                     shown);
}

/* ---- Writing --------------------------------------------------------------------------------- */

gboolean
repo_put(struct repo *repo, const char *name, const void *data, gsize length, GError **error)
{
    return check_name(repo, name, error) &&
           repo->class->put(repo, name, data, length, FALSE, error);
}

gboolean
repo_replace(struct repo *repo, const char *name, const void *data, gsize length, GError **error)
{
    return check_name(repo, name, error) && repo->class->put(repo, name, data, length, TRUE, error);
}

struct repo_writer *
repo_create(struct repo *repo, const char *owner, GError **error)
{
    if (!check_owner(repo, owner, error))
        return NULL;
    if (g_str_equal(owner, REPO_OWNER_PUT))
        return error_null(error, SLIPWAY_ERROR_USAGE, "%s: owner %s is that of small objects",
                          repo->label, owner);
    return repo->class->create(repo, owner, error);
}

gboolean
repo_writer_append(struct repo_writer *writer, const void *data, gsize length, GError **error)
{
    if (writer->failed)
        return error_set(error, SLIPWAY_ERROR_IO, "%s: writing an object failed before",
                         writer->repo->label);
    if (length == 0)
        return TRUE;
    if (!writer->class->append(writer, data, length, error)) {
        writer->failed = TRUE;
        return FALSE;
    }
    writer->size += length;
    return TRUE;
}

guint64
repo_writer_size(const struct repo_writer *writer)
{
    return writer->size;
}

gboolean
repo_writer_commit(struct repo_writer *writer, const char *name, GError **error)
{
    gboolean ok = check_name(writer->repo, name, error);
    if (ok && writer->failed)
        ok = error_set(error, SLIPWAY_ERROR_IO, "%s: cannot finish %s: writing it failed before",
                       writer->repo->label, name);
    if (ok)
        return writer->class->commit(writer, name, error);
    writer->class->abandon(writer);
    return FALSE;
}

void
repo_writer_abandon(struct repo_writer *writer)
{
    if (writer != NULL)
        writer->class->abandon(writer);
}

/* ---- Reading --------------------------------------------------------------------------------- */

gboolean
repo_read(struct repo *repo, const char *name, guint64 offset, void *buffer, gsize length,
          GError **error)
{
    if (!check_name(repo, name, error))
        return FALSE;
    if (length == 0)
        return TRUE;
    if (offset > G_MAXINT64 || length > G_MAXINT64 - offset)
        return repo_error_short(repo, name, offset, length, error);
    return repo->class->read(repo, name, offset, buffer, length, error);
}

GBytes *
repo_read_all(struct repo *repo, const char *name, gsize limit, GError **error)
{
    if (!check_name(repo, name, error))
        return NULL;
    return repo->class->read_all(repo, name, limit, error);
}

GBytes *
repo_view(struct repo *repo, const char *name, gsize limit, GError **error)
{
    if (repo->class->view == NULL)
        return repo_read_all(repo, name, limit, error);
    if (!check_name(repo, name, error))
        return NULL;
    return repo->class->view(repo, name, limit, error);
}

gboolean
repo_size(struct repo *repo, const char *name, guint64 *ret_size, GError **error)
{
    return check_name(repo, name, error) && repo->class->size(repo, name, ret_size, error);
}

/* ---- What there is --------------------------------------------------------------------------- */

static int
compare_entries(gconstpointer left, gconstpointer right)
{
    const struct repo_entry *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

GPtrArray *
repo_list(struct repo *repo, const char *folder, GError **error)
{
    if (*folder != '\0' && !check_name(repo, folder, error))
        return NULL;
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)repo_entry_free);
    if (!repo->class->list(repo, folder, entries, error))
        return NULL;
    g_ptr_array_sort(entries, compare_entries);
    return g_steal_pointer(&entries);
}

gboolean
repo_remove(struct repo *repo, const char *name, GError **error)
{
    return check_name(repo, name, error) && repo->class->remove(repo, name, error);
}

static int
compare_owners(gconstpointer left, gconstpointer right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

GPtrArray *
repo_unfinished(struct repo *repo, GError **error)
{
    g_autoptr(GPtrArray) owners = g_ptr_array_new_with_free_func(g_free);
    if (!repo->class->unfinished(repo, owners, error))
        return NULL;
    g_ptr_array_sort(owners, compare_owners);
    for (guint i = owners->len; i > 1; i--)
        if (g_str_equal(owners->pdata[i - 1], owners->pdata[i - 2]))
            g_ptr_array_remove_index(owners, i - 1);
    return g_steal_pointer(&owners);
}

gboolean
repo_unfinished_remove(struct repo *repo, const char *owner, GError **error)
{
    return check_owner(repo, owner, error) && repo->class->unfinished_remove(repo, owner, error);
}

guint64
repo_free_space(struct repo *repo)
{
    return repo->class->free_space == NULL ? G_MAXUINT64 : repo->class->free_space(repo);
}

void
repo_close(struct repo *repo)
{
    if (repo == NULL)
        return;
    char *label = repo->label; /* the driver frees the struct, and may name itself while it does */
    repo->class->close(repo);
    g_free(label);
}
