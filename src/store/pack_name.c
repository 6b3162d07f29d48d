/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/object_hash.h"
#include "store/pack_format.h"

#include <stdio.h>

char *
pack_name_object(const struct pack_name *name, const char *folder, char ret[PACK_OBJECT_TEXT])
{
    char digits[OBJECT_HASH_TEXT];
    object_hash_format(name->bytes, digits);
    g_snprintf(ret, PACK_OBJECT_TEXT, "%s/%.2s/%s", folder, digits, digits);
    return ret;
}

gboolean
pack_name_parse(const char *object, struct pack_name *ret)
{
    const char *at = strchr(object, '/');
    if (at == NULL || at == object)
        return FALSE;
    const char *folder = at + 1;
    at = strchr(folder, '/');
    if (at == NULL || at - folder != 2 || !object_hash_parse(at + 1, ret->bytes))
        return FALSE;
    return strncmp(folder, at + 1, 2) == 0;
}

/* Names are uniformly distributed. */
guint
pack_name_hash(gconstpointer name)
{
    guint hash;
    memcpy(&hash, ((const struct pack_name *)name)->bytes, sizeof hash);
    return hash;
}

gboolean
pack_name_equal(gconstpointer left, gconstpointer right)
{
    return memcmp(left, right, sizeof(struct pack_name)) == 0;
}

void
pack_name_compute(const guint8 header[PACK_HEADER_SIZE], const void *table, gsize length,
                  struct pack_name *ret)
{
    auto_ptr(object_hash) hash = object_hash_new();
    object_hash_update(hash, header, PACK_HEADER_SIZE);
    object_hash_update(hash, table, length);
    object_hash_finish(hash, ret->bytes);
}
