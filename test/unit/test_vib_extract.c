/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_vib_extract.c: taking VIBs apart, those of strangers too, and verifying them. */
#include "base/durable_file.h"
#include "base/error.h"
#include "esx/trust_store.h"
#include "esx/vib_build.h"
#include "esx/vib_extract.h"
#include "esx/vib_verify.h"
#include "esx/vib_write.h"

#include "scratch_directory.h"
#include "tar_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#define MEMBER(...) (&(struct tar_fixture_member){__VA_ARGS__})

/* A VIB around `payload`, which is called net-test and of type vgz unless said otherwise. */
struct vib_maker {
    GBytes *payload;
    const char *type;
    const char *version;
    const char *level;
    const char *files;   /* elements */
    const char *overlay; /* "true" */
    const char *payload_name;
    const char *member; /* name in the archive */
    gboolean without_gunzip;
    gboolean wrong_checksum;
    GBytes *signature;
};

static char *
hex_of_plain(GBytes *packed)
{
    auto_ptr(stream) plain =
        stream_new_inflate(stream_new_bytes(packed, "p"), STREAM_GZIP, 1 << 24);
    g_autoptr(GBytes) bytes = stream_read_all(plain, 1 << 24, NULL);
    g_assert_nonnull(bytes);
    return digest_hex_of(DIGEST_SHA256, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static char *
descriptor_of(const struct vib_maker *maker)
{
    gsize size;
    const void *data = g_bytes_get_data(maker->payload, &size);
    g_autofree char *stored = digest_hex_of(DIGEST_SHA256, data, size);
    g_autofree char *plain = maker->without_gunzip ? NULL : hex_of_plain(maker->payload);
    g_autofree char *gunzip = plain == NULL
                                  ? g_strdup("")
                                  : g_strdup_printf("<checksum checksum-type=\"sha-256\" "
                                                    "verify-process=\"gunzip\">%s</checksum>",
                                                    plain);
    if (maker->wrong_checksum)
        stored[0] = stored[0] == '0' ? '1' : '0';
    return g_strdup_printf(
        "<vib version=\"5.0\"><type>bootbank</type><name>net-test</name><version>%s</version>"
        "<vendor>ACME</vendor><summary>s</summary><description>d</description>"
        "<release-date>2020-01-08T00:00:00+00:00</release-date><file-list>%s</file-list>"
        "<acceptance-level>%s</acceptance-level><overlay>%s</overlay><payloads>"
        "<payload name=\"%s\" type=\"%s\" size=\"%" G_GSIZE_FORMAT "\">%s"
        "<checksum checksum-type=\"sha-256\">%s</checksum></payload></payloads></vib>",
        maker->version != NULL ? maker->version : "1.0-1", maker->files != NULL ? maker->files : "",
        maker->level != NULL ? maker->level : "community",
        maker->overlay != NULL ? maker->overlay : "false",
        maker->payload_name != NULL ? maker->payload_name : "net-test",
        maker->type != NULL ? maker->type : "vgz", size, gunzip, stored);
}

static GBytes *
make_vib(const struct vib_maker *maker)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "t.vib");
    g_autofree char *text = descriptor_of(maker);
    g_autoptr(GBytes) descriptor = g_bytes_new(text, strlen(text));
    const char *name = maker->member;
    if (name == NULL)
        name = maker->payload_name != NULL ? maker->payload_name : "net-test";
    auto_ptr(durable_file) out = durable_file_new(path, 0644, NULL);
    g_assert_true(vib_write_begin(out, NULL));
    g_assert_true(vib_write_bytes(out, "descriptor.xml", descriptor, NULL));
    g_assert_true(vib_write_bytes(out, "sig.pkcs7", maker->signature, NULL));
    g_assert_true(vib_write_bytes(out, name, maker->payload, NULL));
    g_assert_true(durable_file_commit(g_steal_pointer(&out), NULL));
    return scratch_get(&scratch, "t.vib");
}

/* A visor payload with a module, a file, a link and a directory. */
static GBytes *
new_payload(void)
{
    GByteArray *tar = g_byte_array_new();
    tar_fixture_header(tar, MEMBER(.name = "opt", .type = '5', .magic = TAR_VISOR));
    tar_fixture_header(tar,
                       MEMBER(.name = "opt/link", .type = '2', .target = "a", .magic = TAR_VISOR));
    tar_fixture_header(tar,
                       MEMBER(.name = "opt/a", .magic = TAR_VISOR, .offset = 4096, .data = "aa"));
    tar_fixture_header(tar, MEMBER(.name = "usr/lib/vmware/m", .type = '7', .magic = TAR_VISOR,
                                   .offset = 8192, .data = "ELF"));
    tar_fixture_pad(tar, 4096);
    tar_fixture_data(tar, "aa");
    tar_fixture_pad(tar, 4096);
    tar_fixture_data(tar, "ELF");
    return tar_fixture_gzip(tar);
}

