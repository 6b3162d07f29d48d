/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/visor_tar.h"

#include "base/cancel.h"
#include "base/error.h"
#include "esx/tar_header.h"
#include "esx/tar_names.h"

#include <string.h>

#define DRAIN_BUFFER 65536

struct walk {
    struct stream *tar;
    guint64 position; /* bytes of `tar` that were read */
    visor_member_func function;
    void *user_data;
    struct tar_names names; /* what extension records say of the next member */
    GPtrArray *later;       /* members whose data lies apart */
    guint64 later_offset;   /* the lowest offset of them; G_MAXUINT64 when there is none */
    gsize later_bytes;      /* of their names */
    gsize headers;
};

void
visor_member_free(struct visor_member *member)
{
    if (member == NULL)
        return;
    g_free(member->name);
    g_free(member->target);
    g_free(member);
}
AUTO_PTR_DEFINE(visor_member, visor_member_free)

gboolean
visor_member_is_file(const struct visor_member *member)
{
    return member->type == '0' || member->type == '7';
}

/* The data of one member: the next `left` bytes of the archive. */

struct member_stream {
    struct stream base;
    struct walk *walk;
    guint64 left;
};

static gssize
read_member(struct stream *base, void *buffer, gsize length, GError **error)
{
    struct member_stream *self = (struct member_stream *)base;
    gsize step = (gsize)MIN((guint64)length, self->left);
    if (step == 0)
        return 0;
    gssize got = stream_read(self->walk->tar, buffer, step, error);
    if (got == 0) {
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: ends in the middle of %s",
                  stream_label(self->walk->tar), base->label);
        return -1;
    }
    if (got > 0) {
        self->left -= (guint64)got;
        self->walk->position += (guint64)got;
    }
    return got;
}

static void
close_member(struct stream *base)
{
    g_free(base);
}

static const struct stream_class member_class = {read_member, NULL, close_member};

static struct stream *
new_member_stream(struct walk *walk, const struct visor_member *member)
{
    struct member_stream *self = g_new0(struct member_stream, 1);
    stream_init(&self->base, &member_class, member->size, member->name);
    self->walk = walk;
    self->left = member->size;
    return &self->base;
}

/* Going forward in the archive. */

static gboolean
skip(struct walk *walk, guint64 length, GError **error)
{
    walk->position += length;
    return stream_skip(walk->tar, length, error);
}

/* To the next multiple of a block. */
static gboolean
skip_padding(struct walk *walk, GError **error)
{
    return skip(walk, (TAR_BLOCK - walk->position % TAR_BLOCK) % TAR_BLOCK, error);
}

static gboolean
refuse_no_tar(const struct walk *walk, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "%s: holds no tar archive",
                     stream_label(walk->tar));
}

/* Read a header block; *ret_ended when the archive is over instead. */
static gboolean
read_block(struct walk *walk, guint8 *block, gboolean *ret_ended, GError **error)
{
    gsize have = 0;
    while (have < TAR_BLOCK) {
        gssize got = stream_read(walk->tar, block + have, TAR_BLOCK - have, error);
        if (got < 0)
            return FALSE;
        if (got == 0)
            break;
        have += (gsize)got;
    }
    *ret_ended = have == 0;
    walk->position += TAR_BLOCK;
    if (have == TAR_BLOCK || (have == 0 && walk->headers > 0))
        return TRUE;
    if (walk->headers == 0)
        return refuse_no_tar(walk, error);
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: ends in the middle of a tar header",
                     stream_label(walk->tar));
}

static gboolean
hand_out(struct walk *walk, const struct visor_member *member, GError **error)
{
    if (!visor_member_is_file(member))
        return walk->function(member, NULL, walk->user_data, error);
    auto_ptr(stream) data = new_member_stream(walk, member);
    if (!walk->function(member, data, walk->user_data, error))
        return FALSE;
    return stream_skip(data, ((struct member_stream *)data)->left, error);
}

/* One header. */

static gboolean
refuse_header(const struct walk *walk, const guint8 *block, GError **error)
{
    static const guint8 xz_magic[] = {0xfd, '7', 'z', 'X', 'Z', 0};
    const char *label = stream_label(walk->tar);
    if (walk->headers > 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: the tar header at byte %" G_GUINT64_FORMAT " is damaged", label,
                         walk->position - TAR_BLOCK);
    if (memcmp(block, xz_magic, sizeof xz_magic) == 0)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s: holds a signed xz archive, which can be copied but not looked into",
                         label);
    return refuse_no_tar(walk, error);
}

static gboolean
check_type(const struct walk *walk, const struct tar_header *header, const char *name,
           GError **error)
{
    g_autofree char *shown = tar_name_shown(name);
    if (strchr("346", header->type) != NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: %s is a device or a pipe, which no payload may hold",
                         stream_label(walk->tar), shown);
    if (strchr("01257", header->type) == NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s: %s is a tar member of type '%c', which is not handled",
                         stream_label(walk->tar), shown,
                         g_ascii_isprint(header->type) ? header->type : '?');
    return TRUE;
}

/* The target of a hard link is the name of another member. */
static gboolean
clean_hard_link(const char *raw, const char *label, char **ret_target, GError **error)
{
    if (!tar_name_clean(raw, label, ret_target, error))
        return FALSE;
    return **ret_target != '\0' ||
           error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: has a link that points nowhere", label);
}

