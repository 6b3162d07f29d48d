/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "disk/disk_open.h"
#include "scratch_directory.h"

#define FILE_LENGTH 2000u

static void
expect_probe(gsize offset, const char *magic, gsize length, enum disk_format expected)
{
    auto_scratch scratch = scratch_new();
    guint8 file[FILE_LENGTH] = {0};
    memcpy(file + offset, magic, length);
    g_autoptr(GBytes) bytes = g_bytes_new_static(file, sizeof file);
    scratch_put_bytes(&scratch, "image", bytes);
    g_autofree char *path = scratch_path(&scratch, "image");
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(disk_format_probe(path, &error), ==, expected);
    g_assert_no_error(error);
}

static void
test_probe(void)
{
    expect_probe(0, "QFI\xfb", 4, DISK_FORMAT_QCOW2);
    expect_probe(0, "KDMV", 4, DISK_FORMAT_VMDK);
    expect_probe(0, "# Disk DescriptorFile\nversion=1\n", 32, DISK_FORMAT_VMDK);
    expect_probe(0, "vhdxfile", 8, DISK_FORMAT_VHDX);
    expect_probe(0, "conectix", 8, DISK_FORMAT_VPC);
    expect_probe(FILE_LENGTH - 512, "conectix", 8, DISK_FORMAT_VPC);
    expect_probe(64, "\x7f\x10\xda\xbe", 4, DISK_FORMAT_VDI);
    /* Nearly. */
    expect_probe(0, "QFI\xfa", 4, DISK_FORMAT_RAW);
    expect_probe(1, "QFI\xfb", 4, DISK_FORMAT_RAW);
    expect_probe(FILE_LENGTH - 511, "conectix", 8, DISK_FORMAT_RAW);
    expect_probe(0, "", 0, DISK_FORMAT_RAW);
}

/* Files that are shorter than what is looked for. */
static void
test_short(void)
{
    static const struct {
        const char *content;
        enum disk_format format;
    } files[] = {{"", DISK_FORMAT_RAW},
                 {"K", DISK_FORMAT_RAW},
                 {"KDM", DISK_FORMAT_RAW},
                 {"KDMV", DISK_FORMAT_VMDK},
                 {"vhdxfil", DISK_FORMAT_RAW}};
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "image");
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GError) error = NULL;
        scratch_put(&scratch, "image", files[i].content);
        g_assert_cmpint(disk_format_probe(path, &error), ==, files[i].format);
        g_assert_no_error(error);
    }
}

static void
test_missing(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(disk_format_probe("/nowhere/disk", &error), ==, DISK_FORMAT_N);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==,
                    "cannot open disk /nowhere/disk: No such file or directory");
}

static void
test_names(void)
{
    enum disk_format found;
    for (enum disk_format format = 0; format < DISK_FORMAT_N; format++) {
        g_assert_true(disk_format_parse(disk_format_name(format), &found));
        g_assert_cmpint(found, ==, format);
    }
    g_assert_true(disk_format_parse("vhd", &found));
    g_assert_cmpint(found, ==, DISK_FORMAT_VPC);
    g_assert_false(disk_format_parse("", &found));
    g_assert_false(disk_format_parse("QCOW2", &found));
    g_assert_false(disk_format_parse("qcow", &found));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/disk-format/probe", test_probe);
    g_test_add_func("/disk-format/short", test_short);
    g_test_add_func("/disk-format/missing", test_missing);
    g_test_add_func("/disk-format/names", test_names);
    return g_test_run();
}
