/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/little_endian.h"
#include "store/parity_private.h"

/* Read at a time. */
#define PIECE_BLOCKS 256u

struct check {
    struct repo *repo;
    const char *name, *parity_name;

    /* The parity object. */
    guint8 *parity;
    gsize parity_size; /* that there is, not more than there should be */
    struct parity_shape shape;
    guint64 length; /* of the object, as it should be */
    guint64 blocks;
    guint8 *sums;           /* of its blocks, within `parity` */
    gboolean trusted;       /* these are as they were written */
    gboolean parts_trusted; /* and so are the header and the sums of the parity blocks */
    const guint8 *parts;
    guint8 *parts_lost;
    guint64 parity_damaged;

    /* The object. */
    guint64 size;
    guint8 *found;   /* sums of its blocks as they are */
    guint8 *missing; /* of each block: 1 when it is not there, or cannot be read */
    guint8 *lost;    /* 1 when it is not what it was */
};

void
parity_report_clear(struct parity_report *report)
{
    if (report->bad != NULL)
        g_array_unref(report->bad);
    *report = (struct parity_report){0};
}

static void
clear(struct check *check)
{
    g_free(check->parity);
    g_free(check->parts_lost);
    g_free(check->found);
    g_free(check->missing);
    g_free(check->lost);
}

/* ---- Reading what may be unreadable ---------------------------------------------------------- */

/* A rotten disk answers a read with an error more often than with wrong bytes.  Such blocks become
 * zeros and are counted; *failure is the first of their errors. */
static gboolean
read_block(struct repo *repo, const char *name, guint64 offset, guint8 *buffer, gsize length,
           gboolean *ret_failed, GError **failure, GError **error)
{
    g_autoptr(GError) local = NULL;
    *ret_failed = FALSE;
    if (repo_read(repo, name, offset, buffer, length, &local))
        return TRUE;
    if (!g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_IO)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    memset(buffer, 0, length);
    *ret_failed = TRUE;
    if (*failure == NULL)
        *failure = g_steal_pointer(&local);
    return TRUE;
}

/* `length` bytes, at most a piece; `failed` gets a mark for each block.  Only a piece that failed
 * is read by blocks. */
static gboolean
read_piece(struct repo *repo, const char *name, guint64 offset, guint8 *buffer, gsize length,
           guint8 *failed, GError **failure, GError **error)
{
    gboolean bad = FALSE;
    g_autoptr(GError) whole = NULL;
    memset(failed, 0, PIECE_BLOCKS);
    if (length == 0)
        return TRUE;
    if (!read_block(repo, name, offset, buffer, length, &bad, &whole, error))
        return FALSE;
    for (gsize at = 0; bad && at < length; at += PARITY_BLOCK) {
        gboolean block_bad = FALSE;
        gsize part = MIN(length - at, PARITY_BLOCK);
        if (!read_block(repo, name, offset + at, buffer + at, part, &block_bad, failure, error))
            return FALSE;
        failed[at / PARITY_BLOCK] = block_bad ? 1 : 0;
    }
    return TRUE;
}

/* ---- The parity object ----------------------------------------------------------------------- */

static gboolean
unusable(const struct check *check, const char *why, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: %s is of no use for parity: %s; make it again from an object that is "
                     "not damaged",
                     repo_label(check->repo), check->parity_name, why);
}

