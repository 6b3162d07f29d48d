/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/little_endian.h"
#include "disk/disk_open.h"
#include "engine/boot_firmware.h"
#include "engine/boot_screen.h"
#include "engine/boot_sign.h"
#include "hyper/machine.h"

#include <string.h>

/* ---- Screens --------------------------------------------------------------------------------- */

/* `colours` of them in stripes, and `changed` pixels that differ from those. */
static GBytes *
make_dump(guint width, guint height, guint colours, guint changed)
{
    g_autofree char *head = g_strdup_printf("P6\n%u %u\n255\n", width, height);
    GByteArray *dump = g_byte_array_new();
    g_byte_array_append(dump, (const guint8 *)head, (guint)strlen(head));
    for (guint i = 0; i < width * height; i++) {
        guint8 pixel[] = {(guint8)(i % colours), 1, i < changed ? 200 : 2};
        g_byte_array_append(dump, pixel, sizeof pixel);
    }
    return g_byte_array_free_to_bytes(dump);
}

static void
test_screen(void)
{
    struct boot_screen a, b;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) plain = make_dump(100, 50, 20, 0), cursor = make_dump(100, 50, 20, 10);
    g_autoptr(GBytes) other = make_dump(100, 50, 20, 11), blank = make_dump(100, 50, 1, 0);
    g_autoptr(GBytes) wide = make_dump(101, 50, 20, 0);
    g_assert_true(boot_screen_parse(plain, &a, &error));
    g_assert_cmpuint(a.width, ==, 100);
    g_assert_cmpuint(a.height, ==, 50);
    g_assert_cmpuint(boot_screen_colours(&a, 64), ==, 20);
    g_assert_cmpuint(boot_screen_colours(&a, 17), ==, 17);
    g_assert_true(boot_screen_parse(blank, &b, NULL));
    g_assert_cmpuint(boot_screen_colours(&b, 64), ==, 1);
    g_assert_false(boot_screen_same(&a, &b));
    g_assert_true(boot_screen_parse(cursor, &b, NULL) && boot_screen_same(&a, &b));
    g_assert_true(boot_screen_parse(other, &b, NULL) && !boot_screen_same(&a, &b));
    g_assert_true(boot_screen_parse(wide, &b, NULL) && !boot_screen_same(&a, &b));
}

static void
test_screen_bad(void)
{
    static const struct {
        const char *dump;
        enum slipway_error code;
    } rows[] = {
        {"", SLIPWAY_ERROR_CORRUPT},
        {"P5\n1 1\n255\nabc", SLIPWAY_ERROR_CORRUPT},
        {"P6\n1 1\n65535\nabc", SLIPWAY_ERROR_CORRUPT},
        {"P6\n0 1\n255\n", SLIPWAY_ERROR_CORRUPT},
        {"P6\n1 1\n255\nab", SLIPWAY_ERROR_CORRUPT},
        {"P6\n1 1\n255\nabcd", SLIPWAY_ERROR_CORRUPT},
        {"P6\n1 1\n255", SLIPWAY_ERROR_CORRUPT},
        {"P6\n1", SLIPWAY_ERROR_CORRUPT},
        {"P6\n-1 1\n255\nabc", SLIPWAY_ERROR_CORRUPT},
        {"P6\n4294967297 1\n255\nabc", SLIPWAY_ERROR_CORRUPT},
        {"P6\n8193 1\n255\nabc", SLIPWAY_ERROR_LIMIT},
        {"P6\n1 99999\n255\nabc", SLIPWAY_ERROR_LIMIT},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) dump = g_bytes_new(rows[i].dump, strlen(rows[i].dump));
        struct boot_screen screen;
        g_assert_false(boot_screen_parse(dump, &screen, &error));
        g_assert_error(error, SLIPWAY_ERROR, (gint)rows[i].code);
    }
}

/* ---- Signs ----------------------------------------------------------------------------------- */

static struct boot_sign *
make_sign(const char *text, guint settle)
{
    g_autoptr(GError) error = NULL;
    struct boot_sign *sign = boot_sign_new(text, settle, &error);
    g_assert_no_error(error);
    return sign;
}

static void
say(struct boot_sign *sign, const char *text)
{
    boot_sign_take_serial(sign, text, strlen(text));
}

