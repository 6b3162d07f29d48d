/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of hot-add that need no server: places on controllers, the kernel's files, notes. */
#include "base/cancel.h"
#include "base/error.h"
#include "hyper/mark.h"
#include "hyper/vsphere/hot_add_private.h"
#include "scratch_directory.h"

#include <string.h>
#include <unistd.h>

#define UUID "6000c29a-1b2c-3d4e-5f60-718293a4b5c6"
#define DIGITS "6000c29a1b2c3d4e5f60718293a4b5c6"

/* ---- Places ---------------------------------------------------------------------------------- */

static struct device *
add_device(GPtrArray *devices, const char *type, gint64 key, gint64 controller, gint64 unit)
{
    struct device *device = g_new0(struct device, 1);
    device->type = g_strdup(type);
    device->key = key;
    device->controller_key = controller;
    device->unit = unit;
    g_ptr_array_add(devices, device);
    return device;
}

static GPtrArray *
new_devices(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
}

static void
test_slot_choice(void)
{
    g_autoptr(GPtrArray) devices = new_devices();
    struct hot_add_slot slot;
    g_autoptr(GError) error = NULL;
    add_device(devices, "VirtualIDEController", 200, 0, -1);
    g_assert_false(hot_add_slot_find(devices, &slot, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);
    add_device(devices, "VirtualLsiLogicController", 1000, 100, 3);
    g_assert_true(hot_add_slot_find(devices, &slot, &error));
    g_assert_cmpint(slot.controller_key, ==, 1000);
    g_assert_cmpint(slot.unit, ==, 0);
    /* Paravirtual is better, but not an empty one than one with a disk. */
    add_device(devices, "ParaVirtualSCSIController", 1001, 100, 4);
    add_device(devices, "VirtualDisk", 2000, 1000, 0);
    g_assert_true(hot_add_slot_find(devices, &slot, &error));
    g_assert_cmpint(slot.controller_key, ==, 1000);
    g_assert_cmpint(slot.unit, ==, 1);
    add_device(devices, "VirtualDisk", 2016, 1001, 1);
    g_assert_true(hot_add_slot_find(devices, &slot, &error));
    g_assert_cmpint(slot.controller_key, ==, 1001);
    g_assert_cmpint(slot.unit, ==, 0);
}

static void
test_slot_full(void)
{
    g_autoptr(GPtrArray) devices = new_devices();
    struct hot_add_slot slot;
    g_autoptr(GError) error = NULL;
    add_device(devices, "ParaVirtualSCSIController", 1000, 100, 3);
    for (gint64 i = 0; i < 15; i++) {
        g_assert_true(hot_add_slot_find(devices, &slot, &error));
        g_assert_cmpint(slot.unit, !=, 7);
        add_device(devices, "VirtualDisk", 2000 + i, 1000, slot.unit);
    }
    g_assert_false(hot_add_slot_find(devices, &slot, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
}

static void
test_slot_match(void)
{
    g_autoptr(GPtrArray) devices = new_devices();
    struct device *own = add_device(devices, "VirtualDisk", 2000, 1000, 0);
    own->file = g_strdup("[ds1] proxy/proxy.vmdk");
    own->mode = g_strdup("persistent");
    struct device *other = add_device(devices, "VirtualDisk", 2001, 1000, 1);
    other->file = g_strdup("[ds1] app/app-000001-REDO.vmdk");
    other->parent_file = g_strdup("[ds1] app/app.vmdk");
    other->uuid = g_strdup(UUID);
    other->mode = g_strdup("independent_nonpersistent");
    g_assert_true(hot_add_slot_match(devices, "[ds1] app/app.vmdk", NULL, FALSE) == other);
    g_assert_true(hot_add_slot_match(devices, "[ds1] x/x.vmdk", UUID, FALSE) == other);
    g_assert_null(hot_add_slot_match(devices, "[ds1] x/x.vmdk", NULL, FALSE));
    /* A disk of our own is not in the mode that others' are attached with. */
    g_assert_null(hot_add_slot_match(devices, "[ds1] proxy/proxy.vmdk", NULL, FALSE));
    g_assert_null(hot_add_slot_match(devices, "[ds1] app/app.vmdk", UUID, TRUE));
    own->uuid = g_strdup(UUID);
    g_assert_null(hot_add_slot_match(devices, "[ds1] app/app.vmdk", UUID, TRUE));
    g_assert_true(hot_add_slot_match(devices, "[ds1] proxy/proxy.vmdk", NULL, TRUE) == own);
}

/* No file may ever be deleted with the device. */
static void
test_slot_specs(void)
{
    struct device device = {.key = 2001, .controller_key = 1000, .unit = 1, .size = 4096};
    struct hot_add_slot slot = {1000, 9};
    g_autofree char *attach = hot_add_slot_attach_spec(&slot, "[ds1] a&b/a.vmdk", 1 << 20, FALSE);
    g_autofree char *writable = hot_add_slot_attach_spec(&slot, "[ds1] a/a.vmdk", 1 << 20, TRUE);
    g_autofree char *detach = hot_add_slot_detach_spec(&device);
    g_assert_nonnull(strstr(attach, "[ds1] a&amp;b/a.vmdk"));
    g_assert_nonnull(strstr(attach, "independent_nonpersistent"));
    g_assert_null(strstr(attach, "fileOperation"));
    g_assert_nonnull(strstr(writable, ">persistent<"));
    g_assert_null(strstr(writable, "fileOperation"));
    g_assert_nonnull(strstr(detach, ">remove<"));
    g_assert_null(strstr(detach, "fileOperation"));
}

/* ---- The kernel's files ---------------------------------------------------------------------- */

struct kernel {
    struct scratch scratch;
};

static struct kernel
kernel_new(void)
{
    struct kernel kernel = {scratch_new()};
    g_autofree char *sys = scratch_path(&kernel.scratch, "sys");
    g_autofree char *dev = scratch_path(&kernel.scratch, "dev");
    g_setenv("SLIPWAY_SYSFS", sys, TRUE);
    g_setenv("SLIPWAY_DEV", dev, TRUE);
    scratch_put(&kernel.scratch, "sys/class/scsi_host/host0/scan", "");
    scratch_put(&kernel.scratch, "sys/class/block/sda/size", "8");
    scratch_put(&kernel.scratch, "dev/sda", "not this one");
    return kernel;
}

static void
kernel_clear(struct kernel *kernel)
{
    g_unsetenv("SLIPWAY_SYSFS");
    g_unsetenv("SLIPWAY_DEV");
    scratch_clear(&kernel->scratch);
}

#define auto_kernel __attribute__((cleanup(kernel_clear))) struct kernel

static void
put_device(struct kernel *kernel, const char *name, gsize size)
{
    g_autofree char *path = g_strdup_printf("dev/%s", name);
    g_autofree char *zeros = g_malloc0(size);
    g_autoptr(GBytes) bytes = g_bytes_new(zeros, size);
    scratch_put_bytes(&kernel->scratch, path, bytes);
}

static void
from_hex(const char *hex, guint8 *to)
{
    for (; hex[0] != '\0'; hex += 2, to++)
        *to = (guint8)(g_ascii_xdigit_value(hex[0]) * 16 + g_ascii_xdigit_value(hex[1]));
}

/* Page 0x83 with a T10 designator first, in whose text other digits are, then one of NAA. */
static void
put_page83(struct kernel *kernel, const char *name, const char *digits, gboolean hidden)
{
    guint8 page[64] = {0, 0x83, 0, 0};
    guint8 *at = page + 4;
    memcpy(at, "\x02\x01\x00\x18VMware  ", 12);
    from_hex(digits, at + 12);
    if (!hidden)
        memset(at + 12, 'x', 16);
    at += 28;
    memcpy(at, "\x01\x03\x00\x10", 4);
    from_hex(digits, at + 4);
    if (hidden)
        at[4 + 15] ^= 1;
    at += 20;
    page[3] = (guint8)(at - page - 4);
    g_autoptr(GBytes) bytes = g_bytes_new(page, (gsize)(at - page));
    g_autofree char *path = g_strdup_printf("sys/class/block/%s/device/vpd_pg83", name);
    scratch_put_bytes(&kernel->scratch, path, bytes);
}

static void
test_device_page(void)
{
    auto_kernel kernel = kernel_new();
    put_page83(&kernel, "sdc", DIGITS, TRUE);
    g_assert_null(hot_add_find_device(UUID, NULL));
    put_page83(&kernel, "sdb", DIGITS, FALSE);
    g_autofree char *name = hot_add_find_device(UUID, NULL);
    g_assert_cmpstr(name, ==, "sdb");
    g_assert_null(hot_add_find_device("6000c29a-1b2c-3d4e-5f60-718293a4b5c8", NULL));
    g_assert_null(hot_add_find_device("no uuid", NULL));
}

static void
test_device_partition(void)
{
    auto_kernel kernel = kernel_new();
    put_page83(&kernel, "sdb1", DIGITS, FALSE);
    scratch_put(&kernel.scratch, "sys/class/block/sdb1/partition", "1");
    g_assert_null(hot_add_find_device(UUID, NULL));
}

static void
test_device_others(void)
{
    auto_kernel kernel = kernel_new();
    scratch_put(&kernel.scratch, "sys/class/block/sdb/device/wwid", "naa." DIGITS "\n");
    g_autofree char *by_wwid = hot_add_find_device(UUID, NULL);
    g_assert_cmpstr(by_wwid, ==, "sdb");
    scratch_put(&kernel.scratch, "sys/class/block/sdb/device/wwid", "eui.1\n");
    g_assert_null(hot_add_find_device(UUID, NULL));
    static const char serial[] = "\0\x80\0\x20" DIGITS;
    g_autoptr(GBytes) page = g_bytes_new(serial, sizeof serial - 1);
    scratch_put_bytes(&kernel.scratch, "sys/class/block/sde/device/vpd_pg80", page);
    g_autofree char *by_serial = hot_add_find_device(UUID, NULL);
    g_assert_cmpstr(by_serial, ==, "sde");
}

static void
test_device_by_id(void)
{
    auto_kernel kernel = kernel_new();
    scratch_put(&kernel.scratch, "dev/disk/by-id/x", "");
    g_autofree char *link = scratch_path(&kernel.scratch, "dev/disk/by-id/wwn-0x" DIGITS);
    g_assert_cmpint(symlink("../../sdq", link), ==, 0);
    g_autofree char *path = NULL;
    g_autofree char *name = hot_add_find_device(UUID, &path);
    g_assert_cmpstr(name, ==, "sdq");
    g_assert_cmpstr(path, ==, link);
}

static void
test_device_open(void)
{
    auto_kernel kernel = kernel_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    g_assert_null(hot_add_open_device(UUID, 65536, FALSE, 0, &name, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "disk.EnableUUID"));
    g_clear_error(&error);
    g_autoptr(GBytes) scan = scratch_get(&kernel.scratch, "sys/class/scsi_host/host0/scan");
    g_assert_cmpmem(g_bytes_get_data(scan, NULL), g_bytes_get_size(scan), "- - -\n", 6);

    put_page83(&kernel, "sdb", DIGITS, FALSE);
    put_device(&kernel, "sdb", 4096);
    g_assert_null(hot_add_open_device(UUID, 65536, FALSE, 0, &name, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, "4096"));
    g_clear_error(&error);
    put_device(&kernel, "sdb", 65536);
    auto_ptr(disk) disk = hot_add_open_device(UUID, 65536, FALSE, 0, &name, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(disk_size(disk), ==, 65536);
    g_assert_cmpstr(name, ==, "sdb");
    scratch_put(&kernel.scratch, "sys/class/block/sdb/device/delete", "");
    hot_add_forget_device(name);
    g_autoptr(GBytes) told = scratch_get(&kernel.scratch, "sys/class/block/sdb/device/delete");
    g_assert_cmpmem(g_bytes_get_data(told, NULL), g_bytes_get_size(told), "1\n", 2);
}

static gpointer
appear(gpointer data)
{
    struct kernel *kernel = data;
    g_usleep(150 * 1000);
    put_device(kernel, "sdb", 65536);
    put_page83(kernel, "sdb", DIGITS, FALSE);
    return NULL;
}

static void
test_device_late(void)
{
    auto_kernel kernel = kernel_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    GThread *thread = g_thread_new("appear", appear, &kernel);
    auto_ptr(disk) disk = hot_add_open_device(UUID, 65536, FALSE, 30000, &name, &error);
    g_thread_join(thread);
    g_assert_no_error(error);
    g_assert_nonnull(disk);
}

static void
test_device_cancel(void)
{
    auto_kernel kernel = kernel_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    cancel_request();
    g_assert_null(hot_add_open_device(UUID, 65536, FALSE, 30000, &name, &error));
    cancel_heard();
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
}

/* ---- Notes ----------------------------------------------------------------------------------- */

static void
test_notes(void)
{
    g_autofree char *directory =
        g_build_filename(g_get_user_state_dir(), "slipway", "attached", NULL);
    g_autofree char *mark = mark_new();
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    struct hot_add_note note = {.mark = mark,
                                .server = (char *)"server",
                                .self = {(char *)"VirtualMachine", (char *)"vm-1 [x]"},
                                .file = (char *)"[ds 1] \303\244pp/a.vmdk",
                                .writable = TRUE};
    g_autoptr(GPtrArray) no_paths = NULL;
    g_autoptr(GPtrArray) none = hot_add_note_list(&no_paths);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_true(hot_add_note_write(&note, &path, &error));
    g_assert_no_error(error);
    g_autofree char *broken = g_build_filename(directory, "broken.json", NULL);
    g_autofree char *half = g_build_filename(directory, "half.json", NULL);
    g_assert_true(g_file_set_contents(broken, "{\"mark\": \"", -1, NULL));
    g_assert_true(g_file_set_contents(half, "{\"mark\": \"x\", \"server\": 5}", -1, NULL));
    g_autoptr(GPtrArray) paths = NULL;
    g_autoptr(GPtrArray) list = hot_add_note_list(&paths);
    g_assert_cmpuint(list->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(paths, 0), ==, path);
    const struct hot_add_note *read = g_ptr_array_index(list, 0);
    g_assert_cmpstr(read->mark, ==, mark);
    g_assert_cmpstr(read->server, ==, "server");
    g_assert_cmpstr(read->self.value, ==, "vm-1 [x]");
    g_assert_cmpstr(read->file, ==, note.file);
    g_assert_null(read->uuid);
    g_assert_true(read->writable);
    hot_add_note_remove(path);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    unlink(broken);
    unlink(half);
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hot-add/slot/choice", test_slot_choice);
    g_test_add_func("/hot-add/slot/full", test_slot_full);
    g_test_add_func("/hot-add/slot/match", test_slot_match);
    g_test_add_func("/hot-add/slot/specs", test_slot_specs);
    g_test_add_func("/hot-add/device/page", test_device_page);
    g_test_add_func("/hot-add/device/partition", test_device_partition);
    g_test_add_func("/hot-add/device/others", test_device_others);
    g_test_add_func("/hot-add/device/by-id", test_device_by_id);
    g_test_add_func("/hot-add/device/open", test_device_open);
    g_test_add_func("/hot-add/device/late", test_device_late);
    g_test_add_func("/hot-add/device/cancel", test_device_cancel);
    g_test_add_func("/hot-add/notes", test_notes);
    return g_test_run();
}
