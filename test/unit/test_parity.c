/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "repo/repo.h"
#include "store/parity.h"

#include <string.h>

#define BLOCK PARITY_BLOCK
#define OBJECT "packs/0a/0a1b"
#define PARITY "parity/0a/0a1b"

/* An object, its parity object, and where both are put for a check. */
struct trial {
    struct repo *repo;
    GByteArray *object, *parity; /* as they are kept, for damage */
    GBytes *original;
    guint rows, stripes;
    gsize sums_at, part_sums_at, parts_at, end;
};

static guint
number_at(const struct trial *trial, gsize at, guint bytes)
{
    guint value = 0;
    while (bytes-- > 0)
        value = value << 8 | trial->parity->data[at + bytes];
    return value;
}

static GBytes *
make_object(gsize size)
{
    guint8 *data = g_malloc(size + 8);
    guint64 state = 88172645463325252u + size;
    for (gsize i = 0; i < size; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(data + i, &state, 8);
    }
    return g_bytes_new_take(data, size);
}

static GBytes *
encode(GBytes *object, gsize size_max, guint permille, gsize step)
{
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(object, &size);
    auto_ptr(parity_encoder) encoder = parity_encoder_new(size_max, permille);
    for (gsize at = 0; at < size; at += step)
        parity_encoder_append(encoder, data + at, MIN(step, size - at));
    return parity_encoder_finish(encoder);
}

static GByteArray *
copy(GBytes *bytes)
{
    GByteArray *array = g_byte_array_new();
    g_byte_array_append(array, g_bytes_get_data(bytes, NULL), (guint)g_bytes_get_size(bytes));
    return array;
}

static void
trial_begin(struct trial *trial, gsize size, guint permille)
{
    trial->repo = repo_memory_new();
    trial->original = make_object(size);
    g_autoptr(GBytes) parity = encode(trial->original, size, permille, BLOCK);
    trial->object = copy(trial->original);
    trial->parity = copy(parity);
    trial->rows = number_at(trial, 10, 2);
    trial->stripes = number_at(trial, 12, 4);
    trial->sums_at = 64;
    trial->part_sums_at = 64 + 8 * (gsize)number_at(trial, 24, 4);
    trial->parts_at = trial->part_sums_at + 8 * (gsize)trial->rows * trial->stripes;
    trial->end = trial->parts_at + BLOCK * (gsize)trial->rows * trial->stripes;
}

static void
trial_end(struct trial *trial)
{
    repo_close(trial->repo);
    g_bytes_unref(trial->original);
    g_byte_array_unref(trial->object);
    g_byte_array_unref(trial->parity);
}

static void
damage(GByteArray *array, gsize at)
{
    g_assert_cmpuint(at, <, array->len);
    array->data[at] ^= 0x40;
}

static void
damage_block(struct trial *trial, gsize block)
{
    damage(trial->object, MIN(block * BLOCK + block % BLOCK, trial->object->len - 1));
}

static gboolean
check(struct trial *trial, struct parity_report *report, GBytes **ret_repaired, GError **error)
{
    repo_replace(trial->repo, OBJECT, trial->object->data, trial->object->len, NULL);
    repo_replace(trial->repo, PARITY, trial->parity->data, trial->parity->len, NULL);
    return parity_check(trial->repo, OBJECT, PARITY, report, ret_repaired, error);
}

/* As much is damaged, and all of it healed; in both ways of asking. */
static void
expect_healed(struct trial *trial, guint64 damaged)
{
    struct parity_report report, looked;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) repaired = NULL;
    check(trial, &report, &repaired, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(report.damaged, ==, damaged);
    g_assert_cmpuint(report.repaired, ==, damaged);
    g_assert_cmpuint(report.bad->len, ==, 0);
    g_assert_cmpint(repaired != NULL, ==, damaged > 0);
    g_assert_true(repaired == NULL || g_bytes_equal(repaired, trial->original));
    g_assert_true(check(trial, &looked, NULL, &error));
    g_assert_cmpuint(looked.damaged, ==, damaged);
    g_assert_cmpuint(looked.repaired, ==, damaged);
    g_assert_cmpuint(looked.parity_damaged, ==, report.parity_damaged);
    parity_report_clear(&report);
    parity_report_clear(&looked);
}

