/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/profile_edit.h"
#include "esx/vib_identity.h"

#include <string.h>

void
profile_comparison_clear(struct profile_comparison *comparison)
{
    g_clear_pointer(&comparison->only_in_ref, g_ptr_array_unref);
    g_clear_pointer(&comparison->only_in_comp, g_ptr_array_unref);
    g_clear_pointer(&comparison->upgrade_from_ref, g_ptr_array_unref);
    g_clear_pointer(&comparison->downgrade_from_ref, g_ptr_array_unref);
}

static void
free_identity(gpointer data)
{
    vib_identity_clear(data);
    g_free(data);
}

/* VIB name -> struct vib_identity *, the highest version of each. */
static GHashTable *
index_identities(const struct profile *profile, struct depot_set *depots)
{
    GHashTable *index = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_identity);
    for (guint i = 0; i < profile->vibs->len; i++) {
        const char *id = ((struct profile_vib *)profile->vibs->pdata[i])->id;
        struct vib_identity identity = vib_identity_of(depots, id);
        const struct vib_identity *other = g_hash_table_lookup(index, identity.name);
        if (other != NULL && (identity.version == NULL || other->version == NULL ||
                              version_compare(identity.version, other->version) <= 0)) {
            vib_identity_clear(&identity);
            continue;
        }
        struct vib_identity *kept = g_memdup2(&identity, sizeof identity);
        g_hash_table_replace(index, kept->name, kept);
    }
    return index;
}

static int
compare_ids(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sort the id of a VIB that only `compared` has into the list where it belongs. */
static void
place_new(struct profile_comparison *ret, const char *id, GHashTable *reference,
          struct depot_set *depots)
{
    struct vib_identity identity = vib_identity_of(depots, id);
    const struct vib_identity *old = g_hash_table_lookup(reference, identity.name);
    GPtrArray *list = ret->only_in_comp;
    if (old != NULL && old->version != NULL && identity.version != NULL) {
        int order = version_compare(identity.version, old->version);
        if (order != 0)
            list = order > 0 ? ret->upgrade_from_ref : ret->downgrade_from_ref;
    }
    g_ptr_array_add(list, g_strdup(id));
    vib_identity_clear(&identity);
}

/* A VIB that only the reference has counts, unless another version took its place. */
static void
place_old(struct profile_comparison *ret, const char *id, GHashTable *compared,
          struct depot_set *depots)
{
    struct vib_identity identity = vib_identity_of(depots, id);
    const struct vib_identity *other = g_hash_table_lookup(compared, identity.name);
    gboolean replaced = other != NULL && other->version != NULL && identity.version != NULL &&
                        version_compare(identity.version, other->version) != 0;
    if (!replaced)
        g_ptr_array_add(ret->only_in_ref, g_strdup(id));
    vib_identity_clear(&identity);
}

void
profile_compare(const struct profile *reference, const struct profile *compared,
                struct depot_set *depots, struct profile_comparison *ret)
{
    GPtrArray **lists[] = {&ret->only_in_ref, &ret->only_in_comp, &ret->upgrade_from_ref,
                           &ret->downgrade_from_ref};
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
        *lists[i] = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) in_reference = index_identities(reference, depots);
    g_autoptr(GHashTable) in_compared = index_identities(compared, depots);

    ret->packages_equal = TRUE;
    for (guint i = 0; i < reference->vibs->len; i++) {
        const char *id = ((struct profile_vib *)reference->vibs->pdata[i])->id;
        if (profile_find_vib(compared, id) != NULL)
            continue;
        ret->packages_equal = FALSE;
        place_old(ret, id, in_compared, depots);
    }
    for (guint i = 0; i < compared->vibs->len; i++) {
        const char *id = ((struct profile_vib *)compared->vibs->pdata[i])->id;
        if (profile_find_vib(reference, id) != NULL)
            continue;
        ret->packages_equal = FALSE;
        place_new(ret, id, in_reference, depots);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
        g_ptr_array_sort(*lists[i], compare_ids);
    ret->ref_acceptance = reference->acceptance;
    ret->comp_acceptance = compared->acceptance;
    ret->equal = ret->packages_equal && reference->acceptance == compared->acceptance;
}
