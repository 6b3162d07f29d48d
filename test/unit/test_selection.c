/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "hyper/selection.h"
#include "hyper/wildcard.h"

#include <string.h>

static void
free_machine(gpointer machine)
{
    machine_free(machine);
}

static struct machine *
add(GPtrArray *list, const char *folder, const char *name, enum machine_power power)
{
    struct machine *machine = machine_new();
    machine->folder = g_strdup(folder);
    machine->name = g_strdup(name);
    machine->id = g_strdup_printf("aaaaaaaa-0000-4000-8000-%012x", list->len + 1);
    machine->power = power;
    machine->host = g_strdup(g_str_has_prefix(name, "db") ? "esx9" : "esx1");
    g_ptr_array_add(list, machine);
    return machine;
}

/* As vCenter has them. */
static GPtrArray *
new_inventory(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(free_machine);
    struct machine *app = add(list, "/DC0/vm/prod", "app01", MACHINE_ON);
    g_ptr_array_add(app->tags, g_strdup("backup/daily"));
    app->pool = g_strdup("C0/gold/web");
    app->cluster = g_strdup("C0");
    struct machine *second = add(list, "/DC0/vm/prod", "app02", MACHINE_OFF);
    g_ptr_array_add(second->tags, g_strdup("tier/web"));
    add(list, "/DC0/vm/prod/web", "front[1]", MACHINE_ON)->pool = g_strdup("C0/golden");
    add(list, "/DC0/vm/test", "app01", MACHINE_ON);
    add(list, "/DC0/vm/test", "sleepy", MACHINE_SUSPENDED);
    struct machine *template = add(list, "/DC0/vm", "golden", MACHINE_OFF);
    template->template = TRUE;
    add(list, "/DC1/vm/prod", "db", MACHINE_ON);
    return list;
}

/* "folder/name folder/name", by the last part of the folder. */
static char *
names_of(const GPtrArray *taken)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < taken->len; i++) {
        const struct machine *machine = g_ptr_array_index(taken, i);
        const char *slash = machine->folder != NULL ? strrchr(machine->folder, '/') : "";
        g_string_append_printf(text, "%s%s/%s", i > 0 ? " " : "", slash + (*slash == '/'),
                               machine->name);
    }
    return g_string_free(text, FALSE);
}

static void
expect(const struct selection *selection, const char *names)
{
    g_autoptr(GPtrArray) list = new_inventory();
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) taken = selection_take(selection, list, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *text = names_of(taken);
    g_assert_cmpstr(text, ==, names);
}

static void
expect_path(const char *path, const char *names)
{
    const struct selection selection = {.path = path};
    expect(&selection, names);
}

#define ALL_ON "prod/app01 web/front[1] test/app01 prod/db"

static void
test_paths(void)
{
    expect_path(NULL, ALL_ON);
    expect_path("", ALL_ON);
    expect_path("/", ALL_ON);
    expect_path("/DC0/vm/prod/app01", "prod/app01");
    expect_path("DC0/vm/prod/app01", "prod/app01");
    expect_path("/DC0/vm/prod/", "prod/app01 web/front[1]");
    expect_path("/DC0/vm/prod", "prod/app01 web/front[1]");
    expect_path("/DC0/", "prod/app01 web/front[1] test/app01");
    expect_path("/DC0/vm/prod/*", "prod/app01");
    expect_path("/*/vm/prod/", "prod/app01 web/front[1] prod/db");
    expect_path("/DC0/vm/pro?/app0?", "prod/app01");
    expect_path("app*", "prod/app01 test/app01");
    expect_path("/app*", "prod/app01 test/app01");
    /* By itself: however it is. */
    expect_path("sleepy", "test/sleepy");
    expect_path("/sleepy", "test/sleepy");
    expect_path("golden", "vm/golden");
    expect_path("/DC0/vm/prod/app02", "prod/app02");
    expect_path("AAAAAAAA-0000-4000-8000-000000000005", "test/sleepy");
    /* A bracket is a bracket. */
    expect_path("front[1]", "web/front[1]");
    /* "sl*" could be others tomorrow. */
    expect_path("sl*", "");
}

