/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The NBD server with a client that means well (libnbd). */
#include "base/error.h"
#include "nbd_fixture.h"

#include <errno.h>

#define MIB (1u << 20)

static void
test_export(void)
{
    auto_ptr(disk) first = nbd_fixture_disk(3 * MIB + 511, 0);
    auto_ptr(disk) second = nbd_fixture_disk(MIB, 0);
    const struct nbd_export exports[] = {
        {.name = "", .description = "the default one", .disk = first},
        {.name = "zweite Platte \xc3\xa4", .disk = second, .read_only = TRUE},
    };
    struct nbd_fixture fixture;
    nbd_fixture_start(&fixture, exports, 2, 0);
    struct nbd_handle *handle = nbd_fixture_handle("");
    nbd_set_full_info(handle, true);
    nbd_fixture_connect(&fixture, handle);
    g_assert_cmpint(nbd_get_size(handle), ==, 3 * MIB + 511);
    g_autofree char *description = nbd_get_export_description(handle);
    g_assert_cmpstr(description, ==, "the default one");
    g_assert_cmpint(nbd_is_read_only(handle), ==, 0);
    g_assert_cmpint(nbd_can_flush(handle), ==, 1);
    g_assert_cmpint(nbd_can_fua(handle), ==, 1);
    g_assert_cmpint(nbd_can_trim(handle), ==, 1);
    g_assert_cmpint(nbd_can_zero(handle), ==, 1);
    g_assert_cmpint(nbd_can_fast_zero(handle), ==, 1);
    g_assert_cmpint(nbd_can_cache(handle), ==, 1);
    g_assert_cmpint(nbd_can_df(handle), ==, 1);
    g_assert_cmpint(nbd_can_multi_conn(handle), ==, 1);
    g_assert_cmpint(nbd_get_block_size(handle, LIBNBD_SIZE_MINIMUM), ==, 1);
    g_assert_cmpint(nbd_get_block_size(handle, LIBNBD_SIZE_PREFERRED), ==, 4096);
    g_assert_cmpint(nbd_get_block_size(handle, LIBNBD_SIZE_MAXIMUM), ==, 32 * MIB);
    guint8 byte;
    g_assert_cmpint(nbd_pread(handle, &byte, 1, 0, 0), ==, 0);
    g_assert_cmpuint(nbd_server_connections(fixture.server), ==, 1);
    nbd_fixture_close(handle);
    handle = nbd_fixture_client(&fixture, exports[1].name);
    g_assert_cmpint(nbd_get_size(handle), ==, MIB);
    g_assert_cmpint(nbd_is_read_only(handle), ==, 1);
    g_assert_cmpint(nbd_can_flush(handle), ==, 0);
    g_assert_cmpint(nbd_can_trim(handle), ==, 0);
    g_assert_cmpint(nbd_can_meta_context(handle, "base:allocation"), ==, 1);
    g_assert_cmpint(nbd_can_meta_context(handle, "slipway:changed"), ==, 0);
    nbd_fixture_close(handle);
    nbd_fixture_expect_log(&fixture, "export \"\" opened");
    nbd_fixture_expect_log(&fixture, "export \"\" closed\n");
    nbd_fixture_stop(&fixture);
}

static int
hear_export(void *data, const char *name, const char *description)
{
    g_string_append_printf(data, "[%s|%s]", name, description);
    return 0;
}

static int
hear_context(void *data, const char *name)
{
    g_string_append_printf(data, "[%s]", name);
    return 0;
}

static gboolean
change_nothing(gpointer data G_GNUC_UNUSED, guint64 offset G_GNUC_UNUSED, guint64 length,
               gboolean *ret_changed, guint64 *ret_length, GError **error G_GNUC_UNUSED)
{
    *ret_changed = FALSE;
    *ret_length = length;
    return TRUE;
}

