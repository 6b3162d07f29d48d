/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/module_names.h"
#include "image_fixture.h"

#define BASE "VMware_bootbank_esx-base_6.7.0-1"

static void
assign(struct image_fixture *image, const char *version)
{
    GError *error = NULL;
    g_assert_true(
        module_names_assign(image->profile, image->vibs, generation_of_version(version), &error));
    g_assert_no_error(error);
}

static void
check(const struct image_fixture *image, const char *id, const char *payload, const char *name)
{
    g_test_message("%s %s", id, payload);
    g_assert_cmpstr(image_fixture_local(image, id, payload), ==, name);
}

static void
refuse(struct image_fixture *image, enum slipway_error code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(
        module_names_extend(image->profile, image->vibs, generation_of_version("6.7"), &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

/* The names of a 6.7 image that were seen. */
static void
test_real_names(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    static const struct {
        const char *payload, *type, *name;
    } rows[] = {
        {"BOOTx64.EFI", "boot_loader_efi", "bootx64..b00"},
        {"README", "text", "readme.t00"},
        {"b", "boot", "b.b00"},
        {"btldr", "vgz", "btldr.v00"},
        {"chardevs", "boot", "chardevs.b00"},
        {"efiboot.img", "eltorito_image_efi", "efiboot..e00"},
        {"esximage.zip", "upgrade", "esximage.u00"},
        {"isolinux.bin", "boot_iso_bios", "isolinux.b00"},
        {"mboot.c32", "boot_com32_bios", "mboot.c3.b00"},
        {"menu.c32", "boot_com32_bios", "menu.c32.b00"},
        {"metadata.xml", "upgrade", "metadata.u00"},
        {"uc_intel", "boot", "uc_intel.b00"},
        {"weaselin", "installer_vgz", "weaselin.i00"},
    };
    GString *payloads = g_string_new("jumpstrt:boot@47=jumpstrt.gz features:boot@49=FEATURES.GZ ");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_string_append_printf(payloads, "%s:%s ", rows[i].payload, rows[i].type);
    image_fixture_add(&image, BASE, payloads->str);
    image_fixture_add(&image, "VMware_locker_tools-light_10.2-1", "tools:tgz");
    image_fixture_add(&image, "VMW_bootbank_net-enic_2.1-1", "net-enic");
    assign(&image, "6.7.0");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check(&image, BASE, rows[i].payload, rows[i].name);
    check(&image, BASE, "jumpstrt", "jumpstrt.gz");
    check(&image, BASE, "features", "features.gz");
    check(&image, "VMware_locker_tools-light_10.2-1", "tools", "tools.t00");
    check(&image, "VMW_bootbank_net-enic_2.1-1", "net-enic", "net_enic.v00");
    g_string_free(payloads, TRUE);
    image_fixture_clear(&image);
}

/* Twins are numbered in the order of their VIB ids, whatever the order of the profile. */
static void
test_twins(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    static const char *const names[] = {"via",     "sil680", "serverworks", "pdc2027x",
                                        "hpt3x2n", "cmd64x", "atiixp",      "amd"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *id = g_strdup_printf("VMW_bootbank_ata-pata-%s_0.3-1", names[i]);
        g_autofree char *payload = g_strdup_printf("ata-pata-%s", names[i]);
        image_fixture_add(&image, id, payload);
    }
    image_fixture_add(&image, "VMware_bootbank_lsu-lsi-mpt2_1-1", "lsu-lsi-mpt2");
    image_fixture_add(&image, "VMware_bootbank_lsu-lsi-lsi_1-1", "lsu-lsi-lsi");
    image_fixture_add(&image, "VMware_bootbank_nsx-python_1-1",
                      "nsx_python_a nsx_python_b nsx_python_c");
    assign(&image, "6.7.0");
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *id = g_strdup_printf("VMW_bootbank_ata-pata-%s_0.3-1", names[i]);
        g_autofree char *payload = g_strdup_printf("ata-pata-%s", names[i]);
        g_autofree char *name = g_strdup_printf("ata_pata.v%02x", 7 - (unsigned)i);
        check(&image, id, payload, name);
    }
    check(&image, "VMware_bootbank_lsu-lsi-lsi_1-1", "lsu-lsi-lsi", "lsu_lsi_.v00");
    check(&image, "VMware_bootbank_lsu-lsi-mpt2_1-1", "lsu-lsi-mpt2", "lsu_lsi_.v01");
    check(&image, "VMware_bootbank_nsx-python_1-1", "nsx_python_a", "nsx_pyth.v00");
    check(&image, "VMware_bootbank_nsx-python_1-1", "nsx_python_b", "nsx_pyth.v01");
    check(&image, "VMware_bootbank_nsx-python_1-1", "nsx_python_c", "nsx_pyth.v02");
    image_fixture_clear(&image);
}

/* Sorted bytewise: VMW_ before VMware_bootbank before VMware_locker, others by their letters. */
static void
test_vendors(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    static const char *const ids[] = {
        "BCM_bootbank_lsi-mr3_1-1",    "INT_bootbank_lsi-mr3_1-1",  "VMW_bootbank_lsi-mr3_1-1",
        "VMware_bootbank_lsi-mr3_1-1", "VMware_locker_lsi-mr3_1-1", "hp_bootbank_lsi-mr3_1-1",
    };
    for (gsize i = G_N_ELEMENTS(ids); i > 0; i--)
        image_fixture_add(&image, ids[i - 1], "lsi-mr3");
    assign(&image, "6.7.0");
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *name = g_strdup_printf("lsi_mr3.v%02x", (unsigned)i);
        check(&image, ids[i], "lsi-mr3", name);
    }
    image_fixture_clear(&image);
}

static void
test_dashes(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "VMware_bootbank_ata-pata-amd_1-1", "ata-pata-amd");
    assign(&image, "5.0.0-0.0.469512");
    check(&image, "VMware_bootbank_ata-pata-amd_1-1", "ata-pata-amd", "ata-pata.v00");
    assign(&image, "5.1.0-0.0.799733");
    check(&image, "VMware_bootbank_ata-pata-amd_1-1", "ata-pata-amd", "ata_pata.v00");
    image_fixture_clear(&image);
}

