/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/profile.h"

#include <string.h>

/* Folded here, one line in the file. */
static const char full[] =
    "<imageprofile><name>ESXi-6.7.0-8169922-standard</name><creator>VMware, Inc.</creator>"
    "<profileID>57ffe944378b11e8ae0c0200e5cbd056</profileID>"
    "<creationtime>2018-04-03T22:07:05.116999+00:00</creationtime>"
    "<modifiedtime>2018-04-03T22:07:05.129933+00:00</modifiedtime>"
    "<serialno>136</serialno><description>all &lt;drivers&gt; &amp; more</description>"
    "<readonly>true</readonly>"
    "<viblist><vib><vib-id>VMW_bootbank_net-enic_2.1.2.38-2vmw.670.0.0.8169922</vib-id>"
    "<payloads><payload payload-name=\"net-enic\">net_enic.v00</payload></payloads></vib>"
    "<vib><vib-id>ACME_bootbank_old_1.0-1</vib-id><boot>false</boot>"
    "<payloads><payload payload-name=\"a\">a.v00</payload>"
    "<payload payload-name=\"b\">b.v00</payload></payloads>"
    "<installdate>2018-05-01T00:00:00+00:00</installdate><novel x=\"1\"/></vib></viblist>"
    "<acceptancelevel>partner</acceptancelevel>"
    "<componentlist><component id=\"c\">x &amp; y</component></componentlist><addon/>"
    "</imageprofile>";

static const char depot[] =
    "<imageprofile><name>ESXi-6.7.0-8169922-standard</name><creator>VMware, Inc.</creator>"
    "<profileID>57ffe944378b11e8ae0c0200e5cbd056</profileID>"
    "<creationtime>2018-04-03T22:07:05.116999+00:00</creationtime>"
    "<modifiedtime>2018-04-03T22:07:05.129933+00:00</modifiedtime>"
    "<serialno>136</serialno><description>all &lt;drivers&gt; &amp; more</description>"
    "<readonly>true</readonly>"
    "<viblist><vib><vib-id>VMW_bootbank_net-enic_2.1.2.38-2vmw.670.0.0.8169922</vib-id></vib>"
    "<vib><vib-id>ACME_bootbank_old_1.0-1</vib-id><boot>false</boot>"
    "<installdate>2018-05-01T00:00:00+00:00</installdate><novel x=\"1\"/></vib></viblist>"
    "<acceptancelevel>partner</acceptancelevel>"
    "<componentlist><component id=\"c\">x &amp; y</component></componentlist><addon/>"
    "</imageprofile>";

static struct profile *
parse(const char *text)
{
    GError *error = NULL;
    struct profile *profile = profile_parse(text, strlen(text), "profile.xml", &error);
    g_assert_no_error(error);
    return profile;
}

static void
check_format(const struct profile *profile, gboolean with_locals, const char *expected)
{
    g_autoptr(GBytes) bytes = profile_format(profile, with_locals);
    gsize length = 0;
    const char *data = g_bytes_get_data(bytes, &length);
    g_autofree char *text = g_strndup(data, length);
    g_assert_cmpstr(text, ==, expected);
}

static void
test_round_trip(void)
{
    auto_ptr(profile) profile = parse(full);
    check_format(profile, TRUE, full);
    check_format(profile, FALSE, depot);
    auto_ptr(profile) copy = profile_copy(profile);
    check_format(copy, TRUE, full);
    auto_ptr(profile) again = parse(depot);
    check_format(again, FALSE, depot);
}

