/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/boot_cfg.h"
#include "esx/isolinux_cfg.h"

#include <string.h>

static char *
text_of(GBytes *bytes)
{
    gsize length = 0;
    const char *data = g_bytes_get_data(bytes, &length);
    return g_strndup(length > 0 ? data : "", length);
}

static void
check_format(const struct boot_cfg *cfg, const char *expected)
{
    g_autoptr(GBytes) bytes = boot_cfg_format(cfg);
    g_autofree char *text = text_of(bytes);
    g_assert_cmpstr(text, ==, expected);
}

static struct boot_cfg *
parse(const char *text)
{
    GError *error = NULL;
    struct boot_cfg *cfg = boot_cfg_parse(text, strlen(text), "BOOT.CFG", &error);
    g_assert_no_error(error);
    return cfg;
}

static const char cfg_5_0[] = "bootstate=0\n"
                              "title=Loading ESXi installer\n"
                              "kernel=/tboot.b00\n"
                              "kernelopt=runweasel\n"
                              "modules=/b.b00 --- /k.b00 --- /imgdb.tgz\n"
                              "build=\n"
                              "updated=0\n";
static const char cfg_6_7[] = "bootstate=0\n"
                              "title=Loading ESXi installer\n"
                              "timeout=5\n"
                              "prefix=\n"
                              "kernel=/b.b00\n"
                              "kernelopt=cdromBoot runweasel\n"
                              "modules=/jumpstrt.gz --- /k.b00 --- /imgdb.tgz\n"
                              "build=\n"
                              "updated=0\n";
static const char cfg_7_0[] = "bootstate=0\n"
                              "title=Loading ESXi installer\n"
                              "timeout=5\n"
                              "prefix=\n"
                              "kernel=/b.b00\n"
                              "kernelopt=cdromBoot runweasel\n"
                              "modules=/jumpstrt.gz --- /k.b00 --- /imgdb.tgz\n"
                              "build=7.0.0-1.0.15843807\n"
                              "updated=0\n";
static const char cfg_8_0[] = "bootstate=0\n"
                              "title=Loading ESXi installer\n"
                              "timeout=5\n"
                              "prefix=\n"
                              "kernel=/b.b00\n"
                              "kernelopt=runweasel cdromBoot\n"
                              "modules=/jumpstrt.gz --- /k.b00 --- /imgdb.tgz\n"
                              "build=8.0.3-0.0.24022510\n"
                              "updated=0\n";
static const char cfg_stateless[] = "bootstate=0\n"
                                    "title=Loading ESXi\n"
                                    "timeout=5\n"
                                    "prefix=\n"
                                    "kernel=/b.b00\n"
                                    "kernelopt=\n"
                                    "modules=/jumpstrt.gz --- /k.b00 --- /imgdb.tgz\n"
                                    "build=8.0.3-0.0.24022510\n"
                                    "updated=0\n";

static void
test_for_image(void)
{
    static const struct {
        const char *version, *kernel, *first;
        gboolean installer;
        const char *expected;
    } rows[] = {
        {"5.0.0-0.0.469512", "tboot.b00", "b.b00", TRUE, cfg_5_0},
        {"6.7.0-0.0.8169922", "b.b00", "jumpstrt.gz", TRUE, cfg_6_7},
        {"7.0.0-1.0.15843807", "b.b00", "jumpstrt.gz", TRUE, cfg_7_0},
        {"8.0.3-0.0.24022510", "b.b00", "jumpstrt.gz", TRUE, cfg_8_0},
        {"8.0.3-0.0.24022510", "b.b00", "jumpstrt.gz", FALSE, cfg_stateless},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) modules = g_ptr_array_new();
        g_ptr_array_add(modules, (char *)rows[i].first);
        g_ptr_array_add(modules, (char *)"k.b00");
        g_ptr_array_add(modules, (char *)"imgdb.tgz");
        auto_ptr(boot_cfg) cfg =
            boot_cfg_for_image(generation_of_version(rows[i].version), rows[i].version,
                               rows[i].kernel, modules, rows[i].installer);
        check_format(cfg, rows[i].expected);
    }
}

/* What is not changed comes out as it went in. */
static void
test_untouched(void)
{
    static const char *const texts[] = {
        cfg_6_7,
        cfg_5_0,
        "# a comment\n\nkernel=/b.b00\nnonsense\n  # more=\n\tnovel = of a key  \nmodules=\n",
        "kernel=/b.b00",
        "bootstate=0\r\nkernel=/b.b00\r\n",
        "bootstate=0\nkernel=/b.b00\r\n\nx=1\r\ny=\xc3\xa4",
        "kernel=a=b\n=\nkernel=/c\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        auto_ptr(boot_cfg) cfg = parse(texts[i]);
        check_format(cfg, texts[i]);
    }
}

