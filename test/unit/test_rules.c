/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules themselves; what is proposed about a broken one: test_rules_remedy.c. */
#include "base/error.h"
#include "rules_fixture.h"

static void
test_valid_image(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "net", .version = "1.0-1",
                                 .depends = "vmkapi_2_4_0_0; esx-base; esx-version >= 6.7.0; "
                                            "esx-version <= 6.7.0; esx-version << 6.7.0-0.1; net",
                                 .conflicts = "misc-drivers << 5.5.0; net; esx-base >> 6.7.0",
                                 .replaces = "net55; net; esx-version", .provides = "net55 = 1"));
    image_expect(image, "");
}

static void
test_depends(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image,
              fixture_vib(.name = "net", .version = "1.0-1", .depends = "libs >= 2.0; other"));
    image_add(image, fixture_vib(.name = "old", .version = "1.0-1",
                                 .depends = "esx-base >= 6.7.0-1.1; unversioned = 1"));
    image_expect(
        image,
        "error depends ACME_bootbank_net_1.0-1 [libs >= 2.0] VIB ACME_bootbank_net_1.0-1 requires "
        "libs >= 2.0, which no VIB of the profile provides | no depot is connected; connect the "
        "one that has it\n"
        "error depends ACME_bootbank_net_1.0-1 [other] VIB ACME_bootbank_net_1.0-1 requires other, "
        "which no VIB of the profile provides | no depot is connected; connect the one that has "
        "it\n"
        "error depends ACME_bootbank_old_1.0-1 [esx-base >= 6.7.0-1.1] VIB ACME_bootbank_old_1.0-1 "
        "requires esx-base >= 6.7.0-1.1: esx-base 6.7.0-0.0.8169922 is in the profile, but "
        "6.7.0-1.1 or newer is needed | no depot is connected; connect the one that has it\n"
        "error depends ACME_bootbank_old_1.0-1 [unversioned = 1] VIB ACME_bootbank_old_1.0-1 "
        "requires unversioned = 1: unversioned without a version (of VIB " ID_67 ") is in the "
        "profile, but exactly 1 is needed | no depot is connected; connect the one that has it\n");
}

/* Several bounds of one name are one wish. */
static void
test_depends_range(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "a", .version = "1",
                                 .depends = "vsan >= 6.7.0-0.0; b; vsan << 6.7.0-0.1"));
    image_add(image, fixture_vib(.name = "b", .version = "1",
                                 .depends = "a >= 1; a << 1; a >> 2; a <= 0"));
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_assert_cmpuint(problems->len, ==, 2);
    g_assert_cmpstr(((struct problem *)problems->pdata[0])->message, ==,
                    "VIB ACME_bootbank_a_1 requires vsan >= 6.7.0-0.0 and vsan << 6.7.0-0.1, which "
                    "no VIB of the profile provides");
    g_assert_cmpstr(((struct problem *)problems->pdata[1])->message, ==,
                    "VIB ACME_bootbank_b_1 requires a << 1 and a >> 2 and a <= 0: a 1 is in the "
                    "profile, but older than 1 and newer than 2 and 0 or older is needed");
}

static void
test_conflicts(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "a", .version = "1", .conflicts = "b; c << 2; a"));
    image_add(image, fixture_vib(.name = "b", .version = "1", .conflicts = "a"));
    image_add(image, fixture_vib(.name = "c", .version = "2"));
    image_add(image, fixture_vib(.name = "d", .version = "1", .conflicts = "vmkapi_2_4_0_0; api",
                                 .provides = "api"));
    image_expect(
        image,
        "error conflicts ACME_bootbank_a_1 [ACME_bootbank_b_1] VIBs ACME_bootbank_a_1 and "
        "ACME_bootbank_b_1 exclude each other: the first conflicts with b | remove one of them\n"
        "error conflicts ACME_bootbank_d_1 [" ID_67 "] VIBs ACME_bootbank_d_1 and " ID_67
        " exclude each other: the first conflicts with vmkapi_2_4_0_0 | remove one of them\n");
}

