/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/descriptor_splice.h"

#include "base/error.h"
#include "base/xml.h"

#include <string.h>

/* A walk over the tags of a document in its bytes.  The document was parsed by libxml2 before:
 * this has to find tags, not to judge them. */
struct scan {
    const char *data;
    gsize length;
    gsize at;
};

enum tag_kind { TAG_OPEN, TAG_CLOSE, TAG_EMPTY };

struct tag {
    enum tag_kind kind;
    gsize start; /* of the `<` */
    gsize end;   /* behind the `>` */
    const char *name;
    int name_length; /* with a prefix */
};

struct range {
    gsize start, end;
};

/* What splicing needs to know of a descriptor. */
struct layout {
    gsize after_tags; /* 0: there is none, for these three */
    gsize before_requires;
    gsize before_end;
    char *prefix;  /* of the root element, with its colon; "" */
    GArray *stale; /* of struct range: children that are written anew */
};

static const struct {
    const char *open;
    const char *close;
} asides[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}};

/* Skip comments, CDATA and processing instructions at a `<`; *ret_skipped when there was one. */
static gboolean
skip_aside(struct scan *scan, gboolean *ret_skipped)
{
    const char *here = scan->data + scan->at;
    gsize left = scan->length - scan->at;
    *ret_skipped = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(asides); i++) {
        gsize open = strlen(asides[i].open), close = strlen(asides[i].close);
        if (left < open || memcmp(here, asides[i].open, open) != 0)
            continue;
        const char *end = memmem(here + open, left - open, asides[i].close, close);
        if (end == NULL)
            return FALSE;
        scan->at = (gsize)(end - scan->data) + close;
        *ret_skipped = TRUE;
        return TRUE;
    }
    return TRUE;
}

/* The place of the `>` that ends the tag; quoted values may hold one. */
static const char *
find_tag_end(const char *at, const char *limit)
{
    char quote = '\0';
    for (; at < limit; at++) {
        if (quote != '\0')
            quote = *at == quote ? '\0' : quote;
        else if (*at == '"' || *at == '\'')
            quote = *at;
        else if (*at == '>')
            return at;
    }
    return NULL;
}

static gboolean
read_tag(struct scan *scan, struct tag *ret_tag)
{
    const char *limit = scan->data + scan->length;
    const char *name = scan->data + scan->at + 1;
    const char *end = find_tag_end(name, limit);
    if (end == NULL)
        return FALSE;
    ret_tag->start = scan->at;
    ret_tag->end = (gsize)(end - scan->data) + 1;
    ret_tag->kind = *name == '/' ? TAG_CLOSE : end[-1] == '/' ? TAG_EMPTY : TAG_OPEN;
    if (ret_tag->kind == TAG_CLOSE)
        name++;
    const char *name_end = name;
    while (name_end < end && !g_ascii_isspace(*name_end) && *name_end != '/')
        name_end++;
    ret_tag->name = name;
    ret_tag->name_length = (int)(name_end - name);
    scan->at = ret_tag->end;
    return ret_tag->name_length > 0;
}

/* The next tag; *ret_end when there is none.  FALSE: this is no document. */
static gboolean
next_tag(struct scan *scan, struct tag *ret_tag, gboolean *ret_end)
{
    gboolean skipped = TRUE;
    *ret_end = FALSE;
    while (skipped) {
        const char *found = memchr(scan->data + scan->at, '<', scan->length - scan->at);
        *ret_end = found == NULL;
        if (found == NULL)
            return TRUE;
        scan->at = (gsize)(found - scan->data);
        if (!skip_aside(scan, &skipped))
            return FALSE;
    }
    return read_tag(scan, ret_tag);
}

static gboolean
tag_is(const struct tag *tag, const char *name)
{
    const char *colon = memchr(tag->name, ':', (gsize)tag->name_length);
    const char *local = colon != NULL ? colon + 1 : tag->name;
    gsize length = (gsize)(tag->name + tag->name_length - local);
    return length == strlen(name) && memcmp(local, name, length) == 0;
}

