/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/overlay_states.h"

#include <string.h>

struct page {
    guint64 number;
    enum block_state all; /* without bits */
    guint8 *bits;
    gboolean changed;
};

struct overlay_states {
    guint64 n_blocks;
    GRWLock lock;   /* of all that follows */
    GTree *pages;   /* of struct page by &page->number */
    GTree *changed; /* those of them that are */
};

static int
compare_numbers(gconstpointer a, gconstpointer b, gpointer data G_GNUC_UNUSED)
{
    guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;
    return (x > y) - (x < y);
}

static void
free_page(gpointer data)
{
    struct page *page = data;
    g_free(page->bits);
    g_free(page);
}

struct overlay_states *
overlay_states_new(guint64 n_blocks)
{
    struct overlay_states *states = g_new0(struct overlay_states, 1);
    states->n_blocks = n_blocks;
    g_rw_lock_init(&states->lock);
    states->pages = g_tree_new_full(compare_numbers, NULL, NULL, free_page);
    states->changed = g_tree_new_full(compare_numbers, NULL, NULL, NULL);
    return states;
}

void
overlay_states_free(struct overlay_states *states)
{
    if (states == NULL)
        return;
    g_tree_unref(states->changed);
    g_tree_unref(states->pages);
    g_rw_lock_clear(&states->lock);
    g_free(states);
}

/* ---- One page -------------------------------------------------------------------------------- */

static enum block_state
state_at(const struct page *page, guint at)
{
    if (page->bits == NULL)
        return page->all;
    return (enum block_state)(page->bits[at / 4] >> at % 4 * 2 & 3);
}

/* Four blocks of one state. */
static guint8
pattern(enum block_state state)
{
    return (guint8)(state * 0x55);
}

/* Where the run that begins at `at` ends, at most `end`. */
static guint
end_of_run(const struct page *page, guint at, guint end)
{
    enum block_state state = state_at(page, at);
    if (page->bits == NULL)
        return end;
    guint8 same[8];
    memset(same, pattern(state), sizeof same);
    while (at < end && state_at(page, at) == state) {
        if (at % 32 == 0 && end - at >= 32 && memcmp(page->bits + at / 4, same, sizeof same) == 0)
            at += 32;
        else
            at++;
    }
    return at;
}

static guint
blocks_of(const struct overlay_states *states, guint64 number)
{
    guint64 rest = states->n_blocks - number * OVERLAY_PAGE_BLOCKS;
    return (guint)MIN(rest, OVERLAY_PAGE_BLOCKS);
}

static void
set_bits(struct page *page, guint at, guint end, enum block_state state)
{
    while (at < end) {
        if (at % 4 == 0 && end - at >= 4) {
            guint bytes = (end - at) / 4;
            memset(page->bits + at / 4, pattern(state), bytes);
            at += bytes * 4;
        } else {
            guint shift = at % 4 * 2;
            guint8 *byte = &page->bits[at / 4];
            *byte = (guint8)((*byte & ~(3u << shift)) | (guint)state << shift);
            at++;
        }
    }
}

/* `blocks`: how many the page has. */
static void
make_bits(struct page *page, guint blocks)
{
    page->bits = g_malloc0(OVERLAY_PAGE_BYTES);
    set_bits(page, 0, blocks, page->all);
}

/* ---- Runs ------------------------------------------------------------------------------------ */

/* The first page from `number` on, or NULL. */
static struct page *
next_page(struct overlay_states *states, guint64 number)
{
    GTreeNode *node = g_tree_lower_bound(states->pages, &number);
    return node != NULL ? g_tree_node_value(node) : NULL;
}

/* Up to the end of the page, or of all pages that are not there. */
static enum block_state
run_in_page(struct overlay_states *states, guint64 block, guint64 end, guint64 *ret_end)
{
    guint64 number = block / OVERLAY_PAGE_BLOCKS, start = number * OVERLAY_PAGE_BLOCKS;
    const struct page *page = next_page(states, number);
    if (page == NULL || page->number != number) {
        *ret_end = page != NULL ? MIN(end, page->number * OVERLAY_PAGE_BLOCKS) : end;
        return BLOCK_BASE;
    }
    guint at = (guint)(block - start), limit = (guint)MIN(end - start, OVERLAY_PAGE_BLOCKS);
    *ret_end = start + end_of_run(page, at, limit);
    return state_at(page, at);
}

enum block_state
overlay_states_run(struct overlay_states *states, guint64 block, guint64 n, guint64 *ret_n)
{
    guint64 end = block + n, at, next;
    g_rw_lock_reader_lock(&states->lock);
    enum block_state state = run_in_page(states, block, end, &at);
    while (at < end && run_in_page(states, at, end, &next) == state)
        at = next;
    g_rw_lock_reader_unlock(&states->lock);
    *ret_n = at - block;
    return state;
}

