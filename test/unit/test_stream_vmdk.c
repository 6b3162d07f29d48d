/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the writer makes, read by qemu-img. */
#include "base/cancel.h"
#include "base/error.h"
#include "base/little_endian.h"
#include "disk/disk_open.h"
#include "hyper/vsphere/stream_vmdk.h"
#include "scratch_directory.h"

#include <string.h>

#define GRAIN STREAM_VMDK_GRAIN

/* The same bytes in every run, which no compressor makes shorter. */
static void
fill_noise(guint8 *to, gsize length, guint32 seed)
{
    for (gsize i = 0; i < length; i++) {
        seed = seed * 1664525u + 1013904223u;
        to[i] = (guint8)(seed >> 24);
    }
}

static void
put_noise(struct disk *disk, guint64 offset, gsize length, guint32 seed)
{
    g_autofree guint8 *bytes = g_malloc(length);
    fill_noise(bytes, length, seed);
    g_assert_true(disk_write(disk, offset, bytes, length, NULL));
}

static GByteArray *
read_stream(struct disk *source, guint threads, int level, gsize step)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(stream_vmdk) stream = stream_vmdk_new(source, threads, level, &error);
    g_assert_no_error(error);
    GByteArray *bytes = g_byte_array_new();
    g_autofree guint8 *buffer = g_malloc(step);
    guint64 before = 0;
    gsize n = 1;
    while (n > 0) {
        g_assert_true(stream_vmdk_read(stream, buffer, step, &n, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(n, <=, step);
        g_byte_array_append(bytes, buffer, (guint)n);
        g_assert_cmpuint(stream_vmdk_position(stream), >=, before);
        before = stream_vmdk_position(stream);
    }
    g_assert_cmpuint(before, ==, disk_size(source));
    return bytes;
}

static char *
run(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *err = NULL;
    char *out = NULL;
    int status = 0;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status,
                 &error);
    g_assert_no_error(error);
    if (!g_spawn_check_wait_status(status, NULL))
        g_error("%s %s: %s %s", argv[0], argv[1], out, err);
    return out;
}

/* Every byte of `source` is read back by qemu, which finds nothing wrong, and holes are holes. */
static void
check_with_qemu(struct disk *source, const char *raw, const GByteArray *bytes)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "out.vmdk");
    g_assert_true(g_file_set_contents(path, (const char *)bytes->data, (gssize)bytes->len, NULL));
    g_free(run((const char *const[]){"qemu-img", "check", "-f", "vmdk", path, NULL}));
    g_free(run(
        (const char *const[]){"qemu-img", "compare", "-f", "vmdk", "-F", "raw", path, raw, NULL}));
    g_autofree char *info =
        run((const char *const[]){"qemu-img", "info", "--output=json", path, NULL});
    g_autofree char *size = g_strdup_printf("\"virtual-size\": %" G_GUINT64_FORMAT,
                                            (disk_size(source) + 1023) / 1024 * 1024);
    g_assert_nonnull(strstr(info, size));
    g_assert_nonnull(strstr(info, "\"create-type\": \"streamOptimized\""));
    g_assert_nonnull(strstr(info, "\"compressed\": true"));
}

struct area {
    guint64 offset;
    gsize length;
};

static void
try_disk(guint64 size, const struct area *areas, gsize n)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *raw = scratch_path(&scratch, "disk.raw");
    auto_ptr(disk) disk = disk_create(raw, DISK_FORMAT_RAW, size, NULL);
    g_assert_nonnull(disk);
    for (gsize i = 0; i < n; i++)
        put_noise(disk, areas[i].offset, areas[i].length, (guint32)i + 1);
    g_autoptr(GByteArray) bytes = read_stream(disk, 0, 0, 1 << 20);
    check_with_qemu(disk, raw, bytes);
}

static void
test_empty(void)
{
    try_disk(8 << 20, NULL, 0);
}

static void
test_tiny(void)
{
    static const struct area first = {0, 1};
    for (guint64 size = 1; size <= 2 * GRAIN; size = size * 3 + 17)
        try_disk(size, &first, 1);
    try_disk(512, &first, 1);
}