/* These blocks (ascending) stay lost. */
static void
expect_bad(struct trial *trial, guint64 damaged, const gsize *blocks, guint n)
{
    struct parity_report report;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) repaired = NULL;
    check(trial, &report, &repaired, &error);
    g_assert_no_error(error);
    g_assert_null(repaired);
    g_assert_cmpuint(report.damaged, ==, damaged);
    g_assert_cmpuint(report.repaired, ==, damaged - n);
    g_assert_cmpuint(report.bad->len, ==, n);
    for (guint i = 0; i < n; i++)
        g_assert_cmpuint(g_array_index(report.bad, guint64, i), ==, blocks[i] * BLOCK);
    parity_report_clear(&report);
}

static void
expect_error(struct trial *trial, int code)
{
    struct parity_report report;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) repaired = NULL;
    g_assert_false(check(trial, &report, &repaired, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_null(repaired);
    g_assert_null(report.bad);
}

#define TRIAL(name, size, permille)                                                                \
    __attribute__((cleanup(trial_end))) struct trial name;                                         \
    trial_begin(&name, size, permille)

/* ---- Encoding ---------------------------------------------------------------------------------
 */

static const gsize sizes[] = {
    0,           1,           BLOCK - 1,        BLOCK,    BLOCK + 1,      3 * BLOCK,
    200 * BLOCK, 201 * BLOCK, 1000 * BLOCK + 5, 5u << 20, (8u << 20) + 77};

static void
test_steps(void)
{
    static const gsize steps[] = {1 << 30, 1000, BLOCK, BLOCK + 1, 10 * BLOCK, 777777};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GBytes) object = make_object(sizes[i]);
        g_autoptr(GBytes) first = encode(object, 9u << 20, 20, 65536);
        for (gsize step = 0; step < G_N_ELEMENTS(steps); step++) {
            g_autoptr(GBytes) again = encode(object, 9u << 20, 20, steps[step]);
            g_assert_true(g_bytes_equal(first, again));
        }
    }
}

/* What the page says of the shape, and of what it costs. */
static void
test_shape(void)
{
    static const guint shares[] = {1, 5, 6, 10, 11, 50, 100, 160, 200, 500};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(shares); j++) {
            TRIAL(trial, sizes[i], shares[j]);
            gsize blocks = (sizes[i] + BLOCK - 1) / BLOCK, n = trial.stripes, m = trial.rows;
            g_assert_cmpuint(trial.parity->len, ==, trial.end + 32);
            g_assert_cmpuint(number_at(&trial, 24, 4), ==, blocks);
            g_assert_cmpuint(number_at(&trial, 16, 4), ==, sizes[i]);
            g_assert_cmpuint(m, >=, 1);
            g_assert_cmpuint(m, <=, PARITY_ROWS_MAX);
            g_assert_cmpuint(n, <=, blocks);
            g_assert_cmpuint(blocks, <=, n * PARITY_STRIPE_DATA_MAX);
            g_assert_cmpuint(n * m * 1000, >=, blocks * shares[j]);
            g_assert_cmpuint(n * m, <=, blocks * MAX(shares[j], 5) / 1000 + m + blocks / 200 + 1);
            expect_healed(&trial, 0);
        }
    }
}

/* One stripe, one row: the parity block is the sum of coefficient times block, counted by hand. */
static guint8
multiply(guint8 a, guint8 b)
{
    guint product = 0;
    for (guint bit = 0; bit < 8; bit++) {
        if (b >> bit & 1)
            product ^= (guint)a << bit;
    }
    for (guint bit = 15; bit >= 8; bit--) {
        if (product >> bit & 1)
            product ^= 0x11du << (bit - 8);
    }
    return (guint8)product;
}

