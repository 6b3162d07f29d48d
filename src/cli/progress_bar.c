/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/progress_bar.h"

#include "base/secret.h"
#include "cli/terminal.h"
#include "cli/text.h"

#define REDRAW_US (G_USEC_PER_SEC / 10)
#define LINE_US (10 * G_USEC_PER_SEC)
/* A rate or a time to go is a guess before that. */
#define GUESS_MS 1000
#define BAR_MAX 40
#define BAR_MIN 10

struct step {
    char *what;
    guint64 done, total;
    enum progress_unit unit;
    gint64 began, shown;
};

struct progress_bar {
    struct progress base;
    GMutex lock;
    FILE *out;
    enum progress_style style;
    gboolean quiet, verbose;
    gboolean drawn; /* a bar is on the last line of the terminal */
    GArray *steps;  /* of struct step; the innermost is shown */
};

static unsigned
percent(const struct progress_state *state)
{
    if (state->total == 0)
        return 0;
    double part = (double)state->done / (double)state->total;
    return (unsigned)(MIN(part, 1.0) * 100);
}

static char *
amount(guint64 number, enum progress_unit unit)
{
    if (unit == PROGRESS_BYTES)
        return text_bytes(number);
    return g_strdup_printf("%" G_GUINT64_FORMAT, number);
}

/* "  12.3 MB/s"; items have no rate worth reading. */
static void
append_rate(GString *out, const struct progress_state *state, const char *before)
{
    if (state->unit != PROGRESS_BYTES || state->elapsed_ms < GUESS_MS)
        return;
    g_autofree char *rate =
        text_bytes((guint64)((double)state->done * 1000 / (double)state->elapsed_ms));
    g_string_append_printf(out, "%s%s/s", before, rate);
}

static void
append_time_to_go(GString *out, const struct progress_state *state)
{
    if (state->elapsed_ms < GUESS_MS || state->done == 0 || state->total <= state->done)
        return;
    double left = (double)(state->total - state->done) / (double)state->done;
    g_autofree char *text = text_duration((guint64)(left * (double)state->elapsed_ms / 1000));
    g_string_append_printf(out, "  %s", text);
}

static void
append_drawing(GString *out, const struct progress_state *state, gsize width)
{
    gsize full = width * percent(state) / 100;
    g_string_append(out, "  [");
    for (gsize i = 0; i < width; i++)
        g_string_append_c(out, i < full ? '=' : i == full ? '>' : ' ');
    g_string_append_c(out, ']');
}

char *
progress_bar_line(const struct progress_state *state, gsize width)
{
    g_autoptr(GString) tail = g_string_new(NULL);
    if (state->total > 0) {
        g_string_append_printf(tail, "  %3u%%", percent(state));
    } else if (state->done > 0) {
        g_autofree char *done = amount(state->done, state->unit);
        g_string_append_printf(tail, "  %s", done);
    }
    append_rate(tail, state, "  ");
    append_time_to_go(tail, state);

    GString *line = g_string_new(state->what);
    gsize taken = text_width(state->what) + tail->len + 4;
    if (state->total > 0 && taken + BAR_MIN <= width)
        append_drawing(line, state, MIN(width - taken, BAR_MAX));
    g_string_append(line, tail->str);
    if (text_width(line->str) > width) {
        char *cut = text_fit(line->str, width);
        g_string_free(line, TRUE);
        return cut;
    }
    return g_string_free(line, FALSE);
}

char *
progress_text_line(const struct progress_state *state)
{
    GString *line = g_string_new(NULL);
    g_string_append_printf(line, "%s: ", state->what);
    g_autofree char *done = amount(state->done, state->unit);
    g_autofree char *total = amount(state->total, state->unit);
    if (state->total > 0)
        g_string_append_printf(line, "%u%% of %s", percent(state), total);
    else
        g_string_append(line, done);
    append_rate(line, state, ", ");
    return g_string_free(line, FALSE);
}

static void
clear_line(struct progress_bar *bar)
{
    if (!bar->drawn)
        return;
    fputs("\r\033[K", bar->out);
    bar->drawn = FALSE;
}

static void
write_line(struct progress_bar *bar, const char *before, const char *text)
{
    g_autofree char *redacted = secret_redact(text);
    g_autofree char *clean = text_clean(redacted);
    clear_line(bar);
    fprintf(bar->out, "%s%s\n", before, clean);
    fflush(bar->out);
}

static struct progress_state
state_of(const struct step *step)
{
    gint64 elapsed = g_get_monotonic_time() - step->began;
    return (struct progress_state){step->what, step->done, step->total, step->unit,
                                   (guint64)MAX(elapsed, 0) / 1000};
}

static void
draw(struct progress_bar *bar, const struct step *step)
{
    struct progress_state state = state_of(step);
    g_autofree char *redacted = secret_redact(state.what);
    g_autofree char *clean = text_clean(redacted);
    state.what = clean;
    /* The last column stays free: some terminals wrap when it is written. */
    g_autofree char *line = progress_bar_line(&state, terminal_width(bar->out) - 1);
    fprintf(bar->out, "\r%s\033[K", line);
    fflush(bar->out);
    bar->drawn = TRUE;
}

