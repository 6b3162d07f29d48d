/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/set_screen.h"

#include "base/error.h"
#include "store/object_parity.h"

#include <string.h>

#define VERSION 1
#define FOLDER "screens"
#define OBJECT_MAX (SEAL_PAYLOAD_MAX + SEAL_OVERHEAD)
#define TEXT_MAX ((SET_SCREEN_MAX + 2) / 3 * 4)

static const guint8 png_magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

static char *
object_name(const struct set_id *id)
{
    char text[SET_ID_TEXT];
    return g_strdup_printf(FOLDER "/%s", set_id_format(id, text));
}

static gboolean
is_png(const void *data, gsize length)
{
    return length >= sizeof png_magic && memcmp(data, png_magic, sizeof png_magic) == 0;
}

/* The payload of every sealed object is JSON, which has no bytes but characters. */
static char *
make_payload(GBytes *png)
{
    gsize length;
    const void *data = g_bytes_get_data(png, &length);
    g_autofree char *encoded = g_base64_encode(data, length);
    return g_strdup_printf("{\"png\":\"%s\",\"version\":%d}", encoded, VERSION);
}

gboolean
set_screen_check(GBytes *png, GError **error)
{
    gsize length;
    const void *data = g_bytes_get_data(png, &length);
    if (!is_png(data, length))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "the picture of the screen is no PNG file");
    return length <= SET_SCREEN_MAX ||
           error_set(error, SLIPWAY_ERROR_LIMIT,
                     "the picture of the screen has %" G_GSIZE_FORMAT " bytes; at most %u are kept",
                     length, SET_SCREEN_MAX);
}

gboolean
set_screen_put(struct store *store, const struct set_id *id, GBytes *png, GError **error)
{
    if (!set_screen_check(png, error))
        return FALSE;
    g_autofree char *name = object_name(id), *payload = make_payload(png);
    g_autoptr(GBytes) object =
        seal_close(SEAL_SCREEN, store_key_of(store), payload, strlen(payload), error);
    if (object == NULL)
        return FALSE;
    gsize length;
    const void *data = g_bytes_get_data(object, &length);
    return (store_config(store)->parity == 0 ||
            object_parity_put(store_repo(store), name, data, length, error)) &&
           repo_replace(store_repo(store), name, data, length, error);
}

static GBytes *
decode(const json_t *json)
{
    const json_t *text = json_object_get(json, "png");
    gsize length = 0;
    if (!json_is_string(text) || json_string_length(text) > TEXT_MAX)
        return NULL;
    guint8 *data = g_base64_decode(json_string_value(text), &length);
    if (length <= SET_SCREEN_MAX && is_png(data, length))
        return g_bytes_new_take(data, length);
    g_free(data);
    return NULL;
}

GBytes *
set_screen_parse(GBytes *payload, const char *label, GError **error)
{
    json_t *json = json_loadb(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload),
                              JSON_REJECT_DUPLICATES, NULL);
    json_int_t version = json_integer_value(json_object_get(json, "version"));
    GBytes *png = version == VERSION ? decode(json) : NULL;
    if (version > VERSION)
        error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                  "%s has version %" JSON_INTEGER_FORMAT ", this slipway reads up to %d; use a "
                  "newer slipway",
                  label, version, VERSION);
    else if (png == NULL)
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s is not the picture of a screen", label);
    json_decref(json);
    return png;
}

GBytes *
set_screen_read(struct store *store, const struct set_id *id, GError **error)
{
    g_autofree char *name = object_name(id);
    g_autofree char *label = g_strdup_printf("%s: %s", store_label(store), name);
    g_autoptr(GBytes) object = repo_read_all(store_repo(store), name, OBJECT_MAX, error);
    g_autoptr(GBytes) payload =
        object != NULL ? seal_open(SEAL_SCREEN, store_key_of(store), label, object, error) : NULL;
    return payload != NULL ? set_screen_parse(payload, label, error) : NULL;
}

gboolean
set_screen_remove(struct store *store, const struct set_id *id, GError **error)
{
    g_autofree char *name = object_name(id);
    return repo_remove(store_repo(store), name, error) &&
           object_parity_remove(store_repo(store), name, error);
}
