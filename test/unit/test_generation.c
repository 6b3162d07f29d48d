/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/generation.h"
#include "image_fixture.h"

static void
test_rows(void)
{
    static const struct {
        const char *version;
        const char *kernelopt;
        gboolean dashes, timeout, build, basemisc, esxiodpt, platform, gunzip;
    } rows[] = {
        {"5.0.0-0.0.469512", "runweasel", 1, 0, 0, 0, 0, 0, 0},
        {"5.0", "runweasel", 1, 0, 0, 0, 0, 0, 0},
        {"5.1.0-0.0.799733", "runweasel", 0, 1, 0, 0, 0, 0, 0},
        {"5.5.0-0.0.1331820", "runweasel", 0, 1, 0, 0, 0, 0, 0},
        {"6.0.0-0.0.2494585", "runweasel", 0, 1, 0, 0, 0, 0, 0},
        {"6.5.0-0.0.4564106", "runweasel", 0, 1, 0, 0, 0, 0, 0},
        {"6.7.0-0.0.8169922", "cdromBoot runweasel", 0, 1, 0, 0, 0, 0, 0},
        {"7.0.0-1.0.15843807", "cdromBoot runweasel", 0, 1, 1, 0, 0, 0, 0},
        {"7.0.1-0.0.16850804", "cdromBoot runweasel", 0, 1, 1, 0, 0, 0, 0},
        {"7.0.2-0.0.17630552", "cdromBoot runweasel", 0, 1, 1, 1, 0, 0, 0},
        {"7.0.3-0.0.18644231", "cdromBoot runweasel", 0, 1, 1, 1, 0, 0, 0},
        {"8.0.0-1.0.20513097", "runweasel cdromBoot", 0, 1, 1, 1, 0, 1, 1},
        {"8.0.1-0.0.21495797", "runweasel cdromBoot", 0, 1, 1, 1, 0, 1, 1},
        {"8.0.2-0.0.22380479", "runweasel cdromBoot", 0, 1, 1, 1, 1, 1, 1},
        {"8.0.3-0.0.24022510", "runweasel cdromBoot", 0, 1, 1, 1, 1, 1, 1},
        {"9.1.1-0.25714478", "runweasel cdromBoot", 0, 1, 1, 1, 1, 1, 1},
        {"10.0", "runweasel cdromBoot", 0, 1, 1, 1, 1, 1, 1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].version);
        const struct generation *row = generation_of_version(rows[i].version);
        g_assert_nonnull(row);
        g_assert_cmpstr(row->kernelopt, ==, rows[i].kernelopt);
        g_assert_cmpint(row->keeps_dashes, ==, rows[i].dashes);
        g_assert_cmpint(row->timeout_prefix, ==, rows[i].timeout);
        g_assert_cmpint(row->build_line, ==, rows[i].build);
        g_assert_cmpint(row->basemisc, ==, rows[i].basemisc);
        g_assert_cmpint(row->esxiodpt, ==, rows[i].esxiodpt);
        g_assert_cmpint(row->per_platform, ==, rows[i].platform);
        g_assert_cmpint(row->wants_gunzip_sha256, ==, rows[i].gunzip);
    }
}

static void
test_none(void)
{
    static const char *const versions[] = {"",     "x",    "4.1.0-1.0", "8x.0",  "8..0",
                                           "-8.0", " 8.0", "8.",        "8.0.x", "99999999999.0"};
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_test_message("'%s'", versions[i]);
        g_assert_null(generation_of_version(versions[i]));
    }
    g_assert_null(generation_of_version(NULL));
}

static void
test_of_vibs(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "ACME_bootbank_net_1.0-1", "net");
    struct vib *dpu = image_fixture_add(&image, "VMware_bootbank_esxio-base_8.0.1-0.0.2", "b:boot");
    image_fixture_provide(dpu, "esx-version", "8.0.1-0.0.2");
    image_fixture_platform(dpu, "esxio");
    const char *version = NULL;
    GError *error = NULL;
    const struct generation *row = generation_of(image.vibs, &version, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(version, ==, "8.0.1-0.0.2");

    /* The host's own system counts more than that of the DPU. */
    struct vib *base = image_fixture_add(&image, "VMware_bootbank_esx-base_8.0.3-0.0.1", "b:boot");
    image_fixture_provide(base, "vmkapi_2_6_0_0", "1");
    image_fixture_provide(base, "esx-version", "8.0.3-0.0.1");
    row = generation_of(image.vibs, &version, &error);
    g_assert_no_error(error);
    g_assert_true(row->esxiodpt);
    g_assert_cmpstr(version, ==, "8.0.3-0.0.1");
    g_assert_true(generation_of(image.vibs, NULL, NULL) == row);
    image_fixture_clear(&image);
}

static void
test_errors(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    g_autoptr(GError) error = NULL;
    g_assert_null(generation_of(image.vibs, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_RULES);
    g_assert_cmpstr(error->message, ==,
                    "no VIB of the image provides esx-version; add esx-base of the release that "
                    "is wanted");
    g_clear_error(&error);

    struct vib *base = image_fixture_add(&image, "VMware_bootbank_esx-base_4.1.0-1", "b:boot");
    image_fixture_provide(base, "esx-version", NULL);
    g_assert_null(generation_of(image.vibs, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_cmpstr(error->message, ==,
                    "VIB VMware_bootbank_esx-base_4.1.0-1 provides esx-version 4.1.0-1, which is "
                    "no release from 5.0 on");
    image_fixture_clear(&image);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/generation/rows", test_rows);
    g_test_add_func("/generation/none", test_none);
    g_test_add_func("/generation/of-vibs", test_of_vibs);
    g_test_add_func("/generation/errors", test_errors);
    return g_test_run();
}