static void
test_options(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(MIB, 0);
    const struct nbd_export exports[] = {
        {.name = "a", .description = "first", .disk = disk, .changed = change_nothing},
        {.name = "b", .disk = disk},
    };
    struct nbd_fixture fixture;
    nbd_fixture_start(&fixture, exports, 2, 0);
    struct nbd_handle *handle = nbd_fixture_handle("c");
    nbd_set_opt_mode(handle, true);
    nbd_fixture_connect(&fixture, handle);
    g_autoptr(GString) list = g_string_new(NULL);
    nbd_list_callback exports_callback = {.callback = hear_export, .user_data = list};
    g_assert_cmpint(nbd_opt_list(handle, exports_callback), ==, 2);
    g_assert_cmpstr(list->str, ==, "[a|first][b|]");
    g_assert_cmpint(nbd_opt_info(handle), ==, -1);
    g_assert_cmpint(nbd_opt_go(handle), ==, -1);
    nbd_set_export_name(handle, "a");
    g_autoptr(GString) contexts = g_string_new(NULL);
    nbd_context_callback callback = {.callback = hear_context, .user_data = contexts};
    if (nbd_opt_list_meta_context(handle, callback) != 2)
        g_error("%s", nbd_get_error());
    g_assert_cmpstr(contexts->str, ==, "[base:allocation][slipway:changed]");
    nbd_add_meta_context(handle, "slipway:");
    nbd_add_meta_context(handle, "other:thing");
    g_string_truncate(contexts, 0);
    g_assert_cmpint(nbd_opt_list_meta_context(handle, callback), ==, 1);
    g_assert_cmpstr(contexts->str, ==, "[slipway:changed]");
    g_assert_cmpint(nbd_opt_info(handle), ==, 0);
    g_assert_cmpint(nbd_opt_go(handle), ==, 0);
    g_assert_cmpint(nbd_can_meta_context(handle, "base:allocation"), ==, 0);
    nbd_fixture_close(handle);
    handle = nbd_fixture_handle("b");
    nbd_set_opt_mode(handle, true);
    nbd_fixture_connect(&fixture, handle);
    g_assert_cmpint(nbd_opt_abort(handle), ==, 0);
    nbd_close(handle);
    nbd_fixture_expect_log(&fixture, "it asks for export \"c\", which is not there");
    nbd_fixture_stop(&fixture);
}

static void
read_some(struct nbd_handle *handle, struct disk *disk, guint32 flags)
{
    static const gsize lengths[] = {1,         511,           4096,         65535,    65536,
                                    MIB - 512, MIB + 512 + 3, 5 * MIB - 17, 32 * MIB, 300000};
    g_autofree guint8 *bytes = g_malloc(32 * MIB);
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        guint64 room = disk_size(disk) - lengths[i];
        for (guint k = 0; k < 3; k++) {
            guint64 offset = k == 0 ? 0 : k == 1 ? room : room / 3 + 1;
            memset(bytes, 0xa5, lengths[i]);
            if (nbd_pread(handle, bytes, lengths[i], offset, flags) != 0)
                g_error("%" G_GSIZE_FORMAT " bytes: %s", lengths[i], nbd_get_error());
            nbd_fixture_assert_bytes(disk, offset, bytes, lengths[i]);
        }
    }
}

/* In one piece and in several, with holes and without, in the three ways of replies. */
static void
test_read(void)
{
    static const guint64 holes[] = {0, 65536, 1 << 19, 8 * MIB};
    for (gsize i = 0; i < G_N_ELEMENTS(holes); i++) {
        auto_ptr(disk) disk = nbd_fixture_disk(40 * MIB + 77, holes[i]);
        const struct nbd_export export = {.name = "", .disk = disk, .read_only = TRUE};
        struct nbd_fixture fixture;
        nbd_fixture_start(&fixture, &export, 1, 0);
        struct nbd_handle *handle = nbd_fixture_client(&fixture, "");
        read_some(handle, disk, 0);
        read_some(handle, disk, LIBNBD_CMD_FLAG_DF);
        nbd_fixture_close(handle);
        handle = nbd_fixture_handle("");
        nbd_set_request_structured_replies(handle, false);
        nbd_fixture_connect(&fixture, handle);
        g_assert_cmpint(nbd_can_df(handle), ==, 0);
        read_some(handle, disk, 0);
        nbd_fixture_close(handle);
        nbd_fixture_stop(&fixture);
    }
}

struct chunks {
    guint data, holes;
};

static int
count_chunk(void *user_data, const void *bytes G_GNUC_UNUSED, size_t length G_GNUC_UNUSED,
            uint64_t offset G_GNUC_UNUSED, unsigned status, int *error)
{
    struct chunks *chunks = user_data;
    g_assert_cmpint(*error, ==, 0);
    chunks->data += status == LIBNBD_READ_DATA;
    chunks->holes += status == LIBNBD_READ_HOLE;
    return 0;
}