static void
test_fields(void)
{
    auto_ptr(profile) profile = parse(full);
    g_assert_cmpstr(profile->name, ==, "ESXi-6.7.0-8169922-standard");
    g_assert_cmpstr(profile->vendor, ==, "VMware, Inc.");
    g_assert_cmpstr(profile->profile_id, ==, "57ffe944378b11e8ae0c0200e5cbd056");
    g_assert_cmpstr(profile->created, ==, "2018-04-03T22:07:05.116999+00:00");
    g_assert_cmpstr(profile->modified, ==, "2018-04-03T22:07:05.129933+00:00");
    g_assert_cmpint(profile->serial, ==, 136);
    g_assert_cmpstr(profile->description, ==, "all <drivers> & more");
    g_assert_true(profile->read_only);
    g_assert_cmpint(profile->acceptance, ==, ACCEPTANCE_PARTNER);
    g_assert_cmpuint(profile->extra->len, ==, 2);
    g_assert_cmpstr(profile->extra->pdata[1], ==, "<addon/>");
    g_assert_cmpuint(profile->vibs->len, ==, 2);
    const struct profile_vib *vib = profile_find_vib(profile, "ACME_bootbank_old_1.0-1");
    g_assert_false(vib->boot);
    g_assert_cmpstr(vib->installdate, ==, "2018-05-01T00:00:00+00:00");
    g_assert_cmpuint(vib->locals->len, ==, 2);
    g_assert_cmpstr(g_array_index(vib->locals, struct profile_local_name, 1).payload, ==, "b");
    g_assert_cmpstr(g_array_index(vib->locals, struct profile_local_name, 1).local, ==, "b.v00");
}

/* The least that a profile has, in an order of its own. */
static void
test_least(void)
{
    auto_ptr(profile) profile = parse("<?xml version=\"1.0\"?>\n<imageprofile>\n <viblist/>\n"
                                      " <creator> me </creator><profileID/><name>n</name>\n"
                                      "</imageprofile>\n");
    g_assert_true(profile->read_only);
    g_assert_null(profile->profile_id);
    check_format(profile, TRUE,
                 "<imageprofile><name>n</name><creator>me</creator><serialno>0</serialno>"
                 "<description></description><readonly>true</readonly><viblist></viblist>"
                 "</imageprofile>");
}

static void
test_edit(void)
{
    auto_ptr(profile) profile = profile_new("n", "v");
    struct profile_vib *a = profile_add_vib(profile, "a");
    struct profile_vib *b = profile_add_vib(profile, "b");
    g_assert_true(a->boot);
    g_assert_true(profile_add_vib(profile, "a") == a);
    g_assert_cmpuint(profile->vibs->len, ==, 2);
    g_assert_false(profile_remove_vib(profile, "c"));
    g_assert_true(profile_remove_vib(profile, "a"));
    g_assert_null(profile_find_vib(profile, "a"));
    g_assert_true(profile->vibs->pdata[0] == b);
    g_assert_cmpuint(profile->vibs->len, ==, 1);
}

static void
test_clone(void)
{
    auto_ptr(profile) profile = parse(full);
    auto_ptr(profile) clone = profile_clone(profile, "mine", "ACME");
    auto_ptr(profile) twin = profile_clone(profile, "mine", "ACME");
    g_assert_cmpstr(clone->name, ==, "mine");
    g_assert_cmpstr(clone->vendor, ==, "ACME");
    g_assert_false(clone->read_only);
    g_assert_null(clone->created);
    g_assert_null(clone->modified);
    g_assert_cmpint(clone->serial, ==, 0);
    g_assert_cmpint(clone->acceptance, ==, ACCEPTANCE_PARTNER);
    g_assert_cmpuint(clone->extra->len, ==, 2);
    g_assert_cmpuint(clone->vibs->len, ==, 2);
    /* printf 'mine\0ACME\0ACME_bootbank_old_1.0-1\0VMW_bootbank_net-enic_...\0' | sha256sum */
    g_assert_cmpstr(clone->profile_id, ==, "15313fae766d5f0ea52617ec12a8d86b");
    g_assert_cmpstr(clone->profile_id, ==, twin->profile_id);

    /* The order of the list does not matter, its content and both names do. */
    gpointer first = profile->vibs->pdata[0];
    profile->vibs->pdata[0] = profile->vibs->pdata[1];
    profile->vibs->pdata[1] = first;
    auto_ptr(profile) turned = profile_clone(profile, "mine", "ACME");
    g_assert_cmpstr(clone->profile_id, ==, turned->profile_id);
    auto_ptr(profile) other = profile_clone(profile, "mineA", "CME");
    g_assert_cmpstr(clone->profile_id, !=, other->profile_id);
    profile_add_vib(profile, "x");
    auto_ptr(profile) more = profile_clone(profile, "mine", "ACME");
    g_assert_cmpstr(clone->profile_id, !=, more->profile_id);
}

