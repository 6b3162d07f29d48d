/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/stream_digest.h"

#include "base/cancel.h"

#define BUFFER (256u << 10)

gboolean
stream_digest(struct stream *stream, enum digest_kind kind, char **ret_hex, guint64 *ret_size,
              GError **error)
{
    auto_ptr(stream) source = stream;
    if (source == NULL)
        return FALSE;
    auto_ptr(digest) digest = digest_new(kind);
    g_autofree char *buffer = g_malloc(BUFFER);
    guint64 size = 0;
    gssize got;
    while ((got = cancel_check(error) ? stream_read(source, buffer, BUFFER, error) : -1) > 0) {
        digest_update(digest, buffer, (gsize)got);
        size += (guint64)got;
    }
    if (got < 0)
        return FALSE;
    *ret_hex = digest_hex(digest);
    *ret_size = size;
    return TRUE;
}
