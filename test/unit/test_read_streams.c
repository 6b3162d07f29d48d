/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/read_streams.h"

#define KIB 1024u
#define MIB (1024u * 1024)

/* TRUE when more is wanted, which must go on where it stopped last. */
static gboolean
note(struct read_streams *streams, guint64 offset, guint64 length, guint64 *asked)
{
    guint64 from, n;
    if (!read_streams_note(streams, offset, length, MIB, &from, &n))
        return FALSE;
    g_assert_cmpuint(n, >, 0);
    g_assert_cmpuint(from, >=, *asked);
    g_assert_cmpuint(from, >=, offset + length);
    g_assert_cmpuint(from + n, <=, offset + length + MIB);
    *asked = from + n;
    return TRUE;
}

static void
test_one_stream(void)
{
    struct read_streams streams;
    guint64 asked = 0;
    read_streams_init(&streams);
    g_assert_false(note(&streams, 0, 4096, &asked));
    g_assert_false(note(&streams, 4096, 4096, &asked));
    g_assert_true(note(&streams, 8192, 4096, &asked));
    guint times = 0;
    for (guint64 at = 3 * 4096; at < 16 * MIB; at += 4096) {
        times += note(&streams, at, 4096, &asked);
        g_assert_cmpuint(asked, >, at + 4096);
    }
    /* Half a window each time, when it has grown. */
    g_assert_cmpuint(times, <, 40);
    read_streams_clear(&streams);
}

static void
test_many_streams(void)
{
    struct read_streams streams;
    guint64 asked[READ_STREAMS_N] = {0};
    read_streams_init(&streams);
    for (guint64 at = 0; at < 4 * MIB; at += 64 * KIB) {
        for (guint i = 0; i < READ_STREAMS_N; i++) {
            guint64 start = (guint64)i << 30;
            note(&streams, start + at, 64 * KIB, &asked[i]);
            if (at >= 256 * KIB)
                g_assert_cmpuint(asked[i], >=, start + at + 64 * KIB);
        }
    }
    read_streams_clear(&streams);
}

/* A queue of 32 requests, which come in any order within it. */
static void
test_out_of_order(void)
{
    struct read_streams streams;
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    guint64 from, n, total = 0, last = 0;
    read_streams_init(&streams);
    for (guint64 at = 0; at < 64 * (guint64)MIB; at += 32 * 64 * KIB) {
        guint order[32];
        for (guint i = 0; i < 32; i++)
            order[i] = i;
        for (guint i = 31; i > 0; i--) {
            guint k = (guint)g_rand_int_range(rand, 0, (gint32)i + 1), other = order[k];
            order[k] = order[i];
            order[i] = other;
        }
        for (guint i = 0; i < 32; i++) {
            if (!read_streams_note(&streams, at + order[i] * 64 * KIB, 64 * KIB, 8 * MIB, &from,
                                   &n))
                continue;
            g_assert_cmpuint(from, >=, last);
            last = from + n;
            total += n;
        }
    }
    g_assert_cmpuint(total, >=, 60 * MIB);
    g_assert_cmpuint(total, <=, 74 * MIB);
    read_streams_clear(&streams);
}

/* Reads here and there, of a large disk or of a small part of one, want nothing. */
static void
test_no_stream(void)
{
    static const guint64 areas[] = {(guint64)100 << 30, (guint64)1 << 30, 64 * MIB};
    for (guint k = 0; k < G_N_ELEMENTS(areas); k++) {
        struct read_streams streams;
        g_autoptr(GRand) rand = g_rand_new_with_seed(k);
        guint64 from, n, total = 0;
        read_streams_init(&streams);
        for (guint i = 0; i < 10000; i++) {
            guint64 at = (guint64)(g_rand_double(rand) * (double)areas[k]);
            if (read_streams_note(&streams, at - at % 4096, 4096, 8 * MIB, &from, &n))
                total += n;
        }
        g_assert_cmpuint(total, <=, 4 * MIB);
        read_streams_clear(&streams);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/read-streams/one", test_one_stream);
    g_test_add_func("/read-streams/many", test_many_streams);
    g_test_add_func("/read-streams/out-of-order", test_out_of_order);
    g_test_add_func("/read-streams/none", test_no_stream);
    return g_test_run();
}
