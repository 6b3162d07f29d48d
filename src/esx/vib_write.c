/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_write.h"

#include "base/cancel.h"
#include "base/error.h"

#include <string.h>

#define AR_MAGIC "!<arch>\n"
#define AR_HEADER 60
#define AR_SIZE_MAX G_GUINT64_CONSTANT(9999999999)
#define COPY_BUFFER 65536

gboolean
vib_write_begin(struct durable_file *out, GError **error)
{
    return durable_file_write(out, AR_MAGIC, strlen(AR_MAGIC), error);
}

static gboolean
write_header(struct durable_file *out, const char *name, guint64 size, GError **error)
{
    if (strlen(name) > VIB_MEMBER_NAME_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the payload name %s is longer than %d characters", name,
                         VIB_MEMBER_NAME_MAX);
    if (size > AR_SIZE_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s is too large for a VIB", name);
    g_autofree char *header = g_strdup_printf("%-16s%-12d%-6d%-6d%-8d%-10" G_GUINT64_FORMAT "`\n",
                                              name, 0, 0, 0, 0, size);
    g_assert(strlen(header) == AR_HEADER);
    return durable_file_write(out, header, AR_HEADER, error);
}

static gboolean
copy(struct durable_file *out, struct stream *data, GError **error)
{
    guint64 left = stream_size(data);
    g_autofree char *buffer = g_malloc(COPY_BUFFER);
    while (left > 0) {
        gsize step = (gsize)MIN(left, COPY_BUFFER);
        if (!cancel_check(error) || !stream_read_exact(data, buffer, step, error) ||
            !durable_file_write(out, buffer, step, error))
            return FALSE;
        left -= step;
    }
    gssize more = stream_read(data, buffer, 1, error);
    if (more > 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: is longer than it said",
                         stream_label(data));
    return more == 0;
}

gboolean
vib_write_member(struct durable_file *out, const char *name, struct stream *data, GError **error)
{
    guint64 size = stream_size(data);
    g_return_val_if_fail(size != STREAM_SIZE_UNKNOWN, FALSE);
    return write_header(out, name, size, error) && copy(out, data, error) &&
           (size % 2 == 0 || durable_file_write(out, "\n", 1, error));
}

gboolean
vib_write_bytes(struct durable_file *out, const char *name, GBytes *bytes, GError **error)
{
    g_autoptr(GBytes) empty = g_bytes_new(NULL, 0);
    auto_ptr(stream) data = stream_new_bytes(bytes != NULL ? bytes : empty, name);
    return vib_write_member(out, name, data, error);
}