/* libvirt has no folders. */
static void
test_flat(void)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_machine);
    g_autoptr(GError) error = NULL;
    add(list, NULL, "app01", MACHINE_OFF);
    add(list, NULL, "app02", MACHINE_ON);
    static const struct {
        const char *path, *names;
    } rows[] = {{"/app01", "/app01"}, {"app02", "/app02"}, {"/*", "/app02"}, {"", "/app02"}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct selection selection = {.path = rows[i].path};
        g_autoptr(GPtrArray) taken = selection_take(&selection, list, NULL, &error);
        g_assert_no_error(error);
        g_autofree char *text = names_of(taken);
        g_assert_cmpstr(text, ==, rows[i].names);
    }
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
test_lists(void)
{
    expect(&(struct selection){.names = LIST("db", "front*")}, "web/front[1] prod/db");
    expect(&(struct selection){.tags = LIST("daily")}, "prod/app01");
    expect(&(struct selection){.tags = LIST("backup/*")}, "prod/app01");
    expect(&(struct selection){.tags = LIST("backup/daily", "web"), .off = TRUE},
           "prod/app01 prod/app02");
    expect(&(struct selection){.hosts = LIST("esx9")}, "prod/db");
    expect(&(struct selection){.clusters = LIST("C?")}, "prod/app01");
    expect(&(struct selection){.pools = LIST("C0/gold")}, "prod/app01");
    expect(&(struct selection){.folders = LIST("prod")}, "prod/app01 web/front[1] prod/db");
    expect(&(struct selection){.folders = LIST("/DC0/vm/prod")}, "prod/app01 web/front[1]");
    expect(&(struct selection){.folders = LIST("prod"), .hosts = LIST("esx9")}, "prod/db");
    expect(&(struct selection){.path = "/DC0/", .names = LIST("app01")}, "prod/app01 test/app01");
    expect(&(struct selection){.off = TRUE, .suspended = TRUE, .templates = TRUE},
           "prod/app01 prod/app02 web/front[1] test/app01 test/sleepy vm/golden prod/db");
}

static void
test_exclude(void)
{
    expect(&(struct selection){.exclude = LIST("app*")}, "web/front[1] prod/db");
    expect(&(struct selection){.exclude = LIST("/DC0/vm/prod/")}, "test/app01 prod/db");
    expect(&(struct selection){.exclude = LIST("/DC0/vm/test/app01", "db")},
           "prod/app01 web/front[1]");
    expect(&(struct selection){.exclude = LIST("aaaaaaaa-0000-4000-8000-000000000007")},
           "prod/app01 web/front[1] test/app01");
    expect(&(struct selection){.path = "sleepy", .exclude = LIST("sleepy")}, "");
}

static void
test_left(void)
{
    g_autoptr(GPtrArray) list = new_inventory(), left = NULL;
    const struct selection selection = {.path = "/DC0/", .exclude = LIST("front*")};
    g_autoptr(GPtrArray) taken = selection_take(&selection, list, &left, NULL);
    g_assert_cmpuint(taken->len, ==, 2);
    static const char *const sentences[] = {
        "machine /DC0/vm/prod/app02 is left out: it is powered off",
        "machine /DC0/vm/test/sleepy is left out: it is suspended",
        "machine /DC0/vm/golden is left out: it is a template",
    };
    g_assert_cmpuint(left->len, ==, G_N_ELEMENTS(sentences));
    for (guint i = 0; i < left->len; i++)
        g_assert_cmpstr(g_ptr_array_index(left, i), ==, sentences[i]);
}