/* What is a hole does not go over the wire, and one that is asked for in one piece is one. */
static void
test_read_holes(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(16 * MIB, 4 * MIB);
    const struct nbd_export export = {.name = "", .disk = disk};
    struct nbd_fixture fixture;
    nbd_fixture_start(&fixture, &export, 1, 0);
    struct nbd_handle *handle = nbd_fixture_client(&fixture, "");
    g_autofree guint8 *bytes = g_malloc(16 * MIB);
    struct chunks chunks = {0};
    nbd_chunk_callback callback = {.callback = count_chunk, .user_data = &chunks};
    g_assert_cmpint(nbd_pread_structured(handle, bytes, 16 * MIB, 0, callback, 0), ==, 0);
    g_assert_cmpuint(chunks.holes, ==, 2);
    g_assert_cmpuint(chunks.data, ==, 8);
    chunks = (struct chunks){0};
    g_assert_cmpint(
        nbd_pread_structured(handle, bytes, 2 * MIB, 3 * MIB, callback, LIBNBD_CMD_FLAG_DF), ==, 0);
    g_assert_cmpuint(chunks.holes, ==, 0);
    g_assert_cmpuint(chunks.data, ==, 1);
    nbd_fixture_close(handle);
    nbd_fixture_stop(&fixture);
}

static void
expect_error(struct nbd_handle *handle G_GNUC_UNUSED, int status, int number)
{
    g_assert_cmpint(status, ==, -1);
    g_assert_cmpint(nbd_get_errno(), ==, number);
}

static void
test_write(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(40 * MIB, 0);
    const struct nbd_export export = {.name = "", .disk = disk};
    struct nbd_fixture fixture;
    nbd_fixture_start(&fixture, &export, 1, 0);
    struct nbd_handle *handle = nbd_fixture_client(&fixture, "");
    static const gsize lengths[] = {1, 100, 8191, 8192, 8193, 100000, 32 * MIB};
    g_autofree guint8 *bytes = g_malloc(32 * MIB);
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        guint32 flags = i % 2 ? LIBNBD_CMD_FLAG_FUA : 0;
        nbd_fixture_fill(bytes, 999 + i, lengths[i]);
        g_assert_cmpint(nbd_pwrite(handle, bytes, lengths[i], 4095 + i, flags), ==, 0);
        nbd_fixture_assert_bytes(disk, 4095 + i, bytes, lengths[i]);
    }
    memset(bytes, 0, 3 * MIB);
    g_assert_cmpint(nbd_zero(handle, MIB, 10, 0), ==, 0);
    nbd_fixture_assert_bytes(disk, 10, bytes, MIB);
    g_assert_cmpint(nbd_zero(handle, 3 * MIB, 2 * MIB + 5, LIBNBD_CMD_FLAG_NO_HOLE), ==, 0);
    nbd_fixture_assert_bytes(disk, 2 * MIB + 5, bytes, 3 * MIB);
    struct disk_extent extent;
    g_assert_true(disk_extent(disk, 3 * MIB, MIB, &extent, NULL));
    g_assert_cmpint(extent.kind, ==, DISK_DATA);
    g_assert_cmpint(nbd_zero(handle, MIB, 8 * MIB, LIBNBD_CMD_FLAG_FAST_ZERO), ==, 0);
    nbd_fixture_assert_bytes(disk, 8 * MIB, bytes, MIB);
    guint32 both = LIBNBD_CMD_FLAG_FAST_ZERO | LIBNBD_CMD_FLAG_NO_HOLE;
    expect_error(handle, nbd_zero(handle, MIB, 9 * MIB, both), ENOTSUP);
    g_assert_cmpint(nbd_trim(handle, MIB, 12 * MIB, LIBNBD_CMD_FLAG_FUA), ==, 0);
    g_assert_true(disk_extent(disk, 12 * MIB, MIB, &extent, NULL));
    g_assert_cmpint(extent.kind, ==, DISK_ZERO);
    g_assert_cmpint(nbd_flush(handle, 0), ==, 0);
    g_assert_cmpint(nbd_cache(handle, MIB, 0, 0), ==, 0);
    nbd_fixture_close(handle);
    nbd_fixture_stop(&fixture);
}

