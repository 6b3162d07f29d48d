/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/retention.h"

static const struct {
    const char *name;
    gsize at;
} counts[] = {
    {"daily", G_STRUCT_OFFSET(struct store_retention, daily)},
    {"last", G_STRUCT_OFFSET(struct store_retention, last)},
    {"monthly", G_STRUCT_OFFSET(struct store_retention, monthly)},
    {"weekly", G_STRUCT_OFFSET(struct store_retention, weekly)},
    {"yearly", G_STRUCT_OFFSET(struct store_retention, yearly)},
};

json_t *
retention_to_json(const struct store_retention *retention)
{
    json_t *json = json_object();
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++)
        json_object_set_new(json, counts[i].name,
                            json_integer(G_STRUCT_MEMBER(guint, retention, counts[i].at)));
    return json;
}

gboolean
retention_from_json(const json_t *json, struct store_retention *ret)
{
    *ret = (struct store_retention){0};
    if (!json_is_object(json))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        const json_t *value = json_object_get(json, counts[i].name);
        if (value == NULL)
            continue;
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > RETENTION_COUNT_MAX)
            return FALSE;
        G_STRUCT_MEMBER(guint, ret, counts[i].at) = (guint)json_integer_value(value);
    }
    return TRUE;
}
