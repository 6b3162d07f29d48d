/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/block_pool.h"
#include "base/lanes.h"

#include <string.h>

#define JOBS 2000u

/* Within a lane, work is done in the order in which it was given. */
struct target {
    GArray *seen; /* of guint32 */
};

static void
note_number(void *data, GBytes *bytes)
{
    struct target *target = data;
    guint32 number;
    memcpy(&number, g_bytes_get_data(bytes, NULL), sizeof number);
    g_array_append_val(target->seen, number);
}

static void
test_order(void)
{
    struct target targets[3];
    auto_ptr(lanes) lanes = lanes_new(3);
    unsigned lane[3];
    for (guint i = 0; i < 3; i++) {
        targets[i].seen = g_array_new(FALSE, FALSE, sizeof(guint32));
        lane[i] = lanes_next(lanes);
        g_assert_cmpuint(lane[i], ==, i);
    }
    for (guint32 n = 0; n < JOBS; n++) {
        g_autoptr(GBytes) bytes = g_bytes_new(&n, sizeof n);
        lanes_push(lanes, lane[n % 3], note_number, &targets[n % 3], bytes);
    }
    lanes_drain(lanes);
    for (guint i = 0; i < 3; i++) {
        for (guint k = 0; k < targets[i].seen->len; k++)
            g_assert_cmpuint(g_array_index(targets[i].seen, guint32, k), ==, 3 * k + i);
        g_array_unref(targets[i].seen);
    }
}

/* Lanes that give work to other lanes, which are slower: nobody waits for ever, and all is done. */
struct relay {
    struct lanes *second;
    gint done;
};

static void
work_slowly(void *data, GBytes *bytes G_GNUC_UNUSED)
{
    struct relay *relay = data;
    if (g_atomic_int_add(&relay->done, 1) % 64 == 0)
        g_usleep(2000);
}

static void
pass_on(void *data, GBytes *bytes)
{
    struct relay *relay = data;
    lanes_push(relay->second, 0, work_slowly, relay, bytes);
}

static void
test_relay(void)
{
    auto_ptr(lanes) second = lanes_new(1);
    auto_ptr(lanes) first = lanes_new(2);
    struct relay relay = {second, 0};
    for (guint n = 0; n < JOBS; n++)
        lanes_push(first, n % 2, pass_on, &relay, NULL);
    lanes_drain(first);
    lanes_drain(second);
    g_assert_cmpint(relay.done, ==, (gint)JOBS);
}

static void
check_fill(void *data, GBytes *bytes)
{
    gsize length;
    const guint8 *block = g_bytes_get_data(bytes, &length);
    for (gsize i = 0; i < length; i++)
        if (block[i] != block[0])
            g_atomic_int_inc((gint *)data);
}

/* Blocks that go round through the pool are never written while someone still reads them. */
static void
test_blocks(void)
{
    gint torn = 0;
    auto_ptr(block_pool) pool = block_pool_new(4096);
    auto_ptr(lanes) lanes = lanes_new(2);
    for (guint n = 0; n < JOBS; n++) {
        guint8 *block = block_pool_take(pool);
        memset(block, (int)(n & 0xff), 4096);
        g_autoptr(GBytes) bytes = block_pool_seal(pool, block, 4096 - n % 7);
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(bytes, 100, 2000);
        lanes_push(lanes, n % 2, check_fill, &torn, bytes);
        lanes_push(lanes, (n + 1) % 2, check_fill, &torn, part);
    }
    lanes_drain(lanes);
    g_assert_cmpint(g_atomic_int_get(&torn), ==, 0);
}

static void
test_block_outlives_pool(void)
{
    struct block_pool *pool = block_pool_new(16);
    guint8 *block = block_pool_take(pool);
    memcpy(block, "0123456789abcdef", 16);
    g_autoptr(GBytes) bytes = block_pool_seal(pool, block, 16);
    block_pool_unref(pool);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), 16, "0123456789abcdef", 16);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lanes/order", test_order);
    g_test_add_func("/lanes/relay", test_relay);
    g_test_add_func("/lanes/blocks", test_blocks);
    g_test_add_func("/lanes/block-outlives-pool", test_block_outlives_pool);
    return g_test_run();
}
