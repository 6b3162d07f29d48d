/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a user writes, and the package or profile that is meant. */
#include "base/error.h"
#include "esx/depot_set.h"
#include "esx/near_name.h"
#include "esx/word_list.h"

#include <string.h>

#define VERSIONS_SHOWN 3

static gboolean
fail_unknown(struct depot_set *set, const char *name, GError **error)
{
    if (depot_set_depots(set)->len == 0)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "no package '%s': no depot is connected; connect the depot that has it",
                         name);
    g_autoptr(GPtrArray) packages = depot_set_packages(set);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < packages->len; i++)
        g_ptr_array_add(names, ((struct package *)packages->pdata[i])->vib->name);
    g_autofree char *hint = near_name_hint(name, names);
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "no connected depot has a package '%s'%s",
                     name, hint);
}

static gboolean
fail_version(const GPtrArray *packages, const char *name, const char *version, GError **error)
{
    g_autoptr(GPtrArray) versions = g_ptr_array_new();
    for (guint i = 0; i < packages->len; i++)
        g_ptr_array_add(versions, ((struct package *)packages->pdata[i])->vib->version);
    g_autofree char *list = word_list_format(versions, VERSIONS_SHOWN, "and");
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                     "no connected depot has version '%s' of package '%s'; there is %s", version,
                     name, list);
}

/* The exact version, else, for a version without a release, the newest with that version. */
static struct package *
find_version(const GPtrArray *packages, const char *version)
{
    for (guint i = 0; i < packages->len; i++) {
        struct package *package = packages->pdata[i];
        if (strcmp(package->vib->version, version) == 0)
            return package;
    }
    for (guint i = 0; i < packages->len; i++) {
        struct package *package = packages->pdata[i];
        if (version_satisfies(package->vib->version, VERSION_EQUAL, version))
            return package;
    }
    return NULL;
}

static gboolean
resolve_name(struct depot_set *set, const char *text, GPtrArray *ret, GError **error)
{
    g_autofree char *name = g_strstrip(g_strdup(text));
    char *version = strpbrk(name, "= \t");
    if (version != NULL) {
        char separator = *version;
        *version++ = '\0';
        version = g_strchug(version);
        /* "name = version" too */
        if (separator != '=' && *version == '=')
            version = g_strchug(version + 1);
    }
    g_autoptr(GPtrArray) packages = depot_set_by_name(set, name);
    if (packages->len == 0)
        return fail_unknown(set, name, error);
    struct package *package =
        version != NULL ? find_version(packages, version) : packages->pdata[0];
    if (package == NULL)
        return fail_version(packages, name, version, error);
    g_ptr_array_add(ret, package);
    return TRUE;
}

static const struct bulletin *
find_component(struct depot_set *set, const char *id)
{
    GPtrArray *depots = depot_set_depots(set);
    for (guint i = 0; i < depots->len; i++) {
        const GPtrArray *bulletins = ((struct depot *)depots->pdata[i])->bulletins;
        for (guint j = 0; bulletins != NULL && j < bulletins->len; j++) {
            const struct bulletin *bulletin = bulletins->pdata[j];
            if (bulletin->component_name != NULL && strcmp(bulletin->id, id) == 0)
                return bulletin;
        }
    }
    return NULL;
}

static gboolean
resolve_component(struct depot_set *set, const struct bulletin *component, GPtrArray *ret,
                  GError **error)
{
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    for (guint i = 0; i < component->vib_ids->len; i++) {
        const char *vib_id = component->vib_ids->pdata[i];
        struct package *package = depot_set_find(set, vib_id);
        if (package == NULL)
            return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                             "component %s lists VIB %s, which no connected depot has",
                             component->id, vib_id);
        g_ptr_array_add(packages, package);
    }
    g_ptr_array_extend(ret, packages, NULL, NULL);
    return TRUE;
}

gboolean
depot_set_resolve(struct depot_set *set, const char *text, GPtrArray *ret, GError **error)
{
    struct package *package = depot_set_find(set, text);
    if (package != NULL) {
        g_ptr_array_add(ret, package);
        return TRUE;
    }
    const struct bulletin *component = find_component(set, text);
    if (component != NULL)
        return resolve_component(set, component, ret, error);
    return resolve_name(set, text, ret, error);
}

static gboolean
names_profile(const char *text, const struct profile *profile)
{
    if (strcmp(text, profile->name) == 0 || g_strcmp0(text, profile->profile_id) == 0)
        return TRUE;
    gsize length = strlen(profile->vendor);
    return strncmp(text, profile->vendor, length) == 0 && text[length] == '/' &&
           strcmp(text + length + 1, profile->name) == 0;
}

/* The same profile in two depots counts once. */
static void
add_profile(GPtrArray *found, const struct profile *profile)
{
    for (guint i = 0; i < found->len; i++) {
        const struct profile *other = found->pdata[i];
        if (strcmp(other->name, profile->name) == 0 && strcmp(other->vendor, profile->vendor) == 0)
            return;
    }
    g_ptr_array_add(found, (gpointer)profile);
}

static const struct profile *
fail_ambiguous(const GPtrArray *found, const char *text, GError **error)
{
    g_autoptr(GPtrArray) vendors = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < found->len; i++)
        g_ptr_array_add(vendors,
                        g_strdup_printf("'%s'", ((struct profile *)found->pdata[i])->vendor));
    g_autofree char *list = word_list_format(vendors, found->len, "and");
    return error_null(error, SLIPWAY_ERROR_USAGE,
                      "%u image profiles are called '%s', by %s; name one as VENDOR/NAME",
                      found->len, text, list);
}

const struct profile *
depot_set_find_profile(struct depot_set *set, const char *text, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GPtrArray *depots = depot_set_depots(set);
    for (guint i = 0; i < depots->len; i++) {
        const GPtrArray *profiles = ((struct depot *)depots->pdata[i])->profiles;
        for (guint j = 0; profiles != NULL && j < profiles->len; j++) {
            const struct profile *profile = profiles->pdata[j];
            g_ptr_array_add(names, profile->name);
            if (names_profile(text, profile))
                add_profile(found, profile);
        }
    }
    if (found->len == 1)
        return found->pdata[0];
    if (found->len > 1)
        return fail_ambiguous(found, text, error);
    g_autofree char *hint = near_name_hint(text, names);
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                      "no connected depot has an image profile '%s'%s", text, hint);
}
