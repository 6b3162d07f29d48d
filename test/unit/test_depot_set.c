/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/vib_identity.h"
#include "vib_fixture.h"

/* Two depots: one on a server and a local bundle, which share a VIB. */
struct fixture {
    struct depot_set *set;
    struct depot *online;
    struct depot *bundle;
};

static void
offer_component(struct depot *depot, const char *id, const char *name, const char *first_vib,
                const char *second_vib)
{
    struct bulletin *bulletin = bulletin_new(id);
    bulletin->component_name = g_strdup(name);
    g_ptr_array_add(bulletin->vib_ids, g_strdup(first_vib));
    if (second_vib != NULL)
        g_ptr_array_add(bulletin->vib_ids, g_strdup(second_vib));
    g_ptr_array_add(depot->bulletins, bulletin);
}

static void
set_up(struct fixture *f, gconstpointer data)
{
    (void)data;
    f->online = fixture_depot("https://depot.example.org/index.xml", DEPOT_ONLINE);
    f->bundle = fixture_depot("/srv/esxi.zip", DEPOT_BUNDLE);
    fixture_offer(f->online,
                  fixture_vib(.name = "esx-base", .version = "6.7.0-0.0.8169922",
                              .provides = "esx-version = 6.7.0-0.0.8169922; "
                                          "jumpstart = 1; vmkapi_2_5_0_0; jumpstart = 2"));
    fixture_offer(f->online, fixture_vib(.name = "esx-base", .version = "6.7.0-1.28.10302608",
                                         .provides = "esx-version = 6.7.0-1.28.10302608; "
                                                     "vmkapi_2_5_0_0; jumpstart = 2"));
    fixture_offer(f->online, fixture_vib(.name = "net-x", .version = "1.0.9-1"));
    fixture_offer(f->bundle, fixture_vib(.name = "net-x", .version = "1.0.10-1"));
    fixture_offer(f->bundle, fixture_vib(.name = "net-x", .version = "1.0.9-1"));
    fixture_offer(f->bundle, fixture_vib(.name = "net-dpu", .version = "2.0-1",
                                         .platforms = "esxio 8.0", .provides = "vmkapi_2_5_0_0"));
    offer_component(f->bundle, "Net-X_1.0.10", "Net-X", "ACME_bootbank_net-x_1.0.10-1",
                    "ACME_bootbank_net-dpu_2.0-1");
    offer_component(f->bundle, "Broken_1", "Broken", "ACME_bootbank_net-x_1.0.10-1",
                    "ACME_bootbank_gone_1");
    offer_component(f->bundle, "Bulletin_1", NULL, "ACME_bootbank_net-x_1.0.10-1", NULL);
    f->set = depot_set_new();
    depot_set_add(f->set, f->online);
    depot_set_add(f->set, f->bundle);
}

static void
tear_down(struct fixture *f, gconstpointer data)
{
    (void)data;
    depot_set_free(f->set);
}

static void
check_ids(const GPtrArray *packages, const char *expected)
{
    g_autoptr(GString) ids = g_string_new(NULL);
    for (guint i = 0; i < packages->len; i++)
        g_string_append_printf(ids, "%s%s", i > 0 ? " " : "",
                               ((struct package *)packages->pdata[i])->vib->id);
    g_assert_cmpstr(ids->str, ==, expected);
}

static void
test_find(struct fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_cmpuint(depot_set_depots(f->set)->len, ==, 2);
    g_assert_true(depot_set_find(f->set, "ACME_bootbank_net-x_1.0.10-1")->depot == f->bundle);
    /* In both: the local one. */
    g_assert_true(depot_set_find(f->set, "ACME_bootbank_net-x_1.0.9-1")->depot == f->bundle);
    g_assert_null(depot_set_find(f->set, "ACME_bootbank_net-x_1.0.11-1"));
    g_autoptr(GPtrArray) all = depot_set_packages(f->set);
    g_assert_cmpuint(all->len, ==, 5);
}