static guint8
invert(guint8 a)
{
    guint b = 1;
    while (multiply(a, (guint8)b) != 1)
        b++;
    return (guint8)b;
}

static void
test_code(void)
{
    TRIAL(trial, 450 * BLOCK, 20);
    const guint8 *data = g_bytes_get_data(trial.original, NULL);
    for (guint row = 0; row < trial.rows; row++) {
        for (guint stripe = 0; stripe < trial.stripes; stripe++) {
            guint8 sum = 0;
            for (guint i = stripe; i < 450; i += trial.stripes) {
                guint8 coefficient = invert((guint8)((200 + row) ^ (i / trial.stripes)));
                sum ^= multiply(coefficient, data[i * BLOCK + 17]);
            }
            gsize at = trial.parts_at + ((gsize)row * trial.stripes + stripe) * BLOCK + 17;
            g_assert_cmphex(trial.parity->data[at], ==, sum);
        }
    }
}

/* ---- Damage of the object ---------------------------------------------------------------------
 */

/* For each number of damaged blocks of a stripe up to m, at its start, end, and spread. */
static void
test_stripe(void)
{
    TRIAL(trial, 1000 * BLOCK - 100, 60);
    g_assert_cmpuint(trial.rows, ==, 12);
    gsize n = trial.stripes, members = 1000 / n;
    for (gsize lost = 1; lost <= trial.rows; lost++) {
        const gsize steps[] = {1, members / lost};
        for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
            for (gsize at = 0; at < lost; at++)
                damage_block(&trial, (members - 1 - at * steps[i]) * n + n - 1);
            expect_healed(&trial, lost);
            for (gsize at = 0; at < lost; at++)
                damage_block(&trial, (members - 1 - at * steps[i]) * n + n - 1);
        }
    }
    expect_healed(&trial, 0);
}

static void
test_one_more(void)
{
    TRIAL(trial, 1000 * BLOCK, 10);
    gsize n = trial.stripes, blocks[PARITY_ROWS_MAX];
    g_assert_cmpuint(trial.rows, ==, 2);
    damage_block(&trial, 1); /* another stripe is healed all the same */
    for (gsize i = 0; i <= trial.rows; i++) {
        blocks[i] = 3 + i * n;
        damage_block(&trial, blocks[i]);
    }
    expect_bad(&trial, trial.rows + 2, blocks, trial.rows + 1);
}

static void
test_burst(void)
{
    TRIAL(trial, 2000 * BLOCK, 30);
    gsize length = (gsize)trial.rows * trial.stripes;
    for (gsize start = 0; start + length <= 2000; start += 97) {
        for (gsize i = 0; i < length; i++)
            damage_block(&trial, start + i);
        expect_healed(&trial, length);
        for (gsize i = 0; i < length; i++)
            damage_block(&trial, start + i);
    }
}

static void
test_any_size(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (sizes[i] == 0)
            continue;
        TRIAL(trial, sizes[i], 10);
        damage(trial.object, 0);
        damage(trial.object, sizes[i] - 1);
        expect_healed(&trial, sizes[i] == 1 ? 0 : sizes[i] <= BLOCK ? 1 : 2);
    }
}

