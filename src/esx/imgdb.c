/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/imgdb.h"

#include <string.h>

void
imgdb_vib_free(struct imgdb_vib *vib)
{
    if (vib == NULL)
        return;
    vib_unref(vib->vib);
    g_clear_pointer(&vib->descriptor, g_bytes_unref);
    g_clear_pointer(&vib->xml, g_bytes_unref);
    g_clear_pointer(&vib->signature, g_bytes_unref);
    g_free(vib->stem);
    g_free(vib);
}

static void
free_vib(gpointer vib)
{
    imgdb_vib_free(vib);
}

static void
free_bytes(gpointer bytes)
{
    g_bytes_unref(bytes);
}

struct imgdb *
imgdb_new(struct profile *profile)
{
    struct imgdb *db = g_new0(struct imgdb, 1);
    db->profile = profile;
    db->vibs = g_ptr_array_new_with_free_func(free_vib);
    db->extra_names = g_ptr_array_new_with_free_func(g_free);
    db->extra_data = g_ptr_array_new_with_free_func(free_bytes);
    return db;
}

void
imgdb_free(struct imgdb *db)
{
    if (db == NULL)
        return;
    profile_free(db->profile);
    g_ptr_array_unref(db->vibs);
    g_ptr_array_unref(db->extra_names);
    g_ptr_array_unref(db->extra_data);
    g_free(db);
}

struct imgdb_vib *
imgdb_add(struct imgdb *db, struct vib *vib, GBytes *descriptor, GBytes *signature)
{
    struct imgdb_vib *added = g_new0(struct imgdb_vib, 1);
    added->vib = vib_ref(vib);
    added->descriptor = g_bytes_ref(descriptor);
    added->signature = g_bytes_ref(signature);
    g_ptr_array_add(db->vibs, added);
    return added;
}

struct imgdb_vib *
imgdb_find(const struct imgdb *db, const char *vib_id)
{
    for (guint i = 0; i < db->vibs->len; i++) {
        struct imgdb_vib *vib = db->vibs->pdata[i];
        if (strcmp(vib->vib->id, vib_id) == 0)
            return vib;
    }
    return NULL;
}

gboolean
imgdb_remove(struct imgdb *db, const char *vib_id)
{
    struct imgdb_vib *vib = imgdb_find(db, vib_id);
    return vib != NULL && g_ptr_array_remove(db->vibs, vib);
}

GPtrArray *
imgdb_vib_list(const struct imgdb *db)
{
    GPtrArray *list = g_ptr_array_sized_new(db->vibs->len);
    for (guint i = 0; i < db->vibs->len; i++)
        g_ptr_array_add(list, ((struct imgdb_vib *)db->vibs->pdata[i])->vib);
    return list;
}
