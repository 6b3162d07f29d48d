/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/zip_reader.h"
#include "bundle_fixture.h"

#define ALPHA "ACME_bootbank_alpha_1.0-1"
#define BETA "ACME_bootbank_beta_2.0-1"

/* A list of drivers is no bootable image: every export here is forced. */
static struct image_export
make_export(const struct bundle_fixture *fixture, struct depot_set *set)
{
    struct image_export export = {.depots = set, .context = &fixture->context, .force = TRUE};
    return export;
}

static struct profile *
make_profile(void)
{
    struct profile *profile = profile_new("lab", "Example, Inc.");
    profile->acceptance = ACCEPTANCE_COMMUNITY;
    profile_add_vib(profile, BETA);
    profile_add_vib(profile, ALPHA);
    return profile;
}

static void
export_to(const struct bundle_fixture *fixture, struct depot_set *set,
          const struct profile *profile, const char *name, struct image_report *report)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = bundle_fixture_path(fixture, name);
    struct image_export export = make_export(fixture, set);
    image_export_bundle(&export, profile, path, report, &error);
    g_assert_no_error(error);
}

static GBytes *
read_file(const struct bundle_fixture *fixture, const char *name)
{
    g_autofree char *path = bundle_fixture_path(fixture, name);
    char *data;
    gsize length;
    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    return g_bytes_new_take(data, length);
}