static void
test_first_local_wins(void)
{
    auto_ptr(depot_set) set = depot_set_new();
    struct depot *depots[3];
    static const enum depot_kind kinds[] = {DEPOT_BUNDLE, DEPOT_DIRECTORY, DEPOT_ONLINE};
    for (gsize i = 0; i < G_N_ELEMENTS(depots); i++) {
        depots[i] = fixture_depot("/d", kinds[i]);
        fixture_offer(depots[i], fixture_vib(.name = "a", .version = "1"));
        depot_set_add(set, depots[i]);
    }
    g_assert_true(depot_set_find(set, "ACME_bootbank_a_1")->depot == depots[0]);
    g_autoptr(GPtrArray) by_name = depot_set_by_name(set, "a");
    g_assert_cmpuint(by_name->len, ==, 1);
}

static void
test_by_name(struct fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GPtrArray) found = depot_set_by_name(f->set, "net-x");
    check_ids(found, "ACME_bootbank_net-x_1.0.10-1 ACME_bootbank_net-x_1.0.9-1");
    g_autoptr(GPtrArray) none = depot_set_by_name(f->set, "vmkapi_2_5_0_0");
    g_assert_cmpuint(none->len, ==, 0);
}

static void
test_providers(struct fixture *f, gconstpointer data)
{
    (void)data;
    struct relation api = {(char *)"vmkapi_2_5_0_0", VERSION_ANY, NULL};
    g_autoptr(GPtrArray) both = depot_set_providers(f->set, &api, "embeddedEsx");
    check_ids(both, "ACME_bootbank_esx-base_6.7.0-1.28.10302608 "
                    "ACME_bootbank_esx-base_6.7.0-0.0.8169922");
    g_autoptr(GPtrArray) dpu = depot_set_providers(f->set, &api, "esxio");
    g_assert_cmpuint(dpu->len, ==, 3);

    /* A name that one VIB provides in two versions, and its own name. */
    struct relation jump = {(char *)"jumpstart", VERSION_EQUAL, (char *)"1"};
    g_autoptr(GPtrArray) old = depot_set_providers(f->set, &jump, "embeddedEsx");
    check_ids(old, "ACME_bootbank_esx-base_6.7.0-0.0.8169922");
    struct relation own = {(char *)"esx-base", VERSION_GREATER_EQUAL, (char *)"6.7.0-1.0"};
    g_autoptr(GPtrArray) newer = depot_set_providers(f->set, &own, "embeddedEsx");
    check_ids(newer, "ACME_bootbank_esx-base_6.7.0-1.28.10302608");
}

static void
test_resolve(struct fixture *f, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *text;
        const char *ids;
    } rows[] = {
        {"net-x", "ACME_bootbank_net-x_1.0.10-1"},
        {" net-x ", "ACME_bootbank_net-x_1.0.10-1"},
        {"net-x=1.0.9-1", "ACME_bootbank_net-x_1.0.9-1"},
        {"net-x 1.0.9-1", "ACME_bootbank_net-x_1.0.9-1"},
        {"net-x = 1.0.9-1", "ACME_bootbank_net-x_1.0.9-1"},
        {"ACME_bootbank_net-x_1.0.9-1", "ACME_bootbank_net-x_1.0.9-1"},
        {"esx-base=6.7.0", "ACME_bootbank_esx-base_6.7.0-1.28.10302608"},
        {"Net-X_1.0.10", "ACME_bootbank_net-x_1.0.10-1 ACME_bootbank_net-dpu_2.0-1"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) found = g_ptr_array_new();
        GError *error = NULL;
        g_assert_true(depot_set_resolve(f->set, rows[i].text, found, &error));
        g_assert_no_error(error);
        check_ids(found, rows[i].ids);
    }
}

static void
test_resolve_fails(struct fixture *f, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"esx-bas", "no connected depot has a package 'esx-bas'; did you mean 'esx-base'?"},
        {"nothing", "no connected depot has a package 'nothing'"},
        {"net-x=9", "no connected depot has version '9' of package 'net-x'; there is 1.0.10-1 "
                    "and 1.0.9-1"},
        {"Broken_1",
         "component Broken_1 lists VIB ACME_bootbank_gone_1, which no connected depot has"},
        {"Bulletin_1", "no connected depot has a package 'Bulletin_1'"},
        {"", "no connected depot has a package ''"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) found = g_ptr_array_new();
        g_autoptr(GError) error = NULL;
        g_assert_false(depot_set_resolve(f->set, rows[i].text, found, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
        g_assert_cmpstr(error->message, ==, rows[i].message);
        g_assert_cmpuint(found->len, ==, 0);
    }
}