static void
assert_found(const struct boot_sign *sign, enum boot_sign_kind kind, const char *expected)
{
    g_autofree char *words = NULL;
    g_assert_cmpint(boot_sign_found(sign, &words), ==, kind);
    g_assert_cmpstr(words, ==, expected);
}

/* In pieces, among anything, and long after much else. */
static void
test_serial(void)
{
    auto_ptr(boot_sign) sign = make_sign(NULL, 0);
    say(sign, "\033[2J\001\377 Welcome to GRUB!\r\n");
    assert_found(sign, BOOT_SIGN_NONE, NULL);
    for (guint i = 0; i < 3000; i++)
        say(sign, "[    1.0] a line of the kernel, as there are many\r\n");
    assert_found(sign, BOOT_SIGN_NONE, NULL);
    say(sign, "\r\nhost lo");
    assert_found(sign, BOOT_SIGN_NONE, NULL);
    say(sign, "gin: ");
    assert_found(sign, BOOT_SIGN_SERIAL, "\"login:\" on the serial port");
    auto_ptr(boot_sign) own = make_sign("ready \\d+", 0);
    say(own, "login: ");
    assert_found(own, BOOT_SIGN_NONE, NULL);
    say(own, "ready 42\n");
    assert_found(own, BOOT_SIGN_SERIAL, "\"ready 42\" on the serial port");
    g_autoptr(GError) error = NULL;
    g_assert_null(boot_sign_new("(", 0, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

/* An expression that takes for ever on what the guest says ends, without a sign. */
static void
test_serial_hostile(void)
{
    auto_ptr(boot_sign) sign = make_sign("(a+)+$", 0);
    g_autofree char *text = g_strnfill(40, 'a');
    gint64 begin = g_get_monotonic_time();
    say(sign, text);
    assert_found(sign, BOOT_SIGN_SERIAL,
                 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" on the serial "
                 "port");
    auto_ptr(boot_sign) other = make_sign("(a+)+b", 0);
    say(other, text);
    assert_found(other, BOOT_SIGN_NONE, NULL);
    g_autofree char *long_text = g_strnfill(3 * BOOT_SIGN_SERIAL_MAX, 'x');
    say(other, long_text);
    assert_found(other, BOOT_SIGN_NONE, NULL);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 60 * G_USEC_PER_SEC);
}

static void
test_agent(void)
{
    auto_ptr(boot_sign) sign = make_sign(NULL, 0);
    static const char *const noise[] = {"{\"return\"",      "\n",     "[]\n",
                                        "{\"error\":{}}\n", "\377\n", "{\"return\":"};
    for (guint i = 0; i < G_N_ELEMENTS(noise); i++)
        boot_sign_take_agent(sign, noise[i], strlen(noise[i]));
    assert_found(sign, BOOT_SIGN_NONE, NULL);
    g_autofree char *flood = g_strnfill(100000, '[');
    boot_sign_take_agent(sign, flood, 100000);
    boot_sign_take_agent(sign, "\n{\"return\": {}}", 15);
    assert_found(sign, BOOT_SIGN_NONE, NULL);
    boot_sign_take_agent(sign, "\n", 1);
    assert_found(sign, BOOT_SIGN_AGENT, "the guest agent answers");
}

static void
show(struct boot_sign *sign, guint colours, guint changed, gint64 now)
{
    g_autoptr(GBytes) dump = make_dump(100, 50, colours, changed);
    boot_sign_take_screen(sign, dump, now);
}

/* Drawn, and at rest for as long as was asked for. */
static void
test_settles(void)
{
    auto_ptr(boot_sign) sign = make_sign(NULL, 5000);
    show(sign, 1, 0, 1000);
    show(sign, 1, 0, 9000);
    show(sign, 40, 0, 10000);
    show(sign, 40, 9, 13000); /* a cursor */
    show(sign, 40, 0, 14999);
    assert_found(sign, BOOT_SIGN_NONE, NULL);
    show(sign, 40, 900, 15000);
    show(sign, 40, 900, 19999);
    assert_found(sign, BOOT_SIGN_NONE, NULL);
    show(sign, 40, 900, 20000);
    assert_found(sign, BOOT_SIGN_SCREEN, "a screen of 100 x 50 that stays as it is");
}

/* What creeps does not rest, blank is blank, and text is no picture; nor with 0 is anything. */
static void
test_does_not_settle(void)
{
    auto_ptr(boot_sign) creeps = make_sign(NULL, 1000);
    auto_ptr(boot_sign) blank = make_sign(NULL, 1000);
    auto_ptr(boot_sign) text = make_sign(NULL, 1000);
    auto_ptr(boot_sign) off = make_sign(NULL, 0);
    auto_ptr(boot_sign) broken = make_sign(NULL, 1000);
    auto_ptr(boot_sign) nothing = make_sign(NULL, 1000);
    g_autoptr(GBytes) bad = g_bytes_new_static("P6", 2);
    for (guint i = 0; i < 20; i++) {
        show(creeps, 40, 8 * i, 400 * i);
        show(blank, 1, 0, 400 * i);
        show(text, 16, 0, 400 * i);
        show(off, 40, 0, 400 * i);
        show(broken, 40, 0, 800 * i);
        boot_sign_take_screen(broken, bad, 800 * i + 400);
    }
    struct {
        const struct boot_sign *sign;
        const char *lack;
    } rows[] = {{creeps, "the screen did not come to rest"},
                {blank, "the screen is blank"},
                {text, "the screen shows text or little else"},
                {off, "the screen did not come to rest"},
                {broken, "no screen"},
                {nothing, "no screen"}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        assert_found(rows[i].sign, BOOT_SIGN_NONE, NULL);
        g_autofree char *lack = boot_sign_lack(rows[i].sign);
        g_autofree char *expected = g_strconcat("nothing on the serial port; ", rows[i].lack, NULL);
        g_assert_cmpstr(lack, ==, expected);
    }
    say(blank, "error: no such partition.\r\n\033[0mgrub rescue> ");
    g_autofree char *lack = boot_sign_lack(blank);
    g_assert_cmpstr(lack, ==,
                    "the serial port ends with \"error: no such partition. grub "
                    "rescue>\"; the screen is blank");
}

/* ---- Firmware -------------------------------------------------------------------------------- */

static void
test_config(void)
{
    static const struct {
        const char *config;
        enum boot_firmware firmware;
        enum boot_bus bus;
    } rows[] = {
        {NULL, BOOT_FIRMWARE_AUTO, BOOT_BUS_AUTO},
        {"", BOOT_FIRMWARE_AUTO, BOOT_BUS_AUTO},
        {"a note on efi and pvscsi", BOOT_FIRMWARE_AUTO, BOOT_BUS_AUTO},
        {"memsize = \"4096\"\r\nfirmware = \"efi\"\r\nscsi0.virtualDev = \"pvscsi\"\r\n",
         BOOT_FIRMWARE_UEFI, BOOT_BUS_PVSCSI},
        {"firmware = \"bios\"\nscsi0.virtualDev = \"lsisas1068\"\n", BOOT_FIRMWARE_BIOS,
         BOOT_BUS_LSI},
        {"<domain><os firmware='efi'><type arch='x86_64'>hvm</type></os><disk><target dev='vda' "
         "bus='virtio'/></disk></domain>",
         BOOT_FIRMWARE_UEFI, BOOT_BUS_VIRTIO},
        {"<domain><os><type arch=\"x86_64\">hvm</type><loader readonly=\"yes\" "
         "type=\"pflash\">/x</loader></os><target dev=\"sda\" bus=\"scsi\"/></domain>",
         BOOT_FIRMWARE_UEFI, BOOT_BUS_SCSI},
        {"<os><type>hvm</type></os><target dev='hda' bus='ide'/>", BOOT_FIRMWARE_BIOS,
         BOOT_BUS_IDE},
        {"{\"config\":{\"firmware\" : \"efi\"}}", BOOT_FIRMWARE_UEFI, BOOT_BUS_AUTO},
        {"boot: order=scsi0\nbios: ovmf\nscsihw: virtio-scsi-single\n", BOOT_FIRMWARE_UEFI,
         BOOT_BUS_SCSI},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpint(boot_firmware_of_config(rows[i].config), ==, rows[i].firmware);
        g_assert_cmpint(boot_bus_of_config(rows[i].config), ==, rows[i].bus);
    }
}

/* Our own description of a machine, whatever another product's in it says. */
static void
test_machine_config(void)
{
    static const struct {
        enum machine_firmware firmware;
        enum machine_bus bus;
        const char *model;
        enum boot_firmware expected;
        enum boot_bus expected_bus;
    } rows[] = {
        {MACHINE_BIOS, MACHINE_SCSI, "pvscsi", BOOT_FIRMWARE_BIOS, BOOT_BUS_PVSCSI},
        {MACHINE_UEFI, MACHINE_SCSI, "lsisas1068", BOOT_FIRMWARE_UEFI, BOOT_BUS_LSI},
        {MACHINE_UEFI_SECURE, MACHINE_SCSI, "virtio-scsi", BOOT_FIRMWARE_UEFI, BOOT_BUS_SCSI},
        {MACHINE_UEFI, MACHINE_SCSI, "lsilogic", BOOT_FIRMWARE_UEFI, BOOT_BUS_AUTO},
        {MACHINE_UEFI, MACHINE_SCSI, NULL, BOOT_FIRMWARE_UEFI, BOOT_BUS_AUTO},
        {MACHINE_BIOS, MACHINE_IDE, "ide", BOOT_FIRMWARE_BIOS, BOOT_BUS_IDE},
        {MACHINE_BIOS, MACHINE_SATA, "ahci", BOOT_FIRMWARE_BIOS, BOOT_BUS_SATA},
        {MACHINE_BIOS, MACHINE_VIRTIO, "virtio-blk", BOOT_FIRMWARE_BIOS, BOOT_BUS_VIRTIO},
        {MACHINE_UEFI, MACHINE_NVME, "nvme", BOOT_FIRMWARE_UEFI, BOOT_BUS_AUTO},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        auto_ptr(machine) machine = machine_new();
        machine->driver = g_strdup("libvirt");
        machine->id = g_strdup("1");
        machine->name = g_strdup("app01");
        machine->firmware = rows[i].firmware;
        machine->native_type = g_strdup("libvirt-xml");
        machine->native =
            g_strdup("<os firmware='efi'/><type>hvm</type><target dev='hda' bus='ide'/>");
        for (guint k = 0; k < 2; k++) {
            struct machine_disk *disk = machine_add_disk(machine);
            disk->name = g_strdup_printf("disk%u", k);
            disk->bus = k == 0 ? MACHINE_USB : rows[i].bus;
            disk->model = g_strdup(k == 0 ? NULL : rows[i].model);
            disk->boot_order = 2 - k;
        }
        g_autofree char *text = machine_format(machine, &error);
        g_assert_no_error(error);
        g_assert_cmpint(boot_firmware_of_config(text), ==, rows[i].expected);
        g_assert_cmpint(boot_bus_of_config(text), ==, rows[i].expected_bus);
        g_autofree char *first = boot_disk_of_config(text);
        g_assert_cmpstr(first, ==, "disk1");
    }
    g_assert_null(boot_disk_of_config("{\"disks\":[{\"boot_order\":1,\"name\":\"x\"}]}"));
    g_assert_null(boot_disk_of_config(NULL));
}

static const guint8 guid_esp[] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                  0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const guint8 guid_data[] = {0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44,
                                   0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7};

static void
put(struct disk *disk, guint64 offset, const void *data, gsize length)
{
    g_autoptr(GError) error = NULL;
    disk_write(disk, offset, data, length, &error);
    g_assert_no_error(error);
}

/* `type` of an MBR entry; 0: no table at all. */
static void
put_mbr(struct disk *disk, gboolean code, guint8 type, gboolean active)
{
    guint8 mbr[512] = {0};
    if (code)
        memcpy(mbr, "\x33\xc0\x8e\xd0", 4);
    mbr[446] = active ? 0x80 : 0;
    mbr[450] = type;
    mbr[510] = 0x55;
    mbr[511] = 0xaa;
    put(disk, 0, mbr, sizeof mbr);
}

static void
put_gpt(struct disk *disk, guint block, const void *type, guint64 attributes)
{
    guint8 header[92] = "EFI PART", entry[128] = {0};
    little_endian_put64(header + 72, 2);
    little_endian_put32(header + 80, 128);
    little_endian_put32(header + 84, 128);
    put(disk, block, header, sizeof header);
    memcpy(entry, guid_data, 16);
    put(disk, 2 * block, entry, sizeof entry);
    memcpy(entry, type, 16);
    little_endian_put64(entry + 48, attributes);
    put(disk, 2 * block + 5 * 128, entry, sizeof entry);
}

static enum boot_firmware
firmware_of(struct disk *disk)
{
    g_autoptr(GError) error = NULL;
    enum boot_firmware firmware;
    boot_firmware_of_disk(disk, &firmware, &error);
    g_assert_no_error(error);
    return firmware;
}

static void
test_disk(void)
{
    static const struct {
        gboolean code;
        guint8 type;
        gboolean active;
        guint gpt; /* size of a block; 0: none */
        const void *partition;
        guint64 attributes;
        enum boot_firmware expected;
    } rows[] = {
        {FALSE, 0x83, TRUE, 0, NULL, 0, BOOT_FIRMWARE_BIOS},
        {TRUE, 0x07, TRUE, 0, NULL, 0, BOOT_FIRMWARE_BIOS},
        {FALSE, 0xef, FALSE, 0, NULL, 0, BOOT_FIRMWARE_UEFI},
        {FALSE, 0xee, FALSE, 512, guid_esp, 0, BOOT_FIRMWARE_UEFI},
        {FALSE, 0xee, FALSE, 4096, guid_esp, 0, BOOT_FIRMWARE_UEFI},
        {TRUE, 0xee, FALSE, 512, guid_esp, 0, BOOT_FIRMWARE_UEFI}, /* Windows */
        {TRUE, 0xee, FALSE, 512, guid_esp, 4, BOOT_FIRMWARE_BIOS}, /* both, for a BIOS */
        {FALSE, 0xee, FALSE, 512, guid_data, 0, BOOT_FIRMWARE_BIOS},
        {TRUE, 0xee, FALSE, 512, "Hah!IdontNeedEFI", 0, BOOT_FIRMWARE_BIOS},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        auto_ptr(disk) disk = disk_memory_new(1 << 20, "disk");
        put_mbr(disk, rows[i].code, rows[i].type, rows[i].active);
        if (rows[i].gpt != 0)
            put_gpt(disk, rows[i].gpt, rows[i].partition, rows[i].attributes);
        g_assert_cmpint(firmware_of(disk), ==, rows[i].expected);
    }
}

/* Tables that say what cannot be, and disks that end before them. */
static void
test_disk_strange(void)
{
    for (guint64 size = 1; size < 20000; size += 511) {
        auto_ptr(disk) disk = disk_memory_new(size, "disk");
        g_assert_cmpint(firmware_of(disk), ==, BOOT_FIRMWARE_BIOS);
    }
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    for (guint i = 0; i < 300; i++) {
        auto_ptr(disk) disk = disk_memory_new(65536, "disk");
        put_mbr(disk, FALSE, 0xee, FALSE);
        put_gpt(disk, 512, guid_data, 0);
        guint8 bytes[24];
        for (guint k = 0; k < sizeof bytes; k++)
            bytes[k] = (guint8)(i % 3 == 0 ? 0xff : g_rand_int(rand));
        put(disk, 512 + 72, bytes, sizeof bytes);
        g_assert_cmpint(firmware_of(disk), ==, BOOT_FIRMWARE_BIOS);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-screen/parse", test_screen);
    g_test_add_func("/boot-screen/bad", test_screen_bad);
    g_test_add_func("/boot-sign/serial", test_serial);
    g_test_add_func("/boot-sign/serial-hostile", test_serial_hostile);
    g_test_add_func("/boot-sign/agent", test_agent);
    g_test_add_func("/boot-sign/settles", test_settles);
    g_test_add_func("/boot-sign/does-not-settle", test_does_not_settle);
    g_test_add_func("/boot-firmware/config", test_config);
    g_test_add_func("/boot-firmware/machine-config", test_machine_config);
    g_test_add_func("/boot-firmware/disk", test_disk);
    g_test_add_func("/boot-firmware/disk-strange", test_disk_strange);
    return g_test_run();
}
