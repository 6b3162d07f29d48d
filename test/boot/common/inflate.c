/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "inflate.h"

#include <stdbool.h>
#include <string.h>

#define CODE_BITS_MAX 15
#define FAST_BITS 10
#define LITERAL_CODES_MAX 288
#define DISTANCE_CODES_MAX 32
#define LENGTH_CODES_MAX 19
#define LITERAL_END 256
#define REPEAT_PREVIOUS 16
#define REPEAT_ZERO_SHORT 17

struct bit_reader {
    const uint8_t *next;
    const uint8_t *end;
    uint32_t bits;
    unsigned count;   /* bits held */
    unsigned phantom; /* how many of them are zeros put in behind the end of the input */
};

struct output {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* A canonical Huffman code.  Codes of up to FAST_BITS are found by one look into
 * `fast` (symbol << 4 | length, 0 for none), the others by walking the lengths. */
struct code_table {
    uint16_t fast[1 << FAST_BITS];
    uint16_t count[CODE_BITS_MAX + 1];
    uint16_t symbol[LITERAL_CODES_MAX];
};

static struct code_table literal_table;
static struct code_table distance_table;

static void
refill(struct bit_reader *reader, unsigned wanted)
{
    while (reader->count < wanted) {
        if (reader->next < reader->end)
            reader->bits |= (uint32_t)*reader->next++ << reader->count;
        else
            reader->phantom += 8;
        reader->count += 8;
    }
}

static void
drop(struct bit_reader *reader, unsigned count)
{
    reader->bits >>= count;
    reader->count -= count;
}

/* True once bits behind the end of the input were used. */
static bool
overran(const struct bit_reader *reader)
{
    return reader->count < reader->phantom;
}

static uint32_t
take(struct bit_reader *reader, unsigned count)
{
    refill(reader, count);
    uint32_t value = reader->bits & ((1u << count) - 1);
    drop(reader, count);
    return value;
}

static unsigned
reverse(unsigned code, unsigned length)
{
    unsigned reversed = 0;
    for (unsigned i = 0; i < length; i++)
        reversed |= ((code >> i) & 1) << (length - 1 - i);
    return reversed;
}

static void
fill_fast(struct code_table *table, const uint8_t *lengths, unsigned codes)
{
    unsigned next[CODE_BITS_MAX + 2] = {0};
    for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++)
        next[bits + 1] = (next[bits] + table->count[bits]) << 1;

    memset(table->fast, 0, sizeof table->fast);
    for (unsigned symbol = 0; symbol < codes; symbol++) {
        unsigned length = lengths[symbol];
        if (length == 0)
            continue;
        unsigned code = next[length]++;
        if (length > FAST_BITS)
            continue;
        for (unsigned at = reverse(code, length); at < 1u << FAST_BITS; at += 1u << length)
            table->fast[at] = (uint16_t)(symbol << 4 | length);
    }
}

/* Build the table of a code; false when no code has these lengths.  An incomplete
 * code is good only when it has at most one symbol, as zlib has it. */
static bool
build(struct code_table *table, const uint8_t *lengths, unsigned codes)
{
    memset(table->count, 0, sizeof table->count);
    for (unsigned i = 0; i < codes; i++)
        table->count[lengths[i]]++;
    unsigned used = codes - table->count[0];
    table->count[0] = 0;

    int left = 1;
    uint16_t offset[CODE_BITS_MAX + 1] = {0};
    for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
        left = (left << 1) - table->count[bits];
        if (left < 0)
            return false;
        if (bits < CODE_BITS_MAX)
            offset[bits + 1] = (uint16_t)(offset[bits] + table->count[bits]);
    }
    if (left > 0 && used > 1)
        return false;

    for (unsigned i = 0; i < codes; i++)
        if (lengths[i] != 0)
            table->symbol[offset[lengths[i]]++] = (uint16_t)i;
    fill_fast(table, lengths, codes);
    return true;
}

