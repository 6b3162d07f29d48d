/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "esx/known_depots.h"

#include <glib/gstdio.h>

static char *installed; /* directory of the first file */
static char *settings;  /* of the user's */

static void
put(const char *folder, const char *text)
{
    g_autofree char *path = g_build_filename(folder, "known-depots.json", NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    if (text != NULL)
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
    else
        g_remove(path);
}

static void
test_order(void)
{
    put(installed, "{\"depots\": ["
                   "{\"name\": \"a\", \"url\": \"https://a/{token}/x\", \"needs_token\": true},"
                   "{\"name\": \"b\", \"url\": \"https://b/\"},"
                   "{\"name\": \"c\", \"url\": null, \"note\": \"ask them\"}]}");
    put(settings, "{\"depots\": [{\"name\": \"B\", \"url\": \"https://mine/\"},"
                  "{\"name\": \"d\", \"url\": \"https://d/\"}]}");
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) depots = known_depots_load(&error);
    g_assert_no_error(error);
    g_assert_cmpuint(depots->len, ==, 4);
    g_assert_cmpstr(known_depots_find(depots, "b")->url, ==, "https://mine/");
    g_assert_cmpstr(known_depots_find(depots, "d")->vendor, ==, "");
    g_assert_null(known_depots_find(depots, "e"));
}

static void
expect_no_url(const struct known_depot *depot, const char *token, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(known_depot_url(depot, token, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_urls(void)
{
    g_autoptr(GPtrArray) depots = known_depots_load(NULL);
    const struct known_depot *a = known_depots_find(depots, "a");
    g_autofree char *url = known_depot_url(a, "s3cret/token", NULL);
    g_assert_cmpstr(url, ==, "https://a/s3cret%2Ftoken/x");
    g_autofree char *shown = secret_redact(url);
    g_assert_cmpstr(shown, ==, "https://a/***/x");
    expect_no_url(a, NULL, SLIPWAY_ERROR_USAGE,
                  "depot a needs a download token: give --token-file or set SLIPWAY_TOKEN");
    expect_no_url(known_depots_find(depots, "b"), "x", SLIPWAY_ERROR_USAGE,
                  "depot B takes no token");
    expect_no_url(known_depots_find(depots, "c"), NULL, SLIPWAY_ERROR_UNSUPPORTED,
                  "depot c has no public address: ask them");
}

static void
expect_unreadable(const char *text, const char *message)
{
    put(settings, text);
    g_autoptr(GError) error = NULL;
    g_assert_null(known_depots_load(&error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_autofree char *wanted = g_strdup_printf("%s/known-depots.json: %s", settings, message);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void
test_damage(void)
{
    expect_unreadable("[]", "no list called \"depots\" in it");
    expect_unreadable("{\"depots\": [{}]}", "depot 1: Object item not found: name");
    expect_unreadable("{\"depots\": [{\"name\": \"x\", \"url\": \"file:///etc\"}]}",
                      "depot 1 needs a name and an http or https URL");
    put(settings, NULL);
}

/* The list that comes with the program. */
static void
test_shipped(void)
{
    g_setenv("SLIPWAY_DATA_DIR", g_getenv("SLIPWAY_SHIPPED_DATA_DIR"), TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) depots = known_depots_load(&error);
    g_assert_no_error(error);
    const struct known_depot *vendor = known_depots_find(depots, "vmware");
    g_assert_nonnull(vendor);
    g_assert_true(vendor->needs_token);
    g_assert_nonnull(vendor->token_help);
    g_assert_nonnull(known_depots_find(depots, "hpe"));
}

int
main(int argc, char **argv)
{
    g_autofree char *top = g_dir_make_tmp("slipway-known-XXXXXX", NULL);
    installed = g_build_filename(top, "data", NULL);
    settings = g_build_filename(top, "config", "slipway", NULL);
    g_autofree char *config = g_path_get_dirname(settings);
    g_setenv("SLIPWAY_DATA_DIR", installed, TRUE);
    g_setenv("XDG_CONFIG_HOME", config, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/known-depots/order", test_order);
    g_test_add_func("/known-depots/urls", test_urls);
    g_test_add_func("/known-depots/damage", test_damage);
    if (g_getenv("SLIPWAY_SHIPPED_DATA_DIR") != NULL)
        g_test_add_func("/known-depots/shipped", test_shipped);
    int code = g_test_run();
    put(installed, NULL);
    g_rmdir(installed);
    g_rmdir(settings);
    g_rmdir(config);
    g_rmdir(top);
    g_free(installed);
    g_free(settings);
    return code;
}
