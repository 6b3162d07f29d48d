/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/recipe_profile.h"

#include "esx/profile_edit.h"

#include <string.h>

#define SUFFIX "-custom"

static void
set_text(char **field, const char *text)
{
    if (text == NULL)
        return;
    g_free(*field);
    *field = g_strdup(text);
}

static gboolean
add_packages(const struct profile_edit *edit, const struct recipe *recipe,
             const struct recipe_depots *depots, GError **error)
{
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    g_ptr_array_extend(packages, depots->added, NULL, NULL);
    for (guint i = 0; i < recipe->add->len; i++)
        if (!recipe_is_file(recipe->add->pdata[i]) &&
            !depot_set_resolve(depots->set, recipe->add->pdata[i], packages, error))
            return FALSE;
    return packages->len == 0 || profile_edit_add(edit, packages, NULL, NULL, error);
}

/* Removing comes first: a package may be taken out to make room for one under another name. */
static gboolean
edit_profile(struct profile *profile, const struct recipe *recipe,
             const struct recipe_depots *depots, GError **error)
{
    struct profile_edit edit = {.profile = profile,
                                .depots = depots->set,
                                .lower_acceptance = recipe->lower_acceptance,
                                .force = recipe->force};
    if (recipe->remove->len > 0 &&
        !profile_edit_remove(&edit, (const char *const *)recipe->remove->pdata, NULL, NULL, error))
        return FALSE;
    return add_packages(&edit, recipe, depots, error);
}

static gboolean
lock_has(const struct recipe_lock *lock, const char *vib_id)
{
    for (guint i = 0; i < lock->vibs->len; i++)
        if (strcmp(((struct recipe_lock_item *)lock->vibs->pdata[i])->name, vib_id) == 0)
            return TRUE;
    return FALSE;
}

/* Make the list of `profile` that of the lock file. */
static void
follow_lock(struct profile *profile, const struct recipe_lock *locked)
{
    for (guint i = profile->vibs->len; i > 0; i--)
        if (!lock_has(locked, ((struct profile_vib *)profile->vibs->pdata[i - 1])->id))
            g_ptr_array_remove_index(profile->vibs, i - 1);
    for (guint i = 0; i < locked->vibs->len; i++)
        profile_add_vib(profile, ((struct recipe_lock_item *)locked->vibs->pdata[i])->name);
    profile->acceptance = locked->acceptance;
}

static gboolean
same_vibs(const struct profile *a, const struct profile *b)
{
    if (a->vibs->len != b->vibs->len)
        return FALSE;
    for (guint i = 0; i < a->vibs->len; i++)
        if (profile_find_vib(b, ((struct profile_vib *)a->vibs->pdata[i])->id) == NULL)
            return FALSE;
    return TRUE;
}

static int
compare_vibs(gconstpointer a, gconstpointer b)
{
    const struct profile_vib *left = *(struct profile_vib *const *)a;
    const struct profile_vib *right = *(struct profile_vib *const *)b;
    return strcmp(left->id, right->id);
}

/* The finished profile out of the edited one: its id and everything else is made from what it
 * holds, not from the way it came about. */
static struct profile *
settle(struct profile *draft, const struct profile *base)
{
    g_ptr_array_sort(draft->vibs, compare_vibs);
    struct profile *profile = profile_clone(draft, draft->name, draft->vendor);
    g_ptr_array_set_size(profile->extra, 0);
    if (same_vibs(profile, base))
        for (guint i = 0; i < base->extra->len; i++)
            g_ptr_array_add(profile->extra, g_strdup(base->extra->pdata[i]));
    return profile;
}

/* A changed profile is not what its maker published: it gets a name of its own. */
static char *
make_name(const struct recipe *recipe, const struct profile *base)
{
    if (recipe->name != NULL)
        return g_strdup(recipe->name);
    if (g_str_has_suffix(base->name, SUFFIX))
        return g_strdup(base->name);
    glong length = MIN(g_utf8_strlen(base->name, -1), PROFILE_NAME_MAX - (glong)strlen(SUFFIX));
    g_autofree char *cut = g_utf8_substring(base->name, 0, length);
    return g_strconcat(cut, SUFFIX, NULL);
}

struct profile *
recipe_profile_make(const struct recipe *recipe, const struct recipe_depots *depots,
                    const struct recipe_lock *locked, GError **error)
{
    const struct profile *base = depot_set_find_profile(depots->set, recipe->base_profile, error);
    if (base == NULL)
        return NULL;
    g_autofree char *name = make_name(recipe, base);
    const char *vendor = recipe->vendor != NULL ? recipe->vendor : base->vendor;
    auto_ptr(profile) draft = profile_clone(base, name, vendor);
    set_text(&draft->description, recipe->description);
    if (recipe->acceptance != ACCEPTANCE_NONE)
        draft->acceptance = recipe->acceptance;
    if (!profile_check_names(draft, error))
        return NULL;
    if (locked != NULL)
        follow_lock(draft, locked);
    else if (!edit_profile(draft, recipe, depots, error))
        return NULL;
    return settle(draft, base);
}
