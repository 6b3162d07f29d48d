/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_vib_build.c: VIBs made here, read back here and by the tools of others. */
#include "base/durable_file.h"
#include "base/error.h"
#include "base/progress.h"
#include "esx/path_rules.h"
#include "esx/payload_check.h"
#include "esx/vib_build.h"
#include "esx/vib_file.h"
#include "esx/vib_write.h"

#include "scratch_directory.h"
#include "tar_fixture.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMBER(...) (&(struct tar_fixture_member){__VA_ARGS__})

static const char *const depends[] = {"vmkapi_2_3_0_0", "esx-version >= 6.7.0", "x<<1", NULL};
static const char *const conflicts[] = {"net51-drivers", NULL};
static const char *const provides[] = {"thing = 1.0-2", NULL};
static const char *const tags[] = {"driver", "a<b & \"c\"", NULL};
static const char *const platforms[] = {"8.0", NULL};

static const struct vib_build whole = {.name = "net-R8125.x",
                                       .version = "1.0.2-1vmw",
                                       .vendor = "ACME",
                                       .summary = "A driver",
                                       .description = "It <drives> & more",
                                       .release_date = "2020-01-08T13:04:19.619611+01:00",
                                       .depends = depends,
                                       .conflicts = conflicts,
                                       .provides = provides,
                                       .tags = tags,
                                       .maintenance_mode = TRUE,
                                       .stateless_ready = TRUE,
                                       .platforms = platforms};
static const struct vib_build plain = {.name = "net-test", .version = "1.0-1", .vendor = "ACME"};

/* A tree with everything that may be in one. */
static void
make_tree(const struct scratch *scratch)
{
    scratch_put(scratch, "tree/opt/tool/run.sh", "#!/bin/sh\n");
    scratch_put(scratch, "tree/opt/tool-b", "b");
    scratch_put(scratch, "tree/etc/init.d/tool", "start");
    scratch_put(scratch, "tree/opt/\xc3\xa4", "umlaut");
    scratch_put(scratch, "tree/opt/empty", "");
    g_autofree char *directory = scratch_path(scratch, "tree/opt/hollow");
    g_autofree char *script = scratch_path(scratch, "tree/opt/tool/run.sh");
    g_autofree char *link = scratch_path(scratch, "tree/opt/link");
    g_assert_cmpint(g_mkdir(directory, 0755), ==, 0);
    g_assert_cmpint(g_chmod(script, 0755), ==, 0);
    g_assert_cmpint(symlink("tool/run.sh", link), ==, 0);
}

static GBytes *
build_good(const struct scratch *scratch, const struct vib_build *build, const char *input,
           const char *output)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *from = scratch_path(scratch, input);
    g_autofree char *to = scratch_path(scratch, output);
    gboolean ok = vib_build_write(build, from, to, FALSE, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    return scratch_get(scratch, output);
}

static struct vib_file *
open_vib(GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    struct vib_file *file = vib_file_open(stream_new_bytes(bytes, "t.vib"), &error);
    g_assert_no_error(error);
    return file;
}

/* All payloads against all of their checksums. */
static void
assert_payloads_good(struct vib_file *file)
{
    g_autoptr(GError) error = NULL;
    const struct payload *payload = NULL;
    guint count = 0;
    while (vib_file_next(file, &payload, &error) && payload != NULL) {
        auto_ptr(payload_check) check = payload_check_new(payload, PAYLOAD_CHECK_ALL, "t");
        char buffer[333];
        gssize got;
        while ((got = vib_file_read(file, buffer, sizeof buffer, &error)) > 0)
            payload_check_update(check, buffer, (gsize)got);
        payload_check_finish(check, &error);
        g_assert_no_error(error);
        count++;
    }
    g_assert_no_error(error);
    g_assert_cmpuint(count, ==, vib_file_vib(file)->payloads->len);
}

