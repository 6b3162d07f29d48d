/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/recipe.h"

#include <glib/gstdio.h>
#include <string.h>

struct fixture {
    char *directory;
    char *path; /* lab.yaml in it */
};

static void
set_up(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    fixture->directory = g_dir_make_tmp("recipe-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->path = g_build_filename(fixture->directory, "lab.yaml", NULL);
}

static void
tear_down(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_unlink(fixture->path);
    g_rmdir(fixture->directory);
    g_free(fixture->path);
    g_free(fixture->directory);
}

static struct recipe *
load(const struct fixture *fixture, const char *text, GError **error)
{
    g_assert_true(g_file_set_contents(fixture->path, text, -1, NULL));
    return recipe_load(fixture->path, error);
}

static void
check_path(const struct fixture *fixture, const char *actual, const char *name)
{
    g_autofree char *expected = g_build_filename(fixture->directory, name, NULL);
    g_assert_cmpstr(actual, ==, expected);
}

static void
test_everything(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    static const char text[] = "# what we install\n"
                               "name: Lab 8.0\n"
                               "vendor: Example\n"
                               "description: >\n"
                               "  two\n"
                               "  lines\n"
                               "acceptance: PartnerSupported\n"
                               "depots:\n"
                               "  - bundles/esxi.zip\n"
                               "  - https://user:secretpassword@depot.example.com/index.xml\n"
                               "  - {known: hpe, token_file: ../hpe.token}\n"
                               "  - location: https://dl.example.com/{token}/index.xml\n"
                               "    token_file: /etc/token\n"
                               "base: {profile: ESXi-8.0U3-standard, iso: stock.iso}\n"
                               "add:\n"
                               "  - net-r8168\n"
                               "  - nvme=1.2-3\n"
                               "  - drivers/x.vib\n"
                               "  - ./y\n"
                               "remove: [tools-light]\n"
                               "kickstart: ks.cfg\n"
                               "kernel_options: [allowLegacyCPU=true, 'a b']\n"
                               "no_installer: true\n"
                               "lower_acceptance: true\n"
                               "force: false\n"
                               "trust: [ca.pem]\n"
                               "signature_check: false\n";
    g_autoptr(GError) error = NULL;
    auto_ptr(recipe) recipe = load(fixture, text, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(recipe->name, ==, "Lab 8.0");
    g_assert_cmpstr(recipe->vendor, ==, "Example");
    g_assert_cmpstr(recipe->description, ==, "two lines");
    g_assert_cmpint(recipe->acceptance, ==, ACCEPTANCE_PARTNER);
    g_assert_cmpuint(recipe->depots->len, ==, 4);
    const struct recipe_depot *depot = recipe->depots->pdata[0];
    check_path(fixture, depot->location, "bundles/esxi.zip");
    g_assert_cmpstr(depot->title, ==, "bundles/esxi.zip");
    depot = recipe->depots->pdata[1];
    g_assert_cmpstr(depot->location, ==, "https://user:secretpassword@depot.example.com/index.xml");
    g_assert_null(strstr(depot->title, "secretpassword"));
    depot = recipe->depots->pdata[2];
    g_assert_cmpstr(depot->known, ==, "hpe");
    g_assert_cmpstr(depot->title, ==, "hpe");
    g_autofree char *above = g_path_get_dirname(fixture->directory);
    g_autofree char *token = g_build_filename(above, "hpe.token", NULL);
    g_assert_cmpstr(depot->token_file, ==, token);
    depot = recipe->depots->pdata[3];
    g_assert_cmpstr(depot->location, ==, "https://dl.example.com/{token}/index.xml");
    g_assert_cmpstr(depot->token_file, ==, "/etc/token");
    g_assert_cmpstr(recipe->base_profile, ==, "ESXi-8.0U3-standard");
    check_path(fixture, recipe->base_iso, "stock.iso");
    g_assert_cmpuint(recipe->add->len, ==, 4);
    g_assert_cmpstr(recipe->add->pdata[1], ==, "nvme=1.2-3");
    check_path(fixture, recipe->add->pdata[2], "drivers/x.vib");
    check_path(fixture, recipe->add->pdata[3], "y");
    g_assert_null(recipe->add->pdata[4]);
    g_assert_cmpstr(recipe->remove->pdata[0], ==, "tools-light");
    check_path(fixture, recipe->kickstart, "ks.cfg");
    g_assert_cmpuint(recipe->kernel_options->len, ==, 2);
    g_assert_cmpstr(recipe->kernel_options->pdata[1], ==, "a b");
    g_assert_true(recipe->no_installer && recipe->lower_acceptance && !recipe->force);
    check_path(fixture, recipe->trust->pdata[0], "ca.pem");
    g_assert_false(recipe->signature_check);
}

static void
test_defaults(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(recipe) recipe = load(fixture, "base:\n  iso: a.iso\nadd:\n", &error);
    g_assert_no_error(error);
    g_assert_null(recipe->name);
    g_assert_null(recipe->base_profile);
    g_assert_cmpint(recipe->acceptance, ==, ACCEPTANCE_NONE);
    g_assert_cmpuint(recipe->add->len, ==, 0);
    g_assert_null(recipe->add->pdata[0]);
    g_assert_true(recipe->signature_check);
    g_assert_false(recipe->force || recipe->no_installer || recipe->lower_acceptance);
}

static void
test_path_title(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(recipe) recipe = load(fixture, "base: {iso: sub/a.iso}", &error);
    g_autofree char *below = recipe_path_title(recipe, recipe->base_iso);
    g_assert_cmpstr(below, ==, "sub/a.iso");
    g_autofree char *elsewhere = recipe_path_title(recipe, "/srv/a.iso");
    g_assert_cmpstr(elsewhere, ==, "/srv/a.iso");
}

/* Each bad recipe with its whole message behind "PATH: ". */
static const struct {
    const char *text;
    const char *message;
} bad[] = {
    {"", "is empty"},
    {"# nothing\n", "is empty"},
    {"- a\n", "line 1: a recipe is made of 'key: value' lines"},
    {"just words\n", "line 1: a recipe is made of 'key: value' lines"},
    {"base: {iso: a}\nkernel_option: x\n",
     "line 2: unknown key 'kernel_option'; did you mean 'kernel_options'?"},
    {"base: {iso: a}\n\nxyzzy-plugh: x\n",
     "line 3: unknown key 'xyzzy-plugh'; there are name, vendor, description, acceptance, depots, "
     "base, add, remove, kickstart, kernel_options, no_installer, lower_acceptance, force, trust "
     "and signature_check"},
    {"name: a\nname: b\n", "line 2: the key 'name' is there twice"},
    {"name:\nbase: {iso: a}\n", "line 1: 'name' has no value"},
    {"name: [a]\n", "line 1: 'name' must be a text"},
    {"? [a]\n: b\n", "line 1: 'a key' must be a text"},
    {"add: net-r8168\n", "line 1: 'add' must be a list, one entry a line behind a dash"},
    {"add:\n  - a\n  - [b]\n", "line 3: 'add' must be a text"},
    {"add:\n  -\n", "line 2: 'add' has no value"},
    {"force: yes\n", "line 1: 'force' must be true or false, not 'yes'"},
    {"acceptance: gold\n", "line 1: 'gold' is no acceptance level; there are community, partner, "
                           "accepted and certified"},
    {"base: x\n", "line 1: 'base' must be {profile: NAME} or {iso: FILE}"},
    {"base: {}\n", "line 1: 'base' must be {profile: NAME} or {iso: FILE}"},
    {"base: {image: x}\n", "line 1: unknown key 'image'; there are profile and iso"},
    {"name: a\n", "has no 'base'; say {profile: NAME} or {iso: FILE}"},
    {"base: {profile: P}\n", "has no 'depots'; say where profile 'P' is to be found"},
    {"depots:\n  - {}\n", "line 2: an entry of 'depots' has either 'known' or 'location'"},
    {"depots:\n  - {known: a, location: b}\n",
     "line 2: an entry of 'depots' has either 'known' or 'location'"},
    {"depots:\n  - {location: http://a.example.com/, token_file: t}\n",
     "line 2: 'token_file' needs a 'location' with {token} in it"},
    {"depots:\n  - {knwon: a}\n", "line 2: unknown key 'knwon'; did you mean 'known'?"},
    {"base: {iso: a}\nname: [a\n", "line 3: is no YAML: did not find expected ',' or ']'"},
    {"base: {iso: a}\n---\nbase: {iso: b}\n", "has more than one YAML document"},
    {"name: \"a\\0b\"\n", "line 1: 'name' holds a NUL byte"},
};

static void
test_bad(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(load(fixture, bad[i].text, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
        g_autofree char *expected = g_strdup_printf("%s: %s", fixture->path, bad[i].message);
        g_assert_cmpstr(error->message, ==, expected);
    }
}

static void
test_limits(struct fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GString) many = g_string_new("add:\n");
    for (int i = 0; i <= 4096; i++)
        g_string_append(many, "- a\n");
    g_autoptr(GError) error = NULL;
    g_assert_null(load(fixture, many->str, &error));
    g_autofree char *expected =
        g_strdup_printf("%s: line 2: 'add' has more than 4096 entries", fixture->path);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, expected);

    g_clear_error(&error);
    g_autofree char *large = g_strnfill(RECIPE_MAX + 1, '#');
    g_assert_null(load(fixture, large, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);

    g_clear_error(&error);
    g_unlink(fixture->path);
    g_assert_null(recipe_load(fixture->path, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

static void
test_is_file(void)
{
    static const char *const files[] = {"a.vib", "A.ZIP",  "b.tgz", "c.tar.gz",
                                        "d.tar", "/x/net", "./net", "../net"};
    static const char *const names[] = {"net", "net=1.0", "net.vib.x", "VMW_bootbank_net_1.0-1"};
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
        g_assert_true(recipe_is_file(files[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_false(recipe_is_file(names[i]));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/recipe/" #name, struct fixture, NULL, set_up, test_##name, tear_down)
    ADD(everything);
    ADD(defaults);
    ADD(path_title);
    ADD(bad);
    ADD(limits);
    g_test_add_func("/recipe/is_file", test_is_file);
    return g_test_run();
}