static void
test_full(void)
{
    static const struct area all = {0, 9 << 20};
    try_disk(9 << 20, &all, 1);
}

/* The capacity is no multiple of the grain, nor of a sector. */
static void
test_odd(void)
{
    static const struct area areas[] = {{3 * GRAIN + 5, 10}, {(5 << 20) + 1000, 777}};
    try_disk((5 << 20) + 1777, areas, G_N_ELEMENTS(areas));
    try_disk((5 << 20) + 2048, areas, G_N_ELEMENTS(areas));
}

/* Grain tables that are full, have one grain, or are not there; beyond 4 GiB. */
static void
test_large(void)
{
    static const struct area areas[] = {
        {0, 4096},
        {(64u << 20) - 4096, 8192},
        {G_GUINT64_CONSTANT(0xfffff000), 8192},
        {(G_GUINT64_CONSTANT(5) << 30) + 512, 512},
        {(G_GUINT64_CONSTANT(6) << 30) - 4096, 4096},
    };
    try_disk(G_GUINT64_CONSTANT(6) << 30, areas, G_N_ELEMENTS(areas));
}

/* Whatever threads and whatever pieces it is read in: the same. */
static void
test_same_bytes(void)
{
    auto_ptr(disk) disk = disk_memory_new(100 << 20, "same");
    for (guint i = 0; i < 30; i++)
        put_noise(disk, (guint64)i * 3333333, 70000, i);
    g_autoptr(GByteArray) reference = read_stream(disk, 1, 1, 1 << 20);
    static const struct {
        guint threads;
        int level;
        gsize step;
    } ways[] = {{1, 0, 777}, {2, 1, 65536}, {4, 0, 4 << 20}, {16, 1, 12345}};
    for (gsize i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(GByteArray) bytes =
            read_stream(disk, ways[i].threads, ways[i].level, ways[i].step);
        g_assert_cmpmem(bytes->data, bytes->len, reference->data, reference->len);
    }
}

/* What no other program insists on, held against doc/format/vmdk-stream.md. */
static void
test_layout(void)
{
    auto_ptr(disk) disk = disk_memory_new(40 << 20, "layout");
    put_noise(disk, 33 << 20, 100, 1);
    g_autoptr(GByteArray) bytes = read_stream(disk, 1, 0, 1 << 20);
    const guint8 *at = bytes->data;
    g_assert_cmpmem(at, 4, "KDMV", 4);
    g_assert_cmpuint(little_endian_get32(at + 8), ==, 0x30001);
    g_assert_cmpuint(little_endian_get64(at + 12), ==, (40 << 20) / 512);
    g_assert_cmpuint(little_endian_get64(at + 56), ==, G_MAXUINT64);
    /* One grain, its table, the directory, the footer, the end. */
    at += 65536;
    g_assert_cmpuint(little_endian_get64(at), ==, (33 << 20) / 512);
    g_assert_cmpuint(little_endian_get32(at + 8), <=, 500);
    at += 512;
    g_assert_cmpuint(little_endian_get64(at), ==, 4);
    g_assert_cmpuint(little_endian_get64(at + 8), ==, (guint64)1 << 32);
    at += 512;
    for (guint i = 0; i < 512; i++)
        g_assert_cmpuint(little_endian_get32(at + 4 * i), ==, i == 16 ? 128 : 0);
    at += 2048;
    g_assert_cmpuint(little_endian_get64(at), ==, 1);
    g_assert_cmpuint(little_endian_get64(at + 8), ==, (guint64)2 << 32);
    at += 512;
    g_assert_cmpuint(little_endian_get32(at), ==, 0);
    g_assert_cmpuint(little_endian_get32(at + 4), ==, 130);
    at += 512;
    g_assert_cmpuint(little_endian_get64(at + 8), ==, (guint64)3 << 32);
    at += 512;
    g_assert_cmpmem(at, 56, bytes->data, 56);
    g_assert_cmpuint(little_endian_get64(at + 56), ==, 135);
    g_assert_cmpmem(at + 64, 448, bytes->data + 64, 448);
    at += 512;
    g_assert_true(little_endian_is_zero(at, 512));
    g_assert_true(at + 512 == bytes->data + bytes->len);
}