static void
test_obsolete(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "net", .version = "2",
                                 .replaces = "net55 << 3; net55; api; gone"));
    image_add(image, fixture_vib(.name = "net55", .version = "2", .provides = "api"));
    image_add(image, fixture_vib(.name = "twice", .version = "1.9"));
    image_add(image, fixture_vib(.name = "twice", .version = "1.10"));
    image_add(image, fixture_vib(.name = "twice", .version = "1.10", .vendor = "Other"));
    image_expect(
        image,
        "error obsolete ACME_bootbank_net55_2 [ACME_bootbank_net_2] VIB ACME_bootbank_net55_2 is "
        "obsolete: VIB ACME_bootbank_net_2 replaces it | remove ACME_bootbank_net55_2\n"
        "error obsolete ACME_bootbank_twice_1.9 [ACME_bootbank_twice_1.10] VIB "
        "ACME_bootbank_twice_1.9 is obsolete: VIB ACME_bootbank_twice_1.10 has the same name and "
        "is newer | remove ACME_bootbank_twice_1.9\n"
        "error obsolete Other_bootbank_twice_1.10 [ACME_bootbank_twice_1.10] VIB "
        "Other_bootbank_twice_1.10 is obsolete: VIB ACME_bootbank_twice_1.10 has the same name and "
        "version | remove Other_bootbank_twice_1.10\n");
}

static void
test_acceptance(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "a", .version = "1", .level = "accepted"));
    image_add(image, fixture_vib(.name = "p", .version = "1", .level = "partner"));
    image->acceptance = ACCEPTANCE_ACCEPTED;
    image_expect(image, "error acceptance ACME_bootbank_p_1 [partner] VIB ACME_bootbank_p_1 is "
                        "PartnerSupported, but the profile wants VMwareAccepted or better | lower "
                        "the acceptance level of the profile to PartnerSupported, or remove the "
                        "VIB\n");
    image->acceptance = ACCEPTANCE_NONE;
    image_expect(image, "");
    image->acceptance = ACCEPTANCE_PARTNER;
    image_expect(image, "");
}

static void
test_files(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "a", .version = "1", .files = "etc/x; etc/y; etc/z"));
    image_add(image, fixture_vib(.name = "b", .version = "1", .files = "etc/y; etc/x; etc/b"));
    image_add(image, fixture_vib(.name = "c", .version = "1", .files = "etc/x; etc/b"));
    image_expect(image, "error files ACME_bootbank_a_1 [ACME_bootbank_b_1] VIBs ACME_bootbank_a_1 "
                        "and ACME_bootbank_b_1 both have etc/x and etc/y | remove one of them\n"
                        "error files ACME_bootbank_a_1 [ACME_bootbank_c_1] VIBs ACME_bootbank_a_1 "
                        "and ACME_bootbank_c_1 both have etc/x | remove one of them\n"
                        "error files ACME_bootbank_b_1 [ACME_bootbank_c_1] VIBs ACME_bootbank_b_1 "
                        "and ACME_bootbank_c_1 both have etc/b | remove one of them\n");
}

/* Overlays hide what is below them, but not each other; the locker is elsewhere. */
static void
test_overlay_and_locker_files(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "a", .version = "1", .files = "etc/x"));
    image_add(image, fixture_vib(.name = "o", .version = "1", .files = "etc/x", .overlay = TRUE));
    image_add(image, fixture_vib(.name = "l", .version = "1", .files = "etc/x", .type = "locker"));
    image_expect(image, "");
    image_add(image, fixture_vib(.name = "p", .version = "1", .files = "etc/x", .overlay = TRUE));
    image_add(image, fixture_vib(.name = "m", .version = "1", .files = "etc/x", .type = "locker"));
    image_expect(image, "error files ACME_bootbank_o_1 [ACME_bootbank_p_1] overlay VIBs "
                        "ACME_bootbank_o_1 and ACME_bootbank_p_1 both have etc/x | remove one of "
                        "them\n"
                        "error files ACME_locker_l_1 [ACME_locker_m_1] VIBs ACME_locker_l_1 and "
                        "ACME_locker_m_1 both have etc/x | remove one of them\n");
}

