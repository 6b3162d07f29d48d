/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/arguments.h"

#include <string.h>

static struct arguments *
parse(const char *line, GError **error)
{
    g_auto(GStrv) words = NULL;
    int count;
    g_autofree char *whole = g_strconcat("slipway ", line, NULL);
    g_assert_true(g_shell_parse_argv(whole, &count, &words, NULL));
    return arguments_parse(count, words, error);
}

static struct arguments *
parse_well(const char *line)
{
    g_autoptr(GError) error = NULL;
    struct arguments *arguments = parse(line, &error);
    g_assert_no_error(error);
    g_assert_nonnull(arguments);
    return arguments;
}

static void
expect_failure(const char *line, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(parse(line, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpint(error_exit_code(error), ==, 2);
}

static void
test_words(void)
{
    auto_ptr(arguments) arguments = parse_well("profile add mine a.vib 'esx-ui=1.0'");
    g_assert_cmpstr(arguments_noun(arguments)->name, ==, "profile");
    g_assert_cmpstr(arguments_verb(arguments)->name, ==, "add");
    g_assert_cmpstr(arguments_operand(arguments, 0), ==, "mine");
    g_assert_cmpstr(arguments_operand(arguments, 1), ==, "a.vib");
    g_assert_cmpstr(arguments_operand(arguments, 2), ==, "esx-ui=1.0");
    g_assert_null(arguments_operand(arguments, 3));
    g_assert_cmpuint(g_strv_length((char **)arguments_operands(arguments)), ==, 3);
}

static void
test_options(void)
{
    auto_ptr(arguments) arguments =
        parse_well("-qw /tmp/w package --retries=7 list --name a -nb --name=c --newest "
                   "--version '6.*' --json");
    g_assert_true(arguments_flag(arguments, OPTION_QUIET));
    g_assert_true(arguments_flag(arguments, OPTION_JSON));
    g_assert_true(arguments_flag(arguments, OPTION_NEWEST));
    g_assert_false(arguments_flag(arguments, OPTION_REVERSE));
    g_assert_false(arguments_version(arguments));
    g_assert_cmpstr(arguments_text(arguments, OPTION_WORKSPACE), ==, "/tmp/w");
    g_assert_cmpuint(arguments_number(arguments, OPTION_RETRIES, 4), ==, 7);
    g_assert_cmpuint(arguments_number(arguments, OPTION_STALL_TIMEOUT, 60), ==, 60);
    g_autofree char *names =
        g_strjoinv(",", (char **)arguments_list(arguments, OPTION_FILTER_NAME));
    g_assert_cmpstr(names, ==, "a,b,c");
    g_assert_cmpstr(arguments_text(arguments, OPTION_FILTER_VERSION), ==, "6.*");
    g_assert_null(arguments_list(arguments, OPTION_FILTER_VENDOR));
}

/* The last one given counts; a dash alone and what follows `--` are operands. */
static void
test_corners(void)
{
    auto_ptr(arguments) arguments = parse_well("vib build --name a --name b -o - -- --odd");
    g_assert_cmpstr(arguments_text(arguments, OPTION_VIB_NAME), ==, "b");
    g_assert_cmpstr(arguments_text(arguments, OPTION_OUTPUT), ==, "-");
    g_assert_cmpstr(arguments_operand(arguments, 0), ==, "--odd");

    auto_ptr(arguments) empty = parse_well("depot list --proxy ''");
    g_assert_cmpstr(arguments_text(empty, OPTION_PROXY), ==, "");
}

static void
test_help_and_version(void)
{
    auto_ptr(arguments) noun = parse_well("profile --help");
    g_assert_true(arguments_flag(noun, OPTION_HELP));
    g_assert_null(arguments_verb(noun));
    auto_ptr(arguments) verb = parse_well("profile add -h");
    g_assert_cmpstr(arguments_verb(verb)->name, ==, "add");
    auto_ptr(arguments) version = parse_well("--version");
    g_assert_true(arguments_version(version));
}

static void
test_failures(void)
{
    expect_failure("", "nothing to do; see `slipway --help`");
    expect_failure("profil list",
                   "there is no noun 'profil'; did you mean 'profile'? see `slipway --help`");
    expect_failure(
        "depot ad x",
        "there is no verb of depot 'ad'; did you mean 'add'? see `slipway depot --help`");
    expect_failure(
        "depot", "depot needs a verb: add, list, remove, update, verify, known; see `slipway depot "
                 "--help`");
    expect_failure(
        "profile list --quite",
        "there is no option '--quite'; did you mean '--quiet'? see `slipway profile list "
        "--help`");
    expect_failure("profile --clone x list",
                   "there is no option '--clone'; see `slipway profile --help`");
    expect_failure("depot list -Z", "there is no option '-Z'; see `slipway depot list --help`");
    expect_failure("depot list --json=yes", "--json takes no value");
    expect_failure("depot list --workspace", "--workspace needs a value: --workspace DIR");
    expect_failure("depot list --retries many",
                   "--retries many: a number from 0 to 1000000 is wanted");
    expect_failure("depot list --retries -1", "--retries -1: a number from 0 to 1000000 is wanted");
    expect_failure("package list --sort size",
                   "--sort size: one of name, version, vendor, date is wanted");
    expect_failure("profile compare a",
                   "COMPARED is missing: slipway profile compare REFERENCE COMPARED");
    expect_failure("profile compare a b c",
                   "'c' is too much: slipway profile compare REFERENCE COMPARED");
}

static void
test_want_json(void)
{
    char *const with[] = {(char *)"slipway", (char *)"nonsense", (char *)"--json", NULL};
    char *const after[] = {(char *)"slipway", (char *)"--", (char *)"--json", NULL};
    g_assert_true(arguments_want_json(3, with));
    g_assert_false(arguments_want_json(3, after));
}

static void
check_unambiguous(const struct verb *verb, enum option_id id)
{
    const struct option *row = option_row(id);
    g_assert_nonnull(row->name);
    g_assert_true((row->kind == OPTION_FLAG) == (row->argument == NULL));
    g_assert_true((row->complete == COMPLETE_WORDS) == (row->words != NULL));
    g_assert_cmpint(row->help[strlen(row->help) - 1], !=, '.');
    g_assert_cmpint(command_find_option(verb, row->name, 0), ==, id);
    if (row->letter != 0)
        g_assert_cmpint(command_find_option(verb, NULL, row->letter), ==, id);
}

static void
check_operands(const struct verb *verb)
{
    gboolean optional = FALSE;
    for (const struct operand *operand = verb->operands; operand->name != NULL; operand++) {
        g_assert_true(operand->optional || !optional);
        g_assert_true(!operand->repeat || operand[1].name == NULL);
        optional = operand->optional;
    }
}

/* Every verb is complete, and none of its options hides another of it or a global one. */
static void
test_tables(void)
{
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        g_assert_true(command_find_noun((*noun)->name) == *noun);
        gboolean alone = command_alone(*noun) != NULL;
        g_assert_true(alone == ((*noun)->description == NULL));
        for (const struct verb *const *verb = (*noun)->verbs; *verb != NULL; verb++) {
            g_assert_true(alone == ((*verb)->name == NULL));
            g_assert_nonnull((*verb)->run);
            g_assert_nonnull((*verb)->summary);
            g_assert_nonnull((*verb)->description);
            check_operands(*verb);
            for (gsize i = 0; (*verb)->options[i] != OPTION_END; i++) {
                g_assert_false(option_is_global((*verb)->options[i]));
                check_unambiguous(*verb, (*verb)->options[i]);
            }
            for (enum option_id id = OPTION_END + 1; id < OPTION_GLOBAL_N; id++)
                check_unambiguous(*verb, id);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arguments/words", test_words);
    g_test_add_func("/arguments/options", test_options);
    g_test_add_func("/arguments/corners", test_corners);
    g_test_add_func("/arguments/help-and-version", test_help_and_version);
    g_test_add_func("/arguments/failures", test_failures);
    g_test_add_func("/arguments/want-json", test_want_json);
    g_test_add_func("/command/tables", test_tables);
    return g_test_run();
}
