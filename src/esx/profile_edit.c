/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/profile_edit.h"

#include "base/error.h"
#include "esx/near_name.h"
#include "esx/vib_identity.h"

#include <string.h>

void
profile_change_free(struct profile_change *change)
{
    if (change == NULL)
        return;
    g_free(change->added);
    g_free(change->replaced);
    g_free(change);
}

static void
add_change(GPtrArray *changes, const char *added, const char *replaced, gboolean downgrade)
{
    struct profile_change *change = g_new0(struct profile_change, 1);
    change->added = g_strdup(added);
    change->replaced = g_strdup(replaced);
    change->downgrade = downgrade;
    g_ptr_array_add(changes, change);
}

GPtrArray *
profile_packages(const struct profile *profile, struct depot_set *depots, GPtrArray *ret_missing)
{
    GPtrArray *packages = g_ptr_array_new();
    for (guint i = 0; i < profile->vibs->len; i++) {
        const struct profile_vib *entry = profile->vibs->pdata[i];
        struct package *package = depot_set_find(depots, entry->id);
        if (package != NULL)
            g_ptr_array_add(packages, package);
        else if (ret_missing != NULL)
            g_ptr_array_add(ret_missing, g_strdup(entry->id));
    }
    return packages;
}

GPtrArray *
profile_problems(const struct profile *profile, struct depot_set *depots)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) packages = profile_packages(profile, depots, missing);
    g_ptr_array_add(missing, NULL);
    g_autoptr(GPtrArray) vibs = g_ptr_array_new();
    for (guint i = 0; i < packages->len; i++)
        g_ptr_array_add(vibs, ((struct package *)packages->pdata[i])->vib);

    struct rules_input input = {
        .vibs = vibs,
        .missing = (const char *const *)missing->pdata,
        .acceptance = profile->acceptance,
        .depots = depots,
    };
    return rules_check(&input);
}

static gboolean
check_writable(const struct profile *profile, GError **error)
{
    if (!profile->read_only)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_READ_ONLY,
                     "image profile '%s' is read-only; make a clone with `slipway profile new "
                     "NAME --clone '%s'` and change that",
                     profile->name, profile->name);
}

/* Of several versions of a name the highest, in the order in which the names come first. */
static GPtrArray *
choose_highest(const GPtrArray *packages)
{
    GPtrArray *chosen = g_ptr_array_new();
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < packages->len; i++) {
        struct package *package = packages->pdata[i];
        gpointer place;
        if (!g_hash_table_lookup_extended(places, package->vib->name, NULL, &place)) {
            g_hash_table_insert(places, package->vib->name, GUINT_TO_POINTER(chosen->len));
            g_ptr_array_add(chosen, package);
            continue;
        }
        struct package **kept = (struct package **)&chosen->pdata[GPOINTER_TO_UINT(place)];
        if (version_compare(package->vib->version, (*kept)->vib->version) > 0)
            *kept = package;
    }
    return chosen;
}

/* Refuse VIBs below the level of `profile`, or lower it, as the user wants. */
static gboolean
settle_acceptance(const struct profile_edit *edit, struct profile *profile,
                  const GPtrArray *packages, GError **error)
{
    const struct vib *lowest = NULL;
    guint below = 0;
    for (guint i = 0; i < packages->len; i++) {
        const struct vib *vib = ((struct package *)packages->pdata[i])->vib;
        if (vib->acceptance >= profile->acceptance)
            continue;
        below++;
        if (lowest == NULL || vib->acceptance < lowest->acceptance)
            lowest = vib;
    }
    if (lowest == NULL)
        return TRUE;
    if (edit->lower_acceptance) {
        profile->acceptance = MAX(lowest->acceptance, ACCEPTANCE_COMMUNITY);
        return TRUE;
    }
    if (edit->force)
        return TRUE;
    g_autofree char *more =
        below > 1 ? g_strdup_printf(" (and %u more VIBs)", below - 1) : g_strdup("");
    return error_set(error, SLIPWAY_ERROR_RULES,
                     "VIB %s%s is %s, but image profile '%s' wants %s or better; lower the level "
                     "of the profile with --lower-acceptance, or add it all the same with --force",
                     lowest->id, more, acceptance_title(lowest->acceptance), profile->name,
                     acceptance_title(profile->acceptance));
}

/* The ids of the VIBs in `profile`, by name: name -> GPtrArray of char * (borrowed). */
static GHashTable *
index_by_name(const struct profile *profile, struct depot_set *depots)
{
    GHashTable *index =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    for (guint i = 0; i < profile->vibs->len; i++) {
        const struct profile_vib *entry = profile->vibs->pdata[i];
        struct vib_identity identity = vib_identity_of(depots, entry->id);
        GPtrArray *ids = g_hash_table_lookup(index, identity.name);
        if (ids == NULL) {
            ids = g_ptr_array_new();
            g_hash_table_insert(index, g_strdup(identity.name), ids);
        }
        g_ptr_array_add(ids, entry->id);
        vib_identity_clear(&identity);
    }
    return index;
}