/* A vfat-name is taken before any name is made, also that of a VIB late in the order. */
static void
test_vfat_first(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "ACME_bootbank_net_1-1", "net other");
    image_fixture_add(&image, "ZZ_bootbank_late_1-1", "late:vgz=NET.V00");
    assign(&image, "6.7.0");
    check(&image, "ACME_bootbank_net_1-1", "net", "net.v01");
    check(&image, "ZZ_bootbank_late_1-1", "late", "net.v00");
    image_fixture_clear(&image);
}

/* What rides along for the DPU does not shift the names of the host's modules. */
static void
test_other_product(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    struct vib *dpu = image_fixture_add(&image, "VMW_bootbank_nvme-pcie-esxio_1-1", "nvme-pcie-io");
    image_fixture_platform(dpu, "esxio");
    image_fixture_add(&image, "VMW_bootbank_nvme-pcie_1-1", "nvme-pcie");
    assign(&image, "8.0.3");
    check(&image, "VMW_bootbank_nvme-pcie_1-1", "nvme-pcie", "nvme_pci.v00");
    check(&image, "VMW_bootbank_nvme-pcie-esxio_1-1", "nvme-pcie-io", "nvme_pci.v01");
    image_fixture_clear(&image);
}

/* The map lists payloads as the descriptor does, and has no entry for what is not in the list. */
static void
test_map(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, BASE, "b:boot c:boot=c.gz d:boot");
    profile_add_vib(image.profile, "ACME_bootbank_gone_1-1");
    g_ptr_array_add(image.vibs, NULL);
    image.vibs->pdata[image.vibs->len - 1] = vib_new();
    ((struct vib *)image.vibs->pdata[1])->id = g_strdup("ACME_bootbank_stranger_1-1");
    assign(&image, "6.7.0");
    const struct profile_vib *base = profile_find_vib(image.profile, BASE);
    static const char *const order[] = {"b", "c", "d"};
    g_assert_cmpuint(base->locals->len, ==, 3);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpstr(g_array_index(base->locals, struct profile_local_name, i).payload, ==,
                        order[i]);
    g_assert_cmpuint(profile_find_vib(image.profile, "ACME_bootbank_gone_1-1")->locals->len, ==, 0);
    g_assert_null(profile_find_vib(image.profile, "ACME_bootbank_stranger_1-1"));
    image_fixture_clear(&image);
}

/* 256 twins are named, one more is not. */
static void
test_limit(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    for (unsigned i = 0; i < MODULE_NAME_TWINS_MAX; i++) {
        g_autofree char *id = g_strdup_printf("ACME_bootbank_driver-%03u_1-1", i);
        image_fixture_add(&image, id, "driver-x");
    }
    assign(&image, "6.7.0");
    check(&image, "ACME_bootbank_driver-255_1-1", "driver-x", "driver_x.vff");
    image_fixture_add(&image, "ACME_bootbank_driver-999_1-1", "driver-x");
    refuse(
        &image, SLIPWAY_ERROR_LIMIT,
        "VIB ACME_bootbank_driver-999_1-1: payload driver-x: all 256 names like driver_x.v00 are "
        "taken; leave some VIBs out");
    image_fixture_clear(&image);
}