/* The next symbol, or -1 when the bits are no code. */
static int
decode(struct bit_reader *reader, const struct code_table *table)
{
    refill(reader, CODE_BITS_MAX);
    unsigned entry = table->fast[reader->bits & ((1u << FAST_BITS) - 1)];
    if (entry != 0) {
        drop(reader, entry & 15);
        return (int)(entry >> 4);
    }

    uint32_t bits = reader->bits;
    unsigned code = 0, first = 0, index = 0;
    for (unsigned length = 1; length <= CODE_BITS_MAX; length++) {
        code |= bits & 1;
        bits >>= 1;
        unsigned count = table->count[length];
        if (code < first + count) {
            drop(reader, length);
            return table->symbol[index + code - first];
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return -1;
}

static enum expand_status
copy_match(struct output *out, size_t distance, size_t length)
{
    if (distance > out->size)
        return EXPAND_BAD_DATA;
    if (length > out->capacity - out->size)
        return EXPAND_FULL;
    uint8_t *to = out->data + out->size;
    const uint8_t *from = to - distance;
    out->size += length;
    while (length-- > 0) /* byte by byte: the two ranges may overlap on purpose */
        *to++ = *from++;
    return EXPAND_OK;
}

/* The second half of a match whose length symbol has been read. */
static enum expand_status
expand_match(struct bit_reader *reader, struct output *out, unsigned symbol)
{
    static const uint16_t length_base[] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                           15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                           67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                           2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

    unsigned index = symbol - LITERAL_END - 1;
    if (index >= sizeof length_extra)
        return EXPAND_BAD_DATA;
    size_t length = length_base[index] + take(reader, length_extra[index]);

    int code = decode(reader, &distance_table);
    if (code < 0 || code >= (int)(sizeof distance_base / sizeof distance_base[0]))
        return overran(reader) ? EXPAND_TRUNCATED : EXPAND_BAD_DATA;
    unsigned extra = code < 2 ? 0 : (unsigned)code / 2 - 1;
    size_t distance = distance_base[code] + take(reader, extra);
    if (overran(reader))
        return EXPAND_TRUNCATED;
    return copy_match(out, distance, length);
}

static enum expand_status
expand_codes(struct bit_reader *reader, struct output *out)
{
    for (;;) {
        int symbol = decode(reader, &literal_table);
        if (overran(reader))
            return EXPAND_TRUNCATED;
        if (symbol < 0)
            return EXPAND_BAD_DATA;
        if (symbol < LITERAL_END) {
            if (out->size == out->capacity)
                return EXPAND_FULL;
            out->data[out->size++] = (uint8_t)symbol;
        } else if (symbol == LITERAL_END) {
            return EXPAND_OK;
        } else {
            enum expand_status status = expand_match(reader, out, (unsigned)symbol);
            if (status != EXPAND_OK)
                return status;
        }
    }
}

/* Give the whole bytes still in the bit buffer back to the input. */
static void
align_to_byte(struct bit_reader *reader)
{
    reader->next -= (reader->count - reader->phantom) / 8;
    reader->bits = 0;
    reader->count = 0;
    reader->phantom = 0;
}

static enum expand_status
expand_stored(struct bit_reader *reader, struct output *out)
{
    align_to_byte(reader);
    const uint8_t *head = reader->next;
    if (reader->end - head < 4)
        return EXPAND_TRUNCATED;
    size_t length = head[0] | (size_t)head[1] << 8;
    if ((length ^ 0xffff) != (head[2] | (size_t)head[3] << 8))
        return EXPAND_BAD_DATA;
    if ((size_t)(reader->end - head) - 4 < length)
        return EXPAND_TRUNCATED;
    if (length > out->capacity - out->size)
        return EXPAND_FULL;
    memcpy(out->data + out->size, head + 4, length);
    out->size += length;
    reader->next = head + 4 + length;
    return EXPAND_OK;
}

static void
build_fixed(void)
{
    uint8_t lengths[LITERAL_CODES_MAX];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    build(&literal_table, lengths, LITERAL_CODES_MAX);
    memset(lengths, 5, DISTANCE_CODES_MAX);
    build(&distance_table, lengths, DISTANCE_CODES_MAX);
}

/* Read `total` code lengths, themselves coded by `literal_table`. */
static enum expand_status
read_lengths(struct bit_reader *reader, uint8_t *lengths, unsigned total)
{
    unsigned at = 0;
    while (at < total) {
        int symbol = decode(reader, &literal_table);
        if (overran(reader))
            return EXPAND_TRUNCATED;
        if (symbol < 0)
            return EXPAND_BAD_DATA;
        if (symbol < REPEAT_PREVIOUS) {
            lengths[at++] = (uint8_t)symbol;
            continue;
        }
        uint8_t value = 0;
        unsigned repeat;
        if (symbol == REPEAT_PREVIOUS) {
            if (at == 0)
                return EXPAND_BAD_DATA;
            value = lengths[at - 1];
            repeat = 3 + take(reader, 2);
        } else {
            repeat = symbol == REPEAT_ZERO_SHORT ? 3 + take(reader, 3) : 11 + take(reader, 7);
        }
        if (repeat > total - at)
            return EXPAND_BAD_DATA;
        memset(lengths + at, value, repeat);
        at += repeat;
    }
    return EXPAND_OK;
}

static enum expand_status
read_dynamic(struct bit_reader *reader)
{
    static const uint8_t order[LENGTH_CODES_MAX] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                    11, 4,  12, 3, 13, 2, 14, 1, 15};
    unsigned literals = take(reader, 5) + 257;
    unsigned distances = take(reader, 5) + 1;
    unsigned coded = take(reader, 4) + 4;
    if (literals > 286 || distances > 30)
        return EXPAND_BAD_DATA;

    uint8_t lengths[LITERAL_CODES_MAX + DISTANCE_CODES_MAX] = {0};
    for (unsigned i = 0; i < coded; i++)
        lengths[order[i]] = (uint8_t)take(reader, 3);
    if (overran(reader))
        return EXPAND_TRUNCATED;
    if (!build(&literal_table, lengths, LENGTH_CODES_MAX))
        return EXPAND_BAD_DATA;

    memset(lengths, 0, LENGTH_CODES_MAX);
    enum expand_status status = read_lengths(reader, lengths, literals + distances);
    if (status != EXPAND_OK)
        return status;
    if (lengths[LITERAL_END] == 0 || !build(&literal_table, lengths, literals) ||
        !build(&distance_table, lengths + literals, distances))
        return EXPAND_BAD_DATA;
    return EXPAND_OK;
}

static enum expand_status
expand_block(struct bit_reader *reader, struct output *out)
{
    enum expand_status status;
    switch (take(reader, 2)) {
    case 0:
        return expand_stored(reader, out);
    case 1:
        build_fixed();
        return expand_codes(reader, out);
    case 2:
        status = read_dynamic(reader);
        return status == EXPAND_OK ? expand_codes(reader, out) : status;
    default:
        return EXPAND_BAD_DATA;
    }
}

enum expand_status
inflate_expand(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_capacity,
               size_t *ret_used, size_t *ret_size)
{
    struct bit_reader reader = {.next = in, .end = in + in_size};
    struct output output = {.data = out, .capacity = out_capacity};
    bool last = false;

    while (!last) {
        last = take(&reader, 1) != 0;
        enum expand_status status = expand_block(&reader, &output);
        if (overran(&reader))
            return EXPAND_TRUNCATED;
        if (status != EXPAND_OK)
            return status;
    }
    align_to_byte(&reader);
    *ret_used = (size_t)(reader.next - in);
    *ret_size = output.size;
    return EXPAND_OK;
}
