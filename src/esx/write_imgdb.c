/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "esx/image_vibs.h"
#include "esx/imgdb.h"
#include "esx/imgdb_layout.h"
#include "esx/tgz.h"

#include <string.h>

#define NUMBER_HEX_DIGITS 16     /* eight bytes of the hash */
#define PROFILE_FILE_NAME_MAX 50 /* as the vendor cuts it, without the number */

/* A number that depends on nothing but `text`, so that a database can be made again. */
static guint64
number_of(const char *text)
{
    g_autofree char *hex = digest_hex_of(DIGEST_SHA256, text, strlen(text));
    hex[NUMBER_HEX_DIGITS] = '\0';
    /* Without the top bit: readers that take it for a signed number see the same one. */
    return g_ascii_strtoull(hex, NULL, 16) & G_MAXINT64;
}

/* `text` with everything that could mean something in a path replaced. */
static char *
plain_name(const char *text)
{
    char *name = g_strdup(text);
    for (char *c = name; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && strchr("_.-", *c) == NULL)
            *c = '_';
    return name;
}

static char *
vib_stem(const struct imgdb_vib *vib)
{
    if (vib->stem != NULL)
        return g_strdup(vib->stem);
    g_autofree char *name = plain_name(vib->vib->name);
    g_autofree char *number = g_strdup_printf("-%" G_GUINT64_FORMAT, number_of(vib->vib->id));
    gsize room = IMGDB_NAME_MAX - strlen(IMGDB_VIBS) - strlen(IMGDB_ORIGINAL) - strlen(number);
    return g_strdup_printf("%.*s%s", (int)room, name, number);
}

static char *
profile_file(const struct profile *profile)
{
    g_autofree char *key = g_strdup_printf("%s\n%s", profile->vendor, profile->name);
    g_autofree char *name = plain_name(profile->name);
    return g_strdup_printf("%.*s%" G_GUINT64_FORMAT, PROFILE_FILE_NAME_MAX, name, number_of(key));
}

static void
add_member(struct tgz *tgz, const char *directory, const char *name, const char *suffix,
           GBytes *data)
{
    g_autofree char *path = g_strconcat(directory, name, suffix, NULL);
    tgz_add(tgz, path, data);
}

static void
add_vib(struct tgz *tgz, const struct imgdb_vib *vib)
{
    g_autofree char *stem = vib_stem(vib);
    GBytes *xml = vib->xml != NULL ? vib->xml : vib->descriptor;
    add_member(tgz, IMGDB_VIBS, stem, IMGDB_XML, xml);
    if (!vib->lacks_original)
        add_member(tgz, IMGDB_VIBS, stem, IMGDB_ORIGINAL, vib->descriptor);
    if (vib->signature != NULL)
        add_member(tgz, IMGDB_VIBS, stem, IMGDB_SIGNATURE, vib->signature);
}

static gboolean
check_map(const struct profile_vib *entry, const struct vib *vib, GError **error)
{
    for (guint i = 0; i < vib->payloads->len; i++) {
        const struct payload *payload = vib->payloads->pdata[i];
        if (image_vib_local(entry, payload->name) == NULL)
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "the profile gives payload %s of VIB %s no name on the medium",
                             payload->name, vib->id);
    }
    return TRUE;
}

static gboolean
check_complete(const struct imgdb *db, GError **error)
{
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < db->vibs->len; i++) {
        struct vib *vib = ((struct imgdb_vib *)db->vibs->pdata[i])->vib;
        g_hash_table_insert(by_id, vib->id, vib);
    }
    for (guint i = 0; i < db->profile->vibs->len; i++) {
        const struct profile_vib *entry = db->profile->vibs->pdata[i];
        const struct vib *vib = g_hash_table_lookup(by_id, entry->id);
        if (vib == NULL)
            return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                             "the image database has no descriptor of VIB %s", entry->id);
        if (!check_map(entry, vib, error))
            return FALSE;
    }
    return TRUE;
}

GBytes *
imgdb_format(const struct imgdb *db, GError **error)
{
    if (!check_complete(db, error))
        return NULL;
    auto_ptr(tgz) tgz = tgz_new();
    for (guint i = 0; i < db->extra_names->len; i++)
        tgz_add(tgz, db->extra_names->pdata[i], db->extra_data->pdata[i]);
    tgz_add(tgz, IMGDB_VIBS, NULL); /* also when there is no VIB */
    for (guint i = 0; i < db->vibs->len; i++)
        add_vib(tgz, db->vibs->pdata[i]);
    g_autoptr(GBytes) profile = profile_format(db->profile, TRUE);
    g_autofree char *file = profile_file(db->profile);
    add_member(tgz, IMGDB_PROFILES, file, "", profile);

    GBytes *bytes = tgz_format(tgz, error);
    if (bytes == NULL)
        g_prefix_error(error, "image database: ");
    return bytes;
}
