/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/depot_path.h"

#include <string.h>

#define ID_MAX 200
#define NAME_MAX_CHARS 50
#define SAFE G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._+-"

static char *
safe_name(const char *text, gsize max)
{
    g_autofree char *name = g_strndup(text, max);
    g_strcanon(name, SAFE, '_');
    if (*name == '.')
        *name = '_';
    if (*name != '\0' && strcmp(name, text) == 0)
        return g_steal_pointer(&name);
    g_autofree char *hex = digest_hex_of(DIGEST_SHA256, text, strlen(text));
    return g_strdup_printf("%s-%.8s", name, hex);
}

/* A number for file names: it only has to be the same every time, and unique. */
static guint64
number_of(const char *text)
{
    g_autofree char *hex = digest_hex_of(DIGEST_SHA256, text, strlen(text));
    hex[16] = '\0';
    return g_ascii_strtoull(hex, NULL, 16);
}

char *
depot_path_vib(const struct vib *vib)
{
    g_autofree char *name = safe_name(vib->name, ID_MAX);
    g_autofree char *id = safe_name(vib->id, ID_MAX);
    return g_strdup_printf("vib20/%s/%s.vib", name, id);
}

char *
depot_path_descriptor(const struct vib *vib)
{
    g_autofree char *name = safe_name(vib->name, NAME_MAX_CHARS);
    return g_strdup_printf("vibs/%s-%" G_GUINT64_FORMAT ".xml", name, number_of(vib->id));
}

char *
depot_path_bulletin(const struct bulletin *bulletin)
{
    g_autofree char *id = safe_name(bulletin->id, ID_MAX);
    return g_strdup_printf("bulletins/%s.xml", id);
}

char *
depot_path_profile(const struct profile *profile)
{
    g_autofree char *name = safe_name(profile->name, NAME_MAX_CHARS);
    g_autofree char *key = g_strconcat(profile->name, "\n", profile->vendor, NULL);
    return g_strdup_printf("profiles/%s-%" G_GUINT64_FORMAT ".xml", name, number_of(key));
}
