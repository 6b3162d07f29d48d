/* SPDX-License-Identifier: GPL-3.0-or-later */
/* progress_bar.h: progress.h drawn on a terminal, or as lines where there is none.
 *
 * A terminal gets a bar with percent, rate and time to go, drawn at most ten times a second and
 * cleared at the end; a file or pipe gets a line at the beginning, one about every ten seconds and
 * one at the end.  Notes and warnings go between.  All of it on one stream, through
 * secret_redact().  Any thread. */
#pragma once

#include "base/auto_ptr.h"
#include "base/progress.h"

#include <stdio.h>

enum progress_style {
    PROGRESS_NOTHING, /* neither bar nor lines */
    PROGRESS_LINES,
    PROGRESS_BAR,
};

struct progress_bar;

/* Write to `out`.  `quiet`: no PROGRESS_INFO; `verbose`: PROGRESS_DEBUG too.  Warnings always. */
struct progress_bar *progress_bar_new(FILE *out, enum progress_style style, gboolean quiet,
                                      gboolean verbose);
void progress_bar_free(struct progress_bar *bar);
AUTO_PTR_DEFINE(progress_bar, progress_bar_free)

struct progress *progress_bar_progress(struct progress_bar *bar);

/* Take the bar off the terminal, so that something else can be written. */
void progress_bar_clear(struct progress_bar *bar);

/* What a step looks like. */
struct progress_state {
    const char *what;
    guint64 done;
    guint64 total; /* 0: unknown */
    enum progress_unit unit;
    guint64 elapsed_ms;
};

/* "fetching 3 VIBs  [=====>    ]  52%  12.3 MB/s  0:07" in at most `width` columns. */
char *progress_bar_line(const struct progress_state *state, gsize width);
/* "fetching 3 VIBs: 52% of 120.0 MB, 12.3 MB/s" */
char *progress_text_line(const struct progress_state *state);