static void
test_get(void)
{
    auto_ptr(boot_cfg) cfg = parse("#kernel=/no\n kernel = /old \nKERNEL=/other\nkernel=/b.b00 x=1 "
                                   "\r\nbuild=\nprefix\n");
    g_assert_cmpstr(boot_cfg_get(cfg, "kernel"), ==, "/b.b00 x=1");
    g_assert_cmpstr(boot_cfg_get(cfg, "KERNEL"), ==, "/other");
    g_assert_cmpstr(boot_cfg_get(cfg, "build"), ==, "");
    g_assert_null(boot_cfg_get(cfg, "prefix"));
    g_assert_null(boot_cfg_get(cfg, "#kernel"));
}

static void
test_set(void)
{
    auto_ptr(boot_cfg) cfg = parse("# head\nkernel=/old\nkernelopt = runweasel \nkernel=/b.b00\n"
                                   "title=a");
    boot_cfg_set(cfg, "kernelopt", "runweasel ks=cdrom:/KS.CFG");
    boot_cfg_set(cfg, "kernel", "/k.b00");
    boot_cfg_set(cfg, "build", "8.0.3");
    boot_cfg_set(cfg, "title", "one\nmodules=/evil.v00\r");
    g_assert_cmpstr(boot_cfg_get(cfg, "kernelopt"), ==, "runweasel ks=cdrom:/KS.CFG");
    g_assert_cmpstr(boot_cfg_get(cfg, "title"), ==, "one modules=/evil.v00");
    g_assert_null(boot_cfg_get(cfg, "modules"));
    check_format(cfg, "# head\nkernel=/old\nkernelopt = runweasel ks=cdrom:/KS.CFG\n"
                      "kernel=/k.b00\ntitle=one modules=/evil.v00\nbuild=8.0.3\n");
}

static void
test_set_crlf(void)
{
    auto_ptr(boot_cfg) cfg = parse("bootstate=0\r\nkernel=/b.b00\r\n");
    boot_cfg_set(cfg, "bootstate", "1");
    boot_cfg_set(cfg, "updated", "2");
    check_format(cfg, "bootstate=1\r\nkernel=/b.b00\r\nupdated=2\r\n");
}

static void
check_modules(const char *value, const char *expected)
{
    g_autofree char *text = g_strdup_printf("kernel=/b.b00\nmodules=%s\n", value);
    auto_ptr(boot_cfg) cfg = parse(text);
    g_autoptr(GPtrArray) modules = boot_cfg_modules(cfg);
    g_autoptr(GString) joined = g_string_new(NULL);
    for (guint i = 0; i < modules->len; i++)
        g_string_append_printf(joined, "[%s]", (char *)modules->pdata[i]);
    g_assert_cmpstr(joined->str, ==, expected);
}

static void
test_modules(void)
{
    check_modules("/a.b00 --- /b.v00 --- /c.tgz", "[/a.b00][/b.v00][/c.tgz]");
    check_modules("/a.b00", "[/a.b00]");
    check_modules("", "");
    check_modules(" ---  --- ", "");
    check_modules("/a.b00 opt=1 -x --- /b.v00\t---\t/c.tgz ---",
                  "[/a.b00 opt=1 -x][/b.v00][/c.tgz]");
    check_modules("/a---b.v00 --- /c---", "[/a---b.v00][/c---]");
    check_modules("/a ---- /b --- /c", "[/a ---- /b][/c]");

    auto_ptr(boot_cfg) none = parse("kernel=/b.b00\n");
    g_autoptr(GPtrArray) modules = boot_cfg_modules(none);
    g_assert_cmpuint(modules->len, ==, 0);
    g_ptr_array_add(modules, g_strdup("/a.b00 opt"));
    g_ptr_array_add(modules, g_strdup("/b.v00"));
    boot_cfg_set_modules(none, modules);
    check_format(none, "kernel=/b.b00\nmodules=/a.b00 opt --- /b.v00\n");
}

