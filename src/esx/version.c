/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/version.h"

#include <string.h>

#define VERSION_MAX 128

/* A piece of a version text; nothing is copied to compare. */
struct span {
    const char *start;
    gsize length;
};

struct field {
    gboolean numbered;
    struct span digits; /* without leading zeros */
    struct span rest;
};

static const struct {
    enum version_relation relation;
    const char *text;
} relations[] = {
    {VERSION_LESS, "<<"},          {VERSION_LESS_EQUAL, "<="}, {VERSION_EQUAL, "="},
    {VERSION_GREATER_EQUAL, ">="}, {VERSION_GREATER, ">>"},
};

gboolean
version_valid(const char *text)
{
    gsize length = 0;
    gsize dashes = 0;
    for (; text[length] != '\0'; length++) {
        char c = text[length];
        if (length == VERSION_MAX || (!g_ascii_isalnum(c) && strchr("._-", c) == NULL))
            return FALSE;
        if (c == '-')
            dashes++;
    }
    return length > 0 && dashes <= 1 && text[0] != '-' && text[length - 1] != '-';
}

static struct span
span_version(const char *text)
{
    const char *dash = strchr(text, '-');
    return (struct span){text, dash != NULL ? (gsize)(dash - text) : strlen(text)};
}

static const char *
find_release(const char *text)
{
    const char *dash = strchr(text, '-');
    return dash != NULL ? dash + 1 : NULL;
}

static int
compare_bytes(struct span a, struct span b)
{
    int order = memcmp(a.start, b.start, MIN(a.length, b.length));
    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

/* Builds are longer than any integer may be in a hostile file: compare digits, not values. */
static int
compare_digits(struct span a, struct span b)
{
    if (a.length != b.length)
        return a.length < b.length ? -1 : 1;
    return memcmp(a.start, b.start, a.length);
}

/* Take the next field off `list`. */
static struct field
take_field(struct span *list)
{
    const char *dot = memchr(list->start, '.', list->length);
    gsize length = dot != NULL ? (gsize)(dot - list->start) : list->length;
    gsize digits = 0;
    while (digits < length && g_ascii_isdigit(list->start[digits]))
        digits++;
    gsize zeros = 0;
    while (zeros < digits && list->start[zeros] == '0')
        zeros++;

    struct field field = {
        .numbered = digits > 0,
        .digits = {list->start + zeros, digits - zeros},
        .rest = {list->start + digits, length - digits},
    };
    gsize taken = dot != NULL ? length + 1 : length;
    *list = (struct span){list->start + taken, list->length - taken};
    return field;
}

static int
compare_fields(const struct field *a, const struct field *b)
{
    if (a->numbered != b->numbered)
        return a->numbered ? 1 : -1;
    int order = compare_digits(a->digits, b->digits);
    return order != 0 ? order : compare_bytes(a->rest, b->rest);
}

static gsize
count_fields(struct span list)
{
    gsize count = 1;
    for (gsize i = 0; i < list.length; i++)
        if (list.start[i] == '.')
            count++;
    return count;
}

static int
compare_lists(struct span a, struct span b)
{
    gsize count_a = count_fields(a);
    gsize count_b = count_fields(b);
    for (gsize i = 0; i < MIN(count_a, count_b); i++) {
        struct field field_a = take_field(&a);
        struct field field_b = take_field(&b);
        int order = compare_fields(&field_a, &field_b);
        if (order != 0)
            return order;
    }
    return (count_a > count_b) - (count_a < count_b);
}

int
version_compare(const char *a, const char *b)
{
    int order = compare_lists(span_version(a), span_version(b));
    if (order != 0)
        return order;
    const char *release_a = find_release(a);
    const char *release_b = find_release(b);
    if (release_a == NULL || release_b == NULL)
        return (release_a != NULL) - (release_b != NULL);
    return compare_lists((struct span){release_a, strlen(release_a)},
                         (struct span){release_b, strlen(release_b)});
}

gboolean
version_satisfies(const char *version, enum version_relation relation, const char *bound)
{
    if (relation == VERSION_ANY)
        return TRUE;
    if (version == NULL || bound == NULL)
        return FALSE;
    int order = find_release(bound) == NULL
                    ? compare_lists(span_version(version), span_version(bound))
                    : version_compare(version, bound);
    switch (relation) {
    case VERSION_LESS:
        return order < 0;
    case VERSION_LESS_EQUAL:
        return order <= 0;
    case VERSION_EQUAL:
        return order == 0;
    case VERSION_GREATER_EQUAL:
        return order >= 0;
    case VERSION_GREATER:
        return order > 0;
    default:
        return FALSE;
    }
}

gboolean
version_relation_parse(const char *text, enum version_relation *ret_relation)
{
    for (gsize i = 0; i < G_N_ELEMENTS(relations); i++) {
        if (strcmp(text, relations[i].text) == 0) {
            *ret_relation = relations[i].relation;
            return TRUE;
        }
    }
    return FALSE;
}

const char *
version_relation_text(enum version_relation relation)
{
    for (gsize i = 0; i < G_N_ELEMENTS(relations); i++)
        if (relations[i].relation == relation)
            return relations[i].text;
    return "";
}
