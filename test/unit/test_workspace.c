/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "esx/workspace.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define TOKEN "AbCdEf0123456789AbCdEf0123456789"
#define LOCATION "https://dl.broadcom.com/" TOKEN "/PROD/index.xml"

static char *directory;

static void
set_up(void)
{
    directory = g_dir_make_tmp("slipway-workspace-XXXXXX", NULL);
    g_assert_nonnull(directory);
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_remove(path);
}

static void
tear_down(void)
{
    remove_tree(directory);
    g_clear_pointer(&directory, g_free);
}

static struct workspace *
open_well(void)
{
    g_autoptr(GError) error = NULL;
    struct workspace *workspace = workspace_open(directory, &error);
    g_assert_no_error(error);
    return workspace;
}

static void
put(const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
test_directories(void)
{
    set_up();
    g_autofree char *inside = g_build_filename(directory, "deep", "workspace", NULL);
    g_autofree char *cache = g_build_filename(inside, "cache", NULL);
    g_setenv("SLIPWAY_WORKSPACE", inside, TRUE);
    auto_ptr(workspace) named = workspace_open(NULL, NULL);
    g_assert_cmpstr(workspace_directory(named), ==, inside);
    g_assert_cmpstr(workspace_cache_directory(named), ==, cache);
    struct stat status;
    g_assert_cmpint(stat(inside, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0700);

    g_unsetenv("SLIPWAY_WORKSPACE");
    g_setenv("XDG_STATE_HOME", directory, TRUE);
    g_autofree char *state = g_build_filename(directory, "slipway", NULL);
    auto_ptr(workspace) standard = workspace_open(NULL, NULL);
    g_assert_cmpstr(workspace_directory(standard), ==, state);
    g_assert_true(g_str_has_suffix(workspace_cache_directory(standard), "/slipway"));
    g_unsetenv("XDG_STATE_HOME");
    tear_down();
}

static gboolean
add_depot(struct workspace *workspace, const char *name, const char *location, const char *known,
          GError **error)
{
    return workspace_add_depot(
        workspace, &(struct workspace_addition){.name = name, .location = location, .known = known},
        error);
}

static void
test_depots(void)
{
    set_up();
    {
        auto_ptr(workspace) workspace = open_well();
        g_assert_true(add_depot(workspace, NULL, LOCATION, "vmware", NULL));
        g_assert_true(add_depot(workspace, NULL, "/srv/a.zip", NULL, NULL));
        g_assert_true(add_depot(workspace, "mine", "/srv/b.zip", NULL, NULL));
    }
    auto_ptr(workspace) workspace = open_well();
    const GPtrArray *depots = workspace_depots(workspace);
    g_assert_cmpuint(depots->len, ==, 3);
    const struct workspace_depot *first = depots->pdata[0], *last = depots->pdata[2];
    g_assert_cmpstr(first->name, ==, "depot1");
    g_assert_cmpstr(first->location, ==, LOCATION);
    g_assert_cmpstr(first->known, ==, "vmware");
    g_assert_null(strstr(first->title, TOKEN));
    g_assert_cmpint(first->added, >, 1700000000);
    g_assert_cmpstr(last->name, ==, "mine");
    g_assert_null(last->known);
    g_assert_true(workspace_find_depot(workspace, first->title) == first);

    g_autofree char *path = g_build_filename(directory, "depots.json", NULL);
    struct stat status;
    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);

    g_assert_true(workspace_remove_depot(workspace, "/srv/../srv/a.zip", NULL));
    g_assert_cmpuint(workspace_depots(workspace)->len, ==, 2);
    tear_down();
}

/* What is secret without looking so is known again when the state is read. */
static void
test_depot_token(void)
{
    set_up();
    {
        auto_ptr(workspace) workspace = open_well();
        const struct workspace_addition addition = {
            .location = "https://h/pl.ain/x.xml", .token = "pl.ain", .user = "joe"};
        g_assert_true(workspace_add_depot(workspace, &addition, NULL));
    }
    secret_forget_all();
    auto_ptr(workspace) workspace = open_well();
    const struct workspace_depot *depot = workspace_depots(workspace)->pdata[0];
    g_assert_cmpstr(depot->title, ==, "https://h/***/x.xml");
    g_assert_cmpstr(depot->token, ==, "pl.ain");
    g_assert_cmpstr(depot->user, ==, "joe");
    tear_down();
}

static void
expect_refused(struct workspace *workspace, const char *name, const char *location, int code,
               const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(add_depot(workspace, name, location, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_depots_refused(void)
{
    set_up();
    auto_ptr(workspace) workspace = open_well();
    g_assert_true(add_depot(workspace, "mine", "/srv/b.zip", NULL, NULL));
    expect_refused(workspace, "other", "/srv/b.zip", SLIPWAY_ERROR_EXISTS,
                   "/srv/b.zip is connected already, as depot mine");
    expect_refused(workspace, "mine", "/srv/c.zip", SLIPWAY_ERROR_EXISTS,
                   "there is a depot called mine already; give another --name");
    expect_refused(workspace, "a b", "/srv/c.zip", SLIPWAY_ERROR_USAGE,
                   "depot name 'a b': 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-' make a "
                   "name");
    g_autoptr(GError) error = NULL;
    g_assert_false(workspace_remove_depot(workspace, "nothing", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpuint(workspace_depots(workspace)->len, ==, 1);
    tear_down();
}

static void
expect_unreadable(int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(workspace_open(directory, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_autofree char *wanted = g_strdup_printf("%s/depots.json%s", directory, message);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void
test_damage(void)
{
    set_up();
    put("depots.json", "{\"format\": 2, \"depots\": []}");
    expect_unreadable(SLIPWAY_ERROR_UNSUPPORTED,
                      " was written by a newer slipway; update this one");
    put("depots.json", "{}");
    expect_unreadable(SLIPWAY_ERROR_CORRUPT, ": no file of a workspace");
    put("depots.json", "{\"format\": 1, \"depots\": [{\"name\": \"x\"}]}");
    expect_unreadable(SLIPWAY_ERROR_CORRUPT, ": depot 1: Object item not found: location");
    put("depots.json", "{\"format\": 1");
    expect_unreadable(SLIPWAY_ERROR_CORRUPT, ": line 1: '}' expected near end of file");
    put("depots.json", "{\"format\": 1}");
    auto_ptr(workspace) workspace = open_well();
    g_assert_cmpuint(workspace_depots(workspace)->len, ==, 0);
    tear_down();
}

static void
save(struct workspace *workspace, const char *name, const char *vendor)
{
    auto_ptr(profile) profile = profile_new(name, vendor);
    profile->acceptance = ACCEPTANCE_PARTNER;
    profile_add_vib(profile, "Me_bootbank_tool_1.0-1");
    g_autoptr(GError) error = NULL;
    g_assert_true(workspace_save_profile(workspace, profile, &error));
    g_assert_no_error(error);
}

static void
test_profiles(void)
{
    set_up();
    {
        auto_ptr(workspace) workspace = open_well();
        save(workspace, "b/weird ../name", "Me");
        save(workspace, "a", "Me");
        save(workspace, "a", "You");
        save(workspace, "a", "Me");
    }
    auto_ptr(workspace) workspace = open_well();
    g_assert_cmpuint(workspace_profiles(workspace)->len, ==, 3);
    g_assert_cmpstr(workspace_find_profile(workspace, "You/a", NULL)->vendor, ==, "You");
    g_assert_cmpuint(workspace_find_profile(workspace, "b/weird ../name", NULL)->vibs->len, ==, 1);

    g_autoptr(GError) error = NULL;
    g_assert_null(workspace_find_profile(workspace, "a", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, "several profiles are called a: write 'Me/a' or 'You/a'");
    g_clear_error(&error);
    g_assert_null(workspace_find_profile(workspace, "c", &error));
    g_assert_no_error(error);

    const struct profile *doomed = workspace_find_profile(workspace, "You/a", NULL);
    g_assert_true(workspace_delete_profile(workspace, doomed, NULL));
    g_assert_nonnull(workspace_find_profile(workspace, "a", NULL));
    auto_ptr(workspace) again = open_well();
    g_assert_cmpuint(workspace_profiles(again)->len, ==, 2);
    tear_down();
}

/* What one process saves while another has the workspace open is not undone by the other. */
static void
test_two_writers(void)
{
    set_up();
    auto_ptr(workspace) first = open_well();
    auto_ptr(workspace) second = open_well();
    g_assert_true(add_depot(first, NULL, "/srv/a.zip", NULL, NULL));
    g_assert_true(add_depot(second, NULL, "/srv/b.zip", NULL, NULL));
    const struct workspace_depot *last = workspace_depots(second)->pdata[1];
    g_assert_cmpuint(workspace_depots(second)->len, ==, 2);
    g_assert_cmpstr(last->name, ==, "depot2");
    tear_down();
}

static void
test_lock(void)
{
    set_up();
    auto_ptr(workspace) holder = open_well();
    g_assert_true(workspace_lock(holder, NULL));
    auto_ptr(workspace) other = open_well();
    g_autoptr(GError) error = NULL;
    gint64 began = g_get_monotonic_time();
    g_assert_false(add_depot(other, NULL, "/srv/a.zip", NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_cmpint(g_get_monotonic_time() - began, >=, 9 * G_USEC_PER_SEC);
    g_assert_true(add_depot(holder, NULL, "/srv/a.zip", NULL, NULL));
    tear_down();
}

static void
test_verified(void)
{
    set_up();
    g_autofree char *hash = g_strnfill(64, 'a');
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    g_ptr_array_add(list, hash);
    g_ptr_array_add(list, (gpointer) "no hash");
    {
        auto_ptr(workspace) workspace = open_well();
        save(workspace, "mine", "Me");
        const struct profile *borrowed = workspace_find_profile(workspace, "mine", NULL);
        g_assert_false(workspace_is_verified(workspace, hash));
        g_assert_true(workspace_add_verified(workspace, list, NULL));
        g_assert_true(workspace_is_verified(workspace, hash));
        /* An export remembers VIBs while it holds the profile. */
        g_assert_cmpstr(borrowed->name, ==, "mine");
    }
    auto_ptr(workspace) workspace = open_well();
    g_assert_true(workspace_is_verified(workspace, hash));
    g_assert_false(workspace_is_verified(workspace, "no hash"));
    put("verified.json", "damage");
    auto_ptr(workspace) damaged = open_well();
    g_assert_false(workspace_is_verified(damaged, hash));
    g_assert_true(workspace_add_verified(damaged, list, NULL));
    tear_down();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/workspace/directories", test_directories);
    g_test_add_func("/workspace/depots", test_depots);
    g_test_add_func("/workspace/depot-token", test_depot_token);
    g_test_add_func("/workspace/depots-refused", test_depots_refused);
    g_test_add_func("/workspace/damage", test_damage);
    g_test_add_func("/workspace/profiles", test_profiles);
    g_test_add_func("/workspace/two-writers", test_two_writers);
    g_test_add_func("/workspace/lock", test_lock);
    g_test_add_func("/workspace/verified", test_verified);
    return g_test_run();
}
