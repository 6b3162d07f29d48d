/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recipes whose base is a profile, built into bundles. */
#include "bundle_fixture.h"
#include "esx/recipe.h"
#include "esx/recipe_lock.h"

#define ALPHA "ACME_bootbank_alpha_1.0-1"
#define BETA "ACME_bootbank_beta_2.0-1"

#define RECIPE                                                                                     \
    "name: lab\n"                                                                                  \
    "vendor: Example\n"                                                                            \
    "depots: [base.zip]\n"                                                                         \
    "base: {profile: stock}\n"                                                                     \
    "add: [beta.vib]\n"                                                                            \
    "force: true\n"

/* base.zip has the profile `stock` with alpha. */
static void
set_up(struct bundle_fixture *fixture, gconstpointer data)
{
    bundle_fixture_set_up(fixture, data);
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "alpha.vib");
    auto_ptr(profile) profile = profile_new("stock", "ACME");
    profile->acceptance = ACCEPTANCE_COMMUNITY;
    profile->read_only = TRUE;
    profile_add_vib(profile, ALPHA);
    struct image_export export = {.depots = set, .context = &fixture->context, .force = TRUE};
    g_autofree char *path = bundle_fixture_path(fixture, "base.zip");
    g_autoptr(GError) error = NULL;
    image_export_bundle(&export, profile, path, NULL, &error);
    g_assert_no_error(error);
}

static gboolean
build(const struct bundle_fixture *fixture, const char *text, const char *output, gboolean locked,
      GError **error)
{
    g_autofree char *path = bundle_fixture_path(fixture, "lab.yaml");
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    auto_ptr(recipe) recipe = recipe_load(path, error);
    if (recipe == NULL)
        return FALSE;
    struct recipe_build build = {.common = {.context = &fixture->context}, .locked = locked};
    g_autofree char *output_path = bundle_fixture_path(fixture, output);
    return recipe_build_write(&build, recipe, output_path, NULL, error);
}

static void
build_well(const struct bundle_fixture *fixture, const char *text, const char *output,
           gboolean locked)
{
    g_autoptr(GError) error = NULL;
    build(fixture, text, output, locked, &error);
    g_assert_no_error(error);
}

static char *
read_text(const struct bundle_fixture *fixture, const char *name, gsize *ret_length)
{
    g_autofree char *path = bundle_fixture_path(fixture, name);
    char *text;
    g_assert_true(g_file_get_contents(path, &text, ret_length, NULL));
    return text;
}

static void
check_same_file(const struct bundle_fixture *fixture, const char *a, const char *b)
{
    gsize length_a, length_b;
    g_autofree char *first = read_text(fixture, a, &length_a);
    g_autofree char *second = read_text(fixture, b, &length_b);
    g_assert_cmpmem(first, length_a, second, length_b);
}

static char *
hash(const struct bundle_fixture *fixture, const char *name)
{
    gsize length;
    g_autofree char *data = read_text(fixture, name, &length);
    return digest_hex_of(DIGEST_SHA256, data, length);
}

static void
test_build(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    build_well(fixture, RECIPE, "out.zip", FALSE);
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "out.zip");
    g_autoptr(GError) error = NULL;
    const struct profile *profile = depot_set_find_profile(set, "lab", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(profile->vendor, ==, "Example");
    g_assert_false(profile->read_only);
    g_assert_cmpuint(profile->vibs->len, ==, 2);
    g_assert_nonnull(depot_set_find(set, BETA));
}

static void
test_lock_text(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    build_well(fixture, RECIPE, "out.zip", FALSE);
    g_autofree char *alpha = hash(fixture, "alpha.vib");
    g_autofree char *beta = hash(fixture, "beta.vib");
    g_autofree char *out = hash(fixture, "out.zip");
    gsize size_alpha, size_beta, size_out;
    g_free(read_text(fixture, "alpha.vib", &size_alpha));
    g_free(read_text(fixture, "beta.vib", &size_beta));
    g_free(read_text(fixture, "out.zip", &size_out));
    g_autofree char *expected = g_strdup_printf(
        "{\n  \"files\": [],\n  \"format\": 1,\n  \"output\": {\n    \"kind\": \"zip\",\n"
        "    \"sha256\": \"%s\",\n    \"size\": %zu\n  },\n  \"profile\": {\n"
        "    \"acceptance\": \"community\",\n    \"name\": \"lab\",\n"
        "    \"vendor\": \"Example\"\n  },\n  \"vibs\": [\n"
        "    {\n      \"depot\": \"base.zip\",\n      \"id\": \"" ALPHA "\",\n"
        "      \"sha256\": \"%s\",\n      \"size\": %zu\n    },\n"
        "    {\n      \"depot\": \"beta.vib\",\n      \"id\": \"" BETA "\",\n"
        "      \"sha256\": \"%s\",\n      \"size\": %zu\n    }\n  ]\n}\n",
        out, size_out, alpha, size_alpha, beta, size_beta);
    gsize length;
    g_autofree char *text = read_text(fixture, "lab.lock", &length);
    g_assert_cmpstr(text, ==, expected);
}

static void
test_locked_same_bytes(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    build_well(fixture, RECIPE, "one.zip", FALSE);
    build_well(fixture, RECIPE, "two.zip", TRUE);
    check_same_file(fixture, "one.zip", "two.zip");
    build_well(fixture, RECIPE, "three.zip", FALSE);
    check_same_file(fixture, "one.zip", "three.zip");
}