/* Each is refused in its own way, and the connection goes on. */
static void
test_refused(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(MIB, 0);
    const struct nbd_export exports[] = {{.name = "ro", .disk = disk, .read_only = TRUE},
                                         {.name = "rw", .disk = disk}};
    struct nbd_fixture fixture;
    nbd_fixture_start(&fixture, exports, 2, 0);
    struct nbd_handle *handle = nbd_fixture_client(&fixture, "ro");
    g_autofree guint8 *bytes = g_malloc0(MIB);
    expect_error(handle, nbd_pwrite(handle, bytes, 100000, 0, 0), EPERM);
    expect_error(handle, nbd_zero(handle, 10, 0, 0), EPERM);
    expect_error(handle, nbd_trim(handle, 10, 0, 0), EPERM);
    expect_error(handle, nbd_pread(handle, bytes, 10, MIB - 9, 0), EINVAL);
    expect_error(handle, nbd_pread(handle, bytes, 1, G_MAXINT64, 0), EINVAL);
    expect_error(handle, nbd_pread(handle, bytes, 10, 0, LIBNBD_CMD_FLAG_REQ_ONE), EINVAL);
    expect_error(handle, nbd_cache(handle, 10, MIB, 0), EINVAL);
    g_assert_cmpint(nbd_pread(handle, bytes, MIB, 0, 0), ==, 0);
    nbd_fixture_assert_bytes(disk, 0, bytes, MIB);
    nbd_fixture_close(handle);
    handle = nbd_fixture_handle("rw");
    nbd_fixture_connect(&fixture, handle);
    expect_error(handle, nbd_pwrite(handle, bytes, 10, MIB - 9, 0), ENOSPC);
    expect_error(handle, nbd_zero(handle, 10, MIB - 9, 0), ENOSPC);
    expect_error(handle, nbd_trim(handle, 10, MIB - 9, 0), EINVAL);
    expect_error(handle, nbd_pwrite(handle, bytes, 10, 0, LIBNBD_CMD_FLAG_DF), EINVAL);
    nbd_fixture_assert_bytes(disk, 0, bytes, MIB);
    nbd_fixture_close(handle);
    nbd_fixture_stop(&fixture);
}

static gboolean
change_odd(gpointer data, guint64 offset, guint64 length, gboolean *ret_changed,
           guint64 *ret_length, GError **error)
{
    guint64 bad = *(const guint64 *)data;
    guint64 at = offset / 65536;
    if (offset >= bad)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "no map at %" G_GUINT64_FORMAT, offset);
    *ret_changed = at % 2;
    *ret_length = MIN(length, (at + 1) * 65536 - offset);
    return TRUE;
}

static int
hear_status(void *data, const char *context, uint64_t offset, uint32_t *entries, size_t n,
            int *error G_GNUC_UNUSED)
{
    GString *text = data;
    g_string_append_printf(text, "%s@%" G_GUINT64_FORMAT ":", context, (guint64)offset);
    for (size_t i = 0; i < n; i += 2)
        g_string_append_printf(text, " %u=%u", entries[i] / 65536, entries[i + 1]);
    g_string_append_c(text, '\n');
    return 0;
}

static void
expect_status(struct nbd_handle *handle, guint64 length, guint64 offset, guint32 flags,
              const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    nbd_extent_callback callback = {.callback = hear_status, .user_data = text};
    if (nbd_block_status(handle, length, offset, callback, flags) != 0)
        g_error("%s", nbd_get_error());
    g_assert_cmpstr(text->str, ==, expected);
}

static void
test_status(void)
{
    auto_ptr(disk) disk = nbd_fixture_disk(2 * MIB, 4 * 65536);
    guint64 bad = 29 * 65536;
    const struct nbd_export export = {
        .name = "", .disk = disk, .changed = change_odd, .changed_data = &bad};
    struct nbd_fixture fixture;
    nbd_fixture_start(&fixture, &export, 1, 0);
    struct nbd_handle *handle = nbd_fixture_client(&fixture, "");
    expect_status(handle, 10 * 65536, 2 * 65536, 0,
                  "base:allocation@131072: 2=0 4=3 4=0\n"
                  "slipway:changed@131072: 1=0 1=1 1=0 1=1 1=0 1=1 1=0 1=1 1=0 1=1\n");
    expect_status(handle, 10 * 65536, 65536, LIBNBD_CMD_FLAG_REQ_ONE,
                  "base:allocation@65536: 3=0\nslipway:changed@65536: 1=1\n");
    /* Up to where it is known. */
    expect_status(handle, 5 * 65536, 27 * 65536, 0,
                  "base:allocation@1769472: 1=0 4=3\nslipway:changed@1769472: 1=1 1=0\n");
    nbd_extent_callback callback = {.callback = hear_status, .user_data = g_string_new(NULL)};
    expect_error(handle, nbd_block_status(handle, 65536, bad, callback, 0), EIO);
    expect_error(handle, nbd_block_status(handle, 2, 2 * MIB - 1, callback, 0), EINVAL);
    g_string_free(callback.user_data, TRUE);
    nbd_fixture_expect_log(&fixture, "export \"\": no map at 1900544\n");
    nbd_fixture_close(handle);
    nbd_fixture_stop(&fixture);
}

