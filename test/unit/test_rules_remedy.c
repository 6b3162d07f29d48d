/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the rules propose: the right packages, none that would not fit, and honest words. */
#include "rules_fixture.h"

/* The only problem of `image`, its remedy and its candidates. */
static void
expect_remedy(const struct image *image, const char *remedy, const char *candidates)
{
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_autofree char *all = problems_text(problems);
    g_test_message("%s", all);
    g_assert_cmpuint(problems->len, ==, 1);
    const struct problem *problem = problems->pdata[0];
    g_assert_cmpstr(problem->remedy, ==, remedy);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < problem->candidates->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "",
                               (char *)problem->candidates->pdata[i]);
    g_assert_cmpstr(text->str, ==, candidates);
}

static struct image *
image_that_wants(const char *depends)
{
    struct image *image = image_new(BASE_70);
    image_add(image, fixture_vib(.name = "net", .version = "1.0-1", .depends = depends,
                                 .files = "etc/net"));
    return image;
}

static void
test_newest_first(void)
{
    auto_ptr(image) image = image_that_wants("libs >= 2.0");
    image_connect(image, "/d1",
                  VIBS(fixture_vib(.name = "libs", .version = "1.9-1"),
                       fixture_vib(.name = "libs", .version = "2.2-1"),
                       fixture_vib(.name = "libs", .version = "2.10-1")));
    expect_remedy(image,
                  "add ACME_bootbank_libs_2.10-1 (depot /d1) or ACME_bootbank_libs_2.2-1 "
                  "(depot /d1)",
                  "ACME_bootbank_libs_2.10-1 ACME_bootbank_libs_2.2-1");
    image_connect(image, "https://user:pw@example.org/d2/",
                  VIBS(fixture_vib(.name = "libs", .version = "3-1"),
                       fixture_vib(.name = "libs", .version = "2.0-1"),
                       fixture_vib(.name = "libs", .version = "2.1-1")));
    expect_remedy(image,
                  "add ACME_bootbank_libs_3-1 (depot https://user:***@example.org/d2/), "
                  "ACME_bootbank_libs_2.10-1 (depot /d1), ACME_bootbank_libs_2.2-1 (depot /d1) and "
                  "2 more",
                  "ACME_bootbank_libs_3-1 ACME_bootbank_libs_2.10-1 ACME_bootbank_libs_2.2-1 "
                  "ACME_bootbank_libs_2.1-1 ACME_bootbank_libs_2.0-1");
}

static void
test_none(void)
{
    auto_ptr(image) image = image_that_wants("libs");
    image_connect(image, "/d", VIBS(fixture_vib(.name = "other", .version = "1")));
    expect_remedy(image,
                  "no connected depot has it; connect the depot that does, or remove "
                  "ACME_bootbank_net_1.0-1",
                  "");
    depot_set_free(image->depots);
    image->depots = depot_set_new();
    expect_remedy(image, "no depot is connected; connect the one that has it", "");
}

/* All bounds of the wish count, also those that were fulfilled. */
static void
test_whole_range(void)
{
    auto_ptr(image) image = image_that_wants("vsan >= 1.0-1; vsan << 2.0");
    image_add(image, fixture_vib(.name = "vsan", .version = "2.1"));
    image_connect(image, "/d",
                  VIBS(fixture_vib(.name = "vsan", .version = "1.5"),
                       fixture_vib(.name = "vsan", .version = "0.9"),
                       fixture_vib(.name = "vsan", .version = "2.2")));
    expect_remedy(image, "add ACME_bootbank_vsan_1.5 (depot /d)", "ACME_bootbank_vsan_1.5");
}

/* Each of these provides what is missing and brings another trouble. */
static void
test_unfit(void)
{
    auto_ptr(image) image = image_that_wants("libs");
    image_add(image, fixture_vib(.name = "enemy", .version = "1", .conflicts = "libs = 7",
                                 .replaces = "libs = 6"));
    image->acceptance = ACCEPTANCE_PARTNER;
    image_connect(
        image, "/d",
        VIBS(fixture_vib(.name = "libs", .version = "9", .conflicts = "net"),
             fixture_vib(.name = "libs", .version = "8", .platforms = "esxio 7.0"),
             fixture_vib(.name = "libs", .version = "7"),
             fixture_vib(.name = "libs", .version = "6"),
             fixture_vib(.name = "libs", .version = "5", .files = "etc/net"),
             fixture_vib(.name = "libs", .version = "4", .level = "community"),
             fixture_vib(.name = "libs", .version = "3", .provides = "esx-version = 6.7.0")));
    expect_remedy(image,
                  "ACME_bootbank_libs_9 (depot /d), ACME_bootbank_libs_7 (depot /d), "
                  "ACME_bootbank_libs_6 (depot /d) and 3 more would provide it, but not fit "
                  "this image",
                  "");
    image_connect(image, "/e", VIBS(fixture_vib(.name = "libs", .version = "2")));
    expect_remedy(image, "add ACME_bootbank_libs_2 (depot /e)", "ACME_bootbank_libs_2");
}

