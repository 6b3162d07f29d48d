/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/chunker.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SEEDS 3
static const guint64 seeds[SEEDS] = {0, 1, 0x0123456789abcdef};

/* The same bytes on every machine and with every version of every library. */
static void
fill(guint8 *data, gsize length, guint64 state)
{
    for (gsize i = 0; i < length; i += sizeof state) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        guint64 word = GUINT64_TO_LE(state);
        memcpy(data + i, &word, sizeof word);
    }
}

/* A segment in which every `1 in zeros` blocks is zero, and a few hold a single byte. */
static guint8 *
new_segment(GRand *rand, guint zeros)
{
    guint8 *segment = g_malloc(CHUNK_SEGMENT);
    fill(segment, CHUNK_SEGMENT, (guint64)g_rand_int(rand) << 1 | 1);
    for (guint i = 0; zeros > 0 && i < CHUNK_SEGMENT_BLOCKS; i++) {
        if (g_rand_int_range(rand, 0, (gint32)zeros) == 0)
            memset(segment + i * CHUNK_BLOCK, 0, CHUNK_BLOCK);
        if (g_rand_int_range(rand, 0, 16) == 0) {
            memset(segment + i * CHUNK_BLOCK, 0, CHUNK_BLOCK);
            segment[i * CHUNK_BLOCK + (guint)g_rand_int_range(rand, 0, CHUNK_BLOCK)] = 1;
        }
    }
    return segment;
}

/* The rules again, block by block and without a thought of speed. */
static gboolean
is_zero_slowly(const guint8 *block)
{
    for (guint i = 0; i < CHUNK_BLOCK; i++)
        if (block[i] != 0)
            return FALSE;
    return TRUE;
}

static guint
split_slowly(const guint8 *segment, guint32 length, guint64 seed, struct chunk_span *ret)
{
    guint n = 0;
    gboolean open = FALSE;
    for (guint32 at = 0; at < length; at += CHUNK_BLOCK) {
        if (is_zero_slowly(segment + at)) {
            open = FALSE;
            continue;
        }
        if (!open)
            ret[n++] = (struct chunk_span){at, 0};
        struct chunk_span *span = &ret[n - 1];
        span->length += CHUNK_BLOCK;
        guint64 hash = XXH3_64bits_withSeed(segment + at, CHUNK_BLOCK, seed);
        open = span->length < CHUNK_MAX && (span->length < CHUNK_MIN || hash % 8 != 0);
    }
    return n;
}

static void
assert_same(const struct chunk_span *left, guint n_left, const struct chunk_span *right,
            guint n_right)
{
    g_assert_cmpmem(left, n_left * sizeof *left, right, n_right * sizeof *right);
}

static void
test_is_zero(void)
{
    guint8 block[CHUNK_BLOCK] = {0};
    g_assert_true(chunker_is_zero(block));
    for (guint i = 0; i < CHUNK_BLOCK; i++) {
        block[i] = (guint8)(1u << i % 8);
        g_assert_false(chunker_is_zero(block));
        block[i] = 0;
    }
}

/* All that is not zero is in exactly one chunk, nothing that is zero in any. */
static void
check_cover(const guint8 *segment, guint32 length, const struct chunk_span *spans, guint n)
{
    guint i = 0;
    for (guint32 at = 0; at < length; at += CHUNK_BLOCK) {
        if (i < n && at == spans[i].offset + spans[i].length)
            i++;
        gboolean inside = i < n && at >= spans[i].offset;
        g_assert_true(inside == !is_zero_slowly(segment + at));
    }
}

static void
check_lengths(const guint8 *segment, guint32 length, const struct chunk_span *spans, guint n)
{
    for (guint i = 0; i < n; i++) {
        guint32 end = spans[i].offset + spans[i].length;
        g_assert_cmpuint(spans[i].offset % CHUNK_BLOCK, ==, 0);
        g_assert_cmpuint(spans[i].length % CHUNK_BLOCK, ==, 0);
        g_assert_cmpuint(spans[i].length, >, 0);
        g_assert_cmpuint(spans[i].length, <=, CHUNK_MAX);
        /* Short ones only where there is nothing more to take. */
        if (spans[i].length < CHUNK_MIN)
            g_assert_true(end == length || is_zero_slowly(segment + end));
    }
}

/* Whoever knows one beginning finds all that follow. */
static void
check_resume(const guint8 *segment, guint32 length, guint64 seed, const struct chunk_span *spans,
             guint n)
{
    for (guint i = 0; i < n; i++)
        g_assert_cmpuint(chunker_cut(segment + spans[i].offset, length - spans[i].offset, seed), ==,
                         spans[i].length);
    if (n < 2)
        return;
    const struct chunk_span *from = &spans[n / 2];
    g_autofree struct chunk_span *rest = g_new(struct chunk_span, CHUNKER_SPANS_MAX);
    guint n_rest = chunker_split(segment + from->offset, length - from->offset, seed, rest);
    g_assert_cmpuint(n_rest, ==, n - n / 2);
    for (guint i = 0; i < n_rest; i++) {
        g_assert_cmpuint(rest[i].offset + from->offset, ==, from[i].offset);
        g_assert_cmpuint(rest[i].length, ==, from[i].length);
    }
}

