/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/index_merge.h"

#include "base/little_endian.h"

/* Fingerprint, pack and slot in one number, which sorts as they do. */
typedef unsigned __int128 merge_key;

struct cursor {
    merge_key key; /* of the entry it is at */
    const struct index_run *run;
    guint64 at;
};

/* A heap: the smallest key comes first. */
struct index_merge {
    struct cursor *cursors;
    guint n;
    gboolean began;
    merge_key last;
};

/* Go on to the next entry that is not dropped; FALSE at the end. */
static gboolean
load(struct cursor *cursor)
{
    const struct index_run *run = cursor->run;
    for (; cursor->at < run->n; cursor->at++) {
        const guint8 *row = run->rows + cursor->at * INDEX_ENTRY_ROW;
        guint32 pack = little_endian_get32(row + 8);
        if (pack >= run->n_packs || run->packs[pack] == INDEX_RUN_DROP)
            continue;
        cursor->key = (merge_key)little_endian_get64(row) << 64 |
                      (merge_key)run->packs[pack] << 32 | little_endian_get16(row + 12);
        return TRUE;
    }
    return FALSE;
}

static void
sift_down(struct index_merge *merge, guint at)
{
    struct cursor moving = merge->cursors[at];
    for (guint child; (child = 2 * at + 1) < merge->n; at = child) {
        if (child + 1 < merge->n && merge->cursors[child + 1].key < merge->cursors[child].key)
            child++;
        if (moving.key <= merge->cursors[child].key)
            break;
        merge->cursors[at] = merge->cursors[child];
    }
    merge->cursors[at] = moving;
}

struct index_merge *
index_merge_new(const struct index_run *runs, guint n)
{
    struct index_merge *merge = g_new0(struct index_merge, 1);
    merge->cursors = g_new0(struct cursor, MAX(n, 1));
    for (guint i = 0; i < n; i++) {
        struct cursor *cursor = &merge->cursors[merge->n];
        *cursor = (struct cursor){.run = &runs[i]};
        if (load(cursor))
            merge->n++;
    }
    for (guint i = merge->n / 2; i > 0; i--)
        sift_down(merge, i - 1);
    return merge;
}

gboolean
index_merge_next(struct index_merge *merge, struct index_entry *ret)
{
    while (merge->n > 0) {
        struct cursor *first = &merge->cursors[0];
        merge_key key = first->key;
        first->at++;
        if (!load(first))
            *first = merge->cursors[--merge->n];
        if (merge->n > 0)
            sift_down(merge, 0);
        if (merge->began && key == merge->last)
            continue;
        merge->began = TRUE;
        merge->last = key;
        *ret = (struct index_entry){
            .fingerprint = (guint64)(key >> 64),
            .pack = (guint32)(key >> 32),
            .slot = (guint16)key,
        };
        return TRUE;
    }
    return FALSE;
}

void
index_merge_free(struct index_merge *merge)
{
    if (merge == NULL)
        return;
    g_free(merge->cursors);
    g_free(merge);
}
