/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of datastores over HTTP, from a server that fails in all the ways servers do. */
#include "vsphere_bench.h"

#include "base/cancel.h"
#include "hyper/vsphere/folder.h"
#include "hyper/vsphere/vsphere.h"

#include <glib/gstdio.h>
#include <string.h>

#define SIZE (24u * MIB + 4096)

struct server {
    struct vsphere_bench bench;
    struct vim *vim;
    struct folder_place flat;
    guint8 *content;
};

static void
end(struct server *server)
{
    folder_place_clear(&server->flat);
    vsphere_bench_end(&server->bench);
    g_free(server->content);
}
#define auto_server __attribute__((cleanup(end))) struct server

/* A machine that is off, so that its files can be read as they are. */
static gboolean
begin(struct server *server)
{
    g_autoptr(GError) error = NULL;
    *server = (struct server){0};
    if (!vsphere_bench_begin(&server->bench, NULL))
        return FALSE;
    struct vsphere_peer *peer = server->bench.peer;
    vsphere_peer_tell(peer, "add", "{s:s, s:s, s:[{s:i}]}", "name", "app01", "power", "poweredOff",
                      "disks", "size", SIZE);
    for (guint i = 0; i < SIZE / MIB; i += 1 + i % 2)
        vsphere_peer_write(peer, "app01", 0, (guint64)i * MIB + 512 * i, 200 * 512,
                           (guint8)(i + 1));
    server->content = vsphere_peer_read(peer, "app01", 0, 0, SIZE);
    vsphere_bench_open_in(&server->bench, HYPERVISOR_TRANSPORT_HTTPS, NULL);
    server->vim = ((struct vsphere *)server->bench.hypervisor)->vim;
    g_assert_true(folder_place_parse("[LocalDS_0] app01/app01.vmdk", "DC0", &server->flat, NULL));
    char *path = folder_flat_path(server->vim, &server->flat, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, "app01/app01-flat.vmdk");
    g_free(server->flat.path);
    server->flat.path = path;
    vsphere_peer_tell(peer, "counts", NULL);
    return TRUE;
}

static struct disk *
open_disk(struct server *server, guint64 size, const struct extent_list *allocated, GError **error)
{
    const struct folder_disk_options options = {
        .place = server->flat, .size = size, .allocated = allocated, .label = "app01 scsi0:0"};
    return folder_disk_open(server->vim, &options, error);
}

static void
expect_range(struct server *server, struct disk *disk, guint64 offset, gsize length)
{
    g_autofree guint8 *data = g_malloc(length);
    g_autoptr(GError) error = NULL;
    disk_read(disk, offset, data, length, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(data, length, server->content + offset, length);
}

static guint64
ask_number(struct server *server, const char *member)
{
    json_t *state = vsphere_peer_ask(server->bench.peer, "state", NULL);
    guint64 number = (guint64)json_integer_value(json_object_get(state, member));
    json_decref(state);
    return number;
}

/* The server counts what it has sent a little after it was read. */
static void
expect_served(struct server *server, guint64 least, guint64 most)
{
    guint64 served = 0;
    for (guint i = 0; i < 1000 && served < least; i++) {
        served = ask_number(server, "served");
        if (served < least)
            g_usleep(10 * 1000);
    }
    g_assert_cmpuint(served, >=, least);
    g_assert_cmpuint(served, <=, most);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void
test_bytes(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(disk_label(disk), ==, "app01 scsi0:0");
    expect_range(&server, disk, 0, SIZE);
    expect_range(&server, disk, SIZE - 1, 1);
    expect_range(&server, disk, 777, 5 * MIB + 1);
    expect_range(&server, disk, MIB - 1, 2);
    g_assert_false(disk_write(disk, 0, "x", 1, NULL));
}

/* From front to back, by one reader: each byte goes over the wire once, whatever is read ahead. */
static void
test_in_order(void)
{
    static const gsize steps[] = {4 * MIB, MIB, 256 << 10, 100000};
    auto_server server;
    if (!begin(&server))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        vsphere_peer_tell(server.bench.peer, "counts", NULL);
        auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, NULL);
        g_assert_nonnull(disk);
        for (guint64 at = 0; at < SIZE; at += steps[i])
            expect_range(&server, disk, at, MIN(steps[i], SIZE - at));
        expect_served(&server, SIZE + 1, SIZE + 1);
    }
}

