/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/help.h"

#include "base/error.h"
#include "cli/arguments.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "cli/version.h"

#define INDENT 2
#define OPTION_COLUMN 30
#define NOUN_COLUMN 14
#define WIDTH_MAX 100

static void
append_entry(GString *out, const char *head, const char *body, gsize column, gsize width)
{
    g_string_append_printf(out, "%*s%s", INDENT, "", head);
    gsize at = INDENT + text_width(head);
    if (at + 2 > column) {
        g_string_append_c(out, '\n');
        at = 0;
    }
    g_string_append_printf(out, "%*s", (int)(column - at), "");
    text_wrap(out, body, column, width);
}

static void
append_option(GString *out, enum option_id id, gsize width)
{
    g_autofree char *usage = option_usage(id);
    append_entry(out, usage, option_row(id)->help, OPTION_COLUMN, width);
}

static void
append_global_options(GString *out, gsize width)
{
    g_string_append(out, "\nOptions of every command:\n");
    for (enum option_id id = OPTION_END + 1; id < OPTION_GLOBAL_N; id++)
        append_option(out, id, width);
}

static void
append_examples(GString *out, const struct verb *verb, gsize width)
{
    if (verb->examples[0].command == NULL)
        return;
    g_string_append(out, "\nExamples:\n");
    for (const struct example *example = verb->examples; example->command != NULL; example++) {
        g_string_append_printf(out, "%*s%s\n%*s", INDENT, "", example->command, 2 * INDENT + 2, "");
        text_wrap(out, example->meaning, 2 * INDENT + 2, width);
    }
}

static void
append_verb(GString *out, const struct noun *noun, const struct verb *verb, gsize width)
{
    g_autofree char *synopsis = command_synopsis(noun, verb);
    g_string_append(out, "Usage: ");
    text_wrap(out, synopsis, 7, width);
    g_string_append_c(out, '\n');
    text_wrap(out, verb->description, 0, width);
    if (verb->options[0] != OPTION_END)
        g_string_append(out, "\nOptions:\n");
    for (gsize i = 0; verb->options[i] != OPTION_END; i++)
        append_option(out, verb->options[i], width);
    append_examples(out, verb, width);
    append_global_options(out, width);
}

static void
append_noun(GString *out, const struct noun *noun, gsize width)
{
    g_string_append_printf(out, "Usage: slipway %s VERB [options]\n\n", noun->name);
    text_wrap(out, noun->description, 0, width);
    g_string_append(out, "\nVerbs:\n");
    for (const struct verb *const *verb = noun->verbs; *verb != NULL; verb++)
        append_entry(out, (*verb)->name, (*verb)->summary, NOUN_COLUMN, width);
    g_string_append_printf(out, "\n`slipway %s VERB --help` tells more about one.\n", noun->name);
}

static void
append_program(GString *out, gsize width)
{
    text_wrap(out,
              "Usage: slipway NOUN VERB [options]\n\nSlipway builds installation ISOs and offline "
              "bundles of ESXi from software depots, offline bundles and VIBs; and it backs up "
              "virtual machines and disks into a store, restores them, and serves what is in it.",
              0, width);
    g_string_append(out, "\nNouns:\n");
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        if (!(*noun)->hidden)
            append_entry(out, (*noun)->name, (*noun)->summary, NOUN_COLUMN, width);
    }
    append_global_options(out, width);
    append_entry(out, "    --version", "show the version and stop", OPTION_COLUMN, width);
    g_string_append(out, "\nFirst steps:\n"
                         "  slipway depot add VMware-ESXi-8.0U3-depot.zip\n"
                         "  slipway profile list\n"
                         "  slipway profile new mine --clone ESXi-8.0U3-24022510-standard\n"
                         "  slipway profile add mine net-driver.vib --lower-acceptance\n"
                         "  slipway profile export mine -o mine.iso\n"
                         "or\n"
                         "  slipway host add vc1 vsphere://vcenter.example --user NAME\n"
                         "  slipway backup run vc1:/DC0/vm/prod/\n"
                         "  slipway restore vm app01 vc1 --new-mac\n"
                         "\n`slipway NOUN --help` and `slipway NOUN VERB --help` tell more; so do "
                         "the manual pages.\n");
}

char *
help_text(const struct noun *noun, const struct verb *verb, gsize width)
{
    GString *out = g_string_new(NULL);
    if (noun != NULL && verb == NULL)
        verb = command_alone(noun);
    if (verb != NULL)
        append_verb(out, noun, verb, width);
    else if (noun != NULL)
        append_noun(out, noun, width);
    else
        append_program(out, width);
    return g_string_free(out, FALSE);
}

static gboolean
run_help(struct session *session, GError **error)
{
    const char *noun_name = session_operand(session, 0), *verb_name = session_operand(session, 1);
    const struct noun *noun = NULL;
    const struct verb *verb = NULL;
    if (noun_name != NULL && (noun = command_find_noun(noun_name)) == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "there is no noun '%s'; see `slipway --help`",
                         noun_name);
    if (verb_name != NULL && (verb = command_find_verb(noun, verb_name)) == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "there is no verb of %s '%s'; see `slipway %s --help`", noun_name,
                         verb_name, noun_name);
    g_autofree char *text = help_text(noun, verb, MIN(terminal_width(stdout), WIDTH_MAX));
    ui_write(session_ui(session), text);
    return TRUE;
}

static const struct verb verb_help = {
    .summary = "show help",
    .description = "Show help for the program, for a noun, or for a verb of it; the same as "
                   "--help there.",
    .operands = {{"NOUN", TRUE, FALSE, COMPLETE_NOUNS, NULL}, {"VERB", TRUE}},
    .examples = {{"slipway help profile export", "what `profile export` does and takes"}},
    .run = run_help,
};
static const struct verb *const help_verbs[] = {&verb_help, NULL};
const struct noun noun_help = {"help", "show help for a noun or a verb", NULL, help_verbs, FALSE};

static gboolean
run_version(struct session *session, G_GNUC_UNUSED GError **error)
{
    ui_print(session_ui(session), "slipway %s\n", SLIPWAY_VERSION);
    ui_set(session_ui(session), "version", json_string(SLIPWAY_VERSION));
    return TRUE;
}

static const struct verb verb_version = {
    .summary = "show the version",
    .description = "Show the version of the program; the same as `slipway --version`.",
    .run = run_version,
};
static const struct verb *const version_verbs[] = {&verb_version, NULL};
const struct noun noun_version = {"version", "show the version", NULL, version_verbs, FALSE};