static void
test_length(void)
{
    TRIAL(trial, 1000 * BLOCK - 100, 50);
    gsize size = trial.object->len, most = (gsize)trial.rows * trial.stripes;
    static const gsize cuts[] = {1, 100, BLOCK - 100, BLOCK - 99, 10 * BLOCK};
    for (gsize i = 0; i < G_N_ELEMENTS(cuts); i++) {
        g_byte_array_set_size(trial.object, (guint)(size - cuts[i]));
        expect_healed(&trial, (cuts[i] + 100 + BLOCK - 1) / BLOCK);
        memcpy(trial.object->data, g_bytes_get_data(trial.original, NULL), size - cuts[i]);
        g_byte_array_set_size(trial.object, (guint)size);
        memcpy(trial.object->data, g_bytes_get_data(trial.original, NULL), size);
    }
    /* Longer: one more is damaged, and cut off. */
    g_byte_array_append(trial.object, (const guint8 *)"more", 4);
    expect_healed(&trial, 1);
    damage_block(&trial, 5);
    expect_healed(&trial, 2);
    /* Nothing left is more than any parity heals. */
    g_byte_array_set_size(trial.object, 0);
    struct parity_report report;
    g_assert_true(check(&trial, &report, NULL, NULL));
    g_assert_cmpuint(report.damaged, ==, 1000);
    g_assert_cmpuint(report.bad->len, ==, 1000);
    g_assert_cmpuint(most, <, 1000);
    parity_report_clear(&report);
}

/* Zeros that are missing at the end are seen, though checksums with zeros in their place fit. */
static void
test_zeros_cut(void)
{
    struct trial trial = {.repo = repo_memory_new(), .object = g_byte_array_new()};
    g_byte_array_set_size(trial.object, 10 * BLOCK + 10);
    memset(trial.object->data, 0, trial.object->len);
    trial.original = g_bytes_new(trial.object->data, trial.object->len);
    g_autoptr(GBytes) parity = encode(trial.original, 1 << 20, 100, 100);
    trial.parity = copy(parity);
    g_byte_array_set_size(trial.object, 10 * BLOCK + 3);
    expect_healed(&trial, 1);
    g_byte_array_set_size(trial.object, 9 * BLOCK + 3);
    expect_healed(&trial, 2);
    trial_end(&trial);
}

static void
test_empty(void)
{
    TRIAL(trial, 0, 10);
    g_assert_cmpuint(trial.parity->len, ==, 96);
    expect_healed(&trial, 0);
    g_byte_array_append(trial.object, (const guint8 *)"more", 4);
    expect_healed(&trial, 1);
}

static void
put_both(struct trial *trial)
{
    repo_put(trial->repo, OBJECT, trial->object->data, trial->object->len, NULL);
    repo_put(trial->repo, PARITY, trial->parity->data, trial->parity->len, NULL);
}

static void
add_fault(struct trial *trial, guint at, gboolean once)
{
    struct repo_fault fault = {.operations = 1 << REPO_OP_READ, .at = at, .once = once};
    trial->repo = repo_fault_new(trial->repo, &fault);
}

/* What is asked of the repo: 1 size and 2 bytes of the parity object, 3 size and from 4 on bytes of
 * the object, a piece of 256 blocks at a time; a piece that fails is asked for by blocks. */
