/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_visor_tar.c: every dialect of tar that payloads come in, and what strangers make of them. */
#include "base/error.h"
#include "esx/tar_names.h"
#include "esx/visor_tar.h"

#include "tar_fixture.h"

/* One line a member: type, name, target or data. */
static gboolean
list(const struct visor_member *member, struct stream *data, void *user_data, GError **error)
{
    GString *out = user_data;
    g_string_append_printf(out, "%c %s", member->type, member->name);
    if (member->target != NULL)
        g_string_append_printf(out, " -> %s", member->target);
    g_assert_cmpint(data != NULL, ==, visor_member_is_file(member));
    if (data != NULL) {
        g_autoptr(GBytes) bytes = stream_read_all(data, 1 << 20, error);
        if (bytes == NULL)
            return FALSE;
        g_assert_cmpuint(g_bytes_get_size(bytes), ==, member->size);
        g_string_append_printf(out, " = %.*s", (int)member->size,
                               (const char *)g_bytes_get_data(bytes, NULL));
    }
    g_string_append_c(out, '\n');
    return TRUE;
}

static void
assert_lists(GByteArray *tar, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GBytes) packed = tar_fixture_gzip(tar);
    gboolean ok = visor_tar_each(stream_new_bytes(packed, "p.vgz"), list, out, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpstr(out->str, ==, expected);
}

