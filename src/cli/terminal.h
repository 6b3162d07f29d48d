/* SPDX-License-Identifier: GPL-3.0-or-later */
/* terminal.h: what standard input, output and error are connected to. */
#pragma once

#include <glib.h>
#include <stdio.h>

gboolean terminal_is(FILE *stream);
/* TRUE for a terminal that can redraw a line: TERM is set and not "dumb". */
gboolean terminal_can_draw(FILE *stream);
/* Columns: of the terminal, else $COLUMNS, else 80; at least 20. */
gsize terminal_width(FILE *stream);

/* Ask `question` on the terminal; TRUE for yes.  An end of the input is no. */
gboolean terminal_ask(const char *question);

/* Ask for a secret without showing what is typed; NULL at the end of the input.  Free with
 * secret_free(). */
char *terminal_ask_secret(const char *question);