/* What only changed here and there costs little more than itself. */
static void
test_here_and_there(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, NULL);
    g_assert_nonnull(disk);
    guint64 bytes = 0;
    for (guint64 at = 65536; at + 65536 < SIZE; at += 200 << 10, bytes += 65536)
        expect_range(&server, disk, at, 65536);
    expect_served(&server, bytes, bytes + 1);
    for (guint64 at = 0; at < 20 * MIB; at += MIB, bytes += MIB)
        expect_range(&server, disk, at, MIB);
    expect_served(&server, bytes, bytes + bytes / 8 + 1);
}

struct reader {
    struct server *server;
    struct disk *disk;
    gint *next;
};

static gpointer
read_segments(gpointer data)
{
    struct reader *reader = data;
    for (;;) {
        guint64 at = (guint64)g_atomic_int_add(reader->next, 1) * 512 * 1024;
        if (at >= SIZE)
            return NULL;
        expect_range(reader->server, reader->disk, at, MIN(512 * 1024, SIZE - at));
    }
}

static void
test_threads(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, NULL);
    g_assert_nonnull(disk);
    gint next = 0;
    GThread *threads[12];
    struct reader reader = {&server, disk, &next};
    disk_prefetch(disk, 5 * MIB, 3 * MIB);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("reader", read_segments, &reader);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    expect_served(&server, SIZE + 1, SIZE + 1);
}

/* What is not allocated reads as zeros, and nobody is asked. */
static void
test_allocated(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    auto_ptr(extent_list) allocated = extent_list_new();
    extent_list_add(allocated, 3 * MIB + 4096, 65536);
    extent_list_add(allocated, 20 * MIB, 2 * MIB);
    extent_list_settle(allocated, SIZE);
    auto_ptr(disk) disk = open_disk(&server, SIZE, allocated, &error);
    g_assert_no_error(error);
    memset(server.content, 0, 3 * MIB + 4096);
    memset(server.content + 3 * MIB + 69632, 0, 17 * MIB - 69632);
    memset(server.content + 22 * MIB, 0, SIZE - 22 * MIB);
    disk_prefetch(disk, 0, 4 * MIB);
    expect_range(&server, disk, 0, SIZE);
    expect_served(&server, 65536 + 2 * MIB + 1, 65536 + 2 * MIB + 1);
    struct disk_extent extent;
    g_assert_true(disk_extent(disk, 0, SIZE, &extent, NULL));
    g_assert_cmpint(extent.kind, ==, DISK_ZERO);
    g_assert_cmpuint(extent.length, ==, 3 * MIB + 4096);
    g_assert_true(disk_extent(disk, 21 * MIB, SIZE, &extent, NULL));
    g_assert_cmpint(extent.kind, ==, DISK_DATA);
    g_assert_cmpuint(extent.length, ==, MIB);
    g_assert_true(disk_extent(disk, 22 * MIB, SIZE, &extent, NULL));
    g_assert_cmpint(extent.kind, ==, DISK_ZERO);
    g_assert_cmpuint(extent.length, ==, SIZE - 22 * MIB);
}

/* A reader that shares nothing with ours. */
static void
test_independent_reader(void)
{
    auto_server server;
    g_autofree char *nbdkit = g_find_program_in_path("nbdkit");
    g_autofree char *nbdcopy = g_find_program_in_path("nbdcopy");
    if (!begin(&server))
        return;
    if (nbdkit == NULL || nbdcopy == NULL) {
        g_test_skip("needs nbdkit and nbdcopy");
        return;
    }
    auto_scratch scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *link = folder_url(server.vim, &server.flat);
    g_autofree char *url = g_strconcat("url=", link, NULL);
    g_autofree char *path = scratch_path(&scratch, "copy.raw");
    g_autofree char *run = g_strdup_printf("nbdcopy \"$uri\" %s", path);
    const char *const argv[] = {nbdkit,  "-r", "-U",        "-",
                                "curl",  url,  "user=root", "password=only-for-tests",
                                "--run", run,  NULL};
    int status = 0;
    g_autofree char *words = NULL;
    g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, &words, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(words, ==, "");
    g_assert_cmpint(status, ==, 0);
    g_autoptr(GBytes) bytes = scratch_get(&scratch, "copy.raw");
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), server.content, SIZE);
    auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, NULL);
    expect_range(&server, disk, 0, SIZE);
}