static void
test_descriptor(void)
{
    auto_scratch scratch = scratch_new();
    make_tree(&scratch);
    g_autoptr(GBytes) bytes = build_good(&scratch, &whole, "tree", "a.vib");
    auto_ptr(vib_file) file = open_vib(bytes);
    const struct vib *vib = vib_file_vib(file);
    const struct payload *payload = vib->payloads->pdata[0];
    g_autofree char *expected = g_strdup_printf(
        "<vib version=\"5.0\"><type>bootbank</type><name>net-R8125.x</name>"
        "<version>1.0.2-1vmw</version><vendor>ACME</vendor><summary>A driver</summary>"
        "<description>It &lt;drives&gt; &amp; more</description>"
        "<release-date>2020-01-08T12:04:19.619611+00:00</release-date><urls/><relationships>"
        "<depends><constraint name=\"vmkapi_2_3_0_0\"/>"
        "<constraint name=\"esx-version\" relation=\"&gt;=\" version=\"6.7.0\"/>"
        "<constraint name=\"x\" relation=\"&lt;&lt;\" version=\"1\"/></depends>"
        "<conflicts><constraint name=\"net51-drivers\"/></conflicts><replaces/>"
        "<provides><provide name=\"thing\" version=\"1.0-2\"/></provides><compatibleWith/>"
        "</relationships><software-tags><tag>driver</tag><tag>a&lt;b &amp; &quot;c&quot;</tag>"
        "</software-tags><system-requires><maintenance-mode>true</maintenance-mode>"
        "<softwarePlatform version=\"8.0\" locale=\"\" productLineID=\"embeddedEsx\"/>"
        "</system-requires><file-list><file>etc/init.d/tool</file><file>opt/empty</file>"
        "<file>opt/link</file><file>opt/tool-b</file><file>opt/tool/run.sh</file>"
        "<file>opt/\xc3\xa4</file></file-list>"
        "<acceptance-level>community</acceptance-level>"
        "<live-install-allowed>false</live-install-allowed>"
        "<live-remove-allowed>false</live-remove-allowed><cimom-restart>false</cimom-restart>"
        "<stateless-ready>true</stateless-ready><overlay>false</overlay><payloads>"
        "<payload name=\"net-r812\" type=\"tgz\" size=\"%" G_GUINT64_FORMAT "\">"
        "<checksum checksum-type=\"sha-256\" verify-process=\"gunzip\">%s</checksum>"
        "<checksum checksum-type=\"sha-256\">%s</checksum>"
        "<checksum checksum-type=\"sha-1\" verify-process=\"gunzip\">%s</checksum>"
        "</payload></payloads></vib>",
        payload->size, payload_checksum(payload, DIGEST_SHA256, "gunzip"),
        payload_checksum(payload, DIGEST_SHA256, NULL),
        payload_checksum(payload, DIGEST_SHA1, "gunzip"));
    GBytes *descriptor = vib_file_descriptor(file);
    g_autofree char *actual =
        g_strndup(g_bytes_get_data(descriptor, NULL), g_bytes_get_size(descriptor));
    g_assert_cmpstr(actual, ==, expected);
    g_assert_cmpuint(g_bytes_get_size(vib_file_signature(file)), ==, 0);
    assert_payloads_good(file);
}

/* The archive byte for byte around its members. */
static void
test_archive(void)
{
    auto_scratch scratch = scratch_new();
    make_tree(&scratch);
    g_autoptr(GBytes) bytes = build_good(&scratch, &whole, "tree", "a.vib");
    auto_ptr(vib_file) file = open_vib(bytes);
    gsize size = g_bytes_get_size(vib_file_descriptor(file));
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    g_autofree char *head = g_strdup_printf(
        "!<arch>\ndescriptor.xml  0           0     0     0       %-10" G_GSIZE_FORMAT "`\n", size);
    g_autofree char *signature =
        g_strdup("sig.pkcs7       0           0     0     0       0         `\n");
    g_assert_cmpmem(data, 68, head, strlen(head));
    g_assert_cmpmem(data + 68 + size + size % 2, 60, signature, strlen(signature));
    const guint8 *payload = (const guint8 *)data + 68 + size + size % 2 + 60 + 60;
    g_assert_cmpmem(payload, 10, "\x1f\x8b\x08\0\0\0\0\0\x02\xff", 10);
    g_assert_cmpuint(length % 2, ==, 0);
}

static void
test_same_bytes(void)
{
    auto_scratch scratch = scratch_new();
    auto_scratch other = scratch_new();
    make_tree(&scratch);
    scratch_put(&other, "tree/etc/init.d/tool", "other order, other times");
    make_tree(&other);
    g_autoptr(GBytes) first = build_good(&scratch, &whole, "tree", "a.vib");
    g_autoptr(GBytes) second = build_good(&other, &whole, "tree", "b.vib");
    g_assert_true(g_bytes_equal(first, second));
    struct vib_build later = whole;
    later.release_date = "2021-01-08";
    g_autoptr(GBytes) third = build_good(&scratch, &later, "tree", "c.vib");
    g_assert_false(g_bytes_equal(first, third));
}

