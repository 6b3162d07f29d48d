/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/vib_file.h"

#include <string.h>

#define DESCRIPTOR                                                                                 \
    "<vib version=\"5.0\"><type>bootbank</type><name>net</name><version>1.0-1</version>"           \
    "<vendor>ACME</vendor><acceptance-level>community</acceptance-level><payloads>"                \
    "<payload name=\"first\" type=\"vgz\" size=\"4\"/>"                                            \
    "<payload name=\"second\" type=\"vgz\" size=\"3\"/></payloads></vib>"
#define META                                                                                       \
    "<vib version=\"5.0\"><type>meta</type><name>net</name><version>1.0-1</version>"               \
    "<vendor>ACME</vendor><acceptance-level>community</acceptance-level><payloads/></vib>"

static void
put(GString *ar, const char *name, const char *data)
{
    gsize length = strlen(data);
    g_string_append_printf(ar, "%-16s%-12d%-6d%-6d%-8s%-10" G_GSIZE_FORMAT "`\n", name, 0, 0, 0,
                           "0o0", length);
    g_string_append(ar, data);
    if (length % 2 == 1)
        g_string_append_c(ar, '\n');
}

static GString *
begin(const char *descriptor)
{
    GString *ar = g_string_new("!<arch>\n");
    put(ar, "descriptor.xml", descriptor);
    put(ar, "sig.pkcs7", "");
    return ar;
}

/* Takes `ar` over. */
static struct vib_file *
open_ar(GString *ar, GError **error)
{
    g_autoptr(GBytes) bytes = g_string_free_to_bytes(ar);
    return vib_file_open(stream_new_bytes(bytes, "a.vib"), error);
}

/* The names of the payloads in the order of the archive, "!" and the error at one. */
static char *
list(GString *ar, gboolean read)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(vib_file) file = open_ar(ar, &error);
    GString *names = g_string_new(NULL);
    const struct payload *payload = NULL;
    while (file != NULL && vib_file_next(file, &payload, &error) && payload != NULL) {
        char data[16];
        g_string_append_printf(names, "%s ", payload->name);
        if (read)
            g_assert_cmpint(vib_file_read(file, data, sizeof data, &error), ==, payload->size);
    }
    if (error != NULL)
        g_string_append_printf(names, "!%s", error->message);
    return g_string_free(names, FALSE);
}

static void
test_orders(void)
{
    GString *ar = begin(DESCRIPTOR);
    put(ar, "second/", "abc");
    put(ar, "first", "abcd");
    g_autofree char *swapped = list(ar, TRUE);
    g_assert_cmpstr(swapped, ==, "second first ");
    g_autofree char *meta = list(begin(META), FALSE);
    g_assert_cmpstr(meta, ==, "");
}

/* Of the last member, whether it was read or passed over. */
static void
test_no_padding(void)
{
    for (int read = 0; read < 2; read++) {
        GString *ar = begin(DESCRIPTOR);
        put(ar, "first", "abcd");
        put(ar, "second", "abc");
        g_string_truncate(ar, ar->len - 1);
        g_autofree char *names = list(ar, read);
        g_assert_cmpstr(names, ==, "first second ");
    }
}

static void
test_gnu_tables(void)
{
    GString *ar = g_string_new("!<arch>\n");
    put(ar, "/", "abcde");
    put(ar, "//", "descriptor.xml/\n");
    put(ar, "/0", META);
    put(ar, "sig.pkcs7/", "");
    g_autofree char *names = list(ar, FALSE);
    g_assert_cmpstr(names, ==, "");
}

static void
expect(GString *ar, const char *text)
{
    g_autofree char *names = list(ar, TRUE);
    g_assert_cmpstr(names, ==, text);
}

static void
test_refused(void)
{
    GString *ar = begin(DESCRIPTOR);
    put(ar, "payload1", "abcd");
    expect(ar, "!a.vib: has a member `payload1`, which its descriptor does not name (it names "
               "first there); the VIB was put together wrongly, ask its maker for another");
    ar = begin(DESCRIPTOR);
    put(ar, "first", "abcde");
    expect(ar, "!a.vib: payload first has 5 bytes, the descriptor says 4");
    ar = begin(DESCRIPTOR);
    put(ar, "first", "abcd");
    put(ar, "first", "abcd");
    expect(ar, "first !a.vib: has its payload first twice");
    ar = begin(DESCRIPTOR);
    put(ar, "first", "abcd");
    expect(ar, "first !a.vib: its payload second is missing, the VIB is truncated or was put "
               "together wrongly");
    ar = g_string_new("!<arch>\n");
    put(ar, "debian-binary", "2.0");
    expect(ar, "!a.vib: is a Debian package, as ESX 4 used them, and no VIB of ESXi 5.0 or later");
    ar = g_string_new("!<arch>\n");
    put(ar, "/", "abcd");
    expect(ar, "!a.vib: ends before its descriptor.xml, the VIB is truncated");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vib-file/orders", test_orders);
    g_test_add_func("/vib-file/no-padding", test_no_padding);
    g_test_add_func("/vib-file/gnu-tables", test_gnu_tables);
    g_test_add_func("/vib-file/refused", test_refused);
    return g_test_run();
}
