/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A VIB descriptor.
 *
 * What is accepted can be used as parts of file names and paths, and comes back the same when it
 * is written as a new descriptor. */
#include "base/error.h"
#include "esx/path_rules.h"
#include "esx/vib.h"
#include "esx/vib_descriptor_write.h"
#include "fuzz.h"

#include <string.h>

static void
check_checksums(const GArray *checksums)
{
    for (guint i = 0; i < checksums->len; i++) {
        const struct checksum *checksum = &g_array_index(checksums, struct checksum, i);
        g_assert_cmpuint(strspn(checksum->hex, "0123456789abcdef"), ==, strlen(checksum->hex));
    }
}

static void
check_vib(const struct vib *vib)
{
    g_autofree char *id = g_strdup_printf("%s_%s_%s_%s", vib->vendor, vib_type_name(vib->type),
                                          vib->name, vib->version);
    g_assert_cmpstr(vib->id, ==, id);
    g_assert_null(strpbrk(vib->id, "/\\\n\t "));
    g_assert_true(version_valid(vib->version));
    g_assert_cmpuint(vib->payloads->len, <=, VIB_PAYLOADS_MAX);
    for (guint i = 0; i < vib->payloads->len; i++) {
        const struct payload *payload = vib->payloads->pdata[i];
        g_assert_true(vib_payload(vib, payload->name) == payload);
        g_assert_null(strpbrk(payload->name, "/\\"));
        g_assert_cmpuint(payload->size, <=, G_MAXINT64);
        check_checksums(payload->checksums);
    }
    for (guint i = 0; i < vib->files->len; i++) {
        const char *path = vib->files->pdata[i];
        g_assert_true(*path != '/' && strcmp(path, "..") != 0);
        g_assert_false(g_str_has_prefix(path, "../") || g_str_has_suffix(path, "/.."));
        path_rules_allow(path, ACCEPTANCE_COMMUNITY);
    }
    struct relation self = {vib->name, VERSION_EQUAL, vib->version};
    g_assert_true(vib_provides(vib, &self));
    g_assert_true(relation_matches_vib(&self, vib));
    check_checksums(vib->file_checksums);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(vib) vib = vib_parse(data, size, "input", &error);
    fuzz_check_pointer(vib, error);
    if (vib == NULL)
        return 0;
    check_vib(vib);

    g_autoptr(GBytes) first = vib_descriptor_write(vib);
    auto_ptr(vib) again =
        vib_parse(g_bytes_get_data(first, NULL), g_bytes_get_size(first), "again", &error);
    g_assert_no_error(error);
    check_vib(again);
    g_assert_cmpstr(again->id, ==, vib->id);
    g_assert_cmpstr(again->summary, ==, vib->summary);
    g_assert_cmpstr(again->description, ==, vib->description);
    g_assert_cmpuint(again->acceptance, ==, vib->acceptance);
    g_autoptr(GBytes) second = vib_descriptor_write(again);
    g_assert_true(g_bytes_equal(first, second));
    return 0;
}