static void
refuse(const char *text, enum slipway_error code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(profile_parse(text, strlen(text), "p.xml", &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

#define HEAD "<imageprofile><name>n</name><creator>c</creator>"

static void
test_corrupt(void)
{
    static const char *const rows[][2] = {
        {"<vib/>", "p.xml: the root element is <vib>, not <imageprofile>"},
        {"<imageprofile><creator>c</creator><viblist/></imageprofile>",
         "p.xml: the profile has no <name>"},
        {"<imageprofile><name>n</name><viblist/></imageprofile>",
         "p.xml: the profile has no <creator>"},
        {HEAD "</imageprofile>", "p.xml: the profile has no <viblist>"},
        {"<imageprofile><name> </name></imageprofile>", "p.xml: the profile has an empty name"},
        {"<imageprofile><name>a\nb</name></imageprofile>",
         "p.xml: the name has a control character in it"},
        {"<imageprofile><creator>a\xc2\x85"
         "b</creator></imageprofile>",
         "p.xml: the creator has a control character in it"},
        {HEAD "<name>m</name></imageprofile>", "p.xml: the profile has <name> twice"},
        {HEAD "<serialno>x</serialno></imageprofile>", "p.xml: the serialno 'x' is no number"},
        {HEAD "<serialno>-1</serialno></imageprofile>", "p.xml: the serialno '-1' is no number"},
        {HEAD "<readonly>maybe</readonly></imageprofile>",
         "p.xml: readonly is 'maybe', neither true nor false"},
        {HEAD "<acceptancelevel>best</acceptancelevel></imageprofile>",
         "p.xml: the acceptancelevel 'best' is none"},
        {HEAD "<viblist><vib/></viblist></imageprofile>", "p.xml: a vib of the list has no vib-id"},
        {HEAD "<viblist><vib><vib-id/></vib></viblist></imageprofile>",
         "p.xml: the profile has an empty vib-id"},
        {HEAD "<viblist><vib><vib-id>a</vib-id></vib><vib><vib-id>a</vib-id></vib></viblist>"
              "</imageprofile>",
         "p.xml: VIB a is in the list twice"},
        {HEAD "<viblist><vib><vib-id>a</vib-id><payloads><payload>x.v00</payload></payloads></vib>"
              "</viblist></imageprofile>",
         "p.xml: VIB a: a payload has no payload-name"},
        {HEAD
         "<viblist><vib><vib-id>a</vib-id><payloads><payload payload-name=\"x\">../etc</payload>"
         "</payloads></vib></viblist></imageprofile>",
         "p.xml: VIB a: payload x is called '../etc', which is no 8.3 name"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        refuse(rows[i][0], SLIPWAY_ERROR_CORRUPT, rows[i][1]);
}

static void
test_limits(void)
{
    g_autofree char *name = g_strnfill(PROFILE_NAME_MAX + 1, 'n');
    g_autofree char *long_name =
        g_strdup_printf("<imageprofile><name>%s</name></imageprofile>", name);
    refuse(long_name, SLIPWAY_ERROR_LIMIT,
           "p.xml: the name is 81 characters long, the limit is 80");
    g_autofree char *creator = g_strnfill(PROFILE_VENDOR_MAX + 1, 'c');
    g_autofree char *long_creator =
        g_strdup_printf("<imageprofile><creator>%s</creator></imageprofile>", creator);
    refuse(long_creator, SLIPWAY_ERROR_LIMIT,
           "p.xml: the creator is 41 characters long, the limit is 40");
    g_autofree char *text = g_strnfill(PROFILE_DESCRIPTION_MAX + 1, 'd');
    g_autofree char *long_text =
        g_strdup_printf("<imageprofile><description>%s</description></imageprofile>", text);
    refuse(long_text, SLIPWAY_ERROR_LIMIT,
           "p.xml: the description is 2049 characters long, the limit is 2048");
    g_autofree char *id = g_strnfill(PROFILE_TEXT_MAX + 1, 'i');
    g_autofree char *long_id =
        g_strdup_printf("<imageprofile><profileID>%s</profileID></imageprofile>", id);
    refuse(long_id, SLIPWAY_ERROR_LIMIT,
           "p.xml: the profileID is longer than 512 bytes, "
           "'iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii...'");

    g_autoptr(GString) many = g_string_new(HEAD "<viblist>");
    for (int i = 0; i <= PROFILE_VIBS_MAX; i++)
        g_string_append_printf(many, "<vib><vib-id>v%d</vib-id></vib>", i);
    g_string_append(many, "</viblist></imageprofile>");
    refuse(many->str, SLIPWAY_ERROR_LIMIT, "p.xml: the profile has more than 20000 VIBs");

    /* Limits count characters, not bytes: 80 umlauts are a name. */
    g_autoptr(GString) umlauts = g_string_new("<imageprofile><name>");
    for (int i = 0; i < PROFILE_NAME_MAX; i++)
        g_string_append(umlauts, "\xc3\xa4");
    g_string_append(umlauts, "</name><creator>c</creator><viblist/></imageprofile>");
    auto_ptr(profile) profile = parse(umlauts->str);
    g_assert_true(profile_check_names(profile, NULL));
}

static void
check_names(const char *name, const char *vendor, const char *description, const char *message)
{
    auto_ptr(profile) profile = profile_new(name, vendor);
    g_free(profile->description);
    profile->description = g_strdup(description);
    g_autoptr(GError) error = NULL;
    gboolean ok = profile_check_names(profile, &error);
    g_assert_cmpint(ok, ==, message == NULL);
    if (message == NULL) {
        g_assert_no_error(error);
        return;
    }
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_names(void)
{
    g_autofree char *long_name = g_strnfill(PROFILE_NAME_MAX + 1, 'n');
    g_autofree char *long_text = g_strnfill(PROFILE_DESCRIPTION_MAX + 1, 'd');
    check_names("n", "v", "", NULL);
    check_names("n", "v", "two\nlines\tand \xc3\xa4", NULL);
    check_names("", "v", "", "the profile's name is empty");
    check_names("n", "", "", "the profile's vendor is empty");
    check_names(long_name, "v", "",
                "the profile's name is 81 characters long, at most 80 are allowed");
    check_names("n", long_name, "",
                "the profile's vendor is 81 characters long, at most 40 are allowed");
    check_names("n", "v", long_text,
                "the profile's description is 2049 characters long, at most 2048 are allowed");
    check_names("a\nb", "v", "", "the profile's name has a control character or line break in it");
    check_names("n", "\x7f", "",
                "the profile's vendor has a control character or line break in it");
    check_names("n", "v", "\033[2J",
                "the profile's description has a control character or line break in it");
    check_names("\xff", "v", "", "the profile's name is no valid UTF-8");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/profile/round-trip", test_round_trip);
    g_test_add_func("/profile/fields", test_fields);
    g_test_add_func("/profile/least", test_least);
    g_test_add_func("/profile/edit", test_edit);
    g_test_add_func("/profile/clone", test_clone);
    g_test_add_func("/profile/corrupt", test_corrupt);
    g_test_add_func("/profile/limits", test_limits);
    g_test_add_func("/profile/names", test_names);
    return g_test_run();
}
