/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/change_id.h"

#include "hyper/libvirt/domain_disk.h"

#include <string.h>

#define PREFIX "slipway-"
#define NUMBER_MAX 20u /* digits */

char *
change_id_checkpoint(const char *chain)
{
    return g_strdup_printf(PREFIX "%s-%" G_GINT64_FORMAT, chain, g_get_real_time());
}

gboolean
change_id_is_of(const char *checkpoint, const char *chain)
{
    if (!g_str_has_prefix(checkpoint, PREFIX))
        return FALSE;
    const char *rest = checkpoint + strlen(PREFIX);
    gsize length = strlen(chain);
    if (strncmp(rest, chain, length) != 0 || rest[length] != '-')
        return FALSE;
    const char *digits = rest + length + 1;
    gsize n = strspn(digits, "0123456789");
    return n >= 1 && n <= NUMBER_MAX && digits[n] == '\0';
}

char *
change_id_format(const char *checkpoint, const char *identity)
{
    return g_strconcat(checkpoint, "@", identity, NULL);
}

gboolean
change_id_parse(const char *text, const char *chain, char **ret_checkpoint, char **ret_identity)
{
    const char *at = strchr(text, '@');
    if (at == NULL || strlen(at + 1) != DOMAIN_DISK_IDENTITY ||
        strspn(at + 1, "0123456789abcdef") != DOMAIN_DISK_IDENTITY)
        return FALSE;
    g_autofree char *checkpoint = g_strndup(text, (gsize)(at - text));
    if (!change_id_is_of(checkpoint, chain))
        return FALSE;
    *ret_checkpoint = g_steal_pointer(&checkpoint);
    *ret_identity = g_strdup(at + 1);
    return TRUE;
}
