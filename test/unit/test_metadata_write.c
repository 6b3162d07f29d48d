/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/zip_reader.h"
#include "esx/depot_path.h"
#include "esx/metadata_write.h"

#include <string.h>

#define SHA256 "f9f1abdfa2c2e11a43095b771ef9a34224c479efe78b03c2947b80fb9b0b868d"
#define PATH "vib20/n/V_bootbank_n_1.vib"
#define SPLICED                                                                                    \
    "<relative-path>" PATH "</relative-path><packed-size>96854</packed-size>"                      \
    "<checksum checksum-type=\"sha-256\">" SHA256 "</checksum>"

static const struct vib_facts FACTS = {PATH, 96854, SHA256};

/* ---- splicing ----------------------------------------------------------------------------- */

static void
check_splice(const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) descriptor = g_bytes_new_static(text, strlen(text));
    g_autoptr(GBytes) spliced = descriptor_splice(descriptor, &FACTS, "V", &error);
    g_assert_no_error(error);
    g_autofree char *actual = g_strndup(g_bytes_get_data(spliced, NULL), g_bytes_get_size(spliced));
    g_assert_cmpstr(actual, ==, expected);
}

static void
test_splice(void)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        /* As the vendor writes it. */
        {"<vib version=\"5.0\"><urls/><software-tags><tag>a</tag></software-tags>"
         "<system-requires/></vib>",
         "<vib version=\"5.0\"><urls/><software-tags><tag>a</tag></software-tags>" SPLICED
         "<system-requires/></vib>"},
        {"<vib><software-tags/><system-requires/></vib>",
         "<vib><software-tags/>" SPLICED "<system-requires/></vib>"},
        /* By hand. */
        {"<?xml version='1.0'?>\n<!-- <software-tags/> -->\n<vib>\n  <software-tags >\n"
         "    <tag>a</tag>\n  </software-tags\n>\n  <system-requires/>\n</vib>\n",
         "<?xml version='1.0'?>\n<!-- <software-tags/> -->\n<vib>\n  <software-tags >\n"
         "    <tag>a</tag>\n  </software-tags\n>" SPLICED "\n  <system-requires/>\n</vib>\n"},
        {"<vib>\n<software-tags />\n</vib>", "<vib>\n<software-tags />" SPLICED "\n</vib>"},
        /* None: in front of system-requires, or at the end. */
        {"<vib><urls/>\n <system-requires>a</system-requires></vib>",
         "<vib><urls/>\n " SPLICED "<system-requires>a</system-requires></vib>"},
        {"<vib><urls/></vib>\n", "<vib><urls/>" SPLICED "</vib>\n"},
        /* What only looks like it. */
        {"<vib><description>a > b <![CDATA[</vib><software-tags/>]]></description>"
         "<x y='<software-tags/>' z=\">\"/><q><software-tags/></q><software-tags/></vib>",
         "<vib><description>a > b <![CDATA[</vib><software-tags/>]]></description>"
         "<x y='<software-tags/>' z=\">\"/><q><software-tags/></q><software-tags/>" SPLICED
         "</vib>"},
        /* Stale ones go; a payload's checksum is no child of the root. */
        {"<vib><relative-path>old</relative-path><software-tags/><packed-size>1</packed-size>\n"
         "<checksum checksum-type=\"sha-256\">00</checksum><payloads><payload>"
         "<checksum>11</checksum></payload></payloads></vib>",
         "<vib><software-tags/>" SPLICED "\n<payloads><payload><checksum>11</checksum></payload>"
         "</payloads></vib>"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check_splice(rows[i].text, rows[i].expected);
}

static void
test_splice_prefix(void)
{
    check_splice("<v:vib xmlns:v='urn:x'><v:software-tags/></v:vib>",
                 "<v:vib xmlns:v='urn:x'><v:software-tags/>"
                 "<v:relative-path>" PATH "</v:relative-path>"
                 "<v:packed-size>96854</v:packed-size>"
                 "<v:checksum checksum-type=\"sha-256\">" SHA256 "</v:checksum></v:vib>");
}