static void
test_many_files(void)
{
    g_autoptr(GString) files = g_string_new("opt/00");
    for (int i = 1; i < 25; i++)
        g_string_append_printf(files, "; opt/%02d", i);
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "a", .version = "1", .files = files->str));
    image_add(image, fixture_vib(.name = "b", .version = "1", .files = files->str));
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_assert_cmpuint(problems->len, ==, 1);
    g_assert_cmpstr(
        ((struct problem *)problems->pdata[0])->message, ==,
        "VIBs ACME_bootbank_a_1 and ACME_bootbank_b_1 both have opt/00, opt/01, opt/02, "
        "opt/03, opt/04, opt/05, opt/06, opt/07, opt/08, opt/09, opt/10, opt/11, "
        "opt/12, opt/13, opt/14, opt/15, opt/16, opt/17, opt/18, opt/19 and 5 more");
}

static void
test_paths(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    static const char files[] = "etc/rc.local.d/x.sh; etc/init.d/x; bin/x; optional/x; opt/x";
    image_add(image,
              fixture_vib(.name = "c", .version = "1", .level = "community", .files = files));
    image_add(image, fixture_vib(.name = "p", .version = "1", .level = "partner",
                                 .files = "etc/rc.local.d/p.sh; bin/p"));
    image_add(image,
              fixture_vib(.name = "a", .version = "1", .level = "accepted", .files = "bin/a"));
    image_expect(
        image,
        "warning paths ACME_bootbank_c_1 [bin/x] VIB ACME_bootbank_c_1 has files where "
        "CommunitySupported VIBs are to have none: bin/x, etc/rc.local.d/x.sh and optional/x\n"
        "warning paths ACME_bootbank_p_1 [bin/p] VIB ACME_bootbank_p_1 has files where "
        "PartnerSupported VIBs are to have none: bin/p\n");
}

static void
test_overlay_level(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image,
              fixture_vib(.name = "c", .version = "1", .level = "community", .overlay = TRUE));
    image_add(image, fixture_vib(.name = "p", .version = "1", .level = "partner", .overlay = TRUE));
    image_expect(image,
                 "warning overlay ACME_bootbank_c_1 [-] VIB ACME_bootbank_c_1 is an overlay, "
                 "which CommunitySupported VIBs are not to be\n");
}

#define START "start from a stock image profile, or connect a depot of ESXi and add esx-base"

static void
test_no_base(void)
{
    auto_ptr(image) image = image_new(fixture_vib(.name = "net", .version = "1"));
    /* A boot payload that is not in the boot bank starts nothing. */
    image_add(image,
              fixture_vib(.name = "l", .version = "1", .type = "locker", .payloads = "boot:b"));
    image_expect(image,
                 "error boot - [-] no VIB of the profile has a payload that can be booted | " START
                 "\n"
                 "error esx-version - [esx-version] no VIB of the profile provides "
                 "esx-version: its release of ESXi is not known | " START "\n");
}

static void
test_two_bases(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image,
              fixture_vib(.name = "esx-other", .version = "1", .provides = "esx-version = 6.7.0"));
    image_expect(image, "error esx-version - [esx-version] 2 VIBs provide esx-version: "
                        "ACME_bootbank_esx-other_1 and " ID_67 " | remove all but one\n");
}