guint64
overlay_states_count(struct overlay_states *states, guint64 block, guint64 n,
                     enum block_state state)
{
    guint64 count = 0, end = block + n, next;
    g_rw_lock_reader_lock(&states->lock);
    for (; block < end; block = next) {
        if (run_in_page(states, block, end, &next) == state)
            count += next - block;
    }
    g_rw_lock_reader_unlock(&states->lock);
    return count;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static struct page *
find_or_add(struct overlay_states *states, guint64 number)
{
    struct page *page = g_tree_lookup(states->pages, &number);
    if (page != NULL)
        return page;
    page = g_new0(struct page, 1);
    page->number = number;
    g_tree_insert(states->pages, &page->number, page);
    return page;
}

/* A write over data changes nothing, and costs a flush nothing then. */
static void
set_in_page(struct overlay_states *states, struct page *page, guint at, guint end,
            enum block_state state)
{
    guint blocks = blocks_of(states, page->number);
    if (state_at(page, at) == state && end_of_run(page, at, end) == end)
        return;
    if (at == 0 && end == blocks) {
        g_clear_pointer(&page->bits, g_free);
        page->all = state;
    } else {
        if (page->bits == NULL)
            make_bits(page, blocks);
        set_bits(page, at, end, state);
    }
    if (!page->changed)
        g_tree_insert(states->changed, &page->number, page);
    page->changed = TRUE;
}

void
overlay_states_set(struct overlay_states *states, guint64 block, guint64 n, enum block_state state)
{
    guint64 end = block + n;
    g_rw_lock_writer_lock(&states->lock);
    while (block < end) {
        struct page *page = find_or_add(states, block / OVERLAY_PAGE_BLOCKS);
        guint64 start = page->number * OVERLAY_PAGE_BLOCKS;
        guint at = (guint)(block - start), until = (guint)MIN(end - start, OVERLAY_PAGE_BLOCKS);
        set_in_page(states, page, at, until, state);
        block = start + until;
    }
    g_rw_lock_writer_unlock(&states->lock);
}

/* ---- Pages ----------------------------------------------------------------------------------- */

static void
copy_page(const struct page *page, guint blocks, struct overlay_page *ret)
{
    struct page copy = *page;
    if (page->bits == NULL)
        make_bits(&copy, blocks);
    ret->number = page->number;
    memcpy(ret->bits, copy.bits, OVERLAY_PAGE_BYTES);
    if (page->bits == NULL)
        g_free(copy.bits);
}

GArray *
overlay_states_take_changed(struct overlay_states *states, guint64 number)
{
    GArray *taken = g_array_new(FALSE, FALSE, sizeof(struct overlay_page));
    GTreeNode *node;
    g_rw_lock_writer_lock(&states->lock);
    while (taken->len < OVERLAY_TAKE_MAX &&
           (node = g_tree_lower_bound(states->changed, &number)) != NULL) {
        struct page *page = g_tree_node_value(node);
        g_array_set_size(taken, taken->len + 1);
        copy_page(page, blocks_of(states, page->number),
                  &g_array_index(taken, struct overlay_page, taken->len - 1));
        page->changed = FALSE;
        number = page->number;
        g_tree_remove(states->changed, &number);
    }
    g_rw_lock_writer_unlock(&states->lock);
    return taken;
}

static gboolean
are_states(const guint8 *bits, guint blocks)
{
    for (guint i = 0; i < OVERLAY_PAGE_BLOCKS; i++) {
        guint state = bits[i / 4] >> i % 4 * 2 & 3;
        if (state > (i < blocks ? BLOCK_ZERO : BLOCK_BASE))
            return FALSE;
    }
    return TRUE;
}

gboolean
overlay_states_load(struct overlay_states *states, guint64 number,
                    const guint8 bits[OVERLAY_PAGE_BYTES])
{
    if (number > G_MAXUINT64 / OVERLAY_PAGE_BLOCKS ||
        number * OVERLAY_PAGE_BLOCKS >= states->n_blocks)
        return FALSE;
    guint blocks = blocks_of(states, number);
    if (!are_states(bits, blocks))
        return FALSE;
    g_rw_lock_writer_lock(&states->lock);
    struct page *page = find_or_add(states, number);
    g_free(page->bits);
    page->bits = g_memdup2(bits, OVERLAY_PAGE_BYTES);
    if (end_of_run(page, 0, blocks) == blocks) {
        page->all = state_at(page, 0);
        g_clear_pointer(&page->bits, g_free);
    }
    g_rw_lock_writer_unlock(&states->lock);
    return TRUE;
}