static void
assert_refused(GByteArray *tar, enum slipway_error code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GBytes) packed = tar_fixture_gzip(tar);
    g_assert_false(visor_tar_each(stream_new_bytes(packed, "p.vgz"), list, out, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

#define MEMBER(...) (&(struct tar_fixture_member){__VA_ARGS__})

static void
test_ustar(void)
{
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(tar, MEMBER(.name = "./", .type = '5'));
    tar_fixture_member(tar, MEMBER(.name = "./etc/", .type = '5'));
    tar_fixture_member(tar, MEMBER(.name = "./etc//a", .data = "hello"));
    tar_fixture_member(tar, MEMBER(.name = "etc/empty", .data = ""));
    tar_fixture_member(tar, MEMBER(.name = "etc/l", .type = '2', .target = "/usr/x"));
    tar_fixture_member(tar, MEMBER(.name = "etc/h", .type = '1', .target = "./etc/a"));
    tar_fixture_member(tar, MEMBER(.name = "seven", .type = '7', .data = "7"));
    tar_fixture_member(tar, MEMBER(.name = "n", .prefix = "some/prefix", .data = "p"));
    tar_fixture_end(tar);
    assert_lists(tar, "5 etc\n0 etc/a = hello\n0 etc/empty = \n2 etc/l -> /usr/x\n"
                      "1 etc/h -> etc/a\n0 seven = 7\n0 some/prefix/n = p\n");
}

/* Old GNU has other things where ustar has its prefix; v7 has no magic at all. */
static void
test_gnu_and_v7(void)
{
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(tar, MEMBER(.name = "a", .magic = TAR_GNU, .prefix = "12345", .data = "1"));
    tar_fixture_member(tar, MEMBER(.name = "d/", .magic = TAR_V7));
    tar_fixture_member(tar, MEMBER(.name = "d/b", .magic = TAR_V7, .data = "2"));
    assert_lists(tar, "0 a = 1\n5 d\n0 d/b = 2\n"); /* without an end block, too */
}

static void
test_long_names(void)
{
    g_autofree char *name = g_strnfill(300, 'n');
    g_autofree char *target = g_strnfill(200, 't');
    g_autofree char *pax_path = g_strnfill(150, 'p');
    g_autofree char *pax =
        g_strdup_printf("160 path=%s\n20 linkpath=somelnk\n12 other=12\n", pax_path);
    g_assert_cmpuint(strlen(pax), ==, 161 + 20 + 12 - 1);
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(
        tar, MEMBER(.name = "././@LongLink", .type = 'L', .magic = TAR_GNU, .data = name));
    tar_fixture_member(
        tar, MEMBER(.name = "././@LongLink", .type = 'K', .magic = TAR_GNU, .data = target));
    tar_fixture_member(tar, MEMBER(.name = "short", .type = '2', .target = "s", .magic = TAR_GNU));
    tar_fixture_member(tar, MEMBER(.name = "PaxHeader", .type = 'x', .data = pax));
    tar_fixture_member(tar, MEMBER(.name = "short", .type = '2', .target = "s"));
    tar_fixture_member(tar, MEMBER(.name = "global", .type = 'g', .data = "12 path=bad\n"));
    tar_fixture_member(tar, MEMBER(.name = "after", .data = "x"));
    g_autofree char *expected =
        g_strdup_printf("2 %s -> %s\n2 %s -> somelnk\n0 after = x\n", name, target, pax_path);
    assert_lists(tar, expected);
}

static void
test_pax_size(void)
{
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(tar, MEMBER(.name = "PaxHeader", .type = 'x', .data = "9 size=3\n"));
    tar_fixture_member(tar,
                       MEMBER(.name = "a", .raw_size = "\0\0\0\0\0\0\0\0\0\0\0\0", .data = "abc"));
    tar_fixture_member(tar,
                       MEMBER(.name = "b", .raw_size = "\x80\0\0\0\0\0\0\0\0\0\0\2", .data = "xy"));
    assert_lists(tar, "0 a = abc\n0 b = xy\n");
}

/* As the vendor's: headers, a zero block, data at offsets of 4096; the last one is not padded. */
static GByteArray *
new_visor(void)
{
    GByteArray *tar = g_byte_array_new();
    tar_fixture_header(tar, MEMBER(.name = "usr", .type = '5', .magic = TAR_VISOR));
    tar_fixture_header(tar, MEMBER(.name = "usr/module", .type = '7', .magic = TAR_VISOR,
                                   .offset = 8192, .data = "ELF"));
    tar_fixture_header(
        tar, MEMBER(.name = "usr/first", .magic = TAR_VISOR, .offset = 4096, .data = "first"));
    tar_fixture_header(tar, MEMBER(.name = "usr/empty", .magic = TAR_VISOR));
    tar_fixture_header(
        tar, MEMBER(.name = "usr/link", .type = '2', .target = "first", .magic = TAR_VISOR));
    tar_fixture_pad(tar, 4096);
    return tar;
}

static void
test_visor(void)
{
    GByteArray *tar = new_visor();
    tar_fixture_data(tar, "first");
    tar_fixture_pad(tar, 4096);
    tar_fixture_data(tar, "ELF");
    assert_lists(tar, "5 usr\n0 usr/empty = \n2 usr/link -> first\n0 usr/first = first\n"
                      "7 usr/module = ELF\n");
}

/* The offset begins where ustar's prefix would end, and no zero block stands before the data. */
static void
test_visor_tight(void)
{
    g_autofree char *prefix = g_strnfill(151, 'p');
    GByteArray *tar = g_byte_array_new();
    tar_fixture_header(tar, MEMBER(.name = "n", .prefix = prefix, .magic = TAR_VISOR, .offset = 512,
                                   .data = "data"));
    tar_fixture_data(tar, "data");
    g_autofree char *expected = g_strdup_printf("0 %s/n = data\n", prefix);
    assert_lists(tar, expected);
}

static void
test_visor_damaged(void)
{
    assert_refused(new_visor(), SLIPWAY_ERROR_CORRUPT, "p.vgz: ends in the middle of usr/first");

    GByteArray *overlap = g_byte_array_new();
    tar_fixture_header(overlap,
                       MEMBER(.name = "a", .magic = TAR_VISOR, .offset = 2048, .data = "aaaa"));
    tar_fixture_header(overlap,
                       MEMBER(.name = "b", .magic = TAR_VISOR, .offset = 2050, .data = "b"));
    tar_fixture_pad(overlap, 4096);
    assert_refused(overlap, SLIPWAY_ERROR_CORRUPT,
                   "p.vgz: the data of b overlaps with what is before it");

    GByteArray *backwards = g_byte_array_new();
    tar_fixture_header(backwards,
                       MEMBER(.name = "a", .magic = TAR_VISOR, .offset = 256, .data = "a"));
    tar_fixture_pad(backwards, 4096);
    assert_refused(backwards, SLIPWAY_ERROR_CORRUPT,
                   "p.vgz: the data of a overlaps with what is before it");
}

static void
assert_name_refused(const char *name, const char *message)
{
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(tar, MEMBER(.name = name, .data = "x"));
    assert_refused(tar, SLIPWAY_ERROR_CORRUPT, message);
}

static void
test_bad_names(void)
{
    assert_name_refused("/etc/passwd",
                        "p.vgz: the name \"/etc/passwd\" is absolute; names must be relative");
    assert_name_refused("a/../../b",
                        "p.vgz: the name \"a/../../b\" leads out of the archive with `..`");
    assert_name_refused("..", "p.vgz: the name \"..\" leads out of the archive with `..`");
    assert_name_refused("a\nb", "p.vgz: the name \"a\\nb\" holds control characters");
    assert_name_refused("", "p.vgz: has a member without a name");
    GByteArray *link = g_byte_array_new();
    tar_fixture_member(link, MEMBER(.name = "h", .type = '1', .target = "../x"));
    assert_refused(link, SLIPWAY_ERROR_CORRUPT,
                   "p.vgz: the name \"../x\" leads out of the archive with `..`");
    GByteArray *nowhere = g_byte_array_new();
    tar_fixture_member(nowhere, MEMBER(.name = "l", .type = '2'));
    assert_refused(nowhere, SLIPWAY_ERROR_CORRUPT, "p.vgz: has a link that points nowhere");
    GByteArray *nul = g_byte_array_new();
    tar_fixture_header(nul, MEMBER(.name = "PaxHeader", .type = 'x', .size = 14));
    g_byte_array_append(nul, (const guint8 *)"14 path=ab\0cd\n", 14);
    tar_fixture_pad(nul, 512);
    tar_fixture_member(nul, MEMBER(.name = "a", .data = "x"));
    assert_refused(nul, SLIPWAY_ERROR_CORRUPT, "p.vgz: has a malformed pax header");
}

static void
test_special(void)
{
    GByteArray *device = g_byte_array_new();
    tar_fixture_member(device, MEMBER(.name = "dev/null", .type = '3'));
    assert_refused(device, SLIPWAY_ERROR_CORRUPT,
                   "p.vgz: dev/null is a device or a pipe, which no payload may hold");
    GByteArray *sparse = g_byte_array_new();
    tar_fixture_member(sparse, MEMBER(.name = "s", .type = 'S'));
    assert_refused(sparse, SLIPWAY_ERROR_UNSUPPORTED,
                   "p.vgz: s is a tar member of type 'S', which is not handled");
}

static void
test_no_tar(void)
{
    GByteArray *brief = g_byte_array_new();
    tar_fixture_data(brief, "brief");
    assert_refused(brief, SLIPWAY_ERROR_UNSUPPORTED, "p.vgz: holds no tar archive");
    GByteArray *text = g_byte_array_new();
    tar_fixture_data(text, "this is a kernel and no archive");
    tar_fixture_pad(text, 1024);
    assert_refused(text, SLIPWAY_ERROR_UNSUPPORTED, "p.vgz: holds no tar archive");
    assert_refused(g_byte_array_new(), SLIPWAY_ERROR_UNSUPPORTED, "p.vgz: holds no tar archive");
    GByteArray *xz = g_byte_array_new();
    g_byte_array_append(xz,
                        (const guint8 *)"\xfd"
                                        "7zXZ\0",
                        6);
    tar_fixture_pad(xz, 1024);
    assert_refused(xz, SLIPWAY_ERROR_UNSUPPORTED,
                   "p.vgz: holds a signed xz archive, which can be copied but not looked into");
}

static void
test_damaged(void)
{
    GByteArray *second = g_byte_array_new();
    tar_fixture_member(second, MEMBER(.name = "a", .data = "x"));
    tar_fixture_member(second, MEMBER(.name = "b", .data = "x"));
    second->data[1024 + 5] ^= 1;
    assert_refused(second, SLIPWAY_ERROR_CORRUPT, "p.vgz: the tar header at byte 1024 is damaged");
    GByteArray *cut = g_byte_array_new();
    tar_fixture_member(cut, MEMBER(.name = "a", .data = "x"));
    g_byte_array_set_size(cut, 512);
    assert_refused(cut, SLIPWAY_ERROR_CORRUPT, "p.vgz: ends in the middle of a");
    GByteArray *half = g_byte_array_new();
    tar_fixture_member(half, MEMBER(.name = "a", .data = "x"));
    tar_fixture_member(half, MEMBER(.name = "b"));
    g_byte_array_set_size(half, 1024 + 300);
    assert_refused(half, SLIPWAY_ERROR_CORRUPT, "p.vgz: ends in the middle of a tar header");
    GByteArray *number = g_byte_array_new();
    tar_fixture_member(number, MEMBER(.name = "a", .raw_size = "00000000009\0"));
    assert_refused(number, SLIPWAY_ERROR_UNSUPPORTED, "p.vgz: holds no tar archive");
}

static void
test_limits(void)
{
    GByteArray *huge = g_byte_array_new();
    tar_fixture_member(huge, MEMBER(.name = "a", .raw_size = "\x80\0\0\0\0\0\1\0\0\0\0\0"));
    assert_refused(huge, SLIPWAY_ERROR_LIMIT, "p.vgz: a is larger than 2147483648 bytes");
    GByteArray *name = g_byte_array_new();
    tar_fixture_member(name, MEMBER(.name = "L", .type = 'L', .size = 4098));
    assert_refused(name, SLIPWAY_ERROR_LIMIT, "p.vgz: has a name record of more than 4097 bytes");
    GByteArray *pax = g_byte_array_new();
    tar_fixture_member(pax, MEMBER(.name = "x", .type = 'x', .size = (1 << 20) + 1));
    assert_refused(pax, SLIPWAY_ERROR_LIMIT, "p.vgz: has a name record of more than 1048576 bytes");
}

/* The gzip's own checksum stands behind everything that is of interest. */
static void
test_gzip_damaged(void)
{
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(tar, MEMBER(.name = "a", .data = "x"));
    tar_fixture_end(tar);
    g_autoptr(GBytes) packed = tar_fixture_gzip(tar);
    gsize length;
    const guint8 *data = g_bytes_get_data(packed, &length);
    for (gsize cut = 0; cut < length; cut++) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(packed, 0, cut);
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        g_assert_false(visor_tar_each(stream_new_bytes(part, "p"), list, out, &error));
        g_assert_nonnull(error);
    }
    guint8 *copy = g_memdup2(data, length);
    copy[length - 5] ^= 1;
    g_autoptr(GBytes) wrong = g_bytes_new_take(copy, length);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_assert_false(visor_tar_each(stream_new_bytes(wrong, "p"), list, out, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

/* Whatever byte is damaged, with a checksum that is right again: an answer, and no crash. */
static void
test_every_byte(void)
{
    g_autoptr(GByteArray) tar = new_visor();
    tar_fixture_data(tar, "first");
    tar_fixture_pad(tar, 4096);
    tar_fixture_data(tar, "ELF");
    for (guint i = 0; i < 5 * 512; i++) {
        GByteArray *damaged = g_byte_array_new();
        g_byte_array_append(damaged, tar->data, tar->len);
        damaged->data[i] ^= 0x85;
        tar_fixture_seal(damaged->data + i / 512 * 512);
        g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(damaged);
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        gboolean ok = visor_tar_each_plain(stream_new_bytes(bytes, "p"), list, out, &error);
        g_assert_cmpint(ok, ==, error == NULL);
    }
}

static gboolean
stop(const struct visor_member *member G_GNUC_UNUSED, struct stream *data G_GNUC_UNUSED,
     void *user_data, GError **error)
{
    ++*(int *)user_data;
    return error_set(error, SLIPWAY_ERROR_FAILED, "enough");
}

static void
test_stop(void)
{
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(tar, MEMBER(.name = "a", .data = "x"));
    tar_fixture_member(tar, MEMBER(.name = "b", .data = "x"));
    g_autoptr(GBytes) packed = tar_fixture_gzip(tar);
    g_autoptr(GError) error = NULL;
    int calls = 0;
    g_assert_false(visor_tar_each(stream_new_bytes(packed, "p"), stop, &calls, &error));
    g_assert_cmpstr(error->message, ==, "enough");
    g_assert_cmpint(calls, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/visor-tar/ustar", test_ustar);
    g_test_add_func("/visor-tar/gnu-and-v7", test_gnu_and_v7);
    g_test_add_func("/visor-tar/long-names", test_long_names);
    g_test_add_func("/visor-tar/pax-size", test_pax_size);
    g_test_add_func("/visor-tar/visor", test_visor);
    g_test_add_func("/visor-tar/visor-tight", test_visor_tight);
    g_test_add_func("/visor-tar/visor-damaged", test_visor_damaged);
    g_test_add_func("/visor-tar/bad-names", test_bad_names);
    g_test_add_func("/visor-tar/special", test_special);
    g_test_add_func("/visor-tar/no-tar", test_no_tar);
    g_test_add_func("/visor-tar/damaged", test_damaged);
    g_test_add_func("/visor-tar/limits", test_limits);
    g_test_add_func("/visor-tar/gzip-damaged", test_gzip_damaged);
    g_test_add_func("/visor-tar/every-byte", test_every_byte);
    g_test_add_func("/visor-tar/stop", test_stop);
    return g_test_run();
}
