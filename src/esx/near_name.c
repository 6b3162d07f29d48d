/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/near_name.h"

#include "esx/word_list.h"

#include <string.h>

#define HINTS_MAX 3
#define LENGTH_MAX 80  /* longer names are not compared letter by letter */
#define CONTAINS_MIN 3 /* a shorter text is part of too many names */
#define CONTAINS_SCORE 100
#define FAR_AWAY G_MAXUINT

struct hint {
    guint score; /* 0 is nearest */
    const char *name;
};

/* Levenshtein distance of two texts that are no longer than LENGTH_MAX. */
static guint
measure_distance(const char *a, const char *b)
{
    guint row[LENGTH_MAX + 1];
    gsize length = strlen(b);
    for (gsize j = 0; j <= length; j++)
        row[j] = (guint)j;
    for (gsize i = 0; a[i] != '\0'; i++) {
        guint diagonal = row[0];
        row[0] = (guint)i + 1;
        for (gsize j = 0; j < length; j++) {
            guint changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = MIN(changed, MIN(row[j], row[j + 1]) + 1);
        }
    }
    return row[length];
}

static guint
score_name(const char *wanted, const char *name)
{
    g_autofree char *a = g_ascii_strdown(wanted, -1);
    g_autofree char *b = g_ascii_strdown(name, -1);
    gsize length_a = strlen(a);
    gsize length_b = strlen(b);
    if (length_a <= LENGTH_MAX && length_b <= LENGTH_MAX) {
        guint distance = measure_distance(a, b);
        if (distance <= 1 + length_a / 5)
            return distance;
    }
    if (length_a >= CONTAINS_MIN && strstr(b, a) != NULL)
        return CONTAINS_SCORE + (guint)MIN(length_b - length_a, 1000);
    return FAR_AWAY;
}

static int
compare_hints(gconstpointer a, gconstpointer b)
{
    const struct hint *x = a;
    const struct hint *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return strcmp(x->name, y->name);
}

char *
near_name_hint(const char *wanted, const GPtrArray *names)
{
    g_autoptr(GArray) hints = g_array_new(FALSE, FALSE, sizeof(struct hint));
    for (guint i = 0; i < names->len; i++) {
        struct hint hint = {score_name(wanted, names->pdata[i]), names->pdata[i]};
        if (hint.score != FAR_AWAY)
            g_array_append_val(hints, hint);
    }
    if (hints->len == 0)
        return g_strdup("");
    g_array_sort(hints, compare_hints);

    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    const char *previous = NULL;
    for (guint i = 0; i < hints->len && words->len < HINTS_MAX; i++) {
        const char *name = g_array_index(hints, struct hint, i).name;
        if (g_strcmp0(name, previous) != 0)
            g_ptr_array_add(words, g_strdup_printf("'%s'", name));
        previous = name;
    }
    g_autofree char *list = word_list_format(words, HINTS_MAX, "or");
    return g_strdup_printf("; did you mean %s?", list);
}
