/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_url.c: resolving by RFC 3986, showing without secrets, safe names. */
#include "base/error.h"
#include "base/secret.h"
#include "base/url.h"

#include <string.h>

static void
test_is_http(void)
{
    g_assert_true(url_is_http("http://h/"));
    g_assert_true(url_is_http("HTTPS://h/"));
    g_assert_false(url_is_http("ftp://h/"));
    g_assert_false(url_is_http("file:///etc/passwd"));
    g_assert_false(url_is_http("http:/h"));
    g_assert_false(url_is_http("/a/http://"));
    g_assert_false(url_is_http(""));
}

static void
assert_resolves(const char *base, const char *reference, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *url = url_resolve(base, reference, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(url, ==, expected);
}

static void
assert_unresolvable(const char *base, const char *reference)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *url = url_resolve(base, reference, &error);
    g_assert_cmpstr(url, ==, NULL);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

/* The examples of RFC 3986, 5.4, less their fragments. */
static void
test_resolve_rfc(void)
{
    static const char base[] = "http://a/b/c/d;p?q";
    static const struct {
        const char *reference, *expected;
    } rows[] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {";x", "http://a/b/c/;x"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"g/../h", "http://a/b/c/h"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_resolves(base, rows[i].reference, rows[i].expected);
}

static void
test_resolve_depots(void)
{
    assert_resolves("https://h/depot/index.xml", "vmw/vendor-index.xml",
                    "https://h/depot/vmw/vendor-index.xml");
    assert_resolves("https://h", "a.zip", "https://h/a.zip");
    assert_resolves("https://u:p@h:8443/x/y", "z", "https://u:p@h:8443/x/z");
    assert_resolves("https://h/a", "HTTP://Other:81/b", "http://Other:81/b");
    assert_resolves(NULL, "http://h/a/../b", "http://h/b");
    assert_resolves("https://h/d/", "VMware ESXi.zip", "https://h/d/VMware%20ESXi.zip");
    assert_resolves("https://h/d/", "a%20b%2Fc", "https://h/d/a%20b%2Fc");
    assert_resolves("https://h/d/", "a\\b", "https://h/d/a%5Cb");
    assert_resolves("https://h/d/", "\xc3\xa4.zip", "https://h/d/%C3%A4.zip");
    assert_resolves("http://[::1]:8080/a/b", "c", "http://[::1]:8080/a/c");
    assert_resolves("https://h/T0KEN/a/b.xml?x=1", "../c", "https://h/T0KEN/c");
}

static void
test_resolve_refused(void)
{
    assert_unresolvable(NULL, "relative");
    assert_unresolvable(NULL, "/etc/passwd");
    assert_unresolvable("https://h/", "file:///etc/passwd");
    assert_unresolvable("https://h/", "ftp://h/a");
    assert_unresolvable("https://h/", "gopher://h/a");
    assert_unresolvable("https://h/", "javascript:1");
    assert_unresolvable("file:///a/b", "c");
    assert_unresolvable("https://h/", "a\nb");
    assert_unresolvable("https://h/", "a\rHost: x");
    assert_unresolvable("https://h/", "a\x7f");
    assert_unresolvable("https://h/\t", "a");
    assert_unresolvable("https://h/", "http://");
    assert_unresolvable("https://h/", "http:///path");
    assert_unresolvable("https://h/", "http://h:99999/");
    assert_unresolvable("https://h/", "http://h:x/");

    g_autofree char *longer = g_strnfill(URL_MAX + 1, 'a');
    assert_unresolvable("https://h/", longer);
    longer[URL_MAX - 3] = '\0';
    assert_unresolvable("https://h/", longer);
}

static void
assert_shown(const char *url, const char *expected)
{
    g_autofree char *shown = url_redact(url);
    g_assert_cmpstr(shown, ==, expected);
}

static void
test_redact(void)
{
    assert_shown("https://h/a/b.zip", "https://h/a/b.zip");
    assert_shown("https://joe:s3cr3t@h:1/a", "https://joe:***@h:1/a");
    assert_shown("https://joe@h/a", "https://joe@h/a");
    assert_shown("https://joe:@h/a", "https://joe:***@h/a");
    assert_shown("https://joe:p@ss@h/a", "https://joe:***@h/a");
    assert_shown("http://joe:pa/ss@h/a", "http://joe:***@h/a");
    assert_shown("joe:s3cr3t@proxy:3128", "joe:***@proxy:3128");
    assert_shown("https://h/?a=1&b=two&c&=x", "https://h/?a=***&b=***&***&=***");
    assert_shown("https://h/p?flag", "https://h/p?***");
    assert_shown("https://h/p?", "https://h/p?");
    assert_shown("https://h/p#access_token=1", "https://h/p#***");
    assert_shown("http://[::1]:80/x", "http://[::1]:80/x");
    assert_shown("", "");
    assert_shown("relative/path.xml", "relative/path.xml");
}

static void
test_redact_path(void)
{
    assert_shown("https://h/abcdefghij0123456789/x.xml", "https://h/***/x.xml");
    assert_shown("https://h/a_b~c=d-e0123456789fgh", "https://h/***");
    assert_shown("https://h/123e4567-e89b-12d3-a456-426614174000/x", "https://h/***/x");
    assert_shown("https://h/lsuv2-lsiv2-drivers-plugin/x",
                 "https://h/lsuv2-lsiv2-drivers-plugin/x");
    assert_shown("https://h/abcdefghijklmnopqrstuvwxyz/x",
                 "https://h/abcdefghijklmnopqrstuvwxyz/x");
    assert_shown("https://h/01234567890123456789/x", "https://h/01234567890123456789/x");
    assert_shown("https://h/abcdefghij012345678/x", "https://h/abcdefghij012345678/x");
    assert_shown("https://h/VMW-ESX-8.0.2-tools-light-12",
                 "https://h/VMW-ESX-8.0.2-tools-light-12");
    assert_shown("https://dl.broadcom.com/short/PROD/i.xml",
                 "https://dl.broadcom.com/***/PROD/i.xml");
    assert_shown("https://DL.broadcom.com:443/short/i.xml",
                 "https://DL.broadcom.com:443/***/i.xml");
    assert_shown("https://dl.broadcom.com//short/i.xml", "https://dl.broadcom.com//***/i.xml");
    assert_shown("https://dl.broadcom.com.evil/short/i", "https://dl.broadcom.com.evil/short/i");
    assert_shown("https://abcdefghij0123456789@h/", "https://***@h/");
}

static void
assert_hidden(const char *text)
{
    g_autofree char *shown = secret_redact(text);
    g_assert_cmpstr(shown, ==, "***");
}

static void
test_register(void)
{
    url_register_secrets("https://joe:pa%24%24word@h/tokentokentoken12345/x?sig=short7&v=8.0.3");
    assert_hidden("pa%24%24word");
    assert_hidden("pa$$word");
    assert_hidden("tokentokentoken12345");
    assert_hidden("short7");
    g_autofree char *version = secret_redact("version 8.0.3 of joe on h");
    g_assert_cmpstr(version, ==, "version 8.0.3 of joe on h");
    url_register_secrets("https://h/?what=a-long-value-without-digits");
    assert_hidden("a-long-value-without-digits");
}

static void
assert_origin(const char *url, const char *expected)
{
    g_autofree char *origin = url_origin(url);
    g_assert_cmpstr(origin, ==, expected);
}

static void
test_origin(void)
{
    assert_origin("HTTPS://User:P@Example.COM/a?b", "https://example.com:443");
    assert_origin("http://h", "http://h:80");
    assert_origin("http://h:080/", "http://h:80");
    assert_origin("http://[::1]:8080/", "http://[::1]:8080");
    assert_origin("file:///etc/passwd", NULL);
    assert_origin("http://", NULL);
}

static void
assert_basename(const char *url, const char *expected)
{
    g_autofree char *name = url_basename(url);
    g_assert_cmpstr(name, ==, expected);
}

static void
test_basename(void)
{
    assert_basename("https://h/a/VMware-ESXi-8.0.zip", "VMware-ESXi-8.0.zip");
    assert_basename("https://h/a/b.zip?token=x#y", "b.zip");
    assert_basename("https://h/a%20b.zip", "a_b.zip");
    assert_basename("https://h/%2e%2e%2fetc", "_._etc");
    assert_basename("https://h/.hidden", "_hidden");
    assert_basename("https://h/..", "_.");
    assert_basename("https://h/%00", "_00");
    assert_basename("https://h/", "download");
    assert_basename("https://h", "download");
    assert_basename("https://h/x/abcdefghij0123456789", "download");
    assert_basename("https://dl.broadcom.com/short", "download");

    g_autofree char *stem = g_strnfill(300, 'n');
    g_autofree char *url = g_strdup_printf("https://h/%s.zip", stem);
    g_autofree char *name = url_basename(url);
    g_assert_cmpuint(strlen(name), ==, 100);
    g_assert_true(g_str_has_suffix(name, "nn.zip"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/url/is-http", test_is_http);
    g_test_add_func("/url/resolve/rfc", test_resolve_rfc);
    g_test_add_func("/url/resolve/depots", test_resolve_depots);
    g_test_add_func("/url/resolve/refused", test_resolve_refused);
    g_test_add_func("/url/redact", test_redact);
    g_test_add_func("/url/redact/path", test_redact_path);
    g_test_add_func("/url/register", test_register);
    g_test_add_func("/url/origin", test_origin);
    g_test_add_func("/url/basename", test_basename);
    return g_test_run();
}
