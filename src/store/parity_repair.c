/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/parity_private.h"

#include <isa-l/erasure_code.h>
#include <string.h>

#define TABLE_SIZE 32u

/* One stripe: what is lost of it, and as many parity blocks that are good. */
struct stripe {
    const struct parity_patient *patient;
    guint64 number;
    guint n;
    guint members[PARITY_ROWS_MAX];
    guint rows[PARITY_ROWS_MAX];
    guint8 *syndromes[PARITY_ROWS_MAX]; /* blocks */
    guint8 *restored[PARITY_ROWS_MAX];  /* into the object */
};

static guint8 *
member_block(const struct stripe *stripe, guint member)
{
    const struct parity_patient *patient = stripe->patient;
    return patient->data + (stripe->number + member * patient->shape.stripes) * PARITY_BLOCK;
}

/* FALSE when nothing is lost, or more than there are parity blocks. */
static gboolean
find_lost(struct stripe *stripe)
{
    const struct parity_patient *patient = stripe->patient;
    guint member = 0;
    for (guint64 i = stripe->number; i < patient->blocks; i += patient->shape.stripes, member++) {
        if (!patient->lost[i])
            continue;
        if (stripe->n == patient->shape.rows)
            return FALSE;
        stripe->members[stripe->n++] = member;
    }
    return stripe->n > 0;
}

static gboolean
find_rows(struct stripe *stripe)
{
    const struct parity_shape *shape = &stripe->patient->shape;
    guint found = 0;
    for (guint row = 0; row < shape->rows && found < stripe->n; row++) {
        if (!stripe->patient->parts_lost[row * shape->stripes + stripe->number])
            stripe->rows[found++] = row;
    }
    return found == stripe->n;
}

/* Parity without the share of the members that are there is the share of those that are not. */
static void
subtract_known(struct stripe *stripe, const guint8 *coefficients)
{
    const struct parity_patient *patient = stripe->patient;
    const guint k = PARITY_STRIPE_DATA_MAX;
    guint8 chosen[PARITY_ROWS_MAX * PARITY_STRIPE_DATA_MAX];
    for (guint i = 0; i < stripe->n; i++) {
        guint64 part = stripe->rows[i] * patient->shape.stripes + stripe->number;
        memcpy(chosen + (gsize)i * k, coefficients + (gsize)stripe->rows[i] * k, k);
        memcpy(stripe->syndromes[i], patient->parts + part * PARITY_BLOCK, PARITY_BLOCK);
    }
    g_autofree guint8 *tables = g_malloc((gsize)TABLE_SIZE * k * stripe->n);
    ec_init_tables((int)k, (int)stripe->n, chosen, tables);
    guint member = 0;
    for (guint64 i = stripe->number; i < patient->blocks; i += patient->shape.stripes, member++) {
        if (!patient->lost[i])
            ec_encode_data_update(PARITY_BLOCK, (int)k, (int)stripe->n, (int)member, tables,
                                  member_block(stripe, member), stripe->syndromes);
    }
}

static gboolean
solve(struct stripe *stripe, const guint8 *coefficients)
{
    const int n = (int)stripe->n;
    guint8 matrix[PARITY_ROWS_MAX * PARITY_ROWS_MAX], inverse[PARITY_ROWS_MAX * PARITY_ROWS_MAX];
    guint8 tables[TABLE_SIZE * PARITY_ROWS_MAX * PARITY_ROWS_MAX];
    for (guint row = 0; row < stripe->n; row++) {
        for (guint i = 0; i < stripe->n; i++)
            matrix[row * stripe->n + i] =
                coefficients[stripe->rows[row] * PARITY_STRIPE_DATA_MAX + stripe->members[i]];
    }
    if (gf_invert_matrix(matrix, inverse, n) != 0) /* never, of a Cauchy matrix */
        return FALSE;
    ec_init_tables(n, n, inverse, tables);
    ec_encode_data((int)PARITY_BLOCK, n, n, tables, stripe->syndromes, stripe->restored);
    return TRUE;
}

static void
accept(const struct stripe *stripe, struct parity_patient *patient)
{
    for (guint i = 0; i < stripe->n; i++) {
        guint64 block = stripe->number + stripe->members[i] * patient->shape.stripes;
        guint8 sum[PARITY_SUM];
        parity_sum(stripe->restored[i], sum);
        if (!patient->trusted || memcmp(sum, patient->sums + block * PARITY_SUM, PARITY_SUM) == 0)
            patient->lost[block] = 0;
    }
}

void
parity_repair(struct parity_patient *patient)
{
    g_autofree guint8 *blocks = g_malloc((gsize)PARITY_ROWS_MAX * PARITY_BLOCK);
    guint8 coefficients[PARITY_ROWS_MAX * PARITY_STRIPE_DATA_MAX];
    parity_coefficients(patient->shape.rows, coefficients);
    for (guint64 number = 0; number < patient->shape.stripes; number++) {
        struct stripe stripe = {.patient = patient, .number = number};
        if (!find_lost(&stripe) || !find_rows(&stripe))
            continue;
        for (guint i = 0; i < stripe.n; i++) {
            stripe.syndromes[i] = blocks + (gsize)i * PARITY_BLOCK;
            stripe.restored[i] = member_block(&stripe, stripe.members[i]);
        }
        subtract_known(&stripe, coefficients);
        if (solve(&stripe, coefficients))
            accept(&stripe, patient);
    }
}