/* What wants something itself is second choice. */
static void
test_complete_before_incomplete(void)
{
    auto_ptr(image) image = image_that_wants("libs");
    image_connect(image, "/d",
                  VIBS(fixture_vib(.name = "libs", .version = "3", .depends = "more"),
                       fixture_vib(.name = "libs", .version = "2", .depends = "libs; net")));
    expect_remedy(image, "add ACME_bootbank_libs_2 (depot /d)", "ACME_bootbank_libs_2");
    auto_ptr(image) other = image_that_wants("libs");
    image_connect(other, "/d",
                  VIBS(fixture_vib(.name = "libs", .version = "3", .depends = "more")));
    expect_remedy(other, "add ACME_bootbank_libs_3 (depot /d)", "ACME_bootbank_libs_3");
}

/* A candidate takes the place of its older self, and of what that one provided. */
static void
test_place_is_empty(void)
{
    auto_ptr(image) image = image_that_wants("libs >= 2");
    image_add(image, fixture_vib(.name = "libs", .version = "1", .provides = "api"));
    image_connect(image, "/d",
                  VIBS(fixture_vib(.name = "libs", .version = "3", .depends = "api"),
                       fixture_vib(.name = "libs", .version = "2")));
    expect_remedy(image, "add ACME_bootbank_libs_2 (depot /d)", "ACME_bootbank_libs_2");
}

/* The version in the profile is too old, and a newer one is at hand: it replaces that one. */
static void
test_newer_of_the_same(void)
{
    auto_ptr(image) image = image_that_wants("libs >= 2.0");
    image_add(image, fixture_vib(.name = "libs", .version = "1.0", .files = "etc/libs"));
    image_connect(image, "/d",
                  VIBS(fixture_vib(.name = "libs", .version = "2.0", .files = "etc/libs",
                                   .conflicts = "libs << 2.0")));
    expect_remedy(image, "add ACME_bootbank_libs_2.0 (depot /d)", "ACME_bootbank_libs_2.0");
}

static void
test_driver_of_another_release(void)
{
    auto_ptr(image) image = image_that_wants("vmkapi_2_2_0_0");
    /* esx-base of 5.5 has it, which would be another ESXi altogether. */
    image_connect(
        image, "/d",
        VIBS(fixture_vib(.name = "esx-base", .version = "5.5.0-1",
                         .provides = "esx-version = 5.5.0-1; vmkapi_2_2_0_0"),
             fixture_vib(.name = "net", .version = "0.9-1", .depends = "vmkapi_2_3_0_0")));
    expect_remedy(image,
                  "the driver is for another release of ESXi: vmkapi_2_2_0_0 belongs to ESXi 5.5, "
                  "and the image is ESXi 7.0.3",
                  "");
    image_connect(
        image, "/e",
        VIBS(fixture_vib(.name = "net", .version = "1.1-1", .depends = "vmkapi_2_6_0_0")));
    expect_remedy(image,
                  "the driver is for another release of ESXi: vmkapi_2_2_0_0 belongs to ESXi 5.5, "
                  "and the image is ESXi 7.0.3; what fits is ACME_bootbank_net_1.1-1 (depot /e)",
                  "ACME_bootbank_net_1.1-1");
}

static void
test_driver_of_a_newer_release(void)
{
    auto_ptr(image) image = image_that_wants("vmkapi_2_12_0_0");
    expect_remedy(image,
                  "the driver is for another release of ESXi: vmkapi_2_12_0_0 belongs to a newer "
                  "ESXi, and the image is ESXi 7.0.3",
                  "");
    /* Of the image's own release nothing of the kind is said, nor of other forms. */
    auto_ptr(image) odd = image_that_wants("vmkapi_2_6_0_0_x");
    expect_remedy(odd, "no depot is connected; connect the one that has it", "");
    auto_ptr(image) old = image_new(BASE_67);
    image_add(old, fixture_vib(.name = "net", .version = "1", .depends = "vmkapi_2_6_0_0"));
    expect_remedy(old,
                  "the driver is for another release of ESXi: vmkapi_2_6_0_0 belongs to ESXi 7.0, "
                  "and the image is ESXi 6.7.0",
                  "");
}

static void
test_vmklinux(void)
{
    auto_ptr(image) image = image_new(BASE_70);
    image_add(image, fixture_vib(.name = "net55-r8168", .version = "8.045a-napi",
                                 .depends = "com.vmware.driverAPI-9.2.2.0; vmkapi_2_2_0_0; libs"));
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_assert_cmpuint(problems->len, ==, 3);
    static const char remedy[] =
        "it is a vmklinux driver, and those ended with ESXi 6.7; the image "
        "is ESXi 7.0.3 and needs a native driver";
    g_assert_cmpstr(((struct problem *)problems->pdata[0])->remedy, ==, remedy);
    g_assert_cmpstr(((struct problem *)problems->pdata[1])->remedy, ==,
                    "no depot is connected; connect the one that has it");
    g_assert_cmpstr(((struct problem *)problems->pdata[2])->remedy, ==, remedy);

    /* On 6.7 it is a driver like any other. */
    auto_ptr(image) old = image_new(BASE_67);
    image_add(old, fixture_vib(.name = "net55-r8168", .version = "1",
                               .depends = "com.vmware.driverAPI-9.2.2.0"));
    expect_remedy(old, "no depot is connected; connect the one that has it", "");
}

