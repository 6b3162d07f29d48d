/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/store_tree.h"

#include "base/error.h"
#include "store/lease.h"
#include "store/store_sets.h"

#define SUFFIX ".raw"
/* How long a list of sets is taken for true. */
#define LIST_USEC (5 * G_USEC_PER_SEC)
#define NAME_DIGITS 12

struct store_tree {
    struct store *store;
    struct lease *lease;
    struct locator *locator;
    struct set_cache *cache;
    struct disk_tree *mounted;
    GMutex lock;     /* of what follows */
    GPtrArray *sets; /* of struct set_entry *, oldest first */
    gint64 listed;   /* monotonic time */
};

/* ---- Names ----------------------------------------------------------------------------------- */

/* Free with g_free(). */
static char *
name_encode(const char *text, const char *suffix)
{
    GString *name = g_string_new(NULL);
    for (const char *c = text; *c != '\0'; c++) {
        gboolean dot = *c == '.' && c == text;
        if (*c == '/' || *c == '%' || (guint8)*c < 0x20 || *c == 0x7f || dot)
            g_string_append_printf(name, "%%%02X", (guint8)*c);
        else
            g_string_append_c(name, *c);
    }
    g_string_append(name, suffix);
    return g_string_free(name, FALSE);
}

/* Free with g_free(). */
static char *
name_of_time(const struct set *set)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(set->created);
    return time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("unknown");
}

/* Free with g_free(). */
static char *
name_with_id(const struct set *set)
{
    char id[SET_ID_TEXT];
    g_autofree char *time = name_of_time(set);
    return g_strdup_printf("%s-%.*s", time, NAME_DIGITS, set_id_format(&set->id, id));
}

/* ---- The sets -------------------------------------------------------------------------------- */

/* A reference to the list of now.  A set that cannot be read is left out: `backup list` tells. */
static GPtrArray *
list_sets(struct store_tree *tree, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&tree->lock);
    gint64 now = g_get_monotonic_time();
    if (tree->sets != NULL && now - tree->listed < LIST_USEC)
        return g_ptr_array_ref(tree->sets);
    g_autoptr(GPtrArray) damaged = NULL;
    GPtrArray *sets = store_sets_list(tree->store, &damaged, error);
    if (sets == NULL)
        return NULL;
    g_clear_pointer(&tree->sets, g_ptr_array_unref);
    tree->sets = sets;
    tree->listed = now;
    return g_ptr_array_ref(sets);
}

static gboolean
is_of(const struct set *set, const char *folder)
{
    g_autofree char *name = name_encode(set->name, "");
    return g_str_equal(name, folder);
}

/* Two sets of a machine within one second. */
static gboolean
is_alone(GPtrArray *sets, const struct set *set)
{
    for (guint i = 0; i < sets->len; i++) {
        const struct set *other = ((const struct set_entry *)sets->pdata[i])->set;
        if (other != set && other->created == set->created && g_str_equal(other->name, set->name))
            return FALSE;
    }
    return TRUE;
}

static char *
name_of_set(GPtrArray *sets, const struct set *set)
{
    return is_alone(sets, set) ? name_of_time(set) : name_with_id(set);
}

/* Under either of its names, so that a path stays right when another set comes. */
static const struct set *
find_set(GPtrArray *sets, const char *machine, const char *folder)
{
    for (guint i = 0; i < sets->len; i++) {
        const struct set *set = ((const struct set_entry *)sets->pdata[i])->set;
        if (!is_of(set, machine))
            continue;
        g_autofree char *name = name_of_set(sets, set), *full = name_with_id(set);
        if (g_str_equal(name, folder) || g_str_equal(full, folder))
            return set;
    }
    return NULL;
}

/* ---- Folders --------------------------------------------------------------------------------- */

static struct disk_tree_entry *
add(GPtrArray *list, char *name, gboolean folder, guint64 size, gint64 time)
{
    struct disk_tree_entry *entry = g_new0(struct disk_tree_entry, 1);
    *entry = (struct disk_tree_entry){name, folder, size, time};
    g_ptr_array_add(list, entry);
    return entry;
}

/* With the time of the newest set. */
static void
list_machines(GPtrArray *sets, GPtrArray *ret)
{
    g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < sets->len; i++) {
        const struct set *set = ((const struct set_entry *)sets->pdata[i])->set;
        struct disk_tree_entry *entry = g_hash_table_lookup(found, set->name);
        if (entry == NULL) {
            entry = add(ret, name_encode(set->name, ""), TRUE, 0, set->created);
            g_hash_table_insert(found, set->name, entry);
        }
        entry->time = MAX(entry->time, set->created);
    }
}

