/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/boot_order.h"
#include "esx/module_names.h"
#include "image_fixture.h"

/* Name everything and compare the order with `expected`: names between blanks. */
static void
check_order(struct image_fixture *image, const char *version, gboolean installer,
            const char *expected)
{
    GError *error = NULL;
    g_assert_true(
        module_names_assign(image->profile, image->vibs, generation_of_version(version), &error));
    g_assert_no_error(error);
    g_autoptr(GArray) order = boot_order_of(image->profile, image->vibs, installer, &error);
    g_assert_no_error(error);
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < order->len; i++) {
        const struct boot_module *module = &g_array_index(order, struct boot_module, i);
        g_assert_true(vib_payload(module->vib, module->payload->name) == module->payload);
        g_string_append_printf(names, "%s%s", i > 0 ? " " : "", module->name);
    }
    g_assert_cmpstr(names->str, ==, expected);
}

static void
test_5_0(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "VMware_locker_tools-light_5.0.0-0.0.469512", "tools:tgz");
    image_fixture_add(&image, "VMware_bootbank_esx-tboot_5.0.0-0.0.469512", "tboot:boot@5");
    image_fixture_add(&image, "VMware_bootbank_esx-base_5.0.0-0.0.469512",
                      "a:boot@60 b:boot@10 k:boot@50 s:vgz useropts:boot@48=useropts.gz "
                      "weaselin:installer_vgz README:text mboot.c32:boot_com32_bios");
    image_fixture_add(&image, "VMware_bootbank_net-r8169_6.011-2", "net-r8169");
    image_fixture_add(&image, "VMware_bootbank_ata-pata-amd_0.3.10-3", "ata-pata-amd");
    image_fixture_add(&image, "VMware_bootbank_ata-pata-via_0.3.3-2", "ata-pata-via");
    check_order(&image, "5.0.0-0.0.469512", TRUE,
                "tboot.b00 b.b00 useropts.gz k.b00 a.b00 ata-pata.v00 ata-pata.v01 s.v00 "
                "weaselin.i00 net-r816.v00 tools.t00");
    check_order(&image, "5.0.0-0.0.469512", FALSE,
                "tboot.b00 b.b00 useropts.gz k.b00 a.b00 ata-pata.v00 ata-pata.v01 s.v00 "
                "net-r816.v00 tools.t00");
    image_fixture_clear(&image);
}

#define BASE_6_7                                                                                   \
    "BOOTx64.EFI:boot_loader_efi README:text b:boot@10 btldr chardevs:boot@99 "                    \
    "efiboot.img:eltorito_image_efi esximage.zip:upgrade features:boot@49=features.gz "            \
    "isolinux.bin:boot_iso_bios jumpstrt:boot@47=jumpstrt.gz k:boot@50 "                           \
    "mboot.c32:boot_com32_bios menu.c32:boot_com32_bios procfs:boot@101 s:vgz@100 sb:vgz@100 "     \
    "tpm:vgz@100 user:boot@100 useropts:boot@48=useropts.gz vim:vgz@100 vmx:vgz@100 weaselin"

static void
test_6_7(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "VMware_locker_tools-light_10.2.0.7253323-8169922", "tools:tgz");
    image_fixture_add(&image, "VMware_bootbank_esx-base_6.7.0-0.0.8169922", BASE_6_7);
    image_fixture_add(&image, "VMware_bootbank_cpu-microcode_6.7.0-0.0.8169922",
                      "uc_amd:boot@201 uc_intel:boot@200");
    image_fixture_add(&image, "VMW_bootbank_net-enic_2.1.2.38-2vmw.670.0.0.8169922", "net-enic");
    image_fixture_add(&image, "VMW_bootbank_vmw-ahci_1.2-1", "vmw-ahci");
    image_fixture_add(&image, "Realtek_bootbank_net55-r8168_8.045-1", "net-r8168:tgz");
    struct vib *xorg =
        image_fixture_add(&image, "VMware_bootbank_esx-xserver_6.7.0-0.0.8169922", "xorg");
    xorg->overlay = TRUE;
    check_order(&image, "6.7.0-0.0.8169922", TRUE,
                "b.b00 jumpstrt.gz useropts.gz features.gz k.b00 chardevs.b00 user.b00 procfs.b00 "
                "uc_intel.b00 uc_amd.b00 vmx.v00 vim.v00 tpm.v00 sb.v00 s.v00 net_r816.t00 "
                "net_enic.v00 vmw_ahci.v00 btldr.v00 weaselin.v00 tools.t00 xorg.v00");
    check_order(&image, "6.7.0-0.0.8169922", FALSE,
                "b.b00 jumpstrt.gz useropts.gz features.gz k.b00 chardevs.b00 user.b00 procfs.b00 "
                "uc_intel.b00 uc_amd.b00 vmx.v00 vim.v00 tpm.v00 sb.v00 s.v00 net_r816.t00 "
                "net_enic.v00 vmw_ahci.v00 btldr.v00 tools.t00 xorg.v00");
    image_fixture_clear(&image);
}

