/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/run.h"

#include "cli/help.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/version.h"

#define HELP_WIDTH_MAX 100

static struct ui *
make_ui(const struct arguments *arguments, int argc, char *const *argv)
{
    if (arguments == NULL)
        return ui_new(&(struct ui_options){.json = arguments_want_json(argc, argv)});
    return ui_new(&(struct ui_options){
        .json = arguments_flag(arguments, OPTION_JSON),
        .quiet = arguments_flag(arguments, OPTION_QUIET),
        .verbose = arguments_flag(arguments, OPTION_VERBOSE),
        .no_progress = arguments_flag(arguments, OPTION_NO_PROGRESS),
        .yes = arguments_flag(arguments, OPTION_YES),
    });
}

static gboolean
run_verb(const struct arguments *arguments, struct ui *ui, GError **error)
{
    if (arguments_flag(arguments, OPTION_HELP)) {
        g_autofree char *text = help_text(arguments_noun(arguments), arguments_verb(arguments),
                                          MIN(terminal_width(stdout), HELP_WIDTH_MAX));
        ui_write(ui, text);
        return TRUE;
    }
    if (arguments_version(arguments)) {
        ui_print(ui, "slipway %s\n", SLIPWAY_VERSION);
        ui_set(ui, "version", json_string(SLIPWAY_VERSION));
        return TRUE;
    }
    auto_ptr(session) session = session_new(arguments, ui);
    return arguments_verb(arguments)->run(session, error);
}

int
run_command_line(int argc, char *const *argv)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(arguments) arguments = arguments_parse(argc, argv, &error);
    auto_ptr(ui) ui = make_ui(arguments, argc, argv);
    if (arguments != NULL)
        run_verb(arguments, ui, &error);
    return ui_finish(ui, error);
}