static void
test_esx_version(void)
{
    auto_ptr(image) image = image_that_wants("esx-version >= 8.0.0");
    image_connect(
        image, "/d",
        VIBS(BASE_80, fixture_vib(.name = "net", .version = "0.8-1"),
             fixture_vib(.name = "net", .version = "2.0-1", .depends = "esx-version >= 8.0.1")));
    expect_remedy(image,
                  "the VIB is for another release of ESXi, and the image is ESXi 7.0.3; what fits "
                  "is ACME_bootbank_net_0.8-1 (depot /d)",
                  "ACME_bootbank_net_0.8-1");
    /* A newer build of the same release is another matter. */
    auto_ptr(image) build = image_that_wants("esx-version >= 7.0.3-0.30");
    image_connect(build, "/d",
                  VIBS(fixture_vib(.name = "esx-base", .version = "7.0.3-0.35", .vendor = "VMware",
                                   .provides = "esx-version = 7.0.3-0.35; vmkapi_2_6_0_0")));
    expect_remedy(build, "add VMware_bootbank_esx-base_7.0.3-0.35 (depot /d)",
                  "VMware_bootbank_esx-base_7.0.3-0.35");
}

static void
test_conflict(void)
{
    auto_ptr(image) image = image_new(BASE_70);
    image_add(image, fixture_vib(.name = "a", .version = "1", .conflicts = "b << 2"));
    image_add(image, fixture_vib(.name = "b", .version = "1"));
    image_connect(image, "/d",
                  VIBS(fixture_vib(.name = "b", .version = "1.5"),
                       fixture_vib(.name = "b", .version = "2"),
                       fixture_vib(.name = "a", .version = "0.9", .conflicts = "b"),
                       fixture_vib(.name = "a", .version = "2", .depends = "nowhere")));
    expect_remedy(image, "remove one of them, or add ACME_bootbank_b_2 (depot /d) in its place",
                  "ACME_bootbank_b_2");
}

static void
test_files(void)
{
    auto_ptr(image) image = image_new(BASE_70);
    image_add(image, fixture_vib(.name = "a", .version = "1", .files = "etc/x; etc/a"));
    image_add(image, fixture_vib(.name = "b", .version = "1", .files = "etc/x"));
    image_connect(image, "/d",
                  VIBS(fixture_vib(.name = "a", .version = "1", .files = "etc/x; etc/a"),
                       fixture_vib(.name = "b", .version = "2", .files = "etc/x; etc/b"),
                       fixture_vib(.name = "b", .version = "3", .files = "etc/b"),
                       fixture_vib(.name = "a", .version = "2", .files = "etc/a")));
    expect_remedy(image,
                  "remove one of them, or add ACME_bootbank_a_2 (depot /d) or ACME_bootbank_b_3 "
                  "(depot /d) in its place",
                  "ACME_bootbank_a_2 ACME_bootbank_b_3");
}

static void
test_base(void)
{
    auto_ptr(image) image = image_new(fixture_vib(.name = "net", .version = "1"));
    image_connect(image, "/d", VIBS(BASE_67, BASE_70));
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_assert_cmpuint(problems->len, ==, 2);
    for (guint i = 0; i < problems->len; i++)
        g_assert_cmpstr(((struct problem *)problems->pdata[i])->remedy, ==,
                        "start from a stock image profile, or add " ID_70 " (depot /d) or " ID_67
                        " (depot /d)");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rules-remedy/newest-first", test_newest_first);
    g_test_add_func("/rules-remedy/none", test_none);
    g_test_add_func("/rules-remedy/whole-range", test_whole_range);
    g_test_add_func("/rules-remedy/unfit", test_unfit);
    g_test_add_func("/rules-remedy/complete-before-incomplete", test_complete_before_incomplete);
    g_test_add_func("/rules-remedy/place-is-empty", test_place_is_empty);
    g_test_add_func("/rules-remedy/newer-of-the-same", test_newer_of_the_same);
    g_test_add_func("/rules-remedy/driver-of-another-release", test_driver_of_another_release);
    g_test_add_func("/rules-remedy/driver-of-a-newer-release", test_driver_of_a_newer_release);
    g_test_add_func("/rules-remedy/vmklinux", test_vmklinux);
    g_test_add_func("/rules-remedy/esx-version", test_esx_version);
    g_test_add_func("/rules-remedy/conflict", test_conflict);
    g_test_add_func("/rules-remedy/files", test_files);
    g_test_add_func("/rules-remedy/base", test_base);
    return g_test_run();
}