static void
test_members(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    static const char *const names[] = {"index.xml", "vendor-index.xml",
                                        "vib20/alpha/" ALPHA ".vib", "vib20/beta/" BETA ".vib",
                                        "metadata.zip"};
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    auto_ptr(profile) profile = make_profile();
    struct image_report report = {0};
    export_to(fixture, set, profile, "out.zip", &report);
    g_assert_cmpuint(report.vibs, ==, 2);
    g_assert_cmpuint(report.problems->len, >, 0);
    g_ptr_array_unref(report.problems);

    g_autoptr(GBytes) bytes = read_file(fixture, "out.zip");
    g_assert_cmpuint(report.bytes, ==, g_bytes_get_size(bytes));
    g_autoptr(GError) error = NULL;
    auto_ptr(zip_reader) zip = zip_reader_new_bytes(bytes, "out.zip", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(zip_reader_count(zip), ==, G_N_ELEMENTS(names));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpstr(zip_reader_member(zip, i)->name, ==, names[i]);
    const struct zip_member *member = zip_reader_find(zip, names[2]);
    g_assert_false(member->deflated);
    g_autoptr(GBytes) copy = zip_reader_read(zip, member, 1 << 20, &error);
    g_autoptr(GBytes) original = read_file(fixture, "alpha.vib");
    g_assert_true(g_bytes_equal(copy, original));
}

/* The bundle is a depot with the same packages and profile, and exporting that profile from it
 * gives the same bytes. */
static void
test_round_trip(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    auto_ptr(profile) profile = make_profile();
    export_to(fixture, set, profile, "one.zip", NULL);
    auto_ptr(depot_set) again = BUNDLE_FIXTURE_LOAD(fixture, "one.zip");
    const struct depot *depot = depot_set_depots(again)->pdata[0];
    g_assert_cmpuint(depot->packages->len, ==, 2);
    const struct package *package = depot_set_find(again, ALPHA);
    g_autoptr(GBytes) vib = read_file(fixture, "alpha.vib");
    g_autofree char *sha256 =
        digest_hex_of(DIGEST_SHA256, g_bytes_get_data(vib, NULL), g_bytes_get_size(vib));
    g_assert_cmpstr(package_sha256(package), ==, sha256);
    g_assert_cmpuint(package->vib->packed_size, ==, g_bytes_get_size(vib));
    g_assert_cmpuint(depot->bulletins->len, ==, 1);
    const struct bulletin *rollup = depot->bulletins->pdata[0];
    g_assert_cmpstr(rollup->id, ==, "ImageProfile-lab");
    g_assert_cmpstr(rollup->summary, ==, "Image Profile lab");
    g_assert_cmpstr(rollup->category, ==, "Misc");
    g_assert_cmpstr(rollup->severity, ==, "general");
    g_assert_cmpstr(rollup->urgency, ==, "moderate");
    g_assert_cmpstr(rollup->release_date, ==, "2020-01-08T12:04:19+00:00");

    g_autoptr(GError) error = NULL;
    const struct profile *found = depot_set_find_profile(again, "lab", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(((struct profile_vib *)found->vibs->pdata[0])->id, ==, BETA);
    export_to(fixture, again, found, "two.zip", NULL);
    g_autoptr(GBytes) first = read_file(fixture, "one.zip");
    g_autoptr(GBytes) second = read_file(fixture, "two.zip");
    g_assert_true(g_bytes_equal(first, second));
}

static struct bulletin *
make_bulletin(const char *id, const char *vib, const char *other)
{
    g_autofree char *text = g_strdup_printf(
        "<bulletin><id>%s</id>\n<odd/><vibList><vibID>%s</vibID><vibID>%s</vibID></vibList>"
        "</bulletin>",
        id, vib, other);
    g_autoptr(GError) error = NULL;
    struct bulletin *bulletin = bulletin_parse(text, strlen(text), id, &error);
    g_assert_no_error(error);
    return bulletin;
}

/* Complete bulletins go along as they were, others and packages that nobody asked for stay. */
static void
test_only_what_is_needed(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    struct depot *depot = depot_set_depots(set)->pdata[0];
    g_ptr_array_add(depot->bulletins, make_bulletin("whole", ALPHA, ALPHA));
    g_ptr_array_add(depot->bulletins, make_bulletin("part", ALPHA, BETA));
    g_hash_table_insert(depot->extra, g_strdup("manifests/a.json"), g_bytes_new_static("{}", 2));
    auto_ptr(profile) profile = make_profile();
    profile_remove_vib(profile, BETA);
    export_to(fixture, set, profile, "out.zip", NULL);

    auto_ptr(depot_set) again = BUNDLE_FIXTURE_LOAD(fixture, "out.zip");
    const struct depot *bundle = depot_set_depots(again)->pdata[0];
    g_assert_cmpuint(bundle->packages->len, ==, 1);
    g_assert_cmpuint(bundle->bulletins->len, ==, 2);
    const struct bulletin *whole = bundle->bulletins->pdata[1];
    g_assert_cmpstr(whole->id, ==, "whole");
    const struct bulletin *original = depot->bulletins->pdata[0];
    g_assert_true(g_bytes_equal(whole->xml, original->xml));
    g_assert_cmpuint(g_hash_table_size(bundle->extra), ==, 0);
}

/* What nobody understands goes along with the depot as a whole only. */
static void
test_extra(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    auto_ptr(profile) profile = make_profile();
    export_to(fixture, set, profile, "one.zip", NULL);
    auto_ptr(depot_set) whole = BUNDLE_FIXTURE_LOAD(fixture, "one.zip");
    struct depot *depot = depot_set_depots(whole)->pdata[0];
    g_hash_table_insert(depot->extra, g_strdup("manifests/a.json"), g_bytes_new_static("{}", 2));
    export_to(fixture, whole, depot->profiles->pdata[0], "two.zip", NULL);
    auto_ptr(depot_set) again = BUNDLE_FIXTURE_LOAD(fixture, "two.zip");
    depot = depot_set_depots(again)->pdata[0];
    g_assert_true(g_hash_table_contains(depot->extra, "manifests/a.json"));

    auto_ptr(profile) renamed = profile_clone(profile, "other", "me");
    export_to(fixture, again, renamed, "three.zip", NULL);
    auto_ptr(depot_set) changed = BUNDLE_FIXTURE_LOAD(fixture, "three.zip");
    depot = depot_set_depots(changed)->pdata[0];
    g_assert_cmpuint(g_hash_table_size(depot->extra), ==, 0);
}

static void check_failure(const struct bundle_fixture *fixture, const struct image_export *export,
                          enum slipway_error code, const char *format, ...) G_GNUC_PRINTF(4, 5);

static void
check_failure(const struct bundle_fixture *fixture, const struct image_export *export,
              enum slipway_error code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *expected = g_strdup_vprintf(format, args);
    va_end(args);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = bundle_fixture_path(fixture, "out.zip");
    auto_ptr(profile) profile = make_profile();
    g_assert_false(image_export_bundle(export, profile, path, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, expected);
}

static void
test_existing_output(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    struct image_export export = make_export(fixture, set);
    g_autofree char *path = bundle_fixture_path(fixture, "out.zip");
    g_assert_true(g_file_set_contents(path, "mine", -1, NULL));
    check_failure(fixture, &export, SLIPWAY_ERROR_EXISTS,
                  "%s exists already; choose another name, or replace it with --overwrite", path);
    g_autoptr(GBytes) kept = read_file(fixture, "out.zip");
    g_assert_cmpuint(g_bytes_get_size(kept), ==, 4);

    export.overwrite = TRUE;
    auto_ptr(profile) profile = make_profile();
    g_autoptr(GError) error = NULL;
    image_export_bundle(&export, profile, path, NULL, &error);
    g_assert_no_error(error);
    g_unlink(path);
    g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
    check_failure(fixture, &export, SLIPWAY_ERROR_EXISTS,
                  "%s is a directory; name the file to be written", path);
}

/* Missing VIBs cannot be forced. */
static void
test_missing(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib");
    struct image_export export = make_export(fixture, set);
    auto_ptr(profile) profile = make_profile();
    g_autofree char *path = bundle_fixture_path(fixture, "out.zip");
    g_autoptr(GError) error = NULL;
    g_assert_false(image_export_bundle(&export, profile, path, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_RULES);
    g_assert_nonnull(strstr(error->message, BETA));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void
test_rules(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    struct image_export export = make_export(fixture, set);
    export.force = FALSE;
    auto_ptr(profile) profile = make_profile();
    g_autofree char *path = bundle_fixture_path(fixture, "out.zip");
    g_autoptr(GError) error = NULL;
    g_assert_false(image_export_bundle(&export, profile, path, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_RULES);
}

/* Change the byte at `offset` from the end of a file. */
static void
damage(const struct bundle_fixture *fixture, const char *name, gsize offset)
{
    g_autofree char *path = bundle_fixture_path(fixture, name);
    g_autofree char *text = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    text[length - offset] ^= 1;
    g_assert_true(g_file_set_contents(path, text, (gssize)length, NULL));
}

static void
test_damaged_payload(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    damage(fixture, "beta.vib", 20);
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    struct image_export export = make_export(fixture, set);
    auto_ptr(profile) profile = make_profile();
    g_autofree char *path = bundle_fixture_path(fixture, "out.zip");
    g_autoptr(GError) error = NULL;
    g_assert_false(image_export_bundle(&export, profile, path, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_true(g_str_has_prefix(error->message, BETA ": payload beta: the sha-256"));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static struct package *
find(struct depot_set *set, const char *id)
{
    struct package *package = depot_set_find(set, id);
    g_assert_nonnull(package);
    return package;
}

static void
test_wrong_sha256(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *wrong = g_strnfill(64, '0');
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    struct package *package = find(set, ALPHA);
    struct checksum checksum = {DIGEST_SHA256, NULL, g_strdup(wrong)};
    g_array_set_size(package->vib->file_checksums, 0);
    g_array_append_val(package->vib->file_checksums, checksum);
    g_autoptr(GBytes) vib = read_file(fixture, "alpha.vib");
    g_autofree char *right =
        digest_hex_of(DIGEST_SHA256, g_bytes_get_data(vib, NULL), g_bytes_get_size(vib));
    struct image_export export = make_export(fixture, set);
    check_failure(fixture, &export, SLIPWAY_ERROR_CORRUPT,
                  ALPHA ": the SHA-256 of the .vib file should be %s but is %s; the file is "
                        "damaged or was changed, get its depot %s again",
                  wrong, right, package->depot->title);
}

/* A depot that says other things of a VIB than the VIB itself. */
static void
test_depot_lies(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    struct image_export export = make_export(fixture, set);
    struct package *package = find(set, ALPHA);
    g_autofree char *prefix = g_strdup_printf(
        ALPHA ": the .vib file is not what its depot %s says: ", package->depot->title);
    const char *suffix = "; the depot is damaged or was changed, get it again";
    struct payload *payload = package->vib->payloads->pdata[0];

    package->vib->acceptance = ACCEPTANCE_CERTIFIED;
    check_failure(fixture, &export, SLIPWAY_ERROR_CORRUPT,
                  "%sits acceptance level is CommunitySupported, in the depot VMwareCertified%s",
                  prefix, suffix);
    package->vib->acceptance = ACCEPTANCE_COMMUNITY;

    guint64 size = payload->size;
    payload->size = 7;
    check_failure(fixture, &export, SLIPWAY_ERROR_CORRUPT,
                  "%spayload alpha has %" G_GUINT64_FORMAT " bytes, in the depot 7%s", prefix, size,
                  suffix);
    payload->size = size;

    struct checksum *checksum = &g_array_index(payload->checksums, struct checksum, 0);
    checksum->hex[0] = checksum->hex[0] == '0' ? '1' : '0';
    check_failure(fixture, &export, SLIPWAY_ERROR_CORRUPT, "%spayload alpha has other checksums%s",
                  prefix, suffix);

    g_free(payload->name);
    payload->name = g_strdup("gamma");
    check_failure(fixture, &export, SLIPWAY_ERROR_CORRUPT, "%sthe depot knows no payload alpha%s",
                  prefix, suffix);
}

/* Unsigned VIBs are good for level community only; --force does not help, no trust store does. */
static void
test_signatures(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = bundle_fixture_path(fixture, "alpha.vib");
    g_autofree char *tree = bundle_fixture_path(fixture, "tree-alpha");
    struct vib_build build = {
        .name = "alpha", .version = "1.0-1", .vendor = "ACME", .acceptance = ACCEPTANCE_PARTNER};
    g_autoptr(GError) error = NULL;
    vib_build_write(&build, tree, path, TRUE, NULL, &error);
    g_assert_no_error(error);
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib", "beta.vib");
    auto_ptr(trust_store) trust = trust_store_new();
    struct image_export export = make_export(fixture, set);
    export.trust = trust;
    g_autofree char *output = bundle_fixture_path(fixture, "out.zip");
    auto_ptr(profile) profile = make_profile();
    g_assert_false(image_export_bundle(&export, profile, output, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_SIGNATURE);
    g_assert_nonnull(strstr(error->message, ALPHA));
    g_assert_null(strstr(error->message, BETA));
    g_clear_error(&error);
    export.trust = NULL;
    image_export_bundle(&export, profile, output, NULL, &error);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name)                                                                                  \
    g_test_add("/export_bundle/" #name, struct bundle_fixture, NULL, bundle_fixture_set_up,        \
               test_##name, bundle_fixture_tear_down)
    ADD(members);
    ADD(round_trip);
    ADD(only_what_is_needed);
    ADD(extra);
    ADD(existing_output);
    ADD(missing);
    ADD(rules);
    ADD(damaged_payload);
    ADD(wrong_sha256);
    ADD(depot_lies);
    ADD(signatures);
    return g_test_run();
}