static void
expect_failure(struct disk *disk, guint threads, int code)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(stream_vmdk) stream = stream_vmdk_new(disk, threads, 0, &error);
    g_assert_no_error(error);
    g_autofree guint8 *buffer = g_malloc(1 << 20);
    gsize n = 1;
    while (stream_vmdk_read(stream, buffer, 1 << 20, &n, &error))
        g_assert_cmpuint(n, >, 0);
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_clear_error(&error);
    g_assert_false(stream_vmdk_read(stream, buffer, 1 << 20, &n, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
}

/* A failure of the disk comes where it is, and for good; never an end that looks complete. */
static void
test_failures(void)
{
    for (guint threads = 1; threads <= 4; threads++) {
        struct disk *below = disk_memory_new(64 << 20, "failing");
        put_noise(below, 1 << 20, 100, 1);
        put_noise(below, 50 << 20, 100, 1);
        const struct disk_fault reading = {.offset = 50 << 20, .length = 1, .reads = 1};
        auto_ptr(disk) disk = disk_fault_new(below, &reading, 1);
        expect_failure(disk, threads, SLIPWAY_ERROR_IO);
        below = disk_memory_new(64 << 20, "failing");
        put_noise(below, 1 << 20, 100, 1);
        const struct disk_fault asking = {.offset = 40 << 20, .length = 1, .others = 1};
        auto_ptr(disk) silent = disk_fault_new(below, &asking, 1);
        expect_failure(silent, threads, SLIPWAY_ERROR_IO);
    }
}

static void
test_ended_early(void)
{
    auto_ptr(disk) disk = disk_memory_new(64 << 20, "ended");
    put_noise(disk, 0, 64 << 20, 1);
    for (guint i = 0; i < 20; i++) {
        auto_ptr(stream_vmdk) stream = stream_vmdk_new(disk, 3, 0, NULL);
        guint8 buffer[100000];
        gsize n = 0;
        for (guint k = 0; k < i; k++)
            g_assert_true(stream_vmdk_read(stream, buffer, sizeof buffer, &n, NULL));
    }
}

static void
test_cancel(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        return;
    }
    auto_ptr(disk) disk = disk_memory_new(64 << 20, "cancelled");
    put_noise(disk, 0, 64 << 20, 1);
    cancel_request();
    expect_failure(disk, 2, SLIPWAY_ERROR_CANCELLED);
}

static void
test_sizes(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(disk) disk = disk_memory_new(G_GUINT64_CONSTANT(1) << 48, "huge");
    g_assert_null(stream_vmdk_new(disk, 0, 0, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    auto_ptr(disk) large = disk_memory_new(G_GUINT64_CONSTANT(62) << 40, "large");
    put_noise(large, (G_GUINT64_CONSTANT(62) << 40) - 1, 1, 1);
    g_autoptr(GByteArray) bytes = read_stream(large, 0, 0, 1 << 20);
    g_assert_cmpuint(bytes->len, <, 10 << 20);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stream-vmdk/empty", test_empty);
    g_test_add_func("/stream-vmdk/tiny", test_tiny);
    g_test_add_func("/stream-vmdk/full", test_full);
    g_test_add_func("/stream-vmdk/odd", test_odd);
    g_test_add_func("/stream-vmdk/large", test_large);
    g_test_add_func("/stream-vmdk/same-bytes", test_same_bytes);
    g_test_add_func("/stream-vmdk/layout", test_layout);
    g_test_add_func("/stream-vmdk/failures", test_failures);
    g_test_add_func("/stream-vmdk/ended-early", test_ended_early);
    g_test_add_func("/stream-vmdk/cancel", test_cancel);
    g_test_add_func("/stream-vmdk/sizes", test_sizes);
    return g_test_run();
}