static void
test_missing(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "n", .version = "2"));
    image->missing = (const char *const[]){"ACME_bootbank_net_1.0-1", "ACME_bootbank_n_1",
                                           "X_bootbank_gone_1", NULL};
    image_connect(image, "/d",
                  VIBS(fixture_vib(.name = "net", .version = "1.1-1"),
                       fixture_vib(.name = "n", .version = "3")));
    image_expect(image,
                 "error missing ACME_bootbank_n_1 [-] VIB ACME_bootbank_n_1 is in the profile, but "
                 "in no connected depot | connect the depot that has it\n"
                 "error missing ACME_bootbank_net_1.0-1 [-] VIB ACME_bootbank_net_1.0-1 is in the "
                 "profile, but in no connected depot | connect the depot that has it, or add "
                 "ACME_bootbank_net_1.1-1 (depot /d) | ACME_bootbank_net_1.1-1\n"
                 "error missing X_bootbank_gone_1 [-] VIB X_bootbank_gone_1 is in the profile, but "
                 "in no connected depot | connect the depot that has it\n");
}

/* From 8.0 on what is for a DPU is not held against the rest; before, it has no business here. */
static void
test_platforms(void)
{
    static const char note[] =
        "note platform - [-] left out of judgement, being for another platform than "
        "embeddedEsx: ACME_bootbank_driver-esxio_1 and "
        "VMware_bootbank_esxio-base_8.0.3-0.0.24022510"
        "\n";
    auto_ptr(image) image = image_new(BASE_80);
    image_add(image,
              fixture_vib(.name = "esxio-base", .version = "8.0.3-0.0.24022510", .vendor = "VMware",
                          .platforms = "esxio 8.0", .provides = "esx-version = 8.0.3-0.0.24022510",
                          .conflicts = "esx-base", .files = "etc/x"));
    image_add(image, fixture_vib(.name = "driver-esxio", .version = "1", .depends = "nowhere",
                                 .platforms = "esxio 8.0", .level = "community"));
    image_add(image, fixture_vib(.name = "both", .version = "1", .files = "etc/x",
                                 .platforms = "esxio 8.0; embeddedEsx 8.0"));
    image->acceptance = ACCEPTANCE_PARTNER;
    image_expect(image, note);

    /* What is hidden helps nobody either. */
    image_add(image, fixture_vib(.name = "net", .version = "1", .depends = "esxio-base"));
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_assert_cmpuint(problems->len, ==, 2);
    g_assert_cmpstr(((struct problem *)problems->pdata[0])->message, ==,
                    "VIB ACME_bootbank_net_1 requires esxio-base, which no VIB of the profile "
                    "provides");
}

static void
test_platform_before_8(void)
{
    auto_ptr(image) image = image_new(BASE_70);
    image_add(image, fixture_vib(.name = "dpu", .version = "1", .platforms = "esxio 8.0",
                                 .depends = "nowhere"));
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_assert_cmpuint(problems->len, ==, 2);
    const struct problem *problem = problems->pdata[1];
    g_assert_cmpint(problem->severity, ==, RULE_WARNING);
    g_assert_cmpstr(problem->message, ==,
                    "VIB ACME_bootbank_dpu_1 is for the platform esxio, not for embeddedEsx");
}

