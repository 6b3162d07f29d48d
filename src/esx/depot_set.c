/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/depot_set.h"

#include <string.h>

/* A VIB id's place in the tables: when a local depot brings what was only on a server so far, the
 * package changes and the tables stay. */
struct entry {
    struct package *package;
};

struct depot_set {
    GPtrArray *depots;    /* all of them, borrowed ... */
    GPtrArray *owned;     /* ... and those that go with the set */
    GPtrArray *entries;   /* owned, in the order in which they came */
    GHashTable *by_id;    /* VIB id -> struct entry * */
    GHashTable *by_name;  /* VIB name -> GPtrArray of struct entry * */
    GHashTable *provides; /* name of a provide -> GPtrArray of struct entry * */
};

struct depot_set *
depot_set_new(void)
{
    struct depot_set *set = g_new0(struct depot_set, 1);
    set->depots = g_ptr_array_new();
    set->owned = g_ptr_array_new_with_free_func((GDestroyNotify)depot_free);
    set->entries = g_ptr_array_new_with_free_func(g_free);
    set->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    set->by_name =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    set->provides =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    return set;
}

void
depot_set_free(struct depot_set *set)
{
    if (set == NULL)
        return;
    g_hash_table_unref(set->by_id);
    g_hash_table_unref(set->by_name);
    g_hash_table_unref(set->provides);
    g_ptr_array_unref(set->entries);
    g_ptr_array_unref(set->depots);
    g_ptr_array_unref(set->owned);
    g_free(set);
}

static void
index_entry(GHashTable *table, const char *name, struct entry *entry)
{
    GPtrArray *list = g_hash_table_lookup(table, name);
    if (list == NULL) {
        list = g_ptr_array_new();
        g_hash_table_insert(table, g_strdup(name), list);
    }
    /* A name provided in several versions stands in a row. */
    if (list->len == 0 || list->pdata[list->len - 1] != entry)
        g_ptr_array_add(list, entry);
}

static void
index_vib(struct depot_set *set, const struct vib *vib, struct entry *entry)
{
    index_entry(set->by_name, vib->name, entry);
    index_entry(set->provides, vib->name, entry);
    for (guint i = 0; i < vib->provides->len; i++)
        index_entry(set->provides, g_array_index(vib->provides, struct relation, i).name, entry);
}

static gboolean
is_local(const struct package *package)
{
    return package->depot->kind != DEPOT_ONLINE;
}

static void
add_package(struct depot_set *set, struct package *package)
{
    struct entry *entry = g_hash_table_lookup(set->by_id, package->vib->id);
    if (entry != NULL) {
        if (is_local(package) && !is_local(entry->package))
            entry->package = package;
        return;
    }
    entry = g_new0(struct entry, 1);
    entry->package = package;
    g_ptr_array_add(set->entries, entry);
    g_hash_table_insert(set->by_id, g_strdup(package->vib->id), entry);
    index_vib(set, package->vib, entry);
}

void
depot_set_add_borrowed(struct depot_set *set, struct depot *depot)
{
    g_ptr_array_add(set->depots, depot);
    for (guint i = 0; i < depot->packages->len; i++)
        add_package(set, depot->packages->pdata[i]);
}

void
depot_set_add(struct depot_set *set, struct depot *depot)
{
    g_ptr_array_add(set->owned, depot);
    depot_set_add_borrowed(set, depot);
}

GPtrArray *
depot_set_depots(struct depot_set *set)
{
    return set->depots;
}

struct package *
depot_set_find(struct depot_set *set, const char *vib_id)
{
    const struct entry *entry = g_hash_table_lookup(set->by_id, vib_id);
    return entry != NULL ? entry->package : NULL;
}

GPtrArray *
depot_set_packages(struct depot_set *set)
{
    GPtrArray *packages = g_ptr_array_sized_new(set->entries->len);
    for (guint i = 0; i < set->entries->len; i++)
        g_ptr_array_add(packages, ((struct entry *)set->entries->pdata[i])->package);
    return packages;
}

/* Versions of different VIBs say nothing about each other: those stand by name. */
static int
compare_newest_first(gconstpointer a, gconstpointer b)
{
    const struct vib *x = (*(struct package *const *)a)->vib;
    const struct vib *y = (*(struct package *const *)b)->vib;
    int order = strcmp(x->name, y->name);
    if (order == 0)
        order = version_compare(y->version, x->version);
    return order != 0 ? order : strcmp(x->id, y->id);
}

GPtrArray *
depot_set_by_name(struct depot_set *set, const char *name)
{
    const GPtrArray *list = g_hash_table_lookup(set->by_name, name);
    GPtrArray *packages = g_ptr_array_new();
    for (guint i = 0; list != NULL && i < list->len; i++)
        g_ptr_array_add(packages, ((struct entry *)list->pdata[i])->package);
    g_ptr_array_sort(packages, compare_newest_first);
    return packages;
}

GPtrArray *
depot_set_providers(struct depot_set *set, const struct relation *wish, const char *product)
{
    const GPtrArray *list = g_hash_table_lookup(set->provides, wish->name);
    GPtrArray *packages = g_ptr_array_new();
    for (guint i = 0; list != NULL && i < list->len; i++) {
        struct package *package = ((struct entry *)list->pdata[i])->package;
        if (vib_provides(package->vib, wish) && vib_for_product(package->vib, product))
            g_ptr_array_add(packages, package);
    }
    g_ptr_array_sort(packages, compare_newest_first);
    return packages;
}