static void
test_splice_failures(void)
{
    static const char *const rows[] = {"",       "no markup", "<vib><software-tags>", "<vib",
                                       "</vib>", "<vib/>",    "<!-- <vib></vib>"};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) descriptor = g_bytes_new_static(rows[i], strlen(rows[i]));
        g_assert_null(descriptor_splice(descriptor, &FACTS, "V_bootbank_n_1", &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_cmpstr(error->message, ==,
                        "V_bootbank_n_1: cannot find the elements of its descriptor");
    }
}

/* ---- paths -------------------------------------------------------------------------------- */

static void
test_paths(void)
{
    struct vib vib = {.name = (char *)"nvme", .id = (char *)"VMW_bootbank_nvme_1.0-2"};
    g_autofree char *plain = depot_path_vib(&vib);
    g_assert_cmpstr(plain, ==, "vib20/nvme/VMW_bootbank_nvme_1.0-2.vib");
    vib.name = (char *)"a\xc3\xa4:b";
    vib.id = (char *)"V W_bootbank_x_1";
    g_autofree char *odd = depot_path_vib(&vib);
    g_assert_true(g_regex_match_simple(
        "^vib20/a___b-[0-9a-f]{8}/V_W_bootbank_x_1-[0-9a-f]{8}\\.vib$", odd, 0, 0));
    auto_ptr(bulletin) one = bulletin_new("a b");
    auto_ptr(bulletin) other = bulletin_new("a:b");
    g_autofree char *path = depot_path_bulletin(one);
    g_autofree char *other_path = depot_path_bulletin(other);
    g_assert_cmpstr(path, !=, other_path);
}

/* ---- the archive -------------------------------------------------------------------------- */

static const char DESCRIPTOR[] =
    "<vib version=\"5.0\"><type>bootbank</type><name>nvme-community</name>"
    "<version>1.0.1.0-3vmw.700.1.0.15843807</version><vendor>VMW</vendor>"
    "<summary>VMware Esx VIB</summary><description>d</description>"
    "<release-date>2020-01-08T12:04:19.619611+00:00</release-date><urls/><relationships><depends>"
    "<constraint name=\"vmkapi_2_6_0_0\"/>"
    "<constraint name=\"esx-version\" relation=\"&gt;=\" version=\"7.0.0\"/></depends>"
    "<conflicts/><replaces/><provides><provide name=\"p\" version=\"1\"/></provides>"
    "<compatibleWith/></relationships>"
    "<software-tags><tag>module</tag></software-tags><system-requires>"
    "<maintenance-mode>true</maintenance-mode></system-requires><file-list><file>etc/a</file>"
    "</file-list><acceptance-level>certified</acceptance-level>"
    "<live-install-allowed>false</live-install-allowed>"
    "<live-remove-allowed>false</live-remove-allowed><cimom-restart>false</cimom-restart>"
    "<stateless-ready>true</stateless-ready><overlay>false</overlay><payloads>"
    "<payload name=\"nvmecomm\" type=\"vgz\" size=\"91682\">"
    "<checksum checksum-type=\"sha-256\">" SHA256 "</checksum></payload></payloads></vib>";