/* *ret_member stays NULL for the root directory itself. */
static gboolean
make_member(struct walk *walk, const struct tar_header *header, struct visor_member **ret_member,
            GError **error)
{
    const char *label = stream_label(walk->tar);
    const char *raw = walk->names.name != NULL ? walk->names.name : header->name;
    const char *target = walk->names.target != NULL ? walk->names.target : header->target;
    auto_ptr(visor_member) member = g_new0(struct visor_member, 1);
    member->type = header->type;
    if (member->type == '0' && g_str_has_suffix(raw, "/"))
        member->type = '5'; /* as v7 wrote directories */
    if (member->type == '7' && !header->visor)
        member->type = '0'; /* "contiguous" */
    member->mode = header->mode;
    member->mtime = header->mtime;
    if (visor_member_is_file(member))
        member->size = walk->names.has_size ? walk->names.size : header->size;
    if (!check_type(walk, header, raw, error) || !tar_name_clean(raw, label, &member->name, error))
        return FALSE;
    if (member->type == '1' && !clean_hard_link(target, label, &member->target, error))
        return FALSE;
    if (member->type == '2' && !tar_target_check(target, label, &member->target, error))
        return FALSE;
    if (member->size > VISOR_TAR_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: %s is larger than %" G_GUINT64_FORMAT " bytes", label, member->name,
                         VISOR_TAR_MAX);
    if (*member->name == '\0' && member->type == '5')
        return TRUE;
    if (*member->name == '\0')
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: has a member without a name", label);
    *ret_member = g_steal_pointer(&member);
    return TRUE;
}

static gboolean
keep_for_later(struct walk *walk, struct visor_member *member, guint32 offset, GError **error)
{
    member->offset = offset;
    walk->later_offset = MIN(walk->later_offset, member->offset);
    walk->later_bytes += strlen(member->name) + sizeof *member;
    g_ptr_array_add(walk->later, member);
    if (walk->later_bytes > VISOR_TAR_NAMES_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: its names are longer than %u bytes",
                         stream_label(walk->tar), VISOR_TAR_NAMES_MAX);
    return TRUE;
}

static gboolean
take_member(struct walk *walk, const struct tar_header *header, GError **error)
{
    auto_ptr(visor_member) member = NULL;
    if (!make_member(walk, header, &member, error))
        return FALSE;
    tar_names_clear(&walk->names);
    if (member == NULL)
        return TRUE;
    if (member->size > 0 && header->data_offset != 0)
        return keep_for_later(walk, g_steal_pointer(&member), header->data_offset, error);
    member->offset = walk->position;
    return hand_out(walk, member, error) && skip_padding(walk, error);
}

static gboolean
take_header(struct walk *walk, const guint8 *block, GError **error)
{
    struct tar_header header;
    if (!tar_header_parse(block, &header))
        return refuse_header(walk, block, error);
    if (++walk->headers > VISOR_TAR_MEMBERS_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: more than %d members",
                         stream_label(walk->tar), VISOR_TAR_MEMBERS_MAX);
    if (!tar_names_is_record(&header))
        return take_member(walk, &header, error);
    if (!tar_names_read(&walk->names, &header, walk->tar, error))
        return FALSE;
    walk->position += header.size;
    return skip_padding(walk, error);
}

static gboolean
take_headers(struct walk *walk, GError **error)
{
    guint8 block[TAR_BLOCK];
    gboolean ended = FALSE;
    /* Where the first data begins there can be no header, with or without a zero block. */
    while (walk->position < walk->later_offset) {
        if (!cancel_check(error) || !read_block(walk, block, &ended, error))
            return FALSE;
        if (ended || tar_header_is_end(block))
            return TRUE;
        if (!take_header(walk, block, error))
            return FALSE;
    }
    return TRUE;
}

/* Data that lies apart. */

static int
compare_offsets(gconstpointer a, gconstpointer b)
{
    const struct visor_member *left = *(struct visor_member *const *)a;
    const struct visor_member *right = *(struct visor_member *const *)b;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return strcmp(left->name, right->name);
}

static gboolean
take_later(struct walk *walk, GError **error)
{
    g_ptr_array_sort(walk->later, compare_offsets);
    for (guint i = 0; i < walk->later->len; i++) {
        const struct visor_member *member = walk->later->pdata[i];
        if (!cancel_check(error))
            return FALSE;
        if (member->offset < walk->position)
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "%s: the data of %s overlaps with what is before it",
                             stream_label(walk->tar), member->name);
        if (!skip(walk, member->offset - walk->position, error) || !hand_out(walk, member, error))
            return FALSE;
    }
    return TRUE;
}

/* To the very end: only there the decompressor has seen the checksum. */
static gboolean
drain(struct walk *walk, GError **error)
{
    g_autofree char *buffer = g_malloc(DRAIN_BUFFER);
    for (;;) {
        gssize got = stream_read(walk->tar, buffer, DRAIN_BUFFER, error);
        if (got <= 0)
            return got == 0;
        walk->position += (guint64)got;
        if (walk->position > VISOR_TAR_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT,
                             "%s: more than %" G_GUINT64_FORMAT " bytes", stream_label(walk->tar),
                             VISOR_TAR_MAX);
        if (!cancel_check(error))
            return FALSE;
    }
}

gboolean
visor_tar_each_plain(struct stream *tar, visor_member_func function, void *user_data,
                     GError **error)
{
    struct walk walk = {
        .tar = tar, .function = function, .user_data = user_data, .later_offset = G_MAXUINT64};
    walk.later = g_ptr_array_new_with_free_func((GDestroyNotify)visor_member_free);
    gboolean ok = take_headers(&walk, error) && take_later(&walk, error) && drain(&walk, error);
    g_ptr_array_unref(walk.later);
    tar_names_clear(&walk.names);
    stream_close(tar);
    return ok;
}

gboolean
visor_tar_each(struct stream *packed, visor_member_func function, void *user_data, GError **error)
{
    struct stream *tar = stream_new_inflate(packed, STREAM_GZIP, VISOR_TAR_MAX);
    return visor_tar_each_plain(tar, function, user_data, error);
}