static void
test_default_date(void)
{
    auto_scratch scratch = scratch_new();
    make_tree(&scratch);
    g_unsetenv("SOURCE_DATE_EPOCH");
    g_autoptr(GBytes) first = build_good(&scratch, &plain, "tree", "a.vib");
    auto_ptr(vib_file) file = open_vib(first);
    g_assert_cmpstr(vib_file_vib(file)->release_date, ==, "1970-01-01T00:00:00+00:00");
    g_assert_cmpstr(vib_file_vib(file)->summary, ==, "net-test");
    g_setenv("SOURCE_DATE_EPOCH", "1600000000", TRUE);
    g_autoptr(GBytes) second = build_good(&scratch, &plain, "tree", "b.vib");
    g_unsetenv("SOURCE_DATE_EPOCH");
    auto_ptr(vib_file) dated = open_vib(second);
    g_assert_cmpstr(vib_file_vib(dated)->release_date, ==, "2020-09-13T12:26:40+00:00");
}

/* A driver archive as the community makes them: taken over byte for byte. */
static void
test_tgz(void)
{
    auto_scratch scratch = scratch_new();
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(tar, MEMBER(.name = "./", .type = '5', .magic = TAR_GNU));
    tar_fixture_member(
        tar, MEMBER(.name = "./usr/lib/vmware/vmkmod/r8168", .magic = TAR_GNU, .data = "ELF"));
    tar_fixture_member(tar, MEMBER(.name = "./etc/vmware/driver.map.d/r8168.map", .magic = TAR_GNU,
                                   .data = "map"));
    tar_fixture_end(tar);
    GByteArray *copy = g_byte_array_new();
    g_byte_array_append(copy, tar->data, tar->len);
    g_autoptr(GBytes) packed = tar_fixture_gzip(tar);
    scratch_put_bytes(&scratch, "oem.tgz", packed);
    g_autoptr(GBytes) bytes = build_good(&scratch, &plain, "oem.tgz", "a.vib");
    auto_ptr(vib_file) file = open_vib(bytes);
    const struct vib *vib = vib_file_vib(file);
    g_assert_cmpuint(vib->files->len, ==, 2);
    g_assert_cmpstr(vib->files->pdata[0], ==, "etc/vmware/driver.map.d/r8168.map");
    g_assert_cmpstr(vib->files->pdata[1], ==, "usr/lib/vmware/vmkmod/r8168");
    assert_payloads_good(file);
    gsize length, packed_length;
    const char *data = g_bytes_get_data(bytes, &length);
    const void *expected = g_bytes_get_data(packed, &packed_length);
    gsize padding = packed_length % 2;
    g_assert_cmpmem(data + length - padding - packed_length, packed_length, expected,
                    packed_length);

    /* The same archive without gzip is compressed. */
    g_autoptr(GBytes) unpacked = g_byte_array_free_to_bytes(copy);
    scratch_put_bytes(&scratch, "oem.tar", unpacked);
    g_autoptr(GBytes) compressed = build_good(&scratch, &plain, "oem.tar", "b.vib");
    g_assert_true(g_bytes_equal(bytes, compressed));
}

static char *
run(const struct scratch *scratch, const char *command)
{
    g_autofree char *line = g_strdup_printf("cd '%s' && LC_ALL=C.UTF-8 %s", scratch->path, command);
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    char *output = NULL;
    int status = 1;
    g_autoptr(GError) error = NULL;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, NULL, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    return output;
}

static gboolean
has_tools(void)
{
    static const char *const tools[] = {"ar", "bsdtar", "openssl", "gzip"};
    for (gsize i = 0; i < G_N_ELEMENTS(tools); i++) {
        g_autofree char *path = g_find_program_in_path(tools[i]);
        if (path == NULL)
            return FALSE;
    }
    return TRUE;
}