/* ---- What passes ----------------------------------------------------------------------------- */

/* After each of these all bytes are right, and each that was right was not fetched again. */
static void
test_passing(void)
{
    static const char *const rules[] = {
        "{\"method\": \"GET /folder\", \"status\": 503, \"count\": 2}",
        "{\"method\": \"GET /folder\", \"status\": 500}",
        "{\"method\": \"GET /folder\", \"status\": 429}",
        "{\"method\": \"GET /folder\", \"drop\": \"before\", \"count\": 3}",
        "{\"method\": \"GET /folder\", \"short\": 70000, \"count\": 5}",
        "{\"method\": \"GET /folder\", \"short\": 1, \"count\": 2}",
        "{\"method\": \"GET /folder\", \"short\": 70000, \"cut\": true, \"count\": 5}",
        "{\"method\": \"GET /folder\", \"short\": 300000, \"count\": 40}",
        "{\"method\": \"GET /folder\", \"status\": 401}",
    };
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, NULL);
    g_assert_nonnull(disk);
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
        vsphere_bench_rule(&server.bench, rules[i]);
        vsphere_peer_tell(server.bench.peer, "counts", NULL);
        expect_range(&server, disk, 4 * MIB, 12 * MIB);
        expect_served(&server, 12 * MIB, 15 * MIB);
        vsphere_peer_tell(server.bench.peer, "clear", NULL);
    }
}

/* The server forgets the session in the middle of a read: one new one is made, for all threads. */
static void
test_expired(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, NULL);
    g_assert_nonnull(disk);
    expect_range(&server, disk, 0, 4 * MIB);
    guint64 logins = ask_number(&server, "logins");
    vsphere_peer_tell(server.bench.peer, "expire", NULL);
    expect_range(&server, disk, 4 * MIB, 12 * MIB);
    g_assert_cmpuint(ask_number(&server, "logins"), ==, logins + 1);
}

/* ---- What does not --------------------------------------------------------------------------- */

static void
expect_failure(struct server *server, struct disk *disk, const char *rule, int code,
               const char *word)
{
    guint8 *data = g_malloc(4 * MIB);
    g_autoptr(GError) error = NULL;
    vsphere_bench_rule(&server->bench, rule);
    g_assert_false(disk_read(disk, 0, data, 4 * MIB, &error));
    vsphere_bench_expect_words(
        error, code,
        (const char *const[]){"app01 scsi0:0", "[LocalDS_0] app01/app01-flat.vmdk", word, NULL});
    vsphere_peer_tell(server->bench.peer, "clear", NULL);
    g_free(data);
    /* It can be read again as soon as the server can. */
    expect_range(server, disk, 0, 4 * MIB);
}

static void
test_failing(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, NULL);
    g_assert_nonnull(disk);
    expect_failure(&server, disk, "{\"method\": \"GET /folder\", \"status\": 500, \"count\": -1}",
                   SLIPWAY_ERROR_NETWORK, "500");
    expect_failure(&server, disk, "{\"method\": \"GET /folder\", \"status\": 403, \"count\": -1}",
                   SLIPWAY_ERROR_DENIED, "privileges");
    expect_failure(&server, disk, "{\"method\": \"GET /folder\", \"status\": 404, \"count\": -1}",
                   SLIPWAY_ERROR_NOT_FOUND, "no such file");
    expect_failure(&server, disk, "{\"method\": \"GET /folder\", \"status\": 401, \"count\": -1}",
                   SLIPWAY_ERROR_DENIED, "401");
    expect_failure(&server, disk,
                   "{\"method\": \"GET /folder\", \"drop\": \"before\", \"count\": -1}",
                   SLIPWAY_ERROR_NETWORK, "attempts");
    expect_failure(&server, disk,
                   "{\"method\": \"GET /folder\", \"short\": 10, \"cut\": true, \"count\": -1}",
                   SLIPWAY_ERROR_NETWORK, "bytes at offset");
}