static void
test_7_0(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "VMware_bootbank_loadesx_7.0.0-1.0.15843807", "loadesx");
    image_fixture_add(&image, "VMware_bootbank_esx-update_7.0.0-1.0.15843807",
                      "esxupdt tpmesxup weaselin");
    image_fixture_add(&image, "VMware_bootbank_esx-base_7.0.0-1.0.15843807",
                      "b:boot@10 btldr features:boot@49=features.gz "
                      "jumpstrt:boot@47=jumpstrt.gz k:boot@50 procfs:boot@99 s:vgz@100 sb:vgz@100 "
                      "tpm:vgz@100 useropts:boot@48=useropts.gz vim:vgz@100 vmx:vgz@100");
    image_fixture_add(&image, "VMware_bootbank_cpu-microcode_7.0.0-1.0.15843807",
                      "uc_amd:boot@52 uc_hygon:boot@52 uc_intel:boot@51");
    image_fixture_add(&image, "VMW_bootbank_nvme-pcie_1.2-1", "nvme-pcie");
    check_order(&image, "7.0.0-1.0.15843807", TRUE,
                "b.b00 jumpstrt.gz useropts.gz features.gz k.b00 uc_intel.b00 uc_amd.b00 "
                "uc_hygon.b00 procfs.b00 vmx.v00 vim.v00 tpm.v00 sb.v00 s.v00 nvme_pci.v00 "
                "btldr.v00 esxupdt.v00 tpmesxup.v00 weaselin.v00 loadesx.v00");
    check_order(&image, "7.0.0-1.0.15843807", FALSE,
                "b.b00 jumpstrt.gz useropts.gz features.gz k.b00 uc_intel.b00 uc_amd.b00 "
                "uc_hygon.b00 procfs.b00 vmx.v00 vim.v00 tpm.v00 sb.v00 s.v00 nvme_pci.v00 "
                "btldr.v00 tpmesxup.v00 loadesx.v00");
    image_fixture_clear(&image);
}

/* VIB names whose one payload is called alike, by their vendor field. */
static const char *const vmw_8_0_3[] = {
    "atlantic",    "bcm-mpi3",  "bnxtnet",     "bnxtroce",     "brcmfcoe",   "cndi-igc",
    "dwi2c",       "elxiscsi",  "elxnet",      "i40en",        "iavmd",      "icen",
    "igbn",        "intelgpio", "ionic-cloud", "ionic-en",     "irdman",     "iser",
    "ixgben",      "lpfc",      "lpnic",       "lsi-mr3",      "lsi-msgpt2", "lsi-msgpt3",
    "lsi-msgpt35", "mtip32xx",  "ne1000",      "nenic",        "nfnic",      "nhpsa",
    "nipmi",       "nmlx5-cc",  "nmlx5-core",  "nmlx5-rdma",   "ntg3",       "nvme-pcie",
    "nvmerdma",    "nvmetcp",   "nvmxnet3",    "nvmxnet3-ens", "pvscsi",     "qcnic",
    "qedentv",     "qedrntv",   "qfle3",       "qfle3f",       "qfle3i",     "qflge",
    "rdmahl",      "rste",      "sfvmk",       "smartpqi",     "vmkata",     "vmksdhci",
    "vmkusb",      "vmw-ahci",
};
static const char *const vmware_8_0_3[] = {
    "bmcal",
    "clusterstore",
    "crx",
    "drivervm-gpu-base",
    "elx-esx-libelxima.so",
    "esx-ui",
    "esxio-combiner",
    "infravisor",
    "loadesx",
    "lsuv2-hpv2-hpsa",
    "lsuv2-intelv2",
    "lsuv2-lsiv2",
    "lsuv2-nvme",
    "lsuv2-oem-dell",
    "lsuv2-oem-lenovo",
    "lsuv2-smartpqiv2",
    "native-misc",
    "qlnativefc",
    "trx",
    "vcls-pod-crx",
    "vdfs",
    "vds-vsip",
    "vmware-esx",
    "vsan",
    "vsanhealth",
    "vsanmgmt",
};

