/* SPDX-License-Identifier: GPL-3.0-or-later */
/* URLs.  The input: a base (may be empty), a newline, a reference.
 *
 * What resolves is an http(s) URL that resolves to itself and climbs nowhere; no password is
 * shown; a name made of a URL is safe as a file name. */
#include "base/error.h"
#include "base/url.h"
#include "fuzz.h"

#include <string.h>

static void
check_basename(const char *url)
{
    g_autofree char *name = url_basename(url);
    g_assert_true(*name != '\0' && *name != '.');
    g_assert_cmpuint(strlen(name), <=, 100);
    for (const char *c = name; *c != '\0'; c++)
        g_assert_true(g_ascii_isalnum(*c) || strchr("._+-", *c) != NULL);
}

/* The authority of what is shown holds no password. */
static void
check_redacted(const char *url)
{
    g_autofree char *shown = url_redact(url);
    g_autofree char *twice = url_redact(shown);
    g_assert_cmpstr(shown, ==, twice);
    const char *authority = strstr(shown, "://");
    if (authority == NULL)
        return;
    authority += 3;
    const char *end = authority + strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', (gsize)(end - authority));
    const char *colon = at != NULL ? memchr(authority, ':', (gsize)(at - authority)) : NULL;
    if (colon != NULL)
        g_assert_cmpmem(colon, at - colon, ":***", 4);
}

static void
check_resolved(const char *url)
{
    g_assert_true(url_is_http(url));
    g_assert_cmpuint(strlen(url), <=, URL_MAX);
    g_assert_null(strpbrk(url, " #\n\r\t"));
    g_autoptr(GError) error = NULL;
    g_autofree char *again = url_resolve(NULL, url, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again, ==, url);
    g_autofree char *origin = url_origin(url);
    g_autofree char *origin_again = origin != NULL ? url_origin(origin) : NULL;
    g_assert_cmpstr(origin, ==, origin_again);
    const char *authority = strstr(url, "://") + 3;
    const char *start = authority + strcspn(authority, "/?");
    g_autofree char *path = g_strndup(start, strcspn(start, "?"));
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    g_assert_false(g_strv_contains((const char *const *)parts, ".."));
    check_redacted(url);
    check_basename(url);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *base = fuzz_take_text(&data, &size, '\n');
    g_autofree char *reference = fuzz_take_text(&data, &size, '\n');
    g_autoptr(GError) error = NULL;
    g_autofree char *url = url_resolve(*base != '\0' ? base : NULL, reference, &error);
    fuzz_check_pointer(url, error);
    if (url != NULL)
        check_resolved(url);
    g_free(url_redact(reference));
    check_basename(reference);
    g_free(url_origin(reference));
    return 0;
}