static gboolean
read_parity(struct check *check, GError **error)
{
    guint64 size = 0;
    if (!repo_size(check->repo, check->parity_name, &size, error))
        return FALSE;
    if (size > PARITY_OBJECT_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: %s has %" G_GUINT64_FORMAT " bytes, more than any parity object",
                         repo_label(check->repo), check->parity_name, size);
    if (size < PARITY_HEADER)
        return unusable(check, "it has no whole header", error);
    check->parity_size = (gsize)size;
    check->parity = g_malloc(check->parity_size);
    for (gsize at = 0; at < check->parity_size; at += PIECE_BLOCKS * PARITY_BLOCK) {
        guint8 failed[PIECE_BLOCKS];
        g_autoptr(GError) failure = NULL;
        gsize part = MIN(check->parity_size - at, PIECE_BLOCKS * PARITY_BLOCK);
        if (!read_piece(check->repo, check->parity_name, at, check->parity + at, part, failed,
                        &failure, error))
            return FALSE;
        if (at == 0 && failed[0]) { /* without the header nothing is possible */
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
parse_header(struct check *check, GError **error)
{
    const guint8 *header = check->parity;
    if (memcmp(header, PARITY_MAGIC, strlen(PARITY_MAGIC)) != 0)
        return unusable(check, "it does not begin like one", error);
    guint version = little_endian_get16(header + PARITY_VERSION_AT);
    if (version > PARITY_VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s: %s has format version %u, this slipway reads up to %u; use a newer "
                         "slipway",
                         repo_label(check->repo), check->parity_name, version, PARITY_VERSION);
    check->shape.rows = little_endian_get16(header + PARITY_ROWS_AT);
    check->shape.stripes = little_endian_get32(header + PARITY_STRIPES_AT);
    check->length = little_endian_get64(header + PARITY_LENGTH_AT);
    check->blocks = little_endian_get64(header + PARITY_BLOCKS_AT);
    if (version != PARITY_VERSION || check->length > PARITY_OBJECT_MAX ||
        check->blocks != (check->length + PARITY_BLOCK - 1) / PARITY_BLOCK ||
        check->shape.rows < 1 || check->shape.rows > PARITY_ROWS_MAX ||
        check->shape.stripes > check->blocks ||
        check->blocks > check->shape.stripes * PARITY_STRIPE_DATA_MAX)
        return unusable(check, "its header is damaged", error);
    return TRUE;
}

/* Where everything lies in a parity object of this shape. */
struct layout {
    guint64 n; /* parity blocks */
    guint64 sums, part_sums, parts, end, size;
};

static struct layout
lay_out(const struct check *check)
{
    struct layout at = {.n = check->shape.rows * check->shape.stripes, .sums = PARITY_HEADER};
    at.part_sums = at.sums + check->blocks * PARITY_SUM;
    at.parts = at.part_sums + at.n * PARITY_SUM;
    at.end = at.parts + at.n * PARITY_BLOCK;
    at.size = at.end + PARITY_DIGEST;
    return at;
}

/* Whether header and checksums of the parity blocks are as they were.  When only the checksums are
 * not, those of the blocks as they are may be. */
static gboolean
check_parts(struct check *check, const struct layout *at)
{
    const gsize length = (gsize)at->n * PARITY_SUM;
    guint8 *header = check->parity, *sums = header + at->part_sums, digest[PARITY_DIGEST];
    if (check->parity_size < at->size)
        return FALSE;
    parity_digest(header, PARITY_HEADER, sums, length, digest);
    if (memcmp(digest, header + at->end, sizeof digest) == 0)
        return TRUE;
    check->parity_damaged = 1;
    g_autofree guint8 *found = g_malloc(length + 1);
    for (guint64 i = 0; i < at->n; i++)
        parity_sum(header + at->parts + i * PARITY_BLOCK, found + i * PARITY_SUM);
    parity_digest(header, PARITY_HEADER, found, length, digest);
    if (memcmp(digest, header + at->end, sizeof digest) != 0)
        return FALSE;
    memcpy(sums, found, length);
    return TRUE;
}

static void
find_lost_parts(struct check *check, const struct layout *at)
{
    check->parts = check->parity + at->parts;
    check->parts_lost = g_malloc0((gsize)at->n + 1);
    for (guint64 i = 0; i < at->n; i++) {
        guint8 sum[PARITY_SUM];
        gboolean there = at->parts + (i + 1) * PARITY_BLOCK <= check->parity_size;
        if (there)
            parity_sum(check->parts + i * PARITY_BLOCK, sum);
        if (there && memcmp(sum, check->parity + at->part_sums + i * PARITY_SUM, PARITY_SUM) == 0)
            continue;
        check->parts_lost[i] = 1;
        check->parity_damaged++;
    }
}

/* The checksums of the blocks are vouched for by the digest in the header, that one and the rest by
 * the digest at the end.  One of both is enough: with the first, a block that was restored is known
 * to be right; with the second, a whole object is. */
static gboolean
check_tables(struct check *check, GError **error)
{
    const struct layout at = lay_out(check);
    guint8 digest[PARITY_DIGEST];
    if (check->parity_size < at.part_sums)
        return unusable(check, "it is cut off before the checksums end", error);
    check->sums = check->parity + at.sums;
    parity_digest(check->sums, (gsize)(at.part_sums - at.sums), NULL, 0, digest);
    check->trusted = memcmp(digest, check->parity + PARITY_DIGEST_AT, sizeof digest) == 0;
    check->parity_damaged = !check->trusted || check->parity_size != at.size;
    check->parts_trusted = check_parts(check, &at);
    if (!check->trusted && !check->parts_trusted) {
        /* Or only the digest in the header is damaged. */
        memcpy(check->parity + PARITY_DIGEST_AT, digest, sizeof digest);
        check->trusted = check->parts_trusted = check_parts(check, &at);
    }
    if (!check->trusted && !check->parts_trusted)
        return unusable(check, "its checksums are damaged", error);
    find_lost_parts(check, &at);
    return TRUE;
}

/* ---- The object ------------------------------------------------------------------------------ */

/* Whether the object reaches to the end of block `i`, or to its own end. */
static gboolean
is_whole(const struct check *check, guint64 i)
{
    return MIN((i + 1) * PARITY_BLOCK, check->length) <= check->size;
}

static void
judge_block(struct check *check, guint64 i, const guint8 *block, gboolean failed)
{
    guint8 *found = check->found + i * PARITY_SUM;
    parity_sum(block, found);
    check->missing[i] = failed || !is_whole(check, i);
    check->lost[i] =
        check->missing[i] || memcmp(found, check->sums + i * PARITY_SUM, PARITY_SUM) != 0;
}

/* Read all of the object and judge its blocks; into `keep`, when it is there. */
static gboolean
scan(struct check *check, guint8 *keep, GError **error)
{
    const gsize piece = PIECE_BLOCKS * PARITY_BLOCK;
    guint64 there = MIN(check->length, check->size), readable = 0;
    g_autofree guint8 *own = keep == NULL ? g_malloc(piece) : NULL;
    g_autoptr(GError) failure = NULL;
    for (guint64 first = 0; first < check->blocks; first += PIECE_BLOCKS) {
        guint8 failed[PIECE_BLOCKS];
        guint64 at = first * PARITY_BLOCK, n = MIN(check->blocks - first, PIECE_BLOCKS);
        guint8 *buffer = keep != NULL ? keep + at : own;
        gsize part = at < there ? (gsize)MIN(there - at, piece) : 0;
        memset(buffer + part, 0, (gsize)n * PARITY_BLOCK - part);
        if (!read_piece(check->repo, check->name, at, buffer, part, failed, &failure, error))
            return FALSE;
        for (guint64 i = 0; i < n; i++) {
            judge_block(check, first + i, buffer + i * PARITY_BLOCK, failed[i]);
            readable += !failed[i] && i * PARITY_BLOCK < part;
        }
    }
    if (readable > 0 || failure == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean
has_digest(const struct check *check, const guint8 *sums)
{
    guint8 digest[PARITY_DIGEST];
    parity_digest(sums, (gsize)check->blocks * PARITY_SUM, NULL, 0, digest);
    return memcmp(digest, check->parity + PARITY_DIGEST_AT, sizeof digest) == 0;
}

/* Take these for the checksums as they were written. */
static void
trust(struct check *check, const guint8 *sums)
{
    memcpy(check->sums, sums, (gsize)check->blocks * PARITY_SUM);
    check->trusted = TRUE;
    memcpy(check->lost, check->missing, (gsize)check->blocks);
}

/* Mend what is lost in `data`.  Where the checksums were damaged, a block that does not fit may be
 * good, but the digest of them all tells whether everything became as it was. */
static gboolean
heal(struct check *check, guint8 *data, GError **error)
{
    if (!scan(check, data, error))
        return FALSE;
    struct parity_patient patient = {
        .shape = check->shape,
        .blocks = check->blocks,
        .data = data,
        .sums = check->sums,
        .trusted = check->trusted,
        .lost = check->lost,
        .parts = check->parts,
        .parts_lost = check->parts_lost,
    };
    parity_repair(&patient);
    if (check->trusted)
        return TRUE;
    g_autofree guint8 *sums = g_malloc((gsize)check->blocks * PARITY_SUM);
    for (guint64 i = 0; i < check->blocks; i++)
        parity_sum(data + i * PARITY_BLOCK, sums + i * PARITY_SUM);
    if (!has_digest(check, sums))
        return unusable(check, "its checksums are damaged, and so is the object", error);
    memcpy(check->sums, sums, (gsize)check->blocks * PARITY_SUM);
    memset(check->lost, 0, (gsize)check->blocks);
    return TRUE;
}

static guint64
count(const guint8 *marks, guint64 n)
{
    guint64 marked = 0;
    for (guint64 i = 0; i < n; i++)
        marked += marks[i];
    return marked;
}

static void
fill_report(const struct check *check, struct parity_report *report)
{
    guint64 surplus = check->size > check->length ? 1 : 0;
    report->bad = g_array_new(FALSE, FALSE, sizeof(guint64));
    report->blocks = check->blocks;
    report->damaged = surplus;
    report->parity_damaged = check->parity_damaged;
    for (guint64 i = 0; i < check->blocks; i++) {
        guint64 offset = i * PARITY_BLOCK;
        report->damaged +=
            check->missing[i] ||
            memcmp(check->found + i * PARITY_SUM, check->sums + i * PARITY_SUM, PARITY_SUM) != 0;
        if (check->lost[i])
            g_array_append_val(report->bad, offset);
    }
    report->repaired = report->damaged - report->bad->len;
}

/* `ret_data` NULL: nothing is mended. */
static gboolean
check_object(struct check *check, guint8 **ret_data, GError **error)
{
    if (!repo_size(check->repo, check->name, &check->size, error))
        return FALSE;
    /* A wrong shape in the header would show in what is restored, a wrong length would not. */
    if (!check->parts_trusted && check->size != check->length)
        return unusable(check, "its header or end is damaged, and the object has another length",
                        error);
    check->found = g_malloc0((gsize)check->blocks * PARITY_SUM + 1);
    check->missing = g_malloc0((gsize)check->blocks + 1);
    check->lost = g_malloc0((gsize)check->blocks + 1);
    if (!scan(check, NULL, error))
        return FALSE;
    if (!check->trusted && has_digest(check, check->found))
        trust(check, check->found);
    if (ret_data == NULL ||
        (check->trusted && count(check->lost, check->blocks) == 0 && check->size <= check->length))
        return TRUE;
    *ret_data = g_malloc((gsize)check->blocks * PARITY_BLOCK + 1);
    return heal(check, *ret_data, error);
}

gboolean
parity_check(struct repo *repo, const char *name, const char *parity_name,
             struct parity_report *report, GBytes **ret_repaired, GError **error)
{
    struct check check = {.repo = repo, .name = name, .parity_name = parity_name};
    g_autofree guint8 *data = NULL;
    *report = (struct parity_report){0};
    if (ret_repaired != NULL)
        *ret_repaired = NULL;
    gboolean ok = read_parity(&check, error) && parse_header(&check, error) &&
                  check_tables(&check, error) && check_object(&check, &data, error);
    if (ok) {
        fill_report(&check, report);
        if (ret_repaired != NULL && report->damaged > 0 && report->bad->len == 0)
            *ret_repaired = g_bytes_new_take(g_steal_pointer(&data), (gsize)check.length);
    }
    clear(&check);
    return ok;
}

gboolean
parity_scan(struct repo *repo, const char *name, const char *parity_name,
            struct parity_report *report, GError **error)
{
    struct check check = {.repo = repo, .name = name, .parity_name = parity_name};
    *report = (struct parity_report){0};
    gboolean ok = read_parity(&check, error) && parse_header(&check, error) &&
                  check_tables(&check, error) && check_object(&check, NULL, error);
    if (ok)
        fill_report(&check, report);
    clear(&check);
    return ok;
}