static void
list_times(GPtrArray *sets, const char *machine, GPtrArray *ret)
{
    for (guint i = 0; i < sets->len; i++) {
        const struct set *set = ((const struct set_entry *)sets->pdata[i])->set;
        if (is_of(set, machine))
            add(ret, name_of_set(sets, set), TRUE, 0, set->created);
    }
}

static void
list_disks(const struct set *set, GPtrArray *ret)
{
    for (guint i = 0; i < set->disks->len; i++) {
        const struct set_disk *disk = set->disks->pdata[i];
        add(ret, name_encode(disk->name, SUFFIX), FALSE, disk->map.size, set->created);
    }
}

static gboolean
is_missing(const char *path, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "there is no %s in the store", path);
}

static GPtrArray *
list_folder(gpointer data, const char *path, GError **error)
{
    struct store_tree *tree = data;
    g_autoptr(GPtrArray) sets = list_sets(tree, error);
    if (sets == NULL)
        return NULL;
    g_autoptr(GPtrArray) ret = g_ptr_array_new_with_free_func((GDestroyNotify)disk_tree_entry_free);
    g_auto(GStrv) parts = g_strsplit(path, "/", 4); /* MACHINE, TIME, DISK */
    guint n = g_strv_length(parts);                 /* 0: the root */
    const struct set *set = n == 2 ? find_set(sets, parts[0], parts[1]) : NULL;
    if (n == 0)
        list_machines(sets, ret);
    else if (n == 1)
        list_times(sets, parts[0], ret);
    else if (set != NULL)
        list_disks(set, ret);
    if (ret->len == 0 && n > 0) {
        is_missing(path, error);
        return NULL;
    }
    return g_steal_pointer(&ret);
}

static struct disk *
open_file(gpointer data, const char *path, GError **error)
{
    struct store_tree *tree = data;
    g_autoptr(GPtrArray) sets = list_sets(tree, error);
    if (sets == NULL)
        return NULL;
    g_auto(GStrv) parts = g_strsplit(path, "/", 4); /* MACHINE, TIME, DISK */
    const struct set *set = g_strv_length(parts) == 3 ? find_set(sets, parts[0], parts[1]) : NULL;
    for (guint i = 0; set != NULL && i < set->disks->len; i++) {
        const struct set_disk *disk = set->disks->pdata[i];
        g_autofree char *name = name_encode(disk->name, SUFFIX);
        if (g_str_equal(name, parts[2]))
            return set_cache_open(tree->cache, set, disk->name, error);
    }
    is_missing(path, error);
    return NULL;
}

/* ---- Mounting -------------------------------------------------------------------------------- */

static gboolean
begin(struct store_tree *tree, const struct store_tree_options *options, GError **error)
{
    g_autoptr(GError) local = NULL;
    tree->lease = lease_take(tree->store, LEASE_WRITER, &local);
    if (tree->lease == NULL && options->mount.log != NULL) {
        g_autofree char *line = g_strdup_printf(
            "no lease: %s; do not prune the store while it is mounted", local->message);
        options->mount.log(line, options->mount.log_data);
    }
    if ((tree->locator = locator_new(tree->store, error)) == NULL ||
        (tree->cache = set_cache_new(tree->store, tree->locator, &options->cache, error)) == NULL)
        return FALSE;
    struct disk_tree_source source = {list_folder, open_file, tree};
    tree->mounted = disk_tree_mount(&source, &options->mount, error);
    return tree->mounted != NULL;
}

struct store_tree *
store_tree_mount(struct store *store, const struct store_tree_options *options, GError **error)
{
    struct store_tree *tree = g_new0(struct store_tree, 1);
    tree->store = store;
    g_mutex_init(&tree->lock);
    if (begin(tree, options, error))
        return tree;
    store_tree_unmount(tree);
    return NULL;
}

void
store_tree_unmount(struct store_tree *tree)
{
    if (tree == NULL)
        return;
    disk_tree_unmount(tree->mounted);
    set_cache_free(tree->cache);
    locator_free(tree->locator);
    lease_release(tree->lease);
    g_clear_pointer(&tree->sets, g_ptr_array_unref);
    g_mutex_clear(&tree->lock);
    g_free(tree);
}

gboolean
store_tree_is_gone(struct store_tree *tree)
{
    return disk_tree_is_gone(tree->mounted);
}
