/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The note beside a cached document.  Whatever it says, a copy is only given when it is the one
 * that the note means, and from this cache. */
#include "base/digest.h"
#include "base/error.h"
#include "base/http_cache.h"
#include "base/secret.h"
#include "fuzz.h"

#include <string.h>

#define URL "http://depot.example.com/index.xml"
#define BODY "a document\n"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *key;
    if (key == NULL) {
        key = digest_hex_of(DIGEST_SHA256, URL, strlen(URL));
        g_free(fuzz_put_file(key, BODY, strlen(BODY)));
    }
    g_autofree char *note = g_strconcat(key, ".json", NULL);
    g_free(fuzz_put_file(note, data, size));
    g_autofree char *body = g_build_filename(fuzz_directory(), key, NULL);
    g_autofree char *sha256 = digest_hex_of(DIGEST_SHA256, BODY, strlen(BODY));

    g_autoptr(GError) error = NULL;
    auto_ptr(http_cache) cache = http_cache_new(fuzz_directory(), NULL, TRUE, &error);
    g_assert_no_error(error);
    struct http_cache_entry entry = {0};
    gboolean ok = http_cache_get(cache, URL, 100, &entry, NULL, &error);
    fuzz_check(ok, error);
    if (ok) {
        g_assert_cmpstr(entry.path, ==, body);
        g_assert_nonnull(entry.effective_url);
        g_assert_false(entry.fresh);
        g_assert_nonnull(memmem(data, size, sha256, 8));
    }
    http_cache_entry_clear(&entry);
    gboolean here = FALSE;
    g_assert_true(http_cache_peek(cache, URL, &here, &entry, NULL));
    g_assert_true(here == ok);
    http_cache_entry_clear(&entry);
    secret_forget_all();
    return 0;
}
