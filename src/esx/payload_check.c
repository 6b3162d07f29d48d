/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/payload_check.h"

#include "base/error.h"

#include <isa-l.h>
#include <string.h>

#define INFLATE_BUFFER (128u << 10)

/* One checksum of the descriptor and the digest that grows beside it. */
struct line {
    const struct checksum *expected;
    struct digest *digest;
};

struct payload_check {
    const struct payload *payload;
    char *label;
    guint64 seen;
    GArray *stored;   /* of struct line: over the bytes as they are */
    GArray *unzipped; /* of struct line: over what they decompress to; empty: not inflated */
    struct inflate_state *inflate;
    guint8 *buffer; /* what comes out; NULL when it goes to a lane */
    gboolean inflate_failed;
    gboolean inflate_done;
    struct lanes *lanes; /* that digest what comes out; NULL: none do */
    unsigned lane;
    struct block_pool *pool;
};

static void
clear_line(gpointer data)
{
    digest_free(((struct line *)data)->digest);
}

static void
add_line(GArray *lines, const struct checksum *expected)
{
    struct line line = {expected, digest_new(expected->kind)};
    g_array_append_val(lines, line);
}

struct payload_check *
payload_check_new(const struct payload *payload, enum payload_check_depth depth, const char *label)
{
    struct payload_check *check = g_new0(struct payload_check, 1);
    check->payload = payload;
    check->label = g_strdup(label);
    check->stored = g_array_new(FALSE, FALSE, sizeof(struct line));
    check->unzipped = g_array_new(FALSE, FALSE, sizeof(struct line));
    g_array_set_clear_func(check->stored, clear_line);
    g_array_set_clear_func(check->unzipped, clear_line);
    for (guint i = 0; i < payload->checksums->len; i++) {
        const struct checksum *expected = &g_array_index(payload->checksums, struct checksum, i);
        if (expected->verify_process == NULL)
            add_line(check->stored, expected);
        else if (depth == PAYLOAD_CHECK_ALL && strcmp(expected->verify_process, "gunzip") == 0)
            add_line(check->unzipped, expected);
    }
    if (check->unzipped->len > 0) {
        check->buffer = g_malloc(INFLATE_BUFFER);
        check->inflate = g_new0(struct inflate_state, 1);
        isal_inflate_init(check->inflate);
        check->inflate->crc_flag = ISAL_GZIP;
    }
    return check;
}

void
payload_check_spread(struct payload_check *check, struct lanes *lanes, unsigned lane,
                     struct block_pool *pool)
{
    check->lanes = lanes;
    check->lane = lane;
    check->pool = pool;
    g_clear_pointer(&check->buffer, g_free);
}

void
payload_check_free(struct payload_check *check)
{
    if (check == NULL)
        return;
    g_array_unref(check->stored);
    g_array_unref(check->unzipped);
    g_free(check->inflate);
    g_free(check->buffer);
    g_free(check->label);
    g_free(check);
}

static void
update_lines(GArray *lines, const void *data, gsize length)
{
    for (guint i = 0; i < lines->len; i++)
        digest_update(g_array_index(lines, struct line, i).digest, data, length);
}

/* Another member of the same gzip stream follows, unless it is only padding. */
static void
begin_next_member(struct payload_check *check)
{
    struct inflate_state *state = check->inflate;
    while (state->avail_in > 0 && *state->next_in == 0) {
        state->next_in++;
        state->avail_in--;
    }
    check->inflate_done = TRUE;
    if (state->avail_in == 0)
        return;
    guint8 *next_in = state->next_in;
    guint32 avail_in = state->avail_in;
    isal_inflate_reset(state);
    state->crc_flag = ISAL_GZIP;
    state->next_in = next_in;
    state->avail_in = avail_in;
    check->inflate_done = FALSE;
}

static void
update_unzipped(void *target, GBytes *data)
{
    gsize length;
    const void *bytes = g_bytes_get_data(data, &length);
    update_lines(((struct payload_check *)target)->unzipped, bytes, length);
}

/* One round of the decompressor, as much as a buffer takes. */
static int
inflate_block(struct payload_check *check)
{
    struct inflate_state *state = check->inflate;
    guint8 *out = check->pool != NULL ? block_pool_take(check->pool) : check->buffer;
    guint32 room =
        check->pool != NULL ? (guint32)block_pool_block_size(check->pool) : INFLATE_BUFFER;
    state->next_out = out;
    state->avail_out = room;
    int result = isal_inflate(state);
    gsize made = room - state->avail_out;
    if (check->pool == NULL) {
        update_lines(check->unzipped, out, made);
    } else if (made == 0) {
        block_pool_return(check->pool, out);
    } else {
        g_autoptr(GBytes) block = block_pool_seal(check->pool, out, made);
        lanes_push(check->lanes, check->lane, update_unzipped, check, block);
    }
    return result;
}

static void
inflate_part(struct payload_check *check, const guint8 *data, guint32 length)
{
    struct inflate_state *state = check->inflate;
    state->next_in = (guint8 *)data;
    state->avail_in = length;
    if (check->inflate_done)
        begin_next_member(check);
    for (;;) {
        if (inflate_block(check) < 0) {
            check->inflate_failed = TRUE;
            return;
        }
        gboolean member_ended = state->block_state == ISAL_BLOCK_FINISH;
        if (member_ended)
            begin_next_member(check);
        if (check->inflate_done || (state->avail_in == 0 && state->avail_out > 0))
            return;
    }
}

void
payload_check_update(struct payload_check *check, const void *data, gsize length)
{
    check->seen += length;
    update_lines(check->stored, data, length);
    const guint8 *bytes = data;
    while (check->inflate != NULL && !check->inflate_failed && length > 0) {
        guint32 step = (guint32)MIN(length, 1u << 30);
        inflate_part(check, bytes, step);
        bytes += step;
        length -= step;
    }
}

static gboolean
compare_lines(const struct payload_check *check, GArray *lines, GError **error)
{
    for (guint i = 0; i < lines->len; i++) {
        struct line *line = &g_array_index(lines, struct line, i);
        g_autofree char *actual = digest_hex(line->digest);
        if (strcmp(actual, line->expected->hex) != 0)
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "%s: payload %s: the %s%s%s checksum should be %s but is %s; the VIB "
                             "is damaged or was changed, fetch it again",
                             check->label, check->payload->name,
                             digest_kind_name(line->expected->kind),
                             line->expected->verify_process != NULL ? " " : "",
                             line->expected->verify_process != NULL ? "gunzip" : "",
                             line->expected->hex, actual);
    }
    return TRUE;
}

gboolean
payload_check_finish(struct payload_check *check, GError **error)
{
    const struct payload *payload = check->payload;
    if (check->seen != payload->size)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: payload %s has %" G_GUINT64_FORMAT
                         " bytes, the descriptor says %" G_GUINT64_FORMAT,
                         check->label, payload->name, check->seen, payload->size);
    if (check->stored->len == 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: payload %s has no checksum that can be checked", check->label,
                         payload->name);
    if (!compare_lines(check, check->stored, error))
        return FALSE;
    if (check->inflate != NULL && (check->inflate_failed || !check->inflate_done))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: payload %s cannot be decompressed to check its gunzip checksum",
                         check->label, payload->name);
    return compare_lines(check, check->unzipped, error);
}
