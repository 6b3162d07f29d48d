/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_file.h"

#include "base/error.h"

#include <string.h>

#define AR_MAGIC "!<arch>\n"
#define AR_HEADER 60
#define AR_NAME 16
#define AR_SIZE_OFFSET 48
#define AR_SIZE 10
#define AR_LONG_NAMES_MAX (1u << 20)

struct vib_file {
    struct stream *stream;
    struct vib *vib;
    GBytes *descriptor;
    GBytes *signature;
    GBytes *long_names; /* GNU's table of names over 15 characters, NULL: none */
    GHashTable *seen;   /* const struct payload *: came already */
    char *member;       /* name of the member just begun */
    guint64 member_size;
    guint64 left; /* of the member's data */
    gboolean odd; /* a padding byte follows the data */
};

static const char *
label(const struct vib_file *file)
{
    return stream_label(file->stream);
}

static gboolean fail(const struct vib_file *file, GError **error, enum slipway_error code,
                     const char *format, ...) G_GNUC_PRINTF(4, 5);

static gboolean
fail(const struct vib_file *file, GError **error, enum slipway_error code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(error, code, "%s: %s", label(file), text);
}

/* Skip what is left of the member before, with its padding. */
static gboolean
leave_member(struct vib_file *file, GError **error)
{
    guint64 rest = file->left;
    gboolean odd = file->odd;
    file->left = 0;
    file->odd = FALSE;
    if (rest > 0 && !stream_skip(file->stream, rest, error))
        return FALSE;
    /* The padding of the last member is missing in some archives. */
    char padding;
    return !odd || stream_read(file->stream, &padding, 1, error) >= 0;
}

/* Names end with blanks, NULs or one slash (GNU); `/123` is a place in the table of long names. */
static char *
member_name(const struct vib_file *file, const char *field, GError **error)
{
    g_autofree char *name = g_strndup(field, AR_NAME);
    g_strchomp(name);
    if (name[0] == '/' && g_ascii_isdigit(name[1])) {
        gsize size = 0;
        const char *table =
            file->long_names != NULL ? g_bytes_get_data(file->long_names, &size) : NULL;
        guint64 at = g_ascii_strtoull(name + 1, NULL, 10);
        if (at >= size) {
            fail(file, error, SLIPWAY_ERROR_CORRUPT, "has a member whose long name is missing");
            return NULL;
        }
        gsize length = 0;
        while (at + length < size && table[at + length] != '\n' && table[at + length] != '\0')
            length++;
        g_free(name);
        name = g_strndup(table + at, length);
    }
    gsize length = strlen(name);
    if (length > 1 && strcmp(name, "//") != 0 && name[length - 1] == '/')
        name[length - 1] = '\0';
    return g_steal_pointer(&name);
}

static gboolean
parse_header(struct vib_file *file, const char *header, GError **error)
{
    if (header[58] != '`' || header[59] != '\n')
        return fail(file, error, SLIPWAY_ERROR_CORRUPT,
                    "a member header is damaged, the file is no VIB or was cut off");
    g_free(file->member);
    file->member = member_name(file, header, error);
    if (file->member == NULL)
        return FALSE;
    g_autofree char *size = g_strndup(header + AR_SIZE_OFFSET, AR_SIZE);
    if (!g_ascii_string_to_unsigned(g_strstrip(size), 10, 0, G_MAXINT64, &file->member_size, NULL))
        return fail(file, error, SLIPWAY_ERROR_CORRUPT, "the size of member `%s` is no number",
                    file->member);
    file->left = file->member_size;
    file->odd = file->member_size % 2 == 1;
    return TRUE;
}

/* Begin the next member; *ret_end at the end of the archive. */
static gboolean
next_member(struct vib_file *file, gboolean *ret_end, GError **error)
{
    char header[AR_HEADER];
    *ret_end = FALSE;
    if (!leave_member(file, error))
        return FALSE;
    gssize got = stream_read(file->stream, header, 1, error);
    if (got < 0)
        return FALSE;
    if (got == 0) {
        *ret_end = TRUE;
        return TRUE;
    }
    return stream_read_exact(file->stream, header + 1, sizeof header - 1, error) &&
           parse_header(file, header, error);
}

static GBytes *
read_member(struct vib_file *file, gsize limit, GError **error)
{
    if (file->left > limit) {
        fail(file, error, SLIPWAY_ERROR_LIMIT,
             "member %s has %" G_GUINT64_FORMAT " bytes, the limit"
             " is %" G_GSIZE_FORMAT,
             file->member, file->left, limit);
        return NULL;
    }
    gsize size = (gsize)file->left;
    g_autofree char *data = g_malloc(size + 1);
    if (!stream_read_exact(file->stream, data, size, error))
        return NULL;
    file->left = 0;
    return g_bytes_new_take(g_steal_pointer(&data), size);
}

/* GNU's symbol table and its table of long names stand before all other members. */
static gboolean
skip_tables(struct vib_file *file, gboolean *ret_end, GError **error)
{
    if (!*ret_end && strcmp(file->member, "/") == 0 && !next_member(file, ret_end, error))
        return FALSE;
    if (*ret_end || strcmp(file->member, "//") != 0 || file->long_names != NULL)
        return TRUE;
    file->long_names = read_member(file, AR_LONG_NAMES_MAX, error);
    return file->long_names != NULL && next_member(file, ret_end, error);
}

