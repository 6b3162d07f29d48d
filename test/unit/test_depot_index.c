/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/depot_index.h"

#include <string.h>

#define LABEL "index.xml"

static const char INDEX_TEXT[] = "<vendorList>\n"
                                 "  <vendor>\n"
                                 "    <name>VMware</name>\n"
                                 "    <code>VMX</code>\n"
                                 "    <indexfile>vendor-index.xml</indexfile>\n"
                                 "    <patchUrl></patchUrl>\n"
                                 "    <relativePath></relativePath>\n"
                                 "    <content>\n"
                                 "      <name>VMware ESX</name>\n"
                                 "      <type>http://www.vmware.com/depotmanagement/esx</type>\n"
                                 "    </content>\n"
                                 "  </vendor>\n"
                                 "</vendorList>\n";

static const char VENDOR_TEXT[] = "<metaList>\n"
                                  "  <metadata>\n"
                                  "    <productId>embeddedEsx</productId>\n"
                                  "    <version>7.0.0</version>\n"
                                  "    <locale></locale>\n"
                                  "    <url>metadata.zip</url>\n"
                                  "    <channelName>default</channelName>\n"
                                  "  </metadata>\n"
                                  "</metaList>\n";

static void
test_format(void)
{
    g_autofree char *index = depot_index_format("VMware", "VMX");
    g_assert_cmpstr(index, ==, INDEX_TEXT);
    const char *const versions[] = {"7.0.0", NULL};
    g_autofree char *vendor = vendor_index_format(versions);
    g_assert_cmpstr(vendor, ==, VENDOR_TEXT);
}

static void
test_format_escapes(void)
{
    g_autofree char *index = depot_index_format("A & <B>", "ABX");
    g_assert_nonnull(strstr(index, "    <name>A &amp; &lt;B&gt;</name>\n"));
    const char *const versions[] = {"7.0.0", "8.0.0", NULL};
    g_autofree char *vendor = vendor_index_format(versions);
    const char *second = strstr(vendor, "    <version>8.0.0</version>\n");
    g_assert_nonnull(second);
    g_assert_nonnull(strstr(second, "    <url>metadata.zip</url>\n"));
}

static void
test_parse_own(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) vendors = depot_index_parse(INDEX_TEXT, strlen(INDEX_TEXT), LABEL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vendors->len, ==, 1);
    const struct depot_vendor *vendor = vendors->pdata[0];
    g_assert_cmpstr(vendor->name, ==, "VMware");
    g_assert_cmpstr(vendor->code, ==, "VMX");
    g_assert_cmpstr(vendor->index_file, ==, "vendor-index.xml");
    g_assert_cmpstr(vendor->relative_path, ==, "");

    g_autoptr(GPtrArray) list = vendor_index_parse(VENDOR_TEXT, strlen(VENDOR_TEXT), LABEL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 1);
    const struct depot_metadata *metadata = list->pdata[0];
    g_assert_cmpstr(metadata->product, ==, "embeddedEsx");
    g_assert_cmpstr(metadata->version, ==, "7.0.0");
    g_assert_cmpstr(metadata->locale, ==, "");
    g_assert_cmpstr(metadata->url, ==, "metadata.zip");
    g_assert_cmpstr(metadata->channel, ==, "default");
    g_assert_null(metadata->vib_url);
}

static void
test_relative_path(void)
{
    static const char text[] =
        "<?xml version='1.0'?><vendorList>"
        "<vendor><indexfile>a.xml</indexfile><relativePath>esx/main</relativePath></vendor>"
        "<vendor><name> HPE </name><indexfile> b.xml </indexfile>"
        "<relativePath>hpe/</relativePath></vendor></vendorList>";
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) vendors = depot_index_parse(text, strlen(text), LABEL, &error);
    g_assert_no_error(error);
    const struct depot_vendor *first = vendors->pdata[0], *second = vendors->pdata[1];
    g_assert_cmpstr(first->index_file, ==, "esx/main/a.xml");
    g_assert_cmpstr(first->relative_path, ==, "esx/main/");
    g_assert_cmpstr(first->name, ==, "");
    g_assert_cmpstr(second->index_file, ==, "hpe/b.xml");
    g_assert_cmpstr(second->name, ==, "HPE");
}

/* Entries of other products need not make sense to us. */
static void
test_vendor_index(void)
{
    static const char text[] =
        "<metaList><notification><url>n.xml</url></notification>"
        "<metadata><productId>vum</productId></metadata>"
        "<metadata><productId>embeddedEsx</productId><version>6.*</version><url>m.zip</url>"
        "<channelName>beta</channelName><vibUrl>../pool</vibUrl></metadata></metaList>";
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = vendor_index_parse(text, strlen(text), LABEL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 2);
    const struct depot_metadata *metadata = list->pdata[1];
    g_assert_cmpstr(metadata->channel, ==, "beta");
    g_assert_cmpstr(metadata->vib_url, ==, "../pool");
}

typedef GPtrArray *(*parse_func)(const void *data, gsize length, const char *label, GError **error);

static void
check_failure(parse_func parse, const char *text, enum slipway_error code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(parse(text, strlen(text), LABEL, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_failures(void)
{
    check_failure(depot_index_parse, "<vendorList>\n<vendor><name>X</name></vendor></vendorList>",
                  SLIPWAY_ERROR_CORRUPT, "index.xml: line 2: a <vendor> without <indexfile>");
    check_failure(
        vendor_index_parse,
        "<metaList>\n\n<metadata><productId>embeddedEsx</productId></metadata></metaList>",
        SLIPWAY_ERROR_CORRUPT, "index.xml: line 3: a <metadata> without <url>");
    check_failure(vendor_index_parse, INDEX_TEXT, SLIPWAY_ERROR_CORRUPT,
                  "index.xml: the root element is <vendorList>, not <metaList>");
    g_autoptr(GString) many = g_string_new("<vendorList>");
    for (int i = 0; i <= DEPOT_INDEX_ENTRIES_MAX; i++)
        g_string_append(many, "<vendor><indexfile>a</indexfile></vendor>");
    g_string_append(many, "</vendorList>");
    check_failure(depot_index_parse, many->str, SLIPWAY_ERROR_LIMIT,
                  "index.xml: more than 4096 <vendor> entries");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/depot_index/format", test_format);
    g_test_add_func("/depot_index/format_escapes", test_format_escapes);
    g_test_add_func("/depot_index/parse_own", test_parse_own);
    g_test_add_func("/depot_index/relative_path", test_relative_path);
    g_test_add_func("/depot_index/vendor_index", test_vendor_index);
    g_test_add_func("/depot_index/failures", test_failures);
    return g_test_run();
}