static const char LEGACY[] =
    "<metadataResponse>\n"
    "  <version>3.0</version>\n"
    "  <timestamp>2021-11-10T14:00:10.609197</timestamp>\n"
    "  <bulletin>\n"
    "    <id>VMware-nvme-community_1.0.1.0-3vmw.700.1.0.15843807</id>\n"
    "    <vendor>VMware</vendor>\n"
    "    <summary>s</summary>\n"
    "    <severity>general</severity>\n"
    "    <category>enhancement</category>\n"
    "    <urgency>important</urgency>\n"
    "    <releaseType>extension</releaseType>\n"
    "    <description>d</description>\n"
    "    <kbUrl>k</kbUrl>\n"
    "    <contact>c</contact>\n"
    "    <componentNameSpec uiString=\"VMware Community NVMe Driver\" "
    "name=\"VMware-nvme-community\"/>\n"
    "    <componentVersionSpec uiString=\"1.0.1.0-3\" "
    "version=\"1.0.1.0-3vmw.700.1.0.15843807\"/>\n"
    "    <releaseDate>2021-11-10T13:57:49.646000+00:00</releaseDate>\n"
    "    <platforms>\n"
    "      <softwarePlatform locale=\"\" version=\"7.0.0\" productLineID=\"embeddedEsx\"/>\n"
    "    </platforms>\n"
    "    <vibList>\n"
    "      <vib>\n"
    "        <vibVersion>1.4.5</vibVersion>\n"
    "        <vibID>VMW_bootbank_nvme-community_1.0.1.0-3vmw.700.1.0.15843807</vibID>\n"
    "        <name>nvme-community</name>\n"
    "        <version>1.0.1.0-3vmw.700.1.0.15843807</version>\n"
    "        <vendor>VMW</vendor>\n"
    "        <vibType>bootbank</vibType>\n"
    "        <summary>VMware Esx VIB</summary>\n"
    "        <systemReqs>\n"
    "          <maintenanceMode>true</maintenanceMode>\n"
    "          <swPlatform locale=\"\" version=\"\" productLineID=\"embeddedEsx\"/>\n"
    "        </systemReqs>\n"
    "        <relationships>\n"
    "          <depends>\n"
    "            <constraint name=\"vmkapi_2_6_0_0\"/>\n"
    "            <constraint name=\"esx-version\" relation=\"&gt;=\" version=\"7.0.0\"/>\n"
    "          </depends>\n"
    "          <conflicts/>\n"
    "          <replaces/>\n"
    "          <provides>\n"
    "            <provide name=\"p\" version=\"1\"/>\n"
    "          </provides>\n"
    "          <compatibleWith/>\n"
    "        </relationships>\n"
    "        <postInstall>\n"
    "          <rebootRequired>true</rebootRequired>\n"
    "          <hostdRestart>false</hostdRestart>\n"
    "        </postInstall>\n"
    "        <softwareTags>\n"
    "          <tag>module</tag>\n"
    "        </softwareTags>\n"
    "        <vibFile>\n"
    "          <sourceUrl></sourceUrl>\n"
    "          <relativePath>" PATH "</relativePath>\n"
    "          <packedSize>96854</packedSize>\n"
    "          <checksum>\n"
    "            <checksumType>sha-256</checksumType>\n"
    "            <checksum>" SHA256 "</checksum>\n"
    "          </checksum>\n"
    "        </vibFile>\n"
    "      </vib>\n"
    "    </vibList>\n"
    "  </bulletin>\n"
    "</metadataResponse>\n";

struct fixture {
    struct vib *vib;
    struct bulletin *bulletin;
    struct profile *profile;
    struct metadata_write metadata;
};

static const char *const VERSIONS[] = {"7.0.0", NULL};

static struct bulletin *
make_component(const char *vib_id)
{
    struct bulletin *bulletin = bulletin_new("VMware-nvme-community_1.0.1.0-3vmw.700.1.0.15843807");
    bulletin->vendor = g_strdup("VMware");
    bulletin->summary = g_strdup("s");
    bulletin->severity = g_strdup("general");
    bulletin->category = g_strdup("enhancement");
    bulletin->urgency = g_strdup("important");
    bulletin->release_type = g_strdup("extension");
    bulletin->description = g_strdup("d");
    bulletin->kb_url = g_strdup("k");
    bulletin->contact = g_strdup("c");
    bulletin->component_name = g_strdup("VMware-nvme-community");
    bulletin->component_name_ui = g_strdup("VMware Community NVMe Driver");
    bulletin->component_version = g_strdup("1.0.1.0-3vmw.700.1.0.15843807");
    bulletin->component_version_ui = g_strdup("1.0.1.0-3");
    bulletin->release_date = g_strdup("2021-11-10T13:57:49.646000+00:00");
    g_ptr_array_add(bulletin->platforms, g_strdup("7.0.0"));
    g_ptr_array_add(bulletin->vib_ids, g_strdup(vib_id));
    g_ptr_array_add(bulletin->vib_ids, g_strdup("VMW_bootbank_unknown_1"));
    return bulletin;
}

