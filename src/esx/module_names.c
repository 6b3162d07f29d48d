/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/module_names.h"

#include "base/error.h"
#include "esx/image_vibs.h"

#include <string.h>

#define BASE_MAX 8
#define EXTENSION_MAX 3

/* Names that the writer of an image gives to files of its own. */
static const char *const reserved[] = {
    "boot.cat", "boot.cfg", "isolinux.cfg", "imgdb.tgz", "imgpayld.tgz",
};

struct naming {
    GHashTable *used; /* char *, lower case -> const char * VIB id; a set of the names so far */
    const struct generation *generation;
};

static gboolean
is_name_character(char c)
{
    return g_ascii_islower(c) || g_ascii_isdigit(c) ||
           (c != '\0' && strchr("_~$#!%&'()@^{}.-", c) != NULL);
}

gboolean
module_name_valid(const char *name)
{
    if (*name == '.')
        return FALSE;
    gsize length = strlen(name);
    for (gsize i = 0; i < length; i++)
        if (!is_name_character(name[i]))
            return FALSE;
    const char *dot = strrchr(name, '.');
    gsize base = dot != NULL ? (gsize)(dot - name) : length;
    gsize extension = dot != NULL ? strlen(dot + 1) : 0;
    return base >= 1 && base <= BASE_MAX && extension <= EXTENSION_MAX;
}

static gboolean
is_reserved(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(reserved); i++)
        if (strcmp(name, reserved[i]) == 0)
            return TRUE;
    return FALSE;
}

static void
append_local(struct profile_vib *entry, const struct payload *payload, char *local)
{
    struct profile_local_name name = {.payload = g_strdup(payload->name), .local = local};
    g_array_append_val(entry->locals, name);
}

/* Remember the names that are there already. */
static gboolean
take_existing(struct naming *naming, const struct profile *profile, GError **error)
{
    for (guint i = 0; i < profile->vibs->len; i++) {
        const struct profile_vib *entry = profile->vibs->pdata[i];
        for (guint j = 0; j < entry->locals->len; j++) {
            const struct profile_local_name *name =
                &g_array_index(entry->locals, struct profile_local_name, j);
            g_autofree char *lower = g_ascii_strdown(name->local, -1);
            const char *owner = g_hash_table_lookup(naming->used, lower);
            if (owner != NULL)
                return error_set(error, SLIPWAY_ERROR_CORRUPT,
                                 "profile %s: the name %s is given to payloads of both %s and %s",
                                 profile->name, name->local, owner, entry->id);
            g_hash_table_insert(naming->used, g_steal_pointer(&lower), entry->id);
        }
    }
    return TRUE;
}

static gboolean
take_vfat_name(struct naming *naming, const struct image_vib *one, const struct payload *payload,
               GError **error)
{
    g_autofree char *name = g_ascii_strdown(payload->vfat_name, -1);
    if (!module_name_valid(name))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "VIB %s: the vfat-name of payload %s, '%.40s', is no 8.3 name",
                         one->vib->id, payload->name, payload->vfat_name);
    if (is_reserved(name))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "VIB %s: payload %s wants the name %s, which the medium itself uses",
                         one->vib->id, payload->name, name);
    const char *owner = g_hash_table_lookup(naming->used, name);
    if (owner != NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "VIB %s: payload %s wants the name %s, which a payload of %s has; leave "
                         "one of the two VIBs out",
                         one->vib->id, payload->name, name, owner);
    append_local(one->entry, payload, g_strdup(name));
    g_hash_table_insert(naming->used, g_steal_pointer(&name), one->entry->id);
    return TRUE;
}

/* Cut before the dot is added, so that a dot of the payload's own name stays in. */
static char *
base_name(const struct payload *payload, const struct generation *generation)
{
    g_autofree char *lower = g_ascii_strdown(payload->name, -1);
    if (!generation->keeps_dashes)
        g_strdelimit(lower, "-", '_');
    return g_strndup(lower, BASE_MAX);
}

