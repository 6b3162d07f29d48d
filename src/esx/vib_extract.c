/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_extract.h"

#include "base/cancel.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "esx/payload_check.h"
#include "esx/unpacked_tree.h"
#include "esx/vib_file.h"

#include <errno.h>
#include <string.h>

#define COPY_BUFFER 65536
#define FILE_MODE 0666
#define DIRECTORY_MODE 0777

struct extraction {
    struct vib_file *file;
    const char *directory;
    const struct vib_extract *options;
    const char *label; /* the id of the VIB */
};

/* The unpacked form of one payload: its directory is made when the first member comes, so that
 * none is left behind by what turns out to be no archive. */
struct unpacking {
    const struct extraction *extraction;
    char *path;
    struct unpacked_tree *tree;
};

/* The path of an output file that may be written. */
static char *
output_path(const struct extraction *extraction, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(extraction->directory, name, NULL);
    if (!extraction->options->overwrite &&
        g_file_test(path, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK))
        return error_null(error, SLIPWAY_ERROR_EXISTS, "%s exists already; --overwrite replaces it",
                          path);
    return g_steal_pointer(&path);
}

static gboolean
write_bytes(const struct extraction *extraction, const char *name, GBytes *bytes, GError **error)
{
    g_autofree char *path = output_path(extraction, name, error);
    if (path == NULL)
        return FALSE;
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    return durable_file_put(path, data, length, FILE_MODE, error);
}

/* The stored bytes of the current payload, checked as they pass. */
static gboolean
copy_payload(const struct extraction *extraction, const struct payload *payload,
             struct durable_file *out, GError **error)
{
    auto_ptr(payload_check) check =
        payload_check_new(payload, PAYLOAD_CHECK_ALL, extraction->label);
    g_autofree char *buffer = g_malloc(COPY_BUFFER);
    for (;;) {
        gssize got = vib_file_read(extraction->file, buffer, COPY_BUFFER, error);
        if (got < 0 || !cancel_check(error))
            return FALSE;
        if (got == 0)
            break;
        payload_check_update(check, buffer, (gsize)got);
        progress_advance(extraction->options->progress, (guint64)got);
        if (!durable_file_write(out, buffer, (gsize)got, error))
            return FALSE;
    }
    g_autoptr(GError) reason = NULL;
    if (!payload_check_finish(check, &reason))
        progress_warning(extraction->options->progress, "%s", reason->message);
    return TRUE;
}

static gboolean
unpack_member(const struct visor_member *member, struct stream *data, void *user_data,
              GError **error)
{
    struct unpacking *unpacking = user_data;
    if (unpacking->tree == NULL)
        unpacking->tree =
            unpacked_tree_new(unpacking->path, unpacking->extraction->options->overwrite, error);
    return unpacking->tree != NULL && unpacked_tree_add(unpacking->tree, member, data, error);
}

/* *ret_unpacked stays FALSE when it is nothing that can be unpacked. */
static gboolean
unpack_payload(const struct extraction *extraction, const struct payload *payload,
               struct durable_file *stored, gboolean *ret_unpacked, GError **error)
{
    g_autofree char *path = g_build_filename(extraction->directory, payload->name, NULL);
    g_autofree char *label = g_strdup_printf("%s: payload %s", extraction->label, payload->name);
    struct stream *packed = stream_new_fd(durable_file_fd(stored), 0, payload->size, label, error);
    if (packed == NULL)
        return FALSE;
    struct unpacking unpacking = {.extraction = extraction, .path = path};
    g_autoptr(GError) reason = NULL;
    gboolean ok = visor_tar_each(packed, unpack_member, &unpacking, &reason);
    unpacked_tree_free(unpacking.tree);
    *ret_unpacked = ok && unpacking.tree != NULL;
    if (ok)
        return TRUE;
    if (g_error_matches(reason, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED) &&
        unpacking.tree == NULL) {
        progress_info(extraction->options->progress, "%s; kept as a file", reason->message);
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

static gboolean
check_name(const struct extraction *extraction, const struct payload *payload, GError **error)
{
    static const char *const taken[] = {"descriptor.xml", "sig.pkcs7", ".", ".."};
    gboolean ok = *payload->name != '\0' && strchr(payload->name, '/') == NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(taken); i++)
        ok = ok && strcmp(payload->name, taken[i]) != 0;
    return ok || error_set(error, SLIPWAY_ERROR_CORRUPT,
                           "%s: a payload is called `%s`, which cannot be written as a file",
                           extraction->label, payload->name);
}

static gboolean
extract_payload(const struct extraction *extraction, const struct payload *payload, GError **error)
{
    if (!check_name(extraction, payload, error))
        return FALSE;
    g_autofree char *path = output_path(extraction, payload->name, error);
    if (path == NULL)
        return FALSE;
    auto_ptr(durable_file) out = durable_file_new(path, FILE_MODE, error);
    if (out == NULL || !copy_payload(extraction, payload, out, error))
        return FALSE;
    gboolean unpacked = FALSE;
    if (extraction->options->unpack && payload_is_gzip(payload) &&
        !unpack_payload(extraction, payload, out, &unpacked, error))
        return FALSE;
    return unpacked || durable_file_commit(g_steal_pointer(&out), error);
}

static gboolean
extract_all(const struct extraction *extraction, GError **error)
{
    if (g_mkdir_with_parents(extraction->directory, DIRECTORY_MODE) != 0)
        return error_set_errno(error, errno, "cannot make the directory %s", extraction->directory);
    if (!write_bytes(extraction, "descriptor.xml", vib_file_descriptor(extraction->file), error) ||
        !write_bytes(extraction, "sig.pkcs7", vib_file_signature(extraction->file), error))
        return FALSE;
    const struct payload *payload = NULL;
    while (vib_file_next(extraction->file, &payload, error)) {
        if (payload == NULL)
            return TRUE;
        if (!extract_payload(extraction, payload, error))
            return FALSE;
    }
    return FALSE;
}

gboolean
vib_extract_write(struct stream *stream, const char *directory, const struct vib_extract *options,
                  GError **error)
{
    guint64 total = stream_size(stream);
    auto_ptr(vib_file) file = vib_file_open(stream, error);
    if (file == NULL)
        return FALSE;
    struct extraction extraction = {file, directory, options, vib_file_vib(file)->id};
    progress_begin(options->progress, total == STREAM_SIZE_UNKNOWN ? 0 : total, PROGRESS_BYTES,
                   "extracting %s", extraction.label);
    gboolean ok = extract_all(&extraction, error);
    progress_end(options->progress, ok);
    return ok;
}
