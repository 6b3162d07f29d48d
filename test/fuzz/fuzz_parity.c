/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A parity object.  The first byte of the input says what follows:
 *
 * bit 0 set: 2 bytes permille, 2 bytes size of an object that is made here with its parity object,
 * and 3 bytes for each byte to damage in one or the other.  Whatever is damaged, what comes out as
 * healed is what it was.
 *
 * Otherwise: 2 bytes length of an object, the object, and a parity object.  Bits 1 to 3: checksums
 * of the object's blocks, of the parity blocks, and digests are mended before, so that mutations
 * get at what is behind them.  The report is consistent, and what is healed needs no more healing.
 */
#include "base/error.h"
#include "base/little_endian.h"
#include "fuzz.h"
#include "repo/repo.h"
#include "store/parity_private.h"

#define OBJECT "packs/object"
#define PARITY "parity/object"

enum { MADE = 1, MEND_SUMS = 2, MEND_PARTS = 4, MEND_DIGESTS = 8 };

static GBytes *
check(struct repo *repo, GBytes *object, GBytes *parity, struct parity_report *report)
{
    g_autoptr(GError) error = NULL;
    GBytes *repaired = NULL;
    repo_replace(repo, OBJECT, g_bytes_get_data(object, NULL), g_bytes_get_size(object), NULL);
    repo_replace(repo, PARITY, g_bytes_get_data(parity, NULL), g_bytes_get_size(parity), NULL);
    gboolean ok = parity_check(repo, OBJECT, PARITY, report, &repaired, &error);
    fuzz_check(ok, error);
    g_assert_cmpint(ok, ==, report->bad != NULL);
    g_assert_true(repaired == NULL || ok);
    if (!ok)
        return NULL;
    guint n = report->bad->len;
    g_assert_cmpuint(report->damaged, ==, report->repaired + n);
    g_assert_cmpuint(report->damaged, <=, report->blocks + 1);
    g_assert_cmpint(repaired != NULL, ==, report->damaged > 0 && n == 0);
    for (guint i = 0; i < n; i++) {
        guint64 offset = g_array_index(report->bad, guint64, i);
        g_assert_cmpuint(offset % PARITY_BLOCK, ==, 0);
        g_assert_cmpuint(offset / PARITY_BLOCK, <, report->blocks);
        g_assert_true(i == 0 || g_array_index(report->bad, guint64, i - 1) < offset);
    }
    return repaired;
}

static void
check_input(GBytes *object, GBytes *parity)
{
    auto_ptr(repo) repo = repo_memory_new();
    struct parity_report report, again;
    g_autoptr(GBytes) repaired = check(repo, object, parity, &report);
    parity_report_clear(&report);
    if (repaired == NULL)
        return;
    g_autoptr(GBytes) twice = check(repo, repaired, parity, &again);
    g_assert_nonnull(again.bad);
    g_assert_cmpuint(again.damaged, ==, 0);
    parity_report_clear(&again);
}

/* ---- Objects from outside -------------------------------------------------------------------- */