static void
add_each(struct image_fixture *image, const char *prefix, const char *const *names, gsize n)
{
    for (gsize i = n; i > 0; i--) {
        g_autofree char *id = g_strdup_printf("%s_%s_8.0.3-0.0.24022510", prefix, names[i - 1]);
        image_fixture_add(image, id, names[i - 1]);
    }
}

/* The whole list of the release, as it was seen; the VIBs are put in backwards. */
static void
test_8_0_3(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "VMware_locker_tools-light_12.4-1", "tools:tgz");
    image_fixture_add(&image, "VMware_bootbank_vmware-hbrsrv_8.0.3-1", "hbrsrv");
    image_fixture_add(&image, "VMware_bootbank_gc_8.0.3-1", "gc")->overlay = TRUE;
    image_fixture_add(&image, "VMware_bootbank_esx-xserver_8.0.3-1", "xorg")->overlay = TRUE;
    image_fixture_add(&image, "VMware_bootbank_esx-update_8.0.3-1", "esxupdt tpmesxup weaselin");
    image_fixture_add(&image, "VMware_bootbank_esx-dvfilter-generic-fastpath_8.0.3-1", "dvfilter");
    image_fixture_add(&image, "VMware_bootbank_esx-base_8.0.3-1",
                      "b:boot@10 btldr features:boot@49=features.gz "
                      "jumpstrt:boot@47=jumpstrt.gz k:boot@50 procfs:boot@99 s:vgz@100 sb:vgz@100 "
                      "tpm:vgz@100 useropts:boot@48=useropts.gz vim:vgz@100 vmx:vgz@100");
    image_fixture_add(&image, "VMware_bootbank_cpu-microcode_8.0.3-1",
                      "uc_amd:boot@52 uc_hygon:boot@52 uc_intel:boot@51");
    struct vib *dpu =
        image_fixture_add(&image, "VMware_bootbank_esxio-base_8.0.3-1", "b:boot@1 s:vgz@100");
    image_fixture_platform(dpu, "esxio");
    add_each(&image, "VMware_bootbank", vmware_8_0_3, G_N_ELEMENTS(vmware_8_0_3));
    add_each(&image, "VMW_bootbank", vmw_8_0_3, G_N_ELEMENTS(vmw_8_0_3));
    check_order(
        &image, "8.0.3-0.0.24022510", TRUE,
        "b.b00 jumpstrt.gz useropts.gz features.gz k.b00 uc_intel.b00 uc_amd.b00 uc_hygon.b00 "
        "procfs.b00 vmx.v00 vim.v00 tpm.v00 sb.v00 s.v00 "
        "atlantic.v00 bcm_mpi3.v00 bnxtnet.v00 bnxtroce.v00 brcmfcoe.v00 cndi_igc.v00 dwi2c.v00 "
        "elxiscsi.v00 elxnet.v00 i40en.v00 iavmd.v00 icen.v00 igbn.v00 intelgpi.v00 ionic_cl.v00 "
        "ionic_en.v00 irdman.v00 iser.v00 ixgben.v00 lpfc.v00 lpnic.v00 lsi_mr3.v00 lsi_msgp.v00 "
        "lsi_msgp.v01 lsi_msgp.v02 mtip32xx.v00 ne1000.v00 nenic.v00 nfnic.v00 nhpsa.v00 "
        "nipmi.v00 nmlx5_cc.v00 nmlx5_co.v00 nmlx5_rd.v00 ntg3.v00 nvme_pci.v00 nvmerdma.v00 "
        "nvmetcp.v00 nvmxnet3.v00 nvmxnet3.v01 pvscsi.v00 qcnic.v00 qedentv.v00 qedrntv.v00 "
        "qfle3.v00 qfle3f.v00 qfle3i.v00 qflge.v00 rdmahl.v00 rste.v00 sfvmk.v00 smartpqi.v00 "
        "vmkata.v00 vmksdhci.v00 vmkusb.v00 vmw_ahci.v00 bmcal.v00 clusters.v00 crx.v00 "
        "drivervm.v00 elx_esx_.v00 btldr.v00 dvfilter.v00 esx_ui.v00 esxupdt.v00 tpmesxup.v00 "
        "weaselin.v00 esxio_co.v00 infravis.v00 loadesx.v00 lsuv2_hp.v00 lsuv2_in.v00 "
        "lsuv2_ls.v00 lsuv2_nv.v00 lsuv2_oe.v00 lsuv2_oe.v01 lsuv2_sm.v00 native_m.v00 "
        "qlnative.v00 trx.v00 vcls_pod.v00 vdfs.v00 vds_vsip.v00 vmware_e.v00 hbrsrv.v00 vsan.v00 "
        "vsanheal.v00 vsanmgmt.v00 tools.t00 xorg.v00 gc.v00");
    image_fixture_clear(&image);
}