static void
take_prefix(struct layout *layout, const struct tag *root)
{
    const char *colon = memchr(root->name, ':', (gsize)root->name_length);
    layout->prefix = g_strndup(root->name, colon != NULL ? (gsize)(colon + 1 - root->name) : 0);
}

/* A child of the root, from `start` to behind `tag`, its last tag. */
static void
take_child(struct layout *layout, gsize start, const struct tag *tag)
{
    static const char *const ours[] = {"relative-path", "packed-size", "checksum"};
    if (tag_is(tag, "software-tags"))
        layout->after_tags = tag->end;
    else if (tag_is(tag, "system-requires"))
        layout->before_requires = start;
    for (gsize i = 0; i < G_N_ELEMENTS(ours); i++) {
        struct range range = {start, tag->end};
        if (tag_is(tag, ours[i]))
            g_array_append_val(layout->stale, range);
    }
}

static gboolean
survey(struct layout *layout, struct scan *scan)
{
    struct tag tag;
    gboolean end = FALSE;
    gsize child = 0;
    for (int depth = 0; next_tag(scan, &tag, &end);) {
        if (end)
            return depth == 0 && layout->before_end > 0;
        if (depth == 0 && tag.kind == TAG_OPEN && layout->prefix == NULL)
            take_prefix(layout, &tag);
        if (depth == 1 && tag.kind != TAG_CLOSE)
            child = tag.start;
        depth += tag.kind == TAG_OPEN ? 1 : tag.kind == TAG_CLOSE ? -1 : 0;
        if (depth == 1 && tag.kind != TAG_OPEN)
            take_child(layout, child, &tag);
        if (depth == 0)
            layout->before_end = tag.start;
        if (depth < 0 || layout->prefix == NULL)
            return FALSE;
    }
    return FALSE;
}

static void
put_facts(GString *out, const struct vib_facts *facts, const char *prefix)
{
    g_string_append_printf(out, "<%srelative-path>", prefix);
    xml_escape(out, facts->relative_path);
    g_string_append_printf(out, "</%srelative-path>", prefix);
    if (facts->size > 0)
        g_string_append_printf(out, "<%spacked-size>%" G_GUINT64_FORMAT "</%spacked-size>", prefix,
                               facts->size, prefix);
    if (facts->sha256 != NULL)
        g_string_append_printf(out, "<%schecksum checksum-type=\"sha-256\">%s</%schecksum>", prefix,
                               facts->sha256, prefix);
}

/* Bytes `start` to `end` of the document without what is stale. */
static void
put_part(GString *out, const struct scan *scan, const GArray *stale, gsize start, gsize end)
{
    for (guint i = 0; i < stale->len; i++) {
        const struct range *range = &g_array_index(stale, struct range, i);
        if (range->start < start || range->start >= end)
            continue;
        g_string_append_len(out, scan->data + start, (gssize)(range->start - start));
        start = range->end;
    }
    g_string_append_len(out, scan->data + start, (gssize)(end - start));
}

GBytes *
descriptor_splice(GBytes *descriptor, const struct vib_facts *facts, const char *label,
                  GError **error)
{
    struct scan scan = {0};
    scan.data = g_bytes_get_data(descriptor, &scan.length);
    g_autoptr(GArray) stale = g_array_new(FALSE, FALSE, sizeof(struct range));
    struct layout layout = {.stale = stale};
    gboolean ok = scan.length > 0 && survey(&layout, &scan);
    g_autofree char *prefix = layout.prefix;
    if (!ok)
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: cannot find the elements of its descriptor", label);

    gsize place = layout.after_tags != 0        ? layout.after_tags
                  : layout.before_requires != 0 ? layout.before_requires
                                                : layout.before_end;
    GString *out = g_string_sized_new(scan.length + 512);
    put_part(out, &scan, stale, 0, place);
    put_facts(out, facts, prefix);
    put_part(out, &scan, stale, place, scan.length);
    return g_string_free_to_bytes(out);
}
