/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ui.h: what a command says: results on standard output, all else on standard error.
 *
 * A result is text or, with --json, one JSON object that is printed at the end.  Every text goes
 * through secret_redact() and loses its control characters.  One thread, but for ui_progress(). */
#pragma once

#include "base/auto_ptr.h"
#include "base/progress.h"
#include "cli/table.h"

#include <jansson.h>

struct ui_options {
    gboolean json;
    gboolean quiet;
    gboolean verbose;
    gboolean no_progress;
    gboolean yes;
};

struct ui;

struct ui *ui_new(const struct ui_options *options);
void ui_free(struct ui *ui);
AUTO_PTR_DEFINE(ui, ui_free)

gboolean ui_json(const struct ui *ui);

/* Text of the result; nothing with --json. */
void ui_print(struct ui *ui, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* "Label:             text"; nothing for NULL or "", and nothing with --json. */
void ui_field(struct ui *ui, const char *label, const char *text);
/* The table, or `none` when it has no row; nothing with --json. */
void ui_table(struct ui *ui, const struct table *table, const char *none);
/* As it is, and instead of any JSON object: a manual page, a script. */
void ui_write(struct ui *ui, const char *text);

/* Set member `name` of the JSON object; takes over `value`, which is dropped without --json. */
void ui_set(struct ui *ui, const char *name, json_t *value);
/* The same with every member of `object`, which is taken over. */
void ui_set_all(struct ui *ui, json_t *object);

/* Remarks, on standard error. */
void ui_info(struct ui *ui, const char *format, ...) G_GNUC_PRINTF(2, 3);
void ui_warning(struct ui *ui, const char *format, ...) G_GNUC_PRINTF(2, 3);
struct progress *ui_progress(struct ui *ui);

/* May a thing be done that cannot be undone?  TRUE with --yes or when the user says yes.
 * SLIPWAY_ERROR_USAGE when there is nobody to ask, SLIPWAY_ERROR_CANCELLED for no. */
gboolean ui_confirm(struct ui *ui, const char *question, GError **error);

/* Say the result now, as something goes on for long after it: ui_finish() then adds an error alone.
 * FALSE with SLIPWAY_ERROR_IO when standard output did not take it. */
gboolean ui_publish(struct ui *ui, GError **error);

/* Print the JSON object, and `error` (may be NULL), which it then holds too.  Returns the exit
 * code: of the error, or of a standard output that took not all of it. */
int ui_finish(struct ui *ui, const GError *error);
