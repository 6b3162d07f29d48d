/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arguments.h: a command line, taken apart by the tables of command.h and option.h. */
#pragma once

#include "base/auto_ptr.h"
#include "cli/command.h"

struct arguments;

/* Parse argv[1..argc-1].  Global options may stand anywhere, those of a verb after it; `--` ends
 * the options.  SLIPWAY_ERROR_USAGE says what is wrong, what was probably meant and where the help
 * is.  With --help (arguments_flag(OPTION_HELP)) nothing else is required, and noun and verb are
 * those that were given, or NULL. */
struct arguments *arguments_parse(int argc, char *const *argv, GError **error);
void arguments_free(struct arguments *arguments);
AUTO_PTR_DEFINE(arguments, arguments_free)

/* TRUE when `argv` asks for --json anywhere, also when it cannot be parsed. */
gboolean arguments_want_json(int argc, char *const *argv);

/* NULL only with --help and --version. */
const struct noun *arguments_noun(const struct arguments *arguments);
const struct verb *arguments_verb(const struct arguments *arguments);
/* `slipway --version` */
gboolean arguments_version(const struct arguments *arguments);

/* Operands, ended by NULL. */
const char *const *arguments_operands(const struct arguments *arguments);
/* Number `index`, or NULL. */
const char *arguments_operand(const struct arguments *arguments, guint index);

gboolean arguments_flag(const struct arguments *arguments, enum option_id id);
/* NULL when it was not given. */
const char *arguments_text(const struct arguments *arguments, enum option_id id);
/* Ended by NULL; NULL when it was not given. */
const char *const *arguments_list(const struct arguments *arguments, enum option_id id);
unsigned arguments_number(const struct arguments *arguments, enum option_id id, unsigned otherwise);