/* The next member, which must be called `name`. */
static GBytes *
read_named(struct vib_file *file, const char *name, gsize limit, GError **error)
{
    gboolean end = FALSE;
    if (!next_member(file, &end, error) || !skip_tables(file, &end, error))
        return NULL;
    if (end)
        fail(file, error, SLIPWAY_ERROR_CORRUPT, "ends before its %s, the VIB is truncated", name);
    else if (strcmp(file->member, "debian-binary") == 0)
        fail(file, error, SLIPWAY_ERROR_UNSUPPORTED,
             "is a Debian package, as ESX 4 used them, and "
             "no VIB of ESXi 5.0 or later");
    else if (strcmp(file->member, name) != 0)
        fail(file, error, SLIPWAY_ERROR_CORRUPT, "has `%s` where %s must be, this is no VIB",
             file->member, name);
    else
        return read_member(file, limit, error);
    return NULL;
}

static gboolean
read_magic(struct vib_file *file, GError **error)
{
    char magic[sizeof AR_MAGIC - 1] = "";
    g_autoptr(GError) short_file = NULL;
    if (!stream_read_exact(file->stream, magic, sizeof magic, &short_file) &&
        !g_error_matches(short_file, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT)) {
        g_propagate_error(error, g_steal_pointer(&short_file));
        return FALSE;
    }
    if (memcmp(magic, AR_MAGIC, sizeof magic) == 0)
        return TRUE;
    if (memcmp(magic, "PK\003\004", 4) == 0)
        return fail(file, error, SLIPWAY_ERROR_CORRUPT,
                    "is a zip archive and no VIB; connect an "
                    "offline bundle with `depot add`");
    return fail(file, error, SLIPWAY_ERROR_CORRUPT,
                "is no VIB: it does not begin as an ar archive");
}

static gboolean
read_head(struct vib_file *file, GError **error)
{
    if (!read_magic(file, error))
        return FALSE;
    file->descriptor = read_named(file, "descriptor.xml", VIB_DESCRIPTOR_MAX, error);
    if (file->descriptor == NULL)
        return FALSE;
    gsize length;
    const char *data = g_bytes_get_data(file->descriptor, &length);
    file->vib = vib_parse(data, length, label(file), error);
    if (file->vib == NULL)
        return FALSE;
    file->signature = read_named(file, "sig.pkcs7", VIB_SIGNATURE_MAX, error);
    return file->signature != NULL;
}

struct vib_file *
vib_file_open(struct stream *stream, GError **error)
{
    struct vib_file *file = g_new0(struct vib_file, 1);
    file->stream = stream;
    file->seen = g_hash_table_new(NULL, NULL);
    if (read_head(file, error))
        return file;
    vib_file_close(file);
    return NULL;
}

void
vib_file_close(struct vib_file *file)
{
    if (file == NULL)
        return;
    stream_close(file->stream);
    vib_unref(file->vib);
    g_clear_pointer(&file->descriptor, g_bytes_unref);
    g_clear_pointer(&file->signature, g_bytes_unref);
    g_clear_pointer(&file->long_names, g_bytes_unref);
    g_hash_table_unref(file->seen);
    g_free(file->member);
    g_free(file);
}

struct vib *
vib_file_vib(struct vib_file *file)
{
    return file->vib;
}

GBytes *
vib_file_descriptor(struct vib_file *file)
{
    return file->descriptor;
}

GBytes *
vib_file_signature(struct vib_file *file)
{
    return file->signature;
}

static gboolean
check_all_seen(struct vib_file *file, GError **error)
{
    for (guint i = 0; i < file->vib->payloads->len; i++) {
        const struct payload *payload = file->vib->payloads->pdata[i];
        if (!g_hash_table_contains(file->seen, payload))
            return fail(
                file, error, SLIPWAY_ERROR_CORRUPT,
                "its payload %s is missing, the VIB is truncated or was put together wrongly",
                payload->name);
    }
    return TRUE;
}

static const char *
first_unseen(const struct vib_file *file)
{
    for (guint i = 0; i < file->vib->payloads->len; i++) {
        const struct payload *payload = file->vib->payloads->pdata[i];
        if (!g_hash_table_contains(file->seen, payload))
            return payload->name;
    }
    return "no further one";
}

static gboolean
check_member(struct vib_file *file, const struct payload *payload, GError **error)
{
    if (payload == NULL)
        return fail(file, error, SLIPWAY_ERROR_CORRUPT,
                    "has a member `%s`, which its descriptor does not name (it names %s there); "
                    "the VIB was put together wrongly, ask its maker for another",
                    file->member, first_unseen(file));
    if (!g_hash_table_add(file->seen, (gpointer)payload))
        return fail(file, error, SLIPWAY_ERROR_CORRUPT, "has its payload %s twice", payload->name);
    if (file->member_size != payload->size)
        return fail(file, error, SLIPWAY_ERROR_CORRUPT,
                    "payload %s has %" G_GUINT64_FORMAT
                    " bytes, the descriptor says %" G_GUINT64_FORMAT,
                    payload->name, file->member_size, payload->size);
    return TRUE;
}

gboolean
vib_file_next(struct vib_file *file, const struct payload **ret_payload, GError **error)
{
    *ret_payload = NULL;
    gboolean end = FALSE;
    if (!next_member(file, &end, error))
        return FALSE;
    if (end)
        return check_all_seen(file, error);
    const struct payload *payload = vib_payload(file->vib, file->member);
    if (!check_member(file, payload, error))
        return FALSE;
    *ret_payload = payload;
    return TRUE;
}

gssize
vib_file_read(struct vib_file *file, void *buffer, gsize length, GError **error)
{
    gsize step = (gsize)MIN((guint64)length, file->left);
    if (step == 0)
        return 0;
    gssize got = stream_read(file->stream, buffer, step, error);
    if (got == 0) {
        fail(file, error, SLIPWAY_ERROR_CORRUPT,
             "ends in the middle of payload %s, the VIB is truncated", file->member);
        return -1;
    }
    if (got > 0)
        file->left -= (guint64)got;
    return got;
}