static void
test_properties(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    g_autofree struct chunk_span *spans = g_new(struct chunk_span, CHUNKER_SPANS_MAX);
    g_autofree struct chunk_span *slow = g_new(struct chunk_span, CHUNKER_SPANS_MAX);
    static const guint zeros[] = {0, 1, 2, 3, 10, 50, 300};
    for (gsize i = 0; i < 2 * G_N_ELEMENTS(zeros); i++) {
        g_autofree guint8 *segment = new_segment(rand, zeros[i % G_N_ELEMENTS(zeros)]);
        guint32 length = CHUNK_SEGMENT;
        if (i >= G_N_ELEMENTS(zeros))
            length = (guint32)g_rand_int_range(rand, 1, CHUNK_SEGMENT_BLOCKS + 1) * CHUNK_BLOCK;
        for (guint s = 0; s < SEEDS; s++) {
            guint n = chunker_split(segment, length, seeds[s], spans);
            check_cover(segment, length, spans, n);
            check_lengths(segment, length, spans, n);
            check_resume(segment, length, seeds[s], spans, n);
            assert_same(spans, n, slow, split_slowly(segment, length, seeds[s], slow));
        }
    }
}

/* The longest list there can be, and none. */
static void
test_extremes(void)
{
    g_autofree guint8 *segment = g_malloc0(CHUNK_SEGMENT);
    g_autofree struct chunk_span *spans = g_new(struct chunk_span, CHUNKER_SPANS_MAX);
    g_assert_cmpuint(chunker_split(segment, CHUNK_SEGMENT, 0, spans), ==, 0);
    g_assert_cmpuint(chunker_split(segment, 0, 0, spans), ==, 0);
    for (guint i = 0; i < CHUNK_SEGMENT_BLOCKS; i += 2)
        segment[i * CHUNK_BLOCK + 77] = 1;
    g_assert_cmpuint(chunker_split(segment, CHUNK_SEGMENT, 0, spans), ==, CHUNK_SEGMENT_BLOCKS / 2);
    /* Equal blocks all end a chunk, or none does. */
    memset(segment, 'a', CHUNK_SEGMENT);
    for (guint64 seed = 0; seed < 64; seed++) {
        gboolean ends = XXH3_64bits_withSeed(segment, CHUNK_BLOCK, seed) % 8 == 0;
        guint n = chunker_split(segment, CHUNK_SEGMENT, seed, spans);
        g_assert_cmpuint(n, ==, CHUNK_SEGMENT / (ends ? CHUNK_MIN : CHUNK_MAX));
    }
}

/* A changed block moves the cuts of its chunk and of a few that follow, no more. */
static void
test_resynchronisation(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    g_autofree guint8 *segment = new_segment(rand, 0);
    g_autofree struct chunk_span *before = g_new(struct chunk_span, CHUNKER_SPANS_MAX);
    g_autofree struct chunk_span *after = g_new(struct chunk_span, CHUNKER_SPANS_MAX);
    guint n = chunker_split(segment, CHUNK_SEGMENT, 0, before);
    guint total = 0, changes = 0;
    for (guint block = 0; block < CHUNK_SEGMENT_BLOCKS; block += 7, changes++) {
        guint8 *byte = segment + block * CHUNK_BLOCK + 1000;
        *byte ^= 1;
        guint m = chunker_split(segment, CHUNK_SEGMENT, 0, after);
        *byte ^= 1;
        guint head = 0, tail = 0;
        while (head < MIN(n, m) && memcmp(&before[head], &after[head], sizeof *after) == 0)
            head++;
        while (tail < MIN(n, m) - head &&
               memcmp(&before[n - 1 - tail], &after[m - 1 - tail], sizeof *after) == 0)
            tail++;
        if (head < m)
            g_assert_cmpuint(after[head].offset / CHUNK_BLOCK, <=, block);
        g_assert_cmpuint(m - head - tail, <=, 12);
        total += m - head - tail;
    }
    g_assert_cmpuint(total, <, changes);
}

/* SHA-256 over the numbers of all spans: a change here makes every store forget what it has. */
static void
assert_cuts(const guint8 *segment, guint64 seed, guint n_expected, const char *expected)
{
    g_autofree struct chunk_span *spans = g_new(struct chunk_span, CHUNKER_SPANS_MAX);
    guint n = chunker_split(segment, CHUNK_SEGMENT, seed, spans);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "%u %u\n", spans[i].offset, spans[i].length);
    g_autofree char *digest =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, text->str, (gssize)text->len);
    g_assert_cmpuint(n, ==, n_expected);
    g_assert_cmpstr(digest, ==, expected);
}

static void
test_vectors(void)
{
    g_autofree guint8 *segment = g_malloc(CHUNK_SEGMENT);
    fill(segment, CHUNK_SEGMENT, 88172645463325252);
    assert_cuts(segment, 0, 98, "405149349bbd49ad7b21e39f41d443baec04e9ea6400c203785fc082673446f3");
    assert_cuts(segment, 0x0123456789abcdef, 88,
                "eeb74292e5350c0000b8d4529ff2dbbfcdff2a70a10760ec086d69549ef41098");
    /* As a file system looks. */
    for (guint i = 0; i < CHUNK_SEGMENT_BLOCKS; i++)
        if (i % 37 == 5 || (i >= 400 && i < 500))
            memset(segment + i * CHUNK_BLOCK, 0, CHUNK_BLOCK);
    assert_cuts(segment, 0, 102,
                "f8d2ca182fdfdf9926738c1db4481991efcf68ebeb7c1ac853ead02f44492400");
    assert_cuts(segment, 0x0123456789abcdef, 95,
                "70f9f45e207b24017f47784df26c8fbcd47bc0333f5a6594e729349bf0f496f5");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chunker/is-zero", test_is_zero);
    g_test_add_func("/chunker/properties", test_properties);
    g_test_add_func("/chunker/extremes", test_extremes);
    g_test_add_func("/chunker/resynchronisation", test_resynchronisation);
    g_test_add_func("/chunker/vectors", test_vectors);
    return g_test_run();
}