static void
test_resolve_without_depots(void)
{
    auto_ptr(depot_set) set = depot_set_new();
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    g_assert_false(depot_set_resolve(set, "esx-base", found, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==,
                    "no package 'esx-base': no depot is connected; connect the depot that has it");
}

static void
offer_profile(struct depot *depot, const char *name, const char *vendor, const char *id)
{
    struct profile *profile = profile_new(name, vendor);
    g_free(profile->profile_id);
    profile->profile_id = g_strdup(id);
    g_ptr_array_add(depot->profiles, profile);
}

static void
test_find_profile(struct fixture *f, gconstpointer data)
{
    (void)data;
    const char *id = "57ffe944378b11e8ae0c0200e5cbd056";
    offer_profile(f->online, "ESXi-6.7-standard", "VMware, Inc.", id);
    offer_profile(f->bundle, "ESXi-6.7-standard", "VMware, Inc.", id);
    offer_profile(f->bundle, "ESXi-6.7-no-tools", "VMware, Inc.", NULL);
    offer_profile(f->bundle, "ESXi-6.7-no-tools", "HPE", NULL);

    GError *error = NULL;
    const struct profile *profile = depot_set_find_profile(f->set, "ESXi-6.7-standard", &error);
    g_assert_no_error(error);
    g_assert_true(profile == f->online->profiles->pdata[0]);
    g_assert_true(depot_set_find_profile(f->set, id, NULL) == profile);
    profile = depot_set_find_profile(f->set, "HPE/ESXi-6.7-no-tools", NULL);
    g_assert_cmpstr(profile->vendor, ==, "HPE");

    g_assert_null(depot_set_find_profile(f->set, "ESXi-6.7-no-tools", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==,
                    "2 image profiles are called 'ESXi-6.7-no-tools', by 'VMware, Inc.' and 'HPE'; "
                    "name one as VENDOR/NAME");
    g_clear_error(&error);
    g_assert_null(depot_set_find_profile(f->set, "ESXi-6.7-standrad", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==,
                    "no connected depot has an image profile 'ESXi-6.7-standrad'; did you mean "
                    "'ESXi-6.7-standard'?");
    g_clear_error(&error);
}

static void
test_identity(struct fixture *f, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *id, *name, *version;
    } rows[] = {
        {"ACME_bootbank_net-x_1.0.9-1", "net-x", "1.0.9-1"},
        {"VMware_locker_tools-light_10.2.0.7253323-8169922", "tools-light",
         "10.2.0.7253323-8169922"},
        {"V_W_bootbank_a_b_1.0-2", "a_b", "1.0-2"},
        {"nonsense", "nonsense", NULL},
        {"V_bootbank_x", "V_bootbank_x", NULL},
        {"V_bootbank_x_", "V_bootbank_x_", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct vib_identity identity = vib_identity_of(f->set, rows[i].id);
        g_assert_cmpstr(identity.name, ==, rows[i].name);
        g_assert_cmpstr(identity.version, ==, rows[i].version);
        vib_identity_clear(&identity);
    }
}

#define TEST(name, function) g_test_add(name, struct fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("/depot-set/find", test_find);
    g_test_add_func("/depot-set/first-local-wins", test_first_local_wins);
    TEST("/depot-set/by-name", test_by_name);
    TEST("/depot-set/providers", test_providers);
    TEST("/depot-set/resolve", test_resolve);
    TEST("/depot-set/resolve-fails", test_resolve_fails);
    g_test_add_func("/depot-set/resolve-without-depots", test_resolve_without_depots);
    TEST("/depot-set/find-profile", test_find_profile);
    TEST("/vib-identity/of", test_identity);
    return g_test_run();
}