static void
test_platform_version(void)
{
    static const struct {
        const char *platforms;
        gboolean fits_67, fits_70, fits_80;
    } rows[] = {
        {"embeddedEsx", TRUE, TRUE, TRUE},
        {"embeddedEsx *", TRUE, TRUE, TRUE},
        {"embeddedEsx 6.*", TRUE, FALSE, TRUE},
        {"embeddedEsx 6.7.0", TRUE, FALSE, TRUE},
        {"embeddedEsx 7.0.0", FALSE, TRUE, TRUE},
        {"embeddedEsx 7.0", FALSE, TRUE, TRUE},
        {"embeddedEsx 8.0", FALSE, FALSE, TRUE},
        {"embeddedEsx 9.0", FALSE, FALSE, FALSE},
        {"embeddedEsx 6.7; embeddedEsx 7.0", TRUE, TRUE, TRUE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const gboolean fits[] = {rows[i].fits_67, rows[i].fits_70, rows[i].fits_80};
        for (gsize j = 0; j < G_N_ELEMENTS(fits); j++) {
            auto_ptr(image) image = image_new(j == 0 ? BASE_67 : j == 1 ? BASE_70 : BASE_80);
            image_add(image,
                      fixture_vib(.name = "net", .version = "1", .platforms = rows[i].platforms));
            g_test_message("%s, image %d", rows[i].platforms, (int)j);
            g_autoptr(GPtrArray) problems = image_judge(image);
            g_assert_cmpuint(problems->len, ==, fits[j] ? 0 : 1);
        }
    }
    auto_ptr(image) image = image_new(BASE_70);
    image_add(image, fixture_vib(.name = "net", .version = "1", .platforms = "embeddedEsx 8.0"));
    image_expect(image, "warning platform ACME_bootbank_net_1 [8.0] VIB ACME_bootbank_net_1 is for "
                        "ESXi 8.0, and the image is ESXi 7.0.3 | take a build of it for this "
                        "release\n");
}

static void
test_checksums(void)
{
    static const char payloads[] = "-vgz:net; vgz:new; -text:readme; -tgz:old";
    auto_ptr(image) image = image_new(BASE_80);
    image_add(image, fixture_vib(.name = "net", .version = "1", .payloads = payloads));
    image_expect(image,
                 "warning checksums ACME_bootbank_net_1 [net] VIB ACME_bootbank_net_1 has no "
                 "sha-256 checksum of the decompressed payloads net and old, and ESXi 8.0.3 "
                 "may refuse it | take a build of it for this release, or have it rebuilt\n");
    auto_ptr(image) older = image_new(BASE_70);
    image_add(older, fixture_vib(.name = "net", .version = "1", .payloads = payloads));
    image_expect(older, "");
}

/* The order of the list changes nothing, and a VIB that comes twice is one. */
static void
test_order_is_free(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image, fixture_vib(.name = "a", .version = "1", .files = "etc/x", .conflicts = "b"));
    image_add(image, fixture_vib(.name = "b", .version = "1", .files = "etc/x", .depends = "c; d"));
    image_add(image,
              fixture_vib(.name = "b", .version = "2", .level = "community", .files = "bin/x"));
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_autofree char *text = problems_text(problems);
    auto_ptr(image) reversed = image_new(vib_ref(image->vibs->pdata[3]));
    for (guint i = 4; i > 0; i--)
        image_add(reversed, vib_ref(image->vibs->pdata[i - 1]));
    image_expect(reversed, text);
    g_assert_cmpuint(problems->len, >, 5);
    gboolean warned = FALSE;
    for (guint i = 0; i < problems->len; i++) {
        const struct problem *problem = problems->pdata[i];
        g_assert_false(warned && problem->severity == RULE_ERROR);
        warned = problem->severity == RULE_WARNING;
    }
}

