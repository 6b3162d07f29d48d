/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/ui.h"

#include "base/error.h"
#include "base/secret.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "cli/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

struct ui {
    struct ui_options options;
    struct progress_bar *bar;
    json_t *result;
    gboolean document; /* ui_write() was called: standard output holds something of its own */
    int write_error;   /* errno of the first write to standard output that failed; 0: none */
};

static enum progress_style
choose_style(const struct ui_options *options)
{
    if (options->quiet || options->no_progress)
        return PROGRESS_NOTHING;
    return terminal_can_draw(stderr) ? PROGRESS_BAR : PROGRESS_LINES;
}

struct ui *
ui_new(const struct ui_options *options)
{
    struct ui *ui = g_new0(struct ui, 1);
    ui->options = *options;
    ui->result = json_object();
    ui->bar = progress_bar_new(stderr, choose_style(options), options->quiet, options->verbose);
    return ui;
}

void
ui_free(struct ui *ui)
{
    if (ui == NULL)
        return;
    progress_bar_free(ui->bar);
    json_decref(ui->result);
    g_free(ui);
}

gboolean
ui_json(const struct ui *ui)
{
    return ui->options.json;
}

static void
put(struct ui *ui, const char *text)
{
    progress_bar_clear(ui->bar);
    if (fputs(text, stdout) < 0 && ui->write_error == 0)
        ui->write_error = errno;
}

void
ui_write(struct ui *ui, const char *text)
{
    ui->document = TRUE;
    put(ui, text);
}

static void
write_redacted(struct ui *ui, const char *text)
{
    g_autofree char *redacted = secret_redact(text);
    g_autofree char *clean = text_clean(redacted);
    put(ui, clean);
}

void
ui_print(struct ui *ui, const char *format, ...)
{
    if (ui->options.json)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    write_redacted(ui, text);
}

void
ui_field(struct ui *ui, const char *label, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    g_autofree char *head = g_strconcat(label, *label != '\0' ? ":" : "", NULL);
    ui_print(ui, "%-18s %s\n", head, text);
}

void
ui_table(struct ui *ui, const struct table *table, const char *none)
{
    if (ui->options.json)
        return;
    g_autofree char *text = table_format(table, terminal_is(stdout) ? terminal_width(stdout) : 0);
    if (*text != '\0')
        write_redacted(ui, text);
    else
        ui_info(ui, "%s", none);
}

void
ui_set(struct ui *ui, const char *name, json_t *value)
{
    json_object_set_new(ui->result, name, value);
}

void
ui_set_all(struct ui *ui, json_t *object)
{
    json_object_update(ui->result, object);
    json_decref(object);
}

void
ui_info(struct ui *ui, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    progress_info(ui_progress(ui), "%s", text);
}

void
ui_warning(struct ui *ui, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    progress_warning(ui_progress(ui), "%s", text);
}

struct progress *
ui_progress(struct ui *ui)
{
    return progress_bar_progress(ui->bar);
}

gboolean
ui_confirm(struct ui *ui, const char *question, GError **error)
{
    if (ui->options.yes)
        return TRUE;
    if (!terminal_is(stdin) || !terminal_is(stderr))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "'%s' cannot be asked without a terminal; --yes answers it", question);
    progress_bar_clear(ui->bar);
    g_autofree char *redacted = secret_redact(question);
    g_autofree char *clean = text_clean(redacted);
    if (terminal_ask(clean))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CANCELLED, "nothing was changed");
}

/* Every string of `value`, which may hold what came from anywhere. */
static json_t *
redact_json(json_t *value)
{
    if (json_is_string(value)) {
        g_autofree char *text = secret_redact(json_string_value(value));
        return json_string(text);
    }
    if (json_is_array(value)) {
        json_t *copy = json_array();
        gsize i;
        json_t *element;
        json_array_foreach(value, i, element) json_array_append_new(copy, redact_json(element));
        return copy;
    }
    if (json_is_object(value)) {
        json_t *copy = json_object();
        const char *key;
        json_t *member;
        json_object_foreach(value, key, member) json_object_set_new(copy, key, redact_json(member));
        return copy;
    }
    return json_incref(value);
}

static json_t *
error_json(const GError *error)
{
    gboolean ours =
        error->domain == SLIPWAY_ERROR && error->code >= 0 && error->code < SLIPWAY_ERROR_N;
    enum slipway_error code = ours ? (enum slipway_error)error->code : SLIPWAY_ERROR_FAILED;
    g_autofree char *valid = g_utf8_make_valid(error->message, -1);
    return json_pack("{s:s, s:i, s:s}", "code", error_code_name(code), "exit",
                     error_exit_code(error), "message", valid);
}

static void
print_result(struct ui *ui)
{
    json_t *redacted = redact_json(ui->result);
    char *text = json_dumps(redacted, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(redacted);
    put(ui, text);
    put(ui, "\n");
    free(text);
}

static void
print_error(const char *message)
{
    g_autofree char *redacted = secret_redact(message);
    g_autofree char *clean = text_clean(redacted);
    fprintf(stderr, "slipway: error: %s\n", clean);
}

/* A reader that went away (`| head`) needs no message: it is its own wish. */
static int
finish_output(struct ui *ui)
{
    if (fflush(stdout) != 0 && ui->write_error == 0)
        ui->write_error = errno;
    if (ui->write_error == 0)
        return 0;
    g_autoptr(GError) error = NULL;
    error_set_errno(&error, ui->write_error, "cannot write to standard output");
    if (ui->write_error != EPIPE)
        print_error(error->message);
    return error_code_exit(SLIPWAY_ERROR_IO);
}

gboolean
ui_publish(struct ui *ui, GError **error)
{
    if (ui->options.json && !ui->document)
        print_result(ui);
    ui->document = TRUE;
    if (fflush(stdout) != 0 && ui->write_error == 0)
        ui->write_error = errno;
    return ui->write_error == 0 ||
           error_set_errno(error, ui->write_error, "cannot write to standard output");
}

int
ui_finish(struct ui *ui, const GError *error)
{
    progress_bar_clear(ui->bar);
    if (error != NULL)
        json_object_set_new(ui->result, "error", error_json(error));
    if (ui->options.json && !ui->document)
        print_result(ui);
    int code = finish_output(ui);
    if (error == NULL)
        return code;
    print_error(error->message);
    return error_exit_code(error);
}
