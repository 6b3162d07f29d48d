/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/parity.h"

#include "base/error.h"
#include "base/little_endian.h"
#include "store/parity_private.h"

#include <isa-l/erasure_code.h>
#include <openssl/evp.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Blocks that are kept until it is clear that the object is not a small one, for which a few
 * stripes are enough (4 MiB). */
#define HELD_BLOCKS 1024u
/* Of the multiplication table that ISA-L makes of a coefficient. */
#define TABLE_SIZE 32u

struct parity_encoder {
    guint permille;
    guint64 blocks_max;
    guint64 length; /* of the object */
    guint64 blocks; /* that were encoded */
    struct parity_shape shape;
    guint8 *tables; /* NULL: the shape is not decided yet */
    guint8 *parity; /* rows * stripes blocks: for each row all stripes */
    guint8 *parts[PARITY_ROWS_MAX];
    GByteArray *sums; /* of the object's blocks */
    GByteArray *held; /* whole blocks before the shape is decided */
    gsize held_max;
    guint8 block[PARITY_BLOCK]; /* the one that is not complete */
    gsize filled;
};

void
parity_sum(const guint8 *block, guint8 ret[PARITY_SUM])
{
    little_endian_put64(ret, XXH3_64bits(block, PARITY_BLOCK));
}

void
parity_digest(const guint8 *first, gsize first_length, const guint8 *second, gsize second_length,
              guint8 ret[PARITY_DIGEST])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestInit_ex2(context, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(context, first, first_length) != 1 ||
        EVP_DigestUpdate(context, second, second_length) != 1 ||
        EVP_DigestFinal_ex(context, ret, NULL) != 1)
        g_error("libcrypto cannot compute SHA-256");
    EVP_MD_CTX_free(context);
}

void
parity_coefficients(guint rows, guint8 *ret)
{
    const guint k = PARITY_STRIPE_DATA_MAX;
    g_autofree guint8 *matrix = g_malloc((gsize)(k + rows) * k);
    gf_gen_cauchy1_matrix(matrix, (int)(k + rows), (int)k);
    memcpy(ret, matrix + (gsize)k * k, (gsize)rows * k); /* above is the identity */
}

/* As many rows as full stripes take, fewer when the object has so few blocks that one stripe has
 * room for all parity; but two, when the share allows it, as damage rarely is one block. */
static struct parity_shape
choose_shape(guint64 blocks, guint permille)
{
    if (blocks == 0)
        return (struct parity_shape){.rows = 1, .stripes = 0};
    guint64 full = (PARITY_STRIPE_DATA_MAX * permille + 999) / 1000;
    full = MIN(full, PARITY_ROWS_MAX);
    guint64 wanted = (blocks * permille + 999) / 1000;
    guint64 rows = CLAMP(wanted, MIN(full, 2), full);
    guint64 fewest = (blocks + PARITY_STRIPE_DATA_MAX - 1) / PARITY_STRIPE_DATA_MAX;
    guint64 stripes = (wanted + rows - 1) / rows;
    return (struct parity_shape){.rows = (guint)rows, .stripes = MAX(stripes, fewest)};
}

struct parity_encoder *
parity_encoder_new(guint64 size_max, unsigned permille)
{
    g_assert(size_max <= PARITY_OBJECT_MAX && permille >= 1 && permille <= PARITY_PERMILLE_MAX);
    struct parity_encoder *encoder = g_new0(struct parity_encoder, 1);
    encoder->permille = permille;
    encoder->blocks_max = (size_max + PARITY_BLOCK - 1) / PARITY_BLOCK;
    struct parity_shape shape = choose_shape(encoder->blocks_max, permille);
    /* With fewer blocks than it has stripes an object would get more parity than it has data. */
    encoder->held_max = MAX(HELD_BLOCKS, shape.rows * shape.stripes) * PARITY_BLOCK;
    encoder->sums = g_byte_array_new();
    encoder->held = g_byte_array_new();
    return encoder;
}

void
parity_encoder_free(struct parity_encoder *encoder)
{
    if (encoder == NULL)
        return;
    g_byte_array_unref(encoder->sums);
    g_byte_array_unref(encoder->held);
    g_free(encoder->tables);
    g_free(encoder->parity);
    g_free(encoder);
}

