/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/payload_check.h"

#include <string.h>
#include <zlib.h>

static GBytes *
pack(const char *text)
{
    gsize length = strlen(text), room = compressBound(length) + 64;
    guint8 *out = g_malloc(room);
    z_stream z = {.next_in = (guint8 *)text,
                  .avail_in = (guint)length,
                  .next_out = out,
                  .avail_out = (guint)room};
    g_assert_cmpint(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
    g_assert_cmpint(deflate(&z, Z_FINISH), ==, Z_STREAM_END);
    gsize made = z.total_out;
    deflateEnd(&z);
    return g_bytes_new_take(out, made);
}

static void
append(GByteArray *all, GBytes *bytes)
{
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    g_byte_array_append(all, data, (guint)length);
}

static void
add_checksum(struct payload *payload, const char *process, const void *data, gsize length)
{
    struct checksum checksum = {.kind = DIGEST_SHA256,
                                .verify_process = g_strdup(process),
                                .hex = digest_hex_of(DIGEST_SHA256, data, length)};
    g_array_append_val(payload->checksums, checksum);
}

/* A payload "p" of these stored bytes that says it unpacks to `text` (NULL: says nothing). */
static struct payload *
new_payload(const GByteArray *stored, const char *text)
{
    struct payload *payload = payload_new();
    payload->name = g_strdup("p");
    payload->type = g_strdup("vgz");
    payload->size = stored->len;
    add_checksum(payload, NULL, stored->data, stored->len);
    if (text != NULL)
        add_checksum(payload, "gunzip", text, strlen(text));
    return payload;
}

/* Into a VIB, which frees it.  The words of the error, or NULL. */
static char *
check(struct payload *payload, const GByteArray *bytes, gsize step)
{
    auto_ptr(vib) owner = vib_new();
    g_ptr_array_add(owner->payloads, payload);
    auto_ptr(payload_check) check = payload_check_new(payload, PAYLOAD_CHECK_ALL, "VIB");
    for (gsize at = 0; at < bytes->len; at += step)
        payload_check_update(check, bytes->data + at, MIN(step, bytes->len - at));
    GError *error = NULL;
    if (payload_check_finish(check, &error))
        return NULL;
    char *words = g_strdup(error->message);
    g_error_free(error);
    return words;
}

static const gsize steps[] = {1, 2, 7, 4096};

/* The same with the digests in a lane: the words must be the same. */
struct spread {
    struct payload_check *check;
    char *words;
};

static void
finish_spread(void *target, GBytes *data G_GNUC_UNUSED)
{
    struct spread *spread = target;
    GError *error = NULL;
    if (!payload_check_finish(spread->check, &error))
        spread->words = g_strdup(error->message);
    g_clear_error(&error);
    payload_check_free(spread->check);
}

static char *
check_spread(struct payload *payload, const GByteArray *bytes, gsize step)
{
    auto_ptr(vib) owner = vib_new();
    g_ptr_array_add(owner->payloads, payload);
    auto_ptr(block_pool) pool = block_pool_new(16);
    auto_ptr(lanes) lanes = lanes_new(2);
    struct spread spread = {payload_check_new(payload, PAYLOAD_CHECK_ALL, "VIB"), NULL};
    payload_check_spread(spread.check, lanes, 1, pool);
    for (gsize at = 0; at < bytes->len; at += step)
        payload_check_update(spread.check, bytes->data + at, MIN(step, bytes->len - at));
    lanes_push(lanes, 1, finish_spread, &spread, NULL);
    lanes_drain(lanes);
    return spread.words;
}

static void
test_members(void)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autoptr(GBytes) one = pack("one ");
    g_autoptr(GBytes) two = pack("two");
    append(all, one);
    append(all, two);
    g_byte_array_append(all, (const guint8 *)"\0\0\0", 3);
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *words = check(new_payload(all, "one two"), all, steps[i]);
        g_autofree char *spread = check_spread(new_payload(all, "one two"), all, steps[i]);
        g_assert_cmpstr(words, ==, NULL);
        g_assert_cmpstr(spread, ==, NULL);
    }
}

static void
expect(const GByteArray *all, const char *text, const char *words)
{
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *told = check(new_payload(all, text), all, steps[i]);
        g_autofree char *spread = check_spread(new_payload(all, text), all, steps[i]);
        g_assert_cmpstr(told, ==, words);
        g_assert_cmpstr(spread, ==, words);
    }
}

static void
test_refused(void)
{
    static const char broken[] =
        "VIB: payload p cannot be decompressed to check its gunzip checksum";
    g_autoptr(GByteArray) all = g_byte_array_new();
    expect(all, NULL, NULL); /* no bytes are fine ... */
    expect(all, "", broken); /* ... but no gzip stream */
    g_autoptr(GBytes) text = pack("text");
    append(all, text);
    expect(all, "text", NULL);
    all->data[all->len - 5] ^= 1; /* the CRC */
    expect(all, "text", broken);
    all->data[all->len - 5] ^= 1;
    g_byte_array_append(all, (const guint8 *)"tail", 4);
    expect(all, "text", broken);
    g_byte_array_set_size(all, all->len - 5);
    expect(all, "text", broken);
}

static void
test_mismatch(void)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_byte_array_append(all, (const guint8 *)"abc", 3);
    struct payload *payload = new_payload(all, NULL);
    payload->size = 4;
    g_autofree char *size = check(payload, all, 4096);
    g_assert_cmpstr(size, ==, "VIB: payload p has 3 bytes, the descriptor says 4");
    payload = new_payload(all, NULL);
    g_array_set_size(payload->checksums, 0);
    g_autofree char *none = check(payload, all, 4096);
    g_assert_cmpstr(none, ==, "VIB: payload p has no checksum that can be checked");
    payload = new_payload(all, NULL);
    all->data[0] = 'x';
    g_autofree char *other = check(payload, all, 4096);
    g_assert_true(g_str_has_prefix(other, "VIB: payload p: the sha-256 checksum should be ba7816"));
}

/* More than one block, and a lane whose queue becomes full. */
static void
test_large(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < 2000; i++)
        g_string_append_printf(text, "%u,", i * i);
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autoptr(GBytes) packed = pack(text->str);
    append(all, packed);
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *words = check_spread(new_payload(all, text->str), all, steps[i]);
        g_assert_cmpstr(words, ==, NULL);
        g_autofree char *told = check(new_payload(all, "else"), all, steps[i]);
        g_autofree char *spread = check_spread(new_payload(all, "else"), all, steps[i]);
        g_assert_nonnull(strstr(told, "the sha-256 gunzip checksum should be"));
        g_assert_cmpstr(spread, ==, told);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/payload-check/members", test_members);
    g_test_add_func("/payload-check/refused", test_refused);
    g_test_add_func("/payload-check/mismatch", test_mismatch);
    g_test_add_func("/payload-check/large", test_large);
    return g_test_run();
}