static void
refuse(const struct selection *selection, GPtrArray *list, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(selection_take(selection, list, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_refused(void)
{
    g_autoptr(GPtrArray) list = new_inventory(), none = g_ptr_array_new();
    refuse(&(struct selection){.path = "app01"}, list, SLIPWAY_ERROR_USAGE,
           "2 machines are called app01: /DC0/vm/prod/app01, /DC0/vm/test/app01; name one by its "
           "path");
    refuse(&(struct selection){.path = "/DC0/vm/App"}, list, SLIPWAY_ERROR_NOT_FOUND,
           "there is no machine and no folder /DC0/vm/App, of 7 machines; there is "
           "/DC0/vm/prod/app01, /DC0/vm/prod/app02, /DC0/vm/test/app01");
    refuse(&(struct selection){.path = "/nowhere/"}, list, SLIPWAY_ERROR_NOT_FOUND,
           "there is no machine and no folder /nowhere/, of 7 machines");
    refuse(&(struct selection){.tags = LIST("weekly")}, list, SLIPWAY_ERROR_NOT_FOUND,
           "there is no machine that matches all of what was asked for, of 7");
    refuse(&(struct selection){.path = "app01"}, none, SLIPWAY_ERROR_NOT_FOUND,
           "there are no machines");
    /* In the case that is given. */
    refuse(&(struct selection){.path = "DB"}, list, SLIPWAY_ERROR_NOT_FOUND,
           "there is no machine and no folder DB, of 7 machines; there is /DC1/vm/prod/db");
}

static void
test_judge(void)
{
    g_autoptr(GPtrArray) list = new_inventory();
    static const struct {
        const char *path;
        guint machine;
        enum selection_verdict verdict;
    } rows[] = {
        {"", 0, SELECTION_TAKEN},         {"", 1, SELECTION_OFF},
        {"", 4, SELECTION_SUSPENDED},     {"", 5, SELECTION_TEMPLATE},
        {"golden", 5, SELECTION_TAKEN},   {"gol*", 5, SELECTION_TEMPLATE},
        {"/DC1/vm/", 0, SELECTION_OTHER}, {"/DC1/vm/", 6, SELECTION_TAKEN},
        {"/DC0/vm", 1, SELECTION_OFF},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct selection selection = {.path = rows[i].path};
        g_assert_cmpint(selection_judge(&selection, g_ptr_array_index(list, rows[i].machine)), ==,
                        rows[i].verdict);
    }
    const struct selection excluded = {.path = "app01", .exclude = LIST("app01")};
    g_assert_cmpint(selection_judge(&excluded, g_ptr_array_index(list, 0)), ==, SELECTION_EXCLUDED);
    g_assert_null(selection_verdict_words(SELECTION_TAKEN));
    g_assert_null(selection_verdict_words(SELECTION_OTHER));
    g_assert_cmpstr(selection_verdict_words(SELECTION_OFF), ==, "powered off");
}

static void
test_wildcards(void)
{
    static const struct {
        const char *pattern, *text;
        gboolean match;
    } rows[] = {
        {"", "", TRUE},          {"", "a", FALSE},           {"*", "", TRUE},
        {"*", "anything", TRUE}, {"?", "é", TRUE},           {"?", "ab", FALSE},
        {"??", "é", FALSE},      {"a*c", "abbbc", TRUE},     {"a*c", "ab", FALSE},
        {"*ab", "aab", TRUE},    {"a*b*c", "aXbYbZc", TRUE}, {"*a*a", "aba", TRUE},
        {"a*b?", "abbb", TRUE},  {"[a]", "a", FALSE},        {"[a]", "[a]", TRUE},
        {"\\*", "\\x", TRUE},    {"a**b", "ab", TRUE},       {"*\xc3\xa9", "café", TRUE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(wildcard_match(rows[i].pattern, rows[i].text), ==, rows[i].match);
    g_assert_true(wildcard_match_path("/a/*/c/", "a/b/c"));
    g_assert_false(wildcard_match_path("/a/*", "/a/b/c"));
    g_assert_false(wildcard_match_path("/a/b/c", "/a/b"));
    g_assert_true(wildcard_match_below("/a/*", "/a/b/c"));
    g_assert_true(wildcard_match_below("/", "/a/b/c"));
    g_assert_false(wildcard_match_below("/a/b", "/a"));
    g_assert_false(wildcard_match_below("/a/b", "/a/bc"));
    /* Whoever names machines so does not stop us. */
    g_autofree char *text = g_strnfill(4096, 'a');
    g_assert_false(wildcard_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/selection/paths", test_paths);
    g_test_add_func("/selection/flat", test_flat);
    g_test_add_func("/selection/lists", test_lists);
    g_test_add_func("/selection/exclude", test_exclude);
    g_test_add_func("/selection/left", test_left);
    g_test_add_func("/selection/refused", test_refused);
    g_test_add_func("/selection/judge", test_judge);
    g_test_add_func("/selection/wildcards", test_wildcards);
    return g_test_run();
}
