/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/vmdk_descriptor.h"

#include "base/error.h"

#include <string.h>

#define MAGIC "# Disk DescriptorFile"
#define NO_PARENT 0xffffffffu

/* The value of `KEY = "VALUE"` or `KEY=VALUE`; NULL when the line is another. */
static char *
value_of(const char *line, const char *key)
{
    gsize length = strlen(key);
    if (g_ascii_strncasecmp(line, key, length) != 0)
        return NULL;
    const char *at = line + length;
    while (g_ascii_isspace(*at))
        at++;
    if (*at++ != '=')
        return NULL;
    while (g_ascii_isspace(*at))
        at++;
    if (*at != '"')
        return g_strstrip(g_strdup(at));
    const char *end = strchr(at + 1, '"');
    return end != NULL ? g_strndup(at + 1, (gsize)(end - at - 1)) : NULL;
}

static gboolean
is_access(const char *word)
{
    return strcmp(word, "RW") == 0 || strcmp(word, "RDONLY") == 0 || strcmp(word, "NOACCESS") == 0;
}

/* RW 33554432 VMFS "app01-flat.vmdk" 0 */
static gboolean
parse_extent(const char *line, struct vmdk_descriptor *descriptor)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t", 4);
    if (g_strv_length(words) < 3 || !is_access(words[0]))
        return FALSE;
    if (descriptor->n_extents++ > 0)
        return TRUE;
    if (!g_ascii_string_to_unsigned(words[1], 10, 0, G_MAXUINT64 / 512, &descriptor->sectors, NULL))
        return FALSE;
    descriptor->type = g_ascii_strup(words[2], -1);
    /* ZERO has no file. */
    const char *from = words[3] != NULL ? strchr(words[3], '"') : NULL;
    const char *end = from != NULL ? strrchr(from + 1, '"') : NULL;
    if (end != NULL && end > from + 1)
        descriptor->file = g_strndup(from + 1, (gsize)(end - from - 1));
    return TRUE;
}

static gboolean
parse_line(const char *line, struct vmdk_descriptor *descriptor, GError **error)
{
    g_autofree char *parent = value_of(line, "parentCID");
    if (parent != NULL)
        descriptor->has_parent = g_ascii_strtoull(parent, NULL, 16) != NO_PARENT;
    if (descriptor->create_type == NULL)
        descriptor->create_type = value_of(line, "createType");
    g_autofree char *first = g_strndup(line, strcspn(line, " \t"));
    if (is_access(first) && !parse_extent(line, descriptor))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "extent \"%s\": makes no sense", line);
    if (descriptor->n_extents > VMDK_DESCRIPTOR_EXTENTS_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "more than %u extents",
                         VMDK_DESCRIPTOR_EXTENTS_MAX);
    return TRUE;
}

static gboolean
parse_lines(const char *text, struct vmdk_descriptor *descriptor, GError **error)
{
    g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
    for (gsize i = 0; lines[i] != NULL; i++)
        if (!parse_line(g_strstrip(lines[i]), descriptor, error))
            return FALSE;
    if (descriptor->n_extents == 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "no extent is in it");
    return TRUE;
}

gboolean
vmdk_descriptor_parse(const char *text, gsize length, struct vmdk_descriptor *ret, GError **error)
{
    *ret = (struct vmdk_descriptor){0};
    if (length > VMDK_DESCRIPTOR_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "a descriptor of more than %u bytes",
                         VMDK_DESCRIPTOR_MAX);
    g_autofree char *copy = g_strndup(text, length);
    if (strlen(copy) != length || !g_utf8_validate(copy, -1, NULL) ||
        g_ascii_strncasecmp(copy, MAGIC, strlen(MAGIC)) != 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "not the descriptor of a disk");
    if (parse_lines(copy, ret, error))
        return TRUE;
    vmdk_descriptor_clear(ret);
    return FALSE;
}

void
vmdk_descriptor_clear(struct vmdk_descriptor *descriptor)
{
    g_free(descriptor->create_type);
    g_free(descriptor->type);
    g_free(descriptor->file);
    *descriptor = (struct vmdk_descriptor){0};
}