static void
test_not_opened(void)
{
    auto_server server;
    g_autoptr(GError) shorter = NULL, missing = NULL, empty = NULL;
    if (!begin(&server))
        return;
    g_assert_null(open_disk(&server, SIZE + 1, NULL, &shorter));
    vsphere_bench_expect_words(shorter, SLIPWAY_ERROR_CORRUPT,
                               (const char *const[]){"app01 scsi0:0", NULL});
    g_assert_null(open_disk(&server, 0, NULL, &empty));
    g_assert_error(empty, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_free(server.flat.path);
    server.flat.path = g_strdup("app01/other-flat.vmdk");
    g_assert_null(open_disk(&server, SIZE, NULL, &missing));
    vsphere_bench_expect_words(missing, SLIPWAY_ERROR_NOT_FOUND,
                               (const char *const[]){"app01 scsi0:0", "other-flat.vmdk", NULL});
}

/* A server that does not answer does not keep anybody from ending. */
static void
test_cancelled(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    auto_ptr(disk) disk = open_disk(&server, SIZE, NULL, NULL);
    g_assert_nonnull(disk);
    vsphere_peer_tell(server.bench.peer, "rule", "{s:s, s:i, s:i}", "method", "GET /folder",
                      "count", -1, "delay", 600);
    GThread *thread = vsphere_bench_cancel_soon();
    g_autofree guint8 *data = g_malloc(MIB);
    g_assert_false(disk_read(disk, 0, data, MIB, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_thread_join(thread);
    cancel_heard();
    /* Nor from closing while something is read ahead. */
    disk_prefetch(disk, 0, 4 * MIB);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void
test_files(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    struct folder_place place;
    g_assert_true(folder_place_parse("[LocalDS_0] app01/a b&c+%41.nvram", "DC0", &place, NULL));
    g_autofree guint8 *data = g_malloc(3 * MIB);
    memset(data, 0x5a, 3 * MIB);
    g_autoptr(GBytes) large = g_bytes_new(data, 3 * MIB), small = g_bytes_new("x", 1);
    vsphere_peer_tell(server.bench.peer, "rule", "{s:s, s:i, s:i}", "method", "PUT /folder",
                      "status", 503, "count", 2);
    g_assert_true(folder_put(server.vim, &place, large, &error));
    g_autoptr(GBytes) read = folder_get(server.vim, &place, 3 * MIB, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(read, large));
    g_assert_null(folder_get(server.vim, &place, 3 * MIB - 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);
    vsphere_peer_tell(server.bench.peer, "expire", NULL);
    g_assert_true(folder_put(server.vim, &place, small, &error));
    g_autoptr(GBytes) again = folder_get(server.vim, &place, 10, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(again, small));
    /* A body that ends early for ever is no reason to try for ever. */
    g_assert_true(folder_put(server.vim, &place, large, &error));
    vsphere_peer_tell(server.bench.peer, "rule", "{s:s, s:i, s:i}", "method", "GET /folder",
                      "short", 2 * MIB, "count", -1);
    g_assert_null(folder_get(server.vim, &place, 3 * MIB, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_cmpuint(vsphere_bench_count(&server.bench, "GET /folder"), <, 20);
    folder_place_clear(&place);
}

/* ---- Which file it is ------------------------------------------------------------------------ */

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=%s\ncreateType=\"%s\"\n"

static void
put_descriptor(const char *directory, const char *name, const char *parent, const char *type,
               const char *extents)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *text = g_strdup_printf(HEAD "%s", parent, type, extents);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
put_file(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_assert_true(g_file_set_contents(path, "bytes", 5, NULL));
}

static void
expect_flat(struct vim *vim, const char *path, const char *expected, int code)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strconcat("[other ds] ", path, NULL);
    struct folder_place place;
    g_assert_true(folder_place_parse(text, "DC0", &place, NULL));
    g_autofree char *flat = folder_flat_path(vim, &place, &error);
    if (expected != NULL)
        g_assert_no_error(error);
    else
        g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_cmpstr(flat, ==, expected);
    if (error != NULL)
        g_assert_nonnull(strstr(error->message, path));
    folder_place_clear(&place);
}

static void
test_flat(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    json_t *store = vsphere_peer_ask(server.bench.peer, "datastore", "{s:s}", "name", "other ds");
    const char *top = json_string_value(json_object_get(store, "directory"));
    g_autofree char *vm = g_build_filename(top, "vm", NULL);
    g_assert_cmpint(g_mkdir(vm, 0700), ==, 0);
    put_descriptor(vm, "a.vmdk", "ffffffff", "vmfs", "RW 64 VMFS \"strange name-flat.vmdk\"\n");
    put_descriptor(vm, "b.vmdk", "ffffffff", "monolithicFlat", "RW 64 FLAT \"b-flat.vmdk\" 0\n");
    put_descriptor(vm, "c-000001.vmdk", "12345678", "vmfsSparse",
                   "RW 64 VMFSSPARSE \"c-000001-delta.vmdk\"\n");
    put_descriptor(vm, "d.vmdk", "ffffffff", "seSparse", "RW 64 SESPARSE \"d-sesparse.vmdk\"\n");
    put_descriptor(vm, "e.vmdk", "ffffffff", "vmfs",
                   "RW 64 VMFS \"e-f1.vmdk\"\nRW 64 VMFS \"e-f2.vmdk\"\n");
    put_descriptor(vm, "f.vmdk", "ffffffff", "vmfs", "RW 64 VMFS \"vsan://0123\"\n");
    put_descriptor(vm, "g.vmdk", "ffffffff", "vmfs", "RW 64 VMFS \"../../etc/passwd\"\n");
    put_descriptor(vm, "h.vmdk", "ffffffff", "vmfs", "");
    expect_flat(server.vim, "vm/a.vmdk", "vm/strange name-flat.vmdk", 0);
    expect_flat(server.vim, "vm/b.vmdk", "vm/b-flat.vmdk", 0);
    expect_flat(server.vim, "vm/c-000001.vmdk", NULL, SLIPWAY_ERROR_UNSUPPORTED);
    expect_flat(server.vim, "vm/d.vmdk", NULL, SLIPWAY_ERROR_UNSUPPORTED);
    expect_flat(server.vim, "vm/e.vmdk", NULL, SLIPWAY_ERROR_UNSUPPORTED);
    expect_flat(server.vim, "vm/f.vmdk", NULL, SLIPWAY_ERROR_UNSUPPORTED);
    expect_flat(server.vim, "vm/g.vmdk", NULL, SLIPWAY_ERROR_UNSUPPORTED);
    expect_flat(server.vim, "vm/h.vmdk", NULL, SLIPWAY_ERROR_CORRUPT);
    /* Without a descriptor: by the names that there are. */
    put_file(vm, "p-flat.vmdk");
    put_file(vm, "q-000002-flat.vmdk");
    put_file(vm, "q-flat.vmdk");
    put_file(vm, "r-flat.vmdk");
    put_file(vm, "t-delta.vmdk");
    expect_flat(server.vim, "vm/p.vmdk", "vm/p-flat.vmdk", 0);
    expect_flat(server.vim, "vm/q-000002.vmdk", "vm/q-000002-flat.vmdk", 0);
    expect_flat(server.vim, "vm/r-000003.vmdk", "vm/r-flat.vmdk", 0);
    expect_flat(server.vim, "vm/t.vmdk", "vm/t-delta.vmdk", 0);
    expect_flat(server.vim, "vm/u.vmdk", NULL, SLIPWAY_ERROR_NOT_FOUND);
    expect_flat(server.vim, "vm/u.iso", NULL, SLIPWAY_ERROR_CORRUPT);
    json_decref(store);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/folder/bytes", test_bytes);
    g_test_add_func("/vsphere/folder/in-order", test_in_order);
    g_test_add_func("/vsphere/folder/here-and-there", test_here_and_there);
    g_test_add_func("/vsphere/folder/threads", test_threads);
    g_test_add_func("/vsphere/folder/allocated", test_allocated);
    g_test_add_func("/vsphere/folder/independent-reader", test_independent_reader);
    g_test_add_func("/vsphere/folder/passing", test_passing);
    g_test_add_func("/vsphere/folder/expired", test_expired);
    g_test_add_func("/vsphere/folder/failing", test_failing);
    g_test_add_func("/vsphere/folder/not-opened", test_not_opened);
    g_test_add_func("/vsphere/folder/cancelled", test_cancelled);
    g_test_add_func("/vsphere/folder/files", test_files);
    g_test_add_func("/vsphere/folder/flat", test_flat);
    return g_test_run();
}
