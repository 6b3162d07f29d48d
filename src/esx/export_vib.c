/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/export_vib.h"

#include "base/error.h"
#include "base/stream_digest.h"
#include "esx/vib_file.h"

#include <string.h>

void
export_vib_free(struct export_vib *file)
{
    if (file == NULL)
        return;
    vib_unref(file->vib);
    g_clear_pointer(&file->descriptor, g_bytes_unref);
    g_clear_pointer(&file->signature, g_bytes_unref);
    g_free(file->sha256);
    g_free(file);
}

/* What `depot` says of a VIB is not so: set the error and return FALSE. */
static gboolean differs(const struct package *package, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
differs(const struct package *package, GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: the .vib file is not what its depot %s says: %s; the depot is damaged or "
                     "was changed, get it again",
                     package->vib->id, package->depot->title, text);
}

/* Every checksum that both know must be the same. */
static gboolean
checksums_agree(const struct payload *actual, const struct payload *stated)
{
    for (guint i = 0; i < stated->checksums->len; i++) {
        const struct checksum *checksum = &g_array_index(stated->checksums, struct checksum, i);
        const char *hex = payload_checksum(actual, checksum->kind, checksum->verify_process);
        if (hex != NULL && strcmp(hex, checksum->hex) != 0)
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_payload(const struct package *package, const struct payload *actual, GError **error)
{
    const struct payload *stated = vib_payload(package->vib, actual->name);
    if (stated == NULL)
        return differs(package, error, "the depot knows no payload %s", actual->name);
    if (stated->size != actual->size)
        return differs(package, error,
                       "payload %s has %" G_GUINT64_FORMAT
                       " bytes, in the depot %" G_GUINT64_FORMAT,
                       actual->name, actual->size, stated->size);
    if (strcmp(stated->type, actual->type) != 0)
        return differs(package, error, "payload %s is of type %s, in the depot %s", actual->name,
                       actual->type, stated->type);
    if (!checksums_agree(actual, stated))
        return differs(package, error, "payload %s has other checksums", actual->name);
    return TRUE;
}

static gboolean
check_identity(const struct package *package, const struct vib *actual, GError **error)
{
    const struct vib *stated = package->vib;
    if (strcmp(actual->id, stated->id) != 0)
        return differs(package, error, "its id is %s", actual->id);
    if (actual->acceptance != stated->acceptance)
        return differs(package, error, "its acceptance level is %s, in the depot %s",
                       acceptance_title(actual->acceptance), acceptance_title(stated->acceptance));
    for (guint i = 0; i < actual->payloads->len; i++)
        if (!check_payload(package, actual->payloads->pdata[i], error))
            return FALSE;
    if (actual->payloads->len != stated->payloads->len)
        return differs(package, error, "it has %u payloads, in the depot %u", actual->payloads->len,
                       stated->payloads->len);
    return TRUE;
}

/* A single .vib file has no metadata that says what it must be. */
static gboolean
find_facts(struct export_vib *file, GError **error)
{
    const struct package *package = file->package;
    file->size = package->vib->packed_size;
    file->sha256 = g_strdup(package_sha256(package));
    if (file->sha256 != NULL)
        return TRUE;
    return stream_digest(package_open(package, error), DIGEST_SHA256, &file->sha256, &file->size,
                         error);
}

struct export_vib *
export_vib_open(struct package *package, GError **error)
{
    struct stream *stream = package_open(package, error);
    if (stream == NULL)
        return NULL;
    auto_ptr(vib_file) opened = vib_file_open(stream, error);
    if (opened == NULL || !check_identity(package, vib_file_vib(opened), error))
        return NULL;
    struct export_vib *file = g_new0(struct export_vib, 1);
    file->package = package;
    file->vib = vib_ref(vib_file_vib(opened));
    file->descriptor = g_bytes_ref(vib_file_descriptor(opened));
    file->signature = g_bytes_ref(vib_file_signature(opened));
    if (!find_facts(file, error))
        g_clear_pointer(&file, export_vib_free);
    return file;
}
