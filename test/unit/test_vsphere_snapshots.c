/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of snapshots, and disks that are views of others. */
#include "base/error.h"
#include "disk/disk_open.h"
#include "hyper/vsphere/snapshot.h"
#include "hyper/vsphere/view_disk.h"
#include "vim_peer.h"

#include <string.h>

static GPtrArray *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    auto_xml_doc doc = xml_parse(text, strlen(text), 1 << 20, NULL, "test", &error);
    g_assert_no_error(error);
    return snapshot_list(xmlDocGetRootElement(doc));
}

#define TREE(name, value, children)                                                                \
    "<snapshot type=\"VirtualMachineSnapshot\">" value "</snapshot><name>" name "</name>"          \
    "<createTime>2026-01-02T03:04:05Z</createTime>" children

static void
test_tree(void)
{
    g_autoptr(GPtrArray) none = snapshot_list(NULL);
    g_assert_cmpuint(none->len, ==, 0);
    g_autoptr(GPtrArray) list = parse(
        "<val><currentSnapshot type=\"VirtualMachineSnapshot\">s-2</currentSnapshot>"
        "<rootSnapshotList>" TREE(
            "a", "s-1",
            "<childSnapshotList>" TREE(
                "b &amp; c", "s-2",
                "<childSnapshotList>" TREE(
                    "d", "s-3",
                    "") "</childSnapshotList>") "</childSnapshotList>") "</"
                                                                        "rootSnapshotList><"
                                                                        "rootSnapshotList"
                                                                        ">" TREE("e", "s-4",
                                                                                 "") "</"
                                                                                     "rootSnaps"
                                                                                     "hotList><"
                                                                                     "rootSnaps"
                                                                                     "hotList><"
                                                                                     "name>no "
                                                                                     "reference"
                                                                                     "</name></"
                                                                                     "rootSnaps"
                                                                                     "hotList><"
                                                                                     "/val>");
    static const char *const names[] = {"a", "b & c", "d", "e"};
    g_assert_cmpuint(list->len, ==, G_N_ELEMENTS(names));
    for (guint i = 0; i < list->len; i++) {
        const struct snapshot *snapshot = g_ptr_array_index(list, i);
        g_autofree char *value = g_strdup_printf("s-%u", i + 1);
        g_assert_cmpstr(snapshot->name, ==, names[i]);
        g_assert_cmpstr(snapshot->self.value, ==, value);
        g_assert_cmpstr(snapshot->created, ==, "2026-01-02T03:04:05Z");
    }
}

static void
test_limits(void)
{
    GString *text = g_string_new("<val>");
    for (guint i = 0; i < SNAPSHOTS_MAX + 10; i++)
        g_string_append(text, "<rootSnapshotList>" TREE("a", "s", "") "</rootSnapshotList>");
    g_string_append(text, "</val>");
    g_autoptr(GPtrArray) list = parse(text->str);
    g_assert_cmpuint(list->len, ==, SNAPSHOTS_MAX);
    g_string_free(text, TRUE);
}

/* A snapshot that may not be seen is not one that is gone. */
static void
test_not_told(void)
{
    static const struct http_options network = {.retries = 1, .backoff_ms = 1, .proxy = ""};
    const struct vim_options options = {.user = "u", .password = "pass-word", .network = &network};
    const struct moref machine = {(char *)"VirtualMachine", (char *)"vm-1"};
    g_autoptr(GError) error = NULL;
    struct vim_peer *peer = vim_peer_new();
    vim_peer_return(peer, "RetrievePropertiesEx",
                    "<returnval><objects><obj type=\"VirtualMachine\">vm-1</obj><missingSet>"
                    "<path>snapshot</path><fault><fault xsi:type=\"NoPermission\"/>"
                    "<localizedMessage/></fault></missingSet></objects></returnval>")
        ->stays = TRUE;
    struct vim *vim = vim_open(peer->url, &options, &error);
    g_assert_no_error(error);
    struct vsphere vsphere = {.vim = vim, .pause_ms = 1, .stall_s = 1};
    g_assert_false(snapshot_remove(&vsphere, &machine, "app01", "slipway-1", NULL, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, "snapshot slipway-1 of app01 is left"));
    g_assert_nonnull(strstr(error->message, "NoPermission"));
    vim_close(vim);
    vim_peer_free(peer);
}

static void
test_view(void)
{
    auto_ptr(disk) below = disk_memory_new(1 << 20, "below");
    g_autoptr(GError) error = NULL;
    guint8 byte = 7, read = 0;
    g_assert_true(disk_write(below, 70000, &byte, 1, &error));
    auto_ptr(extent_list) allocated = extent_list_new();
    extent_list_add(allocated, 65536, 65536);
    extent_list_add(allocated, 524288, 4096);
    extent_list_settle(allocated, 1 << 20);
    struct disk *view = view_disk_new(below, allocated, "view");
    g_assert_cmpstr(disk_label(view), ==, "view");
    static const struct disk_extent expected[] = {
        {0, 65536, DISK_ZERO},     {65536, 65536, DISK_DATA},   {131072, 393216, DISK_ZERO},
        {524288, 4096, DISK_DATA}, {528384, 520192, DISK_ZERO},
    };
    guint64 offset = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        struct disk_extent extent;
        g_assert_true(disk_extent(view, offset, (1 << 20) - offset, &extent, &error));
        g_assert_cmpuint(extent.offset, ==, expected[i].offset);
        g_assert_cmpuint(extent.length, ==, expected[i].length);
        g_assert_cmpint(extent.kind, ==, expected[i].kind);
        offset += extent.length;
    }
    struct disk_extent part;
    g_assert_true(disk_extent(view, 70000, 10, &part, &error));
    g_assert_cmpuint(part.length, ==, 10);
    g_assert_true(disk_read(view, 70000, &read, 1, &error));
    g_assert_cmpuint(read, ==, 7);
    g_assert_true(disk_zero(view, 69632, 4096, &error));
    g_assert_true(disk_flush(view, &error));
    disk_close(view);
    /* What is below belongs to somebody else, and stays. */
    g_assert_true(disk_read(below, 70000, &read, 1, &error));
    g_assert_cmpuint(read, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/snapshots/tree", test_tree);
    g_test_add_func("/vsphere/snapshots/limits", test_limits);
    g_test_add_func("/vsphere/snapshots/not-told", test_not_told);
    g_test_add_func("/vsphere/view-disk", test_view);
    return g_test_run();
}
