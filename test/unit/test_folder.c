/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of files on datastores, what descriptors say, what is read ahead, and servers that answer
 * something else than was asked for. */
#include "base/error.h"
#include "hyper/vsphere/folder.h"
#include "hyper/vsphere/folder_runs.h"
#include "hyper/vsphere/vmdk_descriptor.h"
#include "vim_peer.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* ---- Places ------------------------------------------------------------------------------------
 */

static void
test_places(void)
{
    static const struct {
        const char *text, *datastore, *path;
    } good[] = {
        {"[ds1] app01/app01.vmdk", "ds1", "app01/app01.vmdk"},
        {"[ds1] ", "ds1", ""},
        {"[ds1]", "ds1", ""},
        {"[ds1]/app01", "ds1", "app01"},
        {"[a [b]c] x/y [2].vmdk", "a [b]c", "x/y [2].vmdk"},
        {"[store \xc3\xa9] \xc3\xbc.vmdk", "store \xc3\xa9", "\xc3\xbc.vmdk"},
        {"[ds] a..b/...vmdk", "ds", "a..b/...vmdk"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        struct folder_place place;
        g_autoptr(GError) error = NULL;
        folder_place_parse(good[i].text, "DC", &place, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(place.datastore, ==, good[i].datastore);
        g_assert_cmpstr(place.path, ==, good[i].path);
        g_assert_cmpstr(place.datacenter, ==, "DC");
        folder_place_clear(&place);
    }
    static const char *const bad[] = {
        "",           "ds1 app01.vmdk", "[] x",      "[ds1",       "[ds] ../x", "[ds] a/../b",
        "[ds] a/./b", "[ds] a\nb",      "[ds] \x80", "[ds] a\x7f",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        struct folder_place place;
        g_autoptr(GError) error = NULL;
        g_assert_false(folder_place_parse(bad[i], NULL, &place, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        folder_place_clear(&place);
    }
}

/* ---- Descriptors -------------------------------------------------------------------------------
 */

#define HEAD "# Disk DescriptorFile\r\nversion=1\r\n"

static void
test_descriptor(void)
{
    static const char text[] = HEAD "CID=12345678\nparentCID=ffffffff\n"
                                    "createType=\"vmfs\"\n\n# Extent description\n"
                                    "RW 33554432 VMFS \"app 01-flat.vmdk\"\n\n"
                                    "# The Disk Data Base\nddb.adapterType = \"lsilogic\"\n";
    struct vmdk_descriptor descriptor;
    g_autoptr(GError) error = NULL;
    vmdk_descriptor_parse(text, strlen(text), &descriptor, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(descriptor.create_type, ==, "vmfs");
    g_assert_cmpstr(descriptor.type, ==, "VMFS");
    g_assert_cmpstr(descriptor.file, ==, "app 01-flat.vmdk");
    g_assert_cmpuint(descriptor.sectors, ==, 33554432);
    g_assert_cmpuint(descriptor.n_extents, ==, 1);
    g_assert_false(descriptor.has_parent);
    vmdk_descriptor_clear(&descriptor);
    static const char delta[] = HEAD "parentCID = 12345678\nRW 1 vmfssparse \"x-delta.vmdk\"\n"
                                     "RW 2 ZERO\n";
    g_assert_true(vmdk_descriptor_parse(delta, strlen(delta), &descriptor, NULL));
    g_assert_true(descriptor.has_parent);
    g_assert_cmpstr(descriptor.type, ==, "VMFSSPARSE");
    g_assert_cmpuint(descriptor.n_extents, ==, 2);
    g_assert_cmpstr(descriptor.create_type, ==, NULL);
    vmdk_descriptor_clear(&descriptor);
}

static void
test_bad_descriptors(void)
{
    static const char *const bad[] = {
        "",
        "KDMV",
        HEAD,
        HEAD "RW\n",
        HEAD "RW x VMFS \"a\"\n",
        HEAD "RW -1 VMFS \"a\"\n",
        HEAD "RW 99999999999999999999 VMFS \"a\"\n",
        HEAD "RW 1 VMFS \"\xff\"\n",
    };
    struct vmdk_descriptor descriptor;
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(vmdk_descriptor_parse(bad[i], strlen(bad[i]), &descriptor, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_null(descriptor.file);
    }
    g_autoptr(GError) nul = NULL, large = NULL, many = NULL;
    g_assert_false(
        vmdk_descriptor_parse(HEAD "RW 1 VMFS \"a\"\n\0", strlen(HEAD) + 15, &descriptor, &nul));
    g_assert_error(nul, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    GString *text = g_string_new(HEAD);
    for (guint i = 0; i <= VMDK_DESCRIPTOR_EXTENTS_MAX; i++)
        g_string_append(text, "RW 1 FLAT \"a\"\n");
    g_assert_false(vmdk_descriptor_parse(text->str, text->len, &descriptor, &many));
    g_assert_error(many, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    while (text->len <= VMDK_DESCRIPTOR_MAX)
        g_string_append(text, "# more\n");
    g_assert_false(vmdk_descriptor_parse(text->str, text->len, &descriptor, &large));
    g_assert_error(large, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_string_free(text, TRUE);
}

/* ---- Reading ahead -----------------------------------------------------------------------------
 */

/* Never more than an eighth of what was read in a row, never twice, and all of the most after a
 * while. */
static void
test_ahead(void)
{
    struct folder_runs runs = {0};
    guint64 ahead = 0, last = 0;
    for (guint64 at = 0; at < 400 * MIB; at += 4 * MIB) {
        struct extent next;
        if (!folder_runs_note(&runs, at, 4 * MIB, MIB, 16 * MIB, &next))
            continue;
        g_assert_cmpuint(next.offset, >=, MAX(last, at + 4 * MIB));
        g_assert_cmpuint(next.length % MIB, ==, 0);
        last = next.offset + next.length;
        g_assert_cmpuint(last - (at + 4 * MIB), <=, MIN((at + 4 * MIB) / 8, 16 * MIB));
        ahead += next.length;
    }
    g_assert_cmpuint(last, ==, 416 * MIB);
    g_assert_cmpuint(ahead, >, 380 * MIB);
}

/* By several threads, a little out of order. */
static void
test_ahead_unordered(void)
{
    static const guint order[] = {1, 0, 3, 2, 4, 7, 6, 5};
    struct folder_runs runs = {0};
    guint64 ahead = 0;
    for (guint64 base = 0; base < 512 * MIB; base += 32 * MIB)
        for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
            struct extent next;
            if (folder_runs_note(&runs, base + order[i] * 4 * MIB, 4 * MIB, MIB, 16 * MIB, &next))
                ahead += next.length;
        }
    g_assert_cmpuint(ahead, >, 300 * MIB);
}

/* What somebody else is reading already is not read ahead. */
static void
test_ahead_of_others(void)
{
    struct folder_runs runs = {0};
    struct extent next;
    g_assert_false(folder_runs_note(&runs, 68 * MIB, 4 * MIB, MIB, 16 * MIB, &next));
    g_assert_true(folder_runs_note(&runs, 0, 64 * MIB, MIB, 16 * MIB, &next));
    g_assert_cmpuint(next.offset, ==, 64 * MIB);
    g_assert_cmpuint(next.length, ==, 4 * MIB);
    g_assert_true(folder_runs_note(&runs, 64 * MIB, 4 * MIB, MIB, 16 * MIB, &next));
    g_assert_cmpuint(next.offset, ==, 72 * MIB);
}

/* Pieces here and there are no run; what lies between them and is not allocated does not count. */
static void
test_not_ahead(void)
{
    struct folder_runs runs = {0}, sparse = {0};
    struct extent next;
    for (guint64 at = 0; at < 4096 * MIB; at += 2 * MIB)
        g_assert_false(folder_runs_note(&runs, at, MIB, MIB, 16 * MIB, &next));
    auto_ptr(extent_list) allocated = extent_list_new();
    for (guint64 at = 0; at < 4096 * MIB; at += 2 * MIB)
        extent_list_add(allocated, at, MIB);
    extent_list_settle(allocated, 4096 * MIB);
    sparse.allocated = allocated;
    guint told = 0;
    for (guint64 at = 0; at < 4096 * MIB; at += 2 * MIB)
        told += folder_runs_note(&sparse, at, MIB, MIB, 16 * MIB, &next);
    g_assert_cmpuint(told, >, 1000);
}

/* ---- Servers -----------------------------------------------------------------------------------
 */

static struct vim *
open_session(struct vim_peer *peer)
{
    static const struct http_options network = {.proxy = "", .backoff_ms = 1, .retries = 2};
    const struct vim_options options = {.user = "u", .password = "p4ssw0rd", .network = &network};
    g_autoptr(GError) error = NULL;
    struct vim *vim = vim_open(peer->url, &options, &error);
    g_assert_no_error(error);
    return vim;
}

static void
test_url(void)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_session(peer);
    struct folder_place place = {(char *)"Fol der/DC&0", (char *)"ds 1?",
                                 (char *)"a b/c#d%2f.vmdk"};
    g_autofree char *url = folder_url(vim, &place);
    g_autofree char *expected = g_strconcat(
        peer->url, "/folder/a%20b/c%23d%252f.vmdk?dcPath=Fol%20der/DC%260&dsName=ds%201%3F", NULL);
    g_assert_cmpstr(url, ==, expected);
    place.datacenter = NULL;
    g_autofree char *single = folder_url(vim, &place);
    g_assert_null(strstr(single, "dcPath"));
    vim_close(vim);
    vim_peer_free(peer);
}

static void
expect_refusal(int status, int code, const char *word)
{
    struct vim_peer *peer = vim_peer_new();
    struct vim *vim = open_session(peer);
    vim_peer_say(peer, "GET /folder/x-flat.vmdk", status, "0123456789abcdef")->raw = TRUE;
    const struct folder_disk_options options = {
        .place = {NULL, (char *)"ds", (char *)"x-flat.vmdk"}, .size = 16, .label = "x scsi0:0"};
    g_autoptr(GError) error = NULL;
    g_assert_null(folder_disk_open(vim, &options, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_nonnull(strstr(error->message, word));
    g_assert_nonnull(strstr(error->message, "x scsi0:0: file [ds] x-flat.vmdk"));
    g_assert_null(strstr(error->message, "p4ssw0rd"));
    /* Nobody asks again for what will not be different. */
    g_assert_cmpuint(vim_peer_count(peer, "GET /folder/x-flat.vmdk"), ==, 1);
    g_assert_nonnull(
        strstr(vim_peer_last(peer, "GET /folder/x-flat.vmdk", TRUE), "Range: bytes=15-15"));
    vim_close(vim);
    vim_peer_free(peer);
}

static void
test_refused(void)
{
    expect_refusal(200, SLIPWAY_ERROR_UNSUPPORTED, "whole file");
    expect_refusal(206, SLIPWAY_ERROR_NETWORK, "sends others");
    expect_refusal(416, SLIPWAY_ERROR_CORRUPT, "ends before");
    expect_refusal(302, SLIPWAY_ERROR_NETWORK, "302");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/folder/places", test_places);
    g_test_add_func("/folder/descriptor", test_descriptor);
    g_test_add_func("/folder/bad-descriptors", test_bad_descriptors);
    g_test_add_func("/folder/ahead", test_ahead);
    g_test_add_func("/folder/ahead-unordered", test_ahead_unordered);
    g_test_add_func("/folder/ahead-of-others", test_ahead_of_others);
    g_test_add_func("/folder/not-ahead", test_not_ahead);
    g_test_add_func("/folder/url", test_url);
    g_test_add_func("/folder/refused", test_refused);
    return g_test_run();
}