static gboolean
make_name(struct naming *naming, const struct image_vib *one, const struct payload *payload,
          GError **error)
{
    g_autofree char *base = base_name(payload, naming->generation);
    char letter = g_ascii_tolower(payload->type[0]);
    for (unsigned n = 0; n < MODULE_NAME_TWINS_MAX; n++) {
        g_autofree char *name = g_strdup_printf("%s.%c%02x", base, letter, n);
        if (!module_name_valid(name))
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "VIB %s: no 8.3 name can be made of payload '%.40s' of type '%.40s'",
                             one->vib->id, payload->name, payload->type);
        if (g_hash_table_contains(naming->used, name))
            continue;
        append_local(one->entry, payload, g_strdup(name));
        g_hash_table_insert(naming->used, g_steal_pointer(&name), one->entry->id);
        return TRUE;
    }
    return error_set(error, SLIPWAY_ERROR_LIMIT,
                     "VIB %s: payload %s: all %d names like %s.%c00 are taken; leave some VIBs out",
                     one->vib->id, payload->name, MODULE_NAME_TWINS_MAX, base, letter);
}

static int
position_of(const struct vib *vib, const char *payload)
{
    for (guint i = 0; i < vib->payloads->len; i++)
        if (strcmp(((const struct payload *)vib->payloads->pdata[i])->name, payload) == 0)
            return (int)i;
    return G_MAXINT;
}

static int
compare_positions(gconstpointer a, gconstpointer b, gpointer vib)
{
    const struct profile_local_name *left = a;
    const struct profile_local_name *right = b;
    int l = position_of(vib, left->payload);
    int r = position_of(vib, right->payload);
    return (l > r) - (l < r);
}

typedef gboolean (*name_func)(struct naming *naming, const struct image_vib *one,
                              const struct payload *payload, GError **error);

/* Run `function` over the payloads without a name that have a vfat-name (`vfat`) or have not,
 * of the VIBs that the host boots (`host`) or of those of another product. */
static gboolean
name_some(struct naming *naming, GArray *joined, gboolean vfat, gboolean host, name_func function,
          GError **error)
{
    for (guint i = 0; i < joined->len; i++) {
        const struct image_vib *one = &g_array_index(joined, struct image_vib, i);
        if (vib_for_product(one->vib, IMAGE_PRODUCT) != host)
            continue;
        for (guint j = 0; j < one->vib->payloads->len; j++) {
            const struct payload *payload = one->vib->payloads->pdata[j];
            if ((payload->vfat_name != NULL && *payload->vfat_name != '\0') != vfat ||
                image_vib_local(one->entry, payload->name) != NULL)
                continue;
            if (!function(naming, one, payload, error))
                return FALSE;
        }
    }
    return TRUE;
}

/* The map lists payloads in the order of the descriptor, however their names came about. */
static void
sort_locals(GArray *joined)
{
    for (guint i = 0; i < joined->len; i++) {
        const struct image_vib *one = &g_array_index(joined, struct image_vib, i);
        if (one->entry->locals->len > 1)
            g_array_sort_with_data(one->entry->locals, compare_positions, (gpointer)one->vib);
    }
}

gboolean
module_names_extend(struct profile *profile, GPtrArray *vibs, const struct generation *generation,
                    GError **error)
{
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct naming naming = {.used = used, .generation = generation};
    if (!take_existing(&naming, profile, error))
        return FALSE;
    g_autoptr(GArray) joined = image_vibs_join(profile, vibs);
    /* The host's VIBs first: what rides along for another product must not shift their names. */
    if (!name_some(&naming, joined, TRUE, TRUE, take_vfat_name, error) ||
        !name_some(&naming, joined, FALSE, TRUE, make_name, error) ||
        !name_some(&naming, joined, TRUE, FALSE, take_vfat_name, error) ||
        !name_some(&naming, joined, FALSE, FALSE, make_name, error))
        return FALSE;
    sort_locals(joined);
    return TRUE;
}

gboolean
module_names_assign(struct profile *profile, GPtrArray *vibs, const struct generation *generation,
                    GError **error)
{
    for (guint i = 0; i < profile->vibs->len; i++)
        g_array_set_size(((struct profile_vib *)profile->vibs->pdata[i])->locals, 0);
    return module_names_extend(profile, vibs, generation, error);
}