static void
test_to_error(void)
{
    auto_ptr(image) image = image_new(BASE_67);
    image_add(image,
              fixture_vib(.name = "p", .version = "1", .level = "community", .files = "bin/p"));
    g_autoptr(GPtrArray) warnings = image_judge(image);
    g_assert_cmpuint(warnings->len, ==, 1);
    g_assert_false(problems_have_errors(warnings));
    GError *error = NULL;
    g_assert_true(problems_to_error(warnings, "Mine", &error));
    g_assert_no_error(error);

    image_add(image, fixture_vib(.name = "a", .version = "1", .depends = "b"));
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_assert_true(problems_have_errors(problems));
    g_assert_false(problems_to_error(problems, "Mine", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_RULES);
    g_assert_cmpstr(
        error->message, ==,
        "image profile 'Mine' has 1 problem:\n  VIB ACME_bootbank_a_1 requires b, which "
        "no VIB of the profile provides; no depot is connected; connect the one that "
        "has it");
    g_clear_error(&error);

    ((struct problem *)problems->pdata[0])->rule = RULE_SIGNATURE;
    g_assert_false(problems_to_error(problems, "Mine", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_SIGNATURE);
    g_clear_error(&error);
}

static void
test_names(void)
{
    g_assert_cmpstr(rule_name(RULE_DEPENDS), ==, "depends");
    g_assert_cmpstr(rule_name(RULE_SIGNATURE), ==, "signature");
    for (int i = RULE_DEPENDS; i <= RULE_SIGNATURE; i++)
        g_assert_nonnull(rule_name((enum rule)i));
}

/* 400 VIBs with 20,000 files: milliseconds, also when many rules break. */
static void
test_speed(void)
{
    auto_ptr(image) image = image_new(BASE_70);
    struct depot *depot = fixture_depot("/d", DEPOT_BUNDLE);
    for (int i = 0; i < 400; i++) {
        g_autoptr(GString) files = g_string_new(NULL);
        for (int j = 0; j < 50; j++)
            g_string_append_printf(files, "%susr/lib/vmware/%d/%d", j > 0 ? "; " : "", i, j);
        g_autofree char *name = g_strdup_printf("net-%03d", i);
        g_autofree char *wish =
            g_strdup_printf("vmkapi_2_6_0_0; net-%03d >= %d; esx-base", i / 2, i % 10 == 0 ? 2 : 1);
        image_add(image, fixture_vib(.name = name, .version = "1.0-1", .depends = wish,
                                     .files = files->str, .conflicts = "misc-drivers << 5.5"));
        fixture_offer(depot, fixture_vib(.name = name, .version = "2.0-1", .depends = wish,
                                         .files = files->str));
    }
    image->depots = depot_set_new();
    depot_set_add(image->depots, depot);
    gint64 start = g_get_monotonic_time();
    g_autoptr(GPtrArray) problems = image_judge(image);
    gint64 micros = g_get_monotonic_time() - start;
    g_assert_cmpuint(problems->len, ==, 40);
    g_test_minimized_result((double)micros, "%d microseconds", (int)micros);
    /* Far above what it takes, also with sanitizers on a busy machine. */
    g_assert_cmpint(micros, <, 1000000);
}

/* A list made to break everything at once is cut, not followed to its end. */
static void
test_hostile_list(void)
{
    auto_ptr(image) image = image_new(BASE_70);
    g_autoptr(GString) conflicts = g_string_new("api");
    for (int i = 0; i < 150; i++)
        g_string_append_printf(conflicts, "; n%d", i);
    for (int i = 0; i < 150; i++) {
        g_autofree char *name = g_strdup_printf("n%d", i);
        image_add(image,
                  fixture_vib(.name = name, .version = "1", .provides = "api", .files = "etc/x",
                              .conflicts = conflicts->str, .depends = conflicts->str));
    }
    g_autoptr(GPtrArray) problems = image_judge(image);
    g_assert_cmpuint(problems->len, >=, 5000);
    g_assert_cmpuint(problems->len, <, 6000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rules/valid-image", test_valid_image);
    g_test_add_func("/rules/depends", test_depends);
    g_test_add_func("/rules/depends-range", test_depends_range);
    g_test_add_func("/rules/conflicts", test_conflicts);
    g_test_add_func("/rules/obsolete", test_obsolete);
    g_test_add_func("/rules/acceptance", test_acceptance);
    g_test_add_func("/rules/files", test_files);
    g_test_add_func("/rules/overlay-and-locker-files", test_overlay_and_locker_files);
    g_test_add_func("/rules/many-files", test_many_files);
    g_test_add_func("/rules/paths", test_paths);
    g_test_add_func("/rules/overlay-level", test_overlay_level);
    g_test_add_func("/rules/no-base", test_no_base);
    g_test_add_func("/rules/two-bases", test_two_bases);
    g_test_add_func("/rules/missing", test_missing);
    g_test_add_func("/rules/platforms", test_platforms);
    g_test_add_func("/rules/platform-before-8", test_platform_before_8);
    g_test_add_func("/rules/platform-version", test_platform_version);
    g_test_add_func("/rules/checksums", test_checksums);
    g_test_add_func("/rules/order-is-free", test_order_is_free);
    g_test_add_func("/rules/to-error", test_to_error);
    g_test_add_func("/rules/names", test_names);
    g_test_add_func("/rules/speed", test_speed);
    g_test_add_func("/rules/hostile-list", test_hostile_list);
    return g_test_run();
}