static void
test_tools_of_others(void)
{
    auto_scratch scratch = scratch_new();
    if (!has_tools()) {
        g_test_skip("ar, bsdtar, openssl or gzip is not installed");
        return;
    }
    make_tree(&scratch);
    g_autoptr(GBytes) bytes = build_good(&scratch, &whole, "tree", "a.vib");
    auto_ptr(vib_file) file = open_vib(bytes);
    const struct payload *payload = vib_file_vib(file)->payloads->pdata[0];
    g_autofree char *members = run(&scratch, "ar t a.vib");
    g_assert_cmpstr(members, ==, "descriptor.xml\nsig.pkcs7\nnet-r812\n");
    g_autofree char *bsd_members = run(&scratch, "bsdtar tf a.vib");
    g_assert_cmpstr(bsd_members, ==, "descriptor.xml\nsig.pkcs7\nnet-r812\n");
    g_autofree char *list = run(&scratch, "ar p a.vib net-r812 | bsdtar tzf -");
    g_assert_cmpstr(list, ==,
                    "etc/\netc/init.d/\netc/init.d/tool\nopt/\nopt/empty\nopt/hollow/\n"
                    "opt/link\nopt/tool/\nopt/tool-b\nopt/tool/run.sh\nopt/\xc3\xa4\n");
    g_autofree char *long_list =
        run(&scratch, "ar p a.vib net-r812 | TZ=UTC bsdtar tvzf - opt/tool/run.sh opt/link");
    g_assert_nonnull(strstr(long_list, "-rwxr-xr-x  0 0      0          10 Jan  8  2020 "));
    g_assert_nonnull(strstr(long_list, "opt/link -> tool/run.sh"));

    const struct {
        const char *command;
        const char *hex;
    } digests[] = {
        {"ar p a.vib net-r812 | openssl dgst -r -sha256",
         payload_checksum(payload, DIGEST_SHA256, NULL)},
        {"ar p a.vib net-r812 | gzip -dc | openssl dgst -r -sha256",
         payload_checksum(payload, DIGEST_SHA256, "gunzip")},
        {"ar p a.vib net-r812 | gzip -dc | openssl dgst -r -sha1",
         payload_checksum(payload, DIGEST_SHA1, "gunzip")},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(digests); i++) {
        g_autofree char *output = run(&scratch, digests[i].command);
        g_assert_true(g_str_has_prefix(output, digests[i].hex));
    }
}

/* What is refused. */

static void assert_refused(const struct scratch *scratch, const struct vib_build *build,
                           const char *input, const char *output, enum slipway_error code,
                           const char *format, ...) G_GNUC_PRINTF(6, 7);

