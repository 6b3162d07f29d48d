/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/tar_names.h"

#include "base/error.h"
#include "esx/visor_tar.h"

#include <string.h>

#define SHOWN_MAX 200

void
tar_names_clear(struct tar_names *names)
{
    g_free(names->name);
    g_free(names->target);
    *names = (struct tar_names){0};
}

gboolean
tar_names_is_record(const struct tar_header *header)
{
    /* `g` is pax for all members, `V` a volume label: neither says what we need. */
    return strchr("LKxgV", header->type) != NULL;
}

char *
tar_name_shown(const char *name)
{
    g_autofree char *cut = g_strndup(name, SHOWN_MAX);
    return g_strescape(cut, NULL);
}

/* Pax records: `LENGTH KEY=VALUE\n`, where LENGTH counts all of it. */

static gboolean
set_text(char **field, const char *value, gsize length)
{
    if (memchr(value, '\0', length) != NULL)
        return FALSE;
    g_free(*field);
    *field = g_strndup(value, length);
    return TRUE;
}

static gboolean
set_record(struct tar_names *names, const char *key, const char *value, gsize length)
{
    if (strcmp(key, "path") == 0)
        return set_text(&names->name, value, length);
    if (strcmp(key, "linkpath") == 0)
        return set_text(&names->target, value, length);
    if (strcmp(key, "size") != 0)
        return TRUE;
    g_autofree char *digits = g_strndup(value, length);
    names->has_size = TRUE;
    return g_ascii_string_to_unsigned(digits, 10, 0, G_MAXINT64, &names->size, NULL);
}

/* Take one record off `data`; its length, or 0 when it is malformed. */
static gsize
take_record(struct tar_names *names, const char *data, gsize left)
{
    const char *blank = memchr(data, ' ', left);
    if (blank == NULL || blank == data || blank - data > 8)
        return 0;
    g_autofree char *digits = g_strndup(data, (gsize)(blank - data));
    guint64 length;
    if (!g_ascii_string_to_unsigned(digits, 10, 1, left, &length, NULL) ||
        length <= (gsize)(blank - data) + 1 || data[length - 1] != '\n')
        return 0;
    const char *end = data + length - 1;
    const char *equals = memchr(blank + 1, '=', (gsize)(end - (blank + 1)));
    if (equals == NULL)
        return 0;
    g_autofree char *key = g_strndup(blank + 1, (gsize)(equals - (blank + 1)));
    return set_record(names, key, equals + 1, (gsize)(end - (equals + 1))) ? (gsize)length : 0;
}

static gboolean
read_pax(struct tar_names *names, const char *data, gsize length, const char *label, GError **error)
{
    while (length > 0) {
        gsize used = take_record(names, data, length);
        if (used == 0)
            return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: has a malformed pax header", label);
        data += used;
        length -= used;
    }
    return TRUE;
}

gboolean
tar_names_read(struct tar_names *names, const struct tar_header *header, struct stream *tar,
               GError **error)
{
    const char *label = stream_label(tar);
    gboolean pax = header->type == 'x' || header->type == 'g';
    gsize limit = pax ? VISOR_TAR_PAX_MAX : VISOR_TAR_NAME_MAX + 1;
    if (header->type == 'V' || header->type == 'g')
        return stream_skip(tar, header->size, error);
    if (header->size > limit)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: has a name record of more than %" G_GSIZE_FORMAT " bytes", label,
                         limit);
    g_autofree char *data = g_malloc0((gsize)header->size + 1);
    if (!stream_read_exact(tar, data, (gsize)header->size, error))
        return FALSE;
    if (pax)
        return read_pax(names, data, (gsize)header->size, label, error);
    char **field = header->type == 'L' ? &names->name : &names->target;
    g_free(*field);
    *field = g_steal_pointer(&data);
    return TRUE;
}

/* Which names may be used. */

static gboolean
has_control_characters(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            return TRUE;
    return FALSE;
}

static gboolean
refuse(const char *raw, const char *label, const char *why, GError **error)
{
    g_autofree char *shown = tar_name_shown(raw);
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: the name \"%s\" %s", label, shown, why);
}

static gboolean
check_text(const char *raw, const char *label, GError **error)
{
    if (strlen(raw) > VISOR_TAR_NAME_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: has a name of more than %d bytes", label,
                         VISOR_TAR_NAME_MAX);
    if (has_control_characters(raw))
        return refuse(raw, label, "holds control characters", error);
    return TRUE;
}

gboolean
tar_name_clean(const char *raw, const char *label, char **ret_name, GError **error)
{
    if (!check_text(raw, label, error))
        return FALSE;
    if (*raw == '/')
        return refuse(raw, label, "is absolute; names must be relative", error);
    g_auto(GStrv) parts = g_strsplit(raw, "/", -1);
    GString *clean = g_string_new(NULL);
    for (gsize i = 0; parts[i] != NULL; i++) {
        if (strcmp(parts[i], "..") == 0) {
            g_string_free(clean, TRUE);
            return refuse(raw, label, "leads out of the archive with `..`", error);
        }
        if (*parts[i] == '\0' || strcmp(parts[i], ".") == 0)
            continue;
        if (clean->len > 0)
            g_string_append_c(clean, '/');
        g_string_append(clean, parts[i]);
    }
    *ret_name = g_string_free(clean, FALSE);
    return TRUE;
}

gboolean
tar_target_check(const char *raw, const char *label, char **ret_target, GError **error)
{
    if (!check_text(raw, label, error))
        return FALSE;
    if (*raw == '\0')
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: has a link that points nowhere", label);
    *ret_target = g_strdup(raw);
    return TRUE;
}
