/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "target/iscsi_parameters.h"
#include "target/iscsi_pdu.h"
#include "target/iscsi_text.h"

#define TEXT(literal) literal, sizeof literal - 1

static void
test_parse(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(iscsi_text) text = iscsi_text_parse(TEXT("A=1\0X-b.c=\0Key=a=b,c\0\0\0"), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(iscsi_text_count(text), ==, 3);
    g_assert_cmpstr(iscsi_text_at(text, 1).key, ==, "X-b.c");
    g_assert_cmpstr(iscsi_text_get(text, "A"), ==, "1");
    g_assert_cmpstr(iscsi_text_get(text, "X-b.c"), ==, "");
    g_assert_cmpstr(iscsi_text_get(text, "Key"), ==, "a=b,c");
    g_assert_null(iscsi_text_get(text, "a"));
    auto_ptr(iscsi_text) nothing = iscsi_text_parse("", 0, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(iscsi_text_count(nothing), ==, 0);
}

static void
test_parse_refuses(void)
{
    static const struct {
        const char *text;
        gsize length;
        const char *words;
    } rows[] = {
        {TEXT("A=1"), "without its end"},
        {TEXT("A\0"), "without \"=\""},
        {TEXT("=1\0"), "a key that is none"},
        {TEXT("1=1\0"), "a key that is none"},
        {TEXT("A b=1\0"), "a key that is none"},
        {TEXT("A\n=1\0"), "a key that is none"},
        {TEXT("A=1\0B=2\0A=1\0"), "the key A twice"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(iscsi_text_parse(rows[i].text, rows[i].length, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_nonnull(strstr(error->message, rows[i].words));
    }
}

static void
test_parse_limits(void)
{
    g_autoptr(GByteArray) many = g_byte_array_new();
    for (guint i = 0; i < ISCSI_TEXT_KEYS_MAX; i++) {
        g_autofree char *key = g_strdup_printf("K%u", i);
        iscsi_text_put(many, key, "v");
    }
    g_autoptr(GError) error = NULL;
    auto_ptr(iscsi_text) text = iscsi_text_parse(many->data, many->len, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(iscsi_text_count(text), ==, ISCSI_TEXT_KEYS_MAX);
    iscsi_text_put(many, "One", "more");
    g_assert_null(iscsi_text_parse(many->data, many->len, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);
    g_autofree char *large = g_malloc0(ISCSI_TEXT_MAX + 1);
    g_assert_null(iscsi_text_parse(large, ISCSI_TEXT_MAX + 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
}

static void
test_numbers(void)
{
    guint32 value = 7;
    static const char *const bad[] = {"",     "-1",  "+1", " 1",         "1 ",   "0x",
                                      "0x1g", "1.5", "x",  "4294967296", "1001", "0x3e9"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(iscsi_number_parse(bad[i], 0, 1000, &value));
    g_assert_true(iscsi_number_parse("1000", 0, 1000, &value));
    g_assert_cmpuint(value, ==, 1000);
    g_assert_true(iscsi_number_parse("0X3e8", 0, 1000, &value));
    g_assert_cmpuint(value, ==, 1000);
    g_assert_false(iscsi_number_parse("511", 512, 1000, &value));
}

static void
assert_binary(const char *text, const void *bytes, gsize length)
{
    g_autoptr(GBytes) parsed = iscsi_binary_parse(text, 16);
    g_assert_nonnull(parsed);
    g_assert_cmpmem(g_bytes_get_data(parsed, NULL), g_bytes_get_size(parsed), bytes, length);
}

static void
test_binary(void)
{
    assert_binary("0x00ff10", "\x00\xff\x10", 3);
    assert_binary("0X1aB", "\x01\xab", 2);
    assert_binary("0bAP8Q", "\x00\xff\x10", 3);
    assert_binary("0BAP8=", "\x00\xff", 2);
    assert_binary("0bAA==", "\x00", 1);
    assert_binary("0x000102030405060708090a0b0c0d0e0f",
                  "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 16);
    static const char *const bad[] = {"",
                                      "0x",
                                      "0b",
                                      "00ff",
                                      "0x0g",
                                      "0bA",
                                      "0bAP8",
                                      "0bAP*Q",
                                      "0b====",
                                      "0bA===",
                                      "0bAP8Q=",
                                      "0x 1",
                                      "0bAP8QAP8QAP8QAP8QAP8QAP8Q",
                                      "0x000102030405060708090a0b0c0d0e0f10"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_null(iscsi_binary_parse(bad[i], 16));
    g_autofree char *text = iscsi_binary_format("\x00\xff\x10", 3);
    g_assert_cmpstr(text, ==, "0x00ff10");
}

static void
test_names(void)
{
    static const char *const good[] = {"iqn.2026-01.org.example:disk", "iqn.2026-01.org.example",
                                       "eui.02004567A425678D", "naa.52004567BA64678D",
                                       "naa.62004567BA64678D0123456789ABCDEF"};
    static const char *const bad[] = {"",
                                      "disk",
                                      "iqn.",
                                      "iqn.2026-01",
                                      "iqn.2026-01.",
                                      "iqn.2026.org.example",
                                      "iqn.2026-01.org.Example",
                                      "iqn.2026-01.org.example:a b",
                                      "iqn.2026-01.org.example/a",
                                      "eui.02004567A425678",
                                      "eui.02004567A425678DX",
                                      "naa.52004567BA64678D0"};
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(iscsi_name_is_valid(good[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(iscsi_name_is_valid(bad[i]));
    g_autofree char *many = g_strnfill(300, 'a');
    g_autofree char *longest = g_strdup_printf("iqn.2026-01.org.%.207s", many);
    g_autofree char *longer = g_strdup_printf("iqn.2026-01.org.%.208s", many);
    g_assert_true(iscsi_name_is_valid(longest));
    g_assert_false(iscsi_name_is_valid(longer));
    g_autofree char *shown = iscsi_printable("a\n\x1b[2Jb\xff");
    g_assert_cmpstr(shown, ==, "a??[2Jb?");
}

/* ---- Negotiation ----------------------------------------------------------------------------- */

static void
assert_answer(struct iscsi_negotiator *negotiator, const char *key, const char *offer,
              const char *wanted)
{
    g_autoptr(GByteArray) answer = g_byte_array_new();
    struct iscsi_pair pair = {key, offer};
    enum iscsi_negotiation result = iscsi_negotiate(negotiator, &pair, answer);
    if (wanted == NULL) {
        g_assert_cmpint(result, ==, ISCSI_REFUSED);
        return;
    }
    g_assert_cmpint(result, ==, ISCSI_NEGOTIATED);
    g_autoptr(GByteArray) right = g_byte_array_new();
    if (*wanted != '\0')
        iscsi_text_put(right, key, wanted);
    g_assert_cmpmem(answer->data, answer->len, right->data, right->len);
}

struct offer {
    const char *key, *value, *answer;
};

static void
assert_offers(const struct offer *offers, gsize n, const struct iscsi_negotiator *with)
{
    for (gsize i = 0; i < n; i++) {
        struct iscsi_negotiator negotiator;
        iscsi_negotiator_init(&negotiator);
        negotiator.header_digest = with->header_digest;
        negotiator.data_digest = with->data_digest;
        negotiator.discovery = with->discovery;
        negotiator.leading = with->leading;
        assert_answer(&negotiator, offers[i].key, offers[i].value, offers[i].answer);
        /* No key is negotiated twice. */
        if (offers[i].answer != NULL)
            assert_answer(&negotiator, offers[i].key, offers[i].value, NULL);
        iscsi_negotiator_clear(&negotiator);
    }
}

static void
test_negotiate(void)
{
    static const struct offer offers[] = {
        {"MaxConnections", "1", "1"},
        {"MaxConnections", "100", "8"},
        {"MaxConnections", "0", "Reject"},
        {"InitialR2T", "Yes", "Yes"},
        {"InitialR2T", "No", "No"},
        {"InitialR2T", "yes", "Reject"},
        {"ImmediateData", "Yes", "Yes"},
        {"ImmediateData", "No", "No"},
        {"MaxBurstLength", "16777215", "16777215"},
        {"MaxBurstLength", "512", "512"},
        {"MaxBurstLength", "511", "Reject"},
        {"MaxBurstLength", "16777216", "Reject"},
        {"FirstBurstLength", "16777215", "262144"},
        {"FirstBurstLength", "0x200", "512"},
        {"MaxOutstandingR2T", "65535", "16"},
        {"MaxOutstandingR2T", "0", "Reject"},
        {"DataPDUInOrder", "No", "Yes"},
        {"DataSequenceInOrder", "No", "Yes"},
        {"DefaultTime2Wait", "0", "2"},
        {"DefaultTime2Wait", "20", "20"},
        {"DefaultTime2Wait", "3601", "Reject"},
        {"DefaultTime2Retain", "20", "0"},
        {"ErrorRecoveryLevel", "2", "0"},
        {"ErrorRecoveryLevel", "3", "Reject"},
        {"TaskReporting", "FastAbort,RFC3720", "RFC3720"},
        {"TaskReporting", "FastAbort", "Reject"},
        {"iSCSIProtocolLevel", "2", "1"},
        {"RDMAExtensions", "Yes", "No"},
        {"MaxRecvDataSegmentLength", "262144", ""},
        {"MaxRecvDataSegmentLength", "511", NULL},
        {"MaxRecvDataSegmentLength", "many", NULL},
        {"HeaderDigest", "None,CRC32C", "None"},
        {"HeaderDigest", "CRC32C,None", "CRC32C"},
        {"HeaderDigest", "CRC32C", "CRC32C"},
        {"HeaderDigest", "SHA1", "Reject"},
        {"HeaderDigest", "", "Reject"},
        {"DataDigest", "CRC32C", "CRC32C"},
        {"DataDigest", "None", "None"},
        {"OFMarker", "Yes", "No"},
        {"IFMarker", "No", "No"},
        {"OFMarkInt", "1~65535", "Reject"},
        {"IFMarkInt", "2048", "Reject"},
    };
    struct iscsi_negotiator with = {.leading = TRUE};
    assert_offers(offers, G_N_ELEMENTS(offers), &with);
}

static void
test_negotiate_digests(void)
{
    static const struct offer required[] = {{"HeaderDigest", "None,CRC32C", "CRC32C"},
                                            {"HeaderDigest", "None", NULL},
                                            {"DataDigest", "CRC32C,None", "CRC32C"},
                                            {"DataDigest", "None", NULL}};
    static const struct offer off[] = {{"HeaderDigest", "CRC32C,None", "None"},
                                       {"HeaderDigest", "CRC32C", "Reject"},
                                       {"DataDigest", "CRC32C", "Reject"}};
    struct iscsi_negotiator with = {.leading = TRUE,
                                    .header_digest = ISCSI_DIGEST_REQUIRED,
                                    .data_digest = ISCSI_DIGEST_REQUIRED};
    assert_offers(required, G_N_ELEMENTS(required), &with);
    with.header_digest = with.data_digest = ISCSI_DIGEST_OFF;
    assert_offers(off, G_N_ELEMENTS(off), &with);
    struct iscsi_negotiator negotiator;
    iscsi_negotiator_init(&negotiator);
    g_assert_true(iscsi_negotiator_is_satisfied(&negotiator));
    negotiator.data_digest = ISCSI_DIGEST_REQUIRED;
    g_assert_false(iscsi_negotiator_is_satisfied(&negotiator));
    assert_answer(&negotiator, "DataDigest", "CRC32C", "CRC32C");
    g_assert_true(iscsi_negotiator_is_satisfied(&negotiator));
    iscsi_negotiator_clear(&negotiator);
}

static void
test_negotiate_elsewhere(void)
{
    static const struct offer discovery[] = {{"MaxConnections", "8", "Irrelevant"},
                                             {"InitialR2T", "No", "Irrelevant"},
                                             {"FirstBurstLength", "65536", "Irrelevant"},
                                             {"MaxRecvDataSegmentLength", "8192", ""},
                                             {"DefaultTime2Wait", "2", "2"}};
    /* A connection that joins a session is told what holds there. */
    static const struct offer joins[] = {{"MaxConnections", "8", "1"},
                                         {"FirstBurstLength", "512", "65536"},
                                         {"InitialR2T", "No", "Yes"},
                                         {"HeaderDigest", "CRC32C", "CRC32C"}};
    struct iscsi_negotiator with = {.leading = TRUE, .discovery = TRUE};
    assert_offers(discovery, G_N_ELEMENTS(discovery), &with);
    with = (struct iscsi_negotiator){.leading = FALSE};
    assert_offers(joins, G_N_ELEMENTS(joins), &with);
    struct iscsi_negotiator negotiator;
    g_autoptr(GByteArray) answer = g_byte_array_new();
    iscsi_negotiator_init(&negotiator);
    struct iscsi_pair pair = {"X-org.example.key", "1"};
    g_assert_cmpint(iscsi_negotiate(&negotiator, &pair, answer), ==, ISCSI_UNKNOWN);
    iscsi_negotiator_clear(&negotiator);
}

/* RFC 7143, appendix A: examples of CRC32C. */
static void
test_digest(void)
{
    guint8 zeros[32] = {0}, ones[32], up[32], digest[ISCSI_DIGEST];
    memset(ones, 0xff, sizeof ones);
    for (guint i = 0; i < sizeof up; i++)
        up[i] = (guint8)i;
    static const guint8 right[3][4] = {
        {0xaa, 0x36, 0x91, 0x8a}, {0x43, 0xab, 0xa8, 0x62}, {0x4e, 0x79, 0xdd, 0x46}};
    const guint8 *inputs[3] = {zeros, ones, up};
    for (guint i = 0; i < 3; i++) {
        guint32 whole = iscsi_digest_add(ISCSI_DIGEST_BEGIN, inputs[i], 32);
        guint32 parts = iscsi_digest_add(ISCSI_DIGEST_BEGIN, inputs[i], 7);
        parts = iscsi_digest_add(parts, inputs[i] + 7, 25);
        iscsi_digest_put(whole, digest);
        g_assert_cmpmem(digest, sizeof digest, right[i], sizeof right[i]);
        g_assert_true(iscsi_digest_is(parts, right[i]));
        g_assert_false(iscsi_digest_is(parts ^ 1, right[i]));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iscsi-text/parse", test_parse);
    g_test_add_func("/iscsi-text/parse-refuses", test_parse_refuses);
    g_test_add_func("/iscsi-text/parse-limits", test_parse_limits);
    g_test_add_func("/iscsi-text/numbers", test_numbers);
    g_test_add_func("/iscsi-text/binary", test_binary);
    g_test_add_func("/iscsi-text/names", test_names);
    g_test_add_func("/iscsi-parameters/negotiate", test_negotiate);
    g_test_add_func("/iscsi-parameters/digests", test_negotiate_digests);
    g_test_add_func("/iscsi-parameters/elsewhere", test_negotiate_elsewhere);
    g_test_add_func("/iscsi-pdu/digest", test_digest);
    return g_test_run();
}