#define PAYLOAD_FILES "<file>opt/a</file><file>opt/link</file><file>usr/lib/vmware/m</file>"

static gboolean
extract(GBytes *vib, const struct scratch *scratch, gboolean unpack, gboolean overwrite,
        GError **error)
{
    const struct vib_extract options = {.unpack = unpack, .overwrite = overwrite};
    g_autofree char *out = scratch_path(scratch, "out");
    return vib_extract_write(stream_new_bytes(vib, "t.vib"), out, &options, error);
}

static void
assert_content(const struct scratch *scratch, const char *name, const char *expected)
{
    g_autoptr(GBytes) bytes = scratch_get(scratch, name);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), expected,
                    strlen(expected));
}

static void
test_files(void)
{
    auto_scratch scratch = scratch_new();
    g_autoptr(GBytes) payload = new_payload();
    const struct vib_maker maker = {.payload = payload, .files = PAYLOAD_FILES};
    g_autoptr(GBytes) vib = make_vib(&maker);
    g_autofree char *descriptor = descriptor_of(&maker);
    g_autoptr(GError) error = NULL;
    g_assert_true(extract(vib, &scratch, FALSE, FALSE, &error));
    g_assert_no_error(error);
    assert_content(&scratch, "out/descriptor.xml", descriptor);
    assert_content(&scratch, "out/sig.pkcs7", "");
    g_autoptr(GBytes) stored = scratch_get(&scratch, "out/net-test");
    g_assert_true(g_bytes_equal(stored, payload));

    g_assert_false(extract(vib, &scratch, FALSE, FALSE, &error));
    g_autofree char *expected = g_strdup_printf(
        "%s/out/descriptor.xml exists already; --overwrite replaces it", scratch.path);
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_clear_error(&error);
    g_assert_true(extract(vib, &scratch, FALSE, TRUE, &error));
}