static void
test_hiccup(void)
{
    for (guint at = 2; at <= 7; at++) {
        if (at == 3)
            continue;
        TRIAL(trial, 1000 * BLOCK, 10);
        put_both(&trial);
        add_fault(&trial, at, TRUE);
        struct parity_report report;
        g_autoptr(GError) error = NULL;
        parity_check(trial.repo, OBJECT, PARITY, &report, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(report.damaged, ==, 0);
        parity_report_clear(&report);
    }
}

/* The first block can never be read: neither in the piece, nor alone, nor when it is to be healed.
 * Each fault sees only what the ones over it let through. */
static void
test_unreadable(void)
{
    TRIAL(trial, 1000 * BLOCK, 10);
    put_both(&trial);
    add_fault(&trial, 262, TRUE);
    add_fault(&trial, 262, TRUE);
    add_fault(&trial, 4, TRUE);
    add_fault(&trial, 4, TRUE);
    struct parity_report report;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) repaired = NULL;
    parity_check(trial.repo, OBJECT, PARITY, &report, &repaired, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(report.damaged, ==, 1);
    g_assert_cmpuint(report.repaired, ==, 1);
    g_assert_true(g_bytes_equal(repaired, trial.original));
    parity_report_clear(&report);
}

/* When nothing can be read, that is the message. */
static void
test_dead(void)
{
    for (guint at = 1; at <= 4; at++) {
        TRIAL(trial, 100 * BLOCK, 10);
        put_both(&trial);
        add_fault(&trial, at, FALSE);
        struct parity_report report;
        g_autoptr(GError) error = NULL;
        g_assert_false(parity_check(trial.repo, OBJECT, PARITY, &report, NULL, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        g_assert_null(report.bad);
    }
}

static void
test_not_there(void)
{
    TRIAL(trial, 10, 10);
    struct parity_report report;
    g_autoptr(GError) error = NULL;
    repo_put(trial.repo, OBJECT, trial.object->data, trial.object->len, NULL);
    g_assert_false(parity_check(trial.repo, OBJECT, PARITY, &report, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, PARITY));
}

/* ---- Damage of the parity object --------------------------------------------------------------
 */

static guint64
parity_damaged(struct trial *trial)
{
    struct parity_report report;
    g_autoptr(GError) error = NULL;
    check(trial, &report, NULL, &error);
    g_assert_no_error(error);
    guint64 n = report.parity_damaged;
    parity_report_clear(&report);
    return n;
}

/* Wherever one byte of it is wrong: an object that is well stays so, one that is not is healed, or
 * parity says that it is of no use; nothing else. */
static void
test_parity_every_place(void)
{
    TRIAL(trial, 30 * BLOCK, 100);
    g_assert_cmpuint(trial.rows, ==, 3);
    g_assert_cmpuint(trial.stripes, ==, 1);
    for (gsize at = 0; at < trial.parity->len; at += at < trial.parts_at ? 1 : 509) {
        damage(trial.parity, at);
        if (at >= 32) {
            g_assert_cmpuint(parity_damaged(&trial), >=, 1);
            expect_healed(&trial, 0);
            damage_block(&trial, 7);
            damage_block(&trial, 8);
            expect_healed(&trial, 2);
            damage_block(&trial, 7);
            damage_block(&trial, 8);
        } else {
            /* The header: found by the digest; what it makes of an object is never wrong. */
            struct parity_report report;
            g_autoptr(GBytes) repaired = NULL;
            damage_block(&trial, 7);
            if (check(&trial, &report, &repaired, NULL))
                g_assert_true(repaired == NULL || g_bytes_equal(repaired, trial.original));
            parity_report_clear(&report);
            damage_block(&trial, 7);
        }
        damage(trial.parity, at);
    }
    g_assert_cmpuint(parity_damaged(&trial), ==, 0);
}

/* Parity blocks and blocks of the object are lost together, up to m a stripe. */
static void
test_both(void)
{
    TRIAL(trial, 1000 * BLOCK, 50);
    gsize n = trial.stripes, m = trial.rows, blocks[PARITY_ROWS_MAX];
    for (gsize parts = 0; parts <= m; parts++) {
        for (gsize i = 0; i < parts; i++)
            damage(trial.parity, trial.parts_at + ((m - 1 - i) * n + 2) * BLOCK + 9);
        for (gsize i = 0; i < m - parts; i++)
            damage_block(&trial, 2 + i * n);
        g_assert_cmpuint(parity_damaged(&trial), ==, parts);
        expect_healed(&trial, m - parts);
        /* One more is too much. */
        for (gsize i = 0; i <= m - parts; i++)
            blocks[i] = 2 + i * n;
        damage_block(&trial, 2 + (m - parts) * n);
        expect_bad(&trial, m - parts + 1, blocks, (guint)(m - parts + 1));
        for (gsize i = 0; i <= m - parts; i++)
            damage_block(&trial, 2 + i * n);
        for (gsize i = 0; i < parts; i++)
            damage(trial.parity, trial.parts_at + ((m - 1 - i) * n + 2) * BLOCK + 9);
    }
}

/* The checksums themselves: all of them, with a good object; some, with a damaged one. */
static void
test_sums(void)
{
    TRIAL(trial, 1000 * BLOCK, 50);
    for (gsize at = trial.sums_at; at < trial.part_sums_at; at += 8)
        damage(trial.parity, at);
    expect_healed(&trial, 0);
    g_assert_cmpuint(parity_damaged(&trial), ==, 1);
    damage_block(&trial, 1);
    expect_error(&trial, SLIPWAY_ERROR_CORRUPT);
    for (gsize at = trial.sums_at; at < trial.part_sums_at; at += 8)
        damage(trial.parity, at);
    for (gsize at = trial.sums_at; at < trial.sums_at + 8 * 30; at += 8)
        damage(trial.parity, at);
    damage_block(&trial, 500);
    expect_healed(&trial, 2);
    for (gsize at = trial.part_sums_at; at < trial.parts_at; at++)
        damage(trial.parity, at); /* these can be made again */
    expect_healed(&trial, 2);
    damage(trial.parity, trial.parts_at);
    expect_error(&trial, SLIPWAY_ERROR_CORRUPT);
}

static void
test_parity_length(void)
{
    TRIAL(trial, 1000 * BLOCK, 50);
    damage_block(&trial, 5);
    g_byte_array_append(trial.parity, (const guint8 *)"more", 4);
    expect_healed(&trial, 1);
    g_assert_cmpuint(parity_damaged(&trial), ==, 1);
    /* The last rows are missing, and with them the digest at the end. */
    g_byte_array_set_size(trial.parity, (guint)(trial.end - 3 * BLOCK));
    expect_healed(&trial, 1);
    g_assert_cmpuint(parity_damaged(&trial), >=, 3);
    g_byte_array_set_size(trial.object, 1000 * BLOCK - 1); /* then the length is not sure */
    expect_error(&trial, SLIPWAY_ERROR_CORRUPT);
    g_byte_array_set_size(trial.object, 1000 * BLOCK);
    memcpy(trial.object->data, g_bytes_get_data(trial.original, NULL), trial.object->len);
    g_byte_array_set_size(trial.parity, (guint)trial.parts_at);
    expect_healed(&trial, 0);
    g_byte_array_set_size(trial.parity, (guint)trial.part_sums_at - 1);
    expect_error(&trial, SLIPWAY_ERROR_CORRUPT);
    g_byte_array_set_size(trial.parity, 63);
    expect_error(&trial, SLIPWAY_ERROR_CORRUPT);
    g_byte_array_set_size(trial.parity, 0);
    expect_error(&trial, SLIPWAY_ERROR_CORRUPT);
}

static void
test_newer(void)
{
    TRIAL(trial, 1000, 50);
    trial.parity->data[8] = 2;
    expect_error(&trial, SLIPWAY_ERROR_UNSUPPORTED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/parity/steps", test_steps);
    g_test_add_func("/parity/shape", test_shape);
    g_test_add_func("/parity/code", test_code);
    g_test_add_func("/parity/stripe", test_stripe);
    g_test_add_func("/parity/one-more", test_one_more);
    g_test_add_func("/parity/burst", test_burst);
    g_test_add_func("/parity/any-size", test_any_size);
    g_test_add_func("/parity/length", test_length);
    g_test_add_func("/parity/zeros-cut", test_zeros_cut);
    g_test_add_func("/parity/empty", test_empty);
    g_test_add_func("/parity/hiccup", test_hiccup);
    g_test_add_func("/parity/unreadable", test_unreadable);
    g_test_add_func("/parity/dead", test_dead);
    g_test_add_func("/parity/not-there", test_not_there);
    g_test_add_func("/parity/parity-every-place", test_parity_every_place);
    g_test_add_func("/parity/both", test_both);
    g_test_add_func("/parity/sums", test_sums);
    g_test_add_func("/parity/parity-length", test_parity_length);
    g_test_add_func("/parity/newer", test_newer);
    return g_test_run();
}
