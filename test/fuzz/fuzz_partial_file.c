/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The note beside a file that was fetched in part.  Never more is taken up than is there, than the
 * note speaks for, or than the limit. */
#include "base/error.h"
#include "base/partial_file.h"
#include "fuzz.h"

#include <string.h>

#define PART "sixteen bytes ab"
#define SOURCE "http://depot.example.com/bundle.zip"
#define LIMIT 12

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_free(fuzz_put_file("bundle.zip.part", PART, strlen(PART)));
    g_free(fuzz_put_file("bundle.zip.part.etag", data, size));
    g_autofree char *path = g_build_filename(fuzz_directory(), "bundle.zip", NULL);
    g_autoptr(GError) error = NULL;
    struct partial_file *file = partial_file_open(path, SOURCE, LIMIT, &error);
    g_assert_no_error(error);
    guint64 length = partial_file_length(file);
    g_assert_cmpuint(length, <=, LIMIT);
    auto_ptr(digest) digest = digest_new(DIGEST_SHA256);
    g_assert_true(partial_file_hash(file, digest, &error));
    g_autofree char *actual = digest_hex(digest);
    g_autofree char *expected = digest_hex_of(DIGEST_SHA256, PART, (gsize)length);
    g_assert_cmpstr(actual, ==, expected);
    g_assert_nonnull(partial_file_version(file));
    partial_file_discard(file);
    return 0;
}
