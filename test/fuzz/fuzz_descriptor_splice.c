/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The three elements that a depot's copy of a descriptor has.
 *
 * A descriptor with them put in is the same VIB with these facts, none of them twice; and putting
 * them in again changes nothing. */
#include "base/error.h"
#include "esx/descriptor_splice.h"
#include "esx/vib.h"
#include "fuzz.h"

static const struct vib_facts facts = {
    "vib20/a & \"b\"/<c>.vib", 1234567,
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};

static void
check_spliced(const struct vib *vib, GBytes *spliced)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(vib) again =
        vib_parse(g_bytes_get_data(spliced, NULL), g_bytes_get_size(spliced), "spliced", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->id, ==, vib->id);
    g_assert_cmpstr(again->description, ==, vib->description);
    g_assert_cmpuint(again->payloads->len, ==, vib->payloads->len);
    g_assert_cmpuint(again->files->len, ==, vib->files->len);
    g_assert_cmpuint(again->tags->len, ==, vib->tags->len);
    g_assert_cmpstr(again->relative_path, ==, facts.relative_path);
    g_assert_cmpuint(again->packed_size, ==, facts.size);
    g_assert_cmpuint(again->file_checksums->len, ==, 1);
    g_assert_cmpstr(g_array_index(again->file_checksums, struct checksum, 0).hex, ==, facts.sha256);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) spliced = descriptor_splice(bytes, &facts, "input", &error);
    fuzz_check_pointer(spliced, error);
    /* Documents are parsed before they are spliced: nothing is said of others. */
    auto_ptr(vib) vib = vib_parse(data, size, "input", NULL);
    if (vib == NULL || spliced == NULL)
        return 0;
    check_spliced(vib, spliced);
    g_autoptr(GBytes) twice = descriptor_splice(spliced, &facts, "spliced", &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(twice, spliced));
    return 0;
}
