/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/api_version.h"

gboolean
api_version_is(const struct vim *vim, guint major, guint minor)
{
    const char *text = vim_service(vim)->api_version;
    if (text == NULL)
        return FALSE;
    char *end;
    guint64 is_major = g_ascii_strtoull(text, &end, 10);
    guint64 is_minor = *end == '.' ? g_ascii_strtoull(end + 1, NULL, 10) : 0;
    return is_major > major || (is_major == major && is_minor >= minor);
}