/* The block is hashed while it is in the processor's cache for the code. */
static void
encode_block(struct parity_encoder *encoder, const guint8 *block)
{
    const struct parity_shape *shape = &encoder->shape;
    guint64 stripe = encoder->blocks % shape->stripes, member = encoder->blocks / shape->stripes;
    guint8 sum[PARITY_SUM];
    g_assert(member < PARITY_STRIPE_DATA_MAX); /* no more than size_max */
    parity_sum(block, sum);
    g_byte_array_append(encoder->sums, sum, sizeof sum);
    for (guint row = 0; row < shape->rows; row++)
        encoder->parts[row] = encoder->parity + (row * shape->stripes + stripe) * PARITY_BLOCK;
    /* ISA-L does not change the data; its prototype only does not say so. */
    ec_encode_data_update(PARITY_BLOCK, PARITY_STRIPE_DATA_MAX, (int)shape->rows, (int)member,
                          encoder->tables, (guint8 *)block, encoder->parts);
    encoder->blocks++;
}

/* Decide the shape for an object of `blocks` and encode what was held back for it. */
static void
decide(struct parity_encoder *encoder, guint64 blocks)
{
    encoder->shape = choose_shape(blocks, encoder->permille);
    const struct parity_shape *shape = &encoder->shape;
    guint8 coefficients[PARITY_ROWS_MAX * PARITY_STRIPE_DATA_MAX];
    parity_coefficients(shape->rows, coefficients);
    encoder->tables = g_malloc((gsize)TABLE_SIZE * PARITY_STRIPE_DATA_MAX * shape->rows);
    ec_init_tables(PARITY_STRIPE_DATA_MAX, (int)shape->rows, coefficients, encoder->tables);
    encoder->parity = g_malloc0(shape->rows * shape->stripes * PARITY_BLOCK);
    for (gsize at = 0; at < encoder->held->len; at += PARITY_BLOCK)
        encode_block(encoder, encoder->held->data + at);
    g_byte_array_unref(encoder->held);
    encoder->held = g_byte_array_new();
}

static void
take_block(struct parity_encoder *encoder, const guint8 *block)
{
    if (encoder->tables == NULL && encoder->held->len < encoder->held_max) {
        g_byte_array_append(encoder->held, block, PARITY_BLOCK);
        return;
    }
    if (encoder->tables == NULL)
        decide(encoder, encoder->blocks_max);
    encode_block(encoder, block);
}

void
parity_encoder_append(struct parity_encoder *encoder, const void *data, gsize length)
{
    const guint8 *next = data;
    encoder->length += length;
    while (length > 0) {
        gsize part = MIN(length, PARITY_BLOCK - encoder->filled);
        if (part == PARITY_BLOCK)
            take_block(encoder, next);
        else {
            memcpy(encoder->block + encoder->filled, next, part);
            encoder->filled += part;
            if (encoder->filled == PARITY_BLOCK) {
                take_block(encoder, encoder->block);
                encoder->filled = 0;
            }
        }
        next += part;
        length -= part;
    }
}

static void
finish_blocks(struct parity_encoder *encoder)
{
    if (encoder->filled > 0) {
        memset(encoder->block + encoder->filled, 0, PARITY_BLOCK - encoder->filled);
        take_block(encoder, encoder->block);
        encoder->filled = 0;
    }
    if (encoder->tables == NULL)
        decide(encoder, encoder->held->len / PARITY_BLOCK);
}

GBytes *
parity_encoder_finish(struct parity_encoder *encoder)
{
    finish_blocks(encoder);
    const struct parity_shape *shape = &encoder->shape;
    gsize parts = shape->rows * shape->stripes, sums = encoder->sums->len;
    gsize size = PARITY_HEADER + sums + parts * (PARITY_SUM + PARITY_BLOCK) + PARITY_DIGEST;
    guint8 *object = g_malloc0(size);
    guint8 *part_sums = object + PARITY_HEADER + sums, *blocks = part_sums + parts * PARITY_SUM;
    memcpy(object, PARITY_MAGIC, strlen(PARITY_MAGIC));
    little_endian_put16(object + PARITY_VERSION_AT, PARITY_VERSION);
    little_endian_put16(object + PARITY_ROWS_AT, (guint16)shape->rows);
    little_endian_put32(object + PARITY_STRIPES_AT, (guint32)shape->stripes);
    little_endian_put64(object + PARITY_LENGTH_AT, encoder->length);
    little_endian_put64(object + PARITY_BLOCKS_AT, encoder->blocks);
    parity_digest(encoder->sums->data, sums, NULL, 0, object + PARITY_DIGEST_AT);
    if (sums > 0)
        memcpy(object + PARITY_HEADER, encoder->sums->data, sums);
    if (parts > 0)
        memcpy(blocks, encoder->parity, parts * PARITY_BLOCK);
    for (gsize i = 0; i < parts; i++)
        parity_sum(blocks + i * PARITY_BLOCK, part_sums + i * PARITY_SUM);
    parity_digest(object, PARITY_HEADER, part_sums, parts * PARITY_SUM,
                  object + size - PARITY_DIGEST);
    return g_bytes_new_take(object, size);
}