static void
test_refused(void)
{
    static const struct {
        const char *payloads, *message;
    } rows[] = {
        {"a:vgz=toolongname.gz",
         "VIB " BASE ": the vfat-name of payload a, 'toolongname.gz', is no 8.3 name"},
        {"a:vgz=../x.gz", "VIB " BASE ": the vfat-name of payload a, '../x.gz', is no 8.3 name"},
        {"a:vgz=Boot.CFG",
         "VIB " BASE ": payload a wants the name boot.cfg, which the medium itself uses"},
        {"a:vgz=imgdb.tgz",
         "VIB " BASE ": payload a wants the name imgdb.tgz, which the medium itself uses"},
        {"a:vgz=x.gz b:vgz=X.GZ",
         "VIB " BASE ": payload b wants the name x.gz, which a payload of " BASE
         " has; leave one of the two VIBs out"},
        {"a/b:vgz", "VIB " BASE ": no 8.3 name can be made of payload 'a/b' of type 'vgz'"},
        {"a:?", "VIB " BASE ": no 8.3 name can be made of payload 'a' of type '?'"},
        {"..:vgz", "VIB " BASE ": no 8.3 name can be made of payload '..' of type 'vgz'"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct image_fixture image;
        image_fixture_init(&image);
        image_fixture_add(&image, BASE, rows[i].payloads);
        refuse(&image, SLIPWAY_ERROR_CORRUPT, rows[i].message);
        image_fixture_clear(&image);
    }
}

static void
test_extend(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, BASE, "b:boot k:boot");
    image_fixture_add(&image, "VMW_bootbank_lsi-mr3_1-1", "lsi-mr3");
    image_fixture_add(&image, "VMW_bootbank_lsi-msgpt3_1-1", "lsi-msgpt3");
    image_fixture_add(&image, "VMW_bootbank_lsi-msgpt35_1-1", "lsi-msgpt35");
    assign(&image, "8.0.3");
    check(&image, "VMW_bootbank_lsi-msgpt3_1-1", "lsi-msgpt3", "lsi_msgp.v01");
    check(&image, "VMW_bootbank_lsi-msgpt35_1-1", "lsi-msgpt35", "lsi_msgp.v00");

    /* A newer version takes the free name; what sorts before it keeps its own. */
    profile_remove_vib(image.profile, "VMW_bootbank_lsi-msgpt35_1-1");
    image_fixture_add(&image, "ACME_bootbank_lsi-msgpt2_1-1", "lsi-msgpt2");
    image_fixture_add(&image, "VMW_bootbank_lsi-msgpt35_2-1", "lsi-msgpt35");
    GError *error = NULL;
    g_assert_true(
        module_names_extend(image.profile, image.vibs, generation_of_version("8.0.3"), &error));
    g_assert_no_error(error);
    check(&image, BASE, "k", "k.b00");
    check(&image, "VMW_bootbank_lsi-msgpt3_1-1", "lsi-msgpt3", "lsi_msgp.v01");
    check(&image, "ACME_bootbank_lsi-msgpt2_1-1", "lsi-msgpt2", "lsi_msgp.v00");
    check(&image, "VMW_bootbank_lsi-msgpt35_2-1", "lsi-msgpt35", "lsi_msgp.v02");

    /* A second time changes nothing. */
    g_autoptr(GBytes) before = profile_format(image.profile, TRUE);
    g_assert_true(
        module_names_extend(image.profile, image.vibs, generation_of_version("8.0.3"), NULL));
    g_autoptr(GBytes) after = profile_format(image.profile, TRUE);
    g_assert_true(g_bytes_equal(before, after));
    image_fixture_clear(&image);
}

static void
test_extend_twice_named(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, BASE, "b:boot");
    image_fixture_add(&image, "ACME_bootbank_net_1-1", "net");
    static const char *const ids[] = {BASE, "ACME_bootbank_net_1-1"};
    static const char *const locals[] = {"net.v00", "NET.V00"};
    for (gsize i = 0; i < 2; i++) {
        struct profile_local_name name = {g_strdup("net"), g_strdup(locals[i])};
        g_array_append_val(profile_find_vib(image.profile, ids[i])->locals, name);
    }
    refuse(&image, SLIPWAY_ERROR_CORRUPT,
           "profile test-image: the name NET.V00 is given to payloads of both " BASE
           " and ACME_bootbank_net_1-1");
    image_fixture_clear(&image);
}

static void
test_valid(void)
{
    static const char *const good[] = {"b.b00",        "ata-pata.v00", "menu.c32.b00", "a",
                                       "bootx64..b00", "useropts.gz",  "_~$#!%&'.()@", "a."};
    static const char *const bad[] = {"",          ".",       "..",       ".gz",   "ninechars.v00",
                                      "ninechars", "A.gz",    "a b.v00",  "a/b.c", "a.text",
                                      "a\\b",      "a\n.v00", "\xc3\xa4", "a+b",   "..a.v00"};
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_test_message("%s", good[i]);
        g_assert_true(module_name_valid(good[i]));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("%s", bad[i]);
        g_assert_false(module_name_valid(bad[i]));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/module-names/real", test_real_names);
    g_test_add_func("/module-names/twins", test_twins);
    g_test_add_func("/module-names/vendors", test_vendors);
    g_test_add_func("/module-names/dashes", test_dashes);
    g_test_add_func("/module-names/vfat-first", test_vfat_first);
    g_test_add_func("/module-names/other-product", test_other_product);
    g_test_add_func("/module-names/map", test_map);
    g_test_add_func("/module-names/limit", test_limit);
    g_test_add_func("/module-names/refused", test_refused);
    g_test_add_func("/module-names/extend", test_extend);
    g_test_add_func("/module-names/extend-twice-named", test_extend_twice_named);
    g_test_add_func("/module-names/valid", test_valid);
    return g_test_run();
}
