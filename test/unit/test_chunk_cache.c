/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "engine/chunk_cache.h"

static struct chunk_id
id_of(guint number)
{
    struct chunk_id id = {{0}};
    id.bytes[0] = (guint8)number;
    id.bytes[9] = (guint8)(number >> 8);
    return id;
}

static void
settle(struct chunk_cache *cache, struct cached_chunk *chunk, GError *failure)
{
    chunk_cache_settle(cache, &chunk, &failure, 1);
}

/* Fetch it when it must be; TRUE when it had to be. */
static gboolean
use_chunk(struct chunk_cache *cache, guint number, guint32 length)
{
    struct chunk_id id = id_of(number);
    gboolean mine;
    struct cached_chunk *chunk = chunk_cache_claim(cache, &id, length, &mine);
    if (mine) {
        memset(chunk->bytes, (int)number, length);
        settle(cache, chunk, NULL);
    }
    g_assert_true(chunk_cache_wait(cache, chunk, NULL));
    for (guint i = 0; i < length; i++)
        g_assert_cmpuint(chunk->bytes[i], ==, (guint8)number);
    chunk_cache_release(cache, chunk);
    return mine;
}

static guint64
bytes_of(struct chunk_cache *cache)
{
    struct chunk_cache_status status;
    chunk_cache_status(cache, &status);
    return status.bytes;
}

static void
test_least_used(void)
{
    auto_ptr(chunk_cache) cache = chunk_cache_new(10 * 1000);
    for (guint i = 0; i < 10; i++)
        g_assert_true(use_chunk(cache, i, 1000));
    g_assert_false(use_chunk(cache, 0, 1000));
    g_assert_true(use_chunk(cache, 10, 1000)); /* instead of 1 */
    g_assert_false(use_chunk(cache, 0, 1000));
    g_assert_true(use_chunk(cache, 1, 1000)); /* instead of 2 */
    for (guint i = 3; i < 12; i++)
        g_assert_cmpint(use_chunk(cache, i, 1000), ==, i == 11);
    g_assert_cmpuint(bytes_of(cache), ==, 10 * 1000);
    g_assert_true(use_chunk(cache, 3, 999)); /* of another length: another one */
    g_assert_cmpuint(bytes_of(cache), <=, 10 * 1000);
    g_assert_true(use_chunk(cache, 20, 9999));
    g_assert_cmpuint(bytes_of(cache), ==, 9999);
}

static void
test_claims(void)
{
    struct chunk_id one = id_of(1), two = id_of(2), three = id_of(3);
    g_autoptr(GError) error = NULL;
    gboolean mine, again;
    auto_ptr(chunk_cache) cache = chunk_cache_new(10 * 1000);
    struct cached_chunk *a = chunk_cache_claim(cache, &one, 4000, &mine);
    struct cached_chunk *b = chunk_cache_claim(cache, &one, 4000, &again);
    g_assert_true(mine && !again && a == b);
    g_assert_true(chunk_cache_has(cache, &one, 4000));
    g_assert_null(chunk_cache_claim_ahead(cache, &one, 4000));
    /* Of 10000 bytes no more than 5000 are fetched when more is guessed. */
    g_assert_null(chunk_cache_claim_ahead(cache, &two, 1001));
    struct cached_chunk *c = chunk_cache_claim_ahead(cache, &two, 1000);
    g_assert_nonnull(c);
    struct cached_chunk *d = chunk_cache_claim(cache, &three, 7000, &mine);
    g_assert_true(mine); /* who asks gets it, also beyond the limit */
    settle(cache, d, NULL);
    settle(cache, c, NULL);
    settle(cache, a, g_error_new_literal(SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT, "x"));
    g_assert_false(chunk_cache_wait(cache, b, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_false(chunk_cache_has(cache, &one, 4000));
    chunk_cache_release(cache, a);
    chunk_cache_release(cache, b);
    chunk_cache_release(cache, c);
    chunk_cache_release(cache, d);
    g_assert_true(use_chunk(cache, 1, 4000));
    g_assert_cmpuint(bytes_of(cache), <=, 10 * 1000);
}

struct crowd {
    struct chunk_cache *cache;
    gint fetched[50]; /* atomic */
};

static gpointer
join_crowd(gpointer data)
{
    struct crowd *crowd = data;
    for (guint i = 0; i < 50; i++) {
        struct chunk_id id = id_of(i);
        gboolean mine;
        struct cached_chunk *chunk = chunk_cache_claim(crowd->cache, &id, 100, &mine);
        if (mine) {
            g_atomic_int_inc(&crowd->fetched[i]);
            g_usleep(200);
            memset(chunk->bytes, (int)i, 100);
            settle(crowd->cache, chunk, NULL);
        }
        g_assert_true(chunk_cache_wait(crowd->cache, chunk, NULL));
        g_assert_cmpuint(chunk->bytes[99], ==, i);
        chunk_cache_release(crowd->cache, chunk);
    }
    return NULL;
}

/* What many want at once is fetched by one of them. */
static void
test_crowd(void)
{
    auto_ptr(chunk_cache) cache = chunk_cache_new(100000);
    struct crowd crowd = {.cache = cache};
    GThread *threads[8];
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("crowd", join_crowd, &crowd);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < 50; i++)
        g_assert_cmpint(g_atomic_int_get(&crowd.fetched[i]), ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chunk-cache/least-used", test_least_used);
    g_test_add_func("/chunk-cache/claims", test_claims);
    g_test_add_func("/chunk-cache/crowd", test_crowd);
    return g_test_run();
}