static void
test_unpack(void)
{
    auto_scratch scratch = scratch_new();
    g_autoptr(GBytes) payload = new_payload();
    g_autoptr(GBytes) vib = make_vib(&(struct vib_maker){.payload = payload});
    g_autoptr(GError) error = NULL;
    for (int round = 0; round < 2; round++) { /* the second time over what is there */
        g_assert_true(extract(vib, &scratch, TRUE, round == 1, &error));
        g_assert_no_error(error);
        assert_content(&scratch, "out/net-test/opt/a", "aa");
        assert_content(&scratch, "out/net-test/usr/lib/vmware/m", "ELF");
    }
    g_autofree char *link = scratch_path(&scratch, "out/net-test/opt/link");
    g_autofree char *target = g_file_read_link(link, NULL);
    g_assert_cmpstr(target, ==, "a");
    g_autofree char *file = scratch_path(&scratch, "out/net-test/opt/a");
    struct stat status;
    g_assert_cmpint(stat(file, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 07777, ==, 0755);
    g_assert_cmpint(status.st_mtime, ==, 013576573423);
}

/* What is no archive stays a file. */
static void
test_unpack_opaque(void)
{
    auto_scratch scratch = scratch_new();
    GByteArray *kernel = g_byte_array_new();
    tar_fixture_data(kernel, "a kernel");
    tar_fixture_pad(kernel, 1024);
    g_autoptr(GBytes) payload = tar_fixture_gzip(kernel);
    g_autoptr(GBytes) vib = make_vib(&(struct vib_maker){.payload = payload, .type = "boot"});
    g_autoptr(GError) error = NULL;
    g_assert_true(extract(vib, &scratch, TRUE, FALSE, &error));
    g_assert_no_error(error);
    g_autoptr(GBytes) stored = scratch_get(&scratch, "out/net-test");
    g_assert_true(g_bytes_equal(stored, payload));
}

static void
assert_unpack_refused(GByteArray *tar, enum slipway_error code, const char *format)
{
    auto_scratch scratch = scratch_new();
    scratch_put(&scratch, "outside/victim", "untouched");
    g_autoptr(GBytes) payload = tar_fixture_gzip(tar);
    g_autoptr(GBytes) vib = make_vib(&(struct vib_maker){.payload = payload});
    g_autoptr(GError) error = NULL;
    g_assert_false(extract(vib, &scratch, TRUE, TRUE, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_auto(GStrv) parts = g_strsplit(format, "@", -1);
    g_autofree char *expected = g_strjoinv(scratch.path, parts);
    g_assert_cmpstr(error->message, ==, expected);
    assert_content(&scratch, "outside/victim", "untouched");
    g_assert_false(scratch_has(&scratch, "outside/new"));
}

/* Nothing may be written through a link that the archive brought itself. */
static void
test_links_outward(void)
{
    GByteArray *below = g_byte_array_new();
    tar_fixture_member(below, MEMBER(.name = "l", .type = '2', .target = "../../outside"));
    tar_fixture_member(below, MEMBER(.name = "l/new", .data = "evil"));
    assert_unpack_refused(below, SLIPWAY_ERROR_CORRUPT,
                          "@/out/net-test/l/new leads through something that is no directory; it "
                          "is not unpacked");
    GByteArray *directory = g_byte_array_new();
    tar_fixture_member(directory, MEMBER(.name = "l", .type = '2', .target = "../../outside"));
    tar_fixture_member(directory, MEMBER(.name = "l", .type = '5'));
    assert_unpack_refused(directory, SLIPWAY_ERROR_CORRUPT,
                          "@/out/net-test/l leads through something that is no directory; it is "
                          "not unpacked");
    GByteArray *hard = g_byte_array_new();
    tar_fixture_member(hard, MEMBER(.name = "l", .type = '2', .target = "../../outside"));
    tar_fixture_member(hard, MEMBER(.name = "h", .type = '1', .target = "l/victim"));
    assert_unpack_refused(hard, SLIPWAY_ERROR_CORRUPT,
                          "@/out/net-test/l/victim leads through something that is no directory; "
                          "it is not unpacked");
    GByteArray *dots = g_byte_array_new();
    tar_fixture_member(dots, MEMBER(.name = "../../outside/new", .data = "evil"));
    assert_unpack_refused(dots, SLIPWAY_ERROR_CORRUPT,
                          "ACME_bootbank_net-test_1.0-1: payload net-test: the name "
                          "\"../../outside/new\" leads out of the archive with `..`");
}

/* A file in place of a link replaces the link, not what it points to. */
static void
test_link_replaced(void)
{
    auto_scratch scratch = scratch_new();
    scratch_put(&scratch, "outside/victim", "untouched");
    GByteArray *tar = g_byte_array_new();
    tar_fixture_member(tar, MEMBER(.name = "l", .type = '2', .target = "../../outside/victim"));
    tar_fixture_member(tar, MEMBER(.name = "l", .data = "new"));
    tar_fixture_member(tar, MEMBER(.name = "h", .type = '1', .target = "l"));
    g_autoptr(GBytes) payload = tar_fixture_gzip(tar);
    g_autoptr(GBytes) vib = make_vib(&(struct vib_maker){.payload = payload});
    g_autoptr(GError) error = NULL;
    g_assert_true(extract(vib, &scratch, TRUE, TRUE, &error));
    g_assert_no_error(error);
    assert_content(&scratch, "outside/victim", "untouched");
    assert_content(&scratch, "out/net-test/l", "new");
    assert_content(&scratch, "out/net-test/h", "new");
}

static void
test_bad_payload_name(void)
{
    auto_scratch scratch = scratch_new();
    g_autoptr(GBytes) payload = new_payload();
    g_autoptr(GBytes) vib =
        make_vib(&(struct vib_maker){.payload = payload, .payload_name = "sig.pkcs7"});
    g_autoptr(GError) error = NULL;
    g_assert_false(extract(vib, &scratch, FALSE, FALSE, &error));
    g_assert_cmpstr(error->message, ==,
                    "ACME_bootbank_net-test_1.0-1: a payload is called `sig.pkcs7`, which cannot "
                    "be written as a file");
}

/* Verifying. */

static char *
verify(GBytes *vib, const struct trust_store *trust)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(vib_verdict) verdict = vib_verify(stream_new_bytes(vib, "t.vib"), trust, NULL, &error);
    g_assert_no_error(error);
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < verdict->findings->len; i++) {
        const struct vib_finding *finding = verdict->findings->pdata[i];
        if (finding->kind != VIB_FINDING_OK)
            g_string_append_printf(out, "%s %s: %s\n", vib_finding_kind_name(finding->kind),
                                   vib_finding_topic_name(finding->topic), finding->text);
    }
    g_assert_cmpint(vib_verdict_is_bad(verdict), ==, strstr(out->str, "error ") != NULL);
    g_assert_cmpint(vib_verdict_to_error(verdict, NULL), ==, !vib_verdict_is_bad(verdict));
    return g_string_free(out, FALSE);
}

static void
assert_verdict(const struct vib_maker *maker, const char *expected)
{
    auto_ptr(trust_store) trust = trust_store_new();
    g_autoptr(GBytes) payload = new_payload();
    struct vib_maker with_payload = *maker;
    if (with_payload.payload == NULL)
        with_payload.payload = payload;
    g_autoptr(GBytes) vib = make_vib(&with_payload);
    g_autofree char *actual = verify(vib, trust);
    g_assert_cmpstr(actual, ==, expected);
}

#define MAKER(...) (&(struct vib_maker){__VA_ARGS__})

static void
test_verify_good(void)
{
    assert_verdict(MAKER(.files = PAYLOAD_FILES), "");
    g_autoptr(GBytes) payload = new_payload();
    g_autoptr(GBytes) vib =
        make_vib(&(struct vib_maker){.payload = payload, .files = PAYLOAD_FILES});
    auto_ptr(trust_store) trust = trust_store_new();
    auto_ptr(vib_verdict) verdict = vib_verify(stream_new_bytes(vib, "t.vib"), trust, NULL, NULL);
    g_assert_cmpstr(verdict->id, ==, "ACME_bootbank_net-test_1.0-1");
    static const char *const texts[] = {
        "the descriptor is that of ACME_bootbank_net-test_1.0-1",
        "not signed, as is usual at the level CommunitySupported",
        "payload net-test agrees with its 2 checksums",
        "the archive is complete",
        "the 3 files listed are those in the payloads",
    };
    g_assert_cmpuint(verdict->findings->len, ==, G_N_ELEMENTS(texts));
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_assert_cmpstr(((struct vib_finding *)verdict->findings->pdata[i])->text, ==, texts[i]);
    g_autofree char *unchecked = verify(vib, NULL);
    g_assert_cmpstr(unchecked, ==, "warning signature: the signature was not checked\n");
}

static void
test_verify_files(void)
{
    assert_verdict(MAKER(.files = "<file>opt/a</file><file>opt/b</file><file>bin/sh</file>"),
                   "warning files: /opt/b is listed but in no payload\n"
                   "warning files: /bin/sh is listed but in no payload\n"
                   "warning files: /bin/sh is where a VIB of this level may place no file\n"
                   "warning files: /opt/link is in a payload but not listed\n"
                   "warning files: /usr/lib/vmware/m is in a payload but not listed\n");
    g_autoptr(GString) many = g_string_new(PAYLOAD_FILES);
    g_autoptr(GString) expected = g_string_new(NULL);
    for (int i = 0; i < 25; i++) {
        g_string_append_printf(many, "<file>opt/%02d</file>", i);
        if (i < 20)
            g_string_append_printf(expected,
                                   "warning files: /opt/%02d is listed but in no payload\n", i);
    }
    g_string_append(expected, "warning files: 5 more: is listed but in no payload\n");
    assert_verdict(MAKER(.files = many->str), expected->str);
}

/* What cannot be looked into is no ground for complaint. */
static void
test_verify_opaque(void)
{
    GByteArray *xz = g_byte_array_new();
    g_byte_array_append(xz,
                        (const guint8 *)"\xfd"
                                        "7zXZ\0",
                        6);
    tar_fixture_pad(xz, 200000);
    g_autoptr(GBytes) payload = tar_fixture_gzip(xz);
    assert_verdict(MAKER(.payload = payload, .files = "<file>opt/b</file>"), "");
}

static void
test_verify_payload(void)
{
    assert_verdict(
        MAKER(.files = PAYLOAD_FILES, .without_gunzip = TRUE),
        "warning payload: payload net-test has no sha-256 gunzip checksum, without which "
        "ESXi 8.0 and later refuse it\n");
    g_autoptr(GBytes) payload = new_payload();
    g_autofree char *right =
        digest_hex_of(DIGEST_SHA256, g_bytes_get_data(payload, NULL), g_bytes_get_size(payload));
    g_autofree char *wrong = g_strdup(right);
    wrong[0] = wrong[0] == '0' ? '1' : '0';
    g_autofree char *expected = g_strdup_printf(
        "error payload: ACME_bootbank_net-test_1.0-1: payload net-test: the sha-256 checksum "
        "should be %s but is %s; the VIB is damaged or was changed, fetch it again\n",
        wrong, right);
    assert_verdict(MAKER(.files = PAYLOAD_FILES, .wrong_checksum = TRUE), expected);
}

static void
test_verify_descriptor(void)
{
    assert_verdict(MAKER(.files = PAYLOAD_FILES, .version = "1.0", .overlay = "true"),
                   "warning descriptor: the version has no release (VERSION-RELEASE), which some "
                   "tools need\n"
                   "warning descriptor: a community VIB with overlay=true, which hosts refuse\n");
}

static void
test_verify_signature(void)
{
    assert_verdict(MAKER(.files = PAYLOAD_FILES, .level = "certified"),
                   "error signature: ACME_bootbank_net-test_1.0-1: no trusted signer: it claims to "
                   "be VMwareCertified but is not signed; get it again from its vendor\n");
    g_autoptr(GBytes) garbage = g_bytes_new_static("garbage", 7);
    assert_verdict(MAKER(.files = PAYLOAD_FILES, .signature = garbage),
                   "error signature: ACME_bootbank_net-test_1.0-1: its sig.pkcs7 is no PKCS#7 "
                   "signature; get the package again\n");
}

static void
test_verify_archive(void)
{
    assert_verdict(
        MAKER(.files = PAYLOAD_FILES, .member = "payload1"),
        "error archive: t.vib: has a member `payload1`, which its descriptor does not name (it "
        "names net-test there); the VIB was put together wrongly, ask its maker for another\n");
    g_autoptr(GBytes) text = g_bytes_new_static("nothing of the kind", 19);
    g_autofree char *verdict = verify(text, NULL);
    g_assert_cmpstr(verdict, ==,
                    "error archive: t.vib: is no VIB: it does not begin as an ar archive\n");
}

/* Cut off anywhere: always bad, never a crash. */
static void
test_verify_truncated(void)
{
    g_autoptr(GBytes) payload = new_payload();
    g_autoptr(GBytes) vib =
        make_vib(&(struct vib_maker){.payload = payload, .files = PAYLOAD_FILES});
    gsize length = g_bytes_get_size(vib) - 1; /* the last byte may be padding */
    for (gsize cut = 0; cut < length; cut += 3) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(vib, 0, cut);
        g_autofree char *verdict = verify(part, NULL);
        g_assert_nonnull(strstr(verdict, "error "));
    }
}