static struct step *
innermost(struct progress_bar *bar)
{
    return bar->steps->len > 0 ? &g_array_index(bar->steps, struct step, bar->steps->len - 1)
                               : NULL;
}

static void
show(struct progress_bar *bar, gboolean now)
{
    struct step *step = innermost(bar);
    if (step == NULL || bar->style == PROGRESS_NOTHING)
        return;
    gint64 time = g_get_monotonic_time();
    if (!now && time - step->shown < (bar->style == PROGRESS_BAR ? REDRAW_US : LINE_US))
        return;
    step->shown = time;
    if (bar->style == PROGRESS_BAR) {
        draw(bar, step);
        return;
    }
    struct progress_state state = state_of(step);
    g_autofree char *line = progress_text_line(&state);
    write_line(bar, "", line);
}

static void
begin(struct progress *self, const char *what, guint64 total, enum progress_unit unit)
{
    struct progress_bar *bar = (struct progress_bar *)self;
    g_mutex_lock(&bar->lock);
    gint64 now = g_get_monotonic_time();
    struct step step = {g_strdup(what), 0, total, unit, now, now};
    g_array_append_val(bar->steps, step);
    if (bar->style == PROGRESS_LINES)
        write_line(bar, "", what);
    else
        show(bar, TRUE);
    g_mutex_unlock(&bar->lock);
}

static void
advance(struct progress *self, guint64 more)
{
    struct progress_bar *bar = (struct progress_bar *)self;
    g_mutex_lock(&bar->lock);
    struct step *step = innermost(bar);
    if (step != NULL) {
        step->done += more;
        show(bar, FALSE);
    }
    g_mutex_unlock(&bar->lock);
}

static void
end_line(struct progress_bar *bar, const struct step *step, gboolean ok)
{
    struct progress_state state = state_of(step);
    g_autofree char *time = text_duration(state.elapsed_ms / 1000);
    g_autofree char *done = amount(step->done, step->unit);
    g_autofree char *line = ok && step->done > 0
                                ? g_strdup_printf("%s: done, %s in %s", step->what, done, time)
                                : g_strdup_printf("%s: %s", step->what, ok ? "done" : "failed");
    write_line(bar, "", line);
}

static void
end(struct progress *self, gboolean ok)
{
    struct progress_bar *bar = (struct progress_bar *)self;
    g_mutex_lock(&bar->lock);
    struct step *step = innermost(bar);
    if (step != NULL) {
        if (bar->style == PROGRESS_LINES)
            end_line(bar, step, ok);
        clear_line(bar);
        g_free(step->what);
        g_array_set_size(bar->steps, bar->steps->len - 1);
        if (bar->style == PROGRESS_BAR)
            show(bar, TRUE);
        fflush(bar->out);
    }
    g_mutex_unlock(&bar->lock);
}

static void
note(struct progress *self, enum progress_note kind, const char *text)
{
    struct progress_bar *bar = (struct progress_bar *)self;
    if ((kind == PROGRESS_INFO && bar->quiet) || (kind == PROGRESS_DEBUG && !bar->verbose))
        return;
    g_mutex_lock(&bar->lock);
    write_line(bar, kind == PROGRESS_WARNING ? "slipway: warning: " : "", text);
    if (bar->style == PROGRESS_BAR)
        show(bar, TRUE);
    g_mutex_unlock(&bar->lock);
}

static const struct progress_class bar_class = {begin, advance, end, note};

static void
clear_step(gpointer data)
{
    struct step *step = data;
    g_free(step->what);
}

struct progress_bar *
progress_bar_new(FILE *out, enum progress_style style, gboolean quiet, gboolean verbose)
{
    struct progress_bar *bar = g_new0(struct progress_bar, 1);
    bar->base.class = &bar_class;
    g_mutex_init(&bar->lock);
    bar->out = out;
    bar->style = style;
    bar->quiet = quiet;
    bar->verbose = verbose;
    bar->steps = g_array_new(FALSE, FALSE, sizeof(struct step));
    return bar;
}

void
progress_bar_free(struct progress_bar *bar)
{
    if (bar == NULL)
        return;
    progress_bar_clear(bar);
    for (guint i = 0; i < bar->steps->len; i++)
        clear_step(&g_array_index(bar->steps, struct step, i));
    g_array_unref(bar->steps);
    g_mutex_clear(&bar->lock);
    g_free(bar);
}

struct progress *
progress_bar_progress(struct progress_bar *bar)
{
    return &bar->base;
}

void
progress_bar_clear(struct progress_bar *bar)
{
    g_mutex_lock(&bar->lock);
    clear_line(bar);
    fflush(bar->out);
    g_mutex_unlock(&bar->lock);
}