static gboolean
is_downgrade(struct depot_set *depots, const char *old_id, const struct vib *vib)
{
    struct vib_identity old = vib_identity_of(depots, old_id);
    gboolean down = old.version != NULL && version_compare(vib->version, old.version) < 0;
    vib_identity_clear(&old);
    return down;
}

/* Put `vib` into `profile` in place of every other VIB of its name, which are `old_ids` (NULL:
 * none) in the profile as it was. */
static void
put_vib(struct depot_set *depots, struct profile *profile, const struct vib *vib,
        const GPtrArray *old_ids, GPtrArray *changes)
{
    gboolean is_new = profile_find_vib(profile, vib->id) == NULL;
    if (is_new)
        profile_add_vib(profile, vib->id);
    gboolean told = !is_new;
    for (guint i = 0; old_ids != NULL && i < old_ids->len; i++) {
        const char *old_id = old_ids->pdata[i];
        if (strcmp(old_id, vib->id) == 0)
            continue;
        profile_remove_vib(profile, old_id);
        add_change(changes, told ? NULL : vib->id, old_id,
                   !told && is_downgrade(depots, old_id, vib));
        told = TRUE;
    }
    if (!told)
        add_change(changes, vib->id, NULL, FALSE);
}

/* The edit succeeded: make `copy` the profile.  What the profile said of components and the like
 * is no longer true of its VIBs, nor is the time of its last change; the clock stays out of it,
 * so that the same edit gives the same profile. */
static void
commit(struct profile *profile, struct profile *copy, const GPtrArray *changes)
{
    if (changes->len > 0) {
        copy->serial = copy->serial < G_MAXINT ? copy->serial + 1 : copy->serial;
        g_clear_pointer(&copy->modified, g_free);
        g_ptr_array_set_size(copy->extra, 0);
    }
    struct profile old = *profile;
    *profile = *copy;
    *copy = old;
    profile_free(copy);
}

static void
finish(const struct profile_edit *edit, struct profile *copy, GPtrArray *changes,
       GPtrArray *ret_changes, GPtrArray **ret_problems)
{
    commit(edit->profile, copy, changes);
    if (ret_changes != NULL)
        g_ptr_array_extend_and_steal(ret_changes, g_ptr_array_ref(changes));
    if (ret_problems != NULL)
        *ret_problems = profile_problems(edit->profile, edit->depots);
}

gboolean
profile_edit_add(const struct profile_edit *edit, GPtrArray *packages, GPtrArray *ret_changes,
                 GPtrArray **ret_problems, GError **error)
{
    if (!check_writable(edit->profile, error))
        return FALSE;
    auto_ptr(profile) copy = profile_copy(edit->profile);
    g_autoptr(GPtrArray) chosen = choose_highest(packages);
    if (!settle_acceptance(edit, copy, chosen, error))
        return FALSE;

    g_autoptr(GHashTable) index = index_by_name(edit->profile, edit->depots);
    g_autoptr(GPtrArray) changes =
        g_ptr_array_new_with_free_func((GDestroyNotify)profile_change_free);
    for (guint i = 0; i < chosen->len; i++) {
        const struct vib *vib = ((struct package *)chosen->pdata[i])->vib;
        put_vib(edit->depots, copy, vib, g_hash_table_lookup(index, vib->name), changes);
    }
    finish(edit, g_steal_pointer(&copy), changes, ret_changes, ret_problems);
    return TRUE;
}

static gboolean
fail_unknown(const struct profile *profile, const char *name, GHashTable *index, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, index);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_ptr_array_add(names, key);
    g_autofree char *hint = near_name_hint(name, names);
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "image profile '%s' has no package '%s'%s",
                     profile->name, name, hint);
}

/* Take out of `copy` what `name` names in the profile as it was. */
static gboolean
drop(const struct profile_edit *edit, struct profile *copy, const char *name, GHashTable *index,
     GPtrArray *changes, GError **error)
{
    const GPtrArray *ids = g_hash_table_lookup(index, name);
    g_autoptr(GPtrArray) one = NULL;
    if (ids == NULL) {
        const struct profile_vib *entry = profile_find_vib(edit->profile, name);
        if (entry == NULL)
            return fail_unknown(edit->profile, name, index, error);
        one = g_ptr_array_new();
        g_ptr_array_add(one, entry->id);
        ids = one;
    }
    for (guint i = 0; i < ids->len; i++)
        if (profile_remove_vib(copy, ids->pdata[i]))
            add_change(changes, NULL, ids->pdata[i], FALSE);
    return TRUE;
}

gboolean
profile_edit_remove(const struct profile_edit *edit, const char *const *names,
                    GPtrArray *ret_changes, GPtrArray **ret_problems, GError **error)
{
    if (!check_writable(edit->profile, error))
        return FALSE;
    auto_ptr(profile) copy = profile_copy(edit->profile);
    g_autoptr(GHashTable) index = index_by_name(edit->profile, edit->depots);
    g_autoptr(GPtrArray) changes =
        g_ptr_array_new_with_free_func((GDestroyNotify)profile_change_free);
    for (gsize i = 0; names[i] != NULL; i++)
        if (!drop(edit, copy, names[i], index, changes, error))
            return FALSE;
    finish(edit, g_steal_pointer(&copy), changes, ret_changes, ret_problems);
    return TRUE;
}