/* What we build is what we find nothing wrong with. */
static void
test_verify_built(void)
{
    auto_scratch scratch = scratch_new();
    scratch_put(&scratch, "tree/opt/tool/a", "a");
    const struct vib_build build = {.name = "tool", .version = "1.0-1", .vendor = "ACME"};
    g_autofree char *from = scratch_path(&scratch, "tree");
    g_autofree char *to = scratch_path(&scratch, "t.vib");
    g_assert_true(vib_build_write(&build, from, to, FALSE, NULL, NULL));
    g_autoptr(GBytes) vib = scratch_get(&scratch, "t.vib");
    auto_ptr(trust_store) trust = trust_store_new();
    g_autofree char *verdict = verify(vib, trust);
    g_assert_cmpstr(verdict, ==, "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vib-extract/files", test_files);
    g_test_add_func("/vib-extract/unpack", test_unpack);
    g_test_add_func("/vib-extract/unpack-opaque", test_unpack_opaque);
    g_test_add_func("/vib-extract/links-outward", test_links_outward);
    g_test_add_func("/vib-extract/link-replaced", test_link_replaced);
    g_test_add_func("/vib-extract/bad-payload-name", test_bad_payload_name);
    g_test_add_func("/vib-verify/good", test_verify_good);
    g_test_add_func("/vib-verify/files", test_verify_files);
    g_test_add_func("/vib-verify/opaque", test_verify_opaque);
    g_test_add_func("/vib-verify/payload", test_verify_payload);
    g_test_add_func("/vib-verify/descriptor", test_verify_descriptor);
    g_test_add_func("/vib-verify/signature", test_verify_signature);
    g_test_add_func("/vib-verify/archive", test_verify_archive);
    g_test_add_func("/vib-verify/truncated", test_verify_truncated);
    g_test_add_func("/vib-verify/built", test_verify_built);
    return g_test_run();
}
