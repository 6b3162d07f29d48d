/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/image_vibs.h"

#include <string.h>

static int
compare_ids(gconstpointer a, gconstpointer b)
{
    const struct image_vib *left = a;
    const struct image_vib *right = b;
    return strcmp(left->entry->id, right->entry->id);
}

GArray *
image_vibs_join(const struct profile *profile, GPtrArray *vibs)
{
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < vibs->len; i++) {
        struct vib *vib = vibs->pdata[i];
        g_hash_table_insert(by_id, vib->id, vib);
    }
    GArray *joined = g_array_new(FALSE, FALSE, sizeof(struct image_vib));
    for (guint i = 0; i < profile->vibs->len; i++) {
        struct image_vib one = {.entry = profile->vibs->pdata[i]};
        one.vib = g_hash_table_lookup(by_id, one.entry->id);
        if (one.vib != NULL)
            g_array_append_val(joined, one);
    }
    g_array_sort(joined, compare_ids);
    return joined;
}

const char *
image_vib_local(const struct profile_vib *entry, const char *payload)
{
    for (guint i = 0; i < entry->locals->len; i++) {
        const struct profile_local_name *name =
            &g_array_index(entry->locals, struct profile_local_name, i);
        if (strcmp(name->payload, payload) == 0)
            return name->local;
    }
    return NULL;
}

static gint64
profile_time(const struct profile *profile)
{
    const char *text = profile->modified != NULL ? profile->modified : profile->created;
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = text != NULL ? g_date_time_new_from_iso8601(text, utc) : NULL;
    return time != NULL ? g_date_time_to_unix(time) : -1;
}

gint64
image_vibs_time(const struct profile *profile, const GPtrArray *vibs)
{
    const char *epoch = g_getenv("SOURCE_DATE_EPOCH");
    guint64 seconds = 0;
    if (epoch != NULL && g_ascii_string_to_unsigned(epoch, 10, 0, G_MAXINT32, &seconds, NULL))
        return (gint64)seconds;
    gint64 own = profile != NULL ? profile_time(profile) : -1;
    if (own >= 0)
        return own;
    gint64 newest = 0;
    for (guint i = 0; i < vibs->len; i++)
        newest = MAX(newest, ((struct vib *)vibs->pdata[i])->released);
    return newest;
}