static void
assert_refused(const struct scratch *scratch, const struct vib_build *build, const char *input,
               const char *output, enum slipway_error code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *expected = g_strdup_vprintf(format, args);
    va_end(args);
    g_autoptr(GError) error = NULL;
    g_autofree char *from = scratch_path(scratch, input);
    g_autofree char *to = scratch_path(scratch, output);
    gboolean existed = g_file_test(to, G_FILE_TEST_EXISTS);
    g_assert_false(vib_build_write(build, from, to, FALSE, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_cmpint(g_file_test(to, G_FILE_TEST_EXISTS), ==, existed);
}

#define FIELDS(...) (&(struct vib_build){__VA_ARGS__})
#define GOOD .name = "a", .version = "1-1", .vendor = "V"

static void
test_bad_fields(void)
{
    auto_scratch scratch = scratch_new();
    make_tree(&scratch);
    const char *const bad_relation[] = {"a = ", NULL};
    const char *const bad_sign[] = {"a >== 1", NULL};
    const char *const bad_provide[] = {"a >= 1", NULL};
    const char *const bad_platform[] = {"8 0", NULL};
    const char *const bad_tag[] = {"a\001", NULL};
    const struct {
        const struct vib_build *build;
        const char *message;
    } cases[] = {
        {FIELDS(.version = "1", .vendor = "V"), "the name of the VIB is missing"},
        {FIELDS(.name = "a b", .version = "1", .vendor = "V"),
         "the name `a b` cannot be one: at most 128 letters, digits, `-`, `_` and `.`, no `.` "
         "first"},
        {FIELDS(.name = "../a", .version = "1", .vendor = "V"),
         "the name `../a` cannot be one: at most 128 letters, digits, `-`, `_` and `.`, no `.` "
         "first"},
        {FIELDS(.name = "a", .version = "1", .vendor = "A/B"),
         "the vendor `A/B` cannot be one: at most 128 letters, digits, `-`, `_` and `.`, no `.` "
         "first"},
        {FIELDS(.name = "a", .version = "1-2-3", .vendor = "V"),
         "the version `1-2-3` cannot be one: VERSION or VERSION-RELEASE of letters, digits, `.` "
         "and `_`, as in 1.0.2-1"},
        {FIELDS(GOOD, .summary = "a\033[0m"),
         "the summary holds characters that XML cannot hold; it must be UTF-8 text"},
        {FIELDS(GOOD, .description = "\xff"),
         "the description holds characters that XML cannot hold; it must be UTF-8 text"},
        {FIELDS(GOOD, .release_date = "yesterday"),
         "the release date `yesterday` is no date from 1970 to 2199 as in 2020-01-08 or "
         "2020-01-08T12:04:19+00:00"},
        {FIELDS(GOOD, .depends = bad_relation),
         "depends: `a = ` must be NAME or NAME <<|<=|=|>=|>> VERSION"},
        {FIELDS(GOOD, .replaces = bad_sign),
         "replaces: `a >== 1` must be NAME or NAME <<|<=|=|>=|>> VERSION"},
        {FIELDS(GOOD, .provides = bad_provide),
         "provides: `a >= 1` must be NAME or NAME = VERSION"},
        {FIELDS(GOOD, .platforms = bad_platform), "the platform `8 0` is no version as in 8.0"},
        {FIELDS(GOOD, .tags = bad_tag),
         "the tag holds characters that XML cannot hold; it must be UTF-8 text"},
        {FIELDS(GOOD, .payload_name = "toolongname"),
         "the payload name `toolongname` cannot be one: 1 to 8 of a-z, 0-9, `_` and `-`"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(&scratch, cases[i].build, "tree", "x.vib", SLIPWAY_ERROR_USAGE, "%s",
                       cases[i].message);
}

static void
test_bad_trees(void)
{
    auto_scratch scratch = scratch_new();
    const char *base = scratch.path;
    make_tree(&scratch);
    assert_refused(&scratch, &plain, "tree", "tree/opt/x.vib", SLIPWAY_ERROR_USAGE,
                   "%s/tree/opt/x.vib lies in the tree that is to be packed; write it elsewhere",
                   base);
    assert_refused(&scratch, &plain, "tree", "tree", SLIPWAY_ERROR_USAGE,
                   "%s/tree is a directory; name a .vib file", base);
    scratch_put(&scratch, "there.vib", "old");
    assert_refused(&scratch, &plain, "tree", "there.vib", SLIPWAY_ERROR_EXISTS,
                   "%s/there.vib exists already; --overwrite replaces it", base);
    g_autofree char *pipe_path = scratch_path(&scratch, "tree/opt/pipe");
    g_assert_cmpint(mkfifo(pipe_path, 0600), ==, 0);
    assert_refused(&scratch, &plain, "tree", "x.vib", SLIPWAY_ERROR_USAGE,
                   "%s/tree/opt/pipe is a device, pipe or socket, which a VIB cannot hold; remove "
                   "it",
                   base);
    g_unlink(pipe_path);
    g_autofree char *name = g_strnfill(91, 'n');
    g_autofree char *deep = g_strdup_printf("tree/opt/deep/%s", name);
    scratch_put(&scratch, deep, "x");
    assert_refused(&scratch, &plain, "tree", "x.vib", SLIPWAY_ERROR_USAGE,
                   "the path opt/deep/%s has more than 99 bytes; a VIB cannot hold it", name);
    scratch_put(&scratch, "hollow/a/b", "x");
    g_autofree char *only = scratch_path(&scratch, "hollow/a/b");
    g_unlink(only);
    assert_refused(&scratch, &plain, "hollow", "x.vib", SLIPWAY_ERROR_USAGE,
                   "%s/hollow: holds no file to pack", base);
    assert_refused(&scratch, &plain, "nothing", "x.vib", SLIPWAY_ERROR_NOT_FOUND,
                   "cannot open %s/nothing: No such file or directory", base);
    scratch_put(&scratch, "text.tgz", "this is no archive");
    assert_refused(&scratch, &plain, "text.tgz", "x.vib", SLIPWAY_ERROR_UNSUPPORTED,
                   "%s/text.tgz: holds no tar archive", base);
}

/* Warnings are collected as lines. */

static GString *warnings;

static void
ignore_begin(struct progress *self G_GNUC_UNUSED, const char *what G_GNUC_UNUSED,
             guint64 total G_GNUC_UNUSED, enum progress_unit unit G_GNUC_UNUSED)
{
}

static void
ignore_advance(struct progress *self G_GNUC_UNUSED, guint64 amount G_GNUC_UNUSED)
{
}

static void
ignore_end(struct progress *self G_GNUC_UNUSED, gboolean ok G_GNUC_UNUSED)
{
}

static void
note(struct progress *self G_GNUC_UNUSED, enum progress_note kind, const char *text)
{
    if (kind == PROGRESS_WARNING)
        g_string_append_printf(warnings, "%s\n", text);
}

static const struct progress_class note_class = {ignore_begin, ignore_advance, ignore_end, note};

static void
test_warnings(void)
{
    auto_scratch scratch = scratch_new();
    struct progress progress = {&note_class};
    warnings = g_string_new(NULL);
    scratch_put(&scratch, "tree/etc/rc.local.d/local.sh", "x");
    scratch_put(&scratch, "tree/opt/a", "x");
    g_autofree char *from = scratch_path(&scratch, "tree");
    g_autofree char *to = scratch_path(&scratch, "a.vib");
    g_assert_true(vib_build_write(&plain, from, to, FALSE, &progress, NULL));
    g_assert_cmpstr(warnings->str, ==,
                    "ACME_bootbank_net-test_1.0-1: CommunitySupported VIBs may not place a file at "
                    "/etc/rc.local.d/local.sh\n");
    g_string_truncate(warnings, 0);
    struct vib_build partner = plain;
    partner.acceptance = ACCEPTANCE_PARTNER;
    g_assert_true(vib_build_write(&partner, from, to, TRUE, &progress, NULL));
    g_assert_cmpstr(warnings->str, ==,
                    "ACME_bootbank_net-test_1.0-1 claims to be PartnerSupported but is not signed; "
                    "hosts and `vib verify` refuse it\n");
    g_string_free(warnings, TRUE);
}

static void
test_path_rules(void)
{
    const struct {
        const char *path;
        gboolean community, partner;
    } cases[] = {
        {"opt/a/b", TRUE, TRUE},
        {"opt", TRUE, TRUE},
        {"optional/a", FALSE, FALSE},
        {"usr/lib/vmware/vmkmod/x", TRUE, TRUE},
        {"usr/lib/vmware2/x", FALSE, FALSE},
        {"usr/lib/vmware-debug/x", TRUE, TRUE},
        {"etc/rc.local.d/local.sh", FALSE, TRUE},
        {"etc/vmware/oem.xml", FALSE, TRUE},
        {"etc/vmware/driver.map.d/x.map", TRUE, TRUE},
        {"etc/passwd", FALSE, FALSE},
        {"bin/sh", FALSE, FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *path = cases[i].path;
        g_assert_cmpint(path_rules_allow(path, ACCEPTANCE_COMMUNITY), ==, cases[i].community);
        g_assert_cmpint(path_rules_allow(path, ACCEPTANCE_PARTNER), ==, cases[i].partner);
        g_assert_true(path_rules_allow(path, ACCEPTANCE_ACCEPTED));
        g_assert_true(path_rules_allow(path, ACCEPTANCE_CERTIFIED));
    }
}

/* The writer refuses what an ar header cannot say. */
static void
test_member_limits(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "a");
    g_autoptr(GError) error = NULL;
    auto_ptr(durable_file) out = durable_file_new(path, 0666, &error);
    g_assert_no_error(error);
    g_assert_false(vib_write_bytes(out, "sixteen_letters_", NULL, &error));
    g_assert_cmpstr(error->message, ==,
                    "the payload name sixteen_letters_ is longer than 15 characters");
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vib-build/descriptor", test_descriptor);
    g_test_add_func("/vib-build/archive", test_archive);
    g_test_add_func("/vib-build/same-bytes", test_same_bytes);
    g_test_add_func("/vib-build/default-date", test_default_date);
    g_test_add_func("/vib-build/tgz", test_tgz);
    g_test_add_func("/vib-build/tools-of-others", test_tools_of_others);
    g_test_add_func("/vib-build/bad-fields", test_bad_fields);
    g_test_add_func("/vib-build/bad-trees", test_bad_trees);
    g_test_add_func("/vib-build/warnings", test_warnings);
    g_test_add_func("/vib-build/path-rules", test_path_rules);
    g_test_add_func("/vib-build/member-limits", test_member_limits);
    return g_test_run();
}