static void
set_up(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    fixture->vib = vib_parse(DESCRIPTOR, strlen(DESCRIPTOR), "d", &error);
    g_assert_no_error(error);
    fixture->bulletin = make_component(fixture->vib->id);
    fixture->profile = profile_new("lab image", "me");
    struct profile_vib *entry = profile_add_vib(fixture->profile, fixture->vib->id);
    struct profile_local_name local = {g_strdup("nvmecomm"), g_strdup("nvmecomm.v00")};
    g_array_append_val(entry->locals, local);
    struct metadata_vib vib = {fixture->vib, g_bytes_new_static(DESCRIPTOR, strlen(DESCRIPTOR)),
                               FACTS};
    struct metadata_write *metadata = &fixture->metadata;
    metadata->versions = VERSIONS;
    metadata->timestamp = "2021-11-10T14:00:10.609197";
    metadata->vibs = g_array_new(FALSE, FALSE, sizeof vib);
    g_array_append_val(metadata->vibs, vib);
    metadata->bulletins = g_ptr_array_new();
    g_ptr_array_add(metadata->bulletins, fixture->bulletin);
    metadata->profiles = g_ptr_array_new();
    g_ptr_array_add(metadata->profiles, fixture->profile);
    metadata->extra = g_hash_table_new(g_str_hash, g_str_equal);
    static GBytes *json;
    if (json == NULL)
        json = g_bytes_new_static("{}", 2);
    g_hash_table_insert(metadata->extra, (gpointer) "manifests/b.json", json);
    g_hash_table_insert(metadata->extra, (gpointer) "manifests/a.json", json);
}

static void
tear_down(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_bytes_unref(g_array_index(fixture->metadata.vibs, struct metadata_vib, 0).descriptor);
    g_array_unref(fixture->metadata.vibs);
    g_ptr_array_unref(fixture->metadata.bulletins);
    g_ptr_array_unref(fixture->metadata.profiles);
    g_hash_table_unref(fixture->metadata.extra);
    bulletin_free(fixture->bulletin);
    profile_free(fixture->profile);
    vib_unref(fixture->vib);
}

static void
test_legacy(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *text = metadata_format_legacy(&fixture->metadata);
    g_assert_cmpstr(text, ==, LEGACY);
}

static char *
read_member(struct zip_reader *zip, gsize index)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = zip_reader_read(zip, zip_reader_member(zip, index), 1 << 20, &error);
    g_assert_no_error(error);
    return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static void
test_archive(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    static const char *const names[] = {
        "^vendor-index\\.xml$",
        "^vmware\\.xml$",
        "^vibs/nvme-community-[0-9]+\\.xml$",
        "^bulletins/VMware-nvme-community_1\\.0\\.1\\.0-3vmw\\.700\\.1\\.0\\.15843807\\.xml$",
        "^profiles/lab_image-[0-9a-f]{8}-[0-9]+\\.xml$",
        "^manifests/a\\.json$",
        "^manifests/b\\.json$",
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = metadata_write(&fixture->metadata, &error);
    g_assert_no_error(error);
    auto_ptr(zip_reader) zip = zip_reader_new_bytes(bytes, "metadata.zip", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(zip_reader_count(zip), ==, G_N_ELEMENTS(names));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_true(g_regex_match_simple(names[i], zip_reader_member(zip, i)->name, 0, 0));

    g_autofree char *descriptor = read_member(zip, 2);
    auto_ptr(vib) vib = vib_parse(descriptor, strlen(descriptor), "d", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(vib->relative_path, ==, PATH);
    g_assert_cmpuint(vib->packed_size, ==, 96854);
    g_autofree char *profile = read_member(zip, 4);
    g_assert_null(strstr(profile, "nvmecomm.v00"));
    g_assert_nonnull(strstr(profile, fixture->vib->id));

    g_autoptr(GBytes) again = metadata_write(&fixture->metadata, &error);
    g_assert_true(g_bytes_equal(bytes, again));
}

static void
test_bad_extra(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new_static("x", 1);
    g_hash_table_insert(fixture->metadata.extra, (gpointer) "vmware.xml", bytes);
    g_assert_null(metadata_write(&fixture->metadata, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_cmpstr(error->message, ==, "metadata.zip: member vmware.xml would be there twice");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/descriptor_splice/places", test_splice);
    g_test_add_func("/descriptor_splice/prefix", test_splice_prefix);
    g_test_add_func("/descriptor_splice/failures", test_splice_failures);
    g_test_add_func("/depot_path/names", test_paths);
    g_test_add("/metadata_write/legacy", struct fixture, NULL, set_up, test_legacy, tear_down);
    g_test_add("/metadata_write/archive", struct fixture, NULL, set_up, test_archive, tear_down);
    g_test_add("/metadata_write/bad_extra", struct fixture, NULL, set_up, test_bad_extra,
               tear_down);
    return g_test_run();
}
