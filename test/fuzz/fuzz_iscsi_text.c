/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys and values of iSCSI.  The input: a text as it comes in a PDU.
 *
 * What parses is within its limits and comes out as it went in; whatever is offered, the answer is
 * one that the initiator can parse, and what was agreed upon is within our bounds; bytes that are
 * read are those that are written. */
#include "base/error.h"
#include "fuzz.h"
#include "target/iscsi_parameters.h"
#include "target/iscsi_pdu.h"

static void
check_binary(const char *value)
{
    g_autoptr(GBytes) bytes = iscsi_binary_parse(value, 1024);
    if (bytes == NULL)
        return;
    gsize length = 0;
    const void *data = g_bytes_get_data(bytes, &length);
    g_assert_true(length >= 1 && length <= 1024);
    g_autofree char *text = iscsi_binary_format(data, length);
    g_autoptr(GBytes) again = iscsi_binary_parse(text, 1024);
    g_assert_true(fuzz_bytes_equal(bytes, again));
}

static void
check_words(const char *value)
{
    guint32 number = 0;
    if (iscsi_number_parse(value, 5, 1000, &number))
        g_assert_true(number >= 5 && number <= 1000);
    g_autofree char *shown = iscsi_printable(value);
    g_assert_cmpuint(strlen(shown), <=, ISCSI_NAME_MAX);
    for (const char *at = shown; *at != '\0'; at++)
        g_assert_true(g_ascii_isprint(*at));
    if (iscsi_name_is_valid(value))
        g_assert_cmpstr(shown, ==, value);
    check_binary(value);
}

static void
check_agreed(const struct iscsi_parameters *agreed)
{
    g_assert_true(agreed->connections >= 1 && agreed->connections <= ISCSI_SESSION_CONNECTIONS_MAX);
    g_assert_true(agreed->burst >= 512 && agreed->burst <= ISCSI_BURST_MAX);
    g_assert_true(agreed->first_burst >= 512 && agreed->first_burst <= ISCSI_FIRST_BURST_MAX);
    g_assert_true(agreed->outstanding_r2t >= 1 && agreed->outstanding_r2t <= ISCSI_R2T_MAX);
    g_assert_true(agreed->send >= 512 && agreed->send <= ISCSI_DATA_MAX);
}

static void
check_negotiation(const struct iscsi_text *text, guint kind)
{
    struct iscsi_negotiator negotiator;
    g_autoptr(GByteArray) answer = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    iscsi_negotiator_init(&negotiator);
    negotiator.discovery = kind % 2;
    negotiator.leading = kind / 2 % 2;
    negotiator.header_digest = kind % 3;
    negotiator.data_digest = kind / 3 % 3;
    for (guint i = 0; i < iscsi_text_count(text); i++) {
        struct iscsi_pair pair = iscsi_text_at(text, i);
        iscsi_negotiate(&negotiator, &pair, answer);
    }
    check_agreed(&negotiator.parameters);
    auto_ptr(iscsi_text) parsed = iscsi_text_parse(answer->data, answer->len, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(iscsi_text_count(parsed), <=, iscsi_text_count(text));
    iscsi_negotiator_clear(&negotiator);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(iscsi_text) text = iscsi_text_parse(data, size, &error);
    fuzz_check_pointer(text, error);
    if (text == NULL)
        return 0;
    g_autoptr(GByteArray) copy = g_byte_array_new();
    for (guint i = 0; i < iscsi_text_count(text); i++) {
        struct iscsi_pair pair = iscsi_text_at(text, i);
        iscsi_text_put(copy, pair.key, pair.value);
        g_assert_cmpuint(strlen(pair.key), <=, ISCSI_KEY_MAX);
        g_assert_true(iscsi_text_get(text, pair.key) == pair.value);
        check_words(pair.value);
    }
    auto_ptr(iscsi_text) again = iscsi_text_parse(copy->data, copy->len, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(iscsi_text_count(again), ==, iscsi_text_count(text));
    for (guint kind = 0; kind < 12; kind++)
        check_negotiation(text, kind);
    return 0;
}