/* A newer version that came into a depot does not come into a locked build. */
static void
test_locked_keeps_versions(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    static const char recipe[] = "name: lab\n"
                                 "depots: [base.zip, beta.vib, new.vib]\n"
                                 "base: {profile: stock}\n"
                                 "add: [beta]\n"
                                 "force: true\n";
    static const char newer[] = "ACME_bootbank_beta_3.0-1";
    g_autofree char *old_path = bundle_fixture_path(fixture, "beta.vib");
    g_autofree char *kept_path = bundle_fixture_path(fixture, "kept.vib");
    g_autofree char *new_path = bundle_fixture_path(fixture, "new.vib");
    g_autofree char *text = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(old_path, &text, &length, NULL));
    g_assert_true(g_file_set_contents(new_path, text, (gssize)length, NULL));
    build_well(fixture, recipe, "one.zip", FALSE);

    g_assert_cmpint(g_rename(old_path, kept_path), ==, 0);
    bundle_fixture_vib(fixture, "beta", "3.0-1", "third");
    g_assert_cmpint(g_rename(old_path, new_path), ==, 0);
    g_assert_cmpint(g_rename(kept_path, old_path), ==, 0);
    build_well(fixture, recipe, "two.zip", TRUE);
    check_same_file(fixture, "one.zip", "two.zip");
    build_well(fixture, recipe, "three.zip", FALSE);
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "three.zip");
    g_assert_nonnull(depot_set_find(set, newer));
}

static void
test_locked_differs(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    build_well(fixture, RECIPE "remove: []\n", "one.zip", FALSE);
    g_autofree char *was = hash(fixture, "beta.vib");
    bundle_fixture_vib(fixture, "beta", "2.0-1", "something else");
    g_autofree char *is = hash(fixture, "beta.vib");
    g_autoptr(GError) error = NULL;
    g_assert_false(build(fixture, RECIPE, "two.zip", TRUE, &error));
    g_autofree char *lock = bundle_fixture_path(fixture, "lab.lock");
    g_autofree char *expected =
        g_strdup_printf("the build is locked by %s, but VIB " BETA " has the SHA-256 %s instead of "
                        "%s; build without --locked to take what there is now",
                        lock, is, was);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_RULES);
    g_assert_cmpstr(error->message, ==, expected);

    g_clear_error(&error);
    static const char less[] = "depots: [base.zip]\nbase: {profile: stock}\nforce: true\n";
    g_assert_false(build(fixture, less, "two.zip", TRUE, &error));
    g_autofree char *missing =
        g_strdup_printf("the build is locked by %s, but VIB " BETA " is not there; build without "
                        "--locked to take what there is now",
                        lock);
    g_assert_cmpstr(error->message, ==, missing);
}

static void
test_failures(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *output = bundle_fixture_path(fixture, "out.img");
    g_autofree char *kind = g_strdup_printf(
        "%s: name the output .iso for an installation ISO or .zip for an offline bundle", output);
    const struct {
        const char *text;
        const char *output;
        enum slipway_error code;
        const char *message;
    } rows[] = {
        {RECIPE, "out.img", SLIPWAY_ERROR_USAGE, kind},
        {"depots: [base.zip]\nbase: {profile: stock}\nadd: [x.tgz]\n", "out.zip",
         SLIPWAY_ERROR_USAGE,
         "'add': x.tgz is neither a .vib nor a .zip; make a VIB of it first with "
         "`slipway vib build`"},
        {"depots: [{location: 'https://d.example.com/{token}/i.xml'}]\nbase: {profile: stock}\n",
         "out.zip", SLIPWAY_ERROR_USAGE,
         "depot https://d.example.com/{token}/i.xml needs a token: give it a 'token_file', or set "
         "SLIPWAY_TOKEN"},
        {"name: \"a\\tb\"\ndepots: [base.zip]\nbase: {profile: stock}\n", "out.zip",
         SLIPWAY_ERROR_USAGE, "the profile's name has a control character or line break in it"},
    };
    g_unsetenv("SLIPWAY_TOKEN");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(build(fixture, rows[i].text, rows[i].output, FALSE, &error));
        g_assert_error(error, SLIPWAY_ERROR, (int)rows[i].code);
        g_assert_cmpstr(error->message, ==, rows[i].message);
    }
    g_autofree char *lock = bundle_fixture_path(fixture, "lab.lock");
    g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
}

static void
test_name(struct bundle_fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    build_well(fixture, "depots: [base.zip]\nbase: {profile: stock}\nforce: true\n", "out.zip",
               FALSE);
    auto_ptr(depot_set) set = BUNDLE_FIXTURE_LOAD(fixture, "out.zip");
    const struct depot *depot = depot_set_depots(set)->pdata[0];
    const struct profile *profile = depot->profiles->pdata[0];
    g_assert_cmpstr(profile->name, ==, "stock-custom");
    g_assert_cmpstr(profile->vendor, ==, "ACME");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name)                                                                                  \
    g_test_add("/recipe_build/" #name, struct bundle_fixture, NULL, set_up, test_##name,           \
               bundle_fixture_tear_down)
    ADD(build);
    ADD(lock_text);
    ADD(locked_same_bytes);
    ADD(locked_keeps_versions);
    ADD(locked_differs);
    ADD(failures);
    ADD(name);
    return g_test_run();
}