static void
test_entry_name(void)
{
    static const char *const rows[][2] = {
        {"/B.B00", "b.b00"},
        {"b.b00 runweasel x=/y", "b.b00"},
        {" /EFI/BOOT/X.EFI", "x.efi"},
        {"/net_enic.v00\topt", "net_enic.v00"},
        {"", ""},
        {"/dir/", ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = boot_cfg_entry_name(rows[i][0]);
        g_assert_cmpstr(name, ==, rows[i][1]);
    }
}

static void
refuse(const void *data, gsize length, enum slipway_error code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(boot_cfg_parse(data, length, "BOOT.CFG", &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_refused(void)
{
    static const char no_kernel[] = "BOOT.CFG: is no loader configuration: it has no kernel=";
    static const char binary[] = "BOOT.CFG: is no loader configuration: it holds binary data";
    refuse("", 0, SLIPWAY_ERROR_CORRUPT, no_kernel);
    refuse("title=x\n#kernel=/b\n", 19, SLIPWAY_ERROR_CORRUPT, no_kernel);
    refuse("kernel= \n", 9, SLIPWAY_ERROR_CORRUPT, no_kernel);
    refuse("kernel=/b\0\n", 11, SLIPWAY_ERROR_CORRUPT, binary);
    refuse("kernel=/b\033\n", 11, SLIPWAY_ERROR_CORRUPT, binary);
    g_autofree char *big = g_strnfill(BOOT_CFG_MAX + 1, '#');
    refuse(big, BOOT_CFG_MAX + 1, SLIPWAY_ERROR_LIMIT,
           "BOOT.CFG: 1048577 bytes of loader configuration, the limit is 1048576");
}

/* ---- isolinux.cfg ----------------------------------------------------------------------- */

static const char menu[] = "DEFAULT menu.c32\n"
                           "MENU TITLE ESXi-7.0U3d-19482537-standard Boot Menu\n"
                           "NOHALT 1\n"
                           "PROMPT 0\n"
                           "TIMEOUT 80\n"
                           "LABEL install\n"
                           "  KERNEL mboot.c32\n"
                           "  APPEND -c boot.cfg\n"
                           "  MENU LABEL ESXi-7.0U3d-19482537-standard ^Installer\n"
                           "LABEL hddboot\n"
                           "  LOCALBOOT 0x80\n"
                           "  MENU LABEL ^Boot from local disk\n";

static void
test_isolinux_format(void)
{
    g_autoptr(GBytes) bytes = isolinux_cfg_format("ESXi-7.0U3d-19482537-standard");
    g_autofree char *text = text_of(bytes);
    g_assert_cmpstr(text, ==, menu);
    g_autoptr(GBytes) evil = isolinux_cfg_format("a\nKERNEL evil.c32");
    g_autofree char *clean = text_of(evil);
    g_assert_nonnull(strstr(clean, "MENU TITLE a KERNEL evil.c32 Boot Menu\n"));
}

static void
check_retitle(const char *text, const char *old_title, const char *new_title, const char *expected)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
    g_autoptr(GBytes) changed = isolinux_cfg_retitle(bytes, old_title, new_title);
    g_autofree char *got = text_of(changed);
    g_assert_cmpstr(got, ==, expected);
}

static void
test_isolinux_retitle(void)
{
    g_autoptr(GBytes) custom = isolinux_cfg_format("mine");
    g_autofree char *expected = text_of(custom);
    check_retitle(menu, "ESXi-7.0U3d-19482537-standard", "mine", expected);
    check_retitle(menu, "other", "mine", menu);
    check_retitle(menu, "", "mine", menu);
    check_retitle("", "a", "b", "");
    check_retitle("# abc\r\nmenu title abc\r\nAPPEND abc\r\nmenuabc\nMENU LABEL x", "abc", "d\ne",
                  "# abc\r\nmenu title d e\r\nAPPEND abc\r\nmenuabc\nMENU LABEL x");
    check_retitle("MENU TITLE a", "a", "bb", "MENU TITLE bb");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-cfg/for-image", test_for_image);
    g_test_add_func("/boot-cfg/untouched", test_untouched);
    g_test_add_func("/boot-cfg/get", test_get);
    g_test_add_func("/boot-cfg/set", test_set);
    g_test_add_func("/boot-cfg/set-crlf", test_set_crlf);
    g_test_add_func("/boot-cfg/modules", test_modules);
    g_test_add_func("/boot-cfg/entry-name", test_entry_name);
    g_test_add_func("/boot-cfg/refused", test_refused);
    g_test_add_func("/isolinux-cfg/format", test_isolinux_format);
    g_test_add_func("/isolinux-cfg/retitle", test_isolinux_retitle);
    return g_test_run();
}
