/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/bulletin.h"

#include <string.h>

#define LABEL "bulletins/x.xml"

/* Elements in the order of the vendor's files. */
static const char COMPONENT[] =
    "<bulletin><id>VMware-nvme-community_1.0.1.0-3vmw.700.1.0.15843807</id><vendor>VMware</vendor>"
    "<summary>NVMe &amp; more</summary><severity>general</severity><category>enhancement</category>"
    "<urgency>important</urgency><releaseType>extension</releaseType><description>d</description>"
    "<kbUrl>http://kb.example.com/1</kbUrl><contact>c</contact>"
    "<componentNameSpec uiString=\"VMware Community NVMe Driver\" name=\"VMware-nvme-community\"/>"
    "<componentVersionSpec uiString=\"1.0.1.0-3\" version=\"1.0.1.0-3vmw.700.1.0.15843807\"/>"
    "<releaseDate>2021-11-10T13:57:49.646000+00:00</releaseDate>"
    "<platforms><softwarePlatform locale=\"\" version=\"7.0.0\" productLineID=\"embeddedEsx\"/>"
    "</platforms>"
    "<vibList><vibID>VMW_bootbank_nvme-community_1.0.1.0-3vmw.700.1.0.15843807</vibID></vibList>"
    "</bulletin>";

static struct bulletin *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    struct bulletin *bulletin = bulletin_parse(text, strlen(text), LABEL, &error);
    g_assert_no_error(error);
    return bulletin;
}

static void
check_text(GBytes *bytes, const char *expected)
{
    g_autofree char *text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    g_assert_cmpstr(text, ==, expected);
}

static void
test_parse(void)
{
    auto_ptr(bulletin) bulletin = parse(COMPONENT);
    g_assert_cmpstr(bulletin->id, ==, "VMware-nvme-community_1.0.1.0-3vmw.700.1.0.15843807");
    g_assert_cmpstr(bulletin->summary, ==, "NVMe & more");
    g_assert_cmpstr(bulletin->release_type, ==, "extension");
    g_assert_cmpstr(bulletin->kb_url, ==, "http://kb.example.com/1");
    g_assert_cmpstr(bulletin->release_date, ==, "2021-11-10T13:57:49.646000+00:00");
    g_assert_cmpstr(bulletin->component_name, ==, "VMware-nvme-community");
    g_assert_cmpstr(bulletin->component_name_ui, ==, "VMware Community NVMe Driver");
    g_assert_cmpstr(bulletin->component_version, ==, "1.0.1.0-3vmw.700.1.0.15843807");
    g_assert_cmpstr(bulletin->component_version_ui, ==, "1.0.1.0-3");
    g_assert_cmpuint(bulletin->platforms->len, ==, 1);
    g_assert_cmpstr(bulletin->platforms->pdata[0], ==, "7.0.0");
    g_assert_cmpuint(bulletin->vib_ids->len, ==, 1);
    g_assert_cmpstr(bulletin->vib_ids->pdata[0], ==,
                    "VMW_bootbank_nvme-community_1.0.1.0-3vmw.700.1.0.15843807");
}

/* Written without the original: the same text, for it has nothing that we do not know. */
static void
test_format(void)
{
    auto_ptr(bulletin) bulletin = parse(COMPONENT);
    g_clear_pointer(&bulletin->xml, g_bytes_unref);
    g_autoptr(GBytes) bytes = bulletin_format(bulletin);
    check_text(bytes, COMPONENT);
}

static void
test_format_plain(void)
{
    auto_ptr(bulletin) bulletin = bulletin_new("B-1");
    bulletin->summary = g_strdup("Image Profile <lab>");
    g_ptr_array_add(bulletin->vib_ids, g_strdup("a"));
    g_ptr_array_add(bulletin->vib_ids, g_strdup("b"));
    g_autoptr(GBytes) bytes = bulletin_format(bulletin);
    check_text(bytes, "<bulletin><id>B-1</id><vendor></vendor>"
                      "<summary>Image Profile &lt;lab&gt;</summary><severity></severity>"
                      "<category></category><urgency></urgency><releaseType></releaseType>"
                      "<description></description><kbUrl></kbUrl><contact></contact>"
                      "<releaseDate></releaseDate><platforms></platforms>"
                      "<vibList><vibID>a</vibID><vibID>b</vibID></vibList></bulletin>");
}

static void
test_original_kept(void)
{
    static const char text[] = "<?xml version=\"1.0\"?>\n<bulletin odd='1'>\n <id>B</id>\n"
                               "<recalledVibList><vibID>z</vibID></recalledVibList>"
                               "<vibList>\n<vib><vibID> a </vibID></vib></vibList></bulletin>\n";
    auto_ptr(bulletin) bulletin = parse(text);
    g_assert_cmpuint(bulletin->vib_ids->len, ==, 1);
    g_assert_cmpstr(bulletin->vib_ids->pdata[0], ==, "a");
    g_autoptr(GBytes) bytes = bulletin_format(bulletin);
    check_text(bytes, text);
}

static void
test_other_products(void)
{
    auto_ptr(bulletin) bulletin =
        parse("<bulletin><id>B</id><platforms>"
              "<softwarePlatform version=\"4.0\" productLineID=\"esx\"/>"
              "<softwarePlatform version=\"8.0\" productLineID=\"embeddedEsx\"/>"
              "</platforms></bulletin>");
    g_assert_cmpuint(bulletin->platforms->len, ==, 1);
    g_assert_cmpstr(bulletin->platforms->pdata[0], ==, "8.0");
}

static void
test_failures(void)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"<bulletin/>", LABEL ": the bulletin has no <id>"},
        {"<bulletin><id/></bulletin>", LABEL ": the bulletin has no <id>"},
        {"<bulletin><id>../../etc/x</id></bulletin>",
         LABEL ": the bulletin's <id> `../../etc/x` cannot be one"},
        {"<bulletin><id>a/b</id></bulletin>", LABEL ": the bulletin's <id> `a/b` cannot be one"},
        {"<vib/>", LABEL ": the root element is <vib>, not <bulletin>"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(bulletin_parse(rows[i].text, strlen(rows[i].text), LABEL, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_cmpstr(error->message, ==, rows[i].message);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bulletin/parse", test_parse);
    g_test_add_func("/bulletin/format", test_format);
    g_test_add_func("/bulletin/format_plain", test_format_plain);
    g_test_add_func("/bulletin/original_kept", test_original_kept);
    g_test_add_func("/bulletin/other_products", test_other_products);
    g_test_add_func("/bulletin/failures", test_failures);
    return g_test_run();
}