static void
test_not_booted(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "VMware_bootbank_esx-base_7.0.0-1", "b:boot@10 k:boot@50 s:vgz@100");
    image_fixture_add(&image, "ACME_bootbank_net_1-1", "net");
    image_fixture_add(&image, "ACME_bootbank_old_1-1", "old o:boot@20");
    profile_find_vib(image.profile, "ACME_bootbank_old_1-1")->boot = FALSE;
    check_order(&image, "7.0.0", TRUE, "b.b00 k.b00 s.v00 net.v00");
    image_fixture_clear(&image);
}

/* A boot payload without an order loads after those with one; equal orders keep the order of ids;
 * an order below 100 moves no archive; an overlay's archive never goes to the head. */
static void
test_corners(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    image_fixture_add(&image, "ACME_bootbank_aa_1-1", "none:boot same:boot@50 low:vgz@99");
    image_fixture_add(&image, "VMware_bootbank_esx-base_7.0.0-1", "b:boot@10 k:boot@50 s:vgz@100");
    image_fixture_add(&image, "ACME_bootbank_zz_1-1", "head:tgz@150 i:insvgz top:vgz@100");
    image_fixture_add(&image, "ACME_bootbank_over_1-1", "o:vgz p:vgz@200")->overlay = TRUE;
    check_order(&image, "7.0.0", TRUE,
                "b.b00 same.b00 k.b00 none.b00 s.v00 top.v00 head.t00 low.v00 i.i00 o.v00 p.v00");
    image_fixture_clear(&image);
}

static void
test_errors(void)
{
    struct image_fixture image;
    image_fixture_init(&image);
    g_autoptr(GError) error = NULL;
    image_fixture_add(&image, "ACME_bootbank_net_1-1", "net");
    g_assert_null(boot_order_of(image.profile, image.vibs, TRUE, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_cmpstr(error->message, ==,
                    "the profile gives payload net of VIB ACME_bootbank_net_1-1 no name on the "
                    "medium");
    g_clear_error(&error);

    g_assert_true(
        module_names_assign(image.profile, image.vibs, generation_of_version("7.0"), NULL));
    g_assert_null(boot_order_of(image.profile, image.vibs, TRUE, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_RULES);
    g_assert_cmpstr(error->message, ==,
                    "profile test-image has no boot payload, nothing could be booted; add "
                    "esx-base");
    image_fixture_clear(&image);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-order/5.0", test_5_0);
    g_test_add_func("/boot-order/6.7", test_6_7);
    g_test_add_func("/boot-order/7.0", test_7_0);
    g_test_add_func("/boot-order/8.0.3", test_8_0_3);
    g_test_add_func("/boot-order/not-booted", test_not_booted);
    g_test_add_func("/boot-order/corners", test_corners);
    g_test_add_func("/boot-order/errors", test_errors);
    return g_test_run();
}