/* A disk that fails says so, in the log too, where it does not flood. */
static void
test_failing_disk(void)
{
    const struct disk_fault faults[] = {
        {.offset = 65536, .length = 4096, .reads = 1},
        {.offset = 5 * MIB, .length = 10, .writes = 1, .number = ENOSPC},
    };
    struct disk *below = nbd_fixture_disk(8 * MIB, 0);
    auto_ptr(disk) disk = disk_fault_new(below, faults, G_N_ELEMENTS(faults));
    const struct nbd_export export = {.name = "", .disk = disk};
    struct nbd_fixture fixture;
    nbd_fixture_start(&fixture, &export, 1, 0);
    struct nbd_handle *handle = nbd_fixture_client(&fixture, "");
    g_autofree guint8 *bytes = g_malloc(4 * MIB);
    expect_error(handle, nbd_pread(handle, bytes, 100, 65536, 0), EIO);
    expect_error(handle, nbd_pread(handle, bytes, 4 * MIB, 0, 0), EIO);
    expect_error(handle, nbd_pread(handle, bytes, 4 * MIB, 0, LIBNBD_CMD_FLAG_DF), EIO);
    expect_error(handle, nbd_pwrite(handle, bytes, 100, 5 * MIB, 0), EIO);
    g_assert_cmpint(nbd_pread(handle, bytes, MIB, 69632, 0), ==, 0);
    nbd_fixture_assert_bytes(below, 69632, bytes, MIB);
    for (guint i = 0; i < 100; i++)
        expect_error(handle, nbd_pread(handle, bytes, 100, 65536, 0), EIO);
    nbd_fixture_close(handle);
    nbd_fixture_expect_log(&fixture, "cannot read at offset 65536");
    nbd_fixture_expect_log(&fixture, "further failures of this connection are not logged");
    nbd_fixture_expect_log(&fixture, " closed");
    g_auto(GStrv) lines = g_strsplit(fixture.log->str, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 1 + 20 + 1 + 1);
    nbd_fixture_stop(&fixture);
}

/* What is wrong with the options is said before anything listens. */
static void
test_bad_options(void)
{
    auto_scratch scratch = scratch_new();
    auto_ptr(disk) disk = nbd_fixture_disk(MIB, 0);
    const struct nbd_export exports[] = {{.name = "a", .disk = disk}, {.name = "a", .disk = disk}};
    const struct nbd_export bad = {.name = "\xff", .disk = disk};
    g_autofree char *address = g_strconcat("unix:", scratch.path, "/s", NULL);
    const char *const listen[] = {address, NULL};
    struct nbd_options options = {.exports = exports, .n_exports = 2, .listen = listen};
    g_autoptr(GError) twice = NULL, utf8 = NULL, none = NULL, missing = NULL, corrupt = NULL;
    g_assert_null(nbd_server_start(&options, &twice));
    g_assert_error(twice, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_cmpstr(twice->message, ==, "two exports have the name \"a\"");
    options.n_exports = 1;
    options.exports = &bad;
    g_assert_null(nbd_server_start(&options, &utf8));
    g_assert_error(utf8, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    options.n_exports = 0;
    g_assert_null(nbd_server_start(&options, &none));
    g_assert_error(none, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    options.exports = exports;
    options.n_exports = 1;
    options.tls_directory = scratch.path;
    g_assert_null(nbd_server_start(&options, &missing));
    g_assert_error(missing, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(missing->message, "server-cert.pem"));
    scratch_put(&scratch, "server-cert.pem", "not a certificate");
    scratch_put(&scratch, "server-key.pem", "not a key");
    g_assert_null(nbd_server_start(&options, &corrupt));
    g_assert_error(corrupt, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_false(scratch_has(&scratch, "s"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd-server/export", test_export);
    g_test_add_func("/nbd-server/options", test_options);
    g_test_add_func("/nbd-server/read", test_read);
    g_test_add_func("/nbd-server/read-holes", test_read_holes);
    g_test_add_func("/nbd-server/write", test_write);
    g_test_add_func("/nbd-server/refused", test_refused);
    g_test_add_func("/nbd-server/status", test_status);
    g_test_add_func("/nbd-server/failing-disk", test_failing_disk);
    g_test_add_func("/nbd-server/bad-options", test_bad_options);
    return g_test_run();
}