static void
mend(guint mode, guint8 *parity, gsize size, const guint8 *object, gsize object_size)
{
    if (size < PARITY_HEADER + PARITY_DIGEST)
        return;
    guint64 n = (guint64)little_endian_get16(parity + PARITY_ROWS_AT) *
                little_endian_get32(parity + PARITY_STRIPES_AT);
    guint64 blocks = little_endian_get64(parity + PARITY_BLOCKS_AT);
    gsize room = size - PARITY_HEADER - PARITY_DIGEST;
    if (blocks > room / PARITY_SUM || n > room / (PARITY_SUM + PARITY_BLOCK) ||
        blocks * PARITY_SUM + n * (PARITY_SUM + PARITY_BLOCK) > room)
        return;
    guint8 *sums = parity + PARITY_HEADER, *part_sums = sums + blocks * PARITY_SUM;
    guint8 *parts = part_sums + n * PARITY_SUM, *end = parts + n * PARITY_BLOCK;
    for (guint64 i = 0; (mode & MEND_SUMS) && i < blocks; i++) {
        guint8 block[PARITY_BLOCK] = {0};
        gsize at = (gsize)i * PARITY_BLOCK;
        if (at < object_size)
            memcpy(block, object + at, MIN(object_size - at, PARITY_BLOCK));
        parity_sum(block, sums + i * PARITY_SUM);
    }
    for (guint64 i = 0; (mode & MEND_PARTS) && i < n; i++)
        parity_sum(parts + i * PARITY_BLOCK, part_sums + i * PARITY_SUM);
    if ((mode & MEND_DIGESTS) == 0)
        return;
    parity_digest(sums, (gsize)blocks * PARITY_SUM, NULL, 0, parity + PARITY_DIGEST_AT);
    parity_digest(parity, PARITY_HEADER, part_sums, (gsize)n * PARITY_SUM, end);
}

static void
run_given(guint mode, const uint8_t *data, size_t size)
{
    if (size < 2 || little_endian_get16(data) > size - 2)
        return;
    gsize object_size = little_endian_get16(data), parity_size = size - 2 - object_size;
    g_autofree guint8 *parity = g_malloc(parity_size + 1);
    memcpy(parity, data + 2 + object_size, parity_size);
    mend(mode, parity, parity_size, data + 2, object_size);
    g_autoptr(GBytes) object_bytes = g_bytes_new(data + 2, object_size);
    g_autoptr(GBytes) parity_bytes = g_bytes_new(parity, parity_size);
    check_input(object_bytes, parity_bytes);
}

/* ---- Objects of our own ---------------------------------------------------------------------- */

static GBytes *
make_object(gsize size)
{
    guint8 *data = g_malloc(size + 1);
    for (gsize i = 0; i < size; i++)
        data[i] = (guint8)(i * i / 7 + i);
    return g_bytes_new_take(data, size);
}

static GBytes *
damage(GBytes *bytes, const uint8_t *data, size_t size, gboolean second)
{
    gsize length = g_bytes_get_size(bytes);
    guint8 *copy = g_malloc(length + 1);
    memcpy(copy, g_bytes_get_data(bytes, NULL), length);
    for (; size >= 3; data += 3, size -= 3) {
        gsize at = little_endian_get16(data);
        if ((data[2] >> 7) == second && length > 0)
            copy[at % length] ^= data[2] & 0x7f;
    }
    return g_bytes_new_take(copy, length);
}

static void
run_made(const uint8_t *data, size_t size)
{
    if (size < 4)
        return;
    guint permille = little_endian_get16(data) % PARITY_PERMILLE_MAX + 1;
    gsize object_size = little_endian_get16(data + 2);
    g_autoptr(GBytes) object = make_object(object_size);
    auto_ptr(parity_encoder) encoder = parity_encoder_new(G_MAXUINT16, permille);
    parity_encoder_append(encoder, g_bytes_get_data(object, NULL), object_size);
    g_autoptr(GBytes) parity = parity_encoder_finish(encoder);
    g_autoptr(GBytes) bad_object = damage(object, data + 4, size - 4, FALSE);
    g_autoptr(GBytes) bad_parity = damage(parity, data + 4, size - 4, TRUE);

    auto_ptr(repo) repo = repo_memory_new();
    struct parity_report report;
    g_autoptr(GBytes) repaired = check(repo, bad_object, bad_parity, &report);
    if (repaired != NULL)
        g_assert_true(g_bytes_equal(repaired, object));
    else if (report.bad != NULL && report.damaged == 0)
        g_assert_true(g_bytes_equal(bad_object, object));
    parity_report_clear(&report);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] & MADE)
        run_made(data + 1, size - 1);
    else
        run_given(data[0], data + 1, size - 1);
    return 0;
}
